/* test_hub.c - the hub against a real event log, with streams whose client is the test. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "tests/rpc/hub_world.h"
/* --- tests -------------------------------------------------------------------------------------
 */

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

/* What a filter lets through, decided here and not by the code under test. */
static bool wanted(const struct hub_subscription *q, const char *group, int64_t sequence)
{
    bool named = q->n_groups == 0;
    for (uint32_t i = 0; i < q->n_groups; i++)
        named = named || strcmp(q->groups[i], group) == 0;
    struct uuid session = session_of(sequence);
    bool about = q->n_sessions == 0;
    for (uint32_t i = 0; i < q->n_sessions; i++)
        about = about || uuid_compare(&q->sessions[i], &session) == 0;
    return named && about && (q->types == 0 || (q->types >> (1 + sequence % 4) & 1) != 0);
}

static const struct {
    const char *what;
    const char *groups[2];
    uint32_t n_groups;
    int session; /* -1: all */
    uint32_t types;
} filters[] = {
    {"all", {0}, 0, -1, 0},
    {"one group", {"g2"}, 1, -1, 0},
    {"both groups by name", {"g1", "g2"}, 2, -1, 0},
    {"one session", {0}, 0, 1, 0},
    {"one type", {0}, 0, -1, 1U << EVENT_SESSION_WAITING},
    {"two types of one session in one group", {"g1"}, 1, 2, 1U << 1 | 1U << 3},
};

static struct hub_subscription filter_of(int i)
{
    struct hub_subscription q = {
        .groups = filters[i].groups, .n_groups = filters[i].n_groups, .types = filters[i].types};
    if (filters[i].session >= 0) {
        struct uuid *id = arena_new(arena, struct uuid, 1);
        *id = session_of(filters[i].session);
        q.sessions = id;
        q.n_sessions = 1;
    }
    return q;
}

/* Takes events until `until` (of g1 + of g2) were wanted. */
static void expect_wanted(struct stream *s, const struct hub_subscription *q, const char *what)
{
    static const char *const names[] = {"g1", "g2"};
    for (int g = 0, done = 0; !done; done = 1) {
        int64_t next[GROUPS] = {1, 1}, last[GROUPS] = {60, 30};
        unsigned n = 0;
        for (g = 0; g < GROUPS; g++)
            for (int64_t i = 1; i <= last[g]; i++)
                n += wanted(q, names[g], i);
        while (n > 0) {
            Berth__V1__WatchEventsResponse *m = fake_stream_take(s, SOON_MS);
            ck_assert_msg(m != NULL, "%s: %u events are missing", what, n);
            for (size_t i = 0; i < m->n_events; i++, n--) {
                const Berth__V1__Event *ev = m->events[i];
                g = strcmp(ev->scaling_group, "g2") == 0;
                while (next[g] <= last[g] && !wanted(q, names[g], next[g]))
                    next[g]++;
                ck_assert_msg(n > 0 && ev->sequence == next[g], "%s: %s %lld instead of %lld", what,
                              names[g], (long long)ev->sequence, (long long)next[g]);
                next[g]++;
            }
            berth__v1__watch_events_response__free_unpacked(m, NULL);
        }
    }
    expect_nothing(s, what);
}

START_TEST(hub_delivers_what_passes_the_filter)
{
    hub_open((struct hub_options){.poll_ms = 60000});
    struct hub_subscription q = filter_of(_i);
    log_append("g1", 40);
    log_append("g2", 20);
    struct stream *old = watch(q, NULL, 64); /* history first, then live */
    commit("g1", 20);
    commit("g2", 10);
    expect_wanted(old, &q, filters[_i].what);
    fake_stream_close(old);
}
END_TEST

START_TEST(hub_shares_the_bytes_of_equal_filters)
{
    hub_open((struct hub_options){.poll_ms = 60000});
    int64_t at[GROUPS] = {0}, at_two[GROUPS] = {0};
    struct stream *one = watch(filter_of(4), "now", 64);
    struct stream *two = watch(filter_of(4), "now", 64);
    struct stream *all = watch(filter_of(0), "now", 64);
    commit("g1", 1);
    expect(all, 1, at, "the first event");
    ck_assert_msg(fake_stream_last_body(one) == fake_stream_last_body(two),
                  "a body was made for each");
    struct stream *late = watch(filter_of(0), "now", 64);
    commit("g1", 1);
    expect(all, 1, at, "the second event");
    at_two[0] = 1;
    expect(late, 1, at_two, "the second event, late");
    ck_assert_msg(fake_stream_last_body(all) == fake_stream_last_body(late),
                  "one that came late does not share");
    fake_stream_close(one);
    fake_stream_close(two);
    fake_stream_close(all);
    fake_stream_close(late);
}
END_TEST

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

/* --- everything at once ------------------------------------------------------------------------
 */

enum { WATCHERS = 6, PUBLISHERS = 3, EACH = 400 };

struct watcher {
    pthread_t thread;
    int index;
    unsigned n;
    const char *complaint;
    int64_t at[GROUPS];
};

/* Watches from the beginning through small queues, leaves and resumes now and then. */
static void *watch_all(void *arg)
{
    struct watcher *w = arg;
    struct stream *s = fake_stream_create(3);
    struct arena *a = arena_create();
    struct event_bounds none[] = {{"g1", 1, 0}, {"g2", 1, 0}};
    struct hub_subscription q = {
        .heartbeat_ns = 3600 * NS_PER_S, .bounds = none, .n_bounds = ARRAY_SIZE(none)};
    hub_subscribe(hub, &q, s);
    for (unsigned messages = 1; w->n < PUBLISHERS * EACH && w->complaint == NULL; messages++) {
        Berth__V1__WatchEventsResponse *m = fake_stream_take(s, SOON_MS);
        if (m == NULL) {
            w->complaint = "events stopped coming";
            break;
        }
        for (size_t i = 0; i < m->n_events; i++, w->n++) {
            int64_t *at = &w->at[strcmp(m->events[i]->scaling_group, "g2") == 0];
            if (m->events[i]->sequence != *at + 1)
                w->complaint = "an event is missing or came twice";
            *at = m->events[i]->sequence;
        }
        if (messages % (unsigned)(5 + w->index) == 0) { /* what waits in the queue is lost */
            struct err e;
            struct cursor_entry *start;
            arena_reset(a);
            fake_stream_close(s);
            s = fake_stream_create(3);
            if (cursor_decode("cursor", m->cursor, a, &start, &q.n_start, &e) < 0)
                w->complaint = "a cursor cannot be read";
            q.start = start;
            hub_subscribe(hub, &q, s);
        }
        berth__v1__watch_events_response__free_unpacked(m, NULL);
    }
    fake_stream_close(s);
    arena_destroy(a);
    return NULL;
}

struct publisher {
    pthread_t thread;
    const int64_t *mine; /* sequences, > 0 of g1, < 0 of g2; 0: left to the reader */
};

static void *publish_all(void *arg)
{
    const struct publisher *p = arg;
    for (int i = 0; i < EACH; i++)
        if (p->mine[i] != 0)
            publish(p->mine[i] > 0 ? "g1" : "g2", llabs(p->mine[i]));
    return NULL;
}

START_TEST(hub_loses_and_repeats_nothing_when_all_happens_at_once)
{
    static int64_t sequences[PUBLISHERS * EACH];
    struct watcher watchers[WATCHERS] = {{0}};
    struct publisher publishers[PUBLISHERS];
    hub_open((struct hub_options){.poll_ms = 10, .reorder_ms = 2, .ring_events = 128});
    log_append("g1", PUBLISHERS * EACH / 2);
    log_append("g2", PUBLISHERS * EACH / 2);
    srand(_i + 1);
    for (int i = 0; i < PUBLISHERS * EACH; i++) { /* shuffled a little, some never published */
        int64_t sequence = i / 2 + 1;
        sequences[i] = rand() % 10 == 0 ? 0 : i % 2 == 0 ? sequence : -sequence;
        int other = i - rand() % (i < 20 ? i + 1 : 20);
        int64_t moved = sequences[other];
        sequences[other] = sequences[i];
        sequences[i] = moved;
    }
    for (int i = 0; i < WATCHERS; i++) {
        watchers[i].index = i;
        pthread_create(&watchers[i].thread, NULL, watch_all, &watchers[i]);
    }
    for (int i = 0; i < PUBLISHERS; i++) {
        publishers[i].mine = sequences + i * EACH;
        pthread_create(&publishers[i].thread, NULL, publish_all, &publishers[i]);
    }
    for (int i = 0; i < PUBLISHERS; i++)
        pthread_join(publishers[i].thread, NULL);
    for (int i = 0; i < WATCHERS; i++) {
        pthread_join(watchers[i].thread, NULL);
        ck_assert_msg(watchers[i].complaint == NULL, "watcher %d of seed %d, after %u events: %s",
                      i, _i + 1, watchers[i].n, watchers[i].complaint);
    }
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
    tcase_add_loop_test(tc, hub_delivers_what_passes_the_filter, 0, ARRAY_SIZE(filters));
    tcase_add_test(tc, hub_shares_the_bytes_of_equal_filters);
    tcase_add_test(tc, hub_waits_for_a_stream_that_is_full);
    tcase_add_test(tc, hub_sends_no_heartbeat_before_what_was_refused);
    tcase_add_test(tc, hub_reads_what_the_ring_has_dropped);
    tcase_add_test(tc, hub_ends_a_stream_that_takes_nothing);
    tcase_add_test(tc, hub_ends_a_stream_whose_history_is_gone);
    tcase_add_test(tc, hub_ends_streams_when_a_log_begins_anew);
    tcase_add_test(tc, hub_lets_new_groups_join_only_those_who_watch_all);
    tcase_add_test(tc, hub_beats_when_nothing_happens);
    tcase_add_test(tc, hub_says_how_it_is);
    tcase_add_loop_test(tc, hub_loses_and_repeats_nothing_when_all_happens_at_once, 0, 5);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG);
}
