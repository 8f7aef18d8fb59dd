/* svg_sheet.c - the sheets of a plot, and text on them. */
#include "tools/lib/svg_sheet.h"

#include "tools/lib/svg.h"

const struct sheet svg_sheets[SVG_SHEETS] = {
    {.name = "wider", .wide = 860, .high = 400, .left = 62, .right = 272, .top = 44, .bottom = 52},
    {.name = "narrow", .wide = 390, .high = 320, .left = 62, .right = 12, .top = 40, .bottom = 48, .below = 1},
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

void sheet_text(FILE *f, double x, double y, const char *attributes, const char *text)
{
    fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
    svg_text(f, text);
    fputs("</text>\n", f);
}

void sheet_open(FILE *f, const char *title, const char *name, int wide, int high)
{
    fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"%s\" viewBox=\"0 0 %d %d\" role=\"img\" "
               "font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif\" "
               "font-size=\"12.5\">\n<title>", name, wide, high);
    svg_text(f, title);
    fputs("</title>\n<desc>", f);
}

void sheet_begin(FILE *f, const char *title, int wide, int high)
{
    fprintf(f, "</desc>\n<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", wide, high);
    sheet_text(f, 14, 22, wide < 480 ? "font-size=\"13.5\" font-weight=\"600\" fill=\"#111111\""
                                     : "font-size=\"15\" font-weight=\"600\" fill=\"#111111\"", title);
}
