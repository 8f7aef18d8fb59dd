/* report_plots.c - the pictures of an ablation's page. */
#include "tools/ablate/report.h"

#include <math.h>
#include <string.h>

#include "tools/lib/svg.h"

static double value_loss_at(const struct outcome *r, int part) { return r->part[part]; }
static double value_curve_recall(const struct outcome *r, int i) { return i < r->points ? r->curve[i].recall : (double)NAN; }
static double value_curve_copy(const struct outcome *r, int i) { return i < r->points ? r->curve[i].copy : (double)NAN; }

/* One series per arm that has a finished run. */
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
    svg_text(p->f, words);
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
        if (page_finished(p, i))
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
        if (page_finished(p, i))
            add_arm(q, p, i, points, x, value);
    const struct svg_axis ax = {"tokens seen in training", 0, points ? x[points - 1] : 1, 0, 0}, ay = {label, 0, 1, 0, 1};
    fputs("<figure>\n", p->f);
    svg_lines(p->f, title, ax, ay, q->series, q->n, NULL, 0);
    caption(p, words);
    chance(p, among, symbols);
    fputs("</figure>\n", p->f);
}

/* The hybrids of fixed windows: what each was trained and is tested with. */
static void window_plot(const struct page *p, struct plot *q)
{
    const struct ablation *a = p->a;
    int first = -1, n = 0;
    for (int i = 0; i < a->arms && first < 0; i++)
        first = a->arm[i]->role == ABLATE_SHORT ? i : -1;
    for (int i = 0; i < a->arms && first >= 0; i++) {
        const struct run *r = &a->run[i];
        if (!page_finished(p, i) || r->windows.short_window || memcmp(r->model.mixer, a->run[first].model.mixer, sizeof r->model.mixer))
            continue;
        const struct spread s[2] = {spread_of(a, p->r, i, value_recall, a->beyond), spread_of(a, p->r, i, value_copy, 0)};
        for (int k = 0; k < 2; k++)
            q->x[k][n] = r->windows.window, q->y[k][n] = s[k].median, q->low[k][n] = s[k].low, q->high[k][n] = s[k].high;
        n++;
    }
    if (n < 3)
        return;
    q->series[0] = (struct svg_series){"recall beyond reach (memory)", 0, n, q->x[0], q->y[0], q->low[0], q->high[0]};
    q->series[1] = (struct svg_series){"copies (short context)", 1, n, q->x[1], q->y[1], q->low[1], q->high[1]};
    const struct svg_axis ax = {"window, in training and test", q->x[0][0], q->x[0][n - 1], 1, 0}, ay = {"right answers", 0, 1, 0, 1};
    fputs("<figure>\n", p->f);
    svg_lines(p->f, "Memory and short context against the window", ax, ay, q->series, 2, NULL, 0);
    caption(p, "Hybrids that were trained with one window throughout. Median over seeds, bars from the lowest to the highest seed.");
    fputs("</figure>\n", p->f);
}

static void trade_plot(const struct page *p, struct plot *q)
{
    const struct ablation *a = p->a;
    const double nothing[1] = {0};
    q->n = 0;
    for (int i = 0; i < a->arms; i++) {
        if (!page_finished(p, i))
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
        if (!page_finished(p, i))
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
        if (!page_finished(p, i) || !ablation_reach(&a->run[i]))
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

void page_plots(const struct page *p)
{
    static struct plot q;
    const int copies = ablation_source_value(&p->a->run[0], "copies");
    fputs("<h2>Memory</h2>\n", p->f);
    distance_plot(p, &q);
    curve_plot(p, &q, "Recall beyond reach, while training", "facts recalled", value_curve_recall,
               "Facts said once and asked once, further back than any stack of windows reaches.", "values of a key", "values");
    fputs("<h2>Short context</h2>\n", p->f);
    if (copies) {
        window_plot(p, &q);
        trade_plot(p, &q);
        curve_plot(p, &q, "Copying inside the long window, while training", "copied symbols", value_curve_copy,
                   "Random symbols repeated a known distance later, inside the long window and beyond the short one.", "symbols", "copy_symbols");
    }
    position_plot(p, &q);
    fputs("<h2>Other windows in the test</h2>\n", p->f);
    grid_plot(p, "Recall beyond reach", value_grid, "Median over seeds. Framed: the window that the arm is tested with elsewhere.");
    if (copies)
        grid_plot(p, "Copies", value_grid_copy, "The same for copied symbols.");
}
