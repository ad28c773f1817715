/* client.c - a client on gRPC's C core: one channel, one queue that is plucked by operation. */
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

#include "berth/v1/scheduler.pb-c.h"
#include "tests/rpc/support.h"

struct client {
    grpc_channel *channel;
    const char *key, *value; /* of the metadata sent with every call; NULL: none */
};

struct call_handle {
    grpc_call *call;
    grpc_completion_queue *queue;
    grpc_metadata_array headers, trailers;
    grpc_status_code code;
    grpc_slice message;
    grpc_byte_buffer *received;
};

/* The operations' tags: addresses in here. */
static char tag_begin, tag_headers, tag_send, tag_close, tag_receive, tag_status;

static gpr_timespec soon(int64_t ms)
{
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN));
}

void client_setup(void)
{
    /* A connection is looked at only while an operation is waited for, and else this often: a
     * GOAWAY would lie there for 5 s. */
    (void)setenv("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "20", 1);
    grpc_init();
}

static struct client *open_with(const char *address, grpc_channel_credentials *credentials)
{
    struct client *c = calloc(1, sizeof(*c));
    /* A subchannel of its own: clients of one address would share a connection otherwise. */
    grpc_arg args[] = {
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL,
         .value.integer = 1},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
         .value.integer = -1},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_MAX_METADATA_SIZE,
         .value.integer = 65536},
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_ENABLE_RETRIES, .value.integer = 0},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
         .value.integer = 100},
    };
    grpc_channel_args list = {.num_args = sizeof(args) / sizeof(args[0]), .args = args};
    c->channel = grpc_channel_create(address, credentials, &list);
    grpc_channel_credentials_release(credentials);
    return c;
}

/* Calls come after this: libgrpc 1.51 reads errno late after connect(), so that an allocation in
 * between, which AddressSanitizer makes likelier, turns a connection under way into a failed one;
 * calls made in the time to the next try would fail with it. */
static void connect_now(struct client *c, const char *address)
{
    grpc_completion_queue *queue = grpc_completion_queue_create_for_pluck(NULL);
    gpr_timespec deadline = soon(SOON_MS);
    grpc_connectivity_state state = GRPC_CHANNEL_IDLE;
    bool waiting = true;
    while (waiting) {
        state = grpc_channel_check_connectivity_state(c->channel, 1);
        if (state == GRPC_CHANNEL_READY)
            break;
        grpc_channel_watch_connectivity_state(c->channel, state, deadline, queue, &tag_begin);
        waiting = grpc_completion_queue_pluck(queue, &tag_begin, soon(2 * SOON_MS), NULL).success;
    }
    grpc_completion_queue_shutdown(queue);
    grpc_completion_queue_destroy(queue);
    ck_assert_msg(state == GRPC_CHANNEL_READY, "no connection to %s in %d ms", address, SOON_MS);
}

struct client *client_open_later(const char *address)
{
    return open_with(address, grpc_insecure_credentials_create());
}

struct client *client_open(const char *address)
{
    struct client *c = client_open_later(address);
    connect_now(c, address);
    return c;
}

struct client *client_open_tls(const char *address, const char *roots, const char *certificate,
                               const char *key)
{
    grpc_ssl_pem_key_cert_pair pair = {.private_key = key, .cert_chain = certificate};
    return open_with(address, grpc_ssl_credentials_create_ex(
                                  roots, certificate != NULL ? &pair : NULL, NULL, NULL));
}

void client_metadata(struct client *c, const char *key, const char *value)
{
    c->key = key;
    c->value = value;
}

void client_close(struct client *c)
{
    if (c == NULL)
        return;
    grpc_channel_destroy(c->channel);
    free(c);
}

static void start(struct call_handle *k, const grpc_op *op, size_t n, char *tag)
{
    grpc_call_error rc = grpc_call_start_batch(k->call, op, n, tag, NULL);
    ck_assert_msg(rc == GRPC_CALL_OK, "start_batch: %s", grpc_call_error_to_string(rc));
}

static bool await(struct call_handle *k, char *tag, const char *what)
{
    grpc_event ev = grpc_completion_queue_pluck(k->queue, tag, soon(2 * SOON_MS), NULL);
    ck_assert_msg(ev.type == GRPC_OP_COMPLETE, "waited in vain for %s", what);
    return ev.success != 0;
}

struct call_handle *call_begin(struct client *c, const char *path, int64_t deadline_ms)
{
    struct call_handle *k = calloc(1, sizeof(*k));
    k->queue = grpc_completion_queue_create_for_pluck(NULL);
    grpc_metadata_array_init(&k->headers);
    grpc_metadata_array_init(&k->trailers);
    k->call =
        grpc_channel_create_call(c->channel, NULL, GRPC_PROPAGATE_DEFAULTS, k->queue,
                                 grpc_slice_from_static_string(path), NULL,
                                 deadline_ms < 0 ? gpr_inf_future(GPR_CLOCK_MONOTONIC)
                                                 : soon(deadline_ms > 0 ? deadline_ms : SOON_MS),
                                 NULL);
    grpc_op op = {.op = GRPC_OP_SEND_INITIAL_METADATA};
    grpc_metadata md = {.key = grpc_slice_from_static_string(c->key != NULL ? c->key : ""),
                        .value = grpc_slice_from_static_string(c->key != NULL ? c->value : "")};
    op.data.send_initial_metadata.metadata = &md;
    op.data.send_initial_metadata.count = c->key != NULL ? 1 : 0;
    start(k, &op, 1, &tag_begin);
    op = (grpc_op){.op = GRPC_OP_RECV_INITIAL_METADATA};
    op.data.recv_initial_metadata.recv_initial_metadata = &k->headers;
    start(k, &op, 1, &tag_headers);
    op = (grpc_op){.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
    op.data.recv_status_on_client.trailing_metadata = &k->trailers;
    op.data.recv_status_on_client.status = &k->code;
    op.data.recv_status_on_client.status_details = &k->message;
    start(k, &op, 1, &tag_status);
    (void)await(k, &tag_begin, "the call to begin");
    return k;
}

void call_send(struct call_handle *k, const void *bytes, size_t n)
{
    grpc_slice s = grpc_slice_from_copied_buffer(bytes, n);
    grpc_byte_buffer *b = grpc_raw_byte_buffer_create(&s, 1);
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
    op.data.send_message.send_message = b;
    start(k, &op, 1, &tag_send);
    (void)await(k, &tag_send, "a message to be sent");
    grpc_byte_buffer_destroy(b);
    grpc_slice_unref(s);
}

void call_send_message(struct call_handle *k, const ProtobufCMessage *m)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = malloc(n + 1);
    protobuf_c_message_pack(m, bytes);
    call_send(k, bytes, n);
    free(bytes);
}

void call_close_send(struct call_handle *k)
{
    grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    start(k, &op, 1, &tag_close);
    (void)await(k, &tag_close, "the end of the requests");
}

static uint8_t *take_bytes(grpc_byte_buffer *b, size_t *ret_n)
{
    grpc_byte_buffer_reader r;
    ck_assert_int_ne(grpc_byte_buffer_reader_init(&r, b), 0);
    grpc_slice s = grpc_byte_buffer_reader_readall(&r);
    *ret_n = GRPC_SLICE_LENGTH(s);
    uint8_t *copy = malloc(*ret_n + 1);
    memcpy(copy, GRPC_SLICE_START_PTR(s), *ret_n);
    grpc_slice_unref(s);
    grpc_byte_buffer_reader_destroy(&r);
    grpc_byte_buffer_destroy(b);
    return copy;
}

bool call_receive(struct call_handle *k, uint8_t **ret_bytes, size_t *ret_n)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &k->received;
    start(k, &op, 1, &tag_receive);
    (void)await(k, &tag_receive, "a message from the server");
    if (k->received == NULL)
        return false;
    *ret_bytes = take_bytes(k->received, ret_n);
    k->received = NULL;
    return true;
}

void call_cancel_now(struct call_handle *k)
{
    grpc_call_cancel(k->call, NULL);
}

static void keep_details(struct call_handle *k, struct reply *ret)
{
    for (size_t i = 0; i < k->trailers.count; i++) {
        grpc_slice key = k->trailers.metadata[i].key;
        grpc_slice value = k->trailers.metadata[i].value;
        if (grpc_slice_str_cmp(key, "grpc-status-details-bin") != 0)
            continue;
        ret->n_details = GRPC_SLICE_LENGTH(value);
        ret->details = malloc(ret->n_details + 1);
        memcpy(ret->details, GRPC_SLICE_START_PTR(value), ret->n_details);
    }
}

void call_end(struct call_handle *k, struct reply *ret)
{
    uint8_t *bytes = NULL;
    size_t n_bytes = 0;
    while (call_receive(k, &bytes, &n_bytes)) /* core keeps the status behind unread messages */
        free(bytes);
    (void)await(k, &tag_status, "the status of the call");
    (void)await(k, &tag_headers, "the headers of the call");
    ret->code = k->code;
    size_t n = GRPC_SLICE_LENGTH(k->message);
    n = n < sizeof(ret->message) - 1 ? n : sizeof(ret->message) - 1;
    memcpy(ret->message, GRPC_SLICE_START_PTR(k->message), n);
    ret->message[n] = '\0';
    keep_details(k, ret);
    grpc_slice_unref(k->message);
    grpc_metadata_array_destroy(&k->headers);
    grpc_metadata_array_destroy(&k->trailers);
    grpc_call_unref(k->call);
    grpc_completion_queue_shutdown(k->queue);
    grpc_completion_queue_destroy(k->queue);
    free(k);
}

void client_call(struct client *c, const char *path, const void *bytes, size_t n,
                 int64_t deadline_ms, struct reply *ret)
{
    *ret = (struct reply){.body = NULL};
    struct call_handle *k = call_begin(c, path, deadline_ms);
    call_send(k, bytes, n);
    call_close_send(k);
    if (!call_receive(k, &ret->body, &ret->n_body))
        ret->body = NULL;
    call_end(k, ret);
}

void client_call_message(struct client *c, const char *path, const ProtobufCMessage *m,
                         struct reply *ret)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = malloc(n + 1);
    protobuf_c_message_pack(m, bytes);
    client_call(c, path, bytes, n, 0, ret);
    free(bytes);
}

void client_schedule(struct client *c, const char *scaling_group, struct reply *ret)
{
    Berth__V1__ScheduleScalingGroupRequest q = BERTH__V1__SCHEDULE_SCALING_GROUP_REQUEST__INIT;
    q.scaling_group = (char *)scaling_group;
    client_call_message(c, SCHEDULE_PATH, &q.base, ret);
}
