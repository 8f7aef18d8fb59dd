/* check_operands.c - what rounding to bf16 leaves in attention, the delta rule and RoPE (ref/oracle/operands.c,
 * operands_delta.c and operands_rope.c): the errors are those of the same forms written plainly, where nothing is
 * rounded they are the kernels, a kernel that keeps its inverse in bf16 has no more bias than the bound knows, and
 * where all heads take too long some stand for them. */
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
static double up = 1;             /* the scale that matrices are rounded at */
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
static struct matrix rounded_at(struct matrix a, double by)
{
    for (long e = 0; e < a.n * a.m && rounds; e++)
        a.at[e] = op_round(by * a.at[e], REAL, SWAX_PREC_BF16) / by;
    return a;
}
static struct matrix rounded(struct matrix a) { return rounded_at(a, up); }
static struct matrix rounded_input(struct matrix a) { return rounded_at(a, 1); }
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
struct plain { const struct op_case *c; long b, h, from, n; struct matrix g, kept; double *dg; };
static double *number(const struct plain *p, const struct op_case *of, const char *name, long i, long r)
{
    const int *d = p->c->dims, keys = strchr("qk", name[strlen(name) - 1]) != NULL;
    const long token = p->b * d[1] + p->from + i, width = keys ? d[4] : name[strlen(name) - 1] == 'g' ? d[6] : d[5];
    const long row = keys ? token * d[3] + p->h / (d[2] / d[3]) : token * d[2] + p->h;
    return argument(of, name) + (strstr(name, "beta") ? row : row * width + r);
}
static struct matrix rows(const struct plain *p, const char *name, long m)
{
    const struct matrix z = matrix(p->n, m);
    for (long i = 0; i < z.n; i++)
        memcpy(in(z, i, 0), number(p, p->c, name, i, 0), (size_t)m * sizeof *z.at);
    return z;
}

/* exp(g_j+1 + .. + g_i), j from -1 on; 0 where a document begins between. */
static double kept_plainly(const struct plain *p, long j, long i, long r)
{
    const double *start = argument(p->c, "start");
    double sum = 0;
    if (start && start[p->b * p->c->dims[1] + p->from + i] > (double)(p->from + j))
        return 0;
    for (long t = j + 1; t <= i; t++) {
        const double g = *in(p->g, t, r);
        sum += (1 + share) * g - (share > 0 && g != 0 ? 0x1p-22 : 0);
    }
    const float z = (float)sum * 1.44269504f;
    return !fast ? exp(sum) : z == 0 ? 1 : (double)(float)(exp2((double)z) * (1 - 1.5 * 0x1p-23));
}
/* A chunk has them once. */
static void keep_all(struct plain *p)
{
    p->kept = matrix(p->n + 1, p->n * p->g.m);
    for (long j = -1; j < p->n; j++)
        for (long i = j < 0 ? 0 : j; i < p->n; i++)
            for (long r = 0; r < p->g.m; r++)
                *in(p->kept, j + 1, i * p->g.m + r) = kept_plainly(p, j, i, r);
}
static double kept(const struct plain *p, long j, long i, long r)
{
    return *in(p->kept, j + 1, i * p->g.m + (p->g.m == 1 ? 0 : r));
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
    for (long i = 0; i < a.n; i++) {
        const double beta = *number(p, p->c, "beta", i, 0);
        for (long r = 0; r < a.m; r++)
            *in(z, i, r) = beta * *in(a, i, r);
    }
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
    f.qc = rounded_input(decayed(p, f.q, 0)), f.kc = rounded_input(decayed(p, f.k, 1));
    f.kb = rounded_input(decayed(p, by_beta(p, f.k), 0)), f.vb = rounded_input(by_beta(p, f.v));
    f.P = rounded(scores(p, f.q, f.k, 0));
    f.A = by_beta(p, scores(p, f.k, f.k, 1));
    f.A = e ? f.A : matrix(p->n, p->n);
    f.X = rounded(inverse(f.A));
    f.S = rounded(plus(S, 0, S));
    f.W = rounded(times(f.X, f.kb));
    f.U = rounded(plus(times(f.X, f.vb), -e, times(f.W, f.S)));
    return f;
}

/* x dx of what is left of token j at token i of the chunk: it is in the gradients of all gates between. */
static void add_gates(const struct plain *p, long j, long i, long r, double x)
{
    const int *d = p->c->dims;
    for (long t = j + 1; t <= i; t++)
        p->dg[t * d[2] * d[6] + (d[6] == 1 ? 0 : r)] += x;
}

static void add_inputs(const struct plain *p, struct op_case *got, const struct forms *f, struct matrix dqc,
                       struct matrix dkc, struct matrix dkb, struct matrix dvb, struct matrix dP, struct matrix dA)
{
    const int *d = p->c->dims;
    for (long i = 0; i < p->n; i++) {
        const double beta = *number(p, p->c, "beta", i, 0);
        double *dbeta = number(p, got, "dbeta", i, 0), *dqs = number(p, got, "dq", i, 0);
        double *dks = number(p, got, "dk", i, 0), *dvs = number(p, got, "dv", i, 0);
        for (long r = 0; r < d[4]; r++) {
            const double carried = kept(p, -1, i, r), k = *in(f->k, i, r);
            double *dq = dqs + r, *dk = dks + r;
            *dq += carried * *in(dqc, i, r);
            *dk += kept(p, i, p->n - 1, r) * *in(dkc, i, r) + beta * carried * *in(dkb, i, r);
            *dbeta += carried * k * *in(dkb, i, r);
            add_gates(p, -1, i, r, carried * (*in(f->q, i, r) * *in(dqc, i, r) + beta * k * *in(dkb, i, r)));
            add_gates(p, i, p->n - 1, r, kept(p, i, p->n - 1, r) * k * *in(dkc, i, r));
            for (long j = 0; j <= i; j++) {
                const double D = kept(p, j, i, r), q = *in(f->q, i, r), kj = *in(f->k, j, r);
                const double a = j < i ? *in(dA, i, j) * d[8] : 0, b = *in(dP, i, j);
                *dq += b * D * kj;
                *dk += a * beta * D * kj;
                dk[(j - i) * d[3] * d[4]] += D * (b * q + a * beta * k);
                *dbeta += a * k * D * kj;
                add_gates(p, j, i, r, D * kj * (b * q + a * beta * k));
            }
        }
        for (long r = 0; r < d[5]; r++) {
            dvs[r] += beta * *in(dvb, i, r);
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
    for (long r = 0; r < dS.n; r++)
        for (long w = 0; w < dS.m; w++)
            add_gates(p, -1, p->n - 1, r, kept(p, -1, p->n - 1, r) * *in(dSr, r, w) * *in(f->S, r, w));
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

/* A chunk's y and r, and the state behind it. */
static void plain_on(const struct plain *p, struct op_case *got, const struct forms *f, struct matrix S,
                     struct matrix next)
{
    const int *d = p->c->dims;
    const struct matrix y = plus(times(f->qc, f->S), 1, times(f->P, f->U));
    const struct matrix known = plus(times(rounded_input(decayed(p, f->k, 0)), f->S), 1,
                                     times(scores(p, f->k, f->k, 1), f->U));
    const struct matrix behind = plus(by_last(p, S), 1, times(turned(f->kc), f->U));
    memcpy(next.at, behind.at, (size_t)(d[4] * d[5]) * sizeof *next.at);
    for (long e = 0; e < p->n * d[5] && argument(p->c, "y"); e++) {
        *number(p, got, "y", e / d[5], e % d[5]) = p->c->scalar[0] * y.at[e];
        argument(got, "r")[number(p, got, "y", e / d[5], e % d[5]) - argument(got, "y")] =
            f->v.at[e] - d[8] * known.at[e];
    }
}

static void plain_head(struct op_case *got, struct plain p, long L, long span)
{
    enum { MOST = 40 };
    const int *d = p.c->dims, backward = argument(p.c, "dy") != NULL;
    const long KV = d[4] * d[5], head = p.b * d[2] + p.h, states = (d[1] - 1) / d[7] + 1;
    long first[MOST + 1] = {0}, chunks = 0;
    struct matrix S[MOST + 1];
    double *to = argument(got, backward ? "dS0" : "S1"), *kept_at = argument(got, "Ss");
    while (first[chunks] < d[1]) {
        const long from = first[chunks++];
        ck_assert_each(chunks <= MOST, "the room is too small");
        first[chunks] = (long)fmin(fmin(d[1], (double)(from + L)), (double)((from / span + 1) * span));
    }
    pooled = 0;
    for (long i = 0; i <= chunks; i++)
        S[i] = i ? matrix(d[4], d[5]) : state(&p, "S0");
    struct matrix D = state(&p, "dS1");
    const long mark = pooled;
    for (long i = 0; i < chunks; i++, pooled = mark) {
        p.from = first[i], p.n = first[i + 1] - first[i], p.g = rows(&p, "g", d[6]);
        keep_all(&p);
        const struct forms f = forms(&p, S[i]);
        if (!backward && kept_at && span == d[7] && p.from % span == 0)
            memcpy(kept_at + (head * states + p.from / span) * KV, S[i].at, (size_t)KV * sizeof *kept_at);
        plain_on(&p, got, &f, S[i], S[i + 1]);
    }
    for (long i = chunks - 1; i >= 0 && backward; i--, pooled = mark) {
        p.from = first[i], p.n = first[i + 1] - first[i], p.g = rows(&p, "g", d[6]);
        keep_all(&p);
        p.dg = number(&p, got, "dg", 0, 0);
        const struct forms f = forms(&p, S[i]);
        const struct matrix before = plain_back(&p, got, &f, D);
        memcpy(D.at, before.at, (size_t)KV * sizeof *before.at);
    }
    for (long e = 0; e < KV && to; e++)
        to[head * KV + e] = backward ? to[head * KV + e] + D.at[e] : S[chunks].at[e];
}

static void plain_case(struct op_case *got, const struct op_case *c, long L, long span, int rounding)
{
    rounds = rounding;
    op_case_copy(got, c);
    for (long head = 0; head < (long)c->dims[0] * c->dims[2]; head++)
        plain_head(got, (struct plain){.c = c, .b = head / c->dims[2], .h = head % c->dims[2]}, L, span);
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

static const char *const answers[] = {"y", "S1", "r", "Ss", "dq", "dk", "dv", "dg", "dbeta", "dS0"};
enum { ANSWERS = sizeof answers / sizeof *answers, FORWARD = 4, KEPT = 3 };

/* Of `a`, if the case has it, its number. */
static int answer(const struct op_case *c, int a)
{
    const int i = op_arg_find(&swax_ops[c->op], answers[a]);
    return i < 0 || !c->arg[i] || (a < FORWARD) != !strcmp(swax_ops[c->op].name, "delta_forward") ? -1 : i;
}

static void round_answers(struct op_case *got)
{
    for (int i = 0; i < got->n; i++)
        for (long e = 0; e < got->size[i] && got->arg[i] && op_answers(&swax_ops[got->op].arg[i]); e++)
            got->arg[i][e] = op_round(got->arg[i][e], swax_ops[got->op].arg[i].type, SWAX_PREC_BF16);
}

/* What the bound is told, against the largest of what the plain form has: where keys are alike in chunks of 16 to 128
 * tokens and at eight scales, else in chunks of 64 and at three or four; and once more in chunks that end where states
 * are kept.  `largest` counts which of these chunks had the largest bias. */
static void errors_are_the_plain_ones(const char *name, const int *dims, uint64_t seed, enum op_family family,
                                      unsigned optional, int alike, int largest[5])
{
    struct op_case c = {.op = op_find(name)}, truth;
    struct op_distance err[OP_ARGS] = {{0}}, plain[OP_ARGS] = {{0}};
    int by[OP_ARGS] = {0};
    memcpy(c.dims, dims, OP_DIMS * sizeof *dims);
    op_draw_scalars(&c, seed);
    op_draw(&c, seed, family, optional, SWAX_PREC_BF16);
    if (alike)
        make_alike(&c, 3);
    const int T = dims[1], L = dims[7], few = op_nudges(&c) > 2;
    alike &= T > 1;                                                /* of a token alone no two rows are alike */
    plain_case(&truth, &c, 16, T, 0);
    for (int a = 0; a < ANSWERS; a++) {                            /* what is kept is kept where it is kept */
        const int i = answer(&c, a);
        struct op_case kept;
        if (i < 0 || strcmp(answers[a], "Ss"))
            continue;
        plain_case(&kept, &c, 16, L, 0);
        memcpy(truth.arg[i], kept.arg[i], (size_t)c.size[i] * sizeof **c.arg);
        op_case_free(&kept);
    }
    op_operands_delta(err, &c, &truth);
    for (int way = 0; way < 5; way++)
        for (int scale = 0; scale < 8; scale += alike ? 1 : few ? 2 : 3) {
            const long chunk = way == 4 ? 64 : 16 << way;
            struct op_case got;
            if (way == 4 ? L >= T : alike ? way && chunk >= 2 * T : way != 2)
                continue;
            up = pow(2, scale / 8.0);
            plain_case(&got, &c, chunk, way == 4 ? L : T, 1);
            up = 1;
            round_answers(&got);
            for (int a = 0; a < ANSWERS; a++) {
                const int i = answer(&c, a);
                const double *before = a < FORWARD || i < 0 ? NULL : c.arg[i];
                if (i < 0 || (a == KEPT && (way == 4 ? L : T) != L))
                    continue;
                if (fabs(op_bias(got.arg[i], truth.arg[i], before, c.size[i])) > plain[i].bias)
                    by[i] = way;
                op_distance_add(&plain[i], got.arg[i], truth.arg[i], before, c.size[i]);
            }
            op_case_free(&got);
        }
    for (int i = 0; i < c.n; i++) {
        const double told[] = {err[i].most, err[i].rms, err[i].bias};
        const double is[] = {plain[i].most, plain[i].rms, plain[i].bias};
        largest[by[i]] += alike && plain[i].bias > 0;
        for (int k = 0; k < 3; k++)
            ck_assert_each(fabs(told[k] - is[k]) <= 1e-5 * is[k] + 1e-12, "%s, %s, seed %d, T=%d K=%d V=%d J=%d L=%d "
                           "erase=%d, %s: %.9g, and by the plain form %.9g", name, swax_ops[c.op].arg[i].name,
                           (int)seed, T, dims[4], dims[5], dims[6], L, dims[8],
                           k == 0 ? "most" : k == 1 ? "RMS" : "bias", told[k], is[k]);
    }
    op_case_free(&c), op_case_free(&truth);
}

START_TEST(the_errors_are_those_of_the_plain_form)
{
    /* B T H G K V J L e */
    static const int dims[][OP_DIMS] = {{2, 37, 4, 2, 5, 3, 1, 37, 1}, {1, 50, 2, 1, 3, 6, 3, 12, 1},
                                        {2, 21, 3, 3, 4, 2, 4, 21, 0}, {1, 9, 2, 2, 2, 5, 1, 1, 1},
                                        {1, 32, 2, 1, 6, 6, 6, 100, 1}, {1, 66, 1, 1, 2, 3, 1, 65, 1},
                                        {1, 1, 1, 1, 2, 2, 1, 16, 1},   {2, 70, 4, 2, 10, 10, 1, 40, 1}};
    static const enum op_family families[] = {OP_GAUSS, OP_UNDECAYED, OP_MIXED, OP_EQUAL};
    int largest[5] = {0};
    for (int k = 0; k < (int)(sizeof dims / sizeof *dims); k++)
        for (int way = k == 7 ? 3 : k % 2; way < 4; way += 2) {
            const unsigned optional = way % 2 ? ~0u : way ? 1u << 3 : 1u << 1;
            const uint64_t seed = (uint64_t)(4 * k + way);
            for (int alike = k != 7; alike >= 0; alike--) {
                const enum op_family family = alike ? families[way] : k == 7 ? OP_GAUSS : OP_CONVERGED;
                errors_are_the_plain_ones("delta_forward", dims[k], seed, family, optional, alike, largest);
                errors_are_the_plain_ones("delta_backward", dims[k], seed, family, optional, alike, largest);
            }
        }
    for (int way = 0; way < 5; way++)
        ck_assert_msg(largest[way] > 0, "chunks of kind %d never have the largest bias", way);
}
END_TEST

/* Half of the tokens' keys are those before, in all groups or heads and in the same sequence: alike; fewer: not. */
START_TEST(alike_is_every_other_key)
{
    static const struct { const char *what; int same[10], alike; } cases[] = {
        {"four of eight", {0, 1, 0, 1, 0, 0, 1, 0, 1, 0}, 1}, {"three of eight", {0, 1, 0, 1, 0, 0, 1, 0, 0, 0}, 0},
        {"three, and one across sequences", {0, 1, 0, 1, 0, 1, 1, 0, 0, 0}, 0},
        {"four, one only in its first group", {0, 1, 0, 1, 0, 0, 1, 0, 2, 0}, 0},
        {"the first sequence's", {0, 1, 1, 1, 1, 0, 0, 0, 0, 0}, 1},
        {"the last sequence's", {0, 0, 0, 0, 0, 0, 1, 1, 1, 1}, 1}};
    static const char *const ops[] = {"delta_forward", "mlstm_forward"};
    static const int dims[][OP_DIMS] = {{2, 5, 2, 2, 3, 2, 1, 16, 1}, {2, 5, 2, 3, 2, 16, 0}};
    for (size_t k = 0; k < 2 * sizeof cases / sizeof *cases; k++) {
        struct op_case c = {.op = op_find(ops[k % 2])};
        const int *same = cases[k / 2].same;
        memcpy(c.dims, dims[k % 2], sizeof c.dims);
        op_default_scalars(&c);
        op_draw(&c, 7, OP_GAUSS, 0, SWAX_PREC_BF16);
        double *key = argument(&c, "k");
        for (int t = 1; t < 10; t++)
            memcpy(key + t * 6, key + (t - 1) * 6, (size_t)(same[t] ? 6 / same[t] : 0) * sizeof *key);
        ck_assert_each(op_keys_are_alike(&c) == cases[k / 2].alike, "%s, %s", ops[k % 2], cases[k / 2].what);
        op_case_free(&c);
    }
}
END_TEST

/* ---- where all take too long, some stand for them */

START_TEST(as_many_heads_as_there_is_time_for)
{
    static const struct { long heads; double work; long asked; } of[] = {
        {7, 0, 7},   {7, 1, 7},     {7, 2.8e7, 7}, {7, 2.9e7, 6}, {7, 1e8, 2},
        {7, 1.1e8, 1}, {7, 2e9, 1}, {1, 2e9, 1},   {7, 2.1e9, 0}, {1, 2.1e9, 0}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++)
        ck_assert_msg(op_heads_asked(of[k].heads, of[k].work) == of[k].asked, "of %ld heads with %g each, %ld",
                      of[k].heads, of[k].work, op_heads_asked(of[k].heads, of[k].work));
}
END_TEST

/* What is off in the heads that were worked out counts for all; what stands in the others is nothing. */
START_TEST(some_heads_stand_for_all)
{
    /* of 2 sequences with 4 heads in 2 groups, three groups: the first sequence's, and heads 0 and 1 of the second; of
     * the cell, where each head is a group of its own, five heads */
    static const struct { const char *op; int dims[OP_DIMS]; long asked, all; const char *arg; } of[] = {
        {"delta_forward", {2, 3, 4, 2, 2, 3, 1, 2, 1}, 3, 4, "y"},
        {"delta_forward", {2, 3, 4, 2, 2, 3, 1, 2, 1}, 3, 4, "Ss"},
        {"delta_backward", {2, 3, 4, 2, 2, 3, 1, 2, 1}, 3, 4, "dk"},
        {"delta_backward", {2, 3, 4, 2, 2, 3, 1, 2, 1}, 3, 4, "dg"},
        {"mlstm_forward", {2, 3, 4, 2, 3, 2, 0}, 5, 8, "h"},
        {"mlstm_backward", {2, 3, 4, 2, 3, 2, 0}, 5, 8, "dC0"}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        struct op_case c = {.op = op_find(of[k].op)}, truth, got;
        const struct op_spec *op = &swax_ops[c.op];
        const int i = op_arg_find(op, of[k].arg), added = op->arg[i].role == ADD;
        struct op_distance err = {0};
        double most = 0, square = 0, along = 0, with = 0, largest = 0;
        memcpy(c.dims, of[k].dims, sizeof c.dims);
        op_default_scalars(&c);
        op_draw(&c, 3, OP_GAUSS, ~0u, SWAX_PREC_BF16);
        op_case_copy(&truth, &c), op_case_copy(&got, &c);
        for (long e = 0; e < c.size[i]; e++) {
            /* which head, by its place: B T H ., B T G ., or B H . */
            const int by_token = strncmp(op->arg[i].shape, "BT", 2) == 0;
            const long heads = strchr(op->arg[i].shape, 'G') ? c.dims[3] : c.dims[2];
            const long row = c.size[i] / 2 / (by_token ? c.dims[1] : 1) / heads, b = e / (c.size[i] / 2);
            const long head = e / row % heads, group = of[k].all == 4 && heads == 4 ? head / 2 : head;
            const int asked = b * (of[k].all / 2) + group < of[k].asked;
            const double x = op_round(1 + (double)(e % 7), REAL, SWAX_PREC_BF16), before = added ? c.arg[i][e] : 0;
            truth.arg[i][e] = before + x;
            got.arg[i][e] = asked ? op_round(before + x * (e % 3 ? 1.125 : 1.25), op->arg[i].type, SWAX_PREC_BF16)
                                  : (double)NAN;
            const double off = asked ? got.arg[i][e] - truth.arg[i][e] : 0;
            most = fmax(most, fabs(off)), largest = fmax(largest, fabs(truth.arg[i][e]));
            square += off * off, with += truth.arg[i][e] * truth.arg[i][e];
            along += off * x;
        }
        double of_x = 0;
        for (long e = 0; e < c.size[i]; e++)
            of_x += pow(truth.arg[i][e] - (added ? c.arg[i][e] : 0), 2);
        const double parts = (double)of[k].all / (double)of[k].asked;
        const double is[] = {most / largest, sqrt(square / with * parts), along / of_x * parts};
        op_operands_add(&err, &got, &truth, &c, i, of[k].asked);
        const double told[] = {err.most, err.rms, err.bias};
        for (int n = 0; n < 3; n++)
            ck_assert_msg(fabs(told[n] - is[n]) <= 1e-9 * is[n], "%s, %s, number %d: %.9g, and not %.9g", of[k].op,
                          of[k].arg, n, told[n], is[n]);
        /* what is no number says nothing */
        const struct op_distance was = err;
        for (long e = 0; e < c.size[i]; e++)
            got.arg[i][e] = (double)NAN;
        op_operands_add(&err, &got, &truth, &c, i, of[k].all);
        ck_assert_msg(!memcmp(&err, &was, sizeof err), "%s, %s: what is no number counts", of[k].op, of[k].arg);
        op_case_free(&c), op_case_free(&truth), op_case_free(&got);
    }
}
END_TEST

/* Are so many heads, or groups of heads, worked out, and no more?  The last of them alone has values, and so an error
 * of y, h or dq, whose truth is said to be 0; a NaN in the next one's would make it unknown. */
static int so_many_are_worked_out(const char *name, const int *dims, long asked, long all)
{
    struct op_case c = {.op = op_find(name)}, truth;
    const struct op_spec *op = &swax_ops[c.op];
    struct op_distance err[OP_ARGS] = {{0}};
    memcpy(c.dims, dims, sizeof c.dims);
    op_default_scalars(&c);
    op_case_alloc(&c, 0);
    op_case_copy(&truth, &c);
    const int v = op_arg_find(op, "v");
    for (int i = 0; i < c.n; i++)
        for (long e = 0; e < c.size[i] && op->arg[i].role == IN && c.arg[i] && i != v; e++)
            c.arg[i][e] = strchr("gif", op->arg[i].name[0]) ? -0.5 : (double)(1 + e % 11) / 256;
    const long heads = all / c.dims[0], row = c.size[v] / (c.dims[0] * (long)c.dims[1] * heads);
    for (long head = asked - 1; head <= asked; head++)
        c.arg[v][(head / heads * c.dims[1] * heads + head % heads) * row] = head < asked ? 1 : (double)NAN;
    op_operands(err, &c, &truth);
    op_case_free(&c), op_case_free(&truth);
    return err[0].most > 0;
}

START_TEST(what_a_head_takes_is_counted)
{
    /* B T H G K V J L e; B T H K V L g: T (3 or 6) heads (tokens (K + V) + K V) multiplications for each way, at
     * three scales; of the cell T (1 or 3) (tokens (K + V) + 2 K V), twice */
    static const struct { const char *op; int dims[OP_DIMS]; double heads, work; } of[] = {
        {"delta_forward", {1, 130, 40, 20, 90, 90, 1, 200, 1}, 20, 3 * 130 * 3 * 2 * (64 * 180 + 8100.0)},
        {"delta_forward", {1, 130, 20, 20, 90, 90, 1, 10, 1}, 20,
         3 * 130 * 3 * (64 * 180 + 8100.0 + 10 * 180 + 8100.0)},
        {"delta_backward", {2, 130, 10, 10, 70, 80, 1, 200, 1}, 20, 3 * 130 * 6 * (64 * 150 + 5600.0)},
        {"mlstm_forward", {3, 100, 20, 90, 90, 200, 1}, 60, 100 * 2 * (64 * 180 + 16200.0)},
        {"mlstm_backward", {3, 100, 10, 70, 70, 20, 1}, 30,
         100 * 3 * 2 * (64 * 140 + 9800.0 + 20 * 140 + 9800.0)}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        const long asked = (long)(2e8 / of[k].work), all = (long)of[k].heads;
        ck_assert_msg(asked > 0 && asked < all, "%s: %ld of %ld", of[k].op, asked, all);
        ck_assert_msg(so_many_are_worked_out(of[k].op, of[k].dims, asked, all), "%s: not %ld heads, or more",
                      of[k].op, asked);
    }
}
END_TEST

/* Attention is asked while there is time, and, where the reference tells the truth, which takes longer, always. */
static int is_asked(const char *name, const int *dims, const struct swax_tier *by)
{
    struct op_case c = {.op = op_find(name)}, truth;
    const struct op_spec *op = &swax_ops[c.op];
    struct op_distance err[OP_ARGS] = {{0}};
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
    op_operands(err, &c, &truth);
    for (int i = 0; i < c.n; i++)
        asked |= err[i].bias > 0;
    op_case_free(&c), op_case_free(&truth);
    return asked;
}

START_TEST(what_takes_too_long_is_not_asked_for)
{
    /* B T S H G D W, of which B T H D W or, where that is less, B T H D S is 2e9 */
    static const struct { const char *name; int dims[OP_DIMS], one_more; } of[] = {
        {"attention_forward", {5, 2000, 8000, 4, 2, 10, 5000}, 6},
        {"attention_forward", {5, 2000, 5000, 4, 2, 10, 6000}, 2},
        {"attention_forward", {5, 2000, 8000, 4, 2, 10, 5000}, 5},
        {"attention_backward", {5, 2000, 8000, 4, 2, 10, 5000}, 6},
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        int more[OP_DIMS];
        memcpy(more, of[k].dims, sizeof more);
        more[of[k].one_more]++;
        ck_assert_msg(is_asked(of[k].name, of[k].dims, swax_tiers[1]), "%s, sizes %d: not asked", of[k].name, (int)k);
        ck_assert_msg(!is_asked(of[k].name, more, swax_tiers[1]), "%s, sizes %d and one more: asked", of[k].name,
                      (int)k);
        if (k % 2) {
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

/* What y and lse are off by as a whole where queries times 1/sqrt(D), or log2 e/sqrt(D), are rounded. */
static void add_scaled(double plain[OP_ARGS], int larger[2], const struct op_case *c, const struct op_case *truth)
{
    for (int way = 0; way < 2; way++) {
        const double by = (way ? M_LOG2E : 1) / sqrt(c->dims[5]);
        struct op_case got;
        op_case_copy(&got, c);
        for (long e = 0; e < c->size[op_arg_find(&swax_ops[c->op], "q")]; e++)
            argument(&got, "q")[e] = op_round(argument(c, "q")[e] * by, REAL, SWAX_PREC_BF16) / by;
        ck_assert(!op_run(swax_tiers[0], SWAX_PREC_F64, &got));
        for (int a = 0; a < 2; a++) {
            const double off = fabs(op_bias(got.arg[a], truth->arg[a], NULL, c->size[a]));
            larger[way] += off > plain[a] * (1 + 1e-9);
            plain[a] = fmax(plain[a], off);
        }
        op_case_free(&got);
    }
}

START_TEST(attentions_bias_is_that_of_the_plain_form)
{
    /* B T S H G D W */
    static const int dims[][OP_DIMS] = {{2, 5, 9, 4, 2, 3, 4}, {1, 7, 7, 3, 1, 5, 100}, {2, 1, 6, 2, 2, 4, 3},
                                        {1, 12, 14, 12, 3, 2, 5}, {3, 4, 4, 1, 1, 1, 1}};
    static const enum op_family families[] = {OP_GAUSS, OP_EQUAL, OP_ONEHOT, OP_HUGE, OP_GAUSS};
    int largest[10] = {0}, scaled[2] = {0};
    for (int k = 0; k < 120; k++) {
        const int backward = k % 2, holes = k % 8 > 5;
        struct op_case c = {.op = op_find(backward ? "attention_backward" : "attention_forward")}, truth;
        struct op_distance err[OP_ARGS] = {{0}};
        double plain[OP_ARGS] = {0};
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
        op_operands(err, &c, &truth);
        for (int way = 0; way < (backward ? 1 : 10); way++) {
            const double off = fabs(plain_bias(&c, &truth, backward, way));
            largest[way] += off > plain[i] * (1 + 1e-9);
            plain[i] = fmax(plain[i], off);
        }
        if (!backward)
            add_scaled(plain, scaled, &c, &truth);
        for (int a = 0; a < c.n; a++)
            ck_assert_each(fabs(err[a].bias - plain[a]) <= 1e-9 * plain[a] + 1e-15,
                           "case %d, %s: a bias of %.9g, and by the plain form of %.9g", k, swax_ops[c.op].arg[a].name,
                           err[a].bias, plain[a]);
        op_case_free(&c), op_case_free(&truth);
    }
    for (int way = 0; way < 10; way++)
        ck_assert_msg(largest[way] > 0, "relative to number %d the bias is never the largest so far", way);
    ck_assert_msg(scaled[0] > 0 && scaled[1] > 0, "scaled to base e %d queries err most, to base 2 %d", scaled[0],
                  scaled[1]);
}
END_TEST

/* ---- RoPE by a table in bf16: element j of a head turned towards element `other` of its pair */

static void plain_rope(double *y, const struct op_case *c, int products)
{
    const int *d = c->dims, T = d[1], H = d[2], D = d[3], half = D / 2, backward = argument(c, "dy") != NULL;
    const double *x = argument(c, backward ? "dy" : "x"), *start = argument(c, "start");
    for (long e = 0; e < (long)d[0] * T * H * D; e++) {
        const long token = e / D / H;
        const int j = (int)(e % D), lone = D % 2 && j == D - 1, second = j >= half;
        const double position = (double)d[4] + (double)(token % T) - (start ? start[token] : 0);
        const double angle = position / pow(c->scalar[0], (second ? j - half : j) / (D / 2.0));
        const double cosine = op_round(cos(angle), REAL, SWAX_PREC_BF16);
        const double sine = op_round(sin(angle), REAL, SWAX_PREC_BF16) * (second == backward ? -1 : 1);
        const double own = x[e] * cosine, of_other = lone ? 0 : x[second ? e - half : e + half] * sine;
        y[e] = (backward ? argument(c, "dx")[e] : 0)
             + (lone       ? x[e]
                : products ? op_round(own, REAL, SWAX_PREC_BF16) + op_round(of_other, REAL, SWAX_PREC_BF16)
                           : own + of_other);
    }
}

START_TEST(ropes_bias_is_that_of_the_plain_form)
{
    static const int dims[][OP_DIMS] = {{2, 5, 3, 8, 0}, {1, 17, 2, 7, -300}, {3, 4, 1, 2, 100000}, {1, 1, 1, 1, 9}};
    int largest[2] = {0};
    for (int k = 0; k < 24; k++) {
        struct op_case c = {.op = op_find(k % 2 ? "rope_backward" : "rope_forward")}, truth;
        struct op_distance err[OP_ARGS] = {{0}};
        double plain = 0;
        memcpy(c.dims, dims[k / 2 % 4], sizeof c.dims);
        op_draw_scalars(&c, (uint64_t)k);
        op_draw(&c, (uint64_t)k, OP_GAUSS, k / 8 % 2 ? ~0u : 0, SWAX_PREC_BF16);
        op_case_copy(&truth, &c);
        ck_assert(!op_run(swax_tiers[0], SWAX_PREC_F64, &truth));
        op_operands(err, &c, &truth);
        for (int products = 0; products < 2; products++) {
            double y[512];
            ck_assert(c.size[0] <= 512);
            plain_rope(y, &c, products);
            const double off = fabs(op_bias(y, truth.arg[0], k % 2 ? c.arg[0] : NULL, c.size[0]));
            largest[products] += off > plain;
            plain = fmax(plain, off);
        }
        for (int a = 0; a < c.n; a++)
            ck_assert_each(fabs(err[a].bias - (a ? 0 : plain)) <= 1e-6 * plain + 1e-15, "case %d, argument %d: a bias "
                           "of %.9g, and by the plain form of %.9g", k, a, err[a].bias, a ? 0 : plain);
        err[0].bias = plain + 1;
        op_operands(err, &c, &truth);
        ck_assert_each(err[0].bias == plain + 1, "a bias that was larger is %g now", err[0].bias);
        op_case_free(&c), op_case_free(&truth);
    }
    ck_assert_msg(largest[0] > 0 && largest[1] > 0, "the table alone errs most %d times, with products %d", largest[0],
                  largest[1]);
}
END_TEST

/* Rotations and scores as models in bf16 have them are good, and no longer are if they are 0.3 % too large. */
START_TEST(tables_and_scaled_queries_in_bf16_are_good)
{
    for (int k = 0; k < 40; k++) {
        const int rope = k % 2;
        struct op_case c = {.op = op_find(rope ? "rope_forward" : "attention_forward"), .dims = {2, 40, 4, 16, 0}};
        struct op_case truth, got;
        struct op_verdict v;
        if (!rope)
            memcpy(c.dims, (const int[]){1, 30, 30, 4, 2, 24, 30}, 7 * sizeof(int));
        op_default_scalars(&c);
        op_draw(&c, (uint64_t)k, OP_GAUSS, 0, SWAX_PREC_BF16);
        op_truth(&truth, &v, SWAX_PREC_BF16, &c);
        op_case_copy(&got, &c);
        if (rope)
            plain_rope(got.arg[0], &c, k / 2 % 2);
        for (long e = 0, q = op_arg_find(&swax_ops[c.op], "q"); !rope && e < c.size[q]; e++)
            got.arg[q][e] = op_round(c.arg[q][e] / sqrt(24), REAL, SWAX_PREC_BF16) * sqrt(24);
        ck_assert(rope || !op_run(swax_tiers[0], SWAX_PREC_F64, &got));
        for (int larger = 0; larger < 2; larger++) {
            for (int i = 0; i < c.n; i++)
                for (long e = 0; e < c.size[i] && c.arg[i] && op_answers(&swax_ops[c.op].arg[i]); e++)
                    got.arg[i][e] = op_round(got.arg[i][e] * (larger ? 1.003 : 1), swax_ops[c.op].arg[i].type,
                                             SWAX_PREC_BF16);
            const int i = op_compare(&v, &got, &truth, &c), at = i < 0 ? 0 : i;
            ck_assert_each((i >= 0) == larger, "%s, case %d, %s: %s off by %.3g as a whole, %.3g is allowed",
                           swax_ops[c.op].name, k, larger ? "0.3 % too large" : "honest", swax_ops[c.op].arg[at].name,
                           v.bias[at], v.bias_bound[at]);
        }
        op_case_free(&c), op_case_free(&truth), op_case_free(&got);
    }
}
END_TEST

/* A norm that rounds its row, and once more what it has weighted: rows whose numbers are alike, and few columns. */
START_TEST(norms_that_round_twice_are_good)
{
    double most = 0;
    for (int k = 0; k < 24; k++) {
        const int head = k % 2, few = k / 2 % 2;
        struct op_case c = {.op = op_find(head ? "headnorm_forward" : "rmsnorm_forward"), .dims = {3, 400}};
        struct op_case truth, got;
        struct op_verdict v;
        if (few || head)
            memcpy(c.dims, (const int[]){few ? 400 : 3, few ? 1 : 200, few ? 6 : 2, few}, 4 * sizeof(int));
        op_default_scalars(&c);
        op_draw(&c, (uint64_t)k, OP_GAUSS, 0, SWAX_PREC_BF16);
        double *x = argument(&c, "x"), *w = argument(&c, "w");
        const long n = c.size[0], weights = c.size[op_arg_find(&swax_ops[c.op], "w")];
        for (long e = 0; e < n && !few; e++)                                        /* the mean outweighs the spread */
            x[e] = op_round(100 + x[e] / 8, REAL, SWAX_PREC_BF16);
        op_truth(&truth, &v, SWAX_PREC_BF16, &c);
        op_case_copy(&got, &truth);
        for (long e = 0; e < n; e++) {
            const long row = e / (n / c.size[op_arg_find(&swax_ops[c.op], "rstd")]);
            const double mean = head ? argument(&truth, "mean")[row] : 0;
            const double bare = op_round((x[e] - mean) * argument(&truth, "rstd")[row], REAL, SWAX_PREC_BF16);
            got.arg[0][e] = op_round(w[e % weights] * bare, REAL, SWAX_PREC_BF16);
        }
        const double plain = fabs(op_bias(got.arg[0], truth.arg[0], NULL, n));
        most = fmax(most, plain - 2 * v.rms_bound[0] / sqrt((double)n));
        for (int more = 0; more < 2; more++) {      /* what is worked out is that, and no less than what was there */
            struct op_distance err[OP_ARGS] = {{0}};
            const double before = plain * (more ? 1.5 : 0.5);
            err[0].bias = before;
            op_operands(err, &c, &truth);
            ck_assert_each(fabs(err[0].bias - fmax(plain, before)) <= 1e-6 * plain, "%s, case %d: a bias of %.9g, and "
                           "by the plain form of %.9g", swax_ops[c.op].name, k, err[0].bias, plain);
        }
        for (int larger = 0; larger < 2; larger++) {
            for (long e = 0; e < n && larger; e++)
                got.arg[0][e] = op_round(got.arg[0][e] * 1.008, REAL, SWAX_PREC_BF16);
            ck_assert_each((op_compare(&v, &got, &truth, &c) >= 0) == larger, "%s, case %d, %s: off by %.3g as a "
                           "whole, %.3g is allowed", swax_ops[c.op].name, k, larger ? "0.8 % too large" : "honest",
                           v.bias[0], v.bias_bound[0]);
        }
        op_case_free(&c), op_case_free(&truth), op_case_free(&got);
    }
    ck_assert_msg(most > 1e-3, "no rows are rounded alike: %.3g", most);
}
END_TEST

/* ---- a sigmoid that vanishes */

/* Where 1 + exp(-x) is more than a float holds, what is gated by it is 0, and good; and at -80 it is not.  So is
 * log(1 + exp(x)), of a decay without a lower bound. */
START_TEST(what_is_gated_shut_in_float_is_good)
{
    static const struct { const char *op, *gate; double low; } of[] = {
        {"swiglu_forward", "a", 0},    {"swiglu_backward", "a", 0},   {"gate_forward", "g", 0},
        {"gate_backward", "g", 0},     {"strength_forward", "b", 2},  {"strength_backward", "b", 1},
        {"decay_forward", "a", -5},    {"decay_backward", "a", -5},   {"decay_forward", "a", 0},
        {"decay_backward", "a", 0},
    };
    for (int k = 0; k < 2 * (int)(sizeof of / sizeof *of); k++) {
        struct op_case c = {.op = op_find(of[k / 2].op), .dims = {3, 1, 1}}, truth, got;
        const struct op_spec *op = &swax_ops[c.op];
        const int open = k % 2;
        struct op_verdict v;
        c.scalar[0] = of[k / 2].low;
        op_draw(&c, (uint64_t)k, OP_GAUSS, 0, SWAX_PREC_F32);
        const double low = of[k / 2].low, rate = low < 0 ? 2 : 1;
        for (long e = 0; e < 3; e++)
            argument(&c, of[k / 2].gate)[e] = (open ? -80 : -89 - (double)e) / rate;
        if (argument(&c, "lrate"))
            argument(&c, "lrate")[0] = log(rate), argument(&c, "bias")[0] = 0;
        for (int i = 0; i < c.n; i++)
            for (long e = 0; e < c.size[i] && op->arg[i].role == ADD; e++)
                c.arg[i][e] = 0;
        op_truth(&truth, &v, SWAX_PREC_F32, &c);
        op_case_copy(&got, &c);
        for (int i = 0; i < c.n; i++)
            if (op_answers(&op->arg[i]))
                memset(got.arg[i], 0, (size_t)c.size[i] * sizeof **got.arg);
        ck_assert_msg((op_compare(&v, &got, &truth, &c) >= 0) == open, "%s of %g, with %g: 0 is %s", of[k / 2].op,
                      argument(&c, of[k / 2].gate)[0], low, open ? "good" : "refused");
        if (argument(&c, "dlrate") && low == 0 && !open)    /* both are sums of dg exp(x) */
            ck_assert_msg(fabs(v.bound[1] - v.bound[2]) <= 1e-3 * v.bound[1],
                          "dlrate may be off by %g, and dbias by %g", v.bound[1], v.bound[2]);
        op_case_free(&c), op_case_free(&truth), op_case_free(&got);
    }
}
END_TEST

/* s (1 - s) of an s that is a float: beside 1 it has lost nearly all digits, and is good; 20 times that error is not.
 * Of one number, so that nothing hides it. */
START_TEST(a_slope_of_a_float_sigmoid_is_good)
{
    static const struct { const char *op, *gate; double scalar; } of[] = {
        {"gate_backward", "g", 0}, {"strength_backward", "b", 2}, {"decay_backward", "a", -5},
        {"decay_backward", "a", 0}};
    for (int k = 0; k < 4; k++)
        for (int far = 0; far < 2; far++) {
            struct op_case c = {.op = op_find(of[k].op), .dims = {1, 1, 1}}, truth, got;
            struct op_verdict v;
            const double x = 13, rate = of[k].scalar < 0 ? 2 : 1;
            c.scalar[0] = of[k].scalar;
            op_draw(&c, (uint64_t)k, OP_GAUSS, 0, SWAX_PREC_F32);
            argument(&c, of[k].gate)[0] = x / rate;
            if (argument(&c, "lrate"))
                argument(&c, "lrate")[0] = log(rate), argument(&c, "bias")[0] = 0;
            for (int i = 0; i < c.n; i++)
                if (swax_ops[c.op].arg[i].role == ADD)
                    c.arg[i][0] = 0;
            op_truth(&truth, &v, SWAX_PREC_F32, &c);
            op_case_copy(&got, &truth);
            /* what a float rounds of s at most, as 1 - s has it */
            const double off = 1 + (far ? 20 : 1) * ldexp(1, -24) * (1 + exp(x));
            for (int i = 0; i < c.n; i++)
                if (swax_ops[c.op].arg[i].role == ADD && strcmp(swax_ops[c.op].arg[i].name, "dx"))
                    got.arg[i][0] *= off;
            const int refused = op_compare(&v, &got, &truth, &c) >= 0, exact = k == 3;
            ck_assert_msg(refused == (far || exact), "%s with %g: %.3g of the slope %s", of[k].op, of[k].scalar,
                          off - 1, refused ? "is refused" : "passes");
            op_case_free(&c), op_case_free(&truth), op_case_free(&got);
        }
}
END_TEST

/* ---- a mean of a row that is shifted by its first element */

/* Summed in turn in float it is good, and one whose last element is left out is not. */
START_TEST(a_shifted_mean_is_good)
{
    for (int k = 0; k < 200; k++)
        for (int wrong = 0; wrong < 2; wrong++) {
            struct op_case c = {.op = op_find("headnorm_forward"), .dims = {3, 2, 192, 1}, .scalar = {1e-6}};
            struct op_case truth, got;
            struct op_verdict v;
            op_draw(&c, (uint64_t)(k + 1), OP_GAUSS, 0, SWAX_PREC_F32);
            op_truth(&truth, &v, SWAX_PREC_F32, &c);
            op_case_copy(&got, &truth);
            for (int row = 0; row < 6; row++) {
                const double *x = argument(&c, "x") + row * 192;
                float sum = 0;
                for (int d = 0; d < 192 - wrong; d++)
                    sum += (float)x[d] - (float)x[0];
                argument(&got, "mean")[row] = (double)((float)x[0] + sum / 192);
            }
            ck_assert_msg((op_compare(&v, &got, &truth, &c) >= 0) == wrong, "seed %d: a mean of all%s is off by %.3g, "
                          "and may be by %.3g", k + 1, wrong ? " but one" : "", v.error[1], v.bound[1]);
            op_case_free(&c), op_case_free(&truth), op_case_free(&got);
        }
}
END_TEST

/* Where nothing is known nothing is moved: a truth that is 0 all over, another kernel. */
START_TEST(where_there_is_no_truth_there_is_no_bias)
{
    static const char *const names[] = {"attention_forward", "attention_backward", "softcap_forward", "conv_forward"};
    for (int k = 0; k < 4; k++) {
        struct op_case c, truth;
        struct op_distance err[OP_ARGS] = {{0}};
        op_case_make(&c, op_find(names[k]), 5, OP_GAUSS, 20, SWAX_PREC_BF16);
        op_case_copy(&truth, &c);
        if (k > 1)
            op_run(swax_tiers[0], SWAX_PREC_F64, &truth);
        for (long e = 0; k == 0 && e < truth.size[0]; e++)
            truth.arg[0][e] = 0;
        op_operands(err, &c, &truth);
        for (int i = 0; i < OP_ARGS; i++)
            ck_assert_each(err[i].bias == 0, "%s, argument %d: a bias of %g", names[k], i, err[i].bias);
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
        plain_case(&got, &c, 16, c.dims[1], 0);
        share = 0;
        for (int a = FORWARD; a < ANSWERS; a++) {
            const int i = answer(&c, a);
            struct op_distance is = {0};
            if (i < 0)
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
        plain_case(&got, &c, 16, c.dims[1], 1);
        fast = 0;
        round_answers(&got);
        const int i = op_compare(&v, &got, &truth, &c), at = i < 0 ? 0 : i;
        ck_assert_each(i < 0, "%s of %s, seed %d: off by %.3g (%.3g is allowed), by RMS %.3g (%.3g), in one direction "
                       "%.3g (%.3g)", swax_ops[c.op].arg[at].name, op_family_name[k % OP_FAMILIES], k + 1, v.error[at],
                       v.bound[at], v.rms[at], v.rms_bound[at], v.bias[at], v.bias_bound[at]);
        op_case_free(&c), op_case_free(&truth), op_case_free(&got);
    }
}
END_TEST

/* ---- the form without its roundings */
void operands_delta_unrounded(struct op_distance *err, const struct op_case *c, const struct op_case *truth);
#define op_operand(x) (x)
#define op_operands_delta operands_delta_unrounded
#include "ref/oracle/operands_delta.c"
#undef op_operand
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
        for (int w = 0; w < 4; w++) {
            const struct delta_way way = {16 << w / 2 * 2, w % 2 ? c.dims[1] : fmin(c.dims[1], c.dims[7]), 1};
            struct op_case got;
            op_case_copy(&got, &c);
            run_case(&got, &c, backward, &way, (long)c.dims[0] * c.dims[3]);
            for (int a = 0; a < ANSWERS; a++) {
                const int i = answer(&c, a);
                if (i < 0 || (a == KEPT && way.span != c.dims[7]))
                    continue;
                const double off = op_error_rms(got.arg[i], truth.arg[i], c.size[i]);
                ck_assert_each(off < 1e-10, "%s of %s, case %d, in chunks of %ld: off by %.3g", answers[a], ops[k % 2],
                               k, way.chunk, off);
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
    tcase_add_test(t, ropes_bias_is_that_of_the_plain_form);
    tcase_add_test(t, tables_and_scaled_queries_in_bf16_are_good);
    tcase_add_test(t, where_there_is_no_truth_there_is_no_bias);
    tcase_add_test(t, what_takes_too_long_is_not_asked_for);
    tcase_add_test(t, norms_that_round_twice_are_good);
    tcase_add_test(t, what_is_gated_shut_in_float_is_good);
    tcase_add_test(t, a_slope_of_a_float_sigmoid_is_good);
    tcase_add_test(t, a_shifted_mean_is_good);
    tcase_add_test(t, as_many_heads_as_there_is_time_for);
    tcase_add_test(t, some_heads_stand_for_all);
    tcase_add_test(t, what_a_head_takes_is_counted);
    tcase_add_test(t, the_errors_are_those_of_the_plain_form);
    tcase_add_test(t, alike_is_every_other_key);
    tcase_add_test(t, exponentials_of_the_backward_are_off_by_so_much);
    tcase_add_test(t, honest_backwards_are_good);
    tcase_add_test(t, without_rounding_it_is_the_delta_rule);
    tcase_add_test(t, a_rounded_inverse_is_known_to_the_bound);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
