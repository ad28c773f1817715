/* service.c - what the handlers share: the hub of subscribers, the round service, the caretaker. */
#include "server/app.h"
#include "server/caretaker.h"
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
    if (round_service_create(c, app->registry, app->hub, &app->rounds, e) < 0)
        return -1;
    return caretaker_create(c, app->hub, &app->caretaker, e);
}

void service_drain(struct app *app)
{
    /* rounds come from calls only, and the server refuses those from now on */
    caretaker_destroy(app->caretaker);
    app->caretaker = NULL;
}

void service_finish(struct app *app)
{
    caretaker_destroy(app->caretaker);
    round_service_destroy(app->rounds);
    hub_destroy(app->hub);
    app->caretaker = NULL;
    app->rounds = NULL;
    app->hub = NULL;
}
