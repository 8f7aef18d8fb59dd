/* check_data.c - random numbers, schedules, data: functions of a number, and of nothing before it. */
#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ref/splitmix.h"
#include "tools/tasks/data.h"
#include "tools/lib/many_files.h"
#include "tools/lib/pick.h"
#include "tools/lib/random.h"
#include "tools/train/run.h"
#include "tools/train/schedule.h"
#include "tests/scratch.h"
#include "tests/sequences.h"
#include "tests/suite.h"

static char why[SWAX_WHY];

/* What a run remembers of its data is the sum of the tokens it is trained on, of more than one piece of a million. */
START_TEST(the_sum_is_of_all_that_is_trained_on)
{
    enum { SIZE = 5 << 19, TRAIN = SIZE - SIZE / 10 };
    char *text = malloc(SIZE), digits[2][17], *path = scratch("long.txt");
    for (int i = 0; i < SIZE; i++)
        text[i] = (char)('a' + i / 7 % 23 + i % 2);
    for (int change = 0; change < 3; change++) {   /* nothing; the first token that is held out; the last that is not */
        const char *value[SOURCE_KEYS] = {path};
        struct data d;
        struct checksum sum = {0}, expected = {0};
        if (change)
            text[TRAIN - (change == 2)] ^= 1;
        put(path, text, SIZE);
        ck_assert_msg(!data_open(&d, source_find("text"), value, 100, why), "%s", why);
        ck_assert_msg(!d.source->contents(d.opened, DATA_TRAIN, &sum, why), "%s", why);
        checksum_add(&expected, text, TRAIN);
        checksum_text(&sum, digits[0]);
        checksum_text(&expected, digits[1]);
        ck_assert_str_eq(digits[0], digits[1]);
        data_close(&d);
        data_close(&d);        /* what is closed stays closed */
    }
    free(text);
}
END_TEST

/* ---- random numbers */

START_TEST(random_numbers_depend_on_nothing_but_their_place)
{
    struct random a = random_open(1, 2, 3), b = random_open(1, 2, 3);
    random_next(&b);
    for (int i = 0; i < 10; i++)
        random_next(&a);
    struct random again = random_open(1, 2, 3);
    random_next(&again);
    ck_assert(random_next(&again) == random_next(&b));
    const struct random other[] = {random_open(2, 2, 3), random_open(1, 3, 3), random_open(1, 2, 4),
                                   random_open(1, 3, 2)};
    for (int i = 0; i < 4; i++) {
        struct random x = random_open(1, 2, 3), y = other[i];
        ck_assert(random_next(&x) != random_next(&y));
    }
}
END_TEST

START_TEST(random_numbers_are_even)
{
    enum { N = 200000, BOXES = 7 };
    struct random r = random_open(1, 0, 0);
    double sum = 0, square = 0, unit = 0;
    int box[BOXES] = {0};
    for (int i = 0; i < N; i++) {
        const double x = random_normal(&r), u = random_unit(&r);
        ck_assert(u >= 0 && u < 1);
        sum += x;
        square += x * x;
        unit += u;
        box[random_below(&r, BOXES)]++;
    }
    ck_assert_double_lt(fabs(sum / N), 5 / sqrt(N));
    ck_assert_double_lt(fabs(square / N - 1), 5 * sqrt(2.0 / N));
    ck_assert_double_lt(fabs(unit / N - 0.5), 5 * sqrt(1.0 / 12 / N));
    double chi = 0;
    for (int i = 0; i < BOXES; i++)
        chi += pow(box[i] - (double)N / BOXES, 2) / ((double)N / BOXES);
    ck_assert_double_lt(chi, 30);      /* 6 degrees of freedom: exceeded once in 25,000 */
    ck_assert(random_below(&r, 1) == 0);
}
END_TEST

/* Of so many that 2^64 is no multiple of them, the lowest are drawn anew. */
START_TEST(numbers_below_a_bound_are_not_uneven)
{
    static const uint64_t bounds[] = {1, 2, 3, 10, (UINT64_C(1) << 63) + 1, UINT64_C(3) << 62, UINT64_MAX,
                                      UINT64_C(1) << 63};
    int anew = 0;
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        struct random r = random_open(3, 1, i), same = r;
        for (int k = 0; k < 200; k++) {
            const uint64_t uneven = (UINT64_MAX % bounds[i] + 1) % bounds[i], is = random_below(&r, bounds[i]);
            uint64_t x;
            for (x = random_next(&same); x < uneven; x = random_next(&same))
                anew++;
            ck_assert_msg(is == x % bounds[i], "below %llu: %llu", (unsigned long long)bounds[i],
                          (unsigned long long)is);
        }
    }
    ck_assert_msg(anew > 100, "%d were drawn anew", anew);
}
END_TEST

/* Each of n numbers once, in the order in which they would be shuffled, and nothing behind them. */
START_TEST(an_order_has_each_once)
{
    for (int n = 0; n < 40; n++) {
        int order[42], by_hand[40];
        struct random r = random_open(7, 1, (uint64_t)n), same = r;
        for (int i = 0; i < 42; i++)
            order[i] = -5;
        for (int i = 0; i < n; i++)
            by_hand[i] = i;
        random_order(&r, order + 1, n);
        random_shuffle(&same, by_hand, n);
        ck_assert(!memcmp(order + 1, by_hand, (size_t)n * sizeof *order) && order[0] == -5 && order[n + 1] == -5);
    }
}
END_TEST

START_TEST(permutations_hit_everything_once)
{
    const uint64_t n[] = {1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 1000};
    for (size_t k = 0; k < sizeof n / sizeof *n; k++) {
        char *seen = calloc(n[k], 1);
        int moved = 0;
        for (uint64_t i = 0; i < n[k]; i++) {
            const uint64_t j = random_permute(42, n[k], i);
            ck_assert(j < n[k] && !seen[j]++);
            moved += j != i;
        }
        ck_assert(n[k] < 15 || moved > (int)n[k] / 2);
        free(seen);
    }
    ck_assert(random_permute(1, (uint64_t)1 << 60, 12345) < (uint64_t)1 << 60);
}
END_TEST

/* Written once more, from what random.c says of it: four Feistel rounds on the halves of the number, as often as it
 * takes to come back below n. */
START_TEST(permutations_are_feistel_rounds)
{
    for (uint64_t key = 1; key < 4; key++)
        for (uint64_t n = 1; n < 300; n += n < 70 ? 1 : 63) {
            int half = 1;
            for (uint64_t all = 4; all < n; all *= 4)
                half++;
            for (uint64_t i = 0; i < n; i++) {
                uint64_t x = i, side = (uint64_t)1 << half;
                do
                    for (int round = 1; round <= 4; round++) {
                        uint64_t mixed = splitmix(key + (uint64_t)round * splitmix_step) + x % side;
                        mixed = splitmix(mixed);
                        x = x % side * side + ((x / side) ^ (mixed % side));
                    }
                while (x >= n);
                const uint64_t got = random_permute(key, n, i);
                ck_assert_msg(got == x, "%d of %d goes to %d, not %d", (int)i, (int)n, (int)got, (int)x);
            }
        }
}
END_TEST

/* ---- schedules */

START_TEST(windows_follow_their_schedule)
{
    enum { STEPS = 20000 };
    const struct windows fixed = {.window = 128}, both = {128, 8, 0.75, 0.1, 0}, ramp = {128, 8, 1, 0.1, 0.2};
    int small = 0, differ = 0, ramped = 0;
    for (int s = 0; s < STEPS; s++) {
        ck_assert_int_eq(window_at(&fixed, 1, s, STEPS), 128);
        const int w = window_at(&both, 1, s, STEPS);
        ck_assert(w == 8 || w == 128);
        if (s >= STEPS - STEPS / 10)
            ck_assert_int_eq(w, 128);
        else
            small += w == 8;
        differ += w != window_at(&both, 2, s, STEPS);
        ck_assert_int_eq(w, window_at(&both, 1, s, STEPS));
        if (s < STEPS * 7 / 10)
            ck_assert_int_eq(window_at(&ramp, 1, s, STEPS), 8);
        else
            ramped += window_at(&ramp, 1, s, STEPS) == 8;
    }
    ck_assert_double_lt(fabs(small / (0.9 * STEPS) - 0.75), 0.02);
    ck_assert_double_lt(fabs(ramped / (0.2 * STEPS) - 0.5), 0.04);
    ck_assert_int_gt(differ, STEPS / 5);
    ck_assert_double_eq_tol(short_probability_at(&ramp, STEPS * 8 / 10, STEPS), 0.5, 1e-12);
}
END_TEST

START_TEST(rates_rise_and_fall)
{
    const struct rates cosine = {SCHEDULE_COSINE, 2, 0.1, 0.2, 0.1}, whole = {SCHEDULE_COSINE, 2, 0, 0.2, 0},
                       up = {SCHEDULE_COSINE, 2, 1, 0.2, 0};
    ck_assert_double_eq(rate_at(&cosine, 0, 100), 0.2);
    ck_assert_double_eq(rate_at(&cosine, 9, 100), 2);
    ck_assert_double_eq(rate_at(&cosine, 10, 100), 2);
    ck_assert_double_eq_tol(rate_at(&cosine, 55, 100), 1.1, 1e-12);
    ck_assert_double_eq_tol(rate_at(&whole, 50, 100), 1, 1e-12);
    ck_assert_double_eq(rate_at(&up, 99, 100), 2);
    for (int s = 11; s < 100; s++)
        ck_assert_double_lt(rate_at(&cosine, s, 100), rate_at(&cosine, s - 1, 100));
    /* up over 10 steps, 70 at the top, down over 20 to a tenth: the first of them is a 21st below */
    const struct rates wsd = {SCHEDULE_WSD, 2, 0.1, 0.2, 0.1}, constant = {SCHEDULE_CONSTANT, 2, 0.1, 0.2, 0.1},
                       cooling = {SCHEDULE_WSD, 2, 0, 1, 0};
    ck_assert_double_eq(rate_at(&wsd, 0, 100), 0.2);
    for (int s = 9; s < 80; s++)
        ck_assert_double_eq(rate_at(&wsd, s, 100), 2);
    for (int s = 80; s < 100; s++)
        ck_assert_double_eq_tol(rate_at(&wsd, s, 100), 2 * (0.1 + 0.9 * (100 - s) / 21), 1e-12);
    for (int s = 9; s < 100; s++)
        ck_assert_double_eq(rate_at(&constant, s, 100), 2);
    ck_assert_double_eq_tol(rate_at(&cooling, 0, 10), 2.0 * 10 / 11, 1e-12);
    ck_assert_double_eq_tol(rate_at(&cooling, 9, 10), 2.0 / 11, 1e-12);
}
END_TEST

START_TEST(steps_fit_into_a_time)
{
    static const struct { double seconds, gradient, looked_at; int steps; } of[] = {
        {102, 1, 0, 97},               /* 98.94 s of 1.02 s */
        {102, 1, 3, 77},               /* twenty looks of 1 s */
        {102, 0.5, 3, 174}, {10, 1, 1.5, 1}, {0, 1, 0, 1}, {1e12, 1e-3, 0, 1 << 30}, {1.06, 1, 0, 1}, {2.11, 1, 0, 2}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        ck_assert_msg(steps_in(of[i].seconds, of[i].gradient, of[i].looked_at) == of[i].steps,
                      "%g s hold %d steps of %g s, not %d", of[i].seconds, of[i].steps, of[i].gradient,
                      steps_in(of[i].seconds, of[i].gradient, of[i].looked_at));
}
END_TEST

/* ---- data */

static char *counting_file(int n)      /* byte i is i mod 251 */
{
    char *path = scratch("counting");
    unsigned char *text = malloc((size_t)n);
    for (int i = 0; i < n; i++)
        text[i] = (unsigned char)(i % 251);
    put(path, text, (size_t)n);
    free(text);
    return path;
}

static const char *open_text(struct data *d, const char *name, const char *file, const char *held_out,
                             const char *separator, int T)
{
    const char *value[SOURCE_KEYS] = {file, held_out, separator};
    return data_open(d, source_find(name), value, T, why);
}

START_TEST(an_epoch_sees_every_piece_once)
{
    enum { T = 16, N = 4000 };
    char *path = counting_file(N), seen[2][N];
    struct data d;
    struct data_batch b;
    ck_assert_msg(!open_text(&d, "text", path, "0.25", "", T), "%s", why);
    ck_assert(!data_batch_new(&b, 1, T, why));
    const int pieces = (3000 - T) / T;
    for (int epoch = 0; epoch < 2; epoch++) {
        memset(seen[epoch], 0, N);
        for (int i = 0; i < pieces; i++) {
            ck_assert(!data_fill(&d, &b, 7, DATA_TRAIN, (uint64_t)(epoch * pieces + i), why));
            for (int t = 0; t < T; t++)
                ck_assert_int_eq(b.batch.target[t], (b.batch.token[t] + 1) % 251);
            int place = -1;
            for (int p = b.batch.token[0]; p < N && place < 0; p += 251)
                /* pieces with the same first byte are told apart by having been seen */
                place = seen[epoch][p] ? -1 : p;
            ck_assert_int_ge(place, 0);
            seen[epoch][place] = 1;
        }
    }
    ck_assert_msg(memcmp(seen[0], seen[1], N) != 0, "the second epoch cuts elsewhere");
    data_batch_free(&b);
    data_close(&d);
    free(path);
}
END_TEST

START_TEST(what_is_held_out_is_not_trained_on)
{
    enum { T = 8, N = 200 };      /* no byte twice: it tells its place */
    char *path = counting_file(N);
    struct data d;
    struct data_batch b;
    ck_assert(!open_text(&d, "text", path, "0.5", "", T) && !data_batch_new(&b, 4, T, why));
    for (uint64_t i = 0; i < 100; i++)
        for (int part = DATA_TRAIN; part <= DATA_HELD_OUT; part++) {
            ck_assert(!data_fill(&d, &b, 3, (enum data_part)part, 4 * i, why));
            for (int t = 0; t < 4 * T; t++)
                ck_assert(part == DATA_TRAIN ? b.batch.target[t] < N / 2 : b.batch.token[t] >= N / 2);
        }
    data_batch_free(&b);
    data_close(&d);
    ck_assert(!open_text(&d, "text", path, "0.01", "", T) && !data_batch_new(&b, 1, T, why));
    ck_assert(data_fill(&d, &b, 3, DATA_HELD_OUT, 0, why) == why && is_sentence(why));
    data_batch_free(&b);
    data_close(&d);
    free(path);
}
END_TEST

START_TEST(a_batch_may_be_cut_anywhere)
{
    for (int s = 0; s < n_sources; s++) {
        if (!strcmp(sources[s]->name, "shards"))
            continue;
        enum { T = 2048 };
        char *path = counting_file(2 * T), text[PATH_MAX];
        const char *value[SOURCE_KEYS] = {0};
        struct data d;
        struct data_batch whole, part;
        snprintf(text, sizeof text, "0.7 text file=%s", path);
        if (source_key_find(sources[s], "file") >= 0)
            value[source_key(sources[s], "file")] = path;
        if (source_key_find(sources[s], "part_1") >= 0) {
            value[source_key(sources[s], "part_1")] = text;
            value[source_key(sources[s], "part_2")] = "0.3 niah";
        }
        ck_assert_msg(!data_open(&d, sources[s], value, T, why), "%s: %s", sources[s]->name, why);
        ck_assert(!data_batch_new(&whole, 6, T, why) && !data_batch_new(&part, 2, T, why));
        ck_assert_msg(!data_fill(&d, &whole, 5, DATA_TRAIN, 100, why), "%s: %s", sources[s]->name, why);
        for (int i = 2; i >= 0; i--) {
            ck_assert(!data_fill(&d, &part, 5, DATA_TRAIN, 100 + 2 * (uint64_t)i, why));
            ck_assert(!memcmp(part.batch.token, whole.batch.token + 2 * i * T, 2 * T * sizeof(int)));
            ck_assert(!memcmp(part.batch.target, whole.batch.target + 2 * i * T, 2 * T * sizeof(int)));
            ck_assert(!memcmp(part.room.weight, whole.room.weight + 2 * i * T, 2 * T * sizeof(float)));
            ck_assert(!memcmp(part.room.start_cell, whole.room.start_cell + 2 * i * T, 2 * T * sizeof(int)));
        }
        data_batch_free(&whole);
        data_batch_free(&part);
        data_close(&d);
        free(path);
    }
}
END_TEST

START_TEST(documents_begin_at_their_separator)
{
    char *path = scratch("lines");
    struct data d;
    struct data_batch b;
    put(path, "ab\ncd\n\nefghijklmn", 17);
    ck_assert_msg(!open_text(&d, "text", path, "0", "10", 16), "%s", why);
    ck_assert(!data_batch_new(&b, 1, 16, why) && !data_fill(&d, &b, 1, DATA_TRAIN, 0, why));
    const int start[16] = {0, 0, 2, 2, 2, 5, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6};
    ck_assert(!memcmp(b.batch.start_attention, start, sizeof start) &&
              !memcmp(b.batch.start_cell, start, sizeof start));
    data_close(&d);
    ck_assert(!open_text(&d, "text", path, "0", "", 16) && !data_fill(&d, &b, 1, DATA_TRAIN, 0, why));
    ck_assert(!b.batch.start_attention && !b.batch.start_cell && !b.batch.weight);
    ck_assert_double_eq(b.weight, 16);
    d.vocabulary = 'm';      /* a network with fewer tokens than the file has */
    ck_assert(data_fill(&d, &b, 1, DATA_TRAIN, 0, why) == why && is_sentence(why));
    data_batch_free(&b);
    data_close(&d);
    free(path);
}
END_TEST

static void put_shard(const char *path, int magic, int version, int claimed, int tokens)
{
    int header[256] = {magic, version, claimed};
    char *text = calloc(1, 1024 + 2 * (size_t)tokens);
    memcpy(text, header, 1024);
    for (int i = 0; i < tokens; i++) {
        text[1024 + 2 * i] = (char)(i & 255);
        text[1025 + 2 * i] = (char)(i >> 8);
    }
    put(path, text, 1024 + 2 * (size_t)tokens);
    free(text);
}

/* What a file of tokens must be, beside it: the first of each pair is taken. */
START_TEST(a_shard_that_is_none_is_said_with_its_numbers)
{
    static const struct { int magic, version, claimed, tokens; const char *says; } with[] = {
        {20240520, 1, 1, 1, NULL}, {20240520, 1, 40, 40, NULL},
        {20240520, 1, 0, 0, "says that it holds 0 tokens, but its size is that of 0: it was cut short"},
        {20240520, 1, 41, 40, "says that it holds 41 tokens, but its size is that of 40"},
        {20240520, 1, 39, 40, "says that it holds 39 tokens, but its size is that of 40"},
        {20240520, 2, 40, 40, "is of version 2: version 1, with tokens of 16 bits, can be read"},
        {20240801, 1, 40, 40, "is of version 1: version 7, with tokens of 32 bits, can be read"},
        {20240801, 7, 20, 40, NULL}, {20240801, 7, 40, 40, "says that it holds 40 tokens, but its size is that of 20"},
        {7, 1, 40, 40, "it begins with 7 where 20240520 or 20240801 should stand"}};
    static const struct { const char *type; int bytes; const char *says; } plain[] = {
        {"uint16", 80, NULL}, {"uint16", 81, "has 81 bytes: not so many numbers of 16 bits"}, {"uint32", 80, NULL},
        {"uint32", 82, "has 82 bytes: not so many numbers of 32 bits"},
        {"header", 1023, "its 1023 bytes are fewer than a header's 1024"}};
    const struct source *s = source_find("shards");
    const char *value[SOURCE_KEYS] = {0};
    char *path = scratch("one.bin"), *other = scratch("one.bin2"), text[1100] = "";
    struct data d;
    value[source_key(s, "file")] = scratch("one.bin*"), value[source_key(s, "held_out")] = "0";
    put_shard(other, 20240520, 1, 50, 50);
    for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
        put_shard(path, with[i].magic, with[i].version, with[i].claimed, with[i].tokens);
        if (with[i].magic == 20240801)
            put_shard(other, 20240801, 7, 25, 50);
        const char *wrong = data_open(&d, s, value, 8, why);
        ck_assert_msg(!wrong == !with[i].says && (!wrong || strstr(why, with[i].says)), "row %zu: %s", i,
                      wrong ? why : "it is taken");
        if (!wrong)
            data_close(&d);
    }
    ck_assert(!data_open(&d, source_find("copy"), (const char *[SOURCE_KEYS]){0}, 256, why));
    data_close(&d);
    ck_assert_msg(!d.opened, "it is closed, and can be closed again");
    data_close(&d);
    put(other, text, 80);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        put(path, text, (size_t)plain[i].bytes);
        value[source_key(s, "token_type")] = plain[i].type;
        const char *wrong = data_open(&d, s, value, 8, why);
        ck_assert_msg(!wrong == !plain[i].says && (!wrong || strstr(why, plain[i].says)), "%s, %d bytes: %s",
                      plain[i].type, plain[i].bytes, wrong ? why : "it is taken");
        if (!wrong)
            data_close(&d);
    }
}
END_TEST

/* Whatever stood there before. */
START_TEST(a_new_batch_has_room_and_nothing_else)
{
    struct data_batch b;
    memset(&b, 0xA5, sizeof b);
    ck_assert(!data_batch_new(&b, 2, 3, why));
    ck_assert(b.batch.B == 2 && b.batch.T == 3 && b.room.T == 3 && b.batch.token == b.room.token);
    ck_assert(b.batch.target == b.room.target && b.tag == b.room.tag);
    ck_assert(!b.batch.window && !b.batch.weight && !b.batch.start_attention && !b.batch.start_cell);
    ck_assert_double_eq(b.weight, 0);
    data_batch_free(&b);
}
END_TEST

START_TEST(shards_are_read_across_files_and_checked)
{
    char *a = scratch("part-1.bin"), *b = scratch("part-2.bin"), *both = scratch("part-?.bin");
    struct data d;
    struct data_batch batch;
    put_shard(a, 20240520, 1, 1000, 1000);
    put_shard(b, 20240520, 1, 500, 500);
    ck_assert_msg(!open_text(&d, "shards", both, "0", "", 1499), "%s", why);
    ck_assert(!data_batch_new(&batch, 1, 1499, why) && !data_fill(&d, &batch, 1, DATA_TRAIN, 0, why));
    for (int t = 0; t < 1499; t++)
        ck_assert_int_eq(batch.batch.token[t], t % 1000);
    ck_assert_int_eq(batch.batch.target[1498], 499);
    data_close(&d);
    data_batch_free(&batch);
    const struct { int magic, version, claimed, tokens; } bad[] = {
        {20240521, 1, 1000, 1000}, {20240520, 2, 1000, 1000}, {20240520, 1, 999, 1000}, {20240520, 1, 1001, 1000},
        {20240520, 1, -1, 1000},
        {20240520, 1, 0, 0}, {0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put_shard(b, bad[i].magic, bad[i].version, bad[i].claimed, bad[i].tokens);
        ck_assert_msg(open_text(&d, "shards", both, "0", "", 100) == why, "accepted header %zu", i);
        ck_assert(is_sentence(why));
        ck_assert_msg(bad[i].magic != 20240521 ||
                          strstr(why, " begins with 20240521 where 20240520 or 20240801 should stand."), "%s", why);
        ck_assert_msg(bad[i].version != 2 ||
                          strstr(why, " is of version 2: version 1, with tokens of 16 bits, can be read."), "%s", why);
        ck_assert_msg(bad[i].claimed != 1001 || strstr(why, "it holds 1001 tokens, but its size is that of 1000:"),
                      "%s", why);
    }
    char *text;
    put_shard(a, 20240520, 1, 20, 20);
    const size_t n = read_whole(a, &text);
    for (size_t i = 0; i < n; i++) {
        put(b, text, i);
        ck_assert_msg(open_text(&d, "shards", b, "0", "", 8) == why && is_sentence(why),
                      "accepted the first %zu of %zu bytes", i, n);
    }
    free(text);
    free(a);
    free(b);
    free(both);
}
END_TEST

/* A process may have 1,024 files open: a corpus of more is read like one of one.  A file that changes is noticed. */
START_TEST(a_corpus_may_have_more_files_than_descriptors)
{
    enum { FILES = 150, EACH = 20, T = 90 };
    char *all = malloc(FILES * EACH), name[64], *folder = scratch("shards"), *whole = scratch("one.txt");
    struct rlimit few;
    ck_assert(!mkdir(folder, 0777) && all);
    for (int i = 0; i < FILES * EACH; i++)
        all[i] = (char)('a' + i * 7 % 26);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "part-%03d", i);
        put(in_folder(folder, name), all + EACH * i, EACH);
    }
    put(whole, all, FILES * EACH);
    ck_assert(!getrlimit(RLIMIT_NOFILE, &few));
    few.rlim_cur = 100;
    ck_assert(!setrlimit(RLIMIT_NOFILE, &few));
    const char *parts[SOURCE_KEYS] = {in_folder(folder, "part-*")}, *one[SOURCE_KEYS] = {whole};
    struct data a = {0}, b = {0};
    struct data_batch x, y;
    ck_assert_msg(!data_open(&a, source_find("text"), parts, T, why), "%s", why);
    ck_assert_msg(!data_open(&b, source_find("text"), one, T, why), "%s", why);
    ck_assert(!data_batch_new(&x, 8, T, why) && !data_batch_new(&y, 8, T, why));
    for (uint64_t n = 0; n < 200; n += 8) {
        ck_assert_msg(!data_fill(&a, &x, 1, DATA_TRAIN, n, why) && !data_fill(&b, &y, 1, DATA_TRAIN, n, why), "%s",
                      why);
        ck_assert(!memcmp(x.batch.token, y.batch.token, 8 * T * sizeof(int)) &&
                  !memcmp(x.batch.target, y.batch.target, 8 * T * sizeof(int)));
    }
    put(in_folder(folder, "part-000"), "shorter", 7);
    int noticed = 0;
    for (uint64_t n = 0; n < 200 && !noticed; n++)
        noticed = data_fill(&a, &x, 1, DATA_TRAIN, n, why) != NULL;
    ck_assert_msg(noticed && strstr(why, "part-000") && is_sentence(why), "%s", why);
    data_batch_free(&x), data_batch_free(&y), data_close(&a), data_close(&b);
    free(all);
}
END_TEST

/* One number of the second of three sequences, its last token's, is not what it arrives as. */
enum odd { NONE, WEIGHT, ATTENTION, CELL };

static const char *fill_odd(void *opened, struct sequence *s, uint64_t seed, enum data_part part, uint64_t number,
                            char *unused)
{
    const enum odd what = *(const enum odd *)opened;
    (void)seed, (void)part, (void)unused;
    for (int t = 0; t < s->T; t++)
        s->token[t] = s->target[t] = t;
    if (number == 1 && what == WEIGHT)
        s->weight[s->T - 1] = 0.25f;
    if (number == 1 && what == ATTENTION)
        s->start_attention[s->T - 1] = 2;
    if (number == 1 && what == CELL)
        s->start_cell[s->T - 1] = 2;
    return NULL;
}

/* An array of a batch is handed on as soon as one number in it says something, and only then. */
START_TEST(a_batch_hands_on_what_its_sequences_say)
{
    enum { B = 3, T = 5 };
    static const struct source source = {.name = "odd", .fill = fill_odd};
    static const char *const name[] = {"nothing", "a weight", "a document of attention", "a document of cells"};
    for (enum odd what = NONE; what <= CELL; what++) {
        const struct data d = {&source, &what, T};
        struct data_batch b;
        ck_assert(!data_batch_new(&b, B, T, why) && !data_fill(&d, &b, 1, DATA_TRAIN, 0, why));
        ck_assert_msg(b.batch.weight == (what == WEIGHT ? b.room.weight : NULL), "%s: weights are %s", name[what],
                      b.batch.weight ? "handed on" : "kept back");
        ck_assert_msg(b.batch.start_attention == (what == ATTENTION ? b.room.start_attention : NULL),
                      "%s: documents of attention are %s", name[what],
                      b.batch.start_attention ? "handed on" : "kept back");
        ck_assert_msg(b.batch.start_cell == (what == CELL ? b.room.start_cell : NULL),
                      "%s: documents of cells are %s", name[what], b.batch.start_cell ? "handed on" : "kept back");
        ck_assert_double_eq(b.weight, what == WEIGHT ? B * T - 0.75 : B * T);
        ck_assert(b.room.weight[2 * T - 1] == (what == WEIGHT ? 0.25f : 1.0f));
        data_batch_free(&b);
    }
}
END_TEST

/* Blocks are cut across files: each token is trained on or held out, once. */
START_TEST(many_blocks_hold_every_token_once)
{
    enum { FILES = 5, SIZE = 1600, BLOCKS = 2000 };
    char *pattern = scratch("block-?.txt"), name[24], text[SIZE];
    const char *value[SOURCE_KEYS] = {0};
    const struct source *s = source_find("text");
    struct data d;
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "block-%d.txt", i);
        memset(text, 'a' + i, sizeof text);
        put(scratch(name), text, sizeof text);
    }
    value[source_key(s, "file")] = pattern;
    value[source_key(s, "held_out_blocks")] = "2000";
    value[source_key(s, "held_out")] = "0.5";
    ck_assert_msg(!data_open(&d, s, value, 100, why), "%s", why);
    const int64_t train = s->tokens(d.opened, DATA_TRAIN), held_out = s->tokens(d.opened, DATA_HELD_OUT);
    ck_assert_msg(train + held_out == FILES * SIZE && held_out == BLOCKS * 2,
                  "%lld tokens are for training, and %lld held out", (long long)train, (long long)held_out);
    data_close(&d);
}
END_TEST

START_TEST(a_pipe_is_no_file_of_text)
{
    const char *value[SOURCE_KEYS] = {scratch("pipe")};
    struct data d = {0};
    ck_assert_int_eq(mkfifo(value[0], 0600), 0);
    ck_assert(data_open(&d, source_find("text"), value, 8, why) && is_sentence(why));
    ck_assert_msg(strstr(why, "is not a file") != NULL, "%s", why);
}
END_TEST

START_TEST(no_source_hides_a_key_of_the_run)
{
    for (int s = 0; s < n_sources; s++) {
        for (int i = 0; sources[s]->keys[i].name; i++) {
            struct run r = run_default();
            ck_assert_int_lt(i, SOURCE_KEYS);
            ck_assert(!run_set(&r, "data", sources[s]->name, why));
            struct keys k = {.of = "a run"};
            const struct key_table *t = NULL;
            run_tables(&k, &r, 0);
            const struct key *row = keys_find(&k, sources[s]->keys[i].name, &t);
            ck_assert_msg(row == &sources[s]->keys[i] && t->texts == r.value, "%s of %s is a key of the run too",
                          sources[s]->keys[i].name, sources[s]->name);
        }
    }
}
END_TEST

/* ---- picking a token */

START_TEST(picks_follow_the_probabilities)
{
    enum { V = 4, N = 100000 };
    const float logits[V] = {logf(0.1f), logf(0.4f), logf(0.3f), logf(0.2f)};
    int order[V], seen[V] = {0}, nucleus[V] = {0};
    const struct pick plain = {1, 0, 1, V, order}, greedy = {0, 0, 1, V, order}, two = {1, 2, 1, V, order},
        half = {1, 0, 0.5, V, order};
    for (int i = 0; i < N; i++) {
        struct random r = random_open(1, RANDOM_SAMPLE, (uint64_t)i), again = r, third = r;
        seen[pick_token(&plain, logits, &r)]++;
        nucleus[pick_token(&half, logits, &again)]++;
        const int t = pick_token(&two, logits, &third);
        ck_assert(t == 1 || t == 2);
        ck_assert_int_eq(pick_token(&greedy, logits, &third), 1);
    }
    for (int v = 0; v < V; v++)
        ck_assert_double_lt(fabs(seen[v] / (double)N - exp((double)logits[v])), 0.01);
    ck_assert(nucleus[0] == 0 && nucleus[3] == 0);
    ck_assert_double_lt(fabs(nucleus[1] / (double)N - 4.0 / 7), 0.01);
}
END_TEST

/* Of four that are alike, half of the probability are two: the last that it takes is not one too many. */
START_TEST(a_nucleus_ends_where_its_probability_is_reached)
{
    enum { V = 4, N = 400 };
    static const float logits[V] = {0, 0, 0, 0};
    static const struct { double top_p; int kept; } of[] = {{0.25, 1}, {0.5, 2}, {0.51, 3}, {0.75, 3}, {1, 4}, {0, 1}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        int order[V], seen[V] = {0}, kept = 0;
        const struct pick p = {1, 0, of[k].top_p, V, order};
        for (int i = 0; i < N; i++) {
            struct random r = random_open(1, RANDOM_SAMPLE, (uint64_t)i);
            seen[pick_token(&p, logits, &r)]++;
        }
        for (int v = 0; v < V; v++)
            kept += seen[v] > 0;
        ck_assert_msg(kept == of[k].kept, "top_p=%g draws from %d of four", of[k].top_p, kept);
    }
}
END_TEST

/* Whether it was open meanwhile or not, a file that may hold something else than it held is one that moved, once: its
 * size, its age, the change of its age, and which file it is. */
START_TEST(a_file_that_changed_meanwhile_has_moved)
{
    static const char *const texts[] = {"abcdefgh", "abcdefgi", "abcdefghi"};
    for (int change = 0; change < 6; change++)
        for (int closed = 0; closed < 2; closed++) {
            char *path = scratch("changing"), *other = scratch("another"), byte;
            struct many_files m = {.n = 0};
            const struct timespec times[2] = {{1, 0}, {1, 0}}, later[2] = {{2, 0}, {2, 0}};
            put(path, texts[0], 8);
            ck_assert(!utimensat(AT_FDCWD, path, times, 0));
            ck_assert(!many_files_add(&m, path, why) && !many_files_read(&m, 0, &byte, 1, 0, why) && byte == 'a');
            ck_assert_int_eq(many_files_moved(&m), 0); /* a second is a long time: it may be written to once more */
            m.file[0].looked += 60;                    /* as if it had been looked at a minute later */
            if (closed) {
                ck_assert(!close(m.file[0].fd));
                m.file[0].fd = -1;
            }
            if (change == 1) {                         /* written to, with as many bytes */
                put(path, texts[1], 8);
                ck_assert(!utimensat(AT_FDCWD, path, later, 0));
            } else if (change == 2) {                  /* longer, and looks as old */
                put(path, texts[2], 9);
                ck_assert(!utimensat(AT_FDCWD, path, times, 0));
            } else if (change == 3) {                  /* another, of that size and age */
                put(other, texts[0], 8);
                ck_assert(!utimensat(AT_FDCWD, other, times, 0) && !rename(other, path));
            } else if (change == 4) {                  /* written to, and as old again: so says all but one time */
                put(path, texts[1], 8);
                ck_assert(!utimensat(AT_FDCWD, path, times, 0));
            } else if (change == 5)
                ck_assert(!unlink(path));
            if (change == 4 || (change > 2 && !closed))
                m.file[0].as.st_ctime -= 60;           /* as if all that had come a minute later */
            const int read_first = change < 5 && closed && change % 2;
            if (read_first)                            /* opened again in between */
                ck_assert_msg(!many_files_read(&m, 0, &byte, 1, 0, why), "%s", why);
            const int moved = many_files_moved(&m) == 0;
            /* what is open stays the file that it was, whatever has its name now; that it lost the name shows too */
            ck_assert_msg(moved == (change > 0), "change %d, %s: %s", change, closed ? "closed" : "open",
                          moved ? "it has moved" : "nothing is said");
            m.file[0].looked += 60;
            ck_assert_msg(many_files_moved(&m) == -1, "change %d: said twice", change);
            m.opened = 0;
            many_files_close(&m);
        }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("data");
    TCase *t = tcase_create("data");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, a_nucleus_ends_where_its_probability_is_reached);
    tcase_add_test(t, a_file_that_changed_meanwhile_has_moved);
    tcase_add_test(t, the_sum_is_of_all_that_is_trained_on);
    tcase_add_test(t, random_numbers_depend_on_nothing_but_their_place);
    tcase_add_test(t, random_numbers_are_even);
    tcase_add_test(t, numbers_below_a_bound_are_not_uneven);
    tcase_add_test(t, an_order_has_each_once);
    tcase_add_test(t, permutations_hit_everything_once);
    tcase_add_test(t, permutations_are_feistel_rounds);
    tcase_add_test(t, windows_follow_their_schedule);
    tcase_add_test(t, rates_rise_and_fall);
    tcase_add_test(t, steps_fit_into_a_time);
    tcase_add_test(t, an_epoch_sees_every_piece_once);
    tcase_add_test(t, what_is_held_out_is_not_trained_on);
    tcase_add_test(t, a_batch_may_be_cut_anywhere);
    tcase_add_test(t, documents_begin_at_their_separator);
    tcase_add_test(t, a_shard_that_is_none_is_said_with_its_numbers);
    tcase_add_test(t, a_new_batch_has_room_and_nothing_else);
    tcase_add_test(t, shards_are_read_across_files_and_checked);
    tcase_add_test(t, a_corpus_may_have_more_files_than_descriptors);
    tcase_add_test(t, a_batch_hands_on_what_its_sequences_say);
    tcase_add_test(t, many_blocks_hold_every_token_once);
    tcase_add_test(t, a_pipe_is_no_file_of_text);
    tcase_add_test(t, no_source_hides_a_key_of_the_run);
    tcase_add_test(t, picks_follow_the_probabilities);
    suite_add_tcase(s, t);
    scratch_open();
    const int status = suite_ends(s);
    scratch_close();
    return status;
}
