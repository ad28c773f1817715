/* snapshot_share_keep.c - what of the shared snapshots is kept, and for how long. */
#include <stdlib.h>

#include "server/clock.h"
#include "server/snapshot_share_internal.h"

static bool in_use(const struct entry *n)
{
    return n->loading || n->waiters != NULL;
}

static void entry_free(struct entry **at, struct dead *dead)
{
    struct entry *n = *at;
    *at = n->next;
    if (n->current != NULL)
        dead->items[dead->n++] = n->current;
    free(n->group);
    free(n);
}

/* The entry unused for longest, of those that may go. */
static struct entry **oldest(struct snapshot_share *x)
{
    struct entry **found = NULL;
    for (struct entry **at = &x->entries; *at != NULL; at = &(*at)->next)
        if (!in_use(*at) && (found == NULL || (*at)->last_use_ns < (*found)->last_use_ns))
            found = at;
    return found;
}

static bool too_much(const struct snapshot_share *x)
{
    uint32_t n = 0;
    size_t bytes = 0;
    for (const struct entry *i = x->entries; i != NULL; i = i->next) {
        n += i->current != NULL;
        bytes += i->current != NULL ? atomic_load(&i->current->bytes) : 0;
    }
    return n > x->options.max_groups || bytes > (size_t)x->options.max_bytes;
}

void share_tidy(struct snapshot_share *x, int64_t now_ns, struct dead *dead)
{
    const int64_t limit_ns = now_ns - x->options.keep_ms * NS_PER_MS;
    struct entry **at = &x->entries;
    while (*at != NULL && dead->n < ARRAY_SIZE(dead->items)) {
        struct entry *n = *at;
        if (!in_use(n) && (n->current == NULL || n->last_use_ns <= limit_ns))
            entry_free(at, dead);
        else
            at = &n->next;
    }
    while (dead->n < ARRAY_SIZE(dead->items) && too_much(x) && (at = oldest(x)) != NULL)
        entry_free(at, dead);
}

void share_bury(struct dead *dead)
{
    for (unsigned i = 0; i < dead->n; i++)
        shared_release(dead->items[i]);
    dead->n = 0;
}

/* When the next entry has been unused for too long; now_ns + an hour when there is none. */
static int64_t next_look(const struct snapshot_share *x, int64_t now_ns)
{
    int64_t next = now_ns + 3600 * NS_PER_S;
    for (const struct entry *i = x->entries; i != NULL; i = i->next) {
        int64_t due = i->last_use_ns + x->options.keep_ms * NS_PER_MS;
        if (!in_use(i) && due < next)
            next = due;
    }
    return next > now_ns ? next : now_ns;
}

void *share_keep(void *share)
{
    struct snapshot_share *x = share;
    pthread_mutex_lock(&x->lock);
    while (!x->ends) {
        struct dead dead = {.n = 0};
        share_tidy(x, clock_ns(), &dead);
        if (dead.n > 0) {
            pthread_mutex_unlock(&x->lock);
            share_bury(&dead);
            pthread_mutex_lock(&x->lock);
            continue;
        }
        clock_cond_wait(&x->attention, &x->lock, next_look(x, clock_ns()));
    }
    pthread_mutex_unlock(&x->lock);
    return NULL;
}
