/* test_plan_quiet.c - which commits may be passed over by a snapshot that is kept. On a server of
 * its own: transactions of other databases have ids from the same counter. */
#include <libpq-fe.h>

#include "repo/db_moment.h"
#include "tests/repo/world.h"

static struct db_moment moment(struct world *w)
{
    struct err e = {.code = ERR_NONE};
    struct db_moment m;
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(w->c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_done(db_moment_read(t, w->a, &m, &e), &e, "read the moment");
    return m;
}

static const struct {
    const char *what;
    enum outcome outcome;
    bool quiet;
} commits[] = {
    {"a round that leaves its only session out", OUTCOME_SKIPPED, true},
    {"a round in which a session fails", OUTCOME_WAITING, false},
};

START_TEST(commit_is_quiet_when_it_decides_nothing)
{
    const char *what = commits[_i].what;
    CLEANUP(world_close) struct world w = world_open("SELECT t.session('s1', 1, 0)");
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    struct plan *p = world_plan(w.s, w.a);
    plan_say(p, w.s, w.a, "s1", commits[_i].outcome, CAUSE_CAPACITY, "no room");
    struct commit_input in = world_commit(w.c, w.s, p);
    const struct db_moment before = moment(&w);
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, what);
    const struct db_moment after = moment(&w);
    ck_assert_msg(after.xmax == before.xmax + 1, "%s: it was not one transaction", what);
    ck_assert_msg(quiet_since(before.xmin, &after) == commits[_i].quiet, "%s: it is %s", what,
                  commits[_i].quiet ? "not declared quiet" : "declared quiet");
}
END_TEST

/* A Manager that alters its tables does not hold up a round that has nothing to write there. */
START_TEST(commit_of_nothing_waits_for_no_table_of_the_managers)
{
    CLEANUP(world_close) struct world w = world_open("SELECT t.session('s1', 1, 0)");
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    struct plan *p = world_plan(w.s, w.a);
    plan_say(p, w.s, w.a, "s1", OUTCOME_SKIPPED, CAUSE_QUEUE_POLICY, "not now");
    struct commit_input in = world_commit(w.c, w.s, p);
    PGconn *manager = PQconnectdb(w.d.conninfo);
    PQclear(PQexec(manager, "BEGIN; LOCK sessions, kernels, resource_allocations, agents, "
                            "agent_resources, session_scheduling_history"));
    ck_assert_int_eq(PQtransactionStatus(manager), PQTRANS_INTRANS);
    pg_deadline(w.c, in_ms(15000));
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, "beside a transaction that locks them");
    PQfinish(manager);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan_quiet");
    TCase *tc = tcase_create("plan_quiet");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, commit_is_quiet_when_it_decides_nothing, 0, ARRAY_SIZE(commits));
    tcase_add_test(tc, commit_of_nothing_waits_for_no_table_of_the_managers);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_PRIVATE);
}
