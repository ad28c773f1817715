/* health.c - parts that are well or not, and who watches.
 *
 * The watchers' list and the parts are under one lock, taken by publishers and by the callbacks of
 * the machine; pushing under it is fine, the machine never waits. */
#include "server/health.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grpc/health/v1/health.pb-c.h"
#include "server/app.h"
#include "server/log.h"
#include "server/rpc.h"
#include "server/stream.h"

#define SERVING(name) GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##name
typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving;

enum { WHY_BYTES = 512 };

/* What a name asks for. */
enum health_name { NAME_UNKNOWN, NAME_LIVE, NAME_READY };

struct watcher {
    struct watcher *next, **link;
    struct health *health;
    struct stream *stream;
    enum health_name name;
};

struct health {
    pthread_mutex_t lock;
    struct watcher *watchers;
    bool well[N_HEALTH_PARTS];
    char why[N_HEALTH_PARTS][WHY_BYTES];
};

static const char *const part_names[N_HEALTH_PARTS] = {
    [HEALTH_START] = "start", [HEALTH_DRAIN] = "drain",   [HEALTH_DATABASE] = "database",
    [HEALTH_REDIS] = "redis", [HEALTH_ROUNDS] = "rounds",
};

struct health *health_create(void)
{
    struct health *h = calloc(1, sizeof(*h));
    if (h == NULL)
        abort();
    pthread_mutex_init(&h->lock, NULL);
    for (int i = 0; i < N_HEALTH_PARTS; i++)
        h->well[i] = i != HEALTH_START;
    snprintf(h->why[HEALTH_START], WHY_BYTES, "The start-up checks are not done.");
    return h;
}

void health_destroy(struct health *h)
{
    if (h == NULL)
        return;
    pthread_mutex_destroy(&h->lock);
    free(h);
}

static bool is_serving(const struct health *h)
{
    for (int i = 0; i < N_HEALTH_PARTS; i++) {
        if (!h->well[i])
            return false;
    }
    return true;
}

static serving status_of(const struct health *h, enum health_name name)
{
    if (name == NAME_UNKNOWN)
        return SERVING(SERVICE_UNKNOWN);
    return name == NAME_LIVE || is_serving(h) ? SERVING(SERVING) : SERVING(NOT_SERVING);
}

static void push_status(const struct watcher *w)
{
    Grpc__Health__V1__HealthCheckResponse m = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    m.status = status_of(w->health, w->name);
    CLEANUP(packet_unrefp) struct packet *p = packet_pack(&m.base);
    /* A full queue means a client that has not read for hundreds of changes: on_ready() tells it
     * the latest. */
    (void)stream_push(w->stream, &(struct stream_message){.body = p});
}

bool health_get(struct health *h, char *ret_why, size_t n)
{
    pthread_mutex_lock(&h->lock);
    bool well = is_serving(h);
    for (int i = 0; i < N_HEALTH_PARTS && ret_why != NULL; i++) {
        if (!h->well[i]) {
            snprintf(ret_why, n, "%s", h->why[i]);
            break;
        }
    }
    pthread_mutex_unlock(&h->lock);
    return well;
}

static void log_change(enum health_part part, bool well, const char *why)
{
    if (well)
        log_info("part is well", LOG_STR("part", part_names[part]));
    else
        log_warn("part is not well", LOG_STR("part", part_names[part]), LOG_STR("why", why));
}

void health_set(struct health *h, enum health_part part, bool well, const char *why)
{
    char text[WHY_BYTES] = "";
    if (!well)
        err_copy(text, sizeof(text), why);
    pthread_mutex_lock(&h->lock);
    bool was_serving = is_serving(h);
    bool changed = h->well[part] != well || strcmp(h->why[part], text) != 0;
    h->well[part] = well;
    memcpy(h->why[part], text, sizeof(text));
    bool serves = is_serving(h);
    for (struct watcher *w = h->watchers; w != NULL && serves != was_serving; w = w->next) {
        if (w->name == NAME_READY)
            push_status(w);
    }
    pthread_mutex_unlock(&h->lock);
    if (changed)
        log_change(part, well, text);
    if (serves != was_serving)
        log_info(serves ? "serving" : "not serving", LOG_STR("part", part_names[part]));
}

/* --- the RPCs --- */

static enum health_name name_of(const char *service)
{
    if (*service == '\0' || strcmp(service, "berth.v1.SchedulerService") == 0)
        return NAME_READY;
    return strcmp(service, "live") == 0 ? NAME_LIVE : NAME_UNKNOWN;
}

int health_check(struct rpc_context *c, const void *request, void **response, struct err *e)
{
    const Grpc__Health__V1__HealthCheckRequest *q = request;
    struct health *h = c->app->health;
    enum health_name name = name_of(q->service);
    if (name == NAME_UNKNOWN) {
        err_set(e, ERR_NOT_FOUND, "UNKNOWN_SERVICE", "this server has no service of that name");
        return err_meta(e, "service", "%s", q->service);
    }
    Grpc__Health__V1__HealthCheckResponse *m =
        arena_new(c->arena, Grpc__Health__V1__HealthCheckResponse, 1);
    grpc__health__v1__health_check_response__init(m);
    pthread_mutex_lock(&h->lock);
    m->status = status_of(h, name);
    pthread_mutex_unlock(&h->lock);
    *response = m;
    return 0;
}

static void on_ready(struct stream *s, void *ctx)
{
    struct watcher *w = ctx;
    (void)s;
    pthread_mutex_lock(&w->health->lock);
    push_status(w);
    pthread_mutex_unlock(&w->health->lock);
}

static void on_closed(struct stream *s, void *ctx)
{
    struct watcher *w = ctx;
    struct health *h = w->health;
    (void)s;
    pthread_mutex_lock(&h->lock);
    *w->link = w->next;
    if (w->next != NULL)
        w->next->link = w->link;
    pthread_mutex_unlock(&h->lock);
    free(w);
}

static const struct stream_ops watch_ops = {.ready = on_ready, .closed = on_closed};

int health_watch(struct rpc_context *c, const void *request, struct stream *s, struct err *e)
{
    const Grpc__Health__V1__HealthCheckRequest *q = request;
    struct health *h = c->app->health;
    struct watcher *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    *w = (struct watcher){.health = h, .stream = s, .name = name_of(q->service)};
    stream_attach(s, &watch_ops, w);
    pthread_mutex_lock(&h->lock);
    w->next = h->watchers;
    w->link = &h->watchers;
    if (w->next != NULL)
        w->next->link = &w->next;
    h->watchers = w;
    push_status(w);
    pthread_mutex_unlock(&h->lock);
    return 0;
}
