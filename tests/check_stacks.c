/* check_stacks.c - the same bits where threads have small stacks, and where the heap has no workspace for them.
 *
 * This program runs itself anew, as OpenMP reads OMP_STACKSIZE when a program is loaded and a process' stack is
 * measured out when it starts.  The new one works as its argument says (ways, below) and prints a line per kernel and
 * per network: what it was, and a number made of all the bits that came out. */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ref/network/network.h"
#include "ref/oracle/oracle.h"
#include "tests/suite.h"
#include "tests/threads.h"

enum { SMALL = 128 << 10, THREADS = 4 };

/* ---- what comes out */

static uint64_t mixed(uint64_t h, const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ ((const unsigned char *)p)[i]) * 0x100000001b3;
    return h;
}

static void line(const struct swax_tier *tier, enum swax_precision p, const char *what, uint64_t bits)
{
    printf("%s %s %s %016llx\n", tier->name, swax_precision_name[p], what, (unsigned long long)bits);
}

static void kernel(const struct swax_tier *tier, enum swax_precision p, int op)
{
    struct op_case c;
    uint64_t h = 1;
    op_case_make(&c, op, 7, OP_GAUSS, 100, p);
    if (op_run(tier, p, &c)) {
        puts(c.trouble);
        exit(1);
    }
    for (int i = 0; i < c.n; i++)
        h = c.arg[i] ? mixed(h, c.arg[i], (size_t)c.size[i] * sizeof(double)) : h;
    line(tier, p, swax_ops[op].name, h);
    op_case_free(&c);
}

/* A step with products that go to all threads. */
static void network(const struct swax_tier *tier, enum swax_precision p)
{
    enum { B = 2, T = 200 };
    const struct swax_adamw o = { 1e-3, 0.9, 0.95, 1e-8, 0.1, 1 };
    int token[B * T + 1];
    char why[SWAX_WHY];
    struct swax_config c = swax_config_default();
    c.width = 128;
    c.layers = 2;
    struct swax_network *n = NULL;     /* no ck_assert here: a child that was exec'ed has nobody to report to */
    if (!swax_config_set(&c, "heads", "2", why) && !swax_config_set(&c, "cell_heads", "2", why))
        n = swax_network_new(&c, tier, p, B, T, 1, why);
    if (!n) {
        puts(why);
        exit(1);
    }
    swax_network_init(n, 3);
    for (int t = 0; t <= B * T; t++)
        token[t] = t * t % 251;
    const struct swax_batch batch = { .B = B, .T = T, .window = 20, .token = token, .target = token + 1 };
    double out[4];
    for (int step = 0; step < 2; step++) {
        swax_network_zero_gradient(n);
        out[2 * step] = swax_network_gradient(n, &batch, 1.0 / (B * T));
        out[2 * step + 1] = swax_network_gradient_norm(n);
        swax_network_adamw(n, &o, step + 1);
    }
    line(tier, p, "network", mixed(1, out, sizeof out));
    swax_network_free(n);
}

static void *everything(void *unused)
{
    use_threads(THREADS);
    for (int t = 0; t < swax_n_tiers; t++)
        for (int p = 0; p < SWAX_PRECISIONS && !swax_tiers[t]->memory && swax_tiers[t]->usable(); p++) {
            for (int op = 0; op < swax_n_ops; op++)
                if (op_present(swax_tiers[t], p, op))
                    kernel(swax_tiers[t], p, op);
            if (swax_tiers[t]->host && op_offers(swax_tiers[t], p))
                network(swax_tiers[t], p);
        }
    return unused;
}

/* ---- the ways to work */

static int starved, refused;

/* In place of the C library's, which a workspace comes from. */
int posix_memalign(void **p, size_t alignment, size_t bytes)
{
    refused += starved;
    *p = starved ? NULL : aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    return *p ? 0 : ENOMEM;
}

static int on_own_thread(void)
{
    pthread_attr_t a;
    pthread_t thread;
    pthread_attr_init(&a);
    return pthread_attr_setstacksize(&a, SMALL) || pthread_create(&thread, &a, everything, NULL) ||
           pthread_join(thread, NULL);
}

static int without_heap(void)
{
    starved = 1;
    everything(NULL);
    return !refused;
}

static int as_usual(void)
{
    everything(NULL);
    return 0;
}

static const struct way {
    const char *name, *omp_stacksize;
    rlim_t stack;       /* of the process; 0: as it is */
    int (*work)(void);
} ways[] = {
    { "as usual", NULL, 0, as_usual },
    { "with OMP_STACKSIZE=128k", "128k", 0, as_usual },
    { "with OMP_STACKSIZE=512k", "512k", 0, as_usual },
    { "with ulimit -s 1024", NULL, 1 << 20, as_usual },
    { "on a thread of 128 KiB", "128k", 0, on_own_thread },
    { "without a heap for workspaces", NULL, 0, without_heap },
};
enum { WAYS = sizeof ways / sizeof *ways };

/* ---- the parent */

static const char *self;

/* All that this program prints when it works that way. */
static char *printed(const struct way *w)
{
    int fd[2], status;
    char number[8], *text;
    size_t size;
    ck_assert_int_eq(pipe(fd), 0);
    snprintf(number, sizeof number, "%d", (int)(w - ways));
    const pid_t child = fork();
    if (!child) {
        struct rlimit r;
        getrlimit(RLIMIT_STACK, &r);
        r.rlim_cur = w->stack ? w->stack : r.rlim_cur;
        setrlimit(RLIMIT_STACK, &r);
        dup2(fd[1], STDOUT_FILENO);
        close(fd[0]), close(fd[1]);
        if (w->omp_stacksize)
            setenv("OMP_STACKSIZE", w->omp_stacksize, 1);
        else
            unsetenv("OMP_STACKSIZE");
        execl(self, self, number, (char *)NULL);
        _exit(127);
    }
    close(fd[1]);
    FILE *in = fdopen(fd[0], "r"), *all = open_memstream(&text, &size);
    for (int c; (c = getc(in)) != EOF;)
        putc(c, all);
    fclose(in);
    fclose(all);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "%s: it %s %d after \"%s\"", w->name,
                  WIFEXITED(status) ? "ended with status" : "died of signal",
                  WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), size > 60 ? text + size - 60 : text);
    return text;
}

START_TEST(same_bits)
{
    char *usual = printed(&ways[0]), *other = printed(&ways[_i]);
    ck_assert_msg(strstr(usual, "linear_backward"), "nothing ran: %s", usual);
    for (char *a, *b, *in_a = usual, *in_b = other; (a = strtok_r(in_a, "\n", &in_a));) {
        b = strtok_r(in_b, "\n", &in_b);
        ck_assert_msg(b && !strcmp(a, b), "%s came out as %s %s", a, b ? b : "nothing", ways[_i].name);
    }
    free(usual);
    free(other);
}
END_TEST

int main(int n, char **argument)
{
    setenv("OMP_WAIT_POLICY", "passive", 0);
    if (n > 1)
        return ways[atoi(argument[1]) % WAYS].work();
    self = argument[0];
    Suite *s = suite_create("stacks");
    TCase *c = tcase_create("bits");
    tcase_set_timeout(c, 0);
    tcase_add_loop_test(c, same_bits, 1, WAYS);
    suite_add_tcase(s, c);
    return suite_ends(s);
}
