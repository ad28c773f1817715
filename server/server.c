/* server.c - completion queues, the list of calls, admission, and the drain.
 *
 * The order of server_drain() and server_destroy() matters: starting a batch on a queue that is
 * shut down aborts the process, so the queues live until the last call is gone. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/support/time.h>

#include "server/call.h"
#include "server/clock.h"
#include "server/log.h"
#include "server/role.h"
#include "server/server_listen.h"
#include "server/server_private.h"

enum { POSTED = 8 /* calls listened for a queue */, POLLER_RESERVE = 64 };

/* --- the list of calls --- */

void server_link(struct server *s, struct call *c)
{
    pthread_mutex_lock(&s->list_lock);
    c->next = s->calls;
    c->link = &s->calls;
    if (c->next != NULL)
        c->next->link = &c->next;
    s->calls = c;
    s->listed++;
    pthread_mutex_unlock(&s->list_lock);
}

void server_unlink(struct server *s, struct call *c)
{
    pthread_mutex_lock(&s->list_lock);
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    s->listed--;
    pthread_cond_broadcast(&s->list_changed);
    pthread_mutex_unlock(&s->list_lock);
}

/* --- admission --- */

static bool is_streaming(const struct method *m)
{
    return m != NULL && m->kind != RPC_UNARY;
}

/* Health checks are answered when the server is full or drains: that is when they matter. */
static bool is_quick(const struct method *m)
{
    return m != NULL && m->kind == RPC_UNARY && m->place == RPC_POLLER;
}

int server_enter(struct server *s, const struct method *m, unsigned *ret_room, struct err *e)
{
    unsigned most = (unsigned)(is_streaming(m) ? CONFIG_NOW(s->config, max_streams)
                                               : CONFIG_NOW(s->config, max_in_flight));
    if (is_quick(m))
        most += POLLER_RESERVE;
    atomic_fetch_add(&s->n_calls, 1);
    if (atomic_load(&s->draining) && !is_quick(m)) {
        atomic_fetch_add(&s->n_refused, 1);
        return err_set(e, ERR_UNAVAILABLE, "DRAINING",
                       "this replica is shutting down: connect to another");
    }
    atomic_uint *count = is_streaming(m) ? &s->streams : &s->in_flight;
    const unsigned before = atomic_fetch_add(count, 1);
    if (before < most) {
        *ret_room = is_quick(m) ? UINT_MAX : most - before - 1;
        return 0;
    }
    atomic_fetch_sub(count, 1);
    atomic_fetch_add(&s->n_refused, 1);
    err_set(e, ERR_EXHAUSTED, "OVERLOADED", "too many calls in progress: try again later");
    return err_retry(e, 100);
}

void server_leave(struct server *s, const struct method *m)
{
    atomic_fetch_sub(is_streaming(m) ? &s->streams : &s->in_flight, 1);
}

void server_stats(struct server *s, struct server_stats *ret)
{
    *ret = (struct server_stats){.calls = atomic_load(&s->n_calls),
                                 .live = atomic_load(&s->in_flight) + atomic_load(&s->streams),
                                 .streams = atomic_load(&s->streams),
                                 .refused = atomic_load(&s->n_refused)};
}

/* --- housekeeping: ends calls whose client does not go on --- */

static int64_t tick_ns(const struct server *s)
{
    int64_t ms = CONFIG_NOW(s->config, request_timeout) / 4;
    return (ms > 1000 ? 1000 : ms) * NS_PER_MS;
}

static void *keep_house(void *arg)
{
    struct server *s = arg;
    pthread_mutex_lock(&s->list_lock);
    for (int64_t next = clock_ns() + tick_ns(s); !s->housekeeping_ends;) {
        int64_t now = clock_ns();
        if (now < next) {
            clock_cond_wait(&s->list_changed, &s->list_lock, next);
            continue;
        }
        int64_t limit = CONFIG_NOW(s->config, request_timeout) * NS_PER_MS;
        for (struct call *c = s->calls; c != NULL; c = c->next)
            call_check_age(c, now, limit);
        next = now + tick_ns(s);
    }
    pthread_mutex_unlock(&s->list_lock);
    return NULL;
}

static void end_housekeeping(struct server *s)
{
    pthread_mutex_lock(&s->list_lock);
    s->housekeeping_ends = true;
    pthread_cond_broadcast(&s->list_changed);
    pthread_mutex_unlock(&s->list_lock);
    if (s->has_housekeeper)
        pthread_join(s->housekeeper, NULL);
    s->has_housekeeper = false;
}

/* --- making --- */

static int make_queues(struct server *s, struct err *e)
{
    grpc_completion_queue_attributes plain = {.version = GRPC_CQ_CURRENT_VERSION,
                                              .cq_completion_type = GRPC_CQ_NEXT,
                                              .cq_polling_type = GRPC_CQ_NON_POLLING};
    for (int64_t i = 0; i < s->config->pollers; i++) {
        if (cq_create(&s->cqs[i], e) < 0)
            return -1;
        s->n_cqs++;
        grpc_server_register_completion_queue(s->grpc, cq_queue(s->cqs[i]), NULL);
    }
    /* Not one of the above: it is never given connections, so nobody need poll it. */
    s->shutdown_queue =
        grpc_completion_queue_create(grpc_completion_queue_factory_lookup(&plain), &plain, NULL);
    grpc_server_register_completion_queue(s->grpc, s->shutdown_queue, NULL);
    return 0;
}

static int start_threads(struct server *s, struct err *e)
{
    for (unsigned i = 0; i < s->n_cqs; i++) {
        if (cq_start(s->cqs[i], e) < 0)
            return -1;
    }
    if (pthread_create(&s->housekeeper, NULL, keep_house, s) != 0)
        return err_set(e, ERR_EXHAUSTED, "NO_THREAD", "cannot start the housekeeping thread");
    s->has_housekeeper = true;
    return 0;
}

int server_create(struct app *app, struct server **ret, struct err *e)
{
    struct server *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    s->app = app;
    s->config = app->config;
    pthread_mutex_init(&s->list_lock, NULL);
    clock_cond_init(&s->list_changed);
    s->grpc = listen_create(app->config);
    if (make_queues(s, e) < 0 || methods_create(&s->methods, e) < 0 ||
        role_check(s->methods, e) < 0 || listen_check(app->config, e) < 0 ||
        listen_bind(s->grpc, app, s->address, sizeof(s->address), &s->port, e) < 0 ||
        start_threads(s, e) < 0) {
        server_destroy(s);
        return -1;
    }
    *ret = s;
    return 0;
}

void server_start(struct server *s)
{
    grpc_server_start(s->grpc);
    s->started = true;
    for (unsigned i = 0; i < s->n_cqs; i++) {
        for (int k = 0; k < POSTED; k++)
            call_listen(s, s->cqs[i]);
    }
}

const char *server_address(const struct server *s)
{
    return s->address;
}

int server_port(const struct server *s)
{
    return s->port;
}

/* --- ending --- */

static void end_streams(struct server *s)
{
    pthread_mutex_lock(&s->list_lock);
    for (struct call *c = s->calls; c != NULL; c = c->next)
        call_drain(c);
    pthread_mutex_unlock(&s->list_lock);
}

/* True when gRPC says that every connection is gone, false after grace_ms (< 0: never). */
static bool await_shutdown(struct server *s, int64_t grace_ms)
{
    gpr_timespec until = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    if (grace_ms >= 0)
        until = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                             gpr_time_from_millis(grace_ms, GPR_TIMESPAN));
    grpc_event ev = grpc_completion_queue_next(s->shutdown_queue, until, NULL);
    return ev.type == GRPC_OP_COMPLETE;
}

void server_drain(struct server *s, int64_t grace_ms)
{
    s->drained = true;
    atomic_store(&s->draining, true);
    end_streams(s);
    grpc_server_shutdown_and_notify(s->grpc, s->shutdown_queue, s);
    if (!await_shutdown(s, grace_ms)) {
        log_warn("the grace period is over: calls are cancelled",
                 LOG_NUM("calls", atomic_load(&s->in_flight) + atomic_load(&s->streams)));
        atomic_store(&s->stopping, true);
        grpc_server_cancel_all_calls(s->grpc);
        (void)await_shutdown(s, -1);
    }
    pthread_mutex_lock(&s->list_lock);
    while (s->listed > 0)
        pthread_cond_wait(&s->list_changed, &s->list_lock);
    pthread_mutex_unlock(&s->list_lock);
}

void server_destroy(struct server *s)
{
    if (s == NULL)
        return;
    if (s->shutdown_queue != NULL && !s->drained)
        server_drain(s, 0);
    end_housekeeping(s);
    grpc_server_destroy(s->grpc);
    for (unsigned i = 0; i < s->n_cqs; i++)
        cq_destroy(s->cqs[i]);
    if (s->shutdown_queue != NULL) {
        grpc_completion_queue_shutdown(s->shutdown_queue);
        (void)grpc_completion_queue_next(s->shutdown_queue, gpr_inf_future(GPR_CLOCK_MONOTONIC),
                                         NULL);
        grpc_completion_queue_destroy(s->shutdown_queue);
    }
    methods_destroy(s->methods);
    pthread_cond_destroy(&s->list_changed);
    pthread_mutex_destroy(&s->list_lock);
    free(s);
}
