/* case.c - problems as safetensors files.
 *
 * The tensors of problem number 7 of a suite are called "7/q", those of a single problem "q": inputs, in the element
 * types of the case.  What a backward reads of its forward is not there, where both are asked for.  No answer is there
 * either: the metadata "made" says which problems these are, in the words of `swax verify make`, and who checks answers
 * draws the problems again and works them out.  The metadata "case" or "7/case" is for the candidate: sizes, scalars,
 * family, and the names of the answers.  Only files that carry the writer's checksum are taken for cases. */
#include "tools/verify/verify.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref/bf16.h"
#include "tools/lib/commands.h"
#include "tools/lib/files.h"
#include "tools/lib/half.h"
#include "tools/lib/json.h"
#include "tools/lib/safetensors.h"
#include "tools/lib/say.h"
#include "tools/verify/tensors.h"

enum { MOST_PROBLEMS = 400 };
static const char LAWS[] = "3";    /* by which problems are drawn: another number, other problems from the same words */

static const enum st_type real_type[DTYPES] = {ST_F32, ST_F64, ST_BF16, ST_F16};

enum st_type element_type(enum op_type type, enum dtype d)
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
const char *prefix_of(char prefix[16], int k, int n)
{
    prefix[0] = 0;
    if (n > 1)
        snprintf(prefix, 16, "%d/", k);
    return prefix;
}

/* ---- writing */

struct source { const double *from; long n; enum st_type type; };
struct writing { struct st_tensor *tensor; struct source *source; char (*name)[NAME]; int n; };

static void add(struct writing *w, const struct op_case *c, int i, const char *prefix, enum st_type type)
{
    struct st_tensor *t = &w->tensor[w->n];
    const struct op_arg *a = &swax_ops[c->op].arg[i];
    snprintf(w->name[w->n], NAME, "%s%s", prefix, a->name);
    t->name = w->name[w->n];
    t->type = type;
    t->rank = (int)strlen(a->shape);
    for (int d = 0; d < t->rank; d++)
        t->shape[d] = op_extent(&swax_ops[c->op], a->shape[d], c->dims);
    w->source[w->n++] = (struct source){c->arg[i], c->size[i], type};
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

static char *describe(const struct problem *p)
{
    char *text = NULL;
    size_t size;
    FILE *f = file_open_text(&text, &size);
    const struct op_spec *op = &swax_ops[p->in[0].op];
    if (!f)
        return NULL;
    fprintf(f,
            "{\"op\":\"%s\",\"dtype\":\"%s\",\"seed\":%llu,\"family\":\"%s\",\"behind\":\"%s\",\"noise\":%s,\"dims\":{",
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
        fputs("\"window\":\"query t sees key j iff 0 <= t - (j-(S-T)) < W: W keys, its own included\","
              "\"scale\":\"1/sqrt(D)\",", f);
    if (op->kind == OF_CELL)
        fputs("\"scale\":\"1/sqrt(K), on q\",\"gates\":\"i and f are pre-activations: log sigmoid(f) is the decay\",",
              f);
    fputs("\"answers\":{", f);
    for (int part = 0, first = 1; part < p->subject.n; part++)
        for (int i = 0; i < p->in[part].n; i++)
            if (problem_is_answer(p, part, i)) {
                fprintf(f, "%s\"%s\":{\"demanded\":%s}", first ? "" : ",", swax_ops[p->in[part].op].arg[i].name,
                        p->demanded[part][i] ? "true" : "false");
                first = 0;
            }
    fputs("}}", f);
    return file_close_text(f, &text);
}

static void add_problem(struct writing *w, const struct problem *p, const char *prefix)
{
    for (int part = 0; part < p->subject.n; part++)
        for (int i = 0; i < p->in[part].n; i++)
            if (is_input(p, part, i))
                add(w, &p->in[part], i, prefix, element_type(swax_ops[p->in[part].op].arg[i].type, p->wish.dtype));
}

static const char *write_problems(const char *path, const struct plan *plan, const struct problem *p, int n, char *why)
{
    const size_t most = (size_t)n * PARTS * OP_ARGS;
    struct writing w = {op_take(most, sizeof *w.tensor), op_take(most, sizeof *w.source),
                        op_take(most, sizeof *w.name), 0};
    char (*key)[NAME] = op_take((size_t)n, sizeof *key), **text = op_take((size_t)n, sizeof *text), count[16],
         made[PLAN_TEXT];
    const char *(*meta)[2] = op_take((size_t)n + 5, sizeof *meta), *wrong = NULL;
    snprintf(count, sizeof count, "%d", n);
    meta[0][0] = "swax.verify", meta[0][1] = LAWS;
    meta[1][0] = "cases", meta[1][1] = count;
    meta[2][0] = "made", meta[2][1] = plan_write(made, plan);
    meta[3][0] = "version", meta[3][1] = SWAX_VERSION;
    for (int i = 0; i < n && !wrong; i++) {
        char prefix[16];
        snprintf(key[i], NAME, "%scase", prefix_of(prefix, i, n));
        text[i] = describe(&p[i]);
        meta[i + 4][0] = key[i];
        meta[i + 4][1] = text[i];
        add_problem(&w, &p[i], prefix);
        wrong = text[i] ? NULL : say(why, "There is no memory for the cases.");
    }
    const struct st_plan file = {w.n, w.tensor, get, w.source, n + 4, (const char *const (*)[2])meta};
    wrong = wrong ? wrong : st_write(path, &file, why);
    for (int i = 0; i < n; i++)
        free(text[i]);
    free(w.tensor), free(w.source), free(w.name), free(key), free(text), free(meta);
    return wrong;
}

const char *case_write(const char *path, const struct plan *plan, char *why)
{
    struct problem *p = op_take(MOST_PROBLEMS, sizeof *p);
    struct entry e;
    const char *wrong = NULL;
    int n = 0;
    for (; !wrong && n < MOST_PROBLEMS && plan_entry(plan, n, &e); n += !wrong)
        wrong = problem_draw(&p[n], plan, n, &e, why);
    wrong = wrong ? wrong : write_problems(path, plan, p, n, why);
    for (int i = 0; i < n; i++)
        problem_free(&p[i]);
    free(p);
    return wrong;
}

/* ---- reading */

struct case_file { struct st_file *st; char path[200]; int n; };

/* name's tensor, of the shape it must have, as doubles at `to` */
const char *tensor_read(struct st_file *f, const char *path, const char *name, const struct op_case *c, int i,
                        double *to, char *why)
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
        return t->type >= ST_I64 ? say(why, "Tensor \"%s\" in %.80s holds %s, and floating-point numbers are needed.",
                                       name, path, st_type_name[t->type])
                                 : st_read(f, t, ST_F64, to, why);
    if (t->type != ST_I32)
        return say(why, "Tensor \"%s\" in %.80s holds %s, and I32 is needed.", name, path, st_type_name[t->type]);
    int64_t *whole = op_take((size_t)c->size[i], sizeof *whole);
    const char *wrong = st_read(f, t, ST_I64, whole, why);
    for (long e = 0; e < c->size[i] && !wrong; e++)
        to[e] = (double)whole[e];
    free(whole);
    return wrong;
}

/* The file's numbers and those that were drawn: the same, but for the last digits, which another machine's exp may
 * round otherwise.  What a forward saved has more of those. */
static int alike(const struct problem *p, int part, int i, const double *file)
{
    static const double digit[DTYPES] = {(double)FLT_EPSILON, (double)FLT_EPSILON, 1.0 / 128, 1.0 / 1024};
    const struct op_case *c = &p->in[part];
    const struct op_arg *a = &swax_ops[c->op].arg[i];
    const double unit = a->type == REAL ? digit[p->wish.dtype]
                      : p->wish.dtype == DT_F64 ? DBL_EPSILON : (double)FLT_EPSILON;
    const int fw = op_forward_of(c->op), j = fw < 0 ? fw : op_arg_find(&swax_ops[fw], a->name);
    const int saved = j >= 0 && swax_ops[fw].arg[j].role == OUT;
    if (saved)
        return op_error(file, c->arg[i], c->size[i]) <= 64 * unit;
    for (long e = 0; e < c->size[i]; e++)
        if (!(fabs(file[e] - c->arg[i][e]) <= (a->type == INT ? 0 : 2 * unit) * fabs(c->arg[i][e])))
            return 0;
    return 1;
}

const char *case_match(struct case_file *f, struct problem *p, char *why)
{
    char prefix[16], name[NAME];
    const char *wrong = NULL;
    prefix_of(prefix, p->number, f->n);
    for (int part = 0; part < p->subject.n && !wrong; part++)
        for (int i = 0; i < p->in[part].n && !wrong; i++) {
            if (!is_input(p, part, i))
                continue;
            struct op_case *c = &p->in[part];
            double *file = op_take((size_t)c->size[i], sizeof *file);
            snprintf(name, sizeof name, "%s%s", prefix, swax_ops[c->op].arg[i].name);
            wrong = tensor_read(f->st, f->path, name, c, i, file, why);
            if (!wrong && !alike(p, part, i, file))
                wrong = say(why, "Tensor \"%s\" in %.120s is not what the case's seed gives: the file was changed, or "
                                 "is of other problems.", name, f->path);
            const int same = !wrong;
            for (long e = 0; e < c->size[i] && same; e++)
                c->arg[i][e] = file[e];
            free(file);
        }
    for (int i = 0; p->subject.n == 2 && !wrong && i < p->in[0].n; i++) {  /* the backward reads its forward's inputs */
        const int j = op_arg_find(&swax_ops[p->in[1].op], swax_ops[p->in[0].op].arg[i].name);
        if (j >= 0 && swax_ops[p->in[0].op].arg[i].role == IN && p->in[0].arg[i] && p->in[1].arg[j])
            memcpy(p->in[1].arg[j], p->in[0].arg[i], (size_t)p->in[0].size[i] * sizeof(double));
    }
    return wrong;
}

static const char *read_head(struct case_file *f, struct plan *plan, char *why)
{
    char wrong[SWAX_WHY];
    struct entry e;
    const char *laws = st_meta(f->st, "swax.verify"), *made = st_meta(f->st, "made"), *count = st_meta(f->st, "cases");
    if (!laws || !st_meta(f->st, "swax.checksum"))
        return say(why, "%.150s was not written by `swax verify make`.", f->path);
    if (strcmp(laws, LAWS))
        return say(why, "%.120s was made by another version of swax, whose cases are other ones: make it anew.",
                   f->path);
    if (!made || strlen(made) >= PLAN_TEXT || strstr(made, "config") || strstr(made, "output"))
        return say(why, "%.150s does not say what its cases are.", f->path);
    if (plan_read(plan, made, wrong))
        return say(why, "%.100s does not say what its cases are: %.200s", f->path, wrong);
    while (f->n < MOST_PROBLEMS && plan_entry(plan, f->n, &e))
        f->n++;
    const long cases = count ? strtol(count, NULL, 10) : 0;
    return cases == f->n ? NULL
                         : say(why, "%.150s says that it has %ld cases, and it is made of %d.", f->path, cases, f->n);
}

struct case_file *case_open(const char *path, struct plan *plan, char *why)
{
    struct case_file *f = op_take(1, sizeof *f);
    snprintf(f->path, sizeof f->path, "%s", path);
    f->st = st_open(path, why);
    if (f->st && !read_head(f, plan, why))
        return f;
    case_close(f);
    return NULL;
}

void case_close(struct case_file *f)
{
    if (f->st)
        st_close(f->st);
    free(f);
}
