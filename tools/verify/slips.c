/* slips.c - what goes wrong with any kernel's gradients, alike in all: they are overwritten, or sums end too early.
 *
 * The reference is given what such a kernel sees: gradients of 0 to add to, or cotangents of 0 in all rows but one. */
#include "tools/verify/causes.h"

#include <stdlib.h>
#include <string.h>

enum slip { OVERWRITTEN, OF_THE_FIRST, OF_THE_LAST };

#define OVERWRITES(op) {{"overwrites", op, "gradients are overwritten, not added to", FAULT_EXACT}, OVERWRITTEN, 0}
#define SUMS(op, letter, of)                                                                                           \
    {{"sum_of_first_" of, op, "gradients that are sums over all have their share of the first " of " alone",           \
      FAULT_EXACT}, OF_THE_FIRST, letter},                                                                             \
    {{"sum_of_last_" of, op, "gradients that are sums over all have their share of the last " of " alone",             \
      FAULT_EXACT}, OF_THE_LAST, letter}

static const struct row { struct fault is; enum slip slip; char axis; } rows[] = {
    OVERWRITES("conv"), OVERWRITES("decay"), OVERWRITES("strength"), OVERWRITES("softcap"), OVERWRITES("gate"),
    OVERWRITES("swiglu"), OVERWRITES("skip"), OVERWRITES("embed"), OVERWRITES("readout"), OVERWRITES("rmsnorm"),
    OVERWRITES("headnorm"), OVERWRITES("rope"), OVERWRITES("xent"),
    SUMS("attention", 'B', "sequence"), SUMS("attention", 'T', "token"), SUMS("conv", 'B', "sequence"),
    SUMS("conv", 'T', "token"), SUMS("linear", 'N', "row"), SUMS("readout", 'N', "row"), SUMS("rmsnorm", 'N', "row"),
    SUMS("headnorm", 'N', "row"), SUMS("decay", 'N', "row"), SUMS("skip", 'N', "row"),
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

/* Cotangents, but of one index along an axis, become 0. */
static void leave_one(struct op_case *c, char axis, int last)
{
    const struct op_spec *op = &swax_ops[c->op];
    for (int i = 0; i < c->n; i++) {
        if (!is_cotangent(c, i))
            continue;
        long stride = 1;
        for (const char *s = strchr(op->arg[i].shape, axis) + 1; *s; s++)
            stride *= op_extent(op, *s, c->dims);
        const long extent = op_extent(op, axis, c->dims), one = last ? extent - 1 : 0;
        for (long e = 0; e < c->size[i]; e++)
            if (e / stride % extent != one)
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
            leave_one(own, rows[i].axis, rows[i].slip == OF_THE_LAST);
        op_run(op_teller(&p->in[part]), SWAX_PREC_F64, own);
        for (int k = 0; k < own->n && rows[i].slip != OVERWRITTEN; k++)      /* all others are right */
            if (problem_is_answer(p, part, k) && !is_sum(own, k))
                memcpy(own->arg[k], p->truth[part].arg[k], (size_t)own->size[k] * sizeof(double));
    }
}
