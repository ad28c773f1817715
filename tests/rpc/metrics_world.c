/* metrics_world.c - see metrics_world.h. */
#include "tests/rpc/metrics_world.h"

#include <signal.h>
#include <stdio.h>

struct db db;
struct client *client;

void metrics_setup(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
}

void metrics_teardown(void)
{
    if (client != NULL) {
        client_close(client);
        client = NULL;
        grpc_shutdown_blocking();
    }
    berthd_cleanup();
}

static bool serves(void *ctx)
{
    struct reply r = {.body = NULL};
    (void)ctx;
    client_schedule(client, "nowhere", &r);
    bool well = r.code == GRPC_STATUS_NOT_FOUND;
    reply_free(&r);
    return well;
}

int metrics_start(const char *flag, const char *another, const char *third)
{
    static char settings[2][256]; /* database, Redis */
    db = world_create();
    (void)snprintf(settings[0], sizeof(settings[0]), "--database=%s", db.conninfo);
    (void)snprintf(settings[1], sizeof(settings[1]), "--redis=%s", redis_address());
    const char *const args[] = {
        settings[0], settings[1], "--metrics-listen=127.0.0.1:0", flag, another, third, NULL};
    client_setup();
    client = client_open(berthd_serve(args));
    await_true(serves, NULL, "berthd to serve");
    return berthd_metrics_port();
}
