/* loop.c - the table of groups and the thread that begins rounds. */
#include "server/loop_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "server/clock.h"
#include "server/config.h"
#include "server/log.h"
#include "server/loop_watch.h"
#include "server/metrics.h"

/* --- the table --- */

static int compare_name(const void *name, const void *group)
{
    return strcmp(name, (*(struct loop_group *const *)group)->name);
}

struct loop_group *loop_find(struct loop *l, const char *name)
{
    if (l->n_groups == 0)
        return NULL;
    struct loop_group **at =
        bsearch(name, l->groups, l->n_groups, sizeof(struct loop_group *), compare_name);
    return at != NULL ? *at : NULL;
}

uint64_t loop_random(struct loop *l)
{
    l->random ^= l->random << 13;
    l->random ^= l->random >> 7;
    l->random ^= l->random << 17;
    return l->random;
}

/* --- beginning rounds --- */

/* Slow groups leave one worker to the others. */
static bool may_begin(const struct loop *l, const struct loop_group *g)
{
    const unsigned n = (unsigned)l->config->loop_rounds;
    return l->n_runs < n && (!g->is_slow || n == 1 || l->n_slow < n - 1);
}

/* The group that is due first among those that may begin; NULL: none may. */
static struct loop_group *first_due(const struct loop *l)
{
    struct loop_group *first = NULL;
    int64_t due = INT64_MAX;
    for (uint32_t i = 0; i < l->n_groups; i++) {
        const int64_t next = loop_group_next(l->groups[i]);
        if (next < due && may_begin(l, l->groups[i])) {
            due = next;
            first = l->groups[i];
        }
    }
    return first;
}

static void begin(struct loop *l, struct loop_group *g, int64_t now)
{
    struct err e = {.code = ERR_NONE};
    struct loop_run *run = calloc(1, sizeof(*run));
    if (run == NULL)
        abort(); /* out of memory */
    *run = (struct loop_run){.job = {.run = loop_round_run},
                             .loop = l,
                             .group = g,
                             .counts_slow = g->is_slow,
                             .seen = g->seen,
                             .next = l->runs};
    loop_group_begin(g, now);
    l->runs = run;
    l->n_runs++;
    l->n_slow += run->counts_slow;
    if (executors_submit(l->workers, &run->job, &e) < 0)
        abort(); /* may_begin() never lets more rounds begin than there are workers */
}

static void *turn(void *arg)
{
    struct loop *l = arg;
    pthread_mutex_lock(&l->lock);
    while (!atomic_load(&l->drains)) {
        struct loop_group *g = first_due(l);
        const int64_t now = clock_ns();
        if (g == NULL)
            pthread_cond_wait(&l->wake, &l->lock);
        else if (loop_group_next(g) <= now)
            begin(l, g, now);
        else
            clock_cond_wait(&l->wake, &l->lock, loop_group_next(g));
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static void remove_run(struct loop *l, struct loop_run *run)
{
    struct loop_run **at = &l->runs;
    while (*at != run)
        at = &(*at)->next;
    *at = run->next;
    l->n_runs--;
    l->n_slow -= run->counts_slow;
}

void loop_run_ended(struct loop_run *run, enum loop_end end)
{
    struct loop *l = run->loop;
    pthread_mutex_lock(&l->lock);
    remove_run(l, run);
    loop_group_end(run->group, end, clock_ns(), loop_random(l));
    if (run->untold)
        loop_group_hint(run->group); /* counts after the pause, where the round failed */
    if (!run->group->listed) {
        metrics_group_forget(run->group->name);
        loop_group_destroy(run->group);
    }
    pthread_cond_signal(&l->wake);
    pthread_cond_broadcast(&l->idle);
    pthread_mutex_unlock(&l->lock);
    free(run);
}

void loop_hint(struct loop *l, const char *group)
{
    if (l == NULL)
        return;
    pthread_mutex_lock(&l->lock);
    struct loop_group *g = loop_find(l, group);
    if (g != NULL) {
        loop_group_hint(g);
        pthread_cond_signal(&l->wake);
    }
    pthread_mutex_unlock(&l->lock);
    if (g == NULL)
        loop_watch_now(l->watch);
}

const char *loop_failure(struct loop *l, const char *group, struct arena *a)
{
    const char *why = NULL;
    if (l == NULL)
        return NULL;
    pthread_mutex_lock(&l->lock);
    const struct loop_group *g = loop_find(l, group);
    if (g != NULL && loop_group_is_failing(g))
        why = arena_printf(a, "%s%s", g->by_policy ? "" : "Rounds of the group fail: ", g->why);
    pthread_mutex_unlock(&l->lock);
    return why;
}

/* --- making and ending --- */

static int start_threads(struct loop *l, struct err *e)
{
    const struct config *c = l->config;
    const struct executors_options o = {.threads = (unsigned)c->loop_rounds,
                                        .queue = (unsigned)c->loop_rounds,
                                        .database = c->database,
                                        .redis = c->redis,
                                        .redis_timeout_ms = (int)c->redis_timeout};
    if (executors_create(&o, &l->workers, e) < 0)
        return -1;
    if (pthread_create(&l->thread, NULL, turn, l) != 0)
        return err_set(e, ERR_EXHAUSTED, "NO_THREAD", "cannot start the loop's thread");
    l->started = true;
    return loop_watch_create(l, &l->watch, e);
}

int loop_create(const struct config *c, struct round_service *rounds, struct hub *hub,
                struct loop **ret, struct err *e)
{
    struct loop *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    l->config = c;
    l->rounds = rounds;
    l->hub = hub;
    atomic_store(&l->until, INT64_MAX);
    pthread_mutex_init(&l->lock, NULL);
    clock_cond_init(&l->wake);
    clock_cond_init(&l->idle);
    if (getentropy(&l->random, sizeof(l->random)) != 0 || l->random == 0)
        l->random = 1;
    if (start_threads(l, e) < 0) {
        loop_destroy(l);
        return -1;
    }
    *ret = l;
    return 0;
}

void loop_drain(struct loop *l, int64_t until_ns)
{
    if (l == NULL)
        return;
    pthread_mutex_lock(&l->lock);
    atomic_store(&l->drains, true);
    atomic_store(&l->until, until_ns);
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

static void await_runs(struct loop *l)
{
    pthread_mutex_lock(&l->lock);
    const int64_t until = atomic_load(&l->until);
    while (l->n_runs > 0 && clock_ns() < until)
        clock_cond_wait(&l->idle, &l->lock, until);
    for (struct loop_run *r = l->runs; r != NULL; r = r->next)
        executors_cancel(l->workers, &r->job);
    while (l->n_runs > 0)
        pthread_cond_wait(&l->idle, &l->lock);
    pthread_mutex_unlock(&l->lock);
}

void loop_destroy(struct loop *l)
{
    if (l == NULL)
        return;
    if (!atomic_load(&l->drains))
        loop_drain(l, 0);
    loop_watch_destroy(l->watch);
    if (l->started)
        pthread_join(l->thread, NULL);
    await_runs(l);
    executors_destroy(l->workers);
    for (uint32_t i = 0; i < l->n_groups; i++)
        loop_group_destroy(l->groups[i]);
    free(l->groups);
    pthread_cond_destroy(&l->idle);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
