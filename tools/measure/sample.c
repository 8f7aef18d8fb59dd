/* sample.c - swax sample: generate from a checkpoint, at a cost per token that does not depend on how many came before. */
#include "tools/lib/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/train/checkpoint.h"
#include "tools/lib/options.h"
#include "tools/measure/pick.h"
#include "tools/lib/say.h"
#include "tools/lib/threads.h"

struct request {
    const char *from, *prompt, *tier, *precision;
    long tokens, top_k, window, threads, seed;
    double temperature, top_p;
};

static const char *const keys[] = {"from", "prompt", "tokens", "temperature", "top_k", "top_p", "seed", "window", "precision", "tier", "threads", NULL};

static int help(void)
{
    puts("usage: swax sample from=CHECKPOINT-OR-FOLDER [key=value ...]\n\n"
         "  prompt       what to go on from: text; numbers of tokens where the vocabulary is not that of bytes\n"
         "  tokens       how many to generate (200)\n"
         "  temperature  0 takes the likeliest token (1)\n"
         "  top_k        draw from the k likeliest only, 0 for all (0)\n"
         "  top_p        draw from the likeliest that make up this probability (1)\n"
         "  seed         of the draws (1)\n"
         "  window       keys that a token attends to (the one of the run)\n"
         "  precision    fp32, fp64 or bf16 (the one of the run)\n"
         "  tier         the kernels (the fastest here)\n"
         "  threads      0 for all cores (0)");
    return 0;
}

static const char *whole(struct options *o, const char *key, long least, long most, long *value, char *why)
{
    const char *text = options_take(o, key);
    return !text || option_whole(text, least, most, value) ? NULL : say(why, "%s=%.60s: it is a whole number from %ld to %ld.", key, text, least, most);
}

static const char *number(struct options *o, const char *key, double least, double most, double *value, char *why)
{
    const char *text = options_take(o, key);
    return !text || option_number(text, least, most, value) ? NULL : say(why, "%s=%.60s: it is a number from %g to %g.", key, text, least, most);
}

static const char *read_request(struct request *q, struct options *o, char *why)
{
    q->from = options_take(o, "from");
    q->prompt = options_take(o, "prompt");
    q->tier = options_take(o, "tier");
    q->precision = options_take(o, "precision");
    q->tokens = 200;
    q->temperature = q->top_p = 1;
    q->seed = 1;
    if (whole(o, "tokens", 1, 1 << 30, &q->tokens, why) || whole(o, "top_k", 0, 1 << 30, &q->top_k, why) ||
        whole(o, "window", 1, 1 << 30, &q->window, why) || whole(o, "threads", 0, 4096, &q->threads, why) ||
        whole(o, "seed", 0, 1L << 62, &q->seed, why) || number(o, "temperature", 0, 1000, &q->temperature, why) ||
        number(o, "top_p", 0, 1, &q->top_p, why) || options_left(o, keys, why))
        return why;
    return q->from ? NULL : say(why, "From which checkpoint?  Say from=CHECKPOINT, or from=FOLDER of a run.");
}

static int bytes(const struct swax_config *c)
{
    return c->vocabulary == 256;
}

/* The prompt's tokens, at least one: a line feed, or token 0, where none is given. */
static int *read_prompt(const char *text, const struct swax_config *c, int *n, char *why)
{
    text = text && *text ? text : bytes(c) ? "\n" : "0";
    int *token = malloc(strlen(text) * sizeof *token);
    *n = 0;
    if (!token)
        return say(why, "There is no memory for the prompt."), NULL;
    if (bytes(c)) {
        for (const char *p = text; *p; p++)
            token[(*n)++] = (unsigned char)*p;
        return token;
    }
    for (char *end = NULL; *(text += strspn(text, " ,")); text = end) {
        const long t = strtol(text, &end, 10);
        if (end == text || t < 0 || t >= c->vocabulary) {
            free(token);
            return say(why, "prompt: \"%.40s\" does not begin with the number of a token, 0 to %d.", text, c->vocabulary - 1), NULL;
        }
        token[(*n)++] = (int)t;
    }
    return token;
}

static void put_token(int token, const struct swax_config *c)
{
    if (bytes(c))
        putchar(token);
    else
        printf("%d ", token);
}

static const char *generate(const struct request *q, struct swax_decoder *d, const struct swax_config *c, const int *prompt, int n, char *why)
{
    const struct pick p = {q->temperature, (int)q->top_k, q->top_p, c->vocabulary, malloc((size_t)c->vocabulary * sizeof(int))};
    float *logits = malloc((size_t)c->vocabulary * sizeof *logits);
    const char *wrong = p.order && logits ? swax_decoder_feed(d, prompt, n, logits) : say(why, "There is no memory for the logits.");
    for (int i = 0; i < n; i++)
        put_token(prompt[i], c);
    for (long i = 0; i < q->tokens && !wrong && !ferror(stdout); i++) {
        struct random r = random_open((uint64_t)q->seed, RANDOM_SAMPLE, (uint64_t)i);
        const int token = pick_token(&p, logits, &r);
        put_token(token, c);
        fflush(stdout);
        if (i + 1 < q->tokens)
            wrong = swax_decoder_feed(d, &token, 1, logits);
    }
    putchar('\n');
    free(p.order);
    free(logits);
    return wrong;
}

static const char *sample(struct request *q, struct checkpoint *c, char *why)
{
    int n;
    const char *wrong;
    const struct swax_tier *tier = swax_tier_find(q->tier, &wrong);
    if (!tier)
        return wrong;
    threads_use((int)q->threads);
    struct swax_network *network = swax_network_new(&c->run.model, tier, c->run.precision, 1, 1, 0, why);
    if (!network)
        return why;
    int *prompt = read_prompt(q->prompt, &c->run.model, &n, why);
    wrong = prompt ? checkpoint_load(c, network, c->run.precision, 0, why) : why;
    struct swax_decoder *d = wrong ? NULL : swax_decoder_new(network, 1, q->window ? (int)q->window : c->run.windows.window, why);
    if (!wrong)
        wrong = d ? generate(q, d, &c->run.model, prompt, n, why) : why;
    if (d)
        swax_decoder_free(d);
    free(prompt);
    swax_network_free(network);
    return wrong;
}

int cmd_sample(int argc, char **argv)
{
    char why[SWAX_WHY];
    struct options o = {0};
    struct request q = {0};
    struct checkpoint c = {0};
    if (command_asks_help(&argc, argv))
        return help();
    const char *wrong = options_read(&o, argc, argv, why);
    if (!wrong)
        wrong = read_request(&q, &o, why);
    if (!wrong)
        wrong = checkpoint_open(&c, q.from, why);
    if (!wrong && q.precision)
        wrong = run_set(&c.run, "precision", q.precision, why);
    if (!wrong)
        wrong = sample(&q, &c, why);
    checkpoint_close(&c);
    const int status = wrong ? command_fails(wrong) : 0;
    options_free(&o);
    return status;
}
