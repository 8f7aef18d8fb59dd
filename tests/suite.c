/* suite.c - the end of every check's main. */
#include "tests/suite.h"

#include <stdio.h>
#include <stdlib.h>

int suite_ends(Suite *s)
{
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

int suite_stride(int usual) { return suite_long() ? 1 : getenv("EVERY") ? 3 * usual : usual; }
int suite_long(void) { return getenv("LONG") != NULL; }

void suite_shard(int *part, int *parts)
{
    const char *shard = getenv("SHARD");
    *part = *parts = 1;
    ck_assert_msg(!shard || (sscanf(shard, "%d/%d", part, parts) == 2 && *part >= 1 && *part <= *parts),
                  "SHARD is %s: 2/3 is the second of three parts", shard);
}
