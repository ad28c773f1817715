/* members.h - how many sessions of a session group each agent has: the snapshot's count and what
 * this round placed. One group at a time is spread out as an array by agent. */
#ifndef BERTH_SCHEDULER_MEMBERS_H
#define BERTH_SCHEDULER_MEMBERS_H

#include "scheduler/arena.h"
#include "scheduler/snapshot.h"

struct members {
    const struct snapshot *snapshot;
    struct arena *arena;
    struct member_entry {
        uint32_t agent, next; /* next: entry of the same group + 1, 0: the last */
        int32_t count;
    } * entries;
    size_t n, cap;
    uint32_t *first;    /* by group: entry + 1, 0: none */
    uint32_t current;   /* group spread out in the two arrays below, or NONE */
    int32_t *count;     /* by agent */
    uint32_t *entry;    /* by agent: entry + 1, 0: none */
    uint32_t n_holders; /* candidate agents with a count > 0 */
};

/* With the counts of the snapshot, or with none at all. */
void members_init(struct members *m, const struct snapshot *s, bool with_counts, struct arena *a);
void members_enter(struct members *m, uint32_t group); /* spreads it out */
uint32_t members_n(const struct members *m); /* entries of the current group, zeros included */
/* The agents with a count > 0 in the current group, in no order; gives their number. */
uint32_t members_list(const struct members *m, uint32_t *ret_agents);
void members_add(struct members *m, uint32_t agent, int32_t delta); /* to the current group */

#endif
