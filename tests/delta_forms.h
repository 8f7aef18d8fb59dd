/* delta_forms.h - the delta rule in another form than ref/delta.c's: by chunks of L tokens, whose tokens are solved for
 * together (PAPER_NOTES has the form).  One head, in double, written for being compared with, and slow. */
#ifndef DELTA_FORMS_H
#define DELTA_FORMS_H

struct delta_problem {
    int T, K, V, J, erase;
    double scale;
    const double *q, *k, *v, *g, *beta;     /* (T,K) (T,K) (T,V) (T,J) (T) */
    const double *S0, *dS1;                 /* (K,V), or NULL for zero */
    const int *fresh;                       /* (T): does a document begin here? */
    const double *dy;                       /* (T,V), or NULL: no backward */
};

struct delta_solution {
    double *y, *r, *S1;                     /* (T,V) (T,V) (K,V) */
    double *dq, *dk, *dv, *dg, *dbeta, *dS0;
};

struct delta_solution delta_solution_new(int T, int K, int V, int J);
void delta_solution_free(struct delta_solution *s);

/* By chunks of L tokens; gradients are overwritten. */
void delta_chunks(struct delta_solution *s, const struct delta_problem *p, int L);

#endif
