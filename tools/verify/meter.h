/* meter.h - how far a suite is, on stderr, where that is a terminal and it takes longer than a moment. */
#ifndef SWAX_VERIFY_METER_H
#define SWAX_VERIFY_METER_H

#include "tools/verify/verify.h"

struct meter { const struct plan *plan; int n, shown, terminal; double begun, said; };

void meter_begin(struct meter *p, const struct plan *plan, int n);
void meter_step(struct meter *p, int i, int failed);
void meter_end(struct meter *p);

#endif
