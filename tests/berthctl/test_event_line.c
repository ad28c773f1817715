/* test_event_line.c - one event, one line. */
#include <string.h>
#include <time.h>

#include "server/berthctl/event_line.h"
#include "tests/unit/unit.h"

#include "tests/berthctl/capture.h"
#include "tests/berthctl/messages.h"

static Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

static Berth__V1__Event event_of(Berth__V1__EventType type)
{
    Berth__V1__Event e = BERTH__V1__EVENT__INIT;
    at.seconds = 1769868309;
    setenv("TZ", "UTC0", 1);
    tzset();
    e.time = &at;
    e.scaling_group = "gpu";
    e.sequence = 42;
    e.type = type;
    return e;
}

static void expect(const Berth__V1__Event *e, const char *want)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(capture_finish) struct capture c = {0};
    capture_begin(&c);
    event_line_print(c.out, a, e, false);
    capture_end(&c);
    ck_assert_msg(strcmp(c.text, want) == 0, "\n got %swant %s", c.text, want);
}

START_TEST(event_line_says_where_a_session_went)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    Berth__V1__Event e = event_of(BERTH__V1__EVENT_TYPE__EVENT_TYPE_SESSION_SCHEDULED);
    Berth__V1__KernelAllocation *kernel = kernel_on(a, "k", "a1");
    Berth__V1__SlotAmount *slot = slot_of(a, "cpu", "4");
    kernel->slots = &slot;
    kernel->n_slots = 1;
    e.session_id = "s1";
    e.from_status = "PENDING";
    e.to_status = "SCHEDULED";
    e.reason = "scheduled";
    e.allocations = &kernel;
    e.n_allocations = 1;
    expect(
        &e,
        "2026-01-31 14:05:09  gpu #42      session-scheduled     s1  PENDING -> SCHEDULED  on a1 "
        "(cpu 4)\n");
}
END_TEST

START_TEST(event_line_says_why_a_session_waits)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    Berth__V1__Event e = event_of(BERTH__V1__EVENT_TYPE__EVENT_TYPE_SESSION_WAITING);
    Berth__V1__Cause *cause = cause_of(a, BERTH__V1__CAUSE_KIND__CAUSE_KIND_CAPACITY, "a1",
                                       "No\nroom.", NULL, NULL, NULL);
    e.session_id = "s1";
    e.from_status = "PENDING";
    e.to_status = "PENDING";
    e.reason = "no-available-instances";
    e.causes = &cause;
    e.n_causes = 1;
    expect(&e, "2026-01-31 14:05:09  gpu #42      session-waiting       s1  No room.\n");
}
END_TEST

START_TEST(event_line_gives_the_reason_of_a_cancel)
{
    Berth__V1__Event e = event_of(BERTH__V1__EVENT_TYPE__EVENT_TYPE_SESSION_CANCELLED);
    e.session_id = "s1";
    e.from_status = "PENDING";
    e.to_status = "CANCELLED";
    e.reason = "wrong image";
    expect(&e, "2026-01-31 14:05:09  gpu #42      session-cancelled     s1  PENDING -> CANCELLED  "
               "wrong image\n");
}
END_TEST

START_TEST(event_line_names_a_round)
{
    Berth__V1__Event e = event_of(BERTH__V1__EVENT_TYPE__EVENT_TYPE_ROUND_FINISHED);
    e.round_id = "r1";
    e.epoch = 7;
    expect(&e, "2026-01-31 14:05:09  gpu #42      round-finished        epoch 7, round r1\n");
}
END_TEST

START_TEST(event_line_of_a_bare_event_ends_with_its_type)
{
    Berth__V1__Event e = event_of(BERTH__V1__EVENT_TYPE__EVENT_TYPE_ROUND_FINISHED);
    expect(&e, "2026-01-31 14:05:09  gpu #42      round-finished\n");
}
END_TEST

START_TEST(event_line_of_json_carries_the_cursor_when_told)
{
    CLEANUP(capture_finish) struct capture c = {0};
    Berth__V1__Event e = event_of(BERTH__V1__EVENT_TYPE__EVENT_TYPE_ROUND_FINISHED);
    capture_begin(&c);
    event_line_print_json(c.out, &e, NULL);
    event_line_print_json(c.out, &e, "c\"1");
    capture_end(&c);
    ck_assert_msg(strstr(c.text, "\"time\":\"2026-01-31T14:05:09Z\"}\n{") != NULL, "%s", c.text);
    ck_assert_msg(strstr(c.text, "Z\",\"cursor\":\"c\\\"1\"}\n") != NULL, "%s", c.text);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, event_line_says_where_a_session_went);
    tcase_add_test(tc, event_line_says_why_a_session_waits);
    tcase_add_test(tc, event_line_gives_the_reason_of_a_cancel);
    tcase_add_test(tc, event_line_names_a_round);
    tcase_add_test(tc, event_line_of_a_bare_event_ends_with_its_type);
    tcase_add_test(tc, event_line_of_json_carries_the_cursor_when_told);
}

int main(void)
{
    return unit_run("berthctl_event_line", add_tests);
}
