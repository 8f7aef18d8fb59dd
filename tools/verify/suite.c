/* suite.c - which problems make a suite: all families, small and odd sizes, and some long ones, since what is
 * lost between chunks of 64 or 128 tokens shows in nothing shorter. */
#include "tools/verify/verify.h"

#include <string.h>

enum { SIZES = 4 };

static const struct suite { const char *name; int seeds, sizes[SIZES], longs, tokens[SIZES]; } suites[] = {
    {"quick",    1, {9},              1, {70}},
    {"standard", 5, {9, 24, 33, 16},  4, {70, 131, 150, 200}},
    {"hard",     8, {9, 24, 33, 60},  4, {131, 200, 257, 400}},
};

int suite_find(const char *name)
{
    for (int i = 0; suite_name(i); i++)
        if (!strcmp(suite_name(i), name))
            return i;
    return -1;
}

const char *suite_name(int suite)
{
    return suite < (int)(sizeof suites / sizeof *suites) ? suites[suite].name : NULL;
}

/* Half precision cannot hold what huge and tiny are about, and matrix units may take bf16's subnormals for 0. */
static int fits(const struct subject *s, const struct wish *w, enum op_family family)
{
    const int too_small = family == OP_TINY && (w->dtype == DT_F16 || (w->dtype == DT_BF16 && w->chained));
    return op_family_fits(s->op[0], family) && !too_small && !(family == OP_HUGE && w->dtype == DT_F16);
}

int suite_entry(int suite, const struct subject *s, const struct wish *w, int i, struct suite_entry *e)
{
    const struct suite *u = &suites[suite];
    static const enum op_family long_ones[] = {OP_GAUSS, OP_OPEN, OP_GAUSS, OP_SHUT};
    for (int family = 0; family < OP_FAMILIES; family++) {
        if (!fits(s, w, (enum op_family)family))
            continue;
        if (i < u->seeds) {
            *e = (struct suite_entry){w->shift + (uint64_t)(100*family + i + 1), (enum op_family)family, u->sizes[i % (u->seeds < SIZES ? u->seeds : SIZES)], 0};
            return 1;
        }
        i -= u->seeds;
    }
    if (!strchr(swax_ops[s->op[0]].dims, 'T') || i >= u->longs)
        return 0;
    const enum op_family family = fits(s, w, long_ones[i]) ? long_ones[i] : OP_GAUSS;
    *e = (struct suite_entry){w->shift + 9000 + (uint64_t)i, family, 12, u->tokens[i]};
    return 1;
}

const char *suite_size(int suite, const struct subject *s, const struct wish *w, char *why)
{
    struct suite_entry e;
    struct size sum = {0};
    const char *wrong = NULL;
    for (int i = 0; !wrong && suite_entry(suite, s, w, i, &e); i++)
        wrong = problem_size(&sum, s, w, e.seed, e.max_dim, e.tokens, why);
    return wrong;
}
