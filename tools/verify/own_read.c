/* own_read.c - the description of somebody's tensors. Every mistake in it is a sentence that says what would be
 * right. */
#include "tools/verify/own.h"

#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include "tools/lib/json.h"
#include "tools/lib/nearest.h"
#include "tools/lib/say.h"

enum { MOST_BYTES = 1 << 20 };

static const char *const like_words[] = { "normal",   "weight", "gate",  "logit", "probability",
                                          "positive", "decay",  "index", NULL }; /* enum own_like */
static const char *const role_words[] = {"input", "output", "gradient", "added", NULL};

/* Which of the words it is, or -1 and a sentence that has them all. */
static int word_of(const struct json *j, const char *const *words, const char *path, const char *of, const char *key,
                   char *why)
{
    char all[200] = "";
    struct nearest near = nearest_to(j->type == JSON_STRING ? j->text : "");
    for (int i = 0; words[i]; i++) {
        if (j->type == JSON_STRING && !strcmp(words[i], j->text))
            return i;
        nearest_try(&near, words[i]);
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", words[i]);
    }
    if (near.best)
        say(why, "%.100s: %.40s: \"%s\" is one of %s: did you mean %s?", path, of, key, all, near.best);
    else
        say(why, "%.100s: %.40s: \"%s\" is one of %s.", path, of, key, all);
    return -1;
}

/* Is every key of the object one of those? */
static const char *known(const struct json *object, const char *const *keys, const char *path, const char *of,
                         char *why)
{
    for (const struct json *j = object->first; j; j = j->next) {
        struct nearest near = nearest_to(j->key);
        int found = 0;
        for (int i = 0; keys[i]; i++) {
            found |= !strcmp(keys[i], j->key);
            nearest_try(&near, keys[i]);
        }
        if (!found)
            return near.best
                     ? say(why, "%.100s: %.40s has no key \"%.40s\": did you mean %s?", path, of, j->key, near.best)
                     : say(why, "%.100s: %.40s has no key \"%.40s\".", path, of, j->key);
    }
    return NULL;
}

static int is_name(const char *text)
{
    const size_t n = strlen(text);
    int good = n > 0 && n < OWN_NAME && !isdigit((unsigned char)text[0]);
    for (size_t i = 0; i < n; i++)
        good &= isalnum((unsigned char)text[i]) || text[i] == '_';
    return good;
}

static struct own_size *size_of(struct own *w, char letter)
{
    for (int i = 0; i < w->sizes; i++)
        if (w->size[i].letter == letter)
            return &w->size[i];
    return NULL;
}

static int whole(const struct json *j, int *value)
{
    int64_t x;
    if (!j || !json_integer(j, &x) || x < 1 || x > INT_MAX)
        return 0;
    *value = (int)x;
    return 1;
}

/* ---- sizes: 64, [1, 300], or an object */

static const char *read_size_object(struct own *w, struct own_size *s, const struct json *j, char *why)
{
    static const char *const keys[] = {"from", "to", "multiple_of", "of", "divides", "at_least", "word", NULL};
    char of[24];
    snprintf(of, sizeof of, "size %c", s->letter);
    const char *wrong = known(j, keys, w->path, of, why);
    if (wrong)
        return wrong;
    const struct json *from = json_get(j, "from"), *to = json_get(j, "to"), *step = json_get(j, "multiple_of"),
                      *list = json_get(j, "of");
    const struct json *divides = json_get(j, "divides"), *reaches = json_get(j, "at_least"),
                      *word = json_get(j, "word");
    if ((from && !whole(from, &s->least)) || (to && !whole(to, &s->most)) || (step && !whole(step, &s->step)))
        return say(why, "%.100s: %s: \"from\", \"to\" and \"multiple_of\" are whole numbers from 1.", w->path, of);
    if (word && (word->type != JSON_STRING || strlen(word->text) >= OWN_NAME || !*word->text))
        return say(why, "%.100s: %s: \"word\" is what it is called in sentences, as \"heads\".", w->path, of);
    snprintf(s->word, OWN_NAME, "%s", word ? word->text : "");
    if (list && (list->type != JSON_ARRAY || list->count < 1 || list->count > OWN_CHOICES))
        return say(why, "%.100s: %s: \"of\" is a list of 1 to %d whole numbers.", w->path, of, OWN_CHOICES);
    for (const struct json *k = list ? list->first : NULL; k; k = k->next)
        if (!whole(k, &s->choice[s->choices++]))
            return say(why, "%.100s: %s: \"of\" is a list of whole numbers from 1.", w->path, of);
    const struct json *const other[] = {divides, reaches};
    for (int i = 0; i < 2; i++) {
        const struct json *k = other[i];
        if (!k)
            continue;
        if (k->type != JSON_STRING || strlen(k->text) != 1 || !size_of(w, k->text[0]) || size_of(w, k->text[0]) == s)
            return say(why, "%.100s: %s: \"%s\" is the letter of a size that stands before it.", w->path, of,
                       i ? "at_least" : "divides");
        *(i ? &s->reaches : &s->divides) = k->text[0];
    }
    if (!divides && !list && (!to || (!from && !reaches)))
        return say(why,
                   "%.100s: %s: it is from \"from\" to \"to\", one \"of\" a list, or it \"divides\" another one; or it "
                   "is \"at_least\" another one, up to \"to\".",
                   w->path, of);
    return NULL;
}

static const char *read_size(struct own *w, const struct json *j, char *why)
{
    if (strlen(j->key) != 1 || !isalpha((unsigned char)*j->key))
        return say(why, "%.100s: a size is called by one letter, not \"%.40s\".", w->path, j->key);
    if (w->sizes == OWN_SIZES)
        return say(why, "%.100s: there are more than %d sizes.", w->path, OWN_SIZES);
    struct own_size *s = &w->size[w->sizes++];
    const char *wrong = NULL;
    *s = (struct own_size){.letter = *j->key, .least = 1, .most = 1, .step = 1};
    if (j->type == JSON_OBJECT)
        wrong = read_size_object(w, s, j, why);
    else if (j->type == JSON_ARRAY && j->count == 2 && whole(j->first, &s->least) && whole(j->first->next, &s->most))
        ;
    else if (whole(j, &s->least))
        s->most = s->least;
    else
        return say(why,
                   "%.100s: size %c is a number, as 64, a range, as [1, 300], or an object, as {\"divides\": \"H\"}.",
                   w->path, s->letter);
    if (!wrong && !s->choices && !s->divides && (s->least > s->most || s->most / s->step * s->step < s->least) &&
        !s->reaches)
        return say(why, "%.100s: size %c: there is nothing from %d to %d%s.", w->path, s->letter, s->least, s->most,
                   s->step > 1 ? " that is such a multiple" : "");
    return wrong;
}

/* ---- scalars: 0.5, or [1e-6, 1e-2] */

static const char *read_scalar(struct own *w, const struct json *j, char *why)
{
    if (!is_name(j->key))
        return say(why, "%.100s: a scalar's name has letters, digits and _, and \"%.40s\" is none.", w->path, j->key);
    if (w->scalars == OWN_SCALARS)
        return say(why, "%.100s: there are more than %d scalars.", w->path, OWN_SCALARS);
    struct own_scalar *s = &w->scalar[w->scalars++];
    snprintf(s->name, OWN_NAME, "%s", j->key);
    const int range =
        j->type == JSON_ARRAY && j->count == 2 && j->first->type == JSON_NUMBER && j->first->next->type == JSON_NUMBER;
    if (!range && j->type != JSON_NUMBER)
        return say(why, "%.100s: scalar %s is a number, as 0.5, or a range, as [1e-6, 1e-2].", w->path, s->name);
    s->least = range ? j->first->number : j->number;
    s->most = range ? j->first->next->number : j->number;
    return s->least <= s->most
             ? NULL
             : say(why, "%.100s: scalar %s: there is nothing from %g to %g.", w->path, s->name, s->least, s->most);
}

/* ---- tensors */

static const char *read_tensor(struct own *w, const struct json *j, char *why)
{
    static const char *const keys[] = {"name", "shape", "is", "like", "below", "statistic", NULL};
    static const enum op_role roles[] = {IN, OUT, OUT, ADD};
    char of[OWN_NAME + 16] = "a tensor";
    const struct json *name = json_get(j, "name"), *shape = json_get(j, "shape"), *is = json_get(j, "is"),
                      *like = json_get(j, "like");
    const struct json *below = json_get(j, "below"), *statistic = json_get(j, "statistic");
    if (!name || name->type != JSON_STRING || !is_name(name->text))
        return say(why,
                   "%.100s: tensor number %d needs a name of letters, digits and _, as {\"name\": \"x\", \"shape\": "
                   "\"BT\", \"is\": \"input\"}.",
                   w->path, w->tensors + 1);
    if (w->tensors == OWN_TENSORS)
        return say(why, "%.100s: there are more than %d tensors.", w->path, OWN_TENSORS);
    struct own_tensor *t = &w->tensor[w->tensors];
    *t = (struct own_tensor){.role = IN};
    snprintf(t->name, OWN_NAME, "%s", name->text);
    snprintf(of, sizeof of, "tensor %s", t->name);
    const char *wrong = known(j, keys, w->path, of, why);
    if (wrong)
        return wrong;
    for (int i = 0; i < w->tensors; i++)
        if (!strcmp(w->tensor[i].name, t->name))
            return say(why, "%.100s: there are two tensors \"%s\".", w->path, t->name);
    if (!shape || shape->type != JSON_STRING || strlen(shape->text) > OWN_AXES)
        return say(why, "%.100s: %s: \"shape\" is up to %d letters of sizes, as \"BTHD\", or \"\" for one number.",
                   w->path, of, OWN_AXES);
    for (const char *s = shape->text; *s; s++)
        if (!size_of(w, *s))
            return say(why, "%.100s: %s: its shape \"%s\" has the letter %c, which is none of \"sizes\".", w->path, of,
                       shape->text, *s);
    snprintf(t->shape, sizeof t->shape, "%s", shape->text);
    if (!is)
        return say(why,
                   "%.100s: %s: say what it \"is\": input, output, gradient, or added (a gradient that is added to "
                   "what stands there).",
                   w->path, of);
    const int role = word_of(is, role_words, w->path, of, "is", why),
              looks = like ? word_of(like, like_words, w->path, of, "like", why) : LIKE_NORMAL;
    if (role < 0 || looks < 0)
        return why;
    t->role = roles[role];
    t->gradient = role >= 2;
    t->like = (enum own_like)looks;
    if (like && t->role != IN)
        return say(why, "%.100s: %s: \"like\" says what an input looks like, and it is none.", w->path, of);
    if (statistic && statistic->type != JSON_TRUE && statistic->type != JSON_FALSE)
        return say(
            why,
            "%.100s: %s: \"statistic\" is true, if it is kept in float where the rest is in half precision, or false.",
            w->path, of);
    t->type = t->like == LIKE_INDEX ? INT : statistic && statistic->type == JSON_TRUE ? STAT : REAL;
    if ((t->like == LIKE_INDEX) != (below != NULL) ||
        (below && (below->type != JSON_STRING || strlen(below->text) != 1 || !size_of(w, below->text[0]))))
        return say(why, "%.100s: %s: an index, and nothing else, is \"below\" a size, whose letter it says, as \"V\".",
                   w->path, of);
    t->below = below ? below->text[0] : 0;
    w->tensors++;
    return NULL;
}

static const char *read_root(struct own *w, const struct json *root, char *why)
{
    static const char *const keys[] = {"function", "sizes", "scalars", "tensors", NULL};
    if (root->type != JSON_OBJECT)
        return say(why, "%.200s is no object, as {\"function\": \"f\", \"sizes\": {...}, \"tensors\": [...]}.",
                   w->path);
    const struct json *function = json_get(root, "function"), *sizes = json_get(root, "sizes"),
                      *scalars = json_get(root, "scalars"), *tensors = json_get(root, "tensors");
    const char *wrong = known(root, keys, w->path, "the description", why);
    if (wrong)
        return wrong;
    if (!function || function->type != JSON_STRING || !is_name(function->text))
        return say(why, "%.200s: \"function\" is the name of the function in both libraries.", w->path);
    if (!sizes || sizes->type != JSON_OBJECT || !sizes->count)
        return say(why, "%.200s: \"sizes\" has each size by its letter, as {\"N\": [1, 300]}.", w->path);
    if (scalars && scalars->type != JSON_OBJECT)
        return say(why, "%.200s: \"scalars\" has each scalar by its name, as {\"eps\": [1e-6, 1e-2]}.", w->path);
    if (!tensors || tensors->type != JSON_ARRAY || !tensors->count)
        return say(why, "%.200s: \"tensors\" is a list of them, in the order in which the function takes them.",
                   w->path);
    snprintf(w->function, OWN_NAME, "%s", function->text);
    for (const struct json *j = sizes->first; j && !wrong; j = j->next)
        wrong = read_size(w, j, why);
    for (const struct json *j = scalars ? scalars->first : NULL; j && !wrong; j = j->next)
        wrong = read_scalar(w, j, why);
    for (const struct json *j = tensors->first; j && !wrong; j = j->next)
        wrong = read_tensor(w, j, why);
    int inputs = 0;
    for (int i = 0; i < w->tensors; i++)
        inputs += w->tensor[i].role == IN;
    if (!wrong && (!inputs || inputs == w->tensors))
        return say(why, "%.200s: there is no %s among the tensors.", w->path, inputs ? "output" : "input");
    return wrong;
}

const char *own_read(struct own *w, const char *path, char *why)
{
    memset(w, 0, sizeof *w);
    snprintf(w->path, sizeof w->path, "%s", path);
    struct json *root = json_read(path, MOST_BYTES, why);
    if (!root)
        return why;
    const char *wrong = read_root(w, root, why);
    json_free(root);
    return wrong;
}
