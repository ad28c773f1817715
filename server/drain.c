/* drain.c - the thread that ends the process when the orderly end takes too long. */
#include "server/drain.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/command.h"
#include "server/log.h"

enum { LEAST_MS = 500 };

struct force {
    int64_t grace_ms, until_ns;
    sigset_t signals;
};

/* Not exit(): handlers and destructors may wait for what hangs. */
static _Noreturn void end_now(void)
{
    _exit(EXIT_FORCED);
}

static _Noreturn void *force_end(void *arg)
{
    struct force *f = arg;
    for (;;) {
        const int64_t left = f->until_ns - clock_ns();
        const struct timespec wait = {.tv_sec = left > 0 ? left / NS_PER_S : 0,
                                      .tv_nsec = left > 0 ? left % NS_PER_S : 0};
        const int sig = sigtimedwait(&f->signals, NULL, &wait);
        if (sig > 0) {
            log_warn("asked to end for the second time: what is open is cut off",
                     LOG_STR("signal", sigabbrev_np(sig)));
            end_now();
        }
        if (errno == EAGAIN) {
            log_error("not ended within the grace period: what is open is cut off",
                      LOG_NUM("grace_ms", f->grace_ms));
            end_now();
        }
    }
}

void drain_force(int64_t grace_ms, const sigset_t *end_signals)
{
    pthread_t thread;
    struct force *f = calloc(1, sizeof(*f));
    if (f == NULL)
        abort(); /* out of memory */
    f->grace_ms = grace_ms;
    f->until_ns = clock_ns() + (grace_ms > LEAST_MS ? grace_ms : LEAST_MS) * NS_PER_MS;
    f->signals = *end_signals;
    if (pthread_create(&thread, NULL, force_end, f) != 0) {
        free(f);
        log_warn("no thread to force the end with; it may take longer",
                 LOG_NUM("grace_ms", grace_ms));
        return;
    }
    pthread_detach(thread);
}
