/* executor.c - the pool: a bounded queue and its threads.
 *
 * No lock is held while a job runs, and no two locks are ever held together. A thread's lock guards
 * which job it runs: pg_cancel() under it reaches that job and no other, because pg_deadline(),
 * called when the next job starts, forgets cancels that came before. */
#include "server/executor.h"

#include <pthread.h>
#include <stdlib.h>

#include "server/clock.h"

enum {
    RETRY_MS = 100,
    TOGETHER_AT_A_TIME = 2, /* lots of a lane */
    HOLD_MS = 50            /* at most, for a lot that is not as large as the one under way */
};

struct thread {
    struct executor view; /* what jobs see */
    struct executors *pool;
    pthread_t id;
    bool started;
    pthread_mutex_t lock;
    struct job *job; /* what runs now; several are linked by next */
    bool many;
};

struct executors {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct executor_lane *turn, **last_turn; /* lanes with queued jobs; the first is next */
    struct executor_lane own;                /* of jobs without a lane */
    unsigned queued, queue_max, running, n, together;
    uint64_t done;
    bool stopping; /* no more jobs come */
    bool watched;  /* a thread that has nothing to do waits for the end of a hold */
    struct thread threads[];
};

/* --- running jobs --- */

static void lane_append(struct executors *p, struct executor_lane *l)
{
    l->next = NULL;
    *p->last_turn = l;
    p->last_turn = &l->next;
}

/* Takes the lane out of the turns; at points at it. */
static void lane_remove(struct executors *p, struct executor_lane **at)
{
    struct executor_lane *l = *at;
    *at = l->next;
    if (p->last_turn == &l->next)
        p->last_turn = at;
}

/* What becomes of the lane's jobs that can be done together. */
enum together { MAY_RUN, HELD /* until hold_ns */, MUST_WAIT /* for one of the lots that run */ };

static enum together together_now(const struct executor_lane *l)
{
    if (l->queued_kin == 0 || l->together == 0)
        return MAY_RUN;
    if (l->together == TOGETHER_AT_A_TIME)
        return MUST_WAIT;
    const bool small = l->queued_kin < l->in_lots; /* a lot now, beside the one that runs */
    return small && clock_ns() < l->hold_ns ? HELD : MAY_RUN;
}

/* The first job of a lane that may run now. Those that can be done together are passed over while
 * they wait: so they become more, and whatever else the lane has does not wait for them. */
static struct job **first_ready(struct executor_lane *l, bool stopping)
{
    struct job **at = &l->first;
    if (stopping || together_now(l) == MAY_RUN)
        return at;
    while (*at != NULL && (*at)->run_many != NULL)
        at = &(*at)->next;
    return at;
}

/* When the pool stops, every lane may run one more job. */
static bool is_ready(const struct executors *p, struct executor_lane *l)
{
    return (l->running_max == 0 || l->running < l->running_max || p->stopping) &&
           *first_ready(l, p->stopping) != NULL;
}

/* The first lane that may run one more job; NULL: none, and *ret_held is when the first of those
 * that are held will be let go, 0: none is. */
static struct executor_lane **find_turn(struct executors *p, int64_t *ret_held)
{
    *ret_held = 0;
    for (struct executor_lane **at = &p->turn; *at != NULL; at = &(*at)->next) {
        struct executor_lane *l = *at;
        if (is_ready(p, l))
            return at;
        if (together_now(l) == HELD && (*ret_held == 0 || l->hold_ns < *ret_held))
            *ret_held = l->hold_ns;
    }
    return NULL;
}

/* Takes the job at, and those next to it that can be done with it; linked by next. */
static struct job *take_kin(struct executors *p, struct executor_lane *l, struct job **at)
{
    struct job *first = *at, *last = first;
    unsigned n = 1;
    while (first->run_many != NULL && n < p->together && last->next != NULL &&
           last->next->run_many == first->run_many) {
        last = last->next;
        n++;
    }
    if (l->last == &last->next)
        l->last = at;
    *at = last->next;
    last->next = NULL;
    l->queued -= n;
    p->queued -= n;
    if (first->run_many != NULL) {
        l->queued_kin -= n;
        l->in_lots += n;
        l->together++;
        l->hold_ns = clock_ns() + HOLD_MS * NS_PER_MS;
    }
    return first;
}

static struct job *take_job(struct executors *p, struct executor_lane **at)
{
    struct executor_lane *l = *at;
    struct job *j = take_kin(p, l, first_ready(l, p->stopping));
    l->running++;
    lane_remove(p, at);
    if (l->first != NULL)
        lane_append(p, l); /* behind those that wait */
    p->running++;
    return j;
}

/* Until something may be ready. One of those that wait does so with a limit while a lane is held.
 */
static void await_work(struct executors *p, int64_t held)
{
    if (held == 0 || p->watched) {
        pthread_cond_wait(&p->work, &p->lock);
        return;
    }
    p->watched = true;
    clock_cond_wait(&p->work, &p->lock, held);
    p->watched = false;
}

static struct job *next_job(struct executors *p)
{
    struct executor_lane **at;
    int64_t held;
    pthread_mutex_lock(&p->lock);
    while ((at = find_turn(p, &held)) == NULL && !p->stopping)
        await_work(p, held);
    struct job *j = at != NULL ? take_job(p, at) : NULL;
    if (j != NULL && p->turn != NULL && !p->watched)
        pthread_cond_signal(&p->work); /* what is held may need somebody who watches */
    pthread_mutex_unlock(&p->lock);
    return j;
}

static void set_job(struct thread *t, struct job *j, bool many)
{
    pthread_mutex_lock(&t->lock);
    t->job = j;
    t->many = many;
    pthread_mutex_unlock(&t->lock);
}

void executor_parting(struct executor *x)
{
    set_job(&x->pool->threads[x->index], NULL, false);
}

static unsigned count_jobs(const struct job *j)
{
    unsigned n = 0;
    for (; j != NULL; j = j->next)
        n++;
    return n;
}

static void *run_jobs(void *arg)
{
    struct thread *t = arg;
    struct executors *p = t->pool;
    for (struct job *j = next_job(p); j != NULL; j = next_job(p)) {
        struct executor_lane *lane = j->lane;
        const unsigned n = count_jobs(j);
        const bool is_lot = j->run_many != NULL;
        set_job(t, j, n > 1);
        pg_deadline(t->view.pg, 0); /* also forgets a cancel meant for the job before */
        if (t->view.reader != t->view.pg)
            pg_deadline(t->view.reader, 0);
        if (n > 1)
            j->run_many(j, &t->view);
        else
            j->run(j, &t->view); /* may free j; from here on it is only compared */
        set_job(t, NULL, false);
        arena_reset(t->view.arena);
        pthread_mutex_lock(&p->lock);
        p->running--;
        lane->together -= is_lot;
        lane->in_lots -= is_lot ? n : 0;
        lane->running--; /* if the lane waited for that, this thread is the one to go on */
        p->done += n;
        pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

/* --- cancelling --- */

/* Is it for j alone that the thread works, or for jobs that are all cancelled? The lock is held. */
static bool works_in_vain(const struct thread *t, const struct job *j)
{
    bool is_one = false, all = true;
    if (!t->many)
        return t->job == j;
    for (const struct job *k = t->job; k != NULL; k = k->next) {
        is_one = is_one || k == j;
        all = all && atomic_load(&k->cancelled);
    }
    return is_one && all;
}

void executors_cancel(struct executors *p, struct job *j)
{
    atomic_store(&j->cancelled, true);
    for (unsigned i = 0; i < p->n; i++) {
        struct thread *t = &p->threads[i];
        pthread_mutex_lock(&t->lock);
        const bool end = works_in_vain(t, j);
        if (end)
            pg_cancel(t->view.pg);
        if (end && t->view.reader != t->view.pg)
            pg_cancel(t->view.reader);
        pthread_mutex_unlock(&t->lock);
    }
}

static void put_job(struct executors *p, struct executor_lane *l, struct job *j)
{
    j->lane = l;
    j->next = NULL;
    if (l->first == NULL) {
        l->last = &l->first;
        lane_append(p, l);
    }
    *l->last = j;
    l->last = &j->next;
    l->queued++;
    l->queued_kin += j->run_many != NULL;
    p->queued++;
    if (is_ready(p, l) || (together_now(l) == HELD && !p->watched))
        pthread_cond_signal(&p->work);
}

/* May one more job of this lane wait? A lane with a bound may have no more than there is room left:
 * so one that floods the queue takes half of it, two take a third each, and room remains. */
static bool lane_has_room(const struct executors *p, const struct executor_lane *l)
{
    return l->queue_max == 0 || (l->queued < l->queue_max && l->queued < p->queue_max - p->queued);
}

static int lane_full(const char *setting, unsigned waiting, struct err *e)
{
    err_set(e, ERR_EXHAUSTED, "CALLER_LIMIT",
            "%u of your requests are waiting, as many as one caller's may now (setting %s)",
            waiting, setting);
    err_meta(e, "limit", "%s", setting);
    err_meta(e, "value", "%u", waiting);
    return err_retry(e, RETRY_MS);
}

int executors_submit(struct executors *p, struct job *j, struct err *e)
{
    struct executor_lane *l = j->lane != NULL ? j->lane : &p->own;
    pthread_mutex_lock(&p->lock);
    const unsigned waiting = l->queued;
    const bool space = p->queued < p->queue_max, room = space && lane_has_room(p, l);
    const bool taken = room && !p->stopping;
    if (taken)
        put_job(p, l, j);
    pthread_mutex_unlock(&p->lock);
    if (taken)
        return 0;
    if (l->queue_max != 0 && waiting >= l->queue_max)
        return lane_full(l->name, waiting, e);
    if (space && !room)
        return lane_full("executor_queue", waiting, e);
    err_set(e, ERR_EXHAUSTED, "QUEUE_FULL", "too many requests are waiting: try again later");
    return err_retry(e, RETRY_MS);
}

/* --- making and ending --- */

static int start_thread(struct executors *p, unsigned i, const struct executors_options *o,
                        struct err *e)
{
    struct thread *t = &p->threads[i];
    t->pool = p;
    t->view.pool = p;
    t->view.index = i;
    pthread_mutex_init(&t->lock, NULL);
    p->n = i + 1;
    t->view.arena = arena_create();
    if (pg_create(o->database, &t->view.pg, e) < 0)
        return -1;
    t->view.reader = t->view.pg;
    if (o->reads != NULL && o->reads[0] != '\0' && pg_create(o->reads, &t->view.reader, e) < 0) {
        t->view.reader = NULL;
        return -1;
    }
    if (redis_create(o->redis, o->redis_timeout_ms, &t->view.redis, e) < 0)
        return -1;
    if (pthread_create(&t->id, NULL, run_jobs, t) != 0)
        return err_set(e, ERR_EXHAUSTED, "NO_THREAD", "cannot start an executor thread");
    t->started = true;
    return 0;
}

int executors_create(const struct executors_options *o, struct executors **ret, struct err *e)
{
    struct executors *p = calloc(1, sizeof(*p) + o->threads * sizeof(p->threads[0]));
    if (p == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    pthread_mutex_init(&p->lock, NULL);
    clock_cond_init(&p->work);
    p->last_turn = &p->turn;
    p->queue_max = o->queue;
    p->together = o->together;
    for (unsigned i = 0; i < o->threads; i++) {
        if (start_thread(p, i, o, e) < 0)
            goto fail;
    }
    *ret = p;
    return 0;
fail:
    executors_destroy(p);
    return -1;
}

static void end_thread(struct thread *t)
{
    if (t->started)
        pthread_join(t->id, NULL);
}

static void free_thread(struct thread *t)
{
    if (t->view.reader != t->view.pg)
        pg_close(t->view.reader);
    pg_close(t->view.pg);
    redis_destroy(t->view.redis);
    arena_destroy(t->view.arena);
    pthread_mutex_destroy(&t->lock);
}

void executors_destroy(struct executors *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->n; i++)
        end_thread(&p->threads[i]);
    for (unsigned i = 0; i < p->n; i++)
        free_thread(&p->threads[i]);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void executors_stats(struct executors *p, struct executors_stats *ret)
{
    pthread_mutex_lock(&p->lock);
    *ret = (struct executors_stats){
        .threads = p->n, .running = p->running, .queued = p->queued, .done = p->done};
    pthread_mutex_unlock(&p->lock);
}
