/* test_plan_commit.c - a plan becomes rows, guarded one by one. */
#include <string.h>

#include "tests/repo/world.h"

START_TEST(plan_commit_writes_what_was_placed)
{
    struct db d = world_create();
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct err e = {.code = ERR_NONE};
    world_do(&d, "SELECT t.session('s1', 2, 1073741824), t.session('s2', 1, 0, 2)");
    const struct snapshot *s = world_load(c, "g1", a);
    struct plan *p = world_plan(s, a);
    plan_place(p, s, "s1", "a1");
    plan_place(p, s, "s2", "a1,a2");
    struct commit_input in = world_commit(c, s, p);
    struct commit_result r;
    assert_done(plan_commit(c, &in, a, &r, &e), &e, "commit two placements");
    ck_assert_uint_eq(r.n_events, 3);
    world_check(&d, "after two placements");
    char text[400];
    db_text(&d,
            "SELECT status || ' ' || status_info || ' ' || agent_ids::text || ' ' || "
            "status_data::text || ' ' || (status_history ? 'SCHEDULED')::text "
            "FROM sessions WHERE name = 's2'",
            text, sizeof(text));
    ck_assert_str_eq(text, "SCHEDULED scheduled {a1,a2} {\"scheduler\": {}} true");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan_commit");
    TCase *tc = tcase_create("plan_commit");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, plan_commit_writes_what_was_placed);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
