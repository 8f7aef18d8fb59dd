/* json.c - JSON from anywhere: parsed, and what was taken written again and taken again. */
#include <stdlib.h>
#include <string.h>
#include "ref/network/config.h"
#include "tests/fuzz/fuzz.h"
#include "tools/lib/json.h"

static void write_value(FILE *f, const struct json *j)
{
    if (j->type == JSON_ARRAY || j->type == JSON_OBJECT) {
        fputc(j->type == JSON_ARRAY ? '[' : '{', f);
        for (const struct json *e = j->first; e; e = e->next) {
            if (j->type == JSON_OBJECT)
                json_write_string(f, e->key), fputc(':', f);
            write_value(f, e);
            if (e->next)
                fputc(',', f);
        }
        fputc(j->type == JSON_ARRAY ? ']' : '}', f);
    } else if (j->type == JSON_STRING)
        json_write_string(f, j->text);
    else if (j->type == JSON_NUMBER)
        json_write_number(f, j->number);
    else
        fputs(j->type == JSON_NULL ? "null" : j->type == JSON_TRUE ? "true" : "false", f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[SWAX_WHY], *again = NULL;
    size_t length;
    struct json *j = json_parse((const char *)data, size, why);
    if (!j)
        return 0;
    FILE *f = open_memstream(&again, &length);
    write_value(f, j);
    fclose(f);
    struct json *k = json_parse(again, length, why);
    if (!k || k->type != j->type || k->count != j->count)
        abort();      /* what we write, we read */
    json_free(k);
    json_free(j);
    free(again);
    return 0;
}
