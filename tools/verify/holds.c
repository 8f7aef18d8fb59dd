/* holds.c - see holds.h. */
#include "tools/verify/holds.h"
#include "tools/verify/causes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* So many numbers, of two problems or of one, are no chance. */
enum { ENOUGH = 12, ENOUGH_OF_ONE = 100 };

/* Does the cause say there what tells nothing of it: 0, or what stood there before? */
static int is_plain(const struct answered *x, const double *says, long e)
{
    const struct op_case *in = &x->p->in[x->part];
    const double before = swax_ops[in->op].arg[x->arg].role == ADD ? in->arg[x->arg][e] : 0;
    return fabs(says[e] - before) <= x->honest * x->unit;
}

/* Does it move any number far to something else? */
static int says_more(const struct answered *x, const double *says)
{
    const double *t = x->p->truth[x->part].arg[x->arg], far = pow(10, FAR_OFF) * x->honest * x->unit;
    for (long e = 0; e < x->p->in[x->part].size[x->arg]; e++)
        if (answer_off(says[e], t[e]) > far && !is_plain(x, says, e))
            return 1;
    return 0;
}

/* Each number by the nearer of the two: what is left by RMS and at most, in orders of magnitude.  *theirs: how many
 * are far from the truth and near the cause, and finite there, and of these *plain, which tell nothing of it. */
static double left_of_both(const struct answered *x, const double *says, double unit, long *theirs, long *plain)
{
    const long n = x->p->in[x->part].size[x->arg];
    const double *a = x->got[x->part].arg[x->arg], *t = x->p->truth[x->part].arg[x->arg];
    const double far = pow(10, FAR_OFF) * x->honest * x->unit;
    double sum = 0, most = 0, largest = 0;
    *theirs = *plain = 0;
    for (long e = 0; e < n; e++) {
        const double off = answer_off(a[e], t[e]), other = cause_off(a[e], says[e]), d = fmin(off, other);
        const int is_theirs = off > far && isfinite(says[e]) && isfinite(other) && other <= off / 10;
        *theirs += is_theirs;
        *plain += is_theirs && is_plain(x, says, e);
        largest = fmax(largest, isfinite(a[e]) ? fabs(a[e]) : 0);
        most = fmax(most, d);
        sum += d / unit * (d / unit);
    }
    const double rms = sqrt(sum / (double)n) / x->honest,
                 element = most / (largest > 0 ? largest : 1) / fmax(x->p->bound[x->part].bound[x->arg], x->honest),
                 worse = fmax(rms, element);
    return worse > 1 ? log10(worse) : 0;
}

void holds_add(struct evidence *e, int cause, const struct answered *a, const double *says, double unit, double off,
               double left)
{
    struct holds *h = &e->holds[cause];
    const uint32_t bit = (uint32_t)1 << a->arg;
    const int moves = off >= FAR_OFF;
    long theirs, plain;
    h->more |= moves && !(h->more >> a->part & 1) && says_more(a, says) ? 1u << a->part : 0;
    h->moves[a->part] |= moves ? bit : 0;
    if (a->right) {
        h->refuted |= moves && a->asks ? 1u << a->part : 0;
        h->not_wholly[a->part] |= moves ? bit : 0;
        return;
    }
    h->not_wholly[a->part] |= left > NEARLY ? bit : 0;
    h->scattered |= left > NEARLY;
    if (h->neither)
        return;
    const double rest = left_of_both(a, says, unit, &theirs, &plain);
    h->neither = rest > NEARLY;
    h->left += rest;
    h->numbers += theirs - plain;
    h->plain[a->part] += plain;
    h->problems += theirs > 0;
}

void holds_place(struct evidence *e, const struct answered *a, double off)
{
    char words[WORDS];
    e->wrong[a->part] |= a->right ? 0 : (uint32_t)1 << a->arg;
    if (a->right || off <= e->place.off)
        return;
    looks_where(words, a->p, a->got, a->part, a->arg);
    if (!words[0])
        return;
    e->place.off = off;
    e->place.problem = a->p->number;
    e->place.tensor = swax_ops[a->p->in[a->part].op].arg[a->arg].name;
    memcpy(e->place.words, words, sizeof words);
}

int holds_somewhere(const struct evidence *e, int cause)
{
    const struct holds *h = &e->holds[cause];
    long numbers = h->numbers;
    for (int part = 0; part < PARTS; part++)
        numbers += h->more >> part & 1 ? 0 : h->plain[part];
    return cause_is(cause)->kind == FAULT_EXACT && !h->neither &&
           numbers >= (h->problems > 1 ? ENOUGH : ENOUGH_OF_ONE);
}

/* "dq, dk and dv" */
static void tensors(char words[WORDS], const struct report *r, const uint32_t wrong[PARTS])
{
    int left = 0;
    size_t used = 0;
    for (int part = 0; part < PARTS; part++)
        for (uint32_t bits = wrong[part]; bits; bits &= bits - 1)
            left++;
    words[0] = 0;
    for (int part = 0; part < PARTS; part++)
        for (int i = 0; i < OP_ARGS; i++)
            if (wrong[part] >> i & 1)
                used += (size_t)snprintf(words + used, WORDS - used, "%s%s",
                                         swax_ops[r->plan.subject.op[part]].arg[i].name,
                                         --left > 1 ? ", " : left ? " and " : "");
}

void holds_where(char words[WORDS + 60], const struct evidence *e, const struct report *r, int cause)
{
    const struct holds *h = &e->holds[cause];
    const uint32_t *wrong = e->wrong;
    const int wholly = !(wrong[0] & h->not_wholly[0]) && !(wrong[1] & h->not_wholly[1]);
    char names[WORDS];
    tensors(names, r, wrong);
    if (wholly && wrong[1] && !wrong[0] && !(h->moves[1] & ~wrong[1]))
        snprintf(words, WORDS + 60, "in the backward only");
    else if (wholly && wrong[0] && !wrong[1] && !(h->moves[0] & ~wrong[0]))
        snprintf(words, WORDS + 60, "in the forward only");
    else if (wholly)
        snprintf(words, WORDS + 60, "in %s alone", names);
    else if (!h->scattered)
        snprintf(words, WORDS + 60, "in some cases alone");
    else if (e->place.off > 0)
        snprintf(words, WORDS + 60, "in %s %s, as in case %d", e->place.tensor, e->place.words, e->place.problem);
    else
        snprintf(words, WORDS + 60, "for some of the numbers alone");
}
