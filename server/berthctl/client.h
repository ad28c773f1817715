/* client.h - synchronous calls on one gRPC channel.
 *
 * One thread. Answers and errors live in the arena handed in. A call ends when the server has
 * answered, at its deadline, or on Ctrl-C (interrupt.h). */
#ifndef BERTH_BERTHCTL_CLIENT_H
#define BERTH_BERTHCTL_CLIENT_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "google/rpc/error_details.pb-c.h"
#include "scheduler/arena.h"
#include "server/berthctl/identity.h"

struct client;

/* How a call failed. The details are NULL where the server sent none. */
struct failure {
    int code;            /* a grpc_status_code */
    const char *message; /* the server's, or gRPC's when the call did not reach it; not NULL */
    Google__Rpc__ErrorInfo *info;
    Google__Rpc__BadRequest *bad_request;
    Google__Rpc__PreconditionFailure *precondition;
    Google__Rpc__RetryInfo *retry;
    bool interrupted; /* by Ctrl-C */
    bool silent;      /* a stream that sent nothing for its idle time; the code is UNAVAILABLE */
};

/* server: "host:port", "unix:/path", any gRPC target. who: its texts must live as long. Does not
 * connect yet. */
struct client *client_create(const char *server, const struct identity *who);
void client_destroy(struct client *c); /* NULL is fine */

struct client_call {
    const ProtobufCServiceDescriptor *service;
    const char *method; /* one of the service's */
    const ProtobufCMessage *request;
    int64_t timeout_us; /* of the whole call; 0: none */
    int64_t idle_us;    /* of a stream: the longest silence; 0: any */
};

/* One answer. On failure *ret is untouched and f is filled. */
int client_unary(struct client *c, const struct client_call *call, struct arena *a,
                 const void **ret, struct failure *f) MUST_CHECK;

/* Hands each message of the stream to take(), until that returns false or the stream ends. The
 * message lives until take() returns. 0: take() said stop, or the server closed without an error.
 */
typedef bool client_take_f(void *data, const void *message);
int client_stream(struct client *c, const struct client_call *call, client_take_f *take, void *data,
                  struct arena *a, struct failure *f) MUST_CHECK;

/* A message from a buffer, in the arena; NULL when it is malformed. */
void *client_unpack(struct arena *a, const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
                    size_t n);
/* Fills the details of f from the bytes of "grpc-status-details-bin"; what cannot be read is left.
 */
void failure_read_details(struct failure *f, struct arena *a, const uint8_t *bytes, size_t n);

#endif
