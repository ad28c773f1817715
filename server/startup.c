/* startup.c - the thread that looks until all is well or the time is over. */
#include "server/startup.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/migrate.h"
#include "repo/redis.h"
#include "repo/repair.h"
#include "repo/snapshot_load.h"
#include "scheduler/snapshot_build.h"
#include "server/clock.h"
#include "server/command.h"
#include "server/config.h"
#include "server/health.h"
#include "server/log.h"

enum {
    LOOK_MS = 5000,  /* longest question to the database */
    LOAD_MS = 60000, /* longest load of a group */
    TASTE_ROWS = 10  /* of each large table: the first round loads them all anyway */
};

struct startup {
    struct app *app;
    struct pg *pg;
    struct redis *redis;
    int64_t until_ns;
    atomic_bool ends;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t wake;
    enum startup_state state;
    struct err why;
    int exit;
    pthread_t thread;
    bool started;
};

/* --- the checks, in order; each says with which code a failure that stays ends --- */

static bool begin(struct startup *s, int64_t ms, struct err *e)
{
    pg_deadline(s->pg, clock_ns() + ms * NS_PER_MS);
    if (!atomic_load(&s->ends)) /* else pg_cancel() may have come before */
        return true;
    err_set(e, ERR_CANCELLED, "DRAINING", "the server is shutting down");
    return false;
}

static int check_schema(struct startup *s, struct err *e)
{
    return begin(s, LOOK_MS, e) ? migrate_check(s->pg, e) : -1;
}

static int check_redis(struct startup *s, struct err *e)
{
    if (CONFIG_NOW(s->app->config, schedule_without_redis))
        return 0; /* the probe says when it is away */
    return redis_ping(s->redis, e);
}

static int load(struct startup *s, const char *group, struct err *e)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot_query q = {.scaling_group = group, .taste = TASTE_ROWS};
    struct snapshot_builder *b = builder_create(a);
    struct snapshot_spec_owners unused;
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    if (!begin(s, LOAD_MS, e) || txn_begin(s->pg, TXN_READ_SNAPSHOT, &t, e) < 0 ||
        snapshot_load(t, &q, b, &unused, e) < 0)
        return -1;
    return txn_commit(&t, e);
}

/* One group that can be loaded is enough: bad rows of another must not keep it from service. */
static int check_snapshot(struct startup *s, struct err *e)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char **names = NULL;
    uint32_t n = 0;
    if (!begin(s, LOOK_MS, e) || repair_list_groups(s->pg, a, &names, &n, e) < 0)
        return -1;
    int rc = 0;
    for (uint32_t i = 0; i < n; i++)
        if ((rc = load(s, names[i], e)) == 0)
            return 0;
    return rc;
}

static const struct {
    int (*run)(struct startup *s, struct err *e);
    int exit;
} checks[] = {
    {check_schema, EXIT_SCHEMA},
    {check_redis, EXIT_REDIS},
    {check_snapshot, EXIT_SNAPSHOT},
};

static bool is_reason(const struct err *e, const char *reason)
{
    return strcmp(e->reason, reason) == 0;
}

/* Nobody but an operator can help, and that ends the process anyway. */
static bool is_final(const struct err *e)
{
    return is_reason(e, "SCHEMA_NEWER") || is_reason(e, "SCHEMA_CHANGED") ||
           is_reason(e, "DATABASE_TOO_OLD");
}

static int exit_of(int exit, const struct err *e)
{
    const bool is_schema = e->code == ERR_PRECONDITION && !is_reason(e, "DATABASE_TOO_OLD");
    return exit == EXIT_SCHEMA && !is_schema ? EXIT_DATABASE : exit;
}

static int look(struct startup *s, int *ret_exit, struct err *e)
{
    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        *e = (struct err){.code = ERR_NONE};
        if (checks[i].run(s, e) == 0)
            continue;
        *ret_exit = exit_of(checks[i].exit, e);
        return -1;
    }
    return 0;
}

/* --- the thread --- */

static void set_state(struct startup *s, enum startup_state state, const struct err *why, int code)
{
    pthread_mutex_lock(&s->lock);
    s->state = state;
    s->why = *why;
    s->exit = code;
    pthread_mutex_unlock(&s->lock);
}

static void pause_until(struct startup *s, int64_t until)
{
    pthread_mutex_lock(&s->lock);
    while (!atomic_load(&s->ends) && clock_ns() < until)
        clock_cond_wait(&s->wake, &s->lock, until);
    pthread_mutex_unlock(&s->lock);
}

static void *look_until_well(void *arg)
{
    struct startup *s = arg;
    enum startup_state state = STARTUP_WAITS;
    while (state == STARTUP_WAITS && !atomic_load(&s->ends)) {
        struct err e = {.code = ERR_NONE};
        int code = EXIT_OK;
        if (look(s, &code, &e) == 0)
            state = STARTUP_DONE;
        else if (is_final(&e) || clock_ns() >= s->until_ns)
            state = STARTUP_FAILED;
        set_state(s, state, &e, code);
        if (state == STARTUP_WAITS)
            pause_until(s, clock_ns() + CONFIG_NOW(s->app->config, probe_interval) * NS_PER_MS);
    }
    if (state == STARTUP_DONE)
        health_set(s->app->health, HEALTH_START, true, NULL);
    if (state != STARTUP_WAITS)
        kill(getpid(), STARTUP_SIGNAL);
    return NULL;
}

int startup_create(struct app *app, struct startup **ret, struct err *e)
{
    const struct config *g = app->config;
    struct startup *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    s->app = app;
    s->until_ns = clock_ns() + g->startup_timeout * NS_PER_MS;
    pthread_mutex_init(&s->lock, NULL);
    clock_cond_init(&s->wake);
    health_set(app->health, HEALTH_START, false, "No snapshot was loaded yet.");
    if (pg_create(g->database, &s->pg, e) < 0 ||
        redis_create(g->redis, (int)g->redis_timeout, &s->redis, e) < 0)
        goto fail;
    if (pthread_create(&s->thread, NULL, look_until_well, s) != 0) {
        err_set(e, ERR_EXHAUSTED, "NO_THREAD", "cannot start the start-up checks");
        goto fail;
    }
    s->started = true;
    *ret = s;
    return 0;
fail:
    startup_destroy(s);
    return -1;
}

void startup_destroy(struct startup *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->ends, true);
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    if (s->started) {
        pg_cancel(s->pg);
        pthread_join(s->thread, NULL);
    }
    pg_close(s->pg);
    redis_destroy(s->redis);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

enum startup_state startup_look(struct startup *s, struct err *e, int *ret_exit)
{
    pthread_mutex_lock(&s->lock);
    const enum startup_state state = s->state;
    *e = s->why;
    *ret_exit = s->exit;
    pthread_mutex_unlock(&s->lock);
    if (state != STARTUP_WAITS && s->started) {
        pthread_join(s->thread, NULL); /* it has nothing left to do */
        s->started = false;
    }
    return state;
}
