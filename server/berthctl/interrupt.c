/* interrupt.c - Ctrl-C and SIGTERM as something to ask for, see interrupt.h. */
#include "server/berthctl/interrupt.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

static bool interrupted;

static sigset_t signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

void interrupt_block(void)
{
    sigset_t set = signals();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

bool interrupt_wait(int64_t ms)
{
    sigset_t set = signals();
    struct timespec limit = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    int taken = -1;

    if (interrupted)
        return true;
    do /* EINTR: another signal, e.g. SIGCONT after Ctrl-Z, with its handler */
        taken = sigtimedwait(&set, NULL, &limit);
    while (taken < 0 && errno == EINTR);
    interrupted = taken > 0;
    return interrupted;
}
