/* corpus.c - swax corpus: a folder of source files as two texts, one for training and one that is held out.
 *
 * A document is a file, or a piece of one that is longer than `longest`; before each stands a byte of 0 (separator=0).
 * Documents come in an order that their paths' hashes decide.  Whole directories are held out, so that no file of the
 * test has a neighbour in training; and what was copied across is dropped: a held-out document of whose stretches of
 * 64 bytes (one in 64, chosen by their hash) more than `alike` stand in the training text too. */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ref/network/text.h"
#include "tools/corpus/alike.h"
#include "tools/lib/checksum.h"
#include "tools/lib/commands.h"
#include "tools/lib/files.h"
#include "tools/lib/json.h"
#include "tools/lib/say.h"

enum { LARGEST = 16 << 20, DEPTH = 64, PATH = KEY_TEXT + 32 };      /* PATH: of what is written into out= */

struct file { char *path; uint64_t order; double place; int held_out; };      /* place: of its directory, 0 to 1 */

struct part { const char *name; FILE *f; char path[PATH]; long documents; int64_t bytes; struct checksum sum; int fd; };

struct corpus {
    const char *folder, *out, *endings;
    int64_t least, longest, most;
    double share, alike;
    struct file *file;
    size_t files, room;
    struct stretches seen;
    struct part part[2];
    int full;                                                          /* the training text has its megabytes */
    long short_ones, large, binary, doubles, alike_ones, beyond;       /* files that were left out */
};

/* ---- which files */

/* ".c,.h": does the name end in one of them? */
static int wanted(const char *name, const char *endings)
{
    const size_t n = strlen(name);
    for (const char *p = endings; *p; p += strcspn(p, ","), p += *p == ',') {
        const size_t length = strcspn(p, ",");
        if (length && n >= length && !memcmp(name + n - length, p, length))
            return 1;
    }
    return !*endings;
}

static const char *add_file(struct corpus *c, const char *path, char *why)
{
    if (c->files == c->room) {
        const size_t room = c->room ? 2 * c->room : 1024;
        struct file *grown = realloc(c->file, room * sizeof *grown);
        if (!grown)
            return say(why, "There is no memory for a list of %zu files.", room);
        c->file = grown, c->room = room;
    }
    struct file *f = &c->file[c->files];
    const char *inside = path + strlen(c->folder), *slash = strrchr(inside, '/');
    f->path = malloc(strlen(path) + 1);
    if (!f->path)
        return say(why, "There is no memory for a list of %zu files.", c->files);
    strcpy(f->path, path);
    f->order = alike_hash(inside, strlen(inside));
    f->place = (double)(alike_hash(inside, (size_t)(slash - inside)) >> 11) / 9007199254740992.0;
    f->held_out = f->place < c->share;
    c->files++;
    return NULL;
}

/* What an earlier corpus left where this one goes is no source. */
static int is_own(const char *name)
{
    return !strcmp(name, "train.txt") || !strcmp(name, "held_out.txt") || !strcmp(name, "corpus.json") ||
           !strcmp(name, "train.txt.partial") || !strcmp(name, "held_out.txt.partial");
}

static int same_folder(const char *a, const char *b)
{
    struct stat x, y;
    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Links are left where they lie: what they point to is found where it is, or is not part of the folder. */
static const char *walk(struct corpus *c, const char *folder, int depth, char *why)
{
    const int own = same_folder(folder, c->out);
    const char *wrong = NULL;
    if (depth == DEPTH)
        return say(why, "%s lies more than %d folders deep.", folder, DEPTH - 1);
    DIR *d = opendir(folder);
    if (!d)
        return say_errno(why, folder, "cannot be read");
    for (struct dirent *e; !wrong && (e = readdir(d));) {
        char path[4096];
        struct stat s;
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >= (int)sizeof path)
            wrong = say(why, "%.60s...: the path of a file in it is longer than %zu bytes.", folder, sizeof path - 1);
        else if (lstat(path, &s))
            wrong = say_errno(why, path, "cannot be read");
        else if (S_ISDIR(s.st_mode))
            wrong = walk(c, path, depth + 1, why);
        else if (S_ISREG(s.st_mode) && wanted(e->d_name, c->endings) && !(own && is_own(e->d_name)))
            wrong = add_file(c, path, why);
    }
    closedir(d);
    return wrong;
}

static int in_order(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    return x->order != y->order ? (x->order > y->order) - (x->order < y->order) : strcmp(x->path, y->path);
}

/* ---- writing */

static const char *open_part(struct part *p, const char *name, const char *out, char *why)
{
    p->name = name;
    snprintf(p->path, PATH, "%s/%s.txt", out, name);
    p->fd = file_begin(p->path, why);
    return p->fd < 0 ? why : NULL;
}

static const char *write_bytes(struct part *p, const char *from, size_t n, char *why)
{
    checksum_add(&p->sum, from, n);
    p->bytes += (int64_t)n;
    return file_write(p->fd, from, n) ? say_errno(why, p->path, "cannot be written") : NULL;
}

static const char *write_document(struct corpus *c, struct part *p, const char *text, size_t n, char *why)
{
    for (size_t at = 0; at < n;) {
        size_t piece = n - at > (size_t)c->longest ? (size_t)c->longest : n - at;
        if (write_bytes(p, "", 1, why) || write_bytes(p, text + at, piece, why))
            return why;
        p->documents++;
        at += piece;
    }
    return NULL;
}

/* With the zero byte before each of its documents. */
static int64_t written(const struct corpus *c, size_t n)
{
    return (int64_t)n + ((int64_t)n + c->longest - 1) / c->longest;
}

/* One file of the part: read, judged, and written if it is taken. */
static const char *take_file(struct corpus *c, const struct file *f, struct part *p, char *why)
{
    size_t n = 0;
    const int held_out = f->held_out;
    char *text = file_read(f->path, LARGEST, &n, why);
    const char *wrong = NULL;
    if (n > LARGEST)
        c->large++;
    else if (!text)
        wrong = why;
    else if (n < (size_t)c->least)
        c->short_ones++;
    else if (memchr(text, 0, n))
        c->binary++;
    else if (!held_out && (c->full |= p->bytes + written(c, n) > c->most))
        c->beyond++;
    else if (alike_share(&c->seen, text, n) > c->alike)
        *(held_out ? &c->alike_ones : &c->doubles) += 1;
    else if (!held_out && !alike_add(&c->seen, text, n))
        wrong = say(why, "There is no memory to look for copies.");
    else
        wrong = write_document(c, p, text, n, why);
    free(text);
    return wrong;
}

static void write_part(FILE *f, struct part *p)
{
    char digits[17];
    checksum_text(&p->sum, digits);
    fprintf(f, "  \"%s\": {\"documents\": %ld, \"bytes\": %lld, \"checksum\": \"%s\"},\n", p->name, p->documents,
            (long long)p->bytes, digits);
}

static const char *write_record(struct corpus *c, const char *note, char *why)
{
    char path[PATH], *text = NULL;
    size_t size;
    snprintf(path, PATH, "%s/corpus.json", c->out);
    FILE *f = file_open_text(&text, &size);
    if (f) {
        fputs("{\n  \"of\": ", f);
        json_write_string(f, note);
        fprintf(f, ",\n  \"files\": %zu,\n", c->files);
        for (int i = 0; i < 2; i++)
            write_part(f, &c->part[i]);
        fprintf(f,
                "  \"left_out\": {\"shorter_than_least\": %ld, \"larger_than_16_mebibytes\": %ld, \"binary\": %ld, "
                "\"copies_within_training\": %ld, \"held_out_alike_training\": %ld, "
                "\"beyond_megabytes\": %ld},\n  \"least\": %lld, \"longest\": %lld, \"held_out_directories\": %.9g, "
                "\"alike\": %.9g\n}\n",
                c->short_ones, c->large, c->binary, c->doubles, c->alike_ones, c->beyond, (long long)c->least,
                (long long)c->longest, c->share, c->alike);
    }
    printf("training: %ld documents, %.1f MB; held out: %ld documents, %.2f MB, in other directories\n"
           "left out: %ld shorter than %lld bytes, %ld larger than 16 MiB, %ld with zero bytes, %ld copies within "
           "training, %ld held-out ones alike training, %ld beyond megabytes=\n",
           c->part[0].documents, (double)c->part[0].bytes / 1e6, c->part[1].documents, (double)c->part[1].bytes / 1e6,
           c->short_ones, (long long)c->least, c->large, c->binary, c->doubles, c->alike_ones, c->beyond);
    return file_replace_text(path, f, &text, why);
}

static int by_place(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    return (x->place > y->place) - (x->place < y->place);
}

/* What there is too little of: directories, since they are held out whole; or files that are taken. */
static const char *nothing_left(struct corpus *c, int held_out, char *why)
{
    const char *part = held_out ? "to be held out" : "for training";
    int directories = 0, of_part = 0;
    char share[32], other[32];
    qsort(c->file, c->files, sizeof *c->file, by_place);
    for (size_t i = 0; i < c->files; i++) {
        directories += !i || c->file[i].place > c->file[i - 1].place;
        of_part |= c->file[i].held_out == held_out;
    }
    swax_number_write(share, c->share);
    if (of_part)
        return say(why, "%s: nothing is left %s: of its files %ld are shorter than least=%lld, %ld hold zero bytes, "
                        "%ld are copies, %ld go beyond megabytes=; try least=0 or other endings=.", c->folder, part,
                   c->short_ones, (long long)c->least, c->binary, held_out ? c->alike_ones : c->doubles, c->beyond);
    if (directories == 1)
        return say(why, "%s: nothing is left %s: its files lie in one directory, and directories are held out whole. "
                        "Put them into several; or train on the files themselves, data=text with held_out=.",
                   c->folder, part);
    /* the directory that comes first, or all but the last one */
    const double place = held_out ? c->file[0].place : c->file[c->files - 1].place;
    swax_number_write(other, (floor(1000 * place) + held_out) / 1000);
    return say(why, "%s: nothing is left %s: held_out=%s takes %s of its %d directories, which are held out whole: "
                    "try held_out=%s.", c->folder, part, share, held_out ? "none" : "each", directories, other);
}

static const char *make(struct corpus *c, const char *note, char *why)
{
    static const char *const names[] = {"train", "held_out"};
    const char *wrong = file_make_folder(c->out, why);
    if (!wrong)
        wrong = walk(c, c->folder, 0, why);
    if (!wrong && !c->files)
        wrong = say(why, "%s holds no file that ends in %s.", c->folder, *c->endings ? c->endings : "anything");
    for (int i = 0; i < 2 && !wrong; i++)
        wrong = open_part(&c->part[i], names[i], c->out, why);
    if (!wrong)
        qsort(c->file, c->files, sizeof *c->file, in_order);
    for (int part = 0; part < 2; part++)           /* training first: what is held out is compared with all of it */
        for (size_t i = 0; i < c->files && !wrong; i++)
            if (c->file[i].held_out == part)
                wrong = take_file(c, &c->file[i], &c->part[part], why);
    for (int i = 0; i < 2 && !wrong; i++)
        wrong = c->part[i].bytes ? NULL : nothing_left(c, i, why);
    for (int i = 0; i < 2; i++)
        if (c->part[i].fd >= 0 && wrong)
            file_abandon(c->part[i].fd, c->part[i].path);
        else if (c->part[i].fd >= 0)
            wrong = file_commit(c->part[i].fd, c->part[i].path, why);
    return wrong ? wrong : write_record(c, note, why);
}

/* ---- the command line */

struct asked {
    char folder[KEY_TEXT], out[KEY_TEXT], endings[KEY_TEXT], note[KEY_TEXT];
    int least, longest, megabytes;
    double share, alike;
};

static const struct key keys[] = {
    KEY_ROW(&key_path, "folder", struct asked, folder, "", "the source files", .others = "path input"),
    KEY_ROW(&key_path, "out", struct asked, out, "", "the folder that the texts are written to",
            .others = "output output_dir"),
    KEY_ROW(&key_text, "endings", struct asked, endings, ".c", "of the files' names, as .c,.h; empty for all"),
    KEY_WHOLE("least", struct asked, least, "12000", 0, LARGEST, "bytes of the shortest file that is taken"),
    KEY_WHOLE("longest", struct asked, longest, "131072", 64, LARGEST,
              "bytes after which a file is cut into more documents"),
    KEY_WHOLE("megabytes", struct asked, megabytes, "1000", 1, 1 << 20,
              "of the training text, at most, in units of 1,000,000 bytes"),
    KEY_REAL("held_out", struct asked, share, "0.02", 0, 1, "the share of the directories that is held out"),
    KEY_REAL("alike", struct asked, alike, "0.5", 0, 1,
             "the share of a document's stretches of 64 bytes that another may have in common"),
    KEY_ROW(&key_text, "note", struct asked, note, "",
            "what the text is, for corpus.json; the folder's name if it is not given"),
    {0},
};

static void tables(struct keys *k, const struct options *o)
{
    (void)o;
    keys_add(k, NULL, keys, NULL);
}

static const char *read_asked(struct asked *a, struct options *o, char *why)
{
    struct keys k = {.of = "`swax corpus`"};
    keys_default(keys, a);
    keys_add(&k, NULL, keys, a);
    if (options_give_all(o, &k, why))
        return why;
    if (!*a->folder)
        return say(why, "Which folder? `swax corpus help` says more.");
    return *a->out ? NULL : say(why, "Where shall the corpus lie? Say out=FOLDER.");
}

static int run(struct options *o)
{
    char why[SWAX_WHY];
    static struct asked a;
    const char *wrong = read_asked(&a, o, why);
    struct corpus c = {.folder = a.folder, .out = a.out, .endings = a.endings, .least = a.least, .longest = a.longest,
                       .most = (int64_t)a.megabytes * 1000000, .share = a.share, .alike = a.alike,
                       .part = {{.fd = -1}, {.fd = -1}}};
    if (!wrong)
        wrong = make(&c, *a.note ? a.note : a.folder, why);
    for (size_t i = 0; i < c.files; i++)
        free(c.file[i].path);
    free(c.file);
    alike_close(&c.seen);
    return wrong ? command_fails(wrong) : 0;
}

const struct command command_corpus = {
    .name = "corpus", .summary = "two texts, for training and held out, of a folder of source files",
    .usage = "FOLDER out=FOLDER [key=value ...]", .about =
        "Makes train.txt and held_out.txt of the source files in a folder, and corpus.json, which says what they hold. "
        "Whole directories are held out, and what was copied across is dropped. Train on them with data=text "
        "file=OUT/train.txt held_out_file=OUT/held_out.txt separator=0.",
    .words = "folder", .keys = tables, .run = run, .prints = PROGRESS,
};
