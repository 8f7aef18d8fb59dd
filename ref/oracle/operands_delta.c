/* operands_delta.c - what rounding to bf16 on the way leaves: the delta rule's.
 *
 * On tensor cores the chunk form is a chain of products, whose operands are rounded to bf16.  In one head, for the
 * tokens of a chunk behind the state S, with D_ij = exp(g_j+1 + .. + g_i), c_i = exp(g_0 + .. + g_i) by channel, and
 * e = erase:
 *
 *   forward    P_ij = q_i.(D_ij o k_j), j <= i       A_ij = e beta_i k_i.(D_ij o k_j), j < i     X = (1 + A)^-1
 *              W = X (beta c o k)                    U = X (beta v) - e W S
 *              r = v - e ((c o k) S + (A / beta) U)
 *              y = s (c o q) S + s P U               S' = c_last o S + (D_last o k)^T U
 *   backward   dU = s P^T dy + (D_last o k) dS'      dP = s dy U^T
 *              dW = -e dU S^T                        dX = dU (beta v)^T + dW (beta c o k)^T
 *              d(beta v) = X^T dU                    d(beta c o k) = X^T dW            dA = -X^T dX X^T
 *              dS = c_last o dS' + s (c o q)^T dy - e W^T dU
 *
 * and from these dq, dk, dv and dbeta; dg_t is the sum of x dx over all decays x that t's gate is in.  Nudges of inputs
 * show how large most of these errors are, but not all: where the state holds what is written, U is a small difference
 * of large products, and a rounded X leaves 0.01 of S1.  Errors of many operands go either way, and leave no bias; but
 * where tokens are alike, so are the rows of all these, and are rounded alike: up to 0.4 % of S1 and 0.3 % of dk.  So
 * the form is worked out as it is rounded, in double.
 *
 * Chunks have 64 tokens, and end where states are kept; or they do not end there.  Where keys are alike, what the bias
 * is hangs on how long chunks are and on the scale that a matrix is rounded at, for beta and s may be factors of
 * either operand: chunks of 16, 32, 64 and 128 tokens and eight scales within a doubling are asked.  Elsewhere one
 * scale may be right by luck, by a factor of ten where keys are nearly alike: three or four are asked. */
#include "ref/oracle/inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 128, USUAL = 64, SCALES = 8, WAYS = 5 * SCALES };

/* How a kernel rounds: in chunks of so many tokens, which end at multiples of `span`; matrices times `up`. */
struct delta_way { long chunk, span; double up; };

/* One head of one sequence; its outputs, which are added to. */
struct delta_head {
    const double *q, *k, *v, *g, *beta, *start, *dy;
    double *y, *r, *Ss, *dq, *dk, *dv, *dg, *dbeta;        /* Ss: the first of the head's states, or NULL */
    long T, H, G, J;
    int K, V, erase;
    double scale;
};
/* A chunk's matrices: K or V columns, L columns, and the state's. */
struct delta_chunk {
    long from, n;
    double *fall, *carried, *left;                                 /* n x K: sums of g from the first; c; D_last */
    double *qc, *kc, *keys, *W, *dW, *dkeys, *dfall;               /* (n + 1) x K */
    double *values, *U, *dU, *dvalues;                             /* n x V */
    double *P, *A, *X, *dP, *dX, *dA;                              /* n x n; A without beta */
    double *S, *D;                                                 /* K x V, rounded; K */
};

static void round_all(double *x, long n, double up)
{
    for (long e = 0; e < n; e++)
        x[e] = op_operand(up * x[e]) / up;
}

static void clear(double *x, long n)
{
    for (long e = 0; e < n; e++)
        x[e] = 0;
}

static long key_at(const struct delta_head *a, long t) { return t * a->G * a->K; }
static long value_at(const struct delta_head *a, long t) { return t * a->H * a->V; }
/* exp of -1000 is 0: gates that are shut for good can be summed. */
static double gate_at(const struct delta_head *a, long t, int i)
{
    return fmax(a->g[t * a->H * a->J + (a->J == 1 ? 0 : i)], -1000);
}

/* Does a document begin behind j, up to i? */
static int parted(const struct delta_head *a, long j, long i) { return a->start && (long)a->start[i] > j; }

/* D_ij by channel; j < from: c_i. */
static void decays(double *D, const struct delta_head *a, const struct delta_chunk *c, long j, long i)
{
    const int channels = a->J == 1 ? 1 : a->K;
    for (int r = 0; r < channels; r++) {
        const double before = j < c->from ? 0 : c->fall[(j - c->from) * a->K + r];
        D[r] = parted(a, j, i) ? 0 : exp(c->fall[(i - c->from) * a->K + r] - before);
    }
    for (int r = channels; r < a->K; r++)
        D[r] = D[0];
}

/* z += x y, x (n,m) or, turned, (m,n); y (m,w) or, turned, (w,m) */
static void multiply(double *z, const double *x, int x_turned, const double *y, int y_turned, long n, long m, long w,
                     double by)
{
    double *across = y_turned ? op_take((size_t)(m * w), sizeof *across) : NULL;
    for (long e = 0; e < m * w && y_turned; e++)
        across[e] = y[e % w * m + e / w];
    for (long i = 0; i < n; i++)
        for (long e = 0; e < m; e++) {
            const double of_x = by * (x_turned ? x[e * n + i] : x[i * m + e]), *row = (across ? across : y) + e * w;
            for (long j = 0; j < w && of_x != 0; j++)
                z[i * w + j] += of_x * row[j];
        }
    free(across);
}

static struct delta_chunk chunk_room(const struct delta_head *a, long L)
{
    struct delta_chunk c = { 0 };
    const size_t k = (size_t)((L + 1) * a->K), v = (size_t)(L * a->V), n = (size_t)(L * L);
    double *at = op_take(10 * k + 4 * v + 6 * n + (size_t)(a->K * a->V) + (size_t)a->K, sizeof *at);
    double **const of_keys[] = { &c.fall, &c.carried, &c.left, &c.qc, &c.kc, &c.keys, &c.W, &c.dW, &c.dkeys, &c.dfall },
                   **const of_values[] = { &c.values, &c.U, &c.dU, &c.dvalues },
                   **const square[] = { &c.P, &c.A, &c.X, &c.dP, &c.dX, &c.dA };
    for (int i = 0; i < 10; i++, at += k)
        *of_keys[i] = at;
    for (int i = 0; i < 4; i++, at += v)
        *of_values[i] = at;
    for (int i = 0; i < 6; i++, at += n)
        *square[i] = at;
    c.S = at, c.D = at + a->K * a->V;
    return c;
}

/* P, A and X, which are rounded at the scale `up`. */
static void chunk_squares(const struct delta_head *a, struct delta_chunk *c, double up)
{
    const long n = c->n;
    for (long i = 0; i < n; i++) {
        const double *q = a->q + key_at(a, c->from + i), *k = a->k + key_at(a, c->from + i);
        const double beta = a->erase * a->beta[(c->from + i) * a->H];
        for (long j = 0; j < n; j++)
            c->P[i * n + j] = c->A[i * n + j] = 0, c->X[i * n + j] = i == j;
        for (long j = 0; j <= i; j++) {
            const double *kj = a->k + key_at(a, c->from + j);
            double with_q = 0, with_k = 0;
            decays(c->D, a, c, c->from + j, c->from + i);
            for (int r = 0; r < a->K; r++) {
                with_q += q[r] * c->D[r] * kj[r];
                with_k += k[r] * c->D[r] * kj[r];
            }
            c->P[i * n + j] = with_q;
            c->A[i * n + j] = j < i ? with_k : 0;
        }
        for (long j = 0; j < i; j++)
            for (long e = 0; e <= j; e++)
                c->X[i * n + e] -= beta * c->A[i * n + j] * c->X[j * n + e];
    }
    round_all(c->P, n * n, up);
    round_all(c->X, n * n, up);
}

/* The forward's matrices of a chunk behind S. */
static void chunk_on(const struct delta_head *a, struct delta_chunk *c, const double *S, double up)
{
    const long n = c->n, last = c->from + n - 1;
    const int K = a->K, V = a->V;
    for (long i = 0; i < n; i++)
        for (int r = 0; r < K; r++)
            c->fall[i * K + r] = (i ? c->fall[(i - 1) * K + r] : 0) + gate_at(a, c->from + i, r);
    for (long i = 0; i < n; i++) {
        const long t = c->from + i;
        const double *q = a->q + key_at(a, t), *k = a->k + key_at(a, t), beta = a->beta[t * a->H];
        decays(c->carried + i * K, a, c, c->from - 1, t);
        decays(c->left + i * K, a, c, t, last);
        for (int r = 0; r < K; r++) {
            c->qc[i * K + r] = op_operand(c->carried[i * K + r] * q[r]);
            c->kc[i * K + r] = op_operand(c->left[i * K + r] * k[r]);
            c->keys[i * K + r] = op_operand(beta * c->carried[i * K + r] * k[r]);
        }
        for (int e = 0; e < V; e++)
            c->values[i * V + e] = op_operand(beta * a->v[value_at(a, t) + e]);
    }
    chunk_squares(a, c, up);
    memcpy(c->S, S, (size_t)(K * V) * sizeof *S);
    round_all(c->S, (long)K * V, up);
    clear(c->W, n * K), clear(c->U, n * V);
    multiply(c->W, c->X, 0, c->keys, 0, n, n, K, 1);
    round_all(c->W, n * K, up);
    multiply(c->U, c->X, 0, c->values, 0, n, n, V, 1);
    multiply(c->U, c->W, 0, c->S, 0, n, K, V, -a->erase);
    round_all(c->U, n * V, up);
}

/* What a chunk gives, and the state behind it. */
static void chunk_out(const struct delta_head *a, const struct delta_chunk *c, double *S)
{
    const long n = c->n;
    const int K = a->K, V = a->V;
    double *y = op_take((size_t)(2 * n * V + n * K), sizeof *y), *r = y + n * V, *bare = r + n * V;
    multiply(y, c->qc, 0, c->S, 0, n, K, V, a->scale);
    multiply(y, c->P, 0, c->U, 0, n, n, V, a->scale);
    for (long e = 0; e < n * K && a->r; e++)
        bare[e] = op_operand(c->carried[e] * a->k[key_at(a, c->from + e / K) + e % K]);
    multiply(r, bare, 0, c->S, 0, a->r ? n : 0, K, V, -a->erase);
    multiply(r, c->A, 0, c->U, 0, a->r ? n : 0, n, V, -a->erase);
    for (long i = 0; i < n; i++)
        for (int e = 0; e < V; e++) {
            const long at = value_at(a, c->from + i) + e;
            a->y[at] = y[i * V + e];
            if (a->r)
                a->r[at] = a->v[at] + r[i * V + e];
        }
    for (int i = 0; i < K; i++)
        for (int e = 0; e < V; e++)
            S[i * V + e] *= c->carried[(n - 1) * K + i];
    multiply(S, c->kc, 1, c->U, 0, K, n, V, 1);
    free(y);
}

/* x dx of a decay from token j of the chunk to i, in channel r: all gates between have it. */
static void add_fall(const struct delta_head *a, struct delta_chunk *c, long j, long i, int r, double x)
{
    c->dfall[(j + 1) * a->K + r] += x;
    c->dfall[(i + 1) * a->K + r] -= x;
}

/* The gradients of a chunk's inputs, from those of its matrices. */
static void chunk_inputs(const struct delta_head *a, struct delta_chunk *c, const double *dqc, const double *dkc)
{
    const long n = c->n;
    const int K = a->K, V = a->V;
    for (long i = 0; i < n; i++) {
        const long t = c->from + i;
        const double *q = a->q + key_at(a, t), *k = a->k + key_at(a, t), beta = a->beta[t * a->H];
        double *dq = a->dq + key_at(a, t), *dk = a->dk + key_at(a, t), *dbeta = a->dbeta + t * a->H;
        for (int r = 0; r < K; r++) {
            const double carried = c->carried[i * K + r], left = c->left[i * K + r], dkey = c->dkeys[i * K + r];
            dq[r] += carried * dqc[i * K + r];
            dk[r] += left * dkc[i * K + r] + beta * carried * dkey;
            *dbeta += carried * k[r] * dkey;
            add_fall(a, c, -1, i, r, carried * (q[r] * dqc[i * K + r] + beta * k[r] * dkey));
            add_fall(a, c, i, n - 1, r, left * k[r] * dkc[i * K + r]);
        }
        for (int e = 0; e < V; e++) {
            a->dv[value_at(a, t) + e] += beta * c->dvalues[i * V + e];
            *dbeta += a->v[value_at(a, t) + e] * c->dvalues[i * V + e];
        }
        for (long j = 0; j <= i; j++) {
            const double *kj = a->k + key_at(a, c->from + j), dP = c->dP[i * n + j];
            const double dA = j < i && a->erase ? c->dA[i * n + j] : 0;
            double *dkj = a->dk + key_at(a, c->from + j);
            *dbeta += dA * c->A[i * n + j];
            decays(c->D, a, c, c->from + j, t);
            for (int r = 0; r < K; r++) {
                const double by = c->D[r] * (dP * q[r] + beta * dA * k[r]);
                dq[r] += dP * c->D[r] * kj[r];
                dk[r] += beta * dA * c->D[r] * kj[r];
                dkj[r] += by;
                add_fall(a, c, j, i, r, by * kj[r]);
            }
        }
    }
}

/* The gradients of a chunk's gates, where D is that of the state behind, rounded. */
static void chunk_gates(const struct delta_head *a, struct delta_chunk *c, const double *D)
{
    const int K = a->K, V = a->V;
    for (int r = 0; r < K; r++) {
        double all = 0;
        for (int e = 0; e < V; e++)
            all += D[r * V + e] * c->S[r * V + e];
        all *= c->carried[(c->n - 1) * K + r];
        for (long i = 0; i < c->n; i++) {
            all += c->dfall[i * K + r];
            a->dg[(c->from + i) * a->H * a->J + (a->J == 1 ? 0 : r)] += all;
        }
    }
}

/* D, the gradient of the state behind a chunk, to that before it. */
static void chunk_back(const struct delta_head *a, struct delta_chunk *c, double *D, double up)
{
    const long n = c->n;
    const int K = a->K, V = a->V;
    double *room = op_take((size_t)(n * V + 2 * n * K + K * V + n * n), sizeof *room);
    double *dy = room, *dqc = dy + n * V, *dkc = dqc + n * K, *Dr = dkc + n * K, *part = Dr + K * V;
    for (long i = 0; i < n; i++)
        for (int e = 0; e < V; e++)
            dy[i * V + e] = a->scale * a->dy[value_at(a, c->from + i) + e];
    memcpy(Dr, D, (size_t)(K * V) * sizeof *D);
    round_all(Dr, (long)K * V, up);
    clear(c->dU, n * V), clear(c->dvalues, n * V), clear(c->dW, n * K), clear(c->dkeys, n * K);
    clear(c->dP, n * n), clear(c->dX, n * n), clear(c->dA, n * n), clear(c->dfall, (n + 1) * K);
    multiply(c->dU, c->P, 1, dy, 0, n, n, V, 1);
    multiply(c->dU, c->kc, 0, Dr, 0, n, K, V, 1);
    round_all(c->dU, n * V, up);
    multiply(c->dP, dy, 0, c->U, 1, n, V, n, 1);
    round_all(c->dP, n * n, up);
    multiply(dkc, c->U, 0, Dr, 1, n, V, K, 1);
    multiply(dqc, dy, 0, c->S, 1, n, V, K, 1);
    multiply(c->dW, c->dU, 0, c->S, 1, n, V, K, -a->erase);
    round_all(c->dW, n * K, up);
    multiply(c->dvalues, c->X, 1, c->dU, 0, n, n, V, 1);
    multiply(c->dkeys, c->X, 1, c->dW, 0, n, n, K, 1);
    multiply(c->dX, c->dU, 0, c->values, 1, n, V, n, 1);
    multiply(c->dX, c->dW, 0, c->keys, 1, n, K, n, 1);
    round_all(c->dX, n * n, up);
    multiply(part, c->X, 1, c->dX, 0, n, n, n, 1);
    round_all(part, n * n, up);
    multiply(c->dA, part, 0, c->X, 1, n, n, n, -1);
    round_all(c->dA, n * n, up);
    chunk_inputs(a, c, dqc, dkc);
    chunk_gates(a, c, Dr);
    for (int r = 0; r < K; r++)
        for (int e = 0; e < V; e++)
            D[r * V + e] *= c->carried[(n - 1) * K + r];
    multiply(D, c->qc, 1, dy, 0, K, n, V, 1);
    multiply(D, c->W, 1, c->dU, 0, K, n, V, -a->erase);
    free(room);
}

/* Chunk number `at` of a sequence: is there one, with which tokens? */
static int chunk_at(struct delta_chunk *c, const struct delta_head *a, const struct delta_way *way, long at)
{
    return op_chunk_at(&c->from, &c->n, a->T, way->chunk, way->span, at);
}

/* A head: S from the state before to the one behind, or, in the backward, D to the gradient of the state before. */
static void run_head(const struct delta_head *a, double *S, double *D, const struct delta_way *way)
{
    struct delta_chunk c = chunk_room(a, way->chunk);
    const long KV = (long)a->K * a->V;
    long chunks = 0;
    while (chunk_at(&c, a, way, chunks))
        chunks++;
    double *before = op_take((size_t)(chunks * KV), sizeof *before);
    for (long at = 0; chunk_at(&c, a, way, at); at++) {
        memcpy(before + at * KV, S, (size_t)KV * sizeof *S);
        if (a->Ss && c.from % way->span == 0)
            memcpy(a->Ss + c.from / way->span * KV, S, (size_t)KV * sizeof *S);
        chunk_on(a, &c, S, way->up);
        chunk_out(a, &c, S);
    }
    for (long at = chunks; D && at--;) {
        chunk_at(&c, a, way, at);
        chunk_on(a, &c, before + at * KV, way->up);
        chunk_back(a, &c, D, way->up);
    }
    free(before);
    free(c.fall);
}

/* The first `asked` groups of heads of the case, sequence by sequence, as such a kernel has them, in `got`, which
 * begins as what stood there. */
static void run_case(struct op_case *got, const struct op_case *c, int backward, const struct delta_way *way,
                     long asked)
{
    const int *d = c->dims;
    const long T = d[1], H = d[2], G = d[3], K = d[4], V = d[5], J = d[6], KV = K * V, states = (T - 1) / d[7] + 1;
    const double *S0 = op_named(c, "S0"), *dS1 = backward ? op_named(c, "dS1") : NULL;
    double *S = op_take((size_t)KV, sizeof *S), *D = op_take((size_t)KV, sizeof *D);
    double *unused = op_take((size_t)(d[0] * T * H * V), sizeof *unused);
    for (long head = 0; head < asked * (H / G); head++) {
        const long b = head / H, h = head % H;
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
            a.dg = op_named(got, "dg") + gate * J;
        } else {
            a.r = op_named(got, "r") + value;
            if (op_named(got, "Ss") && way->span == d[7])
                a.Ss = op_named(got, "Ss") + head * states * KV;
        }
        for (long e = 0; e < KV; e++) {
            S[e] = S0 ? S0[head * KV + e] : 0;
            D[e] = dS1 ? dS1[head * KV + e] : 0;
        }
        run_head(&a, S, backward ? D : NULL, way);
        double *to = backward ? op_named(got, "dS0") : op_named(got, "S1");
        for (long e = 0; e < KV && to; e++)
            to[head * KV + e] = backward ? to[head * KV + e] + D[e] : S[e];
    }
    free(S), free(D), free(unused);
}

/* The ways that are asked: how many. */
static int ways_of(struct delta_way way[WAYS], const struct op_case *c)
{
    const long T = c->dims[1], L = c->dims[7];
    const int alike = op_keys_are_alike(c), step = alike ? 1 : op_nudges(c) > 2 ? 2 : 3;
    int n = 0;
    for (int scale = 0; scale < SCALES; scale += step) {
        const double up = exp2((double)scale / SCALES);
        for (long chunk = alike ? 16 : USUAL; chunk <= (alike ? CHUNK : USUAL); chunk *= 2)
            if (chunk == 16 || !alike || chunk < 2 * T)
                way[n++] = (struct delta_way){ chunk, T, up };
        if (L < T)
            way[n++] = (struct delta_way){ USUAL, L, up };
    }
    return n;
}

void op_operands_delta(struct op_distance *err, const struct op_case *c, const struct op_case *truth)
{
    struct delta_way way[WAYS];
    const int backward = c->op == op_find("delta_backward"), *d = c->dims, ways = ways_of(way, c);
    double work = 0;
    for (int w = 0; w < ways; w++)
        work += (double)d[1] * (d[2] / d[3]) * (backward ? 6 : 3)
              * (fmin(fmin(d[1], (double)way[w].span), (double)way[w].chunk) * (d[4] + d[5]) + (double)d[4] * d[5]);
    const long asked = op_heads_asked((long)d[0] * d[3], work);
    for (int w = 0; w < ways && asked; w++) {
        struct op_case got;
        op_case_copy(&got, c);
        run_case(&got, c, backward, &way[w], asked);
        for (int i = 0; i < c->n; i++)
            if (c->arg[i] && op_answers(&swax_ops[c->op].arg[i])
                && (way[w].span == d[7] || strcmp(swax_ops[c->op].arg[i].name, "Ss")))
                op_operands_add(&err[i], &got, truth, c, i, asked);
        op_case_free(&got);
    }
}
