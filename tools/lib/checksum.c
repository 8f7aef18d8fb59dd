/* checksum.c - 64 bits over a stream of bytes. */
#include "tools/lib/checksum.h"

#include <stdio.h>
#include <string.h>

static void add_word(struct checksum *s, const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, 8);
    s->state = (s->state ^ word) * 0x9fb21c651e98df25u;
    s->state ^= s->state >> 32;
}

void checksum_add(struct checksum *s, const void *from, size_t n)
{
    const unsigned char *at = from, *end = at + n;
    while (s->n && at < end) {
        s->rest[s->n++] = *at++;
        if (s->n == 8) {
            add_word(s, s->rest);
            s->n = 0;
        }
    }
    for (; end - at >= 8; at += 8)
        add_word(s, at);
    while (at < end)
        s->rest[s->n++] = *at++;
}

void checksum_text(struct checksum *s, char digits[17])
{
    const unsigned char last[8] = {(unsigned char)s->n};   /* the last word is padded; how far stands in one more */
    memset(s->rest + s->n, 0, sizeof s->rest - (size_t)s->n);
    add_word(s, s->rest);
    add_word(s, last);
    snprintf(digits, 17, "%016llx", (unsigned long long)s->state);
}
