/* doors.h - somebody who answers the problems of tools/verify/door.h, and the reports that come back. */
#ifndef SWAX_TESTS_DOORS_H
#define SWAX_TESTS_DOORS_H

#include <stdio.h>
#include "tools/lib/json.h"
#include "tools/verify/door.h"

/* An input (answer 0) or an answer of that name, or NULL; its elements, 0 of NULL. */
struct door_array *shown_array(struct door_problem *p, const char *name, int answer);
long shown_elements(const struct door_array *x);
/* What the tier makes of the inputs, into the answers: a kernel alone, or a forward and its backward. */
void shown_answer(const struct swax_tier *tier, enum swax_precision precision, struct door_problem *p);

/* A report as JSON, read from the file, which is closed; its text stays here until the next one is read. */
enum { SAID = 1 << 16 };
extern char said_text[SAID];
struct json *said_report(FILE *o);
/* Of an object: a number and a text, which must be there; of a report: what it says of a tensor, or NULL. */
double said_number(const struct json *object, const char *key);
const char *said_word(const struct json *object, const char *key);
const struct json *said_tensor(const struct json *report, const char *name);

#endif
