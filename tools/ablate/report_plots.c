/* report_plots.c - the pictures of an ablation's page. */
#include "tools/ablate/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lib/page.h"
#include "tools/lib/svg.h"

static double value_loss_at(const struct outcome *r, int part) { return r->part[part]; }

/* A curve's numbers are asked for by their step. */
static const struct ablate_point *point_at(const struct outcome *r, int step)
{
    static const struct ablate_point none = {0, (double)NAN, (double)NAN, (double)NAN, (double)NAN, (double)NAN};
    int i = 0;
    while (i < r->points && r->curve[i].step != step)
        i++;
    return i < r->points ? &r->curve[i] : &none;
}

static double value_curve_memory(const struct outcome *r, int step) { return point_at(r, step)->memory; }
static double value_curve_near(const struct outcome *r, int step) { return point_at(r, step)->near; }
static double value_curve_loss(const struct outcome *r, int step) { return point_at(r, step)->loss; }
static double value_curve_cells(const struct outcome *r, int step) { return point_at(r, step)->cells; }

/* One series per arm that has a finished run. */
struct plot {
    struct svg_series series[ABLATE_ARMS];
    double x[ABLATE_ARMS][ABLATE_POINTS], y[ABLATE_ARMS][ABLATE_POINTS], low[ABLATE_ARMS][ABLATE_POINTS],
        high[ABLATE_ARMS][ABLATE_POINTS];
    int n;
};

/* The arm's next series: point i is value(index[i]), or value(i) without an index. */
static void add_arm(struct plot *q, const struct page *p, int arm, int points, const double *x, outcome_value value,
                    const int *index)
{
    int spreads = 0, k = q->n++;
    for (int i = 0; i < points; i++) {
        const struct spread s = spread_of(p->a, p->r, arm, value, index ? index[i] : i);
        q->x[k][i] = x[i], q->y[k][i] = s.median, q->low[k][i] = s.low, q->high[k][i] = s.high;
        spreads |= s.n > 1;
    }
    q->series[k] = (struct svg_series){.label = p->a->arm[arm].what, .style = arm, .n = points, .x = q->x[k],
                                       .y = q->y[k],
                                          .low = spreads ? q->low[k] : NULL, .high = spreads ? q->high[k] : NULL};
}

static double top_of(const struct plot *q)
{
    double top = 0;
    for (int k = 0; k < q->n; k++)
        for (int i = 0; i < q->series[k].n; i++)
            top = isfinite(q->y[k][i]) ? fmax(top, q->high[k][i] > q->y[k][i] ? q->high[k][i] : q->y[k][i]) : top;
    return top;
}

static double bottom_of(const struct plot *q)
{
    double bottom = HUGE_VAL;
    for (int k = 0; k < q->n; k++)
        for (int i = 0; i < q->series[k].n; i++)
            bottom =
                isfinite(q->y[k][i]) ? fmin(bottom, q->low[k][i] < q->y[k][i] ? q->low[k][i] : q->y[k][i]) : bottom;
    return bottom;
}

static int shows_something(const struct plot *q)
{
    for (int k = 0; k < q->n; k++)
        for (int i = 0; i < q->series[k].n; i++)
            if (isfinite(q->y[k][i]))
                return 1;
    return 0;
}

/* Is its answer a share, between 0 and 1? */
static int is_share(const struct ablation *a, int question)
{
    return a->ask[question].what == MEASURE_RIGHT || a->ask[question].what == MEASURE_FOUND;
}

/* From none to all. */
static struct svg_axis shares(const char *label)
{
    return (struct svg_axis){.label = label,
                             .to = 1,
                             .percent = 1};
}

/* All questions of a group against how far back they ask. */
static void distance_plot(const struct page *p, enum ablate_group group, const char *title, const char *label,
                          const char *words, int from_zero)
{
    static struct plot q;
    const struct ablation *a = p->a;
    double x[ABLATE_POINTS];
    int index[ABLATE_POINTS], n = 0;
    for (int i = 0; i < a->questions && n < ABLATE_POINTS; i++)
        if (a->ask[i].group == group && a->ask[i].from > 0) {
            x[n] = sqrt((double)a->ask[i].from * fmin(a->ask[i].to, 2.0 * a->ask[i].from));
            if (group == ABLATE_FACTS)
                x[n] = sqrt((double)a->ask[i].from * a->ask[i].to);
            index[n++] = i;
        }
    q.n = 0;
    for (int i = 0; i < a->arms && n; i++)
        if (page_finished(p, i))
            add_arm(&q, p, i, n, x, value_answer, index);
    if (n < 1 || !shows_something(&q))
        return;
    const struct svg_mark marks[] = {{a->short_window, "short window"},
                                     {a->long_window, "long window"},
                                     {a->reach, "reach"},
                                     {a->length, "training length"}};
    const int percent = group != ABLATE_GAIN;
    const struct svg_axis ax = {"distance, in tokens", a->ask[index[0]].from,
                                group == ABLATE_FACTS ? a->ask[index[n - 1]].to : 2.0 * a->ask[index[n - 1]].from, 1,
                                0};
    const struct svg_axis ay = from_zero && percent
                                 ? shares(label)
                                 : svg_around(label, from_zero ? 0 : bottom_of(&q), top_of(&q), percent);
    fputs("<figure>\n", p->f);
    svg_lines(p->f, title, ax, ay, q.series, q.n, marks, 4);
    page_caption(p->f, words);
    fputs("</figure>\n", p->f);
}

/* The steps at which every finished seed of the arm has a number, or none has: a median of some of them would be of
 * others at the next step.  *left_out is set where one has a number and another has none. */
static int common_points(const struct page *p, int arm, outcome_value value, int step[ABLATE_POINTS],
                         double tokens[ABLATE_POINTS], int *left_out)
{
    const struct outcome *r = &p->r[arm * p->a->seeds];
    const int finished = page_finished(p, arm);
    int n = 0;
    for (int s = 0; s < p->a->seeds; s++)
        for (int i = 0; i < r[s].points && r[s].done; i++) {
            const int here = r[s].curve[i].step, with = spread_of(p->a, p->r, arm, value, here).n;
            int before = 0;
            while (before < n && step[before] != here)
                before++;
            *left_out |= with && with < finished;
            if (before == n && (with == finished || !with))            /* a gap, where none has one */
                step[n] = here, tokens[n++] = r[s].curve[i].tokens;
        }
    return n;
}

static void curve_plot(const struct page *p, const char *title, const char *label, outcome_value value, int percent,
                       const char *words)
{
    static struct plot q;
    const struct ablation *a = p->a;
    double last = 0;
    char caption[600];
    int left_out = 0;
    q.n = 0;
    for (int i = 0; i < a->arms; i++) {
        double x[ABLATE_POINTS];
        int step[ABLATE_POINTS];
        const int points = common_points(p, i, value, step, x, &left_out);
        if (!points)
            continue;
        add_arm(&q, p, i, points, x, value, step);
        for (int k = 0; k < points; k++)
            last = fmax(last, x[k]);
    }
    if (!shows_something(&q))
        return;
    const struct svg_axis ax = {"tokens seen in training", 0, last, 0, 0};
    const struct svg_axis ay =
        percent ? shares(label) : svg_around(label, bottom_of(&q), top_of(&q), 0);
    fputs("<figure>\n", p->f);
    svg_lines(p->f, title, ax, ay, q.series, q.n, NULL, 0);
    snprintf(caption, sizeof caption, "%s%s", words,
             left_out ? " Left out are points that some seeds have and others do not, as where finished runs were "
                        "asked other questions since." : "");
    page_caption(p->f, caption);
    fputs("</figure>\n", p->f);
}

/* Do two runs differ in the window and in nothing else? */
static int is_same_but_window(const struct run *a, const struct run *b)
{
    struct run moved = *b;
    moved.windows.window = a->windows.window;
    char *x = run_json(a, 1), *y = run_json(&moved, 1);
    const int same = x && y && !strcmp(x, y) && !strcmp(a->from, b->from);
    free(x);
    free(y);
    return same;
}

/* One more arm among *n, which stand by their windows; one of each. */
static void put_by_window(int *arm, int *n, const struct ablation *a, int more)
{
    int at = *n;
    while (at && a->run[arm[at - 1]].windows.window > a->run[more].windows.window)
        at--;
    if (at && a->run[arm[at - 1]].windows.window == a->run[more].windows.window)
        return;
    memmove(arm + at + 1, arm + at, (size_t)(*n - at) * sizeof *arm);
    arm[at] = more;
    ++*n;
}

/* The hybrids of fixed windows: what each was trained and is tested with. */
static void window_plot(const struct page *p)
{
    static struct plot q;
    const struct ablation *a = p->a;
    const int first = ablation_role(a, "short"), of[2] = {a->memory, a->near};
    int n = 0, arm[ABLATE_ARMS];
    if (first < 0 || a->memory < 0 || a->near < 0 || !is_share(a, a->memory) || !is_share(a, a->near))
        return;
    for (int i = 0; i < a->arms; i++)
        if (page_finished(p, i) && !a->run[i].windows.short_window && is_same_but_window(&a->run[first], &a->run[i]))
            put_by_window(arm, &n, a, i);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 2; k++) {
            const struct spread s = spread_of(a, p->r, arm[i], value_answer, of[k]);
            q.x[k][i] = a->run[arm[i]].windows.window, q.y[k][i] = s.median, q.low[k][i] = s.low, q.high[k][i] = s.high;
        }
    if (n < 3)
        return;
    q.series[0] = (struct svg_series){.label = a->ask[of[0]].label, .style = 0, .n = n, .x = q.x[0], .y = q.y[0],
                                       .low = q.low[0], .high = q.high[0]};
    q.series[1] = (struct svg_series){.label = a->ask[of[1]].label, .style = 1, .n = n, .x = q.x[1], .y = q.y[1],
                                       .low = q.low[1], .high = q.high[1]};
    const struct svg_axis ax = {"window, in training and test", q.x[0][0], q.x[0][n - 1], 1, 0},
                          ay = shares("right answers");
    fputs("<figure>\n", p->f);
    svg_lines(p->f, "Memory and short context against the window", ax, ay, q.series, 2, NULL, 0);
    page_caption(p->f, "Arms that differ in their window and in nothing else, trained with it throughout. Median over "
                       "seeds, bars from the lowest to the highest seed.");
    fputs("</figure>\n", p->f);
}

static void trade_plot(const struct page *p)
{
    static struct plot q;
    const struct ablation *a = p->a;
    double left = HUGE_VAL, right = 0;
    if (a->memory < 0 || a->near < 0)
        return;
    q.n = 0;
    for (int i = 0; i < a->arms; i++) {
        const int k = q.n;
        int n = 0;
        for (int s = 0; s < a->seeds; s++) {
            const struct outcome *r = &p->r[i * a->seeds + s];
            if (!r->done || !isfinite(r->answer[a->near].value) || !isfinite(r->answer[a->memory].value))
                continue;
            q.x[k][n] = r->answer[a->near].value;
            q.y[k][n] = q.low[k][n] = q.high[k][n] = r->answer[a->memory].value;
            left = fmin(left, q.x[k][n]), right = fmax(right, q.x[k][n]);
            n++;
        }
        if (n)
            q.series[q.n++] =
                (struct svg_series){.label = a->arm[i].what, .style = i, .n = n, .x = q.x[k], .y = q.y[k]};
    }
    if (!q.n)
        return;
    const struct svg_axis ax = svg_around(a->ask[a->near].label, left, right, is_share(a, a->near));
    const struct svg_axis ay =
        svg_around(a->ask[a->memory].label, bottom_of(&q), top_of(&q), is_share(a, a->memory));
    fputs("<figure>\n", p->f);
    svg_points(p->f, "What a window costs and what it gives", ax, ay, q.series, q.n);
    page_caption(p->f, "One marker per seed. Right: short context. Up: long memory. The paper's claim is that a fixed "
                       "window gets one or the other, and stochastic windows get both.");
    fputs("</figure>\n", p->f);
}

static void position_plot(const struct page *p)
{
    static struct plot q;
    double x[MEASURE_PARTS];
    for (int k = 0; k < MEASURE_PARTS; k++)
        x[k] = (k + 0.5) * p->a->length / MEASURE_PARTS;
    q.n = 0;
    for (int i = 0; i < p->a->arms; i++)
        if (page_finished(p, i))
            add_arm(&q, p, i, MEASURE_PARTS, x, value_loss_at, NULL);
    if (!shows_something(&q))
        return;
    fputs("<figure>\n", p->f);
    svg_lines(p->f, "Loss by position", (struct svg_axis){"position in the sequence", 0, p->a->length, 0, 0},
              svg_around("loss, nats per token", bottom_of(&q), top_of(&q), 0), q.series, q.n, NULL, 0);
    page_caption(p->f, "Held-out sequences, every token counted the same.");
    fputs("</figure>\n", p->f);
}

/* A question with other windows in the test.  What a window can see by itself is no memory: the frame says which is the
 * arm's own. */
static void grid_plot(const struct page *p, int question, const char *words)
{
    const struct ablation *a = p->a;
    const char *row[ABLATE_ARMS], *column[ABLATE_WINDOWS];
    char name[ABLATE_WINDOWS][24], wanted[ABLATE_NAME + 16];
    double v[ABLATE_ARMS * ABLATE_WINDOWS];
    unsigned char own[ABLATE_ARMS * ABLATE_WINDOWS] = {0};
    int rows = 0, index[ABLATE_WINDOWS];
    for (int w = 0; w < a->windows; w++) {
        snprintf(name[w], sizeof name[w], a->window[w] >= a->length ? "full" : "%d", a->window[w]);
        snprintf(wanted, sizeof wanted, "%s@%d", a->ask[question].name, a->window[w]);
        column[w] = name[w];
        index[w] = question_find(a, wanted);
    }
    for (int i = 0; i < a->arms; i++) {
        if (!page_finished(p, i) || !ablation_reach(&a->run[i]))
            continue;
        for (int w = 0; w < a->windows; w++) {
            v[rows * a->windows + w] =
                index[w] < 0 ? (double)NAN : spread_of(a, p->r, i, value_answer, index[w]).median;
            own[rows * a->windows + w] = a->window[w] == a->run[i].windows.window;
        }
        row[rows++] = a->arm[i].what;
    }
    if (!rows)
        return;
    fputs("<figure>\n", p->f);
    svg_heat(p->f, a->ask[question].label, "trained with", "window in the test", row, rows, column, a->windows, v, own);
    page_caption(p->f, words);
    fputs("</figure>\n", p->f);
}

void page_first_plot(const struct page *p)
{
    if (page_asks(p, ABLATE_FACTS))
        distance_plot(p, ABLATE_FACTS, "Recall against distance", "facts recalled",
                      "Each fact is said once and asked for once. Median over seeds, bars from the lowest to the "
                      "highest seed. Beyond \"reach\" no stack of windows can see the fact: what is recalled there "
                      "went through the recurrent cells. Beyond the training length the sequences are longer than any "
                      "that was trained on. Every network is tested at its long window, those of fixed windows at "
                      "their own.",
                      1);
    else if (page_asks(p, ABLATE_FOUND))
        distance_plot(p, ABLATE_FOUND, "Words that only memory gives, by distance", "words found",
                      "Of the bytes of words that the same network gets wrong when it sees only the end of the "
                      "document: the share that it gets right when it sees all of it, by how far back the text before "
                      "them was last seen. Median over seeds, bars from the lowest to the highest seed.",
                      0);
    else
        curve_plot(p, "Loss on held-out sequences, while training", "loss, nats per token", value_curve_loss, 0,
                   "Median over seeds, bars from the lowest to the highest seed.");
}

void page_plots(const struct page *p)
{
    const struct ablation *a = p->a;
    if (page_asks(p, ABLATE_REUSE) && !page_asks(p, ABLATE_FACTS))
        distance_plot(p, ABLATE_REUSE, "Reuse by distance", "right answers",
                      "All bytes whose text before them was last seen so far back with the same continuation.", 0);
    if (page_asks(p, ABLATE_GAIN))
        distance_plot(p, ABLATE_GAIN, "Nats saved by the far past", "nats a byte",
                      "The same bytes for every network: how much the loss falls when the whole document is seen.", 1);
    if (a->memory >= 0)
        curve_plot(p, "Long memory, while training", a->ask[a->memory].label, value_curve_memory,
                   is_share(a, a->memory), "The same question as in the table, on a third of the sequences.");
    if (a->near >= 0)
        curve_plot(p, "Short context, while training", a->ask[a->near].label, value_curve_near,
                   is_share(a, a->near),
                   "The same question as in the table, on a third of the sequences.");
    curve_plot(p, "The cells' share of the gradient, while training", "share of the squared norm", value_curve_cells, 0,
               "Of the gradient of the same held-out sequences: how much of its squared norm stands in the weights of "
               "the recurrent cells.");
    window_plot(p);
    trade_plot(p);
    position_plot(p);
    fputs("<h2>Other windows in the test</h2>\n", p->f);
    if (a->memory >= 0)
        grid_plot(p, a->memory,
                  "Median over seeds. Framed: the window that the arm is tested with elsewhere. Where the test window "
                  "is so long that a stack of such windows reaches the answer, it is no memory.");
    if (a->near >= 0)
        grid_plot(p, a->near, "The same for the short context.");
}
