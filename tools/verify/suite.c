/* suite.c - which problems make a suite.
 *
 * All families at small and odd sizes; some long problems, since what is lost between chunks of 64 or 128 tokens shows
 * in nothing shorter; and sizes that cross the tiles of real kernels, 16, 32, 64 and 128 and their neighbours, all of
 * them at once and with several sequences, heads and groups: the first bugs of a kernel need a border in one size and
 * more than one of another. */
#include "tools/verify/verify.h"

#include <limits.h>
#include <string.h>

enum { QUICK, STANDARD, HARD, SUITES };      /* behind which stands "long" */
enum { SIZES = 4, ROWS = 12, TAILS = 15 };

static const struct suite {
    const char *name;
    int seeds, sizes[SIZES], longs, tokens[SIZES], tiles, tails;
} suites[SUITES] = {
    {"quick",    1, {9},              1, {70},                 4,        0},
    {"standard", 5, {9, 24, 33, 16},  4, {70, 131, 150, 1030}, 2 * ROWS, 5},
    {"hard",     8, {9, 24, 33, 60},  4, {131, 200, 257, 1400}, 3 * ROWS, TAILS},
};

int suite_find(const char *name)
{
    for (int i = 0; suite_name(i); i++)
        if (!strcmp(suite_name(i), name))
            return i;
    return -1;
}

const char *suite_name(int suite) { return suite < SUITES ? suites[suite].name : NULL; }
int suite_is_long(int suite) { return suite == SUITES; }
const char *suite_word(int suite) { return suite_is_long(suite) ? "long" : suite_name(suite); }

/* ---- sizes that cross tiles */

enum { ALL = INT_MAX };

/* One column a problem.  A second round over the columns takes every letter from another one, so that the same sizes
 * meet others. */
static const struct row { char letter; int size[ROWS]; } rows[] = {
    {'B', {3,  3,   2,   2,   4,   2,   3,   3,   2,    3,   2,  3}},
    {'T', {64, 65,  128, 131, 15,  192, 71,  200, 1,    256, 79, 320}},
    {'H', {4,  6,   3,   8,   4,   6,   6,   4,   8,    6,   4,  12}},
    {'G', {2,  3,   1,   4,   2,   2,   3,   1,   2,    3,   4,  3}},
    {'K', {64, 33,  16,  128, 65,  32,  130, 20,  128,  24,  72, 17}},
    {'V', {128, 65, 32,  33,  72,  130, 16,  140, 64,   17,  64, 24}},
    {'D', {64, 65,  128, 33,  80,  16,  129, 32,  256,  24,  17, 40}},
    {'L', {64, 16,  64,  32,  64,  128, 64,  1 << 30, 64, 128, 16, 64}},
    {'W', {64, 100, 128, ALL, 129, 65,  71,  150, 256,  256, 63, 1}},
    {'N', {64, 65,  128, 131, 15,  192, 71,  200, 1,    257, 79, 1025}},
    {'C', {64, 129, 33,  256, 65,  1000, 17, 128, 2049, 31,  130, 72}},
    {'I', {64, 129, 33,  200, 65,  16,  130, 72,  256,  31,  128, 17}},
    {'O', {128, 65, 130, 33,  64,  257, 16,  129, 20,   128, 31, 200}},
    {'P', {0,  1,   100, -7,  0,   131072, 5, 63, 4096, 0,   -1000, 2}},
    {'g', {0,  2,   1,   0,   0,   1,   0,   2,   0,    0,   1,  2}},
    {'z', {1,  0,   1,   0,   1,   1,   0,   0,   1,    0,   1,  0}},
    {'s', {1,  2,   10,  1,   3,   1000, 1,  10,  2,    5,   1,  3}},
};
static const int keys_before[ROWS] = {0, 64, 72, 0, 129, 128, 0, 65, 300, 0, 82, 64};
static const int vocabulary[ROWS] = {128, 65, 1000, 33, 257, 130, 4099, 16, 50304, 64, 512, 17};
static const int plain_n[ROWS] = {64, 65, 1000, 4096, 15, 16384, 4111, 33, 1, 129, 70001, 513};

static int *dim(struct op_case *c, char letter)
{
    const char *at = strchr(swax_ops[c->op].dims, letter);
    return at ? &c->dims[at - swax_ops[c->op].dims] : NULL;
}

/* What sizes hide: a large vocabulary without a cap, as most have it; the cell's eps where it counts, in long ones
 * too. */
static void tile_scalars(struct op_case *c, int tile)
{
    const struct op_spec *op = &swax_ops[c->op];
    char name[OP_WORD];
    for (int i = 0; i < op_scalars(op); i++) {
        op_scalar_name(op, i, name);
        if (!strcmp(name, "cap") && tile % 2 == 0)
            c->scalar[i] = 0;
        if (!strcmp(name, "eps") && strchr(op->dims, 'g') && tile % 4 == 3)
            c->scalar[i] = 1e-2;
    }
}

void tile_dims(struct op_case *c, int tile)
{
    const char *dims = swax_ops[c->op].dims;
    const int round = tile / ROWS, alone = dims[0] == 'N' && !strpbrk(dims, "VCIOHD");
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        const int column = (tile + round * (int)(2 * r + 1)) % ROWS;
        int *d = dim(c, rows[r].letter);
        if (d)
            *d = rows[r].letter == 'V' && !strchr(dims, 'K') ? vocabulary[column]
               : rows[r].letter == 'N' && alone ? plain_n[column] : rows[r].size[column];
    }
    int *S = dim(c, 'S'), *G = dim(c, 'G'), *H = dim(c, 'H'), *J = dim(c, 'J');
    if (S)
        *S = *dim(c, 'T') + keys_before[(tile + 5 * round) % ROWS];
    while (G && *H % *G)
        --*G;
    if (J)
        *J = dim(c, 'K') && tile % 2 ? *dim(c, 'K') : dim(c, 'K') ? 1 : 1 + 8 * (tile % 9);
    tile_scalars(c, tile);
}

/* ---- the problems of a plan */

/* Half precision cannot hold what huge and tiny are about, and matrix units may take bf16's subnormals for 0. */
static int fits(const struct plan *plan, enum op_family family)
{
    const struct wish *w = &plan->wish;
    const int too_small = family == OP_TINY && (w->dtype == DT_F16 || (w->dtype == DT_BF16 && w->chained));
    return op_family_fits(plan->subject.op[0], family) && !too_small && !(family == OP_HUGE && w->dtype == DT_F16);
}

static enum op_family one_that_fits(const struct plan *plan, enum op_family family)
{
    return fits(plan, family) ? family : OP_GAUSS;
}

/* Of no suite: what was asked for. */
static int lone_entry(const struct plan *plan, int i, struct entry *e)
{
    *e = (struct entry){plan->seed, (enum op_family)plan->family, 33, 0, -1};
    return i == 0;
}

int plan_entry(const struct plan *plan, int i, struct entry *e)
{
    if (plan->suite < 0)
        return lone_entry(plan, i, e);
    if (suite_is_long(plan->suite))
        return 0;
    const struct suite *u = &suites[plan->suite];
    const uint64_t shift = 1000000 * (plan->seed - 1);
    static const enum op_family long_ones[] = {OP_GAUSS, OP_OPEN, OP_GAUSS, OP_SHUT},
                                tile_ones[] = {OP_GAUSS, OP_OPEN,  OP_GAUSS, OP_GAUSS, OP_SATURATED, OP_GAUSS,
                                               OP_HUGE,  OP_HUGE,  OP_GAUSS, OP_SHUT,  OP_GAUSS};
    for (int family = 0; family < OP_FAMILIES; family++) {
        if (!fits(plan, (enum op_family)family))
            continue;
        if (i < u->seeds) {
            *e = (struct entry){shift + (uint64_t)(100*family + i + 1), (enum op_family)family,
                                u->sizes[i % (u->seeds < SIZES ? u->seeds : SIZES)], 0, -1};
            return 1;
        }
        i -= u->seeds;
    }
    if (i < u->tiles) {
        const enum op_family family = tile_ones[i % (int)(sizeof tile_ones / sizeof *tile_ones)];
        *e = (struct entry){shift + 8000 + (uint64_t)i, one_that_fits(plan, family), 33, 0, i};
        return 1;
    }
    i -= u->tiles;
    if (!strchr(swax_ops[plan->subject.op[0]].dims, 'T'))
        return 0;
    if (i < u->longs) {
        *e = (struct entry){shift + 9000 + (uint64_t)i, one_that_fits(plan, long_ones[i]), 12, u->tokens[i], -1};
        return 1;
    }
    i -= u->longs;
    if (i >= u->tails)
        return 0;
    *e = (struct entry){shift + 9500 + (uint64_t)i, OP_GAUSS, 20, 64 + 1 + i * (TAILS / u->tails), -1};
    return 1;
}
