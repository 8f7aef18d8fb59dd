/* door_tensor.c - one tensor of a kernel that nobody here knows, judged as those of kernels.h are:
 * ref/oracle/judge.c. */
#include "tools/verify/door.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/half.h"

enum { NOISE = 8 };                   /* so much more may whoever errs more than the truth, where honest ones do too */

const long door_sizes[3] = {sizeof(struct op_spec), sizeof(struct door_problem), sizeof(struct door_tensor)};

static enum op_type type_of(int statistic) { return statistic ? STAT : REAL; }

void door_round(double *a, long n, int dtype, int statistic)
{
    const int half = dtype == DT_F16 && !statistic;
    for (long e = 0; e < n; e++)
        a[e] = half ? half_to_double(half_from_double(a[e]))
                    : op_round(a[e], type_of(statistic), dtype_precision((enum dtype)dtype));
}

/* f16 has bf16's rule with an eighth of the bounds, so its numbers move by bf16's rounding, as in op_truth. */
void door_nudge(double *a, long n, int dtype, int statistic, uint64_t seed)
{
    uint64_t state = seed;
    op_nudge_numbers(a, n, type_of(statistic), dtype_precision((enum dtype)dtype), seed ? &state : NULL);
}

void door_honest(struct door_tensor *t, const double *evaluation, int nudged)
{
    struct op_distance *all = nudged ? &t->nudged : &t->plain;
    const double bias = all->bias;
    op_distance_add(all, evaluation, t->truth, NULL, t->n);
    all->bias = nudged > 1 ? bias : all->bias;
}

static struct op_distance bounds_of(const struct door_tensor *t, const struct op_arg *a, enum swax_precision precision)
{
    return op_bounds(&t->plain, &t->nudged, a, t->n, precision, t->truth, NULL, t->n);
}

/* What f16 rounds away of the truth: much, where its numbers are below 6e-5. */
static struct op_distance rounding(const struct door_tensor *t)
{
    struct op_distance off = {0, 0, 0};
    double *rounded = op_take((size_t)t->n, sizeof *rounded);
    memcpy(rounded, t->truth, (size_t)t->n * sizeof *rounded);
    door_round(rounded, t->n, DT_F16, t->statistic);
    op_distance_add(&off, rounded, t->truth, NULL, t->n);
    free(rounded);
    return off;
}

/* Where the truth is within bf16's reach, f16 is held to an eighth of what bf16 may err, to no less than float, and to
 * twice what it rounds away. */
static struct op_distance bounds(const struct door_tensor *t)
{
    const struct op_arg a = {.name = "", .role = t->gradient ? ADD : OUT, .type = type_of(t->statistic)};
    struct op_distance most = bounds_of(t, &a, dtype_precision((enum dtype)t->dtype));
    if (t->dtype == DT_F16) {
        const struct door_tensor in_float = {.plain = t->plain, .truth = t->truth, .n = t->n};
        const struct op_distance least = bounds_of(&in_float, &a, SWAX_PREC_F32);
        const struct op_distance away = rounding(t);
        most = (struct op_distance){fmax(fmax(most.most / 8, least.most), 2 * away.most),
                                    fmax(fmax(most.rms / 8, least.rms), 2 * away.rms),
                                    fmax(most.bias / 8, 2 * away.bias)};
    }
    return most;
}

/* A gradient that is 0 in all elements is a difference of terms, such as those of a norm of one element: what a
 * rounding of them leaves there has nothing that it could be measured by. */
static int is_zero(const double *a, long n)
{
    long zeros = 0;
    while (zeros < n && a[zeros] == 0)
        zeros++;
    return zeros == n;
}

void door_tensor_judge(struct door_tensor *t)
{
    double most = -1;
    t->bound = bounds(t);
    t->error = (struct op_distance){0, 0, 0};
    op_distance_add(&t->error, t->got, t->truth, NULL, t->n);
    const int vanishes = t->gradient && is_zero(t->truth, t->n);
    t->asked = !vanishes && (t->bound.most < 1 || t->bound.rms < 1);
    const double noise = t->asked ? 1 : NOISE;
    t->within = isfinite(t->error.most) &&
                (vanishes || (t->error.most <= noise * t->bound.most && t->error.rms <= noise * t->bound.rms &&
                              (t->bound.bias <= 0 || t->error.bias <= noise * t->bound.bias)));
    t->ulp = 0;
    t->worst = 0;
    for (long e = 0; e < t->n; e++) {
        const double d = answer_off(t->got[e], t->truth[e]);
        t->worst = d > most ? e : t->worst;
        most = fmax(most, d);
        t->ulp = fmax(t->ulp, d / neighbours_apart(t->truth[e], type_of(t->statistic), (enum dtype)t->dtype));
    }
    t->looks[0] = 0;
    if (!t->within) {
        struct sight s = {.got = t->got, .truth = t->truth, .n = t->n, .unwritten = t->unwritten,
                          .bound = t->bound.most, .axes = t->axes};
        for (int d = 0; d < t->axes; d++)
            s.axis[d] = t->axis[d];
        looks_of(t->looks, &s);
    }
}
