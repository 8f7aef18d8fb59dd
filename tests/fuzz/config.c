/* config.c - a configuration: a JSON object of settings, or "key=value; key=value", given to a run and written
 * again. */
#include <stdlib.h>
#include <string.h>
#include "tests/fuzz/fuzz.h"
#include "tools/lib/options.h"
#include "tools/train/run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[SWAX_WHY];
    struct options o = {0};
    struct run r = run_default();
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = 0;
    const char *wrong = size && data[0] == '{' ? options_read_json(&o, fuzz_file("config.json", data, size), why)
                                               : options_read_settings(&o, text, 1, why);
    if (!wrong && !run_take(&r, &o, why)) {
        run_check(&r, why);
        char *json = run_json(&r, 0);
        struct options again = {0};
        struct run back = run_default();
        if (json && (options_read_json(&again, fuzz_file("again.json", (const uint8_t *)json, strlen(json)), why) ||
                     run_take(&back, &again, why)))
            abort();      /* what we write, we read */
        options_free(&again);
        free(json);
    }
    options_free(&o);
    free(text);
    return 0;
}
