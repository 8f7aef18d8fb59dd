/* json.h - strict JSON (RFC 8259), read into a tree and written to a stream.
 *
 * Refused beyond what the RFC refuses: a key given twice, a NUL in a string, more than 64 levels, numbers that
 * no double holds.  Reads bytes from anywhere without trusting them. */
#ifndef SWAX_JSON_H
#define SWAX_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_type type;
    const char *key;               /* of a member of an object; "" of anything else */
    const char *text;              /* a string, decoded; a number, as it was written */
    double number;
    long count;                    /* of an array's elements or an object's members, which are */
    struct json *first, *next;     /* first, first->next, ... */
};

/* The root, or NULL and, in why[SWAX_WHY], the end of a sentence "FILE is ...", with line and column.  The whole
 * of text must be one value. */
struct json *json_parse(const char *text, size_t size, char *why);
/* The same of a file of at most `limit` bytes; NULL and a whole sentence in why[SWAX_WHY]. */
struct json *json_read(const char *path, size_t limit, char *why);
void json_free(struct json *root);
/* at most so many values stand in it: what json_parse takes memory for */
size_t json_values(const char *text, size_t size);

const struct json *json_get(const struct json *object, const char *key);     /* NULL: no such member, or no object */

/* Is it a plain non-negative integer (digits only) that 63 bits hold? */
int json_integer(const struct json *j, int64_t *value);

int json_is_number(const char *text);                /* would JSON take the text as a number? */
int json_is_text(const char *text);                  /* and, in quotes, as a string: is it UTF-8? */

void json_write_string(FILE *f, const char *s);
/* n bytes with a NUL behind them: what is no UTF-8, or NUL, becomes U+FFFD. */
void json_write_bytes(FILE *f, const char *s, size_t n);
void json_write_number(FILE *f, double x);           /* null if it is not finite */

#endif
