/* check_forms.c - different ways to the same numbers, in double:
 *   the cell by recurrence, by matrices and by chunks of every length, forward and backward (mlstm_forms.h);
 *   any split of the tokens, with states and their gradients handed over, against one run;
 *   packed documents against runs of their own, to the bit;
 *   decoding token by token, with cached keys or a state, against one pass, to the bit. */
#include "tests/cases.h"
#include "tests/mlstm_forms.h"
#include "tests/shared.h"
#include "tests/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* With gates at +-15 what a query reads spans e^30, and dq and dk are differences: two digits more. */
static double limit(enum op_family family) { return family == OP_SATURATED ? 1e-10 : 1e-12; }

static struct { long forms, splits, documents, steps; double form[OP_FAMILIES], split[OP_FAMILIES]; } *told;

static const enum op_family families[] = { OP_GAUSS, OP_SATURATED, OP_COLD,   OP_OPEN,
                                           OP_SHUT,  OP_EQUAL,     OP_ONEHOT, OP_CROSSOVER };
enum { N_FAMILIES = sizeof families / sizeof families[0] };

static const char *const gradients[] = { "dq", "dk", "dv", "di", "df" };

enum { WHERE = 240 };

/* A cell's forward and backward on one drawn case, and its description; gradients from 0, eps = 0. */
static void draw_cell(struct op_case *fw, struct op_case *bw, uint64_t seed, enum op_family family, int max_dim,
                      char where[WHERE])
{
    const int op = op_find("mlstm_backward");
    unsigned optional = 0;
    op_case_make(bw, op, seed, family, max_dim, SWAX_PREC_F64);
    for (int i = 0; i < bw->n; i++)
        optional |= (bw->arg[i] ? 1u : 0) << swax_ops[op].arg[i].optional;
    op_case_free(bw);
    bw->scalar[0] = 0;
    op_draw(bw, seed, family, optional, SWAX_PREC_F64);
    for (int i = 0; i < bw->n; i++)
        if (swax_ops[op].arg[i].role == ADD && bw->arg[i])
            case_give(bw, swax_ops[op].arg[i].name, NULL);
    case_like(fw, "mlstm_forward", bw);
    case_run(fw);
    case_run(bw);
    snprintf(where, WHERE, "%s seed %d ", op_family_name[family], (int)seed);
    op_case_describe(bw, where + strlen(where), WHERE - strlen(where));
}

/* ---- the forms */

/* Head hd of rows (T,H,n) from token t0 on, gathered. */
static double *gather(const double *from, int T, int H, int n, int t0, int hd)
{
    double *to = malloc((size_t)T * (size_t)n * sizeof *to);
    for (int t = 0; t < T; t++)
        memcpy(to + t*n, from + ((long)(t0 + t)*H + hd)*n, (size_t)n * sizeof *to);
    return to;
}

/* The sizes of the terms that gradients are sums of: a gate's gradient is a difference of them. */
static double terms(const double *x, const double *dx, int T, int n)
{
    double most = 0;
    for (int t = 0; t < T; t++) {
        double sum = 0;
        for (int r = 0; r < n; r++)
            sum += fabs(x[t*n + r] * dx[t*n + r]);
        most = fmax(most, sum);
    }
    return most;
}

/* By what the reference's gradients of one head, or of all, are measured.  A gate's gradient has what h gives to the
 * values and what the normaliser takes away, |dh.h| each: with one-hot keys nothing is left of them. */
struct scale { double vector, gate; };

static struct scale measure(const double *q, const double *k, const double *v, const double *dq, const double *dk,
                            const double *dv, int T, int K, int V)
{
    return (struct scale){ largest(dv, (long)T*V), terms(q, dq, T, K) + terms(k, dk, T, K) + terms(v, dv, T, V) };
}

static void compare(const struct mlstm_solution *a, const struct mlstm_solution *b, const struct mlstm_problem *p,
                    enum op_family family, const char *what)
{
    const int T = p->T, K = p->K, V = p->V;
    struct scale s = measure(p->q, p->k, p->v, b->dq, b->dk, b->dv, T, K, V);
    s.gate += terms(b->h, p->dh, T, V);
    const struct { const char *name; const double *a, *b; long n; double scale; } pairs[] = {
        { "h", a->h, b->h, T*V, 0 }, { "C1", a->C1, b->C1, K*V, 0 }, { "n1", a->n1, b->n1, K, 0 },
        { "dq", a->dq, b->dq, T*K, s.vector }, { "dk", a->dk, b->dk, T*K, s.vector }, { "dv", a->dv, b->dv, T*V, 0 },
        { "di", a->di, b->di, T, s.gate }, { "df", a->df, b->df, T, s.gate },
        { "dC0", a->dC0, b->dC0, K*V, s.vector }, { "dn0", a->dn0, b->dn0, K, s.vector },
    };
    for (int i = 0; i < 10; i++) {
        const double e = apart(pairs[i].a, pairs[i].b, pairs[i].n, pairs[i].scale);
        ck_assert_msg(e <= limit(family), "%s: %s off by %.2g", what, pairs[i].name, e);
        told->form[family] = fmax(told->form[family], e);
    }
    told->forms++;
}

/* Tokens t0 .. t1-1 of head hd of sequence b are one document: hold the reference's numbers against all forms. */
static void check_document(const struct op_case *fw, const struct op_case *bw, int b, int hd, int t0, int t1,
                           enum op_family family, const char *where)
{
    const int H = case_dim(fw, 'H'), K = case_dim(fw, 'K'), V = case_dim(fw, 'V'), all = case_dim(fw, 'T'), T = t1 - t0;
    const long bh = (long)b*H + hd, row = ((long)b*all)*H;
    const double *start = case_arg(fw, "start");
    const int first = t0 == 0 && (!start || start[b*all] < 0), last = t1 == all;
    double *const none = calloc((size_t)(K*V), sizeof *none);
#define ROWS(c, name, n) gather(case_arg(c, name) + row*(n), T, H, n, t0, hd)
#define STATE(c, name, n) (case_arg(c, name) ? case_arg(c, name) + bh*(n) : NULL)
    const double *dC1 = last ? STATE(bw, "dC1", K*V) : NULL, *dn1 = last ? STATE(bw, "dn1", K) : NULL;
    struct mlstm_problem p = {
        T, K, V, case_dim(fw, 'g'), ROWS(fw, "q", K), ROWS(fw, "k", K), ROWS(fw, "v", V), ROWS(fw, "i", 1),
        ROWS(fw, "f", 1), first ? STATE(fw, "C0", K*V) : NULL, first ? STATE(fw, "n0", K) : NULL,
        first && case_arg(fw, "m0") ? case_arg(fw, "m0")[bh] : 0, last ? case_arg(fw, "m1")[bh] : 0, fw->scalar[0],
        ROWS(bw, "dh", V), dC1 ? dC1 : none, dn1 ? dn1 : none
    };
    struct mlstm_solution ref = { ROWS(fw, "h", V), NULL, NULL, ROWS(bw, "dq", K), ROWS(bw, "dk", K), ROWS(bw, "dv", V),
                                  ROWS(bw, "di", 1), ROWS(bw, "df", 1), NULL, NULL };
    for (int L = -1; L <= T; L++) {    /* -1 is the parallel form, 0 the recurrent one */
        char what[320];
        if (L < 0 && p.C0)
            continue;
        struct mlstm_solution s = mlstm_solution_new(T, K, V);
        if (L < 0)
            mlstm_parallel(&s, &p);
        else if (L == 0)
            mlstm_recurrent(&s, &p);
        else
            mlstm_chunkwise(&s, &p, L);
        ref.C1 = last ? STATE(fw, "C1", K*V) : s.C1;    /* where the reference has none: nothing to compare */
        ref.n1 = last ? STATE(fw, "n1", K) : s.n1;
        ref.dC0 = p.C0 && case_arg(bw, "dC0") ? STATE(bw, "dC0", K*V) : s.dC0;
        ref.dn0 = p.C0 && case_arg(bw, "dC0") ? STATE(bw, "dn0", K) : s.dn0;
        snprintf(what, sizeof what, "%s, tokens %d to %d, form %d", where, t0, t1 - 1, L);
        compare(&ref, &s, &p, family, what);
        mlstm_solution_free(&s);
    }
    const double *gathered[] = { p.q, p.k, p.v, p.i, p.f, p.dh, ref.h, ref.dq, ref.dk, ref.dv, ref.di, ref.df, none };
    for (int i = 0; i < 13; i++)
        free((void *)gathered[i]);
}

START_TEST(forms_agree)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct op_case fw, bw;
        char where[WHERE];
        draw_cell(&fw, &bw, seed, families[_i], 14, where);
        const int B = case_dim(&fw, 'B'), T = case_dim(&fw, 'T'), H = case_dim(&fw, 'H');
        const double *start = case_arg(&fw, "start");
        for (int b = 0; b < B; b++)
            for (int t0 = 0, t1; t0 < T; t0 = t1) {
                for (t1 = t0 + 1; t1 < T && !(start && start[b*T + t1] == t1); )
                    t1++;
                for (int hd = 0; hd < H; hd++)
                    check_document(&fw, &bw, b, hd, t0, t1, families[_i], where);
            }
        op_case_free(&fw);
        op_case_free(&bw);
    }
}
END_TEST

/* ---- splits */

enum { PIECES = 16 };

/* Run tokens at[0]..at[1]-1, at[1]..at[2]-1, .. of sequence b one after the other, states handed on; then backward,
 * their gradients handed back. */
static void run_pieces(struct op_case *f, struct op_case *g, const struct op_case *fw, const struct op_case *bw, int b,
                       const int *at, int pieces)
{
    for (int n = 0; n < pieces; n++) {
        case_cut(&f[n], fw, b, at[n], at[n+1], 0);
        if (n) {
            case_give(&f[n], "C0", case_arg(&f[n-1], "C1"));
            case_give(&f[n], "n0", case_arg(&f[n-1], "n1"));
            case_give(&f[n], "m0", case_arg(&f[n-1], "m1"));
        }
        case_run(&f[n]);
    }
    for (int n = pieces - 1; n >= 0; n--) {
        struct op_case c;
        case_cut(&c, bw, b, at[n], at[n+1], 0);
        case_like(&g[n], "mlstm_backward", &f[n]);
        case_give(&g[n], "dh", case_arg(&c, "dh"));
        if (n < pieces - 1 || case_arg(&c, "dC1")) {
            case_give(&g[n], "dC1", n < pieces - 1 ? case_arg(&g[n+1], "dC0") : case_arg(&c, "dC1"));
            case_give(&g[n], "dn1", n < pieces - 1 ? case_arg(&g[n+1], "dn0") : case_arg(&c, "dn1"));
        }
        if (case_arg(&f[n], "C0")) {
            case_give(&g[n], "dC0", NULL);
            case_give(&g[n], "dn0", NULL);
        }
        case_run(&g[n]);
        op_case_free(&c);
    }
}

static void check_split(const struct op_case *fw, const struct op_case *bw, int b, const int *at, int pieces,
                        enum op_family family, const char *where)
{
    static const char *const outputs[] = { "h", "m", "qn" };
    const int T = case_dim(fw, 'T'), H = case_dim(fw, 'H');
    struct op_case f[PIECES], g[PIECES], all, back;
    run_pieces(f, g, fw, bw, b, at, pieces);
    case_cut(&all, fw, b, 0, T, 0);
    case_cut(&back, bw, b, 0, T, 0);
    const struct scale s = measure(case_arg(&all, "q"), case_arg(&all, "k"), case_arg(&all, "v"), case_arg(&back, "dq"),
                                   case_arg(&back, "dk"), case_arg(&back, "dv"), T*H, case_dim(fw, 'K'),
                                   case_dim(fw, 'V'));
    for (int n = 0; n < pieces; n++) {
        for (int i = 0; i < 3; i++) {
            const long size = case_size(&f[n], outputs[i]), row = size / (at[n+1] - at[n]);
            ck_assert_msg(!memcmp(case_arg(&f[n], outputs[i]), case_arg(&all, outputs[i]) + at[n] * row,
                                  (size_t)size * sizeof(double)),
                          "%s: %s differs from token %d on", where, outputs[i], at[n]);
        }
        for (int i = 0; i < 5; i++) {
            const long size = case_size(&g[n], gradients[i]), row = size / (at[n+1] - at[n]);
            const double *whole = case_arg(&back, gradients[i]);
            const double scale = fmax(i < 3 ? s.vector : s.gate, largest(whole, row * T));
            const double e = apart(case_arg(&g[n], gradients[i]), whole + at[n] * row, size, scale);
            ck_assert_msg(e <= limit(family), "%s: %s off by %.2g from token %d on", where, gradients[i], e, at[n]);
            told->split[family] = fmax(told->split[family], e);
        }
    }
    ck_assert_msg(case_same(&f[pieces-1], &all, "C1") && case_same(&f[pieces-1], &all, "n1"), "%s: the state differs",
                  where);
    if (case_arg(&back, "dC0"))
        ck_assert_msg(apart(case_arg(&g[0], "dC0"), case_arg(&back, "dC0"), case_size(&back, "dC0"), s.vector) <=
                              limit(family) &&
                          apart(case_arg(&g[0], "dn0"), case_arg(&back, "dn0"), case_size(&back, "dn0"), s.vector) <=
                              limit(family),
                      "%s: the gradient of the first state differs", where);
    told->splits++;
    for (int n = 0; n < pieces; n++) {
        op_case_free(&f[n]);
        op_case_free(&g[n]);
    }
    op_case_free(&all);
    op_case_free(&back);
}

START_TEST(splits_agree)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct op_case fw, bw;
        char where[WHERE];
        draw_cell(&fw, &bw, seed, families[_i], 10, where);
        const int T = case_dim(&fw, 'T');
        int tokens[PIECES + 1];
        for (int t = 0; t <= T; t++)
            tokens[t] = t;
        for (int b = 0; b < case_dim(&fw, 'B'); b++) {
            for (int t = 1; t < T; t++)
                check_split(&fw, &bw, b, (int[]){ 0, t, T }, 2, families[_i], where);
            check_split(&fw, &bw, b, tokens, T, families[_i], where);    /* decoding */
        }
        op_case_free(&fw);
        op_case_free(&bw);
    }
}
END_TEST

/* ---- documents and decoding */

static const struct { const char *op, *outputs[6]; int start_may_go; } packed[] = {
    { "attention_forward",  { "y", "lse" }, 1 },
    { "attention_backward", { "dq", "dk", "dv" }, 1 },
    { "rope_forward",       { "y" }, 1 },
    { "rope_backward",      { "dx" }, 1 },
    { "mlstm_forward",      { "h", "m", "qn" }, 1 },
    { "delta_forward",      { "y", "r" }, 1 },
    { "delta_backward",     { "dq", "dk", "dv", "dg", "dbeta" }, 0 },
    { "conv_forward",       { "y" }, 1 },
    { "conv_backward",      { "dx" }, 1 },
    { "mlstm_backward",     { "dq", "dk", "dv", "di", "df" }, 0 },   /* where a state comes in, df_0 is not exactly 0 */
};
enum { N_PACKED = sizeof packed / sizeof packed[0] };

/* A case whose sequences begin with documents of their own, without states or cached keys; gradients from 0. */
static void draw_packed(struct op_case *c, int op, uint64_t seed)
{
    static const char *const states[] = { "C0", "dC1", "dC0", "S0", "dS1", "dS0" };
    unsigned optional = ~0u;
    op_draw_dims(c, op, seed, 12);
    op_draw_scalars(c, seed);
    for (int i = 0; i < 6; i++)
        if (op_arg_find(&swax_ops[op], states[i]) >= 0)
            optional &= ~(1u << swax_ops[op].arg[op_arg_find(&swax_ops[op], states[i])].optional);
    if (strchr(swax_ops[op].dims, 'S'))
        c->dims[2] = c->dims[1];
    op_draw(c, seed, OP_GAUSS, optional, SWAX_PREC_F64);
    for (long e = 0; e < case_size(c, "start"); e++)
        case_arg(c, "start")[e] = fmax(0, case_arg(c, "start")[e]);
    if (op_forward_of(op) >= 0 && op_arg_find(&swax_ops[op], "q") >= 0)
        case_refresh(c);    /* what was saved, for these documents */
    for (int i = 0; i < c->n; i++)
        if (swax_ops[op].arg[i].role == ADD && c->arg[i])
            case_give(c, swax_ops[op].arg[i].name, NULL);
}

START_TEST(documents_stand_alone)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct op_case c, done;
        char where[240];
        draw_packed(&c, op_find(packed[_i].op), seed);
        op_case_describe(&c, where, sizeof where);
        op_case_copy(&done, &c);
        case_run(&done);
        const int T = case_dim(&c, 'T');
        const double *start = case_arg(&c, "start");
        for (int b = 0; b < case_dim(&c, 'B'); b++)
            for (int t0 = 0, t1; t0 < T; t0 = t1) {
                struct op_case own, is;
                for (t1 = t0 + 1; t1 < T && start[b*T + t1] != t1; )
                    t1++;
                case_cut(&own, &c, b, t0, t1, 0);
                case_cut(&is, &done, b, t0, t1, 0);
                if (packed[_i].start_may_go && seed % 2)
                    case_drop(&own, "start");
                if (op_forward_of(own.op) >= 0 && op_arg_find(&swax_ops[own.op], "Ss") >= 0)
                    case_refresh(&own);
                case_run(&own);
                for (int i = 0; packed[_i].outputs[i]; i++)
                    ck_assert_msg(case_same(&own, &is, packed[_i].outputs[i]),
                                  "%s: %s of tokens %d to %d of sequence %d differs from a run of its own", where,
                                  packed[_i].outputs[i], t0, t1 - 1, b);
                told->documents++;
                op_case_free(&own);
                op_case_free(&is);
            }
        op_case_free(&c);
        op_case_free(&done);
    }
}
END_TEST

/* A step has the cached keys of its window, or one more, or all; the cell's decoding is the longest of the splits
 * above. */
START_TEST(decoding_is_prefill)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct op_case c, done;
        char where[240];
        op_case_make(&c, op_find("attention_forward"), seed, seed % 2 ? OP_GAUSS : OP_HUGE, 14, SWAX_PREC_F64);
        op_case_describe(&c, where, sizeof where);
        op_case_copy(&done, &c);
        case_run(&done);
        const int T = case_dim(&c, 'T'), old = case_dim(&c, 'S') - T, W = case_dim(&c, 'W');
        for (int b = 0; b < case_dim(&c, 'B'); b++)
            for (int t0 = 0, t1; t0 < T; t0 = t1) {
                struct op_case step, is;
                t1 = t0 + 1 + (seed % 3 ? 0 : (int)(seed % 4));    /* prefill by pieces, too */
                t1 = t1 < T ? t1 : T;
                const int all = old + t0, some = (int)(seed % 5) < 2 ? all : W - 1 + (int)(seed % 5 == 2);
                case_cut(&step, &c, b, t0, t1, some < all ? some : all);
                case_cut(&is, &done, b, t0, t1, 0);
                case_run(&step);
                ck_assert_msg(
                    !memcmp(case_arg(&step, "y"), case_arg(&is, "y"), (size_t)case_size(&is, "y") * sizeof(double)) &&
                        case_same(&step, &is, "lse"),
                    "%s: tokens %d to %d differ", where, t0, t1 - 1);
                told->steps++;
                op_case_free(&step);
                op_case_free(&is);
            }
        op_case_free(&c);
        op_case_free(&done);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("forms");
    TCase *tc = tcase_create("forms");
    told = shared_memory(sizeof *told);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, forms_agree, 0, N_FAMILIES);
    tcase_add_loop_test(tc, splits_agree, 0, N_FAMILIES);
    tcase_add_loop_test(tc, documents_stand_alone, 0, N_PACKED);
    tcase_add_test(tc, decoding_is_prefill);
    suite_add_tcase(s, tc);
    const int failed = suite_ends(s);
    for (int i = 0; i < N_FAMILIES; i++)
        printf("%-9s  worst of the forms %.1e, of the splits %.1e\n", op_family_name[families[i]],
               told->form[families[i]], told->split[families[i]]);
    printf("%ld comparisons of forms, %ld splits; %ld documents and %ld decoding steps to the bit\n", told->forms,
           told->splits, told->documents, told->steps);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
