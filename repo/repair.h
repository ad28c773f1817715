/* repair.h - finds and mends what a writer that died half way has left in a scaling group.
 *
 * Berth's own writes are one transaction each and leave nothing behind; a cluster manager's are
 * not. What is looked for, in this order:
 *
 *   half scheduled    a PENDING session whose kernels are not, or whose ledger rows are stamped.
 * All kernels SCHEDULED with agents and reservations: made SCHEDULED. Else, while nothing has
 * started: the reservations are given back, the kernels PENDING. dead allocation   live ledger rows
 * of a kernel that is over: freed, and given back to its agent counter           agent_resources
 * that are not the sums of the live ledger rows: set to them only reported     a PENDING session
 * with kernels that have started or are over, a session that has left PENDING without all its
 * kernels, one that is over with live kernels, a reservation on an agent that has no counter for it
 *
 * Each transaction mends a bounded number of them under the locks of a commit, in the same order
 * (repo/README.md), looks again under the locks, and takes a new epoch of the group at its end: a
 * round that began before is fenced. A healthy group is only read, and keeps its epoch. */
#ifndef BERTH_REPO_REPAIR_H
#define BERTH_REPO_REPAIR_H

#include "repo/plan_commit.h"

enum repair_kind {
    REPAIR_HALF_SCHEDULED,
    REPAIR_DEAD_ALLOCATION,
    REPAIR_COUNTER,
    REPAIR_UNSCHEDULED_KERNEL,
    REPAIR_LIVE_KERNEL,
    REPAIR_NO_COUNTER,
    N_REPAIR_KINDS
};

enum repair_action {
    REPAIR_MENDED,
    REPAIR_WOULD_MEND, /* dry run */
    REPAIR_LEFT        /* a person has to look, or it is too young: see `deed` */
};

struct repair_finding {
    enum repair_kind kind;
    enum repair_action action;
    const char *fact; /* "session <id> is PENDING, but ..." */
    const char *deed; /* "make it SCHEDULED"; REPAIR_LEFT: what to do about it */
};

struct repair_result {
    uint32_t found, mended;
    uint32_t young; /* of those left: changed within the last 10 s by a writer that may live */
    struct event *events; /* committed, by sequence */
    uint32_t n_events;
    struct owner_count *owners; /* access keys whose count changed, for the mirrors */
    uint32_t n_owners;
};

struct repair_input {
    const char *scaling_group;
    bool dry_run; /* only read */
    /* Called after COMMIT, once a finding; NULL: nobody listens. */
    void (*report)(void *ctx, const struct repair_finding *f);
    void *ctx;
};

/* Words for lines and logs: "half scheduled", "mended". */
const char *repair_kind_name(enum repair_kind k);
const char *repair_action_name(enum repair_action a);

/* ERR_NOT_FOUND, reason UNKNOWN_SCALING_GROUP. What was committed before a failure stays, and is in
 * *ret. Doing it twice does nothing more. */
int repair_run(struct pg *c, const struct repair_input *in, struct arena *a,
               struct repair_result *ret, struct err *e) MUST_CHECK;

/* The names of all scaling groups, in byte order. */
int repair_list_groups(struct pg *c, struct arena *a, const char ***ret, uint32_t *ret_n,
                       struct err *e) MUST_CHECK;

#endif
