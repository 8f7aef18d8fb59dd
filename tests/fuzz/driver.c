/* driver.c - feed a harness with changed copies of its corpus: HARNESS CORPUS [seconds=S] [runs=N] [seed=S] [first=N]
 *
 * Try n is a function of (corpus, seed, n) alone.  What crashes or hangs is named by its number:
 * `HARNESS CORPUS seed=S first=N runs=1` does it again, and nothing else. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "tests/fuzz/fuzz.h"
#include "tools/lib/random.h"

enum { FILES = 256, ROOM = 1 << 16, PATIENCE = 20, BEAT = 64 };

static struct { uint8_t *text; size_t size; } corpus[FILES];
static int files;
static uint64_t seed = 1;
static volatile long at;

static void read_corpus(const char *folder)
{
    struct dirent *e;
    DIR *d = opendir(folder);
    if (!d) {
        perror(folder);
        exit(2);
    }
    while ((e = readdir(d)) && files < FILES) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        FILE *f = *e->d_name == '.' ? NULL : fopen(path, "rb");
        if (!f)
            continue;
        corpus[files].text = malloc(ROOM);
        corpus[files].size = fread(corpus[files].text, 1, ROOM / 2, f);
        fclose(f);
        files++;
    }
    closedir(d);
    if (!files) {
        fprintf(stderr, "%s holds no files to begin from\n", folder);
        exit(2);
    }
}

/* Which try ended the process, with what may be called in a handler. */
static void say(int number)
{
    char text[160], digits[24];
    int n = 0;
    long v = at;
    do
        digits[n++] = (char)('0' + v % 10);
    while (v /= 10);
    size_t length = 0;
    const char *words = number == SIGALRM ? "\nfuzz: HANGS: first=" : "\nfuzz: CRASHED: first=";
    memcpy(text, words, strlen(words));
    length = strlen(words);
    while (n)
        text[length++] = digits[--n];
    memcpy(text + length, " runs=1\n", 8);
    if (write(2, text, length + 8) < 0)
        _exit(99);
    signal(SIGABRT, SIG_DFL);
    _exit(77);
}

static size_t insert(uint8_t *text, size_t size, size_t to, const uint8_t *from, size_t n)
{
    if (size + n > ROOM)
        return size;
    memmove(text + to + n, text + to, size - to);
    memcpy(text + to, from, n);
    return size + n;
}

static size_t change(uint8_t *text, size_t size, struct random *r)
{
    static const char *const words[] = {"null", "true", "[]", "{}", "-1", "0", "1e999", "2147483648",
                                        "9223372036854775807", "\"\"", "NaN", "1.5", ",", "}", "[", "\\u0000", "\xff",
                                        "\"F64\"", "\"BF16\"", "\"I64\"", "-0", "99999999999999999999", "=", ";", " "};
    static const uint64_t numbers[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000,
                                       0xffffffff, 1ull << 62, ~0ull, 0x7ff0000000000000ull};
    uint8_t some[64];
    const size_t place = random_below(r, size + 1), left = size - place, n = 1 + random_below(r, 32);
    switch (random_below(r, 9)) {
    case 0:      /* a bit */
        if (left)
            text[place] ^= (uint8_t)(1 << random_below(r, 8));
        return size;
    case 1:      /* a byte */
        if (left)
            text[place] = (uint8_t)random_next(r);
        return size;
    case 2:      /* a number, of 1, 2, 4 or 8 bytes */
        memcpy(some, &numbers[random_below(r, sizeof numbers / sizeof *numbers)], 8);
        memcpy(text + place, some, left < 8 ? left : (size_t)1 << random_below(r, 4));
        return size;
    case 3:      /* bytes go */
        memmove(text + place, text + place + (n < left ? n : left), left - (n < left ? n : left));
        return size - (n < left ? n : left);
    case 4:      /* the end goes */
        return random_below(r, 4) ? size : place;
    case 5: {    /* bytes come twice */
        const size_t m = n < left ? n : left;
        memcpy(some, text + place, m);
        return insert(text, size, random_below(r, size + 1), some, m);
    }
    case 6: {    /* a word */
        const char *word = words[random_below(r, sizeof words / sizeof *words)];
        return insert(text, size, place, (const uint8_t *)word, strlen(word));
    }
    case 7: {    /* digits become other digits */
        for (size_t i = place; i < size && i < place + 4096; i++)
            if (text[i] >= '0' && text[i] <= '9') {
                text[i] = (uint8_t)('0' + random_below(r, 10));
                break;
            }
        return size;
    }
    default: {   /* a piece of another file */
        const int other = (int)random_below(r, (uint64_t)files);
        const size_t from = random_below(r, corpus[other].size + 1), room = corpus[other].size - from;
        return insert(text, size, place, corpus[other].text + from, room < n ? room : n);
    }
    }
}

static void one(long n, uint8_t *text)
{
    struct random r = random_open(seed, 0, (uint64_t)n);
    const int file = (int)random_below(&r, (uint64_t)files);
    size_t size = corpus[file].size;
    memcpy(text, corpus[file].text, size);
    for (int changes = (int)random_below(&r, 6); changes > 0; changes--)
        size = change(text, size, &r);
    uint8_t *exact = malloc(size ? size : 1);      /* so that a byte too far is seen */
    memcpy(exact, text, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

int main(int argc, char **argv)
{
    double seconds = 1e9;
    long runs = 1L << 60, first = 0, done = 0;
    struct timespec began, now;
    if (argc < 2) {
        fprintf(stderr, "usage: %s CORPUS [seconds=S] [runs=N] [seed=S] [first=N]\n", argv[0]);
        return 2;
    }
    read_corpus(argv[1]);
    for (int i = 2; i < argc; i++)
        if (!strncmp(argv[i], "seconds=", 8))
            seconds = atof(argv[i] + 8);
        else if (!strncmp(argv[i], "runs=", 5))
            runs = atol(argv[i] + 5);
        else if (!strncmp(argv[i], "seed=", 5))
            seed = strtoull(argv[i] + 5, NULL, 10);
        else if (!strncmp(argv[i], "first=", 6))
            first = atol(argv[i] + 6);
    static const int ends[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        signal(ends[i], say);
    uint8_t *text = malloc(ROOM + 64);
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (; done < runs; done++) {
        if (done % BEAT == 0) {
            clock_gettime(CLOCK_MONOTONIC, &now);
            if ((double)(now.tv_sec - began.tv_sec) >= seconds)
                break;
            alarm(PATIENCE * BEAT);
        }
        at = first + done;
        one(at, text);
    }
    printf("fuzz: %-12s %9ld executions from %ld on, seed %llu\n",
           strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0], done, first, (unsigned long long)seed);
    free(text);
    return 0;
}
