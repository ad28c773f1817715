/* executor.h - the fixed pool of threads that may wait.
 *
 * Each executor owns a PostgreSQL connection, a Redis connection and an arena; a job borrows them
 * while it runs. The queue is bounded: a full one refuses. The connections open at first use, so a
 * pool can be made while the database is away.
 *
 * The queue is made of lanes, one for each caller: the jobs of a lane run in order, and lanes that
 * have work take turns, a job each. So a caller that sends a thousand requests makes another wait
 * for one of them, not for all. A lane can also be bounded: in how many may wait, and in how many
 * run at a time, so that slow work of one caller leaves an executor to the others. */
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
    struct executors *pool;
    unsigned index;      /* 0 .. n-1 */
    struct arena *arena; /* empty when the job starts, reset when it has returned */
    struct pg *pg;       /* its deadline is the default of pg.h when the job starts */
    struct pg *reader;   /* for what only reads; pg, unless a database of its own is set */
    struct redis *redis;
};

/* Embed it; all zero but for the bounds. The rest is the pool's, under its lock. It must live until
 * the pool is destroyed, once a job of it was submitted. */
struct executor_lane {
    unsigned queue_max;   /* jobs that may wait, and never more than there is room left in the
                             pool's queue; 0: as many as that takes */
    unsigned running_max; /* jobs that may run at a time; 0: any number */
    const char *name;     /* of the setting that queue_max comes from, for the refusal */
    struct job *first, **last;
    unsigned queued, running;
    unsigned together;          /* executors at work on its jobs that have run_many; two at most */
    unsigned in_lots;           /* the jobs they have */
    unsigned queued_kin;        /* jobs queued that have run_many */
    int64_t hold_ns;            /* until then a second lot waits to be as large as the first */
    struct executor_lane *next; /* whose turn it is after this one */
};

/* One piece of work; embed it. The memory is the submitter's and must live until run() was called;
 * run() may free it. Jobs with the same run_many that stand next to each other in a lane can be
 * done together: run_many gets the first, linked by next. Such work ends early only when all of the
 * jobs are cancelled. While two lots of a lane go on, more such jobs of it wait, to be the next;
 * while one does, for some 50 ms, until they are as many as it has: what a lot costs as such is
 * shared by all in it. Others overtake them. Before run_many lets go of the first of them it calls
 * executor_parting(). */
struct job {
    void (*run)(struct job *j, struct executor *x);
    void (*run_many)(struct job *first, struct executor *x); /* NULL: always alone */
    struct executor_lane *lane; /* NULL: the pool's own, without bounds */
    struct job *next;           /* the queue's */
    atomic_bool cancelled;      /* set by executors_cancel() */
};

struct executors_options {
    unsigned threads;
    unsigned queue;       /* jobs that may wait beyond those that run */
    const char *database; /* libpq conninfo */
    const char *reads;    /* the same, for what only reads; NULL or "": database */
    const char *redis;    /* address as in repo/redis.h */
    int redis_timeout_ms;
    unsigned together; /* most jobs for one run_many; 0 and 1: each alone */
};

int executors_create(const struct executors_options *o, struct executors **ret,
                     struct err *e) MUST_CHECK;
/* Runs every job still queued, then ends the threads. NULL is fine. */
void executors_destroy(struct executors *p);
DEFINE_CLEANUP(struct executors, executors_destroy)

/* Any thread. ERR_EXHAUSTED with RetryInfo; reason QUEUE_FULL, or CALLER_LIMIT when it is the
 * lane's bound. */
int executors_submit(struct executors *p, struct job *j, struct err *e) MUST_CHECK;
/* Any thread, never waits: marks the job; if it runs, its wait for the database ends with
 * ERR_CANCELLED. The caller must know that run() has not returned yet. A job sets its deadline on
 * the connection first and looks at `cancelled` then: pg_deadline() forgets earlier cancels. */
void executors_cancel(struct executors *p, struct job *j);

/* From run_many: its jobs are not to be looked at any more, whoever cancels them. */
void executor_parting(struct executor *x);

struct executors_stats {
    unsigned threads, running, queued;
    uint64_t done;
};
void executors_stats(struct executors *p, struct executors_stats *ret);

#endif
