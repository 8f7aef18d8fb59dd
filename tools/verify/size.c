/* size.c - what problems cost, known before anything of them is made. */
#include "tools/verify/verify.h"

#include <math.h>
#include <string.h>
#include "tools/lib/say.h"

/* A few minutes of the reference, which goes over every problem a dozen times; and 5 GB. */
static const double MOST_WORK = 3e10, MOST_NUMBERS = 3e8;

static double extent(const struct op_case *c, char letter) { return (double)op_extent(&swax_ops[c->op], letter, c->dims); }

double case_numbers(const struct op_case *c)
{
    const struct op_spec *op = &swax_ops[c->op];
    double sum = 0;
    for (int i = 0; i < op_args(op); i++) {
        double product = 1;
        for (const char *s = op->arg[i].shape; *s; s++)
            product *= extent(c, *s);
        sum += product;
    }
    return sum;
}

double case_work(const struct op_case *c)
{
    const char *dims = swax_ops[c->op].dims;
    if (strchr(dims, 'W'))
        return extent(c, 'B') * extent(c, 'H') * extent(c, 'T') * (extent(c, 'S') + fmin(extent(c, 'W'), extent(c, 'S')) * extent(c, 'D'));
    if (strchr(dims, 'L'))
        return extent(c, 'B') * extent(c, 'H') * extent(c, 'T') * (extent(c, 'K') * extent(c, 'V') + extent(c, 'T') * (extent(c, 'K') + extent(c, 'V')));
    if (strchr(dims, 'O'))
        return extent(c, 'N') * extent(c, 'O') * extent(c, 'I');
    return case_numbers(c);
}

const char *size_check(struct size *sum, const struct subject *s, const struct op_case *c, char *why)
{
    struct op_case part = *c;
    double held = 0;
    for (int k = 0; k < s->n; k++) {
        part.op = s->op[k];
        held += case_numbers(&part);
        sum->work += case_work(&part);
    }
    sum->numbers += held;
    if (sum->work <= MOST_WORK && sum->numbers <= MOST_NUMBERS)
        return NULL;
    char sizes[160];
    op_case_describe(c, sizes, sizeof sizes);
    return sum->work <= MOST_WORK
         ? say(why, "Too large: with %s the arrays hold %.1g numbers, and %.0g are the most.  Give smaller sizes, or a smaller suite.", sizes, sum->numbers, MOST_NUMBERS)
         : say(why, "Too large: with %s the reference needs %.1g multiplications, and %.0g are the most.  Give smaller sizes, or a smaller suite.",
               sizes, sum->work, MOST_WORK);
}
