/* case.c - problems as safetensors files, and answers to them.
 *
 * The tensors of problem number 7 of a suite are called "7/q", those of a single problem "q": inputs in the element
 * types of the case, their true answers in F64 as "ref.h".  What a backward reads of its forward stands there once,
 * as the forward's answer.  The metadata "case" or "7/case" is a JSON object with everything else.  Only files that
 * carry the writer's checksum are taken for cases, and every number in them is checked before a kernel sees it. */
#include "tools/verify/verify.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref/bf16.h"
#include "tools/lib/files.h"
#include "tools/lib/half.h"
#include "tools/lib/json.h"
#include "tools/lib/safetensors.h"
#include "tools/lib/say.h"

enum { MOST_PROBLEMS = 400, NAME = 48 };

static const enum st_type real_type[DTYPES] = {ST_F32, ST_F64, ST_BF16, ST_F16};

static enum st_type element_type(enum op_type type, enum dtype d)
{
    return type == INT ? ST_I32 : type == DOUBLE || d == DT_F64 ? ST_F64 : type == STAT ? ST_F32 : real_type[d];
}

/* Is argument i of that part in the file, as an input?  A backward's copies of what its forward has are not. */
static int is_input(const struct problem *p, int part, int i)
{
    const struct op_arg *a = &swax_ops[p->in[part].op].arg[i];
    if (!p->in[part].arg[i] || a->role == OUT || a->role == SCRATCH || (a->role == ADD && !p->wish.noise))
        return 0;
    return !part || op_arg_find(&swax_ops[p->in[0].op], a->name) < 0;
}

/* "7/", or "" for the only one */
static const char *prefix_of(char prefix[16], int k, int n)
{
    prefix[0] = 0;
    if (n > 1)
        snprintf(prefix, 16, "%d/", k);
    return prefix;
}

/* ---- writing */

struct source { const double *from; long n; enum st_type type; };
struct writing { struct st_tensor *tensor; struct source *source; char (*name)[NAME]; int n; };

static void add(struct writing *w, const struct op_case *c, int i, const char *prefix, const char *ref, const double *from, enum st_type type)
{
    struct st_tensor *t = &w->tensor[w->n];
    const struct op_arg *a = &swax_ops[c->op].arg[i];
    snprintf(w->name[w->n], NAME, "%s%s%s", prefix, ref, a->name);
    t->name = w->name[w->n];
    t->type = type;
    t->rank = (int)strlen(a->shape);
    for (int d = 0; d < t->rank; d++)
        t->shape[d] = op_extent(&swax_ops[c->op], a->shape[d], c->dims);
    w->source[w->n++] = (struct source){from, c->size[i], type};
}

static void get(void *arg, int i, void *to)
{
    const struct source *s = &((const struct source *)arg)[i];
    for (long e = 0; e < s->n; e++)
        switch (s->type) {
        case ST_F32: ((float *)to)[e] = (float)s->from[e]; break;
        case ST_BF16: ((swax_bf16 *)to)[e] = bf16_from_float((float)s->from[e]); break;
        case ST_F16: ((uint16_t *)to)[e] = half_from_double(s->from[e]); break;
        case ST_I32: ((int32_t *)to)[e] = (int32_t)s->from[e]; break;
        default: ((double *)to)[e] = s->from[e]; break;
        }
}

static void write_bounds(FILE *f, const struct problem *p, int part, int *first)
{
    for (int i = 0; i < p->in[part].n; i++) {
        if (!problem_is_answer(p, part, i))
            continue;
        const struct op_arg *a = &swax_ops[p->in[part].op].arg[i];
        const double times = dtype_precision(p->wish.dtype) == SWAX_PREC_BF16 ? (a->role == ADD ? 3 : 2) : 8;
        fprintf(f, "%s\"%s\":{\"demanded\":%s,\"honest_max\":", *first ? "" : ",", a->name, p->demanded[part][i] ? "true" : "false");
        json_write_number(f, p->bound[part].bound[i] / times);
        fputs(",\"honest_rms\":", f);
        json_write_number(f, p->bound[part].rms_bound[i] / times);
        fprintf(f, ",\"max\":%.17g,\"rms\":%.17g}", p->bound[part].bound[i], p->bound[part].rms_bound[i]);
        *first = 0;
    }
}

static char *describe(const struct problem *p)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    const struct op_spec *op = &swax_ops[p->in[0].op];
    if (!f)
        return NULL;
    fprintf(f, "{\"op\":\"%s\",\"dtype\":\"%s\",\"seed\":%llu,\"family\":\"%s\",\"behind\":\"%s\",\"noise\":%s,\"dims\":{",
            p->subject.name, dtype_name[p->wish.dtype], (unsigned long long)p->seed, op_family_name[p->family],
            p->wish.behind ? "headnorm" : "", p->wish.noise ? "true" : "false");
    for (int d = 0; op->dims[d]; d++)
        fprintf(f, "%s\"%c\":%d", d ? "," : "", op->dims[d], p->in[0].dims[d]);
    fputs("},\"scalars\":{", f);
    char name[OP_WORD];
    for (int s = 0; s < op_scalars(op); s++)
        fprintf(f, "%s\"%s\":%.17g", s ? "," : "", op_scalar_name(op, s, name), p->in[0].scalar[s]);
    fputs("},", f);
    if (strchr(op->dims, 'W'))
        fputs("\"window\":\"query t sees key j iff 0 <= t - (j-(S-T)) < W: W keys, its own included\",\"scale\":\"1/sqrt(D)\",", f);
    if (strchr(op->dims, 'g'))
        fputs("\"scale\":\"1/sqrt(K), on q\",\"gates\":\"i and f are pre-activations: log sigmoid(f) is the decay\",", f);
    fputs("\"answers\":{", f);
    int first = 1;
    for (int part = 0; part < p->subject.n; part++)
        write_bounds(f, p, part, &first);
    fputs("}}", f);
    return file_close_text(f, &text);
}

static void add_problem(struct writing *w, const struct problem *p, const char *prefix)
{
    for (int part = 0; part < p->subject.n; part++)
        for (int i = 0; i < p->in[part].n; i++) {
            const enum op_type type = swax_ops[p->in[part].op].arg[i].type;
            if (is_input(p, part, i))
                add(w, &p->in[part], i, prefix, "", p->in[part].arg[i], element_type(type, p->wish.dtype));
            if (problem_is_answer(p, part, i))
                add(w, &p->in[part], i, prefix, "ref.", p->truth[part].arg[i], ST_F64);
        }
}

const char *case_write(const char *path, const struct problem *p, int n, char *why)
{
    const size_t most = (size_t)n * PARTS * 2 * OP_ARGS;
    struct writing w = {calloc(most, sizeof *w.tensor), calloc(most, sizeof *w.source), calloc(most, sizeof *w.name), 0};
    char (*key)[NAME] = calloc((size_t)n, sizeof *key), **text = calloc((size_t)n + 1, sizeof *text), count[16];
    const char *(*meta)[2] = calloc((size_t)n + 2, sizeof *meta);
    const char *wrong = !w.tensor || !w.source || !w.name || !key || !text || !meta ? say(why, "There is no memory for the cases.") : NULL;
    snprintf(count, sizeof count, "%d", n);
    for (int i = 0; i < n && !wrong; i++) {
        char prefix[16];
        snprintf(key[i], NAME, "%scase", prefix_of(prefix, i, n));
        text[i] = describe(&p[i]);
        meta[i + 2][0] = key[i];
        meta[i + 2][1] = text[i];
        add_problem(&w, &p[i], prefix);
        wrong = text[i] ? NULL : say(why, "There is no memory for the cases.");
    }
    if (!wrong) {
        meta[0][0] = "swax.verify", meta[0][1] = "1";
        meta[1][0] = "cases", meta[1][1] = count;
        const struct st_plan plan = {w.n, w.tensor, get, w.source, n + 2, (const char *const (*)[2])meta};
        wrong = st_write(path, &plan, why);
    }
    for (int i = 0; i < n && text; i++)
        free(text[i]);
    free(w.tensor), free(w.source), free(w.name), free(key), free(text), free(meta);
    return wrong;
}

/* ---- reading */

/* name's tensor, of the shape it must have, as doubles at `to` */
static const char *read_tensor(struct st_file *f, const char *path, const char *name, const struct op_case *c, int i, double *to, char *why)
{
    const struct st_tensor *t = st_find(f, name);
    const struct op_spec *op = &swax_ops[c->op];
    const char *shape = op->arg[i].shape;
    if (!t)
        return say(why, "%.120s has no tensor \"%s\".", path, name);
    char wanted[80] = "", found[120] = "";
    int same = t->rank == (int)strlen(shape);
    for (int d = 0; shape[d]; d++) {
        const long extent = op_extent(op, shape[d], c->dims);
        same &= d < t->rank && t->shape[d] == extent;
        snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "%s%ld", d ? "," : "", extent);
    }
    for (int d = 0; d < t->rank; d++)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%lld", d ? "," : "", (long long)t->shape[d]);
    if (!same)
        return say(why, "Tensor \"%s\" in %.80s has the shape [%s], and [%s] is needed.", name, path, found, wanted);
    if (op->arg[i].type != INT)
        return t->type >= ST_I64 ? say(why, "Tensor \"%s\" in %.80s holds %s, and floating-point numbers are needed.", name, path, st_type_name[t->type])
                                 : st_read(f, t, ST_F64, to, why);
    if (t->type != ST_I32)
        return say(why, "Tensor \"%s\" in %.80s holds %s, and I32 is needed.", name, path, st_type_name[t->type]);
    int64_t *whole = malloc((size_t)c->size[i] * sizeof *whole);
    const char *wrong = whole ? st_read(f, t, ST_I64, whole, why) : say(why, "There is no memory for \"%s\".", name);
    for (long e = 0; e < c->size[i] && !wrong; e++)
        to[e] = (double)whole[e];
    free(whole);
    return wrong;
}

/* Would a kernel be safe with these numbers? */
static const char *check_input(const struct op_case *c, int i, const char *path, const char *name, char *why)
{
    const struct op_spec *op = &swax_ops[c->op];
    const struct op_arg *a = &op->arg[i];
    for (long e = 0; e < c->size[i]; e++) {
        const double x = c->arg[i][e];
        if (!isfinite(x))
            return say(why, "Tensor \"%s\" in %.100s is not finite at element %ld.", name, path, e);
        if (!strcmp(a->name, "token") && !(x >= 0 && x < (double)op_extent(op, 'V', c->dims)))
            return say(why, "Tensor \"%s\" in %.100s holds a token beyond the vocabulary, at element %ld.", name, path, e);
        if (!strcmp(a->name, "start") && !(x >= -(1 << 30) && x <= (double)(e % op_extent(op, 'T', c->dims))))
            return say(why, "Tensor \"%s\" in %.100s holds a document's start behind its token, at element %ld.", name, path, e);
    }
    return NULL;
}

static const struct json *member(const struct json *o, const char *key, enum json_type type)
{
    const struct json *j = json_get(o, key);
    return j && j->type == type ? j : NULL;
}

static int index_of(const char *word, const char *const *list, int n)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(word, list[i]))
            return i;
    return -1;
}

/* Sizes and scalars, of which no product can overflow and no kernel can go astray. */
static const char *read_sizes(struct op_case *c, const struct json *j, char *why)
{
    const struct op_spec *op = &swax_ops[c->op];
    const struct json *dims = member(j, "dims", JSON_OBJECT), *scalars = member(j, "scalars", JSON_OBJECT);
    for (int d = 0; op->dims[d]; d++) {
        const char letter[2] = {op->dims[d], 0};
        const struct json *x = member(dims, letter, JSON_NUMBER);
        if (!x || x->number != floor(x->number) || !(x->number <= INT_MAX && x->number >= INT_MIN))
            return say(why, "the size %s of %s is missing, or is no whole number.", letter, op->name);
        c->dims[d] = (int)x->number;
    }
    for (int s = 0; s < op_scalars(op); s++) {
        char name[OP_WORD];
        const struct json *x = member(scalars, op_scalar_name(op, s, name), JSON_NUMBER);
        if (!x)
            return say(why, "the scalar %s of %s is missing.", name, op->name);
        c->scalar[s] = x->number;
    }
    if (op_wrong(c->op, c->dims, c->scalar, c->trouble))
        return say(why, "%s", c->trouble);
    return case_numbers(c) < 1e10 ? NULL : say(why, "the arrays of %s would hold %.1g numbers.", op->name, case_numbers(c));
}

static const char *read_head(struct problem *p, const struct json *j, const char *path, char *why)
{
    const struct json *op = member(j, "op", JSON_STRING), *dtype = member(j, "dtype", JSON_STRING), *family = member(j, "family", JSON_STRING);
    const struct json *behind = member(j, "behind", JSON_STRING), *noise = json_get(j, "noise"), *seed = member(j, "seed", JSON_NUMBER);
    const int d = dtype ? index_of(dtype->text, dtype_name, DTYPES) : -1, f = family ? index_of(family->text, op_family_name, OP_FAMILIES) : -1;
    if (!op || d < 0 || f < 0 || !behind || !noise || !seed || !(seed->number >= 0 && seed->number < 0x1p64))
        return say(why, "%.150s does not say what its case is.", path);
    const char *wrong = subject_find(&p->subject, op->text, why);
    if (wrong)
        return wrong;
    p->wish = (struct wish){.dtype = (enum dtype)d, .behind = behind->text[0] != 0, .noise = noise->type == JSON_TRUE, .chained = 1};
    p->family = (enum op_family)f;
    p->seed = (uint64_t)seed->number;
    p->in[0].op = p->subject.op[0];
    char sizes[SWAX_WHY];
    return read_sizes(&p->in[0], j, sizes) ? say(why, "%.120s has sizes or scalars that no kernel can have: %.200s", path, sizes) : NULL;
}

/* Arrays for a part: those inputs that the file has, the answers whose truth it has, and what the forward gives. */
static const char *read_part(struct st_file *f, const char *path, struct problem *p, int part, const char *prefix, const struct json *answers, char *why)
{
    struct op_case *c = &p->in[part];
    const struct op_spec *op = &swax_ops[p->subject.op[part]];
    char name[NAME], ref[NAME];
    const char *wrong = NULL;
    c->op = p->subject.op[part];
    c->n = op_args(op);
    memcpy(c->dims, p->in[0].dims, sizeof c->dims);
    memcpy(c->scalar, p->in[0].scalar, sizeof c->scalar);
    for (int i = 0; i < c->n; i++)
        c->size[i] = op_arg_size(op, i, c->dims);
    p->truth[part] = *c;
    for (int i = 0; i < c->n && !wrong; i++) {
        const struct op_arg *a = &op->arg[i];
        const int from = part ? op_arg_find(&swax_ops[p->in[0].op], a->name) : -1;
        snprintf(name, sizeof name, "%s%s", prefix, a->name);
        snprintf(ref, sizeof ref, "%sref.%s", prefix, a->name);
        if (a->role == SCRATCH)
            continue;
        const int answer = a->role != IN && st_find(f, ref), input = from < 0 && a->role != OUT && st_find(f, name);
        if (!answer && !input && (from < 0 || !p->in[0].arg[from])) {
            wrong = a->optional ? NULL : say(why, "%.120s has no tensor \"%s\".", path, a->role == IN ? name : ref);
            continue;
        }
        c->arg[i] = calloc((size_t)c->size[i], sizeof(double));
        if (!c->arg[i])
            return say(why, "There is no memory for \"%s\".", name);
        if (from >= 0)
            memcpy(c->arg[i], swax_ops[p->in[0].op].arg[from].role == OUT ? p->truth[0].arg[from] : p->in[0].arg[from], (size_t)c->size[i] * sizeof(double));
        if (input)
            wrong = read_tensor(f, path, name, c, i, c->arg[i], why);
        wrong = wrong ? wrong : input ? check_input(c, i, path, name, why) : NULL;
        if (answer && !wrong) {
            const struct json *b = member(answers, a->name, JSON_OBJECT), *most = member(b, "max", JSON_NUMBER), *rms = member(b, "rms", JSON_NUMBER);
            const struct json *demanded = json_get(b, "demanded");
            if (!most || !rms || !demanded || !(most->number >= 0 && rms->number >= 0))
                return say(why, "%.150s does not say how far \"%s\" may be from the truth.", path, name);
            p->bound[part].bound[i] = most->number;
            p->bound[part].rms_bound[i] = rms->number;
            p->demanded[part][i] = demanded->type == JSON_TRUE;
        }
        if (a->role != IN && !wrong) {
            p->truth[part].arg[i] = calloc((size_t)c->size[i], sizeof(double));
            wrong = !p->truth[part].arg[i] ? say(why, "There is no memory for \"%s\".", ref) : read_tensor(f, path, ref, c, i, p->truth[part].arg[i], why);
        }
    }
    return wrong;
}

static const char *read_problem(struct st_file *f, const char *path, struct problem *p, const char *prefix, char *why)
{
    char key[NAME], wrong_json[SWAX_WHY];
    snprintf(key, sizeof key, "%scase", prefix);
    const char *text = st_meta(f, key);
    if (!text)
        return say(why, "%.150s has no metadata \"%s\".", path, key);
    struct json *j = json_parse(text, strlen(text), wrong_json);
    const char *wrong = j ? read_head(p, j, path, why) : say(why, "The metadata \"%s\" of %.100s is %s", key, path, wrong_json);
    for (int part = 0; !wrong && part < p->subject.n; part++)
        wrong = read_part(f, path, p, part, prefix, member(j, "answers", JSON_OBJECT), why);
    json_free(j);
    return wrong;
}

const char *case_read(const char *path, struct problem **p, int *n, char *why)
{
    struct st_file *f = st_open(path, why);
    if (!f)
        return why;
    const char *count = st_meta(f, "cases"), *wrong = NULL;
    const long cases = count ? strtol(count, NULL, 10) : 0;
    if (!st_meta(f, "swax.verify") || !st_meta(f, "swax.checksum") || cases < 1 || cases > MOST_PROBLEMS)
        wrong = say(why, "%.150s was not written by `swax verify make`.", path);
    *n = 0;
    *p = wrong ? NULL : calloc((size_t)cases, sizeof **p);
    if (!wrong && !*p)
        wrong = say(why, "There is no memory for the cases.");
    for (long i = 0; i < cases && !wrong; i++) {
        char prefix[16];
        wrong = read_problem(f, path, &(*p)[(*n)++], prefix_of(prefix, (int)i, (int)cases), why);
    }
    st_close(f);
    return wrong;
}

/* Answers in less than the case's own precision are none: 0 for those. */
static int precise_enough(enum st_type t, enum op_type type, enum dtype d)
{
    const enum st_type own = element_type(type, d);
    return t == own || t == ST_F64 || (t == ST_F32 && own != ST_F64);
}

const char *answers_read(const char *path, const struct problem *p, int n, struct op_case (**got)[PARTS], char *why)
{
    struct st_file *f = st_open(path, why);
    if (!f)
        return why;
    *got = calloc((size_t)n, sizeof **got);
    const char *wrong = *got ? NULL : say(why, "There is no memory for the answers.");
    for (int k = 0; k < n && !wrong; k++)
        for (int part = 0; part < p[k].subject.n && !wrong; part++) {
            struct op_case *c = &(*got)[k][part];
            *c = p[k].in[part];
            memset(c->arg, 0, sizeof c->arg);
            for (int i = 0; i < c->n && !wrong; i++) {
                char name[NAME], prefix[16];
                const struct op_arg *a = &swax_ops[c->op].arg[i];
                snprintf(name, sizeof name, "%s%s", prefix_of(prefix, k, n), a->name);
                const struct st_tensor *t = st_find(f, name);
                if (!problem_is_answer(&p[k], part, i) || (!t && !p[k].demanded[part][i]))
                    continue;
                if (t && t->type < ST_I64 && !precise_enough(t->type, a->type, p[k].wish.dtype)) {
                    wrong = say(why, "Tensor \"%s\" in %.80s holds %s, and this case needs %s or more.", name, path, st_type_name[t->type],
                                st_type_name[element_type(a->type, p[k].wish.dtype)]);
                    continue;
                }
                c->arg[i] = calloc((size_t)c->size[i], sizeof(double));
                wrong = c->arg[i] ? read_tensor(f, path, name, c, i, c->arg[i], why) : say(why, "There is no memory for the answers.");
            }
        }
    st_close(f);
    return wrong;
}
