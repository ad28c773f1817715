/* snapshot_build.h - the one way to make a struct snapshot.
 *
 * Add rows in any order, slots first (the matrices need their number); then finish. The order of
 * adding never shows in the snapshot. Strings given to an add are copied into the arena; those set
 * through builder_*_at() are not, they must live as long. Pointers stay good until the next add of
 * the same kind; indexes until finish, which sorts the tables and fixes every reference. Adding an
 * id that is there already changes nothing and gives the first row. Finding is O(1).
 * Used by repo/snapshot_load, the file reader and the tests. */
#ifndef BERTH_SCHEDULER_SNAPSHOT_BUILD_H
#define BERTH_SCHEDULER_SNAPSHOT_BUILD_H

#include "scheduler/arena.h"
#include "scheduler/err.h"
#include "scheduler/snapshot.h"

struct snapshot_builder;

struct snapshot_builder *builder_create(struct arena *a); /* lives in the arena */
/* For strings set through builder_*_at(). */
struct arena *builder_arena(struct snapshot_builder *b);

/* The group itself: observed_at, group_id, group_name, scheduler, strategy, pending_timeout and
 * bad_options are copied from *head; everything else of it is ignored. */
void builder_group(struct snapshot_builder *b, const struct snapshot *head);
int64_t builder_observed_at(const struct snapshot_builder *b); /* as given to builder_group() */
void builder_option(struct snapshot_builder *b, const char *key,
                    const char *json_value); /* the same key again replaces it */

/* Slots, before anything with amounts. The index returned is the one all rows below use while
 * building (finish reorders). */
uint32_t builder_slot(struct snapshot_builder *b, const char *name, enum slot_type type,
                      int32_t rank);
uint32_t builder_find_slot(const struct snapshot_builder *b, const char *name); /* NONE: unknown */
enum slot_type builder_slot_type(const struct snapshot_builder *b, uint32_t slot);
uint32_t builder_n_slots(const struct snapshot_builder *b);

uint32_t builder_arch(struct snapshot_builder *b, const char *name); /* interns */

/* Adds an agent (arch by name) and gives its zeroed capacity and held rows. */
uint32_t builder_agent(struct snapshot_builder *b, const struct agent *agent, const char *arch,
                       int64_t **ret_capacity, int64_t **ret_held);
uint32_t builder_find_agent(const struct snapshot_builder *b, const char *id); /* NONE: unknown */
struct agent *builder_agent_at(struct snapshot_builder *b, uint32_t agent);
void builder_drop_agent(struct snapshot_builder *b, uint32_t agent); /* what-if: as if not there */

/* Rows of an owner: limit starts as AMOUNT_INF everywhere, usage and group_usage as 0,
 * pending_limit as AMOUNT_INF; name is the key, max_pending is INT64_MAX. */
struct owner_rows {
    int64_t *limit, *usage, *group_usage, *pending_limit;
};
uint32_t builder_owner(struct snapshot_builder *b, enum owner_kind kind, const char *key);
uint32_t builder_find_owner(const struct snapshot_builder *b, enum owner_kind kind,
                            const char *key);
struct owner *builder_owner_at(struct snapshot_builder *b, uint32_t owner);
struct owner_rows builder_owner_rows(struct snapshot_builder *b, uint32_t owner);

/* How many there are so far, dropped agents included. */
uint32_t builder_n_agents(const struct snapshot_builder *b);
uint32_t builder_n_sessions(const struct snapshot_builder *b);
uint32_t builder_n_kernels(const struct snapshot_builder *b);

/* Adds a session. The range fields (first_*, n_*) of *s and *s->rare are ignored; rare may be NULL.
 * owner[] must name an owner of each kind, group a session group or NONE; finish asserts it. */
uint32_t builder_session(struct snapshot_builder *b, const struct session *s);
uint32_t builder_find_session(const struct snapshot_builder *b, const struct uuid *id);
struct session *builder_session_at(struct snapshot_builder *b, uint32_t session);
/* What the session has of its own to be changed; made, all zero, when it shared that of those
 * without. */
struct session_rare *builder_session_rare(struct snapshot_builder *b, uint32_t session);
/* Adds a kernel to a session and gives its zeroed request row, which is good until a row is asked
 * for another kernel: equal rows are kept once, from then on. The fewer returns to a kernel after
 * others, the better: each time it asks for more it leaves a row behind, until finish. */
uint32_t builder_kernel(struct snapshot_builder *b, uint32_t session, const struct kernel *k,
                        const char *arch, int64_t **ret_request);
uint32_t builder_find_kernel(const struct snapshot_builder *b, const struct uuid *id);
int64_t *builder_kernel_request(struct snapshot_builder *b, uint32_t kernel); /* the same row */
const struct kernel *builder_kernel_at(const struct snapshot_builder *b, uint32_t kernel);
uint32_t builder_kernel_session(const struct snapshot_builder *b, uint32_t kernel);
void builder_dependency(struct snapshot_builder *b, uint32_t session, const struct dependency *d);
void builder_designated(struct snapshot_builder *b, uint32_t session, const char *agent_id);

uint32_t builder_session_group(struct snapshot_builder *b, const struct session_group *g);
uint32_t builder_find_session_group(const struct snapshot_builder *b, const struct uuid *id);
void builder_group_member(struct snapshot_builder *b, uint32_t group, uint32_t agent,
                          int32_t count); /* the same pair adds up */

/* Gives its zeroed request row. */
int64_t *builder_other_pending(struct snapshot_builder *b, const struct other_pending *p);
/* The same architecture again replaces it. */
void builder_rr_cursor(struct snapshot_builder *b, const char *arch, const char *agent_id);

/* A sentence for a row that cannot be read, in the arena; one of more than 511 bytes ends in '+'.
 * Of a row the first one is kept, of several about one table (the first word) the least, so that
 * the order in which the rows of a table come does not show. */
void builder_bad_session(struct snapshot_builder *b, uint32_t session, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void builder_bad_agent(struct snapshot_builder *b, uint32_t agent, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void builder_bad_owner(struct snapshot_builder *b, uint32_t owner, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Adds every row of a finished snapshot to an empty builder, with the same indexes: what-if begins
 * with what is. The snapshot must live as long as the builder's arena: owners keep its texts. */
void builder_copy(struct snapshot_builder *b, const struct snapshot *s);

/* Sorts, fixes the references, and hands out the snapshot (in the arena). The builder is spent. */
const struct snapshot *builder_finish(struct snapshot_builder *b);

/* Who needs to know where finish puts the sessions asks before, and after it gets their rows in the
 * snapshot by their indexes while building: in the arena, to be released when no more needed. */
void builder_keep_rows(struct snapshot_builder *b);
uint32_t *builder_session_rows(struct snapshot_builder *b);

/* After that, for whom nobody else reads the snapshot beside: what was handed out is as of a later
 * moment. builder_session_at() then gives its sessions, by their index in it. */
void builder_renew(struct snapshot_builder *b, int64_t observed_at, int64_t failure_rounds);
/* For whom others read it: *s as of a later moment, in the arena. It shares the tables of *s, which
 * must live as long, but for the sessions where ret_sessions is not NULL: a copy of the rows,
 * to be changed before anybody else sees it; what is rare of them is still that of *s. */
const struct snapshot *snapshot_renew(const struct snapshot *s, int64_t observed_at,
                                      int64_t failure_rounds, struct arena *a,
                                      struct session **ret_sessions);

#endif
