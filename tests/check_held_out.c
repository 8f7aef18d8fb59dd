/* check_held_out.c - what a run says of held-out sequences is what they cost, no bit of its training depends on
 * looking, the best checkpoint is that of the lowest loss, and a run may begin with another's weights or fit into a
 * time. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/scratch.h"
#include "tests/small_run.h"
#include "tests/suite.h"
#include "tools/lib/checksum.h"
#include "tools/lib/files.h"
#include "tools/lib/json.h"
#include "tools/measure/measure.h"
#include "tools/train/checkpoint.h"
#include "tools/train/held_out.h"
#include "tools/train/weights.h"

static char why[SWAX_WHY];
enum { MOST = 200 };

struct line { double step, loss, held_out, error, bits; };

/* The lines of a run's log; what it does not say is NaN. */
static int read_log(const char *folder, struct line line[MOST])
{
    char path[700];
    size_t size;
    int n = 0;
    snprintf(path, sizeof path, "%s/log.jsonl", folder);
    char *text = file_read(path, 1 << 24, &size, why);
    ck_assert_msg(text, "%s", why);
    for (char *at = text, *end; (end = strchr(at, '\n')); at = end + 1, n++) {
        static const char *const keys[] = {"step", "loss", "held_out_loss", "held_out_error", "held_out_bits"};
        double *to = &line[n].step;
        struct json *j = json_parse(at, (size_t)(end - at), why);
        ck_assert_msg(j && n < MOST, "a line of the log is %s", why);
        for (int k = 0; k < 5; k++)
            to[k] = json_get(j, keys[k]) ? json_get(j, keys[k])->number : (double)NAN;
        json_free(j);
    }
    free(text);
    return n;
}

static struct run run_in(const char *folder, const char *settings)
{
    struct run r = small_run(folder);
    char copy[400];
    snprintf(copy, sizeof copy, "%s", settings);
    for (char *p = strtok(copy, " "); p; p = strtok(NULL, " ")) {
        char *equals = strchr(p, '=');
        *equals = 0;
        ck_assert_msg(!run_set(&r, p, equals + 1, why), "%s", why);
    }
    return r;
}

static void train(const struct run *r)
{
    ck_assert_msg(run_train(r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
}

/* Plain mean loss of a checkpoint's held-out sequences, by the measurements that eval uses. */
static struct estimate cost(const char *path, int sequences, int window, int *step)
{
    static struct tally tally[64][MEASURE_ROWS];
    struct checkpoint c;
    struct measured m;
    struct data d = {0};
    const char *value[SOURCE_KEYS], *wrong;
    ck_assert_msg(!checkpoint_open(&c, path, why), "%s", why);
    for (int i = 0; i < SOURCE_KEYS; i++)
        value[i] = c.run.value[i];
    ck_assert_msg(!data_open(&d, c.run.source, value, c.run.length, why), "%s", why);
    struct swax_network *n =
        swax_network_new(&c.run.model, swax_tier_find(NULL, &wrong), SWAX_PREC_F32, 2, c.run.length, 0, why);
    ck_assert_msg(!checkpoint_load(&c, n, SWAX_PREC_F32, 0, why), "%s", why);
    memset(tally, 0, sizeof tally);
    const struct measure_how how = {.B = 2, .T = c.run.length, .window = window, .sequences = sequences, .seed = 1,
                                    .tally = tally};
    ck_assert_msg(!measure(n, &d, &how, &m, why), "%s", why);
    *step = c.step;
    swax_network_free(n);
    checkpoint_close(&c);
    data_close(&d);
    return measure_estimate(tally, sequences, (uint64_t)1 << MEASURE_ALL, MEASURE_LOSS);
}

START_TEST(held_out_losses_are_what_sequences_cost)
{
    char *folder = scratch("looks"), *blind = scratch("blind"), best[700];
    static struct line a[MOST], b[MOST];
    struct run r = run_in(folder, "held_out_every=5 held_out_sequences=5");    /* by two: the last is half a batch */
    struct run without = run_in(blind, "held_out_sequences=0");
    train(&r), train(&without);
    const int n = read_log(folder, a);
    ck_assert_int_eq(n, 24);
    ck_assert_int_eq(read_log(blind, b), n);
    int lowest = -1, step;
    for (int i = 0; i < n; i++) {
        ck_assert_msg(a[i].loss == b[i].loss, "step %d: looking at held-out sequences changed the loss", i + 1);
        ck_assert_msg(isnan(b[i].held_out) && isfinite(a[i].held_out) == ((i + 1) % 5 == 0 || i == n - 1),
                      "step %d: held out %g and %g", i + 1, a[i].held_out, b[i].held_out);
        if (isfinite(a[i].held_out) && (lowest < 0 || a[i].held_out < a[lowest].held_out))
            lowest = i;
        ck_assert(isnan(a[i].held_out) || fabs(a[i].bits - a[i].held_out / log(2)) < 1e-6);
    }
    const struct estimate last = cost(folder, 5, 16, &step);
    ck_assert_int_eq(step, 24);
    ck_assert_msg(fabs(last.value - a[n - 1].held_out) < 1e-5 && fabs(last.error - a[n - 1].error) < 1e-5,
                  "the log says %g +- %g, the sequences cost %g +- %g", a[n - 1].held_out, a[n - 1].error, last.value,
                  last.error);
    snprintf(best, sizeof best, "%s/best.safetensors", folder);
    const struct estimate lowest_cost = cost(best, 5, 16, &step);
    ck_assert_int_eq(step, lowest + 1);
    ck_assert(fabs(lowest_cost.value - a[lowest].held_out) < 1e-5);
    snprintf(best, sizeof best, "%s/best.safetensors", blind);
    ck_assert(access(best, F_OK));
    free(folder), free(blind);
}
END_TEST

/* Of each sequence other tokens have targets: of number 0 the first two, of 1 the last, of 2 all but the first. */
enum { UNEVEN = 6 };

static int uneven_has(int number, int t) { return number == 0 ? t < 2 : number == 1 ? t == UNEVEN - 1 : t > 0; }

static const char *fill_uneven(void *opened, struct sequence *s, uint64_t seed, enum data_part part, uint64_t number,
                               char *unused)
{
    (void)opened, (void)seed, (void)unused;
    ck_assert_int_eq(part, DATA_HELD_OUT);
    for (int t = 0; t < s->T; t++) {
        s->token[t] = (int)(number * 3 + (uint64_t)t * 5) % 11;
        s->target[t] = uneven_has((int)number % 3, t) ? (t * 7 + (int)number) % 11 : -1;
    }
    return NULL;
}

/* The mean is over the targets of all sequences, wherever in a batch each stands, and of a batch that is half used the
 * used half counts. */
START_TEST(each_target_counts_once)
{
    enum { SEQUENCES = 3 };
    static const struct source source = {.name = "uneven", .fill = fill_uneven};
    const struct data d = {.source = &source, .vocabulary = 11};
    struct swax_config c = swax_config_default();
    struct run r = run_default();
    struct data_batch b, one;
    float each[UNEVEN];
    double loss, error, sum = 0, targets = 0, x[SEQUENCES] = {0}, count[SEQUENCES] = {0}, squares = 0;
    r.windows.window = 4;
    ck_assert(!swax_config_set(&c, "width", "16", why) && !swax_config_set(&c, "mixers", "swa mlstm", why) &&
              !swax_config_set(&c, "vocabulary", "11", why));
    struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F32, 2, UNEVEN, 0, why);
    ck_assert_msg(n && !data_batch_new(&b, 2, UNEVEN, why) && !data_batch_new(&one, 1, UNEVEN, why), "%s", why);
    swax_network_init(n, 1);
    ck_assert_msg(!held_out_loss(n, &d, &b, &r, SEQUENCES, &loss, &error, why), "%s", why);
    for (int i = 0; i < SEQUENCES; i++) {
        ck_assert(!data_fill(&d, &one, 1, DATA_HELD_OUT, (uint64_t)i, why));
        one.batch.window = 4;
        swax_network_evaluate(n, &one.batch, each, NULL, NULL);
        for (int t = 0; t < UNEVEN; t++)
            if (uneven_has(i, t))
                x[i] += (double)each[t], count[i]++;
        sum += x[i], targets += count[i];
    }
    for (int i = 0; i < SEQUENCES; i++)
        squares += pow(x[i] - sum / targets * count[i], 2);
    const double spread = sqrt(squares * SEQUENCES / (SEQUENCES - 1)) / targets;
    ck_assert_msg(fabs(loss - sum / targets) < 1e-6 && fabs(error - spread) < 1e-6,
                  "%g +- %g, where the targets one by one cost %g +- %g", loss, error, sum / targets, spread);
    swax_network_free(n);
    data_batch_free(&b), data_batch_free(&one);
}
END_TEST

static double told[MOST];    /* held-out losses, as the run has them */

static enum run_verdict stop_at_12(void *arg, const struct run *r, const struct run_point *p, struct swax_network *n)
{
    (void)arg, (void)r, (void)n;
    if (p)
        told[p->step - 1] = p->held_out;
    return p && p->step == 12 ? RUN_STOP : RUN_GO_ON;
}

/* Nothing is learned, whatever the text: every look costs the same, so that the first stays the best, and a run that
 * goes on must know of it. */
START_TEST(a_stopped_run_remembers_its_best)
{
    char *whole = scratch("whole"), *stopped = scratch("stopped"), path[700];
    static struct line a[MOST], b[MOST];
    int step[2];
    static const char settings[] = "held_out_every=2 held_out_sequences=4 rate=0 decay=0";
    struct run r = run_in(whole, settings), s = run_in(stopped, settings);
    train(&r);
    ck_assert_int_eq(run_train(&s, stop_at_12, NULL, why), RUN_INTERRUPTED);
    s.resume = 1;
    train(&s);
    const int n = read_log(whole, a);
    ck_assert_int_eq(read_log(stopped, b), n);
    for (int i = 0; i < 12; i++)
        ck_assert_msg(isnan(told[i]) || b[i].held_out == told[i],
                      "step %d: the log says %.17g, of %.17g: the best that a resumed run reads there may be another",
                      i + 1, b[i].held_out, told[i]);
    for (int i = 0; i < n; i++)
        ck_assert((isnan(a[i].held_out) && isnan(b[i].held_out)) || a[i].held_out == b[i].held_out);
    for (int k = 0; k < 2; k++) {
        snprintf(path, sizeof path, "%s/best.safetensors", k ? stopped : whole);
        cost(path, 4, 16, &step[k]);
    }
    ck_assert_int_eq(step[0], step[1]);
    for (int i = 0; i < n; i++)
        ck_assert_msg(!(a[i].held_out < a[step[0] - 1].held_out), "step %d is better than the best, of step %d", i + 1,
                      step[0]);
    ck_assert_int_eq(step[0], 2);
    free(whole), free(stopped);
}
END_TEST

START_TEST(a_run_begins_with_anothers_weights)
{
    char *first = scratch("first"), *second = scratch("second"), settings[400];
    static struct line a[MOST], b[MOST];
    struct run r = run_in(first, "held_out_every=24 held_out_sequences=4");
    train(&r);
    snprintf(settings, sizeof settings, "held_out_every=1 held_out_sequences=4 rate=0 decay=0 steps=2 from=%s seed=9",
             first);
    struct run s = run_in(second, settings);
    train(&s);
    const int n = read_log(first, a);
    ck_assert_int_eq(read_log(second, b), 2);
    ck_assert_msg(b[0].held_out == a[n - 1].held_out,
                  "the weights it began with cost %g, the run that trained them ended at %g", b[0].held_out,
                  a[n - 1].held_out);
    /* its checkpoint, once there is one, comes first */
    s.resume = 1;
    snprintf(s.from, sizeof s.from, "%s", "/nowhere");
    train(&s);
    free(first), free(second);
}
END_TEST

static const char *sum_of(const char *path)
{
    static char sum[8][17];
    static int n;
    n = (n + 1) % 8;
    ck_assert_msg(!weights_sum(path, sum[n], why), "%s", why);
    return sum[n];
}

/* A file's, that of a run, or all that end so of a folder, one after the other in the order of their names. */
START_TEST(weights_are_known_by_their_bytes)
{
    enum { LONG = 3 << 20 };
    char *theirs = scratch("theirs"), *ours = scratch("ours"), *one = scratch("one"), *text = calloc(1, LONG);
    char digits[17];
    struct checksum sum = {0};
    ck_assert(!file_make_folder(theirs, why) && !file_make_folder(ours, why));
    put(scratch("theirs/a.safetensors"), "abc", 3), put(scratch("theirs/b.safetensors"), "de", 2);
    put(scratch("theirs/.safetensors"), "x", 1), put(scratch("theirs/config.json"), "y", 1);
    put(one, "abcde", 5);
    ck_assert_str_eq(sum_of(theirs), sum_of(one));
    put(scratch("theirs/a.safetensors"), "Abc", 3);
    ck_assert_str_ne(sum_of(theirs), sum_of(one));
    put(one, "Abcde", 5);
    ck_assert_str_eq(sum_of(theirs), sum_of(one));
    put(scratch("theirs/.safetensors"), "z", 1), put(scratch("theirs/config.json"), "z", 1);
    ck_assert_str_eq(sum_of(theirs), sum_of(one));
    put(scratch("theirs/b.safetensors"), "dE", 2);
    ck_assert_str_ne(sum_of(theirs), sum_of(one));
    /* of a run its last checkpoint, whatever else is there */
    put(scratch("ours/best.safetensors"), "other", 5), put(scratch("ours/checkpoint.safetensors"), "Abcde", 5);
    ck_assert_str_eq(sum_of(ours), sum_of(one));
    /* which has to be a file */
    ck_assert(!unlink(scratch("ours/checkpoint.safetensors")));
    ck_assert(!file_make_folder(scratch("ours/checkpoint.safetensors"), why));
    *why = 0;
    ck_assert(weights_sum(ours, digits, why) == why && strstr(why, "ours/checkpoint.safetensors cannot be read: "));
    /* however long it is */
    for (int i = 0; i < LONG; i++)
        text[i] = (char)(i * 7 >> 5);
    put(one, text, LONG - 5);
    checksum_add(&sum, text, LONG - 5);
    checksum_text(&sum, digits);
    ck_assert_str_eq(sum_of(one), digits);
    ck_assert_str_eq(sum_of(""), "");
    ck_assert(weights_sum(scratch("none"), digits, why) == why && is_sentence(why) && strstr(why, "cannot be read"));
    free(text);
}
END_TEST

START_TEST(steps_fit_into_minutes)
{
    char *folder = scratch("minutes");
    static struct line a[MOST];
    struct run r = run_in(folder, "minutes=0.0000001 steps=77"), there;      /* 6 microseconds: one step */
    train(&r);
    ck_assert_int_eq(read_log(folder, a), 1);
    ck_assert_msg(!run_read(&there, folder, why) && there.steps == 1, "config.json says %d steps: %s", there.steps,
                  why);
    free(folder);
}
END_TEST

/* 30 of 1000 bytes held out are too few for a sequence of 32: nothing is looked at, and nothing refused. */
START_TEST(little_held_out_is_not_looked_at)
{
    char *folder = scratch("little"), *file = scratch("file"), settings[400];
    static struct line a[MOST];
    FILE *f = fopen(file, "w");
    for (int i = 0; i < 1000; i++)
        fputc('a' + i % 7, f);
    fclose(f);
    snprintf(settings, sizeof settings, "file=%s held_out=0.03 separator= steps=3", file);
    struct run r = run_in(folder, settings);
    train(&r);
    ck_assert_int_eq(read_log(folder, a), 3);
    ck_assert(isnan(a[2].held_out));
    free(folder), free(file);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("held_out");
    TCase *t = tcase_create("held_out");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, held_out_losses_are_what_sequences_cost);
    tcase_add_test(t, each_target_counts_once);
    tcase_add_test(t, a_stopped_run_remembers_its_best);
    tcase_add_test(t, a_run_begins_with_anothers_weights);
    tcase_add_test(t, weights_are_known_by_their_bytes);
    tcase_add_test(t, steps_fit_into_minutes);
    tcase_add_test(t, little_held_out_is_not_looked_at);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
