/* executor.h - the fixed pool of threads that may wait.
 *
 * Each executor owns a PostgreSQL connection, a Redis connection and an arena; a job borrows them
 * while it runs. The queue is bounded: a full one refuses. The connections open at first use, so a
 * pool can be made while the database is away. */
#ifndef BERTH_SERVER_EXECUTOR_H
#define BERTH_SERVER_EXECUTOR_H

#include <stdatomic.h>
#include <stdbool.h>

#include "repo/pg.h"
#include "repo/redis.h"
#include "scheduler/arena.h"
#include "scheduler/err.h"

struct executors; /* the pool */

/* What a job may use until it returns. */
struct executor {
    unsigned index;      /* 0 .. n-1 */
    struct arena *arena; /* empty when the job starts, reset when it has returned */
    struct pg *pg;       /* its deadline is the default of pg.h when the job starts */
    struct redis *redis;
};

/* One piece of work; embed it. The memory is the submitter's and must live until run() was called;
 * run() may free it. */
struct job {
    void (*run)(struct job *j, struct executor *x);
    struct job *next;      /* the queue's */
    atomic_bool cancelled; /* set by executors_cancel() */
};

struct executors_options {
    unsigned threads;
    unsigned queue;       /* jobs that may wait beyond those that run */
    const char *database; /* libpq conninfo */
    const char *redis;    /* address as in repo/redis.h */
    int redis_timeout_ms;
};

int executors_create(const struct executors_options *o, struct executors **ret,
                     struct err *e) MUST_CHECK;
/* Runs every job still queued, then ends the threads. NULL is fine. */
void executors_destroy(struct executors *p);
DEFINE_CLEANUP(struct executors, executors_destroy)

/* Any thread. ERR_EXHAUSTED, reason QUEUE_FULL, with RetryInfo. */
int executors_submit(struct executors *p, struct job *j, struct err *e) MUST_CHECK;
/* Any thread, never waits: marks the job; if it runs, its wait for the database ends with
 * ERR_CANCELLED. The caller must know that run() has not returned yet. A job sets its deadline on
 * the connection first and looks at `cancelled` then: pg_deadline() forgets earlier cancels. */
void executors_cancel(struct executors *p, struct job *j);

struct executors_stats {
    unsigned threads, running, queued;
    uint64_t done;
};
void executors_stats(struct executors *p, struct executors_stats *ret);

#endif
