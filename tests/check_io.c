/* check_io.c - safetensors from anywhere are read right or refused with a sentence, never wrongly; what is written
 * replaces a file whole or not at all. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ref/network/config.h"
#include "tools/lib/files.h"
#include "tools/lib/random.h"
#include "tools/lib/safetensors.h"
#include "tools/lib/say.h"
#include "tests/golden.h"
#include "tests/mutate.h"
#include "tests/scratch.h"
#include "tests/suite.h"

static char why[SWAX_WHY];

struct sample { double f64[6]; float f32[3]; int64_t i64[2]; uint8_t u8[5]; };
static const struct sample numbers = {{1, -2, 0.1, 1e300, 0, -0.0}, {3.5f, -1e-20f, 7}, {-5, INT64_MAX},
                                      {1, 2, 3, 4, 255}};
static const struct st_tensor layout[] = {
    {.name = "b.f64", .type = ST_F64, .rank = 2, .shape = {2, 3}},
    {.name = "a \"odd\" name", .type = ST_F32, .rank = 1, .shape = {3}},
    {.name = "i", .type = ST_I64, .rank = 1, .shape = {2}},
           {.name = "none", .type = ST_F32, .rank = 2, .shape = {0, 4}},
    {.name = "u8", .type = ST_U8, .rank = 1, .shape = {5}},
};
static const void *const from[] = {numbers.f64, numbers.f32, numbers.i64, NULL, numbers.u8};
static const size_t bytes[] = {48, 12, 16, 0, 5};
static const char *const meta[][2] = {{"format", "test"}, {"with \"quotes\"", "line\nbreak"}};

static void get(void *arg, int i, void *to)
{
    (void)arg;
    if (bytes[i])
        memcpy(to, from[i], bytes[i]);
}

static const struct st_plan plan = {5, layout, get, NULL, 2, meta};

static void check_sample(const char *path)
{
    struct st_file *f = st_open(path, why);
    ck_assert_msg(f != NULL, "%s", why);
    ck_assert_int_eq(st_count(f), 5);
    ck_assert_str_eq(st_meta(f, "with \"quotes\""), "line\nbreak");
    ck_assert_int_eq(st_meta_count(f), 3);
    for (int i = 0; i < 5; i++) {
        unsigned char got[64];
        const struct st_tensor *t = st_find(f, layout[i].name);
        ck_assert(t && t->rank == layout[i].rank && t->type == layout[i].type && t->shape[0] == layout[i].shape[0]);
        ck_assert_msg(!st_read_raw(f, t, got, why), "%s", why);
        ck_assert(!bytes[i] || !memcmp(got, from[i], bytes[i]));
    }
    st_close(f);
}

START_TEST(safetensors_survive_a_round_trip)
{
    char *path = scratch("a.safetensors");
    ck_assert_msg(!st_write(path, &plan, why), "%s", why);
    check_sample(path);
    struct st_file *f = st_open(path, why);
    float narrow[6];
    double wide[3];
    int64_t whole[5];
    ck_assert(!st_read(f, st_find(f, "b.f64"), ST_F32, narrow, why) && narrow[2] == 0.1f && isinf(narrow[3]));
    ck_assert(!st_read(f, st_find(f, "a \"odd\" name"), ST_F64, wide, why) && wide[0] == 3.5);
    ck_assert(!st_read(f, st_find(f, "u8"), ST_I64, whole, why) && whole[4] == 255);
    char expected[900];
    snprintf(expected, sizeof expected, "Tensor \"u8\" in %.120s holds U8, where F32 is needed.", path);
    ck_assert(st_read(f, st_find(f, "u8"), ST_F32, narrow, why) == why);
    ck_assert_str_eq(why, expected);
    ck_assert(st_read(f, st_find(f, "b.f64"), ST_I64, whole, why) == why && is_sentence(why));
    ck_assert(!st_find(f, "nobody"));
    st_close(f);
    free(path);
}
END_TEST

/* Every proper prefix is refused, and so is every file with one flipped bit: the checksum sees what the format does
 * not. */
START_TEST(damage_never_passes)
{
    char *path = scratch("a.safetensors"), *bad = scratch("bad.safetensors"), *text;
    ck_assert(!st_write(path, &plan, why));
    const size_t n = read_whole(path, &text);
    for (size_t i = 0; i < n; i++) {
        put(bad, text, i);
        ck_assert_msg(!st_open(bad, why), "accepted the first %zu of %zu bytes", i, n);
        ck_assert_msg(is_sentence(why), "%s", why);
    }
    int unsealed = 0;
    for (size_t i = 0; i < 8 * n; i++) {
        text[i / 8] ^= (char)(1 << i % 8);
        put(bad, text, n);
        text[i / 8] ^= (char)(1 << i % 8);
        struct st_file *f = st_open(bad, why);
        /* the flip renamed the seal: a file without one, for whoever asks */
        unsealed += f && !st_meta(f, "swax.checksum");
        ck_assert_msg(!f || !st_meta(f, "swax.checksum"), "accepted with bit %zu flipped", i);
        st_close(f);
    }
    ck_assert_int_gt(unsealed, 0);
    ck_assert_int_lt(unsealed, 8 * (int)strlen("swax.checksum"));
    free(text);
    free(path);
    free(bad);
}
END_TEST

static const char *const bad_headers[] = {
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"b\":{\"dtype\":\"F16\",\"shape\":[2,3],"
    "\"data_offsets\":[1,4]}}",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[0,5]}}",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4,4]}}",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0.5,4]}}",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":4,\"data_offsets\":[0,4]}}",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":\"no\"}}",
    "{\"a\":{\"dtype\":\"I64\",\"shape\":[1152921504606846976],\"data_offsets\":[0,4]}}",
    "{}        x", "[]", "{\"a\":1}", "{\"a\":{}}", "{\"__metadata__\":[]}", "{\"__metadata__\":{\"a\":1}}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}+",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,4]}}",
    "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]}}",
    "{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[0],"
    "\"data_offsets\":[4,4]}}",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},\"b\":{\"dtype\":\"U8\",\"shape\":[3],"
    "\"data_offsets\":[1,4]}}",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],"
    "\"data_offsets\":[2,4]}}",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}",
    "{\"__metadata__\":{\"swax.checksum\":\"00\"},\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
    "{\"__metadata__\":{\"swax.checksum\":\"0123456789abcdef\"},\"a\":{\"dtype\":\"U8\",\"shape\":[4],"
    "\"data_offsets\":[0,4]}}",
    "{\"__metadata__\":{\"swax.checksum\" "
    ":\"0123456789abcdef\"},\"\\\"swax.checksum\\\":\\\"\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
};

START_TEST(hostile_headers_are_refused)
{
    char *path = scratch("hostile.safetensors");
    put_with_header(path, bad_headers[_i], strlen(bad_headers[_i]), "abcd", 4);
    ck_assert_msg(!st_open(path, why), "accepted: %s", bad_headers[_i]);
    ck_assert_msg(is_sentence(why), "%s", why);
    free(path);
}
END_TEST

/* What is said of each, as it is kept. */
START_TEST(headers_are_refused_in_the_same_words_as_ever)
{
    char *path = scratch("hostile.safetensors"), *all = NULL;
    size_t size;
    FILE *f = open_memstream(&all, &size);
    for (size_t i = 0; i < sizeof bad_headers / sizeof *bad_headers; i++) {
        put_with_header(path, bad_headers[i], strlen(bad_headers[i]), "abcd", 4);
        ck_assert(!st_open(path, why));
        const char *name = strstr(why, "hostile.safetensors");
        fprintf(f, "%s\n    %s\n", bad_headers[i], name ? name : why);
    }
    fclose(f);
    golden_is("safetensors.txt", all, 0);
    free(all), free(path);
}
END_TEST

/* A sentence that has no room for its end says that there is more. */
START_TEST(a_sentence_keeps_to_its_room)
{
    char room[SWAX_WHY + 8], text[SWAX_WHY + 20];
    for (int n = SWAX_WHY - 5; n < SWAX_WHY + 10; n++) {
        memset(text, 'x', sizeof text), memset(room, '#', sizeof room);
        text[n] = 0;
        ck_assert(say(room, "%s", text) == room);
        ck_assert_msg(room[SWAX_WHY] == '#' && strlen(room) == (size_t)(n < SWAX_WHY ? n : SWAX_WHY - 1) &&
                      strspn(room, "x") == (size_t)(n < SWAX_WHY ? n : SWAX_WHY - 4) &&
                      (n < SWAX_WHY || !strcmp(room + SWAX_WHY - 4, "...")), "%d letters become %s", n, room);
    }
    /* of a path the end */
    errno = ENOENT;
    memset(text, 'y', sizeof text);
    for (int n = SWAX_WHY / 2 - 1; n < SWAX_WHY / 2 + 2; n++) {
        char expected[SWAX_WHY + 80];
        text[n] = 0, text[0] = 'a';
        say_errno(room, text, "is");
        snprintf(expected, sizeof expected, "%s%s is: %s.", n > SWAX_WHY / 2 ? "..." : "",
                 text + (n > SWAX_WHY / 2 ? n - SWAX_WHY / 2 : 0), strerror(ENOENT));
        ck_assert_str_eq(room, expected);
        text[n] = 'y';
    }
}
END_TEST

START_TEST(what_cannot_be_written_or_read_is_said)
{
    char *path = scratch("short"), to[8];
    put(path, "abc", 3);
    const int fd = open(path, O_RDONLY);
    ck_assert_int_eq(file_write(fd, "x", 1), -1);                      /* which is open for reading */
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(file_write(fd, "x", 0), 0);
    ck_assert(!file_read_at(fd, "NAME", to, 2, 1, why) && !memcmp(to, "bc", 2));
    ck_assert(file_read_at(fd, "NAME", to, 5, 1, why) == why);
    ck_assert_str_eq(why, "NAME ends 3 bytes too early: it was cut short.");
    close(fd);
    const int folder = open("/", O_RDONLY);
    ck_assert(file_read_at(folder, "NAME", to, 5, 0, why) == why);
    ck_assert_str_eq(why, "NAME cannot be read: Is a directory.");
    close(folder);
    size_t n;
    ck_assert(!file_read(path, 2, &n, why) && n == 3);
    ck_assert_msg(strstr(why, "short holds 3 bytes: at most 2 are expected here."), "%s", why);
    char *text = file_read(path, 3, &n, why);
    ck_assert(text && n == 3 && !strcmp(text, "abc"));
    free(text);
    ck_assert(!file_read("/", 3, &n, why) && !strcmp(why, "/ is not a file."));
    ck_assert(file_make_folder(path, why) == why && strstr(why, "/short is not a folder."));
    free(path);
}
END_TEST

START_TEST(hostile_lengths_are_refused)
{
    const size_t claimed[] = {0, 1, 3, 100000001, (size_t)1 << 40, SIZE_MAX, SIZE_MAX - 7, (size_t)1 << 63};
    char *path = scratch("hostile.safetensors");
    for (size_t i = 0; i < sizeof claimed / sizeof *claimed; i++) {
        put_with_header(path, "{}", claimed[i], "", 0);
        ck_assert_msg(!st_open(path, why), "accepted a header of %zu bytes", claimed[i]);
        ck_assert_msg(is_sentence(why), "%s", why);
    }
    ck_assert(!st_open("/", why) && is_sentence(why));
    ck_assert(!st_open("/nowhere/at/all", why) && is_sentence(why));
    put(path, "", 0);
    ck_assert(!st_open(path, why) && strstr(why, "empty"));
    put_with_header(path, "{}", 2, "", 0);
    struct st_file *f = st_open(path, why);
    ck_assert_msg(f && st_count(f) == 0, "an empty directory is a valid file: %s", why);
    st_close(f);
    free(path);
}
END_TEST

START_TEST(a_hundred_thousand_entries_are_refused_at_once)
{
    char *path = scratch("many.safetensors");
    put_many_entries(path, 100000);
    ck_assert(!st_open(path, why));
    ck_assert_msg(strstr(why, "65536") != NULL, "%s", why);
    free(path);
}
END_TEST

/* Each comma may stand before a value: 57 times its size in memory, if it were believed. */
START_TEST(a_header_of_commas_takes_no_memory)
{
    enum { COMMAS = 20000000 };
    char *path = scratch("commas.safetensors"), *header = malloc(COMMAS + 1);
    memset(header, ',', COMMAS);
    header[0] = '{';
    header[COMMAS] = 0;
    put_with_header(path, header, COMMAS, "", 0);
    ck_assert(!st_open(path, why));
    ck_assert_msg(strstr(why, "65536") != NULL, "%s", why);
    unlink(path);
    free(header);
    free(path);
}
END_TEST

/* Opening a pipe waits for whoever writes to it. */
START_TEST(a_pipe_is_refused_at_once)
{
    char *pipe = scratch("pipe");
    size_t n;
    ck_assert_int_eq(mkfifo(pipe, 0600), 0);
    ck_assert(!st_open(pipe, why) && is_sentence(why));
    ck_assert_msg(strstr(why, "not a regular file") != NULL, "%s", why);
    ck_assert(!file_read(pipe, 100, &n, why) && is_sentence(why));
    ck_assert_msg(strstr(why, "is not a file") != NULL, "%s", why);
    unlink(pipe);
    free(pipe);
}
END_TEST

/* A folder's name may have 4,095 letters, and not one more: it would be another folder. */
START_TEST(a_name_that_is_too_long_is_no_folder)
{
    char long_name[PATH_MAX + 8], *base = scratch("deep");
    size_t n = (size_t)snprintf(long_name, sizeof long_name, "%s", base);
    while (n < PATH_MAX - 2)
        n += (size_t)snprintf(long_name + n, sizeof long_name - n, "/.");
    snprintf(long_name + n, sizeof long_name - n, "/%s", n % 2 ? "x" : "xy");      /* PATH_MAX letters, or one more */
    long_name[PATH_MAX] = 0;
    ck_assert_int_eq(strlen(long_name), PATH_MAX);
    ck_assert(file_make_folder(long_name, why) == why);
    ck_assert_msg(strstr(why, "1 to 4095 characters") && is_sentence(why), "%s", why);
    ck_assert_msg(access(base, F_OK), "%s was made", base);
    ck_assert(file_make_folder("", why) == why && strstr(why, "1 to 4095 characters"));
    free(base);
}
END_TEST

/* path.partial is written first: not through a link, nor into what has another name. */
START_TEST(what_another_name_leads_to_is_not_written_to)
{
    char *path = scratch("new"), *partial = scratch("new.partial"), *precious = scratch("precious"), *text;
    put(precious, "mine", 4);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(i == 0 ? symlink(precious, partial) : i == 1 ? link(precious, partial) : mkfifo(partial, 0600),
                         0);
        ck_assert_msg(file_replace(path, "theirs", 6, why) == why && is_sentence(why), "case %d", i);
        ck_assert_msg(strstr(why, "new.partial") != NULL, "%s", why);
        ck_assert(access(path, F_OK) && !access(partial, F_OK));
        ck_assert(read_whole(precious, &text) == 4 && !memcmp(text, "mine", 4));
        free(text);
        ck_assert_int_eq(unlink(partial), 0);
    }
    put(partial, "left by a crash", 15);
    ck_assert_msg(!file_replace(path, "theirs", 6, why), "%s", why);
    free(path), free(partial), free(precious);
}
END_TEST

START_TEST(half_and_bfloat_are_read_exactly)
{
    const unsigned char data[] = {0, 0x3c, 1, 0, 0xff, 0x7b, 0, 0xfc, 0, 0x80, 0, 0x3e, 0x80, 0x3f, 0xc0, 0x7f};
    const char header[] =
        "{\"h\":{\"dtype\":\"F16\",\"shape\":[6],\"data_offsets\":[0,12]},\"b\":{\"dtype\":\"BF16\",\"shape\":[2],"
        "\"data_offsets\":[12,16]}}";
    char *path = scratch("half.safetensors");
    put_with_header(path, header, strlen(header), (const char *)data, sizeof data);
    struct st_file *f = st_open(path, why);
    ck_assert_msg(f != NULL, "%s", why);
    double h[6], b[2];
    ck_assert(!st_read(f, st_find(f, "h"), ST_F64, h, why) && !st_read(f, st_find(f, "b"), ST_F64, b, why));
    ck_assert(h[0] == 1 && h[1] == 0x1p-24 && h[2] == 65504 && isinf(h[3]) && h[3] < 0 && h[4] == 0 && signbit(h[4]) &&
              h[5] == 1.5);
    ck_assert(b[0] == 1 && isnan(b[1]));
    st_close(f);
    free(path);
}
END_TEST

enum { MUTATIONS = 20000, ROOM = 2048 };

/* Whatever stands in a file, it is refused with a sentence, or every tensor of it can be read. */
START_TEST(mutated_safetensors_never_harm)
{
    const char header[] =
        "{\"__metadata__\":{\"k\":\"v\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
        "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[16,19]},"
        "\"c\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[19,21]}}";
    char *path = scratch("mutated.safetensors"), *seed, text[ROOM];
    struct random r = random_open(2, 0, 0);
    int accepted = 0;
    put_with_header(path, header, strlen(header), "0123456789abcdefghijk", 21);
    const size_t size = read_whole(path, &seed);
    for (int i = 0; i < MUTATIONS; i++) {
        memcpy(text, seed, size);
        /* mostly the header itself, under a length that is right */
        const size_t keep = random_below(&r, 4) ? 8 : 0;
        const size_t n = keep + mutate(&r, text + keep, size - keep, ROOM - keep);
        if (keep)
            text[0] = (char)((n - 29) & 255), text[1] = (char)((n - 29) >> 8);
        put(path, text, n);
        struct st_file *f = st_open(path, why);
        ck_assert(f || is_sentence(why));
        accepted += f != NULL;
        for (int t = 0; f && t < st_count(f); t++) {
            const struct st_tensor *tensor = st_tensor(f, t);
            ck_assert_int_le(tensor->size * st_type_bytes[tensor->type], (int64_t)n);
            double *to = malloc(8 * (size_t)tensor->size + 1);
            const char *wrong = st_read(f, tensor, tensor->type >= ST_I64 ? ST_I64 : ST_F64, to, why);
            ck_assert_msg(!wrong, "%s", why);
            free(to);
        }
        st_close(f);
    }
    ck_assert(accepted > MUTATIONS / 100 && accepted < MUTATIONS);
    free(seed);
    free(path);
}
END_TEST

/* ---- nothing that a user has is lost */

START_TEST(a_write_that_fails_leaves_what_was_there)
{
    char *path = scratch("kept.safetensors");
    ck_assert(!st_write(path, &plan, why));
    char *folder = scratch("kept.safetensors.partial");       /* a folder where the temporary file would go */
    ck_assert_int_eq(mkdir(folder, 0777), 0);
    ck_assert(st_write(path, &plan, why) == why && is_sentence(why));
    check_sample(path);
    rmdir(folder);
    ck_assert_msg(!st_write(path, &plan, why), "%s", why);
    ck_assert_int_ne(access(folder, F_OK), 0);
    ck_assert(st_write("/nowhere/at/all", &plan, why) == why && is_sentence(why));
    free(folder);
    free(path);
}
END_TEST

/* Two processes replace it at once, and a third reads: it is whole at any time. */
START_TEST(a_file_is_whole_whoever_replaces_it)
{
    enum { SIZE = 200000, TIMES = 100 };
    char *path = scratch("fought-over"), *text = malloc(SIZE), *found;
    memset(text, '0', SIZE);
    ck_assert(!file_replace(path, text, SIZE, why));
    pid_t child[2];
    for (int c = 0; c < 2; c++) {
        child[c] = fork();
        for (int i = 0; !child[c] && i < TIMES; i++) {
            memset(text, 'a' + c, SIZE);
            if (file_replace(path, text, SIZE, why))
                _exit(1);
        }
        if (!child[c])
            _exit(0);
    }
    for (int i = 0; i < TIMES; i++) {
        ck_assert_int_eq(read_whole(path, &found), SIZE);
        ck_assert(!memcmp(found, found + 1, SIZE - 1));
        free(found);
    }
    for (int c = 0; c < 2; c++) {
        int status;
        ck_assert(waitpid(child[c], &status, 0) == child[c] && WIFEXITED(status));
        ck_assert_int_eq(WEXITSTATUS(status), 0);
    }
    free(text);
    free(path);
}
END_TEST

START_TEST(what_is_no_file_is_not_replaced)
{
    char *path = scratch("link"), *folder = scratch("folder"), *pipe = scratch("pipe");
    ck_assert(!symlink("elsewhere", path) && !mkdir(folder, 0777) && !mkfifo(pipe, 0666));
    ck_assert(file_replace(path, "x", 1, why) == why && strstr(why, "no plain file"));
    ck_assert(file_replace(folder, "x", 1, why) == why && strstr(why, "no plain file"));
    ck_assert(file_replace(pipe, "x", 1, why) == why && strstr(why, "no plain file"));
    free(pipe);
    free(path);
    free(folder);
}
END_TEST

/* A file system of 64 KiB, where this process may mount one. */
START_TEST(a_full_disk_leaves_what_was_there)
{
    char *folder = scratch("small"), command[1024];
    snprintf(command, sizeof command, "mkdir -p %s && mount -t tmpfs -o size=64k none %s 2>/dev/null", folder, folder);
    if (system(command)) {
        puts("skipped: no disk can be filled here, since none can be mounted");
        return free(folder);
    }
    char path[600], fill[600];
    snprintf(path, sizeof path, "%s/a.safetensors", folder);
    snprintf(fill, sizeof fill, "%s/fill", folder);
    ck_assert(!st_write(path, &plan, why));
    char *large = calloc(1, 60000);
    put(fill, large, 56000);
    ck_assert(file_replace(fill, large, 60000, why) == why && strstr(why, "No space left"));
    ck_assert(st_write(path, &plan, why) == why || !access(path, F_OK));
    check_sample(path);
    snprintf(command, sizeof command, "umount %s", folder);
    ck_assert_int_eq(system(command), 0);
    free(large);
    free(folder);
}
END_TEST

/* What the system says is what is wrong, whatever is looked at behind it. */
START_TEST(the_reason_of_a_failure_is_its_own)
{
    char why[SWAX_WHY], *path = scratch("reason");
    struct rlimit before, none;
    ck_assert(!getrlimit(RLIMIT_NOFILE, &before));
    none = before, none.rlim_cur = 0;
    ck_assert(!setrlimit(RLIMIT_NOFILE, &none));
    const int fd = file_begin(path, why);
    ck_assert(!setrlimit(RLIMIT_NOFILE, &before));
    ck_assert_msg(fd < 0 && strstr(why, strerror(EMFILE)), "%s", why);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("io");
    TCase *t = tcase_create("io");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, safetensors_survive_a_round_trip);
    tcase_add_test(t, damage_never_passes);
    tcase_add_test(t, the_reason_of_a_failure_is_its_own);
    tcase_add_loop_test(t, hostile_headers_are_refused, 0, sizeof bad_headers / sizeof *bad_headers);
    tcase_add_test(t, headers_are_refused_in_the_same_words_as_ever);
    tcase_add_test(t, a_sentence_keeps_to_its_room);
    tcase_add_test(t, what_cannot_be_written_or_read_is_said);
    tcase_add_test(t, hostile_lengths_are_refused);
    tcase_add_test(t, a_hundred_thousand_entries_are_refused_at_once);
    tcase_add_test(t, a_header_of_commas_takes_no_memory);
    tcase_add_test(t, a_pipe_is_refused_at_once);
    tcase_add_test(t, a_name_that_is_too_long_is_no_folder);
    tcase_add_test(t, what_another_name_leads_to_is_not_written_to);
    tcase_add_test(t, half_and_bfloat_are_read_exactly);
    tcase_add_test(t, mutated_safetensors_never_harm);
    tcase_add_test(t, a_write_that_fails_leaves_what_was_there);
    tcase_add_test(t, a_file_is_whole_whoever_replaces_it);
    tcase_add_test(t, what_is_no_file_is_not_replaced);
    tcase_add_test(t, a_full_disk_leaves_what_was_there);
    suite_add_tcase(s, t);
    scratch_open();
    const int status = suite_ends(s);
    scratch_close();
    return status;
}
