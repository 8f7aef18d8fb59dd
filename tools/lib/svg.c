/* svg.c - plots of lines and of points as SVG. */
#include "tools/lib/svg.h"

#include <math.h>
#include <stdlib.h>

#include "tools/lib/svg_sheet.h"

enum { INSET = 10, NAME_HIGH = 19 };

static const struct { const char *colour, *dash; } styles[SVG_STYLES] = {
    {"#111111", "none"},    {"#b45309", "7 4"},         {"#1d4ed8", "2 3"},  {"#15803d", "10 3 2 3"},
    {"#7e22ce", "14 4"},    {"#6b7280", "1 3"},         {"#be123c", "4 2"},  {"#0f766e", "8 2 2 2 2 2"},
    {"#854d0e", "3 6"},     {"#334155", "12 2 4 2"},    {"#a21caf", "1 6"},  {"#3f6212", "18 3"},
    {"#0369a1", "6 2 6 8"}, {"#9f1239", "9 9"},         {"#4d7c0f", "5 1"},  {"#4c1d95", "16 2 2 2"},
    {"#78350f", "2 8"},     {"#155e75", "11 5 1 5"},
};

/* Six shapes, each filled, hollow and grey. */
static void marker(FILE *f, int style, double x, double y)
{
    const char *const fill[] = {styles[style].colour, "#ffffff", "#c4c4c4"};
    fprintf(f, "<path stroke=\"%s\" fill=\"%s\" stroke-width=\"1.5\" d=\"", styles[style].colour, fill[style / 6]);
    switch (style % 6) {
    case 0: fprintf(f, "M%.1f %.1fa4 4 0 1 0 8 0a4 4 0 1 0 -8 0z", x - 4, y); break;
    case 1: fprintf(f, "M%.1f %.1fh7v7h-7z", x - 3.5, y - 3.5); break;
    case 2: fprintf(f, "M%.1f %.1fl4.5 8h-9z", x, y - 5); break;
    case 3: fprintf(f, "M%.1f %.1fl4.8 4.8l-4.8 4.8l-4.8 -4.8z", x, y - 4.8); break;
    case 4: fprintf(f, "M%.1f %.1fl4.5 -8h-9z", x, y + 5); break;
    default: fprintf(f, "M%.1f %.1fh3v3h3v3h-3v3h-3v-3h-3v-3h3z", x - 1.5, y - 4.5);
    }
    fputs("\"/>\n", f);
}

struct svg_axis svg_around(const char *label, double low, double high, int percent)
{
    const double least = percent ? 0.02 : fmax(1e-3 * fmax(fabs(low), fabs(high)), 1e-6); /* or all seem to differ */
    const double step = pow(10, floor(log10(fmax(high - low, least) / 2)));
    struct svg_axis y = {label, floor(low / step) * step, ceil(high / step) * step, 0, percent};
    if (percent)
        y.from = fmax(y.from, 0), y.to = fmin(y.to, 1);
    if (!(y.to > y.from))
        y.to = y.from + step;
    return y;
}

/* ---- places on a sheet */

static double along(struct svg_axis a, double v)
{
    return a.log2 ? log2(v / a.from) / log2(a.to / a.from) : (v - a.from) / (a.to - a.from);
}

static double place_x(const struct sheet *s, struct svg_axis a, double v)
{
    return s->left + INSET + along(a, v) * (s->wide - s->left - s->right - 2 * INSET);
}

static double place_y(const struct sheet *s, struct svg_axis a, double v)
{
    return s->high - s->bottom - INSET - along(a, v) * (s->high - s->top - s->bottom - 2 * INSET);
}

/* The smallest of 1, 2, 5 times a power of ten that cuts the axis into at most six. */
static double tick_step(struct svg_axis a)
{
    double step = pow(10, floor(log10((a.to - a.from) / 6)));
    const double by[3] = {2, 2.5, 2};
    for (int i = 0; (a.to - a.from) / step > 6.001 && i < 3; i++)
        step *= by[i];
    return step;
}

/* The power of two between the ticks of a logarithmic axis: the smallest that leaves `room` pixels to each. */
static double tick_factor(struct svg_axis a, double pixels, double room)
{
    double factor = 2;
    while (a.log2 && pixels / (log2(a.to / a.from) / log2(factor)) < room)
        factor *= 2;
    return factor;
}

/* The first power of two, or multiple of the step, on the axis. */
static double first_tick(struct svg_axis a, double step)
{
    return a.log2 ? exp2(ceil(log2(a.from) - 1e-9)) : ceil(a.from / step - 1e-9) * step;
}

static double next_tick(struct svg_axis a, double v, double step, double factor)
{
    return a.log2 ? factor * v : v + step;
}

static void tick_name(char *name, size_t room, struct svg_axis a, double v)
{
    v = fabs(v) < 1e-12 ? 0 : v;                   /* nor -0 */
    if (a.percent)
        snprintf(name, room, "%.3g %%", 100 * v);
    else if (fabs(v) >= 1e6)
        snprintf(name, room, "%.3gM", v / 1e6);
    else
        snprintf(name, room, "%.6g", v);
}

/* ---- a plot's frame */

/* Every number that is drawn, for whoever does not see the drawing; of long curves about thirty points. */
static void describe(FILE *f, struct svg_axis x, struct svg_axis y, const struct svg_series *series, int n)
{
    enum { MOST = 30 };
    svg_text(f, y.label);
    fputs(" against ", f);
    svg_text(f, x.label);
    fputs(". ", f);
    for (int i = 0; i < n; i++) {
        const struct svg_series *s = &series[i];
        const int every = (s->n + MOST - 1) / MOST;
        int said = 0;
        svg_text(f, s->label);
        for (int j = 0; j < s->n; j++)
            if (isfinite(s->y[j]) && isfinite(s->x[j]) && (j % every == 0 || j == s->n - 1)) {
                fprintf(f, "%s%.6g at %.6g", said++ ? ", " : ": ", s->y[j], s->x[j]);
                if (s->low && s->high && isfinite(s->low[j]) && isfinite(s->high[j]))
                    fprintf(f, " (%.6g to %.6g)", s->low[j], s->high[j]);
            }
        fputs(said ? ". " : ": nothing. ", f);
    }
}

static void axes(FILE *f, const struct sheet *s, struct svg_axis x, struct svg_axis y)
{
    char name[32];
    const int low = s->high - s->bottom, right = s->wide - s->right;
    const double end_y = y.to + 1e-9 * fabs(y.to), end_x = x.to * (1 + 1e-9), step_x = x.log2 ? 0 : tick_step(x),
        step_y = y.log2 ? 0 : tick_step(y);
    const double times_x = tick_factor(x, right - s->left, 40), times_y = tick_factor(y, low - s->top, 18);
    for (double v = first_tick(y, step_y); v <= end_y; v = next_tick(y, v, step_y, times_y)) {
        fprintf(f, "<path d=\"M%d %.1fH%d\" stroke=\"#dddddd\"/>\n", s->left, place_y(s, y, v), right);
        tick_name(name, sizeof name, y, v);
        sheet_text(f, s->left - 6, place_y(s, y, v) + 4, "text-anchor=\"end\" fill=\"#333333\"", name);
    }
    for (double v = first_tick(x, step_x); v <= end_x; v = next_tick(x, v, step_x, times_x)) {
        fprintf(f, "<path d=\"M%.1f %dv5\" stroke=\"#333333\"/>\n", place_x(s, x, v), low);
        tick_name(name, sizeof name, x, v);
        sheet_text(f, place_x(s, x, v), low + 19, "text-anchor=\"middle\" fill=\"#333333\"", name);
    }
    fprintf(f, "<path d=\"M%d %dV%dH%d\" fill=\"none\" stroke=\"#333333\"/>\n", s->left, s->top, low, right);
    sheet_text(f, (s->left + right) / 2.0, low + 38, "text-anchor=\"middle\" fill=\"#111111\"", x.label);
    char turn[96];
    snprintf(turn, sizeof turn, "text-anchor=\"middle\" fill=\"#111111\" transform=\"rotate(-90 14 %d)\"",
             (s->top + low) / 2);
    sheet_text(f, 14, (s->top + low) / 2.0, turn, y.label);
}

static void mark_lines(FILE *f, const struct sheet *s, struct svg_axis x, const struct svg_mark *marks, int n)
{
    const int middle = (s->top + s->high - s->bottom) / 2;
    for (int i = 0; i < n; i++)
        if (marks[i].x >= x.from && marks[i].x <= x.to) {
            const double at = place_x(s, x, marks[i].x);
            char turn[192];
            fprintf(f, "<path d=\"M%.1f %dV%d\" stroke=\"#777777\" stroke-dasharray=\"1 2\"/>\n", at, s->top - 4,
                    s->high - s->bottom);
            snprintf(turn, sizeof turn,
                     "text-anchor=\"middle\" font-size=\"11\" fill=\"#555555\" stroke=\"#ffffff\" stroke-width=\"3\" "
                     "paint-order=\"stroke\" transform=\"rotate(-90 %.1f %d)\"", at - 4, middle);
            sheet_text(f, at - 4, middle, turn, marks[i].label);
        }
}

/* ---- series */

static void whiskers(FILE *f, const struct sheet *at, struct svg_axis x, struct svg_axis y, const struct svg_series *s)
{
    if (!s->low || !s->high)
        return;
    for (int i = 0; i < s->n; i++)
        if (isfinite(s->low[i]) && isfinite(s->high[i]))
            fprintf(f, "<path d=\"M%.1f %.1fV%.1f\" stroke=\"%s\" stroke-width=\"1\" opacity=\"0.55\"/>\n",
                    place_x(at, x, s->x[i]), place_y(at, y, s->low[i]), place_y(at, y, s->high[i]),
                    styles[s->style % SVG_STYLES].colour);
}

/* A plain series is drawn through: its many points would break the dashes. */
static const char *dash_of(const struct svg_series *s)
{
    return s->plain ? "none" : styles[s->style % SVG_STYLES].dash;
}

static void line(FILE *f, const struct sheet *at, struct svg_axis x, struct svg_axis y, const struct svg_series *s)
{
    const int style = s->style % SVG_STYLES;
    int pen = 0;
    fprintf(f, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"%s\" stroke-dasharray=\"%s\" d=\"",
            styles[style].colour, s->plain ? "1.4" : "2", dash_of(s));
    for (int i = 0; i < s->n; i++) {
        if (!isfinite(s->y[i])) {
            pen = 0;
            continue;
        }
        fprintf(f, "%c%.1f %.1f", pen ? 'L' : 'M', place_x(at, x, s->x[i]), place_y(at, y, s->y[i]));
        pen = 1;
    }
    fputs("\"/>\n", f);
}

/* ---- the names of series */

enum shown { LINES, POINTS };
struct tag { double x, y, at; int series; };

/* At the same height, as the series stand: qsort alone would leave it to the C library. */
static int lower(const void *a, const void *b)
{
    const struct tag *x = a, *y = b;
    return x->y < y->y ? -1 : x->y > y->y ? 1 : x->series - y->series;
}

/* What a series looks like, and its name, at (x, y).  One of points has no line: here neither. */
static void name_series(FILE *f, double x, double y, const struct svg_series *s, enum shown shown)
{
    const int style = s->style % SVG_STYLES;
    if (shown == LINES)
        fprintf(f, "<path d=\"M%.1f %.1fh30\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\"/>\n", x, y,
                styles[style].colour, dash_of(s));
    if (!s->plain)
        marker(f, style, x + 15, y);
    sheet_text(f, x + 35, y + 4, "fill=\"#111111\"", s->label);
}

/* Beside the ends of the lines, pushed apart until none covers another.  Points have no end to be led to. */
static void names_beside(FILE *f, const struct sheet *s, const struct svg_series *series, struct tag *tag, int n,
                         enum shown shown)
{
    const double gap = 16, top = s->top + 4, bottom = s->high - s->bottom, x = s->wide - s->right;
    qsort(tag, (size_t)n, sizeof *tag, lower);
    for (int i = 0; i < n; i++)
        tag[i].at = fmax(tag[i].y, i ? tag[i - 1].at + gap : top);
    for (int i = n - 1; i >= 0; i--)
        tag[i].at = fmin(tag[i].at, i < n - 1 ? tag[i + 1].at - gap : bottom);
    for (int i = 0; i < n; i++) {
        if (shown == LINES)
            fprintf(f, "<path d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"#999999\" stroke-width=\"0.8\"/>\n",
                    tag[i].x + 6, tag[i].y, x + 14, tag[i].at);
        name_series(f, x + 16, tag[i].at, &series[tag[i].series], shown);
    }
}

static void names_below(FILE *f, const struct sheet *s, const struct svg_series *series, const struct tag *tag, int n,
                        enum shown shown)
{
    for (int i = 0; i < n; i++)
        name_series(f, s->left - 40, s->high - (n - i) * NAME_HIGH + 6, &series[tag[i].series], shown);
}

/* ---- plots */

/* The sheet with room for n names, if they stand below the plot. */
static struct sheet sheet_for(int which, int n)
{
    struct sheet s = svg_sheets[which];
    if (s.below)
        s.high += n * NAME_HIGH, s.bottom += n * NAME_HIGH;
    return s;
}

/* Where a series is named: a line at its end, points at their middle.  0: it shows nothing. */
static int name_place(const struct sheet *s, struct svg_axis x, struct svg_axis y, const struct svg_series *q,
                      enum shown shown, struct tag *tag)
{
    double across = 0, up = 0;
    int points = 0;
    for (int j = 0; j < q->n; j++)
        if (isfinite(q->y[j]) && isfinite(q->x[j])) {
            if (shown == LINES)
                across = up = points = 0;
            across += place_x(s, x, q->x[j]), up += place_y(s, y, q->y[j]), points++;
        }
    tag->x = across / points, tag->y = up / points;
    return points;
}

static void plot(FILE *f, const struct sheet *s, const char *title, struct svg_axis x, struct svg_axis y,
                 const struct svg_series *series, int n, const struct svg_mark *marks, int n_marks, enum shown shown,
                 struct tag *tag)
{
    int named = 0;
    sheet_open(f, title, s->name, s->wide, s->high);
    describe(f, x, y, series, n);
    sheet_begin(f, title, s->wide, s->high);
    axes(f, s, x, y);
    mark_lines(f, s, x, marks, n_marks);
    for (int i = 0; i < n; i++) {
        const struct svg_series *q = &series[i];
        if (shown == LINES) {
            whiskers(f, s, x, y, q);
            line(f, s, x, y, q);
        }
        for (int j = 0; j < q->n && !q->plain; j++)
            if (isfinite(q->y[j]) && isfinite(q->x[j]))
                marker(f, q->style % SVG_STYLES, place_x(s, x, q->x[j]), place_y(s, y, q->y[j]));
        tag[named].series = i;
        named += name_place(s, x, y, q, shown, &tag[named]) > 0;
    }
    if (s->below)
        names_below(f, s, series, tag, named, shown);
    else
        names_beside(f, s, series, tag, named, shown);
    fputs("</svg>\n", f);
}

static int shows_something(const struct svg_series *q)
{
    int points = 0;
    for (int j = 0; j < q->n; j++)
        points += isfinite(q->y[j]) && isfinite(q->x[j]);
    return points > 0;
}

/* An axis without length has no places. */
static struct svg_axis with_length(struct svg_axis a)
{
    if (a.to > a.from)
        return a;
    a.to = a.log2 ? 2 * a.from : a.from + fmax(fabs(a.from), 1);
    return a;
}

static void on_all_sheets(FILE *f, const char *title, struct svg_axis x, struct svg_axis y,
                          const struct svg_series *series, int n, const struct svg_mark *marks, int n_marks,
                          enum shown shown)
{
    struct tag tag[SVG_SERIES] = { { 0 } };
    int names = 0;
    for (int i = 0; i < n; i++)
        names += shows_something(&series[i]);
    for (int i = 0; i < SVG_SHEETS; i++) {
        const struct sheet s = sheet_for(i, names);
        plot(f, &s, title, with_length(x), with_length(y), series, n, marks, n_marks, shown, tag);
    }
}

void svg_lines(FILE *f, const char *title, struct svg_axis x, struct svg_axis y,
               const struct svg_series *series, int n, const struct svg_mark *marks, int n_marks)
{
    on_all_sheets(f, title, x, y, series, n, marks, n_marks, LINES);
}

void svg_points(FILE *f, const char *title, struct svg_axis x, struct svg_axis y, const struct svg_series *series,
                int n)
{
    on_all_sheets(f, title, x, y, series, n, NULL, 0, POINTS);
}
