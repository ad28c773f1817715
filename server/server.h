/* server.h - the gRPC machine: listens, dispatches the RPCs of methods.def, drains.
 *
 * One completion queue per poller thread (setting pollers); pollers never wait for anything but
 * gRPC. Every call is a struct call that moves through the table of steps in call.c. grpc_init() is
 * the caller's (main.c, after the signals are blocked). */
#ifndef BERTH_SERVER_SERVER_H
#define BERTH_SERVER_SERVER_H

#include <stdint.h>

#include "scheduler/err.h"

struct app;
struct server;

/* Binds the address of the setting listen; serves nobody before server_start(). Checks methods.def
 * against the contract: ERR_INTERNAL naming the method. ERR_INVALID: the address cannot be bound.
 * app must outlive the server; its executors and health must exist. */
int server_create(struct app *app, struct server **ret, struct err *e) MUST_CHECK;
void server_start(struct server *s);
/* Ends every stream with UNAVAILABLE, reason DRAINING, refuses new calls, waits up to grace_ms for
 * the running ones, then cancels them and waits until the last call is gone. Once. */
void server_drain(struct server *s, int64_t grace_ms);
/* After server_drain(), or before server_start(). NULL is fine. */
void server_destroy(struct server *s);
DEFINE_CLEANUP(struct server, server_destroy)

/* "127.0.0.1:50061" with the port really bound, or "unix:/path". */
const char *server_address(const struct server *s);
int server_port(const struct server *s); /* 0 for unix: */

struct server_stats {
    uint64_t calls;   /* since the start */
    uint32_t live;    /* calls that are not over, streams included */
    uint32_t streams; /* of them: open streams */
    uint64_t refused; /* by a limit or a drain */
};
void server_stats(struct server *s, struct server_stats *ret);

#endif
