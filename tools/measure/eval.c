/* eval.c - swax eval: what a trained network knows, printed as tables or, with json=yes, as JSON. */
#include "tools/lib/commands.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/network/mixers.h"
#include "tools/train/weights.h"
#include "tools/lib/json.h"
#include "tools/measure/measure.h"
#include "tools/lib/say.h"
#include "tools/lib/threads.h"

struct eval {
    struct weights weights;
    struct run run;                    /* that of the weights, with what the command line changes */
    char from[KEY_TEXT];
    struct key_list lengths, windows;  /* every pair of them is measured */
    int sequences, json, inside, generate, facts_end;
    enum measure_probe probe;
    const struct swax_tier *tier;
    struct swax_network *n;            /* its weights; of no size */
    int written;                       /* measurements so far */
    char held_out[17];                 /* a checksum of what they are of; "": there is none yet, or it is generated */
};

static const char *const probes[] = {[MEASURE_WHOLE] = "none", [MEASURE_SPAN_CUT] = "span_cut",
                                     [MEASURE_RELAY_BLOCK] = "relay_block"};
static const char *probe_word(int i)
{
    return i <= MEASURE_RELAY_BLOCK ? probes[i] : NULL;
}

static const struct key keys[] = {
#define WHOLE(name, field, value, least, most, ...) KEY_WHOLE(name, struct eval, field, value, least, most, __VA_ARGS__)
#define LIST(name, field, ...) \
    KEY_ROW(&key_list, name, struct eval, field, NULL, __VA_ARGS__, .least = 1, .most = 1 << 24)
    KEY_ROW(&key_path, "from", struct eval, from, NULL,
            "the run, by its folder, a checkpoint, or a folder of Hugging Face's",
            .others = "checkpoint ckpt model path"),
    LIST("lengths", lengths, "tokens a sequence, as 512,1024,4096; left out, the training length",
         .others = "length seq_len"),
    LIST("windows", windows, "as 8,64,512; left out, the training window", .others = "window"),
    WHOLE("sequences", sequences, "32", 1, 1 << 20, "how many", .others = "samples batches"),
    KEY_WORD("probe", struct eval, probe, "none", probe_word,
             "span_cut: cells forget at every token; relay_block: attention does not see the facts"),
    WHOLE("facts_end", facts_end, "0", 0, 1 << 24, "the token from which on a probe cuts"),
    KEY_YES("inside", struct eval, inside,
            "where each attention layer looks, and how long each cell remembers, on one sequence"),
    WHOLE("generate", generate, "0", 0, 1024,
          "tokens to generate after the text before the first answer: RULER's score; 0 for none"),
    KEY_JSON(struct eval, json),
    KEY_ROW(&key_seed, "seed", struct eval, run.seed, NULL, "of the sequences; left out, the run's",
            .others = "random_seed"),
    KEY_PRECISION(struct eval, run.precision, NULL, "what the kernels compute in; left out, as in the run"),
    KEY_TIER(struct eval, run.tier, 0),
    KEY_THREADS(struct eval, run.threads, 0),
    {0},
#undef WHOLE
#undef LIST
};

/* data=NAME, which the run has a row for, and the keys of that data. */
static void add_tables(struct keys *k, struct eval *e, struct run *r)
{
    static struct key data[2];
    data[0] = *key_find(run_keys, "data");
    data[0].otherwise = NULL;
    data[0].what = "other data than the run's own";
    keys_add(k, NULL, keys, e);
    keys_add(k, "The data", data, r);
    if (r && r->source)
        keys_add_texts(k, NULL, r->source->keys, r->value);
}

static void tables(struct keys *k, const struct options *o)
{
    (void)o;
    add_tables(k, NULL, NULL);
}

/* What the weights' run says, and what the command line changes of it. */
static const char *read_eval(struct eval *e, struct options *o, char *why)
{
    struct keys k = {.of = "`swax eval`"};
    keys_default(keys, e);
    add_tables(&k, e, &e->run);
    k.n = 1;
    if (options_give_one(o, "from", &k, why))
        return why;
    if (!*e->from)
        return say(why, "Which checkpoint? `swax eval help` says more.");
    if (weights_open(&e->weights, e->from, why))
        return why;
    e->run = e->weights.c.run;
    e->run.tier[0] = 0;
    e->run.threads = 0;
    e->lengths = (struct key_list){1, {e->run.length}};
    e->windows = (struct key_list){1, {e->run.windows.window}};
    const struct source *own = e->run.source;
    k.n = 0;
    add_tables(&k, e, &e->run);
    if (options_give_one(o, "data", &k, why))
        return why;
    if (e->run.source != own)
        memset(e->run.value, 0, sizeof e->run.value);
    k.n = 0;
    add_tables(&k, e, &e->run);
    return options_give_all(o, &k, why);
}

/* A probe that cuts nothing would give the numbers of the whole network. */
static const char *check_probe(const struct eval *e, char *why)
{
    if (e->facts_end && e->probe == MEASURE_WHOLE)
        return say(why, "facts_end=%d says where a probe begins to cut, and there is none: add probe=span_cut or "
                        "probe=relay_block.", e->facts_end);
    for (int i = 0; i < e->lengths.n; i++)
        if (e->facts_end >= e->lengths.value[i])
            return say(why, "facts_end=%d: nothing is behind it in sequences of %d tokens; it is less than every "
                            "length.", e->facts_end, e->lengths.value[i]);
    return NULL;
}

static const char *open_eval(struct eval *e, struct options *o, char *why)
{
    const char *wrong;
    if (read_eval(e, o, why) || check_probe(e, why))
        return why;
    e->tier = swax_tier_find(*e->run.tier ? e->run.tier : NULL, &wrong);
    if (!e->tier)
        return say(why, "%s", wrong);
    threads_use(e->run.threads);
    e->n = swax_network_new(&e->weights.c.run.model, e->tier, e->run.precision, 1, 1, 0, why);
    return e->n ? weights_load(&e->weights, e->n, e->run.precision, why) : why;
}

/* ---- printing */

static double share(long right, long asked) { return asked ? (double)right / (double)asked : (double)NAN; }

/* Of one tag, or of all targets, with its standard error. */
static struct estimate estimate_of(const struct measure_how *h, int row, enum measure_what what)
{
    return measure_estimate(h->tally, h->sequences, (uint64_t)1 << row, what);
}

static double bits(double nats) { return nats / 0.6931471805599453; }

/* " (standard error 0.0123)"; nothing where one sequence alone was asked, which says nothing of how others differ. */
static const char *in_words(char text[48], const char *before, double error, const char *behind, int digits)
{
    *text = 0;
    if (isfinite(error))
        snprintf(text, 48, "%sstandard error %.*f%s", before, digits, error, behind);
    return text;
}

static void print_table(const struct eval *e, const struct measured *m, const struct measure_how *h, double generated)
{
    const struct estimate loss = estimate_of(h, MEASURE_ALL, MEASURE_LOSS);
    const char *unit = run_unit(&e->run);
    char error[48];
    printf("%slength %d, window %d%s%s, %d sequence%s: loss %.4f%s\n", e->written ? "\n" : "", h->T, h->window,
           h->probe ? ", probe " : "", h->probe ? probes[h->probe] : "", h->sequences, h->sequences == 1 ? "" : "s",
           m->loss, in_words(error, " (", estimate_of(h, MEASURE_ALL, MEASURE_WEIGHTED).error, ")", 4));
    printf("  every %s counted the same: %.4f bits per %s%s\n", unit, bits(loss.value), unit,
           in_words(error, ", ", bits(loss.error), "", 4));
    printf("  loss by position ");
    for (int p = 0; p < MEASURE_PARTS; p++)
        if (m->part[p].targets)
            printf(" %.3f", m->part[p].loss);
        else
            fputs(" -", stdout);
    puts("");
    for (int k = 0; e->run.source->tags && e->run.source->tags[k]; k++)
        if (m->tag[k].asked)
            printf("  %-24s %.3f%s of %ld tokens, loss %.4f; %.3f of %ld answers\n", e->run.source->tags[k],
                   share(m->tag[k].right, m->tag[k].asked),
                   in_words(error, " (", estimate_of(h, k, MEASURE_RIGHT).error, ")", 3), m->tag[k].asked,
                   estimate_of(h, k, MEASURE_LOSS).value, share(m->tag[k].exact, m->tag[k].answers), m->tag[k].answers);
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
    printf("%s\n  {\"length\": %d, \"window\": %d, \"probe\": \"%s\", \"sequences\": %d", e->written ? "," : "", h->T,
           h->window, probes[h->probe], h->sequences);
    const struct estimate loss = estimate_of(h, MEASURE_ALL, MEASURE_LOSS);
    member(", ", "loss", m->loss);
    member(", ", "loss_error", estimate_of(h, MEASURE_ALL, MEASURE_WEIGHTED).error);
    printf(",\n   \"bits_per_%s\": ", run_unit(&e->run));
    json_write_number(stdout, bits(loss.value));
    member(", ", "bits_error", bits(loss.error));
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
            member(", ", "right_error", estimate_of(h, k, MEASURE_RIGHT).error);
            member(", ", "loss", estimate_of(h, k, MEASURE_LOSS).value);
            member(", ", "loss_error", estimate_of(h, k, MEASURE_LOSS).error);
            member(", ", "answers", (double)m->tag[k].answers);
            member(", ", "exact", share(m->tag[k].exact, m->tag[k].answers));
            fputs("}", stdout);
        }
    fputs("}", stdout);
    if (e->generate)
        member(",\n   ", "generated", generated);
}

/* Layer by layer, of the last evaluation of one sequence: what its mixer shows. */
static const char *print_inside(const struct eval *e, struct swax_network *n, int T, int window, char *why)
{
    const struct swax_config *c = swax_network_config(n);
    fputs(e->json ? ",\n   \"layers\": [" : "", stdout);
    for (int i = 0; i < c->layers; i++) {
        double value[SWAX_INSIDE];
        const struct swax_inside *inside = &swax_layer_mixer(c, i)->inside;
        const int count = inside->see(n, swax_layer_keys(c, i), i, T, window, value, SWAX_INSIDE);
        if (count < 0)
            return say(why, "There is no memory to look into layer %d.", i);
        if (e->json)
            printf("%s\n     {\"layer\": %d, \"%s\": [", i ? "," : "", i, inside->key);
        else
            printf("  layer %-2d %s", i, inside->title);
        for (int k = 0; k < count; k++) {
            fputs(!e->json ? "  " : k ? ", " : "", stdout);
            if (e->json)
                json_write_number(stdout, value[k]);
            else
                printf("%.3g", value[k]);
        }
        fputs(e->json ? "]}" : "\n", stdout);
    }
    fputs(e->json ? "]" : "", stdout);
    return NULL;
}

/* ---- measuring */

static const char *look_inside(struct eval *e, struct swax_network *n, const struct data *d, struct measure_how h,
                               char *why)
{
    struct measured m;
    h.B = h.sequences = 1;
    h.tally = NULL;
    return measure(n, d, &h, &m, why) ? why : print_inside(e, n, h.T, h.window, why);
}

/* Are its files those of the run, and not others that the command line asks for? */
static int own_files(const struct eval *e)
{
    const struct run *own = &e->weights.c.run;
    const struct key *k = own->source->keys;
    int i = 0;
    while (k[i].name && (k[i].type != &key_path || !strcmp(own->value[i], e->run.value[i])))
        i++;
    return own->source == e->run.source && !k[i].name;
}

/* Which text is held out: one and the same for all lengths, and for the run's own looks. */
static const char *know_data(struct eval *e, const struct data *d, int T, char *why)
{
    char sum[17];
    const char *looked_at = e->weights.c.run.held_out;
    if (data_sum(d, DATA_HELD_OUT, T, sum, why))
        return why;
    if (*e->held_out && *sum && strcmp(sum, e->held_out))
        return say(why, "The data were changed between one length and the next: they are of two texts.");
    if (!*e->held_out && *sum && *looked_at && strcmp(sum, looked_at) && own_files(e))
        fputs("swax: what this run's data hold out now is not what they held out while it was trained, and it may have "
              "been trained on it.\n", stderr);
    strcpy(e->held_out, *sum ? sum : e->held_out);
    const int64_t pieces = data_pieces(d, DATA_HELD_OUT, T);
    if (pieces && e->sequences > pieces)
        fprintf(stderr, "swax: the data hold out %lld sequence%s of %d tokens, and %d are asked for: some are the same "
                        "text once more, so that numbers are less sure than their errors say.\n", (long long)pieces,
                pieces == 1 ? "" : "s", T, e->sequences);
    return NULL;
}

static const char *one_length(struct eval *e, int T, char *why)
{
    const char *value[SOURCE_KEYS];
    struct data d = {0};
    run_values(&e->run, value);
    const int room = 8192 / T > 0 ? 8192 / T : 1, B = room < e->sequences ? room : e->sequences;
    struct swax_network *n = data_open(&d, e->run.source, value, T, why) || know_data(e, &d, T, why)
                           ? NULL : measure_copy(e->n, e->tier, e->run.precision, B, T, why);
    const char *wrong = n ? NULL : why;
    d.vocabulary = e->weights.c.run.model.vocabulary;
    for (int w = 0; !wrong && w < e->windows.n; w++) {
        struct measured m;
        double generated = (double)NAN;
        const struct measure_how h = {
            .B = B, .T = T, .window = e->windows.value[w], .sequences = e->sequences, .seed = e->run.seed,
            .probe = e->probe, .facts_end = e->facts_end, .tally = calloc((size_t)e->sequences, sizeof *h.tally)};
        wrong = h.tally ? measure(n, &d, &h, &m, why)
                        : say(why, "There is no memory to evaluate %d sequences.", e->sequences);
        if (!wrong && e->generate)
            wrong = measure_generated(n, &d, &h, e->generate, run_separator(&e->run), &generated, why);
        wrong = wrong ? wrong : data_same(&d, why);
        if (!wrong)
            (e->json ? print_json : print_table)(e, &m, &h, generated);
        if (!wrong && e->inside)
            wrong = look_inside(e, n, &d, h, why);
        fputs(!wrong && e->json ? "}" : "", stdout);
        e->written += !wrong;
        free(h.tally);
    }
    swax_network_free(n);
    data_close(&d);
    return wrong;
}

static int run(struct options *o)
{
    static struct eval e;
    char why[SWAX_WHY];
    memset(&e, 0, sizeof e);
    const char *wrong = open_eval(&e, o, why);
    if (!wrong && e.json)
        fputs("[", stdout);
    for (int l = 0; !wrong && l < e.lengths.n; l++)
        wrong = one_length(&e, e.lengths.value[l], why);
    if (!wrong && e.json)
        puts("\n]");
    swax_network_free(e.n);
    weights_close(&e.weights);
    return wrong ? command_fails(wrong) : 0;
}

const struct command command_eval = {
    .name = "eval", .summary = "what a trained network remembers: by distance, length and window",
    .usage = "RUN|CHECKPOINT|HF-FOLDER [key=value ...]",
    .about =
        "Measures a trained network on held-out sequences of its own data, or of data=NAME: loss, loss by position, "
        "and the share of right answers of every kind that the data tells apart, for every length of lengths= with "
        "every window of windows=. Of a kind stand the share of its tokens that are right, their loss, and the share "
        "of its whole answers, which are tokens of one kind in a row, that are right in every token. The keys of the "
        "data are those of `swax train`.",
    .words = "from", .keys = tables, .run = run,
};
