/* server_private.h - inside of struct server, for the machine only. */
#ifndef BERTH_SERVER_SERVER_PRIVATE_H
#define BERTH_SERVER_SERVER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include <grpc/grpc.h>

#include "server/app.h"
#include "server/config.h"
#include "server/cq.h"
#include "server/method.h"
#include "server/server.h"

struct call;

enum { MAX_POLLERS = 16 };

struct server {
    struct app *app;
    const struct config *config;
    struct methods *methods;
    grpc_server *grpc;
    struct cq *cqs[MAX_POLLERS];
    unsigned n_cqs;
    grpc_completion_queue *shutdown_queue; /* only for the shutdown notification */
    bool started, drained;
    char address[256];
    int port;

    pthread_mutex_t list_lock; /* guards the list, listed and the end of housekeeping */
    pthread_cond_t list_changed;
    struct call *calls; /* every call, posted ones too */
    unsigned listed;
    bool housekeeping_ends;
    pthread_t housekeeper;
    bool has_housekeeper;

    atomic_bool draining; /* new calls are refused */
    atomic_bool stopping; /* the grace period is over: handlers should give up */
    atomic_uint in_flight, streams;
    atomic_size_t request_bytes;
    atomic_ullong n_calls, n_refused;
};

void server_link(struct server *s, struct call *c);
void server_unlink(struct server *s, struct call *c);
/* May a call of this kind come in? Counts it: server_leave() must follow. method NULL: unknown.
 * *ret_room: how many more of them could; UINT_MAX for health checks, which are not shared out. */
int server_enter(struct server *s, const struct method *m, unsigned *ret_room,
                 struct err *e) MUST_CHECK;
void server_leave(struct server *s, const struct method *m);

#endif
