/* jobs.c - a parent that starts a child for every run, hears from them how far they are, and stops with them. */
#include "tools/ablate/jobs.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/lib/say.h"
#include "tools/lib/terminal.h"

enum { WIDTH = 78, INDENT = 11, SHARING = 8 };
struct message { int number, step; };

int jobs_at_once(int asked, enum ablation_trial trial, int cores, int runs)
{
    const int here = trial == ABLATION_ON_DEVICE ? 1 : trial == ABLATION_ON_SHARED_DEVICE ? SHARING : cores;
    const int most = asked ? asked : here < MOST_AT_ONCE ? here : MOST_AT_ONCE;
    return most < runs ? most : runs;
}

static void interrupt(int number)
{
    (void)number;
    run_interrupted = 1;
}

void jobs_catch_signals(void)
{
    const struct sigaction a = {.sa_handler = interrupt};
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

/* ---- the terminal */

/* Of the line that is written over again and again: the cursor stays in it. */
static int line_width(void)
{
    const int columns = terminal_columns();
    return columns > 1 && columns <= WIDTH ? columns - 1 : WIDTH;
}

static void clear_line(const struct jobs *s)
{
    if (s->live)
        printf("\r%*s\r", line_width(), "");
}

/* ---- a child: one run */

struct child { const struct jobs *s; int number; pid_t parent; };

/* A child whose parent has died stops as on Ctrl-C: nobody would wait for it. */
static int tell(void *arg, int step)
{
    const struct child *c = arg;
    const struct message m = {c->number, step};
    const ssize_t told = write(c->s->pipe[1], &m, sizeof m);
    return told < 0 || run_interrupted || getppid() != c->parent;
}

static void be_child(const struct jobs *s, int number, pid_t parent)
{
    struct child c = {s, number, parent};
    char why[SWAX_WHY] = "";
    signal(SIGPIPE, SIG_IGN);
    const enum outcome_end end = outcome_make(&s->a, number % s->a.arms, number / s->a.arms, s->threads, tell, &c, why);
    if (end == OUTCOME_FAILED) {
        clear_line(s);
        fflush(stdout);
        fprintf(stderr, "swax: %s, seed %d: %s\n", s->a.arm[number % s->a.arms].name, number / s->a.arms + 1, why);
    }
    _exit((int)end);
}

/* ---- the parent */

/* Is run k of this shard, and of an arm that was asked for? */
static int is_ours(const struct jobs *s, int k) { return k % s->shards == s->shard && s->chosen[k % s->a.arms]; }

void jobs_count(const struct jobs *s, int count[STOPPED + 1])
{
    memset(count, 0, (STOPPED + 1) * sizeof *count);
    for (int k = 0; k < s->runs; k++)
        if (is_ours(s, k))
            count[s->job[k].state]++;
}

void jobs_show(const struct jobs *s, double seconds)
{
    char line[256];
    int count[STOPPED + 1], n, all = 0;
    double left = 0;
    jobs_count(s, count);
    for (int i = 0; i <= STOPPED; i++)
        all += count[i];
    n = snprintf(line, sizeof line, "%d of %d runs", count[DONE], all);
    for (int k = 0; k < s->runs; k++) {
        const struct job *j = &s->job[k];
        const int steps = s->a.run[k % s->a.arms].steps;
        if (is_ours(s, k) && (j->state == WAITING || j->state == RUNNING))
            left += steps - j->step;
        if (j->state == RUNNING && n < WIDTH - 24)
            n += snprintf(line + n, sizeof line - (size_t)n, " | %s s%d %d %%", s->a.arm[k % s->a.arms].name,
                          k / s->a.arms + 1, 100 * j->step / steps);
    }
    if (s->steps_done > 0)
        snprintf(line + n, sizeof line - (size_t)n, " | %.0f min left", seconds * left / s->steps_done / 60);
    printf("\r%-*.*s", line_width(), line_width(), line);
    fflush(stdout);
}

/* A number and its name stay together, in the line or in the next: the column behind them. */
static int put_part(const char *part, int at)
{
    const int columns = terminal_columns(), n = (int)strlen(part);
    if (columns && at + 2 + n > columns)
        return printf("\n%*s%s", INDENT, "", part) - 1;
    return at + printf("  %s", part);
}

static void say_result(const struct jobs *s, int k)
{
    static struct outcome r;
    char why[SWAX_WHY];
    const struct ablation *a = &s->a;
    const int arm = k % a->arms, seed = k / a->arms, shown[] = {a->memory, a->near, a->loss};
    const char *wrong = outcome_read(&r, a, arm, seed, why);
    if (!wrong && !r.done)
        return;
    clear_line(s);
    int at = printf("%-10s seed %-2d", a->arm[arm].name, seed + 1);
    for (int i = 0; i < 3; i++) {
        char part[ABLATE_NAME + 32];
        if (wrong || shown[i] < 0)
            continue;
        snprintf(part, sizeof part, "%s %.3f", a->ask[shown[i]].name, r.answer[shown[i]].value);
        at = put_part(part, at);
    }
    if (wrong)
        terminal_wrap(wrong, at + printf("  "), INDENT, terminal_columns());
    else {
        char part[32];
        snprintf(part, sizeof part, "%.0f s", r.seconds);
        put_part(part, at);
        puts("");
    }
    fflush(stdout);
}

static int start(struct jobs *s, int k)
{
    const pid_t parent = getpid();
    fflush(NULL);
    const pid_t pid = fork();
    if (!pid)
        be_child(s, k, parent);
    s->job[k].pid = pid;
    s->job[k].state = pid > 0 ? RUNNING : FAILED;
    return pid > 0;
}

static void listen_to_children(struct jobs *s)
{
    struct pollfd ready = {.fd = s->pipe[0], .events = POLLIN};
    struct message m[64];
    if (poll(&ready, 1, 200) <= 0 || !(ready.revents & POLLIN))
        return;
    const ssize_t n = read(s->pipe[0], m, sizeof m);
    for (ssize_t i = 0; i < n / (ssize_t)sizeof *m; i++) {
        struct job *j = &s->job[m[i].number];
        s->steps_done += j->step && m[i].step > j->step ? m[i].step - j->step : 0; /* a resumed run begins anywhere */
        j->step = m[i].step;
    }
}

/* Take in the children that have ended. */
static void reap(struct jobs *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (int k = 0; k < s->runs; k++) {
            if (s->job[k].state != RUNNING || s->job[k].pid != pid)
                continue;
            const int end = WIFEXITED(status) ? WEXITSTATUS(status) : OUTCOME_FAILED;
            s->job[k].state = end == OUTCOME_DONE    ? DONE
                            : end == OUTCOME_BUSY    ? BUSY
                            : end == OUTCOME_STOPPED ? STOPPED
                                                     : FAILED;
            if (WIFSIGNALED(status))
                fprintf(stderr, "swax: %s, seed %d: ended by signal %d\n", s->a.arm[k % s->a.arms].name,
                        k / s->a.arms + 1, WTERMSIG(status));
            if (end == OUTCOME_DONE)
                say_result(s, k);
        }
}

/* Ctrl-C reaches the children too; what a batch system sends may reach the parent alone. */
static void stop_children(const struct jobs *s)
{
    for (int k = 0; k < s->runs; k++)
        if (s->job[k].state == RUNNING)
            kill(s->job[k].pid, SIGTERM);
}

void jobs_run(struct jobs *s)
{
    time_t shown = 0;
    int stopped = 0;
    s->since = time(NULL);
    for (;;) {
        int count[STOPPED + 1];
        if (run_interrupted && !stopped++)
            stop_children(s);
        jobs_count(s, count);
        /* one run that fails does not keep the others from being made; where most do, it is not the run's fault */
        const int go_on = count[FAILED] <= count[DONE] && !run_interrupted;
        for (int k = 0; k < s->runs && count[RUNNING] < s->at_once && go_on; k++)
            if (is_ours(s, k) && s->job[k].state == WAITING)
                count[RUNNING] += start(s, k);
        if (!count[RUNNING])
            break;
        listen_to_children(s);
        reap(s);
        if (s->live && time(NULL) != shown) {
            shown = time(NULL);
            jobs_show(s, difftime(shown, s->since));
        }
    }
    clear_line(s);
}
