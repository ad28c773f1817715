/* test_executor.c - the pool: bounds, order, cancels. The database connection is replaced. */
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/executor.h"

enum { SOON_MS = 10000 };

/* --- connections, replaced --- */

struct pg {
    atomic_int cancels; /* since the last pg_deadline() */
};
struct redis {
    int unused;
};

static atomic_int connections;
static const char *refuse; /* what cannot be made */

int pg_create(const char *conninfo, struct pg **ret, struct err *e)
{
    (void)conninfo;
    if (refuse != NULL && strcmp(refuse, "pg") == 0)
        return err_set(e, ERR_INVALID, "BAD", "no");
    *ret = calloc(1, sizeof(**ret));
    atomic_fetch_add(&connections, 1);
    return 0;
}

void pg_close(struct pg *c)
{
    if (c != NULL)
        atomic_fetch_sub(&connections, 1);
    free(c);
}

void pg_deadline(struct pg *c, int64_t monotonic_ns)
{
    (void)monotonic_ns;
    atomic_store(&c->cancels, 0);
}

void pg_cancel(struct pg *c)
{
    atomic_fetch_add(&c->cancels, 1);
}

int redis_create(const char *address, int timeout_ms, struct redis **ret, struct err *e)
{
    (void)address;
    (void)timeout_ms;
    if (refuse != NULL && strcmp(refuse, "redis") == 0)
        return err_set(e, ERR_INVALID, "BAD", "no");
    *ret = calloc(1, sizeof(**ret));
    return 0;
}

void redis_destroy(struct redis *r)
{
    free(r);
}

/* --- jobs --- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool gate_open;
static unsigned begun, order[64], n_order;

struct work {
    struct job job;
    unsigned number;
    bool wait;          /* for the gate */
    atomic_int cancels; /* seen at its end */
    atomic_bool done;
};

static bool is_open(void)
{
    pthread_mutex_lock(&lock);
    bool open = gate_open;
    pthread_mutex_unlock(&lock);
    return open;
}

static void open_gate(void)
{
    pthread_mutex_lock(&lock);
    gate_open = true;
    pthread_mutex_unlock(&lock);
}

static void run(struct job *j, struct executor *x)
{
    struct work *w = (struct work *)j;
    pthread_mutex_lock(&lock);
    begun++;
    order[n_order++] = w->number;
    pthread_mutex_unlock(&lock);
    ck_assert_uint_eq(arena_used(x->arena), 0);
    (void)arena_alloc(x->arena, 1, 1000);
    while (w->wait && !is_open() && atomic_load(&x->pg->cancels) == 0)
        (void)poll(NULL, 0, 1);
    atomic_store(&w->cancels, atomic_load(&x->pg->cancels));
    atomic_store(&w->done, true);
}

static void await_begun(unsigned n)
{
    int64_t until = clock_ns() + SOON_MS * NS_PER_MS;
    for (;;) {
        pthread_mutex_lock(&lock);
        unsigned have = begun;
        pthread_mutex_unlock(&lock);
        if (have >= n)
            return;
        ck_assert_msg(clock_ns() < until, "waited in vain for %u jobs to begin", n);
        (void)poll(NULL, 0, 1);
    }
}

static void await_done(struct work *w)
{
    int64_t until = clock_ns() + SOON_MS * NS_PER_MS;
    while (!atomic_load(&w->done)) {
        ck_assert_msg(clock_ns() < until, "waited in vain for job %u", w->number);
        (void)poll(NULL, 0, 1);
    }
}

static struct executors *make(unsigned threads, unsigned queue)
{
    struct err e;
    struct executors *p = NULL;
    struct executors_options o = {
        .threads = threads, .queue = queue, .database = "", .redis = "", .redis_timeout_ms = 1};
    ck_assert_msg(executors_create(&o, &p, &e) == 0, "%s", e.message);
    return p;
}

static void submit(struct executors *p, struct work *w)
{
    struct err e;
    w->job.run = run;
    ck_assert_msg(executors_submit(p, &w->job, &e) == 0, "%s", e.message);
}

/* --- tests --- */

START_TEST(executors_are_not_made_when_a_connection_cannot_be)
{
    static const char *const what[] = {"pg", "redis"};
    struct err e = {.code = ERR_NONE};
    struct executors *p = NULL;
    struct executors_options o = {.threads = 3, .queue = 1, .database = "", .redis = ""};
    refuse = what[_i];
    ck_assert_int_eq(executors_create(&o, &p, &e), -1);
    ck_assert_int_eq(e.code, ERR_INVALID);
    ck_assert_ptr_null(p);
    ck_assert_int_eq(atomic_load(&connections), 0);
}
END_TEST

START_TEST(executors_refuse_beyond_the_queue)
{
    struct err e;
    struct executors_stats s;
    struct work w[4] = {{.wait = true}, {.number = 1}, {.number = 2}, {.number = 3}};
    struct executors *p = make(1, 2);
    submit(p, &w[0]);
    await_begun(1);
    submit(p, &w[1]);
    submit(p, &w[2]);
    ck_assert_int_eq(executors_submit(p, &w[3].job, &e), -1);
    ck_assert_int_eq(e.code, ERR_EXHAUSTED);
    ck_assert_str_eq(e.reason, "QUEUE_FULL");
    ck_assert_uint_gt(e.retry_after_ms, 0);
    executors_stats(p, &s);
    ck_assert_uint_eq(s.running, 1);
    ck_assert_uint_eq(s.queued, 2);
    open_gate();
    await_done(&w[2]);
    submit(p, &w[3]);
    executors_destroy(p);
    ck_assert_msg(atomic_load(&w[3].done), "a job was lost");
}
END_TEST

START_TEST(executors_run_in_order_and_finish_what_is_queued_at_the_end)
{
    enum { N = 50 };
    struct work w[N] = {{.wait = true}};
    struct executors *p = make(1, N);
    for (unsigned i = 0; i < N; i++) {
        w[i].number = i;
        submit(p, &w[i]);
    }
    open_gate();
    executors_destroy(p);
    ck_assert_uint_eq(n_order, N);
    for (unsigned i = 0; i < N; i++)
        ck_assert_uint_eq(order[i], i);
    ck_assert_int_eq(atomic_load(&connections), 0);
}
END_TEST

START_TEST(executors_run_as_many_at_a_time_as_there_are_threads)
{
    struct work w[3] = {{.wait = true}, {.wait = true}, {.wait = true}};
    struct executors *p = make(3, 1);
    for (int i = 0; i < 3; i++) {
        submit(p, &w[i]);
        await_begun((unsigned)i + 1);
    }
    open_gate();
    executors_destroy(p);
}
END_TEST

START_TEST(executors_cancel_reaches_the_job_that_runs)
{
    struct work w[2] = {{.wait = true}, {.number = 1, .wait = true}};
    struct executors *p = make(2, 2);
    submit(p, &w[0]);
    submit(p, &w[1]);
    await_begun(2);
    executors_cancel(p, &w[1].job);
    await_done(&w[1]);
    ck_assert_int_eq(atomic_load(&w[1].cancels), 1);
    ck_assert_msg(!atomic_load(&w[0].done), "the other one was cancelled too");
    ck_assert_msg(atomic_load(&w[1].job.cancelled) && !atomic_load(&w[0].job.cancelled), "marks");
    open_gate();
    executors_destroy(p);
    ck_assert_int_eq(atomic_load(&w[0].cancels), 0);
}
END_TEST

START_TEST(executors_cancel_marks_a_job_that_waits_and_hits_no_other)
{
    struct work w[2] = {{.wait = true}, {.number = 1}};
    struct executors *p = make(1, 1);
    submit(p, &w[0]);
    await_begun(1);
    submit(p, &w[1]);
    executors_cancel(p, &w[1].job);
    ck_assert_msg(!atomic_load(&w[0].done), "the one that runs was cancelled");
    open_gate();
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
    struct executors *p = make(1, 32);
    submit(p, &gate);
    await_begun(1);
    for (unsigned i = 0; i < ARRAY_SIZE(w); i++) {
        w[i].number = i;
        w[i].job.lane = &lanes[lane_of[i]];
        submit(p, &w[i]);
    }
    open_gate();
    executors_destroy(p);
    for (unsigned i = 0; i < ARRAY_SIZE(w); i++)
        ck_assert_msg(order[i + 1] == expected[i], "place %u has job %u, not %u", i, order[i + 1],
                      expected[i]);
}
END_TEST

START_TEST(lane_is_refused_beyond_its_own_bound)
{
    struct err e;
    struct executor_lane narrow = {.queue_max = 1, .name = "caller_queue"};
    struct executor_lane other = {.queue_max = 1, .name = "caller_queue"};
    struct work w[4] = {{.wait = true}, {.number = 1}, {.number = 2}, {.number = 3}};
    struct executors *p = make(1, 32);
    for (int i = 0; i < 3; i++)
        w[i].job.lane = &narrow;
    w[3].job.lane = &other;
    submit(p, &w[0]);
    await_begun(1);
    submit(p, &w[1]);
    w[2].job.run = run;
    ck_assert_msg(executors_submit(p, &w[2].job, &e) < 0, "a second one waits");
    ck_assert_str_eq(e.reason, "CALLER_LIMIT");
    ck_assert_str_eq(e.meta[0].value, "caller_queue");
    ck_assert_uint_gt(e.retry_after_ms, 0);
    submit(p, &w[3]); /* another caller's is taken */
    open_gate();
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
    struct executors *p = make(1, QUEUE);
    unsigned taken[FLOOD] = {0};
    submit(p, &gate);
    await_begun(1);
    for (unsigned i = 0; i < FLOOD * QUEUE; i++) {
        w[i].job.run = run;
        w[i].job.lane = &lanes[i % FLOOD];
        taken[i % FLOOD] += executors_submit(p, &w[i].job, &e) == 0;
    }
    for (unsigned k = 0; k < FLOOD; k++)
        ck_assert_msg(taken[k] == EACH, "lane %u has %u jobs, not %d", k, taken[k], EACH);
    ck_assert_str_eq(e.reason, "CALLER_LIMIT");
    ck_assert_str_eq(e.meta[0].value, "executor_queue");
    ck_assert_uint_gt(e.retry_after_ms, 0);
    w[(size_t)FLOOD * QUEUE].job.lane = &lanes[FLOOD];
    submit(p, &w[(size_t)FLOOD * QUEUE]); /* another caller's is taken */
    open_gate();
    executors_destroy(p);
    ck_assert_msg(atomic_load(&w[(size_t)FLOOD * QUEUE].done), "the other caller's job was lost");
}
END_TEST

/* --- together --- */

static atomic_uint lots, in_lots; /* calls of run_many, and the jobs they got */

static void run_lot(struct job *first, struct executor *x)
{
    unsigned n = 1;
    struct work *w = (struct work *)first;
    for (const struct job *j = first->next; j != NULL; j = j->next)
        n++;
    pthread_mutex_lock(&lock);
    begun++;
    pthread_mutex_unlock(&lock);
    while (w->wait && !is_open() && atomic_load(&x->pg->cancels) == 0)
        (void)poll(NULL, 0, 1);
    atomic_store(&w->cancels, atomic_load(&x->pg->cancels));
    atomic_fetch_add(&lots, 1);
    atomic_fetch_add(&in_lots, n);
    executor_parting(x);
    for (struct job *j = first, *next; j != NULL; j = next) {
        next = j->next;
        atomic_store(&((struct work *)j)->done, true);
    }
}

static struct executors *make_together(unsigned threads, unsigned together)
{
    struct err e;
    struct executors *p = NULL;
    struct executors_options o = {.threads = threads,
                                  .queue = 32,
                                  .together = together,
                                  .database = "",
                                  .redis = "",
                                  .redis_timeout_ms = 1};
    ck_assert_msg(executors_create(&o, &p, &e) == 0, "%s", e.message);
    return p;
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
    struct executors *p = make_together(1, rows[_i].together);
    submit(p, &gate);
    await_begun(1);
    for (size_t i = 0; i < n; i++) {
        w[i].job.run_many = rows[_i].jobs[i] == 'm' ? run_lot : NULL;
        submit(p, &w[i]);
    }
    open_gate();
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
    struct executors *p = make_together(3, 8);
    struct executors_stats s;
    for (int i = 0; i < 2; i++) {
        busy[i].job.run_many = run_lot;
        submit(p, &busy[i]);
        await_begun((unsigned)i + 1);
    }
    for (int i = 0; i < 3; i++) {
        kin[i].job.run_many = run_lot;
        submit(p, &kin[i]);
    }
    submit(p, &other);
    await_done(&other);
    executors_stats(p, &s);
    ck_assert_msg(s.queued == 3 && s.running == 2, "%u wait, %u run", s.queued, s.running);
    struct work last = {.number = 1}; /* the end of the lane is where it was */
    submit(p, &last);
    await_done(&last);
    open_gate();
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
    struct executors *p = make_together(2, 8);
    gate_open = false;
    begun = n_order = 0;
    atomic_store(&lots, 0);
    atomic_store(&in_lots, 0);
    for (unsigned i = 0; i < 2; i++) {
        submit(p, &gates[i]);
        await_begun(i + 1);
    }
    for (int i = 0; i < 2; i++) {
        lot[i].job.run_many = run_lot;
        submit(p, &lot[i]);
    }
    const int64_t from = clock_ns();
    executors_cancel(p, &gates[0].job);
    await_begun(3);
    executors_cancel(p, &gates[1].job);
    await_done(&gates[1]);
    for (unsigned i = 0; i < n; i++) {
        more[i].job.run_many = run_lot;
        submit(p, &more[i]);
    }
    await_begun(4);
    const int64_t took = clock_ns() - from;
    open_gate();
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
    struct executors *p = make_together(1, 8);
    submit(p, &gate);
    await_begun(1);
    for (int i = 0; i < 2; i++) {
        w[i].job.run_many = run_lot;
        submit(p, &w[i]);
    }
    executors_cancel(p, &gate.job);
    await_begun(2);
    executors_cancel(p, &w[1].job);
    (void)poll(NULL, 0, 20);
    ck_assert_msg(!atomic_load(&w[0].done), "one of two ends the work of both");
    executors_cancel(p, &w[0].job);
    await_done(&w[1]);
    ck_assert_int_eq(atomic_load(&w[0].cancels), 1);
    executors_destroy(p);
}
END_TEST

START_TEST(lane_leaves_an_executor_to_others)
{
    struct executors_stats s;
    struct executor_lane slow = {.running_max = 1};
    struct executor_lane other = {.running_max = 1};
    struct work w[3] = {{.wait = true}, {.number = 1, .wait = true}, {.number = 2}};
    struct executors *p = make(2, 32);
    w[0].job.lane = w[1].job.lane = &slow;
    w[2].job.lane = &other;
    submit(p, &w[0]);
    submit(p, &w[1]); /* an executor is free, and stays so */
    await_begun(1);
    submit(p, &w[2]);
    await_done(&w[2]);
    executors_stats(p, &s);
    ck_assert_msg(s.queued == 1, "%u jobs wait: the slow caller has both executors", s.queued);
    open_gate();
    await_done(&w[1]);
    executors_destroy(p);
}
END_TEST

START_TEST(lane_at_its_bound_is_finished_at_the_end)
{
    enum { N = 20 };
    struct executor_lane slow = {.running_max = 1};
    struct work w[N] = {{.wait = true}};
    struct executors *p = make(3, N);
    for (unsigned i = 0; i < N; i++) {
        w[i].number = i;
        w[i].job.lane = &slow;
        submit(p, &w[i]);
    }
    open_gate();
    executors_destroy(p);
    ck_assert_uint_eq(n_order, N);
    ck_assert_msg(slow.running == 0 && slow.queued == 0, "the lane's counts are not 0");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("executor");
    TCase *tc = tcase_create("executor");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, executors_are_not_made_when_a_connection_cannot_be, 0, 2);
    tcase_add_test(tc, executors_refuse_beyond_the_queue);
    tcase_add_test(tc, executors_run_in_order_and_finish_what_is_queued_at_the_end);
    tcase_add_test(tc, executors_run_as_many_at_a_time_as_there_are_threads);
    tcase_add_test(tc, executors_cancel_reaches_the_job_that_runs);
    tcase_add_test(tc, executors_cancel_marks_a_job_that_waits_and_hits_no_other);
    tcase_add_test(tc, lanes_take_turns_whoever_came_first);
    tcase_add_test(tc, lane_is_refused_beyond_its_own_bound);
    tcase_add_loop_test(tc, jobs_that_stand_together_are_done_together, 0, 11);
    tcase_add_test(tc, jobs_overtake_those_that_wait_to_be_together);
    tcase_add_test(tc, small_lot_waits_a_while_beside_a_larger_one);
    tcase_add_test(tc, lot_as_large_as_the_other_does_not_wait);
    tcase_add_test(tc, jobs_done_together_end_early_only_when_all_are_cancelled);
    tcase_add_test(tc, lanes_that_flood_the_queue_leave_room_for_others);
    tcase_add_test(tc, lane_leaves_an_executor_to_others);
    tcase_add_test(tc, lane_at_its_bound_is_finished_at_the_end);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
