/* test_session_row.c - writes to sessions that are not as they were read, and what is said of those
 * that are gone. */
#include <stdio.h>
#include <string.h>

#include "repo/event_append.h"
#include "repo/session.h"
#include "repo/session_row.h"
#include "tests/repo/world.h"

static int schedule(struct txn *t, const struct uuid *id, struct arena *a, struct err *e)
{
    const char *agents = "{\"a1\"}";
    return session_schedule(t, id, &agents, 1, a, e);
}

static int record_failure(struct txn *t, const struct uuid *id, struct arena *a, struct err *e)
{
    const struct session_failure v = {.id = *id,
                                      .info = "no-available-instances",
                                      .data = "{\"scheduler\": {}}",
                                      .kernel_data = "{\"scheduler\": {}}"};
    return session_fail(t, &v, 1, a, e);
}

static int cancel(struct txn *t, const struct uuid *id, struct arena *a, struct err *e)
{
    return session_mark_cancelled(t, id, 1, "PENDING", "user-requested", a, e);
}

static int terminate(struct txn *t, const struct uuid *id, struct arena *a, struct err *e)
{
    return session_mark_terminating(t, id, 1, "RUNNING", "user-requested", a, e);
}

static const struct {
    const char *what, *status; /* one that it must not start from */
    int (*write)(struct txn *t, const struct uuid *id, struct arena *a, struct err *e);
} guarded[] = {
    {"a cancelled session is scheduled", "CANCELLED", schedule},
    {"a running session fails to be placed", "RUNNING", record_failure},
    {"a running session is cancelled as if it waited", "RUNNING", cancel},
    {"a waiting session is terminated as if it ran", "PENDING", terminate},
};

START_TEST(a_session_that_is_not_as_it_was_read_is_not_written)
{
    const char *what = guarded[_i].what;
    CLEANUP(world_close) struct world w = world_open("SELECT t.session('s1', 1, 0)");
    const struct uuid s1 = world_id(&w.d, "s1");
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    char sql[100];
    (void)snprintf(sql, sizeof(sql), "UPDATE sessions SET status = '%s'", guarded[_i].status);
    world_do(&w.d, sql);
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_failed(guarded[_i].write(t, &s1, w.a, &e), &e, ERR_INTERNAL, "GUARD_FAILED", what);
    ck_assert_msg(strstr(e.detail, "0 of 1 sessions changed") != NULL, "%s: the log is told: %s",
                  what, e.detail);
}
END_TEST

/* The caller's memory need not be empty. */
START_TEST(a_session_that_is_gone_has_no_status)
{
    CLEANUP(world_close) struct world w = world_open("SELECT t.session('s1', 1, 0)");
    const struct uuid ids[] = {world_id(&w.d, "gone"), world_id(&w.d, "s1")};
    const char *statuses[] = {"old", "old"};
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(session_lock(t, ids, 2, w.a, statuses, &e), &e, "lock");
    ck_assert_msg(statuses[0] == NULL, "what is gone is %s", statuses[0]);
    ck_assert_str_eq(statuses[1], "PENDING");
}
END_TEST

START_TEST(a_session_that_never_failed_has_no_causes)
{
    CLEANUP(world_close)
    struct world w = world_open(
        "SELECT t.session('s1', 1, 0), t.session('s2', 1, 0); UPDATE sessions SET status_data = "
        "'{\"scheduler\": {\"causes\": [{\"kind\": \"CAPACITY\"}]}}' WHERE name = 's2'");
    const struct uuid ids[] = {world_id(&w.d, "s1"), world_id(&w.d, "s2")};
    struct event_cause old = {.kind = CAUSE_CONFLICT}, *causes[] = {&old, &old};
    uint32_t n[] = {7, 7};
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(w.c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_done(session_last_causes(t, ids, 2, w.a, causes, n, &e), &e, "causes");
    ck_assert_msg(causes[0] == NULL && n[0] == 0, "the first has %u causes", n[0]);
    ck_assert_msg(n[1] == 1 && causes[1]->kind == CAUSE_CAPACITY, "the second has %u causes", n[1]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("session_row");
    TCase *tc = tcase_create("session_row");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_session_that_is_not_as_it_was_read_is_not_written, 0,
                        ARRAY_SIZE(guarded));
    tcase_add_test(tc, a_session_that_is_gone_has_no_status);
    tcase_add_test(tc, a_session_that_never_failed_has_no_causes);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
