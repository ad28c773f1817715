/* test_plan_owners.c - limits of owners that somebody else has changed between load and commit, and
 * the versions by which that is seen. */
#include <stdio.h>
#include <string.h>

#include "tests/repo/world.h"

/* Sessions that are placed ("s1 s2", in that order), what has happened to their owners since they
 * were loaded, who is lost, and part of the sentence that the last one gets. */
static const struct {
    const char *what, *before, *placed, *meanwhile, *lost, *says;
} moves[] = {
    {"the use of a limited key cannot be read",
     "SELECT t.hostile(), t.session('s1', 1, 0), t.session('other', 1, 0, 1, 'g2'); "
     "SELECT t.place('other', 'b1', 'RUNNING'); "
     "UPDATE keypair_resource_policies SET total_resource_slots = '{\"cpu\": \"6\"}'",
     "s1",
     "UPDATE resource_allocations SET used = 'NaN' WHERE kernel_id = t.id('other/1') "
     "AND slot_name = 'cpu'; INSERT INTO berth.owner_versions VALUES (0, 'AK1', 7)",
     "s1", "The use of cpu by Keypair \"AK1\" cannot be read now."},
    {"the use of owners without limits cannot be read, which nobody needs",
     "SELECT t.hostile(), t.session('s1', 1, 0), t.session('other', 1, 0, 1, 'g2'); "
     "SELECT t.place('other', 'b1', 'RUNNING')",
     "s1",
     "UPDATE resource_allocations SET used = 'NaN' WHERE kernel_id = t.id('other/1') "
     "AND slot_name = 'cpu'; INSERT INTO berth.owner_versions VALUES (0, 'AK1', 7), (3, 'default', "
     "7)",
     "", ""},
    {"a project's limit is used elsewhere",
     "SELECT t.session('s1', 2, 0), t.session('other', 3, 0, 1, 'g2', 'AK2'); "
     "UPDATE groups SET total_resource_slots = '{\"cpu\": \"4\"}'",
     "s1",
     "SELECT t.place('other', 'b1', 'RUNNING'); "
     "INSERT INTO berth.owner_versions VALUES (2, t.id('p1')::text, 7)",
     "s1", "Project \"p1\" uses 3 of 4 cpu now."},
    {"a domain's limit is used elsewhere",
     "SELECT t.session('s1', 2, 0), t.session('other', 3, 0, 1, 'g2', 'AK2'); "
     "UPDATE domains SET total_resource_slots = '{\"cpu\": \"4\"}'",
     "s1",
     "SELECT t.place('other', 'b1', 'RUNNING'); "
     "INSERT INTO berth.owner_versions VALUES (3, 'default', 7)",
     "s1", "Domain \"default\" uses 3 of 4 cpu now."},
    {"of two keys the second runs all it may",
     "SELECT t.session('s1', 1, 0), t.session('s2', 1, 0, 1, 'g1', 'AK2'), "
     "t.session('other', 1, 0, 1, 'g2', 'AK2'); "
     "UPDATE keypair_resource_policies SET max_concurrent_sessions = 1",
     "s1 s2",
     "SELECT t.place('other', 'b1', 'RUNNING'); "
     "INSERT INTO berth.owner_versions VALUES (0, 'AK1', 7), (0, 'AK2', 7)",
     "s2", "Keypair \"AK2\" runs 1 of 1 sessions now."},
    {"a private session runs elsewhere",
     "SELECT t.session('s1', 1, 0), t.session('s2', 1, 0, 1, 'g1', 'AK1', 'SYSTEM'), "
     "t.session('other', 1, 0, 1, 'g2', 'AK1', 'SYSTEM'); UPDATE keypair_resource_policies "
     "SET max_concurrent_sessions = 1, max_concurrent_sftp_sessions = 1",
     "s1 s2",
     "SELECT t.place('other', 'b1', 'RUNNING'); "
     "INSERT INTO berth.owner_versions VALUES (0, 'AK1', 7)",
     "s2", "Keypair \"AK1\" runs 1 of 1 sessions now."},
    {"of two private sessions one more may run",
     "SELECT t.session('s1', 1, 0, 1, 'g1', 'AK1', 'SYSTEM'), "
     "t.session('s2', 1, 0, 1, 'g1', 'AK1', 'SYSTEM'), "
     "t.session('other', 1, 0, 1, 'g2', 'AK1', 'SYSTEM'); "
     "UPDATE keypair_resource_policies SET max_concurrent_sftp_sessions = 2",
     "s1 s2",
     "SELECT t.place('other', 'b1', 'RUNNING'); "
     "INSERT INTO berth.owner_versions VALUES (0, 'AK1', 7)",
     "s2", "Keypair \"AK1\" runs 2 of 2 sessions now."},
    {"more is used than may be, and only the second session asks for that slot",
     "SELECT t.session('s1', 1, 0), t.session('s2', 1, 1024), "
     "t.session('other', 1, 4096, 1, 'g2'); "
     "UPDATE keypair_resource_policies SET total_resource_slots = '{\"mem\": \"2048\"}'",
     "s1 s2",
     "SELECT t.place('other', 'b1', 'RUNNING'); "
     "INSERT INTO berth.owner_versions VALUES (0, 'AK1', 7)",
     "s2", "uses 4k of 2k mem now."},
};

/* Calls for each word. */
static void place_each(struct plan *p, const struct world *w, const char *names)
{
    char name[8];
    for (const char *at = names; *at != '\0'; at += strspn(at, " ")) {
        const size_t n = strcspn(at, " ");
        (void)snprintf(name, sizeof(name), "%.*s", (int)n, at);
        plan_place(p, w->s, name, "a1");
        at += n;
    }
}

START_TEST(commit_keeps_limits_that_are_used_meanwhile)
{
    const char *what = moves[_i].what;
    CLEANUP(world_close) struct world w = world_open(moves[_i].before);
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    struct plan *p = world_plan(w.s, w.a);
    place_each(p, &w, moves[_i].placed);
    struct commit_input in = world_commit(w.c, w.s, p);
    world_do(&w.d, moves[_i].meanwhile);
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, what);
    for (uint32_t i = 0; i < p->n_decisions; i++) {
        const struct decision *d = &p->decisions[i];
        const char *name = w.s->sessions[d->session].name;
        const char *message = d->n_causes > 0 ? d->causes[0].message : "";
        const bool lost = strstr(moves[_i].lost, name) != NULL;
        ck_assert_msg(d->outcome == (lost ? OUTCOME_CONFLICT : OUTCOME_SCHEDULED),
                      "%s: %s is %s: %s", what, name, outcome_name(d->outcome), message);
        ck_assert_msg(!lost || strstr(message, moves[_i].says) != NULL, "%s: %s: %s", what, name,
                      message);
    }
}
END_TEST

START_TEST(commit_moves_the_version_of_each_owner_it_places_for)
{
    CLEANUP(world_close)
    struct world w = world_open("SELECT t.session('s1', 1, 0), t.session('s2', 1, 0), "
                                "t.session('s3', 1, 0, 1, 'g1', 'AK2'); "
                                "INSERT INTO berth.owner_versions VALUES (3, 'default', 4)");
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    struct plan *p = world_plan(w.s, w.a);
    place_each(p, &w, "s1 s2");
    plan_say(p, w.s, w.a, "s3", OUTCOME_WAITING, CAUSE_CAPACITY, "no room");
    struct commit_input in = world_commit(w.c, w.s, p);
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, "two of AK1, none of AK2");
    world_expect(&w.d,
                 "SELECT string_agg(concat_ws(' ', owner_kind, CASE owner_id WHEN t.id('u1')::text "
                 "THEN 'u1' WHEN t.id('p1')::text THEN 'p1' ELSE owner_id END, version), '; ' "
                 "ORDER BY owner_kind) FROM berth.owner_versions",
                 "0 AK1 1; 1 u1 1; 2 p1 1; 3 default 5", "versions");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan_owners");
    TCase *tc = tcase_create("plan_owners");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, commit_keeps_limits_that_are_used_meanwhile, 0, ARRAY_SIZE(moves));
    tcase_add_test(tc, commit_moves_the_version_of_each_owner_it_places_for);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
