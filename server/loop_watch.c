/* loop_watch.c - looks at all groups every loop_hint_interval. */
#include "server/loop_watch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "repo/group_watch.h"
#include "server/clock.h"
#include "server/config.h"
#include "server/log.h"
#include "server/loop_internal.h"

enum {
    LOOK_MS = 10000,  /* longest look at the database */
    SOONEST_PARTS = 4 /* of the hint interval: the least time between two looks */
};

struct loop_watch {
    struct loop *loop;
    struct pg *pg;
    struct arena *arena; /* of one look */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_bool ends;
    bool wanted; /* a look is wanted before its time */
    pthread_t thread;
    bool started;
};

/* --- the table of groups --- */

static struct loop_times times_of(const struct config *c)
{
    return (struct loop_times){
        .interval_ns = c->loop_interval * NS_PER_MS,
        .hint_ns = c->loop_hint_interval * NS_PER_MS,
        .backoff_ns = c->loop_backoff * NS_PER_MS,
    };
}

/* Takes the listed groups over into the table; what is no longer there goes, at once or when its
 * round has ended. */
static void merge(struct loop *l, const struct watched_group *list, uint32_t n)
{
    const int64_t now = clock_ns();
    struct loop_group **groups = calloc((size_t)n + 1, sizeof(struct loop_group *));
    if (groups == NULL)
        abort(); /* out of memory */
    pthread_mutex_lock(&l->lock);
    for (uint32_t i = 0; i < l->n_groups; i++)
        l->groups[i]->listed = false;
    for (uint32_t i = 0; i < n; i++) {
        const struct loop_times times = times_of(l->config);
        struct loop_group *g = loop_find(l, list[i].name);
        if (g == NULL)
            g = loop_group_create(list[i].name, &times, now);
        g->times = times;
        g->listed = true;
        groups[i] = g;
    }
    for (uint32_t i = 0; i < l->n_groups; i++)
        if (!l->groups[i]->listed && !l->groups[i]->running)
            loop_group_destroy(l->groups[i]);
    free(l->groups);
    l->groups = groups;
    l->n_groups = n;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

/* --- looking --- */

static int read_groups(struct loop_watch *w, struct watched_group **ret, uint32_t *ret_n,
                       struct err *e)
{
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    pg_deadline(w->pg, clock_ns() + LOOK_MS * NS_PER_MS);
    if (atomic_load(&w->ends)) /* its pg_cancel() may have come before */
        return err_set(e, ERR_CANCELLED, "DRAINING", "the server is shutting down");
    if (txn_begin(w->pg, TXN_READ_SNAPSHOT, &t, e) < 0 ||
        group_watch_list(t, LOOP_GROUPS, w->arena, ret, ret_n, e) < 0)
        return -1;
    return txn_commit(&t, e);
}

static void look(struct loop_watch *w)
{
    struct err e = {.code = ERR_NONE};
    struct watched_group *list;
    uint32_t n;
    arena_reset(w->arena);
    if (read_groups(w, &list, &n, &e) < 0)
        log_err(LOG_DEBUG, "the loop cannot look at the groups; it tries again", &e, NULL, 0);
    else
        merge(w->loop, list, n);
}

/* --- the thread --- */

static void *look_again(void *arg)
{
    struct loop_watch *w = arg;
    pthread_mutex_lock(&w->lock);
    while (!atomic_load(&w->ends)) {
        w->wanted = false;
        pthread_mutex_unlock(&w->lock);
        look(w);
        pthread_mutex_lock(&w->lock);
        const int64_t span = w->loop->config->loop_hint_interval * NS_PER_MS;
        const int64_t seen = clock_ns();
        for (int64_t until = seen + span; !atomic_load(&w->ends) && clock_ns() < until;
             until = w->wanted ? seen + span / SOONEST_PARTS : seen + span)
            clock_cond_wait(&w->wake, &w->lock, until);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int loop_watch_create(struct loop *l, struct loop_watch **ret, struct err *e)
{
    struct loop_watch *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    w->loop = l;
    w->arena = arena_create();
    pthread_mutex_init(&w->lock, NULL);
    clock_cond_init(&w->wake);
    if (pg_create(l->config->database, &w->pg, e) < 0)
        goto fail;
    if (pthread_create(&w->thread, NULL, look_again, w) != 0) {
        err_set(e, ERR_EXHAUSTED, "NO_THREAD", "cannot start the loop's watch");
        goto fail;
    }
    w->started = true;
    *ret = w;
    return 0;
fail:
    loop_watch_destroy(w);
    return -1;
}

void loop_watch_now(struct loop_watch *w)
{
    pthread_mutex_lock(&w->lock);
    w->wanted = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

void loop_watch_destroy(struct loop_watch *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    atomic_store(&w->ends, true);
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    if (w->started) {
        pg_cancel(w->pg);
        pthread_join(w->thread, NULL);
    }
    pg_close(w->pg);
    arena_destroy(w->arena);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
