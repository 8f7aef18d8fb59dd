/* run_log.c - log.jsonl. */
#include "tools/train/run_log.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "tools/train/checkpoint.h"
#include "tools/lib/files.h"
#include "tools/lib/json.h"
#include "tools/lib/number.h"
#include "tools/lib/say.h"

enum run_end run_log_open(struct run_log *l, const char *out, char *why)
{
    run_path(l->path, out, "log.jsonl");
    l->file = open(l->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (l->file < 0)
        return say_errno(why, l->path, "cannot be written"), RUN_REFUSED;
    const enum file_lock lock = file_lock(l->file);
    l->unlocked = lock == FILE_NO_LOCKS;
    if (lock == FILE_HELD || lock == FILE_NO_LOCKS)
        return RUN_FINISHED;
    if (lock == FILE_LOCK_FAILED)
        return say_errno(why, l->path, "cannot be locked"), RUN_REFUSED;
    say(why, "Another process is training in %s: stop it first, or choose another folder.", out);
    return RUN_BUSY;
}

int run_log_empty(const struct run_log *l)
{
    return lseek(l->file, 0, SEEK_END) == 0;
}

void run_log_close(struct run_log *l)
{
    if (l->file >= 0)
        close(l->file);
    l->file = -1;
}

static const char opening[] = "{\"step\":";

/* The step of the line that ends at `end`, or 0 if it is none of ours. */
static int step_of(const char *line, const char *end)
{
    const size_t n = sizeof opening - 1;
    const long step = end - line > (long)n && end[-1] == '}' && !memcmp(line, opening, n) ? strtol(line + n, NULL, 10)
                                                                                          : 0;
    return step > 0 && step <= 1 << 30 ? (int)step : 0;
}

char *run_log_read(const struct run_log *l, size_t *size, char *why)
{
    const off_t end = lseek(l->file, 0, SEEK_END);
    char *text = end < 0 ? NULL : malloc((size_t)end + 1);
    *size = (size_t)end;
    if (!text)
        return say(why, "There is no memory to read %s.", l->path), NULL;
    text[*size] = 0;
    if (!file_read_at(l->file, l->path, text, *size, 0, why))
        return text;
    free(text);
    return NULL;
}

const char *run_log_last(const struct run_log *l, int *step, char *why)
{
    size_t size;
    char *text = run_log_read(l, &size, why), *line_end;
    *step = 0;
    for (const char *at = text; text && at < text + size &&
         (line_end = memchr(at, '\n', (size_t)(text + size - at))); at = line_end + 1)
        *step = step_of(at, line_end) > *step ? step_of(at, line_end) : *step;
    free(text);
    return text ? NULL : why;
}

const char *run_log_cut(struct run_log *l, int step, char *why)
{
    size_t size;
    char *text = run_log_read(l, &size, why);
    if (!text)
        return why;
    const char *wrong = NULL, *keep = text, *at = text, *end = text + size;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        const int here = line_end ? step_of(at, line_end) : 0;
        if (!line_end || here > step)      /* cut short, or a step that is done again */
            break;
        at = line_end + 1;
        keep = here ? at : keep;
    }
    if (ftruncate(l->file, keep - text))
        wrong = say_errno(why, l->path, "cannot be written");
    free(text);
    return wrong;
}

const char *run_log_best(const struct run_log *l, double *best, char *why)
{
    static const char key[] = "\"held_out_loss\":";
    size_t size;
    char *text = run_log_read(l, &size, why);
    *best = (double)NAN;
    for (const char *at = text; text && (at = strstr(at, key)); at += sizeof key - 1) {
        char number[32];
        double loss;
        snprintf(number, sizeof number, "%.*s", (int)strcspn(at + sizeof key - 1, ",}"), at + sizeof key - 1);
        if (number_real(number, -HUGE_VAL, HUGE_VAL, &loss) && !(loss >= *best))
            *best = loss;
    }
    free(text);
    return text ? NULL : why;
}

/* What a look adds to the line of its step. */
static void write_look(FILE *f, const struct run_point *p)
{
    if (!isfinite(p->held_out))
        return;
    fprintf(f, ",\"held_out_loss\":%.17g,\"held_out_error\":", p->held_out);
    if (isfinite(p->held_out_error))
        fprintf(f, "%.9g", p->held_out_error);
    else
        fputs("null", f);                  /* one sequence says nothing of how much others differ */
    fprintf(f, ",\"held_out_bits\":%.9g", p->held_out / 0.6931471805599453);
    for (int i = 0; i < p->cells; i++)
        fprintf(f, "%s[%d,%.6g,%.6g,%.6g]", i ? "," : ",\"time_constants\":[", p->cell[i].layer, p->cell[i].low,
                p->cell[i].median, p->cell[i].high);
    fputs(p->cells ? "]" : "", f);
    if (p->sample) {
        fputs(",\"sample\":", f);
        json_write_bytes(f, p->sample, p->sample_bytes);
    }
}

const char *run_log_add(struct run_log *l, const struct run_point *p, char *why)
{
    struct timespec now;
    char *line;
    size_t n;
    FILE *f = file_open_text(&line, &n);
    clock_gettime(CLOCK_REALTIME, &now);
    if (!f)
        return say(why, "There is no memory for a line of %s.", l->path);
    fprintf(f,
            "%s%d,\"tokens\":%.0f,\"loss\":%.9g,\"gradient_norm\":%.9g,\"rate\":%.9g,\"window\":%d,"
            "\"tokens_per_second\":%.1f,\"time\":%lld.%03ld",
            opening, p->step, p->tokens, p->loss, p->norm, p->rate, p->window, p->tokens_per_second,
            (long long)now.tv_sec, now.tv_nsec / 1000000);
    write_look(f, p);
    fputs("}\n", f);
    if (!file_close_text(f, &line))
        return say(why, "There is no memory for a line of %s.", l->path);
    const int failed = file_write(l->file, line, n);
    free(line);
    return failed ? say_errno(why, l->path, "cannot be written") : NULL;
}

const char *run_log_sync(struct run_log *l, char *why)
{
    return fsync(l->file) ? say_errno(why, l->path, "cannot be written") : NULL;
}
