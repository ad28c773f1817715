/* command_serve.c - the daemon: makes the parts of app.h in order, waits for a signal, drains.
 *
 * Signals are blocked before the first thread, so that no thread but this one ever gets one. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <grpc/grpc.h>
#include <grpc/support/log.h>

#include "repo/pool.h"
#include "scheduler/policy.h"
#include "server/app.h"
#include "server/clock.h"
#include "server/command.h"
#include "server/config.h"
#include "server/drain.h"
#include "server/dso.h"
#include "server/executor.h"
#include "server/guard.h"
#include "server/health.h"
#include "server/hub.h"
#include "server/log.h"
#include "server/loop.h"
#include "server/metrics.h"
#include "server/metrics_http.h"
#include "server/notify.h"
#include "server/probe.h"
#include "server/reflection.h"
#include "server/server.h"
#include "server/startup.h"

enum {
    STARTUP_MARGIN_MS = 10000, /* beyond startup_timeout, for what makes it end */
    NS_PER_US = 1000,
    US_PER_MS = 1000
};

static void block_signals(sigset_t *ret)
{
    sigemptyset(ret);
    sigaddset(ret, SIGTERM);
    sigaddset(ret, SIGINT);
    sigaddset(ret, SIGHUP);
    sigaddset(ret, STARTUP_SIGNAL);
    pthread_sigmask(SIG_BLOCK, ret, NULL);
    signal(SIGPIPE, SIG_IGN); /* hiredis and libgrpc write to sockets that may be gone */
}

static void log_grpc(gpr_log_func_args *args)
{
    enum log_level level = args->severity == GPR_LOG_SEVERITY_ERROR ? LOG_WARN : LOG_DEBUG;
    log_rarely(20, level, "gRPC says", LOG_FIELDS(LOG_STR("message", args->message)));
}

/* Written aside and renamed: who sees the file sees all of it. */
static int write_port(const struct app *app, struct err *e)
{
    const char *path = app->config->port_file;
    char aside[4096];
    if (*path == '\0')
        return 0;
    snprintf(aside, sizeof(aside), "%s.new", path);
    FILE *f = fopen(aside, "we");
    if (f == NULL)
        goto fail;
    int n = fprintf(f, "%d\n", server_port(app->server));
    if (app->metrics != NULL)
        n |= fprintf(f, "%d\n", metrics_http_port(app->metrics)); /* < 0 stays below 0 */
    if (fclose(f) != 0 || n < 0 || rename(aside, path) != 0)
        goto fail;
    return 0;
fail:
    err_set(e, ERR_INVALID, "BAD_SETTING",
            "cannot write the port to \"%.100s\" (setting port_file)", path);
    return err_detail(e, "%s", strerror(errno));
}

static int load_plugins(struct app *app, struct err *e)
{
    app->registry = registry_create();
    for (uint32_t i = 0; i < app->config->plugins.n; i++) {
        const char *path = app->config->plugins.items[i];
        if (dso_load(app->registry, path, e) < 0)
            return -1;
        log_info("plugin loaded", LOG_STR("file", path));
    }
    return 0;
}

static int make_executors(struct app *app, struct err *e)
{
    const struct config *g = app->config;
    struct executors_options o = {.threads = (unsigned)g->executors,
                                  .queue = (unsigned)g->executor_queue,
                                  .together = (unsigned)g->cancels_together,
                                  .database = g->database,
                                  .reads = g->preview_database,
                                  .redis = g->redis,
                                  .redis_timeout_ms = (int)g->redis_timeout};
    return executors_create(&o, &app->executors, e);
}

static void collect_pool(enum pool p, enum metric connections, enum metric connects)
{
    struct pool_use u;
    pool_use(p, &u);
    metric_set(connections, METRIC_CONNECTION_BUSY, u.busy);
    metric_set(connections, METRIC_CONNECTION_IDLE, u.open > u.busy ? u.open - u.busy : 0);
    metric_counted(connects, METRIC_CONNECT_OK, u.opened - u.reopened);
    metric_counted(connects, METRIC_CONNECT_AGAIN, u.reopened);
    metric_counted(connects, METRIC_CONNECT_FAILED, u.failed);
}

/* The gauges that the parts keep for themselves. On the thread of the metrics' listener. */
static void collect(void *ctx)
{
    struct app *app = ctx;
    struct executors_stats x;
    struct server_stats s;
    struct hub_stats h;
    executors_stats(app->executors, &x);
    server_stats(app->server, &s);
    hub_stats(app->hub, &h);
    metric_set(METRIC_executor_queue, 0, x.queued);
    metric_set(METRIC_executors_busy, 0, x.running);
    metric_set(METRIC_executors, 0, x.threads);
    metric_set(METRIC_rpc_in_flight, 0, s.live);
    metric_set(METRIC_subscribers, 0, h.subscribers);
    collect_pool(POOL_DATABASE, METRIC_database_connections, METRIC_database_connects_total);
    collect_pool(POOL_REDIS, METRIC_redis_connections, METRIC_redis_connects_total);
    guard_collect(app->guard);
}

static int serve_metrics(struct app *app, struct err *e)
{
    if (*app->config->metrics_listen == '\0')
        return 0;
    if (metrics_http_create(app->config->metrics_listen, collect, app, &app->metrics, e) < 0)
        return -1;
    log_info("metrics are served", LOG_STR("address", metrics_http_address(app->metrics)),
             LOG_STR("path", "/metrics"));
    return 0;
}

static int make_parts(struct app *app, struct err *e)
{
    if (load_plugins(app, e) < 0 || startup_check_options(app, app->config, e) < 0)
        return -1;
    app->health = health_create();
    if (reflection_create(&app->reflection, e) < 0 ||
        guard_create(app->config, &app->guard, e) < 0 ||
        probe_create(app->config, app->health, &app->probe, e) < 0 || make_executors(app, e) < 0 ||
        service_start(app, e) < 0 || server_create(app, &app->server, e) < 0 ||
        serve_metrics(app, e) < 0)
        return -1;
    server_start(app->server);
    return startup_create(app, &app->startup, e) < 0 ? -1 : write_port(app, e);
}

/* The reverse of make_parts(), however far that came. */
static void destroy_parts(struct app *app)
{
    startup_destroy(app->startup);
    metrics_http_destroy(app->metrics);
    server_destroy(app->server);
    service_finish(app);
    executors_destroy(app->executors);
    guard_destroy(app->guard);
    probe_destroy(app->probe);
    reflection_destroy(app->reflection);
    health_destroy(app->health);
    registry_destroy(app->registry);
}

static void apply_log(const struct config *g)
{
    CLEANUP(config_releasep) const struct config *now = config_take(g);
    log_setup_areas((enum log_level)now->log_level, (enum log_format)now->log_format,
                    now->log_levels.items, now->log_levels.n);
}

/* --- waiting for the end --- */

/* A part whose lock is never given back ends the signs of life. */
static void show_life(struct app *app, struct notify *n)
{
    struct executors_stats x;
    struct server_stats s;
    char why[200], status[250];
    executors_stats(app->executors, &x);
    server_stats(app->server, &s);
    (void)loop_failure(app->loop, "", NULL); /* no group's name */
    if (health_get(app->health, why, sizeof(why)))
        (void)snprintf(status, sizeof(status), "Serving on %s.", server_address(app->server));
    else
        (void)snprintf(status, sizeof(status), "Not serving: %s", why);
    notify_status(n, status);
    if (n->watchdog_ns > 0)
        notify_say(n, "WATCHDOG=1");
}

/* Until the next sign of life: three to a watchdog's interval, one a second at most. */
static struct timespec until_next(const struct notify *n)
{
    const int64_t ns =
        n->watchdog_ns > 0 && n->watchdog_ns < 3 * NS_PER_S ? n->watchdog_ns / 3 : NS_PER_S;
    return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

/* The settings are read again; a bad file changes nothing, and the log says so. What is said of it
 * is said at the old level. */
static void reload(const struct config *g, struct notify *n)
{
    struct err e = {.code = ERR_NONE};
    if (n->is_ready)
        notify_number(n, "RELOADING=1\nMONOTONIC_USEC=", clock_ns() / NS_PER_US);
    if (config_reload(g, &e) == 0)
        apply_log(g);
    if (n->is_ready)
        notify_say(n, "READY=1");
}

/* *ret_code: with which the process is to end, when the start-up checks have failed. */
static bool has_failed(struct app *app, struct notify *n, int *ret_code)
{
    struct err e;
    const enum startup_state state = startup_look(app->startup, &e, ret_code);
    if (state == STARTUP_DONE)
        notify_say(n, "READY=1");
    n->is_ready = state == STARTUP_DONE;
    if (state != STARTUP_FAILED)
        return false;
    log_err(LOG_ERROR, "cannot start", &e, NULL, 0);
    return true;
}

/* Returns the exit code. */
static int await_end(struct app *app, struct notify *n, const sigset_t *signals)
{
    for (;;) {
        const struct timespec wait = until_next(n);
        const int sig = n->fd < 0 ? sigwaitinfo(signals, NULL) : sigtimedwait(signals, NULL, &wait);
        int code = EXIT_OK;
        if (sig == STARTUP_SIGNAL && has_failed(app, n, &code))
            return code;
        if (sig > 0 && sig != STARTUP_SIGNAL)
            log_info("signal", LOG_STR("name", sigabbrev_np(sig)));
        if (sig == SIGHUP)
            reload(app->config, n);
        if (sig == SIGTERM || sig == SIGINT)
            return EXIT_OK;
        if (n->fd >= 0)
            show_life(app, n);
    }
}

static void drain(struct app *app, struct notify *n)
{
    const int64_t grace_ms = CONFIG_NOW(app->config, grace_period);
    sigset_t again;
    sigemptyset(&again);
    sigaddset(&again, SIGTERM);
    sigaddset(&again, SIGINT);
    drain_force(grace_ms, &again);
    log_info("draining", LOG_NUM("grace_ms", grace_ms));
    notify_say(n, "STOPPING=1\nSTATUS=Draining.");
    health_set(app->health, HEALTH_DRAIN, false, "The server is shutting down.");
    service_drain(app);
    server_drain(app->server, drain_work_ms(grace_ms));
}

static int check_options(void *ctx, const struct config *next, void **ret_made, struct err *e)
{
    *ret_made = NULL;
    return startup_check_options(ctx, next, e);
}

static void apply_nothing(void *ctx, const struct config *now, void *made)
{
    (void)ctx;
    (void)now;
    (void)made;
}

static void say_that_it_listens(struct app *app, struct notify *n)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct config *g = app->config;
    log_info("listening", LOG_STR("address", server_address(app->server)),
             LOG_STR("replica", g->replica), LOG_STR("version", BERTH_VERSION),
             LOG_STR("database", config_redact(g->database, a)), LOG_STR("redis", g->redis));
    /* ready it is when the start-up checks are done: that may last */
    notify_number(n, "STATUS=Starting.\nEXTEND_TIMEOUT_USEC=",
                  (g->startup_timeout + STARTUP_MARGIN_MS) * US_PER_MS);
}

/* A wrong value of a setting is a wrong call. */
static int exit_of(const struct err *e)
{
    return e->reason != NULL && strcmp(e->reason, "BAD_PLUGIN_OPTION") == 0 ? EXIT_USAGE
                                                                            : EXIT_FAILED;
}

static int serve(const struct config *g, const sigset_t *signals)
{
    struct app app = {.config = g};
    struct notify n;
    struct err e = {.code = ERR_NONE};
    int code = EXIT_OK;
    struct config_listener options = {
        .name = "plugin options", .check = check_options, .apply = apply_nothing, .ctx = &app};
    apply_log(g);
    gpr_set_log_function(log_grpc);
    notify_open(&n);
    grpc_init();
    if (make_parts(&app, &e) < 0) {
        log_err(LOG_ERROR, "cannot start", &e, NULL, 0);
        code = exit_of(&e);
    } else {
        config_listen(g, &options);
        say_that_it_listens(&app, &n);
        code = await_end(&app, &n, signals);
        drain(&app, &n);
        config_unlisten(g, &options);
    }
    destroy_parts(&app);
    grpc_shutdown_blocking();
    notify_close(&n);
    log_info("ended", LOG_NUM("code", code));
    return code;
}

int command_serve(int argc, char **argv)
{
    struct err e = {.code = ERR_NONE};
    sigset_t signals;
    CLEANUP(config_destroyp) struct config *g = NULL;
    if (config_create(environ, argc, argv, &g, &e) < 0 || command_passwords(g, &e) < 0) {
        fprintf(stderr, "berthd: %s\n", e.message);
        return EXIT_USAGE;
    }
    block_signals(&signals);
    return serve(g, &signals);
}
