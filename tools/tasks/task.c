/* task.c - parameters of tasks, and texts with marked answers. */
#include "tools/tasks/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int task_int(const struct source *s, const char *key, const char *text, int from, int to, int *value, char *why)
{
    char *end;
    errno = 0;
    const long v = strtol(text, &end, 10);
    if (end != text && !*end && !errno && v >= from && v <= to) {
        *value = (int)v;
        return 0;
    }
    snprintf(why, SWAX_WHY, "Task %s: %s=%.60s is not a whole number from %d to %d.", s->name, key, text, from, to);
    return 1;
}

int task_real(const struct source *s, const char *key, const char *text, double from, double to, double *value, char *why)
{
    char *end;
    const double v = strtod(text, &end);
    if (end != text && !*end && v >= from && v <= to) {
        *value = v;
        return 0;
    }
    snprintf(why, SWAX_WHY, "Task %s: %s=%.60s is not a number from %g to %g.", s->name, key, text, from, to);
    return 1;
}

int task_range(const struct source *s, const char *key, const char *text, int from, int to, int range[2], char *why)
{
    char tail;
    if (sscanf(text, "%d-%d%c", &range[0], &range[1], &tail) == 2 && range[0] >= from && range[0] <= range[1] && range[1] <= to)
        return 0;
    snprintf(why, SWAX_WHY, "Task %s: %s=%.60s is not two whole numbers from %d to %d, the smaller first, as in %s=%d-%d.",
             s->name, key, text, from, to, key, from, to);
    return 1;
}

int task_word(const struct source *s, const char *key, const char *text, const char *const *words, int *which, char *why)
{
    for (*which = 0; words[*which]; ++*which)
        if (!strcmp(words[*which], text))
            return 0;
    int n = snprintf(why, SWAX_WHY, "Task %s: %s=%.60s is none of:", s->name, key, text);
    for (int i = 0; words[i] && n < SWAX_WHY - 40; i++)
        n += snprintf(why + n, SWAX_WHY - (size_t)n, " %s", words[i]);
    snprintf(why + n, SWAX_WHY - (size_t)n, ".");
    return 1;
}

struct random task_random(uint64_t seed, enum data_part part, uint64_t number)
{
    return random_open(seed, part == DATA_TRAIN ? RANDOM_TRAIN : RANDOM_HELD_OUT, number);
}

void task_targets(struct sequence *s, const int *token, const int *tag, double rest)
{
    for (int t = 0; t < s->T; t++) {
        s->token[t] = token[t];
        s->tag[t] = tag[t + 1];
        s->weight[t] = tag[t + 1] ? 1 : (float)rest;
        s->target[t] = tag[t + 1] || rest > 0 ? token[t + 1] : -1;
    }
}

int prose_open(struct prose *p, int room)
{
    *p = (struct prose){malloc((size_t)room * sizeof(int)), malloc((size_t)room * sizeof(int)), 0, room};
    if (p->byte && p->tag)
        return 1;
    prose_close(p);
    return 0;
}

void prose_close(struct prose *p)
{
    free(p->byte);
    free(p->tag);
    memset(p, 0, sizeof *p);
}

void prose_answer(struct prose *p, const char *text, int tag)
{
    for (; *text; text++, p->n++)
        if (p->n < p->room) {
            p->byte[p->n] = (unsigned char)*text;
            p->tag[p->n] = tag;
        }
}

void prose_add(struct prose *p, const char *text)
{
    prose_answer(p, text, 0);
}

void prose_number(struct prose *p, int number)
{
    char text[16];
    snprintf(text, sizeof text, "%d", number);
    prose_add(p, text);
}

void prose_fill(const struct prose *p, struct sequence *s, double rest)
{
    for (int t = p->n; t <= s->T; t++) {
        p->byte[t] = ' ';
        p->tag[t] = 0;
    }
    task_targets(s, p->byte, p->tag, rest);
    for (int t = p->n > 0 ? p->n - 1 : 0; t < s->T; t++)
        s->target[t] = -1;
}
