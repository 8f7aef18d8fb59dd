/* suite.c - the end of every check's main. */
#include "tests/suite.h"

#include <stdlib.h>

int suite_ends(Suite *s)
{
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

int suite_long(void) { return getenv("LONG") != NULL; }
