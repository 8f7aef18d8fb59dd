/* report.h - what the parts of an ablation's page share. */
#ifndef SWAX_REPORT_H
#define SWAX_REPORT_H

#include <stdio.h>

#include "tools/ablate/ablate.h"

struct page { FILE *f; const struct ablation *a; const struct outcome *r; };

int page_finished(const struct page *p, int arm);   /* how many seeds of an arm */

/* report_plots.c: the sections of pictures, of what is finished. */
void page_plots(const struct page *p);

#endif
