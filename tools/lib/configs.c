/* configs.c - the networks that config=NAME knows, by size: hybrids of sliding windows and cells, one to one. */
#include "tools/lib/configs.h"

#include <string.h>

static const struct config { const char *name, *settings; } configs[] = {
    {"micro", "width=64; mixers=swa mlstm swa mlstm; heads=4; cell_heads=4; length=256; batch=4; window=64"},
    {"tiny", "width=128; mixers=swa mlstm swa mlstm; heads=4; cell_heads=4; length=512; batch=8; window=64"},
    {"small", "width=256; mixers=swa mlstm swa mlstm swa mlstm; heads=4; cell_heads=4; length=1024; batch=4; "
              "window=128"},
    {"base", "width=512; mixers=swa mlstm swa mlstm swa mlstm swa mlstm; heads=4; cell_heads=4; length=1024; batch=2; "
             "window=128"},
};
enum { CONFIGS = sizeof configs / sizeof *configs };

const char *config_word(int i)
{
    return i < CONFIGS ? configs[i].name : NULL;
}

const char *config_settings(const char *name)
{
    for (int i = 0; i < CONFIGS; i++)
        if (!strcmp(configs[i].name, name))
            return configs[i].settings;
    return NULL;
}
