/* machine.c - the machine without the service: no database; the probe says what a test wants. */
#include "tests/rpc/machine.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "server/config.h"
#include "server/executor.h"
#include "server/guard.h"
#include "server/health.h"
#include "server/log.h"
#include "server/probe.h"
#include "server/reflection.h"
#include "server/server.h"

/* --- the probe, replaced --- */

static pthread_mutex_t probe_lock = PTHREAD_MUTEX_INITIALIZER;
static struct err probe_answer;

void machine_database(const struct err *e)
{
    pthread_mutex_lock(&probe_lock);
    probe_answer = e != NULL ? *e : (struct err){.code = ERR_NONE};
    pthread_mutex_unlock(&probe_lock);
}

int probe_create(const struct config *g, struct health *h, struct probe **ret, struct err *e)
{
    (void)g;
    (void)h;
    (void)e;
    *ret = NULL;
    return 0;
}

void probe_destroy(struct probe *p)
{
    (void)p;
}

int probe_require(struct probe *p, struct pg *pg, struct err *e)
{
    (void)p;
    (void)pg;
    pthread_mutex_lock(&probe_lock);
    *e = probe_answer;
    pthread_mutex_unlock(&probe_lock);
    return e->code == ERR_NONE ? 0 : -1;
}

/* --- the server --- */

static struct app app;
static struct config *config;
static bool drained;

static void must(int rc, const struct err *e, const char *what)
{
    ck_assert_msg(rc == 0, "%s: %s (%s)", what, e->message, e->detail);
}

struct app *machine_start(const char *const *settings)
{
    struct err e = {.code = ERR_NONE};
    const char *argv[32] = {"--listen=127.0.0.1:0", "--executors=2"};
    int argc = 2;
    for (; settings != NULL && *settings != NULL; settings++)
        argv[argc++] = *settings;
    signal(SIGPIPE, SIG_IGN);
    log_setup(LOG_ERROR, LOG_TEXT);
    client_setup();
    must(config_create(NULL, argc, (char *const *)(void *)argv, &config, &e), &e, "settings");
    app = (struct app){.config = config, .health = health_create()};
    struct executors_options o = {.threads = (unsigned)config->executors,
                                  .queue = (unsigned)config->executor_queue,
                                  .together = (unsigned)config->cancels_together,
                                  .database = "host=/nowhere",
                                  .redis = "unix:/nowhere",
                                  .redis_timeout_ms = 1000};
    must(executors_create(&o, &app.executors, &e), &e, "executors");
    must(guard_create(config, &app.guard, &e), &e, "guard");
    must(reflection_create(&app.reflection, &e), &e, "reflection");
    must(server_create(&app, &app.server, &e), &e, "server");
    server_start(app.server);
    health_set(app.health, HEALTH_START, true, NULL);
    drained = false;
    return &app;
}

void machine_drain(int64_t grace_ms)
{
    health_set(app.health, HEALTH_DRAIN, false, "The server is shutting down.");
    server_drain(app.server, grace_ms);
    drained = true;
}

void machine_stop(void)
{
    if (app.server == NULL)
        return;
    if (!drained)
        machine_drain(0);
    server_destroy(app.server);
    executors_destroy(app.executors);
    guard_destroy(app.guard);
    reflection_destroy(app.reflection);
    health_destroy(app.health);
    config_destroy(config);
    app = (struct app){.server = NULL};
    grpc_shutdown_blocking();
}
