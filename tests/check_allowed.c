/* check_allowed.c - how many threads and children a process takes: no more than it may. */
#define _GNU_SOURCE
#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ref/network/config.h"
#include "tools/lib/files.h"
#include "tools/lib/threads.h"
#include "tests/scratch.h"
#include "tests/suite.h"

START_TEST(processors_are_counted_as_the_kernel_lists_them)
{
    static const struct { const char *status; int n; } of[] = {
        {"Name:\tswax\nCpus_allowed:\tf\nCpus_allowed_list:\t0-3\nMems_allowed:\t1\n", 4},
        {"Cpus_allowed_list:\t7\n", 1},
        {"Cpus_allowed_list:\t0-1,4,8-15\n", 11}, {"Cpus_allowed_list:\t0-\n", 0}, {"Cpus_allowed_list:\t3-1\n", 0},
        {"Name:\tswax\n", 0}, {"", 0},
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        ck_assert_msg(threads_of_status(of[i].status) == of[i].n, "%d for %s", threads_of_status(of[i].status),
                      of[i].status);
}
END_TEST

static void lay(const char *folder, const char *name, const char *text)
{
    char why[SWAX_WHY], *place = in_folder(scratch("groups"), folder);
    ck_assert_msg(!file_make_folder(place, why), "%s", why);
    put(in_folder(place, name), text, strlen(text));
}

/* Stands in for the C library's: where `elsewhere` is a folder, the system's files of control groups are read there. */
static const char *elsewhere;

FILE *fopen(const char *path, const char *mode)
{
    char moved[600];
    const int ours = elsewhere && (!strncmp(path, "/sys/fs/cgroup", 14) || !strcmp(path, "/proc/self/cgroup"));
    const int way = strchr(mode, '+') ? O_RDWR : *mode == 'r' ? O_RDONLY : O_WRONLY;
    const int begin = *mode == 'r' ? 0 : O_CREAT | (*mode == 'a' ? O_APPEND : O_TRUNC);
    snprintf(moved, sizeof moved, "%s%s", ours ? elsewhere : "", path);
    const int fd = open(moved, way | begin, 0666);
    return fd < 0 ? NULL : fdopen(fd, mode);
}

/* Of its own group and of all above it, the least counts; a part of a processor is one. */
START_TEST(quotas_of_control_groups_are_kept)
{
    static const struct { const char *cgroup; int n; } of[] = {
        {"0::/a/b\n", 2}, {"0::/a\n", 3}, {"0::/\n", 0}, {"0::/free\n", 0}, {"0::/a/part\n", 1},
        {"0::/nowhere/at/all\n", 0}, {"", 0}, {"nonsense", 0},
        {"5:memory:/x\n4:cpu,cpuacct:/old\n", 2}, {"4:cpuset:/old\n", 0}, {"4:cpu:/old/none\n", 2},
        {"0::/a/b\n4:cpu:/wide\n", 2}, {"4:cpu:/old\n0::/a\n", 2}, {"4:cpu:/wide\n0::/a/part\n", 1},
        {"4:cpu:/no_period\n", 0}, {"4:cpu:/no_quota\n", 0}, {"0::/nothing\n", 0}, {"0::/for_ever\n", 0},
        {"0::/whole\n", 1}, {"0::/more\n", 2}, {"0::/million\n", 1000000},
    };
    lay("", "cpu.max", "max 100000\n");
    lay("a", "cpu.max", "300000 100000\n");
    lay("a/b", "cpu.max", "150000 100000\n");
    lay("a/part", "cpu.max", "5000 100000\n");
    lay("free", "cpu.max", "max 100000\n");
    lay("cpu/old", "cpu.cfs_quota_us", "200000\n");
    lay("cpu/old", "cpu.cfs_period_us", "100000\n");
    lay("cpu/wide", "cpu.cfs_quota_us", "700000\n");
    lay("cpu/wide", "cpu.cfs_period_us", "100000\n");
    lay("cpu/old/none", "cpu.cfs_quota_us", "-1\n");
    lay("cpu/old/none", "cpu.cfs_period_us", "100000\n");
    lay("cpu/no_period", "cpu.cfs_quota_us", "200000\n");
    lay("cpu/no_quota", "cpu.cfs_period_us", "100000\n");
    lay("nothing", "cpu.max", "0 100000\n");
    lay("for_ever", "cpu.max", "100000 0\n");
    lay("whole", "cpu.max", "100000 100000\n");
    lay("more", "cpu.max", "100001 100000\n");
    lay("million", "cpu.max", "3000000000000 1\n");
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        ck_assert_msg(threads_of_quota(scratch("groups"), of[i].cgroup) == of[i].n, "%d for %s",
                      threads_of_quota(scratch("groups"), of[i].cgroup), of[i].cgroup);
}
END_TEST

/* What a child that may run on one processor, or was told a number, takes. */
static int taken(int processors, const char *told)
{
    int status;
    const pid_t child = fork();
    if (!child) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(0, &set);
        if (processors && sched_setaffinity(0, sizeof set, &set))
            _exit(200);
        if (told)
            setenv("OMP_NUM_THREADS", told, 1);
        else
            unsetenv("OMP_NUM_THREADS");
        threads_use(0);
        _exit(threads_allowed() < threads_used() ? 201 : threads_allowed());
    }
    ck_assert(waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* What a process takes is what its control group grants, where that is less than everything. */
START_TEST(a_process_keeps_its_quota)
{
    static const struct { const char *quota, *told; int n; } of[] = {
        {"50000 100000\n", NULL, 1}, {"100000 100000\n", NULL, 1}, {"100000 100000\n", "7", 1},
        {"max 100000\n", "1", 1}};
    const int all = taken(0, NULL);
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        lay("sys/fs/cgroup/a", "cpu.max", of[i].quota);
        lay("proc/self", "cgroup", "0::/a\n");
        elsewhere = scratch("groups/");
        ck_assert_msg(taken(0, of[i].told) == of[i].n, "%d threads, not %d, of a quota of %s", taken(0, of[i].told),
                      of[i].n, of[i].quota);
    }
    lay("sys/fs/cgroup/a", "cpu.max", "max 100000\n");
    ck_assert_int_eq(taken(0, NULL), all);
}
END_TEST

START_TEST(affinity_and_omp_num_threads_are_kept)
{
    const int all = taken(0, NULL);
    ck_assert_int_ge(all, 1);
    ck_assert_int_eq(taken(1, NULL), 1);
    ck_assert_int_eq(taken(0, "1"), 1);
    ck_assert_int_eq(taken(0, "1,2"), 1);
    ck_assert_int_eq(taken(0, "1000"), all);
    ck_assert_int_eq(taken(0, "many"), all);
    ck_assert_int_eq(taken(0, ""), all);
}
END_TEST

/* What is asked for is what is taken, up to eight a processor: hundreds of threads on one would take minutes a step. */
START_TEST(a_slip_takes_no_more_than_eight_threads_a_processor)
{
    cpu_set_t set;
    ck_assert(!sched_getaffinity(0, sizeof set, &set));
    const int most = 8 * CPU_COUNT(&set);
    threads_use(2);
    if (threads_used() == 1) {
        puts("skipped: built without OpenMP, everything takes one thread");
        return;
    }
    for (int n = 1; n <= most + 9; n++) {
        threads_use(n);
        ck_assert_int_eq(threads_used(), n < most ? n : most);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("allowed");
    TCase *t = tcase_create("allowed");
    tcase_add_test(t, processors_are_counted_as_the_kernel_lists_them);
    tcase_add_test(t, quotas_of_control_groups_are_kept);
    tcase_add_test(t, a_process_keeps_its_quota);
    tcase_add_test(t, affinity_and_omp_num_threads_are_kept);
    tcase_add_test(t, a_slip_takes_no_more_than_eight_threads_a_processor);
    suite_add_tcase(s, t);
    scratch_open();
    const int status = suite_ends(s);
    scratch_close();
    return status;
}
