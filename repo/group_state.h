/* group_state.h - the row of a scaling group in berth.group_state: its fence, the numbers of its
 * events, its round-robin cursors. Private to repo/.
 *
 * The row is locked by the first call and stays so until COMMIT, so events are numbered in commit
 * order and without gaps. It comes last in the lock order (repo/README.md). */
#ifndef BERTH_REPO_GROUP_STATE_H
#define BERTH_REPO_GROUP_STATE_H

#include "repo/event.h"
#include "repo/txn.h"
#include "scheduler/arena.h"
#include "scheduler/plan.h"

struct group_advance {
    const struct uuid *group_id;
    int64_t epoch;            /* ours */
    uint32_t n_events;        /* numbers to give out */
    const char *rr_cursors;   /* JSON object, architecture -> agent id */
    bool failure_round;       /* failure_rounds grows by one (failure_record.h) */
    bool round_ends;          /* also record the round as the last one: */
    int64_t round_started_at; /* microseconds */
    const uint32_t *counts;   /* N_OUTCOMES */
};

struct group_numbers {
    int64_t first; /* of the events */
    int64_t epoch;
    int64_t now; /* when they were given, microseconds: grows with the numbers */
};

/* ERR_CONFLICT, reason FENCED: the group's epoch is not ours any more. */
int group_state_advance(struct txn *t, const struct group_advance *g, struct arena *a,
                        struct group_numbers *ret, struct err *e) MUST_CHECK;

/* Numbers for a change outside a round, under whatever epoch is in force. */
int group_state_number(struct txn *t, const struct uuid *group_id, uint32_t n_events,
                       struct group_numbers *ret, struct err *e) MUST_CHECK;

/* Numbers for a change outside a round that no round under way may miss: takes a new epoch with
 * them, so that such a round is fenced. */
int group_state_fence(struct txn *t, const struct uuid *group_id, uint32_t n_events,
                      struct group_numbers *ret, struct err *e) MUST_CHECK;

/* Remembers the group's health and gives a number for the event that tells of it. *ret_changed
 * false: it was known already, nothing is written and no number given. */
int group_state_set_health(struct txn *t, const struct uuid *group_id, enum group_health health,
                           const char *reason, enum group_health *ret_before, bool *ret_changed,
                           struct group_numbers *ret, struct err *e) MUST_CHECK;

/* Takes a new epoch by the group's name. ERR_NOT_FOUND, reason UNKNOWN_SCALING_GROUP. */
int group_state_take_epoch(struct txn *t, const char *name, const struct uuid *round_id,
                           int64_t *ret_epoch, struct err *e) MUST_CHECK;

/* ERR_NOT_FOUND, reason UNKNOWN_SCALING_GROUP. Returns -1. */
int scaling_group_unknown(struct err *e, const char *name);

#endif
