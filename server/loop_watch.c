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
#include "server/metrics.h"

enum {
    LOOK_MS = 10000,   /* longest look at the database */
    SOONEST_PARTS = 4, /* of the time between two looks: the least, when one is wanted */
    LOOK_SHARE = 20    /* looks are so many times their own length apart */
};

struct loop_watch {
    struct loop *loop;
    struct pg *pg;
    struct arena *arena; /* of one look */
    char snapshot[1024]; /* of the last look; "": none */
    uint64_t generation; /* of the settings at the last look */
    int64_t shortest_ns; /* hint interval of any group at the last look */
    int64_t ended;       /* when the last session had ended then */
    bool had_more;       /* groups than the table takes */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_bool ends;
    bool wanted; /* a look is wanted before its time */
    pthread_t thread;
    bool started;
};

/* --- the table of groups --- */

#define NS_PER_US 1000

static int64_t own_or(int64_t own_us, int64_t ms)
{
    return own_us > 0 ? own_us * NS_PER_US : ms * NS_PER_MS;
}

static struct loop_times times_of(const struct config *c, const struct watched_group *seen)
{
    return (struct loop_times){
        .interval_ns = own_or(seen->interval_us, c->loop_interval),
        .hint_ns = own_or(seen->hint_interval_us, c->loop_hint_interval),
        .backoff_ns = c->loop_backoff * NS_PER_MS,
    };
}

static bool has_changed(const struct loop_group *g, const struct watched_group *seen,
                        bool session_ended)
{
    if (seen->key != g->seen.key)
        return true;
    return seen->pending > 0 &&
           (seen->mark != g->seen.mark || (session_ended && seen->has_blocked));
}

static struct loop_seen seen_of(const struct watched_group *seen)
{
    return (struct loop_seen){
        .key = seen->key, .mark = seen->mark, .is_unwell = seen->health != GROUP_HEALTHY};
}

/* A change is answered at once by the replica that ran the last round, and by others only when it
 * seems to be gone. */
static int64_t answer_from(struct loop *l, const struct loop_group *g,
                           const struct watched_group *seen, int64_t now)
{
    if (seen->epoch == 0 || seen->epoch == g->own_epoch)
        return now;
    return now + g->times.hint_ns / 2 +
           (int64_t)(loop_random(l) % ((uint64_t)g->times.hint_ns / 2 + 1));
}

static void update(struct loop_watch *w, struct loop_group *g, const struct watched_group *seen,
                   const struct group_look *look, int64_t now)
{
    if (seen->key != g->seen.key)
        loop_group_forgive(g, now);
    if (has_changed(g, seen, look->ended != w->ended))
        loop_group_change(g, look->now, answer_from(w->loop, g, seen, now));
    g->seen = seen_of(seen);
    if (seen->round_start != TIME_NONE)
        loop_group_see_round(g, seen->round_start, look->now, now);
}

static struct loop_group *new_group(const struct watched_group *seen, const struct loop_times *t,
                                    int64_t now)
{
    struct loop_group *g = loop_group_create(seen->name, t, now);
    g->seen = seen_of(seen);
    return g;
}

/* Takes what was seen over into the table; a group that is no longer there goes, at once or when
 * its round has ended. */
static void merge(struct loop_watch *w, const struct config *c, const struct group_look *look)
{
    struct loop *l = w->loop;
    const int64_t now = clock_ns();
    struct loop_group **groups = calloc((size_t)look->n_groups + 1, sizeof(struct loop_group *));
    if (groups == NULL)
        abort(); /* out of memory */
    for (uint32_t i = 0; i < l->n_groups; i++)
        l->groups[i]->listed = false;
    for (uint32_t i = 0; i < look->n_groups; i++) {
        const struct watched_group *seen = &look->groups[i];
        const struct loop_times times = times_of(c, seen);
        struct loop_group *g = loop_find(l, seen->name);
        if (g == NULL)
            g = new_group(seen, &times, now);
        else
            update(w, g, seen, look, now);
        g->times = times;
        if (times.hint_ns < w->shortest_ns)
            w->shortest_ns = times.hint_ns;
        g->listed = true;
        groups[i] = g;
    }
    for (uint32_t i = 0; i < l->n_groups; i++)
        if (!l->groups[i]->listed && !l->groups[i]->running) {
            metrics_group_forget(l->groups[i]->name);
            loop_group_destroy(l->groups[i]);
        }
    free(l->groups);
    l->groups = groups;
    l->n_groups = look->n_groups;
}

static void take_over(struct loop_watch *w, const struct group_look *look)
{
    struct loop *l = w->loop;
    const struct config *c = config_take(l->config);
    pthread_mutex_lock(&l->lock);
    l->look_us = look->now;
    if (!look->is_same) {
        w->shortest_ns = c->loop_hint_interval * NS_PER_MS;
        merge(w, c, look);
        w->ended = look->ended;
    }
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    config_release(c);
    if (look->has_more && !w->had_more)
        log_warn("there are more scaling groups than the loop can look after",
                 LOG_NUM("groups", LOOP_GROUPS));
    w->had_more = look->has_more;
}

/* --- looking --- */

static int read_groups(struct loop_watch *w, struct group_look *ret, struct err *e)
{
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    pg_deadline(w->pg, clock_ns() + LOOK_MS * NS_PER_MS);
    if (atomic_load(&w->ends)) /* its pg_cancel() may have come before */
        return err_set(e, ERR_CANCELLED, "DRAINING", "the server is shutting down");
    if (txn_begin(w->pg, TXN_READ_SNAPSHOT, &t, e) < 0 ||
        group_watch_look(t, *w->snapshot != '\0' ? w->snapshot : NULL, LOOP_GROUPS, w->arena, ret,
                         e) < 0)
        return -1;
    return txn_commit(&t, e);
}

/* A snapshot of very many transactions is not remembered: the next look is a full one. */
static void remember(struct loop_watch *w, const char *snapshot)
{
    const size_t len = strlen(snapshot);
    w->snapshot[0] = '\0';
    if (len < sizeof(w->snapshot))
        memcpy(w->snapshot, snapshot, len + 1);
}

static void look(struct loop_watch *w)
{
    struct err e = {.code = ERR_NONE};
    struct group_look seen = {.snapshot = ""};
    const uint64_t generation = config_generation(w->loop->config);
    arena_reset(w->arena);
    if (generation != w->generation)
        w->snapshot[0] = '\0'; /* the times of all groups are set anew */
    w->generation = generation;
    if (read_groups(w, &seen, &e) < 0) {
        w->snapshot[0] = '\0';
        log_err(LOG_DEBUG, "the loop cannot look at the groups; it tries again", &e, NULL, 0);
        return;
    }
    take_over(w, &seen);
    remember(w, seen.snapshot);
}

/* --- the thread --- */

/* Until the next look. One that took long is not repeated soon: the database spends at most a
 * twentieth of one backend's time on them. */
static int64_t span_of(const struct loop_watch *w, int64_t took_ns)
{
    const int64_t span = w->shortest_ns;
    return span > took_ns * LOOK_SHARE ? span : took_ns * LOOK_SHARE;
}

/* One may have become wanted while the last one ran. */
static int64_t next_look(const struct loop_watch *w, int64_t seen, int64_t span)
{
    return seen + (w->wanted ? span / SOONEST_PARTS : span);
}

static void *look_again(void *arg)
{
    struct loop_watch *w = arg;
    pthread_mutex_lock(&w->lock);
    while (!atomic_load(&w->ends)) {
        w->wanted = false;
        const int64_t begun = clock_ns();
        pthread_mutex_unlock(&w->lock);
        look(w);
        metric_observe(METRIC_loop_look_seconds, 0, clock_ns() - begun);
        pthread_mutex_lock(&w->lock);
        const int64_t seen = clock_ns();
        const int64_t span = span_of(w, seen - begun);
        while (!atomic_load(&w->ends) && clock_ns() < next_look(w, seen, span))
            clock_cond_wait(&w->wake, &w->lock, next_look(w, seen, span));
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
    w->ended = TIME_NONE;
    w->shortest_ns = CONFIG_NOW(l->config, loop_hint_interval) * NS_PER_MS;
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
