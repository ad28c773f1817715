/* test_manager_bridge.c - each event reaches a Manager at least once, in its words, and nothing
 * that Redis does holds up the log. */
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "repo/manager_bridge.h"
#include "repo/manager_live.h"
#include "tests/repo/redis_do.h"
#include "tests/repo/world.h"

DEFINE_CLEANUP(PGconn, PQfinish)

static struct world w;
static struct redis *hand; /* in database 4 */
static struct manager_bridge b;
static struct err e;

static void setup(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    w = world_open("CREATE FUNCTION t.tell(grp text, kind int, name text, why text, ago interval) "
                   "RETURNS void LANGUAGE sql AS $$ "
                   "INSERT INTO berth.group_state AS g (scaling_group_id, last_sequence) "
                   "VALUES (t.id(grp), 1) ON CONFLICT (scaling_group_id) DO UPDATE "
                   "SET last_sequence = g.last_sequence + 1; "
                   "INSERT INTO berth.events (scaling_group_id, sequence, type, epoch, session_id, "
                   "created_at, creation_id, reason) SELECT t.id(grp), g.last_sequence, kind, 1, "
                   "t.id(name), now() - ago, 'c-' || name, why FROM berth.group_state g "
                   "WHERE g.scaling_group_id = t.id(grp) $$");
    hand = redis_open_in(4);
    redis_do(hand, "FLUSHALL");
    b = (struct manager_bridge){.max_age_ms = 3600000, .batch = 3};
    assert_done(manager_stream_open(redis_address(), 2000, &b.stream, &e), &e, "stream");
    assert_done(manager_live_open(redis_address(), 2000, &b.live, &e), &e, "live");
    assert_done(manager_bridge_begin(w.c, &e), &e, "begin");
}

static void teardown(void)
{
    redis_destroy(b.stream);
    redis_destroy(b.live);
    redis_destroy(hand);
    world_close(&w);
}

static struct manager_step step(const char *what)
{
    struct manager_step s = {.found = false};
    assert_done(manager_bridge_step(w.c, &b, &s, w.a, &e), &e, what);
    return s;
}

/* Position of a group as a number, -1: it has none. */
static int64_t position(const char *group)
{
    char sql[160];
    (void)snprintf(sql, sizeof(sql),
                   "SELECT coalesce((SELECT sequence FROM berth.manager_bridge "
                   "WHERE scaling_group_id = t.id('%s')), -1)",
                   group);
    return db_int(&w.d, sql);
}

static int64_t entries(void)
{
    return strtol(redis_says(hand, "XLEN events"), NULL, 10);
}

START_TEST(stream_is_kept_short)
{
    world_do(&w.d, "SELECT t.tell('g1', 1, 's' || n, '', '0') FROM generate_series(1, 900) n");
    b.batch = 300;
    while (step("many").found)
        ;
    ck_assert_int_eq(position("g1"), 900);
    ck_assert_msg(entries() >= 128 && entries() <= 256, "%ld entries", (long)entries());
}
END_TEST

START_TEST(containers_to_be_stopped_are_marked)
{
    CLEANUP(redis_destroyp) struct redis *live = redis_open_in(2);
    world_do(&w.d, "SELECT t.tell('g1', 1, 's1', '', '0')");
    (void)step("scheduled");
    redis_expect(live, "EXISTS schedule:terminate", "0", "nothing to stop");
    world_do(&w.d, "SELECT t.tell('g1', 4, 's1', '', '0')");
    (void)step("terminating");
    redis_expect(live, "GET schedule:terminate", "1", "something to stop");
}
END_TEST

/* --- from where, and how far --- */

START_TEST(what_was_before_the_bridge_is_not_told)
{
    db_sql(&w.d, "TRUNCATE berth.manager_bridge");
    world_do(&w.d, "SELECT t.tell('g1', 1, 's1', '', '0')");
    assert_done(manager_bridge_begin(w.c, &e), &e, "begin");
    ck_assert_msg(!step("nothing new").found, "something was told");
    world_do(&w.d, "SELECT t.tell('g1', 3, 's1', '', '0'), t.tell('g2', 3, 's2', '', '0')");
    assert_done(manager_bridge_begin(w.c, &e), &e, "begin again");
    while (step("the rest").found)
        ;
    ck_assert_int_eq(position("g1"), 2);
    ck_assert_int_eq(position("g2"), 1);
    ck_assert_int_eq(entries(), 2);
}
END_TEST

START_TEST(steps_go_from_group_to_group_by_batches)
{
    struct manager_step s = {.found = false};
    struct uuid first;
    unsigned n = 0;
    world_do(&w.d, "SELECT t.tell('g1', 1, 's' || n, '', '0'), t.tell('g2', 5, '', '', '0') "
                   "FROM generate_series(1, 7) n");
    for (; n < 10; n++) {
        assert_done(manager_bridge_step(w.c, &b, &s, w.a, &e), &e, "step");
        if (!s.found)
            break;
        if (n == 0)
            first = s.group;
        ck_assert_msg(n == 0 || uuid_compare(&s.group, &first) != 0, "one group twice in a pass");
        ck_assert_msg(s.more, "seven are more than a batch of three");
        s.after = s.group;
    }
    ck_assert_msg(n == 2, "%u groups in a pass", n);
    ck_assert_int_eq(position("g1"), 3);
    ck_assert_int_eq(position("g2"), 3);
}
END_TEST

/* clang-format off */
static const struct {
    const char *what, *sql;
    uint32_t told;
    int64_t expired, lost, position;
} passed_over[] = {
    {"all too old",              "SELECT t.tell('g1', 1, 's', '', '61 min') FROM generate_series(1, 2)", 0, 2, 0, 2},
    {"one too old",              "SELECT t.tell('g1', 1, 's', '', '61 min'), t.tell('g1', 1, 'r', '', '59 min')", 1, 1, 0, 2},
    {"old ones nobody hears of", "SELECT t.tell('g1', 5, 's', '', '61 min')", 0, 0, 0, 1},
    {"some removed",             "SELECT t.tell('g1', 1, 's', '', '0') FROM generate_series(1, 4); DELETE FROM berth.events WHERE sequence < 3", 2, 0, 2, 4},
    {"all removed",              "SELECT t.tell('g1', 1, 's', '', '0') FROM generate_series(1, 4); DELETE FROM berth.events", 0, 0, 4, 4},
    {"unreadable causes",        "SELECT t.tell('g1', 1, 's', '', '0'); UPDATE berth.events SET causes = '7', allocations = '\"x\"'", 1, 0, 0, 1},
    {"a group that is no more",  "SELECT t.tell('g1', 1, 's', '', '0'); UPDATE scaling_groups SET id = gen_random_uuid() WHERE name = 'g3'", 1, 0, 0, 1},
};
/* clang-format on */

START_TEST(old_and_removed_events_are_passed_over_as_tabled)
{
    const char *what = passed_over[_i].what;
    world_do(&w.d, passed_over[_i].sql);
    const struct manager_step s = step(what);
    ck_assert_msg(s.found && s.told == passed_over[_i].told, "%s: %u told", what, s.told);
    ck_assert_msg(s.expired == passed_over[_i].expired, "%s: %ld expired", what, (long)s.expired);
    ck_assert_msg(s.lost == passed_over[_i].lost, "%s: %ld lost", what, (long)s.lost);
    ck_assert_msg(position("g1") == passed_over[_i].position, "%s: at %ld", what,
                  (long)position("g1"));
    ck_assert_msg(!step(what).found, "%s: there is more", what);
}
END_TEST

/* --- what goes wrong --- */

START_TEST(a_refused_command_is_tried_again_until_given_up)
{
    world_do(&w.d, "SELECT t.tell('g1', 3, 's1', 'why', '0')");
    redis_do(hand, "SET events planted");
    struct manager_step s = step("a wrong type");
    ck_assert_msg(s.refused == 1 && strncmp(s.refusal, "WRONGTYPE", 9) == 0, "%u refused: %s",
                  s.refused, s.refusal);
    ck_assert_int_eq(position("g1"), -1);
    s.give_up = true;
    assert_done(manager_bridge_step(w.c, &b, &s, w.a, &e), &e, "given up");
    ck_assert_uint_eq(s.refused, 1);
    ck_assert_int_eq(position("g1"), 1);
    redis_do(hand, "DEL events");
    world_do(&w.d, "SELECT t.tell('g1', 3, 's2', 'why', '0')");
    ck_assert_uint_eq(step("mended").refused, 0);
    ck_assert_int_eq(entries(), 1);
}
END_TEST

START_TEST(keys_of_wrong_types_that_are_set_anyway_do_no_harm)
{
    char id[UUID_TEXT];
    const struct uuid s1 = world_id(&w.d, "s1");
    redis_do(hand, arena_printf(w.a, "RPUSH session_scheduler.%s x", uuid_format(&s1, id)));
    world_do(&w.d, "SELECT t.tell('g1', 1, 's1', '', '0')");
    ck_assert_uint_eq(step("a list was planted").refused, 0);
    redis_expect(hand, arena_printf(w.a, "TYPE session_scheduler.%s", id), "string", "after it");
}
END_TEST

START_TEST(nothing_is_missed_while_redis_is_away_or_erased)
{
    struct manager_step s = {.found = false};
    world_do(&w.d, "SELECT t.tell('g1', 1, 's1', '', '0')");
    (void)step("first");
    redis_do(hand, "FLUSHALL");
    world_do(&w.d, "SELECT t.tell('g1', 3, 's1', '', '0')");
    (void)step("after FLUSHALL");
    ck_assert_int_eq(entries(), 1);
    redis_server_stop();
    world_do(&w.d, "SELECT t.tell('g1', 3, 's2', '', '0')");
    assert_failed(manager_bridge_step(w.c, &b, &s, w.a, &e), &e, ERR_UNAVAILABLE,
                  "REDIS_UNAVAILABLE", "away");
    ck_assert_int_eq(position("g1"), 2);
    redis_server_start();
    ck_assert_uint_eq(step("back").told, 1);
    ck_assert_int_eq(position("g1"), 3);
    ck_assert_int_eq(entries(), 1);
}
END_TEST

START_TEST(one_replica_at_a_time_tells_a_group)
{
    CLEANUP(PQfinishp) PGconn *other = PQconnectdb(w.d.conninfo);
    world_do(&w.d, "SELECT t.tell('g1', 1, 's1', '', '0'), t.tell('g2', 1, 's2', '', '0')");
    b.batch = 1;
    (void)step("g1 or g2");
    (void)step("g1 or g2");
    world_do(&w.d, "SELECT t.tell('g1', 3, 's1', '', '0'), t.tell('g2', 3, 's2', '', '0')");
    PQclear(PQexec(other, "BEGIN; SELECT 1 FROM berth.manager_bridge WHERE scaling_group_id = "
                          "t.id('g1') FOR UPDATE"));
    while (step("beside another").found)
        ;
    ck_assert_int_eq(position("g1"), 1);
    ck_assert_int_eq(position("g2"), 2);
    PQclear(PQexec(other, "ROLLBACK")); /* it died */
    ck_assert_msg(step("after it").found, "nobody takes over");
    ck_assert_int_eq(position("g1"), 2);
}
END_TEST

START_TEST(a_bridge_with_nothing_to_tell_only_looks)
{
    CLEANUP(PQfinishp) PGconn *other = PQconnectdb(w.d.conninfo);
    world_do(&w.d, "SELECT t.tell('g1', 1, 's1', '', '0')");
    while (step("all there is").found)
        ;
    /* everything but a plain SELECT would wait for this */
    PQclear(PQexec(other, "BEGIN; LOCK TABLE berth.manager_bridge IN EXCLUSIVE MODE"));
    pg_deadline(w.c, in_ms(2000));
    ck_assert_msg(!step("nothing new, beside a lock").found, "something was told");
    pg_deadline(w.c, 0);
    PQclear(PQexec(other, "ROLLBACK"));
}
END_TEST

#ifdef BERTH_FAULTS
START_TEST(who_dies_before_the_commit_is_followed_by_one_who_tells_it_again)
{
    int status = 0;
    world_do(&w.d, "SELECT t.tell('g1', 3, 's1', '', '0')");
    pid_t child = fork();
    if (child == 0) {
        struct manager_step s = {.found = false};
        struct pg *own = NULL;
        (void)setenv("BERTH_FAULT", "commit_due", 1);
        if (pg_open(w.d.conninfo, &own, &e) < 0 || manager_bridge_step(own, &b, &s, w.a, &e) < 0)
            _exit(1);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status), "it did not die");
    ck_assert_int_eq(entries(), 1);
    ck_assert_int_eq(position("g1"), -1);
    db_await(&w.d,
             "SELECT count(*) = 0 FROM pg_stat_activity WHERE state = 'idle in transaction' AND "
             "datname = current_database()",
             "the dead one's transaction ends");
    ck_assert_uint_eq(step("the next one").told, 1);
    ck_assert_int_eq(entries(), 2);
    ck_assert_int_eq(position("g1"), 1);
}
END_TEST
#endif

START_TEST(commits_do_not_wait_for_the_bridge)
{
    CLEANUP(PQfinishp) PGconn *teller = PQconnectdb(w.d.conninfo);
    struct err why = {.code = ERR_NONE};
    world_do(&w.d, "SELECT t.tell('g1', 1, 's1', '', '0'), t.session('s2', 1, 1)");
    (void)step("first");
    PQclear(PQexec(teller, "BEGIN; SELECT 1 FROM berth.manager_bridge FOR UPDATE"));
    const struct snapshot *s = world_load(w.c, "g1", w.a);
    struct plan *p = world_plan(s, w.a);
    struct commit_result done;
    plan_place(p, s, "s2", "a1");
    const struct commit_input in = world_commit(w.c, s, p);
    pg_deadline(w.c, in_ms(5000));
    assert_done(plan_commit(w.c, &in, w.a, &done, &why), &why, "a round beside it");
    pg_deadline(w.c, 0);
    PQclear(PQexec(teller, "ROLLBACK"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("manager_bridge");
    TCase *tc = tcase_create("manager_bridge");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, stream_is_kept_short);
    tcase_add_test(tc, containers_to_be_stopped_are_marked);
    tcase_add_test(tc, what_was_before_the_bridge_is_not_told);
    tcase_add_test(tc, steps_go_from_group_to_group_by_batches);
    tcase_add_loop_test(tc, old_and_removed_events_are_passed_over_as_tabled, 0,
                        ARRAY_SIZE(passed_over));
    tcase_add_test(tc, a_refused_command_is_tried_again_until_given_up);
    tcase_add_test(tc, keys_of_wrong_types_that_are_set_anyway_do_no_harm);
    tcase_add_test(tc, nothing_is_missed_while_redis_is_away_or_erased);
    tcase_add_test(tc, one_replica_at_a_time_tells_a_group);
    tcase_add_test(tc, a_bridge_with_nothing_to_tell_only_looks);
#ifdef BERTH_FAULTS
    tcase_add_test(tc, who_dies_before_the_commit_is_followed_by_one_who_tells_it_again);
#endif
    tcase_add_test(tc, commits_do_not_wait_for_the_bridge);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
