/* metrics_http.h - GET /metrics over HTTP, for Prometheus; everything else is 404.
 *
 * One thread (libmicrohttpd's) serves all connections: at most 32 at a time, the others wait to be
 * accepted; one that says nothing for 5 s is closed. Plain HTTP without authentication: listen on
 * an address only the monitoring can reach. */
#ifndef BERTH_SERVER_METRICS_HTTP_H
#define BERTH_SERVER_METRICS_HTTP_H

#include "scheduler/err.h"

struct metrics_http;

/* address: "host:port", "[address]:port" or "unix:/path"; port 0 takes a free one. collect (NULL is
 * fine) is called before each answer, on the listener's thread: it sets the gauges that somebody
 * else keeps. Serves at once. ERR_INVALID: it cannot listen there. */
int metrics_http_create(const char *address, void (*collect)(void *ctx), void *ctx,
                        struct metrics_http **ret, struct err *e) MUST_CHECK;
/* After it collect() is not called any more. NULL is fine. */
void metrics_http_destroy(struct metrics_http *m);
DEFINE_CLEANUP(struct metrics_http, metrics_http_destroy)

/* "127.0.0.1:9464" with the port really bound, or "unix:/path". */
const char *metrics_http_address(const struct metrics_http *m);
int metrics_http_port(const struct metrics_http *m); /* 0 for unix: */

#endif
