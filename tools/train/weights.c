/* weights.c - weights, wherever they come from. */
#include "tools/train/weights.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/lib/checksum.h"
#include "tools/lib/say.h"

const char *weights_open(struct weights *w, const char *path, char *why)
{
    memset(w, 0, sizeof *w);
    w->theirs = weights_theirs.open(path, &w->c.run, why);
    return w->theirs ? NULL : *why ? why : checkpoint_open(&w->c, path, why);
}

const char *weights_load(const struct weights *w, struct swax_network *n, enum swax_precision precision, char *why)
{
    return w->theirs ? weights_theirs.load(w->theirs, n, precision, why) : checkpoint_load(&w->c, n, precision, 0, why);
}

void weights_close(struct weights *w)
{
    if (w->theirs)
        weights_theirs.close(w->theirs);
    checkpoint_close(&w->c);
    w->theirs = NULL;
}

/* ---- which they are */

static const char *add_file(struct checksum *sum, const char *path, char *why)
{
    enum { PIECE = 1 << 20 };
    char *piece = malloc(PIECE);
    const int fd = piece ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    const char *wrong = !piece ? say(why, "There is no memory to read %s.", path)
                      : fd < 0 ? say_errno(why, path, "cannot be read")
                               : NULL;
    for (ssize_t n = 1; !wrong && n;) {
        n = read(fd, piece, PIECE);
        if (n < 0)
            wrong = say_errno(why, path, "cannot be read");
        else
            checksum_add(sum, piece, (size_t)n);
    }
    if (fd >= 0)
        close(fd);
    free(piece);
    return wrong;
}

static int is_weights(const struct dirent *e)
{
    const size_t n = strlen(e->d_name);
    return n > 12 && !strcmp(e->d_name + n - 12, ".safetensors");
}

const char *weights_sum(const char *from, char digits[17], char *why)
{
    struct checksum sum = {0};
    struct dirent **list = NULL;
    struct stat s;
    char path[2 * RUN_TEXT];
    const char *wrong = NULL;
    *digits = 0;
    if (!*from)
        return NULL;
    snprintf(path, sizeof path, "%s/%s", from, checkpoint_name);
    const int folder = !stat(from, &s) && S_ISDIR(s.st_mode), of_run = folder && !access(path, F_OK);
    const int n = folder && !of_run ? scandir(from, &list, is_weights, alphasort) : 0;
    if (n < 0)
        return say_errno(why, from, "cannot be read");
    if (!folder || of_run)
        wrong = add_file(&sum, folder ? path : from, why);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", from, list[i]->d_name);
        wrong = wrong ? wrong : add_file(&sum, path, why);
        free(list[i]);
    }
    free(list);
    checksum_text(&sum, digits);
    return wrong;
}
