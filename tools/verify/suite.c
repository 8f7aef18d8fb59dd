/* suite.c - which problems make a suite.
 *
 * All families at small and odd sizes; some long problems, since what is lost between chunks of 64 or 128 tokens shows
 * in nothing shorter; and sizes that cross the tiles of real kernels, 16, 32, 64 and 128 and their neighbours, all of
 * them at once and with several sequences, heads and groups: the first bugs of a kernel need a border in one size and
 * more than one of another.  Last, sizes of which one is far larger than the others, or is a model's own: what a grid,
 * a table, or the split of a sum leaves out, and what only the fast path of a common size does. */
#include "tools/verify/verify.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { QUICK, STANDARD, HARD, SUITES };      /* behind which stands "long" */
enum { SIZES = 4, ROWS = 12, TAILS = 15 };

static const struct suite {
    const char *name;
    int seeds, sizes[SIZES], longs, tokens[SIZES], tiles, tails, fars;
} suites[SUITES] = {
    {"quick",    1, {9},              1, {70},                 4,        0,     3},
    {"standard", 5, {9, 24, 33, 16},  4, {70, 131, 150, 1030}, 2 * ROWS, 5,     99},
    {"hard",     8, {9, 24, 33, 60},  4, {131, 200, 257, 1400}, 3 * ROWS, TAILS, 99},
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

enum { ALL = INT_MAX, TABLE = 1 << 20 };    /* numbers in a table of a vocabulary, at most */

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
    {'F', {4,  3,   2,   7,   4,   1,   6,   4,   3,    5,   4,  8}},
    {'e', {1,  0,   1,   1,   1,   1,   0,   1,   1,    1,   0,  1}},
    {'z', {1,  0,   1,   0,   1,   1,   0,   0,   1,    0,   1,  0}},
    {'s', {1,  2,   10,  1,   3,   1000, 1,  10,  2,    5,   1,  3}},
};
static const int keys_before[ROWS] = {0, 64, 72, 0, 129, 128, 0, 65, 300, 0, 82, 64};
static const int vocabulary[ROWS] = {128, 65, 1000, 33, 257, 130, 4099, 16, 50304, 64, 512, 17};
static const int plain_n[ROWS] = {64, 65, 1000, 4096, 15, 16384, 4111, 33, 1, 129, 270001, 513};

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

/* ---- sizes of which one is far larger */

static const char beside[] = "B2 T9 H4 G2 K8 V8 D8 L64 W2000000 N3 C8 I8 O8 F3 J8 P3 g0 e1 z1 s3";
static const struct far { const char *of, *sizes; enum op_family family; } fars[] = {
    {"H", "H40 G5 T7 N5 K12 V10 D12", OP_GAUSS},
    {"KVJ", "K128 V128 J128 T130 B1 H2 G1", OP_GAUSS},
    {"KVJ", "K128 V128 J1 T192 B1 H2 G1", OP_GAUSS},
    {"KVg", "K128 V128 T256 B1 H2", OP_GAUSS},
    {"KVg", "K64 V64 T256 B1 H2 g3", OP_OPEN},
    {"SD", "S5000 T1 H16 G2 D16", OP_GAUSS},
    {"SDW", "T600 S600 B1 H2 G1 D64", OP_GAUSS},
    {"D", "D192 T70 H3 G1", OP_GAUSS},
    {"I", "I5000 O3 N2", OP_GAUSS},
    {"NV", "V151936 N3 C2", OP_GAUSS},
    {"N", "N66003 C3 H2 D2 J2 I2 O2 V5", OP_GAUSS},
    {"B", "B9 H3 G3", OP_GAUSS},
    {"T", "T2100 B1 H2 G1 K6 V5 D6 C5", OP_GAUSS},
    {"SD", "T5 S1200 H8 G1 D20 W1100", OP_HUGE},
    {"SD", "D96 T70 S134 H8 G1", OP_GAUSS},
    {"D", "D520 T9 S100 H2 G1", OP_GAUSS},
    {"KV", "K260 V70 J260 T70 B1 H2 G1", OP_GAUSS},
    {"KV", "V520 K36 J1 T70 B1 H2 G1 g2", OP_GAUSS},
    {"KV", "K64 V64 J64 T600 B1 H1 G1 g1", OP_GAUSS},
    {"KVJ", "K64 V64 J1 T256 B1 H2 G1", OP_GAUSS},
    {"N", "N4100 C20 H3 D9 J3 I17 O9 V40", OP_GAUSS},
    {"C", "C5000 T5 N3 V6", OP_GAUSS},
    {"O", "O1030 I20 N3", OP_GAUSS},
    {"F", "F9 C17 T40 S52 B4", OP_GAUSS},
    {"J", "J140 K140 N5 H2", OP_GAUSS},
    {"", "B1 T1 S1 H1 G1 K1 V1 D1 J1 W1 N1 C1 I1 O1 F1", OP_GAUSS},
    {"NC", "C1 N40 V9", OP_COLD},
    {"Dz", "D1 N20 H3 z0", OP_COLD},
};

/* The sizes that a row names, each a letter and a number; who has not that letter is not concerned. */
static void read_dims(struct op_case *c, const char *sizes)
{
    while (*sizes) {
        char *end;
        int *d = dim(c, *sizes);
        const long value = strtol(sizes + 1, &end, 10);
        if (d)
            *d = (int)value;
        sizes = end + (*end == ' ');
    }
}

static void far_dims(struct op_case *c, int far)
{
    read_dims(c, beside);
    if (dim(c, 'S'))
        *dim(c, 'S') = 0;
    read_dims(c, fars[far].sizes);
    if (dim(c, 'S') && !*dim(c, 'S'))
        *dim(c, 'S') = *dim(c, 'T') + 3;
    tile_scalars(c, far);
}

static int far_concerns(const struct far *f, const char *dims)
{
    const char *letter = f->of;
    while (*letter && strchr(dims, *letter))
        letter++;
    return !*letter;
}

/* The n-th row that concerns a kernel; -1 where there are no more. */
static int far_find(const char *dims, int n)
{
    for (int i = 0; i < (int)(sizeof fars / sizeof *fars); i++)
        if (far_concerns(&fars[i], dims) && !n--)
            return i;
    return -1;
}

void tile_dims(struct op_case *c, int tile)
{
    if (tile >= TILE_FAR) {
        far_dims(c, tile - TILE_FAR);
        return;
    }
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
    if (strchr(dims, 'V') && strchr(dims, 'C') && *dim(c, 'V') > TABLE / *dim(c, 'C'))
        *dim(c, 'V') = TABLE / *dim(c, 'C');
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
    const char *dims = swax_ops[plan->subject.op[0]].dims;
    if (strchr(dims, 'T') && i < u->longs) {
        *e = (struct entry){shift + 9000 + (uint64_t)i, one_that_fits(plan, long_ones[i]), 12, u->tokens[i], -1};
        return 1;
    }
    i -= strchr(dims, 'T') ? u->longs : 0;
    if (strchr(dims, 'T') && i < u->tails) {
        *e = (struct entry){shift + 9500 + (uint64_t)i, OP_GAUSS, 20, 64 + 1 + i * (TAILS / u->tails), -1};
        return 1;
    }
    i -= strchr(dims, 'T') ? u->tails : 0;
    const int far = i < u->fars ? far_find(dims, i) : -1;
    if (far >= 0)
        *e = (struct entry){shift + 9700 + (uint64_t)i, one_that_fits(plan, fars[far].family), 33, 0, TILE_FAR + far};
    return far >= 0;
}
