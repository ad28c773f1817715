/* test_group_watch.c - a look at all groups: what it notices, and what it leaves alone. */
#include <string.h>

#include "repo/group_watch.h"
#include "tests/repo/world.h"

static const char setting[] =
    "SELECT t.session('s1', 1, 1024), t.session('r1', 1, 1024), "
    "t.session('r2', 1, 1024, grp => 'g2'), t.session('d1', 1, 1024, grp => 'g2');"
    "SELECT t.place('r1', 'a1', 'RUNNING'), t.place('r2', 'b1', 'RUNNING'), "
    "t.place('d1', 'b1', 'TERMINATED');"
    "UPDATE sessions SET terminated_at = '2026-01-01' WHERE id = t.id('d1')";

static struct group_look look(struct world *w, const char *last)
{
    struct err e = {.code = ERR_NONE};
    struct group_look l = {.now = 0};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    pg_deadline(w->c, in_ms(10000));
    assert_done(txn_begin(w->c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_done(group_watch_look(t, last, 100, w->a, &l, &e), &e, "look");
    return l;
}

enum { KEY = 1, MARK = 2, ENDED = 4, OTHER = 8 /* g2: any */, ROUND = 16 };

static const struct {
    const char *what, *sql;
    int noticed;
} changes[] = {
    {"a retry is written", "UPDATE sessions SET status_info = 'x' WHERE id = t.id('s1')", 0},
    {"a running session changes", "UPDATE sessions SET status = 'RESTARTING' WHERE id = t.id('r1')",
     0},
    {"an agent answers a heartbeat", "UPDATE agents SET status_changed = now() WHERE id = 'a1'", 0},
    {"something else is written", "CREATE TABLE t.other AS SELECT 1 AS a", 0},
    {"room changes where nobody waits",
     "UPDATE agent_resources SET used = used + 1 WHERE agent_id = 'b1' AND slot_name = 'cpu'", 0},
    {"a session comes", "SELECT t.session('s2', 1, 1024)", MARK},
    {"a session comes to the other group", "SELECT t.session('s2', 1, 1024, grp => 'g2')", OTHER},
    {"a session comes with an old date",
     "SELECT t.session('s2', 1, 1024); UPDATE sessions SET created_at = '2020-01-01' WHERE id = "
     "t.id('s2')",
     MARK},
    {"one session goes and one comes",
     "SELECT t.session('s2', 1, 1024); UPDATE sessions SET status = 'ERROR' WHERE id = t.id('s1')",
     MARK},
    {"a priority changes", "UPDATE sessions SET priority = 11 WHERE id = t.id('s1')", MARK},
    {"resources are freed",
     "UPDATE agent_resources SET used = used - 1 WHERE agent_id = 'a1' AND slot_name = 'cpu'",
     MARK},
    {"as much is freed on one agent as is taken on another",
     "UPDATE agent_resources SET used = used + CASE agent_id WHEN 'a1' THEN -1 ELSE 1 END "
     "WHERE agent_id IN ('a1', 'a2') AND slot_name = 'cpu'",
     MARK},
    {"capacity grows",
     "UPDATE agent_resources SET capacity = 99 WHERE agent_id = 'a2' AND slot_name = 'cpu'", MARK},
    {"an agent comes", "SELECT t.agent('a3', 'g1', 8, 1024)", MARK},
    {"an agent is lost", "UPDATE agents SET status = 'LOST' WHERE id = 'a2'", MARK},
    {"the last agent is lost", "UPDATE agents SET status = 'LOST' WHERE id LIKE 'a%'", KEY | MARK},
    {"the last agent of the other group is not schedulable any more",
     "UPDATE agents SET schedulable = false WHERE id = 'b1'", OTHER},
    {"the scheduler changes", "UPDATE scaling_groups SET scheduler = 'drf' WHERE name = 'g1'", KEY},
    {"options change",
     "UPDATE scaling_groups SET scheduler_opts = '{\"pending_timeout\": 1}' WHERE name = 'g1'",
     KEY},
    {"the group is closed", "UPDATE scaling_groups SET is_active = false WHERE name = 'g1'", KEY},
    {"a kind of slot comes",
     "INSERT INTO resource_slot_types (slot_name, slot_type, enabled, rank) "
     "VALUES ('odd.device', 'count', true, 77)",
     KEY | OTHER},
    {"a session ends",
     "UPDATE sessions SET status = 'TERMINATED', terminated_at = now() WHERE id = t.id('r2')",
     ENDED},
    {"a round ends",
     "INSERT INTO berth.group_state (scaling_group_id, epoch, round_started_at, round_counts) "
     "SELECT id, 5, now(), '{0,0,0,1}' FROM scaling_groups WHERE name = 'g1'",
     ROUND},
};

START_TEST(look_notices_as_tabled)
{
    CLEANUP(world_close) struct world w = world_open(setting);
    const struct group_look a = look(&w, NULL);
    ck_assert_msg(!a.is_same && a.n_groups == 2, "%u groups", a.n_groups);
    ck_assert_str_eq(a.groups[0].name, "g1");
    world_do(&w.d, changes[_i].sql);
    const struct group_look b = look(&w, a.snapshot);
    ck_assert_msg(!b.is_same, "%s: nothing happened at all", changes[_i].what);
    const struct watched_group *g = a.groups, *h = b.groups;
    const int noticed = (g[0].key != h[0].key ? KEY : 0) | (g[0].mark != h[0].mark ? MARK : 0) |
                        (a.ended != b.ended ? ENDED : 0) |
                        (g[1].key != h[1].key || g[1].mark != h[1].mark ? OTHER : 0) |
                        (h[0].round_start != TIME_NONE ? ROUND : 0);
    ck_assert_msg(noticed == changes[_i].noticed, "%s: noticed %d, expected %d", changes[_i].what,
                  noticed, changes[_i].noticed);
    ck_assert_msg((noticed & ROUND) == 0 || (h[0].epoch == 5 && h[0].has_blocked), "%s: epoch %d",
                  changes[_i].what, (int)h[0].epoch);
}
END_TEST

START_TEST(look_costs_one_question_when_nothing_was_committed)
{
    CLEANUP(world_close) struct world w = world_open(setting);
    const int64_t deadline = in_ms(10000);
    struct group_look a, b;
    do { /* a commit in the database of another test is one, too */
        a = look(&w, NULL);
        b = look(&w, a.snapshot);
    } while (!b.is_same && in_ms(0) < deadline);
    ck_assert_msg(b.is_same && b.n_groups == 0, "read all of it although nothing changed");
    ck_assert_msg(b.now >= a.now, "the clock went back");
    world_do(&w.d, "SELECT t.session('s2', 1, 1024)");
    const struct group_look c = look(&w, a.snapshot);
    ck_assert_msg(!c.is_same && c.n_groups == 2, "a session came and was not seen");
}
END_TEST

START_TEST(look_reads_a_bounded_number_of_groups)
{
    CLEANUP(world_close) struct world w = world_open("");
    struct err e = {.code = ERR_NONE};
    struct group_look l = {.now = 0};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(w.c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_done(group_watch_look(t, NULL, 1, w.a, &l, &e), &e, "look");
    ck_assert_msg(l.n_groups == 1 && l.has_more, "%u groups", l.n_groups);
}
END_TEST

START_TEST(look_bears_hostile_rows)
{
    CLEANUP(world_close) struct world w = world_open(setting);
    world_do(&w.d,
             "SELECT t.hostile(); UPDATE scaling_groups SET scheduler_opts = 'null' WHERE "
             "name = 'g1'; UPDATE scaling_groups SET scheduler_opts = '[1]', is_active = NULL "
             "WHERE name = 'g2'; UPDATE agent_resources SET capacity = 'NaN', used = NULL; "
             "UPDATE sessions SET priority = NULL, resource_group_id = NULL");
    const struct group_look l = look(&w, NULL);
    ck_assert_uint_eq(l.n_groups, 2);
    ck_assert_msg(l.groups[0].pending == 0, "sessions of no group count nowhere");
}
END_TEST

static const struct {
    const char *what, *key, *json;
    bool is_problem;
    int64_t interval_us; /* as the look reads it */
} options[] = {
    {"no number", "loop_interval", "\"soon\"", true, 0},
    {"a list", "loop_interval", "[1]", true, 0},
    {"less than nothing", "loop_interval", "-1", true, 0},
    {"nothing", "loop_interval", "0", true, 0},
    {"too short", "loop_interval", "0.001", true, 0},
    {"too long", "loop_interval", "\"2d\"", true, 0},
    {"no value", "loop_interval", "null", false, 0},
    {"another option", "loop_outerval", "\"soon\"", false, 0},
    {"seconds", "loop_interval", "90", false, 90000000},
    {"seconds as text", "loop_interval", "\"0.5\"", false, 500000},
    {"with units", "loop_interval", "\"1m30s\"", false, 90000000},
};

START_TEST(option_is_read_as_tabled)
{
    CLEANUP(world_close) struct world w = world_open("");
    const char *why = group_option_problem(options[_i].key, options[_i].json, w.a);
    ck_assert_msg((why != NULL) == options[_i].is_problem, "%s: %s", options[_i].what,
                  why != NULL ? why : "no problem");
    ck_assert_msg(why == NULL || strstr(why, options[_i].key) != NULL, "%s: %s", options[_i].what,
                  why);
    world_do(&w.d, arena_printf(w.a,
                                "UPDATE scaling_groups SET scheduler_opts = '{\"config\": "
                                "{\"%s\": %s}}' WHERE name = 'g1'",
                                options[_i].key, options[_i].json));
    const struct group_look l = look(&w, NULL);
    ck_assert_msg(l.groups[0].interval_us == options[_i].interval_us, "%s: %lld us",
                  options[_i].what, (long long)l.groups[0].interval_us);
    ck_assert_msg(l.groups[1].interval_us == 0, "%s: the other group has it too", options[_i].what);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("group_watch");
    TCase *tc = tcase_create("group_watch");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, look_notices_as_tabled, 0, ARRAY_SIZE(changes));
    tcase_add_test(tc, look_costs_one_question_when_nothing_was_committed);
    tcase_add_test(tc, look_reads_a_bounded_number_of_groups);
    tcase_add_test(tc, look_bears_hostile_rows);
    tcase_add_loop_test(tc, option_is_read_as_tabled, 0, ARRAY_SIZE(options));
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
