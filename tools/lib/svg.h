/* svg.h - the three plots a page needs, written as SVG elements into it: each twice, as class wider and as class
 * narrow, of which the page shows the one that fits (page.h).  <desc> holds the numbers.
 *
 * Every series differs from every other in dash pattern and marker, and is labelled where it ends, so the plots
 * read the same in black and white.  A NaN leaves a gap.  Labels and titles are text: they are escaped here. */
#ifndef SWAX_SVG_H
#define SWAX_SVG_H

#include <stdio.h>

enum { SVG_STYLES = 18,            /* a style is a number; it counts modulo this */
       SVG_SERIES = 64 };          /* the most that one plot shows */

struct svg_axis {
    const char *label;
    double from, to;
    int log2;                      /* ticks at powers of two */
    int percent;                   /* ticks as per cent */
};

/* An axis from and to round numbers around what is shown. */
struct svg_axis svg_around(const char *label, double low, double high, int percent);

/* n points; low and high, NULL or n values each, are drawn as a whisker at every point. */
struct svg_series {
    const char *label;
    int style, n;
    const double *x, *y, *low, *high;
    int plain;                     /* no marker at its points: there are too many */
};

struct svg_mark { double x; const char *label; };   /* a vertical line that says what it stands for */

void svg_lines(FILE *f, const char *title, struct svg_axis x, struct svg_axis y,
               const struct svg_series *series, int n, const struct svg_mark *marks, int n_marks);

/* Points without lines. */
void svg_points(FILE *f, const char *title, struct svg_axis x, struct svg_axis y, const struct svg_series *series,
                int n);

/* value (rows,columns) in 0..1 as shades of grey with the number in each cell; a frame around every cell where
 * framed (rows,columns) is not 0. */
void svg_heat(FILE *f, const char *title, const char *row_title, const char *column_title,
              const char *const *row, int rows, const char *const *column, int columns,
              const double *value, const unsigned char *framed);

void svg_text(FILE *f, const char *text);           /* text with &, <, > and quotes escaped, for any place in a page */

#endif
