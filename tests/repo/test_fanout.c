/* test_fanout.c - hints between replicas through a real Redis that comes and goes. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "repo/fanout_text.h"
#include "repo/redis_command.h"
#include "tests/repo/support.h"

#define CHANNEL "t.events"
#define SENDER  "0123456789abcdef"
#define OTHER   "fedcba9876543210"

enum { SOON_MS = 10000, NOTHING_MS = 150, TIMEOUT_MS = 500 };

static struct err e;

/* --- the text --- */

static const struct {
    const char *what, *text;
    const char *group; /* NULL: it is no hint */
    int64_t sequence;
    bool own;
} texts[] = {
    {"nothing", "", NULL, 0, false},
    {"a word", "hello", NULL, 0, false},
    {"another release's", "berth2 " OTHER " 5 g1", NULL, 0, false},
    {"a short sender", "berth1 fedc 5 g1", NULL, 0, false},
    {"nothing after the sender", "berth1 " OTHER " ", NULL, 0, false},
    {"no sequence", "berth1 " OTHER "  g1", NULL, 0, false},
    {"a sequence of letters", "berth1 " OTHER " x g1", NULL, 0, false},
    {"a negative sequence", "berth1 " OTHER " -5 g1", NULL, 0, false},
    {"sequence 0", "berth1 " OTHER " 0 g1", NULL, 0, false},
    {"a sequence with a sign", "berth1 " OTHER " +5 g1", NULL, 0, false},
    {"a sequence too large", "berth1 " OTHER " 9223372036854775808 g1", NULL, 0, false},
    {"far too large", "berth1 " OTHER " 99999999999999999999999 g1", NULL, 0, false},
    {"no group", "berth1 " OTHER " 5", NULL, 0, false},
    {"an empty group", "berth1 " OTHER " 5 ", NULL, 0, false},
    {"a hint", "berth1 " OTHER " 5 g1", "g1", 5, false},
    {"a name of several words", "berth1 " OTHER " 5 a b  c", "a b  c", 5, false},
    {"the greatest sequence", "berth1 " OTHER " 9223372036854775807 g", "g", INT64_MAX, false},
    {"one's own", "berth1 " SENDER " 5 g1", "g1", 5, true},
};

START_TEST(text_is_read_as_tabled)
{
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct fanout_hint hint = {.sequence = 0};
        bool own = false;
        bool good = fanout_text_read(texts[i].text, strlen(texts[i].text), SENDER, &hint, &own);
        ck_assert_msg(good == (texts[i].group != NULL), "%s: was %s", texts[i].what,
                      good ? "taken" : "refused");
        if (!good)
            continue;
        ck_assert_msg(strcmp(hint.group, texts[i].group) == 0 &&
                          hint.sequence == texts[i].sequence && own == texts[i].own,
                      "%s: read as %s %lld", texts[i].what, hint.group, (long long)hint.sequence);
    }
}
END_TEST

START_TEST(text_has_room_for_the_longest_name)
{
    struct fanout_hint hint = {.sequence = INT64_MAX}, back;
    char text[FANOUT_TEXT], zero[FANOUT_TEXT];
    bool own = false;
    memset(hint.group, 'g', FANOUT_GROUP_MAX);
    size_t n = fanout_text_write(SENDER, &hint, text);
    ck_assert_msg(n > 0, "it was not written");
    ck_assert_msg(fanout_text_read(text, n, SENDER, &back, &own), "it was not read");
    ck_assert_msg(own && strcmp(back.group, hint.group) == 0, "another was read");
    memcpy(zero, text, n);
    zero[n - 1] = '\0';
    ck_assert_msg(!fanout_text_read(zero, n, SENDER, &back, &own), "a NUL was read");
    char *longer = malloc(n + 1);
    memcpy(longer, text, n);
    longer[n] = 'g';
    ck_assert_msg(!fanout_text_read(longer, n + 1, SENDER, &back, &own), "a longer one was read");
    free(longer);
}
END_TEST

/* --- replicas: each in a thread of its own, as in the server --- */

enum { NEWS_MAX = 4096 };
struct replica {
    struct fanout *f;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned n[FANOUT_GARBAGE + 1]; /* news by kind, WOKEN not counted */
    struct fanout_hint last;
    int64_t say; /* a hint to be sent, 0: none */
    bool said, stop;
};

static void *live(void *data)
{
    struct replica *r = data;
    for (bool stop = false; !stop;) {
        struct fanout_hint hint;
        struct err why = {.code = ERR_NONE};
        enum fanout_news news = fanout_wait(r->f, &hint, &why);
        pthread_mutex_lock(&r->lock);
        if (news != FANOUT_WOKEN)
            r->n[news]++;
        if (news == FANOUT_HINT)
            r->last = hint;
        if (r->say > 0)
            r->said = fanout_say(r->f, "g1", r->say);
        r->say = 0;
        stop = r->stop;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
    }
    return NULL;
}

static struct replica *replica_start(const char *address)
{
    struct replica *r = calloc(1, sizeof(*r));
    ck_assert_ptr_nonnull(r);
    assert_done(fanout_create(address, CHANNEL, TIMEOUT_MS, &r->f, &e), &e, "create");
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    ck_assert_int_eq(pthread_create(&r->thread, NULL, live, r), 0);
    return r;
}

static void replica_end(struct replica *r)
{
    struct timespec before, after;
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_mutex_unlock(&r->lock);
    clock_gettime(CLOCK_MONOTONIC, &before);
    fanout_wake(r->f);
    pthread_join(r->thread, NULL);
    clock_gettime(CLOCK_MONOTONIC, &after);
    ck_assert_msg(after.tv_sec - before.tv_sec < 3, "it took %ld s to end",
                  (long)(after.tv_sec - before.tv_sec));
    fanout_destroy(r->f);
    free(r);
}

/* Waits until news of that kind have come so often. */
static bool awaits(struct replica *r, enum fanout_news news, unsigned n, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    int rc = 0;
    pthread_mutex_lock(&r->lock);
    while (r->n[news] < n && rc == 0)
        rc = pthread_cond_timedwait(&r->changed, &r->lock, &until);
    bool came = r->n[news] >= n;
    pthread_mutex_unlock(&r->lock);
    return came;
}

static bool say(struct replica *r, int64_t sequence)
{
    pthread_mutex_lock(&r->lock);
    r->say = sequence;
    r->said = false;
    fanout_wake(r->f);
    while (r->say > 0)
        pthread_cond_wait(&r->changed, &r->lock);
    bool said = r->said;
    pthread_mutex_unlock(&r->lock);
    return said;
}

static void publish(const char *text, size_t len)
{
    CLEANUP(redis_destroyp) struct redis *redis = redis_open();
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    const struct redis_arg args[] = {
        redis_arg_text("PUBLISH"), redis_arg_text(CHANNEL), {.data = text, .len = len}};
    assert_done(redis_command(redis, args, ARRAY_SIZE(args), &reply, &e), &e, "PUBLISH");
}

START_TEST(fanout_refuses_an_address_that_is_none)
{
    struct fanout *f = NULL;
    assert_failed(fanout_create("nowhere", CHANNEL, TIMEOUT_MS, &f, &e), &e, ERR_INVALID,
                  "BAD_REDIS_ADDRESS", "an address without a port");
    ck_assert_ptr_null(f);
}
END_TEST

START_TEST(fanout_tells_the_others_and_not_itself)
{
    struct replica *a = replica_start(redis_address()), *b = replica_start(redis_address());
    ck_assert_msg(awaits(a, FANOUT_UP, 1, SOON_MS) && awaits(b, FANOUT_UP, 1, SOON_MS),
                  "they did not come up");
    for (unsigned i = 1; i <= 3; i++) {
        ck_assert_msg(say(a, i), "hint %u was dropped", i);
        ck_assert_msg(awaits(b, FANOUT_HINT, i, SOON_MS), "hint %u did not come", i);
        ck_assert_int_eq(b->last.sequence, i);
        ck_assert_str_eq(b->last.group, "g1");
    }
    ck_assert_msg(!awaits(a, FANOUT_HINT, 1, NOTHING_MS), "it heard its own hint");
    replica_end(a);
    replica_end(b);
}
END_TEST

START_TEST(fanout_survives_what_is_no_hint)
{
    enum { LONG = 300000 };
    struct replica *a = replica_start(redis_address());
    ck_assert_msg(awaits(a, FANOUT_UP, 1, SOON_MS), "it did not come up");
    publish("", 0);
    publish("\0\xff", 2);
    publish("berth1 " OTHER " 7 g9", strlen("berth1 " OTHER " 7 g9"));
    ck_assert_msg(awaits(a, FANOUT_HINT, 1, SOON_MS), "the hint among them did not come");
    ck_assert_uint_eq(a->n[FANOUT_GARBAGE], 2);
    ck_assert_str_eq(a->last.group, "g9");
    char *flood = calloc(LONG, 1);
    publish(flood, LONG);
    free(flood);
    ck_assert_msg(awaits(a, FANOUT_DOWN, 1, SOON_MS), "it took in a message of any length");
    ck_assert_msg(awaits(a, FANOUT_UP, 2, SOON_MS), "it did not come up again");
    publish("berth1 " OTHER " 8 g9", strlen("berth1 " OTHER " 8 g9"));
    ck_assert_msg(awaits(a, FANOUT_HINT, 2, SOON_MS), "the hint after it did not come");
    replica_end(a);
}
END_TEST

START_TEST(fanout_comes_back_with_redis)
{
    redis_server_stop();
    struct replica *a = replica_start(redis_address()), *b = replica_start(redis_address());
    ck_assert_msg(awaits(a, FANOUT_DOWN, 1, SOON_MS), "it did not notice that Redis is away");
    ck_assert_msg(!say(a, 1), "a hint was taken though Redis is away");
    redis_server_start();
    for (unsigned i = 1; i <= 3; i++) {
        ck_assert_msg(awaits(a, FANOUT_UP, i, SOON_MS) && awaits(b, FANOUT_UP, i, SOON_MS),
                      "they did not come up, time %u", i);
        ck_assert_msg(say(a, i), "hint %u was dropped", i);
        ck_assert_msg(awaits(b, FANOUT_HINT, i, SOON_MS), "hint %u did not come", i);
        redis_server_stop();
        ck_assert_msg(awaits(a, FANOUT_DOWN, i + 1, SOON_MS), "it did not notice, time %u", i);
        redis_server_start();
    }
    ck_assert_msg(awaits(a, FANOUT_UP, 4, SOON_MS), "it did not come up at last");
    replica_end(a);
    replica_end(b);
}
END_TEST

START_TEST(fanout_drops_a_redis_that_does_not_answer)
{
    struct replica *a = replica_start(redis_address());
    ck_assert_msg(awaits(a, FANOUT_UP, 1, SOON_MS), "it did not come up");
    ck_assert_int_eq(kill(redis_server_pid(), SIGSTOP), 0);
    bool noticed = awaits(a, FANOUT_DOWN, 1, SOON_MS);
    replica_end(a); /* ends at once though Redis hangs */
    ck_assert_int_eq(kill(redis_server_pid(), SIGCONT), 0);
    ck_assert_msg(noticed, "it did not notice");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fanout");
    TCase *tc = tcase_create("fanout");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, text_is_read_as_tabled);
    tcase_add_test(tc, text_has_room_for_the_longest_name);
    tcase_add_test(tc, fanout_refuses_an_address_that_is_none);
    tcase_add_test(tc, fanout_tells_the_others_and_not_itself);
    tcase_add_test(tc, fanout_survives_what_is_no_hint);
    tcase_add_test(tc, fanout_comes_back_with_redis);
    tcase_add_test(tc, fanout_drops_a_redis_that_does_not_answer);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_REDIS | SUPPORT_PRIVATE);
}
