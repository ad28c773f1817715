/* executor_jobs.c - replaced connections, and jobs that wait for a gate. */
#include "tests/rpc/executor_jobs.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* --- connections, replaced --- */

struct redis {
    int unused;
};

atomic_int jobs_connections;
const char *jobs_refuse;

int pg_create(const char *conninfo, struct pg **ret, struct err *e)
{
    (void)conninfo;
    if (jobs_refuse != NULL && strcmp(jobs_refuse, "pg") == 0)
        return err_set(e, ERR_INVALID, "BAD", "no");
    *ret = calloc(1, sizeof(**ret));
    atomic_fetch_add(&jobs_connections, 1);
    return 0;
}

void pg_close(struct pg *c)
{
    if (c != NULL)
        atomic_fetch_sub(&jobs_connections, 1);
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
    if (jobs_refuse != NULL && strcmp(jobs_refuse, "redis") == 0)
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
static unsigned begun;
unsigned jobs_order[64], jobs_n_order;

static bool is_open(void)
{
    pthread_mutex_lock(&lock);
    bool open = gate_open;
    pthread_mutex_unlock(&lock);
    return open;
}

void jobs_open_gate(void)
{
    pthread_mutex_lock(&lock);
    gate_open = true;
    pthread_mutex_unlock(&lock);
}

void jobs_close_gate(void)
{
    pthread_mutex_lock(&lock);
    gate_open = false;
    begun = jobs_n_order = 0;
    pthread_mutex_unlock(&lock);
}

void jobs_begin(void)
{
    pthread_mutex_lock(&lock);
    begun++;
    pthread_mutex_unlock(&lock);
}

void work_wait(struct work *w, struct executor *x)
{
    while (w->wait && !is_open() && atomic_load(&x->pg->cancels) == 0)
        (void)poll(NULL, 0, 1);
    atomic_store(&w->cancels, atomic_load(&x->pg->cancels));
}

void work_run(struct job *j, struct executor *x)
{
    struct work *w = (struct work *)j;
    pthread_mutex_lock(&lock);
    begun++;
    jobs_order[jobs_n_order++] = w->number;
    pthread_mutex_unlock(&lock);
    ck_assert_uint_eq(arena_used(x->arena), 0);
    (void)arena_alloc(x->arena, 1, 1000);
    work_wait(w, x);
    atomic_store(&w->done, true);
}

void jobs_await_begun(unsigned n)
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

void work_await(struct work *w)
{
    int64_t until = clock_ns() + SOON_MS * NS_PER_MS;
    while (!atomic_load(&w->done)) {
        ck_assert_msg(clock_ns() < until, "waited in vain for job %u", w->number);
        (void)poll(NULL, 0, 1);
    }
}

struct executors *pool_create(unsigned threads, unsigned queue, unsigned together)
{
    struct err e;
    struct executors *p = NULL;
    struct executors_options o = {.threads = threads,
                                  .queue = queue,
                                  .together = together,
                                  .database = "",
                                  .redis = "",
                                  .redis_timeout_ms = 1};
    ck_assert_msg(executors_create(&o, &p, &e) == 0, "%s", e.message);
    return p;
}

void work_submit(struct executors *p, struct work *w)
{
    struct err e;
    w->job.run = work_run;
    ck_assert_msg(executors_submit(p, &w->job, &e) == 0, "%s", e.message);
}
