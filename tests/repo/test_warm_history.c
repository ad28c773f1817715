/* test_warm_history.c - after every step of a random history what is kept of a group is what a full
 * load reads: that of rounds, and that of previews, which is shared and has owners of specs.
 *
 *   WARM_SEED=N WARM_STEPS=N WARM_SEEDS=N test_repo_warm_history     a campaign */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/db_moment.h"
#include "repo/scaling_group.h"
#include "repo/warm.h"
#include "scheduler/snapshot_compare.h"
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

/* --- as previews load --- */

enum { HELD = 4 }; /* readers that come late: what they hold must stay as it was */

struct readers {
    struct pg *c;
    struct warm *shared;     /* the newest */
    struct warm *whole;      /* the same, read whole */
    struct warm *held[HELD]; /* each is there a while */
    struct warm *copy[HELD]; /* of it, read whole when it was new */
    uint64_t loads[N_LOAD_KINDS];
};

/* Some of those who could belong here: with sessions, without, unknown, with little said. */
static uint32_t random_specs(struct history *h, const struct db *d, struct arena *a,
                             struct snapshot_spec *ret)
{
    struct uuid *project = arena_new(a, struct uuid, 1), *group = arena_new(a, struct uuid, 1);
    char text[UUID_TEXT];
    *project = world_id(d, "p1");
    *group = world_id(d, "spread");
    const char *p1 = arena_strdup(a, uuid_format(project, text));
    const struct snapshot_spec all[] = {
        {.access_key = "AK1", .project = p1},
        {.access_key = "AK2", .project = p1, .session_group = group},
        {.access_key = "nobody", .project = p1},
        {.access_key = "AK1", .user = "no uuid", .project = "none", .domain = "default"},
    };
    uint32_t n = 0;
    if (history_random(h, 3) == 0) /* mostly the same as before, as previews are */
        for (size_t i = 0; i < ARRAY_SIZE(all); i++)
            if (history_random(h, 2) == 0)
                ret[n++] = all[i];
    if (n == 0)
        ret[n++] = all[0];
    return n;
}

static struct warm *load_beside(struct txn *t, const struct snapshot_query *q, struct warm *base,
                                struct arena *a, struct warm_report *ret, const char *what)
{
    const struct warm_options o = {.check_us = INT64_MAX};
    struct err e = {.code = ERR_NONE};
    struct warm *w = NULL;
    assert_done(warm_load_beside(t, q, &o, a, base, &w, ret, &e), &e, what);
    return w;
}

static void assert_same(const struct warm *w, const struct warm *whole, const char *what)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *difference = snapshot_difference(warm_snapshot(w), warm_snapshot(whole), a);
    ck_assert_msg(difference == NULL, "%s: %s", what, difference);
    uint32_t n = 0, m = 0;
    const struct loaded_spec *x = warm_specs(w, &n), *y = warm_specs(whole, &m);
    for (uint32_t i = 0, k; i < m; i++) {
        for (k = 0; k < n && !spec_equal(&x[k].spec, &y[i].spec);)
            k++;
        ck_assert_msg(k < n, "%s: the spec of %s is not there", what, y[i].spec.access_key);
        ck_assert_msg(x[k].found.session_group == y[i].found.session_group &&
                          memcmp(x[k].found.owner, y[i].found.owner, sizeof(x[k].found.owner)) == 0,
                      "%s: other owners were found for %s", what, y[i].spec.access_key);
    }
}

static void put_aside(struct readers *r, uint64_t seat)
{
    if (r->held[seat] != NULL)
        assert_same(r->held[seat], r->copy[seat], "what a reader held has changed");
    warm_destroy(r->held[seat]);
    warm_destroy(r->copy[seat]);
    r->held[seat] = r->shared;
    r->copy[seat] = r->whole;
}

static void compare_beside(struct readers *r, struct history *h, const struct db *d,
                           const char *label)
{
    struct snapshot_spec specs[8];
    struct warm_report report, unused;
    struct err e = {.code = ERR_NONE};
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    const struct snapshot_query q = {
        .scaling_group = "g1", .specs = specs, .n_specs = random_specs(h, d, a, specs)};
    assert_done(txn_begin(r->c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin a load");
    struct warm *w = load_beside(t, &q, r->shared, a, &report, label);
    struct warm *whole = load_beside(t, &q, NULL, a, &unused, label);
    assert_done(txn_commit(&t, &e), &e, "end a load");
    assert_same(w, whole, label);
    put_aside(r, history_random(h, HELD));
    r->shared = w;
    r->whole = whole;
    r->loads[report.kind]++;
}

static void readers_finish(struct readers *r)
{
    for (int i = 0; i < HELD; i++) {
        warm_destroy(r->held[i]);
        warm_destroy(r->copy[i]);
    }
    warm_destroy(r->shared);
    warm_destroy(r->whole);
}

/* --- the history --- */

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
    struct readers r = {.c = c};
    char label[200];
    compare(&x, seed, 0, "the beginning");
    for (uint64_t step = 1; step <= steps; step++) {
        const char *what = history_random(h, 5) == 0 ? own_step(&x, h) : history_step(h);
        compare(&x, seed, step, what);
        (void)snprintf(label, sizeof(label), "seed %" PRIu64 ", step %" PRIu64 " (%s), shared",
                       seed, step, what);
        compare_beside(&r, h, &d, label);
    }
    warm_destroy(x.warm);
    readers_finish(&r);
    printf("seed %" PRIu64 ": %" PRIu64 " steps, loads: %" PRIu64 " full, %" PRIu64
           " delta, %" PRIu64 " unchanged\n",
           seed, steps, x.loads[LOAD_FULL], x.loads[LOAD_DELTA], x.loads[LOAD_UNCHANGED]);
    printf("    shared: %" PRIu64 " full, %" PRIu64 " delta, %" PRIu64 " unchanged\n",
           r.loads[LOAD_FULL], r.loads[LOAD_DELTA], r.loads[LOAD_UNCHANGED]);
    fflush(stdout);
    ck_assert_msg(r.loads[LOAD_UNCHANGED] > 0, "nothing that is shared was ever as it was");
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
