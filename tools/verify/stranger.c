/* stranger.c - see stranger.h. */
#define _DEFAULT_SOURCE    /* MAP_ANONYMOUS */
#include "tools/verify/stranger.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif
#include "tools/lib/clock.h"
#include "tools/lib/say.h"
#include "tools/lib/threads.h"

enum { MOST = 4, DESCRIPTORS = 128 };
static struct stranger *known[MOST];      /* those that live */

/* ---- signals that end the judge end its strangers first */

static const int endings[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum { ENDINGS = sizeof endings / sizeof *endings };

static void end_all(int number)
{
    for (int i = 0; i < MOST; i++)
        if (known[i])
            kill(-known[i]->pid, SIGKILL);
    signal(number, SIG_DFL);
    raise(number);
}

/* From one disposition to another; who ignores a signal, or hears it himself, goes on so. */
static void hear_endings(void (*from)(int), void (*to)(int))
{
    for (int i = 0; i < ENDINGS; i++) {
        struct sigaction is;
        sigaction(endings[i], NULL, &is);
        if (is.sa_handler == from)
            signal(endings[i], to);
    }
}

/* ---- who may look into whom */

#ifdef __linux__
/* No process of the same user may read the judge's memory, or open what it has open: whoever has his rights could
 * otherwise write a verdict in its place. */
static void keep_to_oneself(void) { prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

/* What capget(2) takes; Linux's own header is not where another C library's are.  Of the rights, bit 19 is that to look
 * into others (CAP_SYS_PTRACE). */
enum { CAPABILITY_VERSION_3 = 0x20080522, LOOKS_INTO_OTHERS = 19 };
struct whose_rights { uint32_t version; int pid; };
struct rights { uint32_t effective, permitted, inheritable; };

/* In the process: it may be looked into, and does not look into others, even as root.  What it does not get is that
 * right alone: the kernel's own affairs may need the others. */
static void look_into_nobody(void)
{
    struct whose_rights who = {.version = CAPABILITY_VERSION_3};
    struct rights may[2] = {{0}};
    const uint32_t looks = ~(1u << LOOKS_INTO_OTHERS);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (!syscall(SYS_capget, &who, may)) {
        may[0].effective &= looks, may[0].permitted &= looks, may[0].inheritable &= looks;
        syscall(SYS_capset, &who, may);
    }
}
#else
static void keep_to_oneself(void) { }
static void look_into_nobody(void) { }
#endif

/* ---- in the process */

static void forget_others(void)
{
    for (int i = 0; i < MOST; i++)
        if (known[i]) {
            close(known[i]->go), close(known[i]->done);
            munmap(known[i]->shared, known[i]->bytes);
            known[i] = NULL;
        }
}

static void live(const struct stranger *s, const struct stranger_work *work, void *arg, int go, int done)
{
    char token = 0;
    const int nothing = open("/dev/null", O_RDONLY);
    setpgid(0, 0);
    hear_endings(end_all, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    forget_others();
    look_into_nobody();
    dup2(nothing, 0), dup2(2, 1);
    for (int fd = 3; fd < DESCRIPTORS; fd++)      /* of what somebody opened for the judge, nothing is the stranger's */
        if (fd != go && fd != done)
            close(fd);
    alarm((unsigned)ceil(s->seconds));
    const int loaded = work->load(arg, s->shared);
    alarm(0);
    for (int heard = loaded; heard && write(done, &token, 1) == 1 && read(go, &token, 1) == 1;) {
        alarm((unsigned)ceil(s->seconds));
        work->answer(arg, s->shared);
        alarm(0);
        fflush(stdout);
    }
    _exit(0);
}

/* ---- outside */

int stranger_gone(const struct stranger *s) { return s->pid < 0; }

static int has_ended(const struct stranger *s)
{
    siginfo_t is = {.si_pid = 0};
    return waitid(P_PID, (id_t)s->pid, &is, WEXITED | WNOWAIT | WNOHANG) || is.si_pid;
}

static void moment(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

/* Its status, as waitpid has it; of who does not end by himself, though nothing is to be heard of him, 0. */
static int bury(struct stranger *s)
{
    int status = 0;
    const double until = clock_seconds() + fmin(1, s->seconds);
    while (!has_ended(s) && clock_seconds() < until)
        moment();
    const int ended = has_ended(s);
    kill(-s->pid, SIGKILL);
    kill(s->pid, SIGKILL);
    waitpid(s->pid, &status, 0);
    s->pid = -1;
    for (int i = 0; i < MOST; i++)
        known[i] = known[i] == s ? NULL : known[i];
    return ended ? status : 0;
}

/* Wait for its word: NULL, or what became of it.  Somebody whom it has started may hold the pipe open behind it, and it
 * may have stopped its own clock. */
static const char *listen_to(struct stranger *s, char fate[FATE])
{
    const double until = clock_seconds() + 1.01 * s->seconds + 0.2;
    struct pollfd word = {.fd = s->done, .events = POLLIN};
    char token;
    int ready = 0, late = 0;
    while (ready <= 0 && !late && !has_ended(s)) {
        ready = poll(&word, 1, 20);
        late = clock_seconds() > until;
    }
    if (poll(&word, 1, 0) == 1 && read(s->done, &token, 1) == 1)
        return NULL;
    late &= !has_ended(s);
    if (late)
        kill(-s->pid, SIGKILL);
    const int status = bury(s), killed = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (late || killed == SIGALRM)
        snprintf(fate, FATE, "did not return within %g seconds", s->seconds);
    else
        snprintf(fate, FATE, killed ? "crashed: %s" : "ended the process", strsignal(killed));
    return fate;
}

const char *stranger_ask(struct stranger *s, char fate[FATE])
{
    snprintf(fate, FATE, "ended the process");
    if (stranger_gone(s))
        return fate;
    (void)!write(s->go, "", 1);      /* who is not there to read says nothing either */
    return listen_to(s, fate);
}

static const char *without(struct stranger *s, const char *what, const char *who, char *why)
{
    if (s->shared != MAP_FAILED)
        munmap(s->shared, s->bytes);
    return say(why, what, who);
}

const char *stranger_start(struct stranger *s, const struct stranger_work *work, void *arg, size_t bytes,
                           double seconds, const char *who, char *why)
{
    int go[2], done[2], i = 0;
    char fate[FATE];
    *s = (struct stranger){.pid = -1, .seconds = seconds, .bytes = bytes};
    s->shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (s->shared == MAP_FAILED)
        return without(s, "There is no memory for %s's arrays.", who, why);
    if (pipe(go))
        return without(s, "No pipe could be opened to %s's process.", who, why);
    if (pipe(done)) {
        close(go[0]), close(go[1]);
        return without(s, "No pipe could be opened to %s's process.", who, why);
    }
    hear_endings(SIG_DFL, end_all);
    signal(SIGPIPE, SIG_IGN);
    fflush(NULL);
    keep_to_oneself();
    threads_rest();
    s->go = go[1], s->done = done[0];
    s->pid = fork();
    if (!s->pid) {
        close(go[1]), close(done[0]);
        live(s, work, arg, go[0], done[1]);
    }
    close(go[0]), close(done[1]);
    if (s->pid < 0) {
        stranger_stop(s);
        return say(why, "No process could be started for %s.", who);
    }
    setpgid(s->pid, s->pid);      /* whoever of the two comes first */
    while (i < MOST && known[i])
        i++;
    assert(i < MOST);
    known[i] = s;
    if (!listen_to(s, fate))
        return NULL;
    const char *said = s->shared;
    if (said[0])
        say(why, "%.*s", SWAX_WHY - 1, said);
    else
        say(why, "%c%s ended its process when it was loaded.", toupper(who[0]), who + 1);
    stranger_stop(s);
    return why;
}

void stranger_stop(struct stranger *s)
{
    close(s->go), close(s->done);
    if (!stranger_gone(s)) {
        kill(-s->pid, SIGKILL);
        bury(s);
    }
    munmap(s->shared, s->bytes);
}
