/* check_faults.c - the n-th call that fails, for every n: disks that are full or broken, memory that is not there.
 *
 * The calls below stand in for the C library's.  After each failure the checkpoint that was there, or the new one,
 * is whole; the failure is said in a sentence; and the run goes on to the bits of one that met no failure. */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tools/ablate/ablate.h"
#include "tools/lib/commands.h"
#include "tools/lib/options.h"
#include "tools/train/checkpoint.h"
#include "tests/printed.h"
#include "tests/scratch.h"
#include "tests/sequences.h"
#include "tests/small_run.h"
#include "tests/suite.h"

static char why[SWAX_WHY];

/* The at-th call from now fails with `error`, of those for memory or of the others; at = 0: none.
 * rough: every other write is interrupted, and the rest take half of what they are given.
 * crash: the process ends where the call would fail.  unlocked: files cannot be locked, and that is the error. */
static struct { int at, memory, calls, error, rough, writes, crash, unlocked; } fault;

enum { CRASHED = 77 };

static int fails(int memory)
{
    if (!fault.at || memory != fault.memory || ++fault.calls != fault.at)
        return 0;
    if (fault.crash)
        _exit(CRASHED);
    errno = fault.error;
    return 1;
}

ssize_t write(int fd, const void *from, size_t n)
{
    const int rough = fd > 2 && fault.rough;
    if (rough && fault.writes++ % 2) {
        errno = EINTR;
        return -1;
    }
    return fd > 2 && fails(0) ? -1 : syscall(SYS_write, fd, from, rough && n > 1 ? n / 2 : n);
}

int fsync(int fd)
{
    return fails(0) ? -1 : (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
    return fails(0) ? -1 : (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}

int ftruncate(int fd, off_t size)
{
    return fails(0) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    const int mode = flags & O_CREAT ? va_arg(list, int) : 0;
    va_end(list);
    return fails(0) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int fcntl(int fd, int what, ...)
{
    va_list list;
    va_start(list, what);
    void *argument = va_arg(list, void *);
    va_end(list);
    if (fault.unlocked && (what == F_SETLK || what == F_SETLKW)) {
        errno = fault.unlocked;
        return -1;
    }
    return (int)syscall(SYS_fcntl, fd, what, argument);
}

static void arm(int at, int memory, int error)
{
    fault.at = at;
    fault.memory = memory;
    fault.calls = 0;
    fault.error = error;
}

static struct run faulty_run(const char *out)
{
    struct run r = small_run(out);
    strcpy(r.tier, "ref");
    strcpy(r.value[0], "ref/real.h");
    r.model.width = 4;
    r.batch = r.accumulate = 2;
    r.length = 8;
    r.steps = 6;
    r.checkpoint_every = 2;
    r.held_out_sequences = 2;      /* looks at every step, as ever, but short ones: two calls of each kind */
    r.sample_tokens = 2;
    return r;
}

static enum run_verdict stop_at_3(void *arg, const struct run *r, const struct run_point *p, struct swax_network *n)
{
    (void)arg, (void)r, (void)n;
    return p && p->step == 3 ? RUN_STOP : RUN_GO_ON;
}

static char *undisturbed(void)
{
    char *out = scratch("undisturbed");
    struct run r = faulty_run(out);
    r.resume = 1;      /* the tests share it */
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    return in_folder(out, checkpoint_name);
}

/* out is the folder of a run that stopped after step 3, and was trained once for all. */
static void stopped_run(const char *out)
{
    static char *stopped;
    char command[1000];
    if (!stopped) {
        const struct run r = faulty_run(stopped = scratch("stopped"));
        snprintf(command, sizeof command, "rm -rf '%s'", stopped);
        ck_assert_int_eq(system(command), 0);
        ck_assert_msg(run_train(&r, stop_at_3, NULL, why) == RUN_INTERRUPTED, "%s", why);
    }
    snprintf(command, sizeof command, "rm -rf '%s' && cp -R '%s' '%s'", out, stopped, out);
    ck_assert_int_eq(system(command), 0);
}

/* From step 3 on, with the at-th call failing: what it ended in. */
static enum run_end disturbed(const char *out, int at, int error)
{
    struct run r = faulty_run(out);
    stopped_run(out);
    r.resume = 1;
    arm(at, 0, error);
    const enum run_end end = run_train(&r, NULL, NULL, why);
    fault.at = 0;
    return end;
}

static void still_whole(const char *out, const char *expected)
{
    struct checkpoint c;
    struct run r = faulty_run(out);
    char said[SWAX_WHY];
    ck_assert_msg(!checkpoint_open(&c, out, said), "after \"%s\": %s", why, said);
    ck_assert_int_ge(c.step, 3);
    checkpoint_close(&c);
    r.resume = 1;
    ck_assert_msg(run_train(&r, NULL, NULL, said) == RUN_FINISHED, "after \"%s\": %s", why, said);
    ck_assert_msg(same_bytes(in_folder(out, checkpoint_name), expected), "after \"%s\" the run ends elsewhere", why);
}

START_TEST(every_failing_call_leaves_a_whole_checkpoint)
{
    const int errors[] = {ENOSPC, EIO};
    char *expected = undisturbed(), *out = scratch("disturbed");
    int at = 1, refused = 0;
    enum run_end end;
    do {
        end = disturbed(out, at, errors[_i]);
        const int met = fault.calls >= at;
        ck_assert_msg(end == RUN_FINISHED || (end == RUN_REFUSED && is_sentence(why)), "call %d: %d", at, end);
        refused += end == RUN_REFUSED;
        still_whole(out, expected);
        if (!met)
            break;
    } while (++at < 1000);
    ck_assert_int_eq(end, RUN_FINISHED);
    ck_assert_int_gt(refused, 20);
    /* a folder that cannot be opened or synced is the only thing that may pass */
    ck_assert_int_ge(refused, at - 3);
}
END_TEST

START_TEST(interrupted_and_short_writes_are_finished)
{
    char *expected = undisturbed(), *out = scratch("rough");
    fault.rough = 1;
    ck_assert_msg(disturbed(out, 0, 0) == RUN_FINISHED, "%s", why);
    ck_assert(same_bytes(in_folder(out, checkpoint_name), expected));
    ck_assert_int_gt(fault.writes, 50);
}
END_TEST

/* `ulimit -f`: a signal says so first, which would end the process without a word. */
START_TEST(a_file_larger_than_is_allowed_is_a_sentence)
{
    char *out = scratch("limited"), *wrong = scratch("limited.said"), said[2 * SWAX_WHY] = "", arguments[1024];
    int status = 0;
    snprintf(arguments, sizeof arguments,
             "out=%s data=copy width=16 heads=2 cell_heads=2 length=64 batch=2 steps=2 threads=1", out);
    const pid_t child = fork();
    if (!child) {
        const struct rlimit most = {20000, RLIM_INFINITY};     /* a page of it, but no checkpoint */
        char *argv[16];
        int argc = 0;
        for (char *word = strtok(arguments, " "); word; word = strtok(NULL, " "))
            argv[argc++] = word;
        status = !freopen(wrong, "w", stderr) || setrlimit(RLIMIT_FSIZE, &most) ? 99 : cmd_train(argc, argv);
        fflush(stderr);
        _exit(status);
    }
    ck_assert(waitpid(child, &status, 0) == child);
    FILE *f = fopen(wrong, "r");
    ck_assert(f && fread(said, 1, sizeof said - 1, f) < sizeof said);
    fclose(f);
    ck_assert_msg(WIFEXITED(status), "signal %d: %s", WTERMSIG(status), said);
    ck_assert_msg(WEXITSTATUS(status) == 2 && strstr(said, "File too large"), "status %d: %s", WEXITSTATUS(status),
                  said);
}
END_TEST

/* ---- crashes */

static int lies_there(const char *out, int step)
{
    char name[64];
    snprintf(name, sizeof name, "checkpoint-%08d.safetensors", step);
    return !access(in_folder(out, name), F_OK);
}

static int partials(const char *out)
{
    glob_t found = {0};
    const int n = glob(in_folder(out, "*.partial"), 0, NULL, &found) ? 0 : (int)found.gl_pathc;
    globfree(&found);
    return n;
}

/* A process that ends at any call, and another that goes on: every checkpoint that was to stay is there, of the same
 * bits, and nothing half written, though it now keeps none. */
START_TEST(a_crash_anywhere_loses_no_checkpoint_that_stays)
{
    char *whole = scratch("kept"), *out = scratch("crashed"), command[700];
    struct run r = faulty_run(whole);
    r.keep_every = 3;
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    ck_assert(lies_there(whole, 3) && lies_there(whole, 6));
    int status = 0;
    for (int at = 1; at < 1000; at++) {
        snprintf(command, sizeof command, "rm -rf '%s'", out);
        ck_assert_int_eq(system(command), 0);
        snprintf(r.out, sizeof r.out, "%s", out);
        const pid_t child = fork();
        if (!child) {
            fault.crash = 1;
            arm(at, 0, EIO);
            _exit(run_train(&r, NULL, NULL, why) != RUN_FINISHED);
        }
        ck_assert(waitpid(child, &status, 0) == child && WIFEXITED(status));
        if (WEXITSTATUS(status) != CRASHED)
            break;
        struct run on = r;
        on.resume = 1;
        struct checkpoint c;
        const int before = !access(in_folder(out, checkpoint_name), F_OK) && !checkpoint_open(&c, out, why)
            ? c.step : 0;
        ck_assert_msg(before < 3 || lies_there(out, 3),
                      "crash at call %d: the run goes on from step %d, and that of step 3 is not there", at, before);
        const enum run_end end = run_train(&on, NULL, NULL, why);
        ck_assert_msg(end == RUN_FINISHED, "crash at call %d: %s", at, why);
        ck_assert_msg(lies_there(out, 3) && lies_there(out, 6), "crash at call %d: a checkpoint is missing", at);
        ck_assert(same_bytes(in_folder(out, "checkpoint-00000003.safetensors"),
                             in_folder(whole, "checkpoint-00000003.safetensors")));
        ck_assert(same_bytes(in_folder(out, checkpoint_name), in_folder(whole, checkpoint_name)));
        ck_assert_msg(!partials(out), "crash at call %d: something half written stayed", at);
    }
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

START_TEST(what_a_crash_left_of_a_kept_checkpoint_is_removed)
{
    char *out = scratch("left");
    struct run r = faulty_run(out);
    ck_assert_msg(run_train(&r, stop_at_3, NULL, why) == RUN_INTERRUPTED, "%s", why);
    put(in_folder(out, "checkpoint-00000004.safetensors.partial"), "half", 4);
    put(in_folder(out, "mine.partial"), "half", 4);
    r.resume = 1;
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    ck_assert_int_eq(partials(out), 1);
}
END_TEST

/* ---- file systems without locks */

static enum run_verdict note_unlocked(void *arg, const struct run *r, const struct run_point *p, struct swax_network *n)
{
    (void)p, (void)n;
    *(int *)arg = r->unlocked;
    return RUN_GO_ON;
}

START_TEST(a_run_goes_on_where_files_cannot_be_locked)
{
    static const int errors[] = {0, ENOLCK, ENOSYS, EOPNOTSUPP, EINVAL};
    char *out = NULL;
    for (int i = 0; i < 5; i++) {
        char name[32];
        int unlocked = -1;
        snprintf(name, sizeof name, "unlocked-%d", i);
        struct run r = faulty_run(out = scratch(name));
        fault.unlocked = errors[i];
        const enum run_end end = run_train(&r, note_unlocked, &unlocked, why);
        fault.unlocked = 0;
        ck_assert_msg(end == RUN_FINISHED, "%s: %s", strerror(errors[i]), why);
        ck_assert_int_eq(unlocked, i > 0);
    }
    char arguments[512];
    snprintf(arguments, sizeof arguments, "%s resume=yes", out);
    fault.unlocked = ENOLCK;
    char *said = printed_by(cmd_train, arguments);
    fault.unlocked = 0;
    ck_assert_msg(strstr(said, "lies where files cannot be locked: see to it yourself") != NULL, "%s", said);
    struct run r = faulty_run(scratch("unlockable"));
    fault.unlocked = EIO;
    ck_assert_int_eq(run_train(&r, NULL, NULL, why), RUN_REFUSED);
    fault.unlocked = 0;
    ck_assert_msg(strstr(why, "cannot be locked") && is_sentence(why), "%s", why);
}
END_TEST

/* ---- memory */

#if !defined __SANITIZE_ADDRESS__ && defined __GLIBC__
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
    return fails(1) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return fails(1) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return fails(1) ? NULL : __libc_realloc(p, n);
}

START_TEST(every_failing_allocation_is_a_sentence)
{
    char *expected = undisturbed(), *out = scratch("starved");
    int at = 1, refused = 0;
    enum run_end end;
    struct run r = faulty_run(out);
    r.resume = 1;
    do {
        stopped_run(out);
        arm(at, 1, ENOMEM);
        end = run_train(&r, NULL, NULL, why);
        fault.at = 0;
        ck_assert_msg(end == RUN_FINISHED || (end == RUN_REFUSED && is_sentence(why)), "allocation %d: %d", at, end);
        refused += end == RUN_REFUSED;
        if (at % 10 == 0)
            still_whole(out, expected);
    } while (fault.calls >= at && ++at < 2000);
    ck_assert_int_eq(end, RUN_FINISHED);
    ck_assert_int_gt(refused, 50);
}
END_TEST

/* ---- an ablation */

static struct ablation plan;

static const char *take_folder(void) { return ablation_claim(&plan, 0, why); }

static const char *write_files(void)
{
    static struct outcome r[2];
    r[0].done = 1;
    const char *wrong = results_write(&plan, r, why);
    return wrong ? wrong : report_write(&plan, r, "swax ablate made-up", why);
}

static const char *read_text(void)
{
    char *text = ablate_builtin_text("smoke", why);
    free(text);
    return text ? NULL : why;
}

/* Its folder begun, and taken again, its files written, a file that is built in read: where the at-th allocation, or
 * call for a file, fails, a sentence, until none fails. */
START_TEST(an_ablation_that_meets_a_failure_says_so)
{
    static const struct { const char *(*act)(void); int memory, least; } of[] = {
        {take_folder, 1, 5}, {take_folder, 0, 3}, {write_files, 1, 5}, {write_files, 0, 6}, {read_text, 1, 1}};
    static const char text[] =
        "{\"name\": \"plan\", \"settings\": {\"data\": \"mqar\", \"pairs\": 2, \"key_symbols\": 4, \"values\": 2, "
        "\"mixers\": \"swa\", \"width\": 8, \"heads\": 1, \"length\": 16, \"window\": 8}, "
        "\"arms\": [{\"name\": \"one\"}, {\"name\": \"two\", \"settings\": {\"window\": 4}}]}";
    struct options none = {NULL, 0};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        for (int again = 0; again < 2; again++) {
            char name[30];
            int refused = 0, at = 1;
            const char *wrong;
            snprintf(name, sizeof name, "ablation-%zu", i);
            ck_assert_msg(!ablation_open(&plan, text, &none, why), "%s", why);
            snprintf(plan.out, sizeof plan.out, "%s", scratch(name));
            if (of[i].act == write_files)
                ck_assert_msg(!take_folder(), "%s", why);
            do {
                if (!again && of[i].act == take_folder)
                    unlink(in_folder(plan.out, "ablation.json"));
                arm(at, of[i].memory, of[i].memory ? ENOMEM : EIO);
                wrong = of[i].act();
                const int met = fault.calls >= at;
                fault.at = 0;
                ck_assert_msg(!wrong || (met && is_sentence(why)), "act %zu, call %d: %s", i, at, why);
                refused += wrong != NULL;
            } while (fault.calls >= at && ++at < 2000);
            ck_assert_msg(!wrong && (refused >= of[i].least || again), "act %zu: %d refused", i, refused);
            ablation_close(&plan);
        }
}
END_TEST

/* Every source of data, opened, and a batch filled, where the at-th allocation fails: a sentence, until none fails. */
START_TEST(every_failing_allocation_of_data_is_a_sentence)
{
    static const char *const settings[][2] = {
        {"mentions", ""}, {"mentions", "facts_first=1 ask=20-60"}, {"mqar", ""}, {"copy", ""},
        {"niah", "variant=multivalue"}, {"vt", ""}, {"words", ""}, {"words", "kind=frequent"},
        {"text", "file=ref/mlstm.c held_out=0.5"}};
    const int T = strcmp(settings[_i][0], "mentions") ? 2000 : 300;
    int refused = 0;
    for (int at = 1; at < 500; at++) {
        char copy[100];
        const struct source *s = source_find(settings[_i][0]);
        const char *value[SOURCE_KEYS] = {NULL}, *wrong;
        struct data d = {0};
        struct data_batch b = {0};
        snprintf(copy, sizeof copy, "%s", settings[_i][1]);
        for (char *p = strtok(copy, " "); p; p = strtok(NULL, " ")) {
            char *equals = strchr(p, '=');
            *equals = 0;
            value[source_key(s, p)] = equals + 1;
        }
        *why = 0;
        arm(at, 1, ENOMEM);
        wrong = data_open(&d, s, value, T, why);
        if (!wrong)
            wrong = data_batch_new(&b, 2, T, why);
        if (!wrong)
            wrong = data_fill(&d, &b, 1, DATA_HELD_OUT, 0, why);
        fault.at = 0;
        const int met = fault.calls >= at;
        ck_assert_msg(!wrong || (met && is_sentence(why) && (strstr(why, "memory") || strstr(why, "cannot be"))),
                      "%s, allocation %d: %s", settings[_i][0], at, why);
        refused += wrong != NULL;
        data_batch_free(&b);
        data_close(&d);
        if (!met)
            break;
    }
    ck_assert_int_gt(refused, 3);
}
END_TEST

/* ---- commands that print what they found */

extern const struct command command_corpus;
static int cmd_corpus(int argc, char **argv) { return command_run(&command_corpus, argc, argv); }

/* In a process of its own, where the at-th allocation fails: its exit status; what it printed on standard output, and
 * on standard error; and was there an at-th? */
struct ended { int status, met; char *out, *err; };

static struct ended starved(int (*command)(int, char **), const char *arguments, int at)
{
    struct ended o = {.met = 1};
    int *met = mmap(NULL, sizeof *met, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char line[2000], *argv[20], *const out = scratch("said.out"), *const err = scratch("said.err");
    int argc = 0;
    ck_assert(met != MAP_FAILED);
    snprintf(line, sizeof line, "%s", arguments);
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    fflush(NULL);
    const pid_t pid = fork();
    if (!pid) {
        if (!freopen(out, "w", stdout) || !freopen(err, "w", stderr))
            _exit(99);
        arm(at, 1, ENOMEM);
        const int status = command(argc, argv);
        *met = fault.at && fault.calls >= at;
        fault.at = 0;
        fflush(NULL);
        _exit(status);
    }
    ck_assert(waitpid(pid, &o.status, 0) == pid);
    o.status = WIFEXITED(o.status) ? WEXITSTATUS(o.status) : 128 + WTERMSIG(o.status);
    o.met = *met;
    munmap(met, sizeof *met);
    read_whole(out, &o.out), read_whole(err, &o.err);
    free(out), free(err);
    return o;
}

static char *corpus_of_files(void)
{
    char *root = scratch("files"), name[40], text[2000];
    mkdir(root, 0777);
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "d%d", i);
        char *folder = in_folder(root, name);
        mkdir(folder, 0777);
        for (size_t k = 0; k < sizeof text; k++)
            text[k] = (char)('a' + (k * k / 7 + k * (size_t)(i + 3)) % 26);
        put(in_folder(folder, "a.c"), text, sizeof text);
    }
    return root;
}

/* What is printed is what is printed where memory is, or the command fails and says why. */
START_TEST(a_command_without_memory_prints_no_other_number)
{
    char arguments[1500], *out = scratch("found");
    int (*command)(int, char **) = _i ? cmd_corpus : cmd_eval;
    int refused = 0, at = 0;
    if (_i)
        snprintf(arguments, sizeof arguments, "folder=%s out=%s least=0 held_out=0.4", corpus_of_files(), out);
    else {
        stopped_run(out);
        snprintf(arguments, sizeof arguments, "%s data=niah variant=single_1 digits=1 lengths=345 sequences=1 "
                                              "generate=2 inside=yes tier=ref threads=1", out);
    }
    const struct ended fed = starved(command, arguments, 0);
    ck_assert_msg(fed.status == 0 && *fed.out, "status %d: %s", fed.status, fed.err);
    for (struct ended o = {.met = 1}; o.met; free(o.out), free(o.err)) {
        o = starved(command, arguments, ++at);
        ck_assert_int_lt(at, 1000);
        refused += o.status != 0;
        if (o.status)
            ck_assert_msg(o.status == 2 && !strncmp(o.err, "swax: ", 6) && o.err[strlen(o.err) - 1] == '\n',
                          "allocation %d: status %d: %s", at, o.status, o.err);
        else
            ck_assert_msg(!strcmp(o.out, fed.out), "allocation %d failed unsaid, and the command printed\n%s", at,
                          o.out);
    }
    ck_assert_int_gt(refused, 10);
}
END_TEST
#else
START_TEST(a_command_without_memory_prints_no_other_number)
{
    puts("skipped: memory cannot be made to fail here");
}
END_TEST

START_TEST(every_failing_allocation_is_a_sentence)
{
    puts("skipped: memory cannot be made to fail here");
}
END_TEST

START_TEST(every_failing_allocation_of_data_is_a_sentence)
{
    puts("skipped: memory cannot be made to fail here");
}
END_TEST
#endif

int main(void)
{
    Suite *s = suite_create("faults");
    TCase *t = tcase_create("faults");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, every_failing_call_leaves_a_whole_checkpoint, 0, 2);
    tcase_add_test(t, a_file_larger_than_is_allowed_is_a_sentence);
    tcase_add_test(t, a_crash_anywhere_loses_no_checkpoint_that_stays);
    tcase_add_test(t, what_a_crash_left_of_a_kept_checkpoint_is_removed);
    tcase_add_test(t, a_run_goes_on_where_files_cannot_be_locked);
    tcase_add_test(t, interrupted_and_short_writes_are_finished);
    tcase_add_test(t, every_failing_allocation_is_a_sentence);
    tcase_add_test(t, an_ablation_that_meets_a_failure_says_so);
    tcase_add_loop_test(t, every_failing_allocation_of_data_is_a_sentence, 0, 9);
    tcase_add_loop_test(t, a_command_without_memory_prints_no_other_number, 0, 2);
    suite_add_tcase(s, t);
    scratch_open();
    const int status = suite_ends(s);
    scratch_close();
    return status;
}
