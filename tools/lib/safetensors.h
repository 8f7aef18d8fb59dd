/* safetensors.h - tensors in files: 8 bytes of header length, a JSON header, then the numbers, little-endian.
 *
 * The reader believes nothing: lengths, offsets, shapes and names are checked against each other and against
 * the file before anything is allocated or read.  The writer replaces a file whole or not at all, and puts a
 * checksum of header and data among the metadata; where a file has one, opening it verifies it. */
#ifndef SWAX_SAFETENSORS_H
#define SWAX_SAFETENSORS_H

#include <stdint.h>

enum st_type { ST_F64, ST_F32, ST_BF16, ST_F16, ST_I64, ST_I32, ST_U8, ST_TYPES };
extern const char *const st_type_name[ST_TYPES];       /* "F64" ... */
extern const int st_type_bytes[ST_TYPES];

enum { ST_RANK = 8 };

struct st_tensor {
    const char *name;
    enum st_type type;
    int rank;
    int64_t shape[ST_RANK];
    int64_t size;                          /* elements */
    int64_t begin;                         /* bytes from the start of the data */
};

struct st_file;

/* NULL, and a sentence in why[SWAX_WHY], if it cannot be read or is not wholly valid. */
struct st_file *st_open(const char *path, char *why);
void st_close(struct st_file *f);

int st_count(const struct st_file *f);
const struct st_tensor *st_tensor(const struct st_file *f, int i);               /* in the order of the data */
const struct st_tensor *st_find(const struct st_file *f, const char *name);      /* NULL: no such tensor */
int st_meta_count(const struct st_file *f);
void st_meta_entry(const struct st_file *f, int i, const char **key, const char **value);
const char *st_meta(const struct st_file *f, const char *key);                   /* NULL: no such metadata */

/* The tensor's elements: as they are in the file; converted, where `as` is ST_F64 or ST_F32 and the file holds
 * floating-point numbers (to nearest; a narrowing that overflows gives an infinity); or converted to ST_I64 from
 * integers.  NULL, or a sentence. */
const char *st_read_raw(struct st_file *f, const struct st_tensor *t, void *to, char *why);
const char *st_read(struct st_file *f, const struct st_tensor *t, enum st_type as, void *to, char *why);

/* What a file shall hold: n tensors, of which `get` puts number i's elements, in its type, at `to`; and
 * (key, value) metadata. */
struct st_plan {
    int n;
    const struct st_tensor *tensor;        /* name, type, rank, shape: size and begin are worked out */
    void (*get)(void *arg, int i, void *to);
    void *arg;
    int n_meta;
    const char *const (*meta)[2];
};

/* The 16 digits of the checksum stand behind this text in the header. */
extern const char st_checksum_place[];

/* Write path as a whole: into path.partial beside it, fsync, rename, fsync of the folder.  Whatever fails, what
 * stood at path still stands there.  NULL, or a sentence. */
const char *st_write(const char *path, const struct st_plan *plan, char *why);

#endif
