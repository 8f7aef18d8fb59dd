/* check_verify_tiles.c - what tiles do wrong first: do the suites see it?
 *
 * A slip is an honest kernel that goes wrong in one place: along one axis of one output, at the indices behind a tile's
 * border or in a last, partial tile, what stands there is skipped, halved, or taken from the tile before, but only if
 * the sizes are such that the slip would strike: B > 1, T a multiple of 64, K > 64, ... And the cell's chunks: the
 * state that is handed on is lost, for some rows, heads, sequences. They are drawn by seed, dozens for every kernel;
 * a suite is worth what it rejects.  SLIPS=yes prints what got through. */
#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define SWAX_F64    /* the contract in double */
#include "ref/kernels.h"
#include "tests/suite.h"
#include "tools/verify/verify.h"

static char why[SWAX_WHY];
enum { OF_A_KERNEL = 60, CONDITIONS = 2 };

/* ---- slips of an output */

enum where {
    BEHIND_16,
    BEHIND_32,
    BEHIND_64,
    BEHIND_128,
    SECOND_HALF_OF_64,
    LAST_PARTIAL_16,
    LAST_PARTIAL_64,
    LAST,
    FROM_SECOND,
    FROM_THIRD,
    WHERES
};
enum how { SKIPPED, HALVED, TILE_BEFORE, HOWS };
enum when { ANY, SEVERAL_B, SEVERAL_H, GROUPED, T_64, T_NOT_64, T_OVER_64, CACHED, LARGE_ROW, ODD_ROW, WHENS };

struct slip { int part, arg, axis; enum where where; enum how how; enum when when[CONDITIONS]; char says[160]; };

static const char *const where_says[] = { "from 16 on",
                                          "from 32 on",
                                          "from 64 on",
                                          "from 128 on",
                                          "32..63 of each 64",
                                          "in the last part of 16",
                                          "in the last part of 64",
                                          "the last",
                                          "from the second on",
                                          "from the third on" };
static const char *const how_says[] = {"skipped", "halved", "as 16 before"};
static const char *const when_says[] = { "",
                                         "B > 1",
                                         "H > 2",
                                         "1 < G < H",
                                         "T a multiple of 64",
                                         "T none of 64",
                                         "T > 64",
                                         "a cache above 64",
                                         "rows above 64",
                                         "rows no multiple of 16" };

static long size_of(const struct op_case *c, char letter)
{
    return strchr(swax_ops[c->op].dims, letter) ? op_extent(&swax_ops[c->op], letter, c->dims) : 0;
}

static int happens(enum when when, const struct op_case *c)
{
    const long T = size_of(c, 'T'), G = size_of(c, 'G'),
               row = size_of(c, strchr(swax_ops[c->op].dims, 'K')   ? 'K'
                                : strchr(swax_ops[c->op].dims, 'D') ? 'D'
                                : strchr(swax_ops[c->op].dims, 'C') ? 'C'
                                : strchr(swax_ops[c->op].dims, 'I') ? 'I'
                                : strchr(swax_ops[c->op].dims, 'V') ? 'V'
                                                                    : 'N');
    switch (when) {
    case SEVERAL_B: return size_of(c, 'B') > 1;
    case SEVERAL_H: return size_of(c, 'H') > 2;
    case GROUPED:   return G > 1 && G < size_of(c, 'H');
    case T_64:      return T && T % 64 == 0;
    case T_NOT_64:  return T % 64 != 0;
    case T_OVER_64: return T > 64;
    case CACHED:    return size_of(c, 'S') - T > 64;
    case LARGE_ROW: return row > 64;
    case ODD_ROW:   return row % 16 != 0;
    default:        return 1;
    }
}

/* Could it strike a kernel of those letters at all? */
static int thinkable(enum when when, const char *dims)
{
    static const char *const needs[] = {"", "B", "H", "G", "T", "T", "T", "S", "", ""};
    return !*needs[when] || strchr(dims, *needs[when]);
}

static int strikes(const struct slip *s, long index, long extent)
{
    switch (s->where) {
    case BEHIND_16:  return index >= 16;
    case BEHIND_32:  return index >= 32;
    case BEHIND_64:  return index >= 64;
    case BEHIND_128: return index >= 128;
    case SECOND_HALF_OF_64: return index % 64 >= 32;
    case LAST_PARTIAL_16: return extent % 16 && index >= extent / 16 * 16;
    case LAST_PARTIAL_64: return extent > 64 && extent % 64 && index >= extent / 64 * 64;
    case LAST:       return extent > 1 && index == extent - 1;
    case FROM_SECOND: return index >= 1;
    default:         return index >= 2;
    }
}

static void draw_slip(struct slip *s, const struct subject *of, uint64_t *random)
{
    do {
        s->part = (int)(op_random(random) % (uint64_t)of->n);
        s->arg = (int)(op_random(random) % (uint64_t)op_args(&swax_ops[of->op[s->part]]));
    } while (!op_answers(&swax_ops[of->op[s->part]].arg[s->arg]) || !*swax_ops[of->op[s->part]].arg[s->arg].shape);
    const struct op_spec *op = &swax_ops[of->op[s->part]];
    s->axis = (int)(op_random(random) % strlen(op->arg[s->arg].shape));
    const char letter = op->arg[s->arg].shape[s->axis];
    const int few = strchr("BHGcFJ", letter) != NULL;    /* of which there are a few, not tiles */
    s->where = few ? (enum where)(FROM_SECOND + op_random(random) % 2) : (enum where)(op_random(random) % LAST);
    s->where = !few && op_random(random) % 6 == 0 ? LAST : s->where;
    s->how = (enum how)(op_random(random) % HOWS);
    for (int k = 0; k < CONDITIONS; k++)
        do
            s->when[k] = (enum when)(op_random(random) % WHENS);
        while (!thinkable(s->when[k], op->dims));
    if ((s->when[0] == T_64 && s->when[1] == T_NOT_64) || (s->when[0] == T_NOT_64 && s->when[1] == T_64))
        s->when[1] = ANY;
    for (int k = 0; k < CONDITIONS; k++)    /* no multiple has a last part */
        if (letter == 'T' && s->when[k] == T_64 && (s->where == LAST_PARTIAL_16 || s->where == LAST_PARTIAL_64))
            s->when[k] = T_OVER_64;
    snprintf(s->says, sizeof s->says, "%s of %s: %c %s is %s%s%s%s%s", op->arg[s->arg].name, op->name, letter,
             where_says[s->where], how_says[s->how], s->when[0] || s->when[1] ? ", if " : "", when_says[s->when[0]],
             s->when[0] && s->when[1] ? " and " : "", when_says[s->when[1]]);
}

/* Can it strike that problem at all? */
static int concerns(const struct slip *s, const struct problem *p)
{
    const struct op_case *c = &p->in[s->part];
    const struct op_spec *op = &swax_ops[c->op];
    const long extent = op_extent(op, op->arg[s->arg].shape[s->axis], c->dims);
    int any = 0;
    for (int k = 0; k < CONDITIONS; k++)
        if (!happens(s->when[k], c))
            return 0;
    for (long index = 0; index < extent && !any; index++)
        any = strikes(s, index, extent);
    return any && c->arg[s->arg];
}

/* On a copy of the true answers; 1 if it changed anything. */
static int slip(const struct slip *s, const struct problem *p, double *a)
{
    const struct op_case *c = &p->truth[s->part];
    const struct op_spec *op = &swax_ops[c->op];
    const char *shape = op->arg[s->arg].shape;
    const double *before = op->arg[s->arg].role == ADD ? p->in[s->part].arg[s->arg] : NULL;
    long stride = 1;
    int changed = 0;
    for (int d = (int)strlen(shape) - 1; d > s->axis; d--)
        stride *= op_extent(op, shape[d], c->dims);
    const long extent = op_extent(op, shape[s->axis], c->dims);
    for (long e = c->size[s->arg] - 1; e >= 0; e--) {
        const long index = e / stride % extent;
        const double was = a[e], base = before ? before[e] : 0;
        if (!strikes(s, index, extent))
            continue;
        const long from = e - (index >= 16 ? 16 : index >= 1 ? 1 : 0) * stride;
        a[e] = s->how == SKIPPED ? base
             : s->how == HALVED  ? base + (was - base) / 2
                                 : base + a[from] - (before ? before[from] : 0);
        changed |= a[e] != was;
    }
    return changed;
}

/* An answer that differs from the truth in that one tensor: is it out of bounds? */
static int rejects_one(const struct problem *p, const struct slip *s, const double *a)
{
    struct op_verdict v = p->bound[s->part];
    const double *truth = p->truth[s->part].arg[s->arg];
    const long n = p->truth[s->part].size[s->arg];
    v.error[s->arg] = op_error(a, truth, n);
    v.rms[s->arg] = op_error_rms(a, truth, n);
    v.bias[s->arg] = 0;    /* which has a bound in bf16 only */
    return !op_within(&v, s->arg);
}

/* ---- slips of the cell's chunks: the reference, 64 tokens at a time, and what is handed on */

enum lost {
    NOTHING,
    ROWS_16,
    ROWS_64,
    COLUMNS_64,
    ALL_OF_C,
    N_ALONE,
    OF_SEQUENCE_0,
    OF_HEAD_0,
    M_ALONE,
    HALF_OF_C,
    LOSTS
};
static const char *const lost_says[] = { "nothing",
                                         "rows of C from 16 on",
                                         "rows of C from 64 on",
                                         "columns of C from 64 on",
                                         "C",
                                         "n alone",
                                         "all: sequence 0's state goes on",
                                         "all: head 0's state goes on",
                                         "m alone",
                                         "half of C" };
enum at { EACH, SECOND_BORDER, MULTIPLES, NO_MULTIPLES, BATCHES, THIRD_HEAD, SHORT_TAIL, WIDE, ATS };
static const char *const at_says[] = { "",        ", behind 128 tokens", ", T a multiple of 64", ", T none of 64",
                                       ", B > 1", ", heads from 2 on",   ", a tail of 1 to 15",  ", K > 64" };

struct handing { enum lost lost; enum at at; };

static int at_happens(enum at at, int B, int T, int K, int head, int t0)
{
    switch (at) {
    case SECOND_BORDER: return t0 >= 128;
    case MULTIPLES:     return T % 64 == 0;
    case NO_MULTIPLES:  return T % 64 != 0;
    case BATCHES:       return B > 1;
    case THIRD_HEAD:    return head >= 2;
    case SHORT_TAIL:    return T % 64 >= 1 && T % 64 <= 15 && t0 + 64 > T;
    case WIDE:          return K > 64;
    default:            return 1;
    }
}

/* got: the forward's answers in double, anew, chunk by chunk; 1 if something was lost */
static int chunked(struct op_case *got, const struct handing *lose)
{
    const struct op_spec *op = &swax_ops[got->op];
#define A(name) got->arg[op_arg_find(op, name)]
    const int B = (int)size_of(got, 'B'), T = (int)size_of(got, 'T'), H = (int)size_of(got, 'H'),
              K = (int)size_of(got, 'K'), V = (int)size_of(got, 'V');
    const int L = (int)size_of(got, 'L'), gate = (int)size_of(got, 'g');
    const long KV = (long)K * V, states = (long)B * H;
    double *C = calloc((size_t)(states * KV), sizeof *C), *n = calloc((size_t)(states * K), sizeof *n),
           *m = calloc((size_t)states, sizeof *m);
    int changed = 0;
    (void)L;
    if (A("C0")) {
        memcpy(C, A("C0"), (size_t)(states * KV) * sizeof *C);
        memcpy(n, A("n0"), (size_t)(states * K) * sizeof *n);
        memcpy(m, A("m0"), (size_t)states * sizeof *m);
    }
    int *start = malloc(64 * sizeof *start);
    for (int t0 = 0; t0 < T; t0 += 64) {
        const int tokens = T - t0 < 64 ? T - t0 : 64;
        for (long s = 0; s < states && t0; s++) {
            const int head = (int)(s % H);
            if (!at_happens(lose->at, B, T, K, head, t0))
                continue;
            for (long e = 0; e < KV; e++) {
                const long r = e / V, c = e % V, from = lose->lost == OF_SEQUENCE_0 ? s % H : s / H * H;
                double *x = &C[s * KV + e], was = *x;
                *x = (lose->lost == ROWS_16 && r >= 16) || (lose->lost == ROWS_64 && r >= 64) ||
                             (lose->lost == COLUMNS_64 && c >= 64) || lose->lost == ALL_OF_C
                       ? 0
                   : lose->lost == HALF_OF_C                                ? *x / 2
                   : lose->lost == OF_SEQUENCE_0 || lose->lost == OF_HEAD_0 ? C[from * KV + e]
                                                                            : *x;
                changed |= *x != was;
            }
            for (int r = 0; r < K; r++) {
                changed |= lose->lost == N_ALONE && n[s * K + r] != 0 && gate != SWAX_SIGMOID;
                n[s * K + r] = lose->lost == N_ALONE ? 0 : n[s * K + r];
            }
            changed |= lose->lost == M_ALONE && m[s] != 0;
            m[s] = lose->lost == M_ALONE ? 0 : m[s];
        }
        for (int b = 0; b < B; b++) {
            const long rows = ((long)b * T + t0) * H;
            for (int t = 0; t < tokens && A("start"); t++)
                start[t] = (int)A("start")[(long)b * T + t0 + t] - t0;
            int *documents = malloc((size_t)tokens * sizeof(int));
            memcpy(documents, start, (size_t)tokens * sizeof(int));
            swax_ref_f64.mlstm_forward(
                A("h") + rows * V, A("C1") + b * H * KV, A("n1") + (long)b * H * K, A("m1") + (long)b * H,
                A("m") + rows, A("qn") + rows, NULL, NULL, A("q") + rows * K, A("k") + rows * K, A("v") + rows * V,
                A("i") + rows, A("f") + rows, C + b * H * KV, n + (long)b * H * K, m + (long)b * H,
                A("start") ? documents : NULL, 1, tokens, H, K, V, 1 << 30, gate, got->scalar[0]);
            free(documents);
        }
        memcpy(C, A("C1"), (size_t)(states * KV) * sizeof *C);
        memcpy(n, A("n1"), (size_t)(states * K) * sizeof *n);
        memcpy(m, A("m1"), (size_t)states * sizeof *m);
    }
    free(C), free(n), free(m), free(start);
    return changed;
#undef A
}

/* ---- a suite against them all */

static struct plan plan_of(const char *suite)
{
    return (struct plan){
        .wish = { .states = 1, .documents = 1, .noise = 1 }, .seed = 1, .suite = suite_find(suite), .only = -1
    };
}

static int rejects(const struct problem *p, struct op_case *got, int part)
{
    struct op_verdict v = p->bound[part];
    return op_compare(&v, got, &p->truth[part], &p->in[part]) >= 0;
}

static void tell(const char *suite, const char *of, const char *says)
{
    if (getenv("SLIPS"))
        printf("%s lets through: %s%s\n", suite, of, says);
}

static const char *const suites[] = {"quick", "standard", "hard"};

/* The truth of a problem, and its bounds; by itself a bound of a thousandth, since a slip is of the size of what it
 * strikes, and `make test-long` asks whether the judge's own are as near. */
static void solve(struct problem *p)
{
    if (suite_long()) {
        problem_solve(p);
        return;
    }
    for (int part = 0; part < p->subject.n; part++) {
        op_case_copy(&p->truth[part], &p->in[part]);
        ck_assert(!op_run(p->in[part].by, SWAX_PREC_F64, &p->truth[part]));
        for (int i = 0; i < OP_ARGS; i++)
            p->bound[part].bound[i] = p->bound[part].rms_bound[i] = 1e-3;
    }
}

/* How many of a kernel's slips a suite rejects; *naked: of those it lets through, how many never struck. */
static int count(const struct plan *plan, const struct slip *s, int n, int *naked, char *first)
{
    unsigned char seen[OF_A_KERNEL] = {0}, struck[OF_A_KERNEL] = {0};
    struct entry e;
    int rejected = 0;
    for (int i = 0; plan_entry(plan, i, &e); i++) {
        struct problem p;
        int open = 0;
        ck_assert_msg(!problem_draw(&p, plan, i, &e, why), "%s", why);
        for (int k = 0; k < n; k++)
            open += !seen[k] && concerns(&s[k], &p);
        if (open)
            solve(&p);
        for (int k = 0; k < n && open; k++) {
            if (seen[k] || !concerns(&s[k], &p))
                continue;
            const struct op_case *truth = &p.truth[s[k].part];
            double *a = op_take((size_t)truth->size[s[k].arg], sizeof *a);
            memcpy(a, truth->arg[s[k].arg], (size_t)truth->size[s[k].arg] * sizeof *a);
            const int moved = slip(&s[k], &p, a);
            struck[k] |= moved;
            seen[k] = moved && rejects_one(&p, &s[k], a);
            free(a);
        }
        problem_free(&p);
    }
    *naked = 0;
    for (int k = 0; k < n; k++) {
        rejected += seen[k];
        *naked += !seen[k] && !struck[k];
        if (!seen[k]) {
            tell(suites[plan->suite], "", s[k].says);
            snprintf(first, 200, "%s", s[k].says);
        }
    }
    return rejected;
}

START_TEST(slips_of_outputs_are_rejected)
{
    struct slip s[OF_A_KERNEL];
    struct plan plan = plan_of("standard");
    uint64_t random = 77 + (uint64_t)_i;
    ck_assert(subject_number(_i, &plan.subject));
    if (!strcmp(plan.subject.base, "sqsum"))
        return;    /* whose only output has no axis */
    for (int k = 0; k < OF_A_KERNEL; k++)
        draw_slip(&s[k], &plan.subject, &random);
    for (int suite = 0; suite < 2 + (getenv("SLIPS") != NULL); suite++) {
        char first[200] = "";
        int naked;
        plan.suite = suite;
        const int rejected = count(&plan, s, OF_A_KERNEL, &naked, first);
        printf("%-10s %-9s %2d of %d slips of outputs rejected, %d never struck\n", plan.subject.base, suites[suite],
               rejected, OF_A_KERNEL, naked);
        if (suite)
            ck_assert_msg(rejected * 20 >= OF_A_KERNEL * 19, "%s: the suite %s rejects %d of %d, and not: %s",
                          plan.subject.base, suites[suite], rejected, OF_A_KERNEL, first);
    }
}
END_TEST

START_TEST(lost_states_are_rejected)
{
    struct plan plan = plan_of("standard");
    ck_assert(!subject_find(&plan.subject, "mlstm_forward", why));
    for (int suite = 0; suite < 2 + (getenv("SLIPS") != NULL); suite++) {
        unsigned char seen[LOSTS * ATS] = {0};
        struct entry e;
        char first[200] = "";
        int rejected = 0;
        plan.suite = suite;
        for (int i = 0; plan_entry(&plan, i, &e); i++) {
            struct problem p;
            ck_assert_msg(!problem_draw(&p, &plan, i, &e, why), "%s", why);
            if (op_extent(&swax_ops[p.in[0].op], 'T', p.in[0].dims) > 64 && case_steps(&p.in[0]) < 4e7) {
                solve(&p);
                for (int k = 0; k < LOSTS * ATS; k++) {
                    struct op_case got;
                    if (seen[k] || (k < ATS && k > 0))
                        continue;
                    op_case_copy(&got, &p.truth[0]);
                    const int lost = chunked(&got, &(struct handing){(enum lost)(k / ATS), (enum at)(k % ATS)});
                    const int off = rejects(&p, &got, 0);
                    ck_assert_msg(k || !off, "the reference in chunks is rejected in case %d", i);
                    seen[k] = lost && off;
                    op_case_free(&got);
                }
            }
            problem_free(&p);
        }
        for (int k = ATS; k < LOSTS * ATS; k++) {
            rejected += seen[k];
            if (!seen[k]) {
                tell(suites[suite], lost_says[k / ATS], at_says[k % ATS]);
                snprintf(first, sizeof first, "%s%s", lost_says[k / ATS], at_says[k % ATS]);
            }
        }
        printf("mlstm      %-9s %2d of %d lost states rejected\n", suites[suite], rejected, (LOSTS - 1) * ATS);
        if (suite)
            ck_assert_msg(rejected * 20 >= (LOSTS - 1) * ATS * 19, "the suite %s rejects %d of %d, and not: %s",
                          suites[suite], rejected, (LOSTS - 1) * ATS, first);
    }
}
END_TEST

/* ---- kernels that are right but for hard numbers in large sizes, and one head of keys under a long window */

#define F64 (&swax_ref_f64)

static void attention_of_128(real *y, stat *lse, const real *q, const real *k, const real *v, const stat *sink,
                             const int *start, int B, int T, int S, int H, int G, int D, int W)
{
    F64->attention_forward(y, lse, q, k, v, sink, start, B, T, S, H, G, D, G == 1 && H > 1 && W > 128 ? 128 : W);
}

static void cell_without_eps(real *h, stat *C1, stat *n1, stat *m1, stat *m, stat *qn, stat *Cs, stat *ns,
                             const real *q, const real *k, const real *v, const stat *i, const stat *f, const stat *C0,
                             const stat *n0, const stat *m0, const int *start, int B, int T, int H, int K, int V, int L,
                             int gate, double eps)
{
    F64->mlstm_forward(h, C1, n1, m1, m, qn, Cs, ns, q, k, v, i, f, C0, n0, m0, start, B, T, H, K, V, L, gate,
                       T > 128 && eps > 1e-3 ? 1e-3 : eps);
}

static void xent_uncapped(stat *loss, stat *lse, const stat *x, const int *target, int N, int V, double cap)
{
    F64->xent_forward(loss, lse, x, target, N, V, cap > 0 || V <= 1024 ? cap : 30);
}

/* The maximum is that of the first 1,024: exp overflows, in float, where a later one is much larger. */
static void xent_of_first_maximum(stat *loss, stat *lse, const stat *x, const int *target, int N, int V, double cap)
{
    F64->xent_forward(loss, lse, x, target, N, V, cap);
    for (int n = 0; n < N && !(cap > 0); n++) {
        double first = -INFINITY, most;
        for (int v = 0; v < V && v < 1024; v++)
            first = fmax(first, x[(long)n * V + v]);
        most = first;
        for (int v = 1024; v < V; v++)
            most = fmax(most, x[(long)n * V + v]);
        lse[n] = most - first > 88 ? (stat)INFINITY : lse[n];
    }
}

/* The maximum is that of the first 64 keys that a query sees. */
static void attention_of_first_maximum(real *y, stat *lse, const real *q, const real *k, const real *v,
                                       const stat *sink, const int *start, int B, int T, int S, int H, int G, int D,
                                       int W)
{
    F64->attention_forward(y, lse, q, k, v, sink, start, B, T, S, H, G, D, W);
    for (long row = 0; row < (long)B * T * H; row++) {
        const int h = (int)(row % H), t = (int)(row / H % T), b = (int)(row / H / T), last = t + S - T;
        int from = last - W + 1 > 0 ? last - W + 1 : 0;
        if (start && start[b * T + t] + S - T > from)
            from = start[b * T + t] + S - T;
        double first = sink ? sink[h] : -INFINITY, most = -INFINITY;
        for (int j = from; j <= last; j++) {
            double score = 0;
            for (int d = 0; d < D; d++)
                score += q[row * D + d] * k[(((long)b * S + j) * G + h * G / H) * D + d] / sqrt(D);
            first = j < from + 64 ? fmax(first, score) : first;
            most = fmax(most, score);
        }
        lse[row] = most - first > 88 ? (stat)INFINITY : lse[row];
    }
}

/* In float: one pass over a row for its mean and its mean square. */
static void variance_in_one_pass(real *y, stat *mean, stat *rstd, const real *x, const stat *w, int N, int H, int D,
                                 int center, double eps)
{
    F64->headnorm_forward(y, mean, rstd, x, w, N, H, D, center, eps);
    for (long row = 0; row < (long)N * H && center; row++) {
        float sum = 0, squares = 0;
        for (int d = 0; d < D; d++) {
            sum += (float)x[row * D + d];
            squares += (float)x[row * D + d] * (float)x[row * D + d];
        }
        const float mu = sum / (float)D, var = fmaxf(squares / (float)D - mu * mu, 0), r = 1 / sqrtf(var + (float)eps);
        for (int d = 0; d < D; d++)
            y[row * D + d] = (x[row * D + d] - mean[row]) * r * w[row % H * D + d];
    }
}

/* The maximum begins at 0, or leaves out the last: exp vanishes, or overflows, in float. */
static void xent_of_a_maximum(stat *loss, stat *lse, const stat *x, const int *target, int N, int V, double cap,
                              double most, int words)
{
    F64->xent_forward(loss, lse, x, target, N, V, cap);
    for (int n = 0; n < N && !(cap > 0); n++) {
        double taken = most, all = -INFINITY;
        for (int v = 0; v < V; v++) {
            taken = v < words ? fmax(taken, x[(long)n * V + v]) : taken;
            all = fmax(all, x[(long)n * V + v]);
        }
        lse[n] = fabs(all - taken) > 104 ? (all - taken) * (stat)INFINITY : lse[n];
    }
}

static void xent_from_zero(stat *loss, stat *lse, const stat *x, const int *target, int N, int V, double cap)
{
    xent_of_a_maximum(loss, lse, x, target, N, V, cap, 0, V);
}

static void xent_without_the_last(stat *loss, stat *lse, const stat *x, const int *target, int N, int V, double cap)
{
    xent_of_a_maximum(loss, lse, x, target, N, V, cap, V > 1 ? -INFINITY : x[0], V - 1);
}

/* What a token writes, over beta. */
static void residual_over_beta(real *y, stat *S1, stat *r, stat *Ss, const real *q, const real *k, const real *v,
                               const stat *g, const stat *beta, const stat *S0, const int *start, int B, int T, int H,
                               int G, int K, int V, int J, int L, int erase, double scale)
{
    F64->delta_forward(y, S1, r, Ss, q, k, v, g, beta, S0, start, B, T, H, G, K, V, J, L, erase, scale);
    for (long e = 0; e < (long)B * T * H * V; e++)
        r[e] = beta[e / V] > 0 ? r[e] : NAN;
}

static void adamw_of_large_norms(stat *w, stat *m, stat *v, const stat *g, const double *sum, int N, int step,
                                 double lr, double beta1, double beta2, double eps, double decay, double clip)
{
    F64->adamw(w, m, v, g, sum, N, step, lr, beta1, beta2, eps, decay, sum && *sum > 9 ? 0 : clip);
}

/* Rows before the call that are of another document. */
static void conv_of_another_document(real *y, const real *x, const stat *w, const stat *b, const int *start, int B,
                                     int T, int S, int C, int F)
{
    int *first = start ? malloc((size_t)B * (size_t)T * sizeof *first) : NULL;
    for (long e = 0; e < (long)B * T && start; e++)
        first[e] = start[e] < 0 ? -S : start[e];
    F64->conv_forward(y, x, w, b, first, B, T, S, C, F);
    free(first);
}

static const struct { const char *subject, *says; struct swax_kernels_f64 table; } meet[] = {
    {"headnorm_forward", "the variance in one pass", {.headnorm_forward = variance_in_one_pass}},
    {"xent_forward", "the maximum begins at 0", {.xent_forward = xent_from_zero}},
    {"xent_forward", "the maximum without the last", {.xent_forward = xent_without_the_last}},
    {"delta_forward", "r is u / beta", {.delta_forward = residual_over_beta}},
    {"adamw", "norms above 3 are not clipped", {.adamw = adamw_of_large_norms}},
    {"conv_forward", "documents that began before the call", {.conv_forward = conv_of_another_document}},
    {"attention_forward", "the maximum of the first 64 keys", {.attention_forward = attention_of_first_maximum}},
    {"attention_forward", "one key head, a window of at most 128", {.attention_forward = attention_of_128}},
    {"mlstm_forward", "eps of at most 1e-3 beyond 128 tokens", {.mlstm_forward = cell_without_eps}},
    {"xent_forward", "a cap of 30 beyond 1,024 words", {.xent_forward = xent_uncapped}},
    {"xent_forward", "the maximum of the first 1,024 words", {.xent_forward = xent_of_first_maximum}}};

START_TEST(hard_numbers_meet_large_sizes)
{
    struct plan plan = plan_of("standard");
    struct entry e;
    int rejected = 0;
    const struct swax_tier tier = {.name = "mistaken", .usable = swax_tiers[0]->usable, .f64 = &meet[_i].table};
    ck_assert_msg(!subject_find(&plan.subject, meet[_i].subject, why), "%s", why);
    for (int i = 0; !rejected && plan_entry(&plan, i, &e); i++) {
        struct problem p;
        struct op_case got, right;
        ck_assert_msg(!problem_draw(&p, &plan, i, &e, why), "%s", why);
        op_case_copy(&got, &p.in[0]);
        op_case_copy(&right, &p.in[0]);
        op_run(&tier, SWAX_PREC_F64, &got);
        op_run(swax_tiers[0], SWAX_PREC_F64, &right);
        int moved = 0;
        for (int a = 0; a < got.n; a++)
            moved |= got.arg[a] && memcmp(got.arg[a], right.arg[a], (size_t)got.size[a] * sizeof(double));
        if (moved) {
            problem_solve(&p);
            rejected = rejects(&p, &got, 0);
        }
        op_case_free(&got), op_case_free(&right);
        problem_free(&p);
    }
    ck_assert_msg(rejected, "%s is good on standard: %s", meet[_i].subject, meet[_i].says);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("verify's sizes");
    TCase *t = tcase_create("slips");
    struct subject unused;
    int groups = 0;
    while (subject_number(groups, &unused))
        groups++;
    tcase_set_timeout(t, 900);
    tcase_add_loop_test(t, slips_of_outputs_are_rejected, 0, groups);
    tcase_add_test(t, lost_states_are_rejected);
    suite_add_tcase(s, t);
    t = tcase_create("numbers");
    tcase_set_timeout(t, 900);
    tcase_add_loop_test(t, hard_numbers_meet_large_sizes, 0, sizeof meet / sizeof *meet);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
