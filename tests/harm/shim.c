/* shim.c - loaded before the C library: the call number HARM_AT of those for files, or for memory (HARM=memory), fails.
 * At the end the number of such calls is left in the file HARM_COUNT names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

static long at, calls;
static int memory, ready, error = ENOSPC;
static pid_t owner;

__attribute__((constructor)) static void begin(void)
{
    const char *n = getenv("HARM_AT"), *what = getenv("HARM");
    at = n ? atol(n) : 0;
    memory = what && !strcmp(what, "memory");
    error = memory ? ENOMEM : getenv("HARM_ERROR") ? atoi(getenv("HARM_ERROR")) : ENOSPC;
    owner = getpid();
    ready = 1;
}

__attribute__((destructor)) static void end(void)
{
    char text[32];
    const char *to = getenv("HARM_COUNT");
    if (!to || !ready || getpid() != owner)
        return;
    ready = 0;
    const int n = snprintf(text, sizeof text, "%ld\n", calls);
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd >= 0 && syscall(SYS_write, fd, text, n) < 0)
        _exit(99);
}

static int fails(int of_memory)
{
    if (!ready || of_memory != memory || __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) != at)
        return 0;
    errno = error;
    return 1;
}

void *malloc(size_t n) { return fails(1) ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t size) { return fails(1) ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { return fails(1) ? NULL : __libc_realloc(p, n); }
int posix_memalign(void **p, size_t alignment, size_t n)
{
    *p = fails(1) ? NULL : __libc_memalign(alignment, n);
    return *p ? 0 : ENOMEM;
}

static int is_own(const char *path)
{
    return strncmp(path, "/proc", 5) && strncmp(path, "/sys", 4) && strncmp(path, "/dev", 4);
}

int open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    const int mode = flags & O_CREAT ? va_arg(list, int) : 0;
    va_end(list);
    return is_own(path) && fails(0) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
FILE *fopen(const char *path, const char *mode)
{
    static FILE *(*real)(const char *, const char *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fopen");
    return is_own(path) && fails(0) ? NULL : real(path, mode);
}
ssize_t write(int fd, const void *from, size_t n) { return fails(0) ? -1 : syscall(SYS_write, fd, from, n); }
int fsync(int fd) { return fails(0) ? -1 : (int)syscall(SYS_fsync, fd); }
int ftruncate(int fd, off_t n) { return fails(0) ? -1 : (int)syscall(SYS_ftruncate, fd, n); }
int rename(const char *from, const char *to)
{
    return fails(0) ? -1 : (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}
int mkdir(const char *path, mode_t mode) { return fails(0) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode); }

/* What stdio writes does not come through write() above: the error shows when a stream is flushed or closed. */
int fflush(FILE *f)
{
    static int (*real)(FILE *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fflush");
    const int answer = real(f);
    return f && f != stderr && fails(0) ? EOF : answer;
}
int fclose(FILE *f)
{
    static int (*real)(FILE *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fclose");
    const int answer = real(f);
    return fails(0) ? EOF : answer;
}
