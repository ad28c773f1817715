/* test_scaling_group.c - groups, their epochs and their last round. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "repo/scaling_group.h"
#include "tests/repo/world.h"

START_TEST(epoch_of_an_unknown_group_is_refused)
{
    CLEANUP(world_close) struct world w = world_open("");
    struct err e = {.code = ERR_NONE};
    const struct uuid round = world_id(&w.d, "round");
    int64_t epoch = 77;
    assert_failed(scaling_group_take_epoch(w.c, "nowhere", &round, &epoch, &e), &e, ERR_NOT_FOUND,
                  "UNKNOWN_SCALING_GROUP", "an unknown group");
    ck_assert_str_eq(e.meta[0].value, "nowhere");
    ck_assert_int_eq(epoch, 77);
    ck_assert_int_eq(db_int(&w.d, "SELECT count(*) FROM berth.group_state"), 0);
}
END_TEST

enum { N_THREADS = 4, N_EPOCHS = 10 };

struct taker {
    const struct db *d;
    int64_t epochs[N_EPOCHS];
    char error[600];
};

static void *take_many(void *arg)
{
    struct taker *k = arg;
    struct err e = {.code = ERR_NONE};
    const struct uuid round = {{1}};
    CLEANUP(pg_closep) struct pg *c = NULL;
    if (pg_open(k->d->conninfo, &c, &e) < 0)
        (void)snprintf(k->error, sizeof(k->error), "open: %s", e.detail);
    for (int i = 0; c != NULL && i < N_EPOCHS; i++)
        if (scaling_group_take_epoch(c, "g1", &round, &k->epochs[i], &e) < 0)
            (void)snprintf(k->error, sizeof(k->error), "take: %s (%s)", e.message, e.detail);
    return NULL;
}

START_TEST(epochs_are_given_out_once)
{
    CLEANUP(world_close) struct world w = world_open("");
    struct taker k[N_THREADS];
    pthread_t threads[N_THREADS];
    bool seen[N_THREADS * N_EPOCHS + 1] = {false};
    for (int t = 0; t < N_THREADS; t++) {
        k[t] = (struct taker){.d = &w.d};
        ck_assert_int_eq(pthread_create(&threads[t], NULL, take_many, &k[t]), 0);
    }
    for (int t = 0; t < N_THREADS; t++) {
        ck_assert_int_eq(pthread_join(threads[t], NULL), 0);
        ck_assert_msg(k[t].error[0] == '\0', "%s", k[t].error);
        for (int i = 0; i < N_EPOCHS; i++) {
            int64_t epoch = k[t].epochs[i];
            ck_assert_msg(epoch >= 1 && epoch <= (int64_t)N_THREADS * N_EPOCHS && !seen[epoch],
                          "epoch %lld was given out twice or is out of order", (long long)epoch);
            ck_assert_msg(i == 0 || epoch > k[t].epochs[i - 1], "an epoch fell");
            seen[epoch] = true;
        }
    }
}
END_TEST

/* --- the list --- */

static const struct {
    const char *what, *const *names, *after;
    uint32_t n_names, max;
    const char *wanted; /* names in order */
} lists[] = {
    {"names nobody has", (const char *const[]){"x", "y"}, NULL, 2, 10, ""},
    {"no names at all", (const char *const[]){NULL}, NULL, 0, 10, ""},
    {"after the last one", NULL, "ü", 0, 10, ""},
    {"everything", NULL, NULL, 0, 10, "Z g1 g2 ü"},
    {"the first page", NULL, NULL, 0, 2, "Z g1"},
    {"the second page", NULL, "g1", 0, 2, "g2 ü"},
    {"named ones", (const char *const[]){"g2", "Z", "x"}, NULL, 3, 10, "Z g2"},
    {"a page of named ones", (const char *const[]){"g2", "Z"}, "Z", 2, 10, "g2"},
};

START_TEST(groups_are_listed_in_byte_order)
{
    CLEANUP(world_close)
    struct world w = world_open(
        "INSERT INTO scaling_groups (name, id, driver, driver_opts, scheduler, use_host_network, "
        "scheduler_opts, default_session_options, default_deployment_options) "
        "SELECT n, t.id(n), 'x', '{}', 'fifo', false, '{}', '{}', '{}' FROM "
        "unnest('{ü,Z}'::text[]) n");
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(w.c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        struct scaling_group_info *info = NULL;
        uint32_t n = 0;
        char got[100] = "";
        assert_done(scaling_group_list(t, lists[i].names, lists[i].n_names, lists[i].after,
                                       lists[i].max, w.a, &info, &n, &e),
                    &e, lists[i].what);
        for (uint32_t k = 0; k < n; k++)
            (void)snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", k > 0 ? " " : "",
                           info[k].name);
        ck_assert_msg(strcmp(got, lists[i].wanted) == 0, "%s: expected \"%s\", got \"%s\"",
                      lists[i].what, lists[i].wanted, got);
    }
}
END_TEST

static struct scaling_group_info info_of(struct world *w, const char *name)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    struct scaling_group_info *info = NULL;
    uint32_t n = 0;
    assert_done(txn_begin(w->c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_done(scaling_group_list(t, &name, 1, NULL, 1, w->a, &info, &n, &e), &e, "list");
    ck_assert_uint_eq(n, 1);
    return info[0];
}

START_TEST(group_tells_its_load_and_last_round)
{
    CLEANUP(world_close)
    struct world w = world_open(
        "SELECT t.agent('a3', 'g1', 1, 0), t.agent('a4', 'g1', 1, 0), t.session('s1', 1, 0), "
        "t.session('s2', 1, 0), t.session('r', 1, 0), t.place('r', 'a1', 'RUNNING'), "
        "t.session('o', 1, 0), t.place('o', 'a1', 'TERMINATED'), t.session('e', 1, 0), "
        "t.place('e', 'a1', 'ERROR'); UPDATE agents SET status = 'LOST' WHERE id = 'a3'; "
        "UPDATE agents SET schedulable = false WHERE id = 'a4'; UPDATE scaling_groups SET "
        "scheduler = 'drf', is_active = false, scheduler_opts = '{\"agent_selection_strategy\": "
        "\"concentrated\", \"config\": {\"k\": 2}}' WHERE name = 'g1'");
    struct err e = {.code = ERR_NONE};
    struct plan *p = world_plan(w.s, w.a);
    plan_place(p, w.s, "s1", "a1");
    plan_say(p, w.s, w.a, "s2", OUTCOME_WAITING, CAUSE_CAPACITY, "no");
    struct commit_input in = world_commit(w.c, w.s, p);
    struct scaling_group_info before = info_of(&w, "g1");
    ck_assert_msg(!before.has_round, "a round that has not ended is shown");
    ck_assert_int_eq(before.epoch, 1);
    struct commit_result r;
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, "commit");
    struct scaling_group_info g = info_of(&w, "g1");
    ck_assert_str_eq(g.scheduler, "drf");
    ck_assert_str_eq(g.strategy, "concentrated");
    ck_assert(!g.is_active);
    ck_assert_uint_eq(g.agents_schedulable, 2);
    ck_assert_uint_eq(g.agents_total, 4);
    ck_assert_uint_eq(g.pending, 1);
    ck_assert_uint_eq(g.live, 2);
    ck_assert_uint_eq(g.n_options, 1);
    ck_assert_str_eq(g.options[0].value, "2");
    ck_assert(g.bad_options == NULL && g.n_problems == 0);
    ck_assert(g.has_round && uuid_compare(&g.round_id, &in.round_id) == 0);
    ck_assert_int_eq(g.round_start, w.s->observed_at);
    ck_assert_int_gt(g.round_us, 0);
    ck_assert_uint_eq(g.counts[OUTCOME_SCHEDULED], 1);
    ck_assert_uint_eq(g.counts[OUTCOME_WAITING], 1);
    struct scaling_group_info idle = info_of(&w, "g2");
    ck_assert(idle.is_active && !idle.has_round && idle.epoch == 0);
    ck_assert_uint_eq(idle.agents_total, 1);
}
END_TEST

START_TEST(group_tells_what_is_odd_about_it)
{
    CLEANUP(world_close)
    struct world w = world_open(
        "UPDATE scaling_groups SET scheduler_opts = '[]' WHERE name = 'g1'; "
        "UPDATE resource_slot_types SET slot_type = 'furlong' WHERE slot_name = 'cpu'; "
        "UPDATE resource_slot_types SET slot_type = 'odd', enabled = false WHERE slot_name = "
        "'tpu.device'");
    struct scaling_group_info g = info_of(&w, "g1");
    ck_assert_msg(g.bad_options != NULL && strstr(g.bad_options, "\"g1\": scheduler_opts") != NULL,
                  "bad options: %s", g.bad_options != NULL ? g.bad_options : "none");
    ck_assert_uint_eq(g.n_problems, 1);
    ck_assert_str_eq(g.problems[0], "resource_slot_types \"cpu\": slot_type \"furlong\" is unknown "
                                    "and treated as count.");
    ck_assert_str_eq(g.strategy, "dispersed");
}
END_TEST

START_TEST(a_group_tells_how_long_ago_its_last_round_was)
{
    CLEANUP(world_close) struct world w = world_open("");
    struct err e = {.code = ERR_NONE};
    int64_t us = 0;
    assert_done(scaling_group_round_age(w.c, "nowhere", &us, &e), &e, "no such group");
    ck_assert_msg(us == INT64_MAX, "a group that is not there had a round: %lld", (long long)us);
    assert_done(scaling_group_round_age(w.c, "g1", &us, &e), &e, "no round yet");
    ck_assert_msg(us == INT64_MAX, "a group without rounds had one: %lld", (long long)us);
    world_do(&w.d, "INSERT INTO berth.group_state (scaling_group_id, round_started_at) SELECT id, "
                   "clock_timestamp() - interval '1 hour' FROM scaling_groups WHERE name = 'g1'");
    assert_done(scaling_group_round_age(w.c, "g1", &us, &e), &e, "an hour ago");
    ck_assert_msg(us >= INT64_C(3600000000) && us < INT64_C(3700000000), "an hour ago: %lld",
                  (long long)us);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("scaling_group");
    TCase *tc = tcase_create("scaling_group");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, epoch_of_an_unknown_group_is_refused);
    tcase_add_test(tc, epochs_are_given_out_once);
    tcase_add_test(tc, groups_are_listed_in_byte_order);
    tcase_add_test(tc, group_tells_its_load_and_last_round);
    tcase_add_test(tc, a_group_tells_how_long_ago_its_last_round_was);
    tcase_add_test(tc, group_tells_what_is_odd_about_it);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
