/* test_warm_restart.c - what was kept of a group is worth nothing at a server that was restarted.
 */
#include <libpq-fe.h>
#include <signal.h>

#include "tests/repo/warm_world.h"

static enum load_kind load(struct pg *c, struct warm **w, struct arena *a, const char *what)
{
    return warm_world_load(c, w, INT64_MAX, a, what).kind;
}

/* Ids of transactions mean nothing after these. */
static const struct {
    const char *what;
    bool crash;
} restarts[] = {{"the server was restarted", false}, {"the server crashed", true}};

START_TEST(warm_load_trusts_no_other_server)
{
    struct db d = world_create();
    world_do(&d, "SELECT t.session('s1', 1, 1024, 2)");
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(warm_destroyp) struct warm *w = NULL;
    ck_assert_int_eq(load(c, &w, a, "the first load"), LOAD_FULL);
    pg_server_stop(restarts[_i].crash);
    pg_server_start();
    ck_assert_msg(load(c, &w, a, restarts[_i].what) == LOAD_FULL, "%s", restarts[_i].what);
}
END_TEST

START_TEST(warm_load_trusts_no_server_that_recovered)
{
    struct db d = world_create();
    world_do(&d, "SELECT t.session('s1', 1, 1024, 2)");
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(warm_destroyp) struct warm *w = NULL;
    ck_assert_int_eq(load(c, &w, a, "the first load"), LOAD_FULL);
    PGconn *victim = PQconnectdb(d.conninfo), *other = PQconnectdb(d.conninfo);
    ck_assert_int_eq(PQstatus(victim), CONNECTION_OK);
    ck_assert_int_eq(PQstatus(other), CONNECTION_OK);
    kill(PQbackendPID(victim), SIGKILL); /* every other process of the server ends, too */
    PGresult *r = PQexec(other, "SELECT pg_sleep(30)"); /* until it does */
    ck_assert_int_ne(PQresultStatus(r), PGRES_TUPLES_OK);
    PQclear(r);
    PQfinish(other);
    PQfinish(victim);
    pg_server_start();
    CLEANUP(pg_closep) struct pg *again = db_open(&d);
    ck_assert_int_eq(load(again, &w, a, "after a recovery"), LOAD_FULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("warm_restart");
    TCase *tc = tcase_create("restart");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, warm_load_trusts_no_other_server, 0, ARRAY_SIZE(restarts));
    tcase_add_test(tc, warm_load_trusts_no_server_that_recovered);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_PRIVATE);
}
