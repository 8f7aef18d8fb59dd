/* svg_heat.c - a table of greys as SVG. */
#include "tools/lib/svg.h"

#include <math.h>

#include "tools/lib/svg_sheet.h"

/* Where its cells stand: beside the names of the rows, or, on a narrow sheet, below them. */
struct grid { int wide, high, left, top, cell_wide, cell_high, pitch, above; };

static struct grid grid_on(const struct sheet *s, int rows, int columns)
{
    struct grid g = {.left = 250, .top = 78, .cell_wide = 84, .cell_high = 34, .pitch = 34};
    if (s->below) {
        g = (struct grid){.left = 14, .top = 104, .cell_high = 30, .pitch = 52, .above = 1};
        g.cell_wide = (s->wide - 2 * g.left) / columns < 84 ? (s->wide - 2 * g.left) / columns : 84;
    }
    g.wide = g.left + columns * g.cell_wide + 20 > 480 ? g.left + columns * g.cell_wide + 20 : 480;
    g.wide = s->below ? s->wide : g.wide;
    g.high = g.top + rows * g.pitch + 16;
    return g;
}

static void heat_names(FILE *f, const struct grid *g, const char *row_title, const char *column_title,
                       const char *const *row, int rows, const char *const *column, int columns)
{
    if (g->above)
        sheet_text(f, g->left, g->top - 22, "font-weight=\"600\"", row_title);
    else
        sheet_text(f, g->left - 10, g->top - 12, "text-anchor=\"end\" font-weight=\"600\"", row_title);
    sheet_text(f, g->left + columns * g->cell_wide / 2.0, g->top - (g->above ? 58 : 30),
               "text-anchor=\"middle\" font-weight=\"600\"", column_title);
    for (int c = 0; c < columns; c++)
        sheet_text(f, g->left + (c + 0.5) * g->cell_wide, g->top - (g->above ? 40 : 10), "text-anchor=\"middle\"",
                   column[c]);
    for (int r = 0; r < rows; r++)
        if (g->above)
            sheet_text(f, g->left, g->top + r * g->pitch - 5, "fill=\"#111111\"", row[r]);
        else
            sheet_text(f, g->left - 10, g->top + r * g->pitch + 0.62 * g->cell_high, "text-anchor=\"end\"", row[r]);
}

static void heat_cell(FILE *f, const struct grid *g, int r, int c, double v, int framed)
{
    const double x = g->left + c * (double)g->cell_wide, y = g->top + r * (double)g->pitch;
    const int grey = isfinite(v) ? 252 - (int)(215 * fmin(fmax(v, 0), 1)) : 255;
    char number[32];
    fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\" fill=\"rgb(%d,%d,%d)\" stroke=\"#ffffff\"/>\n",
            x, y, g->cell_wide, g->cell_high, grey, grey, grey);
    snprintf(number, sizeof number, "%.2f", v);
    if (isfinite(v))
        sheet_text(f, x + g->cell_wide / 2.0, y + 0.62 * g->cell_high,
                   grey < 140 ? "text-anchor=\"middle\" fill=\"#ffffff\"" : "text-anchor=\"middle\" fill=\"#111111\"",
                   number);
    for (int line = 0; framed && line < 2; line++)         /* a white line inside a black one shows on every grey */
        fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\" fill=\"none\" stroke=\"%s\" "
                   "stroke-width=\"2\"/>\n", x + 1 + 2 * line, y + 1 + 2 * line, g->cell_wide - 2 - 4 * line,
                g->cell_high - 2 - 4 * line, line ? "#ffffff" : "#111111");
}

void svg_heat(FILE *f, const char *title, const char *row_title, const char *column_title,
              const char *const *row, int rows, const char *const *column, int columns,
              const double *value, const unsigned char *framed)
{
    for (int i = 0; i < SVG_SHEETS; i++) {
        const struct grid g = grid_on(&svg_sheets[i], rows, columns);
        sheet_open(f, title, svg_sheets[i].name, g.wide, g.high);
        for (int r = 0; r < rows; r++) {
            svg_text(f, row[r]);
            for (int c = 0; c < columns; c++)
                if (isfinite(value[r * columns + c])) {
                    fprintf(f, "%s%.6g at ", c ? ", " : ": ", value[r * columns + c]);
                    svg_text(f, column[c]);
                }
            fputs(". ", f);
        }
        sheet_begin(f, title, g.wide, g.high);
        heat_names(f, &g, row_title, column_title, row, rows, column, columns);
        for (int framed_ones = 0; framed_ones < 2; framed_ones++)      /* frames over the cells beside them */
            for (int r = 0; r < rows; r++)
                for (int c = 0; c < columns; c++)
                    if (framed_ones == (framed && framed[r * columns + c]))
                        heat_cell(f, &g, r, c, value[r * columns + c], framed_ones);
        fputs("</svg>\n", f);
    }
}
