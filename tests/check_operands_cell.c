/* check_operands_cell.c - what an honest kernel on tensor cores leaves in the mLSTM cell, and what the exponentials of
 * gates leave in it and in the delta rule (ref/oracle/operands_cell.c, exponentials.c): both are what plain loops leave
 * that round where such a kernel rounds, and such a kernel is within the bounds. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "ref/oracle/inside.h"
#include "tests/suite.h"

static double *argument(const struct op_case *c, const char *name)
{
    const int i = op_arg_find(&swax_ops[c->op], name);
    return i < 0 ? NULL : c->arg[i];
}

/* exp(x) as a GPU may take it, in float: log2 e is rounded, the product is, and 2^z is as far off as it may be. */
static double fast_exp(double x)
{
    const float z = (float)x * 1.44269504f;
    return z == 0 ? 1 : (double)(float)(exp2((double)z) * (1 - 1.5 * 0x1p-23));
}
static double plain_exp(double x) { return exp(x); }

/* ---- the cell in chunks, written as the formulas stand at the top of operands_cell.c: element by element */

struct plain {
    const struct op_case *c;
    const double *m, *qn;                   /* of all tokens */
    const double *of[128];                  /* inputs, by the first letter */
    double (*exp)(double), share;           /* by which all exponents are larger; and decays are shorter, too */
    int rounds, barred, unit;
    long chunk, span, b, h, from, end;      /* chunks end at multiples of span, if that is not 0; the chunk's tokens */
    double *C, *n, *dC, *dn;                /* the state before the chunk, and the gradient of the one behind */
};

static long token(const struct plain *p, long t) { return (p->b * p->c->dims[1] + t) * p->c->dims[2] + p->h; }
static double at(const struct plain *p, const char *name, long t, long r)
{
    const long width = strchr("qk", name[0]) ? p->c->dims[3] : strchr("vdh", name[0]) ? p->c->dims[4] : 1;
    return p->of[(int)*name][token(p, t) * width + r];
}
static double bf16(const struct plain *p, double x, double up)
{
    return p->rounds ? op_round(x * up, REAL, SWAX_PREC_BF16) / up : x;
}
static double bar(const struct plain *p, double x, double up) { return p->barred ? bf16(p, x, up) : x; }
static double up_of(const struct plain *p) { return p->unit < 8 ? pow(2, p->unit / 8.0) : 1; }

/* What each decay is less by: the error of an exponential, and a rounding of m. */
static double shorter(const struct plain *p, long t, double lf)
{
    return p->share == 0 || p->of['d'] || lf == 0 ? 0 : 0x1p-22 + 0x1p-24 * fabs(p->m[token(p, t)]);
}
static double log_gate(const struct plain *p, const char *name, long t)
{
    const int gate = p->c->dims[6];
    const double x = at(p, name, t, 0);
    const double l = gate == 3 || (*name == 'i' && gate == 0) ? x : fmin(x, 0) - log1p(exp(-fabs(x)));
    return (1 + p->share) * l - (*name == 'f' ? shorter(p, t, l) : 0);
}
/* What the gate's own gradient is of its logarithm's. */
static double slope(const struct plain *p, const char *name, long t)
{
    const int gate = p->c->dims[6];
    return gate == 3 || (*name == 'i' && gate == 0) ? 1 : -expm1(log_gate(p, name, t));
}
static double stabiliser(const struct plain *p, long t)
{
    const double *m0 = argument(p->c, "m0");
    double m = (1 + p->share) * (m0 && p->c->dims[6] == 0 ? m0[p->b * p->c->dims[2] + p->h] : 0);
    if (t >= 0 && (p->share == 0 || p->of['d']))
        return (1 + p->share) * p->m[token(p, t)];
    for (long s = 0; s <= t; s++) {
        const double *start = p->of['s'];
        const int fresh = start && start[p->b * p->c->dims[1] + s] == (double)s;
        m = fmax(log_gate(p, "f", s) + (fresh ? 0 : m), log_gate(p, "i", s));
    }
    return p->c->dims[6] ? 0 : m;
}
static double floor_of(const struct plain *p, long t) { return fmax(DBL_MIN, p->exp(-stabiliser(p, t))); }
static double normaliser_of(const struct plain *p, long t, double qn)
{
    return p->c->dims[6] % 2 ? 1 : fmax(fabs(qn), floor_of(p, t)) + p->c->scalar[0];
}

/* Of the chunk at hand, by token: worked out once. */
static struct { double kept[129][128], N[128], g[128]; } now;
static double kept(const struct plain *p, long j, long t) { return now.kept[j - p->from + 1][t - p->from]; }
static double normaliser(const struct plain *p, long t) { return now.N[t - p->from]; }
static double grad_qn(const struct plain *p, long t) { return now.g[t - p->from]; }

/* What is left at token t of the key of token j, or, j < from, of the state before the chunk. */
static double left_of(const struct plain *p, long j, long t)
{
    const double *start = p->of['s'];
    double sum = j < p->from ? stabiliser(p, p->from - 1) : log_gate(p, "i", j);
    if (start && start[p->b * p->c->dims[1] + t] > (double)j)
        return 0;
    for (long s = j + 1; s <= t; s++)
        sum += log_gate(p, "f", s);
    return isinf(stabiliser(p, t)) ? 0 : p->exp(sum - stabiliser(p, t));
}
static double scale(const struct plain *p) { return 1 / sqrt((double)p->c->dims[3]); }
static double entering(const struct plain *p, long t) { return scale(p) * kept(p, p->from - 1, t); }
static double score(const struct plain *p, long t, long j)
{
    double sum = 0;
    for (int r = 0; r < p->c->dims[3]; r++)
        sum += at(p, "q", t, r) * at(p, "k", j, r);
    return scale(p) * sum;
}
/* dh_t, by N where a kernel rounds that, and what is left of 1/N for the weights */
static double given(const struct plain *p, long t, long w)
{
    return p->barred ? bf16(p, at(p, "dh", t, w) / normaliser(p, t), 1) : at(p, "dh", t, w);
}
static double over(const struct plain *p, long t) { return p->barred ? 1 : normaliser(p, t); }
static double grad_of_qn(const struct plain *p, long t)
{
    const double qn = p->qn[token(p, t)];
    double sum = 0;
    for (int w = 0; w < p->c->dims[4]; w++)
        sum += at(p, "dh", t, w) * at(p, "h", t, w);
    return p->c->dims[6] % 2 || fabs(qn) <= floor_of(p, t) ? 0 : -copysign(sum, sum * qn) / normaliser(p, t);
}

static void know_chunk(const struct plain *p)
{
    for (long t = p->from; t < p->end; t++) {
        now.N[t - p->from] = normaliser_of(p, t, p->qn[token(p, t)]);
        now.g[t - p->from] = p->of['d'] ? grad_of_qn(p, t) : 0;
        for (long j = p->from - 1; j <= t; j++)
            now.kept[j - p->from + 1][t - p->from] = left_of(p, j, t);
    }
}

static void plain_forward(const struct plain *p, struct op_case *got)
{
    const int *d = p->c->dims;
    const double up = up_of(p);
    for (long t = p->from; t < p->end; t++) {
        const double weights_up = p->unit < 8 ? up : 1 / normaliser(p, t);
        double *h = argument(got, "h") + token(p, t) * d[4], *qn = argument(got, "qn") + token(p, t), W[128];
        *qn = 0;
        for (long j = p->from; j <= t; j++)
            *qn += W[j - p->from] = score(p, t, j) * kept(p, j, t);
        for (int r = 0; r < d[3]; r++)
            *qn += entering(p, t) * at(p, "q", t, r) * p->n[r];
        const double N = p->share == 0 ? normaliser(p, t) : normaliser_of(p, t, *qn);
        for (int w = 0; w < d[4]; w++) {
            double sum = 0;
            for (long j = p->from; j <= t; j++)
                sum += bf16(p, W[j - p->from], weights_up) * at(p, "v", j, w);
            for (int r = 0; r < d[3]; r++)
                sum += bar(p, entering(p, t) * at(p, "q", t, r), 1) * bf16(p, p->C[r * d[4] + w], up);
            h[w] = sum / N;
        }
    }
}

static void state_on(const struct plain *p, double *C, double *n)
{
    const int *d = p->c->dims;
    const double decay = kept(p, p->from - 1, p->end - 1);
    for (int r = 0; r < d[3]; r++) {
        n[r] = decay * p->n[r];
        for (int w = 0; w < d[4]; w++)
            C[r * d[4] + w] = decay * p->C[r * d[4] + w];
        for (long j = p->from; j < p->end; j++) {
            const double k = bar(p, kept(p, j, p->end - 1) * at(p, "k", j, r), up_of(p));
            n[r] += k;
            for (int w = 0; w < d[4]; w++)
                C[r * d[4] + w] += k * at(p, "v", j, w);
        }
    }
}

/* x_t and z_j: what the state gives a query's row, and its gradient behind a key's. */
static double of_state(const struct plain *p, long t, int r)
{
    const int V = p->c->dims[4];
    double sum = entering(p, t) * grad_qn(p, t) * p->n[r];
    for (int w = 0; w < V; w++)
        sum += bar(p, entering(p, t) / over(p, t) * given(p, t, w), 1) * bf16(p, p->C[r * V + w], 1);
    return sum;
}
static double of_gradient(const struct plain *p, long j, int r)
{
    const int V = p->c->dims[4];
    const double leaves = kept(p, j, p->end - 1);
    double sum = leaves * p->dn[r];
    for (int w = 0; w < V; w++)
        sum += bar(p, leaves * at(p, "v", j, w), 1) * bf16(p, p->dC[r * V + w], 1);
    return sum;
}

static void plain_back(const struct plain *p, struct op_case *got)
{
    const int *d = p->c->dims;
    const double *start = p->of['s'];
    double *const dv = argument(got, "dv"), *const dk = argument(got, "dk"), *const dq = argument(got, "dq");
    double Z[66][66] = {{0}}, x[66] = {0}, z[66] = {0}, passes = 0;
    for (long t = p->from; t < p->end; t++) {
        for (int r = 0; r < d[3]; r++) {
            dq[token(p, t) * d[3] + r] += of_state(p, t, r);
            dk[token(p, t) * d[3] + r] += of_gradient(p, t, r);
            x[t - p->from] += at(p, "q", t, r) * of_state(p, t, r);
            z[t - p->from] += at(p, "k", t, r) * of_gradient(p, t, r);
            for (int w = 0; w < d[4]; w++)
                dv[token(p, t) * d[4] + w] +=
                    bar(p, kept(p, t, p->end - 1) * at(p, "k", t, r), 1) * bf16(p, p->dC[r * d[4] + w], 1);
        }
        for (long j = p->from; j <= t; j++) {
            double dP = 0;
            for (int w = 0; w < d[4]; w++)
                dP += given(p, t, w) * at(p, "v", j, w);
            const double S = bf16(p, scale(p) * (dP / over(p, t) + grad_qn(p, t)) * kept(p, j, t), 1);
            const double P = bf16(p, score(p, t, j) * kept(p, j, t) / over(p, t), 1);
            for (int r = 0; r < d[3]; r++) {
                dq[token(p, t) * d[3] + r] += S * at(p, "k", j, r);
                dk[token(p, j) * d[3] + r] += S * at(p, "q", t, r);
            }
            for (int w = 0; w < d[4]; w++)
                dv[token(p, j) * d[4] + w] += P * given(p, t, w);
            Z[t - p->from][j - p->from] = S * score(p, t, j) / scale(p);
        }
    }
    for (int e = 0; e < d[3] * d[4]; e++)
        passes += bf16(p, p->dC[e], 1) * bf16(p, p->C[e], 1);
    for (int r = 0; r < d[3]; r++)
        passes += p->dn[r] * p->n[r];
    passes *= kept(p, p->from - 1, p->end - 1);
    for (long r = 0; r < p->end - p->from; r++) {
        double dlf = passes, dli = z[r];
        for (long t = 0; t < p->end - p->from; t++) {
            dlf += t >= r ? x[t] : z[t];
            dli += Z[t][r];
            for (long j = 0; j < r && t >= r; j++)
                dlf += Z[t][j];
        }
        const long t = p->from + r;
        if (!start || start[p->b * d[1] + t] != (double)t)
            argument(got, "df")[token(p, t)] += dlf * slope(p, "f", t);
        argument(got, "di")[token(p, t)] += dli * slope(p, "i", t);
    }
}
static void gradient_on(const struct plain *p, double *dC, double *dn)
{
    const int *d = p->c->dims;
    const double decay = kept(p, p->from - 1, p->end - 1);
    for (int r = 0; r < d[3]; r++) {
        dn[r] = decay * p->dn[r];
        for (int w = 0; w < d[4]; w++)
            dC[r * d[4] + w] = decay * p->dC[r * d[4] + w];
        for (long t = p->from; t < p->end; t++) {
            dn[r] += entering(p, t) * grad_qn(p, t) * at(p, "q", t, r);
            for (int w = 0; w < d[4]; w++)
                dC[r * d[4] + w] += bar(p, entering(p, t) / over(p, t) * at(p, "q", t, r), 1) * given(p, t, w);
        }
    }
}

enum { MOST_STATE = 12000, MOST_CHUNKS = 40 };
static void take(double *to, const struct plain *p, const char *name, long n)
{
    const double *from = argument(p->c, name);
    for (long e = 0; e < n; e++)
        to[e] = from ? from[(p->b * p->c->dims[2] + p->h) * n + e] : 0;
}
static void plain_head(struct plain p, struct op_case *got)
{
    static double C[MOST_CHUNKS + 1][MOST_STATE], n[MOST_CHUNKS + 1][300], dC[2][MOST_STATE], dn[2][300];
    const int *d = p.c->dims, backward = argument(p.c, "dh") != NULL, L = d[5];
    const long KV = (long)d[3] * d[4], bh = p.b * d[2] + p.h, states = (d[1] - 1) / L + 1;
    long first[MOST_CHUNKS + 1] = {0}, chunks = 0;
    while (first[chunks] < d[1]) {
        const long from = first[chunks++], end = p.span ? (from / p.span + 1) * p.span : d[1];
        ck_assert_each(KV <= MOST_STATE && d[3] <= 300 && chunks <= MOST_CHUNKS, "the room is too small");
        first[chunks] = (long)fmin(fmin(d[1], (double)(from + p.chunk)), (double)end);
    }
    take(C[0], &p, "C0", KV), take(n[0], &p, "n0", d[3]);
    for (long at = 0; at < chunks; at++) {
        p.from = first[at], p.end = first[at + 1], p.C = C[at], p.n = n[at];
        know_chunk(&p);
        if (!backward)
            plain_forward(&p, got);
        if (!backward && p.span == L && p.from % L == 0 && argument(got, "Cs")) {
            memcpy(argument(got, "Cs") + (bh * states + p.from / L) * KV, p.C, (size_t)KV * sizeof **C);
            memcpy(argument(got, "ns") + (bh * states + p.from / L) * d[3], p.n, (size_t)d[3] * sizeof **n);
        }
        state_on(&p, C[at + 1], n[at + 1]);
    }
    if (!backward) {
        memcpy(argument(got, "C1") + bh * KV, C[chunks], (size_t)KV * sizeof **C);
        memcpy(argument(got, "n1") + bh * d[3], n[chunks], (size_t)d[3] * sizeof **n);
        return;
    }
    take(dC[chunks % 2], &p, "dC1", KV), take(dn[chunks % 2], &p, "dn1", d[3]);
    for (long at = chunks - 1; at >= 0; at--) {
        p.from = first[at], p.end = first[at + 1], p.C = C[at], p.n = n[at];
        p.dC = dC[(at + 1) % 2], p.dn = dn[(at + 1) % 2];
        know_chunk(&p);
        plain_back(&p, got);
        gradient_on(&p, dC[at % 2], dn[at % 2]);
    }
    for (long e = 0; e < KV && argument(got, "dC0"); e++)
        argument(got, "dC0")[bh * KV + e] += dC[0][e];
    for (long e = 0; e < d[3] && argument(got, "dn0"); e++)
        argument(got, "dn0")[bh * d[3] + e] += dn[0][e];
}

/* `how` says all but the head. */
static void plain_case(struct op_case *got, const struct op_case *c, const struct op_case *truth, struct plain how)
{
    op_case_copy(got, c);
    static const char *const inputs[] = {"q", "k", "v", "i", "f", "h", "dh", "start"};
    how.c = c, how.m = argument(truth, "m"), how.qn = argument(truth, "qn");
    for (int i = 0; i < 8; i++)
        how.of[(int)*inputs[i]] = argument(c, inputs[i]);
    for (how.b = 0; how.b < c->dims[0]; how.b++)
        for (how.h = 0; how.h < c->dims[2]; how.h++)
            plain_head(how, got);
}

static const char *const answers[] = {"h",  "qn", "C1", "n1", "Cs",  "ns", "dq",
                                      "dk", "dv", "di", "df", "dC0", "dn0"};
enum { ANSWERS = sizeof answers / sizeof *answers, FORWARD = 6, KEPT = 4 };

/* Of `a`, if the case has it: its number, what stood there before, the distance of `got`. */
static int answer(const struct op_case *c, int a, const double **before)
{
    const int i = op_arg_find(&swax_ops[c->op], answers[a]);
    *before = a < FORWARD ? NULL : i < 0 ? NULL : c->arg[i];
    return i < 0 || !c->arg[i] || (a < FORWARD) != !strcmp(swax_ops[c->op].name, "mlstm_forward") ? -1 : i;
}

/* Tokens' keys that are the one before, but for every `apart`th's. */
static void make_alike(struct op_case *c, int apart)
{
    const int *d = c->dims;
    const long row = (long)d[2] * d[3];
    double *k = argument(c, "k");
    for (long t = 1; t < (long)d[0] * d[1]; t++)
        if (t % d[1] % apart)
            memcpy(k + t * row, k + (t - 1) * row, (size_t)row * sizeof *k);
}

/* Gates that are shut for good, from the first token on and later, and decays of 1. */
static void gates_at_their_edges(struct op_case *c)
{
    double *i = argument(c, "i"), *f = argument(c, "f"), *g = argument(c, "g");
    const int in = op_arg_find(&swax_ops[c->op], "i"), forget = op_arg_find(&swax_ops[c->op], "f");
    const int decay = op_arg_find(&swax_ops[c->op], "g");
    for (long e = 0; i && e < c->size[in]; e += 3)
        i[e] = -(double)INFINITY;
    for (long e = 0; f && e < c->size[forget]; e += e % 2 ? 4 : 5)
        f[e] = e % 3 || c->dims[6] != 3 ? -(double)INFINITY : 0;
    for (long e = 0; g && e < c->size[decay]; e += 3)
        g[e] = 0;
}

/* What the bound is told, against the largest of what the plain form has: where keys are alike in chunks of 16 to 128
 * tokens and in every unit, else in chunks of 64; and once more in chunks that end where states are kept.  `most`
 * counts which unit had the largest bias. */
static void errors_are_the_plain_ones(const char *name, const int *dims, uint64_t seed, enum op_family family,
                                      unsigned optional, int edges, int most[9][2])
{
    struct op_case c = {.op = op_find(name)}, truth;
    struct op_verdict unused;
    struct op_distance err[OP_ARGS] = {{0}}, plain[OP_ARGS] = {{0}};
    struct plain by[OP_ARGS] = {{0}};
    memcpy(c.dims, dims, OP_DIMS * sizeof *dims);
    op_draw_scalars(&c, seed);
    op_draw(&c, seed, family, optional, SWAX_PREC_BF16);
    if (most)
        make_alike(&c, 3);
    if (edges)
        gates_at_their_edges(&c);
    op_truth(&truth, &unused, SWAX_PREC_F64, &c);
    op_operands(err, &c, &truth);
    const int T = dims[1], L = dims[5], alike = most && T > 1;     /* of a token alone no two rows are alike */
    for (int n = 0; n < 5; n++)
        for (int w = 0; w < (alike && !argument(&c, "dh") ? 18 : 2); w++) {
            const struct plain how = {.exp = plain_exp, .rounds = 1, .barred = w % 2, .unit = w / 2,
                                      .chunk = n == 4 ? 64 : 16 << n, .span = n == 4 ? L : T};
            const double *before;
            struct op_case got;
            if (n == 4 ? L >= T : alike ? n && how.chunk >= 2 * T : n != 2)
                continue;
            plain_case(&got, &c, &truth, how);
            for (int a = 0; a < ANSWERS; a++) {
                const int i = answer(&c, a, &before);
                if (i < 0 || (how.span != L && a >= KEPT && a < FORWARD))
                    continue;
                for (long e = 0; e < c.size[i]; e++)
                    got.arg[i][e] = op_round(got.arg[i][e], swax_ops[c.op].arg[i].type, SWAX_PREC_BF16);
                if (fabs(op_bias(got.arg[i], truth.arg[i], before, c.size[i])) > plain[i].bias)
                    by[i] = how;
                op_distance_add(&plain[i], got.arg[i], truth.arg[i], before, c.size[i]);
            }
            op_case_free(&got);
        }
    for (int i = 0; i < c.n; i++) {
        const double told[] = {err[i].most, err[i].rms, err[i].bias};
        const double is[] = {plain[i].most, plain[i].rms, plain[i].bias};
        if (alike && plain[i].bias > 0)
            most[by[i].unit][by[i].barred]++;
        for (int k = 0; k < 3; k++)
            ck_assert_each(fabs(told[k] - is[k]) <= 1e-5 * is[k] + 1e-12, "%s, %s, seed %d, T=%d K=%d V=%d g=%d, %s: "
                           "%.9g, and by the plain form %.9g", name, swax_ops[c.op].arg[i].name, (int)seed, T, dims[3],
                           dims[4], dims[6], k == 0 ? "most" : k == 1 ? "RMS" : "bias", told[k], is[k]);
    }
    op_case_free(&c), op_case_free(&truth);
}

START_TEST(the_errors_are_those_of_the_plain_form)
{
    /* B T H K V L g */
    static const int dims[][OP_DIMS] = {{2, 20, 2, 4, 3, 16, 0}, {1, 34, 1, 3, 4, 34, 1}, {2, 21, 1, 4, 2, 5, 2},
                                        {1, 33, 2, 2, 3, 100, 3}, {1, 17, 1, 6, 2, 1, 0}, {1, 1, 1, 2, 2, 16, 0},
                                        {1, 66, 1, 1, 2, 65, 0}};
    static const enum op_family families[] = {OP_GAUSS, OP_EQUAL, OP_OPEN, OP_COLD};
    int most[9][2] = {{0}};
    for (int k = 0; k < (int)(sizeof dims / sizeof *dims); k++)
        for (int way = k % 2; way < 4; way += 2) {
            const uint64_t seed = (uint64_t)(4 * k + way);
            const unsigned optional = k / 2 % 2 ? ~0u : k ? 1u << 3 : 1u << 1;
            errors_are_the_plain_ones("mlstm_forward", dims[k], seed, families[way], optional, 0, most);
            errors_are_the_plain_ones("mlstm_backward", dims[k], seed, families[way], optional, 0, most);
            errors_are_the_plain_ones("mlstm_forward", dims[k], seed, OP_GAUSS, optional, 0, NULL);
            errors_are_the_plain_ones("mlstm_backward", dims[k], seed, OP_SHUT, optional, 0, NULL);
            errors_are_the_plain_ones("mlstm_forward", dims[k], seed, OP_GAUSS, optional, 1, NULL);
            errors_are_the_plain_ones("mlstm_backward", dims[k], seed, OP_GAUSS, optional, 1, NULL);
        }
    int units = 0;
    for (int u = 0; u < 9; u++)
        units += most[u][0] + most[u][1] > 0;
    ck_assert_msg(units > 6 && most[8][0] + most[8][1] > 0, "%d units ever have the largest bias", units);
}
END_TEST

/* ---- the delta rule forward, in chunks whose tokens are solved for one after the other */

enum { MOST_TOKENS = 64, MOST_KEYS = 64 };
/* Of a head in a chunk: sums of its gates, what is left of each token at the one at hand, and the updates. */
static struct { double sum[MOST_TOKENS][MOST_KEYS], left[MOST_TOKENS + 1][MOST_KEYS], u[MOST_TOKENS][MOST_KEYS]; } here;

static void plain_delta_head(struct op_case *got, const struct op_case *c, const struct plain *p)
{
    const int *d = c->dims, K = d[4], V = d[5], J = d[6];
    const double *start = argument(c, "start"), *S0 = argument(c, "S0"), *v = argument(c, "v"), *g = argument(c, "g");
    const double *beta = argument(c, "beta");
    double *y = argument(got, "y"), *residual = argument(got, "r"), *Ss = argument(got, "Ss");
    const long T = d[1], bh = p->b * d[2] + p->h, chunks = (T - 1) / d[7] + 1, step = (long)d[3] * K;
    static double S[MOST_KEYS * MOST_KEYS];
    ck_assert_each(T <= MOST_TOKENS && K <= MOST_KEYS && V <= MOST_KEYS, "the room is too small");
    for (int e = 0; e < K * V; e++)
        S[e] = S0 ? S0[bh * K * V + e] : 0;
    for (long t = 0; t < T; t++) {
        const long row = (p->b * T + t) * d[2] + p->h, from = t - t % d[7], i = t - from;
        const long key = (p->b * T + t) * step + p->h * d[3] / d[2] * K;
        const double *q = argument(c, "q") + key, *k = argument(c, "k") + key;
        double P[MOST_TOKENS] = {0}, A[MOST_TOKENS] = {0};
        if (!i && Ss)
            memcpy(Ss + (bh * chunks + t / d[7]) * K * V, S, (size_t)(K * V) * sizeof *S);
        for (int r = 0; r < K; r++)
            here.sum[i][r] = (i ? here.sum[i - 1][r] : 0) + g[row * J + (J == 1 ? 0 : r)];
        for (long j = -1; j <= i; j++)              /* left[0]: of the state before the chunk */
            for (int r = 0; r < K; r++) {
                const double x = here.sum[i][r] - (j < 0 ? 0 : here.sum[j][r]);
                const int apart = start && start[p->b * T + t] > (double)(from + j);
                int decays = 0;                     /* one of 0 is exact */
                for (long s = j + 1; s <= i; s++)
                    decays += g[(row + (s - i) * d[2]) * J + (J == 1 ? 0 : r)] != 0;
                const double less = p->share == 0 ? 0 : 0x1p-22 * (double)decays;
                here.left[j + 1][r] = apart ? 0 : p->exp((1 + p->share) * x - less);
                if (j >= 0) {
                    P[j] += q[r] * here.left[j + 1][r] * k[(j - i) * step + r];
                    A[j] += k[r] * here.left[j + 1][r] * k[(j - i) * step + r];
                }
            }
        for (int w = 0; w < V; w++) {
            double known = 0, read = 0;
            for (int r = 0; r < K; r++) {
                known += bf16(p, k[r] * here.left[0][r], 1) * bf16(p, S[r * V + w], 1);
                read += bf16(p, q[r] * here.left[0][r], 1) * bf16(p, S[r * V + w], 1);
            }
            for (long j = 0; j < i; j++)
                known += bf16(p, A[j], 1) * bf16(p, here.u[j][w], 1);
            residual[row * V + w] = v[row * V + w] - d[8] * known;
            here.u[i][w] = beta[row] * residual[row * V + w];
            for (long j = 0; j <= i; j++)
                read += bf16(p, P[j], 1) * bf16(p, here.u[j][w], 1);
            y[row * V + w] = c->scalar[0] * read;
        }
        for (int r = 0; r < K && (t + 1 == T || i + 1 == d[7]); r++)
            for (int w = 0; w < V; w++) {
                S[r * V + w] *= here.left[0][r];
                for (long j = 0; j <= i; j++)
                    S[r * V + w] += bf16(p, here.left[j + 1][r] * k[(j - i) * step + r], 1) * bf16(p, here.u[j][w], 1);
            }
    }
    memcpy(argument(got, "S1") + bh * K * V, S, (size_t)(K * V) * sizeof *S);
}
static void plain_delta(struct op_case *got, const struct op_case *c, struct plain how)
{
    op_case_copy(got, c);
    for (how.b = 0; how.b < c->dims[0]; how.b++)
        for (how.h = 0; how.h < c->dims[2]; how.h++)
            plain_delta_head(got, c, &how);
}

/* ---- exponentials */

enum { LONE_TOKENS = 20 };        /* the seed of cases of one token in one head, whose gates are first and last */

/* How far m may be off in a head: a rounding for each token since an input gate has set it. */
static double drift(const struct plain *p)
{
    double off = 0, most = 0;
    for (long t = 0; t < p->c->dims[1]; t++) {
        const double m = p->m[token(p, t)], *start = p->of['s'];
        const int anew = m <= log_gate(p, "i", t) || isinf(m);
        off = (start && start[p->b * p->c->dims[1] + t] == (double)t) || anew ? 0 : off;
        off += anew ? 0 : 0x1p-24 * fabs(m);
        most = fmax(most, off);
    }
    return most;
}

/* What a share of all exponents, and decays that are less by 2^-22, make of the plain form; 2^-22 for each exponential
 * that is a factor; and what m may be off, where that is a factor. */
static void exponentials_are_the_plain_ones(const char *name, uint64_t seed, enum op_family family, int gate,
                                            int edges)
{
    static const double share = 0x1p-24 + 1.33520e-8;        /* 1.44269502 / log2 e is 1 less the second */
    static const char *const once[] = {"C1", "n1", "qn", "Cs", "ns"};
    struct op_case c = {.op = op_find(name)}, truth, got;
    struct op_verdict unused;
    struct op_distance err[OP_ARGS] = {{0}};
    const int delta = !strncmp(name, "delta", 5);
    op_draw_dims(&c, c.op, seed, 20);
    if (gate >= 0)
        c.dims[6] = gate;
    for (int d = 0; seed == LONE_TOKENS && d < (delta ? 4 : 3); d++)
        c.dims[d] = 1;
    op_draw_scalars(&c, seed);
    op_draw(&c, seed, family, seed % 3 ? ~0u : 0, SWAX_PREC_BF16);
    if (edges)
        gates_at_their_edges(&c);
    op_truth(&truth, &unused, SWAX_PREC_F64, &c);
    op_exponentials(err, &c, &truth);
    const struct plain how = {.exp = plain_exp, .share = share, .chunk = 16};
    double of_m = 0;
    if (delta)
        plain_delta(&got, &c, how);
    else
        plain_case(&got, &c, &truth, how);
    if (!strcmp(name, "mlstm_forward"))
        for (long head = 0; head < c.dims[0] * c.dims[2]; head++)
            of_m = fmax(of_m, drift(&(struct plain){.c = &c, .m = argument(&truth, "m"), .of['i'] = argument(&c, "i"),
                                                    .of['s'] = argument(&c, "start"), .b = head / c.dims[2],
                                                    .h = head % c.dims[2]}));
    for (int i = 0; i < c.n; i++) {
        const struct op_arg *arg = &swax_ops[c.op].arg[i];
        const double *before = arg->role == ADD ? c.arg[i] : NULL;
        struct op_distance is = {0};
        double times = delta || c.dims[6] % 2 ? 1 : 2, in_units = 0;
        for (size_t k = 0; k < sizeof once / sizeof *once; k++)
            if (!strcmp(arg->name, once[k]))
                times = 1, in_units = of_m;
        if (!c.arg[i] || !op_answers(arg) || !strcmp(arg->name, "Cs") || !strcmp(arg->name, "ns"))
            continue;
        if (*arg->name == 'm') {
            ck_assert_each(err[i].most == 0 && err[i].rms == 0 && err[i].bias == 0, "%s has no exponential", arg->name);
            continue;
        }
        op_distance_add(&is, got.arg[i], truth.arg[i], before, c.size[i]);
        if (!strcmp(arg->name, "r")) {
            struct op_distance known = {0};
            op_distance_add(&known, argument(&c, "v"), truth.arg[i], NULL, c.size[i]);
            is.most += 0x1p-22 * known.most, is.rms += 0x1p-22 * known.rms, is.bias += 0x1p-22 * known.bias;
            times = 0;
        }
        const double by = times * 0x1p-22 + in_units, plain[] = {is.most + by, is.rms + by, is.bias + by};
        const double told[] = {err[i].most, err[i].rms, err[i].bias};
        for (int k = 0; k < 3; k++)
            ck_assert_each(fabs(told[k] - plain[k]) <= 1e-4 * plain[k], "%s, %s, seed %d, %s: %.9g, and plainly %.9g",
                           name, arg->name, (int)seed, k == 0 ? "most" : k == 1 ? "RMS" : "bias", told[k], plain[k]);
    }
    op_case_free(&c), op_case_free(&truth), op_case_free(&got);
}

START_TEST(exponentials_are_off_by_so_much)
{
    static const enum op_family families[] = {OP_GAUSS, OP_OPEN, OP_SHUT, OP_SATURATED, OP_COLD, OP_EQUAL};
    for (int k = 0; k < 24; k++) {
        for (int edges = 0; edges < 2; edges++)
            exponentials_are_the_plain_ones("mlstm_forward", (uint64_t)(k + 1), families[k % 6], k / 6, edges);
        for (int edges = 0; edges < 2; edges++)
            exponentials_are_the_plain_ones("mlstm_backward", (uint64_t)(k + 1), families[k % 6], k / 6, edges);
        for (int edges = 0; edges < 2; edges++)
            exponentials_are_the_plain_ones("delta_forward", (uint64_t)(k + 1), families[k % 6], -1, edges);
    }
}
END_TEST

/* ---- honest kernels: operands in bf16, fast exponentials */

/* The largest bias of a kernel that answers like `how`, which has to be within all bounds; `of` names a tensor. */
static double honest_bias(const char *name, uint64_t seed, enum op_family family, int most, struct plain how,
                          const char *of)
{
    struct op_case c, truth, got;
    struct op_verdict v;
    op_case_make(&c, op_find(name), seed, family, most, SWAX_PREC_BF16);
    op_truth(&truth, &v, SWAX_PREC_BF16, &c);
    how.exp = fast_exp, how.rounds = 1;
    if (!strncmp(name, "delta", 5))
        plain_delta(&got, &c, how);
    else
        plain_case(&got, &c, &truth, how);
    for (int i = 0; i < c.n; i++) {
        const char *has = swax_ops[c.op].arg[i].name;
        if (c.arg[i] && (*has == 'm' || !strcmp(has, "Cs") || !strcmp(has, "ns")))
            memcpy(got.arg[i], truth.arg[i], (size_t)c.size[i] * sizeof **c.arg);
        for (long e = 0; e < c.size[i] && c.arg[i] && op_answers(&swax_ops[c.op].arg[i]); e++)
            got.arg[i][e] = op_round(got.arg[i][e], swax_ops[c.op].arg[i].type, SWAX_PREC_BF16);
    }
    const int worst = op_compare(&v, &got, &truth, &c), i = op_arg_find(&swax_ops[c.op], of);
    const int at = worst < 0 ? 0 : worst;
    ck_assert_each(worst < 0, "%s, %s, seed %d up to %d: %s is off by %.3g (%.3g is allowed), by RMS %.3g (%.3g), "
                   "in one direction %.3g (%.3g)", name, op_family_name[family], (int)seed, most,
                   swax_ops[c.op].arg[at].name, v.error[at], v.bound[at], v.rms[at],
                   v.rms_bound[at], v.bias[at], v.bias_bound[at]);
    const double bias = fabs(op_bias(got.arg[i], truth.arg[i], NULL, c.size[i]));
    op_case_free(&c), op_case_free(&truth), op_case_free(&got);
    return bias;
}

START_TEST(honest_kernels_are_good)
{
    double cell = 0;
    for (int k = 0; k < 120; k++) {
        static const enum op_family families[] = {OP_EQUAL, OP_EQUAL, OP_GAUSS, OP_OPEN, OP_COLD, OP_SHUT};
        const struct plain how = {.barred = k % 2, .unit = k / 2 % 9, .chunk = 16 << k % 3};
        cell = fmax(cell, honest_bias("mlstm_forward", (uint64_t)(k + 1), families[k % 6], 24, how, "h"));
        honest_bias("mlstm_backward", (uint64_t)(k + 1), families[k % 6], 20, how, "dv");
    }
    ck_assert_msg(cell > 5e-4, "no weights are rounded alike: %.3g", cell);
    /* as swax's own kernels are on the card */
    const struct plain own = {.chunk = 14};
    const double h = honest_bias("mlstm_forward", 3, OP_EQUAL, 300, own, "h");
    ck_assert_msg(h > 5.1e-4, "h is off by %.3g in one direction", h);
}
END_TEST

START_TEST(honest_delta_kernels_are_good)
{
    for (int k = 0; k < OP_FAMILIES; k++)
        for (uint64_t seed = 1; seed <= 6; seed++)
            honest_bias("delta_forward", seed, (enum op_family)k, 20, (struct plain){.exp = NULL}, "S1");
    const double S1 = honest_bias("delta_forward", 1009, OP_TINY, 33, (struct plain){.exp = NULL}, "S1");
    ck_assert_msg(S1 > 1.86e-7, "S1 is off by %.3g in one direction", S1);
}
END_TEST

/* ---- the form without its roundings */
void operands_cell_unrounded(struct op_distance *err, const struct op_case *c, const struct op_case *truth);
#define op_operand(x) (x)
#define op_operands_cell operands_cell_unrounded
#define log_sigmoid log_sigmoid_here
#include "ref/oracle/operands_cell.c"
#undef op_operand
#undef op_operands_cell

START_TEST(without_rounding_it_is_the_cell)
{
    static const char *const ops[] = {"mlstm_forward", "mlstm_backward"};
    static const enum op_family families[] = {OP_GAUSS, OP_EQUAL, OP_OPEN, OP_SHUT, OP_COLD, OP_SATURATED, OP_CLOSED};
    int asked = 0;
    for (int k = 0; k < 56; k++) {
        const int op = op_find(ops[k % 2]);
        struct op_case c, truth;
        struct op_verdict v;
        op_case_make(&c, op, (uint64_t)(k + 1), families[k / 2 % 7], 40, SWAX_PREC_F64);
        op_truth(&truth, &v, SWAX_PREC_F64, &c);
        for (int w = 0; w < 8; w++) {
            const long L = c.dims[5] < c.dims[1] ? c.dims[5] : c.dims[1];
            const struct cell_way way = {w / 2 % 2 * UNITS, w % 2, w < 4 ? 16 : 64, w % 4 ? c.dims[1] : L};
            const double *before;
            struct op_case got;
            op_case_copy(&got, &c);
            run_case(&got, &c, &truth, k % 2, &way, (long)c.dims[0] * c.dims[2]);
            for (int a = 0; a < ANSWERS; a++) {
                const int i = answer(&c, a, &before);
                const int keeps = way.span == c.dims[5] || a < KEPT || a >= FORWARD;
                const double off = i < 0 || !keeps ? 0 : op_error_rms(got.arg[i], truth.arg[i], c.size[i]);
                ck_assert_each(off < 1e-8, "%s of %s, case %d: off by %.3g", answers[a], ops[k % 2], k, off);
                asked += i >= 0;
            }
            op_case_free(&got);
        }
        op_case_free(&c), op_case_free(&truth);
    }
    ck_assert_msg(asked > 500, "%d answers", asked);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("operands_cell");
    TCase *t = tcase_create("cell");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, the_errors_are_those_of_the_plain_form);
    tcase_add_test(t, exponentials_are_off_by_so_much);
    tcase_add_test(t, honest_kernels_are_good);
    tcase_add_test(t, honest_delta_kernels_are_good);
    tcase_add_test(t, without_rounding_it_is_the_cell);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
