/* sample.c - swax sample: generate from a checkpoint, at a cost per token that does not depend on how many came
 * before. */
#include "tools/lib/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tools/train/weights.h"
#include "tools/lib/pick.h"
#include "tools/lib/say.h"
#include "tools/lib/threads.h"
#include "tools/lib/vocabulary.h"

struct request {
    char from[KEY_TEXT];
    const char *prompt;                    /* the option's own text: what only the far past gives needs a long one */
    int tokens, top_k;
    uint64_t seed;
    double temperature, top_p;
    struct weights w;                      /* its run has precision and window, until they are given */
};

static const struct key keys[] = {
#define WHOLE(name, field, value, least, most, ...) \
    KEY_WHOLE(name, struct request, field, value, least, most, __VA_ARGS__)
    KEY_ROW(&key_path, "from", struct request, from, NULL,
            "the run, by its folder, a checkpoint, or a folder of Hugging Face's",
            .others = "checkpoint ckpt model path"),
    KEY_ROW(&key_long, "prompt", struct request, prompt, "",
            "what to go on from: text; numbers of tokens where the vocabulary is not that of bytes (prepare.py encode "
            "makes them)",
            .others = "input text"),
    WHOLE("tokens", tokens, "200", 1, 1 << 30, "how many to generate",
          .others = "length max_tokens max_new_tokens num_tokens n"),
    KEY_REAL("temperature", struct request, temperature, "1", 0, 1000, "0 takes the likeliest token",
             .others = "temp t"),
    WHOLE("top_k", top_k, "0", 0, 1 << 30, "draw from the k likeliest only; 0 for all", .others = "k"),
    KEY_REAL("top_p", struct request, top_p, "1", 0, 1, "draw from the likeliest that make up this probability",
             .others = "p nucleus"),
    KEY_ROW(&key_seed, "seed", struct request, seed, "1", "of the draws", .others = "random_seed"),
    WHOLE("window", w.c.run.windows.window, NULL, 1, 1 << 30, "keys that a token attends to; left out, as in the run",
          .others = "sliding_window window_size"),
    KEY_PRECISION(struct request, w.c.run.precision, NULL, "what the kernels compute in; left out, as in the run"),
    KEY_TIER(struct request, w.c.run.tier, 0),
    KEY_THREADS(struct request, w.c.run.threads, 0),
    {0},
#undef WHOLE
};

static void tables(struct keys *k, const struct options *o)
{
    (void)o;
    keys_add(k, NULL, keys, NULL);
}

static const char *read_request(struct request *q, struct options *o, char *why)
{
    struct keys k = {.of = "`swax sample`"};
    keys_add(&k, NULL, keys, q);
    keys_default(keys, q);
    if (options_known(o, &k, why) || options_give_one(o, "from", &k, why))
        return why;
    if (!*q->from)
        return say(why, "From which checkpoint?  Say `swax sample FOLDER` of a run, or CHECKPOINT.");
    if (weights_open(&q->w, q->from, why))
        return why;
    q->w.c.run.tier[0] = 0;
    q->w.c.run.threads = 0;
    return options_give_all(o, &k, why);
}

/* Does a token stand for its own byte?  Not where a vocabulary says what tokens stand for. */
static int bytes(const struct swax_config *c, const struct vocabulary *words)
{
    return c->vocabulary == 256 && !words;
}

static int *begun(int *token, const struct run *r, int *n)
{
    if (!*n)
        token[(*n)++] = run_first_token(r);
    return token;
}

/* The prompt's tokens, at least one: where none is given, what begins a document, or else a line feed, or token 0. */
static int *read_prompt(const char *text, const struct run *r, const struct vocabulary *words, int *n, char *why)
{
    const struct swax_config *c = &r->model;
    int *token = malloc((strlen(text) + 1) * sizeof *token);
    *n = 0;
    if (!token)
        return say(why, "There is no memory for the prompt."), NULL;
    if (bytes(c, words)) {
        for (const char *p = text; *p; p++)
            token[(*n)++] = (unsigned char)*p;
        return begun(token, r, n);
    }
    for (char *end = NULL; *(text += strspn(text, " ,")); text = end) {
        const long t = strtol(text, &end, 10);
        if (end == text || t < 0 || t >= c->vocabulary) {
            free(token);
            return say(why, "prompt: \"%.40s\" does not begin with the number of a token, 0 to %d.", text,
                       c->vocabulary - 1), NULL;
        }
        token[(*n)++] = (int)t;
    }
    return begun(token, r, n);
}

/* The vocabulary that lies beside the checkpoint; NULL: there is none, or, with a sentence in why, it cannot be
 * read. */
static struct vocabulary *words_beside(const char *from, char *why)
{
    char path[KEY_TEXT + 64];
    struct stat there;
    const char *slash = strrchr(from, '/');
    *why = 0;
    if (!stat(from, &there) && S_ISDIR(there.st_mode))
        snprintf(path, sizeof path, "%s/%s", from, vocabulary_name);
    else
        snprintf(path, sizeof path, "%.*s%s", slash ? (int)(slash - from) + 1 : 0, from, vocabulary_name);
    return access(path, F_OK) ? NULL : vocabulary_open(path, why);
}

static const char *generate(const struct request *q, struct swax_decoder *d, const struct swax_config *c,
                            const int *prompt, int n, const struct vocabulary *words, char *why)
{
    const struct pick p = {q->temperature, q->top_k, q->top_p, c->vocabulary,
                           malloc((size_t)c->vocabulary * sizeof(int))};
    float *logits = malloc((size_t)c->vocabulary * sizeof *logits);
    const char *wrong = p.order && logits ? swax_decoder_feed(d, prompt, n, logits)
                                          : say(why, "There is no memory for the logits.");
    for (int i = 0; i < n && !wrong; i++)
        vocabulary_write(stdout, words, bytes(c, words), prompt[i]);
    for (int i = 0; i < q->tokens && !wrong && !ferror(stdout); i++) {
        struct random r = random_open(q->seed, RANDOM_SAMPLE, (uint64_t)i);
        const int token = pick_token(&p, logits, &r);
        vocabulary_write(stdout, words, bytes(c, words), token);
        fflush(stdout);
        if (i + 1 < q->tokens)
            wrong = swax_decoder_feed(d, &token, 1, logits);
    }
    fputs(wrong ? "" : "\n", stdout);
    free(p.order);
    free(logits);
    return wrong && wrong != why ? say(why, "%s", wrong) : wrong;      /* the network's own sentence goes with it */
}

static const char *sample(struct request *q, char *why)
{
    int n;
    struct weights *const w = &q->w;
    const char *wrong;
    const struct swax_tier *tier = swax_tier_find(*w->c.run.tier ? w->c.run.tier : NULL, &wrong);
    if (!tier)
        return wrong;
    threads_use(w->c.run.threads);
    struct swax_network *network = swax_network_new(&w->c.run.model, tier, w->c.run.precision, 1, 1, 0, why);
    if (!network)
        return why;
    struct vocabulary *words = words_beside(q->from, why);
    int *prompt = *why ? NULL : read_prompt(q->prompt, &w->c.run, words, &n, why);
    wrong = prompt ? weights_load(w, network, w->c.run.precision, why) : why;
    struct swax_decoder *d = wrong ? NULL : swax_decoder_new(network, 1, w->c.run.windows.window, why);
    if (d)
        swax_decoder_separator(d, run_separator(&w->c.run));
    if (!wrong)
        wrong = d ? generate(q, d, &w->c.run.model, prompt, n, words, why) : why;
    vocabulary_close(words);
    if (d)
        swax_decoder_free(d);
    free(prompt);
    swax_network_free(network);
    return wrong;
}

static int run(struct options *o)
{
    char why[SWAX_WHY];
    static struct request q;
    memset(&q, 0, sizeof q);
    const char *wrong = read_request(&q, o, why);
    if (!wrong)
        wrong = sample(&q, why);
    weights_close(&q.w);
    return wrong ? command_fails(wrong) : 0;
}

const struct command command_sample = {
    .name = "sample",
    .summary = "generate from a checkpoint",
    .usage = "RUN|CHECKPOINT|HF-FOLDER [key=value ...]",
    .words = "from",
    .about = "Goes on from a prompt, at a cost per token that does not depend on how many came before. Where the run's "
             "data have a separator, it begins a document here too, in the prompt and in what is generated: nothing "
             "before it is remembered. Tokens are written as text where they are bytes, or where vocabulary.tiktoken "
             "lies beside the weights, as a run on shards with a vocabulary keeps it.",
    .keys = tables,
    .run = run,
};
