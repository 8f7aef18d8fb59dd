/* page.h - a page of HTML that needs nothing from outside: for wide and narrow, light and dark, and paper. */
#ifndef SWAX_PAGE_H
#define SWAX_PAGE_H

#include <stdio.h>

/* Up to where its content begins.  A browser that shows it asks for it again every `refresh` seconds; 0: it does
 * not. */
void page_open(FILE *f, const char *title, int refresh);
void page_heading(FILE *f, const char *words);           /* of a section */
void page_caption(FILE *f, const char *words);           /* of a figure */
void page_close(FILE *f);

#endif
