/* scrape.h - a small HTTP client, and metrics as a text of lines. Fails the test when it waits in
 * vain. */
#ifndef BERTH_TESTS_RPC_SCRAPE_H
#define BERTH_TESTS_RPC_SCRAPE_H

#include <stdbool.h>

/* A connection to 127.0.0.1:port, or to the socket file `path` when that is not NULL. */
int http_connect(int port, const char *path);
void http_send(int fd, const char *text);
/* All that comes until the server closes, free() it. Closes fd. */
char *http_receive(int fd);
/* Whether anything, or the end, comes within ms. */
bool http_answers(int fd, int ms);

/* The metrics served there; free() it. */
char *scrape(int port);
/* The lines of `after` that `before` has not, in their order, each "name{labels} +N" for a counter
 * or where both have the series, and "name{labels} =N" for a gauge that only `after` has. Left out:
 * comments, buckets, sums and gauges of the moment, which depend on how fast the machine is. free()
 * it. */
char *scrape_changes(const char *before, const char *after);
/* Number on the line of this series ("berth_leases_held"); fails the test when there is none. */
double scrape_value(const char *text, const char *series);

#endif
