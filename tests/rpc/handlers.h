/* handlers.h - handlers for tests of the machine, in place of the scheduling service's.
 *
 * ScheduleScalingGroup does what its scaling_group says:
 *   "echo"      answers; round.scaling_group is the request's, round.round_id the peer
 *   "packed"    answers bytes it packed itself
 *   "metadata"  answers with the value of metadata "x-test" in round.round_id
 *   "big"       answers a message of about 1 MiB
 *   "fail"      NOT_FOUND, reason NO_SUCH, metadata name=value, retry after 1500 ms
 *   "hold"      waits until handlers_release(), then answers
 *   "obey"      waits until rpc_stopped(), then fails with CANCELLED
 * CancelSession answers on the spot; the others are UNIMPLEMENTED.
 * WatchEvents opens unless scaling_groups[0] is "refuse" (NOT_FOUND) or "finish" (finishes with OK
 * before it returns); the test pushes with handlers_stream(). */
#ifndef BERTH_TESTS_RPC_HANDLERS_H
#define BERTH_TESTS_RPC_HANDLERS_H

#include "server/stream.h"

struct handlers_seen {              /* since the start */
    unsigned begun, stopped;        /* "hold" and "obey": begun; "obey": saw rpc_stopped() */
    unsigned opened, ready, closed; /* WatchEvents */
};
struct handlers_seen handlers_seen(void);
void handlers_release(void);
/* Waits until so many were begun / opened / closed / made ready / stopped. */
void await_begun(unsigned n);
void await_stopped(unsigned n);
void await_opened(unsigned n);
void await_closed(unsigned n);
void await_ready(unsigned n);
/* The stream opened last; good until it is closed. */
struct stream *handlers_stream(void);
/* Makes the next WatchEvents push so many messages before its handler returns. */
void handlers_push_at_open(unsigned n);

/* A WatchEventsResponse with this cursor, as a body and as a tail. */
enum stream_push push_cursor(struct stream *s, const char *cursor);

#endif
