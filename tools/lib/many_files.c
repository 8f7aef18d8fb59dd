/* many_files.c - more files than a process may have open. */
#include "tools/lib/many_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/files.h"
#include "tools/lib/say.h"

/* In the place of the one that was opened longest ago. */
static const char *open_in_turn(struct many_files *m, int i, char *why)
{
    int *turn = &m->open[m->opened % MANY_OPEN];
    struct many_file *f = &m->file[i];
    if (m->opened >= MANY_OPEN && m->file[*turn].fd >= 0) {
        close(m->file[*turn].fd);
        m->file[*turn].fd = -1;
    }
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);      /* or a pipe would wait for its writer */
    if (f->fd < 0)
        return say_errno(why, f->path, "cannot be read");
    *turn = i;
    m->opened++;
    return NULL;
}

const char *many_files_add(struct many_files *m, const char *path, char *why)
{
    const int i = m->n;
    struct many_file *grown = realloc(m->file, (size_t)(i + 1) * sizeof *grown);
    char *copy = malloc(strlen(path) + 1);
    m->file = grown ? grown : m->file;
    if (!grown || !copy) {
        free(copy);
        return say(why, "There is no memory to open %s.", path);
    }
    struct many_file *f = &m->file[m->n++];
    *f = (struct many_file){.path = strcpy(copy, path), .fd = -1, .looked = time(NULL)};
    if (access(path, F_OK) && errno == ENOENT && *path != '/')
        return say(why, "%s is not there, seen from the folder that swax runs in: file= says where it lies.", path);
    if (open_in_turn(m, i, why))
        return why;
    if (fstat(f->fd, &f->as))
        return say_errno(why, path, "cannot be read");
    if (!S_ISREG(f->as.st_mode))
        return say(why, "%s is not a file.", path);
    return f->as.st_size ? NULL : say(why, "%s is empty.", path);
}

int many_files_descriptor(struct many_files *m, int i, char *why)
{
    return m->file[i].fd >= 0 || !open_in_turn(m, i, why) ? m->file[i].fd : -1;
}

static int same_file(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_mtime == b->st_mtime &&
           a->st_ctime == b->st_ctime;
}

/* A file whose last change was no more than this before the look may change again without looking different: times
 * have as little as a second or two. */
enum { GRAIN = 2 };

int many_files_moved(struct many_files *m)
{
    int moved = -1;
    for (int i = 0; i < m->n; i++) {
        struct many_file *f = &m->file[i];
        struct stat s;
        const time_t now = time(NULL);
        if (f->fd >= 0 ? fstat(f->fd, &s) : stat(f->path, &s))
            s = (struct stat){0};                      /* which no file is: to read it will say what is wrong */
        if (!same_file(&s, &f->as) || f->as.st_ctime >= f->looked - GRAIN)
            moved = moved < 0 ? i : moved;
        f->as = s, f->looked = now;
    }
    return moved;
}

const char *many_files_read(struct many_files *m, int i, void *to, size_t n, off_t offset, char *why)
{
    const int fd = many_files_descriptor(m, i, why);
    return fd < 0 ? why : file_read_at(fd, m->file[i].path, to, n, offset, why);
}

void many_files_close(struct many_files *m)
{
    for (int i = 0; i < m->n; i++) {
        if (m->file[i].fd >= 0)
            close(m->file[i].fd);
        free(m->file[i].path);
    }
    free(m->file);
    *m = (struct many_files){.n = 0};
}
