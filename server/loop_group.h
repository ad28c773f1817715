/* loop_group.h - when the next round of a scaling group is due. Plain values: no clock, no lock.
 *
 *     IDLE --begin--> RUNNING --end--> IDLE
 *
 * An idle group is due at due_ns. Two things make it due earlier, though not within hint_ns of the
 * begin of its last round, and not while it backs off from a failure: a hint, which stays until a
 * round of ours begins; and a change that the watch saw, which any replica's round answers if it
 * began after the look. Times are CLOCK_MONOTONIC unless they are microseconds: the database's. */
#ifndef BERTH_SERVER_LOOP_GROUP_H
#define BERTH_SERVER_LOOP_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "scheduler/err.h"

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

struct loop_wish { /* why it is due early */
    bool hinted;
    bool changed;
    int64_t changed_us; /* of the look that saw it */
    int64_t from_ns;    /* another replica may be about to answer the change: not before */
};

struct loop_seen { /* by the watch, at its last look */
    int64_t key, mark;
    bool is_unwell; /* the event log says that it is not well */
};

struct loop_told { /* health, as this replica told it last; the worker's while running */
    bool any;
    bool is_well;
    int64_t key; /* of the look before */
};

struct loop_group {
    char *name;
    struct loop_times times;
    struct loop_seen seen;
    struct loop_told told;
    struct loop_wish wish;
    struct loop_wish answered; /* the wish as the round that runs began */
    bool listed;               /* the watch saw it at its last look */
    bool running;              /* between begin and end */
    bool is_slow; /* its last round took longer than hint_ns: loop.c keeps a thread for others */
    unsigned failures;  /* in a row */
    int64_t failing_us; /* database time of a look before the first of them */
    char why[256];      /* the last of them: its sentence */
    bool by_policy;     /* the last of them: the sentence is the policy's */
    int64_t due_ns;
    int64_t begun_ns;    /* the last round's begin; 0: none yet */
    int64_t early_ns;    /* how much of the interval jitter takes */
    int64_t own_epoch;   /* of the last round of ours that ended well */
    int64_t round_start; /* of the last round on any replica, microseconds; INT64_MIN: none */
};

struct loop_group *loop_group_create(const char *name, const struct loop_times *t, int64_t due_ns);
void loop_group_destroy(struct loop_group *g); /* NULL is fine; not while it is running */

/* When it may begin; INT64_MAX while it runs. */
int64_t loop_group_next(const struct loop_group *g);
void loop_group_hint(struct loop_group *g);
/* A look at `look_us` saw a change. from_ns: not before. */
void loop_group_change(struct loop_group *g, int64_t look_us, int64_t from_ns);
/* A look at `look_us` found the last round to have begun at `start_us`, on whatever replica: the
 * next regular one counts from there, and it answers a change seen before it. */
void loop_group_see_round(struct loop_group *g, int64_t start_us, int64_t look_us, int64_t now_ns);
/* What made it fail may have been mended: no pause any more. */
void loop_group_forgive(struct loop_group *g, int64_t now_ns);
void loop_group_begin(struct loop_group *g, int64_t now_ns);
/* What a round came to, while it still is running. why: its sentence is copied; look_us: the
 * last look. */
void loop_group_note_failure(struct loop_group *g, const struct err *why, int64_t look_us);
void loop_group_note_success(struct loop_group *g, int64_t epoch);
/* Has it failed so often that it is no chance, and nobody's round went well meanwhile? */
bool loop_group_is_failing(const struct loop_group *g);
/* FAILED: loop_group_note_failure() came before. random: any number, for jitter. */
void loop_group_end(struct loop_group *g, enum loop_end end, int64_t now_ns, uint64_t random);

/* The pause after so many failures in a row (> 0): between half and all of hint_ns doubled each
 * time, backoff_ns at most. */
int64_t loop_backoff_ns(const struct loop_times *t, unsigned failures, uint64_t random);

#endif
