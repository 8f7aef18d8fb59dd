/* results.c - what came out, as files: result.json of a run, results.json of all, one writer for both.
 *
 * A run is {"seed", "examination" (a checksum of what it was asked), "tokens", "seconds", "parameters",
 * "answers": {QUESTION: {"value", "error", "asked"}, ...}, "loss_by_position": [...],
 * "layers": [{"layer", "mixer", what it shows of its inside: [...]}, ...],
 * "curve": [{"step", "tokens", "loss", "memory", "near", "cells_gradient"}, ...], "asked_of_curve": {"loss", "memory",
 * "near"} (checksums of their questions)}: what was not measured is null.
 * results.json lists the runs of every arm, the questions in words, and the verdicts. */
#include "tools/ablate/ablate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/lib/files.h"
#include "tools/lib/say.h"

/* ---- writing */

static void member(FILE *f, const char *before, const char *key, double value)
{
    fprintf(f, "%s\"%s\": ", before, key);
    json_write_number(f, value);
}

static void text_member(FILE *f, const char *before, const char *key, const char *value)
{
    fprintf(f, "%s\"%s\": ", before, key);
    json_write_string(f, value);
}

static void numbers(FILE *f, const char *before, const char *key, const double *x, int n)
{
    fprintf(f, "%s\"%s\": [", before, key);
    for (int i = 0; i < n; i++) {
        fputs(i ? ", " : "", f);
        json_write_number(f, x[i]);
    }
    fputs("]", f);
}

static int count_numbers(const double *x, int most)
{
    while (most > 0 && !(x[most - 1] > 0))
        most--;
    return most;
}

static const char *const of_curve[3] = {"loss", "memory", "near"};

static double *in_point(struct ablate_point *p, int k)
{
    return k == 0 ? &p->loss : k == 1 ? &p->memory : &p->near;
}

void curve_write(FILE *f, const struct ablation *a, const struct outcome *r, const char *indent)
{
    fputs("\"curve\": [", f);
    for (int i = 0; i < r->points; i++) {
        const struct ablate_point *p = &r->curve[i];
        fprintf(f, "%s\n%s  {\"step\": %d", i ? "," : "", indent, p->step);
        member(f, ", ", "tokens", p->tokens);
        member(f, ", ", "loss", p->loss);
        member(f, ", ", "memory", p->memory);
        member(f, ", ", "near", p->near);
        member(f, ", ", "cells_gradient", p->cells);
        fputs("}", f);
    }
    fprintf(f, "],\n%s\"asked_of_curve\": ", indent);
    for (int k = 0; k < 3; k++)
        text_member(f, k ? ", " : "{", of_curve[k], a->asked_of_curve[k]);
    fputs("}", f);
}

static void write_layers(FILE *f, const struct swax_config *c, const struct outcome *r, const char *indent)
{
    fprintf(f, ",\n%s\"layers\": [", indent);
    for (int i = 0; i < r->layers; i++) {
        const struct swax_mixer *mixer = swax_layer_mixer(c, i);
        fprintf(f, "%s\n%s  {\"layer\": %d", i ? "," : "", indent, i);
        text_member(f, ", ", "mixer", mixer->name);
        numbers(f, ", ", mixer->inside.key, r->layer[i].value, count_numbers(r->layer[i].value, SWAX_INSIDE));
        fputs("}", f);
    }
    fputs("]", f);
}

void outcome_write(FILE *f, const struct ablation *a, int arm, const struct outcome *r, const char *indent)
{
    fprintf(f, "{\"seed\": %llu, \"examination\": \"%s\"", (unsigned long long)r->seed, a->examination);
    member(f, ", ", "tokens", r->tokens);
    member(f, ", ", "seconds", r->seconds);
    member(f, ", ", "parameters", r->parameters);
    fprintf(f, ",\n%s\"answers\": {", indent);
    for (int q = 0; q < a->questions; q++) {
        fprintf(f, "%s\n%s  \"%s\": {", q ? "," : "", indent, a->ask[q].name);
        member(f, "", "value", r->answer[q].value);
        member(f, ", ", "error", r->answer[q].error);
        member(f, ", ", "asked", r->answer[q].asked);
        fputs("}", f);
    }
    fprintf(f, "},\n%s", indent);
    numbers(f, "", "loss_by_position", r->part, MEASURE_PARTS);
    write_layers(f, &a->run[arm].model, r, indent);
    fprintf(f, ",\n%s", indent);
    curve_write(f, a, r, indent);
    fputs("}", f);
}

static void write_arm(FILE *f, const struct ablation *a, const struct outcome *r, int arm)
{
    const struct run *run = &a->run[arm];
    text_member(f, "    {", "name", a->arm[arm].name);
    text_member(f, ", ", "what", a->arm[arm].what);
    text_member(f, ", ", "role", a->arm[arm].role);
    fputs(",\n     \"mixers\": \"", f);
    for (int i = 0; i < run->model.layers; i++)
        fprintf(f, "%s%s", i ? " " : "", swax_layer_mixer(&run->model, i)->name);
    fprintf(f, "\", \"window\": %d, \"short_window\": %d", run->windows.window, run->windows.short_window);
    member(f, ", ", "short_probability", run->windows.short_window ? run->windows.short_probability : 0);
    member(f, ", ", "anneal", run->windows.anneal);
    fprintf(f, ", \"steps\": %d", run->steps);
    member(f, ", ", "flops", a->arm[arm].flops);
    if (a->arm[arm].equal_to >= 0)
        text_member(f, ", ", "equal_flops", a->arm[a->arm[arm].equal_to].name);
    fputs(",\n     \"runs\": [", f);
    for (int s = 0, n = 0; s < a->seeds; s++)
        if (r[arm * a->seeds + s].done) {
            fputs(n++ ? ",\n      " : "\n      ", f);
            outcome_write(f, a, arm, &r[arm * a->seeds + s], "       ");
        }
    fputs("]}", f);
}

static void write_verdicts(FILE *f, const struct ablation *a, const struct outcome *r)
{
    static struct verdict v[ABLATE_CLAIMS];
    verdicts(v, a, r);
    for (int c = 0; c < a->claims; c++) {
        text_member(f, c ? ",\n    {" : "\n    {", "claim", v[c].claim->claim);
        text_member(f, ", ", "verdict", ablate_verdict_name[v[c].says]);
        fprintf(f, ",\n     \"combinations\": %d, \"hold\": %d, \"fail\": %d", v[c].combinations, v[c].hold, v[c].fail);
        member(f, ", ", "luck", v[c].luck);
        text_member(f, ",\n     ", "because", v[c].why);
        text_member(f, ",\n     ", "measured", v[c].measured);
        text_member(f, ",\n     ", "paper", v[c].claim->paper);
        fputs("}", f);
    }
}

static void write_all(FILE *f, const struct ablation *a, const struct outcome *r)
{
    text_member(f, "{\n  ", "ablation", a->name);
    text_member(f, ",\n  ", "question", a->question);
    fprintf(f, ",\n  \"seeds\": %d, \"length\": %d, \"reach\": %d,\n  \"questions\": [", a->seeds, a->length, a->reach);
    for (int q = 0; q < a->questions; q++) {
        text_member(f, q ? ",\n    {" : "\n    {", "name", a->ask[q].name);
        text_member(f, ", ", "what", a->ask[q].label);
        const struct sitting *s = &a->sitting[a->ask[q].sitting];
        fprintf(f, ", \"length\": %d", s->length);
        if (s->window)                             /* else every arm's own */
            fprintf(f, ", \"window\": %d", s->window);
        if (a->ask[q].to)
            fprintf(f, ", \"from\": %d, \"to\": %d", a->ask[q].from, a->ask[q].to);
        fputs("}", f);
    }
    fputs("],\n  \"arms\": [\n", f);
    for (int i = 0; i < a->arms; i++) {
        write_arm(f, a, r, i);
        fputs(i < a->arms - 1 ? ",\n" : "],\n", f);
    }
    fputs("  \"verdicts\": [", f);
    write_verdicts(f, a, r);
    fputs("]\n}\n", f);
}

const char *results_write(const struct ablation *a, const struct outcome *r, char *why)
{
    char path[RUN_TEXT + 64], *text = NULL;
    size_t size;
    snprintf(path, sizeof path, "%s/results.json", a->out);
    FILE *f = file_open_text(&text, &size);
    if (f)
        write_all(f, a, r);
    return file_replace_text(path, f, &text, why);
}

/* ---- reading */

static double number(const struct json *object, const char *key)
{
    const struct json *j = json_get(object, key);
    return j && j->type == JSON_NUMBER ? j->number : (double)NAN;
}

static void read_list(double *to, int most, const struct json *list)
{
    const struct json *e = list && list->type == JSON_ARRAY ? list->first : NULL;
    for (int i = 0; i < most; i++, e = e ? e->next : NULL)
        to[i] = e && e->type == JSON_NUMBER ? e->number : (double)NAN;
}

int curve_read(struct outcome *r, const struct ablation *a, const struct json *object, int other)
{
    const struct json *curve = json_get(object, "curve"), *asked = json_get(object, "asked_of_curve");
    int dropped = 0;
    r->points = 0;
    for (const struct json *p = curve && curve->type == JSON_ARRAY ? curve->first : NULL;
         p && r->points < ABLATE_POINTS; p = p->next) {
        const double step = number(p, "step");
        if (!(step >= 1 && step <= 1 << 30))
            break;                                 /* an older swax wrote it: it is measured again */
        r->curve[r->points++] =
            (struct ablate_point){(int)step,           number(p, "tokens"), number(p, "loss"),
                                  number(p, "memory"), number(p, "near"),   number(p, "cells_gradient")};
    }
    for (int k = 0; k < 3; k++) {
        const struct json *sum = json_get(asked, of_curve[k]);
        const int same = sum && sum->text ? !strcmp(sum->text, a->asked_of_curve[k]) : !other;
        for (int i = 0; i < r->points && !same; i++)
            *in_point(&r->curve[i], k) = (double)NAN;
        dropped |= !same;
    }
    return dropped;
}

/* 1, or 0 if a question is missing, or is another one of the same name; an older swax does not say. */
static int read_answers(struct outcome *r, const struct ablation *a, const struct json *root)
{
    const struct json *answers = json_get(root, "answers"), *sum = json_get(root, "examination");
    if (sum && sum->text && strcmp(sum->text, a->examination))
        return 0;
    for (int q = 0; q < a->questions; q++) {
        const struct json *j = json_get(answers, a->ask[q].name);
        if (!j)
            return 0;
        r->answer[q] = (struct estimate){number(j, "value"), number(j, "error"), number(j, "asked")};
    }
    return 1;
}

const char *outcome_read(struct outcome *r, const struct ablation *a, int arm, int seed, char *why)
{
    char path[RUN_TEXT + 128];
    int64_t drawn = -1;
    memset(r, 0, sizeof *r);
    ablation_folder(path, a, arm, seed);
    strcat(path, "/result.json");
    if (access(path, F_OK))
        return NULL;
    struct json *root = json_read(path, 1 << 22, why);
    if (!root)
        return why;
    const struct json *of = json_get(root, "seed"), *layers = json_get(root, "layers");
    const int ours = of && json_integer(of, &drawn);
    r->seed = (uint64_t)drawn;
    r->tokens = number(root, "tokens"), r->seconds = number(root, "seconds"),
    r->parameters = number(root, "parameters");
    r->done = ours && drawn == seed + 1 && read_answers(r, a, root);
    r->other = ours && !r->done;
    read_list(r->part, MEASURE_PARTS, json_get(root, "loss_by_position"));
    for (const struct json *l = layers && layers->type == JSON_ARRAY ? layers->first : NULL;
         l && r->layers < ABLATE_LAYERS; l = l->next, r->layers++) {
        const char *key =
            r->layers < a->run[arm].model.layers ? swax_layer_mixer(&a->run[arm].model, r->layers)->inside.key : "";
        read_list(r->layer[r->layers].value, SWAX_INSIDE, json_get(l, key));
    }
    curve_read(r, a, root, r->other);
    json_free(root);
    return !ours ? say(why, "%s is not the result of a run: delete it, and it is made again.", path)
         : drawn != seed + 1
             ? say(why, "%s is the result of seed %lld, in the folder of seed %d.", path, (long long)drawn, seed + 1)
             : NULL;
}
