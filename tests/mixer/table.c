/* table.c - the table of mixers with one more row, as someone would have it who adds a mixer of their own. */
#define MORE_MIXERS(ROW) ROW(ema)
#include "ref/network/mixers.c"
