/* test_preview_remedies.c - what would help, as PreviewAllocation answers it; and that what it says
 * helps does, when it is done to the database or asked as what-if. */
#include <string.h>

#include "server/convert.h"
#include "tests/rpc/previewing.h"

static struct db db;

static void setup(void)
{
    db = world_create();
    world_do(&db, "SELECT t.session('s', 9, 1024)");
    service_up(&db, NULL, NULL);
}

static preview_request asking(preview_request q)
{
    q.with_remedies = 1;
    q.max_snapshot_age = duration_ms(0);
    return q;
}

/* The first change of this kind; fails the test when there is none. */
static const Berth__V1__RemedyChange *change_of(const preview_answer *a, int kind, const char *what)
{
    for (size_t i = 0; i < a->n_remedies; i++)
        for (size_t k = 0; k < a->remedies[i]->n_changes; k++)
            if ((int)a->remedies[i]->changes[k]->kind == kind)
                return a->remedies[i]->changes[k];
    ck_abort_msg("%s: nothing of kind %d helps", what, kind);
    return NULL;
}

static void assert_slot(const Berth__V1__RemedyChange *c, const char *slot, const char *by,
                        const char *to)
{
    ck_assert_uint_eq(c->n_slots, 1);
    ck_assert_str_eq(c->slots[0]->slot, slot);
    ck_assert_str_eq(c->slots[0]->by, by);
    ck_assert_str_eq(c->slots[0]->to, to);
}

START_TEST(remedies_come_when_asked_for)
{
    preview_request q = asking(preview_of(&db, "s"));
    q.with_remedies = 0;
    preview_answer *a = preview(&q, "not asked for");
    assert_verdict(a, INFEASIBLE, "9 of 8 cpu");
    ck_assert_msg(a->n_remedies == 0 && !a->remedies_suffice, "nobody asked for remedies");
    q = asking(preview_of_spec(spec_of(&db, 1, "1")));
    a = preview(&q, "it fits");
    ck_assert_msg(a->n_remedies == 0 && a->remedies_suffice, "what fits needs no help");
    service_down();
}
END_TEST

START_TEST(remedies_say_how_much_less_to_ask)
{
    preview_request q = asking(preview_of(&db, "s"));
    preview_answer *a = preview(&q, "9 of 8 cpu");
    ck_assert_msg(a->remedies_suffice, "they are not enough");
    const Berth__V1__RemedyChange *c =
        change_of(a, BERTH__V1__REMEDY_KIND__REMEDY_KIND_ASK_LESS, "9 of 8 cpu");
    assert_slot(c, "cpu", "1", "8");
    ck_assert_str_eq(a->remedies[0]->message, "Ask for less: cpu 8 instead of 9.");
    ck_assert_uint_eq(a->remedies[0]->n_causes, 1);
    ck_assert_uint_eq(a->remedies[0]->causes[0], 0);
    service_down();
}
END_TEST

/* The agent that is said to help is added in thought. */
START_TEST(remedies_can_be_tried_as_what_if)
{
    preview_request q = asking(preview_of(&db, "s"));
    const Berth__V1__RemedyChange *c =
        change_of(preview(&q, "9 of 8 cpu"), BERTH__V1__REMEDY_KIND__REMEDY_KIND_ADD_AGENT, "9");
    Berth__V1__AgentSpec agent = BERTH__V1__AGENT_SPEC__INIT, *extra = &agent;
    ck_assert_str_eq(c->subject, "x86_64");
    ck_assert_int_eq(c->count, 1);
    agent.agent_id = convert_text("more");
    agent.architecture = c->subject;
    agent.n_capacity = c->n_slots;
    agent.capacity = arena_new(test_arena(), Berth__V1__SlotAmount *, c->n_slots);
    for (size_t i = 0; i < c->n_slots; i++)
        agent.capacity[i] = slot_amount(c->slots[i]->slot, c->slots[i]->by);
    q.extra_agents = &extra;
    q.n_extra_agents = 1;
    preview_answer *a = preview(&q, "with the agent that helps");
    assert_verdict(a, FITS, "with the agent that helps");
    ck_assert_str_eq(a->allocations[0]->agent_id, "more");
    service_down();
}
END_TEST

START_TEST(remedies_name_owners_limits_and_what_shows_later)
{
    db_sql(&db, "UPDATE keypair_resource_policies SET total_resource_slots = '{\"cpu\": \"4\"}'");
    preview_request q = asking(preview_of(&db, "s"));
    preview_answer *a = preview(&q, "two quotas");
    assert_verdict(a, BLOCKED, "two quotas");
    ck_assert_msg(a->remedies_suffice, "they are not enough");
    const Berth__V1__RemedyChange *c =
        change_of(a, BERTH__V1__REMEDY_KIND__REMEDY_KIND_RAISE_QUOTA, "a quota");
    assert_slot(c, "cpu", "5", "9");
    ck_assert_str_eq(c->subject, "AK1");
    ck_assert_int_eq(c->owner, BERTH__V1__REMEDY_OWNER__REMEDY_OWNER_KEYPAIR);
    db_sql(&db, "UPDATE agent_resources SET used = 6 WHERE slot_name = 'cpu'");
    a = preview(&q, "two quotas and no room behind them");
    ck_assert_uint_eq(a->n_causes, 2);
    ck_assert_uint_eq(a->n_later_causes, 1);
    ck_assert_int_eq(a->later_causes[0]->kind, BERTH__V1__CAUSE_KIND__CAUSE_KIND_CAPACITY);
    c = change_of(a, BERTH__V1__REMEDY_KIND__REMEDY_KIND_FREE_AGENT, "no room");
    assert_slot(c, "cpu", "2", "4");
    ck_assert_msg(c->subject[0] == 'a', "on agent %s", c->subject);
    service_down();
}
END_TEST

START_TEST(remedies_name_sessions_and_times)
{
    world_do(
        &db,
        "SELECT t.session('late', 1, 1024), t.session('first', 1, 1024);"
        "UPDATE sessions SET session_type = 'BATCH', requested_starts_at = now() + interval '1 h' "
        "WHERE id = t.id('late');"
        "INSERT INTO session_dependencies VALUES (t.id('late'), t.id('first'))");
    preview_request q = asking(preview_of(&db, "late"));
    preview_answer *a = preview(&q, "before its start, after another");
    ck_assert_uint_eq(a->n_causes, 2);
    const Berth__V1__RemedyChange *c =
        change_of(a, BERTH__V1__REMEDY_KIND__REMEDY_KIND_WAIT_UNTIL, "its start");
    ck_assert_msg(c->time != NULL && c->time->seconds > a->snapshot_time->seconds + 3500,
                  "it is in an hour");
    c = change_of(a, BERTH__V1__REMEDY_KIND__REMEDY_KIND_WAIT_FOR_SESSIONS, "the other");
    ck_assert_uint_eq(c->n_session_ids, 1);
    ck_assert_str_eq(c->session_ids[0], id_text(&db, "first"));
    db_sql(&db, "UPDATE scaling_groups SET scheduler_opts = scheduler_opts || "
                "'{\"pending_timeout\": 0.001}'");
    a = preview(&q, "it waited too long");
    assert_verdict(a, EXPIRED, "it waited too long");
    c = change_of(a, BERTH__V1__REMEDY_KIND__REMEDY_KIND_RAISE_PENDING_TIMEOUT, "the timeout");
    ck_assert_msg(ms_of(c->duration) > 1, "a longer one");
    service_down();
}
END_TEST

START_TEST(remedies_come_with_the_first_page)
{
    preview_request q = asking(preview_of(&db, "s"));
    q.view = BERTH__V1__PREVIEW_VIEW__PREVIEW_VIEW_AGENTS;
    q.page_size = 1;
    preview_answer *a = preview(&q, "the first page");
    ck_assert_msg(a->n_remedies > 0 && a->next_page_token[0] != '\0', "of the first page");
    q.page_token = a->next_page_token;
    a = preview(&q, "the second page");
    ck_assert_msg(a->n_remedies == 0 && a->n_agents == 1, "of the second page");
    service_down();
}
END_TEST

/* The user of an access key that is not there is nobody: no sentence names the empty user. */
START_TEST(causes_name_nobody_by_an_empty_name)
{
    Berth__V1__SessionSpec *spec = spec_of(&db, 1, "1");
    spec->access_key = convert_text("AKNOBODY");
    spec->project_id = id_text(&db, "no project");
    preview_request q = asking(preview_of_spec(spec));
    preview_answer *a = preview(&q, "an unknown access key and project");
    unsigned users = 0, domains = 0;
    for (size_t i = 0; i < a->n_causes; i++) {
        const char *message = a->causes[i]->message;
        ck_assert_msg(strstr(message, "\"\"") == NULL, "%s", message);
        users += strcmp(message, "user of the access key was not found.") == 0;
        domains += strcmp(message, "domain of the project was not found.") == 0;
    }
    ck_assert_msg(users == 1 && domains == 1, "%u users and %u domains are missing", users,
                  domains);
    service_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("preview_remedies");
    TCase *tc = tcase_create("preview_remedies");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, remedies_come_when_asked_for);
    tcase_add_test(tc, remedies_say_how_much_less_to_ask);
    tcase_add_test(tc, remedies_can_be_tried_as_what_if);
    tcase_add_test(tc, remedies_name_owners_limits_and_what_shows_later);
    tcase_add_test(tc, remedies_name_sessions_and_times);
    tcase_add_test(tc, remedies_come_with_the_first_page);
    tcase_add_test(tc, causes_name_nobody_by_an_empty_name);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_ROUNDS);
}
