/* test_preview_refusals.c - previews that cannot be answered, and the field that is to blame. */

#include "server/convert.h"
#include "tests/rpc/previewing.h"

typedef preview_request request;

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

static void no_target(request *q)
{
    q->target_case = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET__NOT_SET;
}
static void bad_id(request *q)
{
    *q = by_id("s");
    q->session_id = convert_text("s");
}
static void unknown_id(request *q)
{
    *q = by_id("nobody");
}
static void not_pending(request *q)
{
    *q = by_id("running");
}
static void other_group(request *q)
{
    *q = by_id("s");
    q->scaling_group = convert_text("g2");
}
static void no_group(request *q)
{
    q->scaling_group = convert_text("");
}
static void unknown_group(request *q)
{
    q->scaling_group = convert_text("nowhere");
}
static void no_access_key(request *q)
{
    q->spec->access_key = convert_text("");
}
static void no_project(request *q)
{
    q->spec->project_id = convert_text("");
}
static void bad_user(request *q)
{
    q->spec->user_id = convert_text("me");
}
static void no_kernels(request *q)
{
    q->spec->n_kernels = 0;
}
static void too_many_kernels(request *q)
{
    *q = preview_of_spec(spec_of(&db, 1025, "1"));
}
static void unknown_slot(request *q)
{
    q->spec->kernels[0]->slots[1] = slot_amount("gpu", "1");
}
static void negative_amount(request *q)
{
    q->spec->kernels[0]->slots[1] = slot_amount("mem", "-1");
}
static void unknown_session_group(request *q)
{
    q->spec->session_group_id = id_text(&db, "no group");
}
static void bad_start(request *q)
{
    Google__Protobuf__Timestamp *t =
        message_new(test_arena(), Google__Protobuf__Timestamp, google__protobuf__timestamp);
    t->seconds = INT64_MAX;
    q->spec->requested_start = t;
}
static void bad_type(request *q)
{
    q->spec->type = (Berth__V1__SessionType)17;
}
static void unknown_agent(request *q)
{
    static char *ids[] = {(char *)"a1", (char *)"b1"}; /* b1 is in g2 */
    q->without_agents = ids;
    q->n_without_agents = 2;
}
static void known_agent(request *q)
{
    static Berth__V1__AgentSpec *agents[1];
    agents[0] = message_new(test_arena(), Berth__V1__AgentSpec, berth__v1__agent_spec);
    agents[0]->agent_id = convert_text("a1");
    q->extra_agents = agents;
    q->n_extra_agents = 1;
}
static void unknown_validator(request *q)
{
    static char *names[] = {(char *)"concurrency", (char *)"luck"};
    q->ignore_validators = names;
    q->n_ignore_validators = 2;
}
static void bad_view(request *q)
{
    q->view = (Berth__V1__PreviewView)9;
}
static void big_page(request *q)
{
    q->page_size = 1001;
}
static void token_without_rows(request *q)
{
    q->page_token = convert_text("x");
}
static void foreign_token(request *q)
{
    q->view = BERTH__V1__PREVIEW_VIEW__PREVIEW_VIEW_AGENTS;
    q->page_token = convert_text("x");
}

static const struct {
    const char *what;
    void (*spoil)(request *q); /* of a good request by spec */
    grpc_status_code code;
    const char *reason, *field;
} bad[] = {
    {"no target", no_target, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "session_id"},
    {"a session by name", bad_id, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "session_id"},
    {"an unknown session", unknown_id, GRPC_STATUS_NOT_FOUND, "UNKNOWN_SESSION", NULL},
    {"a running session", not_pending, GRPC_STATUS_FAILED_PRECONDITION, "SESSION_NOT_PENDING",
     NULL},
    {"a session of another group", other_group, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
     "scaling_group"},
    {"a spec without a group", no_group, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
     "scaling_group"},
    {"an unknown group", unknown_group, GRPC_STATUS_NOT_FOUND, "UNKNOWN_SCALING_GROUP", NULL},
    {"no access key", no_access_key, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "spec.access_key"},
    {"no project", no_project, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "spec.project_id"},
    {"a user by name", bad_user, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "spec.user_id"},
    {"no kernels", no_kernels, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "spec.kernels"},
    {"1025 kernels", too_many_kernels, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "spec.kernels"},
    {"an unknown slot", unknown_slot, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
     "spec.kernels[0].slots[1].slot"},
    {"a negative amount", negative_amount, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
     "spec.kernels[0].slots[1].amount"},
    {"an unknown session group", unknown_session_group, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
     "spec.session_group_id"},
    {"a start in the far future", bad_start, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
     "spec.requested_start.seconds"},
    {"an unknown type", bad_type, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "spec.type"},
    {"leaving out an agent that is not there", unknown_agent, GRPC_STATUS_INVALID_ARGUMENT,
     "BAD_FIELD", "without_agents[1]"},
    {"adding an agent that is there", known_agent, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
     "extra_agents[0].agent_id"},
    {"ignoring an unknown validator", unknown_validator, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD",
     "ignore_validators"},
    {"an unknown view", bad_view, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "view"},
    {"a page of 1001", big_page, GRPC_STATUS_INVALID_ARGUMENT, "BAD_FIELD", "page_size"},
    {"a page token in the VERDICT view", token_without_rows, GRPC_STATUS_INVALID_ARGUMENT,
     "BAD_FIELD", "page_token"},
    {"a page token of nobody", foreign_token, GRPC_STATUS_INVALID_ARGUMENT, "BAD_PAGE_TOKEN",
     "page_token"},
};

START_TEST(preview_refuses_what_it_cannot_answer)
{
    world_do(&db, "SELECT t.session('s', 1, 1024), t.session('running', 1, 1024);"
                  "SELECT t.place('running', 'a1', 'RUNNING')");
    request q = preview_of_spec(spec_of(&db, 1, "1"));
    bad[_i].spoil(&q);
    call_fails(PREVIEW_PATH, &q.base, bad[_i].code, bad[_i].reason, bad[_i].field, bad[_i].what);
    service_down();
}
END_TEST

START_TEST(preview_says_that_the_group_cannot_be_scheduled)
{
    db_sql(&db, "UPDATE scaling_groups SET scheduler = 'best'");
    request q = preview_of_spec(spec_of(&db, 1, "1"));
    call_fails(PREVIEW_PATH, &q.base, GRPC_STATUS_FAILED_PRECONDITION, "UNKNOWN_SCHEDULER", NULL,
               "an unknown scheduler");
    service_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("preview_refusals");
    TCase *tc = tcase_create("preview_refusals");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, preview_refuses_what_it_cannot_answer, 0, ARRAY_SIZE(bad));
    tcase_add_test(tc, preview_says_that_the_group_cannot_be_scheduled);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
