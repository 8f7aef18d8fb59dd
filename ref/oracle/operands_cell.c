/* operands_cell.c - what rounding to bf16 on the way moves in one direction: the mLSTM cell's.
 *
 * On tensor cores the cell is a chain of products in chunks, whose operands are rounded to bf16.  In one head, for the
 * tokens of a chunk behind the state C, n, with s = 1/sqrt(K), N the normaliser and g_t the gradient of qn_t:
 *
 *   weights    D_tj = exp(li_j + lf_j+1 + .. + lf_t - m_t), j <= t      a_j = D_last,j
 *              e_t  = exp(lf_0 + .. + lf_t + m_before - m_t)
 *   forward    W_tj = s q_t.k_j D_tj                 h_t = (sum_j W_tj v_j + C^T (s e_t q_t)) / N_t
 *              C' = e_last C + sum_j (a_j k_j) v_j^T, n' likewise       qn_t = sum_j W_tj + s e_t q_t.n
 *   backward   S_tj = s (dh_t.v_j / N_t + g_t) D_tj  P_tj = W_tj / N_t  Z_tj = S_tj q_t.k_j
 *              dq_t = sum_j S_tj k_j + s e_t (C dh_t / N_t + g_t n)     = .. + x_t
 *              dk_j = sum_t S_tj q_t + a_j (dC' v_j + dn')              = .. + z_j
 *              dv_j = sum_t P_tj dh_t + dC'^T (a_j k_j)                 dli_j = k_j.dk_j
 *              dlf_r = e_last (<dC',C> + <dn',n>) + sum_t>=r q_t.x_t + sum_j<r k_j.z_j + sum_t>=r>j Z_tj
 *              dC = e_last dC' + sum_t (s e_t q_t / N_t) dh_t^T, dn likewise
 *
 * W, S, P and the states' copies are rounded where they enter a product; what is in brackets is in some kernels, whose
 * decays are part of the queries and keys ("barred"), and then dh / N is too.  So the form is worked out as it is
 * rounded, in double, in chunks of 64 tokens, which end where states are kept, or do not.
 *
 * Errors of many operands go either way, and leave no bias; but where tokens are alike the rows of these are, and are
 * rounded alike: up to 0.1 % of h.  What the bias is then hangs on how long chunks are, and W, C and the keys are in
 * units of exp(m), where a kernel may have a stabiliser of its own: chunks of 16, 32, 64 and 128 tokens are asked,
 * eight units within a doubling, and W / N.  The backward's are in no unit. */
#include "ref/oracle/inside.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 128, USUAL = 64, UNITS = 8, WAYS = 5 * 2 * (UNITS + 1) };

/* How a kernel rounds: W and C times 2^(unit / UNITS), at UNITS W / N; are decays in queries and keys?  In chunks of so
 * many tokens, which end at multiples of `span`. */
struct cell_way { int unit, barred; long chunk, span; };

/* One head of one sequence; token t's row of q is q + t H K, and so on.  Outputs of the backward are added to. */
struct cell_head {
    const double *q, *k, *v, *dh, *start;
    double *li, *lf, *m, *N, *g, *slope_i, *slope_f;       /* (T) */
    double *h, *qn, *Cs, *ns, *dq, *dk, *dv, *di, *df;      /* Cs, ns: the first of the head's states, or NULL */
    long T, H;
    int K, V;
    double m0, s;
};
/* A chunk of n tokens: its weights. */
struct cell_chunk { long from, n; double *D, *e, *W, *S; };
/* C (K,V) and n (K), or their gradients. */
struct cell_state { double *C, *n; };

static double round_if(int rounds, double x) { return rounds ? op_operand(x) : x; }
static const double *key(const struct cell_head *a, const double *x, long t) { return x + t * a->H * a->K; }
static const double *value(const struct cell_head *a, const double *x, long t) { return x + t * a->H * a->V; }

static double dot(const double *a, const double *b, int n)
{
    double sum = 0;
    for (int e = 0; e < n; e++)
        sum += a[e] * b[e];
    return sum;
}

/* Does a document begin behind j, up to t? */
static int parted(const struct cell_head *a, long j, long t) { return a->start && (long)a->start[t] > j; }

static double weight(const struct cell_head *a, long t, int apart, double x)
{
    return apart || isinf(a->m[t]) ? 0 : exp(x);
}

static void chunk_weights(struct cell_chunk *c, const struct cell_head *a)
{
    const double before = c->from ? a->m[c->from - 1] : a->m0;
    for (long i = 0; i < c->n; i++) {
        const long t = c->from + i;
        double sum = 0;
        for (long j = i; j >= 0; j--) {
            c->D[i * c->n + j] = weight(a, t, parted(a, c->from + j, t), a->li[c->from + j] + sum - a->m[t]);
            sum += a->lf[c->from + j];
        }
        c->e[i] = weight(a, t, parted(a, c->from - 1, t), sum + (before - a->m[t]));
    }
}

/* The state's copy, as it enters products. */
static double *copied(const double *C, long n, double up)
{
    double *copy = op_take((size_t)n, sizeof *copy);
    for (long e = 0; e < n; e++)
        copy[e] = op_operand(up * C[e]) / up;
    return copy;
}

static double unit_of(const struct cell_way *way) { return exp2((double)(way->unit % UNITS) / UNITS); }

static void chunk_on(const struct cell_head *a, struct cell_chunk *c, struct cell_state S, const struct cell_way *way)
{
    const double up = unit_of(way), *leave = c->D + (c->n - 1) * c->n, decay = c->e[c->n - 1];
    for (int r = 0; r < a->K; r++) {
        for (int w = 0; w < a->V; w++)
            S.C[r * a->V + w] *= decay;
        S.n[r] *= decay;
    }
    for (long j = 0; j < c->n; j++) {
        const double *k = key(a, a->k, c->from + j), *v = value(a, a->v, c->from + j);
        for (int r = 0; r < a->K; r++) {
            const double barred = round_if(way->barred, up * leave[j] * k[r]) / up;
            for (int w = 0; w < a->V; w++)
                S.C[r * a->V + w] += barred * v[w];
            S.n[r] += barred;
        }
    }
}

/* h and qn of a chunk behind S. */
static void chunk_gives(const struct cell_head *a, struct cell_chunk *c, struct cell_state S,
                        const struct cell_way *way)
{
    double *C = copied(S.C, (long)a->K * a->V, unit_of(way));
    for (long i = 0; i < c->n; i++) {
        const long t = c->from + i;
        const double *q = key(a, a->q, t), up = way->unit == UNITS ? 1 / a->N[t] : unit_of(way);
        double *h = a->h + t * a->H * a->V, *qn = a->qn + t * a->H;
        memset(h, 0, (size_t)a->V * sizeof *h);
        *qn = a->s * c->e[i] * dot(q, S.n, a->K);
        for (long j = 0; j <= i; j++) {
            const double W = a->s * dot(q, key(a, a->k, c->from + j), a->K) * c->D[i * c->n + j];
            const double rounded = op_operand(up * W) / up, *v = value(a, a->v, c->from + j);
            *qn += W;
            for (int w = 0; w < a->V; w++)
                h[w] += rounded * v[w];
        }
        for (int r = 0; r < a->K; r++) {
            const double barred = round_if(way->barred, a->s * c->e[i] * q[r]);
            for (int w = 0; w < a->V; w++)
                h[w] += barred * C[r * a->V + w];
        }
        for (int w = 0; w < a->V; w++)
            h[w] /= a->N[t];
    }
    free(C);
}

/* As queries of the state C, whose n is `norm`: dq, and what each token has of that state, x[n], into q.dq; dh is
 * (n,V), by N where that is rounded. */
static void chunk_queries(const struct cell_head *a, const struct cell_chunk *c, const double *C, const double *norm,
                          const double *dh, const double *over, int barred, double *x)
{
    for (long i = 0; i < c->n; i++) {
        const long t = c->from + i;
        const double *q = key(a, a->q, t), enter = a->s * c->e[i];
        double *dq = a->dq + t * a->H * a->K;
        x[i] = 0;
        for (int r = 0; r < a->K; r++) {
            double of_state = enter * a->g[t] * norm[r];
            for (int w = 0; w < a->V; w++)
                of_state += round_if(barred, enter / over[i] * dh[i * a->V + w]) * C[r * a->V + w];
            x[i] += q[r] * of_state;
            dq[r] += of_state;
            for (long j = 0; j <= i; j++)
                dq[r] += c->S[i * c->n + j] * key(a, a->k, c->from + j)[r];
        }
    }
}

/* As keys: dk, dv, di, and what each token has of the gradient of the state behind, z[n], into k.dk. */
static void chunk_keys(const struct cell_head *a, const struct cell_chunk *c, const double *dC, const double *dn,
                       const double *dh, int barred, double *z)
{
    for (long j = 0; j < c->n; j++) {
        const long t = c->from + j;
        const double *k = key(a, a->k, t), *v = value(a, a->v, t), leave = c->D[(c->n - 1) * c->n + j];
        double *dk = a->dk + t * a->H * a->K, *dv = a->dv + t * a->H * a->V, kdk = 0;
        z[j] = 0;
        for (int r = 0; r < a->K; r++) {
            double of_state = leave * dn[r], all = 0;
            for (int w = 0; w < a->V; w++) {
                of_state += round_if(barred, leave * v[w]) * dC[r * a->V + w];
                dv[w] += round_if(barred, leave * k[r]) * dC[r * a->V + w];
            }
            for (long i = j; i < c->n; i++)
                all += c->S[i * c->n + j] * key(a, a->q, c->from + i)[r];
            z[j] += k[r] * of_state;
            kdk += k[r] * (all + of_state);
            dk[r] += all + of_state;
        }
        for (long i = j; i < c->n; i++)
            for (int w = 0; w < a->V; w++)
                dv[w] += c->W[i * c->n + j] * dh[i * a->V + w];
        a->di[t * a->H] += kdk * a->slope_i[t];
    }
}

/* df, from what passes from state to state, x, z and all pairs.  Where a document begins nothing passes. */
static void chunk_gates(const struct cell_head *a, const struct cell_chunk *c, double passes, const double *x,
                        const double *z)
{
    double behind = passes, pairs = 0, before = 0;
    for (long j = 0; j < c->n; j++)
        before += z[j];
    for (long r = c->n - 1; r >= 0; r--) {
        const long t = c->from + r;
        behind += x[r];
        before -= z[r];
        for (long j = 0; j < c->n; j++) {
            const long query = j < r ? r : j, of = j < r ? j : r;
            const double qk = dot(key(a, a->q, c->from + query), key(a, a->k, c->from + of), a->K);
            const double Z = j == r ? 0 : c->S[query * c->n + of] * qk;
            pairs += j < r ? Z : -Z;
        }
        a->df[t * a->H] += (behind + before + pairs) * a->slope_f[t];
    }
}

/* A chunk's gradients; G, that of the state behind it, to that of S before it. */
static void chunk_back(const struct cell_head *a, struct cell_chunk *c, struct cell_state S, struct cell_state G,
                       const struct cell_way *way)
{
    const long n = c->n, KV = (long)a->K * a->V;
    double *dh = op_take((size_t)(n * a->V + 3 * n), sizeof *dh), *over = dh + n * a->V, *x = over + n, *z = x + n;
    for (long i = 0; i < n; i++) {
        const long t = c->from + i;
        const double *given = value(a, a->dh, t), *q = key(a, a->q, t);
        over[i] = way->barred ? 1 : a->N[t];
        for (int w = 0; w < a->V; w++)
            dh[i * a->V + w] = way->barred ? op_operand(given[w] / a->N[t]) : given[w];
        for (long j = 0; j <= i; j++) {
            const double by = a->s * c->D[i * n + j];
            const double dP = dot(dh + i * a->V, value(a, a->v, c->from + j), a->V) / over[i] + a->g[t];
            c->S[i * n + j] = op_operand(by * dP);
            c->W[i * n + j] = op_operand(by * dot(q, key(a, a->k, c->from + j), a->K) / over[i]);
        }
    }
    double *C = copied(S.C, KV, 1), *dC = copied(G.C, KV, 1);
    chunk_queries(a, c, C, S.n, dh, over, way->barred, x);
    chunk_keys(a, c, dC, G.n, dh, way->barred, z);
    chunk_gates(a, c, c->e[n - 1] * (dot(dC, C, (int)KV) + dot(G.n, S.n, a->K)), x, z);
    free(C), free(dC);
    for (long e = 0; e < KV; e++)
        G.C[e] *= c->e[n - 1];
    for (int r = 0; r < a->K; r++) {
        G.n[r] *= c->e[n - 1];
        for (long i = 0; i < n; i++) {
            const double q = key(a, a->q, c->from + i)[r], enter = a->s * c->e[i];
            const double barred = round_if(way->barred, enter / over[i] * q);
            for (int w = 0; w < a->V; w++)
                G.C[r * a->V + w] += barred * dh[i * a->V + w];
            G.n[r] += enter * a->g[c->from + i] * q;
        }
    }
    free(dh);
}

/* Chunk number `at` of a sequence: is there one, with which tokens? */
static int chunk_at(struct cell_chunk *c, const struct cell_head *a, const struct cell_way *way, long at)
{
    return op_chunk_at(&c->from, &c->n, a->T, way->chunk, way->span, at);
}

static void keep(double *C, double *n, const struct cell_head *a, struct cell_state S)
{
    memcpy(C, S.C, (size_t)(a->K * a->V) * sizeof *C);
    memcpy(n, S.n, (size_t)a->K * sizeof *n);
}

/* S from the state before to the one behind, or, in the backward, G to the gradient of the state before. */
static void run_head(const struct cell_head *a, struct cell_state S, const struct cell_state *G,
                     const struct cell_way *way)
{
    const long L = way->chunk, KV = (long)a->K * a->V, state = KV + a->K;
    double *squares = op_take((size_t)(3 * L * L + L), sizeof *squares);
    struct cell_chunk c = { .D = squares, .W = squares + L * L, .S = squares + 2 * L * L, .e = squares + 3 * L * L };
    long chunks = 0;
    while (chunk_at(&c, a, way, chunks))
        chunks++;
    double *kept = op_take((size_t)(chunks * state), sizeof *kept);
    for (long at = 0; chunk_at(&c, a, way, at); at++) {
        keep(kept + at * state, kept + at * state + KV, a, S);
        if (a->Cs && c.from % way->span == 0)
            keep(a->Cs + c.from / way->span * KV, a->ns + c.from / way->span * a->K, a, S);
        chunk_weights(&c, a);
        if (!G)
            chunk_gives(a, &c, S, way);
        chunk_on(a, &c, S, way);
    }
    for (long at = chunks; G && at--;) {
        chunk_at(&c, a, way, at);
        chunk_weights(&c, a);
        chunk_back(a, &c, (struct cell_state){ kept + at * state, kept + at * state + KV }, *G, way);
    }
    free(kept), free(squares);
}

/* What the gates of a head are, its normalisers and the gradients of qn; `knows` has m and qn. */
static void head_scalars(struct cell_head *a, const struct op_case *c, const struct op_case *knows, long row)
{
    const int gate = c->dims[6], backward = a->dh != NULL, normalised = gate != SIGMOID && gate != LOG;
    for (long t = 0; t < a->T; t++) {
        const long at = row + t * a->H;
        const double i = op_named(c, "i")[at], f = op_named(c, "f")[at], qn = op_named(knows, "qn")[at];
        const double floor = fmax(DBL_MIN, exp(-op_named(knows, "m")[at]));
        a->m[t] = op_named(knows, "m")[at];
        a->li[t] = gate == LOG || !gate ? i : op_log_sigmoid(i);
        a->lf[t] = gate == LOG ? f : op_log_sigmoid(f);
        a->slope_i[t] = gate == LOG || !gate ? 1 : 1 / (1 + exp(i));
        a->slope_f[t] = gate == LOG ? 1 : 1 / (1 + exp(f));
        a->N[t] = normalised ? fmax(fabs(qn), floor) + c->scalar[0] : 1;
        a->g[t] = 0;
        if (backward && normalised && fabs(qn) > floor)
            a->g[t] = (qn > 0 ? -1 : 1) * dot(value(a, a->dh, t), op_named(c, "h") + at * a->V, a->V) / a->N[t];
    }
}

static void load(double *to, const double *from, long n)
{
    for (long e = 0; e < n; e++)
        to[e] = from ? from[e] : 0;
}

/* The first `asked` heads of the case, sequence by sequence, as such a kernel has them, in `got`, which begins as what
 * stood there. */
static void run_case(struct op_case *got, const struct op_case *c, const struct op_case *truth, int backward,
                     const struct cell_way *way, long asked)
{
    const long T = c->dims[1], H = c->dims[2], K = c->dims[3], V = c->dims[4], KV = K * V;
    const long states = op_extent(&swax_ops[c->op], 'c', c->dims);
    double *room = op_take((size_t)(7 * T + 2 * (KV + K)), sizeof *room), *C = room + 7 * T, *dC = C + KV + K;
    for (long bh = 0; bh < asked; bh++) {
        const long row = bh / H * T * H + bh % H;
        const double *start = op_named(c, "start"), *m0 = op_named(c, "m0");
        const double *C0 = op_named(c, "C0"), *n0 = op_named(c, "n0");
        struct cell_head a = { .q = op_named(c, "q") + row * K, .k = op_named(c, "k") + row * K,
                               .v = op_named(c, "v") + row * V,
                               .start = start ? start + bh / H * T : NULL, .li = room, .lf = room + T,
                               .m = room + 2 * T, .N = room + 3 * T, .g = room + 4 * T, .slope_i = room + 5 * T,
                               .slope_f = room + 6 * T, .T = T, .H = H, .K = (int)K, .V = (int)V,
                               .m0 = m0 && !c->dims[6] ? m0[bh] : 0, .s = 1 / sqrt((double)K) };
        const struct cell_state S = { C, C + KV }, G = { dC, dC + KV };
        load(S.C, C0 ? C0 + bh * KV : NULL, KV);
        load(S.n, n0 ? n0 + bh * K : NULL, K);
        if (backward) {
            const double *dC1 = op_named(c, "dC1"), *dn1 = op_named(c, "dn1");
            double *dC0 = op_named(got, "dC0"), *dn0 = op_named(got, "dn0");
            load(G.C, dC1 ? dC1 + bh * KV : NULL, KV);
            load(G.n, dn1 ? dn1 + bh * K : NULL, K);
            a.dh = op_named(c, "dh") + row * V;
            a.dq = op_named(got, "dq") + row * K, a.dk = op_named(got, "dk") + row * K;
            a.dv = op_named(got, "dv") + row * V;
            a.di = op_named(got, "di") + row, a.df = op_named(got, "df") + row;
            head_scalars(&a, c, c, row);
            run_head(&a, S, &G, way);
            for (long e = 0; e < KV && dC0; e++)
                dC0[bh * KV + e] += G.C[e];
            for (long e = 0; e < K && dn0; e++)
                dn0[bh * K + e] += G.n[e];
        } else {
            a.h = op_named(got, "h") + row * V, a.qn = op_named(got, "qn") + row;
            if (op_named(got, "Cs") && way->span == c->dims[5]) {
                a.Cs = op_named(got, "Cs") + bh * states * KV;
                a.ns = op_named(got, "ns") + bh * states * K;
            }
            head_scalars(&a, c, truth, row);
            run_head(&a, S, NULL, way);
            load(op_named(got, "C1") + bh * KV, S.C, KV);
            load(op_named(got, "n1") + bh * K, S.n, K);
        }
    }
    free(room);
}

/* The ways that are asked: how many. */
static int ways_of(struct cell_way way[WAYS], const struct op_case *c, int backward)
{
    const long T = c->dims[1], L = c->dims[5];
    const int alike = op_keys_are_alike(c), units = alike && !backward ? UNITS + 1 : 1;
    int n = 0;
    for (int w = 0; w < 2 * units; w++) {
        for (long chunk = alike ? 16 : USUAL; chunk <= (alike ? CHUNK : USUAL); chunk *= 2)
            if (chunk == 16 || !alike || chunk < 2 * T)
                way[n++] = (struct cell_way){ w / 2, w % 2, chunk, T };
        if (L < T)
            way[n++] = (struct cell_way){ w / 2, w % 2, USUAL, L };
    }
    return n;
}

/* Is it of the state that is kept, where this way does not keep it, or the stabiliser? */
static int is_left_out(const char *name, const struct cell_way *way, const struct op_case *c)
{
    return name[0] == 'm' || (way->span != c->dims[5] && (!strcmp(name, "Cs") || !strcmp(name, "ns")));
}

void op_operands_cell(struct op_distance *err, const struct op_case *c, const struct op_case *truth)
{
    struct cell_way way[WAYS];
    const int backward = c->op == op_find("mlstm_backward"), *d = c->dims, ways = ways_of(way, c, backward);
    double work = 0;
    for (int w = 0; w < ways; w++)
        work += (double)d[1] * (backward ? 3 : 1) * (fmin(fmin(d[1], (double)way[w].span), (double)way[w].chunk)
              * (d[3] + d[4]) + 2.0 * d[3] * d[4]);
    const long asked = op_heads_asked((long)d[0] * d[2], work);
    for (int w = 0; w < ways && asked; w++) {
        struct op_case got;
        op_case_copy(&got, c);
        run_case(&got, c, truth, backward, &way[w], asked);
        for (int i = 0; i < c->n; i++)
            if (c->arg[i] && op_answers(&swax_ops[c->op].arg[i])
                && !is_left_out(swax_ops[c->op].arg[i].name, &way[w], c))
                op_operands_add(&err[i], &got, truth, c, i, asked);
        op_case_free(&got);
    }
}
