/* test_kernel.c - kernels by their rows: which of them were written, which have started. */
#include <string.h>

#include "repo/kernel.h"
#include "tests/repo/world.h"

/* The caller's memory need not be empty. */
START_TEST(kernels_that_wait_no_more_are_not_scheduled)
{
    CLEANUP(world_close)
    struct world w = world_open("SELECT t.session('s1', 1, 0, 2); UPDATE kernels SET status = "
                                "'CANCELLED' WHERE id = t.id('s1/1')");
    const struct uuid s1 = world_id(&w.d, "s1");
    const struct kernel_place v[] = {
        {.kernel_id = world_id(&w.d, "s1/1"),
         .session_id = s1,
         .agent_id = "a1",
         .agent_addr = "tcp://a1"},
        {.kernel_id = world_id(&w.d, "s1/2"),
         .session_id = s1,
         .agent_id = "a2",
         .agent_addr = "tcp://a2"},
    };
    bool written[] = {true, false};
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(kernel_schedule(t, v, 2, w.a, written, &e), &e, "schedule");
    ck_assert_msg(!written[0], "a cancelled kernel was scheduled");
    ck_assert_msg(written[1], "the other was not");
    assert_done(txn_commit(&t, &e), &e, "commit");
    world_expect(&w.d,
                 "SELECT string_agg(status || coalesce(' ' || agent, ''), ', ' ORDER BY id = "
                 "t.id('s1/2')) FROM kernels",
                 "CANCELLED, SCHEDULED a2", "the kernels");
}
END_TEST

START_TEST(kernels_that_are_locked_tell_of_each_session)
{
    CLEANUP(world_close)
    struct world w = world_open(
        "SELECT t.session('s1', 1, 0), t.session('s2', 1, 0), t.session('s3', 1, 0); SELECT "
        "t.place('s2', 'a1', 'SCHEDULED'), t.place('s3', 'a1', 'RUNNING')");
    const struct uuid ids[] = {world_id(&w.d, "s1"), world_id(&w.d, "s2"), world_id(&w.d, "s3")};
    static const struct kernels_locked wanted[] = {
        {.started = false}, {.placed = true}, {.started = true, .placed = true}};
    struct kernels_locked is[] = {
        {.started = true, .placed = true}, {.started = true}, {.started = false}};
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(kernel_lock(t, ids, 3, w.a, is, &e), &e, "lock");
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        ck_assert_msg(is[i].started == wanted[i].started && is[i].placed == wanted[i].placed,
                      "s%zu: started %d, placed %d", i + 1, is[i].started, is[i].placed);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kernel");
    TCase *tc = tcase_create("kernel");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, kernels_that_wait_no_more_are_not_scheduled);
    tcase_add_test(tc, kernels_that_are_locked_tell_of_each_session);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
