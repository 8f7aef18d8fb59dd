/* checkpoint.c - a checkpoint: opened, and where its network is a small one, loaded into it. */
#include "ref/network/network.h"
#include "tests/fuzz/fuzz.h"
#include "tools/train/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[SWAX_WHY];
    const char *wrong;
    struct checkpoint c;
    if (checkpoint_open(&c, fuzz_file("file.safetensors", data, size), why))
        return 0;
    struct swax_network *n = swax_network_new(&c.run.model, swax_tier_find("ref", &wrong), SWAX_PREC_F32, 1, 1, 1, why);
    if (n) {
        checkpoint_load(&c, n, SWAX_PREC_F32, 1, why);
        swax_network_free(n);
    }
    checkpoint_close(&c);
    return 0;
}
