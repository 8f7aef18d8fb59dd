/* run.c - the one training loop. */
#include "tools/train/session.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/clock.h"
#include "tools/lib/options.h"
#include "tools/lib/say.h"
#include "tools/train/checkpoint.h"

volatile sig_atomic_t run_interrupted;

int run_exists(const char *out)
{
    char path[RUN_TEXT + 64];
    run_path(path, out, "config.json");
    if (!access(path, F_OK))
        return 1;
    run_path(path, out, checkpoint_name);
    return !access(path, F_OK);
}

const char *run_read(struct run *r, const char *out, char *why)
{
    char path[RUN_TEXT + 64], wrong[SWAX_WHY];
    struct options o = {0};
    run_path(path, out, "config.json");
    *r = run_default();
    const char *bad = options_read_json(&o, path, why);
    if (!bad && run_take(r, &o, wrong))
        bad = say(why, "%.120s: %.180s", path, wrong);
    snprintf(r->out, sizeof r->out, "%s", out);
    options_free(&o);
    return bad;
}

/* ---- training */

static enum run_end one_step(struct session *s, struct run_point *p, char *why)
{
    struct run *r = &s->r;
    struct swax_adamw o = r->optimiser;
    const double since = clock_seconds();
    const int rows = r->batch / r->accumulate;
    double weight = 0;
    p->window = window_at(&r->windows, r->seed, s->step, r->steps);
    const struct rates rates = {r->schedule, r->optimiser.rate, r->warmup, r->cooldown, r->final_rate};
    p->rate = o.rate = rate_at(&rates, s->step, r->steps);
    for (int i = 0; i < r->accumulate; i++) {
        const uint64_t first = (uint64_t)s->step * (uint64_t)r->batch + (uint64_t)i * (uint64_t)rows;
        if (data_fill(&s->data, &s->part[i], r->seed, DATA_TRAIN, first, why))
            return RUN_REFUSED;
        s->part[i].batch.window = p->window;
        weight += s->part[i].weight;
    }
    p->loss = 0;
    swax_network_zero_gradient(s->n);
    for (int i = 0; i < r->accumulate; i++)
        p->loss += swax_network_gradient(s->n, &s->part[i].batch, weight > 0 ? 1 / weight : 0);
    p->norm = swax_network_gradient_norm(s->n);
    p->step = ++s->step;
    const char *trouble = swax_network_trouble(s->n);
    if (trouble)
        return say(why, "Step %d: %s", s->step, trouble), session_name_last_good(s, why), RUN_DIVERGED;
    if (!(isfinite(p->loss) && isfinite(p->norm))) {
        if (!session_diverged(s, SWAX_GRADIENT, why) && !session_diverged(s, SWAX_WEIGHT, why))
            say(why, "Step %d: the loss is %g, the norm of the gradient %g.", s->step, p->loss, p->norm);
        return RUN_DIVERGED;
    }
    swax_network_adamw(s->n, &o, s->step);
    p->tokens = (double)s->step * r->batch * r->length;
    p->seconds = clock_seconds() - since;
    p->tokens_per_second = (double)r->batch * r->length / p->seconds;
    const enum run_end looked = session_look(s, p, why);
    if (looked != RUN_FINISHED)
        return looked;
    const enum run_page state = s->step == r->steps ? PAGE_FINISHED : PAGE_TRAINING;
    return *r->out && (run_log_add(&s->log, p, why) || session_show(s, state, why)) ? RUN_REFUSED : RUN_FINISHED;
}

static enum run_end steps(struct session *s, run_watch watch, void *arg, char *why)
{
    int stop = watch && watch(arg, &s->r, NULL, s->n) == RUN_STOP;
    while (s->step < s->r.steps && !stop && !run_interrupted) {
        struct run_point p;
        enum run_end end = one_step(s, &p, why);
        if (end == RUN_FINISHED)
            end = session_keep_best(s, &p, why);
        if (end == RUN_FINISHED && session_due(s))
            end = session_save(s, why);
        if (end != RUN_FINISHED)
            return end;
        stop = watch && watch(arg, &s->r, &p, s->n) == RUN_STOP;
    }
    if (s->step == s->r.steps)
        return RUN_FINISHED;
    const enum run_end end = session_show(s, PAGE_STOPPED, why) ? RUN_REFUSED : session_save(s, why);
    return end == RUN_FINISHED ? RUN_INTERRUPTED : end;
}

enum run_end run_train(const struct run *r, run_watch watch, void *arg, char *why)
{
    struct session s = {.r = *r, .log.file = -1, .saved = -1};
    char unsaid[SWAX_WHY];
    enum run_end end = session_open(&s, why);
    if (end == RUN_FINISHED) {
        end = steps(&s, watch, arg, why);
        if (end == RUN_REFUSED)
            session_name_last_good(&s, why);
        if (end == RUN_REFUSED || end == RUN_DIVERGED)         /* the page of one that trains no more says so */
            session_show(&s, end == RUN_DIVERGED ? PAGE_DIVERGED : PAGE_STOPPED, unsaid);
    }
    session_close(&s);
    return end;
}
