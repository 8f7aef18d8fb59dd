/* json.c - strict JSON.  The tree and a copy of the text, in which strings are decoded in place, are one allocation. */
#include "tools/lib/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/files.h"
#include "tools/lib/number.h"
#include "tools/lib/say.h"

enum { DEPTH = 64 };

struct reader {
    const char *source;              /* the text as it came */
    char *begin, *at, *end;          /* the copy; *end is NUL */
    struct json *node;               /* nodes are handed out from the front */
    long used;
    char *why;
};

static int fail(struct reader *r, const char *at, const char *what)
{
    long line = 1, column = 1;
    for (const char *p = r->source; p < r->source + (at - r->begin); p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    say(r->why, "not valid JSON at line %ld, column %ld: %s.", line, column, what);
    return 0;
}

static void skip_blanks(struct reader *r)
{
    while (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')
        r->at++;
}

static int hex4(const char *s, unsigned *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++) {
        const char c = s[i];
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F'
            ? c - 'A' + 10 : -1;
        if (digit < 0)
            return 0;
        *value = *value * 16 + (unsigned)digit;
    }
    return 1;
}

static char *put_utf8(char *to, unsigned c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 63));
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    }
    return to;
}

/* The length of the UTF-8 sequence at s, 0 if it is none: overlong forms, surrogates and beyond U+10FFFF are none. */
static int utf8_length(const unsigned char *s)
{
    const int n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

/* After a backslash: one character, and r->at behind it. */
static char *read_escape(struct reader *r, char *to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    const char *found = *r->at ? strchr(from, *r->at) : NULL;
    if (found) {
        r->at++;
        *to++ = into[found - from];
        return to;
    }
    unsigned c, low;
    if (*r->at != 'u' || !hex4(r->at + 1, &c))
        return fail(r, r->at, "unknown escape in a string"), NULL;
    if (!c)
        return fail(r, r->at, "a string holds a NUL character"), NULL;
    r->at += 5;
    if (c >= 0xdc00 && c <= 0xdfff)
        return fail(r, r->at, "half of a surrogate pair in a string"), NULL;
    if (c >= 0xd800 && c <= 0xdbff) {
        if (r->at[0] != '\\' || r->at[1] != 'u' || !hex4(r->at + 2, &low) || low < 0xdc00 || low > 0xdfff)
            return fail(r, r->at, "half of a surrogate pair in a string"), NULL;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        r->at += 6;
    }
    return put_utf8(to, c);
}

/* At an opening quote.  The decoded string is never longer than what it was decoded from. */
static const char *read_string(struct reader *r)
{
    char *const start = ++r->at, *to = start;
    while (*r->at != '"') {
        const unsigned char c = (unsigned char)*r->at;
        if (c == '\\') {
            r->at++;
            to = read_escape(r, to);
            if (!to)
                return NULL;
            continue;
        }
        if (r->at >= r->end)
            return fail(r, start - 1, "this string does not end"), NULL;
        const int n = utf8_length((const unsigned char *)r->at);
        if (c < 0x20 || !n)
            return fail(r, r->at, c < 0x20 ? "a control character inside a string" : "this is not UTF-8"), NULL;
        memmove(to, r->at, (size_t)n);
        to += n;
        r->at += n;
    }
    r->at++;
    *to = 0;
    return start;
}

static int digits(struct reader *r)
{
    const char *from = r->at;
    while (*r->at >= '0' && *r->at <= '9')
        r->at++;
    return r->at > from;
}

static int read_number(struct reader *r, struct json *j)
{
    char *const start = r->at;
    r->at += *r->at == '-';
    if (r->at[0] == '0' && r->at[1] >= '0' && r->at[1] <= '9')
        return fail(r, start, "a number begins with 0");
    if (!digits(r))
        return fail(r, start, "here should be a value");
    if (*r->at == '.' && (r->at++, !digits(r)))
        return fail(r, start, "a number lacks digits after its point");
    if (*r->at == 'e' || *r->at == 'E') {
        r->at++;
        r->at += *r->at == '+' || *r->at == '-';
        if (!digits(r))
            return fail(r, start, "a number lacks the digits of its exponent");
    }
    j->type = JSON_NUMBER;
    j->text = start;
    j->number = swax_number_of(start, (size_t)(r->at - start));
    return isfinite(j->number) ? 1 : fail(r, start, "this number is too large");
}

static int read_word(struct reader *r, struct json *j, const char *word, enum json_type type)
{
    const size_t n = strlen(word);
    if (strncmp(r->at, word, n))
        return fail(r, r->at, "here should be a value");
    j->type = type;
    r->at += n;
    return 1;
}

static int by_key(const void *a, const void *b)
{
    return strcmp((*(const struct json *const *)a)->key, (*(const struct json *const *)b)->key);
}

static int keys_differ(struct reader *r, const struct json *object, const char *at)
{
    if (object->count < 2)
        return 1;
    const struct json **member = malloc((size_t)object->count * sizeof *member);
    if (!member)
        return fail(r, at, "there is no memory to read it");
    long n = 0, same = 0;
    for (const struct json *j = object->first; j; j = j->next)
        member[n++] = j;
    qsort(member, (size_t)n, sizeof *member, by_key);
    for (long i = 1; i < n && !same; i++)
        if (!strcmp(member[i - 1]->key, member[i]->key))
            same = i;
    char what[160];
    if (same)
        snprintf(what, sizeof what, "\"%.100s\" is given twice in the object that begins here", member[same]->key);
    free(member);
    return same ? fail(r, at, what) : 1;
}

static int read_value(struct reader *r, struct json *j, int depth);

/* At '[' or '{'. */
static int read_container(struct reader *r, struct json *j, int depth)
{
    const char *const start = r->at;
    const char close = *start == '{' ? '}' : ']';
    if (depth == DEPTH)
        return fail(r, start, "more than 64 levels of brackets");
    j->type = *start == '{' ? JSON_OBJECT : JSON_ARRAY;
    r->at++;
    skip_blanks(r);
    struct json **link = &j->first;
    while (*r->at != close) {
        if (j->count && *r->at != ',')
            return fail(r, r->at, close == '}' ? "here should be a ',' or a '}'" : "here should be a ',' or a ']'");
        r->at += j->count > 0;
        skip_blanks(r);
        struct json *member = *link = &r->node[r->used++];
        member->key = "";
        if (close == '}') {
            if (*r->at != '"')
                return fail(r, r->at, "here should be a key in double quotes");
            member->key = read_string(r);
            if (!member->key)
                return 0;
            skip_blanks(r);
            if (*r->at != ':')
                return fail(r, r->at, "here should be a ':'");
            r->at++;
            skip_blanks(r);
        }
        if (!read_value(r, member, depth + 1))
            return 0;
        skip_blanks(r);
        j->count++;
        link = &member->next;
    }
    r->at++;
    return close == ']' || keys_differ(r, j, start);
}

static int read_value(struct reader *r, struct json *j, int depth)
{
    switch (*r->at) {
    case '{':
    case '[': return read_container(r, j, depth);
    case '"': j->type = JSON_STRING; return (j->text = read_string(r)) != NULL;
    case 't': return read_word(r, j, "true", JSON_TRUE);
    case 'f': return read_word(r, j, "false", JSON_FALSE);
    case 'n': return read_word(r, j, "null", JSON_NULL);
    default: return read_number(r, j);
    }
}

/* Every value but the root follows a bracket or a comma. */
size_t json_values(const char *text, size_t size)
{
    size_t n = 1;
    for (size_t i = 0; i < size; i++)
        n += text[i] == ',' || text[i] == '[' || text[i] == '{';
    return n;
}

struct json *json_parse(const char *text, size_t size, char *why)
{
    const size_t nodes = json_values(text, size) * sizeof(struct json);
    char *room = malloc(nodes + size + 1);
    if (!room) {
        say(why, "too large for the memory there is: %zu bytes of JSON.", size);
        return NULL;
    }
    memset(room, 0, nodes);
    char *copy = memcpy(room + nodes, text, size);
    copy[size] = 0;
    struct reader r = {text, copy, copy, copy + size, (struct json *)room, 1, why};
    r.node->key = "";
    if (!strncmp(copy, "\xef\xbb\xbf", 3)) {
        fail(&r, copy, "it begins with a byte-order mark, which JSON has not: save it as UTF-8 without one");
        free(room);
        return NULL;
    }
    skip_blanks(&r);
    int good = read_value(&r, r.node, 0);
    skip_blanks(&r);
    if (good && r.at < r.end)
        good = fail(&r, r.at, "something follows the end of the value");
    if (!good) {
        free(room);
        return NULL;
    }
    for (long i = 0; i < r.used; i++)      /* every delimiter has been read: numbers can be cut off now */
        if (r.node[i].type == JSON_NUMBER)
            copy[(size_t)(r.node[i].text - copy) + strspn(r.node[i].text, "+-.0123456789eE")] = 0;
    return r.node;
}

struct json *json_read(const char *path, size_t limit, char *why)
{
    char wrong[SWAX_WHY];
    size_t size;
    char *text = file_read(path, limit, &size, why);
    struct json *root = text ? json_parse(text, size, wrong) : NULL;
    if (text && !root)
        say(why, "%.120s is %s", path, wrong);
    free(text);
    return root;
}

void json_free(struct json *root)
{
    free(root);
}

const struct json *json_get(const struct json *object, const char *key)
{
    if (!object || object->type != JSON_OBJECT)
        return NULL;
    for (const struct json *j = object->first; j; j = j->next)
        if (!strcmp(j->key, key))
            return j;
    return NULL;
}

int json_integer(const struct json *j, int64_t *value)
{
    *value = 0;
    if (!j || j->type != JSON_NUMBER || strspn(j->text, "0123456789") != strlen(j->text))
        return 0;
    for (const char *p = j->text; *p; p++) {
        const int digit = *p - '0';
        if (*value > (INT64_MAX - digit) / 10)
            return 0;
        *value = *value * 10 + digit;
    }
    return 1;
}

int json_is_number(const char *text)
{
    char why[SWAX_WHY], *at = (char *)(size_t)text;      /* which a number only reads */
    struct json j;
    struct reader r = {text, at, at, at + strlen(text), &j, 0, why};
    return read_number(&r, &j) && r.at == r.end;
}

int json_is_text(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at && utf8_length(at))
        at += utf8_length(at);
    return !*at;
}

void json_write_string(FILE *f, const char *s)
{
    fputc('"', f);
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            fprintf(f, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(f, "\\u%04x", c);
        else
            fputc(c, f);
    }
    fputc('"', f);
}

void json_write_bytes(FILE *f, const char *s, size_t n)
{
    fputc('"', f);
    for (size_t i = 0; i < n;) {
        const unsigned char c = (unsigned char)s[i];
        const int length = utf8_length((const unsigned char *)s + i);
        if (c == '"' || c == '\\')
            fprintf(f, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(f, "\\u%04x", c ? c : 0xfffdu);
        else if (length)
            fwrite(s + i, 1, (size_t)length, f);
        else
            fputs("\\ufffd", f);
        i += length ? (size_t)length : 1;
    }
    fputc('"', f);
}

void json_write_number(FILE *f, double x)
{
    char text[32] = "null";
    if (isfinite(x))
        swax_number_write(text, x);
    fputs(text, f);
}
