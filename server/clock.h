/* clock.h - time for waiting and measuring. It decides nothing: rounds use the database's clock. */
#ifndef BERTH_SERVER_CLOCK_H
#define BERTH_SERVER_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

/* CLOCK_MONOTONIC in nanoseconds. */
static inline int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* A condition variable whose timed wait takes CLOCK_MONOTONIC. */
static inline void clock_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(c, &a);
    pthread_condattr_destroy(&a);
}

/* Waits until signalled or until_ns; may wake early. */
static inline void clock_cond_wait(pthread_cond_t *c, pthread_mutex_t *m, int64_t until_ns)
{
    struct timespec t = {.tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S};
    (void)pthread_cond_timedwait(c, m, &t);
}

#endif
