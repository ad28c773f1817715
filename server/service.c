/* service.c - what the handlers share: the hub of subscribers, the round service, the caretaker. */
#include <stdlib.h>

#include "server/app.h"
#include "server/bridge.h"
#include "server/caretaker.h"
#include "server/clock.h"
#include "server/config.h"
#include "server/drain.h"
#include "server/hub.h"
#include "server/loop.h"
#include "server/round_service.h"
#include "server/snapshot_share.h"

static void tune(void *ctx, const struct config *now, void *made)
{
    (void)made;
    hub_tune(ctx, (int)now->event_poll, (int)now->slow_reader);
}

static int listen_for_tuning(struct app *app, struct err *e)
{
    app->tuning = calloc(1, sizeof(*app->tuning));
    if (app->tuning == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    *app->tuning = (struct config_listener){.name = "hub", .apply = tune, .ctx = app->hub};
    config_listen(app->config, app->tuning);
    return 0;
}

int service_start(struct app *app, struct err *e)
{
    const struct config *c = app->config;
    const struct hub_options hub = {
        .database = c->database,
        .redis = c->event_channel[0] != '\0' ? c->redis : NULL,
        .channel = c->event_channel,
        .redis_timeout_ms = (int)c->redis_timeout,
        .ring_events = (uint32_t)c->event_buffer,
        .poll_ms = (int)c->event_poll,
        .slow_after_ms = (int)c->slow_reader,
    };
    const struct snapshot_share_options snapshots = {
        .max_groups = (uint32_t)c->snapshot_groups,
        .max_bytes = c->snapshot_memory,
        .keep_ms = c->snapshot_keep,
    };
    if (hub_create(&hub, &app->hub, e) < 0 || listen_for_tuning(app, e) < 0 ||
        snapshot_share_create(&snapshots, &app->snapshots, e) < 0)
        return -1;
    if (c->manager_bridge != 0 && bridge_create(c, &app->bridge, e) < 0)
        return -1;
    if (round_service_create(c, app->registry, app->hub, app->snapshots, app->bridge, &app->rounds,
                             e) < 0)
        return -1;
    if (caretaker_create(c, app->hub, &app->caretaker, e) < 0)
        return -1;
    if (c->loop && loop_create(c, app->rounds, app->hub, &app->loop, e) < 0)
        return -1;
    bridge_hint_to(app->bridge, app->loop);
    return 0;
}

void service_drain(struct app *app)
{
    /* rounds of calls: the server refuses those from now on */
    bridge_hint_to(app->bridge, NULL);
    const int64_t work_ms = drain_work_ms(CONFIG_NOW(app->config, grace_period));
    loop_drain(app->loop, clock_ns() + work_ms * NS_PER_MS);
    caretaker_destroy(app->caretaker);
    app->caretaker = NULL;
}

void service_finish(struct app *app)
{
    bridge_hint_to(app->bridge, NULL);
    loop_destroy(app->loop);
    caretaker_destroy(app->caretaker);
    round_service_destroy(app->rounds);
    bridge_destroy(app->bridge);
    snapshot_share_destroy(app->snapshots);
    if (app->tuning != NULL)
        config_unlisten(app->config, app->tuning);
    free(app->tuning);
    hub_destroy(app->hub);
    app->loop = NULL;
    app->caretaker = NULL;
    app->rounds = NULL;
    app->bridge = NULL;
    app->tuning = NULL;
    app->snapshots = NULL;
    app->hub = NULL;
}
