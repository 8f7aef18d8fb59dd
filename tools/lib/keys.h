/* keys.h - the keys of every command, a row each: parser, defaults, "did you mean", help, man page and completion come
 * from it.
 *
 * A table of rows is for a struct: each row says which field its value goes to, and of which type that is.  To add a
 * key to a command is to add a row to its table and a field to its struct. */
#ifndef SWAX_KEYS_H
#define SWAX_KEYS_H

#include <stddef.h>

/* room for a value; tables of a command; numbers in a list */
enum { KEY_TEXT = 512, KEY_TABLES = 32, KEY_LIST = 16 };

struct key;

/* How a value is read from text into its field, and written back so that it reads the same.  read: NULL, or a
 * sentence. */
struct key_type {
    const char *(*read)(void *field, const struct key *k, const char *text, char *why);
    void (*write)(char text[KEY_TEXT], const struct key *k, const void *field);
    int number;                         /* least and most bound it */
};

struct key_list { int n, value[KEY_LIST]; };                  /* "64,128,256" */
struct key_span { int from, to; };                            /* "8-64" */

/* The field's type stands behind each. */
extern const struct key_type key_whole;                       /* int */
extern const struct key_type key_real;                        /* double */
extern const struct key_type key_seed;                        /* uint64_t */
extern const struct key_type key_yes;                         /* int, 0 or 1 */
extern const struct key_type key_word;                        /* int or an enum: which of the words */
extern const struct key_type key_list;                        /* struct key_list */
extern const struct key_type key_span;                        /* struct key_span */
extern const struct key_type key_text, key_path;              /* char[KEY_TEXT] */
extern const struct key_type key_long;                        /* const char *: where the text that was read is */
extern const struct key_type key_tier;                        /* char[16] */

struct key {
    const char *name;                   /* NULL ends a table */
    const struct key_type *type;        /* NULL: no key, but a line of the help */
    size_t at;                          /* the field's offset in its struct */
    double least, most;                 /* of numbers */
    /* of words: number i, with what else it is called behind it ("fp32 f32"); NULL ends them */
    const char *(*word)(int i);
    const char *const *words;           /* or a list of them, which NULL ends */
    const char *otherwise;              /* the default as text; NULL: there is none, and `what` says what happens */
    const char *what;                   /* what it is, a sentence without capital and full stop */
    const char *others;                 /* what other programs call it, to be suggested: "lr learning_rate" */
    int mark;                           /* for the table's owner */
};

/* Word i of a key that has some, by either; NULL behind the last. */
const char *key_choice(const struct key *k, int i);

/* Rows, as KEY_WHOLE("steps", struct run, steps, "1000", 1, 1 << 30, "steps of the whole run", .others = "epochs"). */
#define KEY_ROW(type, name, room, field, value, ...) \
    {name, type, offsetof(room, field), .otherwise = value, .what = __VA_ARGS__}
#define KEY_WHOLE(name, room, field, value, from, to, ...) \
    KEY_ROW(&key_whole, name, room, field, value, __VA_ARGS__, .least = from, .most = to)
#define KEY_REAL(name, room, field, value, from, to, ...) \
    KEY_ROW(&key_real, name, room, field, value, __VA_ARGS__, .least = from, .most = to)
#define KEY_WORD(name, room, field, value, words, ...) \
    KEY_ROW(&key_word, name, room, field, value, __VA_ARGS__, .word = words)
#define KEY_YES(name, room, field, ...) KEY_ROW(&key_yes, name, room, field, "no", __VA_ARGS__)

/* The keys of the machine, which most commands have. */
#define KEY_TIER(room, field, mark_) \
    KEY_ROW(&key_tier, "tier", room, field, "", "the kernels: one of `swax info`; empty for the fastest here", \
            .word = key_tier_word, .others = "device kernels", .mark = mark_)
#define KEY_PRECISION(room, field, value, ...) \
    KEY_WORD("precision", room, field, value, key_precision_word, __VA_ARGS__, .others = "dtype")
#define KEY_THREADS(room, field, mark_) \
    KEY_WHOLE("threads", room, field, "0", 0, 4096, "threads of the kernels; 0: as many as this process may use", \
              .others = "cores num_threads", .mark = mark_)
#define KEY_JSON(room, field) KEY_YES("json", room, field, "JSON instead of tables")
const char *key_tier_word(int i);
const char *key_precision_word(int i);

/* The tables of a command, each with the struct that its values go to, or with a text for each row. */
struct key_table {
    const char *title;                  /* above its rows in the help; NULL: "Keys" */
    const struct key *rows;
    /* the struct; NULL, as in `texts`: values are checked, and kept as texts or nowhere */
    void *into;
    char (*texts)[KEY_TEXT];
};
/* of: whose they are: "`swax sample`" */
struct keys { const char *of; struct key_table table[KEY_TABLES]; int n; };

/* Those rows whose mark has a bit of `mark`, and the row that ends them: into `to`, which has room for them. */
void keys_pick(struct key *to, const struct key *from, int mark);

void keys_add(struct keys *k, const char *title, const struct key *rows, void *into);
void keys_add_texts(struct keys *k, const char *title, const struct key *rows, char (*texts)[KEY_TEXT]);

/* The row of that name, and the table it stands in; NULL if there is none. */
const struct key *keys_find(const struct keys *k, const char *name, const struct key_table **table);
const struct key *key_find(const struct key *rows, const char *name);

/* every default into its field */
void keys_default(const struct key *rows, void *into);
/* NULL, or a sentence */
const char *keys_set(const struct keys *k, const char *name, const char *value, char *why);
void key_write(char text[KEY_TEXT], const struct key_table *t, const struct key *row);     /* the value it has now */

/* Each text beside its row (NULL or "": the default) into a struct.  NULL, or a sentence. */
const char *keys_fill(const struct key *rows, const char *const *text, void *into, char *why);

/* There is no such key: a sentence, with what was most likely meant. */
const char *keys_unknown(const struct keys *k, const char *name, char *why);

#endif
