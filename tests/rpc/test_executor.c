/* test_executor.c - the pool: bounds, order, cancels, lanes. */
#include <stdlib.h>
#include <string.h>

#include "tests/rpc/executor_jobs.h"
#include "tests/unit/unit.h"

START_TEST(executors_are_not_made_when_a_connection_cannot_be)
{
    static const char *const what[] = {"pg", "redis"};
    struct err e = {.code = ERR_NONE};
    struct executors *p = NULL;
    struct executors_options o = {.threads = 3, .queue = 1, .database = "", .redis = ""};
    jobs_refuse = what[_i];
    ck_assert_int_eq(executors_create(&o, &p, &e), -1);
    ck_assert_int_eq(e.code, ERR_INVALID);
    ck_assert_ptr_null(p);
    ck_assert_int_eq(atomic_load(&jobs_connections), 0);
}
END_TEST

START_TEST(executors_refuse_beyond_the_queue)
{
    struct err e;
    struct executors_stats s;
    struct work w[4] = {{.wait = true}, {.number = 1}, {.number = 2}, {.number = 3}};
    struct executors *p = pool_create(1, 2, 0);
    work_submit(p, &w[0]);
    jobs_await_begun(1);
    work_submit(p, &w[1]);
    work_submit(p, &w[2]);
    ck_assert_int_eq(executors_submit(p, &w[3].job, &e), -1);
    ck_assert_int_eq(e.code, ERR_EXHAUSTED);
    ck_assert_str_eq(e.reason, "QUEUE_FULL");
    ck_assert_uint_gt(e.retry_after_ms, 0);
    executors_stats(p, &s);
    ck_assert_uint_eq(s.running, 1);
    ck_assert_uint_eq(s.queued, 2);
    jobs_open_gate();
    work_await(&w[2]);
    work_submit(p, &w[3]);
    executors_destroy(p);
    ck_assert_msg(atomic_load(&w[3].done), "a job was lost");
}
END_TEST

START_TEST(executors_run_in_order_and_finish_what_is_queued_at_the_end)
{
    enum { N = 50 };
    struct work w[N] = {{.wait = true}};
    struct executors *p = pool_create(1, N, 0);
    for (unsigned i = 0; i < N; i++) {
        w[i].number = i;
        work_submit(p, &w[i]);
    }
    jobs_open_gate();
    executors_destroy(p);
    ck_assert_uint_eq(jobs_n_order, N);
    for (unsigned i = 0; i < N; i++)
        ck_assert_uint_eq(jobs_order[i], i);
    ck_assert_int_eq(atomic_load(&jobs_connections), 0);
}
END_TEST

START_TEST(executors_run_as_many_at_a_time_as_there_are_threads)
{
    struct work w[3] = {{.wait = true}, {.wait = true}, {.wait = true}};
    struct executors *p = pool_create(3, 1, 0);
    for (int i = 0; i < 3; i++) {
        work_submit(p, &w[i]);
        jobs_await_begun((unsigned)i + 1);
    }
    jobs_open_gate();
    executors_destroy(p);
}
END_TEST

START_TEST(executors_cancel_reaches_the_job_that_runs)
{
    struct work w[2] = {{.wait = true}, {.number = 1, .wait = true}};
    struct executors *p = pool_create(2, 2, 0);
    work_submit(p, &w[0]);
    work_submit(p, &w[1]);
    jobs_await_begun(2);
    executors_cancel(p, &w[1].job);
    work_await(&w[1]);
    ck_assert_int_eq(atomic_load(&w[1].cancels), 1);
    ck_assert_msg(!atomic_load(&w[0].done), "the other one was cancelled too");
    ck_assert_msg(atomic_load(&w[1].job.cancelled) && !atomic_load(&w[0].job.cancelled), "marks");
    jobs_open_gate();
    executors_destroy(p);
    ck_assert_int_eq(atomic_load(&w[0].cancels), 0);
}
END_TEST

START_TEST(executors_cancel_marks_a_job_that_waits_and_hits_no_other)
{
    struct work w[2] = {{.wait = true}, {.number = 1}};
    struct executors *p = pool_create(1, 1, 0);
    work_submit(p, &w[0]);
    jobs_await_begun(1);
    work_submit(p, &w[1]);
    executors_cancel(p, &w[1].job);
    ck_assert_msg(!atomic_load(&w[0].done), "the one that runs was cancelled");
    jobs_open_gate();
    executors_destroy(p);
    ck_assert_int_eq(atomic_load(&w[0].cancels), 0);
    ck_assert_msg(atomic_load(&w[1].done) && atomic_load(&w[1].job.cancelled), "not marked");
}
END_TEST

/* --- lanes --- */

START_TEST(lanes_take_turns_whoever_came_first)
{
    /* the numbers in the order of submission; the lane of each; the order in which they run */
    static const unsigned lane_of[] = {0, 0, 0, 0, 1, 2, 1}, expected[] = {0, 4, 5, 1, 6, 2, 3};
    struct executor_lane lanes[3] = {{.queue_max = 0}};
    struct work gate = {.number = 99, .wait = true};
    struct work w[ARRAY_SIZE(lane_of)] = {{.number = 0}};
    struct executors *p = pool_create(1, 32, 0);
    work_submit(p, &gate);
    jobs_await_begun(1);
    for (unsigned i = 0; i < ARRAY_SIZE(w); i++) {
        w[i].number = i;
        w[i].job.lane = &lanes[lane_of[i]];
        work_submit(p, &w[i]);
    }
    jobs_open_gate();
    executors_destroy(p);
    for (unsigned i = 0; i < ARRAY_SIZE(w); i++)
        ck_assert_msg(jobs_order[i + 1] == expected[i], "place %u has job %u, not %u", i,
                      jobs_order[i + 1], expected[i]);
}
END_TEST

START_TEST(lane_is_refused_beyond_its_own_bound)
{
    struct err e;
    struct executor_lane narrow = {.queue_max = 1, .name = "caller_queue"};
    struct executor_lane other = {.queue_max = 1, .name = "caller_queue"};
    struct work w[4] = {{.wait = true}, {.number = 1}, {.number = 2}, {.number = 3}};
    struct executors *p = pool_create(1, 32, 0);
    for (int i = 0; i < 3; i++)
        w[i].job.lane = &narrow;
    w[3].job.lane = &other;
    work_submit(p, &w[0]);
    jobs_await_begun(1);
    work_submit(p, &w[1]);
    w[2].job.run = work_run;
    ck_assert_msg(executors_submit(p, &w[2].job, &e) < 0, "a second one waits");
    ck_assert_str_eq(e.reason, "CALLER_LIMIT");
    ck_assert_str_eq(e.meta[0].value, "caller_queue");
    ck_assert_uint_gt(e.retry_after_ms, 0);
    work_submit(p, &w[3]); /* another caller's is taken */
    jobs_open_gate();
    executors_destroy(p);
    ck_assert_msg(atomic_load(&w[1].done) && atomic_load(&w[3].done), "a job was lost");
}
END_TEST

START_TEST(lanes_that_flood_the_queue_leave_room_for_others)
{
    enum { QUEUE = 8, FLOOD = 2, EACH = 3 }; /* two that flood get a third each */
    struct err e = {.code = ERR_NONE};
    struct executor_lane lanes[FLOOD + 1] = {{.queue_max = 100, .name = "caller_queue"},
                                             {.queue_max = 100, .name = "caller_queue"},
                                             {.queue_max = 100, .name = "caller_queue"}};
    struct work gate = {.wait = true}, w[FLOOD * QUEUE + 1] = {{.number = 0}};
    struct executors *p = pool_create(1, QUEUE, 0);
    unsigned taken[FLOOD] = {0};
    work_submit(p, &gate);
    jobs_await_begun(1);
    for (unsigned i = 0; i < FLOOD * QUEUE; i++) {
        w[i].job.run = work_run;
        w[i].job.lane = &lanes[i % FLOOD];
        taken[i % FLOOD] += executors_submit(p, &w[i].job, &e) == 0;
    }
    for (unsigned k = 0; k < FLOOD; k++)
        ck_assert_msg(taken[k] == EACH, "lane %u has %u jobs, not %d", k, taken[k], EACH);
    ck_assert_str_eq(e.reason, "CALLER_LIMIT");
    ck_assert_str_eq(e.meta[0].value, "executor_queue");
    ck_assert_uint_gt(e.retry_after_ms, 0);
    w[(size_t)FLOOD * QUEUE].job.lane = &lanes[FLOOD];
    work_submit(p, &w[(size_t)FLOOD * QUEUE]); /* another caller's is taken */
    jobs_open_gate();
    executors_destroy(p);
    ck_assert_msg(atomic_load(&w[(size_t)FLOOD * QUEUE].done), "the other caller's job was lost");
}
END_TEST

START_TEST(lane_leaves_an_executor_to_others)
{
    struct executors_stats s;
    struct executor_lane slow = {.running_max = 1};
    struct executor_lane other = {.running_max = 1};
    struct work w[3] = {{.wait = true}, {.number = 1, .wait = true}, {.number = 2}};
    struct executors *p = pool_create(2, 32, 0);
    w[0].job.lane = w[1].job.lane = &slow;
    w[2].job.lane = &other;
    work_submit(p, &w[0]);
    work_submit(p, &w[1]); /* an executor is free, and stays so */
    jobs_await_begun(1);
    work_submit(p, &w[2]);
    work_await(&w[2]);
    executors_stats(p, &s);
    ck_assert_msg(s.queued == 1, "%u jobs wait: the slow caller has both executors", s.queued);
    jobs_open_gate();
    work_await(&w[1]);
    executors_destroy(p);
}
END_TEST

START_TEST(lane_at_its_bound_is_finished_at_the_end)
{
    enum { N = 20 };
    struct executor_lane slow = {.running_max = 1};
    struct work w[N] = {{.wait = true}};
    struct executors *p = pool_create(3, N, 0);
    for (unsigned i = 0; i < N; i++) {
        w[i].number = i;
        w[i].job.lane = &slow;
        work_submit(p, &w[i]);
    }
    jobs_open_gate();
    executors_destroy(p);
    ck_assert_uint_eq(jobs_n_order, N);
    ck_assert_msg(slow.running == 0 && slow.queued == 0, "the lane's counts are not 0");
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, executors_are_not_made_when_a_connection_cannot_be, 0, 2);
    tcase_add_test(tc, executors_refuse_beyond_the_queue);
    tcase_add_test(tc, executors_run_in_order_and_finish_what_is_queued_at_the_end);
    tcase_add_test(tc, executors_run_as_many_at_a_time_as_there_are_threads);
    tcase_add_test(tc, executors_cancel_reaches_the_job_that_runs);
    tcase_add_test(tc, executors_cancel_marks_a_job_that_waits_and_hits_no_other);
    tcase_add_test(tc, lanes_take_turns_whoever_came_first);
    tcase_add_test(tc, lane_is_refused_beyond_its_own_bound);
    tcase_add_test(tc, lanes_that_flood_the_queue_leave_room_for_others);
    tcase_add_test(tc, lane_leaves_an_executor_to_others);
    tcase_add_test(tc, lane_at_its_bound_is_finished_at_the_end);
}

int main(void)
{
    return unit_run("executor", add);
}
