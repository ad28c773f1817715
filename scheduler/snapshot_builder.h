/* snapshot_builder.h - the inside of a builder: for snapshot_build*.c and snapshot_finish*.c only.
 *
 * Tables grow as rows are added and stand in the order of adding; finish sorts them. A table of
 * children (kernels, dependencies, designated agents) has a column of the session of each row. */
#ifndef BERTH_SCHEDULER_SNAPSHOT_BUILDER_H
#define BERTH_SCHEDULER_SNAPSHOT_BUILDER_H

#include "scheduler/snapshot_build.h"
#include "scheduler/snapshot_index.h"

struct matrix { /* cap rows of n_slots amounts */
    int64_t *row;
    size_t cap;
};

struct children { /* cap: of the column `session` */
    uint32_t *session;
    size_t cap;
    uint32_t n;
};

struct snapshot_builder {
    struct arena *arena;
    bool spent;
    bool has_rows;         /* a matrix has rows: no more slots */
    struct snapshot head;  /* the group's own fields */
    struct snapshot *made; /* once finished */
    bool keeps_rows;
    uint32_t *session_to; /* once finished, when it keeps rows */

    struct slot *slots;
    const char **archs;
    struct agent *agents;
    bool *dropped; /* by agent */
    struct owner *owners;
    struct session *sessions;
    struct kernel *kernels;
    struct dependency *dependencies;
    const char **designated;
    struct session_group *groups;
    struct group_members *members;
    struct other_pending *others;
    struct rr_cursor *cursors;
    struct option *options;
    size_t cap_slots, cap_archs, cap_agents, cap_dropped, cap_owners, cap_sessions, cap_kernels,
        cap_dependencies, cap_designated, cap_groups, cap_members, cap_others, cap_cursors,
        cap_options;
    uint32_t n_slots, n_archs, n_agents, n_owners, n_sessions, n_groups, n_members, n_others,
        n_cursors, n_options, n_requests;
    struct children kernel_of, dependency_of, designated_of;

    struct matrix capacity, held;                           /* by agent */
    struct matrix limit, usage, group_usage, pending_limit; /* by owner */
    struct matrix request;       /* what kernels ask for, each row once: n_requests */
    struct matrix other_request; /* by other pending session */

    uint32_t open_kernel; /* whose row is being written, NONE: nobody's */
    int64_t *open_row;    /* that row: it goes to `request` when another kernel's is asked for */

    struct snapshot_index by_slot, by_arch, by_agent, by_owner, by_session, by_kernel, by_group,
        by_request;
};

/* Room for row n in a table of the builder. */
#define BUILDER_GROW(b, table, n)                                                                  \
    ((b)->table = arena_grow((b)->arena, (b)->table, &(b)->cap_##table, (size_t)(n) + 1,           \
                             sizeof(*(b)->table)))

int64_t *builder_row_at(const struct snapshot_builder *b, const struct matrix *m, uint32_t i);
/* Room for row n, set to `fill` in every slot. */
int64_t *builder_add_row(struct snapshot_builder *b, struct matrix *m, uint32_t n, int64_t fill);

/* What the kernel at hand asks for is complete: takes it into `request`. */
void builder_settle_request(struct snapshot_builder *b);

/* Sorts the sessions and the tables with a row a session or more; slots, owners and groups are
 * sorted already. */
void builder_finish_sessions(struct snapshot_builder *b, const uint32_t *owner_to,
                             const uint32_t *group_to, const uint32_t *columns);

#endif
