/* hub_world.c - a hub, a log and streams whose client is the test; see hub_world.h. */
#include "tests/rpc/hub_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arena *arena;
struct db db;
struct hub *hub;
struct uuid sessions[SESSIONS];

void hub_open(struct hub_options o)
{
    struct err e = {.code = ERR_NONE};
    o.database = db.conninfo;
    assert_done(hub_create(&o, &hub, &e), &e, "make the hub");
}

void hub_setup(void)
{
    arena = arena_create();
    db = world_create();
    for (int i = 0; i < SESSIONS; i++)
        sessions[i] = world_id(&db, (const char *[]){"s0", "s1", "s2"}[i]);
}

void hub_teardown(void)
{
    hub_destroy(hub);
    hub = NULL;
    arena_destroy(arena);
}

/* --- the log -----------------------------------------------------------------------------------
 */

int64_t log_append(const char *group, int n)
{
    char sql[1500];
    (void)snprintf(
        sql, sizeof(sql),
        "INSERT INTO berth.group_state (scaling_group_id) VALUES (t.id('%s')) ON CONFLICT DO "
        "NOTHING; UPDATE berth.group_state SET last_sequence = last_sequence + %d WHERE "
        "scaling_group_id = t.id('%s'); INSERT INTO berth.events (scaling_group_id, sequence, "
        "type, epoch, session_id, created_at, reason) SELECT t.id('%s'), i, 1 + i %% 4, 1, "
        "t.id('s' || i %% 3), now(), 'r' || i FROM (SELECT last_sequence AS last FROM "
        "berth.group_state WHERE scaling_group_id = t.id('%s')) s, generate_series(s.last - %d, "
        "s.last) i",
        group, n, group, group, group, n - 1);
    db_sql(&db, sql);
    (void)snprintf(
        sql, sizeof(sql),
        "SELECT last_sequence FROM berth.group_state WHERE scaling_group_id = t.id('%s')", group);
    return db_int(&db, sql) - n + 1;
}

struct uuid session_of(int64_t sequence)
{
    return sessions[sequence % SESSIONS];
}

void publish(const char *group, int64_t sequence)
{
    char reason[32];
    (void)snprintf(reason, sizeof(reason), "r%lld", (long long)sequence);
    const struct event ev = {
        .scaling_group = group,
        .sequence = sequence,
        .type = (enum event_type)(1 + sequence % 4),
        .has_session = true,
        .session_id = session_of(sequence),
        .creation_id = "",
        .from_status = "",
        .to_status = "",
        .reason = reason,
    };
    hub_publish(hub, &ev, 1);
}

void commit(const char *group, int n)
{
    int64_t first = log_append(group, n);
    for (int i = 0; i < n; i++)
        publish(group, first + i);
}

/* --- subscribers -------------------------------------------------------------------------------
 */

static void read_bounds(const struct hub_subscription *q, struct event_bounds **ret,
                        uint32_t *ret_n)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(pg_closep) struct pg *c = db_open(&db);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_done(event_bounds_list(t, q->n_groups > 0 ? q->groups : NULL, q->n_groups, arena, ret,
                                  ret_n, &e),
                &e, "read the bounds");
    assert_done(txn_commit(&t, &e), &e, "commit");
}

struct stream *watch(struct hub_subscription q, const char *cursor, unsigned capacity)
{
    struct err e = {.code = ERR_NONE};
    struct stream *s = fake_stream_create(capacity);
    struct cursor_entry *start = NULL;
    struct event_bounds *bounds;
    read_bounds(&q, &bounds, &q.n_bounds);
    q.bounds = bounds;
    if (cursor != NULL && strcmp(cursor, "now") == 0) {
        start = arena_new(arena, struct cursor_entry, q.n_bounds + 1);
        for (uint32_t i = 0; i < q.n_bounds; i++)
            start[i] = (struct cursor_entry){bounds[i].scaling_group, bounds[i].last};
        q.n_start = q.n_bounds;
    } else if (cursor != NULL) {
        assert_done(cursor_decode("cursor", cursor, arena, &start, &q.n_start, &e), &e,
                    "read the cursor");
    }
    q.start = start;
    if (q.heartbeat_ns == 0)
        q.heartbeat_ns = 3600 * NS_PER_S;
    hub_subscribe(hub, &q, s);
    Berth__V1__WatchEventsResponse *m = fake_stream_take(s, SOON_MS);
    ck_assert_msg(m != NULL && m->heartbeat && m->n_events == 0, "no heartbeat comes first");
    ck_assert_msg(m->cursor[0] != '\0', "the first heartbeat has no cursor");
    berth__v1__watch_events_response__free_unpacked(m, NULL);
    return s;
}

char *expect(struct stream *s, unsigned n, int64_t at[GROUPS], const char *what)
{
    char *cursor = NULL;
    for (unsigned got = 0; got < n;) {
        Berth__V1__WatchEventsResponse *m = fake_stream_take(s, SOON_MS);
        ck_assert_msg(m != NULL, "%s: only %u of %u events came", what, got, n);
        ck_assert_msg(!m->gap, "%s: a gap was announced", what);
        for (size_t i = 0; i < m->n_events; i++, got++) {
            const Berth__V1__Event *ev = m->events[i];
            int64_t *last = &at[strcmp(ev->scaling_group, "g2") == 0];
            char reason[32];
            ck_assert_msg(ev->sequence == *last + 1, "%s: %s %lld came after %lld", what,
                          ev->scaling_group, (long long)ev->sequence, (long long)*last);
            (void)snprintf(reason, sizeof(reason), "r%lld", (long long)ev->sequence);
            ck_assert_msg(strcmp(ev->reason, reason) == 0, "%s: %lld says %s", what,
                          (long long)ev->sequence, ev->reason);
            *last = ev->sequence;
        }
        cursor = arena_strdup(arena, m->cursor);
        berth__v1__watch_events_response__free_unpacked(m, NULL);
        ck_assert_msg(got <= n, "%s: %u events came, %u were expected", what, got, n);
    }
    return cursor;
}

void expect_nothing(struct stream *s, const char *what)
{
    Berth__V1__WatchEventsResponse *m = fake_stream_take(s, NOTHING_MS);
    if (m != NULL)
        ck_abort_msg("%s: a message came, %s %lld first", what,
                     m->n_events > 0 ? m->events[0]->scaling_group : "no event,",
                     m->n_events > 0 ? (long long)m->events[0]->sequence : 0);
}

void expect_end(struct stream *s, enum err_code code, const char *reason, const char **ret_cursor)
{
    struct err e;
    ck_assert_msg(fake_stream_ended(s, SOON_MS, &e, ret_cursor), "the stream was not ended with %s",
                  reason);
    ck_assert_msg(e.code == code && strcmp(e.reason, reason) == 0, "ended with %s %s: %s",
                  err_code_name(e.code), e.reason, e.message);
}
