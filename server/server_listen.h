/* server_listen.h - how a server of gRPC is made and bound; used by server.c. */
#ifndef BERTH_SERVER_SERVER_LISTEN_H
#define BERTH_SERVER_SERVER_LISTEN_H

#include <grpc/grpc.h>

#include "scheduler/err.h"
#include "server/app.h"
#include "server/config.h"

/* With every limit and keep-alive setting said explicitly. Never NULL. */
grpc_server *listen_create(const struct config *g);
/* May these addresses be served with these settings? Other machines are served with TLS and to
 * callers that are known, unless insecure_listen says otherwise. ERR_INVALID, reason
 * INSECURE_LISTEN or BAD_SETTING, meta "setting". */
int listen_check(const struct config *g, struct err *e) MUST_CHECK;
/* Is it an address that only this machine reaches: 127.x.y.z, [::1], localhost or unix:? */
bool listen_is_local(const char *address);

/* Binds the settings listen, with the credentials of app->guard, and health_listen, in plaintext.
 * ret_address (n bytes) gets the address with the real port; *ret_port 0 for unix:. ERR_INVALID,
 * reason CANNOT_LISTEN. */
int listen_bind(grpc_server *s, const struct app *app, char *ret_address, size_t n, int *ret_port,
                struct err *e) MUST_CHECK;

#endif
