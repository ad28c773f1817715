/* bridge.c - the thread of the bridge: queues, events, marks; and a pause after what fails. */
#include "server/bridge.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "repo/manager_bridge.h"
#include "repo/migrate.h"
#include "server/bridge_queue.h"
#include "server/clock.h"
#include "server/config.h"
#include "server/log.h"
#include "server/loop.h"
#include "server/metrics.h"

enum {
    STEP_MS = 5000,       /* one step with the database, at most */
    STEP_EVENTS = 256,    /* told in one step */
    REFUSED_TRIES = 3,    /* of a step some of whose commands Redis refuses */
    FIRST_PAUSE_MS = 100, /* after a failure; doubles */
    LAST_PAUSE_MS = 5000,
    LAST_LOOKS = 3 /* at the end, while they fail or leave something; it cannot last */
};

struct bridge {
    const struct config *config;
    struct pg *pg; /* the thread's, as are the next */
    struct manager_bridge manager;
    struct arena *arena;
    bool has_begun, has_more; /* more: events left by the last look */
    bool is_marked;           /* a mark was taken and the groups have no hint yet */
    int pause_ms;             /* 0: all is well */
    struct bridge_queues queues;
    pthread_mutex_t hint_lock; /* held while hinting: who takes the loop away waits for it */
    struct loop *loop;
    pthread_mutex_t lock; /* below */
    pthread_cond_t wake;
    bool is_woken, is_over;
    pthread_t thread;
    bool started;
};

/* Until then, or until it is over; with `early` also until somebody wakes it. */
static void wait_until(struct bridge *b, int64_t ns, bool early)
{
    pthread_mutex_lock(&b->lock);
    while (!b->is_over && !(early && b->is_woken) && clock_ns() < ns)
        clock_cond_wait(&b->wake, &b->lock, ns);
    if (early)
        b->is_woken = false;
    pthread_mutex_unlock(&b->lock);
}

static bool is_over(struct bridge *b)
{
    pthread_mutex_lock(&b->lock);
    bool over = b->is_over;
    pthread_mutex_unlock(&b->lock);
    return over;
}

/* --- queues --- */

static int write_queues(struct bridge *b, struct err *e)
{
    struct bridge_queue *q;
    int rc = 0;
    bridge_queues_expire(&b->queues, clock_ns());
    while (rc == 0 && (q = bridge_queues_take(&b->queues)) != NULL) {
        arena_reset(b->arena);
        rc = manager_queue_write(b->manager.live, &q->queue, b->arena, e);
        if (rc < 0)
            bridge_queues_put(&b->queues, q); /* unless a newer one came */
        else
            bridge_queue_free(q);
    }
    return rc;
}

/* --- events --- */

static void count(const struct manager_step *s)
{
    metric_add(METRIC_bridge_events_total, METRIC_BRIDGE_TOLD, s->told);
    metric_add(METRIC_bridge_events_total, METRIC_BRIDGE_EXPIRED, s->expired);
    metric_add(METRIC_bridge_events_total, METRIC_BRIDGE_LOST, s->lost);
    if (s->expired > 0 || s->lost > 0)
        log_warn("the manager bridge passed over events: too old, or removed by retention",
                 LOG_NUM("expired", s->expired), LOG_NUM("lost", s->lost));
}

/* Of a wrong type, perhaps: tried a few times, then the rest has to do. */
static void say_refused(const struct manager_step *s)
{
    metric_add(METRIC_bridge_refused_total, 0, s->refused);
    log_warn("Redis refuses messages to managers; look at the type of the key \"events\" in "
             "database 4",
             LOG_NUM("messages", s->refused), LOG_STR("words", s->refusal));
}

static int step(struct bridge *b, struct manager_step *s, struct err *e)
{
    for (int i = 0; i < REFUSED_TRIES; i++) {
        s->give_up = i + 1 == REFUSED_TRIES;
        b->manager.max_age_ms = CONFIG_NOW(b->config, manager_bridge_age);
        arena_reset(b->arena);
        pg_deadline(b->pg, clock_ns() + STEP_MS * NS_PER_MS);
        if (manager_bridge_step(b->pg, &b->manager, s, b->arena, e) < 0)
            return -1;
        if (s->refused == 0)
            break;
        if (s->give_up)
            say_refused(s);
        else
            wait_until(b, clock_ns() + ((int64_t)FIRST_PAUSE_MS << i) * NS_PER_MS, false);
    }
    count(s);
    return 0;
}

/* Group after group, a batch each. */
static int tell_events(struct bridge *b, struct err *e)
{
    struct manager_step s = {.found = true};
    b->has_more = false;
    while (s.found) {
        if (step(b, &s, e) < 0)
            return -1;
        s.after = s.group;
        b->has_more |= s.more;
    }
    return 0;
}

static int begin(struct bridge *b, struct err *e)
{
    if (b->has_begun)
        return 0;
    pg_deadline(b->pg, clock_ns() + STEP_MS * NS_PER_MS);
    if (migrate_check(b->pg, e) < 0 || manager_bridge_begin(b->pg, e) < 0)
        return -1;
    b->has_begun = true;
    log_info("the bridge to a manager tells it what happens");
    return 0;
}

/* --- marks --- */

/* A mark says that something can be scheduled somewhere: the groups where sessions wait get a hint.
 * What is lost with a process that dies here, the loop's own timer makes up for. */
static int take_mark(struct bridge *b, struct err *e)
{
    const char **names = NULL;
    uint32_t n = 0;
    pthread_mutex_lock(&b->hint_lock);
    bool has_loop = b->loop != NULL;
    pthread_mutex_unlock(&b->hint_lock);
    if (!has_loop)
        return 0;
    if (!b->is_marked) {
        if (manager_mark_take(b->manager.live, &b->is_marked, e) < 0)
            return -1;
        if (!b->is_marked)
            return 0;
        metric_add(METRIC_bridge_marks_total, 0, 1);
    }
    arena_reset(b->arena);
    pg_deadline(b->pg, clock_ns() + STEP_MS * NS_PER_MS);
    if (manager_groups_waiting(b->pg, b->arena, &names, &n, e) < 0)
        return -1;
    pthread_mutex_lock(&b->hint_lock);
    for (uint32_t i = 0; i < n && b->loop != NULL; i++)
        loop_hint(b->loop, names[i]);
    pthread_mutex_unlock(&b->hint_lock);
    b->is_marked = false;
    return 0;
}

/* --- the thread --- */

static void look(struct bridge *b)
{
    struct err e = {.code = ERR_NONE};
    if (begin(b, &e) < 0 || write_queues(b, &e) < 0 || tell_events(b, &e) < 0 ||
        take_mark(b, &e) < 0) {
        metric_add(METRIC_bridge_retries_total, 0, 1);
        if (b->pause_ms == 0)
            log_err(LOG_WARN, "the bridge to a manager waits; what is missed is told later", &e,
                    NULL, 0);
        b->pause_ms = b->pause_ms == 0                  ? FIRST_PAUSE_MS
                      : b->pause_ms * 2 < LAST_PAUSE_MS ? b->pause_ms * 2
                                                        : LAST_PAUSE_MS;
    } else {
        if (b->pause_ms != 0)
            log_info("the bridge to a manager goes on");
        b->pause_ms = 0;
    }
}

static void *run(void *arg)
{
    struct bridge *b = arg;
    while (!is_over(b)) {
        look(b);
        if (b->pause_ms != 0)
            wait_until(b, clock_ns() + b->pause_ms * NS_PER_MS, false);
        else if (!b->has_more)
            wait_until(b, clock_ns() + CONFIG_NOW(b->config, event_poll) * NS_PER_MS, true);
    }
    for (int i = 0; i < LAST_LOOKS && (i == 0 || b->pause_ms != 0 || b->has_more); i++)
        look(b); /* what the last calls committed */
    return NULL;
}

int bridge_create(const struct config *c, struct bridge **ret, struct err *e)
{
    struct bridge *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    b->config = c;
    b->arena = arena_create();
    b->manager.batch = STEP_EVENTS;
    bridge_queues_init(&b->queues);
    pthread_mutex_init(&b->hint_lock, NULL);
    pthread_mutex_init(&b->lock, NULL);
    clock_cond_init(&b->wake);
    if (pg_create(c->database, &b->pg, e) < 0 ||
        manager_stream_open(c->redis, (int)c->redis_timeout, &b->manager.stream, e) < 0 ||
        manager_live_open(c->redis, (int)c->redis_timeout, &b->manager.live, e) < 0)
        goto fail;
    if (pthread_create(&b->thread, NULL, run, b) != 0) {
        err_set(e, ERR_EXHAUSTED, "NO_THREAD", "cannot start the thread of the manager bridge");
        goto fail;
    }
    b->started = true;
    *ret = b;
    return 0;
fail:
    bridge_destroy(b);
    return -1;
}

void bridge_destroy(struct bridge *b)
{
    if (b == NULL)
        return;
    pthread_mutex_lock(&b->lock);
    b->is_over = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
    if (b->started)
        pthread_join(b->thread, NULL);
    pg_close(b->pg);
    redis_destroy(b->manager.stream);
    redis_destroy(b->manager.live);
    bridge_queues_finish(&b->queues);
    arena_destroy(b->arena);
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->lock);
    pthread_mutex_destroy(&b->hint_lock);
    free(b);
}

/* --- the doors --- */

void bridge_hint_to(struct bridge *b, struct loop *l)
{
    if (b == NULL)
        return;
    pthread_mutex_lock(&b->hint_lock);
    b->loop = l;
    pthread_mutex_unlock(&b->hint_lock);
}

void bridge_wake(struct bridge *b)
{
    if (b == NULL)
        return;
    pthread_mutex_lock(&b->lock);
    b->is_woken = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
}

void bridge_round(struct bridge *b, const struct snapshot *s, const struct plan *p, int64_t epoch,
                  bool is_whole)
{
    if (b == NULL)
        return;
    const uint32_t most = (uint32_t)CONFIG_NOW(b->config, manager_queue_limit);
    if (is_whole)
        bridge_queues_put(&b->queues, bridge_queue_make(s, p, epoch, most));
    bridge_wake(b);
}
