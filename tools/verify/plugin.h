/* plugin.h - what the files about plugins share. */
#ifndef SWAX_VERIFY_PLUGIN_H
#define SWAX_VERIFY_PLUGIN_H

#include "tools/verify/again.h"
#include "tools/verify/worker.h"

struct plugin {
    const char *path;
    struct subject subject;
    enum swax_precision precision;
    struct worker *worker;
    load_fn *loads;
    double numbers;                   /* in the arrays of its largest problem */
    struct again again;
    char trouble[OP_SENTENCE];
};

/* verify_plugin of what `load` gives, in the worker: its argument is the struct plugin. */
const char *verify_stranger(load_fn *load, const char *path, const struct plan *plan, int time, struct report *r,
                            char *why);

/* tools/verify/time.c: how long it takes on the largest problem of the plan, if its answers there are right.  NULL, or
 * a sentence, in p->trouble or in why: they are not, or it has died. */
const char *plugin_time(struct plugin *p, const struct plan *plan, struct timing *t, char *why);

#endif
