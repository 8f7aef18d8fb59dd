/* check_ablate.c - an ablation: its files say what they should, and it can be killed, shared between processes and
 * started again without a number changing. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/ablate/ablate.h"
#include "tools/train/checkpoint.h"
#include "tools/lib/commands.h"
#include "tools/lib/files.h"
#include "tools/lib/json.h"
#include "tests/scratch.h"
#include "tests/sequences.h"
#include "tests/suite.h"

enum { ARMS = 6 };
static const char *const arm[ARMS] = {"short", "long", "both", "swa", "mlstm", "full"};

/* `swax ablate smoke out=FOLDER ...`, silently, in a process and a group of its own: its pid.  It looks at two
 * held-out sequences after each step: 32 are a third of the work, and show no more.  Check's handlers would
 * answer a signal that comes before the command has its own, and end the test: until then signals do what they do to
 * any program. */
static pid_t begin(const char *folder, const char *more)
{
    static const int stops[] = {SIGINT, SIGTERM};
    sigset_t all, before;
    char out[600], rest[200], *argv[12] = {"smoke", out, "tier=ref", "held_out_sequences=2"};
    int n = 4;
    snprintf(out, sizeof out, "out=%s", folder);
    snprintf(rest, sizeof rest, "%s", more);
    for (char *p = strtok(rest, " "); p; p = strtok(NULL, " "))
        argv[n++] = p;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    const pid_t pid = fork();
    if (pid) {
        setpgid(pid, pid);      /* both do it, since either may come first */
        sigprocmask(SIG_SETMASK, &before, NULL);
        return pid;
    }
    setpgid(0, 0);
    for (int i = 0; i < 2; i++)
        signal(stops[i], SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, 1);
    dup2(nowhere, 2);
    _exit(cmd_ablate(n, argv));
}

static int end(pid_t pid)
{
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int ablate(const char *folder, const char *more) { return end(begin(folder, more)); }

static char *contents(const char *folder, const char *name)
{
    char path[700], why[SWAX_WHY];
    size_t size;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *text = file_read(path, 1 << 24, &size, why);
    ck_assert_msg(text, "%s", why);
    return text;
}

/* result.json of a run without its "seconds". */
static char *result(const char *folder, const char *of, int seed)
{
    char name[100];
    snprintf(name, sizeof name, "runs/%s-s%d/result.json", of, seed);
    char *text = contents(folder, name), *seconds = strstr(text, "\"seconds\":");
    char *stop = seconds ? strchr(seconds, ',') : NULL;
    ck_assert(stop);
    memset(seconds, ' ', (size_t)(stop - seconds));
    return text;
}

static void same_results(const char *a, const char *b, int seeds)
{
    for (int i = 0; i < ARMS; i++)
        for (int s = 1; s <= seeds; s++) {
            char *x = result(a, arm[i], s), *y = result(b, arm[i], s);
            for (char *p = x, *q = y; *p || *q;) {
                while (*p == ' ')
                    p++;
                while (*q == ' ')
                    q++;
                ck_assert_msg(*p == *q, "%s, seed %d differs at: %.80s", arm[i], s, p);
                p += *p != 0, q += *q != 0;
            }
            free(x), free(y);
        }
}

static const struct json *need(const struct json *object, const char *key, enum json_type type)
{
    const struct json *j = json_get(object, key);
    ck_assert_msg(j && j->type == type, "results.json lacks \"%s\" of the right type", key);
    return j;
}

/* A number from 0 to 1, or null where nothing was asked. */
static void check_share(const struct json *answer)
{
    const struct json *value = json_get(answer, "value"), *asked = need(answer, "asked", JSON_NUMBER);
    ck_assert(value && json_get(answer, "error"));
    ck_assert(asked->number > 0 ? value->type == JSON_NUMBER && value->number >= 0 && value->number <= 1
                                : value->type == JSON_NULL);
}

static void check_run(const struct json *run, const struct json *questions)
{
    need(run, "seed", JSON_NUMBER);
    ck_assert(need(run, "tokens", JSON_NUMBER)->number == 24 * 4 * 64);
    const struct json *answers = need(run, "answers", JSON_OBJECT), *curve = need(run, "curve", JSON_ARRAY);
    ck_assert_int_eq(answers->count, questions->count);
    for (const struct json *q = questions->first; q; q = q->next) {
        const char *name = need(q, "name", JSON_STRING)->text;
        const struct json *answer = need(answers, name, JSON_OBJECT);
        if (!strncmp(name, "loss", 4))
            ck_assert(need(answer, "value", JSON_NUMBER)->number > 0 && need(answer, "error", JSON_NUMBER)->number > 0);
        else
            check_share(answer);
    }
    ck_assert_int_eq(need(run, "layers", JSON_ARRAY)->count, 2);
    ck_assert_int_eq(curve->count, 4);
    double before = 0;
    for (const struct json *p = curve->first; p; p = p->next) {
        ck_assert(need(p, "tokens", JSON_NUMBER)->number > before);
        before = json_get(p, "tokens")->number;
        need(p, "loss", JSON_NUMBER), need(p, "memory", JSON_NUMBER), need(p, "near", JSON_NUMBER),
            need(p, "step", JSON_NUMBER);
    }
}

/* A question with another window has that window, and asks as far back as the question that it was made of. */
static void check_windows(const struct json *questions)
{
    int windows = 0;
    for (const struct json *q = questions->first; q; q = q->next) {
        const char *name = need(q, "name", JSON_STRING)->text, *at = strchr(name, '@');
        if (!at || at[strlen(at) - 1] == 'x') {
            ck_assert_msg(!json_get(q, "window"), "%s has a window", name);
            continue;
        }
        ck_assert_msg(need(q, "window", JSON_NUMBER)->number == atof(at + 1), "%s has another window", name);
        windows++;
        for (const struct json *of = questions->first; of; of = of->next) {
            const char *plain = need(of, "name", JSON_STRING)->text;
            const struct json *a = json_get(q, "from"), *b = json_get(of, "from");
            if (strlen(plain) == (size_t)(at - name) && !strncmp(plain, name, strlen(plain)))
                ck_assert_msg(!a == !b && (!a || a->number == b->number), "%s is asked from elsewhere than %s", name,
                              plain);
        }
    }
    ck_assert_int_ge(windows, 10);
}

static void check_results(const char *folder, int seeds, int runs)
{
    char *text = contents(folder, "results.json"), why[SWAX_WHY];
    struct json *root = json_parse(text, strlen(text), why);
    ck_assert_msg(root, "results.json is %s", why);
    ck_assert_str_eq(need(root, "ablation", JSON_STRING)->text, "smoke");
    ck_assert(need(root, "seeds", JSON_NUMBER)->number == seeds);
    const struct json *questions = need(root, "questions", JSON_ARRAY), *arms = need(root, "arms", JSON_ARRAY);
    const struct json *verdict = need(root, "verdicts", JSON_ARRAY);
    ck_assert(questions->count >= 20 && arms->count == ARMS && verdict->count == 3);
    check_windows(questions);
    int there = 0;
    for (const struct json *a = arms->first; a; a = a->next) {
        need(a, "name", JSON_STRING), need(a, "mixers", JSON_STRING), need(a, "window", JSON_NUMBER);
        for (const struct json *r = need(a, "runs", JSON_ARRAY)->first; r; r = r->next, there++)
            check_run(r, questions);
    }
    ck_assert_int_eq(there, runs);
    for (const struct json *v = verdict->first; v; v = v->next) {
        need(v, "claim", JSON_STRING), need(v, "paper", JSON_STRING), need(v, "measured", JSON_STRING),
            need(v, "because", JSON_STRING);
        ck_assert_str_eq(need(v, "verdict", JSON_STRING)->text, "undecided");      /* smoke claims nothing */
    }
    json_free(root);
    free(text);
}

static void check_report(const char *folder)
{
    static const char *const outside[] = {"<script", "<link", "src=", "href=", "@import", "url("};
    char *page = contents(folder, "report.html");
    ck_assert(strstr(page, "<!doctype html>") == page && strstr(page, "</html>") && strstr(page, "<svg"));
    for (int i = 0; i < 6; i++)
        ck_assert_msg(!strstr(page, outside[i]), "report.html has %s", outside[i]);
    ck_assert(!strstr(page, ">nan<") && !strstr(page, "\"nan") && !strstr(page, "inf\""));
    free(page);
}

START_TEST(smoke_leaves_results_and_a_report)
{
    char *folder = scratch("one");
    ck_assert_int_eq(ablate(folder, "seeds=2"), 0);
    check_results(folder, 2, 2 * ARMS);
    check_report(folder);
    static const char *const texts[] = {"ablation.json", "results.json", "report.html", "runs/short-s1/result.json",
                                        "runs/full-s2/result.json", "runs/short-s1/config.json",
                                        "runs/short-s1/log.jsonl"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *text = contents(folder, texts[i]);
        const size_t n = strlen(text);
        ck_assert_msg(n > 1 && text[n - 1] == '\n' && text[n - 2] != '\n', "%s does not end with the end of a line",
                      texts[i]);
        free(text);
    }
    /* again: nothing is trained anew, and other settings are not mixed in */
    char *first = contents(folder, "runs/short-s1/result.json"), *second;
    ck_assert_int_eq(ablate(folder, "seeds=2"), 0);
    second = contents(folder, "runs/short-s1/result.json");
    ck_assert_str_eq(first, second);
    ck_assert_int_eq(ablate(folder, "seeds=2 steps=25"), 2);
    /* nor are other arms: one more there, and none at all */
    static const char *const instead[] = {"\"arms\": {\"more\": {}, ", "\"arms\": {}, \"were\": {"};
    char *claim = contents(folder, "ablation.json"), changed[1 << 16], path[700], *arms = strstr(claim, "\"arms\": {");
    ck_assert(arms);
    snprintf(path, sizeof path, "%s/ablation.json", folder);
    for (int i = 0; i < 2; i++) {
        const int n = snprintf(changed, sizeof changed, "%.*s%s%s", (int)(arms - claim), claim, instead[i], arms + 9);
        ck_assert(n < (int)sizeof changed);
        put(path, changed, (size_t)n);
        ck_assert_msg(ablate(folder, "seeds=2") == 2, "a folder with other arms was taken");
    }
    free(first), free(second), free(folder), free(claim);
}
END_TEST

/* Bytes in the logs of seed 1. */
static long logged(const char *folder)
{
    long bytes = 0;
    for (int i = 0; i < ARMS; i++) {
        char path[700];
        struct stat s;
        snprintf(path, sizeof path, "%s/runs/%s-s1/log.jsonl", folder, arm[i]);
        bytes += stat(path, &s) ? 0 : (long)s.st_size;
    }
    return bytes;
}

/* Wait until the logs hold so many bytes more than they did, or less (a log is cut when its run goes on): then signals
 * are caught and steps are being made.  0: the process ended first, with *status.  Only Check's timeout ends the wait,
 * so that no machine is too slow. */
static int reaches(pid_t pid, const char *folder, long before, long more, int *status)
{
    const struct timespec wait = {0, 1000000};
    for (;;) {
        if (waitpid(pid, status, WNOHANG) == pid)
            return 0;
        const long now = logged(folder);
        if (now >= before + more || now < before)
            return 1;
        nanosleep(&wait, NULL);
    }
}

/* Does a process hold the lock of the arm's run of seed 1? */
static int is_held(const char *folder, const char *of)
{
    char path[700];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    snprintf(path, sizeof path, "%s/runs/%s-s1/lock", folder, of);
    const int file = open(path, O_RDWR);
    if (file < 0)
        return 0;
    ck_assert_int_eq(fcntl(file, F_GETLK, &lock), 0);
    close(file);
    return lock.l_type != F_UNLCK;
}

/* A killed process may hold its locks for a moment after its parent is gone; what it was at is then someone else's. */
static void wait_for_locks(const char *folder, int held)
{
    const struct timespec wait = {0, 1000000};
    for (int i = 0; i < ARMS; i++)
        while (is_held(folder, arm[i]) != held)
            nanosleep(&wait, NULL);
}

/* Twelve times, at twelve points of the work; one that finishes before its signal is begun anew. */
START_TEST(killed_anywhere_it_ends_in_the_same_bits)
{
    char *whole = scratch("whole"), *killed = scratch("killed"), command[700];
    int status;
    ck_assert_int_eq(ablate(whole, "seeds=1"), 0);
    snprintf(command, sizeof command, "rm -r '%s'", killed);
    for (int kills = 0, starts = 0; kills < 12; starts++) {
        ck_assert_int_lt(starts, 1000);
        const long before = logged(killed);
        const pid_t pid = begin(killed, kills % 2 ? "seeds=1 jobs=1" : "seeds=1 jobs=3");
        if (!reaches(pid, killed, before, 37 * kills % 160 * 10, &status)) {
            ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "it ended with %x", (unsigned)status);
            ck_assert_int_eq(system(command), 0);
            continue;
        }
        kill(-pid, kills % 3 ? SIGKILL : SIGINT);
        kills += end(pid) != 0;
        wait_for_locks(killed, 0);
    }
    ck_assert_int_eq(ablate(killed, "seeds=1"), 0);
    same_results(whole, killed, 1);
    check_results(killed, 1, ARMS);
    free(whole), free(killed);
}
END_TEST

/* Runs that would take hours: only their signal can end them.  Meanwhile nobody else makes them. */
START_TEST(a_signal_to_the_parent_alone_stops_the_children)
{
    char *folder = scratch("signalled"), path[700];
    snprintf(path, sizeof path, "%s/runs/short-s1/checkpoint.safetensors", folder);
    for (int again = 0; again < 2; again++) {
        int status = 0;
        const long before = logged(folder);
        const pid_t pid = begin(folder, again ? "seeds=1 jobs=2 steps=100000000" : "seeds=1 jobs=6 steps=100000000");
        ck_assert_msg(reaches(pid, folder, before, 1, &status), "it ended before its signal, with %x",
                      (unsigned)status);
        if (!again) {
            wait_for_locks(folder, 1);
            const int other = ablate(folder, "seeds=1 steps=100000000");
            if (other)
                kill(-pid, SIGKILL);
            ck_assert_msg(!other, "another process was to leave what is being made to this one: it ended with %d",
                          other);
        }
        kill(pid, again ? SIGINT : SIGTERM);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(kill(-pid, SIGKILL) && errno == ESRCH, "it left a child behind");
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 1, "it ended with %x", (unsigned)status);
        ck_assert_msg(!access(path, F_OK), "it left no checkpoint");
    }
    free(folder);
}
END_TEST

START_TEST(shards_share_a_folder)
{
    char *whole = scratch("unshared"), *shared = scratch("shared");
    ck_assert_int_eq(ablate(whole, "seeds=1 jobs=2"), 0);
    ck_assert_int_eq(ablate(shared, "seeds=1 shard=2/3"), 0);
    check_results(shared, 1, 2);
    check_report(shared);
    const pid_t one = begin(shared, "seeds=1 --shard 1/3"), other = begin(shared, "seeds=1 shard=3/3");
    ck_assert_int_eq(end(one) + end(other), 0);
    ck_assert_int_eq(ablate(shared, "seeds=1 report=yes"), 0);
    check_results(shared, 1, ARMS);
    same_results(whole, shared, 1);
    free(whole), free(shared);
}
END_TEST

/* ---- what was asked, asked again beside the examination */

/* Two values and little else: a network of 60 steps says values, and is right about half the time. */
static const char guessing[] =
    "{\"name\": \"guessing\", \"seeds\": 2, \"sequences\": 16, \"points\": 2, \"memory\": \"beyond\",\n"
    " \"settings\": {\"width\": 16, \"heads\": 2, \"cell_heads\": 2, \"cell_key_dim\": 8, \"input_gate_bias\": 0, "
    "\"mixers\": \"swa mlstm\", \"length\": 64, \"batch\": 8,\n"
    "  \"steps\": 60, \"window\": 16, \"rate\": 0.02, \"tier\": \"ref\", \"held_out_sequences\": 2,\n"
    "  \"data\": \"mentions\", \"keys\": 4, \"key_symbols\": 4, \"values\": 2, \"typed\": 0, \"filler\": 1, "
    "\"copies\": 0},\n"
    " \"arms\": [{\"name\": \"short\", \"role\": \"short\", \"settings\": {\"window\": 4}}, {\"name\": \"long\"},\n"
    "  {\"name\": \"both\", \"settings\": {\"short_window\": 4}}]}\n";

/* window: of short, long, both */
struct asked { const char *question, *ask, *first; enum measure_probe probe; int window[3]; };

static double ask_again(const struct ablation *a, int arm, int seed, const struct asked *q, int loss)
{
    char why[SWAX_WHY] = "", folder[RUN_TEXT + 64];
    static struct tally tally[16][MEASURE_ROWS];
    struct checkpoint c;
    struct measured m;
    struct data d = {0};
    const char *value[SOURCE_KEYS], *wrong;
    ablation_folder(folder, a, arm, seed);
    ck_assert_msg(!checkpoint_open(&c, folder, why), "%s", why);
    ck_assert_msg(c.run.seed == (uint64_t)seed + 1, "%s was trained with seed %llu", folder,
                  (unsigned long long)c.run.seed);
    for (int i = 0; i < SOURCE_KEYS; i++)
        value[i] = c.run.value[i];
    value[source_key(c.run.source, "ask")] = q->ask;
    value[source_key(c.run.source, "facts_first")] = q->first;
    ck_assert_msg(!data_open(&d, c.run.source, value, 64, why), "%s", why);
    struct swax_network *n =
        swax_network_new(&c.run.model, swax_tier_find("ref", &wrong), SWAX_PREC_F32, 8, 64, 0, why);
    ck_assert_msg(!checkpoint_load(&c, n, SWAX_PREC_F32, 0, why), "%s", why);
    memset(tally, 0, sizeof tally);
    const struct measure_how how = {.B = 8, .T = 64, .window = q->window[arm], .sequences = 16, .seed = 20250929,
                                    .probe = q->probe, .facts_end = 4 * 2, .tally = tally};
    ck_assert_msg(!measure(n, &d, &how, &m, why), "%s", why);
    long right = 0, asked = 0;
    for (int k = 2; k < MEASURE_TAGS; k++)
        right += m.tag[k].right, asked += m.tag[k].asked;
    swax_network_free(n);
    checkpoint_close(&c);
    data_close(&d);
    return loss ? m.loss : (double)right / (double)asked;
}

START_TEST(every_arm_and_seed_is_asked_as_it_says)
{
    static const struct asked asked[] = {
        {"loss", "0-0", "0", MEASURE_WHOLE, {4, 16, 16}}, {"loss@4", "0-0", "0", MEASURE_WHOLE, {4, 4, 4}},
        {"in-short", "2-4", "0", MEASURE_WHOLE, {4, 16, 16}}, {"beyond", "17-60", "0", MEASURE_WHOLE, {4, 16, 16}},
        {"beyond@16", "17-60", "0", MEASURE_WHOLE, {16, 16, 16}}, {"whole", "17-56", "1", MEASURE_WHOLE, {4, 16, 16}},
        {"cells-cut", "17-56", "1", MEASURE_SPAN_CUT, {4, 16, 16}},
        {"attention-cut", "17-56", "1", MEASURE_RELAY_BLOCK, {4, 16, 16}}};
    enum { QUESTIONS = sizeof asked / sizeof *asked };
    char *folder = scratch("guessing"), *file = scratch("guessing.json"), out[700], why[SWAX_WHY] = "",
         *argv[] = {file, out, "jobs=2"};
    static struct ablation a;
    static struct outcome r[3][2];
    struct options none = {NULL, 0};
    FILE *f = fopen(file, "w");
    fputs(guessing, f);
    fclose(f);
    snprintf(out, sizeof out, "out=%s", folder);
    fflush(NULL);
    const pid_t pid = fork();
    if (!pid) {
        dup2(open("/dev/null", O_WRONLY), 1);
        _exit(cmd_ablate(3, argv));
    }
    ck_assert_int_eq(end(pid), 0);
    ck_assert_msg(!ablation_open(&a, guessing, &none, why), "%s", why);
    snprintf(a.out, sizeof a.out, "%s", folder);
    for (int arm = 0; arm < 3; arm++) {
        for (int seed = 0; seed < 2; seed++) {
            ck_assert_msg(!outcome_read(&r[arm][seed], &a, arm, seed, why) && r[arm][seed].done, "%s", why);
            for (int q = 0; q < QUESTIONS; q++) {
                const double again = ask_again(&a, arm, seed, &asked[q], !strncmp(asked[q].question, "loss", 4));
                const double said = r[arm][seed].answer[question_find(&a, asked[q].question)].value;
                ck_assert_msg(fabs(again - said) < 1e-5, "%s of %s, seed %d: the examination says %g, asked again %g",
                              asked[q].question, a.arm[arm].name, seed + 1, said, again);
            }
        }
        ck_assert(r[arm][0].answer[a.loss].value != r[arm][1].answer[a.loss].value);
    }
    /* the questions tell one thing from another here: else this test could not fail */
    const struct outcome *one = &r[0][0];
    ck_assert(one->answer[question_find(&a, "loss@4")].value != one->answer[question_find(&a, "loss@16")].value);
    ck_assert(one->answer[question_find(&a, "whole")].value != one->answer[question_find(&a, "cells-cut")].value ||
              r[1][0].answer[question_find(&a, "whole")].value != r[1][0].answer[question_find(&a, "cells-cut")].value);
    ablation_close(&a);
    /* the same folder with another setting: the refusal says which */
    char *said = scratch("guessing.said"), line[1000] = "", *other[] = {file, out, "decay=0.25"};
    fflush(NULL);
    const pid_t again = fork();
    if (!again) {
        dup2(open(said, O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
        _exit(cmd_ablate(3, other));
    }
    ck_assert_int_eq(end(again), 2);
    f = fopen(said, "r");
    ck_assert(f && fgets(line, sizeof line, f));
    fclose(f);
    ck_assert_msg(strstr(line, "has \"decay\": 0.1 there, and \"decay\": 0.25 here"), "%s", line);
    free(folder), free(file), free(said);
}
END_TEST

/* ---- what a folder is for */

static const char on_text[] =
    "{\"name\": \"on-text\", \"sequences\": 2, \"points\": 0, \"settings\": {\"data\": \"text\", \"file\": \"%s\", "
    "\"width\": 16, \"heads\": 2, \"length\": 32, \"batch\": 2, \"steps\": 1, \"tier\": \"ref\", "
    "\"held_out_sequences\": 0},\n"
    " \"arms\": [{\"name\": \"one\"}]}\n";

/* The status of `swax ablate FILE out=FOLDER seeds=1 MORE`, and what it says is wrong. */
static int ablate_file(char *file, const char *folder, char *more, char said[1000])
{
    char out[700], *path = scratch("said"), *argv[] = {file, out, "seeds=1", more};
    snprintf(out, sizeof out, "out=%s", folder);
    fflush(NULL);
    const pid_t pid = fork();
    if (!pid) {
        dup2(open("/dev/null", O_WRONLY), 1);
        dup2(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
        _exit(cmd_ablate(more ? 4 : 3, argv));
    }
    const int status = end(pid);
    FILE *f = fopen(path, "r");
    ck_assert(f != NULL);
    said[fread(said, 1, 999, f)] = 0;
    fclose(f);
    return status;
}

START_TEST(runs_on_other_data_or_weights_are_not_mixed_in)
{
    enum { SIZE = 4000 };
    char text[SIZE], plan[1000], said[1000], from[800], *folder = scratch("on text"), *data = scratch("data.txt"),
         *file = scratch("on_text.json");
    for (int i = 0; i < SIZE; i++)
        text[i] = (char)('a' + i * i % 23);
    put(data, text, SIZE);
    put(file, plan, (size_t)snprintf(plan, sizeof plan, on_text, data));
    ck_assert_msg(!ablate_file(file, folder, NULL, said), "%s", said);
    ck_assert_msg(!ablate_file(file, folder, NULL, said), "%s", said);
    static const int at[] = {17, SIZE - 17};        /* in what is trained on; in what is held out */
    for (int i = 0; i < 2; i++) {
        text[at[i]] ^= 1;
        put(data, text, SIZE);
        ck_assert_int_eq(ablate_file(file, folder, NULL, said), 2);
        ck_assert_msg(strstr(said, "a file that arm one reads has changed"), "%s", said);
        ck_assert_msg(!ablate_file(file, folder, "report=yes", said), "%s", said);
        text[at[i]] ^= 1;
    }
    put(data, text, SIZE);
    snprintf(from, sizeof from, "from=%s/runs/one-s1", folder);
    ck_assert_int_eq(ablate_file(file, folder, from, said), 2);
    ck_assert_msg(strstr(said, "arm one begins with the weights \"\" there"), "%s", said);
    ck_assert_msg(!ablate_file(file, scratch("from it"), from, said), "%s", said);
    ck_assert_int_eq(ablate_file(file, scratch("from it"), NULL, said), 2);
    ck_assert_msg(strstr(said, "begins with the weights"), "%s", said);
}
END_TEST

/* ---- a pipe */

/* Stands in for the C library's: the at-th call fails; the others make a pair of sockets, which serves as well. */
static int pipes, fail_at;

int pipe(int fd[2])
{
    if (++pipes == fail_at) {
        errno = EMFILE;
        return -1;
    }
    return socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
}

/* A pipe to the trial of the first run, one to the processes that train: whichever cannot be made, no run begins. */
START_TEST(a_pipe_that_cannot_be_made_is_said)
{
    char smoke[] = "smoke", steps[] = "steps=1", said[1000], *folder = scratch("pipes"),
         *log = in_folder(folder, "runs/short-s1/log.jsonl");
    for (int at = 1; at <= 2; at++) {
        pipes = 0, fail_at = at;
        ck_assert_int_eq(ablate_file(smoke, folder, steps, said), 2);
        fail_at = 0;
        ck_assert_msg(strstr(said, "A pipe cannot be made: "), "pipe %d: %s", at, said);
        ck_assert_msg(access(log, F_OK), "a run began without pipe %d", at);
    }
    free(folder), free(log);
}
END_TEST

START_TEST(bad_input_is_refused)
{
    static const char *const bad[] = {"report=yes", "keys=0", "vocabulary=5", "window=2147483647",
                                      "shard=1/99999999999", "seeds=0", "seeds=x", "jobs=0", "shard=3/2", "shard=1",
                                      "report=maybe", "window=1", "lenght=3", "data=text file=x", "tier=gpu", "seed=3"};
    char *folder = scratch("refused");
    ck_assert_int_eq(ablate(folder, bad[_i]), 2);
    ck_assert_msg(access(folder, F_OK), "a folder was made for: %s", bad[_i]);
    free(folder);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ablate");
    TCase *t = tcase_create("ablate");
    tcase_set_timeout(t, 240);
    tcase_add_test(t, smoke_leaves_results_and_a_report);
    tcase_add_test(t, killed_anywhere_it_ends_in_the_same_bits);
    tcase_add_test(t, a_signal_to_the_parent_alone_stops_the_children);
    tcase_add_test(t, shards_share_a_folder);
    tcase_add_test(t, every_arm_and_seed_is_asked_as_it_says);
    tcase_add_test(t, runs_on_other_data_or_weights_are_not_mixed_in);
    tcase_add_test(t, a_pipe_that_cannot_be_made_is_said);
    tcase_add_loop_test(t, bad_input_is_refused, 0, 16);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
