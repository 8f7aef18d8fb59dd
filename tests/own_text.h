/* own_text.h - descriptions of somebody's own tensors (tools/verify/own.h) as a check writes them. */
#ifndef SWAX_TESTS_OWN_TEXT_H
#define SWAX_TESTS_OWN_TEXT_H

#include <string.h>
#include "tools/verify/own.h"
#include "tests/scratch.h"

static char why[SWAX_WHY];
static struct own w;

static const char *read_text(const char *text)
{
    char *path = scratch("own.json");
    put(path, text, strlen(text));
    return own_read(&w, path, why);
}

#define Y "{\"name\": \"y\", \"shape\": \"N\", \"is\": \"output\"}"
#define X "{\"name\": \"x\", \"shape\": \"N\", \"is\": \"input\"}"
#define WITH(sizes, tensors) "{\"function\": \"f\", \"sizes\": {" sizes "}, \"tensors\": [" tensors "]}"

#endif
