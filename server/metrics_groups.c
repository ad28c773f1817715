/* metrics_groups.c - the gauges of scaling groups, and the names of groups and slots. */
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/metrics.h"

static struct {
    pthread_mutex_t lock;
    char *groups[METRICS_GROUPS]; /* NULL: free */
    char *slots[METRICS_SLOTS];   /* NULL: free; never given back */
    enum slot_type types[METRICS_SLOTS];
} names = {.lock = PTHREAD_MUTEX_INITIALIZER};

void metrics_groups_lock(void)
{
    pthread_mutex_lock(&names.lock);
}

void metrics_groups_unlock(void)
{
    pthread_mutex_unlock(&names.lock);
}

const char *metrics_group_name(unsigned i)
{
    return names.groups[i];
}

const char *metrics_slot_name(unsigned i)
{
    return names.slots[i];
}

enum slot_type metrics_slot_type(unsigned i)
{
    return names.types[i];
}

/* Its place, or else the first free one; n: there is neither. Under the lock. */
static unsigned find_place(char *const *table, unsigned n, const char *name)
{
    unsigned unused = n;
    for (unsigned i = n; i-- > 0;) {
        if (table[i] == NULL)
            unused = i;
        else if (strcmp(table[i], name) == 0)
            return i;
    }
    return unused;
}

static void keep_name(char **place, const char *name)
{
    if (*place == NULL && (*place = strdup(name)) == NULL)
        abort(); /* out of memory */
}

static void set_slots(unsigned group, const struct metrics_group *g)
{
    for (unsigned k = 0; k < METRICS_SLOTS; k++) {
        metric_set2(METRIC_slot_capacity, group, k, 0);
        metric_set2(METRIC_slot_held, group, k, 0);
    }
    for (uint32_t i = 0; i < g->n_slots; i++) {
        unsigned k = find_place(names.slots, METRICS_SLOTS, g->slots[i].name);
        if (k == METRICS_SLOTS) {
            metric_add(METRIC_slots_left_out_total, 0, 1);
            continue;
        }
        keep_name(&names.slots[k], g->slots[i].name);
        names.types[k] = g->slots[i].type;
        metric_set2(METRIC_slot_capacity, group, k, g->capacity[i]);
        metric_set2(METRIC_slot_held, group, k, g->held[i]);
    }
}

void metrics_group_set(const char *name, const struct metrics_group *g)
{
    metrics_groups_lock();
    unsigned i = find_place(names.groups, METRICS_GROUPS, name);
    if (i < METRICS_GROUPS) {
        keep_name(&names.groups[i], name);
        metric_set(METRIC_pending_sessions, i, g->pending);
        metric_set(METRIC_oldest_pending_seconds, i, g->oldest_ns);
        metric_set(METRIC_last_round_timestamp_seconds, i, g->seen_at_ns);
        for (unsigned k = 0; k < N_METRIC_AGENTS; k++)
            metric_set2(METRIC_agents, i, k, g->agents[k]);
        set_slots(i, g);
    } else {
        metric_add(METRIC_groups_left_out_total, 0, 1);
    }
    metrics_groups_unlock();
}

static void set_of_group(enum metric m, const char *name, int64_t value)
{
    metrics_groups_lock();
    unsigned i = find_place(names.groups, METRICS_GROUPS, name);
    if (i < METRICS_GROUPS) {
        keep_name(&names.groups[i], name);
        metric_set(m, i, value);
    }
    metrics_groups_unlock();
}

void metrics_group_failures(const char *name, unsigned n)
{
    set_of_group(METRIC_group_failures, name, n);
}

void metrics_group_health(const char *name, int health)
{
    set_of_group(METRIC_group_health, name, health);
}

/* The next group of that place begins with nothing. */
static void clear_gauges(unsigned i)
{
    static const struct metrics_group none = {.pending = 0};
    metric_set(METRIC_pending_sessions, i, 0);
    metric_set(METRIC_oldest_pending_seconds, i, 0);
    metric_set(METRIC_last_round_timestamp_seconds, i, 0);
    metric_set(METRIC_group_failures, i, 0);
    metric_set(METRIC_group_health, i, 0);
    for (unsigned k = 0; k < N_METRIC_AGENTS; k++)
        metric_set2(METRIC_agents, i, k, 0);
    set_slots(i, &none);
}

void metrics_group_forget(const char *name)
{
    metrics_groups_lock();
    unsigned i = find_place(names.groups, METRICS_GROUPS, name);
    if (i < METRICS_GROUPS) {
        clear_gauges(i);
        free(TAKE(names.groups[i])); /* a free place is NULL */
    }
    metrics_groups_unlock();
}
