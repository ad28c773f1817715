/* snapshot_share.h - one loaded snapshot of a scaling group for all who ask within a short time.
 *
 * A call says how old its snapshot may be and gets one that is no older, counted from the moment of
 * asking; it is loaded when there is none. Of each group at most one load runs at a time: others
 * wait for it, within their deadlines, and look again. What this replica has committed is seen by
 * every call that begins afterwards: snapshot_share_stale().
 *
 * A snapshot is read only from the moment it is shared, so any number of threads may use it. It
 * lives as long as somebody holds it or it is kept: at most `max_groups` of them and `max_bytes`
 * together, the longest unused go first, and whatever nobody used for `keep_ms` goes. A thread of
 * its own sees to that. All functions may be called from any thread. */
#ifndef BERTH_SERVER_SNAPSHOT_SHARE_H
#define BERTH_SERVER_SNAPSHOT_SHARE_H

#include "scheduler/explainer.h"
#include "server/snapshot_source.h"

struct snapshot_share;

struct snapshot_share_options {
    uint32_t max_groups; /* 0: nothing is kept; calls that wait for one load still share it */
    int64_t max_bytes, keep_ms;
};

int snapshot_share_create(const struct snapshot_share_options *o, struct snapshot_share **ret,
                          struct err *e) MUST_CHECK;
void snapshot_share_destroy(struct snapshot_share *x); /* NULL is fine; nobody may hold anything */

struct shared_snapshot; /* held by a reference */

struct snapshot_want {
    const struct round_service *rounds; /* whose policy */
    const struct config *config;
    const char *scaling_group;
    const struct snapshot_spec *spec; /* must be among those loaded; NULL: none */
    int64_t oldest_ns;                /* CLOCK_MONOTONIC: not read before this moment */
    int64_t deadline_ns;              /* CLOCK_MONOTONIC */
    bool (*stopped)(const void *ctx); /* nobody waits any more; NULL: never */
    const void *stopped_ctx;
};

/* pg: to load with, when it comes to that. The reference is the caller's: shared_release(). Fails
 * as snapshot_newest(), and with ERR_TIMEOUT or ERR_CANCELLED while it waits for another's load. */
int snapshot_share_take(struct snapshot_share *x, struct pg *pg, const struct snapshot_want *w,
                        struct shared_snapshot **ret, struct err *e) MUST_CHECK;
/* A kept snapshot of any group that has this session; NULL: none. */
struct shared_snapshot *snapshot_share_find(struct snapshot_share *x, const struct uuid *session,
                                            int64_t oldest_ns);
void shared_release(struct shared_snapshot *s); /* NULL is fine */
DEFINE_CLEANUP(struct shared_snapshot, shared_release)

/* Something of the group was committed: who asks from now on gets what was read later than now.
 * share NULL is fine. */
void snapshot_share_stale(struct snapshot_share *x, const char *scaling_group);

/* --- what a holder may look at --- */

const struct snapshot *shared_snapshot(const struct shared_snapshot *s);
/* ERR_PRECONDITION: why the group cannot be scheduled. */
int shared_policy(const struct shared_snapshot *s, const struct policy **ret,
                  struct err *e) MUST_CHECK;
int64_t shared_read_ns(const struct shared_snapshot *s); /* CLOCK_MONOTONIC; not read before */
/* Owners of a spec that was asked for when it was taken. */
const struct snapshot_spec_owners *shared_spec(const struct shared_snapshot *s,
                                               const struct snapshot_spec *spec);

/* --- what is made of it once, for all who hold it; snapshot_derived.c ---
 *
 * The first who asks makes it, the others wait, within the limits of their want. */

/* ret->places is set; *ret_order (NULL is fine) is round_order(). */
int shared_order(struct shared_snapshot *s, const struct snapshot_want *w, struct known *ret,
                 const uint32_t **ret_order, struct err *e) MUST_CHECK;
/* All of *ret is set: the whole round is planned. */
int shared_plan(struct shared_snapshot *s, const struct snapshot_want *w, struct known *ret,
                struct err *e) MUST_CHECK;

/* An explainer for oneself, until it is given back: one that is idle, or a new one. */
struct shared_seat;
struct shared_seat *shared_sit(struct shared_snapshot *s, struct explainer **ret);
void shared_leave(struct shared_snapshot *s, struct shared_seat *seat); /* NULL is fine */

struct snapshot_share_stats {
    uint64_t loads, hits; /* loads begun; calls that were served without one of their own */
    uint32_t kept;
    size_t bytes;
};
void snapshot_share_stats(struct snapshot_share *x, struct snapshot_share_stats *ret);

#endif
