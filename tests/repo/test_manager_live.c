/* test_manager_live.c - the pending queue as a Manager reads it, and its marks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/manager_live.h"
#include "scheduler/base.h"
#include "tests/repo/redis_do.h"

static struct redis *live, *hand;
static struct arena *a;
static struct err e;

static void setup(void)
{
    a = arena_create();
    hand = redis_open_in(2);
    redis_do(hand, "FLUSHALL");
    assert_done(manager_live_open(redis_address(), 2000, &live, &e), &e, "open");
}

static void teardown(void)
{
    redis_destroy(live);
    redis_destroy(hand);
    arena_destroy(a);
}

#define ID(c) c c c c c c c c "-0000-0000-0000-000000000000"
#define A     ID("a")
#define B     ID("b")
#define C     ID("c")
#define LIST  "pending_queue:g"
#define EPOCH "pending_queue:g.berth-epoch"

/* letters: one a session, in order. */
static void write_queue(int64_t epoch, const char *letters, const char *what)
{
    struct uuid ids[8];
    struct manager_queue q = {.scaling_group = "g", .epoch = epoch, .ids = ids};
    for (; letters[q.n] != '\0'; q.n++) {
        char text[UUID_TEXT] = ID("0");
        memset(text, letters[q.n], 8);
        ck_assert(uuid_parse(text, &ids[q.n]));
    }
    assert_done(manager_queue_write(live, &q, a, &e), &e, what);
}

static void expect_queue(const char *list, const char *positions, const char *what)
{
    redis_expect(hand, "GET " LIST, list, what);
    redis_expect(hand, "MGET queue_position:" A " queue_position:" B " queue_position:" C,
                 positions, what);
}

static void expect_life(const char *key, const char *what)
{
    long ttl = strtol(redis_says(hand, key), NULL, 10);
    ck_assert_msg(ttl > 590 && ttl <= 600, "%s: %s is %ld s", what, key, ttl);
}

/* clang-format off */
static const struct {
    const char *what;
    const char *plant[4];
    int64_t epoch;
    const char *letters, *list, *positions;
} queues[] = {
    {"nobody waits",               {NULL}, 1, "", "-", "[- - -]"},
    {"nobody waits any more",      {"SET " LIST " [\"" A "\"]", "SET queue_position:" A " 0"}, 1, "", "-", "[- - -]"},
    {"one",                        {NULL}, 1, "a", "[\"" A "\"]", "[0 - -]"},
    {"three",                      {NULL}, 1, "cab", "[\"" C "\", \"" A "\", \"" B "\"]", "[1 2 0]"},
    {"some have left, one came",   {"SET " LIST " [\"" A "\",\"" B "\"]", "SET queue_position:" A " 0", "SET queue_position:" B " 1"}, 1,
                                   "cb", "[\"" C "\", \"" B "\"]", "[- 1 0]"},
    {"the list was a hash",        {"HSET " LIST " k v"}, 1, "a", "[\"" A "\"]", "[0 - -]"},
    {"the list was a hash, empty", {"HSET " LIST " k v"}, 1, "", "-", "[- - -]"},
    {"a position was a list",      {"RPUSH queue_position:" A " x"}, 1, "a", "[\"" A "\"]", "[0 - -]"},
    {"the list was no JSON",       {"SET " LIST " [\"" A}, 1, "b", "[\"" B "\"]", "[- 0 -]"},
    {"the list was no array",      {"SET " LIST " {\"a\":1}"}, 1, "b", "[\"" B "\"]", "[- 0 -]"},
    {"its members were no ids",    {"SET " LIST " [1,null,\"x\",{},\"" A "\"]", "SET queue_position:" A " 3"}, 1, "b", "[\"" B "\"]", "[- 0 -]"},
    {"a newer round was faster",   {"SET " LIST " [\"" A "\"]", "SET queue_position:" A " 0", "SET " EPOCH " 8 EX 600"}, 7, "b", "[\"" A "\"]", "[0 - -]"},
    {"the same round again",       {"SET " LIST " [\"" A "\"]", "SET queue_position:" A " 0", "SET " EPOCH " 7 EX 600"}, 7, "b", "[\"" B "\"]", "[- 0 -]"},
    {"an older round, more digits",{"SET " EPOCH " 9 EX 600"}, 10, "b", "[\"" B "\"]", "[- 0 -]"},
    {"an epoch without a life",    {"SET " EPOCH " 8"}, 7, "b", "[\"" B "\"]", "[- 0 -]"},
    {"an epoch that is none",      {"SET " EPOCH " x EX 600"}, 7, "b", "[\"" B "\"]", "[- 0 -]"},
    {"an epoch beyond any",        {"SET " EPOCH " 99999999999999999999 EX 600"}, 7, "b", "[\"" B "\"]", "[- 0 -]"},
    {"the epoch was a set",        {"SADD " EPOCH " x"}, 7, "b", "[\"" B "\"]", "[- 0 -]"},
};
/* clang-format on */

START_TEST(queue_is_written_as_tabled)
{
    for (unsigned i = 0; i < ARRAY_SIZE(queues[_i].plant) && queues[_i].plant[i] != NULL; i++)
        redis_do(hand, queues[_i].plant[i]);
    write_queue(queues[_i].epoch, queues[_i].letters, queues[_i].what);
    expect_queue(queues[_i].list, queues[_i].positions, queues[_i].what);
}
END_TEST

START_TEST(queue_keys_are_texts_that_live_ten_minutes)
{
    write_queue(1, "ab", "a queue");
    redis_expect(hand, "TYPE " LIST, "string", "the list");
    redis_expect(hand, "TYPE queue_position:" B, "string", "a position");
    expect_life("TTL " LIST, "the list");
    expect_life("TTL queue_position:" B, "a position");
    expect_life("TTL " EPOCH, "the epoch");
    redis_do(hand, "EXPIRE " LIST " 5");
    write_queue(2, "ab", "the same again");
    expect_life("TTL " LIST, "the list, renewed");
    redis_do(hand, "FLUSHALL");
    write_queue(3, "ab", "after Redis was erased");
    expect_queue("[\"" A "\", \"" B "\"]", "[0 1 -]", "after Redis was erased");
    redis_do(hand, "SELECT 0");
    redis_expect(hand, "DBSIZE", "0", "other databases");
}
END_TEST

START_TEST(long_queues_are_written_whole)
{
    enum { N = 3000 };
    struct uuid *ids = arena_new(a, struct uuid, N);
    struct manager_queue q = {.scaling_group = "g", .epoch = 1, .ids = ids, .n = N};
    for (uint32_t i = 0; i < N; i++)
        memcpy(ids[i].b, &i, sizeof(i));
    assert_done(manager_queue_write(live, &q, a, &e), &e, "long");
    redis_expect(hand, "DBSIZE", "3002", "a list, its epoch, positions");
    q.n = 1;
    assert_done(manager_queue_write(live, &q, a, &e), &e, "one stays");
    redis_expect(hand, "DBSIZE", "3", "the others are gone");
}
END_TEST

/* clang-format off */
static const struct {
    const char *what, *plant;
    bool marked;
} marks[] = {
    {"no mark",               NULL, false},
    {"another mark",          "SET schedule:check_precondition 1", false},
    {"the mark",              "SET schedule:schedule 1", true},
    {"a mark of a wrong type","RPUSH schedule:schedule 1", true},
};
/* clang-format on */

START_TEST(mark_is_taken_once_as_tabled)
{
    bool marked = !marks[_i].marked;
    if (marks[_i].plant != NULL)
        redis_do(hand, marks[_i].plant);
    assert_done(manager_mark_take(live, &marked, &e), &e, marks[_i].what);
    ck_assert_msg(marked == marks[_i].marked, "%s: %d", marks[_i].what, marked);
    assert_done(manager_mark_take(live, &marked, &e), &e, marks[_i].what);
    ck_assert_msg(!marked, "%s: taken twice", marks[_i].what);
}
END_TEST

START_TEST(mark_to_terminate_is_set)
{
    redis_do(hand, "RPUSH schedule:terminate x");
    assert_done(manager_mark_terminate(live, &e), &e, "mark");
    redis_expect(hand, "GET schedule:terminate", "1", "the mark");
    redis_expect(hand, "TTL schedule:terminate", "-1", "its life");
}
END_TEST

START_TEST(nothing_is_written_when_redis_is_away)
{
    bool marked = false;
    const struct manager_queue q = {.scaling_group = "g"};
    CLEANUP(redis_destroyp) struct redis *away = NULL;
    assert_done(manager_live_open("unix:/nowhere", 100, &away, &e), &e, "open");
    assert_failed(manager_queue_write(away, &q, a, &e), &e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE",
                  "the queue");
    assert_failed(manager_mark_take(away, &marked, &e), &e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE",
                  "the mark");
}
END_TEST

START_TEST(a_redis_without_these_databases_says_so)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open_in(4000);
    assert_failed(redis_ping(r, &e), &e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE", "database 4000");
    ck_assert_msg(strstr(e.message, "4000") != NULL, "%s", e.message);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("manager_live");
    TCase *tc = tcase_create("manager_live");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, queue_is_written_as_tabled, 0, ARRAY_SIZE(queues));
    tcase_add_test(tc, queue_keys_are_texts_that_live_ten_minutes);
    tcase_add_test(tc, long_queues_are_written_whole);
    tcase_add_loop_test(tc, mark_is_taken_once_as_tabled, 0, ARRAY_SIZE(marks));
    tcase_add_test(tc, mark_to_terminate_is_set);
    tcase_add_test(tc, nothing_is_written_when_redis_is_away);
    tcase_add_test(tc, a_redis_without_these_databases_says_so);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_REDIS | SUPPORT_PRIVATE);
}
