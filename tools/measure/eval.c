/* eval.c - swax eval: what a trained network knows, printed as tables or, with json=yes, as JSON. */
#include "tools/lib/commands.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/train/checkpoint.h"
#include "tools/lib/json.h"
#include "tools/measure/measure.h"
#include "tools/lib/options.h"
#include "tools/lib/say.h"
#include "tools/lib/threads.h"

enum { MOST = 16 };

/* Lists of lengths and windows: every pair of them is measured. */
struct list { int n, value[MOST]; };

struct eval {
    struct checkpoint checkpoint;
    struct run run;                    /* the checkpoint's, with what the command line changes */
    struct list lengths, windows;
    int sequences, json, inside, generate, facts_end;
    enum measure_probe probe;
    const struct swax_tier *tier;
    struct swax_network *n;            /* its weights; of no size */
    int written;                       /* measurements so far */
};

static const char *const probes[] = {[MEASURE_WHOLE] = "none", [MEASURE_SPAN_CUT] = "span_cut", [MEASURE_RELAY_BLOCK] = "relay_block"};
static const char *const own_keys[] = {"lengths", "windows", "sequences", "json", "inside", "generate", "probe", "facts_end", "threads", "tier", "precision", "seed", NULL};

static int help(void)
{
    puts("usage: swax eval CHECKPOINT|RUN [key=value ...]\n\n"
         "Measures a trained network on held-out sequences of its own data, or of data=NAME:\n"
         "loss, loss by position, and the share of right answers of every kind that the data tells apart.\n\nKeys:\n"
         "  lengths     tokens a sequence, as 512,1024,4096; the training length if it is not given\n"
         "  windows     as 8,64,512; the training window if it is not given\n"
         "  sequences   how many; 32\n"
         "  probe       none; span_cut: cells forget at every token; relay_block: attention does not see the facts\n"
         "  facts_end   the token from which on a probe cuts\n"
         "  inside      yes: where each attention layer looks, and how long each cell remembers, on one sequence\n"
         "  generate    tokens to generate after the text before the first answer: RULER's score; 0 for none\n"
         "  json        yes: print JSON instead of tables\n"
         "  data, seed, tier, precision, threads, and the keys of the data: as in `swax train`");
    return 0;
}

static const char *read_list(struct options *o, const char *key, int otherwise, struct list *l, char *why)
{
    const char *p = options_take(o, key), *text = p;
    l->n = 0;
    if (!p)
        l->value[l->n++] = otherwise;
    while (p) {
        char *end;
        const long v = strtol(p, &end, 10);
        if (end == p || v < 1 || v > 1 << 24 || l->n == MOST || (*end && *end != ','))
            return say(why, "%s=%.60s: it is 1 to %d whole numbers from 1 to %d, like 512,1024.", key, text, MOST, 1 << 24);
        l->value[l->n++] = (int)v;
        p = *end ? end + 1 : NULL;
    }
    return NULL;
}

static const char *read_whole(struct options *o, const char *key, long least, long most, int *value, char *why)
{
    long v = *value;
    const char *text = options_take(o, key);
    if (text && !option_whole(text, least, most, &v))
        return say(why, "%s=%.60s: it is a whole number from %ld to %ld.", key, text, least, most);
    *value = (int)v;
    return NULL;
}

static const char *read_yes(struct options *o, const char *key, int *yes, char *why)
{
    const char *text = options_take(o, key);
    *yes = text && !strcmp(text, "yes");
    return !text || *yes || !strcmp(text, "no") ? NULL : say(why, "%s=%.60s: it is yes or no.", key, text);
}

static const char *read_probe(struct options *o, enum measure_probe *probe, char *why)
{
    const char *text = options_take(o, "probe");
    for (int k = MEASURE_WHOLE; k <= MEASURE_RELAY_BLOCK; k++)
        if (!text || !strcmp(text, probes[k])) {
            *probe = (enum measure_probe)k;
            return NULL;
        }
    return say(why, "probe=%.60s: it is none, span_cut or relay_block.", text);
}

/* The keys of a run that an evaluation may change: its data's, and those of the machine. */
static const char *change_run(struct eval *e, struct options *o, char *why)
{
    static const char *const run_keys[] = {"data", "seed", "tier", "precision", "threads"};
    for (int i = 0; i < (int)(sizeof run_keys / sizeof *run_keys); i++) {
        const char *value = options_take(o, run_keys[i]);
        if (value && i == 0 && strcmp(value, e->run.source->name))
            memset(e->run.value, 0, sizeof e->run.value);
        if (value && run_set(&e->run, run_keys[i], value, why))
            return why;
    }
    const char *keys[SOURCE_KEYS + sizeof own_keys / sizeof *own_keys];
    int n = 0;
    for (const struct source_key *k = e->run.source->keys; k->name; k++) {
        const char *value = options_take(o, k->name);
        keys[n++] = k->name;
        if (value && run_set(&e->run, k->name, value, why))
            return why;
    }
    for (int i = 0; own_keys[i]; i++)
        keys[n++] = own_keys[i];
    keys[n] = NULL;
    return options_left(o, keys, why);
}

static const char *open_eval(struct eval *e, const char *path, struct options *o, char *why)
{
    const char *wrong;
    if (checkpoint_open(&e->checkpoint, path, why))
        return why;
    e->run = e->checkpoint.run;
    e->run.tier[0] = 0;
    e->sequences = 32;
    if (read_yes(o, "json", &e->json, why) || read_yes(o, "inside", &e->inside, why))
        return why;
    if (read_list(o, "lengths", e->run.length, &e->lengths, why) || read_list(o, "windows", e->run.windows.window, &e->windows, why) ||
        read_whole(o, "sequences", 1, 1 << 20, &e->sequences, why) || read_whole(o, "generate", 0, 1024, &e->generate, why) ||
        read_whole(o, "facts_end", 0, 1 << 24, &e->facts_end, why) || read_probe(o, &e->probe, why) || change_run(e, o, why))
        return why;
    e->tier = swax_tier_find(*e->run.tier ? e->run.tier : NULL, &wrong);
    if (!e->tier)
        return say(why, "%s", wrong);
    threads_use(e->run.threads);
    e->n = swax_network_new(&e->checkpoint.run.model, e->tier, e->run.precision, 1, 1, 0, why);
    return e->n ? checkpoint_load(&e->checkpoint, e->n, e->run.precision, 0, why) : why;
}

/* ---- printing */

static double share(long right, long asked) { return asked ? (double)right / (double)asked : (double)NAN; }

static void print_table(const struct eval *e, const struct measured *m, const struct measure_how *h, double generated)
{
    printf("%slength %d, window %d%s%s, %d sequences: loss %.4f\n", e->written ? "\n" : "", h->T, h->window,
           h->probe ? ", probe " : "", h->probe ? probes[h->probe] : "", h->sequences, m->loss);
    printf("  loss by position ");
    for (int p = 0; p < MEASURE_PARTS; p++)
        if (m->part[p].targets)
            printf(" %.3f", m->part[p].loss);
        else
            fputs(" -", stdout);
    puts("");
    for (int k = 0; e->run.source->tags && e->run.source->tags[k]; k++)
        if (m->tag[k].asked)
            printf("  %-24s %.3f of %ld tokens, %.3f of %ld answers\n", e->run.source->tags[k], share(m->tag[k].right, m->tag[k].asked),
                   m->tag[k].asked, share(m->tag[k].exact, m->tag[k].answers), m->tag[k].answers);
    if (e->generate)
        printf("  answers contained in %d generated tokens: %.3f\n", e->generate, generated);
}

static void member(const char *before, const char *key, double value)
{
    printf("%s\"%s\": ", before, key);
    json_write_number(stdout, value);
}

static void print_json(const struct eval *e, const struct measured *m, const struct measure_how *h, double generated)
{
    printf("%s\n  {\"length\": %d, \"window\": %d, \"probe\": \"%s\", \"sequences\": %d", e->written ? "," : "", h->T, h->window, probes[h->probe], h->sequences);
    member(", ", "loss", m->loss);
    printf(",\n   \"loss_by_position\": [");
    for (int p = 0; p < MEASURE_PARTS; p++) {
        fputs(p ? ", " : "", stdout);
        json_write_number(stdout, m->part[p].loss);
    }
    printf("],\n   \"answers\": {");
    for (int k = 0, n = 0; e->run.source->tags && e->run.source->tags[k]; k++)
        if (m->tag[k].asked) {
            fputs(n++ ? ",\n     " : "\n     ", stdout);
            json_write_string(stdout, e->run.source->tags[k]);
            member(": {", "tokens", (double)m->tag[k].asked);
            member(", ", "right", share(m->tag[k].right, m->tag[k].asked));
            member(", ", "answers", (double)m->tag[k].answers);
            member(", ", "exact", share(m->tag[k].exact, m->tag[k].answers));
            fputs("}", stdout);
        }
    fputs("}", stdout);
    if (e->generate)
        member(",\n   ", "generated", generated);
}

/* Layer by layer, of the last evaluation of one sequence: shares of attention's mass on keys 0, 1, 2-3, 4-7, ...
 * tokens back, or the heads' time constants. */
static void print_inside(const struct eval *e, struct swax_network *n, int T, int window)
{
    const int layers = e->checkpoint.run.model.layers;
    fputs(e->json ? ",\n   \"layers\": [" : "", stdout);
    for (int i = 0; i < layers; i++) {
        double value[MEASURE_DISTANCES] = {0};
        const int attends = measure_attention(n, i, T, window, value);
        int last = attends ? MEASURE_DISTANCES : measure_memory(n, i, T, value, MEASURE_DISTANCES);
        while (attends && last > 1 && !(value[last - 1] > 0))
            last--;
        if (e->json)
            printf("%s\n     {\"layer\": %d, \"%s\": [", i ? "," : "", i, attends ? "attention" : "time_constants");
        else
            printf("  layer %-2d %s", i, attends ? "attention 0, 1, 2-3, 4-7, ... tokens back:" : "time constants in tokens:");
        for (int k = 0; k < last; k++) {
            fputs(!e->json ? "  " : k ? ", " : "", stdout);
            if (e->json)
                json_write_number(stdout, value[k]);
            else
                printf(attends ? "%.3f" : "%.4g", value[k]);
        }
        fputs(e->json ? "]}" : "\n", stdout);
    }
    fputs(e->json ? "]" : "", stdout);
}

/* ---- measuring */

static const char *look_inside(struct eval *e, struct swax_network *n, const struct data *d, struct measure_how h, char *why)
{
    struct measured m;
    h.B = h.sequences = 1;
    const char *wrong = measure(n, d, &h, &m, why);
    if (!wrong)
        print_inside(e, n, h.T, h.window);
    return wrong;
}

static const char *one_length(struct eval *e, int T, char *why)
{
    const char *value[SOURCE_KEYS];
    struct data d = {0};
    for (int i = 0; i < SOURCE_KEYS; i++)
        value[i] = e->run.value[i];
    const int room = 8192 / T > 0 ? 8192 / T : 1, B = room < e->sequences ? room : e->sequences;
    struct swax_network *n = data_open(&d, e->run.source, value, T, why) ? NULL : measure_copy(e->n, e->tier, e->run.precision, B, T, why);
    const char *wrong = n ? NULL : why;
    d.vocabulary = e->checkpoint.run.model.vocabulary;
    for (int w = 0; !wrong && w < e->windows.n; w++) {
        struct measured m;
        double generated = (double)NAN;
        const struct measure_how h = {B, T, e->windows.value[w], (e->sequences + B - 1) / B * B, e->run.seed, e->probe, e->facts_end};
        wrong = measure(n, &d, &h, &m, why);
        if (!wrong && e->generate)
            wrong = measure_generated(n, &d, &h, e->generate, &generated, why);
        if (!wrong)
            (e->json ? print_json : print_table)(e, &m, &h, generated);
        if (!wrong && e->inside)
            wrong = look_inside(e, n, &d, h, why);
        fputs(!wrong && e->json ? "}" : "", stdout);
        e->written += !wrong;
    }
    swax_network_free(n);
    data_close(&d);
    return wrong;
}

int cmd_eval(int argc, char **argv)
{
    static struct eval e;
    struct options o = {NULL, 0};
    char why[SWAX_WHY];
    if (command_asks_help(&argc, argv))
        return help();
    if (argc < 1 || (strchr(argv[0], '=') && !strchr(argv[0], '/')))
        return command_fails("Which checkpoint? `swax eval help` says more.");
    memset(&e, 0, sizeof e);
    const char *wrong = options_read(&o, argc - 1, argv + 1, why);
    if (!wrong)
        wrong = open_eval(&e, argv[0], &o, why);
    options_free(&o);
    if (!wrong && e.json)
        fputs("[", stdout);
    for (int l = 0; !wrong && l < e.lengths.n; l++)
        wrong = one_length(&e, e.lengths.value[l], why);
    if (!wrong && e.json)
        puts("\n]");
    swax_network_free(e.n);
    checkpoint_close(&e.checkpoint);
    return wrong ? command_fails(wrong) : 0;
}
