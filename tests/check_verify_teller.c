/* check_verify_teller.c - who tells the truth of what is too large for the reference: of the tiers of this program,
 * which are names and nothing else, the last that is on the host, has kernels in float and in double, and that this
 * machine can run. */
#include <check.h>
#include <string.h>

#include "ref/kernels.h"
#include "tests/suite.h"
#include "tools/verify/verify.h"

static char why[SWAX_WHY];

static int yes(void) { return 1; }
static int no(void) { return 0; }

/* ref/tiers.c's, in this program */
extern const struct swax_kernels_f64 swax_ref_f64;
static const struct swax_memory elsewhere;
static const struct swax_tier ref = {.name = "ref", .usable = yes, .f32 = &swax_ref_f32, .f64 = &swax_ref_f64};
static struct swax_tier other[3];
const char *const swax_precision_name[SWAX_PRECISIONS] = {"fp32", "fp64", "bf16"};
const struct swax_tier *const swax_tiers[] = {&ref, &other[0], &other[1], &other[2]};
const int swax_n_tiers = 4;

const struct swax_tier *swax_tier_find(const char *name, const char **wrong)
{
    (void)name, (void)wrong;
    return &ref;
}

void swax_tier_zero(const struct swax_tier *tier, void *p, size_t bytes) { (void)tier, memset(p, 0, bytes); }

/* What keeps a tier from telling: each of four things, or more of them. */
enum { DEVICE = 1, NO_DOUBLE = 2, NO_FLOAT = 4, NOT_HERE = 8, WAYS = 16 };

START_TEST(the_last_that_can_tells_the_truth)
{
    struct subject s;
    ck_assert(!subject_find(&s, "linear", why));
    const struct op_case large = {.op = s.op[0], .dims = {1000, 1000, 1000}},
                         small = {.op = s.op[0], .dims = {2, 2, 2}};
    const struct wish w = {.dtype = DT_F32};
    for (int ways = 0; ways < WAYS * WAYS * WAYS; ways++) {
        const struct swax_tier *is = &ref;
        for (int t = 0, left = ways; t < 3; t++, left /= WAYS) {
            const int way = left % WAYS;
            other[t] = (struct swax_tier){.name = "other", .usable = way & NOT_HERE ? no : yes,
                                          .f32 = way & NO_FLOAT ? NULL : &swax_ref_f32,
                                          .f64 = way & NO_DOUBLE ? NULL : &swax_ref_f64,
                                          .memory = way & DEVICE ? &elsewhere : NULL};
            is = way ? is : &other[t];
        }
        ck_assert_msg(teller_of(&s, &w, &large) == is && teller_of(&s, &w, &small) == &ref,
                      "tiers of the kinds %d %d %d: another tells", ways % WAYS, ways / WAYS % WAYS,
                      ways / WAYS / WAYS);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("verify_teller");
    TCase *t = tcase_create("teller");
    tcase_add_test(t, the_last_that_can_tells_the_truth);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
