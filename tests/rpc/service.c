/* service.c - the whole scheduling service in this process, and calls to it. */
#include "tests/rpc/service.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/policy.h"
#include "server/app.h"
#include "server/config.h"
#include "server/executor.h"
#include "server/guard.h"
#include "server/health.h"
#include "server/log.h"
#include "server/probe.h"
#include "server/reflection.h"
#include "server/server.h"

enum { SETTINGS_MAX = 40 };

static struct app app;
static struct config *config;
static struct client *client;
static struct arena *arena;
static bool drained;

static struct config *settings_of(const struct db *d, const char *redis, const char *const *more)
{
    struct err e = {.code = ERR_NONE};
    char *argv[SETTINGS_MAX];
    int argc = 0;
    argv[argc++] = arena_strdup(arena, "--listen=127.0.0.1:0");
    argv[argc++] = arena_strdup(arena, "--executors=4");
    argv[argc++] = arena_strdup(arena, "--loop=false"); /* no rounds but those asked for */
    argv[argc++] = arena_strdup(arena, "--repair-at-start=false"); /* planted rows stay planted */
    argv[argc++] = arena_strdup(arena, "--snapshot-age=0ms");      /* what they change is seen */
    argv[argc++] = arena_printf(arena, "--database=%s", d->conninfo);
    argv[argc++] = arena_printf(arena, "--redis=%s", redis != NULL ? redis : redis_address());
    for (; more != NULL && *more != NULL; more++)
        argv[argc++] = arena_strdup(arena, *more);
    assert_done(config_create(NULL, argc, argv, &config, &e), &e, "read the settings");
    return config;
}

struct app *service_up(const struct db *d, const char *redis, const char *const *settings)
{
    struct err e = {.code = ERR_NONE};
    arena = arena_create();
    signal(SIGPIPE, SIG_IGN);
    log_setup(getenv("BERTH_TEST_LOG") != NULL ? LOG_DEBUG : LOG_ERROR, LOG_TEXT);
    grpc_init();
    const struct config *g = settings_of(d, redis, settings);
    const struct executors_options o = {.threads = (unsigned)g->executors,
                                        .queue = (unsigned)g->executor_queue,
                                        .together = (unsigned)g->cancels_together,
                                        .database = g->database,
                                        .reads = g->preview_database,
                                        .redis = g->redis,
                                        .redis_timeout_ms = (int)g->redis_timeout};
    app = (struct app){.config = g, .registry = registry_create(), .health = health_create()};
    assert_done(guard_create(g, &app.guard, &e), &e, "make the guard");
    assert_done(reflection_create(&app.reflection, &e), &e, "make reflection");
    assert_done(probe_create(g, app.health, &app.probe, &e), &e, "make the probe");
    assert_done(executors_create(&o, &app.executors, &e), &e, "make executors");
    assert_done(service_start(&app, &e), &e, "start the service");
    assert_done(server_create(&app, &app.server, &e), &e, "make the server");
    server_start(app.server);
    health_set(app.health, HEALTH_START, true, NULL);
    client = client_open(server_address(app.server));
    drained = false;
    return &app;
}

void service_stop_serving(void)
{
    service_drain(&app);
    server_drain(app.server, 0);
    drained = true;
}

void service_down(void)
{
    if (app.server == NULL)
        return;
    if (!drained)
        service_stop_serving();
    client_close(client);
    server_destroy(app.server);
    service_finish(&app);
    executors_destroy(app.executors);
    guard_destroy(app.guard);
    probe_destroy(app.probe);
    reflection_destroy(app.reflection);
    health_destroy(app.health);
    registry_destroy(app.registry);
    config_destroy(config);
    arena_destroy(arena);
    app = (struct app){.server = NULL};
    grpc_shutdown_blocking();
}

char *service_address(void)
{
    return arena_strdup(arena, server_address(app.server));
}

struct client *service_client(void)
{
    return client;
}

struct arena *test_arena(void)
{
    return arena;
}

/* --- calls -------------------------------------------------------------------------------------
 */

static void *from_arena(void *a, size_t n)
{
    return arena_alloc(a, n, 1);
}

static void leave(void *a, void *p)
{
    (void)a;
    (void)p;
}

void *from_bytes(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t n)
{
    ProtobufCAllocator memory = {.alloc = from_arena, .free = leave, .allocator_data = arena};
    void *m = protobuf_c_message_unpack(type, &memory, n, bytes);
    ck_assert_msg(m != NULL, "%zu bytes are no %s", n, type->name);
    return m;
}

void *call_ok(const char *path, const ProtobufCMessage *request,
              const ProtobufCMessageDescriptor *type, const char *what)
{
    struct reply r = {.body = NULL};
    client_call_message(client, path, request, &r);
    char reason[8192];
    ck_assert_msg(r.code == GRPC_STATUS_OK, "%s: status %d %s: %s", what, (int)r.code,
                  reply_info(&r, NULL, reason), r.message);
    void *m = from_bytes(type, r.body, r.n_body);
    reply_free(&r);
    return m;
}

void call_fails(const char *path, const ProtobufCMessage *request, grpc_status_code code,
                const char *reason, const char *field, const char *what)
{
    struct reply r = {.body = NULL};
    char text[8192], path_found[256];
    client_call_message(client, path, request, &r);
    ck_assert_msg(r.code == code, "%s: status %d, expected %d: %s", what, (int)r.code, (int)code,
                  r.message);
    reply_info(&r, NULL, text);
    ck_assert_msg(strcmp(text, reason) == 0, "%s: reason %s, expected %s: %s", what, text, reason,
                  r.message);
    bool about = reply_detail(&r, "BadRequest", path_found);
    ck_assert_msg(field == NULL || (about && strcmp(path_found, field) == 0),
                  "%s: field \"%s\", expected \"%s\"", what, path_found, field);
    reply_free(&r);
}

Berth__V1__ScheduleScalingGroupResponse *schedule(const char *group, const char *what)
{
    Berth__V1__ScheduleScalingGroupRequest q = BERTH__V1__SCHEDULE_SCALING_GROUP_REQUEST__INIT;
    q.scaling_group = (char *)(uintptr_t)group;
    return call_ok(SCHEDULE_PATH, &q.base, &berth__v1__schedule_scaling_group_response__descriptor,
                   what);
}

/* --- rows --------------------------------------------------------------------------------------
 */

char *db_fingerprint(const struct db *d)
{
    static const char *const tables[] = {
        "sessions",       "kernels",          "agent_resources",      "resource_allocations",
        "berth.requests", "berth.events",     "berth.owner_versions", "session_scheduling_history",
        "berth.rounds",   "berth.group_state"};
    char *all = arena_strdup(arena, "");
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        char text[64];
        db_text(d,
                arena_printf(arena,
                             "SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM %s t",
                             tables[i]),
                text, sizeof(text));
        all = arena_printf(arena, "%s%s %s\n", all, tables[i], text);
    }
    return all;
}

void assert_status(const struct db *d, const char *name, const char *status, const char *what)
{
    char sql[200], text[64];
    (void)snprintf(sql, sizeof(sql), "SELECT status FROM sessions WHERE id = t.id('%s')", name);
    db_text(d, sql, text, sizeof(text));
    ck_assert_msg(strcmp(text, status) == 0, "%s: session %s is %s, expected %s", what, name, text,
                  status);
}

char *id_text(const struct db *d, const char *name)
{
    struct uuid id = world_id(d, name);
    return uuid_format(&id, arena_alloc(arena, UUID_TEXT, 1));
}
