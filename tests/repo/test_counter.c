/* test_counter.c - mirrors of session counts: absolute, and never older than what is there. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "repo/counter.h"
#include "repo/redis_command.h"
#include "tests/repo/support.h"

static struct err e;

static void run(struct redis *r, const char *verb, const char *key, const char *value)
{
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    const struct redis_arg args[] = {redis_arg_text(verb), redis_arg_text(key),
                                     redis_arg_text(value != NULL ? value : "")};
    assert_done(redis_command(r, args, value != NULL ? 3 : 2, &reply, &e), &e, verb);
}

static void assert_value(struct redis *r, const char *key, const char *value, const char *what)
{
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    const struct redis_arg args[] = {redis_arg_text("GET"), redis_arg_text(key)};
    assert_done(redis_command(r, args, 2, &reply, &e), &e, what);
    ck_assert_msg(strcmp(redis_reply_text(reply, NULL), value) == 0, "%s: %s is \"%s\"", what, key,
                  redis_reply_text(reply, NULL));
}

/* clang-format off */
static const struct {
    const char *what;
    const char *verb, *value; /* what is planted as the version of AK's count, NULL: nothing */
    int64_t version;          /* of the new count, which is 7 over an old 1 */
    const char *count;        /* after */
} guards[] = {
    {"an older version",                 "SET",   "10", 9,                     "1"},
    {"an older one of as many digits",   "SET",   "20", 19,                    "1"},
    {"the greatest version is there",    "SET",   "9223372036854775807", INT64_MAX - 1, "1"},
    {"the same version again",           "SET",   "10", 10,                    "7"},
    {"a newer version",                  "SET",   "9",  10,                    "7"},
    {"beyond what a double can tell",    "SET",   "9007199254740992", 9007199254740993, "7"},
    {"no version yet",                   NULL,    NULL, 1,                     "7"},
    {"a version that is no number",      "SET",   "x",  1,                     "7"},
    {"a version of more digits than any","SET",   "99999999999999999999", 1,   "7"},
    {"a version of another type",        "RPUSH", "x",  1,                     "7"},
};
/* clang-format on */

START_TEST(counter_version_guards_as_tabled)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    const struct owner_count c = {
        .access_key = "AK", .sessions = 7, .sftp_sessions = 3, .version = guards[_i].version};
    run(r, "DEL", "keypair.concurrency_used.AK.berth-version", NULL);
    run(r, "DEL", "keypair.sftp_concurrency_used.AK.berth-version", NULL);
    run(r, "SET", "keypair.concurrency_used.AK", "1");
    if (guards[_i].verb != NULL)
        run(r, guards[_i].verb, "keypair.concurrency_used.AK.berth-version", guards[_i].value);
    assert_done(counter_mirror(r, &c, 1, &e), &e, guards[_i].what);
    assert_value(r, "keypair.concurrency_used.AK", guards[_i].count, guards[_i].what);
    assert_value(r, "keypair.sftp_concurrency_used.AK", "3", "the other counter has its own guard");
}
END_TEST

START_TEST(counter_replaces_a_key_of_another_type)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    const struct owner_count c = {.access_key = "ODD", .sessions = 2, .version = 1};
    run(r, "RPUSH", "keypair.concurrency_used.ODD", "planted");
    assert_done(counter_mirror(r, &c, 1, &e), &e, "mirror");
    assert_value(r, "keypair.concurrency_used.ODD", "2", "replaced");
    assert_value(r, "keypair.sftp_concurrency_used.ODD", "0", "none is 0");
}
END_TEST

START_TEST(counter_mirrors_any_number_of_keys)
{
    enum { N = 1000 };
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    static struct owner_count c[N];
    static char keys[N][24];
    for (int i = 0; i < N; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "MANY%d", i);
        c[i] = (struct owner_count){
            .access_key = keys[i], .sessions = i, .sftp_sessions = N - i, .version = 1};
    }
    assert_done(counter_mirror(r, c, 0, &e), &e, "none");
    assert_done(counter_mirror(r, c, N, &e), &e, "all");
    for (int i = 0; i < N; i += 37) {
        char key[80], value[16];
        (void)snprintf(key, sizeof(key), "keypair.concurrency_used.MANY%d", i);
        (void)snprintf(value, sizeof(value), "%d", i);
        assert_value(r, key, value, "one of many");
    }
    assert_value(r, "keypair.sftp_concurrency_used.MANY999", "1", "the last one");
}
END_TEST

START_TEST(counter_converges_after_redis_was_erased)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    struct owner_count c = {.access_key = "BACK", .sessions = 5, .version = 50};
    assert_done(counter_mirror(r, &c, 1, &e), &e, "before");
    redis_server_stop();
    assert_failed(counter_mirror(r, &c, 1, &e), &e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE", "away");
    redis_server_start();
    assert_value(r, "keypair.concurrency_used.BACK", "", "it came back empty");
    c.sessions = 6;
    c.version = 51;
    assert_done(counter_mirror(r, &c, 1, &e), &e, "after");
    assert_value(r, "keypair.concurrency_used.BACK", "6", "the next change mends it");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("counter");
    TCase *tc = tcase_create("counter");
    tcase_add_loop_test(tc, counter_version_guards_as_tabled, 0, ARRAY_SIZE(guards));
    tcase_add_test(tc, counter_replaces_a_key_of_another_type);
    tcase_add_test(tc, counter_mirrors_any_number_of_keys);
    tcase_add_test(tc, counter_converges_after_redis_was_erased);
    tcase_set_timeout(tc, 30);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_REDIS | SUPPORT_PRIVATE);
}
