/* test_hub_stream.c - streams that are full, slow, quiet, or at an end. */
#include <pthread.h>

#include "server/clock.h"
#include "tests/rpc/hub_world.h"

/* Commits one event and waits until the stream has it, unless it is full (i >= 2 of 2). */
static void await_publish(struct stream *s, const char *group, int i)
{
    int64_t until = clock_ns() + SOON_MS * NS_PER_MS;
    commit(group, 1);
    while (i < 2 && fake_stream_waiting(s) <= (unsigned)i) {
        ck_assert_msg(clock_ns() < until, "event %d was not delivered", i);
        sched_yield();
    }
}

START_TEST(hub_waits_for_a_stream_that_is_full)
{
    hub_open((struct hub_options){.poll_ms = 60000});
    int64_t at[GROUPS] = {0};
    struct stream *s = watch((struct hub_subscription){0}, "now", 2);
    for (int i = 0; i < 20; i++)
        await_publish(s, "g1", i);
    expect(s, 20, at, "through a queue of two");
    expect_nothing(s, "after all came");
    fake_stream_close(s);
}
END_TEST

START_TEST(hub_reads_what_the_ring_has_dropped)
{
    hub_open((struct hub_options){.poll_ms = 60000, .ring_events = 64});
    static const char *const one[] = {"g2"};
    int64_t at[GROUPS] = {0};
    struct stream *s = watch((struct hub_subscription){.groups = one, .n_groups = 1}, "now", 2);
    for (int i = 0; i < 3; i++) /* the third message is refused */
        await_publish(s, "g2", i);
    commit("g2", 1);
    commit("g1", 200); /* of no interest, but the ring is full of them */
    expect(s, 4, at, "after a break");
    fake_stream_close(s);
}
END_TEST

static void *take_first(void *stream)
{
    Berth__V1__WatchEventsResponse *m = fake_stream_take(stream, SOON_MS);
    void *taken = m != NULL ? stream : NULL;
    berth__v1__watch_events_response__free_unpacked(m, NULL);
    return taken;
}

static void await_waiting(struct stream *s, unsigned n, const char *what)
{
    int64_t until = clock_ns() + SOON_MS * NS_PER_MS;
    while (fake_stream_waiting(s) < n) {
        ck_assert_msg(clock_ns() < until, "%s: %u of %u messages", what, fake_stream_waiting(s), n);
        sched_yield();
    }
}

/* Events up to the last one, and no cursor that is ahead of them. */
static void expect_true_cursors(struct stream *s, int64_t at, int64_t last)
{
    while (at < last) {
        struct err e = {.code = ERR_NONE};
        struct cursor_entry *entries;
        uint32_t n;
        Berth__V1__WatchEventsResponse *m = fake_stream_take(s, SOON_MS);
        ck_assert_msg(m != NULL, "nothing came after event %lld", (long long)at);
        for (size_t i = 0; i < m->n_events; i++)
            at = m->events[i]->sequence;
        assert_done(
            cursor_decode("cursor", arena_strdup(arena, m->cursor), arena, &entries, &n, &e), &e,
            "read the cursor");
        ck_assert_msg(cursor_find(entries, n, "g1") <= at,
                      "a client that has event %lld got the cursor of event %lld", (long long)at,
                      (long long)cursor_find(entries, n, "g1"));
        berth__v1__watch_events_response__free_unpacked(m, NULL);
    }
}

/* The dispatcher is stopped while the stream gets room and its heartbeat falls due, so that both
 * the message it refused and a heartbeat are next. */
START_TEST(hub_sends_no_heartbeat_before_what_was_refused)
{
    enum { BEAT_MS = 500, DUE_MS = 600 };
    hub_open((struct hub_options){.poll_ms = 60000});
    static const char *const g2[] = {"g2"};
    const struct hub_subscription often = {
        .groups = g2, .n_groups = 1, .heartbeat_ns = 20 * NS_PER_MS};
    struct stream *beats = watch(often, "now", 4000); /* the dispatcher looks for them often */
    struct stream *quick = watch((struct hub_subscription){0}, "now", 4000);
    await_waiting(beats, 2, "heartbeats");
    commit("g1", 1);
    struct stream *full =
        watch((struct hub_subscription){.heartbeat_ns = BEAT_MS * NS_PER_MS}, NULL, 1);
    await_waiting(full, 1, "the event that fills a stream");
    await_waiting(quick, 1, "the other stream");
    commit("g1", 1);
    await_waiting(quick, 2, "the other stream");
    fake_stream_stop(quick);
    commit("g1", 1);
    ck_assert_msg(fake_stream_await_stopped(quick, SOON_MS), "the dispatcher was not stopped");
    pthread_t taker;
    ck_assert_int_eq(pthread_create(&taker, NULL, take_first, full), 0);
    struct err e;
    const char *cursor;
    void *taken = NULL;
    ck_assert_msg(!fake_stream_ended(full, DUE_MS, &e, &cursor), "the full stream was ended");
    fake_stream_go_on(quick);
    pthread_join(taker, &taken);
    ck_assert_msg(taken != NULL, "nothing was taken from the full stream");
    expect_true_cursors(full, 1, 3);
    fake_stream_close(full);
    fake_stream_close(quick);
    fake_stream_close(beats);
}
END_TEST

START_TEST(hub_ends_a_stream_that_takes_nothing)
{
    hub_open((struct hub_options){.poll_ms = 60000, .slow_after_ms = 50, .ring_events = 64});
    const char *cursor;
    int64_t at[GROUPS] = {0};
    struct stream *slow = watch((struct hub_subscription){0}, "now", 2);
    struct stream *quick = watch((struct hub_subscription){0}, "now", 4000);
    for (int i = 0; i < 30; i++)
        commit("g1", 10);
    expect_end(slow, ERR_EXHAUSTED, "SLOW_READER", &cursor);
    ck_assert_msg(cursor != NULL, "no cursor to resume from");
    char *resume = arena_strdup(arena, cursor);
    struct cursor_entry *entries;
    uint32_t n;
    struct err e = {.code = ERR_NONE};
    assert_done(cursor_decode("cursor", resume, arena, &entries, &n, &e), &e, "read the cursor");
    fake_stream_close(slow);
    expect(quick, 300, at, "the other stream");
    at[0] = cursor_find(entries, n, "g1");
    struct stream *again = watch((struct hub_subscription){0}, resume, 4000);
    expect(again, (unsigned)(300 - at[0]), at, "what the slow one missed");
    fake_stream_close(again);
    fake_stream_close(quick);
}
END_TEST

START_TEST(hub_ends_a_stream_whose_history_is_gone)
{
    hub_open((struct hub_options){.poll_ms = 60000});
    const char *cursor;
    int64_t at[GROUPS] = {40, 0};
    log_append("g1", 60);
    db_sql(&db, "DELETE FROM berth.events WHERE sequence <= 40");
    struct stream *s = watch((struct hub_subscription){0}, NULL, 64); /* "after 0" is too old */
    expect_end(s, ERR_OUT_OF_RANGE, "CURSOR_EXPIRED", &cursor);
    char *oldest = arena_strdup(arena, cursor);
    ck_assert_msg(cursor_is_after_gap(oldest, arena), "the cursor does not know of the gap");
    fake_stream_close(s);
    struct stream *again = watch((struct hub_subscription){0}, oldest, 64);
    expect(again, 20, at, "from the oldest cursor");
    fake_stream_close(again);
}
END_TEST

START_TEST(hub_ends_streams_when_a_log_begins_anew)
{
    hub_open((struct hub_options){.poll_ms = 20});
    const char *cursor;
    int64_t at[GROUPS] = {0};
    struct stream *s = watch((struct hub_subscription){0}, "now", 64);
    commit("g1", 5);
    expect(s, 5, at, "before");
    db_sql(&db, "DELETE FROM berth.events; UPDATE berth.group_state SET last_sequence = 0");
    expect_end(s, ERR_OUT_OF_RANGE, "LOG_RESTARTED", &cursor);
    fake_stream_close(s);
}
END_TEST

START_TEST(hub_lets_new_groups_join_only_those_who_watch_all)
{
    hub_open((struct hub_options){.poll_ms = 20});
    static const char *const one[] = {"g1"};
    int64_t at[GROUPS] = {0};
    struct stream *all = watch((struct hub_subscription){0}, "now", 64);
    struct stream *named =
        watch((struct hub_subscription){.groups = one, .n_groups = 1}, "now", 64);
    log_append("g2", 3);
    expect(all, 3, at, "a group that is new to the log");
    expect_nothing(named, "a group not subscribed to");
    fake_stream_close(all);
    fake_stream_close(named);
}
END_TEST

START_TEST(hub_beats_when_nothing_happens)
{
    hub_open((struct hub_options){.poll_ms = 60000});
    struct hub_subscription q = {.heartbeat_ns = 60 * NS_PER_MS};
    int64_t at[GROUPS] = {0};
    log_append("g1", 3);
    struct stream *s = watch(q, NULL, 64);
    char *last = expect(s, 3, at, "history");
    for (int i = 0; i < 3; i++) {
        Berth__V1__WatchEventsResponse *m = fake_stream_take(s, SOON_MS);
        ck_assert_msg(m != NULL && m->heartbeat && m->n_events == 0, "beat %d is missing", i);
        ck_assert_str_eq(m->cursor, last);
        berth__v1__watch_events_response__free_unpacked(m, NULL);
    }
    fake_stream_close(s);
}
END_TEST

START_TEST(hub_says_how_it_is)
{
    struct hub_stats stats;
    int64_t at[GROUPS] = {0};
    hub_open((struct hub_options){.poll_ms = 60000});
    struct stream *s = watch((struct hub_subscription){0}, "now", 64);
    commit("g1", 3);
    expect(s, 3, at, "three events");
    hub_stats(hub, &stats);
    ck_assert_uint_eq(stats.subscribers, 1);
    ck_assert_uint_eq(stats.behind, 0);
    ck_assert_uint_eq(stats.events, 3);
    ck_assert_msg(stats.delivered >= 2, "%llu messages", (unsigned long long)stats.delivered);
    fake_stream_close(s);
    hub_stats(hub, &stats);
    ck_assert_uint_eq(stats.subscribers, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub_stream");
    TCase *tc = tcase_create("hub_stream");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, hub_setup, hub_teardown);
    tcase_add_test(tc, hub_waits_for_a_stream_that_is_full);
    tcase_add_test(tc, hub_sends_no_heartbeat_before_what_was_refused);
    tcase_add_test(tc, hub_reads_what_the_ring_has_dropped);
    tcase_add_test(tc, hub_ends_a_stream_that_takes_nothing);
    tcase_add_test(tc, hub_ends_a_stream_whose_history_is_gone);
    tcase_add_test(tc, hub_ends_streams_when_a_log_begins_anew);
    tcase_add_test(tc, hub_lets_new_groups_join_only_those_who_watch_all);
    tcase_add_test(tc, hub_beats_when_nothing_happens);
    tcase_add_test(tc, hub_says_how_it_is);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG);
}
