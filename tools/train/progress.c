/* progress.c - how far a run has come. */
#include "tools/train/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "tools/lib/clock.h"
#include "tools/lib/terminal.h"

enum { BAR = 20, LINES = 20 };      /* characters of the bar; plain lines in a run */

void progress_open(struct progress *p, int done, int steps, double peak, double seconds)
{
    memset(p, 0, sizeof *p);
    p->peak = peak;
    p->steps = steps;
    p->first = done;
    p->held_out = (double)NAN;
    p->live = isatty(STDOUT_FILENO);
    p->columns = terminal_columns();
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

/* The beginning of what it writes, as one line.  On a terminal the line of the step will be written over, and this one
 * stays: there it says when it was written. */
static void show_sample(const struct progress *p, const struct run_point *q)
{
    enum { WIDE = 72, NARROW = 60 };
    char title[64] = "  it writes: ", line[WIDE + 1];
    if (p->live && isfinite(p->held_out) && (!p->columns || p->columns >= NARROW))
        snprintf(title, sizeof title, "step %d, held out %.4f, writes: ", q->step, p->held_out);
    const int room = p->live && p->columns ? p->columns - (int)strlen(title) - 1 : WIDE;
    int n = 0;
    for (size_t i = 0; i < q->sample_bytes && n < room && n < WIDE; i++) {
        const char c = q->sample[i];
        const char plain = c >= ' ' && c <= '~' ? c : ' ';
        if (plain != ' ' || (n && line[n - 1] != ' '))
            line[n++] = plain;
    }
    line[n] = 0;
    printf("%s%s%s%s\n", p->live ? "\r" : "", title, line, p->live ? "\033[K" : "");
}

/* The parts of a line as they stand in it, and in the order in which they go where the terminal is too narrow. */
enum { BAR_PART, STEP, LOSS, HELD_OUT, BITS, SPEED, PEAK, WINDOW, LEFT, LINE_PARTS };
static const int goes[] = {BAR_PART, BITS, PEAK, WINDOW, SPEED, HELD_OUT, LEFT, LOSS};

static void fit(char part[LINE_PARTS][100], int columns)
{
    int n = 0;
    for (int i = 0; i < LINE_PARTS; i++)
        n += (int)strlen(part[i]);
    for (size_t i = 0; i < sizeof goes / sizeof *goes && n >= columns; i++) {
        n -= (int)strlen(part[goes[i]]);
        *part[goes[i]] = 0;
    }
}

static void show(const struct progress *p, const struct run *r, const struct run_point *q)
{
    char part[LINE_PARTS][100] = {""}, speed[16], left[16], error[32] = "";
    const int full = (int)((double)BAR * q->step / p->steps);
    if (p->live)
        snprintf(part[BAR_PART], sizeof part[0], "[%.*s%.*s%*s] ", full, "====================", full < BAR, ">",
                 full < BAR ? BAR - 1 - full : 0, "");
    write_amount(speed, p->speed);
    write_time(left, ceil((clock_seconds() - p->started) / (q->step - p->first) * (p->steps - q->step)));
    snprintf(part[STEP], sizeof part[0], "step %d/%d", q->step, p->steps);
    snprintf(part[LOSS], sizeof part[0], "  loss %.4f", p->loss / p->parts);
    if (isfinite(p->held_out)) {
        snprintf(part[HELD_OUT], sizeof part[0], "  held out %.4f", p->held_out);
        if (isfinite(p->held_out_error))
            snprintf(error, sizeof error, " +- %.4f", p->held_out_error);
        snprintf(part[BITS], sizeof part[0], "%s (%.4f bits per %s)", error, p->held_out / 0.6931471805599453,
                 run_unit(r));
    }
    snprintf(part[SPEED], sizeof part[0], "  %s tokens/s", speed);
    if (p->peak > 0)
        snprintf(part[PEAK], sizeof part[0], "  %.0f %% of peak",
                 100 * p->speed * swax_network_flops(&r->model, r->length, q->window, 1) / p->peak);
    snprintf(part[WINDOW], sizeof part[0], "  window %d", q->window);
    snprintf(part[LEFT], sizeof part[0], "  %s left", left);
    if (p->live && p->columns)
        fit(part, p->columns);
    fputs(p->live ? "\r" : "", stdout);
    for (int i = 0; i < LINE_PARTS; i++)
        fputs(part[i], stdout);
    fputs(p->live ? "\033[K" : "\n", stdout);
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
