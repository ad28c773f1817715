/* test_executor_together.c - jobs that one executor does together: which, when, how they end. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "tests/rpc/executor_jobs.h"
#include "tests/unit/unit.h"

static atomic_uint lots, in_lots; /* calls of run_many, and the jobs they got */

static void run_lot(struct job *first, struct executor *x)
{
    unsigned n = 1;
    struct work *w = (struct work *)first;
    for (const struct job *j = first->next; j != NULL; j = j->next)
        n++;
    jobs_begin();
    work_wait(w, x);
    atomic_fetch_add(&lots, 1);
    atomic_fetch_add(&in_lots, n);
    executor_parting(x);
    for (struct job *j = first, *next; j != NULL; j = next) {
        next = j->next;
        atomic_store(&((struct work *)j)->done, true);
    }
}

START_TEST(jobs_that_stand_together_are_done_together)
{
    static const struct {
        const char *jobs; /* that wait, in order: m can be done with others, s not */
        unsigned together, lots, in_lots;
    } rows[] = {
        {"ssss", 8, 0, 0}, {"smss", 8, 0, 0},    {"mmmm", 1, 0, 0},  {"mmmm", 0, 0, 0},
        {"mmmm", 8, 1, 4}, {"mmmm", 2, 2, 4},    {"mmmmm", 4, 1, 4}, {"mmsmm", 8, 2, 4},
        {"smm", 8, 1, 2},  {"msmsmsm", 8, 0, 0}, {"mmms", 8, 1, 3},
    };
    struct work gate = {.wait = true}, w[8] = {{.number = 0}};
    const size_t n = strlen(rows[_i].jobs);
    struct executors *p = pool_create(1, 32, rows[_i].together);
    work_submit(p, &gate);
    jobs_await_begun(1);
    for (size_t i = 0; i < n; i++) {
        w[i].job.run_many = rows[_i].jobs[i] == 'm' ? run_lot : NULL;
        work_submit(p, &w[i]);
    }
    jobs_open_gate();
    executors_destroy(p);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(atomic_load(&w[i].done), "%s: job %zu was lost", rows[_i].jobs, i);
    ck_assert_msg(atomic_load(&lots) == rows[_i].lots && atomic_load(&in_lots) == rows[_i].in_lots,
                  "%s, %u together: %u lots with %u jobs", rows[_i].jobs, rows[_i].together,
                  atomic_load(&lots), atomic_load(&in_lots));
}
END_TEST

/* Two lots are at work: more of their kind wait, what is behind them does not. */
START_TEST(jobs_overtake_those_that_wait_to_be_together)
{
    struct work busy[2] = {{.wait = true}, {.wait = true}}, kin[3] = {{.number = 0}}, other = {0};
    struct executors *p = pool_create(3, 32, 8);
    struct executors_stats s;
    for (int i = 0; i < 2; i++) {
        busy[i].job.run_many = run_lot;
        work_submit(p, &busy[i]);
        jobs_await_begun((unsigned)i + 1);
    }
    for (int i = 0; i < 3; i++) {
        kin[i].job.run_many = run_lot;
        work_submit(p, &kin[i]);
    }
    work_submit(p, &other);
    work_await(&other);
    executors_stats(p, &s);
    ck_assert_msg(s.queued == 3 && s.running == 2, "%u wait, %u run", s.queued, s.running);
    struct work last = {.number = 1}; /* the end of the lane is where it was */
    work_submit(p, &last);
    work_await(&last);
    jobs_open_gate();
    executors_destroy(p);
    ck_assert_uint_eq(atomic_load(&lots), 1);
    ck_assert_uint_eq(atomic_load(&in_lots), 3);
}
END_TEST

/* While a lot of two is at work, n more jobs of its kind come: milliseconds until they begin,
 * counted from before the lot began. */
static int64_t begins_beside_a_lot_of_two(unsigned n)
{
    struct work gates[2] = {{.wait = true}, {.wait = true}};
    struct work lot[2] = {{.wait = true}, {.wait = true}}, more[2] = {{.wait = true}};
    struct executors *p = pool_create(2, 32, 8);
    jobs_close_gate();
    atomic_store(&lots, 0);
    atomic_store(&in_lots, 0);
    for (unsigned i = 0; i < 2; i++) {
        work_submit(p, &gates[i]);
        jobs_await_begun(i + 1);
    }
    for (int i = 0; i < 2; i++) {
        lot[i].job.run_many = run_lot;
        work_submit(p, &lot[i]);
    }
    const int64_t from = clock_ns();
    executors_cancel(p, &gates[0].job);
    jobs_await_begun(3);
    executors_cancel(p, &gates[1].job);
    work_await(&gates[1]);
    for (unsigned i = 0; i < n; i++) {
        more[i].job.run_many = run_lot;
        work_submit(p, &more[i]);
    }
    jobs_await_begun(4);
    const int64_t took = clock_ns() - from;
    jobs_open_gate();
    executors_destroy(p);
    return took / NS_PER_MS;
}

START_TEST(small_lot_waits_a_while_beside_a_larger_one)
{
    const int64_t ms = begins_beside_a_lot_of_two(1);
    ck_assert_msg(ms >= 50, "a lot of one began after %lld ms", (long long)ms);
}
END_TEST

/* At once, which a busy machine shows now and then. */
START_TEST(lot_as_large_as_the_other_does_not_wait)
{
    int64_t ms = INT64_MAX;
    for (int tries = 0; tries < 50 && ms >= 50; tries++)
        ms = begins_beside_a_lot_of_two(2);
    ck_assert_msg(ms < 50, "a lot of two began after %lld ms at the soonest", (long long)ms);
    ck_assert_msg(atomic_load(&in_lots) == 2 * atomic_load(&lots),
                  "%u lots had %u jobs, not two each", atomic_load(&lots), atomic_load(&in_lots));
}
END_TEST

START_TEST(jobs_done_together_end_early_only_when_all_are_cancelled)
{
    struct work gate = {.wait = true}, w[2] = {{.wait = true}, {.wait = true}};
    struct executors *p = pool_create(1, 32, 8);
    work_submit(p, &gate);
    jobs_await_begun(1);
    for (int i = 0; i < 2; i++) {
        w[i].job.run_many = run_lot;
        work_submit(p, &w[i]);
    }
    executors_cancel(p, &gate.job);
    jobs_await_begun(2);
    executors_cancel(p, &w[1].job);
    (void)poll(NULL, 0, 20);
    ck_assert_msg(!atomic_load(&w[0].done), "one of two ends the work of both");
    executors_cancel(p, &w[0].job);
    work_await(&w[1]);
    ck_assert_int_eq(atomic_load(&w[0].cancels), 1);
    executors_destroy(p);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, jobs_that_stand_together_are_done_together, 0, 11);
    tcase_add_test(tc, jobs_overtake_those_that_wait_to_be_together);
    tcase_add_test(tc, small_lot_waits_a_while_beside_a_larger_one);
    tcase_add_test(tc, lot_as_large_as_the_other_does_not_wait);
    tcase_add_test(tc, jobs_done_together_end_early_only_when_all_are_cancelled);
}

int main(void)
{
    return unit_run("executor_together", add);
}
