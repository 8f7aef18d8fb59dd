/* long_slabs.c - arrays in a kernel's own types, and the slabs that can be drawn and judged by themselves. */
#include "tools/verify/long_slabs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tools/lib/say.h"
#include "tools/verify/element.h"

int *whole_dim(struct op_case *c, char letter)
{
    const char *at = strchr(swax_ops[c->op].dims, letter);
    return at ? &c->dims[at - swax_ops[c->op].dims] : NULL;
}

long whole_extent(const struct op_case *c, char letter)
{
    return strchr(swax_ops[c->op].dims, letter) ? op_extent(&swax_ops[c->op], letter, c->dims) : 1;
}

double whole_elements(const struct op_case *c, const char *shape)
{
    double product = 1;
    for (; *shape; shape++)
        product *= (double)op_extent(&swax_ops[c->op], *shape, c->dims);
    return product;
}

double whole_largest(const struct op_case *c)
{
    double most = 0;
    for (int i = 0; i < op_args(&swax_ops[c->op]); i++)
        most = fmax(most, whole_elements(c, swax_ops[c->op].arg[i].shape));
    return most;
}

/* ---- slabs */

struct slabs slabs_of(const struct op_case *c, double slab)
{
    struct slabs s = {1, 1, 1, 1, swax_ops[c->op].dims[0] == 'N'};
    if (!s.of_rows) {
        s.b = whole_extent(c, 'B');
        s.g = strchr(swax_ops[c->op].dims, 'G') ? whole_extent(c, 'G') : whole_extent(c, 'H');
        return s;
    }
    const double row = whole_largest(c) / (double)whole_extent(c, 'N');
    s.each = (long)fmax(1, fmin((double)whole_extent(c, 'N'), floor(slab / row)));
    s.rows = (whole_extent(c, 'N') + s.each - 1) / s.each;
    return s;
}

long slabs_count(const struct slabs *s) { return s->b * s->g * s->rows; }
struct slab slab_number(const struct slabs *s, long i)
{
    return (struct slab){ i / s->g % s->b, i % s->g, s->of_rows ? i : 0 };
}

/* Where a letter begins in the whole, for that slab. */
static long begins(const struct op_case *c, const struct slabs *s, const struct slab *at, char letter)
{
    const long G = strchr(swax_ops[c->op].dims, 'G') ? whole_extent(c, 'G') : whole_extent(c, 'H');
    if (s->of_rows)
        return letter == 'N' ? at->row * s->each : 0;
    return letter == 'B' ? at->b : letter == 'G' ? at->g : letter == 'H' ? at->g * (whole_extent(c, 'H') / G) : 0;
}

/* A table of V rows, such as embed's, of which one of several slabs has the rows of its tokens, in their order: all of
 * it is many slabs large. */
static int is_table(const char *shape) { return shape[0] == 'V'; }
static int in_rows_of_tokens(const struct slabs *s, const char *shape) { return s->rows > 1 && is_table(shape); }

/* NULL where none look up a table. */
static double *tokens_of(const struct op_case *c)
{
    const int i = op_arg_find(&swax_ops[c->op], "token");
    return i < 0 ? NULL : c->arg[i];
}

void slab_dims(struct op_case *part, const struct op_case *c, const struct slabs *s, const struct slab *at)
{
    memcpy(part->dims, c->dims, sizeof part->dims);
    memcpy(part->scalar, c->scalar, sizeof part->scalar);
    if (s->of_rows) {
        const long left = whole_extent(c, 'N') - at->row * s->each;
        *whole_dim(part, 'N') = (int)(left < s->each ? left : s->each);
        if (s->rows > 1 && op_arg_find(&swax_ops[part->op], "token") >= 0)
            *whole_dim(part, 'V') = *whole_dim(part, 'N');
        return;
    }
    *whole_dim(part, 'B') = 1;
    if (whole_dim(part, 'H'))
        *whole_dim(part, 'H') = (int)(whole_extent(c, 'H') / s->g);
    if (whole_dim(part, 'G'))
        *whole_dim(part, 'G') = 1;
}

/* Does the shape have every letter along which there are several slabs?  What it sums over them is not asked. */
int slabs_have(const struct slabs *s, const char *shape)
{
    return (s->rows == 1 || strchr(shape, 'N')) && (s->b == 1 || strchr(shape, 'B')) &&
           (s->g == 1 || strchr(shape, 'G') || strchr(shape, 'H'));
}

/* Each slab has a seed of its own, but for what all share: given arguments have all letters of slabs, or none. */
static uint64_t seed_of(uint64_t seed, const char *shape, const struct slabs *s, const struct slab *at)
{
    uint64_t random = seed + (slabs_have(s, shape) ? 1000003 * (uint64_t)(at->b * s->g + at->g + at->row + 1) : 0);
    return op_random(&random);
}

/* ---- arrays in the kernel's own types */

/* What a backward reads of its forward, and what both read, lies once. */
int whole_shares(const struct whole *w, int part, int i)
{
    return part ? op_arg_find(&swax_ops[w->c[0].op], swax_ops[w->c[1].op].arg[i].name) : -1;
}

int whole_gives(const struct op_arg *a)
{
    return !a->optional || !strcmp(a->name, "Cs") || !strcmp(a->name, "ns") || !strcmp(a->name, "Ss");
}

static void lay(struct whole *w)
{
    size_t at = 0;
    for (int part = 0; part < w->parts; part++)
        for (int i = 0; i < op_args(&swax_ops[w->c[part].op]); i++) {
            const struct op_arg *a = &swax_ops[w->c[part].op].arg[i];
            const int same = whole_shares(w, part, i);
            w->at[part][i] = 0;
            if (!whole_gives(a))
                continue;
            if (same >= 0) {
                w->at[part][i] = w->at[0][same];
                continue;
            }
            w->at[part][i] = at + LONG_GUARD;
            at += 2 * LONG_GUARD +
                  ((size_t)whole_elements(&w->c[part], a->shape) * element_width(a->type, w->precision) + 63) / 64 * 64;
        }
    w->bytes = at;
}

static void move(const struct whole *w, int part, int i, double *x, long place, int in)
{
    const enum op_type type = swax_ops[w->c[part].op].arg[i].type;
    if (in)
        element_put(w->base + w->at[part][i], type, w->precision, place, *x);
    else
        *x = element_get(w->base + w->at[part][i], type, w->precision, place);
}

/* Rows of a table, each to where its token says. */
static void move_rows(const struct whole *w, int part, int i, double *x, const struct op_case *of, int in)
{
    const long row = of->size[i] / whole_extent(of, 'V');
    for (long e = 0; e < of->size[i]; e++)
        move(w, part, i, &x[e], (long)tokens_of(of)[e / row] * row + e % row, in);
}

/* Numbers between a slab and the whole. */
void slab_move(const struct whole *w, int part, int i, double *x, const struct op_case *of, const struct slabs *s,
                 const struct slab *at, int in)
{
    const struct op_spec *op = &swax_ops[w->c[part].op];
    const char *shape = op->arg[i].shape;
    const int axes = (int)strlen(shape);
    long stride[8], index[8] = {0}, small[8], step = 1, base = 0;
    for (int d = axes - 1; d >= 0; d--) {
        stride[d] = step;
        small[d] = op_extent(op, shape[d], of->dims);
        step *= op_extent(op, shape[d], w->c[part].dims);
        base += begins(&w->c[part], s, at, shape[d]) * stride[d];
    }
    if (in_rows_of_tokens(s, shape)) {
        move_rows(w, part, i, x, of, in);
        return;
    }
    for (long e = 0; e < of->size[i]; e++) {
        move(w, part, i, &x[e], base, in);
        for (int d = axes - 1; d >= 0; d--) {
            base += stride[d];
            if (++index[d] < small[d])
                break;
            base -= small[d] * stride[d];
            index[d] = 0;
        }
    }
}

int whole_draws(const struct whole *w, int part, int i)
{
    return w->at[part][i] && op_is_drawn(w->c[part].op, i) && whole_shares(w, part, i) < 0;
}

/* One row of a table; each has a seed of its own. */
static void draw_row(const struct op_case *c, int i, double *x, long number, uint64_t seed, enum swax_precision inputs)
{
    struct op_case row = *c;
    uint64_t random = seed + 15485863 * (uint64_t)(number + 1);
    *whole_dim(&row, 'V') = 1;
    row.size[i] = op_arg_size(&swax_ops[c->op], i, row.dims);
    row.arg[i] = x;
    op_draw_argument(&row, i, op_random(&random), OP_GAUSS, inputs);
}

/* An input of a slab: of a table, the rows of the tokens, which are drawn before it, among all rows that there are. */
static void draw_input(struct op_case *c, int i, const struct op_case *all, const struct slabs *s,
                       const struct slab *at, uint64_t seed, enum swax_precision inputs)
{
    const char *shape = swax_ops[c->op].arg[i].shape;
    struct op_case of = *c;
    if (is_table(shape)) {
        const long row = c->size[i] / whole_extent(c, 'V');
        for (long r = 0; r < whole_extent(c, 'V'); r++)
            draw_row(c, i, &c->arg[i][r * row], in_rows_of_tokens(s, shape) ? (long)tokens_of(c)[r] : r, seed, inputs);
        return;
    }
    if (whole_dim(&of, 'V'))
        *whole_dim(&of, 'V') = (int)whole_extent(all, 'V');
    op_draw_argument(&of, i, seed_of(seed, shape, s, at), OP_GAUSS, inputs);
}

/* One slab as a problem without numbers. */
static void begin(struct problem *p, const struct whole *w, const struct plan *plan, const struct slabs *s,
                  const struct slab *at, uint64_t seed)
{
    memset(p, 0, sizeof *p);
    p->subject = plan->subject;
    p->wish = plan->wish;
    p->wish.chained = 1, p->wish.noise = 0;
    p->seed = seed;
    for (int part = 0; part < w->parts; part++) {
        struct op_case *c = &p->in[part];
        unsigned optional = 0;
        c->op = w->c[part].op;
        slab_dims(c, &w->c[part], s, at);
        for (int i = 0; i < op_args(&swax_ops[c->op]); i++)
            optional |= swax_ops[c->op].arg[i].optional && whole_gives(&swax_ops[c->op].arg[i])
                          ? 1u << swax_ops[c->op].arg[i].optional
                          : 0;
        op_case_alloc(c, optional);
        c->by = teller_of(&p->subject, &p->wish, c);
    }
}

void slab_draw(struct problem *p, const struct whole *w, const struct plan *plan, const struct slabs *s,
               const struct slab *at, uint64_t seed)
{
    begin(p, w, plan, s, at, seed);
    for (int part = 0; part < w->parts; part++)
        for (int i = 0; i < p->in[part].n; i++) {
            struct op_case *c = &p->in[part];
            const int same = whole_shares(w, part, i);
            if (whole_draws(w, part, i))
                draw_input(c, i, &w->c[part], s, at, seed, w->precision);
            else if (same >= 0 && c->arg[i] && op_is_drawn(c->op, i))
                memcpy(c->arg[i], p->in[0].arg[same], (size_t)c->size[i] * sizeof(double));
        }
}

void slab_numbers_tokens(struct op_case *part, const struct slabs *s)
{
    double *token = tokens_of(part);
    for (long n = 0; token && s->rows > 1 && n < whole_extent(part, 'N'); n++)
        token[n] = (double)n;
}

/* Of every so many rows of a table, one. */
static void fill_tables(const struct whole *w, uint64_t seed, long first, long every)
{
    for (int part = 0; part < w->parts; part++)
        for (int i = 0; i < w->c[part].n; i++) {
            const char *shape = swax_ops[w->c[part].op].arg[i].shape;
            const long rows = whole_extent(&w->c[part], 'V');
            const long row = (long)whole_elements(&w->c[part], shape) / rows;
            if (!whole_draws(w, part, i) || !is_table(shape))
                continue;
            double *x = op_take((size_t)row, sizeof *x);
            for (long r = first; r < rows; r += every) {
                draw_row(&w->c[part], i, x, r, seed, w->precision);
                for (long e = 0; e < row; e++)
                    move(w, part, i, &x[e], r * row + e, 1);
            }
            free(x);
        }
}

/* Of every so many slabs, one.  What all share is brought by the first. */
static void fill_slabs(const struct whole *w, const struct plan *plan, const struct slabs *s, uint64_t seed, long first,
                       long every)
{
    fill_tables(w, seed, first, every);
    for (long k = first; k < slabs_count(s); k += every) {
        struct problem p;
        const struct slab at = slab_number(s, k);
        begin(&p, w, plan, s, &at, seed);
        for (int part = 0; part < w->parts; part++)
            for (int i = 0; i < p.in[part].n; i++)
                if (whole_draws(w, part, i) && (!k || slabs_have(s, swax_ops[w->c[part].op].arg[i].shape))) {
                    draw_input(&p.in[part], i, &w->c[part], s, &at, seed, w->precision);
                    slab_move(w, part, i, p.in[part].arg[i], &p.in[part], s, &at, 1);
                }
        problem_free(&p);
    }
}

const char *whole_fill(const struct whole *w, const struct plan *plan, const struct slabs *s, uint64_t seed, int hands,
                       char *why)
{
    pid_t helper[LONG_COPIES];
    int status = 0, fine = 1;
    for (int part = 0; part < w->parts; part++)      /* what is written begins as NaN, what is added to as 0 */
        for (int i = 0; i < op_args(&swax_ops[w->c[part].op]); i++) {
            const struct op_arg *a = &swax_ops[w->c[part].op].arg[i];
            const size_t bytes = (size_t)whole_elements(&w->c[part], a->shape) * element_width(a->type, w->precision);
            if (!w->at[part][i])
                continue;
            memset(w->base + w->at[part][i] - LONG_GUARD, 0xFF, LONG_GUARD);
            memset(w->base + w->at[part][i] + bytes, 0xFF, LONG_GUARD);
            if (a->role == OUT || a->role == SCRATCH)
                memset(w->base + w->at[part][i], 0xFF, bytes);
        }
    for (int k = 1; k < hands; k++) {
        helper[k] = fork();
        if (!helper[k]) {
            fill_slabs(w, plan, s, seed, k, hands);
            _exit(0);
        }
    }
    fill_slabs(w, plan, s, seed, 0, hands);
    for (int k = 1; k < hands; k++)
        fine &= waitpid(helper[k], &status, 0) > 0 && WIFEXITED(status) && !WEXITSTATUS(status);
    return fine ? NULL
                : say(why, "The inputs could not be drawn: one of %d processes did not start or was ended.", hands);
}

void whole_begin(struct whole *w, const struct subject *s, const struct op_case *c,
                        enum swax_precision precision)
{
    memset(w, 0, sizeof *w);
    w->parts = s->n;
    w->precision = precision;
    for (int part = 0; part < s->n; part++) {
        w->c[part] = *c;
        w->c[part].op = s->op[part];
        w->c[part].n = op_args(&swax_ops[s->op[part]]);
    }
    lay(w);
}
