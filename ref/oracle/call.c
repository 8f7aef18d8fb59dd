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
    unsigned char *block;    /* to be freed: room for two images */
    unsigned char *image;    /* what the kernel gets on a host tier, aligned to ALIGN */
    unsigned char *before;   /* a copy from before the call */
    void *there;             /* the image in the tier's memory; on a host tier the image itself */
    size_t bytes, at, end;   /* of the image; its first element; the first byte behind its last element */
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

/* A signalling NaN in every type: read by mistake, it spoils the result; added to, it changes. */
static void poison(unsigned char *p, size_t bytes, size_t element)
{
    static const unsigned char nan[9][8] = {
        [2] = { 0xA5, 0x7F, 0xA5, 0x7F, 0xA5, 0x7F, 0xA5, 0x7F },
        [4] = { 0xA5, 0xA5, 0xA5, 0x7F, 0xA5, 0xA5, 0xA5, 0x7F },
        [8] = { 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xF4, 0x7F },
    };
    size_t i = 0;
    for (; i + 8 <= bytes; i += 8)
        memcpy(p + i, nan[element], 8);
    memcpy(p + i, nan[element], bytes - i);
}

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
    const size_t takes = 2 * p->bytes + ALIGN;
    unsigned char *block = c->room && *used + takes <= c->room->bytes ? c->room->at + *used
                         : (p->block = op_take(takes, 1));
    *used += takes;
    if (c->again && tier->host)
        tier->host->large(block, takes);
    p->image = block + (ALIGN - (uintptr_t)block % ALIGN) % ALIGN;
    p->before = p->image + p->bytes;
    poison(p->image, p->bytes, w);
    for (long e = 0; e < c->size[i] && a->role != OUT && a->role != SCRATCH; e++)
        put(p->image + p->at, a->type, e, c->arg[i][e]);
    memcpy(p->before, p->image, p->bytes);

    p->there = memory ? memory->take(p->bytes) : p->image;
    if (memory && p->there)
        memory->put(p->there, p->image, p->bytes);
    return p->there != NULL;
}

/* Bring the argument home: NULL, or what the kernel did that it must not. */
static const char *fetch(struct place *p, const struct swax_memory *memory, struct op_case *c, int i)
{
    const struct op_arg *a = &swax_ops[c->op].arg[i];
    if (memory)
        memory->get(p->image, p->there, p->bytes);
    if (memcmp(p->image, p->before, p->at))
        return "wrote before the beginning of ";
    if (memcmp(p->image + p->end, p->before + p->end, p->bytes - p->end))
        return "wrote behind the end of ";
    if (a->role == IN)
        return memcmp(p->image, p->before, p->bytes) ? "changed its input " : NULL;
    const size_t w = width(a->type);
    for (long e = 0; e < c->size[i] && op_answers(a); e++) {
        const size_t at = p->at + (size_t)e * w;
        c->unwritten[i] += !memcmp(p->image + at, p->before + at, w);
        c->arg[i][e] = get(p->image + p->at, a->type, e);
    }
    return NULL;
}

/* Does what is smaller than the smallest normal number become 0? */
static int flushes(void)
{
    volatile float least = FLT_MIN;
    volatile const float half = least / 2;
    return !(half > 0);
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
                a[i] = (unsigned char *)places[i].there + places[i].at;
        }
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
        free(places[i].block);
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
