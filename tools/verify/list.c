/* list.c - every kernel with its sizes, its scalars and its arguments, and what they may be. */
#include "tools/verify/verify.h"

#include <stdio.h>
#include <string.h>

static void print_kernel(const struct op_spec *op)
{
    static const char *const role[] = {"", "in", "out", "gradient", "update", "scratch"},
                      *const type[] = {"real", "stat", "int", "double"};
    printf("%s\n", op->name);
    for (const char *d = op->dims; *d; d++)
        printf("  %c  %s\n", *d, op_dim_word(op, *d));
    for (int i = 0; i < op_scalars(op); i++) {
        char name[OP_WORD];
        const struct op_range r = op_range(op_scalar_name(op, i, name));
        printf("  %-6s %-8s %.7g to %.7g\n", name, "scalar", r.least, r.most);
    }
    for (int a = 0; a < op_args(op); a++) {
        char shape[32] = "";
        for (const char *s = op->arg[a].shape; *s; s++)
            snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%c", shape[0] ? "," : "", *s);
        printf("  %-6s %-8s %-6s [%s]%s\n", op->arg[a].name, role[op->arg[a].role], type[op->arg[a].type], shape,
               op->arg[a].optional ? "  or absent" : "");
    }
}

void verify_list(const struct subject *s)
{
    for (int i = 0; i < (s->n ? s->n : swax_n_ops); i++)
        print_kernel(&swax_ops[s->n ? s->op[i] : i]);
    puts("\nreal: the element of tensors; stat: of gates, states and statistics, float in bf16 and f16 cases.\n"
         "c is ceil(T/L).  What a kernel computes stands in kernels.h.  Without _forward or _backward: both, on the "
         "same inputs.");
}
