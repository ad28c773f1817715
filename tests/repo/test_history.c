/* test_history.c - which row of a session's history an attempt goes to, and what it changes there.
 */
#include <stdio.h>
#include <string.h>

#include "repo/history.h"
#include "tests/repo/world.h"

/* A row that is there: phase, error_code, to_status, result, message, attempts, session, minute. */
#define ROW(phase, code, to, result, message, attempts, session, minute)                           \
    "('" phase "', " code ", '" to "', '" result "', '" message "', " attempts ", t.id('" session  \
    "'), " minute ")"
#define FAILED(message, attempts, session, minute)                                                 \
    ROW("schedule-sessions", "'CAPACITY'", "PENDING", "NEED_RETRY", message, attempts, session,    \
        minute)

/* The attempt: phase schedule-sessions, error CAPACITY, to PENDING, message "new", steps ["new"].
 * What is there after it, oldest first: code, message, attempts, steps, and whether the row was
 * left as it is (kept) or updated_at was set (now). */
static const struct {
    const char *what, *before;
    int32_t carried;
    const char *after;
} cases[] = {
    {"nothing is there", NULL, 0, "CAPACITY new 1 new now"},
    {"the same kind with the same message", FAILED("new", "4", "s1", "1"), 0,
     "CAPACITY new 5 old now"},
    {"the same kind with another message", FAILED("x", "4", "s1", "1"), 0,
     "CAPACITY new 5 new now"},
    {"the same kind, and some were only counted", FAILED("new", "4", "s1", "1"), 3,
     "CAPACITY new 8 old now"},
    {"the same kind, but no failure, and some were counted",
     ROW("schedule-sessions", "'CAPACITY'", "PENDING", "SUCCESS", "new", "4", "s1", "1"), 3,
     "CAPACITY new 5 old now"},
    {"another error",
     ROW("schedule-sessions", "'OTHER'", "PENDING", "NEED_RETRY", "x", "4", "s1", "1"), 0,
     "OTHER x 4 old kept; CAPACITY new 1 new now"},
    {"another error, and some were only counted",
     ROW("schedule-sessions", "'OTHER'", "PENDING", "NEED_RETRY", "x", "4", "s1", "1"), 3,
     "OTHER x 7 old; CAPACITY new 1 new now"},
    {"another error with the same message, and some were only counted",
     ROW("schedule-sessions", "'OTHER'", "PENDING", "NEED_RETRY", "new", "4", "s1", "1"), 3,
     "OTHER new 7 old; CAPACITY new 1 new now"},
    {"another error that was no failure, and some were counted",
     ROW("schedule-sessions", "'OTHER'", "PENDING", "SUCCESS", "x", "4", "s1", "1"), 3,
     "OTHER x 4 old kept; CAPACITY new 1 new now"},
    {"no error", ROW("schedule-sessions", "NULL", "PENDING", "NEED_RETRY", "x", "4", "s1", "1"), 0,
     "- x 4 old kept; CAPACITY new 1 new now"},
    {"another phase", ROW("cancel", "'CAPACITY'", "PENDING", "NEED_RETRY", "x", "4", "s1", "1"), 0,
     "CAPACITY x 4 old kept; CAPACITY new 1 new now"},
    {"another status",
     ROW("schedule-sessions", "'CAPACITY'", "SCHEDULED", "NEED_RETRY", "x", "4", "s1", "1"), 0,
     "CAPACITY x 4 old kept; CAPACITY new 1 new now"},
    {"the same kind, but not the latest",
     FAILED("x", "4", "s1", "1") ", " ROW("cancel", "NULL", "PENDING", "SUCCESS", "y", "2", "s1",
                                          "2"),
     0, "CAPACITY x 4 old kept; - y 2 old kept; CAPACITY new 1 new now"},
    {"the same kind as the latest, behind an older one of another",
     ROW("cancel", "NULL", "PENDING", "SUCCESS", "y", "2", "s1", "1") ", " FAILED("x", "4", "s1",
                                                                                  "2"),
     0, "- y 2 old kept; CAPACITY new 5 new now"},
    {"the same kind of another session", FAILED("x", "4", "s2", "1"), 0,
     "CAPACITY x 4 old kept; CAPACITY new 1 new now"},
};

static const char sql_after[] =
    "SELECT string_agg(concat_ws(' ', coalesce(h.error_code, '-'), h.message, h.attempts, "
    "h.sub_steps->>0, CASE WHEN b.x = h.xmin::text THEN 'kept' END, "
    "CASE WHEN h.updated_at > '2026-02-01' THEN 'now' END), '; ' ORDER BY h.created_at) "
    "FROM session_scheduling_history h LEFT JOIN t.before b ON b.id = h.id";

static void record(struct world *w, const struct history_row *rows, uint32_t n, const char *what)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(w->c, TXN_WRITE, &t, &e), &e, what);
    assert_done(history_record(t, rows, n, w->a, &e), &e, what);
    assert_done(txn_commit(&t, &e), &e, what);
}

START_TEST(an_attempt_goes_to_the_row_that_is_tabled)
{
    const char *what = cases[_i].what;
    char sql[1200];
    (void)snprintf(
        sql, sizeof(sql),
        "SELECT t.session('s1', 1, 0), t.session('s2', 1, 0); "
        "INSERT INTO session_scheduling_history (session_id, phase, from_status, "
        "error_code, to_status, result, message, attempts, sub_steps, created_at, "
        "updated_at) SELECT v.s, v.phase, 'PENDING', v.code, v.to_, v.result, v.message, "
        "v.attempts, '[\"old\"]', timestamptz '2026-01-01' + v.minute * interval '1 "
        "minute', '2026-01-01' FROM (VALUES %s) AS v(phase, code, to_, result, message, "
        "attempts, s, minute) WHERE v.phase <> ''; "
        "CREATE TABLE t.before AS SELECT id, xmin::text AS x FROM "
        "session_scheduling_history",
        cases[_i].before != NULL ? cases[_i].before : ROW("", "NULL", "", "", "", "0", "", "0"));
    CLEANUP(world_close) struct world w = world_open(sql);
    const struct history_row row = {.session_id = world_id(&w.d, "s1"),
                                    .phase = "schedule-sessions",
                                    .from_status = "PENDING",
                                    .to_status = "PENDING",
                                    .result = "NEED_RETRY",
                                    .error_code = "CAPACITY",
                                    .message = "new",
                                    .carried = cases[_i].carried,
                                    .sub_steps = "[\"new\"]"};
    record(&w, &row, 1, what);
    world_expect(&w.d, sql_after, cases[_i].after, what);
    world_expect(&w.d,
                 "SELECT DISTINCT concat_ws(' ', phase, from_status, to_status, result) FROM "
                 "session_scheduling_history WHERE created_at > '2026-02-01'",
                 strstr(cases[_i].after, "1 new now") != NULL
                     ? "schedule-sessions PENDING PENDING NEED_RETRY"
                     : "",
                 what);
}
END_TEST

/* Rows of one moment: the one with the greater id is the latest. */
START_TEST(of_two_rows_of_one_moment_the_greater_id_is_the_latest)
{
    CLEANUP(world_close)
    struct world w = world_open(
        "SELECT t.session('s1', 1, 0); INSERT INTO session_scheduling_history (id, session_id, "
        "phase, error_code, to_status, result, message, attempts, sub_steps, created_at, "
        "updated_at) SELECT v.id::uuid, t.id('s1'), 'schedule-sessions', v.code, 'PENDING', "
        "'NEED_RETRY', 'x', 1, '[]', '2026-01-01', '2026-01-01' FROM (VALUES "
        "('ffffffff-0000-0000-0000-000000000000', 'CAPACITY'), "
        "('00000000-0000-0000-0000-000000000001', 'OTHER')) AS v(id, code)");
    const struct history_row row = {.session_id = world_id(&w.d, "s1"),
                                    .phase = "schedule-sessions",
                                    .to_status = "PENDING",
                                    .result = "NEED_RETRY",
                                    .error_code = "CAPACITY",
                                    .message = "new",
                                    .sub_steps = "[]"};
    record(&w, &row, 1, "rows of one moment");
    world_expect(&w.d,
                 "SELECT string_agg(concat_ws(' ', error_code, attempts), '; ' ORDER BY id) FROM "
                 "session_scheduling_history",
                 "OTHER 1; CAPACITY 2", "rows of one moment");
}
END_TEST

/* One call for several sessions: each goes its own way. */
START_TEST(several_sessions_are_recorded_at_once)
{
    CLEANUP(world_close)
    struct world w = world_open("SELECT t.session('s1', 1, 0), t.session('s2', 1, 0)");
    const struct history_row rows[] = {{.session_id = world_id(&w.d, "s1"),
                                        .phase = "schedule-sessions",
                                        .from_status = "PENDING",
                                        .to_status = "PENDING",
                                        .result = "NEED_RETRY",
                                        .error_code = "CAPACITY",
                                        .message = "bad \xff byte",
                                        .sub_steps = "[1]"},
                                       {.session_id = world_id(&w.d, "s2"),
                                        .phase = "cancel",
                                        .from_status = "PENDING",
                                        .to_status = "CANCELLED",
                                        .result = "SUCCESS",
                                        .message = "gone",
                                        .sub_steps = "[]"}};
    record(&w, NULL, 0, "nothing");
    record(&w, rows, 2, "two sessions");
    world_expect(&w.d,
                 "SELECT string_agg(concat_ws(' ', s.name, h.phase, h.from_status, h.to_status, "
                 "h.result, h.error_code, h.message, h.sub_steps), '; ' ORDER BY s.name) "
                 "FROM session_scheduling_history h JOIN sessions s ON s.id = h.session_id",
                 "s1 schedule-sessions PENDING PENDING NEED_RETRY CAPACITY bad ? byte [1]; "
                 "s2 cancel PENDING CANCELLED SUCCESS gone []",
                 "two sessions");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("history");
    TCase *tc = tcase_create("history");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, an_attempt_goes_to_the_row_that_is_tabled, 0, ARRAY_SIZE(cases));
    tcase_add_test(tc, of_two_rows_of_one_moment_the_greater_id_is_the_latest);
    tcase_add_test(tc, several_sessions_are_recorded_at_once);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
