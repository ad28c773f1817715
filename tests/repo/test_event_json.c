/* test_event_json.c - causes and allocations: from a plan to names, to JSON text and back. */
#include <string.h>

#include "repo/event_append.h"
#include "tests/repo/world.h"

/* --- from a plan --- */

static void expect_shortage(const struct event_shortage *is, const struct event_shortage *wanted)
{
    ck_assert_msg(
        strcmp(is->slot, wanted->slot) == 0 && strcmp(is->requested, wanted->requested) == 0 &&
            strcmp(is->available, wanted->available) == 0 && strcmp(is->limit, wanted->limit) == 0,
        "slot %s: asked %s, left %s of %s", is->slot, is->requested, is->available, is->limit);
}

START_TEST(causes_of_a_plan_are_told_by_name)
{
    static const struct event_shortage wanted[] = {
        {.slot = "cpu", .requested = "4", .available = "2.5", .limit = ""},
        {.slot = "mem", .requested = "1024", .available = "0", .limit = "Infinity"},
    };
    CLEANUP(world_close) struct world w = world_open("");
    const struct shortage shortages[] = {
        {.slot = snapshot_find_slot(w.s, "cpu"),
         .requested = 4 * AMOUNT_ONE,
         .available = 5 * AMOUNT_ONE / 2,
         .limit = AMOUNT_UNKNOWN},
        {.slot = snapshot_find_slot(w.s, "mem"), .requested = 1024, .limit = AMOUNT_INF},
    };
    const struct cause causes[] = {
        {.kind = CAUSE_CAPACITY,
         .plugin = "resources",
         .subject = "a1",
         .message = "no room",
         .slots = shortages,
         .n_slots = 2,
         .retryable = true},
        {.kind = CAUSE_CONCURRENCY},
    };
    const struct event_cause *c = event_causes_from_plan(w.s, causes, 2, w.a);
    ck_assert_msg(c[0].kind == CAUSE_CAPACITY && c[0].retryable, "the first cause is another");
    ck_assert_msg(c[1].kind == CAUSE_CONCURRENCY && !c[1].retryable, "the second is another");
    ck_assert_msg(strcmp(c[0].plugin, "resources") == 0 && strcmp(c[0].subject, "a1") == 0 &&
                      strcmp(c[0].message, "no room") == 0,
                  "the first cause says %s: %s: %s", c[0].plugin, c[0].subject, c[0].message);
    ck_assert_msg(c[1].plugin[0] == '\0' && c[1].subject[0] == '\0' && c[1].message[0] == '\0',
                  "a cause that says nothing says %s: %s: %s", c[1].plugin, c[1].subject,
                  c[1].message);
    ck_assert_msg(c[0].n_slots == 2 && c[1].n_slots == 0, "%u and %u slots", c[0].n_slots,
                  c[1].n_slots);
    for (uint32_t i = 0; i < ARRAY_SIZE(wanted); i++)
        expect_shortage(&c[0].slots[i], &wanted[i]);
}
END_TEST

START_TEST(allocations_of_a_plan_are_told_by_name)
{
    CLEANUP(world_close)
    struct world w = world_open("SELECT t.session('s1', 1, 1024), t.session('s2', 2, 0)");
    const uint32_t s1 = w.s->sessions[world_session(w.s, "s1")].first_kernel,
                   s2 = w.s->sessions[world_session(w.s, "s2")].first_kernel;
    const uint32_t a1 = snapshot_find_agent(w.s, "a1"), a2 = snapshot_find_agent(w.s, "a2");
    const struct placement placed[] = {{.kernel = s1, .agent = a2}, {.kernel = s2, .agent = a1}};
    const char **addrs = arena_new(w.a, const char *, w.s->n_agents);
    addrs[a2] = "tcp://moved";
    const struct event_allocation *v = event_allocations_from_plan(w.s, placed, 2, addrs, w.a);
    const struct uuid k1 = world_id(&w.d, "s1/1"), k2 = world_id(&w.d, "s2/1");
    ck_assert_msg(uuid_compare(&v[0].kernel_id, &k1) == 0, "the first is another kernel");
    ck_assert_msg(uuid_compare(&v[1].kernel_id, &k2) == 0, "the second is another kernel");
    ck_assert_str_eq(v[0].agent_id, "a2");
    ck_assert_str_eq(v[0].agent_addr, "tcp://moved");
    ck_assert_str_eq(v[1].agent_id, "a1");
    ck_assert_str_eq(v[1].agent_addr, w.s->agents[a1].addr);
    ck_assert_msg(v[0].n_slots == 2 && v[1].n_slots == 1,
                  "%u and %u slots: those that are asked for are told", v[0].n_slots, v[1].n_slots);
    ck_assert_str_eq(v[0].slots[0].slot, "cpu");
    ck_assert_str_eq(v[0].slots[0].amount, "1");
    ck_assert_str_eq(v[0].slots[1].slot, "mem");
    ck_assert_str_eq(v[0].slots[1].amount, "1024");
    ck_assert_str_eq(v[1].slots[0].slot, "cpu");
    ck_assert_str_eq(v[1].slots[0].amount, "2");
    v = event_allocations_from_plan(w.s, placed, 1, NULL, w.a);
    ck_assert_str_eq(v[0].agent_addr, w.s->agents[a2].addr);
}
END_TEST

/* --- JSON --- */

START_TEST(allocations_survive_json)
{
    static const struct event_slot slots[] = {{.slot = "cpu", .amount = "0.5"},
                                              {.slot = "mem", .amount = "7"}};
    static const struct event_allocation in[] = {
        {.kernel_id = {{1, 2, 3}},
         .agent_id = "a1",
         .agent_addr = "tcp://a1",
         .slots = slots,
         .n_slots = 2},
        {.kernel_id = {{4}}, .agent_id = "a\"2", .agent_addr = ""},
    };
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct err e = {.code = ERR_NONE};
    struct event_allocation *v = NULL;
    uint32_t n = 0;
    char *json = event_allocations_json(in, ARRAY_SIZE(in), a);
    assert_done(event_allocations_parse(json, a, &v, &n, &e), &e, json);
    ck_assert_msg(n == ARRAY_SIZE(in), "%u allocations", n);
    for (uint32_t i = 0; i < n; i++) {
        ck_assert_msg(uuid_compare(&v[i].kernel_id, &in[i].kernel_id) == 0 &&
                          strcmp(v[i].agent_id, in[i].agent_id) == 0 &&
                          strcmp(v[i].agent_addr, in[i].agent_addr) == 0 &&
                          v[i].n_slots == in[i].n_slots,
                      "allocation %u: agent %s at %s, %u slots", i, v[i].agent_id, v[i].agent_addr,
                      v[i].n_slots);
        for (uint32_t k = 0; k < v[i].n_slots; k++)
            ck_assert_msg(strcmp(v[i].slots[k].slot, slots[k].slot) == 0 &&
                              strcmp(v[i].slots[k].amount, slots[k].amount) == 0,
                          "slot %u is %s=%s", k, v[i].slots[k].slot, v[i].slots[k].amount);
    }
}
END_TEST

START_TEST(every_kind_of_cause_survives_json)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct err e = {.code = ERR_NONE};
    struct event_cause *c = NULL;
    uint32_t n = 0;
    for (int kind = CAUSE_NONE + 1; kind < N_CAUSE_KINDS; kind++) {
        const struct event_cause in = {
            .kind = (enum cause_kind)kind, .plugin = "", .subject = "", .message = ""};
        char *json = event_causes_json(&in, 1, a);
        assert_done(event_causes_parse(json, a, &c, &n, &e), &e, json);
        ck_assert_msg(n == 1 && (int)c->kind == kind, "%s became kind %d", json, (int)c->kind);
    }
    /* what a kind that is none is called */
    assert_done(event_causes_parse("[{\"kind\": \"UNKNOWN\"}]", a, &c, &n, &e), &e, "no kind");
    ck_assert_msg(c->kind == CAUSE_NONE, "a kind nobody knows became %d", (int)c->kind);
}
END_TEST

static const struct {
    const char *json, *causes, *allocations; /* what the log is told, at least */
} refused[] = {
    {"{}", "causes: not an array", "allocations: not an array"},
    {"7", "causes: not an array", "allocations: not an array"},
    {"[", "causes: ']' expected", "allocations: ']' expected"},
};

START_TEST(what_is_no_array_is_told)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct event_cause *c = NULL;
    struct event_allocation *v = NULL;
    uint32_t n = 0;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        struct err e = {.code = ERR_NONE};
        assert_failed(event_causes_parse(refused[i].json, a, &c, &n, &e), &e, ERR_INTERNAL,
                      "BAD_STORED_JSON", refused[i].json);
        ck_assert_msg(strstr(e.detail, refused[i].causes) != NULL, "%s: the log is told: %s",
                      refused[i].json, e.detail);
        ck_assert_msg(strstr(e.message, "causes") != NULL, "the caller is told: %s", e.message);
        assert_failed(event_allocations_parse(refused[i].json, a, &v, &n, &e), &e, ERR_INTERNAL,
                      "BAD_STORED_JSON", refused[i].json);
        ck_assert_msg(strstr(e.detail, refused[i].allocations) != NULL, "%s: the log is told: %s",
                      refused[i].json, e.detail);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("event_json");
    TCase *tc = tcase_create("event_json");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, causes_of_a_plan_are_told_by_name);
    tcase_add_test(tc, allocations_of_a_plan_are_told_by_name);
    tcase_add_test(tc, allocations_survive_json);
    tcase_add_test(tc, every_kind_of_cause_survives_json);
    tcase_add_test(tc, what_is_no_array_is_told);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
