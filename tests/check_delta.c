/* check_delta.c - the delta rule and linear attention in double: against their form by chunks, cut at any token, on
 * every small shape, and by what must hold whatever the numbers are. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "ref/oracle/faults/faults.h"
#include "tests/cases.h"
#include "tests/delta_forms.h"
#include "tests/suite.h"

static const double LIMIT = 1e-12;
enum { SEEDS = 60 };
static struct { long forms, splits, shapes, integers; double form, split, shape, identity; } *told;
static char where[300];

static void draw(struct op_case *c, const char *op, uint64_t seed, enum op_family family)
{
    case_draw(c, op, seed, family);
    snprintf(where, sizeof where, "%s seed %d ", op_family_name[family], (int)seed);
    op_case_describe(c, where + strlen(where), sizeof where - strlen(where));
}

static void near(double *worst, double a, double b, double size, const char *what)
{
    const double error = fabs(a - b) / fmax(size, 1e-300);
    *worst = fmax(*worst, error);
    ck_assert_each(error <= LIMIT, "%s: %.17g is not %.17g, of %.2g: %s", what, a, b, size, where);
}

static void all_near(double *worst, const double *a, const double *b, long n, const char *what)
{
    const double size = fmax(largest(b, n), 1);
    for (long e = 0; e < n; e++)
        near(worst, a[e], b[e], size, what);
}

/* ---- the form by chunks.  One head of one sequence, out of arrays that hold several. */

struct cut { int b, h, T, H, G, K, V, J; };

static double *taken(const double *x, const struct cut *a, int heads, int width)
{
    double *to = malloc((size_t)(a->T * width) * sizeof *to);
    for (int t = 0; t < a->T; t++)
        memcpy(to + t*width, x + (((long)a->b*a->T + t)*heads + (long)a->h*heads/a->H)*width,
               (size_t)width * sizeof *to);
    return to;
}

/* Compare both kernels' answers with those of chunks of L tokens, gradients of a key head being sums over its group. */
static void compare_with_chunks(double *worst, const struct op_case *f, const struct op_case *c, int L)
{
    const int B = case_dim(c, 'B'), T = case_dim(c, 'T'), H = case_dim(c, 'H'), G = case_dim(c, 'G');
    const int K = case_dim(c, 'K'), V = case_dim(c, 'V'), J = case_dim(c, 'J');
    const double *start = case_arg(c, "start"), *S0 = case_arg(c, "S0"), *dS1 = case_arg(c, "dS1");
    const double *dS0 = case_arg(c, "dS0");
    double *dq = calloc((size_t)case_size(c, "q"), sizeof *dq), *dk = calloc((size_t)case_size(c, "k"), sizeof *dk);
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++) {
            const struct cut a = { b, h, T, H, G, K, V, J };
            const long bh = (long)b*H + h, KV = (long)K*V;
            int *fresh = calloc((size_t)T, sizeof *fresh);
            for (int t = 0; t < T && start; t++)
                fresh[t] = start[b*T + t] == t;
            double *in[] = { taken(case_arg(c, "q"), &a, G, K),    taken(case_arg(c, "k"), &a, G, K),
                             taken(case_arg(c, "v"), &a, H, V),    taken(case_arg(c, "g"), &a, H, J),
                             taken(case_arg(c, "beta"), &a, H, 1), taken(case_arg(c, "dy"), &a, H, V) };
            const struct delta_problem p = { T, K, V, J, case_dim(c, 'e'), c->scalar[0], in[0], in[1], in[2], in[3],
                                             in[4], S0 ? S0 + bh*KV : NULL, dS1 ? dS1 + bh*KV : NULL, fresh, in[5] };
            struct delta_solution s = delta_solution_new(T, K, V, J);
            delta_chunks(&s, &p, L);
            const struct { const char *name; const double *is; double *truth; int heads, width; } rows[] = {
                { "y", case_arg(f, "y"), s.y, H, V }, { "r", case_arg(f, "r"), s.r, H, V },
                { "dv", case_arg(c, "dv"), s.dv, H, V },
                { "dg", case_arg(c, "dg"), s.dg, H, J }, { "dbeta", case_arg(c, "dbeta"), s.dbeta, H, 1 } };
            for (int i = 0; i < 5; i++) {
                double *is = taken(rows[i].is, &a, rows[i].heads, rows[i].width);
                all_near(worst, is, rows[i].truth, (long)T*rows[i].width, rows[i].name);
                free(is);
            }
            all_near(worst, case_arg(f, "S1") + bh*KV, s.S1, KV, "S1");
            if (dS0)
                all_near(worst, dS0 + bh*KV, s.dS0, KV, "dS0");
            for (int t = 0; t < T; t++)
                for (int i = 0; i < K; i++) {
                    const long at = (((long)b*T + t)*G + (long)h*G/H)*K + i;
                    dq[at] += s.dq[t*K + i], dk[at] += s.dk[t*K + i];
                }
            delta_solution_free(&s);
            for (int i = 0; i < 6; i++)
                free(in[i]);
            free(fresh);
        }
    all_near(worst, case_arg(c, "dq"), dq, case_size(c, "dq"), "dq");
    all_near(worst, case_arg(c, "dk"), dk, case_size(c, "dk"), "dk");
    free(dq), free(dk);
}

START_TEST(chunks_agree)
{
    for (uint64_t seed = 1; seed <= SEEDS && op_family_fits(op_find("delta_backward"), (enum op_family)_i); seed++) {
        struct op_case c, f;
        if (_i == OP_TINY)
            return;
        draw(&c, "delta_backward", seed, (enum op_family)_i);
        case_like(&f, "delta_forward", &c);
        case_run(&f);
        case_run(&c);
        const int T = case_dim(&c, 'T'), L[] = { 1, 2, 3, 5, T };
        for (int i = 0; i < 5; i++, told->forms++)
            compare_with_chunks(&told->form, &f, &c, L[i]);
        op_case_free(&f);
        op_case_free(&c);
    }
}
END_TEST

/* ---- cut at any token: the state, and the gradient of the state, handed over */

START_TEST(splits_agree)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case c, f;
        draw(&c, "delta_backward", seed, OP_GAUSS);
        case_like(&f, "delta_forward", &c);
        case_run(&f);
        case_run(&c);
        const int T = case_dim(&c, 'T'), B = case_dim(&c, 'B');
        for (int at = 1; at < T; at++)
            for (int b = 0; b < B; b++, told->splits++) {
                struct op_case part[2], back[2], is;
                for (int n = 0; n < 2; n++) {
                    case_cut(&part[n], &f, b, n ? at : 0, n ? T : at, 0);
                    if (n)
                        case_give(&part[1], "S0", case_arg(&part[0], "S1"));
                    case_run(&part[n]);
                    case_cut(&is, &f, b, n ? at : 0, n ? T : at, 0);
                    ck_assert_msg(case_same(&part[n], &is, "y") && case_same(&part[n], &is, "r") &&
                                      (!n || case_same(&part[1], &is, "S1")),
                                  "y, r or S1 differ where tokens from %d on are a call of their own: %s", at, where);
                    op_case_free(&is);
                }
                for (int n = 1; n >= 0; n--) {
                    case_cut(&back[n], &c, b, n ? at : 0, n ? T : at, 0);
                    if (n)
                        case_give(&back[1], "S0", case_arg(&part[0], "S1"));
                    else
                        case_give(&back[0], "dS1", case_arg(&back[1], "dS0"));
                    case_give(&back[n], "dS0", NULL);
                    static const char *const saved[] = { "S1", "r", "Ss" }, *const given[] = { "dq", "dk", "dv", "dg",
                                                                                               "dbeta" };
                    for (int i = 0; i < 3; i++)
                        case_give(&back[n], saved[i], case_arg(&part[n], saved[i]));
                    for (int i = 0; i < 5; i++)
                        case_give(&back[n], given[i], NULL);
                    case_run(&back[n]);
                    case_cut(&is, &c, b, n ? at : 0, n ? T : at, 0);
                    for (int i = 0; i < 5; i++)
                        all_near(&told->split, case_arg(&back[n], given[i]), case_arg(&is, given[i]),
                                 case_size(&is, given[i]), given[i]);
                    if (!n && case_arg(&c, "dS0"))
                        all_near(&told->split, case_arg(&back[0], "dS0"), case_arg(&is, "dS0"), case_size(&is, "dS0"),
                                 "dS0");
                    op_case_free(&is);
                }
                for (int n = 0; n < 2; n++) {
                    op_case_free(&part[n]);
                    op_case_free(&back[n]);
                }
            }
        op_case_free(&f);
        op_case_free(&c);
    }
}
END_TEST

/* L says where states are kept and nothing else: to the bit */
START_TEST(chunk_length_changes_nothing)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case a, b;
        draw(&a, "delta_backward", seed, OP_GAUSS);
        op_case_copy(&b, &a);
        const int T = case_dim(&a, 'T');
        a.dims[7] = T;
        b.dims[7] = 1 + (int)(seed % (uint64_t)T);
        for (int n = 0; n < 2; n++) {
            struct op_case *c = n ? &b : &a;
            c->size[op_arg_find(&swax_ops[c->op], "Ss")] =
                op_arg_size(&swax_ops[c->op], op_arg_find(&swax_ops[c->op], "Ss"), c->dims);
            case_give(c, "Ss", NULL);
            case_refresh(c);
            case_run(c);
        }
        static const char *const all[] = { "dq", "dk", "dv", "dg", "dbeta", "r" };
        for (int i = 0; i < 6; i++)
            ck_assert_msg(case_same(&a, &b, all[i]), "%s depends on L: %s", all[i], where);
        op_case_free(&a);
        op_case_free(&b);
    }
}
END_TEST

/* ---- every small shape, against chunks of two tokens */

/* Where documents begin: bit t of `cuts` for token t. */
static void set_documents(struct op_case *c, unsigned cuts)
{
    double first = -3;
    case_give(c, "start", NULL);
    for (int t = 0; t < case_dim(c, 'T'); t++)
        case_arg(c, "start")[t] = first = cuts >> t & 1 ? t : first;
}

static void small_shape(const int dims[OP_DIMS], unsigned optional, unsigned cuts, uint64_t seed)
{
    struct op_case c = { .op = op_find("delta_backward") }, f;
    memcpy(c.dims, dims, sizeof c.dims);
    c.scalar[0] = 0.75;
    op_draw(&c, seed, OP_GAUSS, optional, SWAX_PREC_F64);
    snprintf(where, sizeof where, "documents %x ", cuts);
    op_case_describe(&c, where + strlen(where), sizeof where - strlen(where));
    set_documents(&c, cuts);
    case_refresh(&c);
    for (int i = 0; i < c.n; i++)
        if (swax_ops[c.op].arg[i].role == ADD && c.arg[i])
            memset(c.arg[i], 0, (size_t)c.size[i] * sizeof(double));
    case_like(&f, "delta_forward", &c);
    case_run(&f);
    case_run(&c);
    compare_with_chunks(&told->shape, &f, &c, 2);
    told->shapes++;
    op_case_free(&f);
    op_case_free(&c);
}

START_TEST(every_small_shape)
{
    static const int heads[][2] = { { 1, 1 }, { 2, 1 }, { 2, 2 }, { 3, 1 }, { 4, 2 } };
    const int H = heads[_i % 5][0], G = heads[_i % 5][1], erase = _i / 5;
    for (int T = 1; T <= 4; T++)
        for (int K = 1; K <= 3; K++)
            for (int V = 1; V <= 3; V++)
                for (int J = 1; J <= K; J += K > 1 ? K - 1 : 1)
                    for (int L = 1; L <= T; L++)
                        for (unsigned cuts = 0; cuts < 1u << T; cuts++)
                            for (unsigned given = 0; given < 4; given++)    /* S0 with dS0; dS1 */
                                for (uint64_t seed = 1; seed <= 2; seed++)
                                    small_shape((int[OP_DIMS]){ 1, T, H, G, K, V, J, L, erase },
                                                8 | (given & 1 ? 4 | 16 : 0) | (given & 2 ? 32 : 0), cuts, seed);
}
END_TEST

/* g = 0, beta 0, 1 or 2, k a signed unit vector of two channels, v -1, 0 or 1, three tokens: all of them, in
 * integers */
START_TEST(every_small_integer)
{
    const int op = op_find("delta_forward"), tokens = 36;
    struct op_case c = { .op = op, .dims = { 1, 3, 1, 1, 2, 1, 1, 2, 1 }, .scalar = { 1 } };
    op_case_alloc(&c, 2 | 4);
    for (int n = 0; n < tokens * tokens * tokens; n++) {
        struct delta_solution s = delta_solution_new(3, 2, 1, 1);
        for (int t = 0, rest = n; t < 3; t++, rest /= tokens) {
            const int way = rest % 4, axis = way / 2;
            for (int i = 0; i < 2; i++) {
                case_arg(&c, "k")[2*t + i] = i == axis ? way % 2 ? -1 : 1 : 0;
                case_arg(&c, "q")[2*t + i] = i + 1;
            }
            case_arg(&c, "beta")[t] = rest / 4 % 3;
            case_arg(&c, "v")[t] = rest / 12 % 3 - 1;
        }
        case_arg(&c, "S0")[0] = 2, case_arg(&c, "S0")[1] = -3;
        case_run(&c);
        const struct delta_problem p = { 3, 2, 1, 1, 1, 1, case_arg(&c, "q"), case_arg(&c, "k"), case_arg(&c, "v"),
                                         case_arg(&c, "g"),
                                         case_arg(&c, "beta"), case_arg(&c, "S0"), NULL, (int[]){ 0, 0, 0 }, NULL };
        delta_chunks(&s, &p, 2);
        ck_assert_msg(!memcmp(s.y, case_arg(&c, "y"), sizeof(double[3])) &&
                          !memcmp(s.r, case_arg(&c, "r"), sizeof(double[3])) &&
                          !memcmp(s.S1, case_arg(&c, "S1"), sizeof(double[2])),
                      "integers, case %d", n);
        delta_solution_free(&s);
        told->integers++;
    }
    op_case_free(&c);
    ck_assert_int_eq(told->integers, 46656);
}
END_TEST

/* ---- the library of wrong kernels: every one of these is refused by some family, in double and in float; those with
 * nothing wrong, one by tokens and one by chunks, by none */

typedef const struct fault *fault_fn(int i, struct swax_tier *tier);
static struct { int faults, judged; } *library;

static int ours(const struct fault *f)
{
    return !strcmp(f->op, "delta") || !strcmp(f->op, "conv") || !strcmp(f->op, "decay") || !strcmp(f->op, "strength") ||
           strstr(f->name, "sink");
}

/* How many cases refuse it; for a fault the first is enough. */
static int refused(const struct fault *f, const struct swax_tier *tier, enum swax_precision p, int seeds, int first)
{
    int bad = 0;
    for (int part = 0; part < 2; part++) {
        char name[64];
        snprintf(name, sizeof name, "%s_%s", f->op, part ? "backward" : "forward");
        const int op = op_find(name);
        for (int family = 0; family < OP_FAMILIES && op_present(tier, p, op); family++)
            for (int seed = 1; seed <= seeds && op_family_fits(op, (enum op_family)family) && !(bad && first); seed++) {
                struct op_case c;
                struct op_verdict v;
                op_case_make(&c, op, (uint64_t)seed, (enum op_family)family, seed % 2 ? 9 : 20, p);
                const char *T = strchr(swax_ops[op].dims, 'T'), *S = strchr(swax_ops[op].dims, 'S');
                if (T && seed % 4 == 0) {    /* beyond a chunk of 64 */
                    op_case_free(&c);
                    c.dims[0] = 1;
                    c.dims[T - swax_ops[op].dims] = 70;
                    if (S)
                        c.dims[S - swax_ops[op].dims] = 70;
                    op_draw(&c, (uint64_t)seed, (enum op_family)family, ~0u, p);
                }
                if (op_judge(&v, tier, p, &c) >= 0 && !bad++)
                    snprintf(where, sizeof where, "%s seed %d, ", op_family_name[family], seed);
                library->judged++;
                op_case_free(&c);
            }
    }
    return bad;
}

START_TEST(faults_are_refused)
{
    static fault_fn *const find[] = { fault_f32, fault_f64 };
    struct swax_tier tier;
    for (int i = 0; find[_i](i, &tier); i++) {
        const struct fault *f = find[_i](i, &tier);
        if (!ours(f))
            continue;
        library->faults += _i;
        ck_assert_msg(refused(f, &tier, _i ? SWAX_PREC_F64 : SWAX_PREC_F32, 16, 1), "%s %s was let through: %s", f->op,
                      f->name, f->says);
    }
}
END_TEST

/* An order whose decays are differences of sums errs more than the loop that op_judge's bound is made of.  The judge of
 * `swax verify` has it among its orders, and check_verify asks it there. */
static int errs_as_a_loop(const struct fault *f) { return !strstr(f->name, "sums"); }

START_TEST(honesty_is_accepted)
{
    static fault_fn *const find[] = { fault_none_f32, fault_none_f64 };
    struct swax_tier tier;
    for (int i = 0; find[_i](i, &tier); i++) {
        const struct fault *f = find[_i](i, &tier);
        const int bad = ours(f) && errs_as_a_loop(f) ? refused(f, &tier, _i ? SWAX_PREC_F64 : SWAX_PREC_F32, 16, 0) : 0;
        ck_assert_msg(!bad, "%s %s was refused %d times, first at %s", f->op, f->name, bad, where);
    }
}
END_TEST

void delta_identities(TCase *tc, char *text, double *worst);    /* tests/delta_identities.c */

int main(void)
{
    Suite *s = suite_create("delta");
    TCase *tc = tcase_create("forms");
    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    library = mmap(NULL, sizeof *library, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, chunks_agree, 0, OP_FAMILIES);
    tcase_add_test(tc, splits_agree);
    tcase_add_test(tc, chunk_length_changes_nothing);
    tcase_add_loop_test(tc, every_small_shape, 0, 10);
    tcase_add_test(tc, every_small_integer);
    tcase_add_loop_test(tc, faults_are_refused, 0, 2);
    tcase_add_loop_test(tc, honesty_is_accepted, 0, 2);
    delta_identities(tc, where, &told->identity);
    suite_add_tcase(s, tc);
    const int failed = suite_ends(s);
    printf("%ld comparisons with chunks, worst %.1e; %ld splits, worst %.1e; %ld small shapes, worst %.1e; %ld of "
           "integers to the bit; identities, worst %.1e\n", told->forms, told->form, told->splits, told->split,
           told->shapes, told->shape, told->integers, told->identity);
    printf("%d faults of the delta rule and what stands around it, each refused, in float and in double; %d cases "
           "judged\n", library->faults, library->judged);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
