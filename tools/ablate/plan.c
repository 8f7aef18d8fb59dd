/* plan.c - an ablation from its file: what is trained, with which settings, and what is asked.
 *
 *   name, what       a word and a line for the list of ablations
 *   question, answer the page's title, and {"yes": ..., "no": ..., "undecided": ...} by the first claim's verdict
 *   seeds            1 to this; sequences of an examination, which are rounded up to whole batches (8 at a time, and of
 *                    a curve's point as many as are trained at once); longest: of examinations, in training lengths;
 *                    points of a curve
 *   settings         an object of the keys of `swax train`, for all arms; the window given here is the long one,
 *                    if no arm has that role
 *   arms             [{"name", "what", "role", "settings"}, ...]; role: a word by which claims and the page know an
 *                    arm: short, long, both, swa (pure windows), cell (pure recurrent), full; or any other.
 *                    "budget" or "equal_flops" makes its runs longer or shorter than the settings say: budget.c
 *   bands            [{"name", "from", "to"}, ...]: answers that repeat what was last said so many tokens back
 *   memory, near     which questions stand for long memory and for short context (questions.c lists them)
 *   past             tokens: how much of the document is left where the past is cut (measure.h: measure_past)
 *   claims           [{"claim", "paper", "asks": [...], "holds": [...]}, ...]: claims.c
 *   least_seeds, margin, luck      what a verdict needs: claims.c
 *   tuned, about     what was searched for before, and what a reader should know, for the page */
#include "tools/ablate/ablate.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/ablate/members.h"
#include "tools/lib/options.h"
#include "tools/lib/say.h"

/* ---- members of the file */

static const struct member members[] = {
    {"name", JSON_STRING}, {"what", JSON_STRING}, {"question", JSON_STRING}, {"answer", JSON_OBJECT},
    {"seeds", JSON_NULL}, {"sequences", JSON_NULL}, {"longest", JSON_NULL}, {"points", JSON_NULL},
    {"settings", JSON_NULL}, {"arms", JSON_ARRAY}, {"bands", JSON_ARRAY}, {"memory", JSON_STRING},
    {"near", JSON_STRING}, {"past", JSON_NULL}, {"claims", JSON_ARRAY}, {"least_seeds", JSON_NULL},
    {"margin", JSON_NULL}, {"luck", JSON_NULL}, {"tuned", JSON_STRING}, {"about", JSON_STRING}, {NULL, JSON_NULL},
};
static const struct member arm_members[] = {
    {"name", JSON_STRING}, {"what", JSON_STRING}, {"role", JSON_STRING}, {"settings", JSON_NULL},
    {"budget", JSON_NULL}, {"equal_flops", JSON_NULL}, {NULL, JSON_NULL},
};
static const struct member answer_members[] = {
    {"no", JSON_STRING}, {"undecided", JSON_STRING}, {"yes", JSON_STRING}, {NULL, JSON_NULL},
};

/* members_check has seen that it is a text. */
static const char *text_of(const struct json *object, const char *key)
{
    const struct json *j = json_get(object, key);
    return j ? j->text : NULL;
}

static const char *whole_of(const struct json *object, const char *key, int64_t least, int64_t most, int *value,
                            char *why)
{
    int64_t v;
    const struct json *j = json_get(object, key);
    if (!j)
        return NULL;
    if (!json_integer(j, &v) || v < least || v > most)
        return say(why, "\"%s\" of the ablation is a whole number from %lld to %lld.", key, (long long)least,
                   (long long)most);
    *value = (int)v;
    return NULL;
}

static const char *real_of(const struct json *object, const char *key, double least, double most, double *value,
                           char *why)
{
    const struct json *j = json_get(object, key);
    if (j && (j->type != JSON_NUMBER || !(j->number >= least && j->number <= most)))
        return say(why, "\"%s\" of the ablation is a number from %g to %g.", key, least, most);
    *value = j ? j->number : *value;
    return NULL;
}

/* A run's folder, its seed and how it goes on are the ablation's to say; so are its steps, which budgets count. */
static int is_of_each(const char *key)
{
    static const char *const keys[] = {"out", "resume", "seed", "minutes"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strcmp(keys[i], key))
            return 1;
    return 0;
}

/* An object of keys into a run.  Where the data come from decides which keys there are. */
static const char *set_all(struct run *r, const struct json *settings, const char *where, char *why)
{
    if (!settings)
        return NULL;
    if (settings->type != JSON_OBJECT)
        return say(why, "The settings of %.60s are an object of the keys of `swax train`.", where);
    for (int pass = 0; pass < 2; pass++)
        for (const struct json *j = settings->first; j; j = j->next) {
            const char *value = j->type == JSON_STRING || j->type == JSON_NUMBER ? j->text
                              : j->type == JSON_TRUE                             ? "yes"
                              : j->type == JSON_FALSE                            ? "no"
                                                                                 : NULL;
            char wrong[SWAX_WHY];
            if (is_of_each(j->key))
                return say(why, "Settings of %.60s: \"%s\" is no setting of an ablation, which gives every run its "
                                "own.", where, j->key);
            if (!value)
                return say(why, "The setting \"%.60s\" of %.60s is a text, a number, true or false.", j->key, where);
            if (!strcmp(j->key, "data") == !pass && run_set(r, j->key, value, wrong))
                return say(why, "Settings of %.60s: %.200s", where, wrong);
        }
    return NULL;
}

/* ---- what follows from it */

int ablation_reach(const struct run *r)
{
    int64_t reach = 0;
    for (int i = 0; i < r->model.layers; i++) {
        const enum swax_sees sees = swax_layer_mixer(&r->model, i)->sees;
        reach += sees == SWAX_SEES_WINDOW ? r->windows.window - 1 : 0;
        if (sees == SWAX_SEES_ALL)
            return 0;
    }
    return reach < INT_MAX / 2 ? (int)reach : INT_MAX / 2;
}

int ablation_source_value(const struct run *r, const char *key)
{
    const int k = source_key_find(r->source, key);
    const char *text = k < 0 ? "0" : r->value[k][0] ? r->value[k] : r->source->keys[k].otherwise;
    int value = 0;
    sscanf(text, "%d", &value);
    return value;
}

int ablation_role(const struct ablation *a, const char *role)
{
    for (int i = 0; i < a->arms; i++)
        if (!strcmp(a->arm[i].role, role))
            return i;
    return -1;
}

void ablation_folder(char path[RUN_TEXT + 64], const struct ablation *a, int arm, int seed)
{
    const int most = RUN_TEXT - 1;
    snprintf(path, RUN_TEXT + 64, "%.*s/runs/%s-s%d", most, a->out, a->arm[arm].name, seed + 1);
}

/* Names become folders, and words of claims. */
static int is_name(const char *s)
{
    const size_t n = s ? strlen(s) : 0;
    return n && n < 40 && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n;
}

static const char *read_arm(struct ablation *a, const struct json *j, const struct run *base, char *why)
{
    struct ablate_arm *arm = &a->arm[a->arms];
    struct run *r = &a->run[a->arms];
    if (a->arms == ABLATE_ARMS)
        return say(why, "An ablation has at most %d arms.", ABLATE_ARMS);
    if (j->type != JSON_OBJECT || members_check(j, arm_members, "An arm", why))
        return j->type == JSON_OBJECT ? why : say(why, "An arm is an object with a name and settings.");
    *arm = (struct ablate_arm){.name = text_of(j, "name"), .what = text_of(j, "what"), .role = text_of(j, "role"),
                               .settings = json_get(j, "settings")};
    if (!is_name(arm->name))
        return say(why, "Arm %d needs a name of letters, digits, _ and -.", a->arms + 1);
    for (int i = 0; i < a->arms; i++)
        if (!strcmp(a->arm[i].name, arm->name))
            return say(why, "Two arms are named %s.", arm->name);
    arm->what = arm->what ? arm->what : arm->name;
    arm->role = arm->role ? arm->role : "";
    *r = *base;
    a->arms++;
    char wrong[SWAX_WHY];
    if (set_all(r, arm->settings, arm->name, why))
        return why;
    if (run_check(r, wrong))
        return say(why, "Arm %s: %.220s", arm->name, wrong);
    if (r->source != base->source || r->length != base->length)
        return say(
            why,
            "Arm %s: all arms have the same data and the same length, so that they can be asked the same questions.",
            arm->name);
    return budget_set(a, a->arms - 1, json_get(j, "budget"), json_get(j, "equal_flops"), why);
}

static const char *read_numbers(struct ablation *a, char *why)
{
    const struct json *f = a->file;
    a->seeds = 1, a->sequences = 48, a->longest = 1, a->points = 20, a->least_seeds = 3, a->margin = 2, a->luck = 0.05;
    if (whole_of(f, "seeds", 1, ABLATE_SEEDS, &a->seeds, why) ||
        whole_of(f, "sequences", 2, 1 << 20, &a->sequences, why) || whole_of(f, "longest", 1, 1024, &a->longest, why) ||
        whole_of(f, "points", 0, ABLATE_POINTS, &a->points, why) || whole_of(f, "past", 2, 1 << 24, &a->past, why) ||
        whole_of(f, "least_seeds", 1, ABLATE_SEEDS, &a->least_seeds, why) ||
        real_of(f, "margin", 0, 100, &a->margin, why) || real_of(f, "luck", 0, 1, &a->luck, why))
        return why;
    return NULL;
}

static const char *read_file(struct ablation *a, const char *text, char *why)
{
    char wrong[SWAX_WHY];
    a->file = json_parse(text, strlen(text), wrong);
    if (!a->file)
        return say(why, "The ablation is %s", wrong);
    if (a->file->type != JSON_OBJECT)
        return say(why, "An ablation is a JSON object with settings and arms.");
    const struct json *answer = json_get(a->file, "answer");
    if (members_check(a->file, members, "An ablation", why) ||
        (answer && members_check(answer, answer_members, "The answer of an ablation", why)))
        return why;
    a->name = text_of(a->file, "name"), a->what = text_of(a->file, "what"), a->question = text_of(a->file, "question");
    a->tuned = text_of(a->file, "tuned"), a->about = text_of(a->file, "about");
    for (int k = 0; k < 3; k++)
        a->answer[k] = text_of(answer, ablate_verdict_name[k]);
    if (!is_name(a->name))
        return say(why, "An ablation needs a \"name\" of letters, digits, _ and -.");
    a->what = a->what ? a->what : a->name;
    a->question = a->question ? a->question : a->what;
    return read_numbers(a, why);
}

/* What every arm says for itself does nothing on the command line. */
static const char *look_for_idle(const struct ablation *a, const struct options *o, char *why)
{
    for (int k = 0; k < o->n; k++) {
        int own = 0;
        for (int i = 0; i < a->arms; i++)
            own += json_get(a->arm[i].settings, o->list[k].key) != NULL;
        if (own == a->arms && !o->list[k].of_config)
            return say(why, "%.60s=%.60s would do nothing: every arm of %.60s has its own.", o->list[k].key,
                       o->list[k].value, a->name);
    }
    return NULL;
}

const char *ablation_open(struct ablation *a, const char *text, struct options *o, char *why)
{
    struct run base = run_default();
    memset(a, 0, sizeof *a);
    if (read_file(a, text, why) || set_all(&base, json_get(a->file, "settings"), "the ablation", why) ||
        run_take(&base, o, why))
        return why;
    const struct json *arms = json_get(a->file, "arms");
    for (const struct json *j = arms ? arms->first : NULL; j; j = j->next)
        if (read_arm(a, j, &base, why))
            return why;
    if (!a->arms)
        return say(why, "An ablation needs \"arms\": an array of at least one.");
    a->length = base.length;
    for (int i = 0; i < a->arms; i++)
        a->reach = ablation_reach(&a->run[i]) > a->reach ? ablation_reach(&a->run[i]) : a->reach;
    const int first = ablation_role(a, "short"), other = ablation_role(a, "long");
    a->long_window = other >= 0 ? a->run[other].windows.window : base.windows.window;
    a->short_window = first >= 0 ? a->run[first].windows.window : a->long_window;
    if (look_for_idle(a, o, why))
        return why;
    return questions_set(a, why) || claims_read(a, json_get(a->file, "claims"), why) ? why : NULL;
}

const char *ablation_settings(struct run *r, const char *text, char *why)
{
    struct json *root = json_parse(text, strlen(text), why);
    const char *wrong = root ? set_all(r, json_get(root, "settings"), "the ablation", why) : why;
    json_free(root);
    return wrong;
}

void ablation_close(struct ablation *a)
{
    json_free(a->file);
    a->file = NULL;
}
