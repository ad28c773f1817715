/* test_warm_kept.c - how long what is kept of a group holds: the group's own row, the share of rows
 * that changed, the time since the last check, the ids since the last load. */
#include <stdio.h>
#include <string.h>

#include "repo/db_moment.h"
#include "repo/scaling_group.h"
#include "tests/repo/warm_world.h"

static struct warm_report load(struct pg *c, struct warm **w, int64_t check_us, struct arena *a,
                               const char *what)
{
    const struct warm_report report = warm_world_load(c, w, check_us, a, what);
    ck_assert_msg(report.difference == NULL, "%s: kept and read: %s", what, report.difference);
    return report;
}

static struct warm *load_beside(struct pg *c, struct warm *base, const char *group,
                                int64_t check_us, struct arena *a, struct warm_report *ret)
{
    const struct snapshot_query q = {.scaling_group = group};
    return warm_world_load_beside(c, base, &q, check_us, a, ret, group);
}

/* --- the group's row, and nobody wrote that is known --- */

static const struct {
    const char *what, *sql, *group;
    enum load_kind kind;
} heads[] = {
    {"another scheduler", "UPDATE scaling_groups SET scheduler = 'lifo'", "g1", LOAD_FULL},
    {"another strategy",
     "UPDATE scaling_groups SET scheduler_opts = scheduler_opts || "
     "'{\"agent_selection_strategy\": \"concentrated\"}'",
     "g1", LOAD_FULL},
    {"another timeout",
     "UPDATE scaling_groups SET scheduler_opts = scheduler_opts || '{\"pending_timeout\": 7}'",
     "g1", LOAD_FULL},
    {"options that cannot be read",
     "UPDATE scaling_groups SET scheduler_opts = scheduler_opts || '{\"pending_timeout\": []}'",
     "g1", LOAD_FULL},
    {"an option more",
     "UPDATE scaling_groups SET scheduler_opts = jsonb_set(scheduler_opts, '{config,z}', '1')",
     "g1", LOAD_FULL},
    {"another option",
     "UPDATE scaling_groups SET scheduler_opts = jsonb_set(scheduler_opts, '{config}', '{\"k\": 1, "
     "\"m\": 2}')",
     "g1", LOAD_FULL},
    {"another value of the first option",
     "UPDATE scaling_groups SET scheduler_opts = jsonb_set(scheduler_opts, '{config,k}', '5')",
     "g1", LOAD_FULL},
    {"another value of the last option",
     "UPDATE scaling_groups SET scheduler_opts = jsonb_set(scheduler_opts, '{config,l}', '5')",
     "g1", LOAD_FULL},
    {"a cursor more", "UPDATE berth.group_state SET rr_cursors = rr_cursors || '{\"arm\": \"a1\"}'",
     "g1", LOAD_FULL},
    {"a cursor at another agent",
     "UPDATE berth.group_state SET rr_cursors = rr_cursors || '{\"x86_64\": \"a2\"}'", "g1",
     LOAD_FULL},
    {"the first cursor at another agent",
     "UPDATE berth.group_state SET rr_cursors = rr_cursors || '{\"aarch64\": \"a2\"}'", "g1",
     LOAD_FULL},
    {"a cursor of another architecture",
     "UPDATE berth.group_state SET rr_cursors = '{\"aarch64\": \"a1\", \"ppc\": \"a1\"}'", "g1",
     LOAD_FULL},
    {"the group has another name", "UPDATE scaling_groups SET name = 'g9' WHERE name = 'g1'", "g9",
     LOAD_FULL},
    {"the name is another group's", "SELECT 1", "g2", LOAD_FULL},
    {"nothing of it", "SELECT 1", "g1", LOAD_UNCHANGED},
    {"the same, written again", "UPDATE scaling_groups SET scheduler = scheduler", "g1",
     LOAD_UNCHANGED},
};

START_TEST(kept_snapshot_goes_when_the_groups_row_is_another)
{
    struct db d = world_create();
    world_do(&d, "SELECT t.hostile(); SELECT t.session('s1', 1, 1024); UPDATE scaling_groups SET "
                 "scheduler_opts = '{\"config\": {\"k\": 1, \"l\": 2}}'; INSERT INTO "
                 "berth.group_state (scaling_group_id, rr_cursors) SELECT t.id(n), "
                 "'{\"aarch64\": \"a1\", \"x86_64\": \"a1\"}' FROM unnest('{g1,g2}'::text[]) n");
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct warm_report report;
    CLEANUP(warm_destroyp) struct warm *base = load_beside(c, NULL, "g1", INT64_MAX, a, &report);
    world_write_quietly(c, heads[_i].sql);
    CLEANUP(warm_destroyp) struct warm *w = load_beside(c, base, heads[_i].group, 0, a, &report);
    ck_assert_msg(report.kind == heads[_i].kind && report.difference == NULL,
                  "%s: the load was of kind %d; kept and read: %s", heads[_i].what,
                  (int)report.kind, report.difference);
    ck_assert_str_eq(warm_snapshot(w)->group_name, heads[_i].group);
}
END_TEST

/* A failure whose count is above the group's: from some count on it counts. */
/* Failures that the group's row counts, and a record that cannot take one more. */
static const struct {
    const char *what, *retries, *counted; /* stored, and the count then; 5 are counted now */
} odd_failures[] = {
    {"more had been counted than is said", "3", "6"},
    {"as many as there can be", "2147483646", "5"},
};

START_TEST(failures_that_are_counted_oddly_are_read_anew)
{
    const char *what = odd_failures[_i].what;
    char sql[600];
    struct db d = world_create();
    (void)snprintf(sql, sizeof(sql),
                   "SELECT t.session('s1', 1, 1024); UPDATE sessions SET status_data = "
                   "jsonb_build_object('scheduler', jsonb_build_object('retries', %s, 'digest', "
                   "'00000000000000ab', 'counted', left(resource_group_id::text, 8) || "
                   "':%s:00000000000000cd')); INSERT INTO berth.group_state (scaling_group_id, "
                   "failure_rounds) VALUES (t.id('g1'), 5)",
                   odd_failures[_i].retries, odd_failures[_i].counted);
    world_do(&d, sql);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct warm_report report;
    CLEANUP(warm_destroyp) struct warm *w = NULL;
    CLEANUP(warm_destroyp) struct warm *base = load_beside(c, NULL, "g1", INT64_MAX, a, &report);
    load(c, &w, 0, a, "the first load");
    ck_assert_msg(load(c, &w, 0, a, "the same count").kind == LOAD_UNCHANGED, "%s: the same count",
                  what);
    world_write_quietly(c, "UPDATE berth.group_state SET failure_rounds = failure_rounds + 1");
    ck_assert_msg(load(c, &w, 0, a, what).kind != LOAD_UNCHANGED, "%s: a round more", what);
    CLEANUP(warm_destroyp) struct warm *next = load_beside(c, base, "g1", 0, a, &report);
    ck_assert_msg(report.kind != LOAD_UNCHANGED && report.difference == NULL,
                  "%s: shared, a round more: kept and read: %s", what, report.difference);
    ck_assert_int_eq(warm_snapshot(next)->failure_rounds, 6);
}
END_TEST

/* --- how much changed --- */

static const struct {
    uint32_t sessions, changed;
    enum load_kind kind;
} shares[] = {
    {100, 65, LOAD_FULL},   {200, 101, LOAD_FULL}, {100, 64, LOAD_DELTA},
    {200, 100, LOAD_DELTA}, {300, 65, LOAD_DELTA},
};

START_TEST(what_changed_is_read_while_it_is_less_than_half)
{
    struct db d = world_create();
    char sql[200];
    (void)snprintf(sql, sizeof(sql),
                   "SELECT t.session('s' || i, 1, 0) FROM generate_series(1, %u) i",
                   shares[_i].sessions);
    world_do(&d, sql);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(warm_destroyp) struct warm *w = NULL;
    load(c, &w, 0, a, "the first load");
    (void)snprintf(sql, sizeof(sql),
                   "UPDATE sessions SET priority = 5 WHERE id IN (SELECT id FROM sessions LIMIT "
                   "%u)",
                   shares[_i].changed);
    world_do(&d, sql);
    const enum load_kind kind = load(c, &w, 0, a, "what changed").kind;
    ck_assert_msg(kind == shares[_i].kind, "%u of %u: the load was of kind %d", shares[_i].changed,
                  shares[_i].sessions, (int)kind);
}
END_TEST

/* In s1, before anything is kept; then s2 changes. */
static const struct {
    const char *what, *sql;
} odd_rows[] = {
    {"a kernel of another group",
     "UPDATE kernels SET resource_group_id = t.id('g2') WHERE id = t.id('s1/1')"},
    {"a kernel that runs already", "UPDATE kernels SET status = 'RUNNING' WHERE id = t.id('s1/1')"},
    {"a ledger row that is free",
     "UPDATE resource_allocations SET free_at = now() WHERE kernel_id = t.id('s1/1') AND slot_name "
     "= 'mem'"},
    {"a ledger row of a slot nobody has",
     "INSERT INTO resource_allocations (kernel_id, slot_name, requested) VALUES (t.id('s1/1'), "
     "'magic', 1)"},
    {"a capacity of a slot nobody has",
     "INSERT INTO agent_resources (agent_id, slot_name, capacity) VALUES ('a1', 'magic', 1)"},
    {"a capacity that is no amount",
     "UPDATE agent_resources SET capacity = 'NaN' WHERE agent_id = 'a1' AND slot_name = 'cpu'"},
};

START_TEST(odd_rows_do_not_make_loads_full)
{
    struct db d = world_create();
    world_do(&d, "SELECT t.hostile(); SELECT t.session('s1', 1, 1024), t.session('s2', 1, 1024)");
    world_do(&d, odd_rows[_i].sql);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(warm_destroyp) struct warm *w = NULL;
    load(c, &w, 0, a, "the first load");
    for (int i = 0; i < 2; i++) {
        world_do(&d, "UPDATE sessions SET priority = priority + 1 WHERE name = 's2'");
        const enum load_kind kind = load(c, &w, 0, a, odd_rows[_i].what).kind;
        ck_assert_msg(kind == LOAD_DELTA, "%s: load %d was of kind %d", odd_rows[_i].what, i,
                      (int)kind);
    }
}
END_TEST

START_TEST(a_session_can_be_read_again_when_its_group_can)
{
    struct db d = world_create();
    world_do(&d, "SELECT t.hostile(); SELECT t.session('s1', 1, 1024), t.session('s2', 1, 1024); "
                 "INSERT INTO session_groups (id, placement_direction, placement_enforcement, "
                 "domain_id, project_id, owner_user_id) SELECT t.id('odd'), 'odd', 'strict', "
                 "t.id('default'), t.id('p1'), t.id('u1'); UPDATE sessions SET session_group_id = "
                 "t.id('odd')");
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(warm_destroyp) struct warm *w = NULL;
    load(c, &w, 0, a, "the first load");
    for (uint32_t i = 0; i < 2; i++)
        ck_assert_msg(warm_snapshot(w)->sessions[i].bad_data != NULL, "s%u can be read", i + 1);
    world_do(&d, "UPDATE session_groups SET placement_direction = 'spread'");
    ck_assert_msg(load(c, &w, 0, a, "a group that was mended").kind == LOAD_DELTA, "it was read "
                                                                                   "whole");
    for (uint32_t i = 0; i < 2; i++)
        ck_assert_msg(warm_snapshot(w)->sessions[i].bad_data == NULL, "s%u cannot be read: %s",
                      i + 1, warm_snapshot(w)->sessions[i].bad_data);
}
END_TEST

START_TEST(kept_sessions_keep_their_groups)
{
    struct db d = world_create();
    world_do(&d, "SELECT t.hostile(); SELECT t.session('s' || i, 1, 1024) FROM generate_series(1, "
                 "4) i; INSERT INTO session_groups (id, placement_direction, "
                 "placement_enforcement, domain_id, project_id, owner_user_id) SELECT t.id(n), n, "
                 "'strict', t.id('default'), t.id('p1'), t.id('u1') FROM unnest("
                 "'{spread,pack}'::text[]) n; UPDATE sessions SET session_group_id = t.id(CASE "
                 "name WHEN 's2' THEN 'spread' ELSE 'pack' END) WHERE name IN ('s2', 's3')");
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(warm_destroyp) struct warm *w = NULL;
    load(c, &w, 0, a, "the first load");
    for (int i = 0; i < 2; i++) {
        world_do(&d, "UPDATE sessions SET priority = priority + 1 WHERE name = 's4'");
        ck_assert_msg(load(c, &w, 0, a, "a change of another").kind == LOAD_DELTA, "load %d", i);
        const struct snapshot *s = warm_snapshot(w);
        ck_assert_msg(s->sessions[world_session(s, "s1")].group == NONE &&
                          s->sessions[world_session(s, "s2")].group != NONE &&
                          s->sessions[world_session(s, "s3")].group != NONE,
                      "load %d: a group of sessions is lost", i);
    }
    world_do(&d, "DELETE FROM session_groups WHERE id = t.id('spread'); "
                 "UPDATE sessions SET priority = priority + 1 WHERE name = 's4'");
    ck_assert_msg(load(c, &w, 0, a, "a group that is there no more").kind == LOAD_DELTA, "gone");
}
END_TEST

/* --- how long --- */

enum { CHECK_US = 100000 };

/* Whether it is time for a check, by the clock of the snapshots. */
static void expect_check(const struct warm *w, const struct warm_report *r, int64_t *checked_at,
                         enum load_kind kind, const char *what)
{
    const int64_t now = warm_snapshot(w)->observed_at;
    const bool due = now - *checked_at >= CHECK_US;
    ck_assert_msg(r->kind == kind, "%s: the load was of kind %d", what, (int)r->kind);
    ck_assert_msg(r->checked == due, "%s, %lld us after the last check: it was%s checked", what,
                  (long long)(now - *checked_at), r->checked ? "" : " not");
    if (due)
        *checked_at = now;
}

START_TEST(kept_snapshot_is_checked_when_the_last_time_is_long_ago)
{
    static const char wait[] = "SELECT pg_sleep(0.12) IS NOT NULL";
    struct db d = world_create();
    world_do(&d, "SELECT t.session('s1', 1, 1024)");
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(warm_destroyp) struct warm *w = NULL;
    struct warm_report r = load(c, &w, CHECK_US, a, "the first load");
    int64_t at = warm_snapshot(w)->observed_at;
    ck_assert_msg(!r.checked, "what was read whole was checked");
    for (int i = 0; i < 3; i++) {
        r = load(c, &w, CHECK_US, a, "at once");
        expect_check(w, &r, &at, LOAD_UNCHANGED, "at once");
        world_do(&d, "UPDATE sessions SET priority = priority + 1");
        r = load(c, &w, CHECK_US, a, "after a change");
        expect_check(w, &r, &at, LOAD_DELTA, "after a change");
        db_await(&d, wait, "a moment");
        if (i == 1)
            world_do(&d, "UPDATE sessions SET priority = priority + 1");
        r = load(c, &w, CHECK_US, a, "later");
        expect_check(w, &r, &at, i == 1 ? LOAD_DELTA : LOAD_UNCHANGED, "later");
    }
}
END_TEST

START_TEST(shared_snapshot_is_checked_when_the_last_time_is_long_ago)
{
    struct db d = world_create();
    world_do(&d, "SELECT t.session('s1', 1, 1024)");
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct warm_report r;
    CLEANUP(warm_destroyp) struct warm *first = load_beside(c, NULL, "g1", CHECK_US, a, &r);
    int64_t at = warm_snapshot(first)->observed_at;
    CLEANUP(warm_destroyp) struct warm *soon = load_beside(c, first, "g1", CHECK_US, a, &r);
    expect_check(soon, &r, &at, LOAD_UNCHANGED, "at once");
    db_await(&d, "SELECT pg_sleep(0.12) IS NOT NULL", "a moment");
    CLEANUP(warm_destroyp) struct warm *late = load_beside(c, soon, "g1", CHECK_US, a, &r);
    expect_check(late, &r, &at, LOAD_UNCHANGED, "later");
}
END_TEST

/* Each load goes on from the one before it: the ids that are remembered need not reach further. */
START_TEST(kept_snapshot_lasts_over_any_number_of_quiet_rounds)
{
    enum { ROUNDS = QUIET_KEPT * 3 / 4 };
    struct db d = world_create();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct warm_report r;
    struct err e = {.code = ERR_NONE};
    const struct uuid round = {{1}};
    int64_t epoch = 0;
    CLEANUP(warm_destroyp) struct warm *w = NULL;
    CLEANUP(warm_destroyp) struct warm *shared = load_beside(c, NULL, "g1", INT64_MAX, a, &r);
    load(c, &w, INT64_MAX, a, "the first load");
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < ROUNDS; k++)
            assert_done(scaling_group_take_epoch(c, "g1", &round, &epoch, &e), &e, "an epoch");
        ck_assert_msg(load(c, &w, INT64_MAX, a, "later").kind == LOAD_UNCHANGED,
                      "after %d rounds it was read anew", (i + 1) * ROUNDS);
        struct warm *next = load_beside(c, shared, "g1", INT64_MAX, a, &r);
        warm_destroy(shared);
        shared = next;
        ck_assert_msg(r.kind == LOAD_UNCHANGED, "after %d rounds what is shared was read anew",
                      (i + 1) * ROUNDS);
    }
}
END_TEST

/* --- loads that fail --- */

static int try_load(struct pg *c, struct warm **w, struct arena *a, struct err *e)
{
    const struct warm_options o = {.check_us = 0};
    struct warm_report report;
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_READ_SNAPSHOT, &t, e), e, "begin");
    return warm_load(t, "g1", &o, a, w, &report, e);
}

START_TEST(a_load_that_fails_keeps_nothing)
{
    struct db d = world_create();
    world_do(&d, "SELECT t.hostile(); SELECT t.session('s1', 1, 1024)");
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(warm_destroyp) struct warm *w = NULL;
    struct err e = {.code = ERR_NONE};
    assert_done(try_load(c, &w, a, &e), &e, "the first load");
    world_do(&d, "UPDATE scaling_groups SET name = 'away' WHERE name = 'g1'");
    assert_failed(try_load(c, &w, a, &e), &e, ERR_NOT_FOUND, "UNKNOWN_SCALING_GROUP", "no group");
    ck_assert_msg(w == NULL, "something is kept of a group that has gone");
    world_do(&d, "UPDATE scaling_groups SET name = 'g1' WHERE name = 'away'");
    assert_done(try_load(c, &w, a, &e), &e, "it is back");
    /* what is kept is as it was, and the check reads more */
    world_write_quietly(c, "ALTER TABLE sessions RENAME priority TO importance");
    assert_failed(try_load(c, &w, a, &e), &e, ERR_PRECONDITION, "SCHEMA_MISMATCH",
                  "no such column");
    ck_assert_msg(w == NULL, "something is kept that could not be checked");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("warm_kept");
    TCase *tc = tcase_create("kept");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, kept_snapshot_goes_when_the_groups_row_is_another, 0,
                        ARRAY_SIZE(heads));
    tcase_add_loop_test(tc, failures_that_are_counted_oddly_are_read_anew, 0,
                        ARRAY_SIZE(odd_failures));
    tcase_add_loop_test(tc, what_changed_is_read_while_it_is_less_than_half, 0, ARRAY_SIZE(shares));
    tcase_add_loop_test(tc, odd_rows_do_not_make_loads_full, 0, ARRAY_SIZE(odd_rows));
    tcase_add_test(tc, a_session_can_be_read_again_when_its_group_can);
    tcase_add_test(tc, kept_sessions_keep_their_groups);
    tcase_add_test(tc, kept_snapshot_is_checked_when_the_last_time_is_long_ago);
    tcase_add_test(tc, shared_snapshot_is_checked_when_the_last_time_is_long_ago);
    tcase_add_test(tc, kept_snapshot_lasts_over_any_number_of_quiet_rounds);
    tcase_add_test(tc, a_load_that_fails_keeps_nothing);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_ALONE);
}
