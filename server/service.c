/* service.c - what the handlers share: the hub of subscribers and the round service. */
#include "server/app.h"
#include "server/config.h"
#include "server/hub.h"
#include "server/round_service.h"

int service_start(struct app *app, struct err *e)
{
    const struct config *c = app->config;
    const struct hub_options hub = {
        .database = c->database,
        .ring_events = (uint32_t)c->event_buffer,
        .poll_ms = (int)c->event_poll,
        .slow_after_ms = (int)c->slow_reader,
    };
    if (hub_create(&hub, &app->hub, e) < 0)
        return -1;
    return round_service_create(c, app->registry, app->hub, &app->rounds, e);
}

void service_drain(struct app *app)
{
    (void)app; /* rounds come from calls only, and the server refuses those from now on */
}

void service_finish(struct app *app)
{
    round_service_destroy(app->rounds);
    hub_destroy(app->hub);
    app->rounds = NULL;
    app->hub = NULL;
}
