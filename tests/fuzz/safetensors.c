/* safetensors.c - a file of tensors: opened, every tensor read in every way, every piece of metadata looked at. */
#include <stdlib.h>
#include <string.h>
#include "ref/network/config.h"
#include "tests/fuzz/fuzz.h"
#include "tools/lib/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[SWAX_WHY];
    struct st_file *f = st_open(fuzz_file("file.safetensors", data, size), why);
    for (int i = 0; f && i < st_count(f); i++) {
        const struct st_tensor *t = st_tensor(f, i);
        char *to = malloc((size_t)t->size * 8 + 1);
        if (st_find(f, t->name) != t)
            abort();
        st_read_raw(f, t, to, why);
        st_read(f, t, ST_F64, to, why);
        st_read(f, t, ST_F32, to, why);
        st_read(f, t, ST_I64, to, why);
        free(to);
    }
    size_t length = 0;
    for (int i = 0; f && i < st_meta_count(f); i++) {
        const char *key, *value;
        st_meta_entry(f, i, &key, &value);
        length += strlen(key) + strlen(value);
    }
    if (f)
        st_close(f);
    return length > size;
}
