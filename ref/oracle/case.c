/* case.c - a case of a kernel: its sizes and scalars by seed, its arrays. */
#include "ref/oracle/inside.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref/splitmix.h"

uint64_t op_random(uint64_t *state)
{
    return splitmix(*state += splitmix_step);
}

double op_uniform(uint64_t *state) { return (double)(op_random(state) >> 11) / 9007199254740992.0; }

double op_normal(uint64_t *state)
{
    double sum = 0;   /* of twelve uniforms of 16 bits, each of variance 1/12 and mean 1/2 */
    for (int i = 0; i < 3; i++)
        for (uint64_t r = op_random(state), k = 0; k < 4; k++, r >>= 16)
            sum += ((double)(r & 0xffff) + 0.5) / 65536;
    return sum - 6;
}

static int below(uint64_t *s, int n) { return (int)(op_random(s) % (uint64_t)n); }

/* one of the n values of a list */
#define ONE_OF(s, list) ((list)[below(s, (int)(sizeof(list) / sizeof (list)[0]))])

/* ---- sizes */

/* How many steps the innermost loop makes, about: what keeps a test's time in hand. */
static const char WORK[] = "BTHKVNOICDS";

static double work(const struct op_spec *op, const int *dims)
{
    double w = 1;
    for (int i = 0; op->dims[i]; i++)
        if (strchr(WORK, op->dims[i]))
            w *= dims[i];
    return w;
}

/* Not the favourite, so that now and then one size stays far larger than the others: many tokens, wide rows. */
static void shrink(const struct op_spec *op, int *dims, int favourite)
{
    int largest = -1;
    for (int i = 0; op->dims[i]; i++)
        if (strchr(WORK, op->dims[i]) && i != favourite && dims[i] > 1 && (largest < 0 || dims[i] > dims[largest]))
            largest = i;
    dims[largest < 0 ? favourite : largest] -= (dims[largest < 0 ? favourite : largest] + 3) / 4;
}

static int draw_dim(uint64_t *s, char letter, int max_dim)
{
    static const int position[] = { 0, 0, 1, -1, -7, 100, -1000, 131072, 1000000, 1 << 30, -(1 << 30) };
    static const int heads[] = { 1, 2, 3, 4, 4, 6 };
    static const int step[] = { 1, 2, 3, 10, 1000, 100000 };
    switch (letter) {
    case 'B': return 1 + below(s, 3);
    case 'F': return 1 + below(s, 6);
    case 'H': return ONE_OF(s, heads);
    case 'P': return ONE_OF(s, position);
    case 's': return ONE_OF(s, step);
    case 'g': return below(s, 4);
    case 'z': case 'e': return below(s, 2);
    default:  return 1 + below(s, max_dim);
    }
}

static int *dim(struct op_case *c, char letter)
{
    const char *at = strchr(swax_ops[c->op].dims, letter);
    return at ? &c->dims[at - swax_ops[c->op].dims] : NULL;
}

void op_draw_dims(struct op_case *c, int op, uint64_t seed, int max_dim)
{
    const struct op_spec *spec = &swax_ops[op];
    uint64_t s = seed * 1000003 + (uint64_t)op;
    memset(c, 0, sizeof *c);
    c->op = op;
    for (int i = 0; spec->dims[i]; i++)
        c->dims[i] = draw_dim(&s, spec->dims[i], max_dim);
    const int favourite = below(&s, (int)strlen(spec->dims));
    const double side = fmin(max_dim, 150), most = 64 * side * side;
    while (work(spec, c->dims) > most)
        shrink(spec, c->dims, favourite);

    int *S = dim(c, 'S'), *G = dim(c, 'G'), *W = dim(c, 'W'), *L = dim(c, 'L'), *J = dim(c, 'J'), *K = dim(c, 'K');
    if (S) {
        const int T = *dim(c, 'T'), cached[] = { 0, 0, 1, 2, *S };
        *S = T + ONE_OF(&s, cached);
    }
    if (G) {
        const int H = *dim(c, 'H');
        do
            *G = 1 + below(&s, H);
        while (H % *G);
    }
    if (W) {
        const int T = *dim(c, 'T');
        const int window[] = { 1, 2, T, T + 7, *S, INT_MAX, 1 + below(&s, T), 1 + below(&s, *S), 1 + below(&s, *S) };
        *W = ONE_OF(&s, window);
    }
    if (J && K)
        *J = below(&s, 2) ? 1 : *K;
    if (L) {
        const int T = *dim(c, 'T'), chunk[] = { 1, T, T + 3, 1 << 30, 1 + below(&s, T), 1 + below(&s, T), 1 + T/3 };
        *L = ONE_OF(&s, chunk);
    }
}

/* ---- scalars */

/* default first */
static const struct { const char *name; double value[4]; } scalars[] = {
    { "eps",   { 1e-6, 1e-6, 1e-5, 1e-2 } },     { "theta", { 10000, 100000, 500000, 3 } },
    { "cap",   { 15, 30, 0, 2 } },               { "lr",    { 1e-3, 1e-4, 0.1, 1e-3 } },
    { "beta1", { 0.9, 0.95, 0, 0.9 } },          { "beta2", { 0.95, 0.999, 0.99, 0.95 } },
    { "scale", { 1, 0.25, -3, 1 } },             { "low",   { 0, -5, 0, -1 } },
    { "top",   { 1, 2, 1, 2 } },                 { "decay", { 0.1, 0, 0.01, 0.1 } },
    { "clip",  { 1, 0, 0.5, 1e6 } },
};

static void set_scalars(struct op_case *c, uint64_t *s)
{
    char name[OP_WORD];
    for (int i = 0; i < op_scalars(&swax_ops[c->op]); i++)
        for (size_t k = 0; k < sizeof scalars / sizeof scalars[0]; k++)
            if (!strcmp(op_scalar_name(&swax_ops[c->op], i, name), scalars[k].name))
                c->scalar[i] = s ? ONE_OF(s, scalars[k].value) : scalars[k].value[0];
    if (s && dim(c, 'g') && below(s, 2))
        c->scalar[0] = 0;    /* the cell alone may be without eps */
}

void op_default_scalars(struct op_case *c) { set_scalars(c, NULL); }

void op_draw_scalars(struct op_case *c, uint64_t seed)
{
    uint64_t s = seed * 1000033 + 7;
    set_scalars(c, &s);
}

/* ---- arrays */

void op_case_alloc(struct op_case *c, unsigned optional)
{
    const struct op_spec *op = &swax_ops[c->op];
    c->n = op_args(op);
    c->again = NULL;
    c->start = NULL;
    c->by = NULL;
    c->room = NULL;
    for (int i = 0; i < c->n; i++) {
        const int group = op->arg[i].optional;
        c->size[i] = op_arg_size(op, i, c->dims);
        c->arg[i] = !group || optional >> group & 1 ? op_take((size_t)c->size[i], sizeof(double)) : NULL;
    }
}

void op_case_copy(struct op_case *to, const struct op_case *from)
{
    *to = *from;
    for (int i = 0; i < to->n; i++)
        if (from->arg[i]) {
            to->arg[i] = op_take((size_t)to->size[i], sizeof(double));
            memcpy(to->arg[i], from->arg[i], (size_t)to->size[i] * sizeof(double));
        }
}

void op_case_free(struct op_case *c)
{
    for (int i = 0; i < c->n; i++) {
        free(c->arg[i]);
        c->arg[i] = NULL;
    }
}

double op_log_sigmoid(double x) { return x < 0 ? x - log1p(exp(x)) : -log1p(exp(-x)); }

double *op_named(const struct op_case *c, const char *name)
{
    const int i = op_arg_find(&swax_ops[c->op], name);
    return i < 0 ? NULL : c->arg[i];
}

const char *op_case_describe(const struct op_case *c, char *buf, size_t size)
{
    const struct op_spec *op = &swax_ops[c->op];
    size_t n = (size_t)snprintf(buf, size, "%s", op->name);
    for (int i = 0; op->dims[i] && n < size; i++)
        n += (size_t)snprintf(buf + n, size - n, " %c=%d", op->dims[i], c->dims[i]);
    char name[OP_WORD];
    for (int i = 0; i < op_scalars(op) && n < size; i++)
        n += (size_t)snprintf(buf + n, size - n, " %s=%g", op_scalar_name(op, i, name), c->scalar[i]);
    for (int i = 0; i < c->n && n < size; i++)
        if (!c->arg[i])
            n += (size_t)snprintf(buf + n, size - n, " no %s", op->arg[i].name);
    return buf;
}

double op_case_bytes(const struct op_case *c, enum swax_precision precision)
{
    static const double real[SWAX_PRECISIONS] = { 4, 8, 2 }, stat[SWAX_PRECISIONS] = { 4, 8, 4 };
    double sum = 0;
    for (int i = 0; i < c->n; i++) {
        const struct op_arg *a = &swax_ops[c->op].arg[i];
        const double element = a->type == REAL ? real[precision]
                             : a->type == STAT ? stat[precision]
                             : a->type == INT ? 4 : 8;
        sum += c->arg[i] ? (a->role == ADD || a->role == UPDATE ? 2 : 1) * element * (double)c->size[i] : 0;
    }
    return sum;
}
