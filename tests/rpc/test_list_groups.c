/* test_list_groups.c - ListScalingGroups over loopback, on a real PostgreSQL and Redis. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/lease.h"
#include "tests/rpc/service.h"

typedef Berth__V1__ListScalingGroupsRequest request;
typedef Berth__V1__ListScalingGroupsResponse answer;

static struct db db;

static void setup(void)
{
    db = world_create();
    service_up(&db, NULL, NULL);
}

static answer *list(const request *q, const char *what)
{
    return call_ok(GROUPS_PATH, &q->base, &berth__v1__list_scaling_groups_response__descriptor,
                   what);
}

static const Berth__V1__ScalingGroup *group(const char *name)
{
    request q = BERTH__V1__LIST_SCALING_GROUPS_REQUEST__INIT;
    char *names[] = {(char *)(uintptr_t)name};
    q.scaling_groups = names;
    q.n_scaling_groups = 1;
    answer *a = list(&q, name);
    ck_assert_uint_eq(a->n_scaling_groups, 1);
    return a->scaling_groups[0];
}

#define X13 "xxxxxxxxxxxxx"
#define X65 X13 X13 X13 X13 X13

static const struct {
    const char *what, *name, *token;
    uint32_t page_size;
    grpc_status_code code;
    const char *reason, *field;
} bad[] = {
    {"a group without a name", "", "", 0, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
     "scaling_groups[1]"},
    {"a name of 65 characters", X65, "", 0, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
     "scaling_groups[1]"},
    {"a page of 1001", "g2", "", 1001, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "page_size"},
    {"a token of nobody", "g2", "abc", 0, GRPC_STATUS_INVALID_ARGUMENT, "BAD_PAGE_TOKEN",
     "page_token"},
    {"an unknown group", "nowhere", "", 0, GRPC_STATUS_NOT_FOUND, "UNKNOWN_SCALING_GROUP", NULL},
};

START_TEST(groups_refuses_what_it_cannot_list)
{
    request q = BERTH__V1__LIST_SCALING_GROUPS_REQUEST__INIT;
    char *names[] = {(char *)"g1", (char *)(uintptr_t)bad[_i].name};
    q.scaling_groups = names;
    q.n_scaling_groups = 2;
    q.page_token = (char *)(uintptr_t)bad[_i].token;
    q.page_size = bad[_i].page_size;
    call_fails(GROUPS_PATH, &q.base, bad[_i].code, bad[_i].reason, bad[_i].field, bad[_i].what);
    service_down();
}
END_TEST

START_TEST(groups_lists_load_and_last_round)
{
    const Berth__V1__ScalingGroup *g = group("g1");
    ck_assert_msg(g->last_round == NULL && g->epoch == 0, "a round before any");
    world_do(&db, "SELECT t.session('s1', 1, 1024), t.session('s2', 1, 1024), "
                  "t.session('big', 99, 1024); UPDATE agents SET schedulable = false WHERE id = "
                  "'a2'; UPDATE scaling_groups SET is_active = false WHERE name = 'g1'");
    Berth__V1__ScheduleScalingGroupResponse *round = schedule("g1", "a round");
    g = group("g1");
    ck_assert_str_eq(g->name, "g1");
    ck_assert_msg(!g->is_active, "active");
    ck_assert_str_eq(g->scheduler, "fifo");
    ck_assert_str_eq(g->strategy, "dispersed");
    ck_assert_uint_eq(g->agents_schedulable, 1);
    ck_assert_uint_eq(g->agents_total, 2);
    ck_assert_uint_eq(g->pending_sessions, 1);
    ck_assert_uint_eq(g->live_sessions, 2);
    ck_assert_int_eq(g->epoch, 1);
    ck_assert_str_eq(g->lease_holder, "");
    ck_assert_str_eq(g->last_round->round_id, round->round->round_id);
    ck_assert_uint_eq(g->last_round->counts->pending, 3);
    ck_assert_uint_eq(g->last_round->counts->scheduled, 2);
    ck_assert_uint_eq(g->last_round->counts->infeasible, 1);
    ck_assert_msg(g->last_round->start_time->seconds > 1700000000, "no start");
    ck_assert_msg(g->last_round->duration->nanos > 0, "no duration");
    ck_assert_int_eq(g->health, BERTH__V1__GROUP_HEALTH__GROUP_HEALTH_HEALTHY);
    ck_assert_uint_eq(g->n_health_reasons, 0);
    service_down();
}
END_TEST

START_TEST(groups_lists_who_holds_the_lease)
{
    struct err e = {.code = ERR_NONE};
    struct lease lease;
    CLEANUP(redis_destroyp) struct redis *redis = redis_open();
    assert_done(lease_acquire(redis, "g2", "me", 60000, &lease, &e), &e, "take the lease");
    ck_assert_str_eq(group("g2")->lease_holder, "me");
    ck_assert_str_eq(group("g1")->lease_holder, "");
    assert_done(lease_release(redis, &lease, &e), &e, "release the lease");
    ck_assert_str_eq(group("g2")->lease_holder, "");
    service_down();
}
END_TEST

START_TEST(groups_does_without_redis)
{
    service_down();
    service_up(&db, "unix:/nowhere", (const char *const[]){"--redis-timeout=50ms", NULL});
    request q = BERTH__V1__LIST_SCALING_GROUPS_REQUEST__INIT;
    answer *a = list(&q, "without Redis");
    ck_assert_uint_eq(a->n_scaling_groups, 2);
    ck_assert_str_eq(a->scaling_groups[1]->lease_holder, "");
    service_down();
}
END_TEST

#define HEALTHY  BERTH__V1__GROUP_HEALTH__GROUP_HEALTH_HEALTHY
#define DEGRADED BERTH__V1__GROUP_HEALTH__GROUP_HEALTH_DEGRADED
#define FAILING  BERTH__V1__GROUP_HEALTH__GROUP_HEALTH_FAILING

static const struct {
    const char *what, *sql;
    int health;
    const char *words; /* of the first reason; NULL: there is none */
} healths[] = {
    {"all well", "", HEALTHY, NULL},
    {"an unknown scheduler", "UPDATE scaling_groups SET scheduler = 'best'", FAILING, "best"},
    {"an unknown strategy",
     "UPDATE scaling_groups SET scheduler_opts = '{\"agent_selection_strategy\": \"luck\"}'",
     FAILING, "luck"},
    {"a bad option",
     "UPDATE scaling_groups SET scheduler_opts = '{\"config\": {\"num_retries_to_skip\": \"x\"}}'",
     FAILING, "num_retries_to_skip"},
    {"options that cannot be read",
     "UPDATE scaling_groups SET scheduler_opts = '{\"config\": [1]}'", FAILING, "config"},
    {"an unknown key, which is kept",
     "UPDATE scaling_groups SET scheduler_opts = '{\"config\": {\"color\": \"red\"}}'", HEALTHY,
     NULL},
    {"no agent that is schedulable", "UPDATE agents SET schedulable = false", DEGRADED,
     "schedulable"},
    {"no agent at all", "DELETE FROM agent_resources; DELETE FROM agents", DEGRADED, "no agents"},
    {"a slot of an unknown type",
     "INSERT INTO resource_slot_types (slot_name, slot_type) VALUES ('npu.device', 'quantum'); "
     "INSERT INTO agent_resources (agent_id, slot_name, capacity) VALUES ('a1', 'npu.device', 1)",
     DEGRADED, "npu.device"},
};

START_TEST(groups_says_how_a_group_is_and_why)
{
    world_do(&db, healths[_i].sql);
    const Berth__V1__ScalingGroup *g = group("g1");
    const char *first = g->n_health_reasons > 0 ? g->health_reasons[0] : "";
    ck_assert_msg((int)g->health == healths[_i].health, "%s: health %d: %s", healths[_i].what,
                  (int)g->health, first);
    ck_assert_msg((g->n_health_reasons > 0) == (healths[_i].words != NULL), "%s: %zu reasons: %s",
                  healths[_i].what, g->n_health_reasons, first);
    if (healths[_i].words != NULL)
        ck_assert_msg(strstr(first, healths[_i].words) != NULL, "%s: %s", healths[_i].what, first);
    service_down();
}
END_TEST

START_TEST(groups_pages_by_name)
{
    request q = BERTH__V1__LIST_SCALING_GROUPS_REQUEST__INIT;
    db_sql(&db, "INSERT INTO scaling_groups (name, id, is_active, driver, driver_opts, scheduler, "
                "scheduler_opts, default_session_options, default_deployment_options) SELECT "
                "'h' || lpad(i::text, 2, '0'), t.id('h' || i), true, 'static', '{}', 'fifo', '{}', "
                "'{}', '{}' FROM generate_series(1, 9) i");
    q.page_size = 4;
    static const char *const expected[] = {"g1",  "g2",  "h01", "h02", "h03", "h04",
                                           "h05", "h06", "h07", "h08", "h09"};
    size_t n = 0;
    for (int page = 0; page < 3; page++) {
        answer *a = list(&q, "a page");
        for (size_t i = 0; i < a->n_scaling_groups; i++, n++)
            ck_assert_msg(n < ARRAY_SIZE(expected) &&
                              strcmp(a->scaling_groups[i]->name, expected[n]) == 0,
                          "row %zu is %s", n, a->scaling_groups[i]->name);
        ck_assert_msg((a->next_page_token[0] == '\0') == (page == 2), "page %d: token \"%s\"", page,
                      a->next_page_token);
        q.page_token = a->next_page_token;
    }
    ck_assert_uint_eq(n, ARRAY_SIZE(expected));
    service_down();
}
END_TEST

START_TEST(groups_pages_through_those_named)
{
    request q = BERTH__V1__LIST_SCALING_GROUPS_REQUEST__INIT;
    char *names[] = {(char *)"g2", (char *)"g1", (char *)"g2"};
    q.scaling_groups = names;
    q.n_scaling_groups = 3;
    q.page_size = 1;
    answer *a = list(&q, "page 1");
    ck_assert_uint_eq(a->n_scaling_groups, 1);
    ck_assert_str_eq(a->scaling_groups[0]->name, "g1");
    q.page_token = a->next_page_token;
    a = list(&q, "page 2");
    ck_assert_uint_eq(a->n_scaling_groups, 1);
    ck_assert_str_eq(a->scaling_groups[0]->name, "g2");
    ck_assert_str_eq(a->next_page_token, "");
    service_down();
}
END_TEST

START_TEST(groups_says_that_the_database_is_away)
{
    struct db nowhere = {.conninfo = "host=/nowhere dbname=none"};
    request q = BERTH__V1__LIST_SCALING_GROUPS_REQUEST__INIT;
    service_down();
    service_up(&nowhere, NULL, NULL);
    call_fails(GROUPS_PATH, &q.base, GRPC_STATUS_UNAVAILABLE, "DATABASE_UNAVAILABLE", NULL,
               "no database");
    service_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("list_groups");
    TCase *tc = tcase_create("list_groups");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, groups_refuses_what_it_cannot_list, 0, ARRAY_SIZE(bad));
    tcase_add_test(tc, groups_lists_load_and_last_round);
    tcase_add_test(tc, groups_lists_who_holds_the_lease);
    tcase_add_test(tc, groups_does_without_redis);
    tcase_add_loop_test(tc, groups_says_how_a_group_is_and_why, 0, ARRAY_SIZE(healths));
    tcase_add_test(tc, groups_pages_by_name);
    tcase_add_test(tc, groups_pages_through_those_named);
    tcase_add_test(tc, groups_says_that_the_database_is_away);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
