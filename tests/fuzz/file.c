/* file.c - see fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/checksum.h"
#include "tools/lib/safetensors.h"

static char folder[64];

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (*folder && system(command))
        fprintf(stderr, "could not remove %s\n", folder);
}

const char *fuzz_folder(void)
{
    if (!*folder) {
        snprintf(folder, sizeof folder, "%s/swax-fuzz-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
        if (!mkdtemp(folder)) {
            perror(folder);
            exit(1);
        }
        atexit(remove_folder);
    }
    return folder;
}

/* The checksum is over header and data with 16 zeros in its own place. */
static void right_checksum(uint8_t *data, size_t size)
{
    const size_t n = strlen(st_checksum_place);
    for (size_t at = 8; at + n + 16 < size && at < 1 << 20; at++) {
        if (memcmp(data + at, st_checksum_place, n))
            continue;
        struct checksum sum = {0};
        char digits[17];
        memset(data + at + n, '0', 16);
        checksum_add(&sum, data + 8, size - 8);
        checksum_text(&sum, digits);
        memcpy(data + at + n, digits, 16);
        return;
    }
}

const char *fuzz_file(const char *name, const uint8_t *data, size_t size)
{
    static char path[8][128];
    static int next;
    char *at = path[next++ % 8];
    uint8_t *copy = malloc(size + 1);
    snprintf(at, sizeof path[0], "%s/%s", fuzz_folder(), name);
    FILE *f = fopen(at, "wb");
    if (!copy || !f) {
        perror(at);
        exit(1);
    }
    memcpy(copy, data, size);
    right_checksum(copy, size);
    if (fwrite(copy, 1, size, f) != size || fclose(f)) {
        perror(at);
        exit(1);
    }
    free(copy);
    return at;
}
