/* test_loop.c - the loop of one server: hints, changes, groups that come and go, slow and failing
 * ones, its events. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "repo/lease.h"
#include "server/app.h"
#include "server/clock.h"
#include "server/loop.h"
#include "server/metrics.h"
#include "tests/rpc/service.h"

#define STATUS_IS(name, status)                                                                    \
    "SELECT status = '" status "' FROM sessions WHERE id = t.id('" name "')"
#define ROUNDS_OF(group)                                                                           \
    "SELECT count(*) FROM berth.rounds r JOIN scaling_groups g ON g.id = r.scaling_group_id "      \
    "WHERE g.name = '" group "'"
#define HEALTH_EVENTS        "SELECT count(*) FROM berth.events WHERE type = 6"
#define HEALTH_TOLD(n, more) "SELECT count(*) = " #n " FROM berth.events WHERE type = 6" more

/* Only hints and changes begin rounds after the first. */
static const char *const on_demand[] = {"--loop-interval=1h", "--loop-hint-interval=50ms", NULL};

static struct db d;
static struct app *app;

static void start(const char *const *settings)
{
    const char *all[16] = {"--loop=true"};
    for (int i = 0; settings[i] != NULL; i++)
        all[i + 1] = settings[i];
    app = service_up(&d, NULL, all);
}

/* Every group had its first round, and what that changed was looked at. */
static void start_and_settle(const char *const *settings)
{
    start(settings);
    db_await(&d, "SELECT count(DISTINCT scaling_group_id) = 2 FROM berth.rounds",
             "the first round of both groups");
}

static void setup(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    d = world_create();
}

static void teardown(void)
{
    service_down();
}

static const Berth__V1__ScalingGroup *group(const char *name)
{
    Berth__V1__ListScalingGroupsRequest q = BERTH__V1__LIST_SCALING_GROUPS_REQUEST__INIT;
    char *names[] = {(char *)(uintptr_t)name};
    q.scaling_groups = names;
    q.n_scaling_groups = 1;
    Berth__V1__ListScalingGroupsResponse *m =
        call_ok(GROUPS_PATH, &q.base, &berth__v1__list_scaling_groups_response__descriptor, name);
    return m->scaling_groups[0];
}

static bool says(const Berth__V1__ScalingGroup *g, const char *what)
{
    for (size_t i = 0; i < g->n_health_reasons; i++)
        if (strstr(g->health_reasons[i], what) != NULL)
            return true;
    return false;
}

/* Number on the line of a series; -1: there is none yet. */
static int64_t metrics_read(const char *series)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    metrics_print(out);
    ck_assert_int_eq(fclose(out), 0);
    const size_t n = strlen(series);
    int64_t value = -1;
    for (const char *line = text; line != NULL && value < 0; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, series, n) == 0 && line[n] == ' ')
            value = (int64_t)strtod(line + n, NULL);
    }
    free(text);
    return value;
}

struct level {
    const char *series;
    int64_t least;
};

static bool is_reached(void *ctx)
{
    const struct level *l = ctx;
    return metrics_read(l->series) >= l->least;
}

static void await_metric(const char *series, int64_t least)
{
    struct level l = {series, least};
    await_true(is_reached, &l, series);
}

/* --- what begins a round --- */

START_TEST(loop_schedules_every_group_when_it_starts)
{
    world_do(&d, "SELECT t.session('s1', 1, 1); SELECT t.session('s2', 1, 1, grp => 'g2')");
    start((const char *[]){NULL});
    db_await(&d, STATUS_IS("s1", "SCHEDULED"), "a round of g1");
    db_await(&d, STATUS_IS("s2", "SCHEDULED"), "a round of g2");
}
END_TEST

/* g1 has w (waits for room), b (blocked by what it depends on) and r (runs); then: */
static const struct {
    const char *what, *sql, *then;
} wakes[] = {
    {"a session that comes", "SELECT t.session('s1', 1, 1)", STATUS_IS("s1", "SCHEDULED")},
    {"resources that are freed",
     "UPDATE agent_resources SET used = 0 WHERE agent_id = 'a1' AND slot_name = 'cpu'",
     STATUS_IS("w", "SCHEDULED")},
    {"an agent that comes", "SELECT t.agent('a3', 'g1', 8, 1024)", STATUS_IS("w", "SCHEDULED")},
    {"a session that ends in another group",
     "UPDATE sessions SET status = 'TERMINATED', result = 'SUCCESS', terminated_at = now() "
     "WHERE id = t.id('other')",
     STATUS_IS("b", "SCHEDULED")},
    {"an option that changes",
     "UPDATE scaling_groups SET scheduler_opts = '{\"pending_timeout\": 0.001}' WHERE name = 'g1'",
     STATUS_IS("w", "CANCELLED")},
};

START_TEST(loop_answers_a_change_soon)
{
    world_do(&d, "SELECT t.session('r', 8, 1), t.session('w', 8, 1), t.session('b', 1, 1), "
                 "t.session('other', 1, 1, grp => 'g2'), t.session('o2', 7, 1);"
                 "SELECT t.place('r', 'a1', 'RUNNING'), t.place('other', 'b1', 'RUNNING'), "
                 "t.place('o2', 'a2', 'RUNNING');"
                 "INSERT INTO session_dependencies (session_id, depends_on) "
                 "VALUES (t.id('b'), t.id('other'))");
    start_and_settle(on_demand);
    world_do(&d, wakes[_i].sql);
    db_await(&d, wakes[_i].then, wakes[_i].what);
}
END_TEST

/* Some more looks of the watch, so that what they saw has been answered. */
static void await_looks(void)
{
    static const char series[] = "berth_loop_look_seconds_count";
    await_metric(series, metrics_read(series) + 5);
}

START_TEST(loop_leaves_a_group_alone_where_nothing_changes)
{
    world_do(&d, "SELECT t.session('w', 99, 1)");
    start_and_settle(on_demand);
    await_looks();
    const int64_t rounds = db_int(&d, ROUNDS_OF("g1"));
    world_do(&d, "UPDATE agents SET status_changed = now(); UPDATE sessions SET status_info = 'x'");
    await_looks();
    ck_assert_int_eq(db_int(&d, ROUNDS_OF("g1")), rounds);
    ck_assert_int_eq(db_int(&d, ROUNDS_OF("g2")), 1);
}
END_TEST

START_TEST(loop_runs_rounds_at_the_interval_of_the_group)
{
    world_do(&d, "UPDATE scaling_groups SET scheduler_opts = '{\"config\": {\"loop_interval\": "
                 "\"0.1s\"}}' WHERE name = 'g1'");
    start_and_settle((const char *[]){"--loop-interval=1h", NULL});
    db_await(&d, "SELECT (" ROUNDS_OF("g1") ") >= 5", "five rounds of the group with an interval");
    ck_assert_int_eq(db_int(&d, ROUNDS_OF("g2")), 1);
}
END_TEST

START_TEST(loop_schedules_a_group_soon_when_it_is_hinted)
{
    start_and_settle((const char *[]){"--loop-interval=1h", "--loop-hint-interval=1s", NULL});
    const int64_t rounds = db_int(&d, ROUNDS_OF("g1"));
    for (int i = 0; i < 1000; i++)
        loop_hint(app->loop, "g1"); /* one round, or two when one had begun */
    db_await(&d, "SELECT (" ROUNDS_OF("g1") ") > 1", "a round of the group that was hinted");
    ck_assert_int_le(db_int(&d, ROUNDS_OF("g1")), rounds + 2);
    ck_assert_int_eq(db_int(&d, ROUNDS_OF("g2")), 1);
    loop_hint(app->loop, "nowhere");
    loop_hint(NULL, "g1");
}
END_TEST

/* The look that a hint brought is held up; the hint that comes meanwhile brings another. */
START_TEST(loop_looks_again_when_a_hint_comes_during_a_look)
{
    static const char series[] = "berth_loop_look_seconds_count";
    static const char look_waits[] = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = "
                                     "current_database() AND wait_event_type = 'Lock' AND "
                                     "query LIKE 'WITH waiting AS %'"; /* others may wait, too */
    start_and_settle((const char *[]){"--loop-interval=1h", "--loop-hint-interval=8s", NULL});
    const int64_t looks = metrics_read(series);
    PGconn *c = PQconnectdb(d.conninfo);
    PQclear(PQexec(c, "BEGIN; LOCK TABLE scaling_groups IN ACCESS EXCLUSIVE MODE"));
    loop_hint(app->loop, "nowhere"); /* two seconds after the first look */
    db_await(&d, look_waits, "a look to be held up");
    loop_hint(app->loop, "nowhere");
    PQfinish(c);
    await_metric(series, looks + 1);
    const int64_t ended = clock_ns();
    await_metric(series, looks + 2);
    ck_assert_msg(clock_ns() - ended < 6 * NS_PER_S, "the next look came after %d ms",
                  (int)((clock_ns() - ended) / NS_PER_MS));
}
END_TEST

START_TEST(loop_is_hinted_by_a_cancel)
{
    Berth__V1__CancelSessionRequest q = BERTH__V1__CANCEL_SESSION_REQUEST__INIT;
    world_do(&d, "SELECT t.session('s1', 1, 1)");
    start_and_settle(on_demand);
    db_await(&d, STATUS_IS("s1", "SCHEDULED"), "a round of g1");
    await_looks();
    const int64_t rounds = db_int(&d, ROUNDS_OF("g1"));
    q.session_id = id_text(&d, "s1");
    (void)call_ok(CANCEL_PATH, &q.base, &berth__v1__cancel_session_response__descriptor, "cancel");
    char more[256];
    (void)snprintf(more, sizeof(more), "SELECT (" ROUNDS_OF("g1") ") > %d", (int)rounds);
    db_await(&d, more, "a round after the cancel");
}
END_TEST

/* --- which groups --- */

START_TEST(loop_schedules_groups_that_come_and_forgets_those_that_go)
{
    start_and_settle(on_demand);
    world_do(&d, "INSERT INTO scaling_groups (name, id, driver, driver_opts, scheduler, "
                 "scheduler_opts, use_host_network, default_session_options, "
                 "default_deployment_options) SELECT 'g3', t.id('g3'), driver, driver_opts, "
                 "scheduler, scheduler_opts, use_host_network, default_session_options, "
                 "default_deployment_options FROM scaling_groups WHERE name = 'g1';"
                 "SELECT t.agent('c1', 'g3', 8, 1024); SELECT t.session('s3', 1, 1, grp => 'g3')");
    db_await(&d, STATUS_IS("s3", "SCHEDULED"), "a round of the new group");
    world_do(&d, "DELETE FROM resource_allocations; DELETE FROM kernels; DELETE FROM sessions;"
                 "DELETE FROM agent_resources WHERE agent_id = 'c1'; DELETE FROM agents WHERE id = "
                 "'c1'; DELETE FROM scaling_groups WHERE name = 'g3'; "
                 "SELECT t.session('s1', 1, 1)");
    db_await(&d, STATUS_IS("s1", "SCHEDULED"), "a round of a group that is still there");
    await_looks();
    ck_assert_int_eq(db_int(&d, HEALTH_EVENTS), 0);
}
END_TEST

START_TEST(loop_schedules_closed_groups_and_groups_without_options)
{
    world_do(&d, "ALTER TABLE scaling_groups ALTER scheduler_opts DROP NOT NULL;"
                 "UPDATE scaling_groups SET is_active = false, scheduler_opts = NULL WHERE name = "
                 "'g1'; UPDATE scaling_groups SET is_active = NULL, scheduler_opts = 'null' WHERE "
                 "name = 'g2'; SELECT t.session('s1', 1, 1), t.session('s2', 1, 1, grp => 'g2')");
    start(on_demand);
    db_await(&d, STATUS_IS("s1", "SCHEDULED"), "a group closed for new sessions, without options");
    db_await(&d, STATUS_IS("s2", "SCHEDULED"), "a group whose options are JSON null");
}
END_TEST

START_TEST(loop_expires_sessions_of_a_group_without_agents)
{
    world_do(&d, "UPDATE agents SET status = 'LOST'; UPDATE scaling_groups SET scheduler_opts = "
                 "'{\"pending_timeout\": 0.5}'; SELECT t.session('s1', 1, 1);"
                 "UPDATE sessions SET status_history = jsonb_build_object('PENDING', now())");
    start((const char *[]){"--loop-interval=100ms", NULL});
    db_await(&d, STATUS_IS("s1", "CANCELLED"), "the timeout of a session that waits");
    world_expect(&d, "SELECT status_info FROM sessions WHERE id = t.id('s1')", "pending-timeout",
                 "why it was cancelled");
}
END_TEST

/* --- groups that do not go well --- */

START_TEST(loop_lets_no_group_wait_for_a_slow_one)
{
    start_and_settle(on_demand);
    PGconn *c = PQconnectdb(d.conninfo);
    PQclear(PQexec(c, "BEGIN; SELECT 1 FROM berth.group_state WHERE scaling_group_id = "
                      "t.id('g1') FOR UPDATE"));
    world_do(&d, "SELECT t.session('s1', 1, 1)");
    db_await(&d, SQL_LOCK_WAITS, "g1 to wait for the lock");
    for (int i = 0; i < 5; i++) {
        char name[16], sql[128], then[128];
        (void)snprintf(name, sizeof(name), "x%d", i);
        (void)snprintf(sql, sizeof(sql), "SELECT t.session('%s', 1, 1, grp => 'g2')", name);
        (void)snprintf(then, sizeof(then),
                       "SELECT status = 'SCHEDULED' FROM sessions WHERE id = t.id('%s')", name);
        world_do(&d, sql);
        db_await(&d, then, "a round of g2 while g1 is stuck");
    }
    assert_status(&d, "s1", "PENDING", "the stuck group");
    ck_assert_int_eq(group("g2")->pending_sessions, 0); /* and calls are answered */
    PQclear(PQexec(c, "ROLLBACK"));
    PQfinish(c);
    db_await(&d, STATUS_IS("s1", "SCHEDULED"), "g1 after the lock is gone");
}
END_TEST

START_TEST(loop_keeps_a_worker_for_others_when_slow_groups_are_many)
{
    /* two workers, three groups that are stuck, one that is not */
    world_do(&d, "INSERT INTO scaling_groups (name, id, driver, driver_opts, scheduler, "
                 "scheduler_opts, use_host_network, default_session_options, "
                 "default_deployment_options) SELECT x, t.id(x), driver, driver_opts, scheduler, "
                 "scheduler_opts, use_host_network, default_session_options, "
                 "default_deployment_options FROM scaling_groups, unnest(ARRAY['h1', 'h2', 'h3']) "
                 "x WHERE name = 'g1'; INSERT INTO berth.group_state (scaling_group_id) SELECT "
                 "t.id(x) FROM unnest(ARRAY['h1', 'h2', 'h3']) x");
    PGconn *c = PQconnectdb(d.conninfo);
    PQclear(PQexec(c, "BEGIN; SELECT 1 FROM berth.group_state WHERE scaling_group_id IN "
                      "(t.id('h1'), t.id('h2'), t.id('h3')) FOR UPDATE"));
    start((const char *[]){"--loop-rounds=2", "--loop-interval=100ms", "--loop-hint-interval=50ms",
                           "--loop-round-timeout=600ms", "--loop-backoff=50ms", NULL});
    db_await(&d, "SELECT (" ROUNDS_OF("g1") ") >= 5", "rounds of a group beside three stuck ones");
    PQfinish(c);
}
END_TEST

static bool fails(void *ctx)
{
    const Berth__V1__ScalingGroup *g = group("g1");
    return g->health == BERTH__V1__GROUP_HEALTH__GROUP_HEALTH_FAILING && says(g, ctx);
}

static bool is_well(void *ctx)
{
    const Berth__V1__ScalingGroup *g = group("g1");
    (void)ctx;
    return g->health == BERTH__V1__GROUP_HEALTH__GROUP_HEALTH_HEALTHY && g->n_health_reasons == 0;
}

START_TEST(loop_tells_once_that_a_group_fails_and_once_that_it_is_well)
{
    world_do(&d, "UPDATE scaling_groups SET scheduler = 'tetris' WHERE name = 'g1'; "
                 "SELECT t.session('s1', 1, 1)");
    start((const char *[]){"--loop-hint-interval=20ms", "--loop-backoff=40ms", NULL});
    db_await(&d, HEALTH_TOLD(1, ""), "an event");
    await_true(fails, (char[]){"tetris"}, "ListScalingGroups to say why");
    await_metric("berth_group_failures{group=\"g1\"}", 5);
    ck_assert_int_eq(metrics_read("berth_group_health{group=\"g1\"}"), 3);
    ck_assert_int_eq(db_int(&d, HEALTH_EVENTS), 1);
    world_do(&d, "UPDATE scaling_groups SET scheduler = 'fifo' WHERE name = 'g1'");
    db_await(&d, STATUS_IS("s1", "SCHEDULED"), "the group to be scheduled again");
    await_true(is_well, NULL, "ListScalingGroups to say that all is well");
    db_await(&d, HEALTH_TOLD(2, ""), "the second event");
    ck_assert_int_eq(metrics_read("berth_group_failures{group=\"g1\"}"), 0);
    ck_assert_int_eq(metrics_read("berth_group_health{group=\"g1\"}"), 1);
    world_expect(&d,
                 "SELECT string_agg(from_status || '>' || to_status, ' ' ORDER BY sequence) FROM "
                 "berth.events WHERE type = 6",
                 "HEALTHY>FAILING FAILING>HEALTHY", "what was told");
}
END_TEST

/* The policy is mended, but no round can tell yet whether it goes well: still the same news. */
START_TEST(loop_says_the_same_of_a_group_until_a_round_went_well)
{
    struct err e = {.code = ERR_NONE};
    struct lease lease;
    char told[512];
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    world_do(&d, "UPDATE scaling_groups SET scheduler = 'tetris' WHERE name = 'g1'");
    start((const char *[]){"--loop-hint-interval=20ms", "--loop-backoff=40ms", NULL});
    db_await(&d, HEALTH_TOLD(1, ""), "an event");
    await_metric("berth_group_failures{group=\"g1\"}", 5);
    while (lease_acquire(r, "g1", "elsewhere", 60000, &lease, &e) < 0)
        assert_failed(-1, &e, ERR_CONFLICT, "LEASE_BUSY", "a lease that a round holds");
    world_do(&d, "UPDATE scaling_groups SET scheduler = 'fifo' WHERE name = 'g1'");
    const Berth__V1__ScalingGroup *g = group("g1");
    assert_done(lease_release(r, &lease, &e), &e, "release it");
    db_text(&d, "SELECT reason FROM berth.events WHERE type = 6 ORDER BY sequence LIMIT 1", told,
            sizeof(told));
    ck_assert_uint_le(g->n_health_reasons, 1); /* none: the watch has seen the change */
    if (g->n_health_reasons > 0)
        ck_assert_str_eq(g->health_reasons[0], told);
    db_await(&d, HEALTH_TOLD(2, ""), "the news that all is well, and no other");
}
END_TEST

/* One that told of a failure and is gone since cannot tell that it is over. */
START_TEST(loop_tells_that_a_group_is_well_when_another_replica_said_otherwise)
{
    start_and_settle((const char *[]){"--loop-interval=100ms", "--loop-hint-interval=50ms", NULL});
    await_metric("berth_group_health{group=\"g1\"}", 1);
    world_do(&d, "UPDATE berth.group_state SET health = 3, health_reason = 'gone' WHERE "
                 "scaling_group_id = t.id('g1')");
    db_await(&d, HEALTH_TOLD(1, " AND to_status = 'HEALTHY'"), "an event");
}
END_TEST

START_TEST(loop_tells_that_a_group_has_no_agents)
{
    start_and_settle(on_demand);
    world_do(&d, "UPDATE agents SET status = 'LOST' WHERE id = 'b1'");
    db_await(&d, HEALTH_TOLD(1, " AND to_status = 'DEGRADED'"), "an event");
    world_do(&d, "UPDATE agents SET status = 'ALIVE' WHERE id = 'b1'");
    db_await(&d, HEALTH_TOLD(1, " AND to_status = 'HEALTHY'"), "another");
}
END_TEST

START_TEST(loop_backs_off_when_the_database_refuses_and_says_so)
{
    /* rounds cannot be written: nothing that policy or rows show beforehand */
    world_do(&d, "SELECT t.session('s1', 1, 1); ALTER TABLE berth.rounds ADD CONSTRAINT no CHECK "
                 "(replica <> 'r1') NOT VALID");
    start((const char *[]){"--replica=r1", "--loop-hint-interval=20ms", "--loop-backoff=100ms",
                           "--loop-interval=100ms", NULL});
    await_true(fails, (char[]){"Rounds of the group fail"}, "ListScalingGroups to say why");
    db_await(&d, HEALTH_TOLD(2, " AND to_status = 'FAILING'"), "both groups");
    world_do(&d, "ALTER TABLE berth.rounds DROP CONSTRAINT no");
    db_await(&d, STATUS_IS("s1", "SCHEDULED"), "the end of the pause");
    await_true(is_well, NULL, "ListScalingGroups to say that all is well");
}
END_TEST

START_TEST(loop_leaves_a_group_to_who_has_its_lease)
{
    struct err e = {.code = ERR_NONE};
    struct lease lease;
    struct redis *r = redis_open();
    world_do(&d, "SELECT t.session('s1', 1, 1)");
    assert_done(lease_acquire(r, "g1", "elsewhere", 60000, &lease, &e), &e, "take the lease");
    start((const char *[]){"--loop-hint-interval=20ms", "--loop-interval=100ms", NULL});
    db_await(&d, "SELECT (" ROUNDS_OF("g2") ") > 3", "rounds of the other group");
    ck_assert_int_eq(db_int(&d, ROUNDS_OF("g1")), 0);
    ck_assert_int_eq(db_int(&d, HEALTH_EVENTS), 0);
    ck_assert_msg(is_well(NULL), "a lease that is busy is no failure");
    assert_done(lease_release(r, &lease, &e), &e, "release it");
    redis_destroy(r);
    db_await(&d, STATUS_IS("s1", "SCHEDULED"), "the group after its lease was free");
}
END_TEST

static void add_case(Suite *s, const char *name, const TTest *t, int end)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, t, 0, end);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("loop");
    add_case(s, "start", loop_schedules_every_group_when_it_starts, 1);
    add_case(s, "change", loop_answers_a_change_soon, ARRAY_SIZE(wakes));
    add_case(s, "idle", loop_leaves_a_group_alone_where_nothing_changes, 1);
    add_case(s, "interval", loop_runs_rounds_at_the_interval_of_the_group, 1);
    add_case(s, "hint", loop_schedules_a_group_soon_when_it_is_hinted, 1);
    add_case(s, "look", loop_looks_again_when_a_hint_comes_during_a_look, 1);
    add_case(s, "cancel", loop_is_hinted_by_a_cancel, 1);
    add_case(s, "groups", loop_schedules_groups_that_come_and_forgets_those_that_go, 1);
    add_case(s, "closed", loop_schedules_closed_groups_and_groups_without_options, 1);
    add_case(s, "expiry", loop_expires_sessions_of_a_group_without_agents, 1);
    add_case(s, "slow", loop_lets_no_group_wait_for_a_slow_one, 1);
    add_case(s, "stuck", loop_keeps_a_worker_for_others_when_slow_groups_are_many, 1);
    add_case(s, "health", loop_tells_once_that_a_group_fails_and_once_that_it_is_well, 1);
    add_case(s, "mended", loop_says_the_same_of_a_group_until_a_round_went_well, 1);
    add_case(s, "other", loop_tells_that_a_group_is_well_when_another_replica_said_otherwise, 1);
    add_case(s, "agents", loop_tells_that_a_group_has_no_agents, 1);
    add_case(s, "backoff", loop_backs_off_when_the_database_refuses_and_says_so, 1);
    add_case(s, "lease", loop_leaves_a_group_to_who_has_its_lease, 1);
    return support_run(s, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_ROUNDS);
}
