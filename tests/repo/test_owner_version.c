/* test_owner_version.c - what owners use at the moment of a commit, row by row. */
#include <stdio.h>
#include <string.h>

#include "repo/owner_usage.h"
#include "tests/repo/world.h"

/* In g1 and g2 run r1 (2 cpu, 1024 of mem) and r2 (3 cpu) of AK1; s1 waits, so that its owners are
 * there. The key of another kind of owner is the domain's name. */
static const char running[] =
    "SELECT t.hostile(); SELECT t.session('s1', 1, 0), t.session('r1', 2, 1024), "
    "t.session('r2', 3, 0, 1, 'g2'); SELECT t.place('r1', 'a1', 'RUNNING'), t.place('r2', 'b1', "
    "'RUNNING'); ";

#define OF_R1(slot) "WHERE kernel_id = t.id('r1/1') AND slot_name = '" slot "'"

static const struct {
    const char *what, *sql;
    int64_t cpu;    /* whole ones, of every kind of owner */
    bool bad_cpu;   /* it cannot be counted */
    int64_t of_key; /* cpu of the keypair alone, -1: the same */
} usages[] = {
    {"an amount that is none", "UPDATE resource_allocations SET used = 'NaN' " OF_R1("cpu"), -1,
     true, -1},
    {"a negative amount beside a larger one",
     "UPDATE resource_allocations SET used = -1 " OF_R1("cpu"), -1, true, -1},
    {"a slot nobody has", "UPDATE resource_allocations SET slot_name = 'magic' " OF_R1("mem"), 5,
     false, -1},
    {"a private session", "UPDATE kernels SET session_type = 'SYSTEM' WHERE id = t.id('r1/1')", 3,
     false, -1},
    {"a session of no type", "UPDATE kernels SET session_type = NULL WHERE id = t.id('r1/1')", 5,
     false, -1},
    {"a kernel that is over", "UPDATE kernels SET status = 'TERMINATED' WHERE id = t.id('r1/1')", 3,
     false, -1},
    {"a row that is free", "UPDATE resource_allocations SET free_at = now() " OF_R1("cpu"), 3,
     false, -1},
    {"what is used, not what was asked for",
     "UPDATE resource_allocations SET used = 4 " OF_R1("cpu"), 7, false, -1},
    {"another keypair", "UPDATE kernels SET access_key = 'AK2' WHERE id = t.id('r1/1')", 5, false,
     3},
    {"all groups", "SELECT 1", 5, false, -1},
};

START_TEST(usage_at_a_commit_counts_what_is_tabled)
{
    const char *what = usages[_i].what;
    CLEANUP(world_close) struct world w = world_open(running);
    struct owner_now v[N_OWNER_KINDS];
    struct err e = {.code = ERR_NONE};
    const struct session *s1 = &w.s->sessions[world_session(w.s, "s1")];
    const uint32_t cpu = snapshot_find_slot(w.s, "cpu");
    for (int kind = 0; kind < N_OWNER_KINDS; kind++)
        v[kind] = (struct owner_now){.owner = s1->owner[kind],
                                     .usage = arena_new(w.a, int64_t, w.s->n_slots)};
    world_do(&w.d, usages[_i].sql);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(owner_usage_now(t, w.s, v, N_OWNER_KINDS, w.a, &e), &e, what);
    for (int kind = 0; kind < N_OWNER_KINDS; kind++) {
        const int64_t wanted =
            kind == OWNER_KEYPAIR && usages[_i].of_key >= 0 ? usages[_i].of_key : usages[_i].cpu;
        ck_assert_msg((v[kind].slot_unreadable != NULL) == usages[_i].bad_cpu,
                      "%s: of kind %d unreadable is %s", what, kind,
                      v[kind].slot_unreadable != NULL ? v[kind].slot_unreadable : "nothing");
        if (usages[_i].bad_cpu)
            ck_assert_str_eq(v[kind].slot_unreadable, "cpu");
        else
            ck_assert_msg(v[kind].usage[cpu] == wanted * AMOUNT_ONE,
                          "%s: an owner of kind %d uses %lld", what, kind,
                          (long long)v[kind].usage[cpu]);
    }
}
END_TEST

/* A keypair and a domain of one name are two owners. */
START_TEST(owners_of_one_name_are_told_apart)
{
    CLEANUP(world_close)
    struct world w = world_open("SELECT t.hostile(); SELECT t.session('s1', 1, 0), t.session('r1', "
                                "2, 0), t.session('r2', 3, 0); SELECT t.place('r1', 'a1', "
                                "'RUNNING'), t.place('r2', 'a1', 'RUNNING'); UPDATE sessions SET "
                                "access_key = 'default' WHERE name = 's1'; UPDATE kernels SET "
                                "access_key = 'default' WHERE id = t.id('r1/1')");
    const struct session *s1 = &w.s->sessions[world_session(w.s, "s1")];
    const uint32_t cpu = snapshot_find_slot(w.s, "cpu");
    struct owner_now v[] = {
        {.owner = s1->owner[OWNER_KEYPAIR], .usage = arena_new(w.a, int64_t, w.s->n_slots)},
        {.owner = s1->owner[OWNER_DOMAIN], .usage = arena_new(w.a, int64_t, w.s->n_slots)},
    };
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(owner_usage_now(t, w.s, v, 2, w.a, &e), &e, "usage");
    ck_assert_msg(v[0].usage[cpu] == 2 * AMOUNT_ONE && v[1].usage[cpu] == 5 * AMOUNT_ONE,
                  "the keypair uses %lld, the domain %lld", (long long)v[0].usage[cpu],
                  (long long)v[1].usage[cpu]);
}
END_TEST

/* What is no UUID is nobody's, and no reason to fail. */
START_TEST(owners_without_a_uuid_use_nothing)
{
    CLEANUP(world_close)
    struct world w = world_open("SELECT t.hostile(); SELECT t.session('s1', 1, 0), t.session('r1', "
                                "2, 0); SELECT t.place('r1', 'a1', 'RUNNING'); UPDATE sessions SET "
                                "user_uuid = NULL, group_id = NULL WHERE name = 's1'");
    const struct session *s1 = &w.s->sessions[world_session(w.s, "s1")];
    const uint32_t cpu = snapshot_find_slot(w.s, "cpu");
    struct owner_now v[] = {
        {.owner = s1->owner[OWNER_USER], .usage = arena_new(w.a, int64_t, w.s->n_slots)},
        {.owner = s1->owner[OWNER_PROJECT], .usage = arena_new(w.a, int64_t, w.s->n_slots)},
        {.owner = s1->owner[OWNER_KEYPAIR], .usage = arena_new(w.a, int64_t, w.s->n_slots)},
    };
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(owner_usage_now(t, w.s, v, ARRAY_SIZE(v), w.a, &e), &e, "usage");
    ck_assert_msg(v[0].usage[cpu] == 0 && v[1].usage[cpu] == 0, "nobody uses %lld and %lld",
                  (long long)v[0].usage[cpu], (long long)v[1].usage[cpu]);
    ck_assert_msg(v[2].usage[cpu] == 2 * AMOUNT_ONE, "the keypair uses %lld",
                  (long long)v[2].usage[cpu]);
}
END_TEST

START_TEST(counts_of_keys_begin_at_nothing)
{
    CLEANUP(world_close)
    struct world w = world_open("SELECT t.session('r1', 1, 0), t.session('p1', 1, 0, 1, 'g1', "
                                "'AK1', 'SYSTEM'); SELECT t.place('r1', 'a1', 'RUNNING'), "
                                "t.place('p1', 'a1', 'RUNNING')");
    struct owner_count v[] = {{.access_key = "AK2", .sessions = 7, .sftp_sessions = 7},
                              {.access_key = "AK1", .sessions = 7, .sftp_sessions = 7}};
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(owner_count_live(t, v, 2, w.a, &e), &e, "count");
    ck_assert_msg(v[0].sessions == 0 && v[0].sftp_sessions == 0, "AK2 runs %lld and %lld",
                  (long long)v[0].sessions, (long long)v[0].sftp_sessions);
    ck_assert_msg(v[1].sessions == 1 && v[1].sftp_sessions == 1, "AK1 runs %lld and %lld",
                  (long long)v[1].sessions, (long long)v[1].sftp_sessions);
    assert_done(owner_count_live(t, NULL, 0, w.a, &e), &e, "count nobody's");
    assert_done(owner_bump(t, NULL, 0, w.a, NULL, &e), &e, "bump nobody's");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("owner_version");
    TCase *tc = tcase_create("owner_version");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, usage_at_a_commit_counts_what_is_tabled, 0, ARRAY_SIZE(usages));
    tcase_add_test(tc, owners_of_one_name_are_told_apart);
    tcase_add_test(tc, owners_without_a_uuid_use_nothing);
    tcase_add_test(tc, counts_of_keys_begin_at_nothing);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
