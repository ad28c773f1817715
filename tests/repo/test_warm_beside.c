/* test_warm_beside.c - what is kept of a group and shared: the specs of previews in it, what its
 * readers go on seeing, and that a planted difference is noticed. */
#include <string.h>

#include "repo/db_moment.h"
#include "repo/pg_query.h"
#include "tests/repo/warm_world.h"

static struct db d;
static struct pg *c;
static struct arena *a;

static void up(const char *sql)
{
    d = world_create();
    world_do(&d, sql);
    c = db_open(&d);
    a = arena_create();
}

static void down(void)
{
    pg_close(c);
    arena_destroy(a);
}

static struct warm *load(struct warm *base, const char *const *keys, int64_t check_us,
                         struct warm_report *ret, const char *what)
{
    struct snapshot_spec specs[8];
    struct snapshot_query q = {.scaling_group = "g1", .specs = specs};
    char project[UUID_TEXT];
    struct uuid id = world_id(&d, "p1");
    for (; keys[q.n_specs] != NULL; q.n_specs++)
        specs[q.n_specs] = (struct snapshot_spec){
            .access_key = keys[q.n_specs],
            .project = arena_strdup(a, uuid_format(&id, project)),
        };
    return warm_world_load_beside(c, base, &q, check_us, a, ret, what);
}

/* Sessions are AK1's; nobody writes between the two loads. */
static const struct {
    const char *what, *before[4], *after[4];
    enum load_kind kind;
    bool has_ak2; /* the second one */
} specs[] = {
    {"a key that was not asked for", {NULL}, {"AK2", NULL}, LOAD_DELTA, true},
    {"a key with sessions that was not asked for", {NULL}, {"AK1", NULL}, LOAD_DELTA, false},
    {"another key", {"AK1", NULL}, {"AK2", NULL}, LOAD_DELTA, true},
    {"one key more", {"AK2", NULL}, {"AK1", "AK2", NULL}, LOAD_DELTA, true},
    {"one key less, which has no sessions", {"AK1", "AK2", NULL}, {"AK1", NULL}, LOAD_DELTA, false},
    {"no key any more, which has no sessions", {"AK2", NULL}, {NULL}, LOAD_DELTA, false},
    {"no key any more, which has sessions", {"AK1", NULL}, {NULL}, LOAD_UNCHANGED, false},
    {"the same key", {"AK2", NULL}, {"AK2", NULL}, LOAD_UNCHANGED, true},
    {"the same keys in another order",
     {"AK1", "AK2", NULL},
     {"AK2", "AK1", NULL},
     LOAD_UNCHANGED,
     true},
    {"a key nobody has", {"nobody", NULL}, {"nobody", NULL}, LOAD_UNCHANGED, false},
};

START_TEST(shared_snapshot_has_the_owners_of_its_specs)
{
    struct warm_report report;
    up("SELECT t.session('s1', 1, 1024)");
    CLEANUP(warm_destroyp)
    struct warm *base = load(NULL, specs[_i].before, INT64_MAX, &report, "the first");
    ck_assert_int_eq(report.kind, LOAD_FULL);
    CLEANUP(warm_destroyp) struct warm *w = load(base, specs[_i].after, 0, &report, specs[_i].what);
    ck_assert_msg(report.kind == specs[_i].kind, "%s: the load was of kind %d", specs[_i].what,
                  (int)report.kind);
    ck_assert_msg(report.checked && report.difference == NULL, "%s: kept and read: %s",
                  specs[_i].what, report.difference);
    ck_assert_msg((snapshot_find_owner(warm_snapshot(w), OWNER_KEYPAIR, "AK2") != NONE) ==
                      specs[_i].has_ak2,
                  "%s: AK2", specs[_i].what);
    down();
}
END_TEST

/* Readers of the one before see what they saw, also when it is gone for everybody else. */
START_TEST(shared_snapshot_stays_as_it_was)
{
    struct warm_report report;
    up("SELECT t.session('s1', 1, 1024); UPDATE sessions SET status_data = jsonb_build_object("
       "'scheduler', jsonb_build_object('retries', 3, 'digest', '00000000000000ab', 'counted', "
       "left(resource_group_id::text, 8) || ':5:00000000000000cd')); INSERT INTO berth.group_state "
       "(scaling_group_id, failure_rounds) VALUES (t.id('g1'), 5)");
    const char *const none[] = {NULL};
    struct warm *first = load(NULL, none, INT64_MAX, &report, "the first");
    struct warm *kept = first, *next = NULL;
    const size_t root_bytes = warm_bytes(first);
    ck_assert_msg(root_bytes > 1000 && root_bytes < 10000000, "%zu bytes", root_bytes);
    CLEANUP(warm_destroyp) struct warm *same = load(first, none, 0, &report, "nothing happened");
    ck_assert_msg(warm_snapshot(same)->sessions == warm_snapshot(first)->sessions,
                  "sessions that did not fail were copied");
    for (int i = 1; i <= 3; i++) {
        world_write_quietly(c, "UPDATE berth.group_state SET failure_rounds = failure_rounds + 1");
        next = load(kept, none, 0, &report, "one round more");
        ck_assert_msg(report.kind == LOAD_UNCHANGED, "kind %d", (int)report.kind);
        if (kept != first)
            warm_destroy(kept);
        kept = next;
        next = load(kept, none, 0, &report, "no round more");
        ck_assert_msg(report.kind == LOAD_UNCHANGED && report.difference == NULL,
                      "kind %d, kept and read: %s", (int)report.kind, report.difference);
        ck_assert_int_eq(warm_snapshot(next)->sessions[0].retries, 3 + i);
        ck_assert_int_eq(warm_snapshot(kept)->sessions[0].retries, 3 + i);
        ck_assert_msg(warm_snapshot(next)->observed_at > warm_snapshot(kept)->observed_at,
                      "it is as of the same moment");
        if (kept != first)
            warm_destroy(kept);
        kept = next;
    }
    ck_assert_msg(warm_snapshot(kept)->agents == warm_snapshot(first)->agents,
                  "the tables were made anew");
    ck_assert_int_eq(warm_snapshot(first)->sessions[0].retries, 3);
    warm_destroy(first); /* its tables are needed still */
    ck_assert_str_eq(warm_snapshot(kept)->sessions[0].name, "s1");
    ck_assert_uint_eq(warm_snapshot(kept)->n_agents, 2);
    ck_assert_msg(warm_bytes(kept) > 1000, "its tables are not counted");
    ck_assert_msg(warm_bytes(kept) > root_bytes && warm_bytes(kept) < 100 * root_bytes,
                  "%zu bytes, of which %zu are the tables", warm_bytes(kept), root_bytes);
    world_do(&d, "SELECT t.session('s2', 1, 1024)");
    next = load(kept, none, 0, &report, "with a session more");
    ck_assert_msg(report.kind == LOAD_DELTA && report.difference == NULL, "kept and read: %s",
                  report.difference);
    warm_destroy(kept);
    ck_assert_uint_eq(warm_snapshot(next)->n_sessions, 2);
    warm_destroy(next);
    down();
}
END_TEST

START_TEST(shared_snapshot_that_is_wrong_is_noticed)
{
    struct warm_report report;
    up("SELECT t.session('s1', 1, 1024)");
    const char *const keys[] = {"AK2", NULL};
    CLEANUP(warm_destroyp) struct warm *base = load(NULL, keys, INT64_MAX, &report, "the first");
    world_write_quietly(c, "UPDATE sessions SET priority = 77 WHERE name = 's1'");
    CLEANUP(warm_destroyp) struct warm *wrong = load(base, keys, INT64_MAX, &report, "unchecked");
    ck_assert_int_eq(warm_snapshot(wrong)->sessions[0].priority,
                     warm_snapshot(base)->sessions[0].priority);
    CLEANUP(warm_destroyp) struct warm *w = load(base, keys, 0, &report, "checked");
    ck_assert_msg(report.kind == LOAD_UNCHANGED && report.difference != NULL &&
                      strstr(report.difference, "priority 77") != NULL,
                  "the difference is not told: %s", report.difference);
    ck_assert_int_eq(warm_snapshot(w)->sessions[0].priority, 77);
    down();
}
END_TEST

START_TEST(shared_snapshot_counts_failures_of_those_that_failed)
{
    struct warm_report report;
    up("SELECT t.session('s1', 1, 1024); UPDATE sessions SET status_data = "
       "jsonb_build_object('scheduler', jsonb_build_object('retries', 3, 'digest', "
       "'00000000000000ab', 'counted', left(resource_group_id::text, 8) || "
       "':5:00000000000000cd')); SELECT t.session('s2', 1, 1024); INSERT INTO berth.group_state "
       "(scaling_group_id, failure_rounds) VALUES (t.id('g1'), 5)");
    CLEANUP(warm_destroyp)
    struct warm *base = load(NULL, (const char *const[]){NULL}, INT64_MAX, &report, "the first");
    world_write_quietly(c, "UPDATE berth.group_state SET failure_rounds = failure_rounds + 1");
    CLEANUP(warm_destroyp)
    struct warm *w = load(base, (const char *const[]){NULL}, 0, &report, "a round more");
    ck_assert_msg(report.kind == LOAD_UNCHANGED && report.difference == NULL,
                  "the load was of kind %d; kept and read: %s", (int)report.kind,
                  report.difference);
    const struct snapshot *before = warm_snapshot(base), *s = warm_snapshot(w);
    ck_assert_int_eq(s->sessions[world_session(s, "s1")].retries, 4);
    ck_assert_int_eq(s->sessions[world_session(s, "s2")].retries, 0);
    ck_assert_int_eq(before->sessions[world_session(before, "s1")].retries, 3);
    down();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("warm_beside");
    TCase *tc = tcase_create("shared");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, shared_snapshot_has_the_owners_of_its_specs, 0, ARRAY_SIZE(specs));
    tcase_add_test(tc, shared_snapshot_stays_as_it_was);
    tcase_add_test(tc, shared_snapshot_that_is_wrong_is_noticed);
    tcase_add_test(tc, shared_snapshot_counts_failures_of_those_that_failed);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_ALONE);
}
