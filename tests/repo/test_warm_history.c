/* test_warm_history.c - after every step of a random history what is kept of a group is what a full
 * load reads.
 *
 *   WARM_SEED=N WARM_STEPS=N WARM_SEEDS=N test_repo_warm_history     a campaign */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "repo/db_moment.h"
#include "repo/scaling_group.h"
#include "repo/warm.h"
#include "tests/repo/history.h"

enum { SEED = 20260101, SEEDS = 3, STEPS = 150 };

static uint64_t number(const char *name, uint64_t usual)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : usual;
}

struct subject {
    struct pg *c;
    struct warm *warm;
    uint64_t loads[N_LOAD_KINDS];
};

/* Loads as a round does, and compares with a full load in the same transaction. */
static void compare(struct subject *x, uint64_t seed, uint64_t step, const char *what)
{
    const struct warm_options o = {.check_us = 0};
    struct warm_report report;
    struct err e = {.code = ERR_NONE};
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(x->c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin a load");
    assert_done(warm_load(t, "g1", &o, a, &x->warm, &report, &e), &e, what);
    assert_done(txn_commit(&t, &e), &e, "end a load");
    ck_assert_msg(report.kind == LOAD_FULL || report.checked, "step %" PRIu64 ": no check", step);
    ck_assert_msg(report.difference == NULL,
                  "seed %" PRIu64 ", step %" PRIu64 " (%s): kept and read differ: %s", seed, step,
                  what, report.difference);
    x->loads[report.kind]++;
}

/* What Berth does between the writes of others. */
static const char *own_step(struct subject *x, struct history *h)
{
    struct uuid round = {{1}};
    int64_t epoch = 0;
    struct err e = {.code = ERR_NONE};
    if (!history_is_quiet(h))
        return "nothing";
    assert_done(scaling_group_take_epoch(x->c, "g1", &round, &epoch, &e), &e, "take an epoch");
    return "Berth takes an epoch";
}

START_TEST(warm_snapshot_equals_a_full_load_after_every_step)
{
    const uint64_t seed = number("WARM_SEED", SEED) + (uint64_t)_i,
                   steps = number("WARM_STEPS", STEPS);
    struct db d = world_create();
    world_do(&d, "SELECT t.hostile()");
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(history_destroyp) struct history *h = history_create(&d, seed);
    struct subject x = {.c = c};
    compare(&x, seed, 0, "the beginning");
    for (uint64_t step = 1; step <= steps; step++) {
        const char *what = history_random(h, 5) == 0 ? own_step(&x, h) : history_step(h);
        compare(&x, seed, step, what);
    }
    warm_destroy(x.warm);
    printf("seed %" PRIu64 ": %" PRIu64 " steps, loads: %" PRIu64 " full, %" PRIu64
           " delta, %" PRIu64 " unchanged\n",
           seed, steps, x.loads[LOAD_FULL], x.loads[LOAD_DELTA], x.loads[LOAD_UNCHANGED]);
    fflush(stdout);
    ck_assert_msg(x.loads[LOAD_UNCHANGED] > 0, "nothing was ever kept as it was");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("warm_history");
    TCase *tc = tcase_create("history");
    tcase_set_timeout(tc, 60 + (double)number("WARM_STEPS", STEPS));
    tcase_add_loop_test(tc, warm_snapshot_equals_a_full_load_after_every_step, 0,
                        (int)number("WARM_SEEDS", SEEDS));
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
