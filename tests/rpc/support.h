/* support.h - a client on gRPC's C core. Whatever waits gives up after SOON_MS and fails the test.
 */
#ifndef BERTH_TESTS_RPC_SUPPORT_H
#define BERTH_TESTS_RPC_SUPPORT_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>

#include "scheduler/err.h"

/* AWAIT: of await_true(), for what happens by itself and may be slow on a busy machine. */
enum { SOON_MS = 10000, AWAIT_MS = 30000 };

#define SCHEDULE_PATH "/berth.v1.SchedulerService/ScheduleScalingGroup"
#define CANCEL_PATH   "/berth.v1.SchedulerService/CancelSession"
#define PREVIEW_PATH  "/berth.v1.SchedulerService/PreviewAllocation"
#define WATCH_PATH    "/berth.v1.SchedulerService/WatchEvents"
#define CHECK_PATH    "/grpc.health.v1.Health/Check"
#define HEALTH_PATH   "/grpc.health.v1.Health/Watch"

/* --- the client --- */

void client_setup(
    void); /* grpc_init() as the client needs it; grpc_shutdown_blocking() is the reverse */
struct client;
/* Connected, or the test fails. */
struct client *client_open(const char *address);
struct client *client_open_later(const char *address); /* connects with its first call */
/* The same as client_open_later() by TLS. All as PEM; roots: the CAs the client trusts; certificate
 * and key: its own, or NULL. */
struct client *client_open_tls(const char *address, const char *roots, const char *certificate,
                               const char *key);
void client_close(struct client *c);
/* Metadata of all calls begun from now on; NULL: none. Both must live as long. */
void client_metadata(struct client *c, const char *key, const char *value);

struct reply { /* how a call ended */
    grpc_status_code code;
    char message[512];
    uint8_t *body; /* of a unary answer; NULL: none */
    size_t n_body;
    uint8_t *details; /* "grpc-status-details-bin"; NULL: none */
    size_t n_details;
};
void reply_free(struct reply *r);
/* The ErrorInfo of the details. key: a metadata value, or NULL: the reason. "" when not there. */
const char *reply_info(const struct reply *r, const char *key, char text[8192]);
/* Is there a detail of this type ("BadRequest")? Its first field path goes to field (if any). */
bool reply_detail(const struct reply *r, const char *type, char field[256]);

struct call_handle; /* a call under way */
/* deadline_ms 0: SOON_MS; negative: none. */
struct call_handle *call_begin(struct client *c, const char *path, int64_t deadline_ms);
void call_send(struct call_handle *k, const void *bytes, size_t n); /* waits until it is gone */
void call_send_message(struct call_handle *k, const ProtobufCMessage *m);
void call_close_send(struct call_handle *k);
/* Waits for the next message; false: the call is over. *ret_bytes: free() it. */
bool call_receive(struct call_handle *k, uint8_t **ret_bytes, size_t *ret_n);
void call_cancel_now(struct call_handle *k);
/* Reads what is left, waits for the status, frees k. */
void call_end(struct call_handle *k, struct reply *ret);

/* One request, one answer. */
void client_call(struct client *c, const char *path, const void *bytes, size_t n,
                 int64_t deadline_ms, struct reply *ret);
void client_call_message(struct client *c, const char *path, const ProtobufCMessage *m,
                         struct reply *ret);
/* Calls SCHEDULE_PATH with this scaling_group. */
void client_schedule(struct client *c, const char *scaling_group, struct reply *ret);

/* --- waiting --- */

/* Waits until condition(ctx); fails naming `what`. */
void await_true(bool (*condition)(void *ctx), void *ctx, const char *what);

#define ck_assert_code(r, want, what)                                                              \
    ck_assert_msg((r)->code == (want), "%s: status %d \"%s\", not %d", what, (int)(r)->code,       \
                  (r)->message, (int)(want))

/* A program of one suite: forks a process a test. */
int run_suite(Suite *s);

#endif
