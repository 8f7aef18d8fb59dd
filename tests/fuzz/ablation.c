/* ablation.c - the file of an ablation: settings, arms, seeds, questions and claims. */
#include <stdlib.h>
#include <string.h>
#include "tests/fuzz/fuzz.h"
#include "tools/ablate/ablate.h"
#include "tools/lib/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[SWAX_WHY], *text = malloc(size + 1);
    struct options o = {0};
    static struct ablation a;
    memcpy(text, data, size);
    text[size] = 0;
    memset(&a, 0, sizeof a);
    ablation_open(&a, text, &o, why);
    ablation_close(&a);
    options_free(&o);
    free(text);
    return 0;
}
