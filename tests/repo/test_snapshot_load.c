/* test_snapshot_load.c - rows become a snapshot. Bad rows have test_snapshot_bad_rows.c. */
#include <stdio.h>
#include <string.h>

#include "tests/repo/world.h"

START_TEST(snapshot_refuses_a_group_that_is_not_there)
{
    struct db d = world_create();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    struct err e = {.code = ERR_NONE};
    const struct snapshot_query q = {.scaling_group = "nowhere"};
    assert_done(txn_begin(c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_failed(snapshot_load(t, &q, builder_create(a), NULL, &e), &e, ERR_NOT_FOUND,
                  "UNKNOWN_SCALING_GROUP", "load a group that is not there");
}
END_TEST

START_TEST(snapshot_of_an_empty_group_is_empty)
{
    struct db d = world_create();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    world_do(&d, "DELETE FROM agent_resources; DELETE FROM agents");
    const struct snapshot *s = world_load(c, "g1", a);
    ck_assert_uint_eq(s->n_sessions + s->n_agents + s->n_kernels + s->n_owners, 0);
    ck_assert_uint_eq(s->n_slots, 6);
    ck_assert_str_eq(s->slots[0].name, "cpu");
}
END_TEST

START_TEST(snapshot_taste_reads_no_more_rows_than_it_says)
{
    CLEANUP(world_close)
    struct world w = world_open("SELECT t.session('s' || i, 1, 1) FROM generate_series(1, 5) i");
    static const uint32_t tastes[] = {0, 2, 9}, sessions[] = {5, 2, 5}, agents[] = {2, 2, 2};
    for (size_t i = 0; i < ARRAY_SIZE(tastes); i++) {
        CLEANUP(txn_rollbackp) struct txn *t = NULL;
        struct snapshot_builder *b = builder_create(w.a);
        struct err e = {.code = ERR_NONE};
        const struct snapshot_query q = {.scaling_group = "g1", .taste = tastes[i]};
        assert_done(txn_begin(w.c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
        assert_done(snapshot_load(t, &q, b, NULL, &e), &e, "taste a group");
        const struct snapshot *s = builder_finish(b);
        ck_assert_msg(s->n_sessions == sessions[i] && s->n_agents == agents[i],
                      "a taste of %u rows: %u sessions, %u agents", tastes[i], s->n_sessions,
                      s->n_agents);
    }
}
END_TEST

/* --- rows that can be read --- */

START_TEST(snapshot_has_sessions_kernels_and_requests)
{
    CLEANUP(world_close)
    struct world f = world_open(
        "SELECT t.session('s1', 0.5, 1024, 2, 'g1', 'AK1', 'BATCH', 'multi-node', 7); "
        "SELECT t.session('s2', 3, 0, 1, 'g1', 'AK2', 'SYSTEM'); "
        "SELECT t.session('x', 1, 0, 1, 'g2'), t.session('r', 1, 0), t.place('r', 'a1', "
        "'RUNNING'); "
        "UPDATE sessions SET requested_starts_at = '2030-01-01T00:00:00Z', "
        "status_data = '{\"scheduler\": {\"retries\": 4, \"digest\": \"00000000000000ff\"}}', "
        "designated_agent_ids = '{a2,a9}', options = '{\"agent_selection_policy\": \"strict\"}' "
        "WHERE name = 's1'; "
        "DELETE FROM resource_allocations WHERE kernel_id = t.id('s2/1'); "
        "DELETE FROM kernels WHERE id = t.id('s2/1')");
    const struct snapshot *s = f.s;
    ck_assert_uint_eq(s->n_sessions, 2);
    const struct session *s1 = &s->sessions[world_session(s, "s1")];
    const struct session *s2 = &s->sessions[world_session(s, "s2")];
    ck_assert_msg(s1->bad_data == NULL, "s1: %s", s1->bad_data);
    ck_assert_int_eq(s1->type, SESSION_BATCH);
    ck_assert_int_eq(s1->mode, CLUSTER_MULTI_NODE);
    ck_assert_int_eq(s1->priority, 7);
    ck_assert_int_eq(s1->retries, 4);
    ck_assert_uint_eq(s1->rare->cause_digest, 255);
    ck_assert_int_eq(s1->starts_at, 1893456000000000);
    ck_assert_int_eq(s1->pending_since, 1767225600000000);
    ck_assert_str_eq(s1->creation_id, "c-s1");
    ck_assert(s1->designated_strict);
    ck_assert_uint_eq(s1->rare->n_designated, 2);
    ck_assert_str_eq(s->designated[s1->rare->first_designated + 1], "a9");
    ck_assert_uint_eq(s1->n_kernels, 2);
    ck_assert(s->kernels[s1->first_kernel].is_main);
    ck_assert_int_eq(s->kernels[s1->first_kernel + 1].cluster_idx, 2);
    ck_assert_int_eq(world_amount(s, s->requests, s->kernels[s1->first_kernel + 1].request, "cpu"),
                     500000);
    ck_assert_int_eq(world_amount(s, s->requests, s->kernels[s1->first_kernel].request, "mem"),
                     1024);
    ck_assert_uint_eq(s2->n_kernels, 0);
    ck_assert_msg(s2->bad_data == NULL, "a session without kernels is no bad row: %s",
                  s2->bad_data);
    ck_assert(session_is_private(s2));
    ck_assert_int_eq(s2->starts_at, TIME_NONE);
}
END_TEST

START_TEST(snapshot_has_agents_of_any_status)
{
    CLEANUP(world_close)
    struct world f = world_open(
        "UPDATE agents SET status = 'LOST' WHERE id = 'a2'; "
        "SELECT t.agent('a3', 'g1', 4, 0); UPDATE agents SET schedulable = false WHERE id = 'a3'; "
        "SELECT t.session('r', 2, 1024, 2), t.place('r', 'a1', 'RUNNING'), "
        "t.session('w', 1, 0, 1, 'g2'), t.place('w', 'a1', 'SCHEDULED'), "
        "t.session('o', 1, 0), t.place('o', 'a1', 'TERMINATED'); "
        "UPDATE agent_resources SET prereserved = 0.25 WHERE agent_id = 'a1' AND slot_name = "
        "'cpu'");
    const struct snapshot *s = f.s;
    ck_assert_uint_eq(s->n_agents, 3);
    const struct agent *a1 = world_agent(s, "a1");
    ck_assert(agent_is_candidate(a1));
    ck_assert(!world_agent(s, "a2")->alive);
    ck_assert(!world_agent(s, "a3")->schedulable);
    ck_assert_str_eq(a1->addr, "tcp://a1:6001");
    ck_assert_str_eq(s->archs[a1->arch], "x86_64");
    ck_assert_msg(a1->containers == 3, "kernels of any group count: %d", a1->containers);
    uint32_t i = snapshot_find_agent(s, "a1");
    ck_assert_int_eq(world_amount(s, s->agent_capacity, i, "cpu"), 8000000);
    ck_assert_int_eq(world_amount(s, s->agent_held, i, "cpu"), 6250000);
    ck_assert_int_eq(world_amount(s, s->agent_held, i, "mem"), 2048);
}
END_TEST

START_TEST(snapshot_has_dependencies_with_their_state)
{
    static const struct {
        const char *name;
        enum dependency_state state;
    } wanted[] = {{"done", DEPENDENCY_DONE},        {"failed", DEPENDENCY_FAILED},
                  {"undefined", DEPENDENCY_FAILED}, {"cancelled", DEPENDENCY_FAILED},
                  {"error", DEPENDENCY_FAILED},     {"running", DEPENDENCY_WAITING},
                  {"pending", DEPENDENCY_WAITING},  {"odd", DEPENDENCY_WAITING}};
    CLEANUP(world_close)
    struct world f = world_open(
        "SELECT t.hostile(); SELECT t.session(n, 1, 0) FROM unnest(ARRAY['s1', 'done', 'failed', "
        "'undefined', 'cancelled', 'error', 'running', 'pending', 'odd']) n; "
        "UPDATE sessions SET status = 'TERMINATED', result = CASE name WHEN 'done' THEN 'SUCCESS' "
        "WHEN 'failed' THEN 'FAILURE' ELSE 'UNDEFINED' END "
        "WHERE name IN ('done', 'failed', 'undefined'); "
        "UPDATE sessions SET status = upper(name) WHERE name IN ('cancelled', 'error', 'running', "
        "'odd'); INSERT INTO session_dependencies SELECT t.id('s1'), t.id(n) FROM "
        "unnest(ARRAY['done', 'failed', 'undefined', 'cancelled', 'error', 'running', 'pending', "
        "'odd', 'gone']) n");
    const struct session *s1 = &f.s->sessions[world_session(f.s, "s1")];
    ck_assert_uint_eq(s1->rare->n_dependencies, 9);
    for (uint32_t i = 0; i < s1->rare->n_dependencies; i++) {
        const struct dependency *dep = &f.s->dependencies[s1->rare->first_dependency + i];
        if (dep->name == NULL) {
            ck_assert_msg(dep->state == DEPENDENCY_FAILED,
                          "a session that is gone never ends well");
            continue;
        }
        for (size_t k = 0; k < ARRAY_SIZE(wanted); k++)
            ck_assert_msg(strcmp(wanted[k].name, dep->name) != 0 || wanted[k].state == dep->state,
                          "%s: state %d", dep->name, dep->state);
    }
}
END_TEST

START_TEST(snapshot_has_session_groups_and_members)
{
    CLEANUP(world_close)
    struct world f = world_open(
        "INSERT INTO session_groups (id, placement_direction, placement_enforcement, deleted_at, "
        "domain_id, project_id, owner_user_id) SELECT t.id(g.n), g.direction, g.enforcement, "
        "g.deleted, t.id('default'), t.id('p1'), t.id('u1') FROM (VALUES "
        "('spread', 'spread', 'strict', NULL), ('none', 'none', 'strict', NULL), "
        "('gone', 'pack', 'strict', now())) g(n, direction, enforcement, deleted); "
        "SELECT t.session('s1', 1, 0), t.session('s2', 1, 0), t.session('s3', 1, 0), "
        "t.session('m1', 1, 0, 2), t.place('m1', 'a1', 'RUNNING'), "
        "t.session('m2', 1, 0, 1, 'g2'), t.place('m2', 'a1', 'SCHEDULED'), "
        "t.session('m3', 1, 0), t.place('m3', 'a2', 'TERMINATED'), "
        "t.session('m4', 1, 0, 1, 'g2'), t.place('m4', 'b1', 'RUNNING'); "
        "UPDATE sessions SET session_group_id = t.id(CASE name WHEN 's2' THEN 'none' "
        "WHEN 's3' THEN 'gone' ELSE 'spread' END)");
    const struct snapshot *s = f.s;
    ck_assert_uint_eq(s->n_session_groups, 1);
    ck_assert_int_eq(s->session_groups[0].direction, GROUP_SPREAD);
    ck_assert(s->session_groups[0].strict);
    ck_assert_uint_eq(s->sessions[world_session(s, "s1")].group, 0);
    ck_assert_uint_eq(s->sessions[world_session(s, "s2")].group, NONE);
    ck_assert_uint_eq(s->sessions[world_session(s, "s3")].group, NONE);
    ck_assert_uint_eq(s->n_group_members, 1);
    ck_assert_str_eq(s->agents[s->group_members[0].agent].id, "a1");
    ck_assert_int_eq(s->group_members[0].count, 2);
}
END_TEST

/* --- the group's options --- */

static const struct {
    const char *opts;
    int64_t timeout_us;
} timeouts[] = {
    {"{}", 0},
    {"{\"pending_timeout\": null}", 0},
    {"{\"pending_timeout\": -5}", -5000000},
    {"{\"pending_timeout\": 0.5}", 500000},
    {"{\"pending_timeout\": 3600}", 3600000000},
    {"{\"pending_timeout\": \"90\"}", 90000000},
    {"{\"pending_timeout\": \"1.5h\"}", 5400000000},
    {"{\"pending_timeout\": \"1w2d3h4m5s\"}", INT64_C(788645000000)},
    {"{\"pending_timeout\": \"PT1H30M\"}", 5400000000},
    {"{\"pending_timeout\": \"P1DT12H\"}", INT64_C(129600000000)},
    {"{\"pending_timeout\": \"P2W\"}", INT64_C(1209600000000)},
    {"{\"pending_timeout\": 1e300}", INT64_MAX},
};

START_TEST(snapshot_reads_the_pending_timeout)
{
    struct db d = world_create();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    for (size_t i = 0; i < ARRAY_SIZE(timeouts); i++) {
        char sql[200];
        (void)snprintf(sql, sizeof(sql), "UPDATE scaling_groups SET scheduler_opts = '%s'",
                       timeouts[i].opts);
        world_do(&d, sql);
        const struct snapshot *s = world_load(c, "g1", a);
        ck_assert_msg(s->bad_options == NULL, "%s: %s", timeouts[i].opts, s->bad_options);
        ck_assert_msg(s->pending_timeout == timeouts[i].timeout_us, "%s: %lld us", timeouts[i].opts,
                      (long long)s->pending_timeout);
    }
}
END_TEST

START_TEST(snapshot_has_options_and_cursors)
{
    CLEANUP(world_close)
    struct world f = world_open("UPDATE scaling_groups SET scheduler = 'drf', scheduler_opts = "
                                "'{\"agent_selection_strategy\": \"roundrobin\", \"config\": "
                                "{\"num_retries_to_skip\": \"3\", \"x\": {\"y\": [1, null]}}}'; "
                                "INSERT INTO berth.group_state (scaling_group_id, rr_cursors) "
                                "VALUES (t.id('g1'), '{\"x86_64\": \"a1\", \"arm\": null}')");
    ck_assert_str_eq(f.s->scheduler, "drf");
    ck_assert_str_eq(f.s->strategy, "roundrobin");
    ck_assert_uint_eq(f.s->n_options, 2);
    for (uint32_t i = 0; i < 2; i++)
        ck_assert_str_eq(f.s->options[i].value,
                         strcmp(f.s->options[i].key, "x") == 0 ? "{\"y\":[1,null]}" : "\"3\"");
    ck_assert_uint_eq(f.s->n_rr_cursors, 1);
    ck_assert_str_eq(f.s->rr_cursors[0].agent_id, "a1");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("snapshot_load");
    TCase *tc = tcase_create("snapshot_load");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, snapshot_refuses_a_group_that_is_not_there);
    tcase_add_test(tc, snapshot_of_an_empty_group_is_empty);
    tcase_add_test(tc, snapshot_has_sessions_kernels_and_requests);
    tcase_add_test(tc, snapshot_has_agents_of_any_status);
    tcase_add_test(tc, snapshot_has_dependencies_with_their_state);
    tcase_add_test(tc, snapshot_has_session_groups_and_members);
    tcase_add_test(tc, snapshot_taste_reads_no_more_rows_than_it_says);
    tcase_add_test(tc, snapshot_reads_the_pending_timeout);
    tcase_add_test(tc, snapshot_has_options_and_cursors);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
