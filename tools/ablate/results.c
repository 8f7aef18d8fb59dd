/* results.c - results.json: what an ablation found, for programs. */
#include "tools/ablate/ablate.h"

#include <math.h>
#include <stdio.h>

#include "tools/lib/files.h"
#include "tools/lib/json.h"

static void member(FILE *f, const char *before, const char *key, double value)
{
    fprintf(f, "%s\"%s\": ", before, key);
    json_write_number(f, value);
}

static void write_window(FILE *f, const struct ablation *a, int arm)
{
    const struct run *r = &a->run[arm];
    const struct windows *w = &r->windows;
    int attends = 0;
    for (int i = 0; i < r->model.layers; i++)
        attends |= swax_layer_mixer(&r->model, i)->sees == SWAX_SEES_WINDOW;
    fputs("{", f);
    if (attends && w->short_window) {
        fprintf(f, "\"short\": %d, \"long\": %d, \"test\": %d", w->short_window, w->window, a->test_window[arm]);
        member(f, ", ", "short_probability", w->short_probability);
        member(f, ", ", "anneal", w->anneal);
    } else if (attends) {
        fprintf(f, "\"train\": %d, \"test\": %d", w->window, a->test_window[arm]);
    }
    fputs("}", f);
}

static void write_run(FILE *f, const struct ablation *a, const struct outcome *r)
{
    fprintf(f, "        {\"seed\": %llu", (unsigned long long)r->seed);
    member(f, ", ", "tokens", r->tokens);
    member(f, ", ", "loss", r->loss);
    fputs(",\n         \"recall\": {", f);
    for (int b = 0; b < a->bins; b++)
        member(f, b ? ", " : "", a->bin[b].name, r->recall[b]);
    member(f, "},\n         ", "copy", r->copy);
    fputs(",\n         \"curve\": [", f);
    for (int i = 0; i < r->points; i++) {
        const struct ablate_point *p = &r->curve[i];
        member(f, i ? ",\n           {" : "\n           {", "tokens", p->tokens);
        member(f, ", ", "loss", p->loss);
        member(f, ", ", "recall", p->recall);
        member(f, ", ", "copy", p->copy);
        fputs("}", f);
    }
    fputs("]}", f);
}

static void write_arm(FILE *f, const struct ablation *a, const struct outcome *r, int arm)
{
    const struct run *run = &a->run[arm];
    fputs("    {\"name\": ", f);
    json_write_string(f, a->arm[arm]->name);
    fputs(", \"mixers\": \"", f);
    for (int i = 0; i < run->model.layers; i++)
        fprintf(f, "%s%s", i ? " " : "", swax_layer_mixer(&run->model, i)->name);
    fputs("\", \"window\": ", f);
    write_window(f, a, arm);
    fputs(", \"runs\": [", f);
    for (int s = 0, n = 0; s < a->seeds; s++)
        if (r[arm * a->seeds + s].done) {
            fputs(n++ ? ",\n" : "\n", f);
            write_run(f, a, &r[arm * a->seeds + s]);
        }
    fputs("]}", f);
}

static void write_all(FILE *f, const struct ablation *a, const struct outcome *r)
{
    struct verdict v[ABLATE_VERDICTS];
    fputs("{\n  \"preset\": ", f);
    json_write_string(f, a->preset->name);
    fprintf(f, ",\n  \"seeds\": %d,\n  \"bins\": [", a->seeds);
    for (int b = 0; b < a->bins; b++) {
        fputs(b ? ", " : "", f);
        json_write_string(f, a->bin[b].name);
    }
    fputs("],\n  \"arms\": [\n", f);
    for (int i = 0; i < a->arms; i++) {
        write_arm(f, a, r, i);
        fputs(i < a->arms - 1 ? ",\n" : "\n", f);
    }
    fputs("  ],\n  \"verdicts\": [\n", f);
    verdicts(v, a, r);
    for (int c = 0; c < ABLATE_VERDICTS; c++) {
        const char *const text[] = {"claim", v[c].claim, "paper", v[c].paper, "measured", v[c].measured, "holds", v[c].holds};
        for (int k = 0; k < 8; k += 2) {
            fprintf(f, "%s\"%s\": ", k ? ",\n     " : "    {", text[k]);
            json_write_string(f, text[k + 1]);
        }
        fputs(c < ABLATE_VERDICTS - 1 ? "},\n" : "}\n", f);
    }
    fputs("  ]\n}\n", f);
}

const char *results_write(const struct ablation *a, const struct outcome *r, char *why)
{
    char path[RUN_TEXT + 64], *text = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "%s/results.json", a->out);
    FILE *f = open_memstream(&text, &size);
    if (f)
        write_all(f, a, r);
    return file_replace_text(path, f, &text, why);
}
