/* test_redis.c - one Redis connection: addresses, faults, replies, scripts. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "repo/redis_command.h"
#include "tests/repo/support.h"

static struct err e;

/* Words of a command, split at spaces; the reply is the caller's. */
static int command(struct redis *r, const char *words, struct redis_reply **ret)
{
    char copy[200];
    struct redis_arg args[16];
    uint32_t n = 0;
    char *at = NULL;
    (void)snprintf(copy, sizeof(copy), "%s", words);
    for (char *w = strtok_r(copy, " ", &at); w != NULL; w = strtok_r(NULL, " ", &at))
        args[n++] = redis_arg_text(w);
    return redis_command(r, args, n, ret, &e);
}

static void run(struct redis *r, const char *words)
{
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    assert_done(command(r, words, &reply), &e, words);
}

/* clang-format off */
static const struct {
    const char *address;
    bool fits;
} addresses[] = {
    {"", false}, {"localhost", false}, {":6379", false}, {"host:", false}, {"host:0", false},
    {"host:65536", false}, {"host:12x", false}, {"host:-1", false}, {"unix:", false},
    {"host:6379", true}, {"127.0.0.1:1", true}, {"unix:/tmp/x", true}, {"::1:6379", true},
};
/* clang-format on */

START_TEST(redis_create_takes_addresses_as_tabled)
{
    for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
        struct redis *r = NULL;
        const int done = redis_create(addresses[i].address, 100, &r, &e);
        ck_assert_msg((done == 0) == addresses[i].fits, "\"%s\"", addresses[i].address);
        if (done < 0)
            ck_assert_msg(e.code == ERR_INVALID && strcmp(e.reason, "BAD_REDIS_ADDRESS") == 0,
                          "\"%s\": %s", addresses[i].address, e.reason);
        redis_destroy(r);
    }
}
END_TEST

START_TEST(redis_says_unavailable_when_nobody_listens)
{
    static const char *const nobody[] = {"unix:/nonexistent/socket", "127.0.0.1:1"};
    struct redis *r = NULL;
    assert_done(redis_create(nobody[_i], 500, &r, &e), &e, nobody[_i]);
    assert_failed(redis_ping(r, &e), &e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE", nobody[_i]);
    assert_failed(redis_ping(r, &e), &e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE", "once more");
    redis_destroy(r);
}
END_TEST

START_TEST(redis_replies_read_as_what_they_are)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    CLEANUP(redis_reply_freep) struct redis_reply *text = NULL;
    CLEANUP(redis_reply_freep) struct redis_reply *number = NULL;
    CLEANUP(redis_reply_freep) struct redis_reply *nil = NULL;
    CLEANUP(redis_reply_freep) struct redis_reply *list = NULL;
    size_t len;
    run(r, "FLUSHALL");
    run(r, "RPUSH l a bc");
    run(r, "SET k value");
    assert_done(command(r, "GET k", &text), &e, "GET");
    assert_done(command(r, "LLEN l", &number), &e, "LLEN");
    assert_done(command(r, "GET nothing", &nil), &e, "GET of nothing");
    assert_done(command(r, "LRANGE l 0 -1", &list), &e, "LRANGE");
    ck_assert_int_eq(redis_reply_type(text), REDIS_TEXT);
    ck_assert_str_eq(redis_reply_text(text, &len), "value");
    ck_assert_uint_eq(len, 5);
    ck_assert_int_eq(redis_reply_int(text), 0);
    ck_assert_int_eq(redis_reply_type(number), REDIS_INT);
    ck_assert_int_eq(redis_reply_int(number), 2);
    ck_assert_str_eq(redis_reply_text(number, NULL), "");
    ck_assert_int_eq(redis_reply_type(nil), REDIS_NIL);
    ck_assert_uint_eq(redis_reply_count(nil), 0);
    ck_assert_int_eq(redis_reply_type(list), REDIS_LIST);
    ck_assert_uint_eq(redis_reply_count(list), 2);
    ck_assert_str_eq(redis_reply_text(redis_reply_at(list, 1), NULL), "bc");
}
END_TEST

START_TEST(redis_arguments_are_bytes)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    CLEANUP(redis_reply_freep) struct redis_reply *set = NULL;
    CLEANUP(redis_reply_freep) struct redis_reply *get = NULL;
    static const char bytes[] = {'%', 's', 0, '\r', '\n', (char)0xFF};
    const struct redis_arg put[] = {
        redis_arg_text("SET"), redis_arg_text("%d %n"), {.data = bytes, .len = sizeof(bytes)}};
    const struct redis_arg ask[] = {redis_arg_text("GET"), redis_arg_text("%d %n")};
    size_t len;
    assert_done(redis_command(r, put, ARRAY_SIZE(put), &set, &e), &e, "SET");
    assert_done(redis_command(r, ask, ARRAY_SIZE(ask), &get, &e), &e, "GET");
    ck_assert_mem_eq(redis_reply_text(get, &len), bytes, sizeof(bytes));
    ck_assert_uint_eq(len, sizeof(bytes));
}
END_TEST

START_TEST(redis_error_replies_keep_the_connection)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    struct redis_reply *reply = NULL;
    run(r, "FLUSHALL");
    run(r, "RPUSH l a");
    assert_failed(command(r, "GET l", &reply), &e, ERR_INTERNAL, "REDIS_ERROR", "a wrong type");
    ck_assert_ptr_null(reply);
    ck_assert_ptr_nonnull(strstr(e.detail, "WRONGTYPE"));
    assert_done(redis_ping(r, &e), &e, "the connection is usable");
}
END_TEST

START_TEST(redis_without_memory_is_away)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    struct redis_reply *reply = NULL;
    run(r, "CONFIG SET maxmemory 1");
    const int done = command(r, "SET k v", &reply);
    run(r, "CONFIG SET maxmemory 0");
    assert_failed(done, &e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE", "SET");
}
END_TEST

START_TEST(redis_reconnects_after_a_restart)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    assert_done(redis_ping(r, &e), &e, "before");
    redis_server_stop();
    assert_failed(redis_ping(r, &e), &e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE", "while away");
    redis_server_start();
    assert_done(redis_ping(r, &e), &e, "when it is back");
    redis_server_stop();
    redis_server_start();
    assert_done(redis_ping(r, &e), &e, "a restart between two commands goes unnoticed");
}
END_TEST

START_TEST(redis_gives_up_on_a_paused_server)
{
    struct redis *r = NULL;
    assert_done(redis_create(redis_address(), 300, &r, &e), &e, "create");
    assert_done(redis_ping(r, &e), &e, "before");
    kill(redis_server_pid(), SIGSTOP);
    const int64_t start = in_ms(0);
    const int done = redis_ping(r, &e);
    const int64_t took = (in_ms(0) - start) / 1000000;
    kill(redis_server_pid(), SIGCONT);
    assert_failed(done, &e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE", "while paused");
    ck_assert_msg(took < 2000, "it took %lld ms", (long long)took);
    /* The late answer to the first PING must not be taken for that of another command. */
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    assert_done(command(r, "ECHO own", &reply), &e, "after");
    ck_assert_str_eq(redis_reply_text(reply, NULL), "own");
    redis_destroy(r);
}
END_TEST

static const struct redis_script add_script = {
    .name = "add", .text = "return redis.call('incrby', KEYS[1], ARGV[1])"};

static int64_t add(struct redis *r, const char *by)
{
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    const struct redis_arg args[] = {redis_arg_text("sum"), redis_arg_text(by)};
    assert_done(redis_script_run(r, &add_script, 1, args, 2, &reply, &e), &e, "add");
    return redis_reply_int(reply);
}

START_TEST(redis_script_is_sent_when_the_server_lost_it)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    run(r, "FLUSHALL");
    run(r, "SCRIPT FLUSH");
    ck_assert_int_eq(add(r, "2"), 2); /* NOSCRIPT, then in full */
    ck_assert_int_eq(add(r, "3"), 5); /* by its digest */
    CLEANUP(redis_reply_freep) struct redis_reply *stats = NULL;
    assert_done(command(r, "INFO commandstats", &stats), &e, "INFO");
    ck_assert_ptr_nonnull(strstr(redis_reply_text(stats, NULL), "cmdstat_evalsha:calls=2"));
    ck_assert_ptr_nonnull(strstr(redis_reply_text(stats, NULL), "cmdstat_eval:calls=1"));
    run(r, "SCRIPT FLUSH");
    ck_assert_int_eq(add(r, "4"), 9);
    struct redis_reply *reply = NULL;
    const struct redis_arg args[] = {redis_arg_text("sum"), redis_arg_text("no number")};
    assert_failed(redis_script_run(r, &add_script, 1, args, 2, &reply, &e), &e, ERR_INTERNAL,
                  "REDIS_ERROR", "a script that fails");
    ck_assert_str_eq(e.meta[0].value, "add");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redis");
    TCase *tc = tcase_create("redis");
    tcase_add_test(tc, redis_create_takes_addresses_as_tabled);
    tcase_add_loop_test(tc, redis_says_unavailable_when_nobody_listens, 0, 2);
    tcase_add_test(tc, redis_replies_read_as_what_they_are);
    tcase_add_test(tc, redis_arguments_are_bytes);
    tcase_add_test(tc, redis_error_replies_keep_the_connection);
    tcase_add_test(tc, redis_script_is_sent_when_the_server_lost_it);
    tcase_add_test(tc, redis_without_memory_is_away);
    tcase_add_test(tc, redis_gives_up_on_a_paused_server);
    tcase_add_test(tc, redis_reconnects_after_a_restart);
    tcase_set_timeout(tc, 30);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_REDIS | SUPPORT_PRIVATE);
}
