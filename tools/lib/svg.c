/* svg.c - plots as SVG.  Coordinates are pixels of a fixed sheet; the page scales it. */
#include "tools/lib/svg.h"

#include <math.h>
#include <stdlib.h>

enum { WIDE = 860, HIGH = 400, LEFT = 62, RIGHT = 272, TOP = 44, BOTTOM = 52, INSET = 10, CELL_W = 84, CELL_H = 34 };

static const struct { const char *colour, *dash; } styles[SVG_STYLES] = {
    {"#111111", "none"},   {"#b45309", "7 4"},        {"#1d4ed8", "2 3"},  {"#15803d", "10 3 2 3"}, {"#7e22ce", "14 4"},
       {"#6b7280", "1 3"},
    {"#be123c", "4 2"},    {"#0f766e", "8 2 2 2 2 2"}, {"#854d0e", "3 6"}, {"#334155", "12 2 4 2"}, {"#a21caf", "1 6"},
        {"#3f6212", "18 3"},
    {"#0369a1", "6 2 6 8"}, {"#9f1239", "9 9"},       {"#4d7c0f", "5 1"},  {"#4c1d95", "16 2 2 2"}, {"#78350f", "2 8"},
        {"#155e75", "11 5 1 5"},
};

void svg_text(FILE *f, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&': fputs("&amp;", f); break;
        case '<': fputs("&lt;", f); break;
        case '>': fputs("&gt;", f); break;
        case '"': fputs("&quot;", f); break;
        default: fputc(*text, f);
        }
    }
}

static void write_text(FILE *f, double x, double y, const char *attributes, const char *text)
{
    fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
    svg_text(f, text);
    fputs("</text>\n", f);
}

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

static double along(struct svg_axis a, double v)
{
    return a.log2 ? log2(v / a.from) / log2(a.to / a.from) : (v - a.from) / (a.to - a.from);
}
static double place_x(struct svg_axis a,
                      double v) { return LEFT + INSET + along(a, v) * (WIDE - LEFT - RIGHT - 2 * INSET); }
static double place_y(struct svg_axis a,
                      double v) { return HIGH - BOTTOM - INSET - along(a, v) * (HIGH - TOP - BOTTOM - 2 * INSET); }

static double first_tick(struct svg_axis a) { return a.log2 ? exp2(ceil(log2(a.from) - 1e-9)) : a.from; }

/* The smallest of 1, 2, 5 times a power of ten that cuts the axis into at most six. */
static double tick_step(struct svg_axis a)
{
    double step = pow(10, floor(log10((a.to - a.from) / 6)));
    const double by[3] = {2, 2.5, 2};
    for (int i = 0; (a.to - a.from) / step > 6.001 && i < 3; i++)
        step *= by[i];
    return step;
}

static void tick_name(char name[32], struct svg_axis a, double v)
{
    if (a.percent)
        snprintf(name, 32, "%.3g %%", 100 * v);
    else if (fabs(v) >= 1e6)
        snprintf(name, 32, "%.3gM", v / 1e6);
    else
        snprintf(name, 32, "%.6g", fabs(v) < 1e-12 ? 0 : v);
}

static void open_sheet(FILE *f, const char *title, int wide, int high)
{
    fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" "
               "font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif\" "
               "font-size=\"12.5\">\n<title>", wide, high);
    svg_text(f, title);
    fprintf(f, "</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", wide, high);
    write_text(f, 14, 22, "font-size=\"15\" font-weight=\"600\" fill=\"#111111\"", title);
}

static void axes(FILE *f, struct svg_axis x, struct svg_axis y)
{
    char name[32];
    const double end_y = y.to + 1e-9 * fabs(y.to), end_x = x.to * (1 + 1e-9), step_x = x.log2 ? 0 : tick_step(x),
        step_y = tick_step(y);
    for (double v = first_tick(y); v <= end_y; v += step_y) {
        fprintf(f, "<path d=\"M%d %.1fH%d\" stroke=\"#dddddd\"/>\n", LEFT, place_y(y, v), WIDE - RIGHT);
        tick_name(name, y, v);
        write_text(f, LEFT - 8, place_y(y, v) + 4, "text-anchor=\"end\" fill=\"#333333\"", name);
    }
    for (double v = first_tick(x); v <= end_x; v = x.log2 ? 2 * v : v + step_x) {
        fprintf(f, "<path d=\"M%.1f %dv5\" stroke=\"#333333\"/>\n", place_x(x, v), HIGH - BOTTOM);
        tick_name(name, x, v);
        write_text(f, place_x(x, v), HIGH - BOTTOM + 19, "text-anchor=\"middle\" fill=\"#333333\"", name);
    }
    fprintf(f, "<path d=\"M%d %dV%dH%d\" fill=\"none\" stroke=\"#333333\"/>\n", LEFT, TOP, HIGH - BOTTOM, WIDE - RIGHT);
    write_text(f, (LEFT + WIDE - RIGHT) / 2.0, HIGH - 12, "text-anchor=\"middle\" fill=\"#111111\"", x.label);
    char turn[96];
    snprintf(turn, sizeof turn, "text-anchor=\"middle\" fill=\"#111111\" transform=\"rotate(-90 16 %d)\"",
             (TOP + HIGH - BOTTOM) / 2);
    write_text(f, 16, (TOP + HIGH - BOTTOM) / 2.0, turn, y.label);
}

static void whiskers(FILE *f, struct svg_axis x, struct svg_axis y, const struct svg_series *s)
{
    if (!s->low || !s->high)
        return;
    for (int i = 0; i < s->n; i++)
        if (isfinite(s->low[i]) && isfinite(s->high[i]))
            fprintf(f, "<path d=\"M%.1f %.1fV%.1f\" stroke=\"%s\" stroke-width=\"1\" opacity=\"0.55\"/>\n",
                    place_x(x, s->x[i]), place_y(y, s->low[i]), place_y(y, s->high[i]),
                        styles[s->style % SVG_STYLES].colour);
}

struct tag { double x, y, at; int series; };
static int lower(const void *a, const void *b)
{
    const double d = ((const struct tag *)a)->y - ((const struct tag *)b)->y;
    return d < 0 ? -1 : d > 0;
}

/* Names beside the ends of the lines, pushed apart until none covers another. */
static void tags(FILE *f, const struct svg_series *series, struct tag *tag, int n)
{
    const double gap = 16, top = TOP + 4, bottom = HIGH - BOTTOM;
    qsort(tag, (size_t)n, sizeof *tag, lower);
    for (int i = 0; i < n; i++)
        tag[i].at = fmax(tag[i].y, i ? tag[i - 1].at + gap : top);
    for (int i = n - 1; i >= 0; i--)
        tag[i].at = fmin(tag[i].at, i < n - 1 ? tag[i + 1].at - gap : bottom);
    for (int i = 0; i < n; i++) {
        const struct svg_series *s = &series[tag[i].series];
        const int style = s->style % SVG_STYLES;
        fprintf(f, "<path d=\"M%.1f %.1fL%d %.1f\" stroke=\"#999999\" stroke-width=\"0.8\"/>\n",
                tag[i].x + 6, tag[i].y, WIDE - RIGHT + 14, tag[i].at);
        fprintf(f, "<path d=\"M%d %.1fh30\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\"/>\n",
                WIDE - RIGHT + 16, tag[i].at, styles[style].colour, styles[style].dash);
        marker(f, style, WIDE - RIGHT + 31, tag[i].at);
        write_text(f, WIDE - RIGHT + 51, tag[i].at + 4, "fill=\"#111111\"", s->label);
    }
}

static void line(FILE *f, struct svg_axis x, struct svg_axis y, const struct svg_series *s)
{
    const int style = s->style % SVG_STYLES;
    int pen = 0;
    fprintf(f, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\" d=\"",
            styles[style].colour, styles[style].dash);
    for (int i = 0; i < s->n; i++) {
        if (!isfinite(s->y[i])) {
            pen = 0;
            continue;
        }
        fprintf(f, "%c%.1f %.1f", pen ? 'L' : 'M', place_x(x, s->x[i]), place_y(y, s->y[i]));
        pen = 1;
    }
    fputs("\"/>\n", f);
}

void svg_lines(FILE *f, const char *title, struct svg_axis x, struct svg_axis y,
               const struct svg_series *series, int n, const struct svg_mark *marks, int n_marks)
{
    struct tag *tag = calloc((size_t)n + 1, sizeof *tag);
    int named = 0;
    if (!tag)
        return;
    open_sheet(f, title, WIDE, HIGH);
    axes(f, x, y);
    for (int i = 0; i < n_marks; i++)
        if (marks[i].x >= x.from && marks[i].x <= x.to) {
            fprintf(f, "<path d=\"M%.1f %dV%d\" stroke=\"#777777\" stroke-dasharray=\"1 2\"/>\n",
                    place_x(x, marks[i].x), TOP - 4, HIGH - BOTTOM);
            char turn[192];
            snprintf(turn, sizeof turn,
                     "text-anchor=\"middle\" font-size=\"11\" fill=\"#555555\" stroke=\"#ffffff\" stroke-width=\"3\" "
                     "paint-order=\"stroke\" transform=\"rotate(-90 %.1f %d)\"",
                     place_x(x, marks[i].x) - 4, (TOP + HIGH - BOTTOM) / 2);
            write_text(f, place_x(x, marks[i].x) - 4, (TOP + HIGH - BOTTOM) / 2.0, turn, marks[i].label);
        }
    for (int i = 0; i < n; i++) {
        whiskers(f, x, y, &series[i]);
        line(f, x, y, &series[i]);
        for (int j = 0; j < series[i].n; j++)
            if (isfinite(series[i].y[j])) {
                const struct tag end = {place_x(x, series[i].x[j]), place_y(y, series[i].y[j]), 0, i};
                marker(f, series[i].style % SVG_STYLES, end.x, end.y);
                tag[named] = end;
            }
        named += tag[named].x > 0;
    }
    tags(f, series, tag, named);
    free(tag);
    fputs("</svg>\n", f);
}

void svg_points(FILE *f, const char *title, struct svg_axis x, struct svg_axis y, const struct svg_series *series,
                int n)
{
    struct tag *tag = calloc((size_t)n + 1, sizeof *tag);
    if (!tag)
        return;
    open_sheet(f, title, WIDE, HIGH);
    axes(f, x, y);
    int named = 0;
    for (int i = 0; i < n; i++) {
        double across = 0, up = 0;
        int points = 0;
        for (int j = 0; j < series[i].n; j++)
            if (isfinite(series[i].y[j]) && isfinite(series[i].x[j])) {
                const double px = place_x(x, series[i].x[j]), py = place_y(y, series[i].y[j]);
                marker(f, series[i].style % SVG_STYLES, px, py);
                across += px, up += py, points++;
            }
        if (points)
            tag[named++] = (struct tag){across / points, up / points, 0, i};
    }
    tags(f, series, tag, named);
    free(tag);
    fputs("</svg>\n", f);
}

void svg_heat(FILE *f, const char *title, const char *row_title, const char *column_title,
              const char *const *row, int rows, const char *const *column, int columns,
              const double *value, const unsigned char *framed)
{
    const int left = 250, top = 78, wide = left + columns * CELL_W + 20, high = top + rows * CELL_H + 16;
    open_sheet(f, title, wide < 480 ? 480 : wide, high);
    write_text(f, left - 10, top - 12, "text-anchor=\"end\" font-weight=\"600\"", row_title);
    write_text(f, left + columns * CELL_W / 2.0, top - 30, "text-anchor=\"middle\" font-weight=\"600\"", column_title);
    for (int c = 0; c < columns; c++)
        write_text(f, left + (c + 0.5) * CELL_W, top - 10, "text-anchor=\"middle\"", column[c]);
    for (int r = 0; r < rows; r++) {
        write_text(f, left - 10, top + (r + 0.62) * CELL_H, "text-anchor=\"end\"", row[r]);
        for (int c = 0; c < columns; c++) {
            const double v = value[r * columns + c];
            const double x = left + c * (double)CELL_W, y = top + r * (double)CELL_H;
            const int grey = isfinite(v) ? 252 - (int)(215 * fmin(fmax(v, 0), 1)) : 255;
            char name[32];
            fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\" fill=\"rgb(%d,%d,%d)\" "
                       "stroke=\"#ffffff\"/>\n",
                    x, y, CELL_W, CELL_H, grey, grey, grey);
            if (!isfinite(v))
                continue;
            snprintf(name, sizeof name, "%.2f", v);
            write_text(f, x + CELL_W / 2.0, y + 0.62 * CELL_H, grey < 140 ? "text-anchor=\"middle\" fill=\"#ffffff\""
                                                                          : "text-anchor=\"middle\" fill=\"#111111\"",
                                                                              name);
        }
    }
    for (int i = 0; framed && i < rows * columns; i++)
        for (int line = 0; framed[i] && line < 2; line++)      /* a white line inside a black one shows on every grey */
            fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\" fill=\"none\" stroke=\"%s\" "
                       "stroke-width=\"2\"/>\n",
                    left + i % columns * (double)CELL_W + 1 + 2 * line,
                        top + i / columns * (double)CELL_H + 1 + 2 * line,
                    CELL_W - 2 - 4 * line, CELL_H - 2 - 4 * line, line ? "#ffffff" : "#111111");
    fputs("</svg>\n", f);
}
