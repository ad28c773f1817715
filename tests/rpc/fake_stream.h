/* fake_stream.h - a stream whose client is the test: linked instead of server/stream.c, to see what
 * the hub does without a network. */
#ifndef BERTH_TESTS_RPC_FAKE_STREAM_H
#define BERTH_TESTS_RPC_FAKE_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include <berth/v1/scheduler.pb-c.h>

#include "server/stream.h"

struct stream *fake_stream_create(unsigned capacity); /* messages that may wait in it */
/* As the machine would when the client has gone; then frees it. */
void fake_stream_close(struct stream *s);

/* The next message; the caller's. NULL after timeout_ms, or at once when the stream was ended and
 * nothing is left. */
Berth__V1__WatchEventsResponse *fake_stream_take(struct stream *s, int timeout_ms);
/* What it was ended with: waits for the end; false when it does not come. *ret_cursor: of the end,
 * or of the last message taken or waiting; NULL: none. Both live as long as the stream. */
bool fake_stream_ended(struct stream *s, int timeout_ms, struct err *ret, const char **ret_cursor);
unsigned fake_stream_waiting(struct stream *s); /* messages in the queue */
/* From now on who pushes waits inside, with all locks it has, until fake_stream_go_on(). */
void fake_stream_stop(struct stream *s);
bool fake_stream_await_stopped(struct stream *s, int timeout_ms); /* somebody waits */
void fake_stream_go_on(struct stream *s);
/* The body of the last message pushed, to see whether it is shared. */
const struct packet *fake_stream_last_body(struct stream *s);

#endif
