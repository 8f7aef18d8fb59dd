/* trace.c - which blocks of a program's code ran: one byte a place, in the file that SWAX_TRACE names.
 *
 * Linked into a library compiled with -fsanitize-coverage=trace-pc, which calls the function below at every block.  The
 * file is shared memory, so that nothing is lost when a process ends by _exit or a signal, and children add to it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ROOM = 1 << 23 };

/* where the linker put the library's address 0 */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
static unsigned char *ran;

/* The calls are the kernel's: a test may stand in for the C library's. */
__attribute__((constructor)) static void open_trace(void)
{
    const char *path = getenv("SWAX_TRACE");
    const int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT, 0600) : -1;
    if (fd < 0 || syscall(SYS_ftruncate, fd, (long)ROOM))
        return;
    void *map = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ran = map == MAP_FAILED ? NULL : map;
    syscall(SYS_close, fd);
}

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
    const uintptr_t at = (uintptr_t)__builtin_return_address(0) - (uintptr_t)__ehdr_start;
    if (ran && at < ROOM)
        ran[at] = 1;
}
