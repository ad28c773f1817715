/* lease_keeper.c - the watchdog of leases. */
#include "server/lease_keeper.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/log.h"
#include "server/metrics.h"

struct lease_keeper {
    struct redis *redis; /* the thread's */
    int ttl_ms;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t wake;
    struct kept_lease *first;
    bool stop;
    bool has_thread;
    pthread_t thread;
};

static int64_t renewal_ns(const struct lease_keeper *k)
{
    return k->ttl_ms * NS_PER_MS / 3;
}

/* The lease that is due first; NULL: none is kept. Under k->lock. */
static struct kept_lease *next_due(const struct lease_keeper *k)
{
    struct kept_lease *due = k->first;
    for (struct kept_lease *l = k->first; l != NULL; l = l->next)
        if (l->renew_ns < due->renew_ns)
            due = l;
    return due;
}

static bool is_kept(const struct lease_keeper *k, const struct kept_lease *l, const char *token)
{
    for (const struct kept_lease *i = k->first; i != NULL; i = i->next)
        if (i == l && strcmp(i->lease.token, token) == 0)
            return true;
    return false;
}

/* Gives up the lock while it talks to Redis; a lease dropped meanwhile is renewed in vain. */
static void renew(struct lease_keeper *k, struct kept_lease *l)
{
    struct err e = {.code = ERR_NONE};
    struct lease copy = l->lease;
    l->renew_ns = clock_ns() + renewal_ns(k);
    pthread_mutex_unlock(&k->lock);
    int rc = lease_renew(k->redis, &copy, k->ttl_ms, &e);
    pthread_mutex_lock(&k->lock);
    if (rc == 0 || !is_kept(k, l, copy.token))
        return;
    log_err(LOG_WARN, "the lease of a running round was not renewed; its epoch protects it", &e,
            LOG_FIELDS(LOG_STR("lease", copy.key)));
    bool lost = e.code == ERR_CONFLICT;
    if (lost)
        l->renew_ns = INT64_MAX; /* somebody else's now */
    metric_add(METRIC_lease_total, lost ? METRIC_LEASE_LOST : METRIC_LEASE_RENEW_FAILED, 1);
}

static void *run(void *arg)
{
    struct lease_keeper *k = arg;
    pthread_mutex_lock(&k->lock);
    while (!k->stop) {
        struct kept_lease *due = next_due(k);
        if (due == NULL || due->renew_ns == INT64_MAX)
            pthread_cond_wait(&k->wake, &k->lock);
        else if (due->renew_ns > clock_ns())
            clock_cond_wait(&k->wake, &k->lock, due->renew_ns);
        else
            renew(k, due);
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

int lease_keeper_create(const char *redis, int redis_timeout_ms, int ttl_ms,
                        struct lease_keeper **ret, struct err *e)
{
    struct lease_keeper *k = calloc(1, sizeof(*k));
    if (k == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    k->ttl_ms = ttl_ms;
    pthread_mutex_init(&k->lock, NULL);
    clock_cond_init(&k->wake);
    if (redis_create(redis, redis_timeout_ms, &k->redis, e) < 0)
        goto fail;
    int error = pthread_create(&k->thread, NULL, run, k);
    if (error != 0) {
        err_set(e, ERR_EXHAUSTED, "NO_THREAD", "cannot start the thread that renews leases");
        err_detail(e, "pthread_create: %s", strerrordesc_np(error));
        goto fail;
    }
    k->has_thread = true;
    *ret = k;
    return 0;
fail:
    lease_keeper_destroy(k);
    return -1;
}

void lease_keeper_destroy(struct lease_keeper *k)
{
    if (k == NULL)
        return;
    pthread_mutex_lock(&k->lock);
    k->stop = true;
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
    if (k->has_thread)
        pthread_join(k->thread, NULL);
    redis_destroy(k->redis);
    pthread_cond_destroy(&k->wake);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

int lease_keeper_ttl_ms(const struct lease_keeper *k)
{
    return k->ttl_ms;
}

void lease_keeper_keep(struct lease_keeper *k, struct kept_lease *l)
{
    pthread_mutex_lock(&k->lock);
    l->renew_ns = clock_ns() + renewal_ns(k);
    l->next = k->first;
    k->first = l;
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
    metric_add(METRIC_leases_held, 0, 1);
}

void lease_keeper_drop(struct lease_keeper *k, struct kept_lease *l)
{
    pthread_mutex_lock(&k->lock);
    for (struct kept_lease **at = &k->first; *at != NULL; at = &(*at)->next) {
        if (*at == l) {
            *at = l->next;
            break;
        }
    }
    pthread_mutex_unlock(&k->lock);
    metric_add(METRIC_leases_held, 0, -1);
}
