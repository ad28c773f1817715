/* test_round_replay.c - a round decided again from its files alone is the same round. */
#include "scheduler/snapshot_file.h"

#include "scheduler/round.h"
#include "tests/reference/cluster.h"
#include "tests/unit/unit.h"

enum { ROUNDS = 300 };

struct file {
    uint8_t *bytes;
    size_t len;
};

struct recorded {
    struct file snapshot, plan;
};

/* Stands for a clock: time is up at the n-th look. */
static bool stop_at(void *ctx)
{
    uint32_t *left = ctx;
    return (*left)-- == 0;
}

/* Runs the round of a random cluster and writes both files. */
static struct plan *record(uint64_t seed, const struct registry *registry,
                           const struct round_limits *limits, const struct round_hooks *hooks,
                           struct arena *a, struct recorded *ret)
{
    struct cluster cluster;
    struct policy *policy = NULL;
    struct plan *plan = NULL;
    struct err e = {0};
    cluster_create(seed, 0, a, &cluster);
    ck_assert_msg(policy_resolve(registry, &cluster.config, cluster.snapshot, a, &policy, &e) == 0,
                  "seed %u: %s", (unsigned)seed, e.message);
    ck_assert_msg(round_run(cluster.snapshot, policy, limits, hooks, a, &plan, NULL, &e) == 0,
                  "seed %u: %s", (unsigned)seed, e.message);
    snapshot_write(cluster.snapshot, &cluster.config, a, &ret->snapshot.bytes, &ret->snapshot.len);
    plan_write(plan, a, &ret->plan.bytes, &ret->plan.len);
    return plan;
}

/* Decides it again from the bytes; the new plan must be the old one, to the byte. */
static void replay(const char *what, uint64_t seed, const struct registry *registry,
                   const struct recorded *r, struct arena *a)
{
    const struct snapshot *s = NULL;
    struct policy_config config = {0};
    struct policy *policy = NULL;
    struct plan *then = NULL, *now = NULL;
    struct err e = {0};
    struct file again;
    ck_assert_msg(snapshot_read(r->snapshot.bytes, r->snapshot.len, a, &s, &config, &e) == 0 &&
                      plan_read(r->plan.bytes, r->plan.len, s, a, &then, &e) == 0 &&
                      policy_resolve(registry, &config, s, a, &policy, &e) == 0 &&
                      round_replay(s, policy, then, a, &now, &e) == 0,
                  "%s, seed %u: %s", what, (unsigned)seed, e.message);
    plan_write(now, a, &again.bytes, &again.len);
    ck_assert_msg(now->hash == then->hash && again.len == r->plan.len &&
                      memcmp(again.bytes, r->plan.bytes, again.len) == 0,
                  "%s, seed %u: was\n%sis\n%s", what, (unsigned)seed, plan_print(s, then, a),
                  plan_print(s, now, a));
}

static uint32_t n_skipped_for_the_budget(const struct plan *p)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_decisions; i++)
        n += p->decisions[i].outcome == OUTCOME_SKIPPED &&
             p->decisions[i].causes[0].kind == CAUSE_ROUND_LIMIT;
    return n;
}

START_TEST(round_replays_from_its_files_whatever_ended_it)
{
    CLEANUP(registry_destroyp) struct registry *registry = registry_create();
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    unsigned limited = 0, timed = 0;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct recorded r;
        struct round_limits limits = {.max_sessions = 1 + (uint32_t)(seed % 5)};
        uint32_t looks = (uint32_t)(seed % 4);
        struct round_hooks hooks = {.ctx = &looks, .stop = stop_at};
        arena_reset(a);
        ck_assert(!record(seed, registry, NULL, NULL, a, &r)->stopped);
        replay("a whole round", seed, registry, &r, a);
        limited += n_skipped_for_the_budget(record(seed, registry, &limits, NULL, a, &r)) > 0;
        replay("a round of a few sessions", seed, registry, &r, a);
        timed += n_skipped_for_the_budget(record(seed, registry, NULL, &hooks, a, &r)) > 0;
        replay("a round that ran out of time", seed, registry, &r, a);
    }
    ck_assert_msg(limited > ROUNDS / 4 && timed > ROUNDS / 4,
                  "only %u rounds met their limit, %u their time", limited, timed);
}
END_TEST

START_TEST(round_tells_after_how_many_offers_it_stopped)
{
    CLEANUP(registry_destroyp) struct registry *registry = registry_create();
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct recorded r;
        struct round_limits limits = {.max_sessions = 1 + (uint32_t)(seed % 5)};
        uint32_t looks = 0;
        struct round_hooks hooks = {.ctx = &looks, .stop = stop_at};
        arena_reset(a);
        const struct plan *p = record(seed, registry, &limits, NULL, a, &r);
        bool left = n_skipped_for_the_budget(p) > 0;
        ck_assert_msg(p->stopped == left && p->stopped_after == (left ? limits.max_sessions : 0),
                      "seed %u: stopped is %d, after %u", (unsigned)seed, p->stopped,
                      (unsigned)p->stopped_after);
        p = record(seed, registry, NULL, &hooks, a, &r);
        ck_assert_msg(p->stopped == (n_skipped_for_the_budget(p) > 0) && p->stopped_after == 0,
                      "seed %u, out of time at once: stopped is %d, after %u", (unsigned)seed,
                      p->stopped, (unsigned)p->stopped_after);
    }
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, round_replays_from_its_files_whatever_ended_it);
    tcase_add_test(tc, round_tells_after_how_many_offers_it_stopped);
}

int main(void)
{
    return unit_run("round_replay", add);
}
