/* look.c - what a run shows of itself now and then. */
#include "tools/train/session.h"

#include <math.h>
#include "tools/train/held_out.h"


const char *session_look(struct session *s, struct run_point *p, char *why)
{
    const struct run *r = &s->r;
    const int every = r->held_out_every ? r->held_out_every : r->steps > 20 ? r->steps / 20 : 1;
    p->held_out = p->held_out_error = (double)NAN;
    if (!r->held_out_sequences || (s->step % every && s->step != r->steps))
        return NULL;
    return held_out_loss(s->n, &s->data, &s->part[0], r, r->held_out_sequences, &p->held_out, &p->held_out_error, why);
}

