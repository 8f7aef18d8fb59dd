/* judge.c - answers against the truth, tensor by tensor; ref/oracle/judge.c has the rule. */
#include "tools/verify/verify.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void report_begin(struct report *r, const struct subject *s, const struct wish *w)
{
    memset(r, 0, sizeof *r);
    r->subject = *s;
    r->wish = *w;
    r->cause = -1;
}

static struct finding *finding(struct report *r, const char *name)
{
    for (int i = 0; i < r->n; i++)
        if (!strcmp(r->finding[i].name, name))
            return &r->finding[i];
    struct finding *f = &r->finding[r->n++];
    f->name = name;
    f->ratio = -1;
    return f;
}

/* The distance between neighbours of x in that type, where it is not subnormal. */
static double spacing(double x, enum op_type type, enum dtype d)
{
    static const int digits[DTYPES] = {24, 53, 8, 11}, least[DTYPES] = {-126, -1022, -126, -14};
    const enum dtype as = type == REAL || d == DT_F64 ? d : type == DOUBLE ? DT_F64 : DT_F32;
    int exponent;
    frexp(x, &exponent);
    return ldexp(1, (x == 0 || exponent - 1 < least[as] ? least[as] : exponent - 1) - digits[as] + 1);
}

static double difference(double a, double t)
{
    return isfinite(t) ? (isfinite(a) ? fabs(a - t) : (double)INFINITY) : (isnan(t) && isnan(a)) || a == t ? 0 : (double)INFINITY;
}

static void measure(struct finding *f, const struct problem *p, const double *got, int part, int i, const struct op_verdict *v)
{
    const double *t = p->truth[part].arg[i];
    double most = -1;
    f->rms = v->rms[i];
    f->largest = v->error[i];
    f->bound = v->bound[i];
    f->rms_bound = v->rms_bound[i];
    f->ulp = 0;
    for (long e = 0; e < p->in[part].size[i]; e++) {
        const double d = difference(got[e], t[e]);
        if (!(d <= most)) {
            most = d;
            f->index = e;
        }
        f->ulp = fmax(f->ulp, d / spacing(t[e], swax_ops[p->in[part].op].arg[i].type, p->wish.dtype));
    }
}

/* error/bound, where a bound of 0 stands for equality */
static double over(double error, double bound)
{
    return bound > 0 ? error / bound : error > 0 ? (double)INFINITY : 0;
}

int report_add(struct report *r, const struct problem *p, const struct op_case *got, int part)
{
    struct op_verdict v = p->bound[part];
    int good = 1;
    op_compare(&v, got, &p->truth[part], &p->in[part]);
    for (int i = 0; i < got->n; i++) {
        if (!problem_is_answer(p, part, i) || !got->arg[i])
            continue;
        struct finding *f = finding(r, swax_ops[got->op].arg[i].name);
        const int within = isfinite(v.error[i]) && v.error[i] <= v.bound[i] && v.rms[i] <= v.rms_bound[i];
        const double ratio = fmax(over(v.error[i], v.bound[i]), over(v.rms[i], v.rms_bound[i]));
        f->answers++;
        f->failed += !within;
        good &= within;
        if (ratio > f->ratio) {
            f->ratio = ratio;
            f->problem = r->problems;
            measure(f, p, got->arg[i], part, i, &v);
        }
    }
    if (!good)
        r->wrong_families |= 1 << p->family;
    return good;
}
