/* report.c - report.html: what an ablation found, for people.  One file, nothing from outside. */
#include "tools/ablate/ablate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lib/files.h"
#include "tools/ablate/report.h"
#include "tools/lib/svg.h"

static const char style[] =
    "body{font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;color:#111;background:#fff;max-width:66rem;margin:2rem auto;padding:0 1.2rem}"
    "h1{font-size:1.7rem;line-height:1.2;margin-bottom:.3rem}h2{font-size:1.2rem;margin:2.2rem 0 .4rem}p,li{max-width:46rem}"
    "table{border-collapse:collapse;margin:.8rem 0;font-size:.82rem}th,td{padding:.3rem .5rem;text-align:right;border-bottom:1px solid #ddd;vertical-align:top}"
    "th{border-bottom:2px solid #333;font-weight:600}th:first-child,td:first-child,td.t,th.t{text-align:left}td small{color:#555;white-space:nowrap;font-size:.72rem}th small{font-weight:400}"
    "svg{width:100%;height:auto;max-width:52rem;display:block;margin:.6rem 0}code{background:#f3f3f3;padding:.1rem .3rem;border-radius:3px;font-size:.88em}"
    "pre{background:#f3f3f3;padding:.7rem .9rem;overflow-x:auto;font-size:.82rem}.yes,.no,.undecided{font-weight:700;white-space:nowrap}"
    ".yes::before{content:'\\2713\\00a0'}.no::before{content:'\\2717\\00a0'}.undecided::before{content:'?\\00a0'}.undecided{font-weight:400}"
    ".wide{overflow-x:auto}figcaption,.note{color:#444;font-size:.86rem;max-width:46rem}figure{margin:1rem 0 1.6rem}@media print{body{margin:0;max-width:none}figure{break-inside:avoid}}";

static void text(const struct page *p, const char *s) { svg_text(p->f, s); }

/* ---- numbers of an arm over its seeds */

int page_finished(const struct page *p, int arm)
{
    int n = 0;
    for (int s = 0; s < p->a->seeds; s++)
        n += p->r[arm * p->a->seeds + s].done;
    return n;
}

static int finished_in_all(const struct page *p)
{
    int n = 0;
    for (int i = 0; i < p->a->arms; i++)
        n += page_finished(p, i);
    return n;
}

static double value_whole(const struct outcome *r, int unused) { (void)unused; return r->whole; }
static double value_cut(const struct outcome *r, int unused) { (void)unused; return r->span_cut; }
static double value_block(const struct outcome *r, int unused) { (void)unused; return r->relay_block; }
static double value_seconds(const struct outcome *r, int unused) { (void)unused; return r->seconds; }

static void cell(const struct page *p, int arm, outcome_value value, int index, const char *format)
{
    const struct spread s = spread_of(p->a, p->r, arm, value, index);
    fputs("<td>", p->f);
    if (s.n)
        fprintf(p->f, format, s.median);
    fputs(s.n > 1 ? "<br><small>" : s.n ? "" : "&ndash;", p->f);
    if (s.n > 1) {
        fprintf(p->f, format, s.low);
        fputs("&ndash;", p->f);
        fprintf(p->f, format, s.high);
        fputs("</small>", p->f);
    }
    fputs("</td>", p->f);
}

/* ---- sections */

static void head(const struct page *p)
{
    const struct run *r = &p->a->run[0];
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<title>swax ablation: ", p->f);
    text(p, p->a->preset->name);
    fprintf(p->f, "</title>\n<style>%s</style></head><body>\n", style);
    fputs("<h1>Do short attention windows teach a recurrent network to remember?</h1>\n<p>An ablation of SWAX (arXiv 2509.24552), preset <code>", p->f);
    text(p, p->a->preset->name);
    fprintf(p->f, "</code>: %d arms, %d seed%s, %d of %d runs finished. ", p->a->arms, p->a->seeds, p->a->seeds == 1 ? "" : "s", finished_in_all(p),
            p->a->arms * p->a->seeds);
    fprintf(p->f, "All arms see the same sequences in the same order (%.3g million tokens each, in sequences of %d) and start from the same random "
                  "numbers; they differ in nothing but their windows and mixers.</p>\n", (double)r->steps * r->batch * r->length / 1e6, r->length);
    if (!p->a->preset->claims)
        fputs("<p><strong>This preset exercises the machinery and claims nothing: its networks are too small and too briefly trained.</strong></p>\n", p->f);
    else if (p->a->seeds < 3)
        fprintf(p->f, "<p>%s: whether memory locks in varies between seeds, so a claim wants at least five "
                      "(<code>swax ablate %s seeds=5</code> goes on from here).</p>\n", p->a->seeds == 1 ? "One seed is one draw" : "Two seeds are two draws", p->a->preset->name);
}

static void verdict_section(const struct page *p)
{
    struct verdict v[ABLATE_VERDICTS];
    verdicts(v, p->a, p->r);
    fputs("<h2>The paper's claims</h2>\n<div class=\"wide\"><table><tr><th>claim</th><th>holds</th><th class=\"t\">measured here</th><th class=\"t\">the paper</th></tr>\n", p->f);
    for (int c = 0; c < ABLATE_VERDICTS; c++) {
        fputs("<tr><td>", p->f);
        text(p, v[c].claim);
        fprintf(p->f, "</td><td class=\"t\"><span class=\"%s\">%s</span></td><td class=\"t\">", v[c].holds, v[c].holds);
        text(p, v[c].measured);
        fputs("</td><td class=\"t\">", p->f);
        text(p, v[c].paper);
        fputs("</td></tr>\n", p->f);
    }
    fputs("</table></div>\n<p class=\"note\">Each verdict is computed by a rule in <code>tools/ablate/verdicts.c</code>, seed by seed: yes if it holds for at least 4 in 5 of the "
          "seeds that have a say, no if for at most 1 in 5. The paper's numbers are at 1.4 billion parameters and 150 billion tokens, windows 128 and 2048, and are "
          "taken from its abstract and from summaries by others; only directions can be compared.</p>\n", p->f);
}

static void result_table(const struct page *p)
{
    const struct ablation *a = p->a;
    fputs("<h2>Results</h2>\n<div class=\"wide\"><table><tr><th>arm</th><th>seeds</th><th>locked in</th>", p->f);
    for (int b = 0; b < a->bins; b++) {
        const char *comma = strchr(a->bin[b].name, ',');
        fputs("<th>", p->f);
        fprintf(p->f, "%.*s<br><small>%s</small></th>", (int)(comma - a->bin[b].name), a->bin[b].name, comma + 2);
    }
    fputs("<th>copies</th><th>loss</th><th>seconds</th></tr>\n", p->f);
    for (int i = 0; i < a->arms; i++) {
        int locked = 0;
        for (int s = 0; s < a->seeds; s++)
            locked += p->r[i * a->seeds + s].done && p->r[i * a->seeds + s].recall[a->beyond] >= ABLATE_LOCKED;
        fputs("<tr><td><b>", p->f);
        text(p, a->arm[i]->name);
        fputs("</b><br>", p->f);
        text(p, a->arm[i]->what);
        fprintf(p->f, "</td><td>%d</td><td>%d / %d</td>", page_finished(p, i), locked, page_finished(p, i));
        for (int b = 0; b < a->bins; b++)
            cell(p, i, value_recall, b, "%.2f");
        cell(p, i, value_copy, 0, "%.2f");
        cell(p, i, value_loss, 0, "%.3f");
        cell(p, i, value_seconds, 0, "%.0f");
        fputs("</tr>\n", p->f);
    }
    fprintf(p->f, "</table></div>\n<p class=\"note\">Median over seeds, and the range. Recall is the share of facts whose value is the most likely token; by distance in "
                  "tokens. A seed has locked in if it recalls at least %.0f %% beyond reach. \"In running text\" counts values in sequences like those of training, "
                  "last said further back than the arm's own windows reach: most of those had been said several times before.</p>\n", 100 * ABLATE_LOCKED);
}

static void probe_section(const struct page *p)
{
    fputs("<h2>Which path carries the answer</h2>\n<div class=\"wide\"><table><tr><th>arm</th><th>whole network</th><th>cells cut</th><th>attention cut</th></tr>\n", p->f);
    for (int i = 0; i < p->a->arms; i++) {
        if (!page_finished(p, i))
            continue;
        fputs("<tr><td>", p->f);
        text(p, p->a->arm[i]->what);
        fputs("</td>", p->f);
        cell(p, i, value_whole, 0, "%.2f");
        cell(p, i, value_cut, 0, "%.2f");
        cell(p, i, value_block, 0, "%.2f");
        fputs("</tr>\n", p->f);
    }
    fputs("</table></div>\n<p class=\"note\">All facts at the start, asked beyond the reach of any stack of windows. Cells cut: after the facts every cell starts from zero at every "
          "token, so nothing but attention could carry them. Attention cut: after the facts attention does not see them, so the cells' states must carry them.</p>\n", p->f);
}

static void inside_section(const struct page *p)
{
    fputs("<h2>Inside the networks</h2>\n<p class=\"note\">First finished seed of each arm, one sequence. Attention: per cent of a layer's mass on keys 0, 1, 2-3, 4-7, ... "
          "tokens back. Cells: time constants of the forget gates, in tokens, one per head.</p>\n<div class=\"wide\"><table><tr><th>arm</th><th>layer</th><th class=\"t\">values</th></tr>\n", p->f);
    for (int i = 0; i < p->a->arms; i++) {
        const struct outcome *r = &p->r[i * p->a->seeds];
        for (int s = 0; s < p->a->seeds && !r->done; s++)
            r++;
        for (int l = 0; page_finished(p, i) && l < r->layers; l++) {
            fputs("<tr><td>", p->f);
            text(p, l ? "" : p->a->arm[i]->what);
            const struct swax_mixer *x = swax_layer_mixer(&p->a->run[i].model, l);
            fprintf(p->f, "</td><td>%d %s</td><td class=\"t\">", l, x->name);
            int last = SWAX_INSIDE;
            while (last > 0 && !(r->layer[l].value[last - 1] > 0))
                last--;
            for (int k = 0; k < last; k++)
                fprintf(p->f, x->inside.shares ? "%s%.0f %%" : "%s%.4g", k ? " &nbsp; " : "", (x->inside.shares ? 100 : 1) * r->layer[l].value[k]);
            fputs("</td></tr>\n", p->f);
        }
    }
    fputs("</table></div>\n", p->f);
}

static void settings_section(const struct page *p, const char *command)
{
    char *config = run_json(&p->a->run[0], 1);
    fputs("<h2>How this was made</h2>\n<pre>", p->f);
    text(p, command);
    fputs("</pre>\n", p->f);
    if (p->a->preset->tuned) {
        fputs("<p><b>What was tuned before.</b> ", p->f);
        text(p, p->a->preset->tuned);
        fputs("</p>\n", p->f);
    }
    fputs("<p>What the arms have in common is below, as the first arm has it. They differ in:</p>\n<div class=\"wide\"><table><tr><th>arm</th><th class=\"t\">settings</th></tr>\n", p->f);
    for (int i = 0; i < p->a->arms; i++) {
        fputs("<tr><td>", p->f);
        text(p, p->a->arm[i]->name);
        fputs("</td><td class=\"t\"><code>", p->f);
        text(p, *p->a->arm[i]->settings ? p->a->arm[i]->settings : "nothing");
        fputs("</code></td></tr>\n", p->f);
    }
    fputs("</table></div>\n<details><summary>All settings of the first arm</summary><pre>", p->f);
    text(p, config ? config : "");
    fputs("</pre></details>\n</body></html>\n", p->f);
    free(config);
}

static void write_page(const struct page *p, const char *command)
{
    head(p);
    verdict_section(p);
    if (finished_in_all(p))
        page_plots(p);
    result_table(p);
    if (finished_in_all(p)) {
        probe_section(p);
        inside_section(p);
    }
    settings_section(p, command);
}

const char *report_write(const struct ablation *a, const struct outcome *r, const char *command, char *why)
{
    char path[RUN_TEXT + 64], *whole = NULL;
    size_t size = 0;
    struct page p = {open_memstream(&whole, &size), a, r};
    snprintf(path, sizeof path, "%s/report.html", a->out);
    if (p.f)
        write_page(&p, command);
    return file_replace_text(path, p.f, &whole, why);
}
