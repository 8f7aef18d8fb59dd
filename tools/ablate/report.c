/* report.c - report.html: what an ablation found, for people.  One file, nothing from outside. */
#include "tools/ablate/ablate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/ablate/report.h"
#include "tools/lib/files.h"
#include "tools/lib/page.h"
#include "tools/lib/svg.h"

static void text(const struct page *p, const char *s) { svg_text(p->f, s); }

/* ---- numbers of an arm over its seeds */

int page_finished(const struct page *p, int arm)
{
    int n = 0;
    for (int s = 0; s < p->a->seeds; s++)
        n += p->r[arm * p->a->seeds + s].done;
    return n;
}

int page_asks(const struct page *p, enum ablate_group group)
{
    int n = 0;
    for (int q = 0; q < p->a->questions; q++)
        n += p->a->ask[q].group == group;
    return n;
}

static int finished_in_all(const struct page *p)
{
    int n = 0;
    for (int i = 0; i < p->a->arms; i++)
        n += page_finished(p, i);
    return n;
}

static double value_seconds(const struct outcome *r, int unused) { (void)unused; return r->seconds; }
static double value_tokens(const struct outcome *r, int unused) { (void)unused; return r->tokens / 1e6; }
static double value_error(const struct outcome *r, int question) { return r->answer[question].error; }
static double value_bits(const struct outcome *r, int question)
{
    return r->answer[question].value / 0.6931471805599453;
}

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

/* Of training one run, which is the same for every seed; in units of 10^(3 n), by the largest. */
static int flops_thousands(const struct page *p)
{
    double most = 1;
    for (int i = 0; i < p->a->arms; i++)
        most = p->a->arm[i].flops > most ? p->a->arm[i].flops : most;
    return (int)floor(log10(most) / 3);
}

static void flops_cell(const struct page *p, int arm)
{
    const double flops = p->a->arm[arm].flops;
    fprintf(p->f, isfinite(flops) ? "<td>%.4g</td>" : "<td>&ndash;</td>", flops / pow(1000, flops_thousands(p)));
}

/* ---- sections */

/* The question, and the sentence that answers it: what the file says for the first claim's verdict. */
static void head(const struct page *p)
{
    static struct verdict v[ABLATE_CLAIMS];
    const struct ablation *a = p->a;
    const struct run *r = &a->run[0];
    verdicts(v, a, p->r);
    char title[128];
    snprintf(title, sizeof title, "swax ablation: %s", a->name);
    page_open(p->f, title, 0);
    fputs("<h1>", p->f);
    text(p, a->question);
    fputs("</h1>\n<p class=\"answer\"><b>", p->f);
    if (!a->claims)
        fputs("This ablation claims nothing: it shows what its arms answer.", p->f);
    else if (a->answer[v[0].says])
        text(p, a->answer[v[0].says]);
    else
        fprintf(p->f, "%s.",
                v[0].says == ABLATE_YES  ? "Yes"
                : v[0].says == ABLATE_NO ? "No, not here"
                                         : "These runs do not decide it");
    fputs("</b> ", p->f);
    if (a->claims)
        text(p, v[0].measured);
    int alike = 1;
    for (int i = 1; i < a->arms; i++)
        alike &= !memcmp(a->run[i].value, r->value, sizeof r->value);
    fprintf(p->f, "%s</p>\n<p>An ablation of SWAX (arXiv 2509.24552), <code>", a->claims ? "." : "");
    text(p, a->name);
    fprintf(p->f, "</code>: %d arms, %d seed%s, %d of %d runs finished. The arms differ in what the last table "
                  "says and in nothing else: with the same seed all %s%d tokens%s and start from the same random "
                  "numbers.</p>\n", a->arms, a->seeds, a->seeds == 1 ? "" : "s", finished_in_all(p),
            a->arms * a->seeds, alike ? "see the same sequences of " : "see sequences of ", r->length,
            alike ? " in the same order" : ", whose data differ too, so that each is asked of its own,");
    if (a->about) {
        fputs("<p>", p->f);
        text(p, a->about);
        fputs("</p>\n", p->f);
    }
    if (a->tuned) {
        fputs("<p><b>What was searched for before.</b> ", p->f);
        text(p, a->tuned);
        fputs("</p>\n", p->f);
    }
}

static void define(const struct page *p, const char *word, const char *meaning)
{
    fputs("<dt>", p->f);
    text(p, word);
    fputs("</dt><dd>", p->f);
    text(p, meaning);
    fputs("</dd>\n", p->f);
}

static void word_section(const struct page *p)
{
    char meaning[400];
    fputs("<h2>Words</h2>\n<dl>\n", p->f);
    snprintf(meaning, sizeof meaning,
             "The number of latest tokens that an attention layer sees, the token itself included. Here the short one "
             "is %d and the long one %d.",
             p->a->short_window, p->a->long_window);
    define(p, "window", meaning);
    define(p, "hybrid",
           "A network whose layers alternate attention in a window (SWA) with a recurrent memory of fixed size (the "
           "cells).");
    if (p->a->reach) {
        snprintf(meaning, sizeof meaning,
                 "How far back a stack of windows can see through its layers: layers x (window - 1), at most %d tokens "
                 "here. What lies further back can only be known through the cells.",
                 p->a->reach);
        define(p, "reach", meaning);
    }
    if (page_asks(p, ABLATE_FACTS))
        define(p, "recall",
               "The share of facts whose value is the network's most likely token; every fact is said once and asked "
               "for once, so far back.");
    if (page_asks(p, ABLATE_REUSE))
        define(p, "reuse by distance",
               "Answers counted by how far back the text before them was last seen in the same document with the same "
               "continuation.");
    if (page_asks(p, ABLATE_FOUND)) {
        snprintf(meaning, sizeof meaning,
                 "Bytes of words (identifiers, numbers, what strings say) that a network gets wrong when it sees only "
                 "the last %d to %d tokens of the document, and right when it sees all of it: what only memory can "
                 "give.",
                 p->a->past / 2, p->a->past);
        define(p, "words found", meaning);
        define(p, "nats saved",
               "By how much the loss of the same answers falls when the network sees the whole document instead of its "
               "end.");
    }
    fputs("</dl>\n", p->f);
}

static void verdict_section(const struct page *p)
{
    static const char *const when[] = {
        [RULES_STOOD] = "The rules stood in the ablation's file before the runs.",
        [RULES_CHANGED] = "<b>The rules are not those that stood in the ablation's file when its runs began: they were "
                          "changed since.</b>",
        [RULES_UNTOLD] = "The rules stand in the ablation's file; since when, its folder does not say."};
    static struct verdict v[ABLATE_CLAIMS];
    if (!p->a->claims)
        return;
    verdicts(v, p->a, p->r);
    fputs("<h2>The claims</h2>\n<div class=\"wide\"><table class=\"stack\"><tr><th>claim</th><th>holds</th><th "
          "class=\"t\">measured here</th><th class=\"t\">the paper</th></tr>\n",
          p->f);
    for (int c = 0; c < p->a->claims; c++) {
        const char *says = ablate_verdict_name[v[c].says];
        fputs("<tr><td><b>", p->f);
        text(p, v[c].claim->claim);
        fprintf(p->f, "</b></td><td class=\"t\"><span class=\"%s\">%s</span></td><td class=\"t\" data-of=\"measured\">",
                says, says);
        text(p, v[c].measured);
        if (*v[c].why) {
            fputs("; ", p->f);
            text(p, v[c].why);
        }
        fputs("</td><td class=\"t\" data-of=\"the paper\">", p->f);
        text(p, *v[c].claim->paper ? v[c].claim->paper : "says nothing of it");
        fputs("</td></tr>\n", p->f);
    }
    fprintf(p->f, "</table></div>\n<p class=\"note\">ARM.QUESTION = the median over the seeds [the lowest, the "
            "highest]. %s A claim is asked of every combination of seeds, one of each arm that it names, and a "
            "condition holds only by %g standard error%s. Yes: it holds for at least 4 in 5 combinations, with at "
            "least %d seeds of each arm, and the same results dealt out to the arms at random do as well in at most %g "
            "of the deals. No: it fails for at least 4 in 5. The paper's numbers are at 1.4 billion parameters and 150 "
            "billion tokens, windows 128 and 2048, and are taken from its abstract and from summaries by others; only "
            "directions can be compared.</p>\n", when[p->a->rules], p->a->margin, p->a->margin == 1 ? "" : "s",
            p->a->least_seeds, p->a->luck);
}

/* One table of the questions of some groups, a column each. */
static void table(const struct page *p, const char *title, uint64_t groups, int more, const char *note)
{
    const struct ablation *a = p->a;
    int any = 0;
    for (int q = 0; q < a->questions; q++)
        any |= (groups >> a->ask[q].group & 1) != 0;
    if (!any)
        return;
    fputs("<h2>", p->f);
    text(p, title);
    fputs("</h2>\n<div class=\"wide\"><table><tr><th>arm</th><th>seeds</th>", p->f);
    for (int q = 0; q < a->questions; q++)
        if (groups >> a->ask[q].group & 1) {
            fputs("<th>", p->f);
            text(p, a->ask[q].label);
            fputs(a->ask[q].what == MEASURE_LOSS ? "<br><small>nats</small></th>" : "</th>", p->f);
        }
    if (more)
        fprintf(p->f, "<th>bits</th><th>million tokens</th><th>10<sup>%d</sup> FLOPs</th><th>seconds</th>",
                3 * flops_thousands(p));
    fputs("</tr>\n", p->f);
    for (int i = 0; i < a->arms; i++) {
        fputs("<tr><td><b>", p->f);
        text(p, a->arm[i].name);
        fputs("</b><br>", p->f);
        text(p, a->arm[i].what);
        fprintf(p->f, "</td><td>%d</td>", page_finished(p, i));
        for (int q = 0; q < a->questions; q++)
            if (groups >> a->ask[q].group & 1)
                cell(p, i, value_answer, q,
                     a->ask[q].what == MEASURE_LOSS || a->ask[q].what == MEASURE_GAIN ? "%.4f" : "%.3f");
        if (more) {
            cell(p, i, value_bits, a->loss, "%.4f");
            cell(p, i, value_tokens, 0, "%.4g");
            flops_cell(p, i);
            cell(p, i, value_seconds, 0, "%.0f");
        }
        fputs("</tr>\n", p->f);
    }
    fputs("</table></div>\n<p class=\"note\">Median over seeds, and the range. ", p->f);
    text(p, note);
    fputs("</p>\n", p->f);
}

static void error_note(const struct page *p)
{
    double worst = 0;
    for (int i = 0; i < p->a->arms; i++) {
        const struct spread s = spread_of(p->a, p->r, i, value_error, p->a->loss);
        worst = s.n && s.high > worst ? s.high : worst;
    }
    fprintf(p->f,
            "<p class=\"note\">A loss has a standard error of at most %.2g nats over the held-out sequences; all "
            "networks sit the same ones. Every answer's "
            "standard error stands in results.json. Bits are per %s.</p>\n",
            worst, run_unit(&p->a->run[0]));
}

static void inside_section(const struct page *p)
{
    fputs("<h2>Inside the networks</h2>\n<p class=\"note\">First finished seed of each arm, one sequence. Attention: "
          "per cent of a layer's mass on keys 0, 1, 2-3, 4-7, ... "
          "tokens back. Cells: time constants of the forget gates, in tokens, one per head.</p>\n<div "
          "class=\"wide\"><table><tr><th>arm</th><th>layer</th><th class=\"t\">values</th></tr>\n",
          p->f);
    for (int i = 0; i < p->a->arms; i++) {
        const struct outcome *r = &p->r[i * p->a->seeds];
        for (int s = 0; s < p->a->seeds - 1 && !r->done; s++)
            r++;
        for (int l = 0; page_finished(p, i) && l < r->layers; l++) {
            fputs("<tr><td>", p->f);
            text(p, l ? "" : p->a->arm[i].what);
            const struct swax_mixer *x = swax_layer_mixer(&p->a->run[i].model, l);
            fprintf(p->f, "</td><td>%d %s</td><td class=\"t\">", l, x->name);
            int last = SWAX_INSIDE;
            while (last > 0 && !(r->layer[l].value[last - 1] > 0))
                last--;
            for (int k = 0; k < last; k++)
                fprintf(p->f, x->inside.shares ? "%s%.0f %%" : "%s%.4g", k ? " &nbsp; " : "",
                        (x->inside.shares ? 100 : 1) * r->layer[l].value[k]);
            fputs("</td></tr>\n", p->f);
        }
    }
    fputs("</table></div>\n", p->f);
}

/* How long the arm trains, where that is not what its settings say. */
static void budget(const struct page *p, int arm)
{
    const struct ablate_arm *m = &p->a->arm[arm], *other = m->equal_to >= 0 ? &p->a->arm[m->equal_to] : NULL;
    if (other) {
        fprintf(p->f, "; %d steps, which take as many FLOPs as the %d of ", p->a->run[arm].steps,
                p->a->run[m->equal_to].steps);
        text(p, other->name);
        fprintf(p->f, ": %.5g against %.5g", m->flops, other->flops);
    } else if (m->times != 1)
        fprintf(p->f, "; %g times the steps: %d", m->times, p->a->run[arm].steps);
}

static void settings_section(const struct page *p, const char *command, const char *config)
{
    fputs("<h2>How this was made</h2>\n<pre>", p->f);
    text(p, command);
    fputs("</pre>\n<p>What the arms have in common is below, as the first arm has it. They differ in:</p>\n<div "
          "class=\"wide\"><table><tr><th>arm</th><th class=\"t\">settings</th></tr>\n",
          p->f);
    for (int i = 0; i < p->a->arms; i++) {
        const struct json *settings = p->a->arm[i].settings;
        fputs("<tr><td>", p->f);
        text(p, p->a->arm[i].name);
        fputs("</td><td class=\"t\"><code>", p->f);
        for (const struct json *j = settings ? settings->first : NULL; j; j = j->next) {
            text(p, j == settings->first ? "" : "; ");
            text(p, j->key);
            text(p, "=");
            text(p, j->text ? j->text : j->type == JSON_TRUE ? "yes" : "no");
        }
        fputs(settings && settings->first ? "</code>" : "nothing</code>", p->f);
        budget(p, i);
        fputs("</td></tr>\n", p->f);
    }
    fputs("</table></div>\n<details><summary>All settings of the first arm</summary><pre>", p->f);
    text(p, config);
    fputs("</pre></details>\n", p->f);
    page_close(p->f);
}

#define G(group) ((uint64_t)1 << (group))

static void write_page(const struct page *p, const char *command, const char *config)
{
    const int any = finished_in_all(p);
    head(p);
    if (any)
        page_first_plot(p);
    verdict_section(p);
    word_section(p);
    table(p, "Results", G(ABLATE_FACTS) | G(ABLATE_BAND) | G(ABLATE_LOSS), 1,
          "Columns are shares of right answers, unless they say nats.");
    if (any) {
        error_note(p);
        page_plots(p);
    }
    table(p, "Reuse by distance", G(ABLATE_REUSE), 0,
          "The share of tokens that are right, by how far back what stands before them was last seen.");
    table(p, "Words that only memory gives", G(ABLATE_FOUND) | G(ABLATE_GAIN), 0, "Of words seen so far back.");
    table(p, "Controls", G(ABLATE_CONTROL), 0,
          "Found by the cells: attention sees what it always does, and the cells alone begin anew. Found in another "
          "document: the far past is that of another sequence; what is still better than without any is style, not "
          "memory.");
    table(p, "Other answers", G(ABLATE_TAG), 0, "In sequences like those of training.");
    table(p, "Longer sequences", G(ABLATE_LENGTH), 0, "Sequences longer than any that was trained on.");
    table(
        p, "Which path carries the answer", G(ABLATE_PROBE), 0,
        "All facts at the start, asked beyond the reach of any stack of windows. Cells cut: after the facts every cell "
        "starts from zero at every token, so nothing but attention could carry them. Attention cut: after the facts "
        "attention does not see them, so the cells' states must.");
    if (any)
        inside_section(p);
    settings_section(p, command, config);
}

const char *report_write(const struct ablation *a, const struct outcome *r, const char *command, char *why)
{
    char path[RUN_TEXT + 64], *whole = NULL;
    size_t size;
    char *config = run_json(&a->run[0], 1);      /* of the first arm */
    struct page p = {config ? file_open_text(&whole, &size) : NULL, a, r};
    snprintf(path, sizeof path, "%s/report.html", a->out);
    if (p.f)
        write_page(&p, command, config);
    free(config);
    return file_replace_text(path, p.f, &whole, why);
}
