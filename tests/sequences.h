/* sequences.h - a task's sequences for a test, or the test fails. */
#ifndef SWAX_TESTS_SEQUENCES_H
#define SWAX_TESTS_SEQUENCES_H

#include "tools/tasks/data.h"

int source_key(const struct source *s, const char *key);     /* its index: a place to write to, whatever is misspelt */
struct data open_task(const char *name, const char *settings, int T);      /* settings: "key=value key=value" */
struct data_batch fill(const struct data *d, int B, int T, uint64_t seed, enum data_part part, uint64_t first);

#endif
