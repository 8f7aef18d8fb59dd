/* mlstm_forms.h - the mLSTM cell of one head in three more ways, forward and backward, in double.
 *
 * The reference runs the recurrence forward and differentiates the parallel form.  These are written from the same
 * equations by other routes, and share no line with it: if all agree, the algebra between them is right.
 *   recurrent   state by state, backpropagation through time
 *   parallel    T x T matrices, from a zero state only
 *   chunkwise   matrices within chunks of L tokens, states between them: what fast tiers do */
#ifndef MLSTM_FORMS_H
#define MLSTM_FORMS_H

/* States and their gradients cross this border in one gauge for all forms: C1 stands for e^gauge C1. */
struct mlstm_problem {
    int T, K, V, gate;                      /* enum swax_gate */
    const double *q, *k, *v, *i, *f;        /* (T,K) (T,K) (T,V) (T) (T) */
    const double *C0, *n0;                  /* (K,V) (K); both NULL for zero */
    double m0, gauge, eps;
    const double *dh, *dC1, *dn1;           /* (T,V) (K,V) (K) */
};

struct mlstm_solution {
    double *h, *C1, *n1;
    double *dq, *dk, *dv, *di, *df, *dC0, *dn0;
};

void mlstm_recurrent(struct mlstm_solution *s, const struct mlstm_problem *p);
void mlstm_parallel(struct mlstm_solution *s, const struct mlstm_problem *p);
void mlstm_chunkwise(struct mlstm_solution *s, const struct mlstm_problem *p, int L);

struct mlstm_solution mlstm_solution_new(int T, int K, int V);
void mlstm_solution_free(struct mlstm_solution *s);

#endif
