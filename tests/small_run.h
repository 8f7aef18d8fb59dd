/* small_run.h - a run that takes a second or two, on this repository's own text. */
#ifndef SWAX_SMALL_RUN_H
#define SWAX_SMALL_RUN_H

#include "tools/train/run.h"

struct run small_run(const char *out);

#endif
