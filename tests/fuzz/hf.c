/* hf.c - a folder of Hugging Face's: config.json up to the first NUL, model.safetensors behind it. */
#include <stdio.h>
#include <string.h>
#include "tests/fuzz/fuzz.h"
#include "ref/network/config.h"
#include "tools/convert/hf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[SWAX_WHY], to[128];
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    const size_t n = nul ? (size_t)(nul - data) : size;
    fuzz_file("config.json", data, n);
    fuzz_file("model.safetensors", data + n + (n < size), size - n - (n < size));
    snprintf(to, sizeof to, "%s/imported", fuzz_folder());
    hf_import(fuzz_folder(), to, n % 2 ? HF_INTERLEAVED : HF_HALF_SPLIT, why);
    return 0;
}
