/* task.c - parameters of tasks, and texts with marked answers. */
#include "tools/tasks/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/say.h"

void *task_new(size_t size, const struct key *keys, const char *const *value, char *why)
{
    void *task = calloc(1, size);
    if (!task)
        say(why, "There is no memory for the task.");
    else if (keys_fill(keys, value, task, why))
        free(task), task = NULL;
    return task;
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
    return p->byte && p->tag;
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
