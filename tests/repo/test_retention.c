/* test_retention.c - what is too old or too much goes, in small batches; the rest stays whole. */
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "repo/event_append.h"
#include "repo/group_state.h"
#include "repo/retention.h"
#include "tests/repo/world.h"

enum { HOUR_MS = 3600 * 1000 };

DEFINE_CLEANUP(PGconn, PQfinish)

static struct world w;
static struct err e;

static void setup(void)
{
    w = world_open(
        "CREATE FUNCTION t.events(grp text, first int, last int, age interval) RETURNS void "
        "LANGUAGE sql AS $$ INSERT INTO berth.events (scaling_group_id, sequence, type, epoch, "
        "created_at) SELECT t.id(grp), n, 5, 1, now() - age FROM generate_series(first, last) n; "
        "INSERT INTO berth.group_state AS g (scaling_group_id, last_sequence) "
        "VALUES (t.id(grp), last) ON CONFLICT (scaling_group_id) DO UPDATE SET last_sequence = "
        "greatest(g.last_sequence, last) $$;"
        "CREATE FUNCTION t.rounds(grp text, first int, last int, age interval) RETURNS void "
        "LANGUAGE sql AS $$ INSERT INTO berth.rounds (round_id, scaling_group_id, epoch, "
        "snapshot_at, started_at, counts) SELECT gen_random_uuid(), t.id(grp), n, now(), "
        "now() - age, '{}' FROM generate_series(first, last) n; "
        "INSERT INTO berth.group_state (scaling_group_id, epoch) VALUES (t.id(grp), last) "
        "ON CONFLICT DO NOTHING $$;"
        "CREATE FUNCTION t.requests(first int, last int, age interval) RETURNS void "
        "LANGUAGE sql AS $$ INSERT INTO berth.requests (request_id, method, body_hash, answer, "
        "created_at) SELECT 'r' || n, 'M', sha256(''), '', now() - age "
        "FROM generate_series(first, last) n $$;"
        "CREATE VIEW t.kept AS SELECT g.name, coalesce(string_agg(v.sequence::text, ' ' ORDER BY "
        "v.sequence), '') AS numbers FROM scaling_groups g LEFT JOIN berth.events v "
        "ON v.scaling_group_id = g.id GROUP BY g.name");
}

static void teardown(void)
{
    world_close(&w);
}

/* Steps until nothing is left; the number of rows removed. */
static uint32_t remove_all(const struct retention_policy *p, enum retention_kind kind,
                           const char *what)
{
    uint32_t all = 0;
    for (unsigned steps = 0;; steps++) {
        uint32_t n = 77;
        bool busy = true;
        assert_done(retention_step(w.c, p, kind, &n, &busy, &e), &e, what);
        ck_assert_msg(!busy, "%s: somebody else is at it", what);
        ck_assert_msg(n <= p->batch, "%s: a batch of %u is %u rows", what, p->batch, n);
        ck_assert_msg(steps < 1000, "%s: it does not come to an end", what);
        if (n == 0)
            return all;
        all += n;
    }
}

#define KEPT(g) "SELECT numbers FROM t.kept WHERE name = '" g "'"

/* clang-format off */
static const struct {
    const char *what, *sql;
    int64_t age_ms, count;
    uint32_t batch, removed;
    const char *g1, *g2; /* sequences kept */
} events[] = {
    {"no events at all",            "SELECT 1", HOUR_MS, 1, 10, 0, "", ""},
    {"no bound",                    "SELECT t.events('g1', 1, 3, '9 years')", 0, 0, 10, 0, "1 2 3", ""},
    {"all young and few",           "SELECT t.events('g1', 1, 3, '59 min')", HOUR_MS, 3, 10, 0, "1 2 3", ""},
    {"a clock that is ahead",       "SELECT t.events('g1', 1, 2, '-9 hours')", HOUR_MS, 0, 10, 0, "1 2", ""},
    {"all too old",                 "SELECT t.events('g1', 1, 5, '61 min')", HOUR_MS, 0, 10, 5, "", ""},
    {"all too old, by ones",        "SELECT t.events('g1', 1, 5, '61 min')", HOUR_MS, 0, 1, 5, "", ""},
    {"some too old",                "SELECT t.events('g1', 1, 3, '2 h'), t.events('g1', 4, 5, '1 min')", HOUR_MS, 0, 2, 3, "4 5", ""},
    {"an old one behind a young",   "SELECT t.events('g1', 1, 1, '2 h'), t.events('g1', 2, 2, '0'), t.events('g1', 3, 3, '2 h')", HOUR_MS, 0, 10, 1, "2 3", ""},
    {"one too many",                "SELECT t.events('g1', 1, 4, '0')", 0, 3, 10, 1, "2 3 4", ""},
    {"many too many",               "SELECT t.events('g1', 1, 9, '0')", 0, 2, 3, 7, "8 9", ""},
    {"too many in one group only",  "SELECT t.events('g1', 1, 9, '0'), t.events('g2', 1, 2, '0')", 0, 2, 100, 7, "8 9", "1 2"},
    {"too many and too old",        "SELECT t.events('g1', 1, 4, '2 h'), t.events('g1', 5, 9, '0'), t.events('g2', 1, 2, '2 h')", HOUR_MS, 3, 2, 8, "7 8 9", ""},
    {"begun long ago",              "SELECT t.events('g1', 1000001, 1000004, '0')", 0, 2, 10, 2, "1000003 1000004", ""},
    {"a group that is no more",     "SELECT t.events('gone', 1, 4, '2 h')", HOUR_MS, 0, 10, 4, "", ""},
};
/* clang-format on */

START_TEST(events_go_from_the_oldest_on_as_tabled)
{
    const struct retention_policy p = {.event_age_ms = events[_i].age_ms,
                                       .event_count = events[_i].count,
                                       .round_age_ms = 1,
                                       .request_age_ms = 1,
                                       .batch = events[_i].batch};
    const char *what = events[_i].what;
    world_do(&w.d, events[_i].sql);
    world_do(&w.d, "SELECT t.rounds('g1', 1, 3, '9 years'), t.requests(1, 3, '9 years')");
    uint32_t n = remove_all(&p, RETENTION_EVENTS, what);
    ck_assert_msg(n == events[_i].removed, "%s: %u removed", what, n);
    world_expect(&w.d, KEPT("g1"), events[_i].g1, what);
    world_expect(&w.d, KEPT("g2"), events[_i].g2, what);
    ck_assert_msg(db_int(&w.d, "SELECT count(*) FROM berth.rounds") == 3, "%s: rounds", what);
    ck_assert_msg(db_int(&w.d, "SELECT count(*) FROM berth.requests") == 3, "%s: answers", what);
}
END_TEST

START_TEST(bounds_are_exact_after_everything_was_removed)
{
    const struct retention_policy p = {.event_age_ms = HOUR_MS, .batch = 10};
    struct event_bounds *b = NULL;
    uint32_t n = 0;
    world_do(&w.d, "SELECT t.events('g1', 1, 25, '2 h')");
    ck_assert_uint_eq(remove_all(&p, RETENTION_EVENTS, "all"), 25);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    struct event next = {.type = EVENT_ROUND_FINISHED};
    struct group_numbers numbers;
    struct uuid id = world_id(&w.d, "g1");
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(event_bounds_list(t, NULL, 0, w.a, &b, &n, &e), &e, "bounds");
    ck_assert_msg(n == 1 && b[0].oldest == 26 && b[0].last == 25,
                  "of an emptied log: oldest %" PRId64 ", last %" PRId64, b[0].oldest, b[0].last);
    assert_done(group_state_number(t, &id, 1, &numbers, &e), &e, "number");
    next.time = numbers.now;
    assert_done(event_append(t, &id, numbers.first, &next, 1, w.a, &e), &e, "append");
    assert_done(event_bounds_list(t, NULL, 0, w.a, &b, &n, &e), &e, "bounds");
    ck_assert_msg(b[0].oldest == 26 && b[0].last == 26,
                  "after one more: oldest %" PRId64 ", last %" PRId64, b[0].oldest, b[0].last);
    assert_done(txn_commit(&t, &e), &e, "commit");
}
END_TEST

/* clang-format off */
static const struct {
    const char *what, *sql;
    uint32_t batch, removed;
    const char *g1, *g2; /* epochs kept */
} rounds[] = {
    {"no rounds",                         "SELECT 1", 10, 0, "", ""},
    {"all young",                         "SELECT t.rounds('g1', 1, 3, '59 min')", 10, 0, "1 2 3", ""},
    {"one old round, the last",           "SELECT t.rounds('g1', 7, 7, '2 h')", 10, 0, "7", ""},
    {"all old: the last stays",           "SELECT t.rounds('g1', 1, 5, '2 h'), t.rounds('g2', 1, 2, '2 h')", 10, 5, "5", "2"},
    {"all old, by ones",                  "SELECT t.rounds('g1', 1, 5, '2 h')", 1, 4, "5", ""},
    {"as many old ones as a batch",       "SELECT t.rounds('g1', 1, 5, '2 h')", 5, 4, "5", ""},
    {"old and young",                     "SELECT t.rounds('g1', 1, 3, '2 h'), t.rounds('g1', 4, 5, '1 min')", 2, 3, "4 5", ""},
    {"a group that is no more",           "SELECT t.rounds('gone', 1, 3, '2 h')", 10, 2, "", ""},
};
#define EPOCHS(g) "SELECT string_agg(epoch::text, ' ' ORDER BY epoch) FROM berth.rounds WHERE scaling_group_id = t.id('" g "')"
/* clang-format on */

START_TEST(rounds_go_but_the_last_one_stays_as_tabled)
{
    const struct retention_policy p = {.round_age_ms = HOUR_MS, .batch = rounds[_i].batch};
    const char *what = rounds[_i].what;
    world_do(&w.d, rounds[_i].sql);
    uint32_t n = remove_all(&p, RETENTION_ROUNDS, what);
    ck_assert_msg(n == rounds[_i].removed, "%s: %u removed", what, n);
    world_expect(&w.d, EPOCHS("g1"), rounds[_i].g1, what);
    world_expect(&w.d, EPOCHS("g2"), rounds[_i].g2, what);
}
END_TEST

START_TEST(answers_go_by_age_only)
{
    const struct retention_policy p = {.request_age_ms = HOUR_MS, .batch = 3};
    world_do(&w.d, "SELECT t.requests(1, 7, '61 min'), t.requests(8, 9, '59 min')");
    ck_assert_uint_eq(remove_all(&p, RETENTION_REQUESTS, "old ones"), 7);
    world_expect(&w.d, "SELECT string_agg(request_id, ' ' ORDER BY 1) FROM berth.requests", "r8 r9",
                 "what is kept");
    const struct retention_policy none = {.batch = 3};
    world_do(&w.d, "UPDATE berth.requests SET created_at = now() - interval '9 years'");
    ck_assert_uint_eq(remove_all(&none, RETENTION_REQUESTS, "no bound"), 0);
}
END_TEST

START_TEST(one_replica_at_a_time_removes)
{
    const struct retention_policy p = {.event_count = 1, .batch = 10};
    uint32_t n = 77;
    bool busy = false;
    world_do(&w.d, "SELECT t.events('g1', 1, 5, '0')");
    CLEANUP(PQfinishp) PGconn *holder = PQconnectdb(w.d.conninfo);
    PQclear(PQexec(holder, "BEGIN; SELECT pg_advisory_xact_lock(1953655149)"));
    assert_done(retention_step(w.c, &p, RETENTION_EVENTS, &n, &busy, &e), &e, "beside another");
    ck_assert_msg(busy && n == 0, "%u rows were removed beside another replica", n);
    PQclear(PQexec(holder, "ROLLBACK"));
    ck_assert_uint_eq(remove_all(&p, RETENTION_EVENTS, "alone again"), 4);
}
END_TEST

/* A commit that has begun (numbers given, rows written) and one that begins meanwhile: neither
 * waits for the other side, and nothing of them is removed. */
START_TEST(commits_and_removal_do_not_wait_for_each_other)
{
    const struct retention_policy p = {.event_age_ms = HOUR_MS, .event_count = 2, .batch = 100};
    struct group_numbers numbers;
    struct uuid id = world_id(&w.d, "g1");
    struct event next[3] = {{.type = EVENT_ROUND_FINISHED},
                            {.type = EVENT_ROUND_FINISHED},
                            {.type = EVENT_ROUND_FINISHED}};
    CLEANUP(pg_closep) struct pg *committer = db_open(&w.d);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    world_do(&w.d, "SELECT t.events('g1', 1, 9, '2 h')");
    assert_done(txn_begin(committer, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(group_state_number(t, &id, 3, &numbers, &e), &e, "number");
    next[0].time = numbers.now;
    assert_done(event_append(t, &id, numbers.first, next, 3, w.a, &e), &e, "append");
    pg_deadline(w.c, in_ms(5000)); /* it would end by this if it waited */
    ck_assert_uint_eq(remove_all(&p, RETENTION_EVENTS, "while a commit is under way"), 9);
    assert_done(txn_commit(&t, &e), &e, "commit");
    world_expect(&w.d, KEPT("g1"), "10 11 12", "what the commit wrote");
    ck_assert_uint_eq(remove_all(&p, RETENTION_EVENTS, "after it"), 1);
    world_expect(&w.d, KEPT("g1"), "11 12", "the newest two");
    pg_deadline(w.c, 0);
}
END_TEST

START_TEST(removal_gives_way_when_rows_are_locked)
{
    const struct retention_policy p = {.event_count = 1, .batch = 100};
    uint32_t n = 77;
    bool busy = false;
    CLEANUP(PQfinishp) PGconn *holder = PQconnectdb(w.d.conninfo);
    world_do(&w.d, "SELECT t.events('g1', 1, 5, '0')");
    PQclear(PQexec(holder, "BEGIN; SELECT 1 FROM berth.events FOR UPDATE"));
    pg_deadline(w.c, in_ms(300));
    assert_failed(retention_step(w.c, &p, RETENTION_EVENTS, &n, &busy, &e), &e, ERR_TIMEOUT,
                  e.reason, "events locked by somebody");
    PQclear(PQexec(holder, "ROLLBACK"));
    pg_deadline(w.c, 0);
    ck_assert_uint_eq(remove_all(&p, RETENTION_EVENTS, "unlocked"), 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("retention");
    TCase *tc = tcase_create("retention");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, events_go_from_the_oldest_on_as_tabled, 0, ARRAY_SIZE(events));
    tcase_add_test(tc, bounds_are_exact_after_everything_was_removed);
    tcase_add_loop_test(tc, rounds_go_but_the_last_one_stays_as_tabled, 0, ARRAY_SIZE(rounds));
    tcase_add_test(tc, answers_go_by_age_only);
    tcase_add_test(tc, one_replica_at_a_time_removes);
    tcase_add_test(tc, commits_and_removal_do_not_wait_for_each_other);
    tcase_add_test(tc, removal_gives_way_when_rows_are_locked);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
