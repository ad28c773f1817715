/* test_group_state.c - the row of a group: its epoch, its last round, its health. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "repo/group_state.h"
#include "repo/pg_query.h"
#include "tests/repo/world.h"

static int64_t take_epoch(struct world *w, const char *round)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    const struct uuid id = world_id(&w->d, round);
    int64_t epoch = 0;
    assert_done(txn_begin(w->c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(group_state_take_epoch(t, "g1", &id, &epoch, &e), &e, "take an epoch");
    assert_done(txn_commit(&t, &e), &e, "commit");
    return epoch;
}

static struct group_numbers advance(struct world *w, struct group_advance *g)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    const struct uuid id = world_id(&w->d, "g1");
    struct group_numbers numbers;
    g->group_id = &id;
    g->rr_cursors = "{}";
    assert_done(txn_begin(w->c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(group_state_advance(t, g, w->a, &numbers, &e), &e, "advance");
    assert_done(txn_commit(&t, &e), &e, "commit");
    return numbers;
}

START_TEST(a_chunk_that_ends_no_round_leaves_the_last_one)
{
    static const char last[] = "SELECT concat_ws(' ', round_started_at, round_us, round_counts) "
                               "FROM berth.group_state";
    CLEANUP(world_close) struct world w = world_open("");
    char before[200], after[200];
    uint32_t counts[N_OUTCOMES];
    for (uint32_t i = 0; i < N_OUTCOMES; i++)
        counts[i] = 10 + i;
    struct group_advance g = {.epoch = take_epoch(&w, "round"),
                              .n_events = 2,
                              .round_ends = true,
                              .round_started_at = w.s->observed_at,
                              .counts = counts};
    struct group_numbers numbers = advance(&w, &g);
    ck_assert_msg(numbers.first == 1 && numbers.epoch == g.epoch, "number %lld, epoch %lld",
                  (long long)numbers.first, (long long)numbers.epoch);
    world_expect(&w.d, "SELECT round_counts FROM berth.group_state",
                 "{10,11,12,13,14,15,16,17,18,19}", "counts of the round that ended");
    db_text(&w.d, last, before, sizeof(before));
    counts[3] = 99;
    g.round_ends = false;
    g.round_started_at -= INT64_C(3600000000);
    g.failure_round = true;
    numbers = advance(&w, &g);
    ck_assert_msg(numbers.first == 3, "number %lld", (long long)numbers.first);
    db_text(&w.d, last, after, sizeof(after));
    ck_assert_msg(strcmp(before, after) == 0, "the last round was %s and is %s", before, after);
    world_expect(&w.d, "SELECT failure_rounds FROM berth.group_state", "1",
                 "rounds of failures, of which the second chunk was one");
}
END_TEST

START_TEST(the_round_of_a_group_is_the_one_that_took_the_last_epoch)
{
    CLEANUP(world_close) struct world w = world_open("");
    take_epoch(&w, "first");
    ck_assert_int_eq(take_epoch(&w, "second"), 2);
    world_expect(&w.d, "SELECT round_id = t.id('second') FROM berth.group_state", "t", "its round");
}
END_TEST

START_TEST(a_fence_ends_the_round_under_way)
{
    CLEANUP(world_close) struct world w = world_open("");
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    const struct uuid g1 = world_id(&w.d, "g1"), g2 = world_id(&w.d, "g2");
    struct group_numbers numbers;
    take_epoch(&w, "round");
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(group_state_fence(t, &g1, 3, &numbers, &e), &e, "fence");
    ck_assert_msg(numbers.epoch == 2 && numbers.first == 1, "number %lld, epoch %lld",
                  (long long)numbers.first, (long long)numbers.epoch);
    assert_done(group_state_fence(t, &g2, 1, &numbers, &e), &e, "fence a group without rounds");
    ck_assert_msg(numbers.epoch == 1, "the first epoch is %lld", (long long)numbers.epoch);
    assert_done(txn_commit(&t, &e), &e, "commit");
    world_expect(&w.d,
                 "SELECT concat_ws(' ', epoch, coalesce(round_id::text, 'no round'), "
                 "last_sequence) FROM berth.group_state WHERE scaling_group_id = t.id('g1')",
                 "2 no round 3", "the group");
}
END_TEST

/* --- health --- */

static const struct event_group_health failing = {.scaling_group = "g1", .health = GROUP_FAILING};

START_TEST(health_is_told_under_the_epoch_in_force)
{
    CLEANUP(world_close) struct world w = world_open("");
    struct err e = {.code = ERR_NONE};
    struct event *v = NULL;
    uint32_t n = 0;
    take_epoch(&w, "first");
    take_epoch(&w, "second");
    assert_done(event_append_group_health(w.c, &failing, w.a, &v, &n, &e), &e, "fails");
    ck_assert_msg(n == 1 && v->epoch == 2, "%u events, epoch %lld", n, (long long)v->epoch);
    world_expect(&w.d, "SELECT epoch FROM berth.events", "2", "the log");
}
END_TEST

START_TEST(health_of_a_group_without_a_log_was_good)
{
    CLEANUP(world_close) struct world w = world_open("");
    struct err e = {.code = ERR_NONE};
    struct event *v = NULL;
    uint32_t n = 0;
    const struct event_group_health h = {.scaling_group = "g2", .health = GROUP_DEGRADED};
    assert_done(event_append_group_health(w.c, &h, w.a, &v, &n, &e), &e, "degraded, nobody why");
    ck_assert_msg(n == 1, "%u events", n);
    ck_assert_str_eq(v->from_status, "HEALTHY");
    ck_assert_str_eq(v->to_status, "DEGRADED");
}
END_TEST

struct teller {
    const struct db *d;
    uint32_t n; /* events */
    char error[600];
};

static void *tell(void *ctx)
{
    struct teller *k = ctx;
    struct err e = {.code = ERR_NONE};
    CLEANUP(pg_closep) struct pg *c = db_open(k->d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct event *v = NULL;
    if (event_append_group_health(c, &failing, a, &v, &k->n, &e) < 0)
        (void)snprintf(k->error, sizeof(k->error), "%s (%s)", e.message, e.detail);
    return NULL;
}

START_TEST(health_that_somebody_is_telling_is_not_told_again)
{
    CLEANUP(world_close) struct world w = world_open("");
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    const struct uuid id = world_id(&w.d, "g1");
    struct group_numbers numbers;
    enum group_health before;
    bool changed;
    struct teller other = {.d = &w.d};
    pthread_t thread;
    take_epoch(&w, "round"); /* so that there is a row to wait for */
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(group_state_set_health(t, &id, GROUP_FAILING, "", &before, &changed, &numbers, &e),
                &e, "the first to tell");
    ck_assert_msg(changed && before == GROUP_HEALTHY, "the first did not change it");
    ck_assert_int_eq(pthread_create(&thread, NULL, tell, &other), 0);
    db_await(&w.d, SQL_LOCK_WAITS, "the second waits for the first");
    assert_done(txn_commit(&t, &e), &e, "commit");
    pthread_join(thread, NULL);
    ck_assert_msg(other.error[0] == '\0', "the second: %s", other.error);
    ck_assert_msg(other.n == 0, "it was told again");
    world_expect(&w.d, "SELECT last_sequence FROM berth.group_state", "1", "numbers given");
}
END_TEST

/* One that has seen the group healthy, and made sure of its row, finds it changed after all. */
START_TEST(health_that_changes_behind_a_look_is_not_told_again)
{
    CLEANUP(world_close) struct world w = world_open("");
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    struct teller other = {.d = &w.d};
    pthread_t thread;
    take_epoch(&w, "round");
    world_do(&w.d, "CREATE FUNCTION t.pause() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM "
                   "pg_advisory_xact_lock(7); RETURN NULL; END$$; CREATE TRIGGER pause AFTER "
                   "INSERT ON berth.group_state FOR EACH STATEMENT EXECUTE FUNCTION t.pause()");
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    CLEANUP(rows_freep) struct pg_rows *locked = NULL;
    CLEANUP(rows_freep) struct pg_rows *unlocked = NULL;
    assert_done(pg_query(t, "SELECT pg_advisory_lock(7)::text", "t", NULL, 0, &locked, &e), &e,
                "lock");
    ck_assert_int_eq(pthread_create(&thread, NULL, tell, &other), 0);
    db_await(&w.d, SQL_LOCK_WAITS, "the other has seen the group's row");
    assert_done(pg_exec(t, "UPDATE berth.group_state SET health = 3", NULL, 0, NULL, &e), &e,
                "it fails");
    assert_done(pg_query(t, "SELECT pg_advisory_unlock(7)", "b", NULL, 0, &unlocked, &e), &e,
                "unlock");
    db_await(&w.d,
             "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid' "
             "AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())",
             "the other waits for the row");
    assert_done(txn_commit(&t, &e), &e, "commit");
    pthread_join(thread, NULL);
    ck_assert_msg(other.error[0] == '\0', "the other: %s", other.error);
    ck_assert_msg(other.n == 0, "it was told again");
}
END_TEST

/* The first INSERT waits until somebody waits for it in turn, and then has to be tried again. */
static const char sql_first_fails[] =
    "CREATE SEQUENCE t.tries; CREATE FUNCTION t.fail_once() RETURNS trigger LANGUAGE plpgsql AS "
    "$$BEGIN IF nextval('t.tries') > 1 THEN RETURN NEW; END IF; FOR i IN 1..3000 LOOP "
    "PERFORM pg_stat_clear_snapshot(); IF (" SQL_LOCK_WAITS ") THEN RAISE EXCEPTION 'again' USING "
    "ERRCODE = '40001'; END IF; PERFORM pg_sleep(0.01); END LOOP; RETURN NEW; END$$; "
    "CREATE TRIGGER fail_once BEFORE INSERT ON berth.events FOR EACH ROW EXECUTE FUNCTION "
    "t.fail_once()";

START_TEST(health_that_was_told_between_two_tries_is_not_told_again)
{
    CLEANUP(world_close) struct world w = world_open("");
    struct teller k[2] = {{.d = &w.d}, {.d = &w.d}};
    pthread_t threads[2];
    take_epoch(&w, "round");
    world_do(&w.d, sql_first_fails);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, tell, &k[i]), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_msg(k[i].error[0] == '\0', "%s", k[i].error);
    }
    ck_assert_msg(db_int(&w.d, "SELECT last_value FROM t.tries") == 2, "nobody had to try again");
    ck_assert_msg(k[0].n + k[1].n == 1, "%u of two told it", k[0].n + k[1].n);
    world_check(&w.d, "after both");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("group_state");
    TCase *tc = tcase_create("group_state");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_chunk_that_ends_no_round_leaves_the_last_one);
    tcase_add_test(tc, the_round_of_a_group_is_the_one_that_took_the_last_epoch);
    tcase_add_test(tc, a_fence_ends_the_round_under_way);
    tcase_add_test(tc, health_is_told_under_the_epoch_in_force);
    tcase_add_test(tc, health_of_a_group_without_a_log_was_good);
    tcase_add_test(tc, health_that_somebody_is_telling_is_not_told_again);
    tcase_add_test(tc, health_that_changes_behind_a_look_is_not_told_again);
    tcase_add_test(tc, health_that_was_told_between_two_tries_is_not_told_again);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
