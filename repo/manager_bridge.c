/* manager_bridge.c - from the event log to a Manager's Redis, a group and a batch at a time. */
#include "repo/manager_bridge.h"

#include <stdio.h>

#include "repo/manager_live.h"
#include "repo/manager_publish.h"
#include "repo/pg_query.h"

int manager_stream_open(const char *address, int timeout_ms, struct redis **ret, struct err *e)
{
    if (redis_create(address, timeout_ms, ret, e) < 0)
        return -1;
    redis_use(*ret, MANAGER_STREAM_DATABASE);
    return 0;
}

/* --- the rows --- */

static const char sql_mark[] =
    "INSERT INTO berth.manager_bridge (scaling_group_id, sequence) "
    "VALUES ('00000000-0000-0000-0000-000000000000', 0) ON CONFLICT DO NOTHING";
static const char sql_begin_now[] =
    "INSERT INTO berth.manager_bridge (scaling_group_id, sequence) "
    "SELECT scaling_group_id, last_sequence FROM berth.group_state ON CONFLICT DO NOTHING";

static int begin_body(struct txn *t, void *ctx, struct err *e)
{
    int64_t first = 0;
    (void)ctx;
    if (pg_exec(t, sql_mark, NULL, 0, &first, e) < 0)
        return -1;
    return first == 1 ? pg_exec(t, sql_begin_now, NULL, 0, NULL, e) : 0;
}

int manager_bridge_begin(struct pg *c, struct err *e)
{
    return txn_run(c, TXN_WRITE, begin_body, NULL, e);
}

/* Groups made since the bridge began are told from their first event on. */
static const char sql_add_groups[] =
    "INSERT INTO berth.manager_bridge (scaling_group_id, sequence) "
    "SELECT s.scaling_group_id, 0 FROM berth.group_state s WHERE s.last_sequence > 0 "
    "AND NOT EXISTS (SELECT 1 FROM berth.manager_bridge b "
    "WHERE b.scaling_group_id = s.scaling_group_id) ON CONFLICT DO NOTHING";

static const char sql_pick[] =
    "SELECT b.scaling_group_id, b.sequence, s.last_sequence, now() "
    "FROM berth.manager_bridge b JOIN berth.group_state s USING (scaling_group_id) "
    "WHERE s.last_sequence > b.sequence AND b.scaling_group_id > $1 "
    "ORDER BY b.scaling_group_id LIMIT 1 FOR UPDATE OF b SKIP LOCKED";

static const char sql_move[] =
    "UPDATE berth.manager_bridge SET sequence = $2 WHERE scaling_group_id = $1";

/* A bridge that has nothing to tell, which is most of the time, must not look like news to who asks
 * whether anything was committed: a TXN_WRITE has a transaction id, this look has none. */
static const char sql_any_behind[] =
    "SELECT EXISTS (SELECT 1 FROM berth.group_state s LEFT JOIN berth.manager_bridge b "
    "USING (scaling_group_id) WHERE s.last_sequence > coalesce(b.sequence, 0) "
    "AND scaling_group_id > $1)";

static int look(struct pg *c, const struct manager_step *s, bool *ret_behind, struct err *e)
{
    const struct pg_param p[] = {param_uuid(&s->after)};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (txn_begin(c, TXN_READ_SNAPSHOT, &t, e) < 0 ||
        pg_query(t, sql_any_behind, "b", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    *ret_behind = rows_bool(r, 0, 0);
    return 0;
}

struct place { /* of the group that was picked */
    int64_t sequence, last, now;
};

static int pick(struct txn *t, struct manager_step *s, struct place *ret, struct err *e)
{
    const struct pg_param p[] = {param_uuid(&s->after)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_exec(t, sql_add_groups, NULL, 0, NULL, e) < 0 ||
        pg_query(t, sql_pick, "uiis", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    s->found = rows_count(r) == 1;
    if (!s->found)
        return 0;
    s->group = rows_uuid(r, 0, 0);
    *ret = (struct place){
        .sequence = rows_int(r, 0, 1),
        .last = rows_int(r, 0, 2),
        .now = rows_time(r, 0, 3),
    };
    return 0;
}

/* --- the events --- */

/* Without allocations and causes: nobody there wants them, and nothing in them can be unreadable.
 */
static const char sql_events[] =
    "SELECT sequence, type, session_id, created_at, creation_id, reason FROM berth.events "
    "WHERE scaling_group_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";

static int read_events(struct txn *t, const struct manager_bridge *b, const struct manager_step *s,
                       const struct place *at, struct arena *a, struct event **ret, uint32_t *ret_n,
                       struct err *e)
{
    const struct pg_param p[] = {param_uuid(&s->group), param_int8(at->sequence),
                                 param_int8(b->batch)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_events, "iiustt", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    *ret_n = rows_count(r);
    *ret = arena_new(a, struct event, (size_t)*ret_n + 1);
    for (uint32_t i = 0; i < *ret_n; i++)
        (*ret)[i] = (struct event){
            .sequence = rows_int(r, i, 0),
            .type = rows_is_null(r, i, 2) ? EVENT_NONE : (enum event_type)rows_int(r, i, 1),
            .session_id = rows_uuid(r, i, 2),
            .time = rows_time(r, i, 3),
            .creation_id = arena_strdup(a, rows_text(r, i, 4)),
            .reason = arena_strdup(a, rows_text(r, i, 5)),
        };
    return 0;
}

/* Of the events that a Manager hears of, those that are young enough come first; *ret_old: the
 * others. */
static uint32_t keep_young(struct event *events, uint32_t n, int64_t oldest, int64_t *ret_old)
{
    uint32_t kept = 0;
    *ret_old = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!manager_hears_of(events[i].type))
            continue;
        if (events[i].time >= oldest)
            events[kept++] = events[i];
        else
            ++*ret_old;
    }
    return kept;
}

static bool any_terminating(const struct event *events, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (events[i].type == EVENT_SESSION_TERMINATING)
            return true;
    return false;
}

static int tell(const struct manager_bridge *b, const struct event *events, uint32_t n,
                struct manager_step *s, struct arena *a, struct err *e)
{
    struct redis_refusals refusals;
    if (manager_publish(b->stream, events, n, a, &refusals, e) < 0)
        return -1;
    s->refused = refusals.n;
    (void)snprintf(s->refusal, sizeof(s->refusal), "%s", refusals.words);
    return any_terminating(events, n) ? manager_mark_terminate(b->live, e) : 0;
}

static int move(struct txn *t, const struct manager_step *s, int64_t sequence, struct err *e)
{
    const struct pg_param p[] = {param_uuid(&s->group), param_int8(sequence)};
    return pg_exec(t, sql_move, p, ARRAY_SIZE(p), NULL, e);
}

int manager_bridge_step(struct pg *c, const struct manager_bridge *b, struct manager_step *s,
                        struct arena *a, struct err *e)
{
    struct place at = {.sequence = 0};
    struct event *events = NULL;
    uint32_t n = 0;
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    bool behind = false;
    *s = (struct manager_step){.after = s->after, .give_up = s->give_up};
    if (look(c, s, &behind, e) < 0)
        return -1;
    if (!behind)
        return 0;
    if (txn_begin(c, TXN_WRITE, &t, e) < 0 || pick(t, s, &at, e) < 0)
        return -1;
    if (!s->found)
        return txn_commit(&t, e);
    if (read_events(t, b, s, &at, a, &events, &n, e) < 0)
        return -1;
    /* the log has no holes: what is missing before, or instead of, the first was removed */
    const int64_t first = n > 0 ? events[0].sequence : at.last + 1;
    const int64_t sequence = n > 0 ? events[n - 1].sequence : at.last;
    const uint32_t young = keep_young(events, n, at.now - b->max_age_ms * 1000, &s->expired);
    if (tell(b, events, young, s, a, e) < 0)
        return -1;
    if (s->refused > 0 && !s->give_up)
        return 0; /* rolled back */
    s->lost = first - at.sequence - 1;
    s->told = young;
    s->more = n == b->batch;
    if (move(t, s, sequence, e) < 0)
        return -1;
    return txn_commit(&t, e);
}

static const char sql_waiting[] =
    "SELECT g.name FROM scaling_groups g WHERE EXISTS (SELECT 1 FROM sessions s "
    "WHERE s.resource_group_id = g.id AND s.status = 'PENDING') ORDER BY g.name COLLATE \"C\"";

int manager_groups_waiting(struct pg *c, struct arena *a, const char ***ret, uint32_t *ret_n,
                           struct err *e)
{
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (txn_begin(c, TXN_READ_SNAPSHOT, &t, e) < 0 ||
        pg_query(t, sql_waiting, "t", NULL, 0, &r, e) < 0)
        return -1;
    const uint32_t n = rows_count(r);
    const char **names = arena_new(a, const char *, (size_t)n + 1);
    for (uint32_t i = 0; i < n; i++)
        names[i] = arena_strdup(a, rows_text(r, i, 0));
    *ret = names;
    *ret_n = n;
    return txn_commit(&t, e);
}
