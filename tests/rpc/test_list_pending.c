/* test_list_pending.c - ListPendingSessions over loopback, on a real PostgreSQL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/rpc/service.h"

typedef Berth__V1__ListPendingSessionsRequest request;
typedef Berth__V1__ListPendingSessionsResponse answer;

static struct db db;

static void setup(void)
{
    db = world_create();
    service_up(&db, NULL, NULL);
}

static request request_for(const char *group)
{
    request q = BERTH__V1__LIST_PENDING_SESSIONS_REQUEST__INIT;
    q.scaling_group = (char *)(uintptr_t)group;
    return q;
}

static answer *list(const request *q, const char *what)
{
    return call_ok(PENDING_PATH, &q->base, &berth__v1__list_pending_sessions_response__descriptor,
                   what);
}

/* The names of the page, in order: "s1 s2 ". */
static void assert_names(const answer *a, const char *names, const char *what)
{
    char *found = arena_strdup(test_arena(), "");
    for (size_t i = 0; i < a->n_sessions; i++)
        found = arena_printf(test_arena(), "%s%s ", found, a->sessions[i]->name);
    ck_assert_msg(strcmp(found, names) == 0, "%s: \"%s\", expected \"%s\"", what, found, names);
}

static const struct {
    const char *what, *sql, *group, *token;
    uint32_t page_size;
    grpc_status_code code;
    const char *reason, *field;
} bad[] = {
    {"no group", "", "", "", 0, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "scaling_group"},
    {"a page of 1001", "", "g1", "", 1001, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "page_size"},
    {"a token of nobody", "", "g1", "abc", 0, GRPC_STATUS_INVALID_ARGUMENT, "BAD_PAGE_TOKEN",
     "page_token"},
    {"an unknown group", "", "nowhere", "", 0, GRPC_STATUS_NOT_FOUND, "UNKNOWN_SCALING_GROUP",
     NULL},
    {"an unknown scheduler", "UPDATE scaling_groups SET scheduler = 'best'", "g1", "", 0,
     GRPC_STATUS_FAILED_PRECONDITION, "UNKNOWN_SCHEDULER", NULL},
};

START_TEST(pending_refuses_what_it_cannot_list)
{
    request q = request_for(bad[_i].group);
    q.page_token = (char *)(uintptr_t)bad[_i].token;
    q.page_size = bad[_i].page_size;
    world_do(&db, bad[_i].sql);
    call_fails(PENDING_PATH, &q.base, bad[_i].code, bad[_i].reason, bad[_i].field, bad[_i].what);
    service_down();
}
END_TEST

START_TEST(pending_lists_a_session_with_what_is_known_of_it)
{
    world_do(&db, "SELECT t.session('s', 1.5, 1024, 2, key => 'AK2', type => 'BATCH', prio => 7);"
                  "SELECT t.session('big', 99, 1024)");
    schedule("g2", "a group without sessions");
    request q = request_for("g1");
    answer *a = list(&q, "two sessions");
    ck_assert_uint_eq(a->total, 2);
    assert_names(a, "big s ", "by priority");
    const Berth__V1__PendingSession *s = a->sessions[1];
    ck_assert_str_eq(s->session_id, id_text(&db, "s"));
    ck_assert_str_eq(s->access_key, "AK2");
    ck_assert_int_eq(s->priority, 7);
    ck_assert_int_eq(s->type, BERTH__V1__SESSION_TYPE__SESSION_TYPE_BATCH);
    ck_assert_uint_eq(s->position, 2);
    ck_assert_uint_eq(s->retries, 0);
    ck_assert_int_eq(s->pending_since->seconds, 1767225600); /* 2026, by its history */
    ck_assert_uint_eq(s->n_requested, 2);
    ck_assert_str_eq(s->requested[0]->slot, "cpu");
    ck_assert_str_eq(s->requested[0]->amount, "3");
    ck_assert_str_eq(s->requested[1]->amount, "2048");
    ck_assert_uint_eq(s->n_last_causes, 0);
    ck_assert_msg(a->snapshot_time->seconds > 1700000000, "no time");
    service_down();
}
END_TEST

START_TEST(pending_says_why_a_session_was_not_scheduled)
{
    world_do(&db, "SELECT t.session('big', 99, 1024)");
    schedule("g1", "in vain");
    schedule("g1", "in vain again");
    request q = request_for("g1");
    answer *a = list(&q, "one session");
    ck_assert_uint_eq(a->sessions[0]->retries, 2);
    ck_assert_uint_eq(a->sessions[0]->n_last_causes, 1);
    const Berth__V1__Cause *c = a->sessions[0]->last_causes[0];
    ck_assert_int_eq(c->kind, BERTH__V1__CAUSE_KIND__CAUSE_KIND_INFEASIBLE);
    ck_assert_str_eq(c->plugin, "resources");
    ck_assert_msg(c->message[0] != '\0', "no sentence");
    ck_assert_str_eq(c->slots[0]->requested, "99");
    service_down();
}
END_TEST

static const struct {
    const char *what, *sql, *names;
} orders[] = {
    {"nothing", "", ""},
    {"by age", "SELECT t.session('s1', 1, 1), t.session('s2', 1, 1), t.session('s3', 1, 1)",
     "s1 s2 s3 "},
    {"by priority",
     "SELECT t.session('s1', 1, 1), t.session('s2', 1, 1, prio => 20), t.session('s3', 1, 1)",
     "s2 s1 s3 "},
    {"the youngest first",
     "SELECT t.session('s1', 1, 1), t.session('s2', 1, 1), t.session('s3', 1, 1); UPDATE "
     "scaling_groups SET scheduler = 'lifo'",
     "s3 s2 s1 "},
    {"only this group, only pending ones",
     "SELECT t.session('s1', 1, 1, grp => 'g2'), t.session('s2', 1, 1), t.session('s3', 1, 1); "
     "SELECT t.place('s3', 'a1', 'RUNNING')",
     "s2 "},
};

START_TEST(pending_lists_in_the_order_of_the_next_round)
{
    world_do(&db, orders[_i].sql);
    request q = request_for("g1");
    answer *a = list(&q, orders[_i].what);
    assert_names(a, orders[_i].names, orders[_i].what);
    ck_assert_uint_eq(a->total, a->n_sessions);
    for (size_t i = 0; i < a->n_sessions; i++)
        ck_assert_uint_eq(a->sessions[i]->position, i + 1);
    service_down();
}
END_TEST

START_TEST(pending_pages_survive_sessions_that_come_and_go)
{
    world_do(&db, "SELECT t.session('s' || i, 1, 1) FROM generate_series(1, 9) i");
    request q = request_for("g1");
    q.page_size = 3;
    answer *a = list(&q, "page 1");
    assert_names(a, "s1 s2 s3 ", "page 1");
    ck_assert_uint_eq(a->total, 9);
    /* One jumps the queue, the last of the page and the first of the next leave. */
    world_do(&db, "SELECT t.session('urgent', 1, 1, prio => 99);"
                  "SELECT t.place('s3', 'a1', 'RUNNING'), t.place('s4', 'a1', 'RUNNING')");
    q.page_token = a->next_page_token;
    a = list(&q, "page 2");
    assert_names(a, "s5 s6 s7 ", "page 2");
    ck_assert_uint_eq(a->sessions[0]->position, 4); /* urgent, s1, s2 are ahead */
    char *second = a->next_page_token;
    q.page_token = second;
    a = list(&q, "page 3");
    assert_names(a, "s8 s9 ", "page 3");
    ck_assert_str_eq(a->next_page_token, "");
    /* All of page 2 and what stood before it is gone: what stood behind it is still found. */
    world_do(&db, "SELECT t.place('s' || i, 'a1', 'RUNNING') FROM generate_series(1, 7) i "
                  "WHERE i NOT IN (3, 4)");
    q.page_token = second;
    a = list(&q, "page 3 again");
    ck_assert_uint_eq(a->total, 3);
    assert_names(a, "s8 s9 ", "page 3 again");
    q.scaling_group = (char *)"g2";
    call_fails(PENDING_PATH, &q.base, GRPC_STATUS_INVALID_ARGUMENT, "BAD_PAGE_TOKEN", "page_token",
               "the token of another group");
    service_down();
}
END_TEST

START_TEST(pending_says_that_the_database_is_away)
{
    struct db nowhere = {.conninfo = "host=/nowhere dbname=none"};
    request q = request_for("g1");
    service_down();
    service_up(&nowhere, NULL, NULL);
    call_fails(PENDING_PATH, &q.base, GRPC_STATUS_UNAVAILABLE, "DATABASE_UNAVAILABLE", NULL,
               "no database");
    service_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("list_pending");
    TCase *tc = tcase_create("list_pending");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, pending_refuses_what_it_cannot_list, 0, ARRAY_SIZE(bad));
    tcase_add_test(tc, pending_lists_a_session_with_what_is_known_of_it);
    tcase_add_test(tc, pending_says_why_a_session_was_not_scheduled);
    tcase_add_loop_test(tc, pending_lists_in_the_order_of_the_next_round, 0, ARRAY_SIZE(orders));
    tcase_add_test(tc, pending_pages_survive_sessions_that_come_and_go);
    tcase_add_test(tc, pending_says_that_the_database_is_away);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
