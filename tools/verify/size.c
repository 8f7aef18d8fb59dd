/* size.c - what problems cost, known before anything of them is made. */
#include "tools/verify/verify.h"

#include <math.h>
#include <string.h>
#include "tools/lib/say.h"

static double extent(const struct op_case *c, char letter)
{
    return (double)op_extent(&swax_ops[c->op], letter, c->dims);
}

double case_numbers(const struct op_case *c)
{
    const struct op_spec *op = &swax_ops[c->op];
    double sum = 0;
    for (int i = 0; i < op_args(op); i++) {
        double product = 1;
        for (const char *s = op->arg[i].shape; *s; s++)
            product *= extent(c, *s);
        sum += product;
    }
    return sum;
}

/* The delta rule fades, asks, writes and reads; its backward does more, and finds each token's state from the one that
 * was saved before its chunk. */
static double delta_work(const struct op_case *c)
{
    const int backward = op_arg_find(&swax_ops[c->op], "dy") >= 0;
    const double rerun = (fmin(extent(c, 'L'), extent(c, 'T')) + 1) / 2;
    return extent(c, 'B') * extent(c, 'H') * extent(c, 'T') * extent(c, 'K') * extent(c, 'V') *
           (backward ? 10 + 2 * rerun : 4);
}

double case_work(const struct op_case *c)
{
    const char *dims = swax_ops[c->op].dims;
    if (swax_ops[c->op].kind == OF_DELTA)
        return delta_work(c);
    if (strchr(dims, 'W'))
        return extent(c, 'B') * extent(c, 'H') * extent(c, 'T') *
               (extent(c, 'S') + fmin(extent(c, 'W'), extent(c, 'S')) * extent(c, 'D'));
    if (strchr(dims, 'L'))
        return extent(c, 'B') * extent(c, 'H') * extent(c, 'T') *
               (extent(c, 'K') * extent(c, 'V') + extent(c, 'T') * (extent(c, 'K') + extent(c, 'V')));
    if (strchr(dims, 'O'))
        return extent(c, 'N') * extent(c, 'O') * extent(c, 'I');
    return case_numbers(c);
}

double case_orders(const struct op_case *c)
{
    if (!strchr(swax_ops[c->op].dims, 'L'))
        return case_work(c);
    return 10 * extent(c, 'B') * extent(c, 'H') * extent(c, 'T') * extent(c, 'K') * extent(c, 'V');
}

/* Multiplications a second, on one slow core; and how often a problem is gone over: to draw it, to tell its truth, and
 * to ask what honest ones err. */
static const double SLOW = 3e8, FAST = 2e9, PASSES = 30;
/* The reference tells of what costs it less than this many multiplications; else a tier that check_tiers holds to
 * it. */
static const double OF_THE_REFERENCE = 3e6;
static const double MOST_SECONDS = 3600, MOST_NUMBERS = 1e9;

static const struct swax_tier *fastest(void)
{
    const struct swax_tier *best = swax_tiers[0];
    for (int i = 1; i < swax_n_tiers; i++)
        best = !swax_tiers[i]->memory && swax_tiers[i]->f64 && swax_tiers[i]->f32 && swax_tiers[i]->usable()
                 ? swax_tiers[i]
                 : best;
    return best;
}

static double work_of(const struct subject *s, const struct op_case *c, double (*work)(const struct op_case *))
{
    struct op_case part = *c;
    double sum = 0;
    for (int k = 0; k < s->n; k++) {
        part.op = s->op[k];
        sum += work(&part);
    }
    return sum;
}

const struct swax_tier *teller_of(const struct subject *s, const struct wish *w, const struct op_case *c)
{
    return work_of(s, c, case_work) < OF_THE_REFERENCE * (w->dtype == DT_F64 ? 10 : 1) ? swax_tiers[0] : fastest();
}

double case_steps(const struct op_case *c)
{
    if (!strchr(swax_ops[c->op].dims, 'L'))
        return case_work(c);
    return extent(c, 'B') * extent(c, 'H') * extent(c, 'T') *
           (2 * extent(c, 'K') * extent(c, 'V') + 64 * (extent(c, 'K') + extent(c, 'V')));
}

const char *size_add(struct size *sum, const struct subject *s, const struct wish *w, const struct op_case *c,
                     char *why)
{
    const int slow = teller_of(s, w, c) == swax_tiers[0];
    const double numbers = work_of(s, c, case_numbers);
    sum->seconds += PASSES * (slow ? work_of(s, c, case_work) / SLOW : work_of(s, c, case_steps) / FAST);
    sum->numbers = fmax(sum->numbers, numbers);
    if (sum->seconds <= MOST_SECONDS && numbers <= MOST_NUMBERS)
        return NULL;
    char sizes[160];
    op_case_describe(c, sizes, sizeof sizes);
    return numbers > MOST_NUMBERS && sum->seconds <= MOST_SECONDS
         ? say(why, "Too large: with %s the arrays hold %.1g numbers, and %.0g are the most.  Give smaller sizes.",
               sizes, numbers, MOST_NUMBERS)
         : say(why, "Too large: with %s the truth takes about %.0f minutes on this machine, and %.0f are the most.  "
                    "Give smaller sizes or "
               "a smaller suite.", sizes, sum->seconds / 60, MOST_SECONDS / 60);
}

const char *plan_size(const struct plan *plan, struct size *sum, char *why)
{
    struct entry e;
    const char *wrong = NULL;
    *sum = (struct size){0, 0};
    for (int i = 0; !wrong && plan_entry(plan, i, &e); i++) {
        struct op_case c;
        unsigned optional;
        wrong = problem_sizes(&c, &optional, plan, &e, why);
        if (plan->only < 0 || plan->only == i)
            wrong = wrong ? wrong : size_add(sum, &plan->subject, &plan->wish, &c, why);
    }
    return wrong;
}
