/* slips.c - what goes wrong with any kernel's gradients, alike in all: they are overwritten, or sums end too early.
 *
 * The reference is given what such a kernel sees: gradients of 0 to add to, or cotangents of 0 in rows that are left
 * out. */
#include "tools/verify/causes.h"

#include <string.h>

enum slip { OVERWRITTEN, OF_THE_FIRST, OF_THE_LAST, OF_WHOLE_TILES };

#define OVERWRITES(op) {{"overwrites", op, "gradients are overwritten, not added to", FAULT_EXACT}, OVERWRITTEN, 0, 0}
#define SUMS(op, letter, of)                                                                                           \
    {{"sum_of_first_" of, op, "gradients that are sums over all have their share of the first " of " alone",           \
      FAULT_EXACT}, OF_THE_FIRST, letter, 0},                                                                          \
    {{"sum_of_last_" of, op, "gradients that are sums over all have their share of the last " of " alone",             \
      FAULT_EXACT}, OF_THE_LAST, letter, 0}
#define TAIL(op, letter, of, tile)                                                                                     \
    {{"sum_of_tiles_" #tile, op, "gradients that are sums over all lack the last " of "s: no whole tile of " #tile,\
      FAULT_EXACT}, OF_WHOLE_TILES, letter, tile}
#define TAILS(op, letter, of)                                                                                          \
    TAIL(op, letter, of, 2), TAIL(op, letter, of, 4), TAIL(op, letter, of, 8), TAIL(op, letter, of, 16),               \
    TAIL(op, letter, of, 32), TAIL(op, letter, of, 64), TAIL(op, letter, of, 128)

static const struct row { struct fault is; enum slip slip; char axis; int tile; } rows[] = {
    OVERWRITES("conv"), OVERWRITES("decay"), OVERWRITES("strength"), OVERWRITES("softcap"), OVERWRITES("gate"),
    OVERWRITES("swiglu"), OVERWRITES("skip"), OVERWRITES("embed"), OVERWRITES("readout"), OVERWRITES("rmsnorm"),
    OVERWRITES("headnorm"), OVERWRITES("rope"), OVERWRITES("xent"),
    SUMS("attention", 'B', "sequence"), SUMS("attention", 'T', "token"), SUMS("conv", 'B', "sequence"),
    SUMS("conv", 'T', "token"), SUMS("linear", 'N', "row"), SUMS("readout", 'N', "row"), SUMS("rmsnorm", 'N', "row"),
    SUMS("headnorm", 'N', "row"), SUMS("decay", 'N', "row"), SUMS("skip", 'N', "row"), TAILS("conv", 'T', "token"),
    TAILS("linear", 'N', "row"), TAILS("readout", 'N', "row"), TAILS("rmsnorm", 'N', "row"),
    TAILS("headnorm", 'N', "row"), TAILS("decay", 'N', "row"), TAILS("skip", 'N', "row"),
};

const struct fault *slip_is(int i) { return i < (int)(sizeof rows / sizeof *rows) ? &rows[i].is : NULL; }

/* Is argument i of a backward the gradient of an output of its forward? */
static int is_cotangent(const struct op_case *c, int i)
{
    const struct op_arg *a = &swax_ops[c->op].arg[i];
    const int forward = op_forward_of(c->op), of = op_arg_find(&swax_ops[forward], a->name + 1);
    return a->role == IN && c->arg[i] && a->name[0] == 'd' && of >= 0 && swax_ops[forward].arg[of].role == OUT;
}

/* Is it a sum over all rows: has it no axis of those that rows lie along? */
static int is_sum(const struct op_case *c, int i) { return !strpbrk(swax_ops[c->op].arg[i].shape, "BN"); }

/* Is index `at` of so many left out? */
static int is_left_out(const struct row *r, long at, long extent)
{
    switch (r->slip) {
    case OF_THE_FIRST: return at > 0;
    case OF_THE_LAST: return at < extent - 1;
    default: return extent > r->tile && at >= extent / r->tile * r->tile;    /* one tile there always is */
    }
}

/* Cotangents become 0 where an axis' index is left out. */
static void leave_out(const struct row *r, struct op_case *c)
{
    const struct op_spec *op = &swax_ops[c->op];
    for (int i = 0; i < c->n; i++) {
        if (!is_cotangent(c, i))
            continue;
        const long stride = op_stride(op, i, r->axis, c->dims), extent = op_extent(op, r->axis, c->dims);
        for (long e = 0; e < c->size[i]; e++)
            if (is_left_out(r, e / stride % extent, extent))
                c->arg[i][e] = 0;
    }
}

void slip_run(int i, const struct problem *p, struct op_case says[PARTS])
{
    for (int part = 0; part < p->subject.n; part++) {
        struct op_case *own = &says[part];
        if (op_forward_of(p->in[part].op) < 0) {      /* it has no gradients */
            op_case_copy(own, &p->truth[part]);
            continue;
        }
        op_case_copy(own, &p->in[part]);
        if (part && p->wish.chained)
            problem_chain(own, &p->truth[0]);
        for (int k = 0; k < own->n && rows[i].slip == OVERWRITTEN; k++)
            if (own->arg[k] && swax_ops[own->op].arg[k].role == ADD)
                memset(own->arg[k], 0, (size_t)own->size[k] * sizeof(double));
        if (rows[i].slip != OVERWRITTEN)
            leave_out(&rows[i], own);
        op_run(op_teller(&p->in[part]), SWAX_PREC_F64, own);
        for (int k = 0; k < own->n && rows[i].slip != OVERWRITTEN; k++)      /* all others are right */
            if (problem_is_answer(p, part, k) && !is_sum(own, k))
                memcpy(own->arg[k], p->truth[part].arg[k], (size_t)own->size[k] * sizeof(double));
    }
}
