/* test_event.c - the event log: what is read is what was written. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "repo/event_append.h"
#include "repo/group_state.h"
#include "tests/repo/world.h"

/* --- JSON --- */

static const struct {
    const char *what, *json;
    int n; /* -1: refused */
} jsons[] = {
    {"nothing at all", "", -1},
    {"half an array", "[{\"kind\":", -1},
    {"an object", "{}", -1},
    {"null", "null", -1},
    {"a text", "\"x\"", -1},
    {"a trailing word", "[] x", -1},
    {"an empty array", "[]", 0},
    {"members that are no objects", "[1, null, \"x\"]", 3},
    {"a kind of a newer release", "[{\"kind\": \"FUTURE\", \"more\": {}}]", 1},
    {"slots that are no array", "[{\"kind\": \"CAPACITY\", \"slots\": 7}]", 1},
};

START_TEST(causes_are_parsed_leniently)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    for (size_t i = 0; i < ARRAY_SIZE(jsons); i++) {
        struct err e = {.code = ERR_NONE};
        struct event_cause *causes = NULL;
        uint32_t n = 77;
        int rc = event_causes_parse(jsons[i].json, a, &causes, &n, &e);
        ck_assert_msg((rc < 0) == (jsons[i].n < 0), "%s: %s", jsons[i].what,
                      rc < 0 ? e.detail : "was accepted");
        ck_assert_msg(n == (jsons[i].n < 0 ? 77 : (uint32_t)jsons[i].n), "%s: %u causes",
                      jsons[i].what, n);
        for (uint32_t k = 0; rc == 0 && k < n; k++)
            ck_assert_msg(causes[k].plugin != NULL && causes[k].message != NULL &&
                              causes[k].subject != NULL,
                          "%s: a text is NULL", jsons[i].what);
    }
}
END_TEST

static const struct event_shortage shortages[] = {
    {.slot = "cpu", .requested = "4", .available = "2.5", .limit = ""},
    {.slot = "mem", .requested = "17179869184", .available = "0", .limit = "Infinity"},
};
static const struct event_cause causes_in[] = {
    {.kind = CAUSE_CAPACITY,
     .plugin = "resources",
     .subject = "a1",
     .message = "No \"room\".\n\\",
     .slots = shortages,
     .n_slots = 2,
     .retryable = true},
    {.kind = CAUSE_AGENT_UNAVAILABLE, .plugin = "", .subject = "ü\x7f", .message = ""},
};
static const struct event_slot slots[] = {{.slot = "cpu", .amount = "0.5"}};
static const struct event_allocation allocations_in[] = {
    {.kernel_id = {{1, 2, 3}},
     .agent_id = "a1",
     .agent_addr = "tcp://a1",
     .slots = slots,
     .n_slots = 1},
    {.kernel_id = {{4}}, .agent_id = "a\"2", .agent_addr = ""},
};

static void expect_causes(const struct event_cause *c, uint32_t n)
{
    ck_assert_uint_eq(n, ARRAY_SIZE(causes_in));
    for (uint32_t i = 0; i < n; i++) {
        ck_assert_int_eq(c[i].kind, causes_in[i].kind);
        ck_assert_str_eq(c[i].plugin, causes_in[i].plugin);
        ck_assert_str_eq(c[i].subject, causes_in[i].subject);
        ck_assert_str_eq(c[i].message, causes_in[i].message);
        ck_assert_int_eq(c[i].retryable, causes_in[i].retryable);
        ck_assert_uint_eq(c[i].n_slots, causes_in[i].n_slots);
        for (uint32_t k = 0; k < c[i].n_slots; k++) {
            ck_assert_str_eq(c[i].slots[k].slot, shortages[k].slot);
            ck_assert_str_eq(c[i].slots[k].requested, shortages[k].requested);
            ck_assert_str_eq(c[i].slots[k].available, shortages[k].available);
            ck_assert_str_eq(c[i].slots[k].limit, shortages[k].limit);
        }
    }
}

START_TEST(causes_survive_json)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct err e = {.code = ERR_NONE};
    struct event_cause *c = NULL;
    uint32_t n = 0;
    char *json = event_causes_json(causes_in, ARRAY_SIZE(causes_in), a);
    assert_done(event_causes_parse(json, a, &c, &n, &e), &e, json);
    expect_causes(c, n);
}
END_TEST

/* --- the log --- */

static void append(struct world *w, const char *group, struct event *events, uint32_t n)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    struct group_numbers numbers;
    struct uuid id = world_id(&w->d, group);
    assert_done(txn_begin(w->c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(group_state_number(t, &id, n, &numbers, &e), &e, "number");
    for (uint32_t i = 0; i < n; i++)
        events[i].time = numbers.now;
    assert_done(event_append(t, &id, numbers.first, events, n, w->a, &e), &e, "append");
    assert_done(txn_commit(&t, &e), &e, "commit");
}

START_TEST(events_are_read_as_they_were_written)
{
    CLEANUP(world_close) struct world w = world_open("");
    struct err e = {.code = ERR_NONE};
    struct uuid s1 = world_id(&w.d, "s1"), round = world_id(&w.d, "round");
    struct event in[] = {
        {.type = EVENT_SESSION_SCHEDULED,
         .has_session = true,
         .session_id = s1,
         .creation_id = "c",
         .from_status = "PENDING",
         .to_status = "SCHEDULED",
         .reason = "r\"",
         .has_round = true,
         .round_id = round,
         .epoch = 9,
         .allocations = allocations_in,
         .n_allocations = 2,
         .causes = causes_in,
         .n_causes = 2},
        {.type = EVENT_ROUND_FINISHED, .epoch = 9, .has_round = true, .round_id = round},
    };
    append(&w, "g1", in, 2);
    ck_assert_int_eq(in[1].sequence, 2);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    struct event *out = NULL;
    uint32_t n = 0;
    assert_done(txn_begin(w.c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_done(event_list(t, "g1", 0, 10, w.a, &out, &n, &e), &e, "list");
    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(out[0].scaling_group, "g1");
    ck_assert_int_eq(out[0].sequence, 1);
    ck_assert_int_eq(out[0].type, EVENT_SESSION_SCHEDULED);
    ck_assert(out[0].has_session && uuid_compare(&out[0].session_id, &s1) == 0);
    ck_assert(out[0].has_round && uuid_compare(&out[0].round_id, &round) == 0);
    ck_assert_str_eq(out[0].creation_id, "c");
    ck_assert_str_eq(out[0].from_status, "PENDING");
    ck_assert_str_eq(out[0].to_status, "SCHEDULED");
    ck_assert_str_eq(out[0].reason, "r\"");
    ck_assert_int_eq(out[0].epoch, 9);
    ck_assert_int_gt(out[0].time, w.s->observed_at);
    ck_assert_uint_eq(out[0].n_allocations, 2);
    ck_assert(uuid_compare(&out[0].allocations[0].kernel_id, &allocations_in[0].kernel_id) == 0);
    ck_assert_str_eq(out[0].allocations[1].agent_id, "a\"2");
    ck_assert_str_eq(out[0].allocations[0].slots[0].amount, "0.5");
    expect_causes(out[0].causes, out[0].n_causes);
    ck_assert(!out[1].has_session);
    ck_assert_uint_eq(out[1].n_causes + out[1].n_allocations, 0);
    ck_assert_str_eq(out[1].reason, "");
}
END_TEST

static const struct {
    const char *what, *group;
    int64_t after;
    uint32_t max, n;
    int64_t first;
} pages[] = {
    {"an unknown group", "nowhere", 0, 10, 0, 0},
    {"a group without a log", "g3", 0, 10, 0, 0},
    {"after the end", "g1", 5, 10, 0, 0},
    {"far after the end", "g1", INT64_MAX, 10, 0, 0},
    {"a page of none", "g1", 0, 0, 0, 0},
    {"before the beginning", "g1", INT64_MIN, 10, 5, 1},
    {"the first page", "g1", 0, 2, 2, 1},
    {"the second page", "g1", 2, 2, 2, 3},
    {"the last page", "g1", 4, 2, 1, 5},
    {"another group", "g2", 0, 10, 1, 1},
};

START_TEST(events_are_listed_by_page)
{
    CLEANUP(world_close)
    struct world w = world_open(
        "INSERT INTO scaling_groups (name, id, driver, driver_opts, scheduler, use_host_network, "
        "scheduler_opts, default_session_options, default_deployment_options) "
        "VALUES ('g3', t.id('g3'), 'x', '{}', 'fifo', false, '{}', '{}', '{}')");
    struct err e = {.code = ERR_NONE};
    struct event in[5] = {{.type = EVENT_ROUND_FINISHED},
                          {.type = EVENT_ROUND_FINISHED},
                          {.type = EVENT_ROUND_FINISHED},
                          {.type = EVENT_ROUND_FINISHED},
                          {.type = EVENT_ROUND_FINISHED}};
    append(&w, "g1", in, 3);
    append(&w, "g2", in, 1);
    append(&w, "g1", in, 2);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(w.c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
        struct event *out = NULL;
        uint32_t n = 77;
        assert_done(event_list(t, pages[i].group, pages[i].after, pages[i].max, w.a, &out, &n, &e),
                    &e, pages[i].what);
        ck_assert_msg(n == pages[i].n, "%s: %u events", pages[i].what, n);
        for (uint32_t k = 0; k < n; k++)
            ck_assert_msg(out[k].sequence == pages[i].first + k, "%s: event %u is number %lld",
                          pages[i].what, k, (long long)out[k].sequence);
    }
}
END_TEST

START_TEST(bounds_say_what_is_still_kept)
{
    CLEANUP(world_close) struct world w = world_open("");
    struct err e = {.code = ERR_NONE};
    struct event in[3] = {{.type = EVENT_ROUND_FINISHED},
                          {.type = EVENT_ROUND_FINISHED},
                          {.type = EVENT_ROUND_FINISHED}};
    append(&w, "g1", in, 3);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    struct event_bounds *b = NULL;
    uint32_t n = 0;
    const char *const names[] = {"nowhere", "g2", "g1"};
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(event_bounds_list(t, NULL, 0, w.a, &b, &n, &e), &e, "all");
    ck_assert_msg(n == 1, "%u groups have a log", n);
    ck_assert_int_eq(b[0].oldest, 1);
    ck_assert_int_eq(b[0].last, 3);
    assert_done(event_bounds_list(t, names, 0, w.a, &b, &n, &e), &e, "none named");
    ck_assert_uint_eq(n, 0);
    assert_done(event_bounds_list(t, names, 3, w.a, &b, &n, &e), &e, "named");
    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(b[1].scaling_group, "g2");
    ck_assert_int_eq(b[1].oldest, 1);
    ck_assert_int_eq(b[1].last, 0);
    db_sql(&w.d, "DELETE FROM berth.events WHERE sequence <= 2");
    assert_done(event_bounds_list(t, names, 3, w.a, &b, &n, &e), &e, "after retention");
    ck_assert_int_eq(b[0].oldest, 3);
    db_sql(&w.d, "DELETE FROM berth.events");
    assert_done(event_bounds_list(t, names, 3, w.a, &b, &n, &e), &e, "when nothing is kept");
    ck_assert_int_eq(b[0].oldest, 4);
    ck_assert_int_eq(b[0].last, 3);
}
END_TEST

/* --- health of a group --- */

static const struct {
    const char *what, *group;
    enum group_health health;
    const char *reason;
    const char *from, *to, *said; /* from NULL: nothing is to be said */
    int64_t sequence;
} healths[] = {
    {"healthy from the start", "g1", GROUP_HEALTHY, NULL, NULL, NULL, NULL, 0},
    {"falls ill", "g1", GROUP_FAILING, "no scheduler \"x\"", "HEALTHY", "FAILING",
     "no scheduler \"x\"", 1},
    {"is still ill", "g1", GROUP_FAILING, "no scheduler \"x\"", NULL, NULL, NULL, 0},
    {"is ill of something else", "g1", GROUP_FAILING, "bad\xff option", "FAILING", "FAILING",
     "bad? option", 2},
    {"another group is its own", "g2", GROUP_DEGRADED, "odd", "HEALTHY", "DEGRADED", "odd", 1},
    {"gets better", "g1", GROUP_DEGRADED, "odd", "FAILING", "DEGRADED", "odd", 3},
    {"is well", "g1", GROUP_HEALTHY, "", "DEGRADED", "HEALTHY", "", 4},
    {"is still well", "g1", GROUP_HEALTHY, "", NULL, NULL, NULL, 0},
};

START_TEST(health_is_told_once_when_it_changes)
{
    CLEANUP(world_close) struct world w = world_open("");
    struct err e = {.code = ERR_NONE};
    struct event *v = NULL;
    uint32_t n = 77;
    const struct event_group_health nowhere = {.scaling_group = "nowhere", .health = GROUP_FAILING};
    assert_failed(event_append_group_health(w.c, &nowhere, w.a, &v, &n, &e), &e, ERR_NOT_FOUND,
                  "UNKNOWN_SCALING_GROUP", "an unknown group");
    ck_assert_uint_eq(n, 77);
    for (size_t i = 0; i < ARRAY_SIZE(healths); i++) {
        const struct event_group_health h = {.scaling_group = healths[i].group,
                                             .health = healths[i].health,
                                             .reason = healths[i].reason};
        assert_done(event_append_group_health(w.c, &h, w.a, &v, &n, &e), &e, healths[i].what);
        ck_assert_msg(n == (healths[i].from != NULL), "%s: %u events", healths[i].what, n);
        if (n == 0)
            continue;
        ck_assert_msg(v->type == EVENT_GROUP_HEALTH_CHANGED && !v->has_session && !v->has_round &&
                          v->sequence == healths[i].sequence && v->time > 0 &&
                          strcmp(v->scaling_group, healths[i].group) == 0,
                      "%s: the event is not the group's number %lld", healths[i].what,
                      (long long)healths[i].sequence);
        ck_assert_msg(
            strcmp(v->from_status, healths[i].from) == 0 &&
                strcmp(v->to_status, healths[i].to) == 0 && strcmp(v->reason, healths[i].said) == 0,
            "%s: says %s -> %s, %s", healths[i].what, v->from_status, v->to_status, v->reason);
    }
    world_expect(&w.d,
                 "SELECT string_agg(from_status || '>' || to_status, ' ' ORDER BY sequence) FROM "
                 "berth.events e WHERE scaling_group_id = t.id('g1')",
                 "HEALTHY>FAILING FAILING>FAILING FAILING>DEGRADED DEGRADED>HEALTHY", "the log");
    world_check(&w.d, "after the changes");
}
END_TEST

static void *tell_illness(void *data)
{
    const struct world *w = data;
    struct err e = {.code = ERR_NONE};
    CLEANUP(pg_closep) struct pg *c = db_open(&w->d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct event_group_health h = {.scaling_group = "g1", .health = GROUP_FAILING};
    struct event *v = NULL;
    uint32_t n = 0;
    return event_append_group_health(c, &h, a, &v, &n, &e) == 0 && n == 1 ? data : NULL;
}

START_TEST(health_is_told_by_one_replica_of_many)
{
    CLEANUP(world_close) struct world w = world_open("");
    pthread_t threads[6];
    unsigned told = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, tell_illness, &w), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(threads); i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        told += result != NULL;
    }
    ck_assert_msg(told == 1, "%u of them told it", told);
    ck_assert_int_eq(db_int(&w.d, "SELECT count(*) FROM berth.events"), 1);
    world_check(&w.d, "after the race");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("event");
    TCase *tc = tcase_create("event");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, causes_are_parsed_leniently);
    tcase_add_test(tc, causes_survive_json);
    tcase_add_test(tc, events_are_read_as_they_were_written);
    tcase_add_test(tc, events_are_listed_by_page);
    tcase_add_test(tc, bounds_say_what_is_still_kept);
    tcase_add_test(tc, health_is_told_once_when_it_changes);
    tcase_add_test(tc, health_is_told_by_one_replica_of_many);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
