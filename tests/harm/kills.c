/* kills.c - SIGKILL at any moment, and what is left goes on to the same bits: kills SWAX train|ablate KILLS [SEED]
 *
 * A run, or a small ablation, that nobody disturbs says what the bytes are.  Then it is begun, killed with all its
 * children after a time that is drawn, and begun again, until it ends; its files must be the undisturbed ones.  That is
 * repeated until it was killed so often.  What ended before its kill came is no kill, and begins anew. */
#define _GNU_SOURCE
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>

enum { WORDS = 40 };

static const char *swax, *what;
static char folder[64];

static void die(const char *why)
{
    fprintf(stderr, "kills: %s\n", why);
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static pid_t begin(const char *name)
{
    char line[1024], out[128], text[128];
    const char *word[WORDS];
    int n = 0;
    snprintf(out, sizeof out, "out=%s/%s", folder, name);
    snprintf(text, sizeof text, "file=%s/text", folder);
    word[n++] = swax;
    snprintf(line, sizeof line, "%s/config.json", out + 4);
    if (!strcmp(what, "ablate"))
        strcpy(line, "ablate smoke seeds=1 jobs=2 tier=ref");
    else if (!access(line, F_OK))
        strcpy(line, "train resume=yes threads=1");
    else
        strcpy(line,
               "train width=16 heads=2 cell_heads=2 batch=4 length=32 accumulate=2 steps=60 window=16 short_window=4 "
               "anneal=0.2 checkpoint_every=2 keep_every=20 tier=ref threads=1");
    for (char *w = strtok(line, " "); w; w = strtok(NULL, " "))
        word[n++] = w;
    word[n++] = out;
    if (!strncmp(line, "train", 5) && strcmp(word[2], "resume=yes"))
        word[n++] = text;
    word[n] = NULL;
    const pid_t pid = fork();
    if (pid) {
        setpgid(pid, pid);
        return pid;
    }
    setpgid(0, 0);
    char said[128];
    snprintf(said, sizeof said, "%s/said", folder);
    dup2(open("/dev/null", O_WRONLY), 1);
    dup2(open(said, O_WRONLY | O_CREAT | O_TRUNC, 0666), 2);
    execv(swax, (char *const *)word);
    _exit(127);
}

/* The bytes of a file without its "seconds", which no two runs share. */
static char *contents(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    char *text = malloc(1 << 22);
    *size = fread(text, 1, 1 << 22, f);
    fclose(f);
    if (strstr(path, ".json"))
        for (char *at = text; (at = memmem(at, (size_t)(text + *size - at), "\"seconds\":", 10));)
            while (at < text + *size && *at != ',')
                *at++ = ' ';
    /* blanks go: the number that went may have been of any length */
    size_t n = 0;
    for (size_t i = 0; i < *size; i++)
        if (!strstr(path, ".json") || text[i] != ' ')
            text[n++] = text[i];
    *size = n;
    return text;
}

/* Is every file of the undisturbed one there, and the same? */
static void compare(int kills)
{
    static const char *const files[] = {"checkpoint*.safetensors", "runs/*/result.json",
                                        "runs/*/checkpoint.safetensors", "runs/*/curve.json"};
    int same = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char pattern[160], other[512];
        glob_t g;
        snprintf(pattern, sizeof pattern, "%s/whole/%s", folder, files[i]);
        if (glob(pattern, 0, NULL, &g))
            continue;
        for (size_t k = 0; k < g.gl_pathc; k++, same++) {
            size_t n = 0, m = 0;
            snprintf(other, sizeof other, "%s/cut%s", folder, g.gl_pathv[k] + strlen(folder) + strlen("/whole"));
            char *a = contents(g.gl_pathv[k], &n), *b = contents(other, &m);
            if (!b || n != m || memcmp(a, b, n)) {
                fprintf(stderr, "kills: after %d kills %s %s\n", kills, other, b ? "differs" : "is not there");
                exit(1);
            }
            free(a), free(b);
        }
        globfree(&g);
    }
    if (!same)
        die("the undisturbed run left nothing to compare");
}

static void say_what_it_said(int status)
{
    char command[160];
    fprintf(stderr, "kills: it ended with %x and said:\n", (unsigned)status);
    snprintf(command, sizeof command, "tail -3 %s/said >&2", folder);
    if (system(command) || status)
        exit(1);
}

/* Something to train on that nobody else changes. */
static void write_text(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/text", folder);
    FILE *f = fopen(path, "w");
    for (int i = 0; f && i < 4000; i++)
        fprintf(f, "%d %s", rand() % 1000, rand() % 8 ? "" : "\n");
    if (!f || fclose(f))
        die("the text could not be written");
}

static void remove_folder(const char *name)
{
    char command[160];
    snprintf(command, sizeof command, "rm -rf %s%s", folder, name);
    if (system(command))
        die("a folder could not be removed");
}

int main(int argc, char **argv)
{
    if (argc < 4)
        die("usage: kills SWAX train|ablate KILLS [SEED]");
    swax = argv[1], what = argv[2];
    const int wanted = atoi(argv[3]), seed = argc > 4 ? atoi(argv[4]) : 1;
    int kills = 0, ends = 0, starts = 0, status;
    snprintf(folder, sizeof folder, "%s/swax-kills-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    if (!mkdtemp(folder))
        die("no folder");
    srand((unsigned)seed);
    write_text();
    double began = now();
    if (waitpid(begin("whole"), &status, 0) < 0 || status)
        say_what_it_said(status);
    const double took = now() - began;
    for (int over = 0; !over; starts++) {
        const double wait = kills < wanted ? 0.001 + took / 3 * rand() / RAND_MAX : 0;
        const struct timespec t = {(time_t)wait, (long)(1e9 * (wait - (double)(time_t)wait))};
        const pid_t pid = begin("cut");
        if (wait > 0) {
            nanosleep(&t, NULL);
            kill(-pid, SIGKILL);
        }
        waitpid(pid, &status, 0);
        while (!kill(-pid, 0))      /* children that the kill reached and that still hold a lock */
            nanosleep(&(struct timespec){0, 1000000}, NULL);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
            kills++;
        else if (status)
            say_what_it_said(status);
        else {
            compare(kills);
            over = kills >= wanted;
            ends++;
            remove_folder("/cut");
        }
    }
    remove_folder("");
    printf("kills: %s: %d kills in %d starts; %d runs ended, each with the undisturbed bytes (seed %d)\n", what, kills,
           starts, ends, seed);
    return 0;
}
