/* check_look.c - what a run shows of itself while it trains is what its weights say: the sample, how long its cells
 * remember, the page; and tokens that others made come back as text. */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ref/network/mixers.h"
#include "tests/asked.h"
#include "tests/scratch.h"
#include "tests/sequences.h"
#include "tests/small_run.h"
#include "tests/suite.h"
#include "tools/lib/commands.h"
#include "tools/lib/files.h"
#include "tools/lib/json.h"
#include "tools/lib/number.h"
#include "tools/lib/pick.h"
#include "tools/lib/svg.h"
#include "tools/train/checkpoint.h"
#include "tools/train/run_page.h"

static char why[SWAX_WHY];

static void set(struct run *r, const char *key, const char *value)
{
    ck_assert_msg(!run_set(r, key, value, why), "%s", why);
}

/* The last line of a run's log, to be freed. */
static struct json *last_line(const char *folder)
{
    char *path = in_folder(folder, "log.jsonl"), *text;
    size_t n = read_whole(path, &text);
    ck_assert(n && text[n - 1] == '\n');
    text[--n] = 0;
    const char *line = strrchr(text, '\n') + 1;
    struct json *j = json_parse(line, (size_t)(text + n - line), why);
    ck_assert_msg(j, "the last line is %s", why);
    free(path), free(text);
    return j;
}

/* A checkpoint's network, for one sequence. */
static struct swax_network *network_of(struct checkpoint *c, const char *folder)
{
    const char *wrong;
    ck_assert_msg(!checkpoint_open(c, folder, why), "%s", why);
    struct swax_network *n =
        swax_network_new(&c->run.model, swax_tier_find(NULL, &wrong), c->run.precision, 1, c->run.length, 0, why);
    ck_assert_msg(n && !checkpoint_load(c, n, c->run.precision, 0, why), "%s", why);
    return n;
}

/* What the checkpoint writes behind `token`, by a loop of the test's own. */
static size_t written(const char *folder, int token, int tokens, char *to)
{
    struct checkpoint c;
    struct swax_network *n = network_of(&c, folder);
    struct swax_decoder *d = swax_decoder_new(n, 1, c.run.windows.window, why);
    static int order[256];
    static float logits[256];
    const struct pick p = {.temperature = 1, .top_p = 1, .vocabulary = 256, .order = order};
    swax_decoder_separator(d, run_separator(&c.run));
    for (int i = 0; i < tokens; i++) {
        struct random draw = random_open(1, RANDOM_SAMPLE, (uint64_t)i);
        ck_assert(!swax_decoder_feed(d, &token, 1, logits));
        to[i] = (char)(token = pick_token(&p, logits, &draw));
    }
    swax_decoder_free(d), swax_network_free(n), checkpoint_close(&c);
    return (size_t)tokens;
}

START_TEST(the_sample_is_what_the_checkpoint_writes)
{
    char *folder = scratch("samples"), bytes[65] = "", *expected;
    size_t size;
    struct run r = small_run(folder);
    set(&r, "sample_tokens", "64");
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    struct json *line = last_line(folder), *same;
    FILE *f = file_open_text(&expected, &size);
    json_write_bytes(f, bytes, written(folder, 10, 64, bytes));       /* 10 is the run's separator */
    file_close_text(f, &expected);
    same = json_parse(expected, strlen(expected), why);
    ck_assert_msg(same, "the sample is %s", why);
    ck_assert(json_get(line, "sample"));
    ck_assert_str_eq(json_get(line, "sample")->text, same->text);
    json_free(line), json_free(same);
    free(folder), free(expected);
}
END_TEST

/* Of the first held-out sequence of the last batch that is looked at. */
START_TEST(time_constants_are_those_of_the_weights)
{
    char *folder = scratch("cells");
    const char *value[SOURCE_KEYS];
    struct checkpoint c;
    struct data d = {0};
    struct data_batch b;
    double tokens[SWAX_INSIDE];
    struct run r = small_run(folder);
    set(&r, "held_out_sequences", "2");
    set(&r, "cell_heads", "4");
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    struct swax_network *n = network_of(&c, folder);
    for (int i = 0; i < SOURCE_KEYS; i++)
        value[i] = c.run.value[i];
    ck_assert_msg(!data_open(&d, c.run.source, value, c.run.length, why) && !data_batch_new(&b, 1, c.run.length, why),
                  "%s", why);
    ck_assert_msg(!data_fill(&d, &b, 1, DATA_HELD_OUT, 0, why), "%s", why);
    b.batch.window = c.run.windows.window;
    swax_network_evaluate(n, &b.batch, NULL, NULL, NULL);
    ck_assert_int_eq(swax_layer_mixer(&c.run.model, 1)->inside.see(n, swax_layer_keys(&c.run.model, 1), 1, c.run.length,
                                                                   16, tokens, SWAX_INSIDE), 4);
    double low = HUGE_VAL, high = 0, sum = 0;
    for (int i = 0; i < 4; i++)
        low = fmin(low, tokens[i]), high = fmax(high, tokens[i]), sum += tokens[i];
    struct json *line = last_line(folder);
    const struct json *cells = json_get(line, "time_constants");
    ck_assert(cells && cells->count == 1 && cells->first->count == 4);
    const struct json *x = cells->first->first;
    ck_assert(x->number == 1);
    const double expected[] = {low, (sum - low - high) / 2, high};
    for (int i = 0; i < 3; i++) {
        x = x->next;
        ck_assert_msg(fabs(x->number - expected[i]) < 1e-4 * expected[i],
                      "number %d: the log says %g, the weights say %g", i, x->number, expected[i]);
    }
    json_free(line);
    data_batch_free(&b), data_close(&d), swax_network_free(n), checkpoint_close(&c);
    free(folder);
}
END_TEST

/* Every element of a page is closed where it should be. */
static void is_closed(const char *text)
{
    static const char *const alone[] = {"meta", "!doctype", "br"};
    enum { DEPTH = 40, NAME = 20 };
    char open[DEPTH][NAME];
    int depth = 0;
    for (const char *at = strchr(text, '<'), *end; at; at = strchr(end, '<')) {
        end = strchr(at, '>');
        ck_assert_each(end != NULL, "%.40s is never closed", at);
        const int closes = at[1] == '/', n = (int)strcspn(at + 1 + closes, " />\n");
        int empty = end[-1] == '/';
        char name[NAME];
        ck_assert_each(n < NAME, "%.40s", at);
        snprintf(name, sizeof name, "%.*s", n, at + 1 + closes);
        for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
            empty |= !strcmp(name, alone[i]);
        if (closes) {
            ck_assert_each(depth && !strcmp(open[--depth], name), "</%s> closes <%s>: %.60s", name,
                          depth >= 0 ? open[depth] : "nothing", at);
        } else if (!empty) {
            ck_assert_each(depth < DEPTH, "%.40s", at);
            strcpy(open[depth++], name);
        }
    }
    ck_assert_each(!depth, "<%s> is never closed", open[depth - 1]);
}

static char *page_of(const char *folder)
{
    char *path = in_folder(folder, "run.html"), *text;
    ck_assert_msg(!access(path, F_OK), "there is no page of the run");
    read_whole(path, &text);
    is_closed(text);
    free(path);
    return text;
}

static enum run_verdict stop_after(void *arg, const struct run *r, const struct run_point *p, struct swax_network *n)
{
    (void)n;
    if (p && p->step == 1) {
        char *page = page_of(r->out);
        ck_assert_msg(strstr(page, "http-equiv=\"refresh\"") && strstr(page, "Step 1 of 24</b>, training"),
                      "the page of a run at work does not say so");
        free(page);
    }
    return p && p->step == *(int *)arg ? RUN_STOP : RUN_GO_ON;
}

static int count_of(const char *text, const char *word)
{
    int n = 0;
    for (; (text = strstr(text, word)); text++)
        n++;
    return n;
}

/* The last look and the best, as the log has them. */
static void says_the_best(const char *page, const char *folder)
{
    char *text, *path = in_folder(folder, "log.jsonl"), said[300], amount[32];
    double last = 0, error = 0, best = HUGE_VAL, tokens = 0;
    size_t n = read_whole(path, &text);
    for (char *line = text, *end; (end = memchr(line, '\n', (size_t)(text + n - line))); line = end + 1) {
        struct json *j = json_parse(line, (size_t)(end - line), why);
        const struct json *loss = json_get(j, "held_out_loss");
        if (loss) {
            last = loss->number, error = json_get(j, "held_out_error")->number;
            tokens = last < best ? json_get(j, "tokens")->number : tokens;
            best = fmin(best, last);
        }
        json_free(j);
    }
    number_amount(amount, tokens);
    snprintf(said, sizeof said, " Held-out loss <b>%.4f</b> &plusmn; %.4f nats a byte, %.4f bits; the lowest was %.4f, "
                                "after %s tokens.", last, error, last / log(2), best, amount);
    ck_assert_msg(strstr(page, said) != NULL, "the page does not say '%s', but '%.200s'", said,
                  strstr(page, " Held-out loss"));
    free(text), free(path);
}

/* A curve of up to thirty steps, or of up to sixty looks, has a mark at each and one beside its name, on both sheets:
 * five curves of 30 steps, or one of 60 looks. */
START_TEST(few_points_have_marks)
{
    static const struct { int steps, looks, marks; } of[] = {{30, 0, 310}, {31, 0, 0}, {60, 1, 122}, {61, 1, 0}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char name[20], line[400];
        snprintf(name, sizeof name, "marks-%zu", i);
        char *folder = scratch(name), *path = in_folder(folder, "log.jsonl"), *page;
        struct run r = small_run(folder);
        struct run_log l;
        r.steps = of[i].steps;
        ck_assert(!file_make_folder(folder, why));
        FILE *f = fopen(path, "w");
        for (int k = 1; k <= of[i].steps; k++) {
            snprintf(line, sizeof line, ", \"held_out_loss\": %d, \"held_out_error\": 0.1", 3 + (k + 1) % 2);
            fprintf(f, "{\"step\": %d, \"tokens\": %d, \"loss\": %d, \"gradient_norm\": 1, \"rate\": 0.1, "
                       "\"window\": 4, \"tokens_per_second\": 9%s}\n", k, 100 * k, 3 + k % 3, of[i].looks ? line : "");
        }
        fclose(f);
        ck_assert_msg(run_log_open(&l, folder, why) == RUN_FINISHED, "%s", why);
        ck_assert_msg(!run_page_write(&r, &l, of[i].steps, 1, why), "%s", why);
        run_log_close(&l);
        page = page_of(folder);
        if (of[i].looks)
            says_the_best(page, folder);
        const int marks = count_of(page, "stroke-width=\"1.5\"");
        ck_assert_msg(marks == of[i].marks, "%d steps%s: %d marks, not %d", of[i].steps,
                      of[i].looks ? " with looks" : "", marks, of[i].marks);
        free(page), free(path), free(folder);
    }
}
END_TEST

START_TEST(the_page_grows_and_says_how_it_ended)
{
    char *folder = scratch("page"), loss[40], *page;
    int stop = 12;
    struct run r = small_run(folder);
    set(&r, "held_out_every", "4");
    ck_assert_msg(run_train(&r, stop_after, &stop, why) == RUN_INTERRUPTED, "%s", why);
    page = page_of(folder);
    ck_assert(!strstr(page, "http-equiv") && strstr(page, "Step 12 of 24</b>, stopped"));
    free(page);
    r.resume = 1, stop = 0;
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    page = page_of(folder);
    ck_assert(!strstr(page, "http-equiv") && strstr(page, "Step 24 of 24</b>, finished"));
    struct json *line = last_line(folder);
    snprintf(loss, sizeof loss, "<b>%.4f</b>", json_get(line, "held_out_loss")->number);
    ck_assert_msg(strstr(page, loss), "the page does not say %s", loss);
    snprintf(loss, sizeof loss, "%.6g at %.6g", json_get(line, "held_out_loss")->number,
             json_get(line, "tokens")->number);
    ck_assert_msg(count_of(page, loss) == 2, "<desc> of the two drawings does not say %s", loss);
    says_the_best(page, folder);
    ck_assert_int_eq(count_of(page, "class=\"wider\""), 6);
    ck_assert_int_eq(count_of(page, "class=\"narrow\""), 6);
    ck_assert_int_eq(count_of(page, "after step "), 4);
    json_free(line);
    free(page), free(folder);
}
END_TEST

/* Each layer that remembers has a curve of its own, which ends in what the log says of it. */
START_TEST(the_page_tells_layers_apart)
{
    char *folder = scratch("layers"), said[80], *page;
    struct run r = small_run(folder);
    set(&r, "mixers", "mlstm swa mlstm");
    set(&r, "steps", "2");
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    page = page_of(folder);
    struct json *line = last_line(folder);
    const struct json *cells = json_get(line, "time_constants");
    ck_assert(cells && cells->count == 2);
    for (const struct json *j = cells->first; j; j = j->next) {
        snprintf(said, sizeof said, "layer %d, mlstm", (int)j->first->number + 1);
        ck_assert_msg(strstr(page, said), "the page has no curve of %s", said);
        snprintf(said, sizeof said, "%.6g at %.6g", j->first->next->next->number, json_get(line, "tokens")->number);
        ck_assert_msg(strstr(page, said), "the page does not say %s", said);
    }
    json_free(line);
    free(page), free(folder);
}
END_TEST

/* ---- shards of others */

static void put_tokens(const char *path, const int *header, int bytes, const uint32_t *token, int n)
{
    unsigned char *text = calloc(1, 1024 + 4 * (size_t)n);
    const size_t begin = header ? 1024 : 0;
    if (header)
        memcpy(text, header, 12);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < bytes; k++)
            text[begin + (size_t)(i * bytes + k)] = (unsigned char)(token[i] >> 8 * k);
    put(path, text, begin + (size_t)(n * bytes));
    free(text);
}

static int opens(struct data *d, const char *file, const char *type, const char *words)
{
    const char *value[SOURCE_KEYS] = {0};
    const struct source *s = source_find("shards");
    value[source_key(s, "file")] = file;
    value[source_key(s, "held_out")] = "0";
    value[source_key(s, "token_type")] = type;
    value[source_key(s, "vocabulary_file")] = words;
    return !data_open(d, s, value, 8, why);
}

START_TEST(shards_of_16_and_32_bits_with_and_without_header)
{
    enum { N = 40 };
    char *path = scratch("tokens.bin"), *other = scratch("tokens.bin2"), *both = scratch("tokens.bin*");
    uint32_t token[N];
    struct data d;
    const struct { int header[3], has, bytes; const char *type; int vocabulary; } kind[] = {
        {{20240520, 1, N}, 1, 2, "header", 50257}, {{20240801, 7, N}, 1, 4, "header", 128256},
        {{0}, 0, 2, "uint16", 50257}, {{0}, 0, 4, "uint32", 128256},
    };
    for (size_t k = 0; k < sizeof kind / sizeof *kind; k++) {
        struct data_batch b;
        for (int i = 0; i < N; i++)
            token[i] = (uint32_t)(kind[k].vocabulary - 1 - i);
        put_tokens(path, kind[k].has ? kind[k].header : NULL, kind[k].bytes, token, N);
        ck_assert_msg(opens(&d, path, kind[k].type, ""), "kind %zu: %s", k, why);
        ck_assert_int_eq(d.vocabulary, kind[k].vocabulary);
        ck_assert(!data_batch_new(&b, 1, 8, why) && !data_fill(&d, &b, 1, DATA_TRAIN, 0, why));
        for (int t = 0; t < 8; t++)
            ck_assert_int_eq(b.batch.target[t], b.batch.token[t] - 1);
        data_close(&d);
        const int header[3] = {kind[k].header[0], kind[k].header[1], 9};       /* the ninth is a target alone */
        token[8] = kind[k].bytes == 4 ? 0xffffffffu : 0xffffu;
        put_tokens(path, kind[k].has ? header : NULL, kind[k].bytes, token, 9);
        ck_assert(opens(&d, path, kind[k].type, ""));
        ck_assert_msg(data_fill(&d, &b, 1, DATA_TRAIN, 0, why) == why && is_sentence(why),
                      "kind %zu: tokens beyond the vocabulary were taken", k);
        data_batch_free(&b);
        data_close(&d);
    }
    put_tokens(other, NULL, 2, token, N);
    ck_assert(!opens(&d, path, "header", "") && strstr(why, "token_type=uint16"));
    put_tokens(path, kind[1].header, 4, token, N), put_tokens(other, kind[0].header, 2, token, N);
    ck_assert_msg(!opens(&d, both, "header", "") && strstr(why, "of 16 bits") && strstr(why, "of 32"),
                  "tokens of two sizes: %s", why);
    put(path, "odd", 3);
    ck_assert(!opens(&d, path, "uint16", "") && is_sentence(why));
    put(path, "", 0);
    ck_assert(!opens(&d, path, "uint32", "") && is_sentence(why));
    free(path), free(other), free(both);
}
END_TEST

START_TEST(tokens_come_back_as_text)
{
    enum { N = 40 };
    char *folder = scratch("words"), *path = scratch("words/tokens.bin"), *words = scratch("words/vocabulary.tiktoken");
    char *text;
    size_t size;
    uint32_t token[N] = {0};
    struct data d;
    ck_assert(!file_make_folder(folder, why));
    put_tokens(path, NULL, 2, token, N);
    static const char good[] = "aGVsbG8= 1\r\nAP8= 4\nIHdvcmxk 2\n";       /* "hello", a NUL and 255, " world" */
    put(words, good, sizeof good - 1);
    ck_assert_msg(opens(&d, path, "uint16", ""), "%s", why);
    ck_assert_int_eq(d.vocabulary, 5);
    const struct vocabulary *v = d.source->words(d.opened);
    FILE *f = file_open_text(&text, &size);
    const int said[] = {1, 2, 4, 3, 5, -1};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        vocabulary_write(f, v, 0, said[i]);
    ck_assert(file_close_text(f, &text));
    ck_assert(size == 23 && !memcmp(text, "hello world\0\xff<3><5><-1>", size));
    data_close(&d);
    free(text);
    static const char *const bad[] = {"aGVsbG8= x\n", "aGVsbG8 1\n", "aGVsbG8=\n", "aGVsbG8= -1\n",
                                      "aGVsbG8= 99999999\n", "a*== 1\n",
                                      "aGVsbG8= 1\naGVsbG8= 1\n", "", "\n\n", "aGVsbG8= 1 2\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(words, bad[i], strlen(bad[i]));
        ck_assert_msg(!opens(&d, path, "uint16", "") && is_sentence(why) && strstr(why, "vocabulary.tiktoken"),
                      "line %zu was taken: %s", i, bad[i]);
    }
    ck_assert(!opens(&d, path, "uint16", "nowhere.tiktoken") && is_sentence(why));
    free(folder), free(path), free(words);
}
END_TEST

/* The run keeps its vocabulary, and its samples are text. */
START_TEST(a_run_on_shards_writes_text)
{
    enum { N = 4000 };
    static uint32_t token[N];
    char *folder = scratch("lexicon"), *out = scratch("spoken"), *path = scratch("lexicon/tokens.bin");
    char *words = scratch("lexicon/vocabulary.tiktoken");
    ck_assert(!file_make_folder(folder, why));
    put(words, "YQ== 0\nYmI= 1\nY2Nj 2\n", 21);         /* a, bb, ccc */
    for (int i = 0; i < N; i++)
        token[i] = (uint32_t)(i % 3);
    put_tokens(path, NULL, 4, token, N);
    struct run r = small_run(out);
    set(&r, "data", "shards");
    set(&r, "file", path);
    set(&r, "token_type", "uint32");
    set(&r, "separator", "");
    set(&r, "sample_tokens", "100");
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    char *kept = in_folder(out, "vocabulary.tiktoken");
    ck_assert(same_bytes(kept, words));
    struct json *line = last_line(out);
    const struct json *sample = json_get(line, "sample");
    ck_assert(sample && strspn(sample->text, "abc") == strlen(sample->text) && strlen(sample->text) > 100);
    json_free(line);

    /* it is text too where the checkpoint is named, from anywhere */
    char from[2000], *const asked[] = {out, in_folder(out, "checkpoint.safetensors"), "checkpoint.safetensors", "."};
    const char *first = NULL, *text;
    char here[4000];
    ck_assert(getcwd(here, sizeof here) != NULL);
    for (int i = 0; i < 4; i++) {
        ck_assert(i < 2 || !chdir(out));
        snprintf(from, sizeof from, "%s tokens=40 tier=ref", asked[i]);
        text = done(cmd_sample, from);
        first = first ? first : text;
        ck_assert_msg(strspn(text, "abc\n") == strlen(text) && !strcmp(text, first), "of %s: %s", asked[i], text);
    }
    ck_assert(!chdir(here));
    snprintf(from, sizeof from, "%s tier=gpu", out);
    refused(cmd_sample, from, "no tier is called gpu");
    refused(cmd_eval, from, "no tier is called gpu");

    /* what is left of it when its other files are gone is not taken for another run's words */
    static const char *const gone[] = {"config.json", "log.jsonl", "checkpoint.safetensors", "best.safetensors"};
    for (int other = 0; other < 3; other++) {      /* the same words; others; bytes, which have none */
        for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
            unlink(in_folder(out, gone[i]));
        put(kept, other == 1 ? "YQ== 0\nYmI= 1\nZGRk 2\n" : "YQ== 0\nYmI= 1\nY2Nj 2\n", 21);
        struct run again = other == 2 ? small_run(out) : r;
        const enum run_end end = run_train(&again, NULL, NULL, why);
        ck_assert_msg(end == (other ? RUN_REFUSED : RUN_FINISHED), "%d: it ended with %d", other, (int)end);
        ck_assert(!other || (strstr(why, "vocabulary.tiktoken is there and is not of these data") && is_sentence(why)));
        ck_assert(!other || access(in_folder(out, "config.json"), F_OK));
    }
    free(folder), free(out), free(path), free(words), free(kept);
}
END_TEST

/* Whatever a network of bytes writes is a string of JSON. */
START_TEST(any_bytes_become_a_string)
{
    for (int i = 0; i < 3000; i++) {
        struct random r = random_open(5, RANDOM_SAMPLE, (uint64_t)i);
        char bytes[41], *text;
        size_t size, n = (size_t)random_below(&r, 41);
        for (size_t k = 0; k < n; k++)
            bytes[k] = (char)(random_below(&r, 3) ? 0x80 + random_below(&r, 128) : random_below(&r, 128));
        bytes[n] = 0;
        FILE *f = file_open_text(&text, &size);
        json_write_bytes(f, bytes, n);
        ck_assert(file_close_text(f, &text));
        struct json *j = json_parse(text, size, why);
        ck_assert_msg(j, "bytes %d: it is %s", i, why);
        json_free(j), free(text);
    }
    char *text;
    size_t size;
    FILE *f = file_open_text(&text, &size);
    json_write_bytes(f, "a \x1f\x7f\"", 5);
    ck_assert(file_close_text(f, &text));
    ck_assert_str_eq(text, "\"a \\u001f\\u007f\\\"\"");
    free(text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("look");
    TCase *t = tcase_create("look");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, the_sample_is_what_the_checkpoint_writes);
    tcase_add_test(t, time_constants_are_those_of_the_weights);
    tcase_add_test(t, few_points_have_marks);
    tcase_add_test(t, the_page_grows_and_says_how_it_ended);
    tcase_add_test(t, the_page_tells_layers_apart);
    tcase_add_test(t, shards_of_16_and_32_bits_with_and_without_header);
    tcase_add_test(t, tokens_come_back_as_text);
    tcase_add_test(t, a_run_on_shards_writes_text);
    tcase_add_test(t, any_bytes_become_a_string);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
