/* check_train.c - a run learns, and resumes to the bit however it was stopped; nothing it saved is lost. */
#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "tools/train/checkpoint.h"
#include "tools/lib/clock.h"
#include "tools/lib/json.h"
#include "tools/lib/random.h"
#include "tools/train/run.h"
#include "tests/scratch.h"
#include "tests/sequences.h"
#include "tests/small_run.h"
#include "tests/suite.h"

static char why[SWAX_WHY];

struct losses { double first, last; int n, stop_after, poison_after; char before[RUN_TIERS]; };

static void poison(struct swax_network *n)
{
    int count;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    float *row = malloc((size_t)t->size * sizeof *row);
    for (long i = 0; i < t->size; i++)
        row[i] = NAN;
    swax_network_put(n, SWAX_WEIGHT, 0, row);
    free(row);
}

static enum run_verdict watch(void *arg, const struct run *r, const struct run_point *p, struct swax_network *n)
{
    struct losses *l = arg;
    memcpy(l->before, r->tiers, sizeof l->before);
    if (!p)
        return RUN_GO_ON;
    l->n++;
    if (l->n <= 10)
        l->first += p->loss / 10;
    if (l->n == l->poison_after)
        poison(n);
    l->last = 0.9 * (l->n == 1 ? p->loss : l->last) + 0.1 * p->loss;
    return l->stop_after && l->n >= l->stop_after ? RUN_STOP : RUN_GO_ON;
}

START_TEST(loss_falls_on_the_repositorys_own_text)
{
    struct losses l = {0};
    struct run r = small_run("");
    r.steps = 150;
    ck_assert_msg(run_train(&r, watch, &l, why) == RUN_FINISHED, "%s", why);
    ck_assert_int_eq(l.n, 150);
    ck_assert_double_gt(l.first, 4);
    ck_assert_msg(l.last < 3.4, "the loss fell from %g to no less than %g", l.first, l.last);
}
END_TEST

START_TEST(a_run_resumes_to_the_bit_from_every_step)
{
    char *whole = scratch("whole"), *cut = scratch("cut"), *a = in_folder(whole, checkpoint_name),
        *b = in_folder(cut, checkpoint_name);
    struct run r = small_run(whole);
    r.steps = 12;
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    r = small_run(cut);
    r.steps = 12;
    for (int s = 1; s <= 12; s++) {      /* one step at a time, on one thread and on two */
        struct losses l = {.stop_after = 1};
        r.resume = s > 1;
        r.threads = 1 + s % 2;
        const enum run_end end = run_train(&r, watch, &l, why);
        ck_assert_msg(end == (s < 12 ? RUN_INTERRUPTED : RUN_FINISHED), "%s", why);
        ck_assert_int_eq(l.n, 1);
    }
    ck_assert_msg(same_bytes(a, b), "the checkpoint of the resumed run differs");
    struct losses l = {0};
    ck_assert(run_train(&r, watch, &l, why) == RUN_FINISHED && l.n == 0 && same_bytes(a, b));
    free(whole);
    free(cut);
    free(a);
    free(b);
}
END_TEST

/* Train in a process of its own, killed after so many seconds if it still lives: did it finish? */
static int finishes(const struct run *r, double seconds)
{
    int status;
    const struct timespec t = {(time_t)seconds, (long)(1e9 * (seconds - floor(seconds)))};
    const pid_t child = fork();
    if (!child)
        _exit(run_train(r, NULL, NULL, why) != RUN_FINISHED);
    if (seconds > 0) {
        nanosleep(&t, NULL);
        kill(child, SIGKILL);
    }
    ck_assert(waitpid(child, &status, 0) == child);
    ck_assert(WIFSIGNALED(status) || !WEXITSTATUS(status));
    return !WIFSIGNALED(status);
}

/* Kill it at random moments, twenty times; then let it finish.  One that finishes before is begun again. */
START_TEST(twenty_kills_change_nothing)
{
    char *whole = scratch("alive"), *cut = scratch("killed"), *a = in_folder(whole, checkpoint_name),
        *b = in_folder(cut, checkpoint_name), *text;
    char command[700];
    struct random random = random_open(1, 0, 0);
    struct run r = small_run(whole);
    r.steps = 40;
    r.threads = 1;
    r.checkpoint_every = 1;
    double started = clock_seconds();
    ck_assert(finishes(&r, 0));
    const double whole_time = clock_seconds() - started;
    snprintf(r.out, sizeof r.out, "%s", cut);
    snprintf(command, sizeof command, "rm -r '%s'", cut);
    r.resume = 1;
    for (int kills = 0, starts = 0; kills < 20; starts++) {
        ck_assert_int_lt(starts, 1000);
        if (!finishes(&r, 0.001 + random_unit(&random) * whole_time / 8))
            kills++;
        else
            ck_assert_int_eq(system(command), 0);
    }
    ck_assert(finishes(&r, 0));
    ck_assert_msg(same_bytes(a, b), "after twenty kills the checkpoint differs");
    read_whole(in_folder(cut, "log.jsonl"), &text);
    int lines = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
        struct json *j = json_parse(line, strlen(line), why);
        ck_assert_msg(j && json_get(j, "step")->number == lines + 1, "line %d of the log: %s", lines + 1, line);
        json_free(j);
    }
    ck_assert_int_eq(lines, 40);
}
END_TEST

START_TEST(threads_and_a_second_run_change_no_bit)
{
    char *out[3] = {scratch("one"), scratch("two"), scratch("seven")};
    for (int i = 0; i < 3; i++) {
        struct run r = small_run(out[i]);
        r.threads = i == 2 ? 7 : i + 1;
        ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    }
    ck_assert(same_bytes(in_folder(out[0], checkpoint_name), in_folder(out[1], checkpoint_name)));
    ck_assert(same_bytes(in_folder(out[0], checkpoint_name), in_folder(out[2], checkpoint_name)));
}
END_TEST

START_TEST(config_json_repeats_the_run)
{
    char *out = scratch("first"), *again = scratch("again");
    struct run r = small_run(out), from;
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    ck_assert_msg(!run_read(&from, out, why), "%s", why);
    snprintf(from.out, sizeof from.out, "%s", again);
    ck_assert_msg(run_train(&from, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    ck_assert(same_bytes(in_folder(out, checkpoint_name), in_folder(again, checkpoint_name)));
    ck_assert(same_bytes(in_folder(out, "config.json"), in_folder(again, "config.json")));
}
END_TEST

/* changed: which byte is another; -1 for none */
static void put_text(const char *path, int tokens, int changed)
{
    char *text = malloc((size_t)tokens);
    for (int i = 0; i < tokens; i++)
        text[i] = i == changed ? '~' : (char)(' ' + i % 89 * 7 % 64);
    put(path, text, (size_t)tokens);
    free(text);
}

START_TEST(a_run_goes_on_where_other_kernels_and_files_are)
{
    char *out = scratch("moved"), *here = scratch("here.txt"), *there = scratch("there.txt"),
        *path = in_folder(out, checkpoint_name), *last, *after;
    struct losses whole = {0}, l = {.stop_after = 12};
    put_text(here, 3000, -1);
    put_text(there, 3000, 2900);                /* held out: no bit depends on it */
    struct run r = small_run(""), read;
    ck_assert(!run_set(&r, "file", here, why) && !run_set(&r, "tier", "ref", why));
    ck_assert_msg(run_train(&r, watch, &whole, why) == RUN_FINISHED, "%s", why);
    ck_assert(!run_set(&r, "out", out, why));
    ck_assert_msg(run_train(&r, watch, &l, why) == RUN_INTERRUPTED, "%s", why);
    ck_assert_str_eq(l.before, "");
    const size_t n = read_whole(path, &last);

    r.resume = 1;
    for (int changed = -1; changed < 2700; changed += 100) {
        put_text(here, changed < 0 ? 2500 : 3000, changed);
        ck_assert_int_eq(run_train(&r, watch, &l, why), RUN_REFUSED);
        ck_assert_msg(strstr(why, "data are not those") && is_sentence(why), "%s", why);
    }
    ck_assert(!run_set(&r, "file", "nowhere.txt", why));
    ck_assert_int_eq(run_train(&r, watch, &l, why), RUN_REFUSED);
    ck_assert_msg(strstr(why, "nowhere.txt") && strstr(why, "file=") && is_sentence(why), "%s", why);
    ck_assert(read_whole(path, &after) == n && !memcmp(last, after, n));

    ck_assert(!run_set(&r, "file", there, why) && !run_set(&r, "checkpoint_every", "7", why));
    l.stop_after = 0;
    ck_assert_msg(run_train(&r, watch, &l, why) == RUN_FINISHED && l.n == 24, "%s", why);
    ck_assert(l.last == whole.last);
    ck_assert_str_eq(l.before, "ref");
    ck_assert(!run_read(&read, out, why));      /* as it was changed */
    ck_assert_str_eq(read.value[source_key(read.source, "file")], there);
    ck_assert_int_eq(read.checkpoint_every, 7);

    put(path, last, n);
    ck_assert(!run_set(&r, "tier", "", why));   /* the fastest: another, where there is one */
    l.stop_after = l.n + 1;
    const char *wrong;
    ck_assert_int_eq(run_train(&r, watch, &l, why), RUN_INTERRUPTED);
    struct checkpoint c;
    ck_assert_msg(!checkpoint_open(&c, out, why), "%s", why);
    const char *fastest = swax_tier_find(NULL, &wrong)->name;
    char both[RUN_TIERS] = "ref";
    if (strcmp(fastest, "ref"))
        snprintf(both, sizeof both, "ref %s", fastest);
    ck_assert_str_eq(c.run.tiers, both);
    checkpoint_close(&c);
    /* back again: it is not forgotten that another had a part in it */
    ck_assert(!run_set(&r, "tier", "ref", why));
    l.stop_after = l.n + 1;
    ck_assert_int_eq(run_train(&r, watch, &l, why), RUN_INTERRUPTED);
    ck_assert_str_eq(l.before, both);
}
END_TEST

START_TEST(what_diverges_names_tensor_and_checkpoint_and_saves_nothing)
{
    char *out = scratch("diverging"), *path = in_folder(out, checkpoint_name), *kept, *after;
    struct run r = small_run(out);
    struct losses l = {.stop_after = 6};
    ck_assert(run_train(&r, watch, &l, why) == RUN_INTERRUPTED);
    const size_t n = read_whole(path, &kept);
    r.resume = 1;
    l = (struct losses){.poison_after = 2};
    ck_assert_int_eq(run_train(&r, watch, &l, why), RUN_DIVERGED);
    ck_assert_msg(strstr(why, "Step 9") && strstr(why, "backbone.") && strstr(why, path) && strstr(why, "step 6"), "%s",
                  why);
    ck_assert(read_whole(path, &after) == n && !memcmp(kept, after, n));
}
END_TEST

/* The last update may leave weights that are finite, of which the network makes what is not: who looks says so. */
START_TEST(what_diverges_where_it_is_looked_at_has_diverged)
{
    struct run r = small_run(scratch("looked"));
    r.steps = 1, r.warmup = 0, r.optimiser.rate = 1e6, r.optimiser.decay = 1e8;        /* weights of 1e13 */
    ck_assert_int_eq(run_train(&r, NULL, NULL, why), RUN_DIVERGED);
    ck_assert_msg(strstr(why, "Step 1, held out: ") && strstr(why, "no checkpoint to go back to"), "%s", why);
}
END_TEST

START_TEST(poisoned_checkpoints_are_refused)
{
    char *out = scratch("poisoned"), *path = in_folder(out, checkpoint_name);
    struct run r = small_run(out);
    struct losses l = {.stop_after = 1};
    ck_assert(run_train(&r, watch, &l, why) == RUN_INTERRUPTED);
    struct checkpoint c;
    const char *wrong;
    ck_assert_msg(!checkpoint_open(&c, out, why), "%s", why);
    struct swax_network *network = swax_network_new(&c.run.model, swax_tier_find("ref", &wrong), SWAX_PREC_F32, 1, 1, 1,
                                                    why);
    ck_assert_msg(!checkpoint_load(&c, network, SWAX_PREC_F32, 1, why), "%s", why);
    poison(network);
    ck_assert_msg(!checkpoint_save(path, &c.run, network, 1, 1, why), "%s", why);
    checkpoint_close(&c);
    swax_network_free(network);
    r.resume = 1;
    ck_assert_int_eq(run_train(&r, NULL, NULL, why), RUN_REFUSED);
    ck_assert_msg(strstr(why, "backbone.embeddings.weight") && strstr(why, "NaN"), "%s", why);
}
END_TEST

static void copy_tensor(void *arg, int i, void *to)
{
    const struct checkpoint *c = arg;
    ck_assert_msg(!st_read_raw(c->file, st_tensor(c->file, i), to, why), "%s", why);
}

/* A checkpoint whose checksum is right, with another configuration: as another program would write it. */
static void write_with_config(const char *from, const char *to, const char *config)
{
    struct checkpoint c;
    ck_assert_msg(!checkpoint_open(&c, from, why), "%s", why);
    const char *meta[16][2];
    int n = 0;
    for (int i = 0; i < st_meta_count(c.file) && n < 16; i++) {
        st_meta_entry(c.file, i, &meta[n][0], &meta[n][1]);
        if (!strcmp(meta[n][0], "config"))
            meta[n][1] = config;
        n += strcmp(meta[n][0], "swax.checksum") != 0;
    }
    const struct st_plan plan = {st_count(c.file), st_tensor(c.file, 0), copy_tensor, &c, n,
                                 (const char *const (*)[2])meta};
    ck_assert_msg(!st_write(to, &plan, why), "%s", why);
    checkpoint_close(&c);
}

START_TEST(configurations_that_are_none_are_refused)
{
    static const char *const bad[][2] = {
        {"[1, \"width\", {\"width\": 16}]", "no JSON object"}, {"3", "no JSON object"}, {"\"data\"", "no JSON object"},
        {"null", "no JSON object"},
        {"[]", "no JSON object"}, {"{\"width\": [1]}", "\"width\""}, {"{}", "vocabulary"},
    };
    char *out = scratch("odd"), *path = scratch("odd.safetensors");
    struct run r = small_run(out);
    struct checkpoint c;
    r.steps = r.resume = 1;      /* the cases share it */
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    write_with_config(out, path, bad[_i][0]);
    ck_assert_msg(checkpoint_open(&c, path, why) == why && is_sentence(why), "accepted: %s", bad[_i][0]);
    ck_assert_msg(strstr(why, bad[_i][1]) != NULL, "%s", why);
}
END_TEST

/* Its tensors are looked at before a network of its configuration takes memory. */
START_TEST(a_configuration_of_other_tensors_is_refused_on_opening)
{
    static const char *const change[][3] = {
        {"width", "4096", "backbone.embeddings.weight"}, {"mixers", "swa mlstm swa", "tensors"},
        {"vocabulary", "1000000", "1000000"}, {"heads", "3", "heads"},
    };
    char *out = scratch("other"), *path = scratch("other.safetensors");
    struct run r = small_run(out);
    struct checkpoint c;
    r.steps = r.resume = 1;      /* the cases share it */
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    ck_assert_msg(!checkpoint_open(&c, out, why), "%s", why);
    c.run.model.vocabulary = 256;
    ck_assert_msg(!run_set(&c.run, change[_i][0], change[_i][1], why), "%s", why);
    char *config = run_json(&c.run, 1);
    checkpoint_close(&c);
    write_with_config(out, path, config);
    free(config);
    ck_assert_msg(checkpoint_open(&c, path, why) == why && is_sentence(why), "accepted with %s=%s", change[_i][0],
                  change[_i][1]);
    ck_assert_msg(strstr(why, change[_i][2]) != NULL, "%s", why);
}
END_TEST

/* Without its checkpoint a run begins anew, but not one that has come further than to its first: its log would be
 * lost. */
START_TEST(a_run_whose_checkpoint_was_removed_is_not_begun_anew)
{
    char *out = scratch("removed"), *path = in_folder(out, checkpoint_name), *log = in_folder(out, "log.jsonl"),
        *before, *after;
    struct run r = small_run(out);
    struct losses early = {.stop_after = 3}, later = {.stop_after = 4};      /* of checkpoint_every=5 */
    ck_assert_msg(run_train(&r, watch, &early, why) == RUN_INTERRUPTED, "%s", why);
    ck_assert_int_eq(unlink(path), 0);
    r.resume = 1;
    ck_assert_msg(run_train(&r, watch, &later, why) == RUN_INTERRUPTED, "%s", why);
    ck_assert_int_eq(run_train(&r, watch, &(struct losses){.stop_after = 2}, why), RUN_INTERRUPTED);
    ck_assert_int_eq(unlink(path), 0);      /* step 6 was logged, after the checkpoint of step 5 */
    const size_t n = read_whole(log, &before);
    ck_assert_int_eq(run_train(&r, NULL, NULL, why), RUN_REFUSED);
    ck_assert_msg(strstr(why, "step 6 was done") && is_sentence(why), "%s", why);
    ck_assert(read_whole(log, &after) == n && !memcmp(before, after, n));
    put(in_folder(out, "checkpoint-00000005.safetensors"), "x", 1);
    ck_assert_int_eq(run_train(&r, NULL, NULL, why), RUN_REFUSED);
    ck_assert_msg(strstr(why, "checkpoint-00000005.safetensors is there") && is_sentence(why), "%s", why);
}
END_TEST

START_TEST(a_checkpoint_that_is_a_link_is_refused_before_a_step)
{
    char *out = scratch("linked"), *path = in_folder(out, checkpoint_name), *real = scratch("elsewhere.safetensors"),
        *log = in_folder(out, "log.jsonl");
    char *before, *after;
    struct run r = small_run(out);
    struct losses l = {.stop_after = 7};
    ck_assert_msg(run_train(&r, watch, &l, why) == RUN_INTERRUPTED, "%s", why);
    ck_assert(!rename(path, real) && !symlink(real, path));
    const size_t n = read_whole(log, &before);
    r.resume = 1;
    ck_assert_int_eq(run_train(&r, NULL, NULL, why), RUN_REFUSED);
    ck_assert_msg(strstr(why, "is a link") && is_sentence(why), "%s", why);
    ck_assert(read_whole(log, &after) == n && !memcmp(before, after, n));
}
END_TEST

/* In a process of its own, for its peak of memory: 24 bytes a token would be 800 MB. */
START_TEST(a_batch_is_refused_before_it_is_filled)
{
    struct rusage used;
    int status;
    struct run r = small_run("");
    r.batch = 1 << 20;
    r.accumulate = 1;
    r.length = 32;
    const pid_t child = fork();
    if (!child)
        _exit(run_train(&r, NULL, NULL, why) == RUN_REFUSED && strstr(why, "batch=1048576") ? 0 : 1);
    ck_assert(wait4(child, &status, 0, &used) == child);
    ck_assert(WIFEXITED(status) && !WEXITSTATUS(status));
    ck_assert_msg(used.ru_maxrss < 400000, "%ld KiB", used.ru_maxrss);
}
END_TEST

START_TEST(damaged_checkpoints_are_refused)
{
    char *out = scratch("damaged"), *path = in_folder(out, checkpoint_name), *text;
    struct run r = small_run(out);
    struct checkpoint c;
    r.steps = 1;
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    const size_t n = read_whole(path, &text);
    for (size_t i = 0; i < n; i = i < 6000 ? i + 1 : i + 997) {
        text[i] ^= 4;
        put(path, text, n);
        text[i] ^= 4;
        ck_assert_msg(checkpoint_open(&c, path, why) != NULL && is_sentence(why), "accepted with byte %zu damaged", i);
        put(path, text, i);
        ck_assert_msg(checkpoint_open(&c, path, why) != NULL && is_sentence(why), "accepted the first %zu bytes", i);
    }
    put(path, text, n);
    ck_assert_msg(!checkpoint_open(&c, path, why), "%s", why);
    checkpoint_close(&c);
}
END_TEST

START_TEST(two_runs_do_not_share_a_folder)
{
    char *out = scratch("shared");
    struct run r = small_run(out);
    struct losses l = {.stop_after = 1};
    ck_assert_int_eq(run_train(&r, watch, &l, why), RUN_INTERRUPTED);
    int ready[2], status;
    ck_assert_int_eq(pipe(ready), 0);
    const pid_t child = fork();
    if (!child) {      /* holds the log's lock, as a run does */
        const struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        const int log = open(in_folder(out, "log.jsonl"), O_RDWR);
        if (fcntl(log, F_SETLK, &lock) || write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    char byte;
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    r.resume = 1;
    ck_assert_int_eq(run_train(&r, NULL, NULL, why), RUN_BUSY);
    ck_assert(is_sentence(why));
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
}
END_TEST

/* A file system of 128 KiB, where this process may mount one: the run needs more. */
START_TEST(a_full_disk_keeps_the_last_checkpoint)
{
    char *folder = scratch("small"), command[1024], path[600];
    snprintf(command, sizeof command, "mkdir -p %s && mount -t tmpfs -o size=128k none %s 2>/dev/null", folder, folder);
    if (system(command)) {
        puts("skipped: no disk can be filled here, since none can be mounted");
        return;
    }
    snprintf(path, sizeof path, "%s/run", folder);
    struct run r = small_run(path);
    r.model.width = *(int *)swax_config_at(&r.model, "heads") = *(int *)swax_config_at(&r.model, "cell_heads") = 1;
    r.model.vocabulary = 128;
    r.model.ffn_width = 1;
    r.checkpoint_every = 1;
    r.keep_every = 1;      /* numbered ones fill it up */
    const enum run_end end = run_train(&r, NULL, NULL, why);
    ck_assert_msg(end == RUN_REFUSED && strstr(why, "No space left"), "%s", why);
    struct checkpoint c;
    ck_assert_msg(!checkpoint_open(&c, path, why), "%s", why);
    ck_assert_int_gt(c.step, 0);
    checkpoint_close(&c);
    snprintf(command, sizeof command, "umount %s", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train");
    TCase *t = tcase_create("train");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, loss_falls_on_the_repositorys_own_text);
    tcase_add_test(t, a_run_resumes_to_the_bit_from_every_step);
    tcase_add_test(t, twenty_kills_change_nothing);
    tcase_add_test(t, threads_and_a_second_run_change_no_bit);
    tcase_add_test(t, config_json_repeats_the_run);
    tcase_add_test(t, a_run_goes_on_where_other_kernels_and_files_are);
    tcase_add_test(t, what_diverges_names_tensor_and_checkpoint_and_saves_nothing);
    tcase_add_test(t, what_diverges_where_it_is_looked_at_has_diverged);
    tcase_add_test(t, poisoned_checkpoints_are_refused);
    tcase_add_loop_test(t, configurations_that_are_none_are_refused, 0, 7);
    tcase_add_loop_test(t, a_configuration_of_other_tensors_is_refused_on_opening, 0, 4);
    tcase_add_test(t, a_run_whose_checkpoint_was_removed_is_not_begun_anew);
    tcase_add_test(t, a_checkpoint_that_is_a_link_is_refused_before_a_step);
    tcase_add_test(t, a_batch_is_refused_before_it_is_filled);
    tcase_add_test(t, damaged_checkpoints_are_refused);
    tcase_add_test(t, two_runs_do_not_share_a_folder);
    tcase_add_test(t, a_full_disk_keeps_the_last_checkpoint);
    suite_add_tcase(s, t);
    scratch_open();
    const int status = suite_ends(s);
    scratch_close();
    return status;
}
