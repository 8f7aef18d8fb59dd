/* plugin.h - what the files about plugins share. */
#ifndef SWAX_VERIFY_PLUGIN_H
#define SWAX_VERIFY_PLUGIN_H

#include "tools/verify/worker.h"

struct plugin {
    const char *path;
    struct subject subject;
    enum swax_precision precision;
    struct worker *worker;
    char trouble[OP_SENTENCE];
};

/* verify_plugin of what `load` gives, in the worker: its argument is the struct plugin. */
const char *verify_stranger(load_fn *load, const char *path, const struct plan *plan, struct report *r, char *why);

#endif
