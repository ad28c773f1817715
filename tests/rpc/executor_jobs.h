/* executor_jobs.h - what tests of the executors share: a pool whose connections are replaced, and
 * jobs that wait for a gate and remember their order. Link executor_jobs.c and server/executor.c
 * alone. */
#ifndef BERTH_TESTS_EXECUTOR_JOBS_H
#define BERTH_TESTS_EXECUTOR_JOBS_H

#include <check.h>
#include <stdatomic.h>

#include "server/clock.h"
#include "server/executor.h"

enum { SOON_MS = 10000 };

struct pg {
    atomic_int cancels; /* since the last pg_deadline() */
};

extern const char *jobs_refuse;     /* the connection that cannot be made: "pg", "redis" */
extern atomic_int jobs_connections; /* to PostgreSQL, open now */
extern unsigned jobs_order[64],
    jobs_n_order; /* numbers of jobs, in the order in which they began */

struct work {
    struct job job;
    unsigned number;
    bool wait;          /* for the gate */
    atomic_int cancels; /* seen at its end */
    atomic_bool done;
};

/* together: as in struct executors_options. */
struct executors *pool_create(unsigned threads, unsigned queue, unsigned together);
void work_run(struct job *j, struct executor *x);
void work_submit(struct executors *p, struct work *w); /* to be run by work_run() */
void work_await(struct work *w);                       /* done */
/* Waits where w is to wait: until the gate opens or it is cancelled. */
void work_wait(struct work *w, struct executor *x);

void jobs_open_gate(void);
void jobs_close_gate(void); /* and nothing has begun */
void jobs_begin(void);      /* one more has begun */
void jobs_await_begun(unsigned n);

#endif
