/* progress.c - how far a run has come. */
#include "tools/train/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "tools/lib/clock.h"

enum { BAR = 20, LINES = 20 };      /* characters of the bar; plain lines in a run */

void progress_open(struct progress *p, int done, int steps, double peak, double seconds)
{
    memset(p, 0, sizeof *p);
    p->peak = peak;
    p->steps = steps;
    p->first = done;
    p->held_out = (double)NAN;
    p->live = isatty(STDOUT_FILENO);
    p->started = clock_seconds() - seconds;
}

static void write_amount(char text[16], double x)
{
    snprintf(text, 16, x >= 1e6 ? "%.3gM" : x >= 1e4 ? "%.3gk" : "%.0f", x >= 1e6 ? x / 1e6 : x >= 1e4 ? x / 1e3 : x);
}

static void write_time(char text[16], double seconds)
{
    const int s = (int)fmin(fmax(seconds, 0), 3.5e6);
    if (s >= 3600)
        snprintf(text, 16, "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, 16, "%d:%02d", s / 60, s % 60);
}

/* The beginning of what it writes, as one line. */
static void show_sample(const struct progress *p, const struct run_point *q)
{
    enum { WIDE = 72 };
    char line[WIDE + 1];
    size_t n = 0;
    for (size_t i = 0; i < q->sample_bytes && n < WIDE; i++) {
        const char c = q->sample[i];
        const char plain = c >= ' ' && c <= '~' ? c : ' ';
        if (plain != ' ' || (n && line[n - 1] != ' '))
            line[n++] = plain;
    }
    line[n] = 0;
    printf("%s  it writes: %s%s\n", p->live ? "\r" : "", line, p->live ? "\033[K" : "");
}

static void show(const struct progress *p, const struct run *r, const struct run_point *q)
{
    char bar[BAR + 1], speed[16], left[16], peak[32] = "", held_out[100] = "";
    const int full = (int)((double)BAR * q->step / p->steps);
    for (int i = 0; i < BAR; i++)
        bar[i] = i < full ? '=' : i == full ? '>' : ' ';
    bar[BAR] = 0;
    write_amount(speed, p->speed);
    write_time(left, ceil((clock_seconds() - p->started) / (q->step - p->first) * (p->steps - q->step)));
    if (p->peak > 0)
        snprintf(peak, sizeof peak, "  %.0f %% of peak",
                 100 * p->speed * swax_network_flops(&r->model, r->length, q->window, 1) / p->peak);
    if (isfinite(p->held_out))
        snprintf(held_out, sizeof held_out, "  held out %.4f +- %.4f (%.4f bits per %s)", p->held_out,
                 p->held_out_error, p->held_out / 0.6931471805599453,
                 r->source->unit ? r->source->unit : "token");
    if (p->live)
        printf("\r[%s] ", bar);
    printf("step %d/%d  loss %.4f%s  %s tokens/s%s  window %d  %s left%s", q->step, p->steps, p->loss / p->parts,
           held_out, speed, peak, q->window, left,
           p->live ? "\033[K" : "\n");
    fflush(stdout);
}

void progress_step(struct progress *p, const struct run *r, const struct run_point *q)
{
    const double time = clock_seconds(), keep = 0.95;
    if (isfinite(q->held_out))
        p->held_out = q->held_out, p->held_out_error = q->held_out_error;
    p->parts = keep * p->parts + (1 - keep);
    p->loss = keep * p->loss + (1 - keep) * q->loss;
    p->speed = p->speed > 0 ? 1 / (keep / p->speed + (1 - keep) / q->tokens_per_second) : q->tokens_per_second;
    const int part = p->steps > LINES ? p->steps / LINES : 1;
    const int due = q->sample || (p->live ? time - p->shown > 0.1 : q->step % part == 0);
    if (!due && q->step != p->steps)
        return;
    p->shown = time;
    if (q->sample)
        show_sample(p, q);
    show(p, r, q);
}

void progress_close(struct progress *p)
{
    if (p->live && p->shown > 0)
        putchar('\n');
    p->live = 0;
}
