/* stream.h - the server's side of a server-streaming call: a bounded queue of prepared messages.
 *
 * Nothing here ever waits: a push into a full queue is refused, and it is the publisher's business
 * to come back when told (ready) or to end the stream. At most one message of a stream is on its
 * way to the client; the rest waits in the queue (setting stream_queue).
 *
 * Life: the open handler calls stream_attach(). From then on the handle is good until closed() has
 * returned, and longer for who took a reference. closed() is called exactly once, after the open
 * handler returned 0: the client left, its deadline passed, the status was sent, or the server
 * drains. ready() and closed() run on a poller with no lock of the machine held: they may take a
 * lock that is never held for long, and must not wait. All functions may be called from any thread,
 * and with the caller's own locks held. */
#ifndef BERTH_SERVER_STREAM_H
#define BERTH_SERVER_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "scheduler/err.h"

struct stream;

/* At a drain the machine ends streams by itself: what is queued is sent, then UNAVAILABLE, reason
 * DRAINING, with the cursor of the last message. */
struct stream_ops {
    void (*ready)(struct stream *s, void *ctx);  /* optional: after a refused push the queue is half
                                                    empty again; once per refusal */
    void (*closed)(struct stream *s, void *ctx); /* required: over; ctx is not used again */
};

void stream_attach(struct stream *s, const struct stream_ops *ops, void *ctx);
struct stream *stream_ref(struct stream *s); /* returns s */
void stream_unref(struct stream *s);         /* NULL is fine */
DEFINE_CLEANUP(struct stream, stream_unref)

/* Bytes packed once and shared by any number of streams; reference counted, any thread. */
struct packet;
struct packet *packet_pack(const ProtobufCMessage *m);
struct packet *packet_copy(const void *bytes, size_t n);
struct packet *packet_ref(struct packet *p); /* returns p */
void packet_unref(struct packet *p);         /* NULL is fine */
size_t packet_size(const struct packet *p);
DEFINE_CLEANUP(struct packet, packet_unref)

/* One message to a client: body followed by tail. Both are serialized fields of the stream's output
 * message, so that a shared body (events) gets a tail of the subscriber's own (its cursor):
 * protobuf reads the concatenation as one message. */
struct stream_message {
    struct packet *body; /* NULL: none; the stream takes a reference of its own */
    const void *tail;    /* copied */
    size_t n_tail;
    const char *cursor; /* where a client that got this message resumes; copied; NULL: none */
};

enum stream_push {
    STREAM_PUSHED,
    STREAM_FULL, /* not taken; ready() follows when there is room */
    STREAM_OVER  /* not taken; closed() was called or is about to be */
};
enum stream_push stream_push(struct stream *s, const struct stream_message *m);

/* Ends the stream; the first call wins. e NULL: what is queued is sent, then OK. Else what is
 * queued is dropped and the client gets *e, with the cursor of the last message that was handed to
 * the transport as metadata "cursor" of the ErrorInfo (if there was one and it is at most 4096
 * bytes). */
void stream_finish(struct stream *s, const struct err *e);
/* The same with a cursor of the caller's choice, e.g. the oldest one that still works; copied. */
void stream_finish_at(struct stream *s, const struct err *e, const char *cursor);

#endif
