/* operands.c - what rounding to bf16 on the way leaves: attention's, in one direction; the delta rule's, the cell's and
 * RoPE's stand in files of their own.
 *
 * On tensor cores attention's weights are rounded to bf16 where they enter a product.  Errors of many weights go either
 * way, and leave no bias; but where all scores are equal, all weights are one number, and rounded alike: 1/3 becomes
 * 1.00195/3, and dv 0.2 % larger.  No nudge of an input shows it.  The backward's weights are those of the softmax; the
 * forward's are relative to the row's largest score, a sink's among them or not, or to a number of the kernel's own,
 * one for all rows at worst, so that eight are asked within a doubling.
 *
 * Only the projection of the errors on the truth is asked for, which is a sum over the weights: the error of one goes
 * times its value vector to the query's row (backward: times dy to the key's), and so times the truth there. */
#include "ref/oracle/inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PHASES = 8, WAYS = PHASES + 2 };      /* and relative to the row's largest, without and with the sink's */
static const double MOST_WORK = 2e9;      /* multiplications, where the reference does not tell the truth */

double op_operand(double x) { return op_round(x, REAL, SWAX_PREC_BF16); }

/* How much larger bf16 makes x > 0, as a share of it; no smaller than its normal numbers are. */
static double rounded_up(double x)
{
    int exponent;
    const double m = frexp(x, &exponent);
    return op_operand(m) / m - 1;
}

/* q.k / sqrt(D) of a row's keys, and the largest. */
static double scores(double *score, const struct op_case *c, const double *q, long key, long keys)
{
    const int G = c->dims[4], D = c->dims[5];
    const double *k = op_named(c, "k");
    double most = -(double)INFINITY;
    for (long j = 0; j < keys; j++) {
        double sum = 0;
        for (int e = 0; e < D; e++)
            sum += q[e] * k[(key + j * G) * D + e];
        score[j] = sum / sqrt(D);
        most = fmax(most, score[j]);
    }
    return most;
}

/* What the rounding of one row's weights errs, along the truth: of p = exp(score - lse), or, in the forward, of
 * exp(score) 2^(way/PHASES) and exp(score - largest).  A weight's error counts as row.key does: one of these is the
 * truth, the other what the weight is multiplied by; `step` leads from key to key. */
static void round_row(double sum[WAYS], const double *score, long keys, const double largest[2], double lse,
                      int backward, const double *row, const double *key, long step, int D)
{
    double by[PHASES];
    for (int way = 0; way < PHASES; way++)
        by[way] = exp2((double)way / PHASES);
    for (long j = 0; j < keys; j++) {
        const double p = exp(score[j] - lse);
        double with = 0;
        if (!(p > 0))
            continue;
        for (int e = 0; e < D; e++)
            with += row[e] * key[j * step + e];
        if (!isfinite(with))
            continue;
        const double z = score[j] / log(2), of = backward ? p : exp2(z - floor(z));
        for (int way = 0; way < (backward ? 1 : PHASES); way++)
            sum[way] += p * rounded_up(of * by[way]) * with;
        for (int way = PHASES; way < WAYS && !backward; way++)
            sum[way] += p * rounded_up(exp(score[j] - largest[way - PHASES])) * with;
    }
}

/* The truth by its largest element, without what stood there, and without what is not finite; its square. */
static double *along_of(const double *truth, const double *before, long n, double *most, double *square)
{
    double *w = op_take((size_t)n, sizeof *w);
    *most = *square = 0;
    for (long e = 0; e < n; e++) {
        w[e] = truth[e] - (before ? before[e] : 0);
        w[e] = isfinite(w[e]) ? w[e] : 0;
        *most = fmax(*most, fabs(w[e]));
    }
    for (long e = 0; e < n && *most > 0; e++) {
        w[e] /= *most;
        *square += w[e] * w[e];
    }
    return w;
}

static void round_weights(double sum[WAYS], const struct op_case *c, const double *lse, const double *along,
                          int backward)
{
    const int *d = c->dims, B = d[0], T = d[1], S = d[2], H = d[3], G = d[4], D = d[5], W = d[6];
    const double *q = op_named(c, "q"), *x = op_named(c, backward ? "dy" : "v"), *start = op_named(c, "start");
    const double *sink = op_named(c, "sink");
    double *score = op_take((size_t)S, sizeof *score);
    for (long row = 0; row < (long)B * T * H; row++) {
        const long t = row / H % T, b = row / H / T, group = row % H * G / H, last = t + S - T;
        const long document = start ? (long)start[b * T + t] + S - T : 0, window = last - W + 1;
        const long later = window > document ? window : document, first = later > 0 ? later : 0;
        const long key = (b * S + first) * G + group;
        const double most = scores(score, c, q + row * D, key, last - first + 1),
                     largest[2] = { most, sink ? fmax(most, sink[row % H]) : most };
        round_row(sum, score, last - first + 1, largest, lse[row], backward, (backward ? x : along) + row * D,
                  (backward ? along : x) + key * D, (long)G * D, D);
    }
    free(score);
}

int op_keys_are_alike(const struct op_case *c)
{
    const int k = op_arg_find(&swax_ops[c->op], "k");
    const long T = c->dims[1], tokens = c->dims[0] * T, row = c->size[k] / tokens;
    long alike = 0;
    for (long t = 1; t < tokens; t++)
        alike += t % T && !memcmp(c->arg[k] + t * row, c->arg[k] + (t - 1) * row, (size_t)row * sizeof(double));
    return 2 * alike >= c->dims[0] * (T - 1) && T > 1;
}

/* Queries may be scaled before they are rounded, so that a product gives the scores, to base e or 2: x / sqrt(D) of a
 * bf16 x, which has 128 mantissas, and what rounding makes of each is in every score that has it. */
static void round_queries(struct op_distance *err, const struct op_case *c, const struct op_case *truth)
{
    const struct op_spec *op = &swax_ops[c->op];
    const int q = op_arg_find(op, "q"), answers[] = { op_arg_find(op, "y"), op_arg_find(op, "lse") };
    for (int base = 0; base < 2; base++) {
        const double by = (base ? 1 / log(2) : 1) / sqrt(c->dims[5]);
        struct op_case got;
        op_case_copy(&got, c);
        for (long e = 0; e < c->size[q]; e++)
            got.arg[q][e] = op_operand(by * c->arg[q][e]) / by;
        op_run(op_teller(c), SWAX_PREC_F64, &got);
        for (int k = 0; k < 2; k++) {
            const int i = answers[k];
            err[i].bias = fmax(err[i].bias, fabs(op_bias(got.arg[i], truth->arg[i], NULL, c->size[i])));
        }
        op_case_free(&got);
    }
}

static void operands_attention(struct op_distance *err, const struct op_case *c, const struct op_case *truth)
{
    const struct op_spec *op = &swax_ops[c->op];
    const int backward = !strcmp(op->name, "attention_backward"), *d = c->dims;
    double most, square, sum[WAYS] = { 0 };
    const double work = (double)d[0] * d[1] * d[3] * d[5] * (d[6] < d[2] ? d[6] : d[2]);
    if (op_teller(c) != swax_tiers[0] && work > MOST_WORK)
        return;
    const int i = op_arg_find(op, backward ? "dv" : "y");
    double *along = along_of(truth->arg[i], backward ? c->arg[i] : NULL, c->size[i], &most, &square);
    round_weights(sum, c, op_named(backward ? c : truth, "lse"), along, backward);
    for (int way = 0; way < WAYS && square > 0; way++)
        err[i].bias = fmax(err[i].bias, fabs(sum[way]) / most / square);
    free(along);
    if (!backward)
        round_queries(err, c, truth);
}

void op_operands(struct op_distance *err, const struct op_case *c, const struct op_case *truth)
{
    const char *name = swax_ops[c->op].name;
    if (!strncmp(name, "delta_", 6))
        op_operands_delta(err, c, truth);
    if (!strncmp(name, "mlstm_", 6))
        op_operands_cell(err, c, truth);
    if (!strncmp(name, "attention_", 10))
        operands_attention(err, c, truth);
    if (!strncmp(name, "rope_", 5))
        op_operands_rope(err, c, truth);
    if (!strcmp(name, "rmsnorm_forward") || !strcmp(name, "headnorm_forward"))
        op_operands_norm(err, c, truth);
}

/* ---- heads that stand for all */

long op_heads_asked(long heads, double work)
{
    static const double MOST = 2e9, ENOUGH = 2e8;      /* multiplications: a second or two, of one and of some */
    const double fit = ENOUGH / fmax(work, 1);
    return work > MOST ? 0 : fit >= (double)heads ? heads : fit < 1 ? 1 : (long)fit;
}

int op_chunk_at(long *from, long *n, long T, long chunk, long span, long at)
{
    const long parts = (span - 1) / chunk + 1, first = at / parts * span, end = first + span < T ? first + span : T;
    *from = first + at % parts * chunk;
    *n = end - *from < chunk ? end - *from : chunk;
    return *from < T;
}

/* Which of the case's heads, or groups of them, sequence by sequence, has element e of an argument? */
static long head_of(const struct op_case *c, int i, long e)
{
    const struct op_spec *op = &swax_ops[c->op];
    const char *shape = op->arg[i].shape;
    const long H = op_extent(op, 'H', c->dims), G = strchr(op->dims, 'G') ? op_extent(op, 'G', c->dims) : H;
    long b = 0, group = 0;
    for (size_t k = strlen(shape); k-- > 0; e /= op_extent(op, shape[k], c->dims)) {
        const long at = e % op_extent(op, shape[k], c->dims);
        b = shape[k] == 'B' ? at : b;
        group = shape[k] == 'H' ? at / (H / G) : shape[k] == 'G' ? at : group;
    }
    return b * G + group;
}

void op_operands_add(struct op_distance *err, struct op_case *got, const struct op_case *truth, const struct op_case *c,
                     int i, long asked)
{
    const struct op_spec *op = &swax_ops[c->op];
    const char group = strchr(op->dims, 'G') ? 'G' : 'H';
    const double all = (double)(op_extent(op, 'B', c->dims) * op_extent(op, group, c->dims));
    struct op_distance off = { 0 };
    for (long e = 0; e < c->size[i]; e++)
        got->arg[i][e] = (double)asked < all && head_of(c, i, e) >= asked
                           ? truth->arg[i][e]
                           : op_round(got->arg[i][e], op->arg[i].type, SWAX_PREC_BF16);
    op_distance_add(&off, got->arg[i], truth->arg[i], op_before(c, i), c->size[i]);
    if (!isfinite(off.most))
        return;
    err->most = fmax(err->most, off.most);
    err->rms = fmax(err->rms, off.rms * sqrt(all / (double)asked));
    err->bias = fmax(err->bias, off.bias * all / (double)asked);
}
