/* event_append.h - writing events and the rows they carry. Private to repo/. */
#ifndef BERTH_REPO_EVENT_APPEND_H
#define BERTH_REPO_EVENT_APPEND_H

#include "repo/event.h"

/* Writes n events of one group with the numbers first, first + 1, ..., given by group_state.h in
 * the same transaction, and sets sequence of each; epoch, round and time are those of events[0]. */
int event_append(struct txn *t, const struct uuid *group_id, int64_t first, struct event *events,
                 uint32_t n, struct arena *a, struct err *e) MUST_CHECK;

/* JSON text of allocations as stored. */
char *event_allocations_json(const struct event_allocation *v, uint32_t n, struct arena *a);
int event_allocations_parse(const char *json, struct arena *a, struct event_allocation **ret,
                            uint32_t *ret_n, struct err *e) MUST_CHECK;

/* Placements of a plan by name. addrs[i]: address of agent i, NULL: that of the snapshot. */
struct event_allocation *event_allocations_from_plan(const struct snapshot *s,
                                                     const struct placement *p, uint32_t n,
                                                     const char *const *addrs, struct arena *a);

#endif
