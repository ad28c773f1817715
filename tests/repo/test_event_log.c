/* test_event_log.c - the log as it is read back: in order whatever way the server goes, each
 * group's alone, and what a newer release or a gap has left in it. */
#include <stdio.h>
#include <string.h>

#include "repo/event_append.h"
#include "repo/pg_query.h"
#include "tests/repo/world.h"

/* Events of g1 with the numbers `first`, ...; bare ones. */
static void append_at(struct world *w, const char *group, int64_t first, uint32_t n)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    struct uuid id = world_id(&w->d, group);
    struct event *events = arena_new(w->a, struct event, n);
    for (uint32_t i = 0; i < n; i++)
        events[i] = (struct event){.type = EVENT_ROUND_FINISHED, .time = w->s->observed_at};
    assert_done(txn_begin(w->c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(event_append(t, &id, first, events, n, w->a, &e), &e, "append");
    assert_done(txn_commit(&t, &e), &e, "commit");
}

/* Of g1, as a fresh connection reads it. */
static struct event *list(struct world *w, uint32_t wanted)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(pg_closep) struct pg *c = db_open(&w->d);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    struct event *out = NULL;
    uint32_t n = 0;
    assert_done(txn_begin(c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_done(event_list(t, "g1", 0, 10, w->a, &out, &n, &e), &e, "list");
    ck_assert_msg(n == wanted, "%u events, not %u", n, wanted);
    return out;
}

START_TEST(events_come_in_order_however_they_lie)
{
    CLEANUP(world_close) struct world w = world_open("");
    append_at(&w, "g1", 3, 2);
    append_at(&w, "g1", 1, 2);
    world_do(&w.d, "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET enable_indexscan = off', "
                   "current_database()); EXECUTE format('ALTER DATABASE %I SET enable_bitmapscan "
                   "= off', current_database()); END$$");
    const struct event *out = list(&w, 4);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_msg(out[i].sequence == i + 1, "event %u is number %lld", i + 1,
                      (long long)out[i].sequence);
}
END_TEST

START_TEST(events_without_causes_store_none)
{
    CLEANUP(world_close) struct world w = world_open("");
    append_at(&w, "g1", 1, 1);
    ck_assert_msg(db_int(&w.d, "SELECT count(*) FROM berth.events WHERE causes IS NULL AND "
                               "allocations IS NULL") == 1,
                  "lists of nothing are stored");
}
END_TEST

/* Types as they are stored; a newer release knows more. */
static const struct {
    int stored;
    enum event_type read;
} types[] = {
    {-1, EVENT_NONE},
    {0, EVENT_NONE},
    {N_EVENT_TYPES, EVENT_NONE},
    {1000, EVENT_NONE},
    {EVENT_SESSION_SCHEDULED, EVENT_SESSION_SCHEDULED},
    {N_EVENT_TYPES - 1, EVENT_GROUP_HEALTH_CHANGED},
};

START_TEST(event_of_a_type_nobody_knows_is_read_as_none)
{
    CLEANUP(world_close) struct world w = world_open("SELECT t.hostile()");
    append_at(&w, "g1", 1, 1);
    char sql[80];
    (void)snprintf(sql, sizeof(sql), "UPDATE berth.events SET type = %d", types[_i].stored);
    world_do(&w.d, sql);
    const struct event *out = list(&w, 1);
    ck_assert_msg(out->type == types[_i].read, "type %d is read as %d", types[_i].stored,
                  (int)out->type);
}
END_TEST

START_TEST(bounds_are_each_groups_own)
{
    CLEANUP(world_close)
    struct world w = world_open(
        "INSERT INTO scaling_groups (name, id, driver, driver_opts, scheduler, use_host_network, "
        "scheduler_opts, default_session_options, default_deployment_options) "
        "VALUES ('Z', t.id('Z'), 'x', '{}', 'fifo', false, '{}', '{}', '{}'); INSERT INTO "
        "berth.group_state (scaling_group_id, last_sequence) SELECT t.id(n), 9 FROM unnest("
        "'{g2,g1,Z}'::text[]) n");
    static const char *const names[] = {"Z", "g1", "g2"};
    static const int64_t oldest[] = {10, 8, 2};
    struct err e = {.code = ERR_NONE};
    append_at(&w, "g2", 2, 8);
    append_at(&w, "g1", 8, 2);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    struct event_bounds *b = NULL;
    uint32_t n = 0;
    assert_done(txn_begin(w.c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_done(event_bounds_list(t, NULL, 0, w.a, &b, &n, &e), &e, "all");
    ck_assert_msg(n == ARRAY_SIZE(names), "%u groups have a log", n);
    for (uint32_t i = 0; i < n; i++)
        ck_assert_msg(strcmp(b[i].scaling_group, names[i]) == 0 && b[i].oldest == oldest[i] &&
                          b[i].last == 9,
                      "log %u is that of %s, from %lld to %lld", i, b[i].scaling_group,
                      (long long)b[i].oldest, (long long)b[i].last);
}
END_TEST

START_TEST(the_clock_of_events_is_the_databases)
{
    CLEANUP(world_close) struct world w = world_open("");
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    int64_t first = 0, second = 0;
    assert_done(txn_begin(w.c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_done(event_clock(t, &first, &e), &e, "now");
    assert_done(event_clock(t, &second, &e), &e, "a moment later");
    ck_assert_msg(first > w.s->observed_at && first - w.s->observed_at < 60000000,
                  "the clock is %lld us ahead of the snapshot",
                  (long long)(first - w.s->observed_at));
    ck_assert_msg(second > first, "it stands still within a transaction");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("event_log");
    TCase *tc = tcase_create("event_log");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, events_come_in_order_however_they_lie);
    tcase_add_test(tc, events_without_causes_store_none);
    tcase_add_loop_test(tc, event_of_a_type_nobody_knows_is_read_as_none, 0, ARRAY_SIZE(types));
    tcase_add_test(tc, bounds_are_each_groups_own);
    tcase_add_test(tc, the_clock_of_events_is_the_databases);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
