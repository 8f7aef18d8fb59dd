/* tensor.h - the slots of the bf16 table that have a kernel of their own for the tensor cores. */
#ifndef SWAX_CUDA_TENSOR_H
#define SWAX_CUDA_TENSOR_H

#include "ref/kernels.h"

extern "C" {
void swax_cuda_attention_forward_bf16(real *y, stat *lse, const real *q, const real *k, const real *v, const stat *sink,
                                      const int *start, int B, int T, int S, int H, int G, int D, int W);
void swax_cuda_attention_backward_bf16(real *dq, real *dk, real *dv, stat *dsink, const real *dy, const real *q,
                                       const real *k, const real *v, const stat *sink, const int *start, const real *y,
                                       const stat *lse, int B, int T, int S, int H, int G, int D, int W);
void swax_cuda_delta_forward_bf16(real *y, stat *S1, stat *r, stat *Ss, const real *q, const real *k, const real *v,
                                  const stat *g, const stat *beta, const stat *S0, const int *start, int B, int T,
                                  int H, int G, int K, int V, int J, int L, int erase, double scale);
void swax_cuda_delta_backward_bf16(real *dq, real *dk, real *dv, stat *dg, stat *dbeta, stat *dS0, stat *S, stat *D,
                                   const real *dy, const stat *dS1, const real *q, const real *k, const real *v,
                                   const stat *g, const stat *beta, const stat *S0, const int *start, const stat *S1,
                                   const stat *r, const stat *Ss, int B, int T, int H, int G, int K, int V, int J,
                                   int L, int erase, double scale);
void swax_cuda_mlstm_forward_bf16(real *h, stat *C1, stat *n1, stat *m1, stat *m, stat *qn, stat *Cs, stat *ns,
                                  const real *q, const real *k, const real *v, const stat *i, const stat *f,
                                  const stat *C0, const stat *n0, const stat *m0, const int *start,
                                  int B, int T, int H, int K, int V, int L, int gate, double eps);
void swax_cuda_mlstm_backward_bf16(real *dq, real *dk, real *dv, stat *di, stat *df, stat *dC0, stat *dn0,
                                   const real *dh, const stat *dC1, const stat *dn1,
                                   const real *q, const real *k, const real *v, const stat *i, const stat *f,
                                   const stat *C0, const stat *n0, const stat *m0, const int *start,
                                   const real *h, const stat *C1, const stat *n1, const stat *m1,
                                   const stat *m, const stat *qn, const stat *Cs, const stat *ns,
                                   int B, int T, int H, int K, int V, int L, int gate, double eps);
}

#endif
