/* safetensors.c - tensors in files; the layout is that of https://github.com/huggingface/safetensors. */
#include "tools/lib/safetensors.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ref/bf16.h"
#include "tools/lib/checksum.h"
#include "tools/lib/files.h"
#include "tools/lib/half.h"
#include "tools/lib/json.h"
#include "tools/lib/say.h"

const char *const st_type_name[ST_TYPES] = {"F64", "F32", "BF16", "F16", "I64", "I32", "U8"};
const int st_type_bytes[ST_TYPES] = {8, 4, 2, 2, 8, 4, 1};

/* The format allows a header of 100 MB; no network has so many tensors. */
enum { MOST_HEADER = 100000000, MOST_TENSORS = 65536, MOST_VALUES = 16 * MOST_TENSORS, PIECE = 1 << 14 };
const char st_checksum_place[] = "\"swax.checksum\":\"";

struct st_file {
    int fd;
    char *path;
    struct json *header;
    const struct json *meta;
    struct st_tensor *tensor;         /* in the order of the data */
    const struct st_tensor **named;   /* in the order of the names */
    int n;
    int64_t data;                     /* where the data begin in the file */
    char *header_text;
};

/* why becomes a sentence about the file; 0, as every reader here returns when it fails */
static int refuse(const struct st_file *f, char *why, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int refuse(const struct st_file *f, char *why, const char *format, ...)
{
    char what[SWAX_WHY];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    say(why, "%.150s is not a valid safetensors file: %s.", f->path, what);
    return 0;
}

static int type_find(const char *name)
{
    for (int i = 0; i < ST_TYPES; i++)
        if (!strcmp(st_type_name[i], name))
            return i;
    return -1;
}

/* shape, offsets and dtype must tell the same story: t is filled, or why says what is wrong */
static int read_entry(struct st_file *f, const struct json *entry, struct st_tensor *t, int64_t data_bytes, char *why)
{
    const struct json *type = json_get(entry, "dtype"), *shape = json_get(entry, "shape"),
        *place = json_get(entry, "data_offsets");
    int64_t begin = 0, end = 0;
    t->name = entry->key;
    if (!type || type->type != JSON_STRING || !shape || shape->type != JSON_ARRAY || !place ||
        place->type != JSON_ARRAY ||
        place->count != 2 || !json_integer(place->first, &begin) || !json_integer(place->first->next, &end))
        return refuse(f, why, "tensor \"%.80s\" lacks a dtype, a shape or two data_offsets", t->name);
    const int known = type_find(type->text);
    if (known < 0)
        return refuse(f, why, "tensor \"%.60s\" has dtype \"%.20s\", and F64, F32, BF16, F16, I64, I32, U8 can be read",
                      t->name,
                      type->text);
    if (begin > end || end > data_bytes)
        return refuse(f, why, "tensor \"%.80s\" reaches beyond the end of the file: it was cut short, or is damaged",
                      t->name);
    t->type = (enum st_type)known;
    t->begin = begin;
    t->size = 1;
    t->rank = 0;
    for (const struct json *d = shape->first; d; d = d->next) {
        int64_t extent;
        const int room = t->rank < ST_RANK && json_integer(d, &extent);
        if (!room || (extent && t->size > INT64_MAX / 8 / extent))
            return refuse(f, why, "the shape of tensor \"%.80s\" is not up to %d sizes of a possible product", t->name,
                          ST_RANK);
        t->shape[t->rank++] = extent;
        t->size *= extent;
    }
    if (t->size * st_type_bytes[known] != end - begin)
        return refuse(f, why, "the shape of tensor \"%.60s\" needs %lld bytes, its data_offsets leave %lld", t->name,
                      (long long)(t->size * st_type_bytes[known]), (long long)(end - begin));
    return 1;
}

static int64_t end_of(const struct st_tensor *t)
{
    return t->begin + t->size * st_type_bytes[t->type];
}

static int by_place(const void *a, const void *b)
{
    const struct st_tensor *x = a, *y = b;
    return x->begin != y->begin ? (x->begin > y->begin) - (x->begin < y->begin)
                                : (end_of(x) > end_of(y)) - (end_of(x) < end_of(y));
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct st_tensor *const *)a)->name, (*(const struct st_tensor *const *)b)->name);
}

/* One after the other, from the first byte to the last, with neither gaps nor overlaps. */
static int contiguous(struct st_file *f, int64_t data_bytes, char *why)
{
    int64_t at = 0;
    for (int i = 0; i < f->n; at = end_of(&f->tensor[i++])) {
        if (f->tensor[i].begin == at)
            continue;
        return f->tensor[i].begin < at
            ? refuse(f, why, "tensor \"%.80s\" overlaps the one before it", f->tensor[i].name)
                                       : refuse(f, why, "there is a gap before tensor \"%.80s\"", f->tensor[i].name);
    }
    return at == data_bytes || refuse(f, why, "%lld bytes follow its last tensor", (long long)(data_bytes - at));
}

static int read_directory(struct st_file *f, int64_t data_bytes, char *why)
{
    const struct json *root = f->header;
    if (root->type != JSON_OBJECT)
        return refuse(f, why, "its header is not an object");
    if (root->count > MOST_TENSORS)
        return refuse(f, why, "its header names more than 65536 tensors");
    f->meta = json_get(root, "__metadata__");
    if (f->meta && f->meta->type != JSON_OBJECT)
        return refuse(f, why, "its __metadata__ is not an object");
    for (const struct json *j = f->meta ? f->meta->first : NULL; j; j = j->next)
        if (j->type != JSON_STRING)
            return refuse(f, why, "its __metadata__ holds something other than strings");
    f->tensor = calloc((size_t)root->count + 1, sizeof *f->tensor);
    f->named = calloc((size_t)root->count + 1, sizeof *f->named);
    if (!f->tensor || !f->named)
        return say(why, "There is no memory for the directory of %.200s.", f->path), 0;
    for (const struct json *j = root->first; j; j = j->next)
        if (j != f->meta && !read_entry(f, j, &f->tensor[f->n++], data_bytes, why))
            return 0;
    qsort(f->tensor, (size_t)f->n, sizeof *f->tensor, by_place);
    for (int i = 0; i < f->n; i++)
        f->named[i] = &f->tensor[i];
    qsort(f->named, (size_t)f->n, sizeof *f->named, by_name);
    return contiguous(f, data_bytes, why);
}

static int check_sum(struct st_file *f, size_t header, int64_t data_bytes, char *why)
{
    static const char damaged[] =
        "its swax.checksum does not match: it was damaged, or changed by another program, since it was written";
    const char *claimed = st_meta(f, "swax.checksum");
    if (!claimed)
        return 1;
    char *digits = strlen(claimed) == 16 ? strstr(f->header_text, st_checksum_place) : NULL;
    digits = digits ? digits + strlen(st_checksum_place) : NULL;
    if (!digits || strncmp(digits, claimed, 16))
        return refuse(f, why, "%s", damaged);
    memset(digits, '0', 16);
    struct checksum s = {0};
    checksum_add(&s, f->header_text, header);
    char piece[PIECE];
    for (int64_t at = 0; at < data_bytes; at += PIECE) {
        const size_t n = data_bytes - at < PIECE ? (size_t)(data_bytes - at) : PIECE;
        if (file_read_at(f->fd, f->path, piece, n, f->data + at, why))
            return 0;
        checksum_add(&s, piece, n);
    }
    char found[17];
    checksum_text(&s, found);
    return !strcmp(found, claimed) ||
           refuse(f, why, "%s", damaged);
}

static int read_header(struct st_file *f, char *why)
{
    struct stat s;
    unsigned char length[8];
    if (fstat(f->fd, &s) || !S_ISREG(s.st_mode))
        return refuse(f, why, "it is not a regular file");
    if (s.st_size < 8)
        return refuse(f, why, s.st_size ? "it is shorter than 8 bytes" : "it is empty");
    if (file_read_at(f->fd, f->path, length, 8, 0, why))
        return 0;
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | length[i];
    if (n < 2 || n > MOST_HEADER || n > (uint64_t)s.st_size - 8)
        return refuse(f, why, n > MOST_HEADER || n < 2 ? "its first 8 bytes are no length of a header"
                                                       : "its header reaches beyond the end of the file");
    f->header_text = malloc((size_t)n + 1);
    if (!f->header_text)
        return say(why, "There is no memory for the header of %.200s.", f->path), 0;
    if (file_read_at(f->fd, f->path, f->header_text, (size_t)n, 8, why))
        return 0;
    f->header_text[n] = 0;
    f->data = (int64_t)n + 8;
    /* 16 of a tensor of the highest rank, with some to spare */
    if (json_values(f->header_text, (size_t)n) > MOST_VALUES)
        return refuse(f, why, "its header holds more than a directory of 65536 tensors would");
    char wrong[SWAX_WHY];
    f->header = json_parse(f->header_text, (size_t)n, wrong);
    if (!f->header)
        return say(why, "The header of %.100s is %s", f->path, wrong), 0;
    const int64_t data_bytes = (int64_t)s.st_size - f->data;
    return read_directory(f, data_bytes, why) && check_sum(f, (size_t)n, data_bytes, why);
}

struct st_file *st_open(const char *path, char *why)
{
    struct st_file *f = calloc(1, sizeof *f);
    const size_t n = strlen(path) + 1;
    if (!f || !(f->path = malloc(n))) {
        free(f);
        say(why, "There is no memory to open %.200s.", path);
        return NULL;
    }
    memcpy(f->path, path, n);
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);      /* or a pipe would wait for its writer */
    const int good = f->fd >= 0 ? read_header(f, why) : (say_errno(why, path, "cannot be read"), 0);
    free(f->header_text);
    f->header_text = NULL;
    if (good)
        return f;
    st_close(f);
    return NULL;
}

void st_close(struct st_file *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    json_free(f->header);
    free(f->tensor);
    free(f->named);
    free(f->path);
    free(f);
}

int st_count(const struct st_file *f)
{
    return f->n;
}

const struct st_tensor *st_tensor(const struct st_file *f, int i)
{
    return &f->tensor[i];
}

const struct st_tensor *st_find(const struct st_file *f, const char *name)
{
    const struct st_tensor wanted = {.name = name}, *key = &wanted;
    const struct st_tensor *const *found = bsearch(&key, f->named, (size_t)f->n, sizeof *f->named, by_name);
    return found ? *found : NULL;
}

int st_meta_count(const struct st_file *f)
{
    return f->meta ? (int)f->meta->count : 0;
}

void st_meta_entry(const struct st_file *f, int i, const char **key, const char **value)
{
    const struct json *j = f->meta->first;
    while (i--)
        j = j->next;
    *key = j->key;
    *value = j->text;
}

const char *st_meta(const struct st_file *f, const char *key)
{
    const struct json *j = json_get(f->meta, key);
    return j ? j->text : NULL;
}

const char *st_read_raw(struct st_file *f, const struct st_tensor *t, void *to, char *why)
{
    return file_read_at(f->fd, f->path, to, (size_t)(t->size * st_type_bytes[t->type]), f->data + t->begin, why);
}

static double element(const char *at, enum st_type type)
{
    union { double f64; float f32; swax_bf16 bf16; uint16_t f16; } x;
    memcpy(&x, at, (size_t)st_type_bytes[type]);
    switch (type) {
    case ST_F64: return x.f64;
    case ST_F32: return (double)x.f32;
    case ST_BF16: return (double)bf16_to_float(x.bf16);
    default: return half_to_double(x.f16);
    }
}

static int64_t whole(const char *at, enum st_type type)
{
    union { int64_t i64; int32_t i32; uint8_t u8; } x;
    memcpy(&x, at, (size_t)st_type_bytes[type]);
    return type == ST_I64 ? x.i64 : type == ST_I32 ? x.i32 : x.u8;
}

const char *st_read(struct st_file *f, const struct st_tensor *t, enum st_type as, void *to, char *why)
{
    if (t->type == as)
        return st_read_raw(f, t, to, why);
    const int whole_numbers = t->type >= ST_I64, bytes = st_type_bytes[t->type];
    if (!(whole_numbers ? as == ST_I64 : as == ST_F64 || as == ST_F32)) {
        return say(why, "Tensor \"%.80s\" in %.120s holds %s, where %s is needed.", t->name, f->path,
                   st_type_name[t->type],
                   st_type_name[as]);
    }
    char piece[PIECE];
    const int64_t most = PIECE / bytes;
    for (int64_t from = 0; from < t->size; from += most) {
        const int64_t n = t->size - from < most ? t->size - from : most;
        if (file_read_at(f->fd, f->path, piece, (size_t)(n * bytes), f->data + t->begin + from * bytes, why))
            return why;
        for (int64_t i = 0; i < n; i++) {
            if (as == ST_I64)
                ((int64_t *)to)[from + i] = whole(piece + i * bytes, t->type);
            else if (as == ST_F64)
                ((double *)to)[from + i] = element(piece + i * bytes, t->type);
            else
                ((float *)to)[from + i] = (float)element(piece + i * bytes, t->type);
        }
    }
    return NULL;
}
