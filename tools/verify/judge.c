/* judge.c - answers against the truth, tensor by tensor; ref/oracle/judge.c has the rule. */
#include "tools/verify/verify.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void report_begin(struct report *r, const struct plan *plan)
{
    memset(r, 0, sizeof *r);
    r->plan = *plan;
    r->cause = -1;
}

struct finding *report_finding(struct report *r, const char *name)
{
    for (int i = 0; i < r->n; i++)
        if (!strcmp(r->finding[i].name, name))
            return &r->finding[i];
    struct finding *f = &r->finding[r->n++];
    f->name = name;
    f->ratio = -1;
    return f;
}

double neighbours_apart(double x, enum op_type type, enum dtype d)
{
    static const int digits[DTYPES] = {24, 53, 8, 11}, least[DTYPES] = {-126, -1022, -126, -14};
    const enum dtype as = type == REAL || d == DT_F64 ? d : type == DOUBLE ? DT_F64 : DT_F32;
    int exponent;
    frexp(x, &exponent);
    return ldexp(1, (x == 0 || exponent - 1 < least[as] ? least[as] : exponent - 1) - digits[as] + 1);
}

double answer_off(double a, double t)
{
    return isfinite(t) ? (isfinite(a) ? fabs(a - t) : (double)INFINITY) : (isnan(t) && isnan(a)) || a == t ? 0
         : (double)INFINITY;
}

static void measure(struct finding *f, const struct problem *p, const struct op_case *got, int part, int i,
                    const struct op_verdict *v)
{
    const double *t = p->truth[part].arg[i], *a = got[part].arg[i];
    double most = -1;
    f->rms = v->rms[i];
    f->largest = v->error[i];
    f->bias = v->bias[i];
    f->bound = v->bound[i];
    f->rms_bound = v->rms_bound[i];
    f->bias_bound = v->bias_bound[i];
    f->family = p->family;
    f->problem = p->number;
    f->ulp = 0;
    op_case_describe(&p->in[part], f->sizes, sizeof f->sizes);
    for (long e = 0; e < p->in[part].size[i]; e++) {
        const double d = answer_off(a[e], t[e]);
        if (!(d <= most)) {
            most = d;
            f->index = e;
        }
        f->ulp = fmax(f->ulp, d / neighbours_apart(t[e], swax_ops[p->in[part].op].arg[i].type, p->wish.dtype));
    }
}

/* ---- what a tensor looks like in all cases in which it is wrong */

/* The next word that is no number: where it begins; its length. */
static const char *next_word(const char *at, size_t *length)
{
    do {
        at += strspn(at, " :,;");
        *length = strcspn(at, " :,;");
    } while (*length && strspn(at, "0123456789.+-e") == *length && (at += *length, 1));
    return at;
}

/* Do two sentences begin alike, numbers aside?  "wrong at N = 3 alone" and "wrong at N from 5 to 6 alone" do. */
static int look_alike(const char *a, const char *b)
{
    enum { TELLING = 3 };
    int same = 1;
    for (int k = 0; k < TELLING && same; k++) {
        size_t n, m;
        a = next_word(a, &n), b = next_word(b, &m);
        same = n == m && !memcmp(a, b, n);
        a += n, b += m;
    }
    return same;
}

/* The sentence that is true of most cases, and of which.  Of kinds that are as frequent, the worst case's. */
static void tell_looks(struct finding *f)
{
    const struct alike *most = &f->alike[0];
    char of[40];
    for (int k = 1; k < f->kinds; k++) {
        const struct alike *x = &f->alike[k];
        if (x->cases > most->cases || (x->cases == most->cases && x->ratio > most->ratio))
            most = x;
    }
    snprintf(of, sizeof of, most->cases == f->failed ? "all %d" : "%d of %d", most->cases, f->failed);
    if (f->failed == 1 || (most->cases == f->failed && !most->other_words))
        snprintf(f->looks, sizeof f->looks, "%s", most->looks);
    else if (most->cases == 1)
        snprintf(f->looks, sizeof f->looks, "%s (case %d alone, of %d)", most->looks, most->problem, f->failed);
    else
        snprintf(f->looks, sizeof f->looks, "%s (case %d; alike in %s)", most->looks, most->problem, of);
}

/* Of a case in which it is wrong. */
static void add_looks(struct finding *f, const struct problem *p, const struct op_case *got, int part, int i,
                      double ratio)
{
    char looks[WORDS];
    int k = 0;
    looks_like(looks, p, got, part, i);
    while (looks[0] && k < f->kinds && !look_alike(f->alike[k].looks, looks))
        k++;
    if (looks[0] && k < KINDS_OF_LOOKS) {
        struct alike *x = &f->alike[k];
        if (k == f->kinds) {
            f->kinds++;
            *x = (struct alike){.ratio = -1};
        }
        x->other_words |= x->cases && strcmp(x->looks, looks);
        x->cases++;
        if (ratio > x->ratio) {
            x->ratio = ratio;
            x->problem = p->number;
            memcpy(x->looks, looks, sizeof looks);
        }
    }
    if (f->kinds)
        tell_looks(f);
}

/* error/bound, where a bound of 0 stands for equality */
static double over(double error, double bound)
{
    return error > 0 ? error / bound : 0;
}

/* ---- the gauge of m: what C, n and qn stand for is e^m C, e^m n, e^m qn, whatever m a kernel keeps */

static double *answer(struct op_case *got, const char *name)
{
    const int i = op_arg_find(&swax_ops[got->op], name);
    return i < 0 ? NULL : got->arg[i];
}

static void scale_rows(double *x, long row, long rows, const double *mine, const double *truth)
{
    for (long r = 0; x && r < rows; r++)
        for (long e = r * row; e < (r + 1) * row; e++)
            x[e] *= mine[r] == truth[r] ? 1 : exp(mine[r] - truth[r]);     /* of infinities too */
}

int regauge(const struct problem *p, struct op_case *got)
{
    const struct op_spec *op = &swax_ops[got->op];
    const int m1 = op_arg_find(op, "m1"), m = op_arg_find(op, "m");
    int moved = 0;
    if (strcmp(p->subject.base, "mlstm") || op->arg[m1].role != OUT)
        return 0;
    const long K = op_extent(op, 'K', got->dims), V = op_extent(op, 'V', got->dims), T = op_extent(op, 'T', got->dims);
    const long H = op_extent(op, 'H', got->dims), L = op_extent(op, 'L', got->dims);
    const long chunks = op_extent(op, 'c', got->dims);
    const double *truth1 = p->truth[0].arg[m1], *truth = p->truth[0].arg[m];
    double *Cs = answer(got, "Cs"), *ns = answer(got, "ns");
    if (got->arg[m1]) {
        scale_rows(answer(got, "C1"), K * V, got->size[m1], got->arg[m1], truth1);
        scale_rows(answer(got, "n1"), K, got->size[m1], got->arg[m1], truth1);
        moved |= !(op_error(got->arg[m1], truth1, got->size[m1]) <= p->bound[0].bound[m1]);
        memcpy(got->arg[m1], truth1, (size_t)got->size[m1] * sizeof(double));
    }
    if (!got->arg[m])
        return moved;
    scale_rows(answer(got, "qn"), 1, got->size[m], got->arg[m], truth);
    for (long bh = 0; bh < got->size[m1]; bh++)
        for (long c = 1; c < chunks; c++) {    /* before token 0 it is m0's */
            const long row = (bh / H * T + c * L - 1) * H + bh % H, at = bh * chunks + c;
            scale_rows(Cs ? Cs + at * K * V : NULL, K * V, 1, got->arg[m] + row, truth + row);
            scale_rows(ns ? ns + at * K : NULL, K, 1, got->arg[m] + row, truth + row);
        }
    moved |= !(op_error(got->arg[m], truth, got->size[m]) <= p->bound[0].bound[m]);
    memcpy(got->arg[m], truth, (size_t)got->size[m] * sizeof(double));
    return moved;
}

/* The cell's stabiliser is not asked where its states count in any gauge; adamw's m is another m. */
static int is_gauge(const struct report *r, const struct problem *p, const char *name)
{
    return !r->gauge && !strcmp(p->subject.base, "mlstm") && (!strcmp(name, "m") || !strcmp(name, "m1"));
}

static void extents_add(struct extents *s, const int dims[OP_DIMS])
{
    for (int d = 0; d < OP_DIMS; d++) {
        s->least[d] = s->cases && s->least[d] < dims[d] ? s->least[d] : dims[d];
        s->most[d] = s->cases && s->most[d] > dims[d] ? s->most[d] : dims[d];
    }
    s->cases++;
}

int report_add(struct report *r, const struct problem *p, struct op_case *all, int part)
{
    struct op_verdict v = p->bound[part];
    struct op_case *got = &all[part];
    int good = 1;
    r->another_gauge += !r->gauge && regauge(p, got);
    problem_in_reach(p, got);
    op_compare(&v, got, &p->truth[part], &p->in[part]);
    for (int i = 0; i < got->n; i++) {
        if (!problem_is_answer(p, part, i) || !got->arg[i])
            continue;
        struct finding *f = report_finding(r, swax_ops[got->op].arg[i].name);
        const double ratio = fmax(fmax(over(v.error[i], v.bound[i]), over(v.rms[i], v.rms_bound[i])),
                                  v.bias_bound[i] > 0 ? v.bias[i] / v.bias_bound[i] : 0);
        const int within = op_within(&v, i);
        const int asks = !is_gauge(r, p, f->name) && (v.bound[i] < 1 || v.rms_bound[i] < 1);
        f->answers++;
        f->failed += !within;
        if (!within)
            add_looks(f, p, all, part, i, ratio);
        f->asked += asks;
        good &= within;
        if (ratio > f->ratio && (asks || !within)) {
            f->ratio = ratio;
            measure(f, p, all, part, i, &v);
        }
    }
    extents_add(good ? &r->right[part] : &r->wrong[part], got->dims);
    if (!good)
        r->wrong_families |= 1 << p->family;
    r->families |= 1 << p->family;
    return good;
}
