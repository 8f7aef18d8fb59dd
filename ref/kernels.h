/* kernels.h - the contract: what every kernel of every tier computes.  START HERE.
 *
 * SWAX (arXiv 2509.24552) is a stack of pre-norm blocks
 *
 *     x += mixer(rmsnorm(x));   x += down(swiglu(up(rmsnorm(x))))
 *
 * whose mixers alternate between sliding-window attention and a recurrent one:
 * xLSTM's matrix-memory cell, or a member of the family of the delta rule.  Every
 * number the network computes comes from a slot of struct swax_kernels.  A tier is
 * such a table, filled for one kind of machine: ref/ holds the reference, which is
 * written to be read; simd/ and cuda/ hold the same table, faster.
 *
 * `real` is the type of a tensor's elements, `stat` that of gates, states and
 * statistics, which are never narrower than float; real.h has both.
 *
 * Rules that hold for all kernels, so that no comment repeats them:
 *   - the argument order is outputs, inputs, ints, scalars;
 *   - arrays are dense, row-major, need no alignment beyond that of their
 *     elements, and never overlap; a size is at least 1;
 *   - outputs named plainly (y, rstd, lse) are OVERWRITTEN, whatever they held;
 *   - outputs named d<input> are the gradient of <input> and are ADDED to;
 *   - in foo_backward, d<output> is the gradient that arrives, and every other
 *     name means what it means in foo_forward;
 *   - an argument may be NULL only where its comment says so;
 *   - a kernel is a pure function of its arguments: it prints nothing, keeps
 *     nothing, cannot fail.  A NaN in gives NaN out, in whatever depends on it, and
 *     nowhere else: not in tokens, heads or documents that do not see it.
 *
 * Letters:  B sequences   T tokens   N rows (B*T)   C width   I inputs   O outputs
 *           H heads   G key/value heads   D head size   W window   S keys
 *           K, V key and value size of a recurrent head   J gates of a head, 1 or K   F taps of a convolution
 *           L tokens from one saved state to the next (a chunk)   c = ceil(T/L) chunks
 * In embedding and cross-entropy, V is the size of the vocabulary.
 *
 * Documents.  Several may be packed into one sequence, and nothing is carried from
 * one to the next.  start[b,t] is the index of the first token of t's document,
 * counted from the first token of this call: 0 <= start <= t within it, and
 * negative if the document began before this call (how far before does not matter
 * to a recurrent kernel; to attention it says how far the keys before the call may
 * be seen).  It is the same for all tokens of a document.  start == NULL means one
 * document that began before the call.  Attention does not look across a document's
 * start; a recurrent kernel begins again there, exactly. */
#ifndef SWAX_KERNELS_H
#define SWAX_KERNELS_H

#include "real.h"

#ifndef SWAX_GATES      /* a program reads this file once a precision: ref/installed/kernels.h */
#define SWAX_GATES
/* How the cell's gates become weights; see mlstm_forward. */
enum swax_gate { SWAX_EXPONENTIAL, SWAX_SIGMOID, SWAX_SIGMOID_NORMALISED, SWAX_LOG };
#endif

struct R(swax_kernels) {
    /* ---- embedding: y[n] = w[token[n]].   token (N), w (V,C), y (N,C) */
    void (*embed_forward)(real *y, const int *token, const real *w, int N, int V, int C);
    void (*embed_backward)(stat *dw, const real *dy, const int *token, int N, int V, int C);

    /* ---- linear: y = x w^T + b.   x (N,I), w (O,I), b (O) or NULL, y (N,O); db is NULL when b is */
    void (*linear_forward)(real *y, const real *x, const real *w, const stat *b, int N, int O, int I);
    void (*linear_backward)(real *dx, stat *dw, stat *db, const real *dy,
                            const real *x, const real *w, int N, int O, int I);

    /* ---- readout: the same, with a result in `stat`: for the pre-activations of gates, and for logits */
    void (*readout_forward)(stat *y, const real *x, const real *w, const stat *b, int N, int O, int I);
    void (*readout_backward)(real *dx, stat *dw, stat *db, const stat *dy,
                             const real *x, const real *w, int N, int O, int I);

    /* ---- RMSNorm: y[n,j] = x[n,j] rstd[n] w[j],   rstd[n] = 1/sqrt(mean_j x[n,j]^2 + eps) */
    void (*rmsnorm_forward)(real *y, stat *rstd, const real *x, const stat *w, int N, int C, double eps);
    void (*rmsnorm_backward)(real *dx, stat *dw, const real *dy,
                             const real *x, const stat *w, const stat *rstd, int N, int C);

    /* ---- the norm of the cell's output, per head; x (N,H,D), w (H,D), mean and rstd (N,H)
     *     center = 1, LayerNorm:  y = (x - mean) rstd w,   rstd = 1/sqrt(var + eps), var biased
     *     center = 0, RMS:        y = x rstd w,            rstd = 1/sqrt(mean of x^2 + eps), mean = 0 */
    void (*headnorm_forward)(real *y, stat *mean, stat *rstd, const real *x, const stat *w,
                             int N, int H, int D, int center, double eps);
    void (*headnorm_backward)(real *dx, stat *dw, const real *dy, const real *x, const stat *w,
                              const stat *mean, const stat *rstd, int N, int H, int D, int center);

    /* ---- RoPE, half-split, on x (B,T,H,D).  Token t stands at position p = P + t, counted from the start of its
     * document where start (B,T) is given: p = P + t - start[b,t], so that a document is turned alike wherever
     * it is packed.  Pair j < D/2 turns by the angle a = p theta^(-2j/D), computed in double:
     *     y[j] = x[j] cos a - x[j+D/2] sin a,   y[j+D/2] = x[j+D/2] cos a + x[j] sin a
     * An odd D leaves its last element as it is.  P may be negative. */
    void (*rope_forward)(real *y, const real *x, const int *start /* (B,T) or NULL */,
                         int B, int T, int H, int D, int P, double theta);
    void (*rope_backward)(real *dx, const real *dy, const int *start,
                          int B, int T, int H, int D, int P, double theta);

    /* ---- causal attention with a window of W keys, the query's own included.
     * q (B,T,H,D), k and v (B,S,G,D), y (B,T,H,D), lse (B,T,H).  T <= S, and G divides H: query head h
     * reads key head h G/H.  Key j stands at token index j - (S-T), so the first S-T keys came before
     * the call (a decoding cache).  Query t sees the keys of its document with 0 <= t - (j-(S-T)) < W:
     *     a_j = q_t.k_j / sqrt(D),   lse = log( exp(sink_h) + sum_j exp(a_j) ),   y_t = sum_j exp(a_j - lse) v_j
     * sink (H) is a learned score for having nothing to read: it stands beside the keys' scores, has no value, and is
     * below +inf.  NULL, or -inf, is attention without a sink.  dsink is NULL where sink is. */
    void (*attention_forward)(real *y, stat *lse, const real *q, const real *k, const real *v, const stat *sink,
                              const int *start /* (B,T) or NULL */,
                              int B, int T, int S, int H, int G, int D, int W);
    void (*attention_backward)(real *dq, real *dk, real *dv, stat *dsink, const real *dy,
                               const real *q, const real *k, const real *v, const stat *sink, const int *start,
                               const real *y, const stat *lse,
                               int B, int T, int S, int H, int G, int D, int W);

    /* ---- the mLSTM cell.  Per sequence and head, with i_t, f_t the gate pre-activations (already capped):
     *     lf_t  = log sigmoid(f_t),  or f_t for SWAX_LOG
     *     li_t  = i_t                         SWAX_EXPONENTIAL       (xLSTM-7B), and SWAX_LOG
     *             log sigmoid(i_t)            the two SIGMOID gates  (mLSTMsig)
     *     m_t   = max(lf_t + m_{t-1}, li_t)   SWAX_EXPONENTIAL       the stabiliser
     *             0                           all others
     *     C_t   = exp(lf_t + m_{t-1} - m_t) C_{t-1} + exp(li_t - m_t) k_t v_t^T
     *     n_t   = exp(lf_t + m_{t-1} - m_t) n_{t-1} + exp(li_t - m_t) k_t
     *     qn_t  = q_t.n_t / sqrt(K)
     *     h_t   = C_t^T q_t / sqrt(K) / N_t,  N_t = max(|qn_t|, exp(-m_t)) + eps,   or 1 for SWAX_SIGMOID and SWAX_LOG
     * q and k (B,T,H,K), v and h (B,T,H,V), i and f (B,T,H).  A document starts from C = n = m = 0.
     * SWAX_LOG is linear attention whose gates come in as logarithms: delta's erase = 0 with beta = exp(i), in another
     * implementation.
     *
     * Gates.  f = +inf keeps everything.  i or f may be -inf, shut for good, and both may be at one token: where
     * m_t = -inf nothing has been written, and C_t = n_t = h_t = 0.  i = +inf has an answer with the SIGMOID gates
     * only; with the others it counts as NaN.  Where exp(-m_t) is below the smallest normal number (m_t > 87 in float,
     * 708 in double), that number takes its place, so that N_t is never 0.
     *
     * State in: C0 (B,H,K,V), n0 (B,H,K), m0 (B,H), all three NULL for zero; out: C1, n1, m1.  What they stand for
     * is e^m C and e^m n, so m is a choice of units (a gauge).  m0 = -inf is no state, whatever finite numbers C0 and
     * n0 hold, and m0 = -1e30 is as good as none.  Only SWAX_EXPONENTIAL reads m0; the others take it as 0.  T = 1 is a
     * decoding step.
     *
     * Saved for the backward: m, qn (B,T,H), and the states Cs (B,H,c,K,V), ns (B,H,c,K) before tokens
     * 0, L, 2L, ...: C_{t-1} and n_{t-1} in the units of m_{t-1} (of m0 at token 0).  Where a document begins at such
     * a token, they are the end of the document before it, for which the backward has no use.  Cs and ns may
     * both be NULL when no backward follows.  L says where states are kept, not what is computed.
     *
     * Backward: dC1, dn1 (both NULL for zero) are the gradients of C1, n1 at fixed m1; dC0, dn0 (both may
     * be NULL, and are where C0 is) those of C0, n0 at fixed m0.  h does not depend on m when eps = 0, so m
     * is held constant; with eps > 0 this leaves out a term of relative size eps/N.  The normaliser's
     * gradient is included.  Where |qn| = exp(-m), it is 0.  df is 0 at the first token of a document. */
    void (*mlstm_forward)(real *h, stat *C1, stat *n1, stat *m1,
                          stat *m, stat *qn, stat *Cs, stat *ns,
                          const real *q, const real *k, const real *v, const stat *i, const stat *f,
                          const stat *C0, const stat *n0, const stat *m0, const int *start /* (B,T) or NULL */,
                          int B, int T, int H, int K, int V, int L, int gate, double eps);
    void (*mlstm_backward)(real *dq, real *dk, real *dv, stat *di, stat *df, stat *dC0, stat *dn0,
                           const real *dh, const stat *dC1, const stat *dn1,
                           const real *q, const real *k, const real *v, const stat *i, const stat *f,
                           const stat *C0, const stat *n0, const stat *m0, const int *start,
                           const real *h, const stat *C1, const stat *n1, const stat *m1,
                           const stat *m, const stat *qn, const stat *Cs, const stat *ns,
                           int B, int T, int H, int K, int V, int L, int gate, double eps);

    /* ---- the gated delta rule (erase = 1) and linear attention with decay (erase = 0).  Per sequence and value head:
     *     S'  = diag(exp(g_t)) S_{t-1}        a gate for each of S's K rows (J = K), or one for all of them (J = 1)
     *     r_t = v_t - erase S'^T k_t          what the decayed state gets wrong about v
     *     S_t = S' + beta_t k_t r_t^T
     *     y_t = scale S_t^T q_t
     * q and k (B,T,G,K), v, y and r (B,T,H,V), g (B,T,H,J), beta (B,T,H).  G divides H: value head h reads key head
     * h G/H.  J is 1 or K.  A document starts from S = 0, exactly.  g is a natural logarithm, finite, and not above
     * 0 where accuracy matters.  beta comes as it is applied (0 to 2).  k is taken as it is: for |k| = 1, normalise it
     * before.  Gated DeltaNet is erase 1, J 1; Kimi's KDA erase 1, J K; Mamba-2's SSD and simple GLA erase 0, J 1; GLA
     * erase 0, J K.
     *
     * State in: S0 (B,H,K,V), NULL for zero; out: S1.  T = 1 is a decoding step.
     *
     * Saved for the backward: r, and the states Ss (B,H,c,K,V) before tokens 0, L, 2L, ...: S_{t-1} or, where a
     * document begins at such a token, the end of the document before it.  Ss may be NULL when no backward follows.
     * L says where states are kept, not what is computed.
     *
     * Backward: dS1 may be NULL for zero; dS0 may be NULL, and is where S0 is.  dg is 0 at the first token of a
     * document.  S and D (B,H,K,V) are scratch: where a kernel may keep a state and its gradient; what stands there
     * before and after the call means nothing.  A kernel that does not need them leaves them. */
    void (*delta_forward)(real *y, stat *S1, stat *r, stat *Ss,
                          const real *q, const real *k, const real *v, const stat *g, const stat *beta,
                          const stat *S0, const int *start /* (B,T) or NULL */,
                          int B, int T, int H, int G, int K, int V, int J, int L, int erase, double scale);
    void (*delta_backward)(real *dq, real *dk, real *dv, stat *dg, stat *dbeta, stat *dS0, stat *S, stat *D,
                           const real *dy, const stat *dS1,
                           const real *q, const real *k, const real *v, const stat *g, const stat *beta,
                           const stat *S0, const int *start, const stat *S1, const stat *r, const stat *Ss,
                           int B, int T, int H, int G, int K, int V, int J, int L, int erase, double scale);

    /* ---- short convolution, causal and depthwise, with SiLU: each channel by itself, w (C,F), b (C) or NULL:
     *     a_t = b + sum_{j<F} w[j] x_{t-(F-1)+j},   y_t = a_t sigmoid(a_t)
     * so w[F-1] is the weight of the token itself.  x (B,S,C), y (B,T,C), T <= S: token t is row t + S-T of x, and the
     * rows before it came before the call, as attention's keys do.  A token before its document's start, or before
     * row 0, counts as 0.  db is NULL where b is. */
    void (*conv_forward)(real *y, const real *x, const stat *w, const stat *b, const int *start /* (B,T) or NULL */,
                         int B, int T, int S, int C, int F);
    void (*conv_backward)(real *dx, stat *dw, stat *db, const real *dy,
                          const real *x, const stat *w, const stat *b, const int *start,
                          int B, int T, int S, int C, int F);

    /* ---- decay, a log gate from its pre-activation: with x = a[n,h,j] + bias[h,j] and a rate exp(lrate[h]),
     *     g = -exp(lrate) softplus(x)          low = 0      (Gated DeltaNet, Mamba-2's A dt, KDA)
     *     g = low sigmoid(exp(lrate) x)        low < 0      (KDA, bounded: g never falls below low)
     * a and g (N,H,J), lrate (H), bias (H,J) */
    void (*decay_forward)(stat *g, const stat *a, const stat *lrate, const stat *bias, int N, int H, int J, double low);
    void (*decay_backward)(stat *da, stat *dlrate, stat *dbias, const stat *dg,
                           const stat *a, const stat *lrate, const stat *bias, int N, int H, int J, double low);

    /* ---- strength, a beta from its pre-activation: beta = top sigmoid(b).  top is 1, or 2 where what a key holds may
     * be reflected and not only replaced */
    void (*strength_forward)(stat *beta, const stat *b, int N, double top);
    void (*strength_backward)(stat *db, const stat *dbeta, const stat *b, int N, double top);

    /* ---- gate soft-cap: y = cap tanh(x/cap); cap = 0 means none, y = x */
    void (*softcap_forward)(stat *y, const stat *x, int N, double cap);
    void (*softcap_backward)(stat *dx, const stat *dy, const stat *y, int N, double cap);

    /* ---- output gate: y = sigmoid(g) x */
    void (*gate_forward)(real *y, const real *g, const real *x, int N);
    void (*gate_backward)(real *dg, real *dx, const real *dy, const real *g, const real *x, int N);

    /* ---- SwiGLU: y = a sigmoid(a) b */
    void (*swiglu_forward)(real *y, const real *a, const real *b, int N);
    void (*swiglu_backward)(real *da, real *db, const real *dy, const real *a, const real *b, int N);

    /* ---- residual: y = a + b */
    void (*add_forward)(real *y, const real *a, const real *b, int N);
    void (*add_backward)(real *da, real *db, const real *dy, int N);

    /* ---- skip, a path around a recurrent mixer (Mamba-2's D): y = a + w[h] b.   a, b and y (N,H,D), w (H) */
    void (*skip_forward)(real *y, const real *a, const real *b, const stat *w, int N, int H, int D);
    void (*skip_backward)(real *da, real *db, stat *dw, const real *dy, const real *b, const stat *w, int N, int H,
                          int D);

    /* ---- cross-entropy of soft-capped logits.  x (N,V), z = cap tanh(x/cap) (cap = 0: z = x):
     *     lse[n] = log sum_j exp(z[n,j]),   loss[n] = lse[n] - z[n,target[n]]
     * A target outside 0..V-1 is ignored: loss 0, no gradient.  The mean over the valid targets of the
     * whole batch is the caller's: dloss[n] = 1/(how many there are). */
    void (*xent_forward)(stat *loss, stat *lse, const stat *x, const int *target, int N, int V, double cap);
    void (*xent_backward)(stat *dx, const stat *dloss, const stat *x, const int *target, const stat *lse,
                          int N, int V, double cap);

    /* ---- the optimiser's step: these have no backward */
    /* sum[0] += sum_n x[n]^2, in double: the square of the global gradient norm, tensor by tensor */
    void (*sqsum)(double *sum, const stat *x, int N);
    /* y[n] += x[n] */
    void (*accumulate)(stat *y, const stat *x, int N);
    /* y[n] = x[n], rounded to nearest even: the weights the kernels read, from those the optimiser keeps */
    void (*cast)(real *y, const stat *x, int N);
    /* AdamW on weights w with moments m, v and gradient g; step counts from 1; decay = 0 exempts a tensor.
     *     g' = g min(1, clip/sqrt(sum[0]))          clip = 0: g' = g, and sum may be NULL
     *     m  = beta1 m + (1-beta1) g',   v = beta2 v + (1-beta2) g'^2
     *     w  = (1 - lr decay) w - lr (m/(1-beta1^step)) / (sqrt(v/(1-beta2^step)) + eps) */
    void (*adamw)(stat *w, stat *m, stat *v, const stat *g, const double *sum, int N, int step,
                  double lr, double beta1, double beta2, double eps, double decay, double clip);
};

#ifndef SWAX_BF16
extern const struct R(swax_kernels) R(swax_ref);
#endif

#endif
