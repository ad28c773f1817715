/* server_listen.h - how a server of gRPC is made and bound; used by server.c. */
#ifndef BERTH_SERVER_SERVER_LISTEN_H
#define BERTH_SERVER_SERVER_LISTEN_H

#include <grpc/grpc.h>

#include "scheduler/err.h"
#include "server/config.h"

/* With every limit and keep-alive setting said explicitly. Never NULL. */
grpc_server *listen_create(const struct config *g);
/* Binds g->listen. ret_address (n bytes) gets the address with the real port; *ret_port 0 for
 * unix:. ERR_INVALID, reason CANNOT_LISTEN. */
int listen_bind(grpc_server *s, const struct config *g, char *ret_address, size_t n, int *ret_port,
                struct err *e) MUST_CHECK;

#endif
