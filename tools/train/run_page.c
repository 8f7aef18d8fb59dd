/* run_page.c - run.html. */
#include "tools/train/run_page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "ref/network/mixers.h"
#include "tools/lib/files.h"
#include "tools/lib/json.h"
#include "tools/lib/number.h"
#include "tools/lib/page.h"
#include "tools/lib/say.h"
#include "tools/lib/svg.h"
#include "tools/train/checkpoint.h"

enum { BINS = 240, LOOKS = 400, SAMPLES = 4, SECONDS = 5 };
enum column { TOKENS, LOSS, NORM, RATE, WINDOW, SPEED, COLUMNS };
static const char *const column_key[COLUMNS] = {"tokens", "loss",   "gradient_norm",
                                                "rate",   "window", "tokens_per_second"};

/* Steps in BINS of equal width, each with the mean of what its steps say; and what the looks said: every one of them,
 * or, of more than there is room for, every `stride`-th and the last. */
struct curve {
    double sum[COLUMNS][BINS];
    int count[BINS], steps;
    double last[COLUMNS];
    double best, best_at;                                    /* the lowest held-out loss of all, and its tokens */
    int looks, seen, stride;                                 /* kept; of so many */
    double at[LOOKS], held_out[LOOKS], error[LOOKS];
    int layers, layer[RUN_CELLS];
    double low[RUN_CELLS][LOOKS], median[RUN_CELLS][LOOKS], high[RUN_CELLS][LOOKS];
    int samples;
    struct { int step; char *text; } sample[SAMPLES];        /* the latest last */
};

/* ---- reading */

static int number_in(const char *line, const char *key, double *x)
{
    char wanted[40];
    snprintf(wanted, sizeof wanted, "\"%s\":", key);
    const char *at = strstr(line, wanted);
    if (at)
        *x = strtod(at + strlen(wanted), NULL);
    return at != NULL;
}

static int layer_of(struct curve *c, int layer)
{
    for (int i = 0; i < c->layers; i++)
        if (c->layer[i] == layer)
            return i;
    if (c->layers == RUN_CELLS)
        return -1;
    for (int k = 0; k < LOOKS; k++)
        c->low[c->layers][k] = c->median[c->layers][k] = c->high[c->layers][k] = (double)NAN;
    c->layer[c->layers] = layer;
    return c->layers++;
}

static void take_cells(struct curve *c, const struct json *cells, int look)
{
    for (const struct json *j = cells ? cells->first : NULL; j; j = j->next) {
        double x[4] = {0};
        int n = 0;
        for (const struct json *k = j->first; k && n < 4; k = k->next)
            x[n++] = k->number;
        const int i = n == 4 ? layer_of(c, (int)x[0]) : -1;
        if (i >= 0)
            c->low[i][look] = x[1], c->median[i][look] = x[2], c->high[i][look] = x[3];
    }
}

static void take_sample(struct curve *c, int step, const struct json *text)
{
    if (!text || text->type != JSON_STRING)
        return;
    if (c->samples == SAMPLES) {
        free(c->sample[0].text);
        memmove(c->sample, c->sample + 1, (SAMPLES - 1) * sizeof *c->sample);
        c->samples--;
    }
    const size_t n = strlen(text->text) + 1;
    char *copy = malloc(n);
    if (copy) {
        memcpy(copy, text->text, n);
        c->sample[c->samples].step = step;
        c->sample[c->samples++].text = copy;
    }
}

/* Every second look goes, where there is no room for another. */
static void thin_out(struct curve *c)
{
    c->looks = LOOKS / 2;
    c->stride *= 2;
    for (int k = 0; k < c->looks; k++) {
        c->at[k] = c->at[2 * k], c->held_out[k] = c->held_out[2 * k], c->error[k] = c->error[2 * k];
        for (int i = 0; i < c->layers; i++)
            c->low[i][k] = c->low[i][2 * k], c->median[i][k] = c->median[i][2 * k], c->high[i][k] = c->high[i][2 * k];
    }
}

/* The place of another look: the last one's, if that stands there only because it was the last. */
static int next_look(struct curve *c)
{
    if (c->seen && (c->seen - 1) % c->stride)
        c->looks--;
    if (c->looks == LOOKS)
        thin_out(c);
    for (int i = 0; i < c->layers; i++)
        c->low[i][c->looks] = c->median[i][c->looks] = c->high[i][c->looks] = (double)NAN;
    c->seen++;
    return c->looks++;
}

/* A look's line. */
static void take_look(struct curve *c, const char *line, size_t n)
{
    char ignored[SWAX_WHY];
    struct json *root = json_parse(line, n, ignored);
    const struct json *loss = json_get(root, "held_out_loss"), *error = json_get(root, "held_out_error"),
                      *tokens = json_get(root, "tokens"), *step = json_get(root, "step");
    if (loss && error && tokens && step) {
        const int k = next_look(c);
        c->at[k] = tokens->number;
        c->held_out[k] = loss->number;
        c->error[k] = error->type == JSON_NUMBER ? error->number : (double)NAN;
        if (k == 0 || loss->number < c->best)
            c->best = loss->number, c->best_at = tokens->number;
        take_cells(c, json_get(root, "time_constants"), k);
        take_sample(c, (int)step->number, json_get(root, "sample"));
    }
    json_free(root);
}

static void take_line(struct curve *c, const char *line, size_t n, int steps)
{
    double x[COLUMNS], step;
    if (!number_in(line, "step", &step) || step < 1 || step > steps)
        return;
    for (int k = 0; k < COLUMNS; k++)
        if (!number_in(line, column_key[k], &x[k]))
            return;
    const int bin = (int)((step - 1) * BINS / steps);
    for (int k = 0; k < COLUMNS; k++)
        c->sum[k][bin] += x[k], c->last[k] = x[k];
    c->count[bin]++;
    c->steps = (int)step;
    if (strstr(line, "\"held_out_loss\":"))
        take_look(c, line, n);
}

static const char *read_curve(struct curve *c, const struct run_log *l, int steps, char *why)
{
    size_t size;
    char *text = run_log_read(l, &size, why);
    for (char *line = text, *end; text && (end = memchr(line, '\n', (size_t)(text + size - line))); line = end + 1) {
        *end = 0;
        take_line(c, line, (size_t)(end - line), steps);
    }
    free(text);
    return text ? NULL : why;
}

/* ---- plots */

struct range { double low, high; };

static void widen(struct range *g, const double *y, int n)
{
    for (int i = 0; i < n; i++)
        if (isfinite(y[i]))
            g->low = fmin(g->low, y[i]), g->high = fmax(g->high, y[i]);
}

/* A column against tokens; `beside`, if it has a label, is drawn too. */
static void plot(FILE *f, const struct curve *c, const char *title, const char *label, enum column k, const char *name,
                 const struct svg_series *beside, double tokens)
{
    double x[BINS], y[BINS];
    struct range g = {HUGE_VAL, -HUGE_VAL};
    int n = 0;
    for (int i = 0; i < BINS; i++)
        if (c->count[i] && isfinite(c->sum[k][i]))
            x[n] = c->sum[TOKENS][i] / c->count[i], y[n++] = c->sum[k][i] / c->count[i];
    struct svg_series series[2] = {{.label = name, .style = 2, .n = n, .x = x, .y = y, .plain = n > 30}};
    int shown = 1;
    widen(&g, y, n);
    if (beside->n) {
        series[0].style = 5;
        series[shown++] = *beside;
        widen(&g, beside->y, beside->n);
    }
    if (!n)
        return;
    fputs("<figure>\n", f);
    svg_lines(f, title, (struct svg_axis){"tokens seen in training", 0, tokens, 0, 0},
              svg_around(label, fmin(g.low, k == RATE || k == WINDOW || k == SPEED ? 0 : g.low), g.high, 0), series,
              shown, NULL, 0);
    fputs("</figure>\n", f);
}

static void cells_plot(FILE *f, const struct curve *c, const struct run *r, double tokens)
{
    static const char words[] = "How many tokens a head's forget gate keeps, layer by layer, measured in one held-out "
                                "sequence. The median head of the layer, bars from the head that forgets soonest to "
                                "the one that remembers longest.";
    char name[RUN_CELLS][64];
    struct svg_series series[RUN_CELLS];
    double low = HUGE_VAL, high = 1;
    for (int i = 0; i < c->layers; i++) {
        const int inside = c->layer[i] < r->model.layers;
        snprintf(name[i], sizeof name[i], "layer %d, %s", c->layer[i] + 1,
                 inside ? swax_layer_mixer(&r->model, c->layer[i])->name : "");
        series[i] = (struct svg_series){.label = name[i], .style = i, .n = c->looks, .x = c->at, .y = c->median[i],
                                        .low = c->low[i], .high = c->high[i], .plain = c->looks > 60};
        for (int k = 0; k < c->looks; k++)
            if (isfinite(c->low[i][k]))
                low = fmin(low, c->low[i][k]), high = fmax(high, c->high[i][k]);
    }
    if (!c->layers)
        return;
    const struct svg_axis y = {"tokens", exp2(floor(log2(fmax(low, 1e-3)))), exp2(ceil(log2(fmax(high, 2 * low)))), 1,
                               0};
    fputs("<figure>\n", f);
    svg_lines(f, "How long the cells remember", (struct svg_axis){"tokens seen in training", 0, tokens, 0, 0}, y,
              series, c->layers, NULL, 0);
    page_caption(f, words);
    fputs("</figure>\n", f);
}

/* ---- the page */

/* The last look and the best. */
static void say_held_out(FILE *f, const struct curve *c, const char *unit)
{
    const int last = c->looks - 1;
    char amount[32];
    number_amount(amount, c->best_at);
    fprintf(f, " Held-out loss <b>%.4f</b>", c->held_out[last]);
    if (isfinite(c->error[last]))
        fprintf(f, " &plusmn; %.4f", c->error[last]);
    fprintf(f, " nats a %s, %.4f bits; the lowest was %.4f, after %s tokens.", unit,
            c->held_out[last] / 0.6931471805599453, c->best, amount);
}

static void summary(FILE *f, const struct curve *c, const struct run *r, int step, enum run_page state)
{
    static const char *const words[] = {"training", "finished", "stopped", "diverged"};       /* enum run_page */
    const char *unit = run_unit(r);
    char when[32], amount[32];
    const time_t now = time(NULL);
    struct tm at;
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", gmtime_r(&now, &at) ? &at : &(struct tm){0});
    fputs("<h1>", f);
    svg_text(f, r->out);
    fprintf(f, "</h1>\n<p class=\"answer\"><b>Step %d of %d</b>, %s.", step, r->steps, words[state]);
    if (c->looks)
        say_held_out(f, c, unit);
    number_amount(amount, c->last[TOKENS]);
    fprintf(f, "</p>\n<p>%s tokens of ", amount);
    svg_text(f, r->source->name);
    number_amount(amount, c->last[SPEED]);
    fprintf(f, ", %s a second; %s on ", amount, swax_precision_name[r->precision]);
    svg_text(f, r->tier);
    fprintf(f, ". As of %s UTC%s</p>\n", when, state ? "." : "; the page asks for itself again every few seconds.");
}

static void write_page(FILE *f, const struct curve *c, const struct run *r, const char *config, int step,
                       enum run_page state)
{
    const double tokens = fmax(c->last[TOKENS], 1);
    const struct svg_series nothing = {.n = 0}, held_out = {.label = "held out",
                                                            .style = 0,
                                                            .n = c->looks,
                                                            .x = c->at,
                                                            .y = c->held_out,
                                                            .plain = c->looks > 60};
    page_open(f, "swax run", state ? 0 : SECONDS);
    summary(f, c, r, step, state);
    plot(f, c, "Loss", "nats", LOSS, "training", &held_out, tokens);
    cells_plot(f, c, r, tokens);
    if (c->samples) {
        page_heading(f, "What it writes");
        for (int i = c->samples - 1; i >= 0; i--) {
            fprintf(f, "<p class=\"note\">after step %d</p>\n<pre>", c->sample[i].step);
            svg_text(f, c->sample[i].text);
            fputs("</pre>\n", f);
        }
    }
    page_heading(f, "How it trains");
    plot(f, c, "Norm of the gradient", "before clipping", NORM, "gradient", &nothing, tokens);
    plot(f, c, "Learning rate", "rate", RATE, "rate", &nothing, tokens);
    plot(f, c, "Window", "keys that a token attends to", WINDOW,
         r->windows.short_window ? "mean of some steps" : "window", &nothing, tokens);
    plot(f, c, "Speed", "tokens a second", SPEED, "tokens a second", &nothing, tokens);
    fputs("<details><summary>All settings</summary><pre>", f);
    svg_text(f, config);
    fputs("</pre></details>\n", f);
    page_close(f);
}

const char *run_page_write(const struct run *r, const struct run_log *l, int step, enum run_page state, char *why)
{
    char path[RUN_TEXT + 64], *whole = NULL;
    size_t size;
    struct curve *c = calloc(1, sizeof *c);
    if (c)
        c->stride = 1;
    const char *wrong = c ? read_curve(c, l, r->steps, why) : say(why, "There is no memory for a page of the run.");
    run_path(path, r->out, "run.html");
    if (!wrong) {
        char *config = run_json(r, 0);
        FILE *f = config ? file_open_text(&whole, &size) : NULL;
        if (f)
            write_page(f, c, r, config, step, state);
        free(config);
        wrong = file_replace_text(path, f, &whole, why);
    }
    for (int i = 0; c && i < c->samples; i++)
        free(c->sample[i].text);
    free(c);
    return wrong;
}
