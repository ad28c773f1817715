/* app.h - the parts of the server, as one list of pointers.
 *
 * main.c makes them in this order and destroys them in reverse; nothing in here changes between
 * app_start() and app_finish(), so any thread may read it. */
#ifndef BERTH_SERVER_APP_H
#define BERTH_SERVER_APP_H

#include "scheduler/err.h"

struct bridge;    /* bridge.h: tells managers what happens */
struct caretaker; /* caretaker.h */
struct config;    /* config.h */
struct config_listener;
struct executors;      /* executor.h */
struct guard;          /* guard.h: TLS, who calls, what they may */
struct health;         /* health.h */
struct hub;            /* hub.h: subscribers of events */
struct loop;           /* loop.h: schedules groups by itself */
struct metrics_http;   /* metrics_http.h: /metrics */
struct probe;          /* probe.h: is the database there and migrated, is Redis there */
struct reflection;     /* reflection.h */
struct registry;       /* scheduler/policy.h */
struct round_service;  /* round_service.h */
struct server;         /* server.h */
struct snapshot_share; /* snapshot_share.h */
struct startup;        /* startup.h: may it serve at all */

struct app {
    const struct config *config;
    struct reflection *reflection; /* the contract, for tools */
    struct registry *registry;     /* built-ins and loaded plugins */
    struct health *health;         /* health_set() says what is wrong */
    struct probe *probe;
    struct guard *guard; /* NULL: plaintext, and everybody may do everything */
    struct executors *executors;
    struct snapshot_share *snapshots; /* service_start() makes it */
    struct hub *hub;                  /* service_start() makes it */
    struct config_listener *tuning;   /* of the hub; service_start() makes it */
    struct bridge *bridge; /* service_start() makes it; NULL: setting manager_bridge is off */
    struct round_service *rounds; /* service_start() makes it */
    struct caretaker *caretaker;  /* service_start() makes it */
    struct loop *loop;            /* service_start() makes it; NULL: setting loop is off */
    struct server *server;
    struct startup *startup;      /* NULL: in tests */
    struct metrics_http *metrics; /* NULL: not served */
};

/* Implemented in service.c: what the scheduling service itself needs besides its handlers. Tests of
 * the machine link their own. */
int service_start(struct app *app, struct err *e) MUST_CHECK; /* makes hub, rounds, their threads */
void service_drain(struct app *app);  /* no new rounds, publishers stop; before the server drains */
void service_finish(struct app *app); /* after the server is gone; a half-started one is fine */

#endif
