/* faults.c - every call for files, and every call for memory, that fails in turn, in every command of the program:
 *     faults SWAX SHIM.so files|memory [COMMAND|all [EVERY [FIRST]]]
 *
 * Each command is run once undisturbed, which says how many calls there are and what it answers; then once per call,
 * with that call failing.  It may answer as it did, with the same files, if it can do without what failed; or end with
 * status 1 or 2 and a sentence.  It may not crash, hang, say nothing, or end with status 0 and another answer. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORDS = 32, ROOM = 1 << 20, PATIENCE = 300 };

/* What is run in a folder that holds what `prepare` made.  `files`: what must be the same when it ends with 0.  timed:
 * what it prints has times in it: only the number of lines is compared. */
static const struct command {
    const char *name, *line, *files;
    int timed;
} commands[] = {
    {"train", "train out=run data=text file=text width=4 heads=1 cell_heads=1 mixers=swa,mlstm batch=2 length=8 "
              "steps=4 window=4 checkpoint_every=2 tier=ref threads=1",
     "run/checkpoint.safetensors run/config.json", 1},
    {"resume", "train out=begun resume=yes threads=1", "begun/checkpoint.safetensors", 1},
    {"eval", "eval begun", "", 0},
    {"sample", "sample begun prompt=the tokens=16 seed=3", "", 0},
    {"convert-out", "convert pure to=hf2", "hf2/config.json hf2/model.safetensors", 0},
    {"convert-in", "convert hf to=back.safetensors", "back.safetensors", 0},
    {"make", "verify make mlstm output=case2.safetensors B=1 T=3 H=1 K=2 V=2", "case2.safetensors", 0},
    {"tier", "verify tier ref add_forward", "", 0},
    {"faults", "verify faults add_forward", "", 0},
    {"bench", "bench kernel=add_forward tier=ref", "", 1},
    {"info", "info", "", 1},
    {"ablate", "ablate smoke out=new seeds=1 jobs=1 arms=short tier=ref threads=1 steps=2", "", 1},
    {"report", "ablate smoke out=abl seeds=1 jobs=1 arms=short tier=ref threads=1 steps=2 report=yes",
     "abl/results.json abl/report.html", 0},
};

static char base[64];
static const char *swax, *shim, *kind;

static void die(const char *a, const char *b)
{
    fprintf(stderr, "faults: %s %s\n", a, b);
    exit(1);
}

static void shell(const char *format, ...)
{
    char command[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(command, sizeof command, format, list);
    va_end(list);
    if (system(command))
        die("failed:", command);
}

static char *contents(const char *name, size_t *size)
{
    char path[256];
    char *text = calloc(1, ROOM);
    snprintf(path, sizeof path, "%s/%s", base, name);
    FILE *f = fopen(path, "rb");
    *size = f ? fread(text, 1, ROOM - 1, f) : 0;
    if (f)
        fclose(f);
    return text;
}

/* Run it in the folder `work`, with call `at` failing (0: none); what it printed is in "out" and "err".  The wait
 * status. */
static int run(const char *line, long at)
{
    char text[1024], number[32], count[128], work[128];
    const char *word[WORDS];
    int n = 0, status;
    strcpy(text, line);
    word[n++] = swax;
    for (char *w = strtok(text, " "); w; w = strtok(NULL, " ")) {
        for (char *c = w; *c; c++)
            *c = *c == ',' ? ' ' : *c;
        word[n++] = w;
    }
    word[n] = NULL;
    const pid_t pid = fork();
    if (!pid) {
        snprintf(work, sizeof work, "%s/work", base);
        snprintf(number, sizeof number, "%ld", at);
        snprintf(count, sizeof count, "%s/count", base);
        setenv("LD_PRELOAD", shim, 1), setenv("HARM", kind, 1), setenv("HARM_AT", number, 1),
            setenv("HARM_COUNT", count, 1);
        setenv("OMP_NUM_THREADS", "1", 1);
        dup2(open("/dev/null", O_RDONLY), 0);
        snprintf(count, sizeof count, "%s/out", base);
        dup2(open(count, O_WRONLY | O_CREAT | O_TRUNC, 0666), 1);
        snprintf(count, sizeof count, "%s/err", base);
        dup2(open(count, O_WRONLY | O_CREAT | O_TRUNC, 0666), 2);
        alarm(PATIENCE);
        if (!chdir(work))
            execv(swax, (char *const *)word);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    return status;
}

static int lines(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* The bytes of `files` in the folder, one after the other. */
static char *gather(const char *files, size_t *size)
{
    char list[512], path[256];
    char *all = calloc(1, ROOM);
    *size = 0;
    strcpy(list, files);
    for (char *name = strtok(list, " "); name; name = strtok(NULL, " ")) {
        size_t n;
        snprintf(path, sizeof path, "work/%s", name);
        char *text = contents(path, &n);
        memcpy(all + *size, text, n);
        *size += n;
        free(text);
    }
    return all;
}

static long count(void)
{
    size_t n;
    char *text = contents("count", &n);
    const long calls = atol(text);
    free(text);
    return calls;
}

/* NULL, or what is wrong with how it took it. */
static const char *judge(const struct command *c, int status, const char *right_out, const char *right_files,
                         size_t right_size, int *refused)
{
    size_t n, m, size;
    static char said[512];
    char *out = contents("out", &n), *err = contents("err", &m), *files = gather(c->files, &size);
    const char *wrong = NULL;
    *refused = status != 0;
    if (WIFSIGNALED(status))
        wrong = WTERMSIG(status) == SIGALRM ? "hangs" : "crashes";
    else if (WEXITSTATUS(status) > 2)
        wrong = "ends with a status above 2";
    else if (status && m < 10)
        wrong = "says nothing";
    else if (!status && (c->timed ? lines(out) != lines(right_out) : strcmp(out, right_out)))
        wrong = "ends with 0 and prints something else";
    else if (!status && (size != right_size || memcmp(files, right_files, size)))
        wrong = "ends with 0 and leaves other files";
    if (wrong)
        snprintf(said, sizeof said, "%s | %.100s", wrong, m ? err : out);
    free(out), free(err), free(files);
    return wrong ? said : NULL;
}

static int one(const struct command *c, int every, int first)
{
    size_t n, size;
    int refused = 0, bad = 0;
    long failed = 0;
    shell("rm -rf %s/work && cp -r %s/ready %s/work", base, base, base);
    if (run(c->line, 0)) {
        shell("tail -3 %s/err >&2", base);
        die("the undisturbed command fails:", c->line);
    }
    char *right = contents("out", &n), *files = gather(c->files, &size);
    const long calls = count();
    for (long at = first; at <= calls; at += every, failed++) {
        int no;
        shell("rm -rf %s/work && cp -r %s/ready %s/work", base, base, base);
        const char *wrong = judge(c, run(c->line, at), right, files, size, &no);
        refused += no;
        if (wrong && bad++ < 12)
            printf("  %s: call %ld of %ld for %s fails: %s\n", c->name, at, calls, kind, wrong);
    }
    printf("faults: %-12s %-7s %6ld calls, %6ld failed in turn, %6d refused in a sentence, %d wrong\n", c->name, kind,
           calls, failed, refused - bad, bad);
    fflush(stdout);
    free(right), free(files);
    return bad;
}

int main(int argc, char **argv)
{
    int bad = 0;
    if (argc < 4)
        die("usage: faults SWAX SHIM.so files|memory [COMMAND|all [EVERY [FIRST]]]", "");
    swax = realpath(argv[1], NULL), shim = realpath(argv[2], NULL), kind = argv[3];
    snprintf(base, sizeof base, "%s/swax-faults-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    if (!swax || !shim || !mkdtemp(base))
        die("the program or the shim is not there, or no folder can be made", "");
    shell("mkdir %s/ready && cd %s/ready && for i in 1 2 3 4 5 6 7 8; do echo 'the quick brown fox jumps over the lazy "
          "dog'; done > text", base, base);
    shell("cd %s/ready && exec >/dev/null && %s train out=begun data=text file=text width=4 heads=1 cell_heads=1 "
          "mixers='swa mlstm' batch=2 length=8 steps=4 window=4 checkpoint_every=2 tier=ref threads=1", base, swax);
    shell("cd %s/ready && exec >/dev/null && %s train out=pure data=text file=text width=4 heads=1 cell_heads=1 "
          "mixers=mlstm batch=2 length=8 steps=1 tier=ref threads=1 && %s convert pure to=hf", base, swax, swax);
    shell("cd %s/ready && exec >/dev/null && %s ablate smoke out=abl seeds=1 jobs=1 arms=short tier=ref threads=1 "
          "steps=2", base, swax);
    const char *only = argc > 4 ? argv[4] : "all";
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(only, "all") || !strcmp(only, commands[i].name))
            bad += one(&commands[i], argc > 5 ? atoi(argv[5]) : 1, argc > 6 ? atoi(argv[6]) : 1);
    shell("rm -rf %s", base);
    return bad > 0;
}
