/* watching.h - a test's client of the WatchEvents of handlers.h, and pushes to it. */
#ifndef BERTH_TESTS_RPC_WATCHING_H
#define BERTH_TESTS_RPC_WATCHING_H

#include "tests/rpc/handlers.h"
#include "tests/rpc/support.h"

struct call_handle *watch(struct client *c, const char *group); /* NULL: no group */
struct call_handle *watch_open(struct client *c);               /* waits until it is open */
/* Pushes a message with cursor "c<i>" to the stream opened last. */
void push_number(unsigned i, enum stream_push want);
/* Receives one message and compares its cursor. */
void expect_cursor(struct call_handle *k, const char *want);
void expect_number(struct call_handle *k, unsigned i);
void expect_end(struct call_handle *k, grpc_status_code code, const char *reason);
void leave(struct call_handle *k); /* cancels and frees */

#endif
