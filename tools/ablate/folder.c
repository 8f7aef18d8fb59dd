/* folder.c - what the folder of an ablation is for: ablation.json says it. */
#include "tools/ablate/ablate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/lib/files.h"
#include "tools/lib/say.h"
#include "tools/train/weights.h"

/* Every arm's settings, what its files hold, and the rules.  Another ablation must not be mixed into it. */
static const char *write_claim(const struct ablation *a, const char *path, char *why)
{
    char *text = NULL, rules[17];
    size_t size;
    FILE *f = file_open_text(&text, &size);
    if (f)
        fprintf(f, "{\"preset\": \"%s\", \"arms\": {\n", a->name);
    for (int i = 0; f && i < a->arms; i++) {
        char *run = run_json(&a->run[i], 0);
        fprintf(f, "%s\"%s\": %s", i ? ",\n" : "", a->arm[i].name, run ? run : "");
        if (!run) {
            free(file_close_text(f, &text));
            f = NULL;
        }
        free(run);
    }
    for (int i = 0; f && i < a->arms; i++)
        fprintf(f, "%s\"%s\": \"%s\"", i ? ", " : "},\n\"contents\": {", a->arm[i].name, a->arm[i].contents);
    for (int i = 0; f && i < a->arms; i++)
        fprintf(f, "%s\"%s\": \"%s\"", i ? ", " : "},\n\"weights\": {", a->arm[i].name, a->arm[i].weights);
    claims_sum(a, rules);
    if (f)
        fprintf(f, "},\n\"rules\": \"%s\"}\n", rules);
    return file_replace_text(path, f, &text, why);
}

/* The length of the line at s, without the comma that JSON puts behind it. */
static int line_length(const char *s)
{
    int n = (int)strcspn(s, "\n");
    return n && s[n - 1] == ',' ? n - 1 : n;
}

/* The settings of arm i as they stand there, or as an older swax wrote them, are those of the run: NULL, or what
 * differs. */
static const char *other_arm(const struct json *there, const struct ablation *a, int i, char *why)
{
    struct run r = run_default();
    const struct json *data = json_get(there, "data");
    if (!there)
        return say(why, "arm %s does not stand there", a->arm[i].name);
    const char *bad = data && data->text ? run_set(&r, "data", data->text, why) : say(why, "no data is named there");
    for (const struct json *j = there->first; j && !bad; j = j->next)
        bad = j->text ? run_set(&r, j->key, j->text, why) : say(why, "%.60s has no value there", j->key);
    char *x = bad ? NULL : run_json(&r, 1), *y = bad ? NULL : run_json(&a->run[i], 1);
    if (!bad && !(x && y))
        bad = say(why, "there is no memory for the settings");
    if (!bad && strcmp(r.from, a->run[i].from))
        bad = say(why, "arm %s begins with the weights \"%.80s\" there, and \"%.80s\" here", a->arm[i].name, r.from,
                  a->run[i].from);
    if (!bad && strcmp(x, y)) {        /* a line is a key and its value: the first that differs */
        const char *u = x, *v = y;
        while (line_length(u) == line_length(v) && !strncmp(u, v, (size_t)line_length(u)) && strchr(u, '\n')) {
            u += strcspn(u, "\n") + 1;
            v += strcspn(v, "\n") + 1;
        }
        bad = say(why, "arm %s has%.*s there, and%.*s here", a->arm[i].name, line_length(u) - 1, u + 1,
                  line_length(v) - 1, v + 1);      /* a line is indented by two, of which one is enough */
    }
    free(x);
    free(y);
    return bad;
}

/* A checksum of all that the files of an arm's data hold; "": they are generated. */
static const char *sum_contents(const struct run *r, char text[17], char *why)
{
    const char *value[SOURCE_KEYS];
    struct data d = {0};
    struct checksum sum = {0};
    *text = 0;
    if (!r->source->contents)
        return NULL;
    run_values(r, value);
    const char *wrong = data_open(&d, r->source, value, r->length, why);
    for (int part = 0; part < 2 && !wrong; part++)
        wrong = r->source->contents(d.opened, (enum data_part)part, &sum, why);
    if (!wrong)
        checksum_text(&sum, text);
    data_close(&d);
    return wrong;
}

static const char *sum_all(struct ablation *a, char *why)
{
    for (int i = 0; i < a->arms; i++) {
        const struct run *r = &a->run[i], *first = &a->run[0];
        if (i && !memcmp(r->value, first->value, sizeof r->value))
            strcpy(a->arm[i].contents, a->arm[0].contents);
        else if (sum_contents(r, a->arm[i].contents, why))
            return why;
        if (i && !strcmp(r->from, first->from))
            strcpy(a->arm[i].weights, a->arm[0].weights);
        else if (weights_sum(r->from, a->arm[i].weights, why))
            return why;
    }
    return NULL;
}

const char *ablation_same(const struct ablation *a, int arm, char *why)
{
    const struct ablate_arm *m = &a->arm[arm];
    char contents[17], weights[17];
    if ((*m->contents && sum_contents(&a->run[arm], contents, why)) ||
        (*m->weights && weights_sum(a->run[arm].from, weights, why)))
        return why;
    if (*m->contents && strcmp(contents, m->contents))
        return say(why, "A file that its data lie in was changed since the ablation began, and other runs are of what "
                        "it held: put it back as it was, and start the ablation again.");
    if (*m->weights && strcmp(weights, m->weights))
        return say(why, "The weights of from=%.100s were changed since the ablation began, and other runs began with "
                        "what they were: put them back, and start the ablation again.", a->run[arm].from);
    return NULL;
}

/* NULL, or a sentence.  What an older swax left out there is taken as it is. */
static const char *check_files(const struct json *root, const struct ablation *a, int i, char *why)
{
    const struct json *held = json_get(json_get(root, "contents"), a->arm[i].name),
                      *began = json_get(json_get(root, "weights"), a->arm[i].name);
    if (held && held->text && strcmp(held->text, a->arm[i].contents))
        return say(why, "%s holds runs on other data: a file that arm %s reads has changed since. Choose another "
                        "folder with out=, or put the file back.", a->out, a->arm[i].name);
    if (began && began->text && strcmp(began->text, a->arm[i].weights))
        return say(why, "%s holds runs that began with other weights: those that arm %s begins with have changed "
                        "since. Choose another folder with out=, or put the file back.", a->out, a->arm[i].name);
    return NULL;
}

const char *ablation_claim(struct ablation *a, int only_report, char *why)
{
    char path[RUN_TEXT + 64], rules[17];
    snprintf(path, sizeof path, "%s/ablation.json", a->out);
    if (only_report && access(path, F_OK))
        return say(why, "%s holds no ablation to report on.", a->out);
    if ((!only_report && sum_all(a, why)) || file_make_folder(a->out, why))
        return why;
    if (access(path, F_OK))
        return write_claim(a, path, why);
    struct json *root = json_read(path, 1 << 22, why);
    const struct json *arms = json_get(root, "arms");
    const char *bad = root ? NULL : why;
    char what[SWAX_WHY];
    const char *other = arms && arms->count == a->arms ? NULL : "it has other arms";
    for (int i = 0; i < a->arms && !bad && !other; i++)
        other = other_arm(json_get(arms, a->arm[i].name), a, i, what);
    for (int i = 0; i < a->arms && !only_report && !bad && !other; i++)
        bad = check_files(root, a, i, why);
    const struct json *began = json_get(root, "rules");
    claims_sum(a, rules);
    a->rules = !began || !began->text ? RULES_UNTOLD : strcmp(began->text, rules) ? RULES_CHANGED : RULES_STOOD;
    if (!bad && other)
        bad = say(why, "%s holds another ablation, or one with other settings (%s): choose another folder with out=.",
                  a->out, other);
    json_free(root);
    return bad;
}
