/* check_session.c - a run at work, part by part: when a checkpoint is due, which is the best, what is kept and what is
 * said of it, how many steps fit into minutes, and when its page is written; by a clock of the test's own. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/lib/clock.h"
#include "tools/lib/files.h"
#include "tools/lib/safetensors.h"
#include "tools/train/checkpoint.h"
#include "tools/train/session.h"

static char why[SWAX_WHY];

static double now, tick;

double clock_seconds(void) { return now += tick; }
double clock_processor(void) { return 0; }

/* A few hundred weights, on pairs. */
static struct run tiny(const char *out)
{
    static const char *const settings[][2] = {
        {"data", "mqar"}, {"pairs", "2"}, {"key_symbols", "4"}, {"values", "2"}, {"mixers", "swa"}, {"width", "8"},
        {"heads", "1"}, {"length", "16"}, {"batch", "2"}, {"accumulate", "1"}, {"steps", "20"}, {"window", "8"},
        {"tier", "ref"}, {"threads", "1"}, {"sample_tokens", "0"}, {"held_out_sequences", "2"},
        {"checkpoint_every", "6"}, {"keep_every", "4"}};
    struct run r = run_default();
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        ck_assert_msg(!run_set(&r, settings[i][0], settings[i][1], why), "%s", why);
    snprintf(r.out, sizeof r.out, "%s", out);
    return r;
}

static struct session opened(struct run r)
{
    struct session s = {.r = r, .log.file = -1, .saved = -1};
    now = 100, tick = 0.125;
    ck_assert_msg(session_open(&s, why) == RUN_FINISHED, "%s", why);
    return s;
}

static int is_there(const char *folder, const char *name)
{
    char *path = in_folder(folder, name);
    const int there = !access(path, F_OK);
    free(path);
    return there;
}

START_TEST(a_log_without_a_line_ends_at_step_0)
{
    struct run_log l;
    int step = 7;
    char *out = scratch_keep(scratch("empty-log"));
    ck_assert_msg(!file_make_folder(out, why), "%s", why);
    ck_assert_msg(run_log_open(&l, out, why) == RUN_FINISHED, "%s", why);
    ck_assert_msg(!run_log_last(&l, &step, why) && !step, "step %d", step);
    run_log_close(&l);
}
END_TEST

/* Every sixth and every fourth, and the last. */
START_TEST(a_checkpoint_is_due_when_it_is_asked_for)
{
    struct session s = {.r = tiny("")};
    for (s.step = 0; s.step < 19; s.step++)
        ck_assert_msg(session_due(&s) == (s.step % 6 == 0 || s.step % 4 == 0), "step %d", s.step);
    ck_assert(!session_due(&s));                        /* 19 */
    s.r.steps = 19;
    ck_assert(session_due(&s));
    s.r.keep_every = 0, s.step = 4;
    ck_assert(!session_due(&s));
    s.step = 12;
    ck_assert(session_due(&s));
}
END_TEST

START_TEST(the_last_good_checkpoint_is_named)
{
    struct session s = {.r = tiny("folder"), .saved = -1};
    snprintf(s.path, sizeof s.path, "folder/checkpoint.safetensors");
    static const struct { const char *out, *before; int saved; const char *after; } of[] = {
        {"folder", "The disk is full.", -1, "The disk is full; there is no checkpoint to go back to."},
        {"folder", "The disk is full", 0,
         "The disk is full; the last good checkpoint is folder/checkpoint.safetensors, of step 0."},
        {"folder", "The disk is full.", 12,
         "The disk is full; the last good checkpoint is folder/checkpoint.safetensors, of step 12."},
        {"", "The disk is full.", 12, "The disk is full."}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        snprintf(s.r.out, sizeof s.r.out, "%s", of[i].out);
        s.saved = of[i].saved;
        snprintf(why, sizeof why, "%s", of[i].before);
        session_name_last_good(&s, why);
        ck_assert_str_eq(why, of[i].after);
    }
}
END_TEST

/* The lowest so far, and of equal ones the first; of a run without a folder too. */
START_TEST(the_best_is_the_lowest)
{
    static const struct { double held_out, best; int kept; } of[] = {
        {NAN, NAN, 0}, {3, 3, 1}, {3, 3, 0}, {3.5, 3, 0}, {NAN, 3, 0}, {INFINITY, 3, 0}, {2.5, 2.5, 1}};
    for (int folder = 0; folder < 2; folder++) {
        char *out = scratch("best"), *best = in_folder(out, "best.safetensors");
        struct session s = opened(tiny(folder ? out : ""));
        ck_assert(isnan(s.r.best));
        for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
            struct run_point p = {.held_out = of[i].held_out};
            s.step++;
            unlink(best);
            ck_assert_msg(session_keep_best(&s, &p, why) == RUN_FINISHED, "%s", why);
            ck_assert_msg(s.r.best == of[i].best || (isnan(of[i].best) && isnan(s.r.best)), "row %zu: the best is %g",
                          i, s.r.best);
            ck_assert_msg((access(best, F_OK) == 0) == (folder && of[i].kept), "row %zu", i);
        }
        session_close(&s);
        free(best), free(out);
    }
}
END_TEST

/* What is kept of each step, and under which name. */
START_TEST(numbered_checkpoints_stay)
{
    char *out = scratch("kept");
    struct session s = opened(tiny(out));
    ck_assert_int_eq(s.saved, -1);
    for (s.step = 5; s.step <= 8; s.step++) {
        ck_assert_msg(session_save(&s, why) == RUN_FINISHED, "%s", why);
        struct checkpoint c;
        ck_assert_int_eq(s.saved, s.step);
        ck_assert_msg(!checkpoint_open(&c, out, why) && c.step == s.step, "%s", why);
        checkpoint_close(&c);
    }
    ck_assert(is_there(out, "checkpoint-00000008.safetensors") && !is_there(out, "checkpoint-00000006.safetensors"));
    s.step = 8;                                         /* it is there: not written again */
    unlink(s.path);
    ck_assert(session_save(&s, why) == RUN_FINISHED && access(s.path, F_OK));
    s.step = 9, s.r.keep_every = 0;
    ck_assert(session_save(&s, why) == RUN_FINISHED && !access(s.path, F_OK));
    ck_assert(!is_there(out, "checkpoint-00000009.safetensors"));
    session_close(&s);
    free(out);
}
END_TEST

/* A weight or a moment that is not finite is named, and nothing is saved over what there was. */
START_TEST(what_is_not_finite_is_not_saved)
{
    static const struct { enum swax_which which; const char *name; } of[] = {
        {SWAX_WEIGHT, "weight"}, {SWAX_MOMENT1, "first moment"}, {SWAX_MOMENT2, "second moment"}};
    for (int i = 0; i < 3; i++) {
        char *out = scratch(of[i].name), said[300];
        struct session s = opened(tiny(out));
        int count;
        const struct swax_tensor *t = swax_network_tensors(s.n, &count);
        const int last = count - 1;
        float *row = calloc((size_t)t[last].size, sizeof *row);
        s.step = 3;
        ck_assert_msg(session_save(&s, why) == RUN_FINISHED, "%s", why);
        row[t[last].size - 1] = (float)NAN;
        swax_network_put(s.n, of[i].which, last, row);
        s.step = 5;
        ck_assert_int_eq(session_save(&s, why), RUN_DIVERGED);
        snprintf(said, sizeof said, "Step 5: the %s of %s is not finite; the last good checkpoint is ", of[i].name,
                 t[last].name);
        ck_assert_msg(!strncmp(why, said, strlen(said)) && strstr(why, ", of step 3."), "%s", why);
        ck_assert_int_eq(s.saved, 3);
        session_close(&s);
        free(row), free(out);
    }
}
END_TEST

/* A run whose checkpoint is gone: begun anew, or refused, by what its log and its folder say. */
START_TEST(a_run_without_its_checkpoint)
{
    static const struct { int logged; const char *numbered, *says; int every, keep; } of[] = {
        {3, NULL, NULL, 6, 4}, {4, NULL, NULL, 6, 4}, {5, NULL, "though by log.jsonl step 5 was done", 6, 4},
        {6, NULL, NULL, 6, 0}, {7, NULL, "though by log.jsonl step 7 was done", 6, 0}, {4, NULL, NULL, 4, 6},
        {5, NULL, "though by log.jsonl step 5 was done", 4, 6},
        {0, "checkpoint-00000004.safetensors", "though checkpoint-00000012.safetensors is there", 6, 4},
        {0, "checkpoint-x.safetensors", NULL, 6, 4}, {0, "checkpoint-.safetensors", NULL, 6, 4},
        {0, "checkpoint-00000004.safetensors.partial", NULL, 6, 4}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char name[20], *out, *log, text[2000] = "";
        snprintf(name, sizeof name, "gone-%zu", i);
        out = scratch(name), log = in_folder(out, "log.jsonl");
        struct run r = tiny(out);
        r.checkpoint_every = of[i].every, r.keep_every = of[i].keep;
        struct session s = opened(r);
        session_close(&s);
        for (int step = 1; step <= of[i].logged; step++)
            sprintf(text + strlen(text), "{\"step\": %d, \"loss\": 1}\n", step);
        put(log, text, strlen(text));
        if (of[i].numbered)
            put(in_folder(out, of[i].numbered), "", 0);
        if (of[i].says && of[i].numbered)
            put(in_folder(out, "checkpoint-00000012.safetensors"), "", 0),
                put(in_folder(out, "checkpoint-00000010.safetensors"), "", 0);
        r.resume = 1;
        s = (struct session){.r = r, .log.file = -1, .saved = -1};
        const enum run_end end = session_open(&s, why);
        ck_assert_msg(end == (of[i].says ? RUN_REFUSED : RUN_FINISHED), "row %zu: %s", i, why);
        ck_assert_msg(!of[i].says || strstr(why, of[i].says), "row %zu: %s", i, why);
        ck_assert(of[i].says || (s.step == 0 && run_log_empty(&s.log)));
        ck_assert_msg(!of[i].numbered || is_there(out, of[i].numbered) == !strstr(of[i].numbered, "partial"),
                      "row %zu: %s", i, of[i].numbered);
        session_close(&s);
        free(log), free(out);
    }
}
END_TEST

START_TEST(a_run_goes_on_with_what_it_began_with)
{
    static const struct { const char *key, *value, *says; } of[] = {
        {"rate", "0.5", "\"rate\": "}, {"pairs", "3", "\"pairs\": 2, where \"pairs\": 3 is asked for."},
        {"width", "16", "\"width\": 8, where \"width\": 16 is asked for."}, {"checkpoint_every", "7", NULL},
        {"steps", "21", "\"steps\": 20, where \"steps\": 21 is asked for."}, {"threads", "2", NULL}};
    char *out = scratch("same");
    struct session s = opened(tiny(out));
    s.step = 6;
    ck_assert_msg(session_save(&s, why) == RUN_FINISHED, "%s", why);
    session_close(&s);
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct run r = tiny(out);
        r.resume = 1;
        ck_assert_msg(!run_set(&r, of[i].key, of[i].value, why), "%s", why);
        s = (struct session){.r = r, .log.file = -1, .saved = -1};
        const enum run_end end = session_open(&s, why);
        ck_assert_msg(end == (of[i].says ? RUN_REFUSED : RUN_FINISHED), "%s=%s: %s", of[i].key, of[i].value, why);
        ck_assert_msg(!of[i].says || (strstr(why, of[i].says) && is_sentence(why) && strstr(why, "/same says ")), "%s",
                      why);
        ck_assert(of[i].says || (s.step == 6 && s.saved == 6 && s.r.done == 6));
        session_close(&s);
    }
    free(out);
}
END_TEST

/* Each reading of the clock takes a tick: so does a gradient, of which one warms up, three at least are timed and fifty
 * at most, a fiftieth of the time long. */
START_TEST(steps_that_fit_are_counted)
{
    static const struct { double minutes, tick; int sequences, steps; double until; } of[] = {
        {1, 1, 0, 57, 107}, {1, 1, 2, 50, 107}, {10, 0.25, 0, 1214, 112.75}, {1000, 0.25, 0, 117721, 124.5},
        {0.001, 1, 0, 1, 107}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct run r = tiny("");
        struct session s = {.log.file = -1, .saved = -1};
        r.minutes = of[i].minutes, r.held_out_sequences = of[i].sequences;
        s.r = r;
        now = 100, tick = of[i].tick;
        ck_assert_msg(session_open(&s, why) == RUN_FINISHED, "%s", why);
        ck_assert_msg(s.r.steps == of[i].steps && now == of[i].until, "row %zu: %d steps, and the clock at %g", i,
                      s.r.steps, now);
        session_close(&s);
    }
}
END_TEST

/* Every five seconds while it trains, and in any case where it trains no more. */
START_TEST(a_page_is_written_now_and_then)
{
    static const struct { double at; enum run_page state; int written; } of[] = {
        {100, PAGE_TRAINING, 1}, {104.875, PAGE_TRAINING, 0}, {105, PAGE_TRAINING, 1}, {105.125, PAGE_STOPPED, 1},
        {110, PAGE_TRAINING, 0}, {110.125, PAGE_TRAINING, 1}, {110.25, PAGE_FINISHED, 1}, {110.5, PAGE_DIVERGED, 1}};
    char *out = scratch("shown"), *page = in_folder(out, "run.html");
    struct session s = opened(tiny(out));
    tick = 0;
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        unlink(page);
        now = of[i].at;
        ck_assert_msg(!session_show(&s, of[i].state, why), "%s", why);
        ck_assert_msg((access(page, F_OK) == 0) == of[i].written, "at %g", of[i].at);
    }
    *s.r.out = 0;
    unlink(page);
    ck_assert(!session_show(&s, PAGE_FINISHED, why) && access(page, F_OK));
    session_close(&s);
    free(page), free(out);
}
END_TEST

/* Settings that go with each other, each pair at its limit and beside it. */
START_TEST(settings_go_with_each_other)
{
    static const struct { const char *key[3], *value[3], *says; } of[] = {
        {{"batch", "accumulate"}, {"6", "3"}, NULL}, {{"batch", "accumulate"}, {"6", "6"}, NULL},
        {{"batch", "accumulate"}, {"6", "4"}, "accumulate=4: it divides batch=6 into equal parts."},
        {{"window", "short_window"}, {"8", "8"}, NULL},
        {{"window", "short_window"}, {"8", "9"}, "short_window=9: it is at most window=8."},
        {{"anneal", "ramp"}, {"0.5", "0.5"}, NULL},
        {{"anneal", "ramp"}, {"0.5", "0.75"},
         "anneal=0.5 and ramp=0.75 are fractions of the same run: together at most 1."},
        {{"warmup", "cooldown", "schedule"}, {"0.5", "0.5", "wsd"}, NULL},
        {{"warmup", "cooldown", "schedule"}, {"0.5", "0.75", "cosine"}, NULL},
        {{"warmup", "cooldown", "schedule"}, {"0.5", "0.75", "constant"}, NULL},
        {{"warmup", "cooldown", "schedule"}, {"0.5", "0.75", "wsd"},
         "warmup=0.5 and cooldown=0.75 are fractions of the same run: together at most 1."},
        {{"warmup"}, {"1"}, NULL}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct run r = tiny("");
        for (int k = 0; k < 3 && of[i].key[k]; k++)
            ck_assert_msg(!run_set(&r, of[i].key[k], of[i].value[k], why), "%s", why);
        const char *wrong = run_check(&r, why);
        ck_assert_msg(!wrong == !of[i].says && (!wrong || !strcmp(why, of[i].says)), "row %zu: %s", i,
                      wrong ? why : "taken");
    }
}
END_TEST

/* ---- a checkpoint that another program has changed, with a checksum that is right */

static struct st_file *whole;
static struct st_tensor kept[100];

static void get_kept(void *arg, int i, void *to)
{
    const struct st_tensor *found = st_find(whole, arg && !i ? arg : kept[i].name);
    ck_assert_msg(!st_read_raw(whole, found, to, why), "%s", why);
}

/* The checkpoint with another value under the key (NULL: without it), without its last tensors, and with another name
 * or shape of the first. */
static char *changed(const char *key, const char *value, int left_out, const char *name, int turned)
{
    const char *meta[40][2], *was;
    int members = 0, n = st_count(whole) - left_out;
    char *path = scratch("changed.safetensors");
    for (int i = 0; i < st_meta_count(whole); i++) {
        st_meta_entry(whole, i, &meta[members][0], &meta[members][1]);
        const int here = key && !strcmp(meta[members][0], key);
        if (here)
            meta[members][1] = value;
        members += strcmp(meta[members][0], "swax.checksum") && !(here && !value);
    }
    for (int i = 0; i < n; i++)
        kept[i] = *st_tensor(whole, i);
    was = kept[0].name;
    if (name)
        kept[0].name = name;
    if (turned) {
        const int64_t rows = kept[0].shape[0];
        kept[0].shape[0] = kept[0].shape[1], kept[0].shape[1] = rows;
    }
    const struct st_plan plan = {n, kept, get_kept, (char *)(size_t)was, members, (const char *const (*)[2])meta};
    ck_assert_msg(!st_write(path, &plan, why), "%s", why);
    return path;
}

START_TEST(a_checkpoint_that_was_changed_is_refused)
{
    static const struct {
        const char *key, *value;
        int left_out;
        const char *name;
        int turned;
        const char *says;
    } of[] = {
        {NULL, NULL, 0, NULL, 0, NULL},
        {"step", NULL, 0, NULL, 0, "changed.safetensors cannot be used: its step is missing."},
        {"step", "x", 0, NULL, 0, "its step is missing."}, {"step", "-1", 0, NULL, 0, "its step is missing."},
        {"step", "1073741825", 0, NULL, 0, "its step is missing."},
        {"step", "5", 0, NULL, 0, "cannot be used: its generators do not stand where its step says."},
        {"step", "1073741824", 0, NULL, 0, "its generators do not stand where"},
        {"next_sequence", NULL, 0, NULL, 0, "its generators do not stand where"},
        {"next_sequence", "7", 0, NULL, 0, "its generators do not stand where"},
        {"next_sequence", "x", 0, NULL, 0, "its generators do not stand where"},
        {"generators", NULL, 0, NULL, 0, "its generators do not stand where"},
        {"generators", "{}", 0, NULL, 0, "its generators do not stand where"},
        {"format", NULL, 0, NULL, 0, "is a safetensors file, but no checkpoint of swax"},
        {"format", "else", 0, NULL, 0, "is a safetensors file, but no checkpoint of swax"},
        {"config", NULL, 0, NULL, 0, "is a safetensors file, but no checkpoint of swax"},
        {"config", "[]", 0, NULL, 0, "is no JSON object"}, {"config", "{", 0, NULL, 0, "The configuration in "},
        {"tier", NULL, 0, NULL, 0, NULL}, {"data", NULL, 0, NULL, 0, NULL},
        {NULL, NULL, 1, NULL, 0, "tensors, where a network of this configuration has "},
        {NULL, NULL, 0, "else", 0, "The checkpoint lacks tensor "},
        {NULL, NULL, 0, NULL, 1, " of the checkpoint is "}};
    struct checkpoint c;
    char *path = scratch("whole.safetensors"), counted[200];
    struct session s = opened(tiny(""));
    strcpy(s.r.tiers, "ref");
    ck_assert_msg(!checkpoint_save(path, &s.r, s.n, 4, 0, why), "%s", why);
    session_close(&s);
    whole = st_open(path, why);
    ck_assert_msg(whole, "%s", why);
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        const char *now = changed(of[i].key, of[i].value, of[i].left_out, of[i].name, of[i].turned),
                   *tiers = of[i].key && !strcmp(of[i].key, "tier") ? "" : "ref",
                   *wrong = checkpoint_open(&c, now, why);
        ck_assert_msg(!wrong == !of[i].says && (!wrong || (strstr(why, of[i].says) && is_sentence(why))),
                      "row %zu: %s", i, wrong ? why : "it is taken");
        ck_assert(wrong || (c.step == 4 && c.file && !strcmp(c.run.tiers, tiers)));
        ck_assert(!wrong || !c.file);
        snprintf(counted, sizeof counted, "The checkpoint holds %d tensors, where a network of this configuration has "
                 "%d, or %d with moments.", st_count(whole) - 1, st_count(whole), 3 * st_count(whole));
        ck_assert_msg(!of[i].left_out || !strcmp(why, counted), "%s\nand not\n%s", why, counted);
        if (!wrong)
            checkpoint_close(&c);
    }
    st_close(whole);
}
END_TEST

/* At every so many-th step, or a twentieth of them, and the last. */
START_TEST(looks_are_at_their_steps)
{
    static const struct { int every, steps, sequences, first, second; } of[] = {
        {0, 20, 2, 1, 2}, {0, 21, 2, 1, 2}, {0, 40, 2, 2, 4}, {0, 59, 2, 2, 4}, {0, 60, 2, 3, 6}, {7, 60, 2, 7, 14},
        {0, 20, 0, 0, 0}, {50, 40, 2, 40, 0}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct run r = tiny("");
        r.held_out_every = of[i].every, r.steps = of[i].steps, r.held_out_sequences = of[i].sequences;
        struct session s = opened(r);
        int looked = 0;
        for (s.step = 1; s.step <= r.steps; s.step++) {
            struct run_point p = {.held_out = 1, .held_out_error = 1, .sample = "x", .cells = 3};
            ck_assert_msg(session_look(&s, &p, why) == RUN_FINISHED, "%s", why);
            ck_assert(!p.sample && !p.cells && isnan(p.held_out) == isnan(p.held_out_error));
            if (isnan(p.held_out))
                continue;
            looked++;
            ck_assert_msg(s.step == of[i].first * looked || s.step == r.steps, "row %zu: a look at step %d", i, s.step);
        }
        ck_assert_msg(looked == (of[i].first ? (r.steps + of[i].first - 1) / of[i].first : 0), "row %zu: %d looks", i,
                      looked);
        session_close(&s);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("session");
    TCase *t = tcase_create("session");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_log_without_a_line_ends_at_step_0);
    tcase_add_test(t, a_checkpoint_is_due_when_it_is_asked_for);
    tcase_add_test(t, the_last_good_checkpoint_is_named);
    tcase_add_test(t, the_best_is_the_lowest);
    tcase_add_test(t, numbered_checkpoints_stay);
    tcase_add_test(t, what_is_not_finite_is_not_saved);
    tcase_add_test(t, a_run_without_its_checkpoint);
    tcase_add_test(t, a_run_goes_on_with_what_it_began_with);
    tcase_add_test(t, steps_that_fit_are_counted);
    tcase_add_test(t, a_page_is_written_now_and_then);
    tcase_add_test(t, settings_go_with_each_other);
    tcase_add_test(t, a_checkpoint_that_was_changed_is_refused);
    tcase_add_test(t, looks_are_at_their_steps);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
