/* report.h - what the parts of an ablation's page share. */
#ifndef SWAX_REPORT_H
#define SWAX_REPORT_H

#include <stdio.h>

#include "tools/ablate/ablate.h"

struct page { FILE *f; const struct ablation *a; const struct outcome *r; };

int page_finished(const struct page *p, int arm);   /* how many seeds of an arm */
int page_asks(const struct page *p, enum ablate_group group);      /* is there a question of that group? */

/* report_plots.c: pictures of what is finished.  The first one answers the page's question; the others follow. */
void page_first_plot(const struct page *p);
void page_plots(const struct page *p);

#endif
