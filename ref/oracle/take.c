/* take.c - memory for cases.  What judges others must not go on without it. */
#include "ref/oracle/oracle.h"

#include <stdlib.h>

static void (*gone)(void);

void op_memory_gone(void (*f)(void)) { gone = f; }

void *op_take(size_t n, size_t element)
{
    void *p = calloc(n ? n : 1, element);
    if (!p && gone)
        gone();
    if (!p)
        abort();
    return p;
}
