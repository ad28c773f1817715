/* probe.c - one thread, two connections, two questions. */
#include "server/probe.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "repo/db_clock.h"
#include "repo/migrate.h"
#include "repo/redis.h"
#include "server/clock.h"
#include "server/config.h"
#include "server/health.h"
#include "server/log.h"
#include "server/metrics.h"

enum {
    LOOK_MS = 5000, /* longest look at the database */
    US_PER_S = 1000000,
    US_PER_MS = 1000,
    NS_PER_US = 1000
};

struct probe {
    struct health *health;
    struct pg *pg;
    struct redis *redis;
    const struct config *config;
    bool clock_good;         /* at the last look */
    bool redis_good;         /* at the last look */
    atomic_bool schema_good; /* at the last look */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool ends;
    pthread_t thread;
    bool started;
};

/* One line in the log when it goes wrong, not one a look: health logs changes of the sentence. */
static void tell(struct probe *p, enum health_part part, bool well, const struct err *e)
{
    char why[512] = "";
    if (!well)
        snprintf(why, sizeof(why), "%s%s%s", e->message, e->detail[0] != '\0' ? " " : "",
                 e->detail);
    health_set(p->health, part, well, why);
}

static int64_t own_clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * US_PER_S + t.tv_nsec / NS_PER_US;
}

/* Warns once when the clocks part, and says when they meet again. Only people are misled by it:
 * logs have this machine's time, rows the database's. */
static void compare_clocks(struct probe *p)
{
    struct err e = {.code = ERR_NONE};
    const int64_t before = own_clock_us();
    int64_t theirs = 0;
    if (db_clock_read(p->pg, &theirs, &e) < 0)
        return;
    const int64_t after = own_clock_us();
    /* what the way there and back may account for is no difference */
    const int64_t ahead = theirs > after ? theirs - after : theirs < before ? theirs - before : 0;
    const int64_t bound_us = CONFIG_NOW(p->config, max_clock_difference) * US_PER_MS;
    const bool good = ahead <= bound_us && ahead >= -bound_us;
    metric_set(METRIC_clock_difference_seconds, 0, ahead * NS_PER_US);
    if (!good && p->clock_good)
        log_warn("the clocks of the database and of this machine differ; decisions go by the "
                 "database's",
                 LOG_NUM("database_is_ahead_ms", ahead / US_PER_MS));
    else if (good && !p->clock_good)
        log_info("the clocks of the database and of this machine agree again",
                 LOG_NUM("database_is_ahead_ms", ahead / US_PER_MS));
    p->clock_good = good;
}

static void look(struct probe *p)
{
    struct err e = {.code = ERR_NONE};
    pg_deadline(p->pg, clock_ns() + LOOK_MS * NS_PER_MS);
    bool good = migrate_check(p->pg, &e) == 0;
    atomic_store(&p->schema_good, good);
    tell(p, HEALTH_DATABASE, good, &e);
    if (good)
        compare_clocks(p);
    e = (struct err){.code = ERR_NONE};
    good = redis_ping(p->redis, &e) == 0;
    /* rounds run without it: then its absence takes nobody out of service */
    const bool spares_redis = CONFIG_NOW(p->config, schedule_without_redis);
    tell(p, HEALTH_REDIS, good || spares_redis, &e);
    if (spares_redis && p->redis_good && !good)
        log_err(LOG_WARN, "Redis is away; rounds run under their epoch alone", &e, NULL, 0);
    else if (spares_redis && !p->redis_good && good)
        log_info("Redis is back", LOG_STR("address", p->config->redis));
    p->redis_good = good;
}

static void *look_again(void *arg)
{
    struct probe *p = arg;
    pthread_mutex_lock(&p->lock);
    int64_t next = clock_ns() + CONFIG_NOW(p->config, probe_interval) * NS_PER_MS;
    while (!p->ends) {
        if (clock_ns() < next) {
            clock_cond_wait(&p->wake, &p->lock, next);
            continue;
        }
        pthread_mutex_unlock(&p->lock);
        look(p);
        pthread_mutex_lock(&p->lock);
        next = clock_ns() + CONFIG_NOW(p->config, probe_interval) * NS_PER_MS;
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

int probe_create(const struct config *g, struct health *h, struct probe **ret, struct err *e)
{
    struct probe *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    p->health = h;
    p->config = g;
    p->redis_good = true;
    p->clock_good = true;
    pthread_mutex_init(&p->lock, NULL);
    clock_cond_init(&p->wake);
    if (pg_create(g->database, &p->pg, e) < 0 ||
        redis_create(g->redis, (int)g->redis_timeout, &p->redis, e) < 0)
        goto fail;
    look(p);
    if (pthread_create(&p->thread, NULL, look_again, p) != 0) {
        err_set(e, ERR_EXHAUSTED, "NO_THREAD", "cannot start the probe thread");
        goto fail;
    }
    p->started = true;
    *ret = p;
    return 0;
fail:
    probe_destroy(p);
    return -1;
}

void probe_destroy(struct probe *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->ends = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    if (p->started) {
        pg_cancel(p->pg);
        pthread_join(p->thread, NULL);
    }
    pg_close(p->pg);
    redis_destroy(p->redis);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

int probe_require(struct probe *p, struct pg *pg, struct err *e)
{
    if (atomic_load(&p->schema_good))
        return 0;
    if (migrate_check(pg, e) < 0)
        return -1;
    atomic_store(&p->schema_good, true);
    return 0;
}
