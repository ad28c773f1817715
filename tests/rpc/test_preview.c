/* test_preview.c - PreviewAllocation over loopback, on a real PostgreSQL and Redis. */

#include "server/convert.h"
#include "tests/rpc/previewing.h"

typedef preview_request request;
typedef preview_answer answer;

static struct db db;

static void setup(void)
{
    db = world_create();
    service_up(&db, NULL, NULL);
}

static request by_id(const char *name)
{
    return preview_of(&db, name);
}

/* --- verdicts ----------------------------------------------------------------------------------
 */

static const char limited[] =
    "UPDATE keypair_resource_policies SET total_resource_slots = '{\"cpu\": \"4\"}'";

static const struct {
    const char *what, *sql; /* with a session called s */
    int verdict;
    int kind; /* of the first cause; 0: none */
    const char *subject;
} verdicts[] = {
    {"room for it", "SELECT t.session('s', 2, 1024)", FITS, 0, NULL},
    {"too much for now",
     "SELECT t.session('s', 8, 1024), t.session('x', 1, 1024, 2, mode => 'multi-node');"
     "SELECT t.place('x', 'a1', 'RUNNING'); UPDATE agents SET schedulable = false WHERE id = 'a2'",
     WAITS, BERTH__V1__CAUSE_KIND__CAUSE_KIND_CAPACITY, "a1"},
    {"too much forever", "SELECT t.session('s', 9, 1024)", INFEASIBLE,
     BERTH__V1__CAUSE_KIND__CAUSE_KIND_INFEASIBLE, "a1"},
    {"beyond the quota",
     "SELECT t.session('s', 5, 1024); UPDATE keypair_resource_policies SET "
     "total_resource_slots = '{\"cpu\": \"4\"}'",
     BLOCKED, BERTH__V1__CAUSE_KIND__CAUSE_KIND_KEYPAIR_QUOTA, "AK1"},
    {"waited too long",
     "SELECT t.session('s', 1, 1024); UPDATE scaling_groups SET scheduler_opts = "
     "'{\"pending_timeout\": 1}'",
     EXPIRED, BERTH__V1__CAUSE_KIND__CAUSE_KIND_PENDING_TIMEOUT, NULL},
    {"no agent", "SELECT t.session('s', 1, 1024); UPDATE agents SET schedulable = false", WAITS,
     BERTH__V1__CAUSE_KIND__CAUSE_KIND_NO_AGENTS, NULL},
};

START_TEST(preview_tells_never_from_not_now)
{
    world_do(&db, verdicts[_i].sql);
    request q = by_id("s");
    answer *a = preview(&q, verdicts[_i].what);
    assert_verdict(a, verdicts[_i].verdict, verdicts[_i].what);
    ck_assert_uint_eq(a->n_allocations, verdicts[_i].verdict == (int)FITS ? 1 : 0);
    ck_assert_uint_eq(a->n_agents, 0);
    ck_assert_msg((verdicts[_i].kind == 0) == (a->n_causes == 0), "%s: %zu causes",
                  verdicts[_i].what, a->n_causes);
    if (verdicts[_i].kind != 0)
        ck_assert_msg((int)a->causes[0]->kind == verdicts[_i].kind, "%s: cause kind %d: %s",
                      verdicts[_i].what, (int)a->causes[0]->kind, a->causes[0]->message);
    if (verdicts[_i].subject != NULL)
        ck_assert_str_eq(a->causes[0]->subject, verdicts[_i].subject);
    service_down();
}
END_TEST

START_TEST(preview_is_what_the_next_round_does)
{
    world_do(&db, "SELECT t.session('first', 5, 1024), t.session('s', 5, 1073741824, 2, mode => "
                  "'multi-node'), t.session('t', 2, 1024), t.session('last', 9, 1024)");
    static const char *const names[] = {"first", "s", "t", "last"};
    answer *previews[ARRAY_SIZE(names)];
    char *before = db_fingerprint(&db);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        request q = by_id(names[i]);
        q.after_queue = true;
        previews[i] = preview(&q, names[i]);
        ck_assert_uint_eq(previews[i]->queue_position, i + 1);
    }
    ck_assert_str_eq(db_fingerprint(&db), before);
    Berth__V1__ScheduleScalingGroupResponse *round = schedule("g1", "the round");
    ck_assert_uint_eq(round->n_decisions, ARRAY_SIZE(names));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const Berth__V1__SessionDecision *d = round->decisions[i];
        ck_assert_str_eq(d->session_id, id_text(&db, names[i]));
        bool scheduled = d->outcome == BERTH__V1__SESSION_OUTCOME__SESSION_OUTCOME_SCHEDULED;
        ck_assert_msg(scheduled == (previews[i]->verdict == FITS), "%s: outcome %d, verdict %d",
                      names[i], (int)d->outcome, (int)previews[i]->verdict);
        ck_assert_uint_eq(d->n_allocations, previews[i]->n_allocations);
        ck_assert_uint_eq(d->n_causes, previews[i]->n_causes);
        for (size_t k = 0; k < d->n_allocations; k++) {
            ck_assert_str_eq(d->allocations[k]->kernel_id, previews[i]->allocations[k]->kernel_id);
            ck_assert_str_eq(d->allocations[k]->agent_id, previews[i]->allocations[k]->agent_id);
        }
        for (size_t k = 0; k < d->n_causes; k++)
            ck_assert_str_eq(d->causes[k]->message, previews[i]->causes[k]->message);
    }
    service_down();
}
END_TEST

START_TEST(preview_answers_now_alone_unless_asked_for_the_queue)
{
    world_do(&db, "SELECT t.session('first', 8, 1024), t.session('second', 8, 1024), "
                  "t.session('third', 8, 1024)");
    request q = by_id("third");
    answer *a = preview(&q, "alone");
    assert_verdict(a, FITS, "alone");
    ck_assert_uint_eq(a->queue_position, 3);
    q.after_queue = true;
    assert_verdict(preview(&q, "after two that take all"), WAITS, "after two that take all");
    service_down();
}
END_TEST

/* --- described sessions and what-if ------------------------------------------------------------
 */

START_TEST(preview_answers_for_a_session_that_is_not_stored)
{
    char *before = db_fingerprint(&db);
    Berth__V1__SessionSpec *spec = spec_of(&db, 3, "2.5");
    request q = preview_of_spec(spec);
    answer *a = preview(&q, "three kernels on one agent");
    assert_verdict(a, FITS, "three kernels on one agent");
    ck_assert_uint_eq(a->n_allocations, 3);
    ck_assert_uint_eq(a->queue_position, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_str_eq(a->allocations[i]->kernel_id, "");
        ck_assert_str_eq(a->allocations[i]->agent_id, a->allocations[0]->agent_id);
        ck_assert_str_eq(a->allocations[i]->slots[0]->amount, "2.5");
    }
    spec->cluster_mode = BERTH__V1__CLUSTER_MODE__CLUSTER_MODE_MULTI_NODE;
    spec->kernels[1]->architecture = convert_text("aarch64");
    a = preview(&q, "one kernel of another architecture");
    assert_verdict(a, INFEASIBLE, "one kernel of another architecture");
    ck_assert_int_eq(a->causes[0]->kind, BERTH__V1__CAUSE_KIND__CAUSE_KIND_ARCHITECTURE);
    ck_assert_str_eq(a->causes[0]->subject, "aarch64");
    ck_assert_str_eq(db_fingerprint(&db), before);
    service_down();
}
END_TEST

START_TEST(preview_tells_who_a_described_session_would_belong_to)
{
    Berth__V1__SessionSpec *spec = spec_of(&db, 1, "1");
    request q = preview_of_spec(spec);
    spec->access_key = convert_text("AKNOBODY");
    answer *a = preview(&q, "an unknown access key");
    assert_verdict(a, BLOCKED, "an unknown access key");
    ck_assert_int_eq(a->causes[0]->kind, BERTH__V1__CAUSE_KIND__CAUSE_KIND_OWNER_NOT_FOUND);
    spec->access_key = convert_text("AK1");
    spec->project_id = id_text(&db, "no project");
    a = preview(&q, "an unknown project");
    assert_verdict(a, BLOCKED, "an unknown project");
    ck_assert_int_eq(a->causes[0]->kind, BERTH__V1__CAUSE_KIND__CAUSE_KIND_OWNER_NOT_FOUND);
    service_down();
}
END_TEST

START_TEST(preview_waits_for_a_requested_start)
{
    Berth__V1__SessionSpec *spec = spec_of(&db, 1, "1");
    Google__Protobuf__Timestamp start = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    request q = preview_of_spec(spec);
    start.seconds = 4102444800; /* 2100 */
    spec->requested_start = &start;
    assert_verdict(preview(&q, "not a batch session"), FITS, "not a batch session");
    spec->type = BERTH__V1__SESSION_TYPE__SESSION_TYPE_BATCH;
    answer *a = preview(&q, "a batch session of 2100");
    assert_verdict(a, BLOCKED, "a batch session of 2100");
    ck_assert_int_eq(a->causes[0]->kind, BERTH__V1__CAUSE_KIND__CAUSE_KIND_NOT_BEFORE);
    service_down();
}
END_TEST

START_TEST(preview_counts_agents_that_do_not_exist)
{
    struct arena *arena = test_arena();
    Berth__V1__AgentSpec *agent = message_new(arena, Berth__V1__AgentSpec, berth__v1__agent_spec);
    Berth__V1__SlotAmount *capacity[] = {slot_amount("cpu", "64"),
                                         slot_amount("mem", "68719476736")};
    request q = preview_of_spec(spec_of(&db, 1, "32"));
    assert_verdict(preview(&q, "as it is"), INFEASIBLE, "as it is");
    agent->agent_id = convert_text("big");
    agent->capacity = capacity;
    agent->n_capacity = 2;
    q.extra_agents = &agent;
    q.n_extra_agents = 1;
    answer *a = preview(&q, "with a big agent");
    assert_verdict(a, FITS, "with a big agent");
    ck_assert_str_eq(a->allocations[0]->agent_id, "big");
    service_down();
}
END_TEST

START_TEST(preview_leaves_out_agents)
{
    char *ids[] = {(char *)"a1", (char *)"a2"};
    request q = preview_of_spec(spec_of(&db, 1, "1"));
    q.without_agents = ids;
    q.n_without_agents = 1;
    answer *a = preview(&q, "without a1");
    ck_assert_str_eq(a->allocations[0]->agent_id, "a2");
    q.n_without_agents = 2;
    a = preview(&q, "without any");
    assert_verdict(a, WAITS, "without any");
    ck_assert_int_eq(a->causes[0]->kind, BERTH__V1__CAUSE_KIND__CAUSE_KIND_NO_AGENTS);
    service_down();
}
END_TEST

START_TEST(preview_ignores_validators_by_name)
{
    char *names[] = {(char *)"keypair_resource_limit", (char *)"user_resource_limit"};
    db_sql(&db, limited);
    request q = preview_of_spec(spec_of(&db, 1, "5"));
    answer *a = preview(&q, "beyond two quotas");
    assert_verdict(a, BLOCKED, "beyond two quotas");
    ck_assert_uint_eq(a->n_causes, 2);
    ck_assert_str_eq(a->causes[0]->plugin, "keypair_resource_limit");
    ck_assert_str_eq(a->causes[0]->slots[0]->limit, "4");
    q.ignore_validators = names;
    q.n_ignore_validators = 1;
    a = preview(&q, "one ignored");
    assert_verdict(a, BLOCKED, "one ignored");
    ck_assert_uint_eq(a->n_causes, 1);
    q.n_ignore_validators = 2;
    assert_verdict(preview(&q, "both ignored"), FITS, "both ignored");
    service_down();
}
END_TEST

/* --- the AGENTS view ---------------------------------------------------------------------------
 */

START_TEST(preview_has_a_row_for_every_agent)
{
    world_do(&db, "SELECT t.session('x', 6, 1024); SELECT t.place('x', 'a1', 'RUNNING');"
                  "SELECT t.agent('a3', 'g1', 8, 1024), t.agent('a4', 'g1', 8, 17179869184);"
                  "UPDATE agents SET status = 'LOST' WHERE id = 'a4'");
    request q = preview_of_spec(spec_of(&db, 1, "4"));
    q.view = BERTH__V1__PREVIEW_VIEW__PREVIEW_VIEW_AGENTS;
    answer *a = preview(&q, "four agents");
    static const struct {
        const char *id, *cpu;
        bool fits;
        int kind;
    } rows[] = {
        {"a1", "2", false, BERTH__V1__CAUSE_KIND__CAUSE_KIND_CAPACITY},
        {"a2", "8", true, 0},
        {"a3", "8", false, BERTH__V1__CAUSE_KIND__CAUSE_KIND_CAPACITY},
        {"a4", "8", false, BERTH__V1__CAUSE_KIND__CAUSE_KIND_AGENT_UNAVAILABLE},
    };
    ck_assert_uint_eq(a->n_agents, ARRAY_SIZE(rows));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const Berth__V1__AgentVerdict *row = a->agents[i];
        ck_assert_str_eq(row->agent_id, rows[i].id);
        ck_assert_msg(row->fits == rows[i].fits, "%s: fits is %d", rows[i].id, row->fits);
        ck_assert_msg((row->n_causes > 0) == (rows[i].kind != 0), "%s: %zu causes", rows[i].id,
                      row->n_causes);
        if (rows[i].kind != 0)
            ck_assert_int_eq(row->causes[0]->kind, rows[i].kind);
        ck_assert_str_eq(row->remaining[0]->slot, "cpu");
        ck_assert_str_eq(row->remaining[0]->amount, rows[i].cpu);
    }
    ck_assert_str_eq(a->next_page_token, "");
    ck_assert_uint_eq(a->n_agents_by_cause, 2);
    ck_assert_int_eq(a->agents_by_cause[0]->kind, BERTH__V1__CAUSE_KIND__CAUSE_KIND_CAPACITY);
    ck_assert_uint_eq(a->agents_by_cause[0]->count, 2);
    ck_assert_int_eq(a->agents_by_cause[1]->kind,
                     BERTH__V1__CAUSE_KIND__CAUSE_KIND_AGENT_UNAVAILABLE);
    ck_assert_uint_eq(a->agents_by_cause[1]->count, 1);
    service_down();
}
END_TEST

START_TEST(preview_pages_through_agents_that_come_and_go)
{
    world_do(&db, "SELECT t.agent('n' || lpad(i::text, 3, '0'), 'g1', 8, 1024) FROM "
                  "generate_series(1, 23) i");
    request q = preview_of_spec(spec_of(&db, 1, "4"));
    q.view = BERTH__V1__PREVIEW_VIEW__PREVIEW_VIEW_AGENTS;
    q.page_size = 10;
    answer *a = preview(&q, "page 1");
    ck_assert_uint_eq(a->n_agents, 10);
    ck_assert_str_eq(a->agents[9]->agent_id, "n008");
    ck_assert_uint_eq(a->agents_by_cause[0]->count, 23);
    db_sql(&db, "DELETE FROM agent_resources WHERE agent_id IN ('n001', 'n008'); "
                "DELETE FROM agents WHERE id IN ('n001', 'n008')");
    world_do(&db, "SELECT t.agent('a0', 'g1', 8, 1024)"); /* before the first page */
    q.page_token = a->next_page_token;
    q.page_size = 11;
    a = preview(&q, "page 2");
    ck_assert_uint_eq(a->n_agents, 11);
    ck_assert_str_eq(a->agents[0]->agent_id, "n009");
    char *second = a->next_page_token;
    q.page_token = second;
    a = preview(&q, "page 3");
    ck_assert_uint_eq(a->n_agents, 4);
    ck_assert_str_eq(a->agents[3]->agent_id, "n023");
    ck_assert_str_eq(a->next_page_token, "");
    q.after_queue = true; /* another request */
    q.page_token = second;
    call_fails(PREVIEW_PATH, &q.base, GRPC_STATUS_INVALID_ARGUMENT, "BAD_PAGE_TOKEN", "page_token",
               "the token of another request");
    service_down();
}
END_TEST

START_TEST(preview_says_that_the_database_is_away)
{
    struct db nowhere = {.conninfo = "host=/nowhere dbname=none"};
    service_down();
    service_up(&nowhere, NULL, NULL);
    request q = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__INIT;
    q.target_case = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET_SESSION_ID;
    q.session_id = (char *)"00000000-0000-0000-0000-000000000001";
    call_fails(PREVIEW_PATH, &q.base, GRPC_STATUS_UNAVAILABLE, "DATABASE_UNAVAILABLE", NULL,
               "no database");
    service_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("preview");
    TCase *tc = tcase_create("preview");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, preview_tells_never_from_not_now, 0, ARRAY_SIZE(verdicts));
    tcase_add_test(tc, preview_is_what_the_next_round_does);
    tcase_add_test(tc, preview_answers_now_alone_unless_asked_for_the_queue);
    tcase_add_test(tc, preview_answers_for_a_session_that_is_not_stored);
    tcase_add_test(tc, preview_tells_who_a_described_session_would_belong_to);
    tcase_add_test(tc, preview_waits_for_a_requested_start);
    tcase_add_test(tc, preview_counts_agents_that_do_not_exist);
    tcase_add_test(tc, preview_leaves_out_agents);
    tcase_add_test(tc, preview_ignores_validators_by_name);
    tcase_add_test(tc, preview_has_a_row_for_every_agent);
    tcase_add_test(tc, preview_pages_through_agents_that_come_and_go);
    tcase_add_test(tc, preview_says_that_the_database_is_away);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
