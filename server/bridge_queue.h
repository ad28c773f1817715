/* bridge_queue.h - pending queues that wait to be written: the newest of each group. Any thread. */
#ifndef BERTH_SERVER_BRIDGE_QUEUE_H
#define BERTH_SERVER_BRIDGE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>

#include "repo/manager_live.h"
#include "scheduler/plan.h"

struct bridge_queue { /* malloc'ed in one piece: bridge_queue_free() */
    struct bridge_queue *next;
    int64_t until_ns; /* CLOCK_MONOTONIC: worthless then */
    struct manager_queue queue;
};

struct bridge_queues {
    pthread_mutex_t lock;
    struct bridge_queue *first;
};

void bridge_queues_init(struct bridge_queues *q);
void bridge_queues_finish(struct bridge_queues *q);

/* What the plan tried in vain, at most `most` sessions. */
struct bridge_queue *bridge_queue_make(const struct snapshot *s, const struct plan *p,
                                       int64_t epoch, uint32_t most);
void bridge_queue_free(struct bridge_queue *q); /* NULL is fine */

/* Takes over q; of a group's two the one of the greater epoch stays. */
void bridge_queues_put(struct bridge_queues *all, struct bridge_queue *q);
struct bridge_queue *bridge_queues_take(struct bridge_queues *all); /* NULL: there is none */
/* Forgets those that are worthless by now. */
void bridge_queues_expire(struct bridge_queues *all, int64_t now_ns);

#endif
