/* test_manager_publish.c - what happened, in a Manager's words, to the byte. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/manager_bridge.h"
#include "repo/manager_publish.h"
#include "tests/repo/redis_do.h"

DEFINE_CLEANUP(redisContext, redisFree)

static struct redis *stream, *hand;
static struct arena *a;
static struct err e;

static void setup(void)
{
    a = arena_create();
    hand = redis_open_in(4);
    redis_do(hand, "FLUSHALL");
    assert_done(manager_stream_open(redis_address(), 2000, &stream, &e), &e, "open");
}

static void teardown(void)
{
    redis_destroy(stream);
    redis_destroy(hand);
    arena_destroy(a);
}

#define ID "00000000-0000-0000-0000-00000000000a"

static void publish(enum event_type type, const char *creation_id, const char *reason,
                    const char *what)
{
    struct redis_refusals refusals;
    struct event v = {.type = type,
                      .has_session = true,
                      .session_id = {{[15] = 0xa}},
                      .creation_id = creation_id,
                      .reason = reason};
    assert_done(manager_publish(stream, &v, 1, a, &refusals, &e), &e, what);
    ck_assert_msg(refusals.n == 0, "%s: refused: %s", what, refusals.words);
}

/* --- a Manager's ear --- */

static redisContext *listen_to_all(void)
{
    const struct timeval limit = {.tv_sec = 5};
    const char *path = redis_address() + strlen("unix:");
    redisContext *c = redisConnectUnixWithTimeout(path, limit);
    ck_assert_msg(c != NULL && c->err == 0, "cannot listen");
    ck_assert_int_eq(redisSetTimeout(c, limit), REDIS_OK);
    freeReplyObject(redisCommand(c, "SUBSCRIBE events_all"));
    return c;
}

static const char *hear(redisContext *c, const char *what)
{
    void *got = NULL;
    ck_assert_msg(redisGetReply(c, &got) == REDIS_OK, "%s: nothing is heard", what);
    redisReply *reply = got;
    ck_assert_msg(reply->type == REDIS_REPLY_ARRAY && reply->elements == 3, "%s: no message", what);
    const char *text = arena_strdup(a, reply->element[2]->str);
    freeReplyObject(reply);
    return text;
}

/* --- the words --- */

/* clang-format off */
#define META "metadata {\"request_id\": null, \"user\": null}"
#define TEXT_ID "\xd9\x24" ID
#define MANY_X "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
static const struct {
    const char *what;
    enum event_type type;
    const char *creation_id, *reason;
    const char *entry, *second; /* of the stream, after its number; NULL: none */
    const char *heard[2];       /* names, in order; the second is kept as
                                    session_scheduler.<id> */
} words[] = {
    {"scheduled", EVENT_SESSION_SCHEDULED, "c-s1", "scheduled",
     "[name session_scheduled source manager args \x93" TEXT_ID "\xa4" "c-s1\xa7unknown " META "]",
     "[name do_check_precond source manager args \x90 " META "]",
     {"session_scheduled", "scheduling"}},
    {"without a creation id", EVENT_SESSION_SCHEDULED, "", "scheduled",
     "[name session_scheduled source manager args \x93" TEXT_ID "\xa0\xa7unknown " META "]",
     "[name do_check_precond source manager args \x90 " META "]",
     {"session_scheduled", "scheduling"}},
    {"cancelled", EVENT_SESSION_CANCELLED, "c-s1", "user-requested",
     "[name session_cancelled source manager args \x93" TEXT_ID "\xa4" "c-s1\xaeuser-requested " META "]", NULL,
     {"session_cancelled", "scheduling"}},
    {"timed out", EVENT_SESSION_CANCELLED, "c-s1", "pending-timeout",
     "[name session_cancelled source manager args \x93" TEXT_ID "\xa4" "c-s1\xafpending-timeout " META "]", NULL,
     {"session_cancelled", "scheduling"}},
    {"terminating", EVENT_SESSION_TERMINATING, "c-s1", "user-requested",
     "[name session_terminating source manager args \x92" TEXT_ID "\xaeuser-requested " META "]", NULL,
     {"session_terminating", NULL}},
    {"a long reason", EVENT_SESSION_TERMINATING, "", MANY_X,
     "[name session_terminating source manager args \x92" TEXT_ID "\xd9\x28" MANY_X " " META "]", NULL,
     {"session_terminating", NULL}},
    {"a reason that is no UTF-8", EVENT_SESSION_TERMINATING, "", "a\xff",
     "[name session_terminating source manager args \x92" TEXT_ID "\xa2" "a? " META "]", NULL,
     {"session_terminating", NULL}},
    {"waiting", EVENT_SESSION_WAITING, "c-s1", "no-available-instances", NULL, NULL, {NULL}},
    {"a round", EVENT_ROUND_FINISHED, "", "", NULL, NULL, {NULL}},
    {"of a later version", (enum event_type)99, "c", "", NULL, NULL, {NULL}},
};
/* clang-format on */

START_TEST(events_are_told_in_the_words_tabled)
{
    const char *what = words[_i].what;
    CLEANUP(redisFreep) redisContext *ear = listen_to_all();
    publish(words[_i].type, words[_i].creation_id, words[_i].reason, what);
    int64_t n = (words[_i].entry != NULL) + (words[_i].second != NULL);
    redis_expect(hand, "XLEN events", arena_printf(a, "%d", (int)n), what);
    const char *entries = redis_says(hand, "XRANGE events - +");
    if (words[_i].entry != NULL)
        ck_assert_msg(strstr(entries, words[_i].entry) != NULL, "%s: %s", what, entries);
    if (words[_i].second != NULL)
        ck_assert_msg(strstr(entries, words[_i].second) != NULL, "%s: %s", what, entries);
    const char *kept = arena_strdup(a, redis_says(hand, "GET session_scheduler." ID));
    ck_assert_msg((*kept != '-') == (words[_i].heard[1] != NULL), "%s: %s", what, kept);
    for (unsigned i = 0; i < 2 && words[_i].heard[i] != NULL; i++) {
        const char *heard = hear(ear, what);
        const char *name = arena_printf(a, "{\"name\": \"%s\", ", words[_i].heard[i]);
        ck_assert_msg(strncmp(heard, name, strlen(name)) == 0, "%s: heard %s", what, heard);
        if (strcmp(words[_i].heard[i], "scheduling") == 0)
            ck_assert_msg(strcmp(heard, kept) == 0, "%s: kept %s", what, kept);
    }
}
END_TEST

#define BROADCAST(name, args)                                                                      \
    "{\"name\": \"" name "\", \"source\": \"manager\", \"args\": \"" args                          \
    "\", \"metadata\": \"{\\\"request_id\\\": null, \\\"user\\\": null}\"}"

START_TEST(broadcasts_are_json_with_base64_and_are_kept_a_minute)
{
    CLEANUP(redisFreep) redisContext *ear = listen_to_all();
    publish(EVENT_SESSION_CANCELLED, "c-s1", "why", "a cancel");
    ck_assert_str_eq(hear(ear, "to older ones"),
                     BROADCAST("session_cancelled",
                               "k9kkMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDBhpGMtczGjd2h5"));
    ck_assert_str_eq(hear(ear, "to newer ones"),
                     BROADCAST("scheduling",
                               "lNkkMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDBhoK"
                               "lDQU5DRUxMRUSjd2h5"));
    long ttl = strtol(redis_says(hand, "TTL session_scheduler." ID), NULL, 10);
    ck_assert_msg(ttl > 50 && ttl <= 60, "it is kept %ld s", ttl);
    redis_expect(hand, "TYPE session_scheduler." ID, "string", "how it is kept");
    redis_expect(hand, "TYPE events", "stream", "where one of them reads");
}
END_TEST

START_TEST(one_refused_command_does_not_keep_the_others)
{
    struct redis_refusals refusals;
    const struct event v[2] = {
        {.type = EVENT_SESSION_CANCELLED, .creation_id = "c", .reason = "r"},
        {.type = EVENT_SESSION_CANCELLED, .creation_id = "d", .reason = "r"}};
    CLEANUP(redisFreep) redisContext *ear = listen_to_all();
    redis_do(hand, "SET events planted");
    assert_done(manager_publish(stream, v, 2, a, &refusals, &e), &e, "a wrong type");
    ck_assert_msg(refusals.n == 2 && strncmp(refusals.words, "WRONGTYPE", 9) == 0, "%u: %s",
                  refusals.n, refusals.words);
    for (int i = 0; i < 4; i++)
        (void)hear(ear, "what is broadcast");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("manager_publish");
    TCase *tc = tcase_create("manager_publish");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, events_are_told_in_the_words_tabled, 0, ARRAY_SIZE(words));
    tcase_add_test(tc, broadcasts_are_json_with_base64_and_are_kept_a_minute);
    tcase_add_test(tc, one_refused_command_does_not_keep_the_others);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_REDIS | SUPPORT_PRIVATE);
}
