/* warm_keeper.c - a list, the longest unused last; there are as many entries as groups with rounds.
 */
#include "server/warm_keeper.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/metrics.h"

struct kept {
    struct kept *next;
    char *group;
    struct warm *warm;
    size_t bytes;
    int64_t until_ns;
};

struct warm_keeper {
    pthread_mutex_t lock; /* all below; nothing is freed under it */
    pthread_cond_t wake;
    struct kept *first; /* put last */
    bool stop;
    bool has_thread;
    pthread_t thread;
};

static void kept_destroy(struct kept *i)
{
    warm_destroy(i->warm);
    free(i->group);
    free(i);
}

static void list_destroy(struct kept *first)
{
    while (first != NULL) {
        struct kept *next = first->next;
        metric_add(METRIC_warm_bytes, 0, -(int64_t)first->bytes);
        kept_destroy(first);
        first = next;
    }
}

/* Under the lock: the entries from *at on for which none of the limits holds leave the list. */
static struct kept *cut(struct warm_keeper *k, int64_t max_bytes, int64_t now_ns)
{
    struct kept *out = NULL;
    int64_t bytes = 0;
    for (struct kept **at = &k->first; *at != NULL;) {
        struct kept *i = *at;
        bytes += (int64_t)i->bytes;
        if (bytes <= max_bytes && i->until_ns > now_ns) {
            at = &i->next;
            continue;
        }
        bytes -= (int64_t)i->bytes;
        *at = i->next;
        i->next = out;
        out = i;
    }
    return out;
}

/* Under the lock; NULL: there is none. */
static struct kept *unlink_group(struct warm_keeper *k, const char *group)
{
    for (struct kept **at = &k->first; *at != NULL; at = &(*at)->next) {
        struct kept *i = *at;
        if (strcmp(i->group, group) != 0)
            continue;
        *at = i->next;
        i->next = NULL;
        return i;
    }
    return NULL;
}

struct warm *warm_keeper_take(struct warm_keeper *k, const char *scaling_group)
{
    pthread_mutex_lock(&k->lock);
    struct kept *i = unlink_group(k, scaling_group);
    pthread_mutex_unlock(&k->lock);
    if (i == NULL)
        return NULL;
    struct warm *w = TAKE(i->warm);
    list_destroy(i);
    return w;
}

static struct kept *kept_create(const char *group, struct warm *w, int64_t keep_ms)
{
    struct kept *i = calloc(1, sizeof(*i));
    char *copy = strdup(group);
    if (i == NULL || copy == NULL)
        abort(); /* as an arena does */
    *i = (struct kept){
        .group = copy,
        .warm = w,
        .bytes = warm_bytes(w),
        .until_ns = clock_ns() + keep_ms * NS_PER_MS,
    };
    return i;
}

void warm_keeper_put(struct warm_keeper *k, const char *scaling_group, struct warm *w,
                     int64_t max_bytes, int64_t keep_ms)
{
    if (w == NULL)
        return;
    struct kept *fresh = kept_create(scaling_group, w, keep_ms);
    metric_add(METRIC_warm_bytes, 0, (int64_t)fresh->bytes);
    pthread_mutex_lock(&k->lock);
    struct kept *other = unlink_group(k, scaling_group); /* two rounds without leases */
    fresh->next = k->first;
    k->first = fresh;
    struct kept *out = cut(k, max_bytes, clock_ns());
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
    list_destroy(other);
    list_destroy(out);
}

/* --- the thread --- */

static int64_t first_end(const struct warm_keeper *k, int64_t none)
{
    int64_t end = none;
    for (const struct kept *i = k->first; i != NULL; i = i->next)
        end = i->until_ns < end ? i->until_ns : end;
    return end;
}

static void *watch(void *ctx)
{
    struct warm_keeper *k = ctx;
    pthread_mutex_lock(&k->lock);
    while (!k->stop) {
        struct kept *out = cut(k, INT64_MAX, clock_ns());
        if (out != NULL) {
            pthread_mutex_unlock(&k->lock);
            list_destroy(out);
            pthread_mutex_lock(&k->lock);
            continue;
        }
        clock_cond_wait(&k->wake, &k->lock, first_end(k, clock_ns() + NS_PER_S * 3600));
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

int warm_keeper_create(struct warm_keeper **ret, struct err *e)
{
    struct warm_keeper *k = calloc(1, sizeof(*k));
    if (k == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    pthread_mutex_init(&k->lock, NULL);
    clock_cond_init(&k->wake);
    if (pthread_create(&k->thread, NULL, watch, k) != 0) {
        warm_keeper_destroy(k);
        return err_set(e, ERR_EXHAUSTED, "NO_THREAD", "a thread cannot be started");
    }
    k->has_thread = true;
    *ret = k;
    return 0;
}

void warm_keeper_destroy(struct warm_keeper *k)
{
    if (k == NULL)
        return;
    pthread_mutex_lock(&k->lock);
    k->stop = true;
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
    if (k->has_thread)
        pthread_join(k->thread, NULL);
    list_destroy(k->first);
    pthread_cond_destroy(&k->wake);
    pthread_mutex_destroy(&k->lock);
    free(k);
}
