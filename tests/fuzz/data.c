/* data.c - files to train on: the first byte says whether as text or as shards of tokens. */
#include "tests/fuzz/fuzz.h"
#include "tools/tasks/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[SWAX_WHY];
    struct data d;
    struct data_batch b;
    struct checksum sum = {0};
    const char *value[SOURCE_KEYS] = {0};
    if (!size)
        return 0;
    const struct source *s = source_find(data[0] & 1 ? "shards" : "text");
    value[source_key_find(s, "file")] = fuzz_file("file.bin", data + 1, size - 1);
    if (data_open(&d, s, value, 8, why))
        return 0;
    if (!data_batch_new(&b, 2, 8, why)) {
        for (uint64_t k = 0; k < 3; k++)
            if (data_fill(&d, &b, k, (enum data_part)(k % 2), k * k * k * 977, why))
                break;
        data_batch_free(&b);
    }
    if (s->contents)
        s->contents(d.opened, DATA_TRAIN, &sum, why);
    data_close(&d);
    return 0;
}
