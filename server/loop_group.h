/* loop_group.h - when the next round of a scaling group is due. Plain values: no clock, no lock.
 *
 *     IDLE --begin--> RUNNING --end--> IDLE
 *
 * An idle group is due at due_ns; a hint makes it due earlier, but not within hint_ns of the begin
 * of its last round, and not while it backs off from a failure. Times are CLOCK_MONOTONIC. */
#ifndef BERTH_SERVER_LOOP_GROUP_H
#define BERTH_SERVER_LOOP_GROUP_H

#include <stdbool.h>
#include <stdint.h>

struct loop_times { /* nanoseconds, > 0 */
    int64_t interval_ns;
    int64_t hint_ns;
    int64_t backoff_ns; /* longest pause after failures */
};

enum loop_end { /* how a round ended, for the loop */
                LOOP_END_DONE,
                LOOP_END_BUSY,   /* somebody else works at the group */
                LOOP_END_FAILED, /* back off */
                LOOP_END_STOPPED /* the loop itself gave up: says nothing about the group */
};

struct loop_group {
    char *name;
    struct loop_times times;
    bool listed;  /* the watch saw it at its last look */
    bool running; /* between begin and end */
    bool hinted;
    bool was_hinted; /* when the round that runs began */
    bool is_slow;    /* its last round took longer than hint_ns: loop.c keeps a thread for others */
    unsigned failures; /* in a row */
    int64_t due_ns;
    int64_t begun_ns; /* the last round's begin; 0: none yet */
};

struct loop_group *loop_group_create(const char *name, const struct loop_times *t, int64_t due_ns);
void loop_group_destroy(struct loop_group *g); /* NULL is fine; not while it is running */

/* When it may begin; INT64_MAX while it runs. */
int64_t loop_group_next(const struct loop_group *g);
void loop_group_hint(struct loop_group *g);
/* A round of it began age_ns ago, on any replica: the next regular one counts from there. */
void loop_group_seen_round(struct loop_group *g, int64_t now_ns, int64_t age_ns, uint64_t random);
void loop_group_begin(struct loop_group *g, int64_t now_ns);
/* random: any number, for jitter. */
void loop_group_end(struct loop_group *g, enum loop_end end, int64_t now_ns, uint64_t random);

/* The pause after so many failures in a row (> 0): between half and all of hint_ns doubled each
 * time, backoff_ns at most. */
int64_t loop_backoff_ns(const struct loop_times *t, unsigned failures, uint64_t random);

#endif
