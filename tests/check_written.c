/* check_written.c - a file of data that is written to while it is read: whenever that happens, no number is of two
 * texts, and nothing that was made before is lost. */
#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/asked.h"
#include "tests/scratch.h"
#include "tests/small_run.h"
#include "tests/suite.h"
#include "tools/ablate/ablate.h"
#include "tools/lib/commands.h"
#include "tools/lib/files.h"
#include "tools/train/checkpoint.h"

enum { SIZE = 3000, HELD = 300, PATHS = 600 };

static char why[SWAX_WHY], text[SIZE], path[PATHS];

/* ---- what happens to the file, at the so-manieth read of it */

enum way { IN_TRAINING, IN_HELD_OUT, CUT_SHORT, REPLACED, TOUCHED, LONGER, WAYS };
static const char *const way_name[] = {"training text overwritten", "held-out text overwritten", "cut short",
                                       "replaced by another", "written anew as it was", "longer"};
static int reads, strike_at;
static enum way way;

static void overwrite(const char *from, size_t n, off_t at)
{
    const int fd = open(path, O_WRONLY);
    ck_assert(fd >= 0 && pwrite(fd, from, n, at) == (ssize_t)n);
    close(fd);
}

static void strike(void)
{
    char other[SIZE], *beside = scratch("beside");
    for (int i = 0; i < SIZE; i++)
        other[i] = (char)(text[i] ^ 1);
    if (way == IN_TRAINING)
        overwrite(other, SIZE - HELD, 0);
    else if (way == IN_HELD_OUT)
        overwrite(other + SIZE - HELD, HELD, SIZE - HELD);
    else if (way == CUT_SHORT)
        ck_assert(!truncate(path, SIZE / 3));
    else if (way == TOUCHED)
        overwrite(text, SIZE, 0);
    else if (way == LONGER)
        overwrite(other, SIZE, SIZE);
    else {
        put(beside, other, SIZE);
        ck_assert(!rename(beside, path));
    }
}

/* Stands in for the C library's, and counts what is read of the one file. */
ssize_t pread(int fd, void *to, size_t n, off_t at)
{
    struct stat a, b;
    if (*path && !fstat(fd, &a) && !stat(path, &b) && a.st_ino == b.st_ino && a.st_dev == b.st_dev &&
        ++reads == strike_at)
        strike();
    return (ssize_t)syscall(SYS_pread64, fd, to, n, at);
}

static void lay(void)
{
    if (!*path)
        snprintf(path, sizeof path, "%s", scratch("text.txt"));
    for (int i = 0; i < SIZE; i++)
        text[i] = (char)(i % 2 ? 1 : 'a' + (i * i + i / 7) % 19);      /* as 16 bits, below 512 */
    put(path, text, SIZE);
}

static void put_back(void)
{
    if (way == CUT_SHORT || way == LONGER)
        ck_assert(!truncate(path, SIZE));
    overwrite(text, SIZE, 0);
}

/* ---- a run */

static int reads_before;

static enum run_verdict count_reads(void *arg, const struct run *r, const struct run_point *p, struct swax_network *n)
{
    (void)arg, (void)r, (void)n;
    reads_before = p ? reads_before : reads;
    return RUN_GO_ON;
}

static struct run tiny_run(const char *out, const char *data, int looks)
{
    const char *const settings[][2] = {{"tier", "ref"}, {"mixers", "swa"}, {"width", "8"}, {"heads", "1"},
                                       {"batch", "2"}, {"accumulate", "1"}, {"length", "16"}, {"steps", "7"},
                                       {"window", "4"}, {"short_window", "0"}, {"anneal", "0"},
                                       {"checkpoint_every", "3"}, {"held_out_sequences", looks ? "2" : "0"},
                                       {"sample_tokens", "0"}};
    struct run r = small_run(out);
    char part[PATHS + 60];
    if (strcmp(data, "text"))
        memset(r.value, 0, sizeof r.value);
    if (!strcmp(data, "mixture")) {
        snprintf(part, sizeof part, "1 text file=%s", path);
        ck_assert_msg(!run_set(&r, "data", "mixture", why) && !run_set(&r, "part_1", part, why), "%s", why);
    } else if (!strcmp(data, "shards"))
        ck_assert_msg(!run_set(&r, "data", "shards", why) && !run_set(&r, "token_type", "uint16", why) &&
                      !run_set(&r, "file", path, why) && !run_set(&r, "vocabulary", "512", why), "%s", why);
    else
        ck_assert_msg(!run_set(&r, "file", path, why) && !run_set(&r, "separator", "", why), "%s", why);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        ck_assert_msg(!run_set(&r, settings[i][0], settings[i][1], why), "%s", why);
    return r;
}

static int step_of(const char *folder)
{
    struct checkpoint c;
    if (access(in_folder(folder, checkpoint_name), F_OK))
        return 0;
    ck_assert_msg(!checkpoint_open(&c, folder, why), "%s", why);
    checkpoint_close(&c);
    return c.step;
}

/* Every look that the log holds is one of the whole run's. */
static void same_looks(const char *whole, const char *struck, const char *what, int at)
{
    char *all, *there, look[80];
    read_whole(in_folder(whole, "log.jsonl"), &all);
    read_whole(in_folder(struck, "log.jsonl"), &there);
    for (const char *p = there; (p = strstr(p, "\"held_out_loss\":")); p++) {
        snprintf(look, sizeof look, "%.*s", (int)strcspn(p, ","), p);
        ck_assert_msg(strstr(all, look), "%s, read %d: a look of another run: %s", what, at, look);
    }
    free(all), free(there);
}

/* A run whose file changes at any of its reads ends in the bits of one whose file does not, or is refused, and goes on
 * to them when the file is put back. */
static void train_struck(const char *data, int looks, int every)
{
    char whole[80], name[80], *other = NULL;
    snprintf(whole, sizeof whole, "whole-%s-%d", data, looks);
    lay();
    strike_at = reads = 0;
    struct run r = tiny_run(scratch(whole), data, looks);
    ck_assert_msg(run_train(&r, count_reads, NULL, why) == RUN_FINISHED, "%s", why);
    const int all = reads, first = reads_before;
    ck_assert_int_gt(all, first + 6);
    int refused_runs = 0;
    for (int w = 0; w < WAYS; w++)
        for (int at = first + 1 + w % every; at <= all; at += every) {
            way = (enum way)w;
            lay();
            snprintf(name, sizeof name, "struck-%s-%d-%d-%d", data, looks, w, at);
            r = tiny_run(scratch(name), data, looks);
            reads = 0, strike_at = at;
            const enum run_end end = run_train(&r, NULL, NULL, why);
            strike_at = 0;
            ck_assert_msg(end == RUN_FINISHED || end == RUN_REFUSED, "%s, read %d: it ended with %d", way_name[w], at,
                          (int)end);
            if (end == RUN_REFUSED) {
                refused_runs++;
                ck_assert_msg(way < TOUCHED, "%s, read %d: %s", way_name[w], at, why);
                ck_assert_msg(is_sentence(why) && strstr(why, path) && (strstr(why, "the last good checkpoint is ") ||
                              strstr(why, "there is no checkpoint to go back to")), "%s, read %d: %s", way_name[w], at,
                              why);
                same_looks(scratch(whole), r.out, way_name[w], at);
                const int kept = step_of(r.out);
                ck_assert_msg(kept == 0 || kept == 3 || kept == 6, "%d", kept);
                put_back();
                r.resume = 1;
                ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s, read %d: %s", way_name[w], at, why);
            }
            other = in_folder(r.out, checkpoint_name);
            ck_assert_msg(same_bytes(in_folder(scratch(whole), checkpoint_name), other),
                          "%s, read %d: other bits than those of a run whose file stayed as it was", way_name[w], at);
            if (looks)
                ck_assert_msg(same_bytes(in_folder(scratch(whole), "best.safetensors"),
                                         in_folder(r.out, "best.safetensors")),
                              "%s, read %d: another best", way_name[w], at);
        }
    ck_assert_msg(refused_runs > (getenv("EVERY") ? 1 : 5), "only %d runs were refused", refused_runs);
}

START_TEST(a_run_is_of_one_text)
{
    train_struck("text", 1, suite_stride(4));
    train_struck("text", 0, suite_stride(3));
}
END_TEST

START_TEST(so_is_one_of_shards_or_of_a_mixture)
{
    train_struck("mixture", 1, suite_stride(11));
    train_struck("shards", 0, suite_stride(9));
}
END_TEST

/* What is stopped is saved only if it is of one text. */
static enum run_verdict strike_and_stop(void *arg, const struct run *r, const struct run_point *p,
                                        struct swax_network *n)
{
    (void)r, (void)n;
    if (!p || p->step < 4)
        return RUN_GO_ON;
    if (*(int *)arg)
        strike();
    return RUN_STOP;
}

START_TEST(what_is_stopped_is_of_one_text)
{
    for (int struck = 0; struck < 2; struck++) {
        lay();
        way = IN_TRAINING;
        struct run r = tiny_run(scratch(struck ? "stopped-struck" : "stopped"), "text", 0);
        const enum run_end end = run_train(&r, strike_and_stop, &struck, why);
        ck_assert_msg(end == (struck ? RUN_REFUSED : RUN_INTERRUPTED), "%d: it ended with %d", struck, (int)end);
        ck_assert_int_eq(step_of(r.out), struck ? 3 : 4);
    }
    struct run nowhere = tiny_run("", "text", 0);              /* without a folder, too */
    int struck = 1;
    lay();
    ck_assert(run_train(&nowhere, strike_and_stop, &struck, why) == RUN_REFUSED);
    ck_assert_msg(strstr(why, "was written to while it was read"), "%s", why);
}
END_TEST

/* ---- eval */

#define SMALL "mixers=swa width=8 heads=1 length=16 batch=2 tier=ref threads=1 steps=4 sample_tokens=0 "

START_TEST(an_evaluation_is_of_one_text)
{
    lay();
    strike_at = 0;
    done(cmd_train, placed("out=@evaluated " SMALL "file=@text.txt held_out_sequences=0"));
    reads = 0;
    const char *asked = placed("@evaluated sequences=4 lengths=16,32 windows=4,8 context=4 json=yes");
    const char *whole = done(cmd_eval, asked);
    const int all = reads;
    ck_assert_int_gt(all, 10);
    for (int w = 0; w < WAYS; w++)
        for (int at = 2 + w; at <= all; at += suite_stride(7)) {   /* 1: it is of the other text throughout */
            way = (enum way)w;
            lay();
            reads = 0, strike_at = at;
            const struct answer a = ask_command(cmd_eval, asked);
            strike_at = 0;
            if (!a.status) {
                char *said;
                read_whole(scratch("stdout"), &said);
                ck_assert_msg(!strcmp(said, whole), "%s, read %d: other numbers, and status 0", way_name[w], at);
                free(said);
            } else
                ck_assert_msg(way != TOUCHED && strlen(a.text) > 20, "%s, read %d: %s", way_name[w], at, a.text);
        }
}
END_TEST

/* What a run was trained on is held out where its file has become shorter. */
START_TEST(an_evaluation_of_other_data_than_the_runs_says_so)
{
    lay();
    strike_at = 0;
    done(cmd_train, placed("out=@moved " SMALL "file=@text.txt held_out_sequences=0"));
    const char *asked = placed("@moved sequences=2"), *said = "it may have been trained on it";
    struct answer a = ask_command(cmd_eval, asked);
    ck_assert_msg(!a.status && !*a.text, "%s", a.text);
    put(scratch("other.txt"), text, SIZE / 2);
    put(path, text, SIZE / 2);
    a = ask_command(cmd_eval, asked);
    ck_assert_msg(!a.status && strstr(a.text, "what this run's data hold out now is not what they held out"), "%s",
                  a.text);
    a = ask_command(cmd_eval, placed("@moved sequences=2 file=@other.txt"));                /* asked for */
    ck_assert_msg(!a.status && !*a.text, "%s%s", a.text, said);
    lay();
    a = ask_command(cmd_eval, asked);
    ck_assert_msg(!a.status && !*a.text, "%s", a.text);
}
END_TEST

/* ---- ablate */

static int go_on(void *arg, int step) { return (void)arg, (void)step, 0; }

static void open_ablation(struct ablation *a, const char *folder)
{
    char plan[2000];
    struct options none = {NULL, 0};
    snprintf(plan, sizeof plan,
             "{\"name\": \"written\", \"sequences\": 4, \"points\": 6, \"near\": \"loss\", \"settings\": {\"data\": "
             "\"text\", \"file\": \"%s\", \"mixers\": \"swa\", \"width\": 8, \"heads\": 1, \"length\": 16, \"batch\": "
             "2, \"steps\": 6, \"window\": 4, \"tier\": \"ref\", \"checkpoint_every\": 2, \"held_out_sequences\": 0, "
             "\"context\": 2}, \"arms\": [{\"name\": \"one\"}]}", path);
    ck_assert_msg(!ablation_open(a, plan, &none, why), "%s", why);
    snprintf(a->out, sizeof a->out, "%s", folder);
}

/* A result without its seconds. */
static char *result(const struct ablation *a)
{
    char folder[RUN_TEXT + 64], *whole;
    ablation_folder(folder, a, 0, 0);
    if (access(in_folder(folder, "result.json"), F_OK))
        return NULL;
    read_whole(in_folder(folder, "result.json"), &whole);
    char *at = strstr(whole, "\"seconds\": ");
    ck_assert(at);
    memset(at, ' ', strcspn(at, ","));
    return scratch_keep(whole);
}

static void same_result(const char *a, const char *b, const char *what, int at)
{
    for (; *a || *b; a += *a != 0, b += *b != 0) {
        a += strspn(a, " "), b += strspn(b, " ");
        ck_assert_msg(*a == *b, "%s, read %d: another result: %.60s, not %.60s", what, at, b, a);
    }
}

START_TEST(a_result_is_of_one_text)
{
    static struct ablation a;
    char folder[60];
    lay();
    strike_at = reads = 0;
    open_ablation(&a, scratch("ablated"));
    ck_assert_msg(!ablation_claim(&a, 0, why), "%s", why);
    const int claimed = reads;
    ck_assert_msg(outcome_make(&a, 0, 0, 1, go_on, NULL, why) == OUTCOME_DONE, "%s", why);
    const int all = reads;
    const char *whole = result(&a);
    ablation_close(&a);
    ck_assert_int_gt(all, claimed + 20);
    for (int w = 0; w < WAYS; w++)
        for (int at = claimed + 1 + w; at <= all; at += suite_stride(13)) {
            way = (enum way)w;
            lay();
            snprintf(folder, sizeof folder, "ablated-%d-%d", w, at);
            open_ablation(&a, scratch(folder));
            reads = 0, strike_at = at;
            ck_assert_msg(!ablation_claim(&a, 0, why), "%s", why);
            const enum outcome_end end = outcome_make(&a, 0, 0, 1, go_on, NULL, why);
            strike_at = 0;
            if (end != OUTCOME_DONE) {
                ck_assert_msg(end == OUTCOME_FAILED && way != TOUCHED && is_sentence(why), "%s, read %d: %s",
                              way_name[w], at, why);
                ck_assert_msg(!result(&a), "%s, read %d: a result was left", way_name[w], at);
                put_back();
                ck_assert_msg(outcome_make(&a, 0, 0, 1, go_on, NULL, why) == OUTCOME_DONE, "%s, read %d: %s",
                              way_name[w], at, why);
            }
            same_result(whole, result(&a), way_name[w], at);
            ablation_close(&a);
        }
}
END_TEST

/* A run that begins later is of what the others are of. */
START_TEST(runs_that_begin_later_are_of_the_same_text)
{
    static struct ablation a;
    lay();
    strike_at = 0;
    open_ablation(&a, scratch("later"));
    ck_assert_msg(!ablation_claim(&a, 0, why), "%s", why);
    way = IN_TRAINING;
    strike();
    ck_assert(outcome_make(&a, 0, 0, 1, go_on, NULL, why) == OUTCOME_FAILED);
    ck_assert_msg(strstr(why, "was changed since the ablation began") && is_sentence(why), "%s", why);
    put_back();
    ck_assert_msg(outcome_make(&a, 0, 0, 1, go_on, NULL, why) == OUTCOME_DONE, "%s", why);
    ablation_close(&a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("written");
    TCase *t = tcase_create("written");
    tcase_set_timeout(t, 240);
    tcase_add_test(t, a_run_is_of_one_text);
    tcase_add_test(t, so_is_one_of_shards_or_of_a_mixture);
    tcase_add_test(t, what_is_stopped_is_of_one_text);
    tcase_add_test(t, an_evaluation_is_of_one_text);
    tcase_add_test(t, an_evaluation_of_other_data_than_the_runs_says_so);
    tcase_add_test(t, a_result_is_of_one_text);
    tcase_add_test(t, runs_that_begin_later_are_of_the_same_text);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
