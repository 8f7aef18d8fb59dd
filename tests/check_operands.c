/* check_operands.c - what rounding to bf16 leaves in attention and in the delta rule (ref/oracle/operands.c and
 * operands_delta.c): the bias is that of the same forms written plainly, where nothing is rounded they are the kernels,
 * a kernel that keeps its inverse in bf16 has no more bias than the bound knows, and what takes too long is not asked
 * for. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "ref/oracle/faults/faults.h"
#include "ref/oracle/inside.h"
#include "ref/oracle/oracle.h"
#include "tests/suite.h"

/* ---- the rounded form a second time, written as the formulas stand at the top of operands_delta.c */

struct matrix { long n, m; double *at; };
static double pool[1 << 19];
static long pooled;
static int rounds;                /* without: the delta rule itself */
static int fast;                  /* exponentials as a GPU may take them: check_operands_cell.c has the reasons */
static double share;              /* by which all exponents are larger */

static struct matrix matrix(long n, long m)
{
    const struct matrix z = {n, m, pool + pooled};
    pooled += n * m;
    ck_assert_each(pooled <= (long)(sizeof pool / sizeof *pool), "the pool is too small");
    memset(z.at, 0, (size_t)(n * m) * sizeof *z.at);
    return z;
}
static double *in(struct matrix a, long i, long j) { return a.at + i * a.m + j; }
static struct matrix rounded(struct matrix a)
{
    for (long e = 0; e < a.n * a.m && rounds; e++)
        a.at[e] = op_round(a.at[e], REAL, SWAX_PREC_BF16);
    return a;
}
static struct matrix turned(struct matrix a)
{
    const struct matrix z = matrix(a.m, a.n);
    for (long i = 0; i < z.n; i++)
        for (long j = 0; j < z.m; j++)
            *in(z, i, j) = *in(a, j, i);
    return z;
}
static struct matrix times(struct matrix a, struct matrix b)
{
    const struct matrix z = matrix(a.n, b.m);
    ck_assert_each(a.m == b.n, "%ld columns times %ld rows", a.m, b.n);
    for (long i = 0; i < z.n; i++)
        for (long e = 0; e < a.m; e++)
            for (long j = 0; j < z.m; j++)
                *in(z, i, j) += *in(a, i, e) * *in(b, e, j);
    return z;
}
static struct matrix plus(struct matrix a, double by, struct matrix b)
{
    const struct matrix z = matrix(a.n, a.m);
    ck_assert_each(a.n == b.n && a.m == b.m, "a sum of %ld x %ld and %ld x %ld", a.n, a.m, b.n, b.m);
    for (long e = 0; e < a.n * a.m; e++)
        z.at[e] = a.at[e] + by * b.at[e];
    return z;
}

static double *argument(const struct op_case *c, const char *name)
{
    const int i = op_arg_find(&swax_ops[c->op], name);
    return i < 0 ? NULL : c->arg[i];
}
struct plain { const struct op_case *c; long b, h, from, n; struct matrix g; };
static double *number(const struct plain *p, const struct op_case *of, const char *name, long i, long r)
{
    const int *d = p->c->dims, keys = strchr("qk", name[strlen(name) - 1]) != NULL;
    const long token = p->b * d[1] + p->from + i, width = keys ? d[4] : *name == 'g' ? d[6] : *name == 'b' ? 1 : d[5];
    const long row = keys ? token * d[3] + p->h / (d[2] / d[3]) : token * d[2] + p->h;
    return argument(of, name) + (strstr(name, "beta") ? row : row * width + r);
}
static struct matrix rows(const struct plain *p, const char *name, long m)
{
    const struct matrix z = matrix(p->n, m);
    for (long i = 0; i < z.n; i++)
        for (long r = 0; r < m; r++)
            *in(z, i, r) = *number(p, p->c, name, i, r);
    return z;
}

/* exp(g_j+1 + .. + g_i), j from -1 on; 0 where a document begins between. */
static double kept(const struct plain *p, long j, long i, long r)
{
    const double *start = argument(p->c, "start");
    double sum = 0;
    if (start && start[p->b * p->c->dims[1] + p->from + i] > (double)(p->from + j))
        return 0;
    for (long t = j + 1; t <= i; t++)
        sum += *in(p->g, t, p->g.m == 1 ? 0 : r);
    const float z = (float)sum * 1.44269504f;
    return !fast ? exp((1 + share) * sum) : z == 0 ? 1 : (double)(float)(exp2((double)z) * (1 - 1.5 * 0x1p-23));
}
/* a, each row by what is kept from `from` to it, or from it to the last. */
static struct matrix decayed(const struct plain *p, struct matrix a, int to_last)
{
    const struct matrix z = matrix(a.n, a.m);
    for (long i = 0; i < a.n; i++)
        for (long r = 0; r < a.m; r++)
            *in(z, i, r) = *in(a, i, r) * (to_last ? kept(p, i, p->n - 1, r) : kept(p, -1, i, r));
    return z;
}
static struct matrix by_last(const struct plain *p, struct matrix S)
{
    const struct matrix z = matrix(S.n, S.m);
    for (long r = 0; r < S.n; r++)
        for (long e = 0; e < S.m; e++)
            *in(z, r, e) = kept(p, -1, p->n - 1, r) * *in(S, r, e);
    return z;
}
static struct matrix by_beta(const struct plain *p, struct matrix a)
{
    const struct matrix z = matrix(a.n, a.m);
    for (long e = 0; e < a.n * a.m; e++)
        z.at[e] = *number(p, p->c, "beta", e / a.m, 0) * a.at[e];
    return z;
}
/* x_i.(D_ij o k_j), j <= i - strict */
static struct matrix scores(const struct plain *p, struct matrix x, struct matrix k, int strict)
{
    const struct matrix z = matrix(x.n, x.n);
    for (long i = 0; i < x.n; i++)
        for (long j = 0; j <= i - strict; j++)
            for (long r = 0; r < x.m; r++)
                *in(z, i, j) += *in(x, i, r) * kept(p, j, i, r) * *in(k, j, r);
    return z;
}
static struct matrix inverse(struct matrix A)
{
    const struct matrix X = matrix(A.n, A.n);
    for (long e = 0; e < A.n; e++)
        for (long i = e; i < A.n; i++) {
            *in(X, i, e) = i == e;
            for (long j = e; j < i; j++)
                *in(X, i, e) -= *in(A, i, j) * *in(X, j, e);
        }
    return X;
}

struct forms { struct matrix q, k, v, qc, kc, kb, vb, P, A, X, S, W, U; };
static struct forms forms(const struct plain *p, struct matrix S)
{
    const int *d = p->c->dims, e = d[8];
    struct forms f = {.q = rows(p, "q", d[4]), .k = rows(p, "k", d[4]), .v = rows(p, "v", d[5])};
    f.qc = rounded(decayed(p, f.q, 0)), f.kc = rounded(decayed(p, f.k, 1));
    f.kb = rounded(decayed(p, by_beta(p, f.k), 0)), f.vb = rounded(by_beta(p, f.v));
    f.P = rounded(scores(p, f.q, f.k, 0));
    f.A = by_beta(p, scores(p, f.k, f.k, 1));
    f.A = e ? f.A : matrix(p->n, p->n);
    f.X = rounded(inverse(f.A));
    f.S = rounded(plus(S, 0, S));
    f.W = rounded(times(f.X, f.kb));
    f.U = rounded(plus(times(f.X, f.vb), -e, times(f.W, f.S)));
    return f;
}

static void add_inputs(const struct plain *p, struct op_case *got, const struct forms *f, struct matrix dqc,
                       struct matrix dkc, struct matrix dkb, struct matrix dvb, struct matrix dP, struct matrix dA)
{
    const int *d = p->c->dims;
    for (long i = 0; i < p->n; i++) {
        const double beta = *number(p, p->c, "beta", i, 0);
        double *dbeta = number(p, got, "dbeta", i, 0);
        for (long r = 0; r < d[4]; r++) {
            const double carried = kept(p, -1, i, r), k = *in(f->k, i, r);
            double *dq = number(p, got, "dq", i, r), *dk = number(p, got, "dk", i, r);
            *dq += carried * *in(dqc, i, r);
            *dk += kept(p, i, p->n - 1, r) * *in(dkc, i, r) + beta * carried * *in(dkb, i, r);
            *dbeta += carried * k * *in(dkb, i, r);
            for (long j = 0; j <= i; j++) {
                const double D = kept(p, j, i, r), q = *in(f->q, i, r), kj = *in(f->k, j, r);
                const double a = j < i ? *in(dA, i, j) * d[8] : 0, b = *in(dP, i, j);
                *dq += b * D * kj;
                *dk += a * beta * D * kj;
                dk[(j - i) * d[3] * d[4]] += D * (b * q + a * beta * k);
                *dbeta += a * k * D * kj;
            }
        }
        for (long r = 0; r < d[5]; r++) {
            *number(p, got, "dv", i, r) += beta * *in(dvb, i, r);
            *dbeta += *in(f->v, i, r) * *in(dvb, i, r);
        }
    }
}

/* The gradient of the state before, from that of the one behind. */
static struct matrix plain_back(const struct plain *p, struct op_case *got, const struct forms *f, struct matrix dS)
{
    const int *d = p->c->dims, e = d[8];
    const struct matrix given = rows(p, "dy", d[5]), none = matrix(p->n, d[5]), dSr = rounded(plus(dS, 0, dS));
    const struct matrix dy = plus(none, p->c->scalar[0], given), Xt = turned(f->X);
    const struct matrix dU = rounded(plus(times(turned(f->P), dy), 1, times(f->kc, dSr)));
    const struct matrix dP = rounded(times(dy, turned(f->U)));
    const struct matrix dW = rounded(plus(matrix(p->n, d[4]), -e, times(dU, turned(f->S))));
    const struct matrix dX = rounded(plus(times(dU, turned(f->vb)), 1, times(dW, turned(f->kb))));
    const struct matrix XdX = rounded(times(Xt, dX)), dA = rounded(plus(matrix(p->n, p->n), -1, times(XdX, Xt)));
    add_inputs(p, got, f, times(dy, turned(f->S)), times(f->U, turned(dSr)), times(Xt, dW), times(Xt, dU), dP, dA);
    return plus(plus(by_last(p, dS), 1, times(turned(f->qc), dy)), -e, times(turned(f->W), dU));
}

static struct matrix state(const struct plain *p, const char *name)
{
    const int *d = p->c->dims;
    const struct matrix z = matrix(d[4], d[5]);
    const double *from = argument(p->c, name);
    if (from)
        memcpy(z.at, from + (p->b * d[2] + p->h) * d[4] * d[5], (size_t)(d[4] * d[5]) * sizeof *from);
    return z;
}

static void plain_head(struct op_case *got, struct plain p, long L)
{
    const int *d = p.c->dims, backward = argument(p.c, "dy") != NULL;
    const long at = (p.b * d[2] + p.h) * d[4] * d[5], chunks = (d[1] + L - 1) / L;
    struct matrix S[16];
    double *to = argument(got, backward ? "dS0" : "S1");
    pooled = 0;
    for (long i = 0; i <= chunks; i++)
        S[i] = i ? matrix(d[4], d[5]) : state(&p, "S0");
    struct matrix D = state(&p, "dS1");
    const long mark = pooled;
    for (long i = 0; i < chunks; i++, pooled = mark) {
        p.from = i * L, p.n = d[1] - p.from < L ? d[1] - p.from : L, p.g = rows(&p, "g", d[6]);
        const struct forms f = forms(&p, S[i]);
        const struct matrix y = plus(times(f.qc, f.S), 1, times(f.P, f.U));
        const struct matrix next = plus(by_last(&p, S[i]), 1, times(turned(f.kc), f.U));
        memcpy(S[i + 1].at, next.at, (size_t)(d[4] * d[5]) * sizeof *next.at);
        for (long e = 0; e < p.n * d[5] && !backward; e++)
            *number(&p, got, "y", e / d[5], e % d[5]) = p.c->scalar[0] * y.at[e];
    }
    for (long i = chunks - 1; i >= 0 && backward; i--, pooled = mark) {
        p.from = i * L, p.n = d[1] - p.from < L ? d[1] - p.from : L, p.g = rows(&p, "g", d[6]);
        const struct forms f = forms(&p, S[i]);
        const struct matrix before = plain_back(&p, got, &f, D);
        memcpy(D.at, before.at, (size_t)(d[4] * d[5]) * sizeof *before.at);
    }
    for (long e = 0; e < d[4] * d[5] && to; e++)
        to[at + e] = backward ? to[at + e] + D.at[e] : S[chunks].at[e];
}

static void plain_case(struct op_case *got, const struct op_case *c, long L, int rounding)
{
    rounds = rounding;
    op_case_copy(got, c);
    for (long head = 0; head < (long)c->dims[0] * c->dims[2]; head++)
        plain_head(got, (struct plain){.c = c, .b = head / c->dims[2], .h = head % c->dims[2]}, L);
}

/* Tokens' keys that are the one before, but for every `apart`th's. */
static void make_alike(struct op_case *c, int apart)
{
    const int *d = c->dims;
    const long row = (long)d[3] * d[4];
    double *k = argument(c, "k");
    for (long t = 1; t < (long)d[0] * d[1]; t++)
        if (t % d[1] % apart)
            memcpy(k + t * row, k + (t - 1) * row, (size_t)row * sizeof *k);
}

static const char *const answers[] = {"y", "S1", "dq", "dk", "dv", "dbeta", "dS0"};
enum { ANSWERS = sizeof answers / sizeof *answers };

/* What the bound is told, against the largest of what the plain form has in chunks of 16 to 128 tokens. */
static void bias_is_the_plain_ones(const char *name, const int *dims, uint64_t seed, enum op_family family,
                                   unsigned optional, int largest[4])
{
    struct op_case c = {.op = op_find(name)}, truth;
    double bias[OP_ARGS] = {0}, plain[OP_ARGS] = {0};
    memcpy(c.dims, dims, OP_DIMS * sizeof *dims);
    op_draw_scalars(&c, seed);
    op_draw(&c, seed, family, optional, SWAX_PREC_BF16);
    make_alike(&c, 3);
    plain_case(&truth, &c, 16, 0);
    op_operands_delta(bias, &c, &truth);
    /* of a token alone no two rows are alike */
    for (int way = 0; way < 4 && dims[1] > 1 && (!way || 16 << way < 2 * dims[1]); way++) {
        struct op_case got;
        plain_case(&got, &c, 16 << way, 1);
        for (int a = 0; a < ANSWERS; a++) {
            const int i = op_arg_find(&swax_ops[c.op], answers[a]);
            if (i < 0 || !got.arg[i] || (a < 2) != !strcmp(name, "delta_forward"))
                continue;
            const double *before = a < 2 ? NULL : c.arg[i];
            const double off = fabs(op_bias(got.arg[i], truth.arg[i], before, c.size[i]));
            largest[way] += off > plain[i];
            plain[i] = fmax(plain[i], off);
        }
        op_case_free(&got);
    }
    for (int i = 0; i < c.n; i++)
        ck_assert_each(fabs(bias[i] - plain[i]) <= 1e-6 * plain[i] + 1e-12,
                       "%s, %s, seed %d, T=%d K=%d V=%d J=%d erase=%d: a bias of %.9g, and by the plain form of %.9g",
                       name, swax_ops[c.op].arg[i].name, (int)seed, dims[1], dims[4], dims[5], dims[6], dims[8],
                       bias[i], plain[i]);
    op_case_free(&c), op_case_free(&truth);
}

START_TEST(the_bias_is_that_of_the_plain_form)
{
    /* B T H G K V J L e */
    static const int dims[][OP_DIMS] = {{2, 37, 4, 2, 5, 3, 1, 16, 1}, {1, 50, 2, 1, 3, 6, 3, 16, 1},
                                        {2, 21, 3, 3, 4, 2, 4, 16, 0}, {1, 9, 2, 2, 2, 5, 1, 16, 1},
                                        {1, 32, 2, 1, 6, 6, 6, 16, 1}, {1, 66, 1, 1, 2, 3, 1, 16, 1},
                                        {1, 1, 1, 1, 2, 2, 1, 16, 1}};
    static const enum op_family families[] = {OP_GAUSS, OP_UNDECAYED, OP_MIXED, OP_EQUAL};
    int largest[4] = {0};
    for (int k = 0; k < (int)(sizeof dims / sizeof *dims); k++)
        for (int way = 0; way < 4; way++) {
            const unsigned optional = way % 2 ? ~0u : way ? 1u << 3 : 0;
            bias_is_the_plain_ones("delta_forward", dims[k], (uint64_t)(4 * k + way), families[way], optional, largest);
            bias_is_the_plain_ones("delta_backward", dims[k], (uint64_t)(4 * k + way), families[way], optional,
                                   largest);
        }
    for (int way = 0; way < 4; way++)
        ck_assert_msg(largest[way] > 0, "chunks of %d tokens never have the largest bias", 16 << way);
}
END_TEST

/* Half of the tokens' keys are those before, in all groups and in the same sequence: asked for; fewer: not. */
START_TEST(alike_is_every_other_key)
{
    static const struct { const char *what; int same[10], asked; } cases[] = {
        {"four of eight", {0, 1, 0, 1, 0, 0, 1, 0, 1, 0}, 1}, {"three of eight", {0, 1, 0, 1, 0, 0, 1, 0, 0, 0}, 0},
        {"three, and one across sequences", {0, 1, 0, 1, 0, 1, 1, 0, 0, 0}, 0},
        {"four, one only in its first group", {0, 1, 0, 1, 0, 0, 1, 0, 2, 0}, 0},
        {"the first sequence's", {0, 1, 1, 1, 1, 0, 0, 0, 0, 0}, 1},
        {"the last sequence's", {0, 0, 0, 0, 0, 0, 1, 1, 1, 1}, 1}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct op_case c = {.op = op_find("delta_forward"), .dims = {2, 5, 2, 2, 3, 2, 1, 16, 1}}, truth;
        double bias[OP_ARGS] = {0};
        op_default_scalars(&c);
        op_draw(&c, 7, OP_GAUSS, 0, SWAX_PREC_BF16);
        double *key = argument(&c, "k");
        for (int t = 1; t < 10; t++)
            memcpy(key + t * 6, key + (t - 1) * 6, (size_t)(cases[k].same[t] ? 6 / cases[k].same[t] : 0) * sizeof *key);
        plain_case(&truth, &c, 16, 0);
        op_operands_delta(bias, &c, &truth);
        ck_assert_each((bias[0] > 0) == cases[k].asked, "%s: a bias of %.3g", cases[k].what, bias[0]);
        op_case_free(&c), op_case_free(&truth);
    }
}
END_TEST

/* ---- what takes too long is not asked for */

/* Sizes, of which the next larger head count, or the next window, is beyond what is asked for. */
static int is_asked(const char *name, const int *dims, const struct swax_tier *by)
{
    struct op_case c = {.op = op_find(name)}, truth;
    const struct op_spec *op = &swax_ops[c.op];
    double bias[OP_ARGS] = {0};
    int asked = 0;
    memcpy(c.dims, dims, sizeof c.dims);
    op_default_scalars(&c);
    op_case_alloc(&c, ~0u);
    c.by = by;
    double *start = argument(&c, "start");
    for (long t = 0; t < c.size[op_arg_find(op, "start")]; t++)
        start[t] = (double)(t % dims[1]);                                  /* each token a document: few products */
    for (int i = 0; i < c.n; i++)
        for (long e = 0; e < c.size[i] && op->arg[i].role == IN && c.arg[i] != start; e++)
            c.arg[i][e] = 0.7;
    op_case_copy(&truth, &c);
    for (int i = 0; i < c.n; i++)
        for (long e = 0; e < c.size[i] && op_answers(&op->arg[i]); e++)
            truth.arg[i][e] = 1 + c.arg[i][e];
    op_operands(bias, &c, &truth);
    for (int i = 0; i < c.n; i++)
        asked |= bias[i] > 0;
    op_case_free(&c), op_case_free(&truth);
    return asked;
}

START_TEST(what_takes_too_long_is_not_asked_for)
{
    /* B T S H G D W, of which B T H D W or, where that is less, B T H D S is 2e9; B T H G K V J, of which B T H (K + V)
     * is 1,302,000, or half of it in the backward; B T H K V, of which 72 B T H (128 (K + V) + 2 K V) is, and 8 in the
     * backward */
    static const struct { const char *name; int dims[OP_DIMS], one_more; } of[] = {
        {"attention_forward", {5, 2000, 8000, 4, 2, 10, 5000}, 6},
        {"attention_forward", {5, 2000, 5000, 4, 2, 10, 6000}, 2},
        {"attention_forward", {5, 2000, 8000, 4, 2, 10, 5000}, 5},
        {"attention_backward", {5, 2000, 8000, 4, 2, 10, 5000}, 6},
        {"delta_forward", {217, 2, 3, 1, 2, 998, 1, 16, 1}, 0}, {"delta_backward", {217, 2, 3, 1, 2, 498, 1, 16, 1}, 0},
        {"delta_forward", {217, 2, 3, 1, 2, 998, 1, 16, 1}, 5}, {"delta_backward", {217, 2, 3, 1, 2, 498, 1, 16, 1}, 5},
        {"mlstm_forward", {217, 2, 3, 1, 163, 16, 0}, 0}, {"mlstm_backward", {217, 2, 3, 1, 1476, 16, 0}, 0},
        {"mlstm_forward", {217, 2, 3, 1, 163, 16, 0}, 4}, {"mlstm_backward", {217, 2, 3, 1, 1476, 16, 0}, 4},
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        int more[OP_DIMS];
        memcpy(more, of[k].dims, sizeof more);
        more[of[k].one_more]++;
        const int attention = k < 4;
        ck_assert_msg(is_asked(of[k].name, of[k].dims, swax_tiers[1]), "%s, sizes %d: not asked", of[k].name, (int)k);
        ck_assert_msg(!is_asked(of[k].name, more, swax_tiers[1]), "%s, sizes %d and one more: asked", of[k].name,
                      (int)k);
        if (attention && k % 2) {        /* the reference itself takes longer still: it is asked whatever it takes */
            ck_assert(is_asked(of[k].name, more, swax_tiers[0]));
            ck_assert(is_asked(of[k].name, more, NULL));
        }
    }
}
END_TEST

/* ---- attention's weights, rounded as they stand relative to a number of the kernel's own */

/* The score of the query at (b, t, h) and key s of its sequence; NAN: it is not seen. */
static double plain_score(const struct op_case *c, int b, int t, int h, int s)
{
    const int *d = c->dims, T = d[1], S = d[2], H = d[3], G = d[4], D = d[5], W = d[6], at = t + S - T;
    const double *q = argument(c, "q") + ((b * T + t) * H + h) * D, *start = argument(c, "start");
    const double *k = argument(c, "k") + ((b * S + s) * G + h / (H / G)) * D;
    double sum = 0;
    if (s > at || at - s >= W || (start && s < start[b * T + t] + S - T))
        return (double)NAN;
    for (int e = 0; e < D; e++)
        sum += q[e] * k[e];
    return sum / sqrt(D);
}

/* By how much bf16 makes 2^x larger, as a share of it. */
static double plain_rounding(double x)
{
    const double m = exp2(fmod(x, 1));
    return op_round(m, REAL, SWAX_PREC_BF16) / m - 1;
}

/* The projection of what rounded weights err on the truth: relative to 2^(-way/8), or to the row's largest score, the
 * sink's among them in the last way. */
static double plain_bias(const struct op_case *c, const struct op_case *truth, int backward, int way)
{
    const int *d = c->dims, T = d[1], S = d[2], H = d[3], G = d[4], D = d[5];
    const int i = op_arg_find(&swax_ops[c->op], backward ? "dv" : "y");
    const double *sink = argument(c, "sink"), *lse = argument(backward ? c : truth, "lse");
    double along = 0, square = 0;
    for (long e = 0; e < c->size[i]; e++) {
        const double w = truth->arg[i][e] - (backward ? c->arg[i][e] : 0);
        square += isfinite(w) ? w * w : 0;
    }
    for (int row = 0; row < d[0] * T * H; row++) {
        const int b = row / (T * H), t = row / H % T, h = row % H;
        double most = way == 9 && sink ? sink[h] : -INFINITY;
        for (int s = 0; s < S; s++)
            most = fmax(most, plain_score(c, b, t, h, s));       /* fmax leaves out what is none */
        for (int s = 0; s < S; s++) {
            const double score = plain_score(c, b, t, h, s), p = exp(score - lse[row]);
            const double relative = score - (backward ? lse[row] : way < 8 ? 0 : most);
            const double x = relative / log(2) + (way < 8 ? way / 8.0 : 0);
            const int value = ((b * S + s) * G + h / (H / G)) * D;
            double with = 0;
            for (int e = 0; e < D; e++) {
                const int at = backward ? value + e : row * D + e;
                const double w = truth->arg[i][at] - (backward ? c->arg[i][at] : 0);
                const double by = backward ? argument(c, "dy")[row * D + e] : argument(c, "v")[value + e];
                with += (isfinite(w) ? w : 0) * by;
            }
            along += p > 0 && isfinite(with) ? p * plain_rounding(x) * with : 0;
        }
    }
    return along / square;
}

/* Each row's largest score is its own, and how far the other keys' are below it is the same in all; so is how far the
 * sink is above. */
static void make_rows_alike(struct op_case *c, double apart)
{
    const int *d = c->dims, D = d[5];
    double *q = argument(c, "q"), *k = argument(c, "k"), *v = argument(c, "v"), *sink = argument(c, "sink");
    for (long row = 0; row < (long)d[0] * d[1] * d[3]; row++)
        for (int e = 0; e < D; e++)
            q[row * D + e] = e == 0 ? 0.37 * (double)(row % d[3]) : e == 1 ? 1 : 0;
    for (long row = 0; row < (long)d[0] * d[2] * d[4]; row++)
        for (int e = 0; e < D; e++) {
            k[row * D + e] = e == 0 ? 1 : e == 1 && row / d[4] % 2 ? -apart : 0;
            v[row * D + e] = 1;
        }
    for (int h = 0; h < d[3] && sink; h++)
        sink[h] = 0.37 * h / sqrt(D) + 0.3;
}

START_TEST(attentions_bias_is_that_of_the_plain_form)
{
    /* B T S H G D W */
    static const int dims[][OP_DIMS] = {{2, 5, 9, 4, 2, 3, 4}, {1, 7, 7, 3, 1, 5, 100}, {2, 1, 6, 2, 2, 4, 3},
                                        {1, 12, 14, 12, 3, 2, 5}, {3, 4, 4, 1, 1, 1, 1}};
    static const enum op_family families[] = {OP_GAUSS, OP_EQUAL, OP_ONEHOT, OP_HUGE, OP_GAUSS};
    int largest[10] = {0};
    for (int k = 0; k < 120; k++) {
        const int backward = k % 2, holes = k % 8 > 5;
        struct op_case c = {.op = op_find(backward ? "attention_backward" : "attention_forward")}, truth;
        double bias[OP_ARGS] = {0}, plain = 0;
        memcpy(c.dims, dims[k / 2 % 5], sizeof c.dims);
        op_default_scalars(&c);
        op_draw(&c, (uint64_t)k, families[k / 24], k / 2 % 3 ? ~0u : 0, SWAX_PREC_BF16);
        if (k % 24 > 19)
            make_rows_alike(&c, (float)k / 50);
        const int i = op_arg_find(&swax_ops[c.op], backward ? "dv" : "y");
        op_case_copy(&truth, &c);
        ck_assert(!op_run(swax_tiers[0], SWAX_PREC_F64, &truth));
        if (holes) {
            argument(&c, backward ? "dy" : "v")[2] = INFINITY;
            truth.arg[i][c.size[i] - 1] = (double)NAN, truth.arg[i][c.size[i] / 2] = -INFINITY;
        }
        op_operands(bias, &c, &truth);
        for (int way = 0; way < (backward ? 1 : 10); way++) {
            const double off = fabs(plain_bias(&c, &truth, backward, way));
            largest[way] += off > plain * (1 + 1e-9);
            plain = fmax(plain, off);
        }
        for (int a = 0; a < c.n; a++)
            ck_assert_each(fabs(bias[a] - (a == i ? plain : 0)) <= 1e-9 * plain + 1e-15,
                           "case %d, %s: a bias of %.9g, and by the plain form of %.9g", k, swax_ops[c.op].arg[a].name,
                           bias[a], a == i ? plain : 0);
        op_case_free(&c), op_case_free(&truth);
    }
    for (int way = 0; way < 10; way++)
        ck_assert_msg(largest[way] > 0, "relative to number %d the bias is never the largest so far", way);
}
END_TEST

/* Where nothing is known nothing is moved: a truth that is 0 all over, another kernel. */
START_TEST(where_there_is_no_truth_there_is_no_bias)
{
    static const char *const names[] = {"attention_forward", "attention_backward", "softcap_forward", "rope_forward"};
    for (int k = 0; k < 4; k++) {
        struct op_case c, truth;
        double bias[OP_ARGS] = {0};
        op_case_make(&c, op_find(names[k]), 5, OP_GAUSS, 20, SWAX_PREC_BF16);
        op_case_copy(&truth, &c);
        if (k > 1)
            op_run(swax_tiers[0], SWAX_PREC_F64, &truth);
        for (long e = 0; k == 0 && e < truth.size[0]; e++)
            truth.arg[0][e] = 0;
        op_operands(bias, &c, &truth);
        for (int i = 0; i < OP_ARGS; i++)
            ck_assert_each(bias[i] == 0, "%s, argument %d: a bias of %g", names[k], i, bias[i]);
        op_case_free(&c), op_case_free(&truth);
    }
}
END_TEST

/* Of the backward: check_operands_cell.c has the forward. */
START_TEST(exponentials_of_the_backward_are_off_by_so_much)
{
    static const enum op_family families[] = {OP_GAUSS, OP_OPEN, OP_SHUT, OP_MIXED, OP_COLLINEAR};
    for (int k = 0; k < 20; k++) {
        struct op_case c, truth, got;
        struct op_verdict unused;
        struct op_distance err[OP_ARGS] = {{0}};
        op_draw_dims(&c, op_find("delta_backward"), (uint64_t)(k + 1), 16);
        c.dims[7] = c.dims[1], c.dims[8] = 0;      /* what the forward saved has other exponents, and is not read so */
        op_draw_scalars(&c, (uint64_t)(k + 1));
        op_draw(&c, (uint64_t)(k + 1), families[k % 5], k % 2 ? ~0u : 0, SWAX_PREC_BF16);
        op_truth(&truth, &unused, SWAX_PREC_F64, &c);
        op_exponentials(err, &c, &truth);
        share = 0x1p-24 + 1.33520e-8;        /* 1.44269502 / log2 e is 1 less the second */
        plain_case(&got, &c, 16, 0);
        share = 0;
        for (int a = 2; a < ANSWERS; a++) {
            const int i = op_arg_find(&swax_ops[c.op], answers[a]);
            struct op_distance is = {0};
            if (!c.arg[i])
                continue;
            op_distance_add(&is, got.arg[i], truth.arg[i], c.arg[i], c.size[i]);
            const double plain[] = {is.most + 0x1p-22, is.rms + 0x1p-22, is.bias + 0x1p-22};
            const double told[] = {err[i].most, err[i].rms, err[i].bias};
            for (int n = 0; n < 3; n++)
                ck_assert_each(fabs(told[n] - plain[n]) <= 1e-4 * plain[n], "%s, case %d, %s: %.9g, and plainly %.9g",
                               answers[a], k, n == 0 ? "most" : n == 1 ? "RMS" : "bias", told[n], plain[n]);
        }
        op_case_free(&c), op_case_free(&truth), op_case_free(&got);
    }
}
END_TEST

START_TEST(honest_backwards_are_good)
{
    for (int k = 0; k < 2 * OP_FAMILIES; k++) {
        struct op_case c, truth, got;
        struct op_verdict v;
        op_case_make(&c, op_find("delta_backward"), (uint64_t)(k + 1), (enum op_family)(k % OP_FAMILIES), 20,
                     SWAX_PREC_BF16);
        op_truth(&truth, &v, SWAX_PREC_BF16, &c);
        fast = 1;
        plain_case(&got, &c, 16, 1);
        fast = 0;
        for (int a = 2; a < ANSWERS; a++) {
            const int i = op_arg_find(&swax_ops[c.op], answers[a]);
            for (long e = 0; e < c.size[i] && got.arg[i]; e++)
                got.arg[i][e] = op_round(got.arg[i][e], swax_ops[c.op].arg[i].type, SWAX_PREC_BF16);
        }
        memcpy(argument(&got, "dg"), argument(&truth, "dg"), /* which the form does not give */
               (size_t)c.size[op_arg_find(&swax_ops[c.op], "dg")] * sizeof(double));
        const int i = op_compare(&v, &got, &truth, &c), at = i < 0 ? 0 : i;
        ck_assert_each(i < 0, "%s of %s, seed %d: off by %.3g (%.3g is allowed), by RMS %.3g (%.3g), in one direction "
                       "%.3g (%.3g)", swax_ops[c.op].arg[at].name, op_family_name[k % OP_FAMILIES], k + 1, v.error[at],
                       v.bound[at], v.rms[at], v.rms_bound[at], v.bias[at], v.bias_bound[at]);
        op_case_free(&c), op_case_free(&truth), op_case_free(&got);
    }
}
END_TEST

/* ---- the form without its roundings */
void operands_delta_unrounded(double *bias, const struct op_case *c, const struct op_case *truth);
#define op_round(x, type, precision) (x)
#define op_operands_delta operands_delta_unrounded
#include "ref/oracle/operands_delta.c"
#undef op_round
#undef op_operands_delta

enum { CASES = 24 };

START_TEST(without_rounding_it_is_the_delta_rule)
{
    static const char *const ops[] = {"delta_forward", "delta_backward"};
    static const enum op_family families[] = {OP_GAUSS, OP_EQUAL, OP_OPEN, OP_SHUT};
    int asked = 0;
    for (int k = 0; k < 2 * CASES; k++) {
        const int op = op_find(ops[k % 2]), backward = k % 2;
        struct op_case c, truth;
        struct op_verdict v;
        op_case_make(&c, op, (uint64_t)(k + 1), families[k / 2 % 4], 40, SWAX_PREC_F64);
        op_truth(&truth, &v, SWAX_PREC_F64, &c);
        for (long L = 16; L <= CHUNK; L *= 2) {
            struct op_case got;
            op_case_copy(&got, &c);
            run_case(&got, &c, backward, L);
            for (int a = 0; a < ANSWERS; a++) {
                const int i = op_arg_find(&swax_ops[op], answers[a]);
                if (i < 0 || !got.arg[i] || (a < 2) == backward)
                    continue;
                const double off = op_error_rms(got.arg[i], truth.arg[i], c.size[i]);
                ck_assert_each(off < 1e-10, "%s of %s, case %d, in chunks of %ld: off by %.3g", answers[a], ops[k % 2],
                               k, L, off);
                asked++;
            }
            op_case_free(&got);
        }
        op_case_free(&c), op_case_free(&truth);
    }
    ck_assert_msg(asked > 500, "%d answers", asked);
}
END_TEST

/* Where keys are alike, the inverse's rows are, and are rounded alike: a bias of y and of the state that is honest. */
START_TEST(a_rounded_inverse_is_known_to_the_bound)
{
    const int op = op_find("delta_forward");
    struct swax_tier tier;
    const struct fault *of;
    double most = 0;
    int at = 0;
    while ((of = fault_f32(at, &tier)) && (strcmp(of->op, "delta") || strcmp(of->name, "inverse_bf16")))
        at++;
    ck_assert(of != NULL);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct op_case c, truth, got;
        struct op_verdict v;
        op_case_make(&c, op, seed, OP_EQUAL, 24, SWAX_PREC_BF16);
        op_truth(&truth, &v, SWAX_PREC_BF16, &c);
        op_case_copy(&got, &c);
        ck_assert(!op_run(&tier, SWAX_PREC_F32, &got));
        for (int i = 0; i < 2; i++) {
            const double bias = fabs(op_bias(got.arg[i], truth.arg[i], NULL, c.size[i]));
            ck_assert_each(bias <= v.bias_bound[i], "%s, seed %d: off by %.3g in one direction, and %.3g is allowed",
                           swax_ops[op].arg[i].name, (int)seed, bias, v.bias_bound[i]);
            most = fmax(most, bias);
        }
        op_case_free(&c), op_case_free(&truth), op_case_free(&got);
    }
    ck_assert_msg(most > 5e-4, "no inverse is rounded alike: %.3g", most);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("operands");
    TCase *t = tcase_create("operands");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, attentions_bias_is_that_of_the_plain_form);
    tcase_add_test(t, where_there_is_no_truth_there_is_no_bias);
    tcase_add_test(t, what_takes_too_long_is_not_asked_for);
    tcase_add_test(t, the_bias_is_that_of_the_plain_form);
    tcase_add_test(t, alike_is_every_other_key);
    tcase_add_test(t, exponentials_of_the_backward_are_off_by_so_much);
    tcase_add_test(t, honest_backwards_are_good);
    tcase_add_test(t, without_rounding_it_is_the_delta_rule);
    tcase_add_test(t, a_rounded_inverse_is_known_to_the_bound);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
