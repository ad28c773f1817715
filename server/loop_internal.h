/* loop_internal.h - the inside of the loop, shared by loop*.c.
 *
 * One lock guards the table of groups; nobody waits for I/O with it. Threads: the loop's own
 * (loop.c) turns what is due into jobs, workers (executors of the loop's own) run them
 * (loop_round.c), the watch (loop_watch.c) tells what groups there are and what changed. */
#ifndef BERTH_SERVER_LOOP_INTERNAL_H
#define BERTH_SERVER_LOOP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/executor.h"
#include "server/loop.h"
#include "server/loop_group.h"

struct loop_watch;

enum { LOOP_GROUPS = 10000 }; /* groups in the table, at most */

struct loop {
    const struct config *config;
    struct round_service *rounds;
    struct hub *hub;
    struct executors *workers;
    struct loop_watch *watch;
    atomic_bool drains;         /* no new rounds */
    _Atomic int64_t until;      /* rounds that run end by then; INT64_MAX before a drain */
    pthread_mutex_t lock;       /* all below */
    pthread_cond_t wake;        /* the loop thread's */
    pthread_cond_t idle;        /* a round ended */
    struct loop_group **groups; /* by name */
    uint32_t n_groups;
    struct loop_run *runs;   /* in progress */
    unsigned n_runs, n_slow; /* how many; of groups that are slow */
    int64_t look_us;         /* the watch's last look, by the database's clock */
    uint64_t random;         /* xorshift state */
    pthread_t thread;
    bool started;
};

struct loop_run { /* a round in progress */
    struct job job;
    struct loop *loop;
    struct loop_group *group; /* stays while it is running */
    bool counts_slow;
    struct loop_seen seen; /* by the watch, when the round began */
    bool is_known;         /* that it failed is no chance: worth telling */
    bool untold;           /* news that could not be told: another round is to do it */
    struct loop_run *next;
};

/* job.run: one round, then loop_run_ended(). */
void loop_round_run(struct job *j, struct executor *x);
/* Puts a change of the group's health into the event log. Before loop_run_ended(). Uses the
 * worker's connection and arena. */
void loop_tell_health(struct loop_run *run, enum loop_end end, struct executor *x);
/* Any worker, once a run; frees it. */
void loop_run_ended(struct loop_run *run, enum loop_end end);

/* Under the lock. NULL: not there. */
struct loop_group *loop_find(struct loop *l, const char *name);
uint64_t loop_random(struct loop *l);

#endif
