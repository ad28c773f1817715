/* test_allocation.c - the ledger of sessions that end: what is given back, and whose it was. */
#include <string.h>

#include "repo/allocation.h"
#include "tests/repo/world.h"

/* s1 and s2 run; one row of s2 was freed long ago. */
static const char ended[] =
    "SELECT t.session('s1', 1, 1024), t.session('s2', 2, 0, 2); SELECT t.place('s1', 'a1', "
    "'RUNNING'), t.place('s2', 'a1', 'RUNNING'); UPDATE resource_allocations SET free_at = "
    "'2026-01-01 00:00Z' WHERE kernel_id = t.id('s2/2') AND slot_name = 'cpu'";

static const char freed[] = "SELECT concat_ws(' ', count(*) FILTER (WHERE free_at IS NULL), "
                            "count(*) FILTER (WHERE free_at = '2026-01-01 00:00Z')) "
                            "FROM resource_allocations";

START_TEST(what_is_released_is_told_by_session)
{
    static const struct {
        uint32_t session;
        const char *slot, *amount;
    } wanted[] = {{0, "cpu", "2"}, {1, "cpu", "1"}, {1, "mem", "1024"}};
    CLEANUP(world_close) struct world w = world_open(ended);
    const struct uuid ids[] = {world_id(&w.d, "s2"), world_id(&w.d, "s1")};
    struct allocation_release *v = NULL;
    uint32_t n = 0;
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(allocation_free(t, ids, 2, w.a, &v, &n, &e), &e, "free");
    ck_assert_msg(n == ARRAY_SIZE(wanted), "%u amounts", n);
    for (uint32_t i = 0; i < n; i++)
        ck_assert_msg(v[i].session == wanted[i].session && strcmp(v[i].slot, wanted[i].slot) == 0 &&
                          strcmp(v[i].amount, wanted[i].amount) == 0,
                      "amount %u: session %u gave back %s=%s", i, v[i].session, v[i].slot,
                      v[i].amount);
    assert_done(txn_commit(&t, &e), &e, "commit");
    world_expect(&w.d, freed, "0 1", "live rows, rows that were free already");
}
END_TEST

START_TEST(a_ledger_that_ends_keeps_what_was_free_already)
{
    CLEANUP(world_close) struct world w = world_open(ended);
    const struct uuid ids[] = {world_id(&w.d, "s1"), world_id(&w.d, "s2")};
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(allocation_end(t, ids, 2, w.a, &e), &e, "end");
    assert_done(txn_commit(&t, &e), &e, "commit");
    world_expect(&w.d, freed, "0 1", "live rows, rows that were free already");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("allocation");
    TCase *tc = tcase_create("allocation");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, what_is_released_is_told_by_session);
    tcase_add_test(tc, a_ledger_that_ends_keeps_what_was_free_already);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
