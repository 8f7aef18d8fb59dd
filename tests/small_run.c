/* small_run.c - a run that takes a second or two. */
#include "tests/small_run.h"

#include <check.h>

struct run small_run(const char *out)
{
    char why[SWAX_WHY];
    struct run r = run_default();
    /* with held-out sequences and a sample, looked at after every step */
    const char *const settings[][2] = {
        {"data", "text"}, {"file", "ref/*.c"}, {"mixers", "swa mlstm"}, {"width", "16"}, {"heads", "2"},
        {"cell_heads", "2"}, {"batch", "4"}, {"length", "32"}, {"accumulate", "2"}, {"steps", "24"}, {"window", "16"},
        {"short_window", "4"}, {"anneal", "0.2"}, {"rate", "0.01"}, {"input_gate_bias", "-3"}, {"separator", "10"},
        {"checkpoint_every", "5"}, {"held_out_sequences", "4"}, {"sample_tokens", "8"}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        ck_assert_msg(!run_set(&r, settings[i][0], settings[i][1], why), "%s", why);
    ck_assert_msg(!run_set(&r, "out", out, why), "%s", why);
    return r;
}

