/* bound_cell.c - what an honest cell may err beyond what the honest orders happen to show: where one row's normaliser
 * cancels, and where a state hangs on few running sums. */
#include "tools/verify/bound.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lib/sort.h"

/* ---- the normaliser: qn is a sum whose terms may cancel, and h and all gradients are divided by it.  Where it is
 * smallest its error is most of all errors, and it is luck whether an honest order shows it there: what an order errs
 * in a sequence's other rows, relative to what qn's terms add up to, is what it may err in that one. */

/* qn, if none of its terms had a sign */
static void add_terms_up(struct op_case *c, const struct problem *p)
{
    static const char *const factors[] = { "q", "k", "n0" };
    op_case_copy(c, &p->in[0]);
    for (int k = 0; k < 3; k++) {
        const int i = op_arg_find(&swax_ops[c->op], factors[k]);
        for (long e = 0; c->arg[i] && e < c->size[i]; e++)
            c->arg[i][e] = fabs(c->arg[i][e]);
    }
    op_run(c->by, SWAX_PREC_F64, c);
}

/* Half of the errors that are distributed normally are less than so many standard deviations. */
static const double HALF = 0.6745;

/* A head's errors in qn as a share of its terms: the standard deviation over its rows, by their median, since those
 * that err most are other rows' own.  off[] has room for them. */
static double head_share(double *off, const struct problem *p, const double *qn, const double *terms, long bh)
{
    const struct op_spec *op = &swax_ops[p->in[0].op];
    const double *truth = p->truth[0].arg[op_arg_find(op, "qn")];
    const long T = op_extent(op, 'T', p->in[0].dims), H = op_extent(op, 'H', p->in[0].dims);
    long n = 0;
    for (long t = 0; t < T; t++) {
        const long r = (bh / H * T + t) * H + bh % H;
        const double is = fabs(qn[r] - truth[r]) / terms[r];
        if (isfinite(is))
            off[n++] = is;
    }
    sort_ascending(off, (size_t)n);
    return n ? off[n / 2] / HALF : 0;
}

/* That of an order, in its own units of m or the truth's, whichever is less: an error of m is in h's numerator too, and
 * goes out of h.  Into share[], head by head, where it is more. */
static void share_of_terms(double *share, const struct problem *p, const struct swax_tier *order, const double *terms)
{
    const struct op_spec *op = &swax_ops[p->in[0].op];
    const int qn = op_arg_find(op, "qn");
    const long T = op_extent(op, 'T', p->in[0].dims), heads = p->truth[0].size[qn] / T;
    double *off = op_take((size_t)T, sizeof *off), *own = op_take((size_t)heads, sizeof *own);
    struct op_case got;
    op_case_copy(&got, &p->in[0]);
    op_run(order, SWAX_PREC_F32, &got);
    for (long bh = 0; bh < heads; bh++)
        own[bh] = head_share(off, p, got.arg[qn], terms, bh);
    regauge(p, &got);
    for (long bh = 0; bh < heads; bh++)
        share[bh] = fmax(share[bh], fmin(own[bh], head_share(off, p, got.arg[qn], terms, bh)));
    op_case_free(&got);
    free(off);
    free(own);
}

/* By row, what qn may err in float; 0 where it does not lead.  NULL: there is no normaliser. */
static double *normaliser_errs(const struct problem *p)
{
    const struct op_case *truth = &p->truth[0];
    const struct op_spec *op = &swax_ops[p->in[0].op];
    const int qn = op_arg_find(op, "qn"), m = op_arg_find(op, "m");
    const long T = op_extent(op, 'T', p->in[0].dims), H = op_extent(op, 'H', p->in[0].dims);
    struct op_case terms;
    struct swax_tier honest;
    if (op->arg[qn].role != OUT || op_extent(op, 'g', p->in[0].dims) % 2)
        return NULL;
    add_terms_up(&terms, p);
    double *errs = op_take((size_t)terms.size[qn], sizeof *errs);
    double *share = op_take((size_t)(terms.size[qn] / T), sizeof *share);
    share_of_terms(share, p, p->in[0].by, terms.arg[qn]);
    for (int k = bound_next_order(-1, p, 0, &honest); k >= 0; k = bound_next_order(k, p, 0, &honest))
        share_of_terms(share, p, &honest, terms.arg[qn]);
    for (long r = 0; r < terms.size[qn]; r++)
        if (fabs(truth->arg[qn][r]) > exp(-truth->arg[m][r]))
            errs[r] = share[r / (T * H) * H + r % H] * terms.arg[qn][r];
    op_case_free(&terms);
    free(share);
    return errs;
}

/* The truth's forward, but for so much of these errors in qn, up or down by chance. */
static void err_so(struct op_case *f, const struct problem *p, const double *errs, double share)
{
    const struct op_spec *op = &swax_ops[p->in[0].op];
    const int h = op_arg_find(op, "h"), qn = op_arg_find(op, "qn");
    const long V = op_extent(op, 'V', p->in[0].dims);
    const double eps = p->in[0].scalar[0];
    uint64_t s = p->seed;
    op_case_copy(f, &p->truth[0]);
    for (long r = 0; r < f->size[qn]; r++) {
        const double was = fabs(f->arg[qn][r]);
        f->arg[qn][r] += (op_random(&s) >> 63 ? share : -share) * errs[r];
        for (long e = r * V; e < (r + 1) * V && errs[r] > 0; e++)
            f->arg[h][e] *= (was + eps) / (fabs(f->arg[qn][r]) + eps);
    }
}

void bound_normaliser(struct problem *p)
{
    const double share = p->wish.dtype == DT_F64 ? DBL_EPSILON / (double)FLT_EPSILON : 1;
    double *errs = strcmp(p->subject.base, "mlstm") || (p->wish.dtype != DT_F32 && p->wish.dtype != DT_F64)
                     ? NULL
                     : normaliser_errs(p);
    struct op_case f, b;
    if (!errs)
        return;
    err_so(&f, p, errs, share);
    bound_widen(p, 0, &f, 8);
    if (p->subject.n == 2 && p->wish.chained) {
        op_case_copy(&b, &p->in[1]);
        problem_chain(&b, &f);
        op_run(b.by, SWAX_PREC_F64, &b);
        bound_widen(p, 1, &b, 8);
        op_case_free(&b);
    }
    op_case_free(&f);
    free(errs);
}

/* ---- running sums: a chunk's decays are exp(b_t - b_s), b_t the sum of its log forget gates up to t, and b is rounded
 * where it is stored, however it was summed.  A row hangs on few of these roundings, its last tokens' own, so what an
 * order errs there is luck: here each is as large as it can be.  A b_t that is off by o_t is a query that is exp(o_t)
 * times as long and a key that is exp(-o_t) times as long, for all tokens alike, so that plain kernels say what it does
 * to answers and gradients. */

enum { CHUNK = 128, MANY_ROWS = 2000 };

/* How many ways of going up and down are tried.  Each is a bit of a token's place in its chunk, so that of any two
 * tokens one goes up and the other down in one of them, which is the worst for what lies between the two.  Where many
 * rows have such sums, some are as bad in one way alone. */
static int ways(long T, long heads)
{
    int n = 1;
    while (T * heads <= MANY_ROWS && 1 << n < T && 1 << n < CHUNK)
        n++;
    return n;
}

/* By how much the exponent of each token of one head is off as who reads, which is the reverse of it as who is read:
 * off[T], in that way. Behind a chunk its last sum is passed on, with its error. */
static void sums_off(double *off, const struct op_case *c, long bh, int way, uint64_t *random)
{
    static const double u = (double)FLT_EPSILON / 2;
    const struct op_spec *op = &swax_ops[c->op];
    const long T = op_extent(op, 'T', c->dims), H = op_extent(op, 'H', c->dims);
    const double *f = c->arg[op_arg_find(op, "f")];
    const int is_log = op_extent(op, 'g', c->dims) == 3;
    double sum = 0, before = 0;
    int flip = 0;
    for (long t = 0; t < T; t++) {
        const double x = f[(bh / H * T + t) * H + bh % H];
        if (t % CHUNK == 0) {
            before = t ? off[t - 1] : 0;
            flip = (int)(op_random(random) >> 63);
            sum = 0;
        }
        sum += is_log ? x : -log1p(exp(-x));
        off[t] = before + ((t % CHUNK >> way) % 2 == flip ? u : -u) * fmin(fabs(sum), BOUND_MOST_SUM);
    }
}

/* Whose error a tensor's row has: that of its token, of the last one, or of the one behind which a state was kept. */
enum whose { OWN, LAST, KEPT };

/* Rows of that tensor become exp(off) times as long, with `sign` -1 exp(-off); of a gradient, what was added to what
 * stands in `before`. */
static void lengthen(struct op_case *c, const char *name, enum whose whose, double sign, const double *off,
                     const struct op_case *before)
{
    const struct op_spec *op = &swax_ops[c->op];
    const int i = op_arg_find(op, name);
    const long T = op_extent(op, 'T', c->dims), H = op_extent(op, 'H', c->dims), L = op_extent(op, 'L', c->dims);
    const long heads = op_extent(op, 'B', c->dims) * H;
    const long each = whose == OWN ? T : whose == LAST ? 1 : op_extent(op, 'c', c->dims);
    if (!c->arg[i])
        return;
    const long row = c->size[i] / (heads * each);
    for (long bh = 0; bh < heads; bh++)
        for (long n = 0; n < each; n++) {
            const long r = whose == OWN ? (bh / H * T + n) * H + bh % H : bh * each + n;
            const long t = whose == OWN ? n : whose == LAST ? T - 1 : n * L - 1;
            const double times = t < 0 ? 1 : exp(sign * off[bh * T + t]);
            for (long e = r * row; e < (r + 1) * row; e++) {
                const double was = before ? before->arg[i][e] : 0;
                c->arg[i][e] = was + times * (c->arg[i][e] - was);
            }
        }
}

/* One way: the forward's answers and, where there is one, the backward's gradients. What a float's roundings do, of
 * which a double's are a share. */
static void err_in_sums(struct problem *p, const double *off)
{
    const double scale = p->wish.dtype == DT_F64 ? 2 * DBL_EPSILON / (double)FLT_EPSILON : 2;
    struct op_case f, b;
    op_case_copy(&f, &p->in[0]);
    lengthen(&f, "q", OWN, 1, off, NULL), lengthen(&f, "k", OWN, -1, off, NULL);
    op_run(op_teller(&f), SWAX_PREC_F64, &f);
    if (p->subject.n == 2) {
        op_case_copy(&b, &p->in[1]);
        lengthen(&b, "q", OWN, 1, off, NULL), lengthen(&b, "k", OWN, -1, off, NULL);
        lengthen(&b, "dC1", LAST, 1, off, NULL), lengthen(&b, "dn1", LAST, 1, off, NULL);
        problem_chain(&b, &f);
        op_run(op_teller(&b), SWAX_PREC_F64, &b);
        lengthen(&b, "dq", OWN, 1, off, &p->in[1]), lengthen(&b, "dk", OWN, -1, off, &p->in[1]);
        bound_widen(p, 1, &b, scale);
        op_case_free(&b);
    }
    lengthen(&f, "C1", LAST, 1, off, NULL), lengthen(&f, "n1", LAST, 1, off, NULL);
    lengthen(&f, "Cs", KEPT, 1, off, NULL), lengthen(&f, "ns", KEPT, 1, off, NULL);
    bound_widen(p, 0, &f, scale);
    op_case_free(&f);
}

void bound_sums(struct problem *p)
{
    const struct op_spec *op = &swax_ops[p->in[0].op];
    if (strcmp(op->name, "mlstm_forward") || !bound_is_tame(&p->in[0]) ||
        (p->wish.dtype != DT_F32 && p->wish.dtype != DT_F64))      /* half precision rounds away far more */
        return;
    const long T = op_extent(op, 'T', p->in[0].dims);
    const long heads = op_extent(op, 'B', p->in[0].dims) * op_extent(op, 'H', p->in[0].dims);
    double *off = op_take((size_t)(heads * T), sizeof *off);
    uint64_t random = p->seed;
    for (int way = 0; way < ways(T, heads); way++) {
        for (long bh = 0; bh < heads; bh++)
            sums_off(off + bh * T, &p->in[0], bh, way, &random);
        err_in_sums(p, off);
    }
    free(off);
}
