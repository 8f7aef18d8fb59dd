/* report.c - report.html: what an ablation found, for people.  One file, nothing from outside. */
#include "ablate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "say.h"
#include "svg.h"

struct page { FILE *f; const struct ablation *a; const struct outcome *r; };

static const char style[] =
    "body{font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;color:#111;background:#fff;max-width:66rem;margin:2rem auto;padding:0 1.2rem}"
    "h1{font-size:1.7rem;line-height:1.2;margin-bottom:.3rem}h2{font-size:1.2rem;margin:2.2rem 0 .4rem}p,li{max-width:46rem}"
    "table{border-collapse:collapse;margin:.8rem 0;font-size:.82rem}th,td{padding:.3rem .5rem;text-align:right;border-bottom:1px solid #ddd;vertical-align:top}"
    "th{border-bottom:2px solid #333;font-weight:600}th:first-child,td:first-child,td.t,th.t{text-align:left}td small{color:#555;white-space:nowrap;font-size:.72rem}th small{font-weight:400}"
    "svg{width:100%;height:auto;max-width:52rem;display:block;margin:.6rem 0}code{background:#f3f3f3;padding:.1rem .3rem;border-radius:3px;font-size:.88em}"
    "pre{background:#f3f3f3;padding:.7rem .9rem;overflow-x:auto;font-size:.82rem}.yes,.no,.undecided{font-weight:700;white-space:nowrap}"
    ".yes::before{content:'\\2713\\00a0'}.no::before{content:'\\2717\\00a0'}.undecided::before{content:'?\\00a0'}.undecided{font-weight:400}"
    ".wide{overflow-x:auto}figcaption,.note{color:#444;font-size:.86rem;max-width:46rem}figure{margin:1rem 0 1.6rem}@media print{body{margin:0;max-width:none}figure{break-inside:avoid}}";

static void text(const struct page *p, const char *s) { svg_text(p->f, s); }

/* ---- numbers of an arm over its seeds */

static int finished(const struct page *p, int arm)
{
    int n = 0;
    for (int s = 0; s < p->a->seeds; s++)
        n += p->r[arm * p->a->seeds + s].done;
    return n;
}

static int finished_in_all(const struct page *p)
{
    int n = 0;
    for (int i = 0; i < p->a->arms; i++)
        n += finished(p, i);
    return n;
}

static double value_loss_at(const struct outcome *r, int part) { return r->part[part]; }
static double value_whole(const struct outcome *r, int unused) { (void)unused; return r->whole; }
static double value_cut(const struct outcome *r, int unused) { (void)unused; return r->span_cut; }
static double value_block(const struct outcome *r, int unused) { (void)unused; return r->relay_block; }
static double value_curve_recall(const struct outcome *r, int i) { return i < r->points ? r->curve[i].recall : (double)NAN; }
static double value_curve_copy(const struct outcome *r, int i) { return i < r->points ? r->curve[i].copy : (double)NAN; }
static double value_seconds(const struct outcome *r, int unused) { (void)unused; return r->seconds; }

static void cell(const struct page *p, int arm, outcome_value value, int index, const char *format)
{
    const struct spread s = spread_of(p->a, p->r, arm, value, index);
    fputs("<td>", p->f);
    if (s.n)
        fprintf(p->f, format, s.median);
    fputs(s.n > 1 ? "<br><small>" : s.n ? "" : "&ndash;", p->f);
    if (s.n > 1) {
        fprintf(p->f, format, s.low);
        fputs("&ndash;", p->f);
        fprintf(p->f, format, s.high);
        fputs("</small>", p->f);
    }
    fputs("</td>", p->f);
}

/* ---- plots: one series per arm that has a finished run */

struct plot { struct svg_series series[ABLATE_ARMS]; double x[ABLATE_ARMS][64], y[ABLATE_ARMS][64], low[ABLATE_ARMS][64], high[ABLATE_ARMS][64]; int n; };

/* The arm's next series of `points` values. */
static void add_arm(struct plot *q, const struct page *p, int arm, int points, const double *x, outcome_value value)
{
    int spreads = 0, k = q->n++;
    for (int i = 0; i < points; i++) {
        const struct spread s = spread_of(p->a, p->r, arm, value, i);
        q->x[k][i] = x[i], q->y[k][i] = s.median, q->low[k][i] = s.low, q->high[k][i] = s.high;
        spreads |= s.n > 1;
    }
    q->series[k] = (struct svg_series){p->a->arm[arm]->what, arm, points, q->x[k], q->y[k], spreads ? q->low[k] : NULL, spreads ? q->high[k] : NULL};
}

/* What guessing gives, as a last word under a plot. */
static void chance(const struct page *p, const char *what, const char *symbols)
{
    fprintf(p->f, "<figcaption>Guessing among the %s gets %.0f %%.</figcaption>\n", what, 100.0 / ablation_source_value(&p->a->run[0], symbols));
}

static void caption(const struct page *p, const char *words)
{
    fputs("<figcaption>", p->f);
    text(p, words);
    fputs("</figcaption>", p->f);
}

static void distance_plot(const struct page *p, struct plot *q)
{
    const struct ablation *a = p->a;
    double x[ABLATE_BINS];
    for (int b = 0; b < a->in_text; b++)
        x[b] = sqrt((double)a->bin[b].from * a->bin[b].to);
    q->n = 0;
    for (int i = 0; i < a->arms; i++)
        if (finished(p, i))
            add_arm(q, p, i, a->in_text, x, value_recall);
    const struct svg_mark marks[] = {{a->short_window, "short"}, {a->long_window, "long window"}, {a->reach, "reach"}, {a->length, "training length"}};
    const struct svg_axis ax = {"distance of the fact, in tokens", a->bin[0].from, a->bin[a->in_text - 1].to, 1, 0}, ay = {"facts recalled", 0, 1, 0, 1};
    fputs("<figure>\n", p->f);
    svg_lines(p->f, "Recall against distance", ax, ay, q->series, q->n, marks, 4);
    caption(p, "Each fact is said once and asked once. Median over seeds, bars from the lowest to the highest seed. Beyond \"reach\" no stack of "
               "windows can see the fact: what is recalled there went through the recurrent cells. Beyond the training length the sequences are longer "
               "than any that was trained on. Every network is tested at its long window, those of fixed windows at their own.");
    chance(p, "values of a key", "values");
    fputs("</figure>\n", p->f);
}

static void curve_plot(const struct page *p, struct plot *q, const char *title, const char *label, outcome_value value, const char *words,
                       const char *among, const char *symbols)
{
    const struct ablation *a = p->a;
    double x[ABLATE_POINTS] = {0};
    int points = 0;
    for (int k = 0; k < a->arms * a->seeds; k++)
        for (; points < p->r[k].points; points++)
            x[points] = p->r[k].curve[points].tokens;
    q->n = 0;
    for (int i = 0; i < a->arms; i++)
        if (finished(p, i))
            add_arm(q, p, i, points, x, value);
    const struct svg_axis ax = {"tokens seen in training", 0, points ? x[points - 1] : 1, 0, 0}, ay = {label, 0, 1, 0, 1};
    fputs("<figure>\n", p->f);
    svg_lines(p->f, title, ax, ay, q->series, q->n, NULL, 0);
    caption(p, words);
    chance(p, among, symbols);
    fputs("</figure>\n", p->f);
}

static void trade_plot(const struct page *p, struct plot *q)
{
    const struct ablation *a = p->a;
    const double nothing[1] = {0};
    q->n = 0;
    for (int i = 0; i < a->arms; i++) {
        if (!finished(p, i))
            continue;
        const int k = q->n;
        int n = 0;
        add_arm(q, p, i, 1, nothing, value_copy);
        for (int s = 0; s < a->seeds && n < 64; s++)
            if (p->r[i * a->seeds + s].done) {
                q->x[k][n] = p->r[i * a->seeds + s].copy;
                q->y[k][n++] = p->r[i * a->seeds + s].recall[a->beyond];
            }
        q->series[k] = (struct svg_series){a->arm[i]->what, i, n, q->x[k], q->y[k], NULL, NULL};
    }
    const struct svg_axis ax = {"copied symbols that are right (short context)", 0, 1, 0, 1}, ay = {"recall beyond reach (long memory)", 0, 1, 0, 1};
    fputs("<figure>\n", p->f);
    svg_points(p->f, "What a window costs and what it gives", ax, ay, q->series, q->n);
    caption(p, "One marker per seed. Right: copies inside the long window succeed. Up: facts beyond the reach of all windows are remembered. "
               "The paper's claim is that a fixed window gets one or the other, and stochastic windows get both.");
    fputs("</figure>\n", p->f);
}

static void position_plot(const struct page *p, struct plot *q)
{
    double x[MEASURE_PARTS], low = HUGE_VAL, high = 0;
    for (int k = 0; k < MEASURE_PARTS; k++)
        x[k] = (k + 0.5) * p->a->length / MEASURE_PARTS;
    q->n = 0;
    for (int i = 0; i < p->a->arms; i++) {
        if (!finished(p, i))
            continue;
        add_arm(q, p, i, MEASURE_PARTS, x, value_loss_at);
        for (int k = 0; k < MEASURE_PARTS; k++) {
            low = fmin(low, q->y[q->n - 1][k]);
            high = fmax(high, q->y[q->n - 1][k]);
        }
    }
    const struct svg_axis ax = {"position in the sequence", 0, p->a->length, 0, 0}, ay = {"loss, nats per token", floor(low * 5) / 5, ceil(high * 5) / 5, 0, 0};
    if (!(ay.to > ay.from))
        return;
    fputs("<figure>\n", p->f);
    svg_lines(p->f, "Loss by position", ax, ay, q->series, q->n, NULL, 0);
    caption(p, "Held-out sequences, every token counted the same.");
    fputs("</figure>\n", p->f);
}

static void grid_plot(const struct page *p, const char *title, outcome_value value, const char *words)
{
    const struct ablation *a = p->a;
    const char *row[ABLATE_ARMS], *column[ABLATE_WINDOWS];
    char name[ABLATE_WINDOWS][24];
    double v[ABLATE_ARMS * ABLATE_WINDOWS];
    unsigned char own[ABLATE_ARMS * ABLATE_WINDOWS] = {0};
    int rows = 0;
    for (int w = 0; w < a->windows; w++) {
        snprintf(name[w], sizeof name[w], a->window[w] >= a->length ? "full" : "%d", a->window[w]);
        column[w] = name[w];
    }
    for (int i = 0; i < a->arms; i++) {
        if (!finished(p, i) || !ablation_reach(&a->run[i]))
            continue;
        for (int w = 0; w < a->windows; w++) {
            v[rows * a->windows + w] = spread_of(a, p->r, i, value, w).median;
            own[rows * a->windows + w] = a->window[w] == a->test_window[i];
        }
        row[rows++] = a->arm[i]->what;
    }
    if (!rows)
        return;
    fputs("<figure>\n", p->f);
    svg_heat(p->f, title, "trained with", "window in the test", row, rows, column, a->windows, v, own);
    caption(p, words);
    fputs("</figure>\n", p->f);
}

/* ---- sections */

static void head(const struct page *p)
{
    const struct run *r = &p->a->run[0];
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<title>swax ablation: ", p->f);
    text(p, p->a->preset->name);
    fprintf(p->f, "</title>\n<style>%s</style></head><body>\n", style);
    fputs("<h1>Do short attention windows teach a recurrent network to remember?</h1>\n<p>An ablation of SWAX (arXiv 2509.24552), preset <code>", p->f);
    text(p, p->a->preset->name);
    fprintf(p->f, "</code>: %d arms, %d seed%s, %d of %d runs finished. ", p->a->arms, p->a->seeds, p->a->seeds == 1 ? "" : "s", finished_in_all(p),
            p->a->arms * p->a->seeds);
    fprintf(p->f, "All arms see the same sequences in the same order (%.3g million tokens each, in sequences of %d) and start from the same random "
                  "numbers; they differ in nothing but their windows and mixers.</p>\n", (double)r->steps * r->batch * r->length / 1e6, r->length);
    if (!p->a->preset->claims)
        fputs("<p><strong>This preset exercises the machinery and claims nothing: its networks are too small and too briefly trained.</strong></p>\n", p->f);
    else if (p->a->seeds < 3)
        fprintf(p->f, "<p>%s: whether memory locks in varies between seeds, so a claim wants at least five "
                      "(<code>swax ablate %s seeds=5</code> goes on from here).</p>\n", p->a->seeds == 1 ? "One seed is one draw" : "Two seeds are two draws", p->a->preset->name);
}

static void verdict_section(const struct page *p)
{
    struct verdict v[ABLATE_VERDICTS];
    verdicts(v, p->a, p->r);
    fputs("<h2>The paper's claims</h2>\n<div class=\"wide\"><table><tr><th>claim</th><th>holds</th><th class=\"t\">measured here</th><th class=\"t\">the paper</th></tr>\n", p->f);
    for (int c = 0; c < ABLATE_VERDICTS; c++) {
        fputs("<tr><td>", p->f);
        text(p, v[c].claim);
        fprintf(p->f, "</td><td class=\"t\"><span class=\"%s\">%s</span></td><td class=\"t\">", v[c].holds, v[c].holds);
        text(p, v[c].measured);
        fputs("</td><td class=\"t\">", p->f);
        text(p, v[c].paper);
        fputs("</td></tr>\n", p->f);
    }
    fputs("</table></div>\n<p class=\"note\">Each verdict is computed by a rule in <code>tools/verdicts.c</code>, seed by seed: yes if it holds for at least 4 in 5 of the "
          "seeds that have a say, no if for at most 1 in 5. The paper's numbers are at 1.4 billion parameters and 150 billion tokens, windows 128 and 2048, and are "
          "taken from its abstract and from summaries by others; only directions can be compared.</p>\n", p->f);
}

static void result_table(const struct page *p)
{
    const struct ablation *a = p->a;
    fputs("<h2>Results</h2>\n<div class=\"wide\"><table><tr><th>arm</th><th>seeds</th><th>locked in</th>", p->f);
    for (int b = 0; b < a->bins; b++) {
        const char *comma = strchr(a->bin[b].name, ',');
        fputs("<th>", p->f);
        fprintf(p->f, "%.*s<br><small>%s</small></th>", (int)(comma - a->bin[b].name), a->bin[b].name, comma + 2);
    }
    fputs("<th>copies</th><th>loss</th><th>seconds</th></tr>\n", p->f);
    for (int i = 0; i < a->arms; i++) {
        int locked = 0;
        for (int s = 0; s < a->seeds; s++)
            locked += p->r[i * a->seeds + s].done && p->r[i * a->seeds + s].recall[a->beyond] >= ABLATE_LOCKED;
        fputs("<tr><td><b>", p->f);
        text(p, a->arm[i]->name);
        fputs("</b><br>", p->f);
        text(p, a->arm[i]->what);
        fprintf(p->f, "</td><td>%d</td><td>%d / %d</td>", finished(p, i), locked, finished(p, i));
        for (int b = 0; b < a->bins; b++)
            cell(p, i, value_recall, b, "%.2f");
        cell(p, i, value_copy, 0, "%.2f");
        cell(p, i, value_loss, 0, "%.3f");
        cell(p, i, value_seconds, 0, "%.0f");
        fputs("</tr>\n", p->f);
    }
    fprintf(p->f, "</table></div>\n<p class=\"note\">Median over seeds, and the range. Recall is the share of facts whose value is the most likely token; by distance in "
                  "tokens. A seed has locked in if it recalls at least %.0f %% beyond reach. \"In running text\" counts values in sequences like those of training, "
                  "last said further back than the arm's own windows reach: most of those had been said several times before.</p>\n", 100 * ABLATE_LOCKED);
}

static void probe_section(const struct page *p)
{
    fputs("<h2>Which path carries the answer</h2>\n<div class=\"wide\"><table><tr><th>arm</th><th>whole network</th><th>cells cut</th><th>attention cut</th></tr>\n", p->f);
    for (int i = 0; i < p->a->arms; i++) {
        if (!finished(p, i))
            continue;
        fputs("<tr><td>", p->f);
        text(p, p->a->arm[i]->what);
        fputs("</td>", p->f);
        cell(p, i, value_whole, 0, "%.2f");
        cell(p, i, value_cut, 0, "%.2f");
        cell(p, i, value_block, 0, "%.2f");
        fputs("</tr>\n", p->f);
    }
    fputs("</table></div>\n<p class=\"note\">All facts at the start, asked beyond the reach of any stack of windows. Cells cut: after the facts every cell starts from zero at every "
          "token, so nothing but attention could carry them. Attention cut: after the facts attention does not see them, so the cells' states must carry them.</p>\n", p->f);
}

static void inside_section(const struct page *p)
{
    fputs("<h2>Inside the networks</h2>\n<p class=\"note\">First finished seed of each arm, one sequence. Attention: per cent of a layer's mass on keys 0, 1, 2-3, 4-7, ... "
          "tokens back. Cells: time constants of the forget gates, in tokens, one per head.</p>\n<div class=\"wide\"><table><tr><th>arm</th><th>layer</th><th class=\"t\">values</th></tr>\n", p->f);
    for (int i = 0; i < p->a->arms; i++) {
        const struct outcome *r = &p->r[i * p->a->seeds];
        for (int s = 0; s < p->a->seeds && !r->done; s++)
            r++;
        for (int l = 0; finished(p, i) && l < r->layers; l++) {
            fputs("<tr><td>", p->f);
            text(p, l ? "" : p->a->arm[i]->what);
            fprintf(p->f, "</td><td>%d %s</td><td class=\"t\">", l, r->layer[l].is_cell ? "cell" : "attention");
            int last = MEASURE_DISTANCES;
            while (last > 0 && !(r->layer[l].value[last - 1] > 0))
                last--;
            for (int k = 0; k < last; k++)
                fprintf(p->f, r->layer[l].is_cell ? "%s%.4g" : "%s%.0f %%", k ? " &nbsp; " : "", r->layer[l].is_cell ? r->layer[l].value[k] : 100 * r->layer[l].value[k]);
            fputs("</td></tr>\n", p->f);
        }
    }
    fputs("</table></div>\n", p->f);
}

static void settings_section(const struct page *p, const char *command)
{
    char *config = run_json(&p->a->run[0], 1);
    fputs("<h2>How this was made</h2>\n<pre>", p->f);
    text(p, command);
    fputs("</pre>\n", p->f);
    if (p->a->preset->tuned) {
        fputs("<p><b>What was tuned before.</b> ", p->f);
        text(p, p->a->preset->tuned);
        fputs("</p>\n", p->f);
    }
    fputs("<p>What the arms have in common is below, as the first arm has it. They differ in:</p>\n<div class=\"wide\"><table><tr><th>arm</th><th class=\"t\">settings</th></tr>\n", p->f);
    for (int i = 0; i < p->a->arms; i++) {
        fputs("<tr><td>", p->f);
        text(p, p->a->arm[i]->name);
        fputs("</td><td class=\"t\"><code>", p->f);
        text(p, *p->a->arm[i]->settings ? p->a->arm[i]->settings : "nothing");
        fputs("</code></td></tr>\n", p->f);
    }
    fputs("</table></div>\n<details><summary>All settings of the first arm</summary><pre>", p->f);
    text(p, config ? config : "");
    fputs("</pre></details>\n</body></html>\n", p->f);
    free(config);
}

static void write_page(const struct page *p, struct plot *q, const char *command)
{
    head(p);
    verdict_section(p);
    if (finished_in_all(p)) {
        fputs("<h2>Memory</h2>\n", p->f);
        distance_plot(p, q);
        curve_plot(p, q, "Recall beyond reach, while training", "facts recalled", value_curve_recall,
                   "Facts said once and asked once, further back than any stack of windows reaches.", "values of a key", "values");
        fputs("<h2>Short context</h2>\n", p->f);
        if (ablation_source_value(&p->a->run[0], "copies")) {
            trade_plot(p, q);
            curve_plot(p, q, "Copying inside the long window, while training", "copied symbols", value_curve_copy,
                       "Random symbols repeated a known distance later, inside the long window and beyond the short one.", "symbols", "copy_symbols");
        }
        position_plot(p, q);
        fputs("<h2>Other windows in the test</h2>\n", p->f);
        grid_plot(p, "Recall beyond reach", value_grid, "Median over seeds. Framed: the window that the arm is tested with elsewhere.");
        if (ablation_source_value(&p->a->run[0], "copies"))
            grid_plot(p, "Copies", value_grid_copy, "The same for copied symbols.");
    }
    result_table(p);
    if (finished_in_all(p)) {
        probe_section(p);
        inside_section(p);
    }
    settings_section(p, command);
}

const char *report_write(const struct ablation *a, const struct outcome *r, const char *command, char *why)
{
    char path[RUN_TEXT + 64], *whole = NULL;
    size_t size = 0;
    struct page p = {open_memstream(&whole, &size), a, r};
    struct plot *q = calloc(1, sizeof *q);
    snprintf(path, sizeof path, "%s/report.html", a->out);
    if (p.f && q)
        write_page(&p, q, command);
    const int good = p.f && q && !fclose(p.f);
    const char *wrong = good ? file_replace(path, whole, size, why) : say(why, "There is no memory to write %s.", path);
    free(whole);
    free(q);
    return wrong;
}
