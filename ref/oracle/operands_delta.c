/* operands_delta.c - what rounding to bf16 on the way moves in one direction: the delta rule's.
 *
 * On tensor cores the chunk form is a chain of products, whose operands are rounded to bf16.  In one head, for the
 * tokens of a chunk behind the state S, with D_ij = exp(g_j+1 + .. + g_i), c_i = exp(g_0 + .. + g_i) by channel, and
 * e = erase:
 *
 *   forward    P_ij = q_i.(D_ij o k_j), j <= i       A_ij = e beta_i k_i.(D_ij o k_j), j < i     X = (1 + A)^-1
 *              W = X (beta c o k)                    U = X (beta v) - e W S
 *              y = s (c o q) S + s P U               S' = c_last o S + (D_last o k)^T U
 *   backward   dU = s P^T dy + (D_last o k) dS'      dP = s dy U^T
 *              dW = -e dU S^T                        dX = dU (beta v)^T + dW (beta c o k)^T
 *              d(beta v) = X^T dU                    d(beta c o k) = X^T dW            dA = -X^T dX X^T
 *              dS = c_last o dS' + s (c o q)^T dy - e W^T dU
 *
 * and from these dq, dk, dv and dbeta.  Errors of many operands go either way, and leave no bias; but where tokens are
 * alike, so are the rows of all these, and are rounded alike: up to 0.4 % of S1 and 0.3 % of dk.  So the form is worked
 * out as it is rounded, in double, in chunks of 16, 32, 64 and 128 tokens.  dg is not: its bias is far within what is
 * allowed. */
#include "ref/oracle/inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 128 };
static const double MOST_WORK = 2e9;         /* multiplications, of all four */

/* One head of one sequence; its outputs, which are added to. */
struct delta_head {
    const double *q, *k, *v, *g, *beta, *start, *dy;
    double *y, *dq, *dk, *dv, *dbeta;
    long T, H, G, J;
    int K, V, erase;
    double scale;
};
/* A chunk's matrices: K or V columns, L columns, and the state's. */
struct delta_chunk {
    long from, n;
    double *fall, *carried, *qc, *kc, *keys, *W, *dW, *dkeys;      /* n x K; fall: sums of g from the chunk's first */
    double *values, *U, *dU, *dvalues;                             /* n x V */
    double *P, *A, *X, *dP, *dX, *dA;                              /* n x n */
    double *S;                                                     /* K x V, rounded */
};

static double round_one(double x) { return op_round(x, REAL, SWAX_PREC_BF16); }
static void round_all(double *x, long n)
{
    for (long e = 0; e < n; e++)
        x[e] = round_one(x[e]);
}

static void clear(double *x, long n)
{
    for (long e = 0; e < n; e++)
        x[e] = 0;
}

static long key_at(const struct delta_head *a, long t) { return t * a->G * a->K; }
static long value_at(const struct delta_head *a, long t) { return t * a->H * a->V; }
static double gate_at(const struct delta_head *a, long t, int i) { return a->g[t * a->H * a->J + (a->J == 1 ? 0 : i)]; }

/* Does a document begin behind j, up to i? */
static int parted(const struct delta_head *a, long j, long i) { return a->start && (long)a->start[i] > j; }

/* D_ij in channel r; j < from: c_i. */
static double decay(const struct delta_head *a, const struct delta_chunk *c, long j, long i, int r)
{
    const double before = j < c->from ? 0 : c->fall[(j - c->from) * a->K + r];
    return parted(a, j, i) ? 0 : exp(c->fall[(i - c->from) * a->K + r] - before);
}

/* z += x y, x (n,m) or, turned, (m,n); y (m,w) or, turned, (w,m) */
static void multiply(double *z, const double *x, int x_turned, const double *y, int y_turned, long n, long m, long w,
                     double by)
{
    for (long i = 0; i < n; i++)
        for (long j = 0; j < w; j++) {
            double sum = 0;
            for (long e = 0; e < m; e++)
                sum += (x_turned ? x[e * n + i] : x[i * m + e]) * (y_turned ? y[j * m + e] : y[e * w + j]);
            z[i * w + j] += by * sum;
        }
}

static struct delta_chunk chunk_room(const struct delta_head *a)
{
    struct delta_chunk c = { 0 };
    const size_t k = (size_t)(CHUNK * a->K), v = (size_t)(CHUNK * a->V), n = CHUNK * CHUNK;
    double *at = op_take(8 * k + 4 * v + 6 * n + (size_t)(a->K * a->V), sizeof *at);
    double **const of_keys[] = { &c.fall, &c.carried, &c.qc, &c.kc, &c.keys, &c.W, &c.dW, &c.dkeys },
                   **const of_values[] = { &c.values, &c.U, &c.dU, &c.dvalues },
                   **const square[] = { &c.P, &c.A, &c.X, &c.dP, &c.dX, &c.dA };
    for (int i = 0; i < 8; i++, at += k)
        *of_keys[i] = at;
    for (int i = 0; i < 4; i++, at += v)
        *of_values[i] = at;
    for (int i = 0; i < 6; i++, at += n)
        *square[i] = at;
    c.S = at;
    return c;
}

/* The forward's matrices of a chunk behind S. */
static void chunk_on(const struct delta_head *a, struct delta_chunk *c, const double *S)
{
    const long n = c->n, last = c->from + n - 1;
    const int K = a->K, V = a->V;
    for (long i = 0; i < n; i++)
        for (int r = 0; r < K; r++)
            c->fall[i * K + r] = (i ? c->fall[(i - 1) * K + r] : 0) + gate_at(a, c->from + i, r);
    for (long i = 0; i < n; i++) {
        const long t = c->from + i;
        const double *q = a->q + key_at(a, t), *k = a->k + key_at(a, t), beta = a->beta[t * a->H];
        for (int r = 0; r < K; r++) {
            const double keep = decay(a, c, c->from - 1, t, r);
            c->carried[i * K + r] = keep;
            c->qc[i * K + r] = round_one(keep * q[r]);
            c->kc[i * K + r] = round_one(decay(a, c, t, last, r) * k[r]);
            c->keys[i * K + r] = round_one(beta * keep * k[r]);
        }
        for (int e = 0; e < V; e++)
            c->values[i * V + e] = round_one(beta * a->v[value_at(a, t) + e]);
        for (long j = 0; j < n; j++) {
            double with_q = 0, with_k = 0;
            for (int r = 0; r < K && j <= i; r++) {
                const double kept = decay(a, c, c->from + j, t, r) * a->k[key_at(a, c->from + j) + r];
                with_q += q[r] * kept;
                with_k += k[r] * kept;
            }
            c->P[i * n + j] = round_one(with_q);
            c->A[i * n + j] = j < i && a->erase ? beta * with_k : 0;
            c->X[i * n + j] = i == j;
        }
        for (long j = 0; j < i; j++)
            for (long e = 0; e <= j; e++)
                c->X[i * n + e] -= c->A[i * n + j] * c->X[j * n + e];
    }
    round_all(c->X, n * n);
    memcpy(c->S, S, (size_t)(K * V) * sizeof *S);
    round_all(c->S, (long)K * V);
    clear(c->W, n * K), clear(c->U, n * V);
    multiply(c->W, c->X, 0, c->keys, 0, n, n, K, 1);
    round_all(c->W, n * K);
    multiply(c->U, c->X, 0, c->values, 0, n, n, V, 1);
    multiply(c->U, c->W, 0, c->S, 0, n, K, V, -a->erase);
    round_all(c->U, n * V);
}

/* What a chunk gives, and the state behind it. */
static void chunk_out(const struct delta_head *a, const struct delta_chunk *c, double *S)
{
    const long n = c->n;
    const int K = a->K, V = a->V;
    double *y = op_take((size_t)(n * V), sizeof *y);
    multiply(y, c->qc, 0, c->S, 0, n, K, V, a->scale);
    multiply(y, c->P, 0, c->U, 0, n, n, V, a->scale);
    for (long i = 0; i < n; i++)
        memcpy(a->y + value_at(a, c->from + i), y + i * V, (size_t)V * sizeof *y);
    for (int r = 0; r < K; r++)
        for (int e = 0; e < V; e++)
            S[r * V + e] *= c->carried[(n - 1) * K + r];
    multiply(S, c->kc, 1, c->U, 0, K, n, V, 1);
    free(y);
}

/* The gradients of a chunk's inputs, from those of its matrices. */
static void chunk_inputs(const struct delta_head *a, const struct delta_chunk *c, const double *dqc, const double *dkc)
{
    const long n = c->n, last = c->from + n - 1;
    const int K = a->K, V = a->V;
    for (long i = 0; i < n; i++) {
        const long t = c->from + i;
        const double *q = a->q + key_at(a, t), *k = a->k + key_at(a, t), beta = a->beta[t * a->H];
        double *dq = a->dq + key_at(a, t), *dk = a->dk + key_at(a, t), *dbeta = a->dbeta + t * a->H;
        for (int r = 0; r < K; r++) {
            dq[r] += c->carried[i * K + r] * dqc[i * K + r];
            dk[r] += decay(a, c, t, last, r) * dkc[i * K + r] + beta * c->carried[i * K + r] * c->dkeys[i * K + r];
            *dbeta += c->carried[i * K + r] * k[r] * c->dkeys[i * K + r];
        }
        for (int e = 0; e < V; e++) {
            a->dv[value_at(a, t) + e] += beta * c->dvalues[i * V + e];
            *dbeta += a->v[value_at(a, t) + e] * c->dvalues[i * V + e];
        }
        for (long j = 0; j <= i; j++) {
            const double *kj = a->k + key_at(a, c->from + j), dP = round_one(c->dP[i * n + j]);
            const double dA = j < i && a->erase ? round_one(c->dA[i * n + j]) : 0;
            double *dkj = a->dk + key_at(a, c->from + j);
            *dbeta += beta != 0 ? dA * c->A[i * n + j] / beta : 0;
            for (int r = 0; r < K; r++) {
                const double kept = decay(a, c, c->from + j, t, r);
                dq[r] += dP * kept * kj[r];
                dk[r] += beta * dA * kept * kj[r];
                dkj[r] += kept * (dP * q[r] + beta * dA * k[r]);
            }
        }
    }
}

/* D, the gradient of the state behind a chunk, to that before it. */
static void chunk_back(const struct delta_head *a, struct delta_chunk *c, double *D)
{
    const long n = c->n;
    const int K = a->K, V = a->V;
    double *room = op_take((size_t)(n * V + 2 * n * K + K * V + n * n), sizeof *room);
    double *dy = room, *dqc = dy + n * V, *dkc = dqc + n * K, *Dr = dkc + n * K, *part = Dr + K * V;
    for (long i = 0; i < n; i++)
        for (int e = 0; e < V; e++)
            dy[i * V + e] = a->scale * a->dy[value_at(a, c->from + i) + e];
    memcpy(Dr, D, (size_t)(K * V) * sizeof *D);
    round_all(Dr, (long)K * V);
    clear(c->dU, n * V), clear(c->dvalues, n * V), clear(c->dW, n * K), clear(c->dkeys, n * K);
    clear(c->dP, n * n), clear(c->dX, n * n), clear(c->dA, n * n);
    multiply(c->dU, c->P, 1, dy, 0, n, n, V, 1);
    multiply(c->dU, c->kc, 0, Dr, 0, n, K, V, 1);
    round_all(c->dU, n * V);
    multiply(c->dP, dy, 0, c->U, 1, n, V, n, 1);
    multiply(dkc, c->U, 0, Dr, 1, n, V, K, 1);
    multiply(dqc, dy, 0, c->S, 1, n, V, K, 1);
    multiply(c->dW, c->dU, 0, c->S, 1, n, V, K, -a->erase);
    round_all(c->dW, n * K);
    multiply(c->dvalues, c->X, 1, c->dU, 0, n, n, V, 1);
    multiply(c->dkeys, c->X, 1, c->dW, 0, n, n, K, 1);
    multiply(c->dX, c->dU, 0, c->values, 1, n, V, n, 1);
    multiply(c->dX, c->dW, 0, c->keys, 1, n, K, n, 1);
    round_all(c->dX, n * n);
    multiply(part, c->X, 1, c->dX, 0, n, n, n, 1);
    round_all(part, n * n);
    multiply(c->dA, part, 0, c->X, 1, n, n, n, -1);
    for (int r = 0; r < K; r++)
        for (int e = 0; e < V; e++)
            D[r * V + e] *= c->carried[(n - 1) * K + r];
    multiply(D, c->qc, 1, dy, 0, K, n, V, 1);
    multiply(D, c->W, 1, c->dU, 0, K, n, V, -a->erase);
    chunk_inputs(a, c, dqc, dkc);
    free(room);
}

/* A head in chunks of L tokens: S from the state before to the one behind, or, in the backward, D to the gradient of
 * the state before. */
static void run_head(const struct delta_head *a, double *S, double *D, long L)
{
    struct delta_chunk c = chunk_room(a);
    const long chunks = (a->T + L - 1) / L, KV = (long)a->K * a->V;
    double *before = op_take((size_t)(chunks * KV), sizeof *before);
    for (long at = 0; at < chunks; at++) {
        memcpy(before + at * KV, S, (size_t)KV * sizeof *S);
        c.from = at * L, c.n = a->T - c.from < L ? a->T - c.from : L;
        chunk_on(a, &c, S);
        chunk_out(a, &c, S);
    }
    for (long at = chunks - 1; at >= 0 && D; at--) {
        c.from = at * L, c.n = a->T - c.from < L ? a->T - c.from : L;
        chunk_on(a, &c, before + at * KV);
        chunk_back(a, &c, D);
    }
    free(before);
    free(c.fall);
}

/* The case's answers as such a kernel has them, in `got`, which begins as what stood there. */
static void run_case(struct op_case *got, const struct op_case *c, int backward, long L)
{
    const int *d = c->dims;
    const long B = d[0], T = d[1], H = d[2], G = d[3], K = d[4], V = d[5], J = d[6], KV = K * V;
    const double *S0 = op_named(c, "S0"), *dS1 = backward ? op_named(c, "dS1") : NULL;
    double *S = op_take((size_t)KV, sizeof *S), *D = op_take((size_t)KV, sizeof *D);
    double *unused = op_take((size_t)(B * T * H * V), sizeof *unused);
    for (long b = 0; b < B; b++)
        for (long h = 0; h < H; h++) {
            const long key = (b * T * G + h * G / H) * K, value = (b * T * H + h) * V, gate = b * T * H + h;
            const double *start = op_named(c, "start");
            struct delta_head a = { .q = op_named(c, "q") + key, .k = op_named(c, "k") + key,
                                    .v = op_named(c, "v") + value, .g = op_named(c, "g") + gate * J,
                                    .beta = op_named(c, "beta") + gate,
                                    .start = start ? start + b * T : NULL, .T = T, .H = H, .G = G, .J = J, .K = (int)K,
                                    .V = (int)V, .erase = d[8], .scale = c->scalar[0] };
            a.y = (backward ? unused : op_named(got, "y")) + value;
            if (backward) {
                a.dy = op_named(c, "dy") + value;
                a.dv = op_named(got, "dv") + value, a.dbeta = op_named(got, "dbeta") + gate;
                a.dq = op_named(got, "dq") + key, a.dk = op_named(got, "dk") + key;
            }
            for (long e = 0; e < KV; e++) {
                S[e] = S0 ? S0[(b * H + h) * KV + e] : 0;
                D[e] = dS1 ? dS1[(b * H + h) * KV + e] : 0;
            }
            run_head(&a, S, backward ? D : NULL, L);
            double *to = backward ? op_named(got, "dS0") : op_named(got, "S1");
            for (long e = 0; e < KV && to; e++)
                to[(b * H + h) * KV + e] = backward ? to[(b * H + h) * KV + e] + D[e] : S[e];
        }
    free(S), free(D), free(unused);
}

void op_operands_delta(double *bias, const struct op_case *c, const struct op_case *truth)
{
    static const char *const backwards[] = { "dq", "dk", "dv", "dbeta", "dS0" }, *const forwards[] = { "y", "S1" };
    const struct op_spec *op = &swax_ops[c->op];
    const int backward = !strcmp(op->name, "delta_backward"), *d = c->dims;
    const double tokens = (double)d[0] * d[1] * d[2];
    if (!op_keys_are_alike(c) || tokens * (d[4] + d[5]) * CHUNK * (backward ? 6 : 3) * 4 > MOST_WORK)
        return;
    for (long L = 16; L <= CHUNK && (L == 16 || L < 2 * d[1]); L *= 2) {
        struct op_case got;
        op_case_copy(&got, c);
        run_case(&got, c, backward, L);
        for (int k = 0; k < (backward ? 5 : 2); k++) {
            const int i = op_arg_find(op, backward ? backwards[k] : forwards[k]);
            if (got.arg[i])
                bias[i] = fmax(bias[i], fabs(op_bias(got.arg[i], truth->arg[i], backward ? c->arg[i] : NULL,
                                                     c->size[i])));
        }
        op_case_free(&got);
    }
}
