/* keep.c - what a run keeps: its last checkpoint, numbered ones, and the best. */
#include "tools/train/session.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "tools/lib/say.h"
#include "tools/train/checkpoint.h"

static void last_good(const struct session *s, char last[RUN_TEXT + 160])
{
    if (s->saved < 0)
        snprintf(last, RUN_TEXT + 160, "there is no checkpoint to go back to");
    else
        snprintf(last, RUN_TEXT + 160, "the last good checkpoint is %s, of step %d", s->path, s->saved);
}

/* What is not finite is never saved over what was. */
const char *session_diverged(struct session *s, enum swax_which which, char *why)
{
    static const char *const of[] = {"weight", "first moment", "second moment", "gradient"};
    int count;
    const int bad = swax_network_nonfinite(s->n, which);
    const struct swax_tensor *t = swax_network_tensors(s->n, &count);
    char last[RUN_TEXT + 160];
    last_good(s, last);
    return bad < 0 ? NULL : say(why, "Step %d: the %s of %s is not finite; %s.", s->step, of[which], t[bad].name, last);
}

enum run_end session_save(struct session *s, char *why)
{
    char numbered[RUN_TEXT + 64], name[64], other[SWAX_WHY];
    const struct run *r = &s->r;
    if (data_same(&s->data, why))                      /* or it would hold what other data made of it */
        return RUN_REFUSED;
    if (!*r->out || s->saved == s->step)
        return RUN_FINISHED;
    if (session_diverged(s, SWAX_WEIGHT, why) || session_diverged(s, SWAX_MOMENT1, why) ||
        session_diverged(s, SWAX_MOMENT2, why))
        return RUN_DIVERGED;
    snprintf(name, sizeof name, "checkpoint-%08d.safetensors", s->step);
    run_path(numbered, r->out, name);
    if (run_log_sync(&s->log, why))
        return RUN_REFUSED;
    /* the one that stays first: a run that crashes in between goes on from before it, and writes it again */
    const char *kept = r->keep_every && s->step % r->keep_every == 0
        ? checkpoint_save(numbered, r, s->n, s->step, 1, other) : NULL;
    if (checkpoint_save(s->path, r, s->n, s->step, 1, why))
        return RUN_REFUSED;
    s->saved = s->step;
    return kept ? say(why, "%s", kept), RUN_REFUSED : RUN_FINISHED;
}

/* The weights of the lowest held-out loss so far, behind the step's line in the log, which says which that was. */
enum run_end session_keep_best(struct session *s, const struct run_point *p, char *why)
{
    char path[RUN_TEXT + 64];
    if (!isfinite(p->held_out) || p->held_out >= s->r.best)
        return RUN_FINISHED;
    s->r.best = p->held_out;
    if (!*s->r.out)
        return RUN_FINISHED;
    if (session_diverged(s, SWAX_WEIGHT, why))
        return RUN_DIVERGED;
    run_path(path, s->r.out, "best.safetensors");
    return checkpoint_save(path, &s->r, s->n, s->step, 0, why) ? RUN_REFUSED : RUN_FINISHED;
}

int session_due(const struct session *s)
{
    const struct run *r = &s->r;
    return s->step % r->checkpoint_every == 0 || s->step == r->steps || (r->keep_every && s->step % r->keep_every == 0);
}

void session_name_last_good(const struct session *s, char *why)
{
    char last[RUN_TEXT + 160], what[SWAX_WHY];
    last_good(s, last);
    snprintf(what, sizeof what, "%s", why);
    if (*s->r.out)
        say(why, "%.*s; %s.", (int)strlen(what) - (what[strlen(what) - 1] == '.'), what, last);
}
