/* logits.c - what the reference makes of tokens, for check_hf.py: logits CHECKPOINT TOKENS OUT, all logits as
 * floats. */
#include <stdio.h>
#include <stdlib.h>

#include "tools/train/checkpoint.h"

enum { MOST = 4096 };

int main(int n_arguments, char **argument)
{
    static int token[MOST], target[MOST], start[MOST];
    char why[SWAX_WHY];
    const char *wrong;
    struct checkpoint c;
    int T = 0;
    FILE *from = n_arguments == 4 ? fopen(argument[2], "r") : NULL, *to = from ? fopen(argument[3], "wb") : NULL;
    if (!to || checkpoint_open(&c, argument[1], why))
        return fprintf(stderr, "logits: %s\n", to ? why : "logits CHECKPOINT TOKENS OUT"), 1;
    while (T < MOST && fscanf(from, "%d", &token[T]) == 1) {
        start[T] = token[T] == run_separator(&c.run) ? T : T ? start[T - 1] : 0;
        T++;
    }
    struct swax_network *n = swax_network_new(&c.run.model, swax_tier_find("ref", &wrong), SWAX_PREC_F32, 1, T, 0, why);
    const size_t all = (size_t)T * (size_t)c.run.model.vocabulary;
    float *logits = malloc(all * sizeof *logits);
    if (!n || !logits || checkpoint_load(&c, n, SWAX_PREC_F32, 0, why))
        return fprintf(stderr, "logits: %s\n", why), 1;
    const struct swax_batch b = {.B = 1, .T = T, .token = token, .target = target, .window = c.run.windows.window,
                                 .start_attention = start, .start_cell = start};
    swax_network_evaluate(n, &b, NULL, NULL, logits);
    return fwrite(logits, sizeof *logits, all, to) != all || fclose(to);
}
