/* check_rows.c - a row of the table of mixers that lacks something, or wants more room than there is, is refused by
 * name. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/network/mixer.h"
#include "ref/network/model.h"
#include "tests/scratch.h"
#include "tests/suite.h"

static char why[SWAX_WHY];

/* A row of the table, of a mixer whose keys are its own. */
static struct swax_mixer_f32 plain_row(void)
{
    int m = 0;
    while (strcmp(swax_mixers_f32[m]->about.name, "gla"))
        m++;
    return *swax_mixers_f32[m];
}

static void own_norm(struct swax_tensors *l, void *places, const struct swax_config *c, const void *keys, int layer)
{
    (void)places, (void)c, (void)keys, (void)layer;
    swax_vector(l, "one", 1, 0, 0);
}

static double no_flops(const struct swax_config *c, const void *keys, int T, int window, int training)
{
    (void)c, (void)keys, (void)T, (void)window, (void)training;
    return NAN;
}

static void alike(struct list_f32 *l, void *acts, const struct swax_config *c, const void *keys, int B, int T)
{
    (void)acts, (void)c, (void)keys, (void)B, (void)T;
    swax_reals_f32(l, "q", 1);
    swax_reals_f32(l, "q", 1);
}

static void like_the_blocks(struct list_f32 *l, void *acts, const struct swax_config *c, const void *keys, int B, int T)
{
    (void)acts, (void)c, (void)keys, (void)B, (void)T;
    swax_reals_f32(l, "norm1", 1);
}

static const char *refuse_all(const struct swax_config *c, void *keys, char *wrong)
{
    (void)c, (void)keys;
    return swax_refuse(wrong, "gla_heads", 8, "something else");
}

#define KEY(name_, kind_, at_, otherwise_, what_) \
    { { .name = name_, .kind = kind_, .at = at_, .otherwise = otherwise_, .what = what_ }, { 0 } }
static const struct swax_key no_default[] = KEY("k", SWAX_KEY_SIZE, 0, NULL, "a key");
static const struct swax_key no_line[] = KEY("k", SWAX_KEY_SIZE, 0, "1", NULL);
static const struct swax_key no_room[] = KEY("k", SWAX_KEY_SIZE, 4096, "1", "a key");
static const struct swax_key no_words[] = KEY("k", SWAX_KEY_WORD, 0, "1", "a key");
static const struct swax_key bad_default[] = KEY("k", SWAX_KEY_SIZE, 0, "0", "a key");
static const struct swax_key taken[] = KEY("width", SWAX_KEY_SIZE, 0, "1", "a key");
static const struct swax_key of_another[] = KEY("cell_heads", SWAX_KEY_SIZE, 0, "1", "a key");
static const struct swax_key of_the_network[] = KEY("k", SWAX_KEY_MIXERS, 0, "1", "a key");

enum { LACKS = 40 };

static const char *take_away(struct swax_mixer_f32 *x, int part)
{
    static const char letters[] = "sixteen_letters_";
    switch (part) {
    case 0: x->about.name = NULL; return "lacks a name";
    case 1: x->about.name = "two words"; return "lacks a name";
    case 2: x->about.name = letters; return "lacks a name";
    case 3: x->about.name = "mlstm"; return "the mixer mlstm lacks a name of its own";
    case 4: x->about.what = NULL; return "lacks a line";
    case 5: x->about.sees = SWAX_SEES_NOTHING; return "lacks what it sees";
    case 6: x->about.keys = NULL; return "its table of keys";
    case 7: x->about.keys_size = 0; return "the size of its keys";
    case 8: x->about.check = NULL; return "lacks check";
    case 9: x->about.norm = NULL; return "its norm";
    case 10: x->about.places_size = 0; return "places";
    case 11: x->about.places_size = sizeof(union swax_room) + 8; return "places";
    case 12: x->about.tensors = NULL; return "lacks tensors";
    case 13: x->about.flops = NULL; return "lacks flops";
    case 14: x->about.inside.key = NULL; return "inside";
    case 15: x->about.inside.title = NULL; return "inside";
    case 16: x->about.inside.see = NULL; return "inside";
    case 17: x->about.hf.layer_type = "average"; return "Hugging Face";
    case 18: x->acts_size = 0; return "its activations";
    case 19: x->acts_size = sizeof(union swax_room) + 8; return "its activations";
    case 20: x->acts = NULL; return "lacks acts";
    case 21: x->forward = NULL; return "lacks forward";
    case 22: x->backward = NULL; return "lacks backward";
    case 23: x->state_size = 0; return "its state";
    case 24: x->state_ready = NULL; return "lacks state_ready";
    case 25: x->state_begin = NULL; return "lacks state_begin";
    case 26: x->state_free = NULL; return "lacks state_free";
    case 27: x->about.keys = no_default; return "a default for its key k";
    case 28: x->about.keys = no_line; return "what it is for its key k";
    case 29: x->about.keys = no_room; return "room for its key k";
    case 30: x->about.keys = no_words; return "words for its key k";
    case 31: x->about.keys = bad_default; return "can be read for its key k";
    case 32: x->about.keys = taken; return "a name of its own for its key width";
    case 33: x->about.keys = of_another; return "a name of its own for its key cell_heads";
    case 34: x->about.keys = of_the_network; return "a kind of its own for its key k";
    case 35: x->about.keys_size = SWAX_OWN; return "room in swax_config.own";
    case 36: x->about.tensors = own_norm; return "a place";
    case 37: x->about.hf.layer = "Theirs"; return "Hugging Face";
    case 38: x->about.name = "a-name-too-long."; return "a name of one word, of at most 15 letters";
    default: x->about.check = refuse_all; return "defaults that can be: it says  gla_heads=8";
    }
}

/* The whole table, with x in the place of its row. */
struct rows { struct swax_mixer_f32 x; const struct swax_mixer_f32 *table[SWAX_MIXERS + 2]; int n; };

static void rows_of(struct rows *r)
{
    memset(r, 0, sizeof *r);
    r->x = plain_row();
    for (; swax_mixers_f32[r->n]; r->n++)
        r->table[r->n] = strcmp(swax_mixers_f32[r->n]->about.name, "gla") ? swax_mixers_f32[r->n] : &r->x;
}

START_TEST(a_row_that_lacks_something_is_refused_by_name)
{
    struct rows r;
    rows_of(&r);
    ck_assert_msg(!swax_mixers_check_f32(r.table, why), "%s", why);
    const char *expected = take_away(&r.x, _i);
    const char *said = swax_mixers_check_f32(r.table, why);
    ck_assert_msg(said != NULL, "a row that %s was taken", expected);
    ck_assert_msg(strstr(said, expected) && is_sentence(said), "'%s' does not say '%s'", said, expected);
    ck_assert_msg(strstr(said, r.x.about.name && *r.x.about.name ? r.x.about.name : "without a name") != NULL,
                  "'%s' does not name the mixer", said);
}
END_TEST

/* All the room there is may be taken, and not a byte more. */
START_TEST(room_may_be_filled)
{
    static const char letters[] = "fifteen_letters";
    struct rows r;
    rows_of(&r);
    const struct swax_mixer_f32 before = r.x;
    r.x.about.name = letters;
    r.x.acts_size = r.x.state_size = sizeof(union swax_room);
    ck_assert_msg(!swax_mixers_check_f32(r.table, why), "%s", why);
    size_t *const sizes[] = { &r.x.about.places_size, &r.x.acts_size, &r.x.state_size };
    static const char *const says[] = { "places", "its activations", "its state" };
    for (int i = 0; i < 3; i++) {
        const size_t keep = *sizes[i];
        *sizes[i] = sizeof(union swax_room) + 1;
        ck_assert_msg(swax_mixers_check_f32(r.table, why) && strstr(why, says[i]), "%s", why);
        *sizes[i] = keep;
    }
    r.x.about.places_size = sizeof(union swax_room);       /* room there is, but not so many tensors */
    ck_assert_msg(swax_mixers_check_f32(r.table, why) && strstr(why, "a place, or a place lacks"), "%s", why);
    r.x = before;

    size_t keys = 0;                                       /* of the others, in whole doubles */
    for (int m = 0; m < r.n; m++)
        keys += r.table[m] == &r.x ? 0 : (r.table[m]->about.keys_size + 7) / 8 * 8;
    r.x.about.keys_size = SWAX_OWN - keys;
    ck_assert_msg(!swax_mixers_check_f32(r.table, why), "%s", why);
    r.x.about.keys_size++;
    ck_assert_msg(swax_mixers_check_f32(r.table, why) && strstr(why, "room in swax_config.own"), "%s", why);
}
END_TEST

/* A key's number has to lie within its mixer's struct, to the last byte. */
START_TEST(a_key_lies_within_its_struct)
{
    static const struct { enum swax_key_kind kind; size_t size; } of[] = {
        { SWAX_KEY_SIZE, sizeof(int) }, { SWAX_KEY_NOT_NEGATIVE, sizeof(double) } };
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++)
        for (int beyond = 0; beyond < 2; beyond++) {
            struct rows r;
            rows_of(&r);
            const size_t at = r.x.about.keys_size - of[i].size + (size_t)beyond;
            const struct swax_key last[] = KEY("last_of_all", of[i].kind, at, "1", "a key");
            r.x.about.keys = last;
            const char *said = swax_mixers_check_f32(r.table, why);
            ck_assert_msg((said && strstr(said, "room for its key last_of_all")) == beyond,
                          "%zu bytes at %zu of %zu: %s", of[i].size, at, r.x.about.keys_size, said ? said : "taken");
        }
}
END_TEST

static int activations;
static const char *numbered(int i)
{
    static char name[80][16];
    snprintf(name[i], sizeof name[i], "a%d", i);
    return name[i];
}

static void so_many(struct list_f32 *l, void *acts, const struct swax_config *c, const void *keys, int B, int T)
{
    (void)acts, (void)c, (void)keys, (void)B, (void)T;
    for (int i = 0; i < activations; i++)
        swax_reals_f32(l, numbered(i), 1);
}

START_TEST(a_row_more_or_an_activation_more_than_there_is_room_for)
{
    struct rows r;
    rows_of(&r);
    r.x.acts = so_many;
    activations = 1;
    const char *name[4];
    const struct swax_config c = swax_config_default();
    static double own[SWAX_OWN / sizeof(double)];
    ck_assert(!swax_keys_default(r.x.about.keys, own));
    const int others = swax_model_names_f32(&r.x, &c, own, name, 4) - 1;        /* of every block */
    activations = 64 - others;
    ck_assert_msg(!swax_mixers_check_f32(r.table, why), "%s", why);
    activations++;
    ck_assert_msg(swax_mixers_check_f32(r.table, why) && strstr(why, "more than 64 activations"), "%s", why);

    rows_of(&r);
    const struct swax_mixer_f32 *const table[] = { &r.x, NULL };
    ck_assert_msg(!swax_mixers_check_f32(table, why), "%s", why);
    struct swax_mixer_f32 many[SWAX_MIXERS + 1];
    const struct swax_mixer_f32 *all[SWAX_MIXERS + 2] = { NULL };
    static char names[SWAX_MIXERS + 1][16];
    for (int m = 0; m <= SWAX_MIXERS; m++) {
        many[m] = plain_row();
        snprintf(names[m], sizeof names[m], "m%d", m);
        many[m].about.name = names[m];
        all[m] = m < SWAX_MIXERS ? &many[m] : NULL;
    }
    if (SWAX_MIXERS * ((r.x.about.keys_size + 7) / 8 * 8) <= SWAX_OWN)
        ck_assert_msg(!swax_mixers_check_f32(all, why), "%s", why);
    all[SWAX_MIXERS] = &many[SWAX_MIXERS];
    ck_assert(swax_mixers_check_f32(all, why));
}
END_TEST

START_TEST(two_activations_of_one_name_are_refused)
{
    struct rows r;
    rows_of(&r);
    r.x.acts = alike;
    ck_assert_msg(swax_mixers_check_f32(r.table, why) && strstr(why, "a name of its own for the activation q"), "%s",
                  why);
    r.x.acts = like_the_blocks;
    ck_assert_msg(swax_mixers_check_f32(r.table, why) && strstr(why, "a name of its own for the activation norm1"),
                  "%s", why);
    r.x.acts = plain_row().acts;
    r.x.about.flops = no_flops;
    ck_assert_msg(swax_mixers_check_f32(r.table, why) && strstr(why, "lacks flops"), "%s", why);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rows");
    TCase *tc = tcase_create("rows");
    tcase_add_loop_test(tc, a_row_that_lacks_something_is_refused_by_name, 0, LACKS);
    tcase_add_test(tc, room_may_be_filled);
    tcase_add_test(tc, a_key_lies_within_its_struct);
    tcase_add_test(tc, a_row_more_or_an_activation_more_than_there_is_room_for);
    tcase_add_test(tc, two_activations_of_one_name_are_refused);
    suite_add_tcase(s, tc);
    return suite_ends(s);
}
