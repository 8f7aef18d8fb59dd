/* check_short.c - a system reads and writes as many bytes at a time as it likes, and may be interrupted first:
 * files are whole all the same, and a write that takes less than all is not taken for all of it. */
#define _GNU_SOURCE      /* syscall */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ref/network/config.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/lib/files.h"
#include "tools/lib/json.h"
#include "tools/lib/safetensors.h"

static char why[SWAX_WHY];

/* ---- calls of the system that do at most `most` bytes, and every other time nothing yet */

static size_t most;                /* 0: as many as they like */
static int interrupts, calls, last_fails;

static int interrupted(void)
{
    errno = EINTR;
    return interrupts && ++calls % 2;
}

static size_t some(size_t n) { return most && n > most ? most : n; }

ssize_t pread(int fd, void *to, size_t n, off_t at)
{
    return interrupted() ? -1 : syscall(SYS_pread64, fd, to, some(n), at);
}

ssize_t write(int fd, const void *from, size_t n)
{
    return interrupted() ? -1 : syscall(SYS_write, fd, from, some(n));
}

ssize_t pwrite(int fd, const void *from, size_t n, off_t at)
{
    return last_fails ? (errno = ENOSPC, last_fails - 2) : syscall(SYS_pwrite64, fd, from, n, at);
}

static void get(void *arg, int i, void *to) { memcpy(to, (const float *)arg + 7 * i, 7 * sizeof(float)); }

/* Only while a function is called that is asked about: what the test says goes through write, too. */
#define IN_PIECES(call) do { most = counts[_i / 2], interrupts = _i % 2; call; most = 0, interrupts = 0; } while (0)

static const size_t counts[] = {1, 2, 3, 7, 8, 100, 0};
enum { COUNTS = sizeof counts / sizeof counts[0] };

START_TEST(files_are_whole_however_little_is_done_at_a_time)
{
    enum { N = 1000 };
    char bytes[N], part[300], *path = scratch("bytes"), *text;
    const char *wrong, *early;
    size_t size;
    for (int i = 0; i < N; i++)
        bytes[i] = (char)(i * i % 251);
    IN_PIECES(wrong = file_replace(path, bytes, N, why));
    ck_assert_msg(!wrong, "%s", why);
    IN_PIECES(text = file_read(path, N, &size, why));
    ck_assert_msg(text && size == N && !memcmp(text, bytes, N) && !text[N], "%zu at a time", counts[_i / 2]);
    free(text);
    const int fd = open(path, O_RDONLY);
    IN_PIECES(wrong = file_read_at(fd, path, part, sizeof part, 650, why));
    IN_PIECES(early = file_read_at(fd, path, part, sizeof part, 750, why));
    ck_assert(!wrong && !memcmp(part, bytes + 750, sizeof part - 50));
    ck_assert_msg(early && strstr(early, "ends 50 bytes too early"), "%s", early ? early : "read");
    close(fd);
}
END_TEST

START_TEST(tensors_are_whole_too)
{
    static const float values[] = {1, 2, 3, 4, 5, 6, 7, -8, -9, -10, -11, -12, -13, -14};
    char *path = scratch("some.safetensors"), *none = scratch("not.safetensors");
    const struct st_tensor tensor[] = {{.name = "a", .type = ST_F32, .rank = 1, .shape = {7}, .size = 7},
                                       {.name = "b", .type = ST_F32, .rank = 1, .shape = {7}, .size = 7}};
    const struct st_plan plan = {.n = 2, .tensor = tensor, .get = get, .arg = (void *)(size_t)values};
    const char *wrong;
    struct st_file *f;
    IN_PIECES(wrong = st_write(path, &plan, why));
    ck_assert_msg(!wrong, "%s", why);
    IN_PIECES(f = st_open(path, why));
    ck_assert_msg(f, "%s", why);
    for (int i = 0; i < 2; i++) {
        float back[7];
        int read;
        IN_PIECES(read = st_read(f, st_find(f, i ? "b" : "a"), ST_F32, back, why) == NULL);
        ck_assert(read && !memcmp(back, values + 7 * i, sizeof back));
    }
    st_close(f);
    /* the last bytes of all, the checksum's digits: that none, or some of them, are written fails */
    for (int k = 1; k < 4; k++) {
        last_fails = k;
        IN_PIECES(wrong = st_write(none, &plan, why));
        last_fails = 0;
        ck_assert_msg(wrong && strstr(wrong, "cannot be written"), "%s", wrong ? wrong : "written");
        ck_assert(access(none, F_OK));
    }
}
END_TEST

/* A file that is shorter than the length of its header, or just as long. */
START_TEST(a_few_bytes_are_no_safetensors)
{
    static const char *const says[] = {"it is empty", "it is shorter than 8 bytes",
                                       "its first 8 bytes are no length of a header"};
    char *path = scratch("few.safetensors");
    for (size_t n = 0; n < 12; n++) {
        static const char zeros[12];
        put(path, zeros, n);
        struct st_file *f = st_open(path, why);
        ck_assert_msg(!f && strstr(why, says[!n ? 0 : n < 8 ? 1 : 2]), "%zu bytes: %s", n, f ? "read" : why);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("short");
    TCase *t = tcase_create("short");
    tcase_add_loop_test(t, files_are_whole_however_little_is_done_at_a_time, 0, 2 * COUNTS);
    tcase_add_loop_test(t, tensors_are_whole_too, 0, 2 * COUNTS);
    tcase_add_test(t, a_few_bytes_are_no_safetensors);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
