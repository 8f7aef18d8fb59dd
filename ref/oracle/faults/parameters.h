/* parameters.h - the parameters of kernels, in the order of kernels.h: for wrong kernels, of which each kernel has
 * many. */
#ifndef SWAX_PARAMETERS_H
#define SWAX_PARAMETERS_H

#define LINEAR_FORWARD real *y, const real *x, const real *w, const stat *b, int N, int O, int I
#define LINEAR_BACKWARD real *dx, stat *dw, stat *db, const real *dy, const real *x, const real *w, int N, int O, int I
#define HEADNORM_FORWARD real *y, stat *mean, stat *rstd, const real *x, const stat *w, \
                         int N, int H, int D, int center, double eps
#define HEADNORM_BACKWARD real *dx, stat *dw, const real *dy, const real *x, const stat *w, \
                          const stat *mean, const stat *rstd, int N, int H, int D, int center
#define ROPE_FORWARD real *y, const real *x, const int *start, int B, int T, int H, int D, int P, double theta
#define ROPE_BACKWARD real *dx, const real *dy, const int *start, int B, int T, int H, int D, int P, double theta
#define ATTENTION_FORWARD real *y, stat *lse, const real *q, const real *k, const real *v, const stat *sink, \
                          const int *start, int B, int T, int S, int H, int G, int D, int W
#define ATTENTION_BACKWARD real *dq, real *dk, real *dv, stat *dsink, const real *dy, const real *q, const real *k, \
                           const real *v, const stat *sink, const int *start, const real *y, const stat *lse, \
                           int B, int T, int S, int H, int G, int D, int W
#define MLSTM_FORWARD real *h, stat *C1, stat *n1, stat *m1, stat *m, stat *qn, stat *Cs, stat *ns, \
                      const real *q, const real *k, const real *v, const stat *i, const stat *f, \
                      const stat *C0, const stat *n0, const stat *m0, const int *start, \
                      int B, int T, int H, int K, int V, int L, int gate, double eps
#define MLSTM_BACKWARD real *dq, real *dk, real *dv, stat *di, stat *df, stat *dC0, stat *dn0, \
                       const real *dh, const stat *dC1, const stat *dn1, \
                       const real *q, const real *k, const real *v, const stat *i, const stat *f, \
                       const stat *C0, const stat *n0, const stat *m0, const int *start, \
                       const real *h, const stat *C1, const stat *n1, const stat *m1, \
                       const stat *m, const stat *qn, const stat *Cs, const stat *ns, \
                       int B, int T, int H, int K, int V, int L, int gate, double eps
#define DELTA_FORWARD real *y, stat *S1, stat *r, stat *Ss, const real *q, const real *k, const real *v, \
                      const stat *g, const stat *beta, const stat *S0, const int *start, \
                      int B, int T, int H, int G, int K, int V, int J, int L, int erase, double scale
#define DELTA_BACKWARD real *dq, real *dk, real *dv, stat *dg, stat *dbeta, stat *dS0, stat *S, stat *D, \
                       const real *dy, const stat *dS1, const real *q, const real *k, const real *v, const stat *g, \
                       const stat *beta, const stat *S0, const int *start, const stat *S1, const stat *r, \
                       const stat *Ss, int B, int T, int H, int G, int K, int V, int J, int L, int erase, double scale
#define CONV_FORWARD real *y, const real *x, const stat *w, const stat *b, const int *start, \
                     int B, int T, int S, int C, int F
#define CONV_BACKWARD real *dx, stat *dw, stat *db, const real *dy, const real *x, const stat *w, const stat *b, \
                      const int *start, int B, int T, int S, int C, int F
#define DECAY_FORWARD stat *g, const stat *a, const stat *lrate, const stat *bias, int N, int H, int J, double low

#endif
