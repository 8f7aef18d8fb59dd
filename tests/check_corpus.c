/* check_corpus.c - `swax corpus`: whole directories are held out, and the same ones wherever the folder lies; what was
 * copied is dropped, what is short or binary too, and corpus.json counts it; the script behind `make corpus` hands it
 * the package's own folder, or says that it had no network. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ref/network/config.h"
#include "tests/golden.h"
#include "tests/printed.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/corpus/alike.h"
#include "tools/lib/checksum.h"
#include "tools/lib/commands.h"
#include "tools/lib/files.h"
#include "tools/lib/json.h"

extern const struct command command_corpus;
static int corpus(int argc, char **argv) { return command_run(&command_corpus, argc, argv); }

static char why[SWAX_WHY];
enum { FOLDERS = 40, BODY = 6000 };

/* ---- a folder of source files */

/* n bytes of words that no other seed has. */
static char *body(char *to, unsigned seed, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        to[i] = (seed >> 24) % 7 ? (char)('a' + (seed >> 16) % 26) : ' ';
    }
    return to + n;
}

static void place(const char *root, int folder, const char *name, const char *text, size_t n)
{
    char path[700];
    snprintf(path, sizeof path, "%s/d%02d", root, folder);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/d%02d/%s", root, folder, name);
    put(path, text, n);
}

/* A file that says where it stands, of which `common` bytes are the same in every folder. */
static void place_body(const char *root, int folder, const char *name, unsigned seed, size_t common)
{
    char text[BODY + 40];
    const int head = sprintf(text, "<d%02d/%s>", folder, name);
    body(body(text + head, seed, common), seed + 1000u * (unsigned)folder + 7, BODY - common);
    place(root, folder, name, text, (size_t)head + BODY);
}

static char *make_tree(const char *name)
{
    char *root = scratch(name), binary[BODY];
    ck_assert(!file_make_folder(root, why));
    for (int d = 0; d < FOLDERS; d++) {
        place_body(root, d, "own.c", 1, 0);
        place_body(root, d, "third.c", 2, BODY * 3 / 10);
        place_body(root, d, "most.c", 3, BODY * 7 / 10);
        place_body(root, d, "ignored.txt", 4, 0);
        place(root, d, "short.c", "int x;", 6);
        body(binary, 5, sizeof binary);
        binary[BODY / 2] = 0;
        place(root, d, "binary.c", binary, sizeof binary);
    }
    ck_assert_int_eq(symlink("own.c", in_folder(root, "d00/link.c")), 0);
    return root;
}

static char *make_corpus(const char *root, const char *out, const char *more)
{
    char line[2000];
    snprintf(line, sizeof line, "folder=%s out=%s least=1000 held_out=0.3 note=tree %s", root, out, more);
    return printed_by(corpus, line);
}

static double number(const struct json *object, const char *key)
{
    const struct json *j = json_get(object, key);
    ck_assert_msg(j && j->type == JSON_NUMBER, "corpus.json has no number %s", key);
    return j->number;
}

static struct json *record(const char *out)
{
    struct json *root = json_read(in_folder(out, "corpus.json"), 1 << 20, why);
    ck_assert_msg(root, "%s", why);
    return root;
}

/* Does a document of that folder and name begin in the text? */
static int holds(const char *text, size_t n, int folder, const char *name)
{
    char head[60];
    const int length = sprintf(head, "<d%02d/%s>", folder, name);
    for (const char *at = text; (at = memchr(at, 0, (size_t)(text + n - at))); at++)
        if ((size_t)(text + n - at) > (size_t)length && !memcmp(at + 1, head, (size_t)length))
            return 1;
    return 0;
}

/* ---- what is held out, and what is dropped */

START_TEST(whole_directories_are_held_out_and_copies_dropped)
{
    char *root = make_tree("tree"), *out = scratch("corpus"), *text[2];
    static const char *const names[] = {"train", "held_out"}, *const files[] = {"train.txt", "held_out.txt"};
    size_t n[2];
    int folders[2] = {0}, most[2] = {0};
    make_corpus(root, out, "");
    struct json *r = record(out);
    for (int p = 0; p < 2; p++) {
        n[p] = read_whole(in_folder(out, files[p]), &text[p]);
        const struct json *part = json_get(r, names[p]);
        char digits[17];
        struct checksum sum = {0};
        double documents = 0;
        for (size_t i = 0; i < n[p]; i++)
            documents += !text[p][i];
        checksum_add(&sum, text[p], n[p]);
        checksum_text(&sum, digits);
        ck_assert_msg(number(part, "documents") == documents && number(part, "bytes") == (double)n[p] && !*text[p],
                      "%s: %g documents", names[p],
                      documents);
        ck_assert_str_eq(json_get(part, "checksum")->text, digits);
    }
    for (int d = 0; d < FOLDERS; d++) {
        const int held_out = holds(text[1], n[1], d, "own.c");
        ck_assert_msg(holds(text[0], n[0], d, "own.c") == !held_out, "d%02d/own.c stands in both, or in neither", d);
        for (int p = 0; p < 2; p++) {
            ck_assert_msg(holds(text[p], n[p], d, "third.c") == (p == held_out),
                          "d%02d/third.c: a third in common is no copy", d);
            ck_assert_msg(!holds(text[p], n[p], d, "ignored.txt"), "an ending that was not asked for");
            most[p] += holds(text[p], n[p], d, "most.c");
            folders[p] += p == held_out;
        }
    }
    ck_assert_msg(folders[0] > 20 && folders[1] > 4, "%d and %d folders", folders[0], folders[1]);
    ck_assert_msg(most[0] == 1 && !most[1], "of what is alike in all folders %d are trained on, %d held out", most[0],
                  most[1]);
    const struct json *left_out = json_get(r, "left_out");
    ck_assert(number(left_out, "copies_within_training") == folders[0] - 1);
    ck_assert(number(left_out, "held_out_alike_training") == folders[1]);
    ck_assert(number(left_out, "shorter_than_least") == FOLDERS && number(left_out, "binary") == FOLDERS);
    ck_assert(number(r, "files") == 5 * FOLDERS);
    const size_t heads = strlen("<d00/own.c>") + strlen("<d00/third.c>");
    ck_assert(n[0] == (size_t)(2 * folders[0] + 1) * (BODY + 1) + (size_t)folders[0] * heads + strlen("<d00/most.c>"));
    json_free(r);
}
END_TEST

START_TEST(the_split_does_not_depend_on_where_the_folder_lies)
{
    char *one = scratch("one"), *other = scratch("other");
    make_corpus(make_tree("here"), one, "");
    make_corpus(make_tree("elsewhere/under/another-name"), other, "");
    ck_assert(same_bytes(in_folder(one, "train.txt"), in_folder(other, "train.txt")));
    ck_assert(same_bytes(in_folder(one, "held_out.txt"), in_folder(other, "held_out.txt")));
    ck_assert(same_bytes(in_folder(one, "corpus.json"), in_folder(other, "corpus.json")));
}
END_TEST

static int count_of(const char *text, size_t n, const char *wanted)
{
    const size_t length = strlen(wanted);
    int found = 0;
    for (size_t i = 0; i + length <= n; i++)
        found += !memcmp(text + i, wanted, length);
    return found;
}

/* Of a text of 90 bytes no stretch need be chosen: it is known as a whole. */
START_TEST(short_copies_are_dropped_too)
{
    char *root = scratch("small"), *out = scratch("small-corpus"), *text[2], copy[12][91] = {{0}};
    size_t n[2];
    ck_assert(!file_make_folder(root, why));
    for (int k = 0; k < 12; k++)
        body(copy[k], 77u + (unsigned)k, 90);
    for (int d = 0; d < FOLDERS; d++) {
        char own[100];
        body(own, 1000u + (unsigned)d, 99);
        place(root, d, "own.c", own, 99);
        for (int k = 0; k < 12; k++) {
            char name[20];
            snprintf(name, sizeof name, "copy%d.c", k);
            place(root, d, name, copy[k], 90);
        }
    }
    make_corpus(root, out, "least=1");
    for (int p = 0; p < 2; p++)
        n[p] = read_whole(in_folder(out, p ? "held_out.txt" : "train.txt"), &text[p]);
    for (int k = 0; k < 12; k++) {
        const int trained = count_of(text[0], n[0], copy[k]), held = count_of(text[1], n[1], copy[k]);
        ck_assert_msg(trained == 1 && !held, "copy %d stands in the training text %d times, held out %d", k, trained,
                      held);
    }
    struct json *r = record(out);
    ck_assert(number(json_get(r, "train"), "documents") + number(json_get(r, "held_out"), "documents") == FOLDERS + 12);
    json_free(r);
}
END_TEST

/* megabytes= is the most there may be; what comes behind the first that is too many is left out and counted. */
START_TEST(megabytes_are_not_exceeded)
{
    enum { LARGE = 400000 };
    char *root = scratch("large"), *out = scratch("large-corpus"), *text = malloc(LARGE);
    ck_assert(!file_make_folder(root, why));
    for (int d = 0; d < 12; d++) {
        body(text, 5000u + (unsigned)d, LARGE);
        place(root, d, "own.c", text, LARGE);
    }
    make_corpus(root, out, "megabytes=1");
    struct json *r = record(out);
    const double bytes = number(json_get(r, "train"), "bytes"), taken = number(json_get(r, "train"), "documents") / 4,
                 held_out = number(json_get(r, "held_out"), "documents") / 4;
    ck_assert_msg(bytes <= 1e6 && taken == 2, "%g bytes of %g files for training", bytes, taken);
    ck_assert(number(json_get(r, "left_out"), "beyond_megabytes") == 12 - taken - held_out);
    json_free(r);
    free(text);
}
END_TEST

START_TEST(a_corpus_is_no_source_of_itself)
{
    char *root = make_tree("itself"), *inside = scratch("itself/d01"), *again = scratch("again"), *text, *other;
    make_corpus(root, inside, "endings=");
    const size_t n = read_whole(in_folder(inside, "train.txt"), &text);
    make_corpus(root, inside, "endings=");
    ck_assert_msg(read_whole(in_folder(inside, "train.txt"), &other) == n && !memcmp(text, other, n),
                  "a second corpus in the same place is another");
    make_corpus(root, again, "endings=");              /* where it does not go, they are files like others */
    ck_assert(!same_bytes(in_folder(again, "corpus.json"), in_folder(inside, "corpus.json")));
}
END_TEST

/* own.c has 6,011 bytes: 3,005, as many again, and one. */
START_TEST(what_is_long_is_cut)
{
    char *out = scratch("cut"), *text;
    make_corpus(make_tree("long"), out, "longest=3005");
    const size_t n = read_whole(in_folder(out, "train.txt"), &text);
    size_t piece = 0, longest = 0;
    for (size_t i = 0; i < n; i++) {
        piece = text[i] ? piece + 1 : 0;
        longest = piece > longest ? piece : longest;
    }
    ck_assert_uint_eq(longest, 3005);
    struct json *r = record(out);
    ck_assert(number(json_get(r, "train"), "bytes") == (double)n && number(r, "longest") == 3005);
    json_free(r);
}
END_TEST

/* The set of stretches is made larger three times for a text of 10 megabytes: it forgets none. */
START_TEST(a_large_copy_is_known_to_its_last_stretch)
{
    enum { LARGE = 10 << 20 };
    char *root = scratch("large"), *out = scratch("large.corpus"), *text = malloc(LARGE);
    ck_assert(!file_make_folder(root, why));
    body(text, 11, LARGE);
    for (int i = 0; i < 2; i++)
        place(root, 2, i ? "copy.c" : "text.c", text, LARGE);
    place_body(root, 1, "own.c", 1, 0);
    make_corpus(root, out, "alike=0.999999");
    struct json *r = record(out);
    ck_assert_msg(number(json_get(r, "train"), "bytes") >= LARGE, "the large folder is held out: choose another");
    ck_assert_msg(number(json_get(r, "left_out"), "copies_within_training") == 1, "a copy was taken for another text");
    json_free(r);
    free(text);
}
END_TEST

/* Of texts of 65 bytes that end differently one in 64 has a first stretch that is looked at: that is enough to know
 * the copy. */
START_TEST(the_first_stretch_counts)
{
    enum { TEXTS = 600 };
    char *root = scratch("stretches"), *out = scratch("stretches.corpus"), text[65], name[20];
    ck_assert(!file_make_folder(root, why));
    for (int i = 0; i < TEXTS; i++)
        for (int copy = 0; copy < 2; copy++) {
            body(text, 977u * (unsigned)i + 5, 64);
            text[64] = copy ? 'x' : 'y';
            snprintf(name, sizeof name, "%d%s.c", i, copy ? "-copy" : "");
            place(root, 2, name, text, sizeof text);
        }
    place_body(root, 1, "own.c", 1, 0);
    make_corpus(root, out, "least=0");
    struct json *r = record(out);
    const double copies = number(json_get(r, "left_out"), "copies_within_training");
    ck_assert_msg(copies >= TEXTS / 64 / 3 && copies <= TEXTS / 64 * 3, "of %d copies %g are known", TEXTS, copies);
    json_free(r);
}
END_TEST

/* ---- stretches, worked out plainly */

/* The hash of a whole text, and the sum over a stretch's bytes b_i of (b_i + 1) by^(63 - i), mixed. */
static uint64_t plain_whole(const unsigned char *s, size_t n)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < n; i++)
        h = (h ^ s[i]) * UINT64_C(1099511628211);
    return (h ^ h / UINT64_C(4294967296)) * UINT64_C(11507291218515648293);
}

static uint64_t plain_stretch(const unsigned char *s)
{
    uint64_t sum = 0;
    for (int i = 0; i < 64; i++)
        sum = sum * UINT64_C(11400714819323198485) + s[i] + 1;
    return (sum ^ sum / 536870912) * UINT64_C(13787848793156543929);
}

/* What a text adds to a set; how many there are. */
static int plain_chosen(uint64_t *to, const char *text, size_t n)
{
    int found = 0;
    for (size_t i = 0; i + 64 <= n; i++) {
        const uint64_t hash = plain_stretch((const unsigned char *)text + i);
        if (hash / UINT64_C(4294967296) % 64 == 0)
            to[found++] = hash | 1;
    }
    if (!found)
        to[found++] = plain_whole((const unsigned char *)text, n) | 1;
    return found;
}

static int by_size(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

enum { TEXTS = 400, MOST_BYTES = 9000, CHOSEN = 30000 };
static uint64_t known[CHOSEN], own[MOST_BYTES];

/* The set holds the `n` that are known, each where it may be looked for. */
static void the_set_is_known(const struct stretches *s, size_t n)
{
    size_t used = 0;
    for (size_t at = 0; at < s->slots; at++) {
        used += s->slot[at] != 0;
        ck_assert_each(!s->slot[at] || bsearch(&s->slot[at], known, n, sizeof *known, by_size), "slot %zu holds %llx",
                       at, (unsigned long long)s->slot[at]);
        for (size_t home = s->slot[at] / 256 % s->slots; s->slot[at] && home != at; home = (home + 1) % s->slots)
            ck_assert_each(s->slot[home], "slot %zu holds what would be looked for in %zu, which is empty", at, home);
    }
    ck_assert_msg(used == n && s->used == n, "%zu slots are used, %zu by its own count, of %zu", used, s->used, n);
}

START_TEST(stretches_are_those_of_the_plain_form)
{
    char text[MOST_BYTES];
    struct stretches s = {0};
    size_t n = 0;
    for (int k = 0; k < TEXTS; k++) {      /* of every length around a stretch's, and longer ones */
        const size_t long_ = k < 40 ? (size_t)k * 2 : k < 340 ? 60u + (size_t)k % 8 : (size_t)k * k * 2 % MOST_BYTES;
        const size_t from = k % 3 ? 0 : long_ / 2;
        body(body(text, 9, from), 500u + (unsigned)k, long_ - from);      /* every third begins like others */
        text[long_ / 3] = (char)(200 + k % 50);
        const int chosen = plain_chosen(own, text, long_);
        int there = 0;
        for (int i = 0; i < chosen; i++)
            there += bsearch(&own[i], known, n, sizeof *known, by_size) != NULL;
        ck_assert_msg(alike_share(&s, text, long_) == (double)there / chosen,
                      "text %d: a share of %g, and by the plain form %d of %d", k, alike_share(&s, text, long_), there,
                      chosen);
        ck_assert_int_eq(alike_add(&s, text, long_), 1);
        ck_assert_msg(alike_share(&s, text, long_) == 1, "text %d is not known to the set it was added to", k);
        for (int i = 0; i < chosen; i++)
            if (!bsearch(&own[i], known, n, sizeof *known, by_size)) {
                known[n++] = own[i];
                qsort(known, n, sizeof *known, by_size);
            }
        the_set_is_known(&s, n);
    }
    ck_assert_msg(s.slots == 65536 && n > 500, "%zu slots, %zu hashes", s.slots, n);
    alike_close(&s);
    ck_assert(!s.slot && !s.slots && !s.used);
    ck_assert_msg(alike_hash("abc", 3) == plain_whole((const unsigned char *)"abc", 3), "the hash of abc is another");
}
END_TEST

/* Full to the half, a set becomes twice as large. */
START_TEST(a_set_grows_at_the_half)
{
    struct stretches s = {0};
    for (uint32_t k = 0; k < CHOSEN; k++) {
        const char text[4] = {(char)k, (char)(k >> 8), (char)(k >> 16), 'x'};
        known[k] = plain_whole((const unsigned char *)text, sizeof text) | 1;
    }
    for (uint32_t k = 0; k <= 65536; k++) {
        const char text[4] = {(char)k, (char)(k >> 8), (char)(k >> 16), 'x'};
        const size_t slots = k < 32768 ? 65536 : k < 65536 ? 131072 : 262144;
        ck_assert_each(alike_share(&s, text, sizeof text) == 0, "text %u is known before it was added", k);
        ck_assert_each(alike_add(&s, text, sizeof text) == 1 && s.slots == slots && s.used == k + 1,
                       "with %u texts there are %zu slots, %zu of them used", k + 1, s.slots, s.used);
        if (k == 20000) {
            qsort(known, k + 1, sizeof *known, by_size);
            the_set_is_known(&s, k + 1);
        }
    }
    for (uint32_t k = 0; k <= 65536; k++) {
        const char text[4] = {(char)k, (char)(k >> 8), (char)(k >> 16), 'x'};
        ck_assert_each(alike_share(&s, text, sizeof text) == 1, "text %u is forgotten", k);
    }
    alike_close(&s);
}
END_TEST

/* ---- what cannot be */

/* In a process of its own, with its errors in `said`: its exit status. */
static rlim_t most_written = RLIM_INFINITY, most_open = 1000;      /* bytes of one file, and how many more files */
static int asked_plainly(char *line, char said[SWAX_WHY])
{
    char *path = scratch("said"), *text, *argv[20];
    int status, argc = 0;
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    fflush(NULL);
    const pid_t pid = fork();
    if (!pid) {
        const rlim_t next = (rlim_t)dup(0);
        const struct rlimit limit = {most_written, most_written}, open = {next + most_open, next + most_open};
        close((int)next);
        signal(SIGXFSZ, SIG_IGN);
        if (!freopen("/dev/null", "w", stdout) || !freopen(path, "w", stderr) || setrlimit(RLIMIT_FSIZE, &limit) ||
            setrlimit(RLIMIT_NOFILE, &open))
            _exit(99);
        status = corpus(argc, argv);
        fflush(NULL);
        if (fcntl(0, F_GETFD) < 0)       /* what it did not open it does not close */
            _exit(98);
        _exit(status);
    }
    ck_assert(waitpid(pid, &status, 0) == pid);
    const size_t n = read_whole(path, &text);
    snprintf(said, SWAX_WHY, "%.*s", (int)strcspn(text, "\n"), n ? text : "");
    free(text);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int asked(const char *root, const char *out, const char *more, char said[SWAX_WHY])
{
    char line[2000];
    snprintf(line, sizeof line, "folder=%s out=%s held_out=0.3 note=tree %s", root, out, more);
    return asked_plainly(line, said);
}

#define ONE_DIRECTORY "its files lie in one directory, and directories are held out whole. Put them into several; or " \
                      "train on the files themselves, data=text with held_out=."

START_TEST(nothing_left_is_said_of_its_part)
{
    char *root = scratch("nothing"), *out = scratch("nothing.corpus"), said[SWAX_WHY], expected[SWAX_WHY];
    ck_assert(!file_make_folder(root, why));
    place_body(root, 1, "own.c", 1, 0);
    static const struct { const char *more, *part, *says; } of[] = {
        {"held_out=0 least=100000", "for training", "of its files 1 are shorter than least=100000, 0 hold zero bytes, "
                                                    "0 are copies, 0 go beyond megabytes=; try least=0 or other "
                                                    "endings=."},
        {"least=0 held_out=1", "for training", ONE_DIRECTORY}, {"least=0 held_out=0", "to be held out", ONE_DIRECTORY}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        ck_assert_int_eq(asked(root, out, of[i].more, said), 2);
        snprintf(expected, sizeof expected, "swax: %s: nothing is left %s: %s", root, of[i].part, of[i].says);
        ck_assert_str_eq(said, expected);
        ck_assert(access(in_folder(out, "corpus.json"), F_OK) && access(in_folder(out, "train.txt"), F_OK));
    }
}
END_TEST

/* What is advised helps: of few directories, the share that takes the first, or leaves the last. */
START_TEST(a_share_that_is_advised_takes_a_directory)
{
    char all[14 * SWAX_WHY], *to = all;
    for (int directories = 2; directories < 9; directories++)
        for (int most = 0; most < 2; most++) {
            char name[40], said[SWAX_WHY], more[60], out[40], *root, *at;
            snprintf(name, sizeof name, "few-%d-%d", directories, most);
            root = scratch(name);
            for (int k = 0; k < directories; k++) {
                char folder[20];
                snprintf(folder, sizeof folder, "d%d-%d", directories, k);
                ck_assert(!file_make_folder(in_folder(root, folder), why));
                place_body(in_folder(root, folder), k + 1, "own.c", k + 1, 0);
            }
            snprintf(out, sizeof out, "few-%d-%d.corpus", directories, most);
            ck_assert_int_eq(asked(root, scratch(out), most ? "least=0 held_out=1" : "least=0 held_out=0", said), 2);
            snprintf(more, sizeof more, "takes %s of its %d directories", most ? "each" : "none", directories);
            ck_assert_msg(strstr(said, more) && (at = strstr(said, "try held_out=")), "%s", said);
            to += sprintf(to, "%s\n", strstr(said, ": nothing") + 2);
            snprintf(more, sizeof more, "least=0 %.*s", (int)strcspn(at, "\n") - 5, at + 4);
            ck_assert_msg(asked(root, scratch(out), more, said) == 0, "%s: %s", more, said);
        }
    golden_is("corpus_advice.txt", all, 0);
}
END_TEST

/* A file that there is no room for is counted as that; one that cannot be read is no short one. */
START_TEST(what_cannot_be_read_is_said)
{
    char *root = scratch("unread"), *out = scratch("unread.corpus"), said[SWAX_WHY];
    ck_assert(!file_make_folder(root, why));
    for (int d = 0; d < 8; d++)
        place_body(root, d, "own.c", 1, 0);
    char *large = in_folder(root, "d03/large.c");
    put(large, "x", 1);
    ck_assert(!truncate(large, (16 << 20) + 1));
    ck_assert_int_eq(asked(root, out, "least=1000", said), 0);
    struct json *r = record(out);
    ck_assert(number(json_get(r, "left_out"), "larger_than_16_mebibytes") == 1 &&
              number(json_get(r, "left_out"), "shorter_than_least") == 0);
    json_free(r);
    char deep[1000];
    snprintf(deep, sizeof deep, "%s", root);
    for (int i = 0; i < 64; i++) {
        ck_assert(strlen(strcat(deep, "/d")) < sizeof deep - 2);
        mkdir(deep, 0777);
        if (i < 62)
            continue;
        ck_assert_int_eq(asked(root, scratch("unread.deep"), "least=1000", said), i < 63 ? 0 : 2);
        ck_assert_msg(i < 63 || strstr(said, " lies more than 63 folders deep."), "%s", said);
    }
    /* with too few files at a time: the second folder, or what is read while both texts are written */
    for (most_open = 1; most_open < 3; most_open++) {
        char *folder = most_open == 1 ? root : in_folder(root, "d05");
        ck_assert_int_eq(asked(folder, scratch("unread.again"), "least=1000", said), 2);
        ck_assert_msg(strstr(said, "cannot be read: Too many open files.") &&
                      (strstr(said, ".c ") != NULL) == (most_open == 2), "%s", said);
    }
    most_open = 1000;
}
END_TEST

/* A copy is one wherever it stands in its file: behind a head of any length. */
START_TEST(a_copy_may_begin_anywhere)
{
    enum { COMMON = 4000, COPIES = 24 };
    char *root = scratch("moved"), *out = scratch("moved.corpus"), text[COMMON + 1000];
    ck_assert(!file_make_folder(root, why));
    for (int d = 0; d < COPIES; d++) {
        const size_t head = (size_t)d * 17 % 300 + 20;
        body(text, 3000u + (unsigned)d, head);
        body(text + head, 42, COMMON);
        place(root, d, "moved.c", text, head + COMMON);
        place_body(root, d, "own.c", 1, 0);
    }
    make_corpus(root, out, "alike=0.5");
    struct json *r = record(out);
    const double left = number(json_get(r, "left_out"), "copies_within_training") +
                        number(json_get(r, "left_out"), "held_out_alike_training");
    ck_assert_msg(left == COPIES - 1, "of %d copies %g are left out", COPIES, left);
    json_free(r);
}
END_TEST

/* Folders within folders whose names are together longer than a path may be. */
START_TEST(a_path_that_is_too_long_is_said)
{
    char *root = scratch("long"), *out = scratch("long.corpus"), said[SWAX_WHY], name[251];
    char *const here = getcwd(NULL, 0);
    ck_assert(here && !file_make_folder(root, why));
    memset(name, 'n', 250), name[250] = 0;
    place_body(root, 1, "own.c", 1, 0);
    place_body(root, 2, "own.c", 1, 0);
    ck_assert(!chdir(root));
    size_t length = strlen(root);
    for (; length + 251 < 4096; length += 251)
        ck_assert(!mkdir(name, 0777) && !chdir(name));
    /* the last name has as many letters as a path may have, and then one more */
    for (int more = 0; more < 2; more++) {
        memset(name, 'm', sizeof name - 1);
        const size_t letters = 4095 - length - 1 + (size_t)more;
        ck_assert(letters < sizeof name);
        name[letters] = 0;
        put(name, "x", 1);
        ck_assert(!chdir(here));
        const int status = asked(root, out, "least=10 endings=", said);
        ck_assert_msg(more ? status == 2 && strstr(said, "...: the path of a file in it is longer than 4095 bytes.")
                           : status == 0, "%s", said);
        ck_assert(more || !chdir(root));
        for (size_t back = strlen(root); back < length && !more; back += 251) {
            memset(name, 'n', 250), name[250] = 0;
            ck_assert(!chdir(name));
        }
    }
    free(here);
}
END_TEST

START_TEST(what_is_missing_is_asked_for)
{
    char *root = scratch("empty"), *out = scratch("empty.corpus"), said[SWAX_WHY], line[2000];
    static const struct { const char *more, *says; } of[] = {{"endings=.c,.h", "holds no file that ends in .c,.h."},
                                                             {"endings=", "holds no file that ends in anything."}};
    ck_assert(!file_make_folder(root, why));
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(asked(root, out, of[i].more, said), 2);
        snprintf(line, sizeof line, "swax: %s %s", root, of[i].says);
        ck_assert_str_eq(said, line);
    }
    snprintf(line, sizeof line, "out=%s", out);
    ck_assert_int_eq(asked_plainly(line, said), 2);
    ck_assert_str_eq(said, "swax: Which folder? `swax corpus help` says more.");
    snprintf(line, sizeof line, "%s", root);
    ck_assert_int_eq(asked_plainly(line, said), 2);
    ck_assert_str_eq(said, "swax: Where shall the corpus lie? Say out=FOLDER.");
    snprintf(line, sizeof line, "folder=%s/none out=%s", root, out);
    ck_assert_int_eq(asked_plainly(line, said), 2);
    ck_assert_msg(strstr(said, "/none cannot be read: "), "%s", said);
}
END_TEST

/* Whichever of its files cannot be written: a sentence that names it, and nothing that was begun is left. */
START_TEST(what_cannot_be_written_is_said)
{
    static const char *const names[] = {"train.txt", "held_out.txt", "corpus.json", "train.txt", "held_out.txt"};
    char *root = scratch("unwritten"), said[SWAX_WHY], name[40];
    ck_assert(!file_make_folder(root, why));
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "unwritten.%d", i);
        char *out = scratch(name), *at = in_folder(out, names[i]);
        const int is_folder = i < 3;      /* where the file should be; otherwise 4096 bytes are what the disk takes */
        ck_assert(!file_make_folder(is_folder ? at : out, why));
        place_body(root, 1, "own.c", 1, 0);
        place_body(root, 2, "own.c", 1, 0);
        if (i == 4)
            place(root, 2, "own.c", "short", 5);
        most_written = is_folder ? RLIM_INFINITY : 4096;
        const int status = asked(root, out, "least=0", said);
        most_written = RLIM_INFINITY;
        ck_assert_msg(status == 2 && strstr(said, at), "%s: %s", at, said);
        ck_assert_msg(is_folder || strstr(said, "cannot be written: File too large."), "%s", said);
        ck_assert(access(in_folder(out, "train.txt.partial"), F_OK));
        ck_assert(access(in_folder(out, "held_out.txt.partial"), F_OK));
        ck_assert_msg(i == 0 || i == 2 || access(in_folder(out, "train.txt"), F_OK), "train.txt is there, alone");
    }
}
END_TEST

/* ---- each limit, and one beside it */

/* A folder whose d02, which is trained on, has one file of n bytes with that byte in it: what is said, or how many
 * bytes are written. */
static const char *fate(int k, size_t n, int byte, const char *more)
{
    static char said[SWAX_WHY];
    char name[40];
    snprintf(name, sizeof name, "limit%d", k);
    char *root = scratch(name), *out = in_folder(root, "out"), *text = malloc(n + 1);
    ck_assert(!file_make_folder(root, why));
    place_body(root, 1, "own.c", 1, 0);
    body(text, 31, n);
    text[n / 2] = (char)byte;
    place(root, 2, "limit.c", text, n);
    free(text);
    if (asked(root, out, more, said))
        return strstr(said, "of its files ");
    struct json *r = record(out);
    snprintf(said, sizeof said, "%.0f", number(json_get(r, "train"), "bytes"));
    json_free(r);
    return said;
}

START_TEST(limits_are_exact)
{
    /* n, a byte, options; the bytes that are written, or what it is left out for: -1 short, -2 zero, -4 beyond,
     * 0 large */
    static const struct { size_t n; int byte; const char *more; int is; } of[] = {
        {5000, 'x', "least=5000", 5001}, {4999, 'x', "least=5000", -1},
        {16 << 20, 0, "least=0", -2}, {(16 << 20) + 1, 0, "least=0", 0},
        {5000, 1, "least=0", 5001}, {5000, 0, "least=0", -2}, {0, 0, "least=0", -1},
        {999999, 'x', "least=0 megabytes=1 longest=1000000", 1000000},
        {1000000, 'x', "least=0 megabytes=1 longest=1000000", -4},
        {1999999, 'x', "least=0 megabytes=2 longest=2000000", 2000000},
        {2000000, 'x', "least=0 megabytes=2 longest=2000000", -4},
        /* in pieces, each with its separator */
        {999998, 'x', "least=0 megabytes=1 longest=499999", 1000000},
        {999999, 'x', "least=0 megabytes=1 longest=999998", -4},
        {999998, 'x', "least=0 megabytes=1 longest=499998", -4},
        {64, 'x', "least=0 longest=64", 65}, {65, 'x', "least=0 longest=64", 67},
        {128, 'x', "least=0 longest=64", 130},
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        const char *is = fate((int)k, of[k].n, of[k].byte, of[k].more);
        char expected[400];
        const int least = atoi(of[k].more + strlen("least="));
        if (of[k].is > 0)
            snprintf(expected, sizeof expected, "%d", of[k].is);
        else if (!of[k].n)
            snprintf(expected, sizeof expected, "%s", "");
        else
            snprintf(expected, sizeof expected, "of its files %d are shorter than least=%d, %d hold zero bytes, 0 are "
                     "copies, %d go beyond", of[k].is == -1, least, of[k].is == -2, of[k].is == -4);
        ck_assert_msg(is && !strncmp(is, expected, strlen(expected)), "a file of %zu bytes, %s: %s, and not %s",
                      of[k].n, of[k].more, is, expected);
    }
}
END_TEST

/* ---- all of it, as it is kept */

/* The files' heads and lengths in their order. */
static char *say_documents(char *to, const char *out, const char *name)
{
    char *text;
    const size_t n = read_whole(in_folder(out, name), &text);
    to += sprintf(to, "%s:\n", name);
    for (size_t i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && text[next]; next++) {}
        to += sprintf(to, "  %zu bytes: %.12s..%.4s\n", next - i, text + i + 1, text + (next > 4 ? next - 4 : 0));
    }
    return to;
}

/* A folder that has something of everything. */
START_TEST(all_of_it_is_as_kept)
{
    char *root = make_tree("all"), *out = in_folder(root, "d03/out"), *all = malloc(1 << 20), *to = all, *text;
    char *large = in_folder(root, "d07/large.c"), *much = malloc(300000);
    put(large, "x", 1);
    ck_assert(!truncate(large, (16 << 20) + 1));
    for (int d = 0; d < 12; d++) {
        place(root, d, "much.c", much, (size_t)(body(much, 800u + (unsigned)d, 150000) - much));
        place(root, d, "much.h", much, (size_t)(body(much, 900u + (unsigned)d, 2500u + 100u * (unsigned)d) - much));
    }
    put(in_folder(root, "at_the_root.c"), much, 2000);
    to += sprintf(to, "%s", make_corpus(root, out, "endings=.h,.c megabytes=1 longest=40000"));
    read_whole(in_folder(out, "corpus.json"), &text);
    to += sprintf(to, "%s", text);
    to = say_documents(to, out, "train.txt");
    to = say_documents(to, out, "held_out.txt");
    golden_is("corpus.txt", all, 0);
    free(all), free(much);
}
END_TEST

/* Of what lies where the corpus goes, its own files are no source; anywhere else they are. */
START_TEST(its_own_files_are_known_by_name)
{
    static const char *const names[] = {"train.txt", "held_out.txt", "corpus.json", "train.txt.partial",
                                        "held_out.txt.partial"};
    char *root = scratch("names"), *out = in_folder(root, "d02"), said[SWAX_WHY];
    ck_assert(!file_make_folder(root, why));
    for (int i = 0; i < 5; i++)
        for (int d = 1; d < 3; d++)
            place_body(root, d, names[i], 1u + (unsigned)i, 0);
    place_body(root, 2, "train.tx", 1, 0);
    place_body(root, 2, "train.txt.partial.c", 1, 0);
    ck_assert_msg(!asked(root, out, "least=1000 endings=", said), "%s", said);
    struct json *r = record(out);
    ck_assert_msg(number(r, "files") == 7, "%g files, and not 7", number(r, "files"));
    json_free(r);
}
END_TEST

/* What has exactly that share in common is taken, and with a share below that it is not. */
START_TEST(a_share_is_the_most_there_may_be)
{
    static const struct { const char *more; int documents; } of[] = {{"least=0 alike=1", 2}, {"least=0 alike=0.999", 1},
                                                                     {"least=0 alike=0", 1}};
    char *root = scratch("share"), said[SWAX_WHY], text[BODY];
    ck_assert(!file_make_folder(root, why));
    place_body(root, 1, "own.c", 1, 0);
    body(text, 44, BODY);
    place(root, 2, "one.c", text, BODY);
    place(root, 2, "other.c", text, BODY);
    for (int i = 0; i < 3; i++) {
        char *out = scratch("share.corpus");
        ck_assert_msg(!asked(root, out, of[i].more, said), "%s", said);
        struct json *r = record(out);
        ck_assert_msg(number(json_get(r, "train"), "documents") == of[i].documents, "%s: %g documents", of[i].more,
                      number(json_get(r, "train"), "documents"));
        json_free(r);
    }
}
END_TEST

/* ---- the script */

static void put_program(const char *folder, const char *name, const char *script)
{
    put(in_folder(folder, name), script, strlen(script));
    ck_assert_int_eq(chmod(in_folder(folder, name), 0755), 0);
}

/* Its programs are stand-ins: what it asks of swax is all that it does. */
static char *asked_by_script(const char *name, const char *get)
{
    char *bin = scratch(name), *asked = in_folder(bin, "asked"), command[2000], *text;
    ck_assert(!file_make_folder(bin, why));
    put_program(bin, "apt-cache", "#!/bin/sh\necho '  Depends: linux-source-6.1'\n");
    put_program(bin, "apt-get", get);
    put_program(bin, "dpkg-deb", "#!/bin/sh\ncase $1 in -W) echo 'linux-source-6.1 6.1.192-2';; esac\n");
    put_program(bin, "tar", "#!/bin/sh\ncat >/dev/null\n");
    put_program(bin, "find", "#!/bin/sh\n");
    snprintf(command, sizeof command, "#!/bin/sh\nfor word; do echo \"$word\"; done > '%s'\n", asked);
    put_program(bin, "swax", command);
    snprintf(command, sizeof command,
             "PATH='%s':\"$PATH\" megabytes=7 sh data/corpus.sh '%s/swax' '%s/out' </dev/null >/dev/null 2>&1", bin,
                 bin, bin);
    ck_assert_int_eq(system(command), 0);
    read_whole(asked, &text);
    return text;
}

START_TEST(the_script_hands_on_the_folder_of_the_package)
{
    char *online = asked_by_script("online", "#!/bin/sh\n: > linux-source-6.1_6.1.192-2_all.deb\n"),
         *offline = asked_by_script("offline", "#!/bin/sh\nexit 100\n");
    static const char *const fetched[] = {"/out/fetched/tree/linux-source-6.1\n",
        "note=Debian linux-source-6.1 6.1.192-2\n",
                                          "megabytes=7\n"};
    static const char *const found[] = {"/out/fetched/tree\n", "no network", "megabytes=7\n"};
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(strstr(online, fetched[i]), "swax corpus is not given %s", fetched[i]);
        ck_assert_msg(strstr(offline, found[i]), "without network swax corpus is not given %s", found[i]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("corpus");
    TCase *t = tcase_create("corpus");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, whole_directories_are_held_out_and_copies_dropped);
    tcase_add_test(t, the_split_does_not_depend_on_where_the_folder_lies);
    tcase_add_test(t, short_copies_are_dropped_too);
    tcase_add_test(t, megabytes_are_not_exceeded);
    tcase_add_test(t, a_corpus_is_no_source_of_itself);
    tcase_add_test(t, what_is_long_is_cut);
    tcase_add_test(t, a_large_copy_is_known_to_its_last_stretch);
    tcase_add_test(t, the_first_stretch_counts);
    tcase_add_test(t, nothing_left_is_said_of_its_part);
    tcase_add_test(t, a_copy_may_begin_anywhere);
    tcase_add_test(t, a_path_that_is_too_long_is_said);
    tcase_add_test(t, a_share_that_is_advised_takes_a_directory);
    tcase_add_test(t, what_cannot_be_read_is_said);
    tcase_add_test(t, what_is_missing_is_asked_for);
    tcase_add_test(t, what_cannot_be_written_is_said);
    tcase_add_test(t, its_own_files_are_known_by_name);
    tcase_add_test(t, a_share_is_the_most_there_may_be);
    tcase_add_test(t, limits_are_exact);
    tcase_add_test(t, all_of_it_is_as_kept);
    tcase_add_test(t, stretches_are_those_of_the_plain_form);
    tcase_add_test(t, a_set_grows_at_the_half);
    tcase_add_test(t, the_script_hands_on_the_folder_of_the_package);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
