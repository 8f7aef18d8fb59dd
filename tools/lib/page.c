/* page.c - a page of HTML that needs nothing from outside. */
#include "tools/lib/page.h"

#include "tools/lib/svg.h"

static const char style[] =
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;color:#111;"
    "background:#fff;max-width:66rem;margin:2rem auto;padding:0 1.2rem}"
    "h1{font-size:1.7rem;line-height:1.2;margin-bottom:.3rem}h2{font-size:1.2rem;margin:2.2rem 0 .4rem}"
    "p,li,dd{max-width:46rem}.answer{font-size:1.15rem}"
    "dt{font-weight:600}dd{margin:0 0 .4rem 1.2rem}"
    "table{border-collapse:collapse;margin:.8rem 0;font-size:.82rem}th,td{padding:.3rem .5rem;text-align:right;"
    "border-bottom:1px solid #8884;vertical-align:top}"
    "th{border-bottom:2px solid #888;font-weight:600}th:first-child,td:first-child,td.t,th.t{text-align:left}"
    "td:first-child{min-width:7.5rem}"
    "td small{opacity:.75;white-space:nowrap;font-size:.72rem}th small{font-weight:400}"
    "figure svg{width:100%;height:auto;max-width:54rem;display:block;margin:.6rem 0}svg.narrow{display:none}"
    "code,pre{background:#8882;border-radius:3px}code{padding:.1rem .3rem;font-size:.88em}"
    "pre{padding:.7rem .9rem;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.82rem}"
    ".yes,.no,.undecided{font-weight:700;white-space:nowrap}"
    ".yes::before{content:'\\2713\\00a0'}.no::before{content:'\\2717\\00a0'}.undecided::before{content:'?\\00a0'}"
    ".undecided{font-weight:400}"
    /* shadows at the edges say that there is more to the side; the covers move with the table */
    ".wide{overflow-x:auto;--cover:#fff;background:linear-gradient(90deg,var(--cover) 40%,#0000) 0 0/2.4rem 100% "
    "no-repeat local,linear-gradient(270deg,var(--cover) 40%,#0000) 100% 0/2.4rem 100% no-repeat local,"
    "linear-gradient(90deg,#8889,#0000) 0 0/.8rem 100% no-repeat scroll,"
    "linear-gradient(270deg,#8889,#0000) 100% 0/.8rem 100% no-repeat scroll}"
    "figcaption,.note{opacity:.85;font-size:.86rem;max-width:46rem}"
    "figure{margin:1rem 0 1.6rem}"
    "@media(max-width:640px){body{margin:1rem auto;padding:0 .8rem}h1{font-size:1.35rem}svg.wider{display:none}"
    "svg.narrow{display:block}"
    ".stack,.stack tbody,.stack tr,.stack td{display:block;text-align:left}.stack tr:first-child{display:none}"
    ".stack tr{border-bottom:2px solid #888;padding:.4rem 0}"
    ".stack td{border:0;padding:.1rem 0}.stack td[data-of]::before{content:attr(data-of)': ';opacity:.7}}"
    "@media(prefers-color-scheme:dark){body{color:#e8e8e8;background:#161616}.wide{--cover:#161616}"
    "figure svg{filter:invert(.9) hue-rotate(180deg)}}"
    "@media print{body{margin:0;max-width:none}figure{break-inside:avoid}}";

void page_open(FILE *f, const char *title, int refresh)
{
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n", f);
    if (refresh)
        fprintf(f, "<meta http-equiv=\"refresh\" content=\"%d\">\n", refresh);
    fputs("<title>", f);
    svg_text(f, title);
    fprintf(f, "</title>\n<style>%s</style></head><body>\n", style);
}

void page_heading(FILE *f, const char *words)
{
    fputs("<h2>", f);
    svg_text(f, words);
    fputs("</h2>\n", f);
}

void page_caption(FILE *f, const char *words)
{
    fputs("<figcaption>", f);
    svg_text(f, words);
    fputs("</figcaption>\n", f);
}

void page_close(FILE *f)
{
    fputs("</body></html>\n", f);
}
