/* config_store.c - the generations of settings: one in force, older ones while somebody holds them.
 *
 * Two locks: `reload` is held through a reload and guards the listeners; `lock` guards the pointer
 * to the generation in force and the counts, for a few instructions. Order: reload, then lock. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/config_internal.h"
#include "server/log.h"

static void generation_destroy(struct generation *g)
{
    if (g == NULL)
        return;
    arena_destroy(g->arena);
    free(g);
}

static int generation_create(struct config_store *s, struct generation **ret, struct err *e)
{
    struct generation *g = calloc(1, sizeof(*g));
    if (g == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    g->store = s;
    g->arena = arena_create();
    g->refs = 1;
    if (config_read(g, e) < 0) {
        generation_destroy(g);
        return -1;
    }
    *ret = g;
    return 0;
}

/* --- the store --- */

static char **copy_texts(char *const *texts, size_t n, struct arena *a)
{
    char **copies = arena_new(a, char *, n + 1);
    for (size_t i = 0; i < n; i++)
        copies[i] = arena_strdup(a, texts[i]);
    return copies;
}

static const char *name_replica(struct arena *a)
{
    char host[40] = "";
    if (gethostname(host, sizeof(host) - 1) != 0 || *host == '\0')
        host[0] = '?';
    return arena_printf(a, "%s-%d", host, (int)getpid());
}

static void store_destroy(struct config_store *s)
{
    generation_destroy(s->first);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->reload);
    arena_destroy(s->arena);
    free(s);
}

static void copy_sources(struct config_store *s, char *const *env, int argc, char *const *argv)
{
    size_t n_env = 0;
    while (env != NULL && env[n_env] != NULL)
        n_env++;
    s->sources.env = copy_texts(env, n_env, s->arena);
    s->sources.argv = copy_texts(argv, (size_t)argc, s->arena);
    s->sources.argc = argc;
}

int config_create(char *const *env, int argc, char *const *argv, struct config **ret, struct err *e)
{
    struct config_store *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    s->arena = arena_create();
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->reload, NULL);
    copy_sources(s, env, argc, argv);
    s->replica = name_replica(s->arena);
    if (config_find_file(&s->sources, &s->file, e) < 0 || generation_create(s, &s->first, e) < 0) {
        store_destroy(s);
        return -1;
    }
    s->now = s->first;
    s->first->refs++; /* one for being the first, one for being in force */
    s->held = 1;
    *ret = &s->first->config;
    return 0;
}

void config_destroy(struct config *c)
{
    if (c == NULL)
        return;
    struct config_store *s = generation_of(c)->store;
    assert(s->listeners == NULL);
    config_release(&s->now->config);
    assert(s->held == 1 && s->first->refs == 1); /* else something was not released */
    store_destroy(s);
}

/* --- the generation in force --- */

const struct config *config_take(const struct config *c)
{
    struct config_store *s = generation_of(c)->store;
    pthread_mutex_lock(&s->lock);
    struct generation *g = s->now;
    g->refs++;
    pthread_mutex_unlock(&s->lock);
    return &g->config;
}

void config_release(const struct config *taken)
{
    if (taken == NULL)
        return;
    struct generation *g = generation_of(taken);
    struct config_store *s = g->store;
    pthread_mutex_lock(&s->lock);
    bool last = --g->refs == 0;
    if (last)
        s->held--;
    pthread_mutex_unlock(&s->lock);
    if (last)
        generation_destroy(g);
}

uint64_t config_generation(const struct config *c)
{
    return generation_of(c)->number;
}

unsigned config_generations_held(const struct config *c)
{
    struct config_store *s = generation_of(c)->store;
    pthread_mutex_lock(&s->lock);
    unsigned held = s->held;
    pthread_mutex_unlock(&s->lock);
    return held;
}

/* --- listeners --- */

static struct config_listener **find_listener(struct config_store *s,
                                              const struct config_listener *l)
{
    struct config_listener **at = &s->listeners;
    while (*at != NULL && *at != l)
        at = &(*at)->next;
    return at;
}

void config_listen(const struct config *c, struct config_listener *l)
{
    struct config_store *s = generation_of(c)->store;
    pthread_mutex_lock(&s->reload);
    struct config_listener **at = find_listener(s, l);
    assert(*at == NULL); /* listens already */
    l->next = NULL;
    *at = l;
    pthread_mutex_unlock(&s->reload);
}

void config_unlisten(const struct config *c, struct config_listener *l)
{
    struct config_store *s = generation_of(c)->store;
    pthread_mutex_lock(&s->reload);
    struct config_listener **at = find_listener(s, l);
    if (*at != NULL)
        *at = l->next;
    pthread_mutex_unlock(&s->reload);
}

/* The parts before `end` forget what they made. */
static void drop_made(const struct config_store *s, const struct config_listener *end)
{
    for (struct config_listener *l = s->listeners; l != end; l = l->next) {
        if (l->drop != NULL)
            l->drop(l->ctx, l->made);
        l->made = NULL;
    }
}

static int ask_listeners(struct config_store *s, const struct config *next, struct err *e)
{
    for (struct config_listener *l = s->listeners; l != NULL; l = l->next) {
        l->made = NULL;
        if (l->check == NULL || l->check(l->ctx, next, &l->made, e) == 0)
            continue;
        (void)err_meta(e, "part", "%s", l->name);
        drop_made(s, l);
        return -1;
    }
    return 0;
}

static void tell_listeners(struct config_store *s, const struct config *now)
{
    for (struct config_listener *l = s->listeners; l != NULL; l = l->next) {
        void *made = l->made;
        l->made = NULL;
        l->apply(l->ctx, now, made);
    }
}

/* --- reload --- */

static const char *join(const char *names, size_t row, struct arena *a)
{
    return arena_printf(a, "%s%s%s", names, *names != '\0' ? ", " : "", config_rows[row].name);
}

/* What changed, in words; the RESTART settings of g become what they were at the start. */
static void settle(struct generation *g, const struct generation *was, const char **ret_changed,
                   const char **ret_later)
{
    const struct generation *first = g->store->first;
    *ret_changed = *ret_later = "";
    for (size_t i = 0; i < N_CONFIG_ROWS; i++) {
        const struct config_row *r = &config_rows[i];
        if (r->reload == SETTING_RELOAD) {
            if (!config_same_value(&g->config, &was->config, i))
                *ret_changed = join(*ret_changed, i, g->arena);
            continue;
        }
        if (!config_same_value(&g->config, &first->config, i))
            *ret_later = join(*ret_later, i, g->arena);
        memcpy((char *)&g->config + r->offset, (const char *)&first->config + r->offset, r->size);
        g->origin[i] = first->origin[i];
    }
}

static void put_in_force(struct config_store *s, struct generation *g)
{
    pthread_mutex_lock(&s->lock);
    struct generation *was = s->now;
    s->now = g;
    s->held++;
    pthread_mutex_unlock(&s->lock);
    config_release(&was->config);
}

static int reload(struct config_store *s, struct err *e)
{
    struct generation *g = NULL;
    const char *changed = NULL;
    const char *later = NULL;
    if (generation_create(s, &g, e) < 0)
        return -1;
    assert(g != NULL);
    g->number = s->now->number + 1; /* only a reload changes now */
    settle(g, s->now, &changed, &later);
    if (ask_listeners(s, &g->config, e) < 0) {
        generation_destroy(g);
        return -1;
    }
    put_in_force(s, g);
    tell_listeners(s, &g->config);
    log_info("settings were read again", LOG_NUM("generation", g->number),
             LOG_STR("changed", changed));
    if (*later != '\0')
        log_warn("these settings take effect after a restart", LOG_STR("settings", later));
    return 0;
}

int config_reload(const struct config *c, struct err *e)
{
    struct config_store *s = generation_of(c)->store;
    pthread_mutex_lock(&s->reload);
    int rc = reload(s, e);
    pthread_mutex_unlock(&s->reload);
    if (rc < 0)
        log_err(LOG_ERROR, "settings were not read again; all stay as they were", e, NULL, 0);
    return rc;
}
