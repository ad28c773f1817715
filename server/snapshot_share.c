/* snapshot_share.c - taking, waiting, loading. What is kept is snapshot_share_keep.c's. */
#include "server/snapshot_share.h"

#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/metrics.h"
#include "server/snapshot_share_internal.h"

/* --- one snapshot --- */

static void hold(struct shared_snapshot *s)
{
    atomic_fetch_add(&s->refs, 1);
}

void shared_release(struct shared_snapshot *s)
{
    if (s == NULL || atomic_fetch_sub(&s->refs, 1) > 1)
        return;
    derived_finish(s);
    warm_destroy(s->is.warm);
    arena_destroy(s->arena);
    free(s->spec_used);
    free(s);
}

const struct snapshot *shared_snapshot(const struct shared_snapshot *s)
{
    return s->is.snapshot;
}

int shared_policy(const struct shared_snapshot *s, const struct policy **ret, struct err *e)
{
    if (s->is.policy == NULL) {
        *e = s->is.policy_err;
        return -1;
    }
    *ret = s->is.policy;
    return 0;
}

int64_t shared_read_ns(const struct shared_snapshot *s)
{
    return s->read_ns;
}

static uint32_t find_spec(const struct newest_snapshot *is, const struct snapshot_spec *spec)
{
    for (uint32_t i = 0; i < is->n_specs; i++)
        if (spec_equal(&is->specs[i].spec, spec))
            return i;
    return NONE;
}

const struct snapshot_spec_owners *shared_spec(const struct shared_snapshot *s,
                                               const struct snapshot_spec *spec)
{
    uint32_t i = find_spec(&s->is, spec);
    if (i == NONE)
        return NULL;
    atomic_store(&s->spec_used[i], true);
    return &s->is.specs[i].found;
}

/* --- entries; all of this under the lock --- */

static struct entry *entry_find(const struct snapshot_share *x, const char *group)
{
    struct entry *n = x->entries;
    while (n != NULL && strcmp(n->group, group) != 0)
        n = n->next;
    return n;
}

static struct entry *entry_of(struct snapshot_share *x, const char *group)
{
    struct entry *n = entry_find(x, group);
    if (n != NULL)
        return n;
    n = calloc(1, sizeof(*n));
    char *copy = strdup(group);
    if (n == NULL || copy == NULL)
        abort(); /* as an arena does */
    n->group = copy;
    n->next = x->entries;
    x->entries = n;
    return n;
}

static bool is_good(const struct shared_snapshot *s, int64_t oldest_ns,
                    const struct snapshot_spec *spec)
{
    return s != NULL && s->read_ns >= oldest_ns &&
           (spec == NULL || find_spec(&s->is, spec) != NONE);
}

static void add_spec(const struct snapshot_spec **specs, uint32_t *n,
                     const struct snapshot_spec *more)
{
    for (uint32_t i = 0; i < *n; i++)
        if (spec_equal(specs[i], more))
            return;
    if (*n < SPECS_MAX)
        specs[(*n)++] = more;
}

/* The specs a load is to find: the loader's own, those that wait, and those used lately. */
static uint32_t list_specs(const struct entry *n, const struct snapshot_spec *own,
                           const struct snapshot_spec **specs)
{
    uint32_t count = 0;
    if (own != NULL)
        add_spec(specs, &count, own);
    for (const struct waiter *w = n->waiters; w != NULL; w = w->next)
        if (w->spec != NULL)
            add_spec(specs, &count, w->spec);
    for (uint32_t i = 0; n->current != NULL && i < n->current->is.n_specs; i++)
        if (atomic_load(&n->current->spec_used[i]))
            add_spec(specs, &count, &n->current->is.specs[i].spec);
    return count;
}

/* --- loading --- */

/* Copies: the waiters may leave while it is loaded. */
static struct snapshot_query query_of(const struct entry *n, const struct snapshot_spec *own,
                                      struct arena *a)
{
    const struct snapshot_spec *specs[SPECS_MAX];
    uint32_t count = list_specs(n, own, specs);
    struct snapshot_spec *copies = arena_new(a, struct snapshot_spec, count);
    for (uint32_t i = 0; i < count; i++)
        copies[i] = spec_copy(specs[i], a);
    return (struct snapshot_query){
        .scaling_group = arena_strdup(a, n->group), .specs = copies, .n_specs = count};
}

static struct shared_snapshot *load(const struct snapshot_source *from,
                                    const struct snapshot_query *q, struct arena *a, struct err *e)
{
    struct shared_snapshot *s = calloc(1, sizeof(*s));
    if (s == NULL)
        abort();
    s->arena = a;
    derived_init(s);
    s->read_ns = clock_ns(); /* the transaction begins later */
    atomic_store(&s->refs, 1);
    if (snapshot_newest(from, q, a, &s->is, e) < 0) {
        shared_release(s);
        return NULL;
    }
    atomic_store(&s->bytes, arena_used(a) + warm_bytes(s->is.warm));
    s->spec_used = calloc((size_t)s->is.n_specs + 1, sizeof(*s->spec_used));
    if (s->spec_used == NULL)
        abort();
    return s;
}

/* With the lock, which is given up meanwhile. The new snapshot is the entry's, and *ret is held. Of
 * the one before nobody else makes it go: the entry is loading. */
static int load_for(struct snapshot_share *x, struct entry *n, struct pg *pg,
                    const struct snapshot_want *w, struct shared_snapshot **ret, struct err *e)
{
    struct arena *a = arena_create();
    const struct snapshot_query q = query_of(n, w->spec, a);
    const struct snapshot_source from = {.rounds = w->rounds,
                                         .config = w->config,
                                         .pg = pg,
                                         .base = n->current != NULL ? n->current->is.warm : NULL};
    n->loading = true;
    n->begun++;
    x->loads++;
    pthread_mutex_unlock(&x->lock);
    struct err why = {.code = ERR_NONE};
    struct shared_snapshot *s = load(&from, &q, a, &why);
    pthread_mutex_lock(&x->lock);
    n->loading = false;
    n->failure = why;
    pthread_cond_broadcast(&x->loaded);
    if (s == NULL) {
        *e = why;
        return -1;
    }
    struct shared_snapshot *before = n->current;
    n->current = s;
    hold(s);
    *ret = s;
    pthread_mutex_unlock(&x->lock);
    shared_release(before);
    pthread_mutex_lock(&x->lock);
    return 0;
}

/* --- taking --- */

int share_check_wait(const struct snapshot_want *w, struct err *e)
{
    if (clock_ns() >= w->deadline_ns)
        return err_set(e, ERR_TIMEOUT, "DEADLINE_EXCEEDED",
                       "the deadline passed while the scaling group was being read");
    if (w->stopped != NULL && w->stopped(w->stopped_ctx))
        return err_set(e, ERR_CANCELLED, "CALL_CANCELLED", "the caller left");
    return 0;
}

/* Whether who waited for a load fails with it: not when it ended for its own caller's sake. */
static bool is_for_all(const struct err *e)
{
    return e->code != ERR_NONE && e->code != ERR_TIMEOUT && e->code != ERR_CANCELLED;
}

static int take(struct snapshot_share *x, struct entry *n, struct pg *pg,
                const struct snapshot_want *w, struct shared_snapshot **ret, struct err *e)
{
    const int64_t oldest_ns = n->stale_ns > w->oldest_ns ? n->stale_ns : w->oldest_ns;
    for (;;) {
        if (is_good(n->current, oldest_ns, w->spec)) {
            *ret = n->current;
            hold(*ret);
            x->hits++;
            metric_add(METRIC_snapshots_shared_total, 0, 1);
            return 0;
        }
        if (!n->loading)
            return load_for(x, n, pg, w, ret, e);
        const uint64_t load = n->begun;
        while (n->loading && n->begun == load) {
            if (share_check_wait(w, e) < 0)
                return -1;
            int64_t look = clock_ns() + LOOK_MS * NS_PER_MS;
            clock_cond_wait(&x->loaded, &x->lock, look < w->deadline_ns ? look : w->deadline_ns);
        }
        if (n->begun == load && is_for_all(&n->failure)) {
            *e = n->failure;
            return -1;
        }
    }
}

static void unlink_waiter(struct entry *n, const struct waiter *me)
{
    struct waiter **at = &n->waiters;
    while (*at != me)
        at = &(*at)->next;
    *at = me->next;
}

int snapshot_share_take(struct snapshot_share *x, struct pg *pg, const struct snapshot_want *w,
                        struct shared_snapshot **ret, struct err *e)
{
    struct waiter me = {.spec = w->spec};
    struct dead dead = {.n = 0};
    pthread_mutex_lock(&x->lock);
    struct entry *n = entry_of(x, w->scaling_group);
    me.next = n->waiters;
    n->waiters = &me;
    int rc = take(x, n, pg, w, ret, e);
    unlink_waiter(n, &me);
    n->last_use_ns = clock_ns();
    share_tidy(x, n->last_use_ns, &dead);
    pthread_cond_signal(&x->attention);
    pthread_mutex_unlock(&x->lock);
    share_bury(&dead);
    return rc;
}

struct shared_snapshot *snapshot_share_find(struct snapshot_share *x, const struct uuid *session,
                                            int64_t oldest_ns)
{
    struct shared_snapshot *found = NULL;
    pthread_mutex_lock(&x->lock);
    for (struct entry *n = x->entries; n != NULL && found == NULL; n = n->next) {
        int64_t least = n->stale_ns > oldest_ns ? n->stale_ns : oldest_ns;
        if (!is_good(n->current, least, NULL) ||
            snapshot_find_session(n->current->is.snapshot, session) == NONE)
            continue;
        found = n->current;
        hold(found);
        n->last_use_ns = clock_ns();
        x->hits++;
    }
    pthread_mutex_unlock(&x->lock);
    if (found != NULL)
        metric_add(METRIC_snapshots_shared_total, 0, 1);
    return found;
}

void snapshot_share_stale(struct snapshot_share *x, const char *scaling_group)
{
    if (x == NULL)
        return;
    pthread_mutex_lock(&x->lock);
    struct entry *n = entry_find(x, scaling_group);
    if (n != NULL)
        n->stale_ns = clock_ns();
    pthread_mutex_unlock(&x->lock);
}

/* --- the whole --- */

int snapshot_share_create(const struct snapshot_share_options *o, struct snapshot_share **ret,
                          struct err *e)
{
    struct snapshot_share *x = calloc(1, sizeof(*x));
    if (x == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    x->options = *o;
    pthread_mutex_init(&x->lock, NULL);
    clock_cond_init(&x->loaded);
    clock_cond_init(&x->attention);
    if (pthread_create(&x->keeper, NULL, share_keep, x) != 0) {
        err_set(e, ERR_EXHAUSTED, "NO_THREAD", "cannot start the keeper of shared snapshots");
        snapshot_share_destroy(x);
        return -1;
    }
    x->started = true;
    *ret = x;
    return 0;
}

void snapshot_share_destroy(struct snapshot_share *x)
{
    if (x == NULL)
        return;
    pthread_mutex_lock(&x->lock);
    x->ends = true;
    pthread_cond_signal(&x->attention);
    pthread_mutex_unlock(&x->lock);
    if (x->started)
        pthread_join(x->keeper, NULL);
    while (x->entries != NULL) {
        struct entry *n = x->entries;
        x->entries = n->next;
        shared_release(n->current);
        free(n->group);
        free(n);
    }
    pthread_cond_destroy(&x->attention);
    pthread_cond_destroy(&x->loaded);
    pthread_mutex_destroy(&x->lock);
    free(x);
}

void snapshot_share_stats(struct snapshot_share *x, struct snapshot_share_stats *ret)
{
    pthread_mutex_lock(&x->lock);
    *ret = (struct snapshot_share_stats){.loads = x->loads, .hits = x->hits};
    for (const struct entry *n = x->entries; n != NULL; n = n->next) {
        ret->kept += n->current != NULL;
        ret->bytes += n->current != NULL ? atomic_load(&n->current->bytes) : 0;
    }
    pthread_mutex_unlock(&x->lock);
}
