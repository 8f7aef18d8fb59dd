/* call.c - call any kernel of any tier by its number in opspec.h, between guard zones.
 *
 * Compiled once per precision.  The lines CALL(...) are where the rows of opspec.c meet the types of
 * kernels.h: re, st, in and db make the compiler compare them. */
#include "ref/kernels.h"
#include "ref/oracle/inside.h"

#include <assert.h>
#include <fenv.h>
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL(op, ...)                                                                                  \
    static void call_##op(const struct R(swax_kernels) *k, void *const *a, const int *d, const double *s) \
    {                                                                                                  \
        (void)s;                                                                                       \
        k->op(__VA_ARGS__);                                                                            \
    }
#define re(i) ((real *)a[i])
#define st(i) ((stat *)a[i])
#define in(i) ((int *)a[i])
#define db(i) ((double *)a[i])

CALL(embed_forward,    re(0), in(1), re(2), d[0], d[1], d[2])
CALL(embed_backward,   st(0), re(1), in(2), d[0], d[1], d[2])
CALL(linear_forward,   re(0), re(1), re(2), st(3), d[0], d[1], d[2])
CALL(linear_backward,  re(0), st(1), st(2), re(3), re(4), re(5), d[0], d[1], d[2])
CALL(readout_forward,  st(0), re(1), re(2), st(3), d[0], d[1], d[2])
CALL(readout_backward, re(0), st(1), st(2), st(3), re(4), re(5), d[0], d[1], d[2])
CALL(rmsnorm_forward,  re(0), st(1), re(2), st(3), d[0], d[1], s[0])
CALL(rmsnorm_backward, re(0), st(1), re(2), re(3), st(4), st(5), d[0], d[1])
CALL(headnorm_forward,  re(0), st(1), st(2), re(3), st(4), d[0], d[1], d[2], d[3], s[0])
CALL(headnorm_backward, re(0), st(1), re(2), re(3), st(4), st(5), st(6), d[0], d[1], d[2], d[3])
CALL(rope_forward,     re(0), re(1), in(2), d[0], d[1], d[2], d[3], d[4], s[0])
CALL(rope_backward,    re(0), re(1), in(2), d[0], d[1], d[2], d[3], d[4], s[0])
CALL(attention_forward,  re(0), st(1), re(2), re(3), re(4), st(5), in(6), d[0], d[1], d[2], d[3], d[4], d[5], d[6])
CALL(attention_backward, re(0), re(1), re(2), st(3), re(4), re(5), re(6), re(7), st(8), in(9), re(10), st(11),
                         d[0], d[1], d[2], d[3], d[4], d[5], d[6])
CALL(mlstm_forward,  re(0), st(1), st(2), st(3), st(4), st(5), st(6), st(7),
                     re(8), re(9), re(10), st(11), st(12), st(13), st(14), st(15), in(16),
                     d[0], d[1], d[2], d[3], d[4], d[5], d[6], s[0])
CALL(mlstm_backward, re(0), re(1), re(2), st(3), st(4), st(5), st(6), re(7), st(8), st(9),
                     re(10), re(11), re(12), st(13), st(14), st(15), st(16), st(17), in(18),
                     re(19), st(20), st(21), st(22), st(23), st(24), st(25), st(26),
                     d[0], d[1], d[2], d[3], d[4], d[5], d[6], s[0])
CALL(delta_forward,  re(0), st(1), st(2), st(3), re(4), re(5), re(6), st(7), st(8), st(9), in(10),
                     d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7], d[8], s[0])
CALL(delta_backward, re(0), re(1), re(2), st(3), st(4), st(5), st(6), st(7), re(8), st(9),
                     re(10), re(11), re(12), st(13), st(14), st(15), in(16), st(17), st(18), st(19),
                     d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7], d[8], s[0])
CALL(conv_forward,     re(0), re(1), st(2), st(3), in(4), d[0], d[1], d[2], d[3], d[4])
CALL(conv_backward,    re(0), st(1), st(2), re(3), re(4), st(5), st(6), in(7), d[0], d[1], d[2], d[3], d[4])
CALL(decay_forward,    st(0), st(1), st(2), st(3), d[0], d[1], d[2], s[0])
CALL(decay_backward,   st(0), st(1), st(2), st(3), st(4), st(5), st(6), d[0], d[1], d[2], s[0])
CALL(strength_forward,  st(0), st(1), d[0], s[0])
CALL(strength_backward, st(0), st(1), st(2), d[0], s[0])
CALL(softcap_forward,  st(0), st(1), d[0], s[0])
CALL(softcap_backward, st(0), st(1), st(2), d[0], s[0])
CALL(gate_forward,     re(0), re(1), re(2), d[0])
CALL(gate_backward,    re(0), re(1), re(2), re(3), re(4), d[0])
CALL(swiglu_forward,   re(0), re(1), re(2), d[0])
CALL(swiglu_backward,  re(0), re(1), re(2), re(3), re(4), d[0])
CALL(add_forward,      re(0), re(1), re(2), d[0])
CALL(add_backward,     re(0), re(1), re(2), d[0])
CALL(skip_forward,     re(0), re(1), re(2), st(3), d[0], d[1], d[2])
CALL(skip_backward,    re(0), re(1), st(2), re(3), re(4), st(5), d[0], d[1], d[2])
CALL(xent_forward,     st(0), st(1), st(2), in(3), d[0], d[1], s[0])
CALL(xent_backward,    st(0), st(1), st(2), in(3), st(4), d[0], d[1], s[0])
CALL(sqsum,            db(0), st(1), d[0])
CALL(accumulate,       st(0), st(1), d[0])
CALL(cast,             re(0), st(1), d[0])
CALL(adamw,            st(0), st(1), st(2), st(3), db(4), d[0], d[1], s[0], s[1], s[2], s[3], s[4], s[5])

#define ROW(op) { #op, call_##op, offsetof(struct R(swax_kernels), op) }
static const struct row {
    const char *name;
    void (*call)(const struct R(swax_kernels) *k, void *const *a, const int *d, const double *s);
    size_t slot;
} rows[] = {
    ROW(embed_forward),     ROW(embed_backward),     ROW(linear_forward),   ROW(linear_backward),
    ROW(readout_forward),   ROW(readout_backward),   ROW(rmsnorm_forward),  ROW(rmsnorm_backward),
    ROW(headnorm_forward),  ROW(headnorm_backward),  ROW(rope_forward),     ROW(rope_backward),
    ROW(attention_forward), ROW(attention_backward), ROW(mlstm_forward),    ROW(mlstm_backward),
    ROW(delta_forward),     ROW(delta_backward),     ROW(conv_forward),     ROW(conv_backward),
    ROW(decay_forward),     ROW(decay_backward),     ROW(strength_forward), ROW(strength_backward),
    ROW(softcap_forward),   ROW(softcap_backward),   ROW(gate_forward),     ROW(gate_backward),
    ROW(swiglu_forward),    ROW(swiglu_backward),    ROW(add_forward),      ROW(add_backward),
    ROW(skip_forward),      ROW(skip_backward),
    ROW(xent_forward),      ROW(xent_backward),      ROW(sqsum),            ROW(accumulate),
    ROW(cast),              ROW(adamw),
};

/* A slot without a row is a kernel without a test: refuse to compile. */
enum { SLOT = sizeof(void (*)(void)) };
typedef char every_slot_has_a_row[sizeof rows / sizeof rows[0] == sizeof(struct R(swax_kernels)) / SLOT ? 1 : -1];


/* What differs between the precisions: the tier's table, what stands in a host tier's empty slots, and how an
 * element becomes a double and back. */
#if defined SWAX_BF16
#define TABLE bf16
static const struct R(swax_kernels) *const reference = NULL;    /* its tables fill every slot */
static double get_real(real x) { return (double)bf16_to_float(x); }
static real put_real(double x) { return bf16_from_float((float)x); }
#else
#ifdef SWAX_F64
#define TABLE f64
#else
#define TABLE f32
#endif
static const struct R(swax_kernels) *const reference = &R(swax_ref);
static double get_real(real x) { return (double)x; }
static real put_real(double x) { return (real)x; }
#endif

static int filled(const struct R(swax_kernels) *k, int op)
{
    static const unsigned char null[SLOT];
    return k && memcmp((const char *)k + rows[op].slot, null, SLOT) != 0;
}

int R(op_present)(const struct swax_tier *tier, int op) { return filled(tier->TABLE, op); }

void R(swax_tier)(const struct swax_tier *tier, struct R(swax_kernels) *table)
{
    static const struct R(swax_kernels) empty;
    *table = tier->TABLE ? *tier->TABLE : empty;
    for (int op = 0; op < swax_n_ops && !tier->memory; op++)
        if (!filled(table, op) && filled(reference, op))
            memcpy((char *)table + rows[op].slot, (const char *)reference + rows[op].slot, SLOT);
}

/* ---- one argument in memory: guard zone, elements, guard zone */
enum { GUARD = 64, ALIGN = 64 };   /* elements on either side; bytes that a fast kernel might like */

struct place {
    void *own;               /* to be freed, if it does not lie in the caller's room */
    unsigned char *block;    /* all of its memory here: the image, and what is left around it */
    unsigned char *image;    /* what the kernel gets on a host tier, aligned to ALIGN */
    void *there;             /* the image in the tier's memory; on a host tier the image itself */
    size_t takes, bytes;     /* of the block, of the image */
    size_t at, end;          /* in the image: its first element; the first byte behind its last element */
};

static size_t width(enum op_type type)
{
    static const size_t of[] = { [REAL] = sizeof(real), [STAT] = sizeof(stat), [INT] = sizeof(int),
                                 [DOUBLE] = sizeof(double) };
    return of[type];
}

static void put(void *p, enum op_type type, long e, double x)
{
    switch (type) {
    case REAL:   ((real *)p)[e] = put_real(x); break;
    case STAT:   ((stat *)p)[e] = (stat)x; break;
    case INT:    ((int *)p)[e] = (int)x; break;
    case DOUBLE: ((double *)p)[e] = x; break;
    }
}

/* No kernel answers in INT. */
static double get(const void *p, enum op_type type, long e)
{
    return type == REAL ? get_real(((const real *)p)[e])
         : type == STAT ? (double)((const stat *)p)[e] : ((const double *)p)[e];
}

/* What stands wherever a kernel has nothing to read: a signalling NaN in every type.  Read by mistake, it spoils the
 * result; added to, it changes. */
static const unsigned char nan_of[9][8] = {
    [2] = { 0xA5, 0x7F, 0xA5, 0x7F, 0xA5, 0x7F, 0xA5, 0x7F },
    [4] = { 0xA5, 0xA5, 0xA5, 0x7F, 0xA5, 0xA5, 0xA5, 0x7F },
    [8] = { 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xF4, 0x7F },
};

/* Its byte at `at`, of elements whose first begins at `image`. */
static unsigned char nan_byte(const unsigned char *at, const unsigned char *image, size_t element)
{
    return nan_of[element][((uintptr_t)at - (uintptr_t)image) % 8];
}

static void poison(unsigned char *from, const unsigned char *to, const unsigned char *image, size_t element)
{
    for (; from < to && ((uintptr_t)from - (uintptr_t)image) % 8; from++)
        *from = nan_byte(from, image, element);
    for (; to - from >= 8; from += 8)
        memcpy(from, nan_of[element], 8);
    for (; from < to; from++)
        *from = nan_byte(from, image, element);
}

static int is_poison(const unsigned char *from, const unsigned char *to, const unsigned char *image, size_t element)
{
    int same = 1;
    for (; from < to && ((uintptr_t)from - (uintptr_t)image) % 8; from++)
        same &= *from == nan_byte(from, image, element);
    for (; to - from >= 8; from += 8)
        same &= !memcmp(from, nan_of[element], 8);
    for (; from < to; from++)
        same &= *from == nan_byte(from, image, element);
    return same;
}

/* Does the kernel get numbers in that argument? */
static int is_given(const struct op_arg *a) { return a->role != OUT && a->role != SCRATCH; }

/* Every other argument starts one element behind an aligned address, but in one case of three none does: paths that
 * need all of them aligned must run too.  What is timed lies as in a network: aligned, and in large pages. */
static int place(struct place *p, const struct swax_tier *tier, const struct op_case *c, int i, size_t *used)
{
    const struct swax_memory *memory = tier->memory;
    const struct op_arg *a = &swax_ops[c->op].arg[i];
    const size_t w = width(a->type), shift = c->dims[0] % 3 && !c->again ? (size_t)((c->dims[0] + i) % 2) : 0;
    p->at = (GUARD + shift) * w;
    p->end = p->at + (size_t)c->size[i] * w;
    p->bytes = p->end + GUARD * w;
    p->takes = p->bytes + ALIGN;
    p->block = c->room && *used + p->takes <= c->room->bytes ? c->room->at + *used : (p->own = op_take(p->takes, 1));
    *used += p->takes;
    if (c->again && tier->host)
        tier->host->large(p->block, p->takes);
    p->image = p->block + (ALIGN - (uintptr_t)p->block % ALIGN) % ALIGN;
    poison(p->block, p->block + p->takes, p->image, w);
    for (long e = 0; e < c->size[i] && is_given(a); e++)
        put(p->image + p->at, a->type, e, c->arg[i][e]);

    p->there = memory ? memory->take(p->bytes) : p->image;
    if (memory && p->there)
        memory->put(p->there, p->image, p->bytes);
    return p->there != NULL;
}

/* The last array of a room that has pages goes on to the end of its page: there the caller can forbid what follows. */
static void fill_page(struct place *p, struct op_room *room, size_t used, size_t element)
{
    const size_t whole = (used + room->page - 1) / room->page * room->page, rest = whole - used;
    room->used = used;
    if (p->own || whole > room->bytes)
        return;
    poison(p->block + p->takes, p->block + p->takes + rest, p->image, element);
    p->takes += rest;
    room->used = whole;
}

/* How many elements of an argument are as the kernel got them?  Nothing that it could have written is compared with but
 * the case's own numbers. */
static long as_left(const struct place *p, const struct op_case *c, int i)
{
    enum { AT_ONCE = 64 };
    const struct op_arg *a = &swax_ops[c->op].arg[i];
    const size_t w = width(a->type);
    double numbers[AT_ONCE];      /* aligned for all types */
    unsigned char *was = (unsigned char *)numbers;
    long same = 0;
    poison(was, was + sizeof numbers, was, w);
    for (long from = 0; from < c->size[i]; from += AT_ONCE) {
        const unsigned char *is = p->image + p->at + (size_t)from * w;
        const long n = c->size[i] - from < AT_ONCE ? c->size[i] - from : AT_ONCE;
        for (long e = 0; e < n && is_given(a); e++)
            put(was, a->type, e, c->arg[i][from + e]);
        const int all = !memcmp(is, was, (size_t)n * w);
        for (long e = 0; e < n; e++)
            same += all || !memcmp(is + (size_t)e * w, was + (size_t)e * w, w);
    }
    return same;
}

/* Bring the argument home: NULL, or what the kernel did that it must not. */
static const char *fetch(struct place *p, const struct swax_memory *memory, struct op_case *c, int i)
{
    const struct op_arg *a = &swax_ops[c->op].arg[i];
    const size_t w = width(a->type);
    if (memory)
        memory->get(p->image, p->there, p->bytes);
    if (!is_poison(p->block, p->image + p->at, p->image, w))
        return "wrote before the beginning of ";
    if (!is_poison(p->image + p->end, p->block + p->takes, p->image, w))
        return "wrote behind the end of ";
    if (a->role == IN)
        return as_left(p, c, i) < c->size[i] ? "changed its input " : NULL;
    if (!op_answers(a))
        return NULL;
    c->unwritten[i] = as_left(p, c, i);
    for (long e = 0; e < c->size[i]; e++)
        c->arg[i][e] = get(p->image + p->at, a->type, e);
    return NULL;
}

/* Does what is smaller than the smallest normal number become 0, where it comes out or where it goes in?  Each step is
 * done here and not later, when the processor's state is another. */
static int flushes(void)
{
    volatile float least = FLT_MIN;
    volatile const float half = least / 2;
    volatile const int counts = half > 0;
    return !counts;
}

static const char *said(struct op_case *c, const struct swax_tier *tier, const char *what, const char *of)
{
    snprintf(c->trouble, OP_SENTENCE, "%s on tier %s %s%s", swax_ops[c->op].name, tier->name, what, of);
    return c->trouble;
}

const char *R(op_run)(const struct swax_tier *tier, struct op_case *c)
{
    const struct swax_memory *memory = tier->memory;
    struct R(swax_kernels) table;
    struct place places[OP_ARGS] = { { 0 } };
    void *a[OP_ARGS] = { 0 };
    const char *wrong = NULL, *of = "";
    size_t used = c->room ? c->room->shift : 0;
    int last = 0;
    fenv_t ours;
    assert(!strcmp(swax_ops[c->op].name, rows[c->op].name));

    c->trouble[0] = '\0';
    memset(c->unwritten, 0, sizeof c->unwritten);
    R(swax_tier)(tier, &table);
    if (!filled(&table, c->op))
        return said(c, tier, "does not exist in this precision", "");

    for (int i = 0; i < c->n && !wrong; i++)
        if (c->arg[i]) {
            if (!place(&places[i], tier, c, i, &used))
                wrong = "could not run: no memory for ", of = swax_ops[c->op].arg[i].name;
            else
                a[i] = (unsigned char *)places[i].there + places[i].at, last = i;
        }
    if (c->room && c->room->page && !wrong)
        fill_page(&places[last], c->room, used, width(swax_ops[c->op].arg[last].type));
    const int flushed = flushes();
    fegetenv(&ours);
    if (!wrong && c->start)
        c->start(c->again_arg);
    if (!wrong)
        do
            rows[c->op].call(&table, a, c->dims, c->scalar);
        while (c->again && c->again(c->again_arg));
    const int other = fegetround(), flush = flushes() != flushed;
    fesetenv(&ours);    /* how this process rounds is nobody else's affair */
    const int changed = other != fegetround();

    for (int i = 0; i < c->n; i++) {
        if (places[i].there && !wrong && (wrong = fetch(&places[i], memory, c, i)))
            of = swax_ops[c->op].arg[i].name;
        if (memory && places[i].there)
            memory->give(places[i].there);
        free(places[i].own);
    }
    if (!wrong && (changed || flush))
        wrong = changed ? "left the rounding mode changed" : "left subnormal numbers flushed to 0";
    if (memory && memory->trouble) {
        const char *device = memory->trouble();
        if (device)
            wrong = "failed: ", of = device;
    }
    return wrong ? said(c, tier, wrong, of) : NULL;
}

void R(op_call)(const struct swax_tier *tier, int op, void **a, const int *dims, const double *scalar)
{
    struct R(swax_kernels) table;
    R(swax_tier)(tier, &table);
    rows[op].call(&table, a, dims, scalar);
}
