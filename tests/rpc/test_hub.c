/* test_hub.c - the hub against a real event log, with streams whose client is the test. */
#include <string.h>

#include "tests/rpc/hub_world.h"

START_TEST(hub_delivers_what_is_published_from_now_on)
{
    hub_open((struct hub_options){.poll_ms = 60000});
    int64_t at[GROUPS] = {3, 0};
    log_append("g1", 3);
    struct stream *s = watch((struct hub_subscription){0}, "now", 64);
    expect_nothing(s, "before anything happens");
    commit("g1", 200);
    commit("g2", 2);
    expect(s, 202, at, "200 and 2 events");
    expect_nothing(s, "after all came");
    fake_stream_close(s);
}
END_TEST

START_TEST(hub_finds_what_was_published_while_nobody_watched)
{
    hub_open((struct hub_options){.poll_ms = 60000});
    int64_t at[GROUPS] = {0}, at_now[GROUPS] = {5, 0};
    struct hub_stats stats;
    commit("g1", 5);
    hub_stats(hub, &stats);
    ck_assert_msg(stats.events == 0, "%llu events are kept for nobody",
                  (unsigned long long)stats.events);
    struct stream *all = watch((struct hub_subscription){0}, NULL, 64);
    struct stream *now = watch((struct hub_subscription){0}, "now", 64);
    commit("g1", 2);
    expect(all, 7, at, "from the beginning");
    expect(now, 2, at_now, "from now on");
    fake_stream_close(all);
    fake_stream_close(now);
}
END_TEST

START_TEST(hub_orders_what_is_published_out_of_order)
{
    hub_open((struct hub_options){.poll_ms = 60000, .reorder_ms = 60000});
    int64_t at[GROUPS] = {0};
    struct stream *s = watch((struct hub_subscription){0}, "now", 64);
    static const int order[] = {4, 3, 3, 6, 2, 2, 7, 5, 4};
    commit("g1", 1); /* the log is known */
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        publish("g1", order[i]); /* the database does not help: it has none of them */
    expect(s, 7, at, "seven events, some twice");
    expect_nothing(s, "after all came");
    fake_stream_close(s);
}
END_TEST

START_TEST(hub_fills_what_another_replica_committed_between)
{
    hub_open((struct hub_options){.poll_ms = 60000, .reorder_ms = 1});
    int64_t at[GROUPS] = {0};
    struct stream *s = watch((struct hub_subscription){0}, "now", 64);
    commit("g1", 1);
    log_append("g1", 700); /* not published here */
    commit("g1", 1);
    expect(s, 702, at, "own events around foreign ones");
    fake_stream_close(s);
}
END_TEST

START_TEST(hub_notices_what_only_the_database_has)
{
    hub_open((struct hub_options){.poll_ms = 20});
    int64_t at[GROUPS] = {0};
    struct stream *s = watch((struct hub_subscription){0}, "now", 64);
    log_append("g1", 5);
    expect(s, 5, at, "events of another replica");
    log_append("g2", 1);
    expect(s, 1, at, "a group that had no log before");
    fake_stream_close(s);
}
END_TEST

START_TEST(hub_goes_from_history_to_live_without_seam)
{
    hub_open((struct hub_options){.poll_ms = 50, .ring_events = 64});
    int64_t at[GROUPS] = {0};
    log_append("g1", 1000);
    log_append("g2", 300);
    struct stream *s = watch((struct hub_subscription){0}, NULL, 4000);
    for (int i = 0; i < 20; i++)
        commit(i % 3 == 0 ? "g2" : "g1", 10);
    expect(s, 1500, at, "1300 old and 200 new events");
    ck_assert_int_eq(at[0], 1130);
    ck_assert_int_eq(at[1], 370);
    expect_nothing(s, "after all came");
    fake_stream_close(s);
}
END_TEST

START_TEST(hub_resumes_from_every_cursor)
{
    hub_open((struct hub_options){.poll_ms = 60000});
    int64_t at[GROUPS] = {0};
    struct stream *s = watch((struct hub_subscription){0}, "now", 64);
    char *cursors[9];
    int64_t where[9][GROUPS];
    for (int i = 0; i < 8; i++) {
        commit(i % 2 == 0 ? "g1" : "g2", 1 + i % 3);
        cursors[i] = expect(s, 1 + i % 3, at, "while it is live");
        memcpy(where[i], at, sizeof(at));
    }
    for (int i = 0; i < 8; i++) {
        struct stream *again = watch((struct hub_subscription){0}, cursors[i], 64);
        int64_t rest = at[0] + at[1] - where[i][0] - where[i][1];
        if (rest > 0)
            expect(again, (unsigned)rest, where[i], "after resuming");
        expect_nothing(again, "after the rest came");
        fake_stream_close(again);
    }
    fake_stream_close(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub");
    TCase *tc = tcase_create("hub");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, hub_setup, hub_teardown);
    tcase_add_test(tc, hub_delivers_what_is_published_from_now_on);
    tcase_add_test(tc, hub_finds_what_was_published_while_nobody_watched);
    tcase_add_test(tc, hub_orders_what_is_published_out_of_order);
    tcase_add_test(tc, hub_fills_what_another_replica_committed_between);
    tcase_add_test(tc, hub_notices_what_only_the_database_has);
    tcase_add_test(tc, hub_goes_from_history_to_live_without_seam);
    tcase_add_test(tc, hub_resumes_from_every_cursor);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG);
}
