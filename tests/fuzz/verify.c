/* verify.c - a file of problems, and a file of answers to them, which is the same file: both are believed nothing. */
#include <stdlib.h>
#include "tests/fuzz/fuzz.h"
#include "tools/verify/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[SWAX_WHY];
    struct problem *p = NULL;
    struct op_case (*got)[PARTS] = NULL;
    int n = 0;
    const char *path = fuzz_file("case.safetensors", data, size);
    if (!case_read(path, &p, &n, why))
        answers_read(path, p, n, &got, why);
    for (int i = 0; i < n; i++) {      /* what was read before something was wrong is the caller's too */
        for (int part = 0; got && part < p[i].subject.n; part++)
            op_case_free(&got[i][part]);
        problem_free(&p[i]);
    }
    free(got);
    free(p);
    return 0;
}
