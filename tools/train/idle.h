/* idle.h - settings that were asked for and that no step of the run depends on. */
#ifndef SWAX_IDLE_H
#define SWAX_IDLE_H

#include <stdio.h>
#include "tools/lib/options.h"
#include "tools/train/run.h"

/* A sentence each into f, of what stands on the command line: "anneal=0.3 does nothing without short_window=." */
void idle_settings(FILE *f, const struct run *r, const struct options *o);

#endif
