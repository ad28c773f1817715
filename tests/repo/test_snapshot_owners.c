/* test_snapshot_owners.c - owners of pending sessions: limits, usage, counts, versions. */
#include <string.h>

#include "tests/repo/world.h"

static const struct {
    const char *what, *sql;
    enum owner_kind kind;
    const char *missing;
} missing_rows[] = {
    {"a keypair", "DELETE FROM keypairs WHERE access_key = 'AK1'", OWNER_KEYPAIR,
     "keypair \"AK1\""},
    {"a keypair's policy", "UPDATE keypairs SET resource_policy = 'none' WHERE access_key = 'AK1'",
     OWNER_KEYPAIR, "keypair resource policy \"none\""},
    {"a user", "DELETE FROM users WHERE uuid = t.id('u1')", OWNER_USER, "user \""},
    {"a user's main keypair", "UPDATE users SET main_access_key = 'AK9' WHERE uuid = t.id('u1')",
     OWNER_USER, "keypair \"AK9\""},
    {"the policy of a user's main keypair",
     "UPDATE keypairs SET resource_policy = 'none' WHERE access_key = 'AK1'", OWNER_USER,
     "keypair resource policy \"none\""},
    {"a user's main access key, which is no lack",
     "UPDATE users SET main_access_key = NULL WHERE uuid = t.id('u1')", OWNER_USER, NULL},
    {"a project", "DELETE FROM groups", OWNER_PROJECT, "project \""},
    {"a domain", "DELETE FROM domains", OWNER_DOMAIN, "domain \"default\""},
};

START_TEST(snapshot_names_the_owner_that_is_missing)
{
    const char *what = missing_rows[_i].what, *wanted = missing_rows[_i].missing;
    struct db d = world_create();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    world_do(&d, "SELECT t.hostile(); SELECT t.session('s1', 1, 1024)");
    world_do(&d, missing_rows[_i].sql);
    const struct owner *o = world_owner(world_load(c, "g1", a), "s1", missing_rows[_i].kind);
    if (wanted == NULL)
        ck_assert_msg(o->missing == NULL, "without %s: misses %s", what, o->missing);
    else
        ck_assert_msg(o->missing != NULL && strstr(o->missing, wanted) == o->missing,
                      "without %s: expected %s, got %s", what, wanted,
                      o->missing != NULL ? o->missing : "nothing");
}
END_TEST

START_TEST(snapshot_has_limits_of_owners)
{
    CLEANUP(world_close)
    struct world f = world_open(
        "SELECT t.session('s1', 1, 1024), t.session('s2', 1, 0, 1, 'g1', 'AK2'); "
        "INSERT INTO keypair_resource_policies (name, default_for_unspecified, "
        "total_resource_slots, "
        "max_concurrent_sessions, max_concurrent_sftp_sessions, max_pending_session_count, "
        "max_pending_session_resource_slots, max_containers_per_session, idle_timeout, "
        "allowed_vfolder_hosts) VALUES ('tight', 'LIMITED', "
        "'{\"cpu\": \"4.5\", \"mem\": \"1.5g\", \"cuda.shares\": null, \"tpu.device\": \"inf\", "
        "\"magic\": \"7\"}', 3, 2, 0, '{\"cpu\": 2}', 1, 0, '{}'); "
        "UPDATE keypairs SET resource_policy = 'tight' WHERE access_key = 'AK1'; "
        "UPDATE groups SET total_resource_slots = '{\"cpu\": \"100\"}'; "
        "UPDATE domains SET total_resource_slots = 'null'; "
        "INSERT INTO berth.owner_versions VALUES (0, 'AK1', 5), (3, 'default', 6), (0, 'zz', 7)");
    const struct snapshot *s = f.s;
    const struct session *s1 = &s->sessions[world_session(s, "s1")];
    for (int k = OWNER_KEYPAIR; k <= OWNER_USER; k++) {
        uint32_t o = s1->owner[k];
        ck_assert_int_eq(world_amount(s, s->owner_limit, o, "cpu"), 4500000);
        ck_assert_int_eq(world_amount(s, s->owner_limit, o, "mem"), 1610612736);
        ck_assert_int_eq(world_amount(s, s->owner_limit, o, "cuda.shares"), 0);
        ck_assert_int_eq(world_amount(s, s->owner_limit, o, "rocm.device"), 0);
        ck_assert_int_eq(world_amount(s, s->owner_limit, o, "tpu.device"), AMOUNT_INF);
    }
    const struct owner *key = &s->owners[s1->owner[OWNER_KEYPAIR]];
    ck_assert_int_eq(key->max_sessions, 3);
    ck_assert_int_eq(key->max_sftp_sessions, 2);
    ck_assert_int_eq(key->max_pending, 0);
    ck_assert(key->has_pending_limit);
    ck_assert_uint_eq(key->version, 5);
    ck_assert_int_eq(world_amount(s, s->owner_pending_limit, s1->owner[OWNER_KEYPAIR], "cpu"),
                     2000000);
    ck_assert_int_eq(world_amount(s, s->owner_pending_limit, s1->owner[OWNER_KEYPAIR], "mem"),
                     AMOUNT_INF);
    ck_assert_int_eq(world_amount(s, s->owner_limit, s1->owner[OWNER_PROJECT], "cpu"), 100000000);
    ck_assert_int_eq(world_amount(s, s->owner_limit, s1->owner[OWNER_PROJECT], "mem"), AMOUNT_INF);
    ck_assert_str_eq(s->owners[s1->owner[OWNER_PROJECT]].name, "p1");
    ck_assert_int_eq(world_amount(s, s->owner_limit, s1->owner[OWNER_DOMAIN], "cpu"), AMOUNT_INF);
    ck_assert_uint_eq(s->owners[s1->owner[OWNER_DOMAIN]].version, 6);
    const struct owner *free_key = world_owner(s, "s2", OWNER_KEYPAIR);
    ck_assert(!free_key->has_pending_limit);
    ck_assert_int_eq(free_key->max_pending, INT64_MAX);
    ck_assert_uint_eq(free_key->version, 0);
}
END_TEST

START_TEST(snapshot_counts_usage_of_all_groups)
{
    CLEANUP(world_close)
    struct world f = world_open(
        "SELECT t.session('s1', 1, 1024), t.session('s2', 1, 0, 1, 'g1', 'AK2'); "
        "SELECT t.session('r1', 2, 10), t.place('r1', 'a1', 'RUNNING'), "
        "t.session('r2', 1, 0, 1, 'g2'), t.place('r2', 'b1', 'SCHEDULED'), "
        "t.session('r3', 1, 0, 1, 'g1', 'AK2'), t.place('r3', 'a1', 'PREPARING'), "
        "t.session('over', 4, 0), t.place('over', 'a1', 'TERMINATED'), "
        "t.session('suspended', 4, 0), t.place('suspended', 'a1', 'RUNNING'), "
        "t.session('freed', 4, 0), t.place('freed', 'a1', 'RUNNING'), "
        "t.session('sftp', 4, 0, 1, 'g1', 'AK1', 'SYSTEM'), t.place('sftp', 'a1', 'RUNNING'); "
        "UPDATE kernels SET status = 'SUSPENDED' WHERE session_id = t.id('suspended'); "
        "UPDATE resource_allocations SET free_at = now() WHERE kernel_id = t.id('freed/1'); "
        "UPDATE resource_allocations SET used = 1.5 WHERE kernel_id = t.id('r1/1') "
        "AND slot_name = 'cpu'");
    const struct snapshot *s = f.s;
    const struct session *s1 = &s->sessions[world_session(s, "s1")];
    ck_assert_int_eq(world_amount(s, s->owner_usage, s1->owner[OWNER_KEYPAIR], "cpu"), 2500000);
    ck_assert_int_eq(world_amount(s, s->owner_usage, s1->owner[OWNER_USER], "mem"), 10);
    ck_assert_int_eq(world_amount(s, s->owner_usage, s1->owner[OWNER_PROJECT], "cpu"), 3500000);
    ck_assert_int_eq(world_amount(s, s->owner_usage, s1->owner[OWNER_DOMAIN], "cpu"), 3500000);
    ck_assert_int_eq(world_amount(s, s->owner_group_usage, s1->owner[OWNER_KEYPAIR], "cpu"),
                     1500000);
    const struct owner *key = world_owner(s, "s1", OWNER_KEYPAIR);
    ck_assert_int_eq(key->live_sessions, 4);
    ck_assert_int_eq(key->live_sftp_sessions, 1);
    ck_assert_int_eq(world_owner(s, "s2", OWNER_KEYPAIR)->live_sessions, 1);
}
END_TEST

START_TEST(snapshot_has_the_keys_queues_in_other_groups)
{
    CLEANUP(world_close)
    struct world f = world_open(
        "SELECT t.session('s1', 1, 1024), t.session('s2', 1, 0, 1, 'g1', 'AK2'); "
        "SELECT t.session('o1', 2, 10, 2, 'g2'), t.session('o2', 1, 0, 1, 'g2'), "
        "t.session('o3', 1, 0, 1, 'g2', 'AK1', 'SYSTEM'), "
        "t.session('o4', 1, 0, 1, 'g2', 'AK2'), t.session('o5', 1, 0, 1, 'g2'), "
        "t.place('o5', 'b1', 'RUNNING'); "
        "DELETE FROM resource_allocations WHERE kernel_id = t.id('o2/1'); "
        "INSERT INTO keypair_resource_policies SELECT 'queue', created_at, "
        "default_for_unspecified, "
        "total_resource_slots, 0, 0, 5, NULL, NULL, 0, 1, 0, '{}' FROM keypair_resource_policies; "
        "UPDATE keypairs SET resource_policy = 'queue' WHERE access_key = 'AK1'");
    const struct snapshot *s = f.s;
    ck_assert_msg(s->n_other_pending == 2, "%u other sessions", s->n_other_pending);
    for (uint32_t i = 0; i < 2; i++) {
        ck_assert_str_eq(s->owners[s->other_pending[i].keypair].key, "AK1");
        struct uuid o1 = world_id(&f.d, "o1");
        bool is_o1 = uuid_compare(&s->other_pending[i].id, &o1) == 0;
        ck_assert_int_eq(world_amount(s, s->other_request, i, "cpu"), is_o1 ? 4000000 : 0);
        ck_assert_int_eq(world_amount(s, s->other_request, i, "mem"), is_o1 ? 20 : 0);
    }
}
END_TEST

START_TEST(snapshot_finds_the_owners_of_a_described_session)
{
    struct db d = world_create();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    struct err e = {.code = ERR_NONE};
    char project[UUID_TEXT], user[UUID_TEXT];
    struct uuid p1 = world_id(&d, "p1"), u1 = world_id(&d, "u1"), nowhere = world_id(&d, "nowhere");
    const struct snapshot_spec specs[] = {
        {.access_key = "AK2", .user = "nobody", .project = "none", .domain = "elsewhere"},
        {.access_key = "AK1", .project = uuid_format(&p1, project), .session_group = &nowhere}};
    const struct snapshot_query q = {.scaling_group = "g1", .specs = specs, .n_specs = 2};
    struct snapshot_spec_owners found[2], owners;
    struct snapshot_builder *b = builder_create(a);
    assert_done(txn_begin(c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_done(snapshot_load(t, &q, b, found, &e), &e, "load for two specs");
    ck_assert_str_eq(builder_owner_at(b, found[0].owner[OWNER_KEYPAIR])->key, "AK2");
    ck_assert_msg(builder_owner_at(b, found[0].owner[OWNER_DOMAIN])->missing != NULL,
                  "domain elsewhere is there");
    owners = found[1];
    ck_assert_uint_eq(owners.session_group, NONE);
    ck_assert_str_eq(builder_owner_at(b, owners.owner[OWNER_USER])->key, uuid_format(&u1, user));
    ck_assert_str_eq(builder_owner_at(b, owners.owner[OWNER_DOMAIN])->key, "default");
    for (int k = 0; k < N_OWNER_KINDS; k++)
        ck_assert_msg(builder_owner_at(b, owners.owner[k])->missing == NULL, "owner %d is missing",
                      k);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("snapshot_owners");
    TCase *tc = tcase_create("snapshot_owners");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, snapshot_names_the_owner_that_is_missing, 0, ARRAY_SIZE(missing_rows));
    tcase_add_test(tc, snapshot_has_limits_of_owners);
    tcase_add_test(tc, snapshot_counts_usage_of_all_groups);
    tcase_add_test(tc, snapshot_has_the_keys_queues_in_other_groups);
    tcase_add_test(tc, snapshot_finds_the_owners_of_a_described_session);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
