/* test_lease.c - one holder at a time, and nobody takes or ends another's lease. */
#include <string.h>

#include "repo/lease.h"
#include "repo/redis_command.h"
#include "tests/repo/support.h"

static struct err e;

enum { LONG_MS = 60000, SHORT_MS = 80 };

static void run(struct redis *r, const char *verb, const char *key, const char *value)
{
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    const struct redis_arg args[] = {redis_arg_text(verb), redis_arg_text(key),
                                     redis_arg_text(value != NULL ? value : "")};
    const uint32_t n = value != NULL ? 3 : key[0] != '\0' ? 2 : 1;
    assert_done(redis_command(r, args, n, &reply, &e), &e, verb);
}

static void await_gone(struct redis *r, const char *group)
{
    const int64_t deadline = in_ms(10000);
    char holder[LEASE_TEXT] = "?";
    while (*holder != '\0') {
        ck_assert_msg(in_ms(0) < deadline, "the lease did not expire");
        assert_done(lease_holder(r, group, holder, &e), &e, "holder");
    }
}

static void assert_holder(struct redis *r, const char *group, const char *name, const char *what)
{
    char holder[LEASE_TEXT];
    assert_done(lease_holder(r, group, holder, &e), &e, what);
    ck_assert_msg(strcmp(holder, name) == 0, "%s: the holder is \"%s\"", what, holder);
}

START_TEST(lease_is_one_replicas_at_a_time)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    struct lease a, b = {.key = "untouched"};
    assert_holder(r, "g1", "", "nobody at first");
    assert_done(lease_acquire(r, "g1", "host-1/berthd", LONG_MS, &a, &e), &e, "first");
    assert_holder(r, "g1", "host-1/berthd", "a replica's name may hold a slash");
    assert_failed(lease_acquire(r, "g1", "host-2", LONG_MS, &b, &e), &e, ERR_CONFLICT, "LEASE_BUSY",
                  "second");
    ck_assert_str_eq(b.key, "untouched");
    ck_assert_str_eq(e.meta[0].key, "holder");
    ck_assert_str_eq(e.meta[0].value, "host-1/berthd");
    ck_assert_str_eq(e.message, "Scaling group g1 is being scheduled by host-1/berthd.");
    ck_assert_msg(e.retry_after_ms == 1000, "the client is to ask again in %u ms",
                  e.retry_after_ms);
    assert_failed(lease_acquire(r, "g1", "host-1/berthd", LONG_MS, &b, &e), &e, ERR_CONFLICT,
                  "LEASE_BUSY", "not even the holder takes it twice");
    assert_done(lease_acquire(r, "g2", "host-2", LONG_MS, &b, &e), &e, "another group is free");
    assert_done(lease_release(r, &a, &e), &e, "release");
    assert_done(lease_acquire(r, "g1", "host-2", LONG_MS, &b, &e), &e, "after the release");
}
END_TEST

START_TEST(lease_busy_says_when_it_ends)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    struct lease a, b;
    assert_done(lease_acquire(r, "soon", "host-1", 500, &a, &e), &e, "acquire");
    assert_failed(lease_acquire(r, "soon", "host-2", 500, &b, &e), &e, ERR_CONFLICT, "LEASE_BUSY",
                  "second");
    ck_assert_msg(e.retry_after_ms > 0 && e.retry_after_ms <= 500, "%u ms", e.retry_after_ms);
}
END_TEST

START_TEST(lease_expires_when_it_is_not_renewed)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    struct lease a, b;
    assert_done(lease_acquire(r, "short", "host-1", SHORT_MS, &a, &e), &e, "acquire");
    await_gone(r, "short");
    assert_failed(lease_renew(r, &a, LONG_MS, &e), &e, ERR_CONFLICT, "LEASE_LOST", "renew late");
    assert_failed(lease_release(r, &a, &e), &e, ERR_CONFLICT, "LEASE_LOST", "release late");
    assert_done(lease_acquire(r, "short", "host-2", LONG_MS, &b, &e), &e, "the next holder");
    assert_failed(lease_renew(r, &a, LONG_MS, &e), &e, ERR_CONFLICT, "LEASE_LOST",
                  "renew another's");
    assert_failed(lease_release(r, &a, &e), &e, ERR_CONFLICT, "LEASE_LOST", "release another's");
    assert_holder(r, "short", "host-2", "it is still the next holder's");
}
END_TEST

START_TEST(lease_of_before_is_not_that_of_now)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    struct lease a, b;
    assert_done(lease_acquire(r, "again", "host-1", LONG_MS, &a, &e), &e, "acquire");
    assert_done(lease_release(r, &a, &e), &e, "release");
    assert_done(lease_acquire(r, "again", "host-1", LONG_MS, &b, &e), &e, "acquire again");
    assert_failed(lease_renew(r, &a, LONG_MS, &e), &e, ERR_CONFLICT, "LEASE_LOST", "the old one");
    assert_failed(lease_release(r, &a, &e), &e, ERR_CONFLICT, "LEASE_LOST", "the old one");
    assert_done(lease_release(r, &b, &e), &e, "the new one");
}
END_TEST

/* So that 32 hex digits still find room behind it. */
START_TEST(lease_knows_94_characters_of_its_replica)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    char name[201], whole[95];
    struct lease a;
    memset(name, 'x', sizeof(name));
    for (size_t n = 93; n <= 200; n += n < 95 ? 1 : 105) {
        name[n] = '\0';
        memset(whole, 'x', sizeof(whole));
        whole[n < 94 ? n : 94] = '\0';
        assert_done(lease_acquire(r, "named", name, LONG_MS, &a, &e), &e, "acquire");
        assert_holder(r, "named", whole, "a long name");
        ck_assert_msg(strlen(strrchr(a.token, '/')) == 33, "%zu characters: the token is %s", n,
                      a.token);
        assert_done(lease_release(r, &a, &e), &e, "release");
        name[n] = 'x';
    }
}
END_TEST

START_TEST(lease_lives_on_when_it_is_renewed)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    struct lease a, short_one;
    assert_done(lease_acquire(r, "kept", "host-1", SHORT_MS, &a, &e), &e, "acquire");
    assert_done(lease_renew(r, &a, LONG_MS, &e), &e, "renew");
    /* One that is not renewed measures the time. */
    assert_done(lease_acquire(r, "clock", "host-1", 2 * SHORT_MS, &short_one, &e), &e, "clock");
    await_gone(r, "clock");
    assert_holder(r, "kept", "host-1", "renewed past its first life");
    assert_done(lease_renew(r, &a, SHORT_MS, &e), &e, "a shorter life");
    await_gone(r, "kept");
}
END_TEST

START_TEST(lease_is_lost_when_its_key_is)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    struct lease a, b;
    assert_done(lease_acquire(r, "erased", "host-1", LONG_MS, &a, &e), &e, "acquire");
    run(r, "FLUSHALL", "", NULL);
    assert_failed(lease_renew(r, &a, LONG_MS, &e), &e, ERR_CONFLICT, "LEASE_LOST", "renew");
    assert_holder(r, "erased", "", "renewing does not bring it back");
    assert_done(lease_acquire(r, "erased", "host-2", LONG_MS, &b, &e), &e, "another's turn");
    run(r, "SET", b.key, "host-3/stolen");
    assert_failed(lease_release(r, &b, &e), &e, ERR_CONFLICT, "LEASE_LOST", "a stolen one");
    assert_holder(r, "erased", "host-3", "the thief keeps it");
}
END_TEST

START_TEST(lease_survives_a_server_without_its_scripts)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    struct lease a;
    assert_done(lease_acquire(r, "scripts", "host-1", LONG_MS, &a, &e), &e, "acquire");
    run(r, "SCRIPT", "FLUSH", NULL);
    assert_done(lease_renew(r, &a, LONG_MS, &e), &e, "renew");
    run(r, "SCRIPT", "FLUSH", NULL);
    assert_done(lease_release(r, &a, &e), &e, "release");
    assert_holder(r, "scripts", "", "released");
}
END_TEST

START_TEST(lease_says_when_redis_is_away_or_odd)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    struct lease a, b;
    char holder[LEASE_TEXT];
    assert_done(lease_acquire(r, "odd", "host-1", LONG_MS, &a, &e), &e, "acquire");
    run(r, "DEL", a.key, NULL);
    run(r, "RPUSH", a.key, "planted");
    assert_failed(lease_acquire(r, "odd", "host-2", LONG_MS, &b, &e), &e, ERR_INTERNAL,
                  "REDIS_ERROR", "a key of another type");
    redis_server_stop();
    assert_failed(lease_acquire(r, "g", "h", LONG_MS, &b, &e), &e, ERR_UNAVAILABLE,
                  "REDIS_UNAVAILABLE", "acquire");
    assert_failed(lease_renew(r, &a, LONG_MS, &e), &e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE",
                  "renew");
    assert_failed(lease_release(r, &a, &e), &e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE", "release");
    assert_failed(lease_holder(r, "g", holder, &e), &e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE",
                  "holder");
    redis_server_start();
    assert_failed(lease_renew(r, &a, LONG_MS, &e), &e, ERR_CONFLICT, "LEASE_LOST",
                  "a server that came back empty");
}
END_TEST

START_TEST(lease_names_of_any_length_fit)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    struct lease a;
    char name[400], holder[LEASE_TEXT];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_done(lease_acquire(r, name, name, LONG_MS, &a, &e), &e, "acquire");
    assert_done(lease_holder(r, name, holder, &e), &e, "holder");
    ck_assert_uint_gt(strlen(holder), 64);
    assert_done(lease_release(r, &a, &e), &e, "release");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lease");
    TCase *tc = tcase_create("lease");
    tcase_add_test(tc, lease_is_one_replicas_at_a_time);
    tcase_add_test(tc, lease_busy_says_when_it_ends);
    tcase_add_test(tc, lease_expires_when_it_is_not_renewed);
    tcase_add_test(tc, lease_lives_on_when_it_is_renewed);
    tcase_add_test(tc, lease_of_before_is_not_that_of_now);
    tcase_add_test(tc, lease_knows_94_characters_of_its_replica);
    tcase_add_test(tc, lease_is_lost_when_its_key_is);
    tcase_add_test(tc, lease_survives_a_server_without_its_scripts);
    tcase_add_test(tc, lease_names_of_any_length_fit);
    tcase_add_test(tc, lease_says_when_redis_is_away_or_odd);
    tcase_set_timeout(tc, 30);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_REDIS | SUPPORT_PRIVATE);
}
