/* bridge_queue.c - a short list: groups whose round ended since the last look. */
#include "server/bridge_queue.h"

#include <stdlib.h>
#include <string.h>

#include "server/clock.h"

enum { LIFE_S = 600 }; /* as long as the keys: then a Manager would have none of it */

void bridge_queues_init(struct bridge_queues *q)
{
    *q = (struct bridge_queues){.first = NULL};
    pthread_mutex_init(&q->lock, NULL);
}

void bridge_queues_finish(struct bridge_queues *q)
{
    struct bridge_queue *one;
    while ((one = bridge_queues_take(q)) != NULL)
        bridge_queue_free(one);
    pthread_mutex_destroy(&q->lock);
}

/* Tried, and still pending. */
static bool is_in_vain(enum outcome o)
{
    switch (o) {
    case OUTCOME_WAITING:
    case OUTCOME_BLOCKED:
    case OUTCOME_INFEASIBLE:
    case OUTCOME_INVALID:
    case OUTCOME_CONFLICT:
        return true;
    default:
        return false;
    }
}

struct bridge_queue *bridge_queue_make(const struct snapshot *s, const struct plan *p,
                                       int64_t epoch, uint32_t most)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_decisions; i++)
        n += is_in_vain(p->decisions[i].outcome);
    n = n < most ? n : most;
    const size_t n_name = strlen(s->group_name) + 1, n_ids = n * sizeof(struct uuid);
    struct bridge_queue *q = malloc(sizeof(*q) + n_ids + n_name);
    if (q == NULL)
        abort(); /* out of memory */
    struct uuid *ids = (struct uuid *)(q + 1);
    char *name = memcpy((char *)ids + n_ids, s->group_name, n_name);
    for (uint32_t i = 0, k = 0; k < n; i++)
        if (is_in_vain(p->decisions[i].outcome))
            ids[k++] = s->sessions[p->decisions[i].session].id;
    *q = (struct bridge_queue){
        .until_ns = clock_ns() + LIFE_S * NS_PER_S,
        .queue = {.scaling_group = name, .epoch = epoch, .ids = ids, .n = n},
    };
    return q;
}

void bridge_queue_free(struct bridge_queue *q)
{
    free(q);
}

void bridge_queues_put(struct bridge_queues *all, struct bridge_queue *q)
{
    pthread_mutex_lock(&all->lock);
    struct bridge_queue **at = &all->first;
    while (*at != NULL && strcmp((*at)->queue.scaling_group, q->queue.scaling_group) != 0)
        at = &(*at)->next;
    struct bridge_queue *other = *at, *worse = NULL;
    if (other == NULL) {
        q->next = NULL;
        *at = q;
    } else if (other->queue.epoch > q->queue.epoch) {
        worse = q;
    } else {
        q->next = other->next;
        *at = q;
        worse = other;
    }
    pthread_mutex_unlock(&all->lock);
    bridge_queue_free(worse);
}

struct bridge_queue *bridge_queues_take(struct bridge_queues *all)
{
    pthread_mutex_lock(&all->lock);
    struct bridge_queue *q = all->first;
    if (q != NULL)
        all->first = q->next;
    pthread_mutex_unlock(&all->lock);
    return q;
}

void bridge_queues_expire(struct bridge_queues *all, int64_t now_ns)
{
    pthread_mutex_lock(&all->lock);
    for (struct bridge_queue **at = &all->first; *at != NULL;) {
        struct bridge_queue *q = *at;
        if (q->until_ns > now_ns) {
            at = &q->next;
            continue;
        }
        *at = q->next;
        bridge_queue_free(q);
    }
    pthread_mutex_unlock(&all->lock);
}
