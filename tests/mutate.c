/* mutate.c - text that was damaged. */
#include "tests/mutate.h"

#include <string.h>

size_t mutate(struct random *r, char *text, size_t n, size_t room)
{
    static const char *const words[] = {"9223372036854775807", "-1", "[", "]", "{", "}", "\"", ",", ":", "0", "1e9",
                                        "\\u0000", "F64", "shape", "null"};
    for (uint64_t edits = 1 + random_below(r, 3); edits && n; edits--) {
        const size_t at = random_below(r, n), length = 1 + random_below(r, n - at < 20 ? n - at : 20);
        const size_t from = random_below(r, n - length + 1);
        const char *word = words[random_below(r, sizeof words / sizeof *words)];
        switch (random_below(r, 5)) {
        case 0: text[at] ^= (char)(1 << random_below(r, 8)); break;
        case 1: text[at] = (char)random_next(r); break;
        case 2: memmove(text + at, text + from, length); break;
        case 3: memmove(text + at, text + at + length, n - at - length); n -= length; break;
        default:
            if (n + strlen(word) > room)
                break;
            memmove(text + at + strlen(word), text + at, n - at);
            memcpy(text + at, word, strlen(word));
            n += strlen(word);
        }
    }
    return n;
}
