/* try.c - can the runs of an ablation be made at all? */
#include "tools/ablate/ablate.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/lib/files.h"
#include "tools/lib/say.h"

static enum run_verdict stop(void *arg, const struct run *r, const struct run_point *p, struct swax_network *n)
{
    (void)arg, (void)r, (void)p, (void)n;
    return RUN_STOP;
}

enum ablation_trial ablation_try(const struct run *r, char *why)
{
    int status = 0, told[2];
    fflush(NULL);
    if (pipe(told))
        return say_errno(why, "A pipe", "cannot be made"), ABLATION_REFUSED;
    const pid_t pid = fork();
    if (!pid) {
        const char *wrong;
        if (run_train(r, stop, NULL, why) == RUN_INTERRUPTED) {
            const struct swax_memory *memory = swax_tier_find(*r->tier ? r->tier : NULL, &wrong)->memory;
            _exit(!memory ? ABLATION_ON_HOST : memory->shared() ? ABLATION_ON_SHARED_DEVICE : ABLATION_ON_DEVICE);
        }
        file_write(told[1], why, strlen(why));
        _exit(ABLATION_REFUSED);
    }
    close(told[1]);
    const ssize_t n = read(told[0], why, SWAX_WHY - 1);
    why[n > 0 ? n : 0] = 0;
    close(told[0]);
    if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
        (*why || WEXITSTATUS(status) != ABLATION_REFUSED))
        return (enum ablation_trial)WEXITSTATUS(status);
    return say(why, "The first run could not be tried: no process could be started, or it crashed."), ABLATION_REFUSED;
}
