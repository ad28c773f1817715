/* manager_gate.c - a few locks, handed out and taken back. */
#include "server/manager_gate.h"

#include <pthread.h>
#include <stdlib.h>

#include "server/clock.h"
#include "server/config.h"

enum { KEPT = 16 }; /* locks nobody has, with their connections */

struct manager_gate {
    const struct config *config;
    const char *conninfo;
    pthread_mutex_t lock; /* below */
    struct manager_lock *idle[KEPT];
    unsigned n_idle;
};

struct manager_gate *manager_gate_create(const struct config *c)
{
    if (c->coexist == 0)
        return NULL;
    struct manager_gate *g = calloc(1, sizeof(*g));
    if (g == NULL)
        abort(); /* out of memory */
    g->config = c;
    g->conninfo = *c->coexist_database != '\0' ? c->coexist_database : c->database;
    pthread_mutex_init(&g->lock, NULL);
    return g;
}

void manager_gate_destroy(struct manager_gate *g)
{
    if (g == NULL)
        return;
    for (unsigned i = 0; i < g->n_idle; i++)
        manager_lock_destroy(g->idle[i]);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

static struct manager_lock *take_idle(struct manager_gate *g)
{
    pthread_mutex_lock(&g->lock);
    struct manager_lock *l = g->n_idle > 0 ? g->idle[--g->n_idle] : NULL;
    pthread_mutex_unlock(&g->lock);
    return l;
}

static void keep(struct manager_gate *g, struct manager_lock *l)
{
    pthread_mutex_lock(&g->lock);
    const bool kept = g->n_idle < KEPT;
    if (kept)
        g->idle[g->n_idle++] = l;
    pthread_mutex_unlock(&g->lock);
    if (!kept)
        manager_lock_destroy(l);
}

int manager_gate_enter(struct manager_gate *g, int64_t deadline_ns, struct manager_lock **ret,
                       struct err *e)
{
    *ret = NULL;
    if (g == NULL)
        return 0;
    const int64_t until = clock_ns() + CONFIG_NOW(g->config, coexist_wait) * NS_PER_MS;
    struct manager_lock *l = take_idle(g);
    if (l == NULL && manager_lock_create(g->conninfo, &l, e) < 0)
        return -1;
    if (manager_lock_take(l, until < deadline_ns ? until : deadline_ns, e) < 0) {
        keep(g, l);
        return -1;
    }
    *ret = l;
    return 0;
}

void manager_gate_leave(struct manager_gate *g, struct manager_lock *l)
{
    if (l == NULL)
        return;
    manager_lock_release(l);
    keep(g, l);
}

int manager_gate_guard(void *lock, struct err *e)
{
    return manager_lock_check(lock, e);
}
