/* svg_sheet.h - what all plots are drawn on: two sheets each, a wide one, and a narrow one for a page that is read on a
 * telephone.
 *
 * Coordinates are pixels of a fixed sheet; the page shows the sheet that fits, and scales it (page.h). */
#ifndef SWAX_SVG_SHEET_H
#define SWAX_SVG_SHEET_H

#include <stdio.h>

/* A wide sheet names its series beside the plot, a narrow one below it. */
struct sheet { const char *name; int wide, high, left, right, top, bottom, below; };
enum { SVG_SHEETS = 2 };
extern const struct sheet svg_sheets[SVG_SHEETS];

/* Up to its description, which the caller writes; and from behind it up to what is drawn. */
void sheet_open(FILE *f, const char *title, const char *name, int wide, int high);
void sheet_begin(FILE *f, const char *title, int wide, int high);

void sheet_text(FILE *f, double x, double y, const char *attributes, const char *text);

#endif
