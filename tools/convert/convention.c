/* convention.c - what other projects' window parameters mean.  PAPER_NOTES.md has the sources. */
#include "tools/convert/convention.h"

const struct convention conventions[] = {
    {"swax", 0, "window: W keys, the query's own included"},
    {"huggingface", 0, "transformers' sliding_window"},
    {"fla", 0, "flash-linear-attention's window_size"},
    {"flash_attention", 1, "flash-attn's window_size = (left, 0): left, inclusive"},
    {"xformers", 1, "LocalAttentionFromBottomRightMask(window_left = ...), as lingua calls it"},
    {"nanochat", 1, "its window (left, 0)"},
    {"flex_attention", 1, "the PyTorch blog's q_idx - kv_idx <= SLIDING_WINDOW"},
    {"axlearn", 1, "its sliding_window_size"},
    {0},
};
