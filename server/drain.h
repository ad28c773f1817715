/* drain.h - how the grace period of an end is used.
 *
 * Calls and rounds in progress have all of it but a fifth (2 s at most), which is for putting
 * things away in order. When all of it is over the process ends, whatever hangs: a database that
 * answers nothing must not hold it back. That is safe at any instant, because what is not committed
 * is not done (repo/README.md). */
#ifndef BERTH_SERVER_DRAIN_H
#define BERTH_SERVER_DRAIN_H

#include <signal.h>
#include <stdint.h>

/* For calls and rounds, milliseconds of grace_ms. */
static inline int64_t drain_work_ms(int64_t grace_ms)
{
    enum { PART = 5, MOST_MS = 2000 };
    const int64_t reserve = grace_ms / PART;
    return grace_ms - (reserve < MOST_MS ? reserve : MOST_MS);
}

/* From now on the process ends with EXIT_FORCED when grace_ms (at least half a second) are over, or
 * at once at one of these signals, which all threads must block. To be called once, when the first
 * of them came. */
void drain_force(int64_t grace_ms, const sigset_t *end_signals);

#endif
