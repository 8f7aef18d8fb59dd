/* verify.c - a file of problems, and a file of answers to them, which is the same file: both are believed nothing. */
#include "tests/fuzz/fuzz.h"
#include "tools/verify/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[SWAX_WHY];
    static struct report r;
    const struct plan plan = {.suite = -1, .family = -1, .only = -1};
    const char *path = fuzz_file("case.safetensors", data, size);
    verify_file(path, path, &plan, &r, why);
    return 0;
}
