/* files.c - whole files in and out, without losing what was there. */
#include "tools/lib/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tools/lib/say.h"

/* Of n bytes, as many as are asked of a system at once: some refuse more. */
static size_t at_once(size_t n)
{
    const size_t most = 1 << 30;
    return n < most ? n : most;
}

char *file_read(const char *path, size_t limit, size_t *size, char *why)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);      /* or a pipe would wait for its writer */
    struct stat s;
    if (fd < 0)
        return (void)say_errno(why, path, "cannot be read"), NULL;
    char *text = NULL;
    const int plain = !fstat(fd, &s) && S_ISREG(s.st_mode);
    *size = plain ? (size_t)s.st_size : 0;
    if (!plain)
        say(why, "%s is not a file.", path);
    else if (*size > limit)
        say(why, "%s holds %zu bytes: at most %zu are expected here.", path, *size, limit);
    else if (!(text = malloc(*size + 1)))
        say(why, "There is no memory for the %zu bytes of %s.", *size, path);
    else if (file_read_at(fd, path, text, *size, 0, why))
        free(text), text = NULL;
    else
        text[*size] = 0;
    close(fd);
    return text;
}

const char *file_read_at(int fd, const char *path, void *to, size_t n, off_t offset, char *why)
{
    char *at = to;
    while (n) {
        const ssize_t got = pread(fd, at, at_once(n), offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return say_errno(why, path, "cannot be read");
        if (!got) {
            return say(why, "%s ends %zu bytes too early: it was cut short.", path, n);
        }
        at += got;
        offset += got;
        n -= (size_t)got;
    }
    return NULL;
}

int file_write(int fd, const void *from, size_t n)
{
    const char *at = from;
    while (n) {
        const ssize_t put = write(fd, at, at_once(n));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        at += put;
        n -= (size_t)put;
    }
    return 0;
}

enum file_lock file_lock(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (!fcntl(fd, F_SETLK, &whole))
        return FILE_HELD;
    switch (errno) {
    case EACCES:
    case EAGAIN:
        return FILE_BUSY;
    case ENOLCK:
    case ENOSYS:
    case EINVAL:
    case EOPNOTSUPP:
        return FILE_NO_LOCKS;
    default:
        return FILE_LOCK_FAILED;
    }
}

static int partial(char to[PATH_MAX], const char *path)
{
    const int n = snprintf(to, PATH_MAX, "%s.partial", path);
    if (n > 0 && n < PATH_MAX)
        return 1;
    errno = ENAMETOOLONG;
    return 0;
}

/* Open and empty a file that only one process has at a time: the next waits until it was renamed or removed.  What is
 * no plain file, or has another name too, is not emptied. */
static int open_alone(const char *path)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct stat mine, there;
    for (;;) {
        const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
        if (fd < 0)
            return -1;
        if (!fstat(fd, &mine) && (!S_ISREG(mine.st_mode) || mine.st_nlink > 1)) {
            close(fd);
            errno = EEXIST;
            return -1;
        }
        /* where files cannot be locked, there is one process */
        while (fcntl(fd, F_SETLKW, &whole) && errno == EINTR)
            continue;
        const int still = !fstat(fd, &mine) && !stat(path, &there) && mine.st_ino == there.st_ino &&
            mine.st_dev == there.st_dev;
        if (still && !ftruncate(fd, 0))
            return fd;
        close(fd);
        if (still)
            return -1;
    }
}

int file_begin(const char *path, char *why)
{
    char temporary[PATH_MAX];
    struct stat there;
    if (!lstat(path, &there) && !S_ISREG(there.st_mode)) {
        say(why, "%s is there and is no plain file: it is not replaced by one.", path);
        return -1;
    }
    const int fd = partial(temporary, path) ? open_alone(temporary) : -1, error = errno;
    const int odd = fd < 0 && !lstat(temporary, &there) && (!S_ISREG(there.st_mode) || there.st_nlink > 1);
    if (odd)
        say(why, "%s, where a new %s would be written first, is a link or no plain file: it is not written to.",
            temporary, path);
    else if (fd < 0)
        errno = error, say_errno(why, path, "cannot be written");
    return fd;
}

/* A rename lasts once its folder is on the disk. */
static int sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
    const int fd = open(folder, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    /* some file systems cannot sync a folder: nothing to be done */
    const int wrong = fsync(fd) && errno != EINVAL;
    close(fd);
    return wrong ? -1 : 0;
}

const char *file_commit(int fd, const char *path, char *why)
{
    char temporary[PATH_MAX];
    partial(temporary, path);
    const int renamed = !fsync(fd) && !rename(temporary, path);
    const char *wrong = renamed && !sync_folder_of(path) ? NULL : say_errno(why, path, "cannot be written");
    if (!renamed)
        unlink(temporary);
    close(fd);                                   /* last: another process may wait for the name */
    return wrong;
}

void file_abandon(int fd, const char *path)
{
    char temporary[PATH_MAX];
    if (partial(temporary, path))
        unlink(temporary);
    close(fd);
}

const char *file_replace(const char *path, const void *from, size_t n, char *why)
{
    const int fd = file_begin(path, why);
    if (fd < 0)
        return why;
    if (!file_write(fd, from, n))
        return file_commit(fd, path, why);
    say_errno(why, path, "cannot be written");
    file_abandon(fd, path);
    return why;
}

char *file_close_text(FILE *f, char **text)
{
    const int bad = fflush(f) || ferror(f);      /* fclose alone does not tell */
    if (!fclose(f) && !bad && *text)
        return *text;
    free(*text);
    *text = NULL;
    return NULL;
}

const char *file_replace_text(const char *path, FILE *f, char **text, char *why)
{
    char *whole = f ? file_close_text(f, text) : NULL;
    const char *wrong = whole ? file_replace(path, whole, strlen(whole), why)
                              : say(why, "There is no memory to write %s.", path);
    free(whole);
    return wrong;
}

int file_is_new(const char *path)
{
    struct stat there;
    if (lstat(path, &there))
        return errno == ENOENT;
    DIR *folder = S_ISDIR(there.st_mode) ? opendir(path) : NULL;
    int empty = folder != NULL;
    for (struct dirent *e = folder ? readdir(folder) : NULL; e && empty; e = readdir(folder))
        empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
    if (folder)
        closedir(folder);
    return empty;
}

const char *file_make_folder(const char *path, char *why)
{
    char part[PATH_MAX];
    struct stat s;
    if (!*path || snprintf(part, sizeof part, "%s", path) >= (int)sizeof part) {
        return say(why, "A folder's name must have 1 to %d characters.", PATH_MAX - 1);
    }
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(part, 0777);                 /* what is wrong with it shows below */
        *slash = '/';
    }
    if (mkdir(part, 0777) && errno != EEXIST)
        return say_errno(why, path, "cannot be made a folder");
    return !stat(part, &s) && S_ISDIR(s.st_mode) ? NULL : say(why, "%s is not a folder.", path);
}
