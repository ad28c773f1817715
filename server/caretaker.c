/* caretaker.c - one thread that looks around every probe interval and puts right what it finds. */
#include "server/caretaker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "repo/counter.h"
#include "repo/migrate.h"
#include "repo/redis.h"
#include "repo/repair.h"
#include "repo/retention.h"
#include "server/clock.h"
#include "server/config.h"
#include "server/hub.h"
#include "server/log.h"
#include "server/manager_gate.h"
#include "server/metrics.h"
#include "server/round_service.h"

enum {
    REPAIR_FIRST_MS = 1000, /* after the start: the first rounds have the database to themselves */
    REPAIR_PASSES = 3,      /* while damage is found that is too young to be touched */
    REPAIR_AGAIN_S = 10,    /* between them: repo/repair.h */
    REPAIR_MS = 600 * 1000, /* one pass over one group, at most */
    MIRROR_MS = 60 * 1000,  /* counting all sessions, at most */
    TRIM_MS = 10 * 1000,    /* one batch, at most */
    TRIM_LOOK_MS = 1000,    /* the batches of one kind in a look; what is left is for the next */
    TRIM_PAUSE_MS = 20      /* between batches: others get a turn */
};

struct caretaker {
    const struct config *config;
    struct hub *hub;
    struct pg *pg; /* the thread's, as is redis */
    struct redis *redis;
    struct manager_gate *gate; /* NULL: no manager schedules */
    unsigned passes;           /* repairs still to be made */
    int64_t repair_ns;         /* the next one: CLOCK_MONOTONIC */
    int64_t mirror_ns;         /* the mirrors are made anew then, whatever the mark says */
    int64_t trim_ns;           /* the next look for what is too old */
    atomic_bool is_over;       /* ends */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool started;
};

/* Begins a piece of work with the database; false: it is over, and pg_cancel() may have come
 * before. */
static bool begin(struct caretaker *c, int64_t ms)
{
    pg_deadline(c->pg, clock_ns() + ms * NS_PER_MS);
    return !atomic_load(&c->is_over);
}

/* What keeps one group from being repaired, or one kind of rows from being removed, and not the
 * next: no outage, no end. */
static bool is_local(const struct err *e)
{
    switch (e->code) {
    case ERR_NONE:
    case ERR_CANCELLED:
    case ERR_UNAVAILABLE:
    case ERR_CONFLICT:
    case ERR_EXHAUSTED:
    case ERR_PRECONDITION:
        return false;
    default:
        return true;
    }
}

/* --- repair --- */

struct said_of { /* what the lines about findings say besides */
    const char *group;
};

static void log_finding(void *ctx, const struct repair_finding *f)
{
    const struct said_of *of = ctx;
    log_warn("a repair", LOG_STR("group", of->group), LOG_STR("kind", repair_kind_name(f->kind)),
             LOG_STR("action", repair_action_name(f->action)), LOG_STR("fact", f->fact),
             LOG_STR("deed", f->deed));
}

/* What was mended before a failure is published like the rest. */
static int repair_group(struct caretaker *c, const char *name, uint32_t *young, struct err *e)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct said_of of = {.group = name};
    const struct repair_input in = {.scaling_group = name, .report = log_finding, .ctx = &of};
    struct repair_result r;
    struct manager_lock *manager = NULL;
    const int64_t start_ns = clock_ns();
    if (!begin(c, REPAIR_MS) ||
        manager_gate_enter(c->gate, start_ns + REPAIR_MS * NS_PER_MS, &manager, e) < 0)
        return -1;
    const int rc = repair_run(c->pg, &in, a, &r, e);
    manager_gate_leave(c->gate, manager); /* what a manager's pass has half done is not damage */
    hub_publish(c->hub, r.events, r.n_events);
    round_service_mirror(c->redis, r.owners, r.n_owners);
    if (rc == 0)
        log_info("a scaling group was looked through for damage", LOG_STR("group", name),
                 LOG_NUM("found", r.found), LOG_NUM("mended", r.mended),
                 LOG_NUM("us", (clock_ns() - start_ns) / 1000));
    *young += r.young;
    return rc;
}

static int repair_all(struct caretaker *c, uint32_t *young, struct err *e)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char **names = NULL;
    uint32_t n = 0;
    if (!begin(c, REPAIR_MS) || migrate_check(c->pg, e) < 0 ||
        repair_list_groups(c->pg, a, &names, &n, e) < 0)
        return -1;
    for (uint32_t i = 0; i < n; i++) {
        *e = (struct err){.code = ERR_NONE};
        if (repair_group(c, names[i], young, e) == 0 || e->code == ERR_NOT_FOUND)
            continue; /* not found: deleted meanwhile */
        if (!is_local(e) || atomic_load(&c->is_over))
            return -1;
        log_err(LOG_WARN, "a scaling group could not be looked through for damage", e,
                LOG_FIELDS(LOG_STR("group", names[i])));
        *young += 1; /* the next pass tries it again */
    }
    return 0;
}

static void repair(struct caretaker *c)
{
    struct err e = {.code = ERR_NONE};
    uint32_t young = 0;
    if (c->passes == 0 || clock_ns() < c->repair_ns)
        return;
    if (repair_all(c, &young, &e) == 0) {
        c->passes = young > 0 ? c->passes - 1 : 0;
        c->repair_ns = clock_ns() + REPAIR_AGAIN_S * NS_PER_S;
    } else if (!atomic_load(&c->is_over)) {
        log_err(LOG_DEBUG, "the repair at start waits for the database", &e, NULL, 0);
    }
}

/* --- mirrors --- */

static void mirror(struct caretaker *c)
{
    struct err e = {.code = ERR_NONE};
    bool whole = false;
    uint32_t n = 0;
    if (counter_is_whole(c->redis, &whole, &e) < 0 || (whole && clock_ns() < c->mirror_ns))
        return; /* Redis is away: the probe says so */
    if (!begin(c, MIRROR_MS))
        return;
    if (migrate_check(c->pg, &e) < 0 || counter_mirror_all(c->pg, c->redis, &n, &e) < 0) {
        log_err(LOG_DEBUG, "counters were not mirrored to Redis; the next look does", &e, NULL, 0);
        return;
    }
    c->mirror_ns = clock_ns() + CONFIG_NOW(c->config, mirror_interval) * NS_PER_MS;
    if (!whole)
        log_info("Redis had no mirrors; all counters were written to it",
                 LOG_NUM("access_keys", n));
}

/* --- retention --- */

static void wait_until(struct caretaker *c, int64_t ns)
{
    pthread_mutex_lock(&c->lock);
    while (!atomic_load(&c->is_over) && clock_ns() < ns)
        clock_cond_wait(&c->wake, &c->lock, ns);
    pthread_mutex_unlock(&c->lock);
}

/* Batch after batch of one kind. 0: nothing is left, or another replica is at it; 1: the time of
 * this look is over. */
static int trim_kind(struct caretaker *c, const struct retention_policy *policy,
                     enum retention_kind kind, int64_t until, struct err *e)
{
    for (;;) {
        uint32_t removed = 0;
        bool busy = false;
        if (!begin(c, TRIM_MS) || retention_step(c->pg, policy, kind, &removed, &busy, e) < 0)
            return -1;
        metric_add(METRIC_retention_removed_total, kind, removed);
        if (removed == 0)
            return 0;
        wait_until(c, clock_ns() + TRIM_PAUSE_MS * NS_PER_MS);
        if (clock_ns() >= until)
            return 1;
    }
}

/* Kind after kind. 0: nothing is left; 1: something is. */
static int trim_all(struct caretaker *c, const struct retention_policy *policy, struct err *e)
{
    int rc = 0;
    if (migrate_check(c->pg, e) < 0)
        return -1;
    for (int kind = 0; kind < N_RETENTION_KINDS; kind++) {
        struct err why = {.code = ERR_NONE};
        const int64_t until = clock_ns() + TRIM_LOOK_MS * NS_PER_MS; /* each gets its turn */
        const int one = trim_kind(c, policy, (enum retention_kind)kind, until, &why);
        if (one < 0)
            *e = why;
        if (one < 0 && !is_local(&why))
            return -1;
        rc = rc < 0 || one < 0 ? -1 : rc | one;
    }
    return rc;
}

static void trim(struct caretaker *c)
{
    CLEANUP(config_releasep) const struct config *g = config_take(c->config);
    const struct retention_policy policy = {
        .event_age_ms = g->event_retention_age,
        .event_count = g->event_retention_count,
        .round_age_ms = g->round_retention,
        .request_age_ms = g->request_retention,
        .batch = (uint32_t)g->retention_batch,
    };
    struct err e = {.code = ERR_NONE};
    const int64_t start = clock_ns();
    if (start < c->trim_ns || !begin(c, TRIM_MS))
        return;
    const int rc = trim_all(c, &policy, &e);
    if (rc < 0 && !atomic_load(&c->is_over))
        log_err(LOG_DEBUG, "what is too old was not removed; the next look does", &e, NULL, 0);
    if (rc == 0)
        c->trim_ns = clock_ns() + g->retention_interval * NS_PER_MS;
}

/* --- the thread --- */

/* After the probe interval, or sooner when a repair is due. */
static int64_t next_look(const struct caretaker *c)
{
    const int64_t now = clock_ns();
    const int64_t next = now + CONFIG_NOW(c->config, probe_interval) * NS_PER_MS;
    const bool due = c->passes > 0 && c->repair_ns > now && c->repair_ns < next;
    return due ? c->repair_ns : next;
}

static void *look_around(void *arg)
{
    struct caretaker *c = arg;
    while (!atomic_load(&c->is_over)) {
        repair(c);
        mirror(c);
        trim(c);
        wait_until(c, next_look(c));
    }
    return NULL;
}

int caretaker_create(const struct config *g, struct hub *hub, struct caretaker **ret, struct err *e)
{
    struct caretaker *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    c->config = g;
    c->hub = hub;
    c->gate = manager_gate_create(g);
    c->passes = g->repair_at_start ? REPAIR_PASSES : 0;
    c->repair_ns = clock_ns() + REPAIR_FIRST_MS * NS_PER_MS;
    pthread_mutex_init(&c->lock, NULL);
    clock_cond_init(&c->wake);
    if (pg_create(g->database, &c->pg, e) < 0 ||
        redis_create(g->redis, (int)g->redis_timeout, &c->redis, e) < 0)
        goto fail;
    if (pthread_create(&c->thread, NULL, look_around, c) != 0) {
        err_set(e, ERR_EXHAUSTED, "NO_THREAD", "cannot start the caretaker's thread");
        goto fail;
    }
    c->started = true;
    *ret = c;
    return 0;
fail:
    caretaker_destroy(c);
    return -1;
}

void caretaker_destroy(struct caretaker *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    atomic_store(&c->is_over, true);
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    if (c->started) {
        pg_cancel(c->pg);
        pthread_join(c->thread, NULL);
    }
    pg_close(c->pg);
    redis_destroy(c->redis);
    manager_gate_destroy(c->gate);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
