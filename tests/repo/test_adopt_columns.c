/* test_adopt_columns.c - adopt.def names every column of the shared tables that statements use:
 * without the others everything still works. */
#include <stdio.h>
#include <string.h>

#include "repo/scaling_group.h"
#include "repo/session.h"
#include "tests/repo/world.h"

static struct err e;

static const struct {
    const char *table, *column;
} used[] = {
#define COLUMN(table, column, family, null) {#table, #column},
#include "repo/adopt.def"
#undef COLUMN
};

/* Takes away every column of the tables in adopt.def that is not listed there. */
static void drop_unused(const struct db *d)
{
    static char sql[16384];
    size_t at = (size_t)snprintf(
        sql, sizeof(sql),
        "CREATE TABLE t.used (tab text, col text); INSERT INTO t.used VALUES ('', '')");
    for (unsigned i = 0; i < ARRAY_SIZE(used); i++)
        at += (size_t)snprintf(sql + at, sizeof(sql) - at, ", ('%s', '%s')", used[i].table,
                               used[i].column);
    ck_assert_uint_lt(at, sizeof(sql));
    db_sql(d, sql);
    db_sql(d, "DO $$ DECLARE r record; BEGIN FOR r IN SELECT table_name, column_name"
              " FROM information_schema.columns WHERE table_schema = 'public'"
              " AND table_name IN (SELECT tab FROM t.used)"
              " AND (table_name, column_name) NOT IN (SELECT tab, col FROM t.used) LOOP"
              " EXECUTE format('ALTER TABLE %I DROP COLUMN %I CASCADE', r.table_name,"
              " r.column_name); END LOOP; END $$");
}

static struct world lean_world(void)
{
    struct world w = world_open("SELECT t.session('fits', 1, 1024, 2, key => 'AK1'),"
                                " t.session('waits', 1, 1024, 1), t.session('runs', 1, 1024, 1),"
                                " t.session('gone', 1, 1024, 1);"
                                "SELECT t.place('runs', 'a1', 'RUNNING');"
                                "INSERT INTO session_groups (id, domain_id, project_id,"
                                " owner_user_id, placement_direction, placement_enforcement)"
                                " SELECT t.id('team'), d.id, g.id, u.uuid, 'spread', 'strict'"
                                " FROM domains d, groups g, users u LIMIT 1;"
                                "UPDATE sessions SET session_group_id = t.id('team')");
    drop_unused(&w.d);
    w.s = world_load(w.c, "g1", w.a);
    return w;
}

START_TEST(adopt_lists_what_a_round_uses)
{
    CLEANUP(world_close) struct world w = lean_world();
    struct plan *p = world_plan(w.s, w.a);
    struct commit_result r;
    plan_place(p, w.s, "fits", "a1,a2");
    plan_say(p, w.s, w.a, "waits", OUTCOME_WAITING, CAUSE_CAPACITY, "No room.");
    plan_say(p, w.s, w.a, "gone", OUTCOME_EXPIRED, CAUSE_PENDING_TIMEOUT, "Too late.");
    struct commit_input in = world_commit(w.c, w.s, p);
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, "commit");
    ck_assert_uint_eq(p->counts[OUTCOME_CONFLICT], 0);
    world_expect(&w.d, "SELECT string_agg(status, ' ' ORDER BY status) FROM sessions",
                 "CANCELLED PENDING RUNNING SCHEDULED", "sessions");
    w.s = world_load(w.c, "g1", w.a);
    p = world_plan(w.s, w.a);
    plan_say(p, w.s, w.a, "waits", OUTCOME_BLOCKED, CAUSE_KEYPAIR_QUOTA, "Quota.");
    in = world_commit(w.c, w.s, p);
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, "commit another cause");
}
END_TEST

START_TEST(adopt_lists_what_a_preview_uses)
{
    CLEANUP(world_close) struct world w = lean_world();
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    const struct uuid project = world_id(&w.d, "p1"), team = world_id(&w.d, "team");
    char project_text[UUID_TEXT];
    struct snapshot_spec_owners owners;
    const struct snapshot_spec spec = {.access_key = "AK2",
                                       .project = uuid_format(&project, project_text),
                                       .session_group = &team};
    const struct snapshot_query q = {.scaling_group = "g1", .specs = &spec, .n_specs = 1};
    struct snapshot_builder *b = builder_create(w.a);
    assert_done(txn_begin(w.c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_done(snapshot_load(t, &q, b, &owners, &e), &e, "load for a spec");
    ck_assert_uint_ne(owners.session_group, NONE);
    for (int kind = 0; kind < N_OWNER_KINDS; kind++)
        ck_assert_msg(builder_owner_at(b, owners.owner[kind])->missing == NULL, "owner %d: %s",
                      kind, builder_owner_at(b, owners.owner[kind])->missing);
}
END_TEST

START_TEST(adopt_lists_what_cancels_use)
{
    CLEANUP(world_close) struct world w = lean_world();
    static const char *const names[] = {"fits", "runs"};
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        const struct cancel_input in = {.session_id = world_id(&w.d, names[i]), .reason = "asked"};
        struct cancel_result r;
        assert_done(session_cancel(w.c, &in, w.a, &r, &e), &e, names[i]);
    }
    world_expect(&w.d, "SELECT string_agg(status, ' ' ORDER BY status) FROM sessions",
                 "CANCELLED PENDING PENDING TERMINATING", "sessions");
}
END_TEST

START_TEST(adopt_lists_what_lists_use)
{
    CLEANUP(world_close) struct world w = lean_world();
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    const struct uuid id = world_id(&w.d, "waits");
    struct scaling_group_info *groups;
    struct session_place place;
    struct event_cause *causes;
    uint32_t n;
    assert_done(txn_begin(w.c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_done(scaling_group_list(t, NULL, 0, NULL, 10, w.a, &groups, &n, &e), &e, "groups");
    ck_assert_uint_eq(n, 2);
    assert_done(session_find(t, &id, w.a, &place, &e), &e, "find a session");
    assert_done(session_last_causes(t, &id, 1, w.a, &causes, &n, &e), &e, "causes");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("adopt_columns");
    TCase *tc = tcase_create("columns");
    tcase_add_test(tc, adopt_lists_what_a_round_uses);
    tcase_add_test(tc, adopt_lists_what_a_preview_uses);
    tcase_add_test(tc, adopt_lists_what_cancels_use);
    tcase_add_test(tc, adopt_lists_what_lists_use);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
