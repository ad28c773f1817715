/* test_hub_fanout.c - two replicas' hubs on one log, with a Redis between them that lies, loses and
 * goes away. The poll is far off, so that only hints can bring news, unless a test says otherwise.
 */
#include <stdio.h>
#include <string.h>

#include "repo/redis_command.h"
#include "server/metrics.h"
#include "tests/rpc/hub_world.h"

#define CHANNEL "hub.events"

enum { FAR_MS = 60000 };

static struct hub *other; /* the replica that commits */

static void open_both(int poll_ms)
{
    struct err e = {.code = ERR_NONE};
    const struct hub_options o = {.database = db.conninfo,
                                  .redis = redis_address(),
                                  .channel = CHANNEL,
                                  .redis_timeout_ms = 500,
                                  .poll_ms = poll_ms,
                                  .reorder_ms = FAR_MS};
    hub_open(o);
    assert_done(hub_create(&o, &other, &e), &e, "make the other hub");
}

static void teardown(void)
{
    hub_destroy(other);
    other = NULL;
    hub_teardown();
}

static int64_t send_to_channel(const char *text)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(redis_destroyp) struct redis *redis = redis_open();
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    const struct redis_arg args[] = {redis_arg_text("PUBLISH"), redis_arg_text(CHANNEL),
                                     redis_arg_text(text)};
    assert_done(redis_command(redis, args, ARRAY_SIZE(args), &reply, &e), &e, "PUBLISH");
    return redis_reply_int(reply);
}

/* Until so many hubs listen. A message that is no hint goes around for it. */
static void await_listeners(int64_t n)
{
    int64_t until = clock_ns() + SOON_MS * NS_PER_MS;
    while (send_to_channel("is anybody there") != n)
        ck_assert_msg(clock_ns() < until, "%lld hubs do not listen", (long long)n);
}

/* Appended to the log and told by the other replica. */
static void commit_there(const char *group, int n)
{
    const struct event last = {.scaling_group = group,
                               .sequence = log_append(group, n) + n - 1,
                               .type = EVENT_ROUND_FINISHED,
                               .creation_id = "",
                               .from_status = "",
                               .to_status = "",
                               .reason = ""};
    hub_publish(other, &last, 1);
}

START_TEST(hub_hears_at_once_what_another_replica_committed)
{
    open_both(FAR_MS);
    await_listeners(2);
    int64_t at[GROUPS] = {0};
    log_append("g1", 1);
    log_append("g2", 1);
    struct stream *s = watch((struct hub_subscription){0}, NULL, 4096);
    expect(s, 2, at, "what was there");
    for (int i = 0; i < 20; i++) {
        commit_there(i % 3 == 0 ? "g2" : "g1", 1 + i);
        expect(s, 1 + (unsigned)i, at, "a commit of the other replica");
    }
    commit_there("g1", 3000);
    expect(s, 3000, at, "a large commit");
    commit("g1", 2); /* our own, for a change */
    expect(s, 2, at, "a commit of this replica");
    fake_stream_close(s);
}
END_TEST

START_TEST(hub_hears_of_a_group_that_had_no_log)
{
    open_both(FAR_MS);
    await_listeners(2);
    int64_t at[GROUPS] = {0};
    struct stream *s = watch((struct hub_subscription){0}, "now", 64);
    commit_there("g2", 3);
    expect(s, 3, at, "the first events of a group");
    fake_stream_close(s);
}
END_TEST

START_TEST(hub_follows_what_was_told_before_anybody_watched)
{
    open_both(FAR_MS);
    await_listeners(2);
    int64_t at[GROUPS] = {0};
    log_append("g1", 4);
    struct stream *first = watch((struct hub_subscription){0}, NULL, 64);
    expect(first, 4, at, "what was there");
    fake_stream_close(first);
    commit_there("g1", 5);
    struct stream *s = watch((struct hub_subscription){0}, NULL, 64);
    int64_t again[GROUPS] = {0};
    expect(s, 9, again, "from the beginning");
    fake_stream_close(s);
}
END_TEST

static const char *const lies[] = {
    "",
    "berth1",
    "berth1 fedcba9876543210 x g1",
    "berth1 fedcba9876543210 1 g1",                    /* old */
    "berth1 fedcba9876543210 2 g1",                    /* old, again */
    "berth1 fedcba9876543210 9223372036854775807 g1",  /* not yet by far */
    "berth1 fedcba9876543210 4 g1",                    /* not yet */
    "berth1 fedcba9876543210 77 no such group",        /* nobody's */
    "berth1 fedcba9876543210 9223372036854775807 g2",  /* no log yet */
    "berth1 ffffffffffffffff 00000000000000000009 g1", /* no sequence */
};

START_TEST(hub_believes_nothing_that_redis_says)
{
    open_both(FAR_MS);
    await_listeners(2);
    int64_t at[GROUPS] = {0};
    log_append("g1", 3);
    struct stream *s = watch((struct hub_subscription){0}, NULL, 64);
    expect(s, 3, at, "what was there");
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < ARRAY_SIZE(lies); i++)
            send_to_channel(lies[i]);
    expect_nothing(s, "after lies");
    commit_there("g1", 2);
    expect(s, 2, at, "the truth after lies");
    commit_there("g2", 2);
    expect(s, 2, at, "the first events of a group after lies");
    commit("g1", 1);
    expect(s, 1, at, "our own after lies");
    expect_nothing(s, "after all came");
    struct stream *now = watch((struct hub_subscription){0}, "now", 64);
    expect_nothing(now, "from now on, after lies");
    fake_stream_close(now);
    fake_stream_close(s);
}
END_TEST

START_TEST(hub_finds_by_polling_what_no_hint_tells)
{
    open_both(100);
    await_listeners(2);
    int64_t at[GROUPS] = {0};
    struct stream *s = watch((struct hub_subscription){0}, "now", 64);
    log_append("g1", 5); /* its writer died before it could tell */
    expect(s, 5, at, "what nobody told");
    fake_stream_close(s);
}
END_TEST

START_TEST(hub_misses_nothing_while_redis_is_away)
{
    open_both(FAR_MS);
    await_listeners(2);
    int64_t at[GROUPS] = {0};
    log_append("g1", 1);
    struct stream *s = watch((struct hub_subscription){0}, NULL, 64);
    expect(s, 1, at, "what was there");
    for (int i = 0; i < 3; i++) {
        redis_server_stop();
        commit_there("g1", 2);
        redis_server_start(); /* empty; coming up again makes the hub look */
        expect(s, 2, at, "what was committed without Redis");
        await_listeners(2);
        commit_there("g1", 1);
        expect(s, 1, at, "what was committed with Redis again");
    }
    fake_stream_close(s);
}
END_TEST

START_TEST(hub_goes_on_by_itself_when_there_is_no_redis)
{
    redis_server_stop();
    open_both(50);
    int64_t at[GROUPS] = {0};
    struct stream *s = watch((struct hub_subscription){0}, "now", 64);
    commit_there("g1", 3);
    expect(s, 3, at, "found by polling");
    commit("g1", 3);
    expect(s, 3, at, "our own");
    fake_stream_close(s);
    redis_server_start();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub_fanout");
    TCase *tc = tcase_create("hub_fanout");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, hub_setup, teardown);
    tcase_add_test(tc, hub_hears_at_once_what_another_replica_committed);
    tcase_add_test(tc, hub_hears_of_a_group_that_had_no_log);
    tcase_add_test(tc, hub_follows_what_was_told_before_anybody_watched);
    tcase_add_test(tc, hub_believes_nothing_that_redis_says);
    tcase_add_test(tc, hub_finds_by_polling_what_no_hint_tells);
    tcase_add_test(tc, hub_misses_nothing_while_redis_is_away);
    tcase_add_test(tc, hub_goes_on_by_itself_when_there_is_no_redis);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
