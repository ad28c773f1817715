/* test_hub_filter.c - what a subscription asks for, and how streams share it. */
#include <string.h>

#include "tests/rpc/hub_world.h"

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

int main(void)
{
    Suite *suite = suite_create("hub_filter");
    TCase *tc = tcase_create("hub_filter");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, hub_setup, hub_teardown);
    tcase_add_loop_test(tc, hub_delivers_what_passes_the_filter, 0, ARRAY_SIZE(filters));
    tcase_add_test(tc, hub_shares_the_bytes_of_equal_filters);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG);
}
