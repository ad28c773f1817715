/* client.c - synchronous calls on one gRPC channel, see client.h.
 *
 * A plucking queue: each batch has a tag and is waited for by it. Waiting goes in ticks of TICK_MS,
 * so that Ctrl-C and a stream's silence are noticed; after a cancel the batches still out come back
 * at once. */
#include "server/berthctl/client.h"

#include <assert.h>
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "google/rpc/status.pb-c.h"
#include "server/berthctl/interrupt.h"

enum { TICK_MS = 100, MAX_MESSAGE = 64 << 20 };

struct client {
    grpc_channel *channel;
    const char *authorization; /* sent with each call; NULL: none */
    grpc_completion_queue *queue;
};

/* One call under way; its address is the tag of the status batch, &messages_tag of the others. */
struct call {
    struct client *client;
    grpc_call *call;
    const ProtobufCMessageDescriptor *answer;
    grpc_metadata_array initial, trailing;
    grpc_status_code status;
    grpc_slice message;
    char messages_tag;
    int64_t idle_us;
    bool cancelled, interrupted, silent;
};

/* --- the channel --- */

static void log_nothing(gpr_log_func_args *args)
{
    (void)args;
}

static grpc_arg integer_arg(const char *key, int value)
{
    return (grpc_arg){.type = GRPC_ARG_INTEGER, .key = (char *)key, .value.integer = value};
}

static grpc_channel_credentials *credentials_of(const struct identity *who)
{
    grpc_ssl_pem_key_cert_pair pair = {.private_key = who->key, .cert_chain = who->certificate};
    return who->tls ? grpc_ssl_credentials_create_ex(
                          who->roots, who->certificate != NULL ? &pair : NULL, NULL, NULL)
                    : grpc_insecure_credentials_create();
}

struct client *client_create(const char *server, const struct identity *who)
{
    grpc_arg args[] = {
        {.type = GRPC_ARG_STRING,
         .key = (char *)GRPC_ARG_PRIMARY_USER_AGENT_STRING,
         .value.string = (char *)"berthctl/" BERTH_VERSION},
        integer_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, MAX_MESSAGE),
        integer_arg(GRPC_ARG_ENABLE_RETRIES, 0),
        /* A watch paces its own attempts: the channel must be ready to connect by then. */
        integer_arg(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100),
        integer_arg(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000),
        {.type = GRPC_ARG_STRING,
         .key = (char *)GRPC_SSL_TARGET_NAME_OVERRIDE_ARG,
         .value.string = (char *)who->server_name},
    };
    /* The name comes last, because only its absence says "the address". */
    grpc_channel_args list = {.num_args = ARRAY_SIZE(args) - (who->server_name == NULL),
                              .args = args};
    struct client *c = calloc(1, sizeof(*c));

    if (c == NULL)
        abort();
    if (getenv("GRPC_VERBOSITY") == NULL) /* what failed is in the call's status */
        gpr_set_log_function(log_nothing);
    grpc_init();
    grpc_channel_credentials *credentials = credentials_of(who);
    c->authorization = who->authorization;
    c->channel = grpc_channel_create(server, credentials, &list);
    c->queue = grpc_completion_queue_create_for_pluck(NULL);
    grpc_channel_credentials_release(credentials);
    return c;
}

void client_destroy(struct client *c)
{
    if (c == NULL)
        return;
    grpc_channel_destroy(c->channel);
    grpc_completion_queue_shutdown(c->queue);
    grpc_completion_queue_destroy(c->queue);
    free(c);
    grpc_shutdown_blocking();
}

/* --- messages --- */

static void *pb_alloc(void *arena, size_t n)
{
    return arena_alloc(arena, 1, n);
}

static void pb_free(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

void *client_unpack(struct arena *a, const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
                    size_t n)
{
    ProtobufCAllocator in_arena = {.alloc = pb_alloc, .free = pb_free, .allocator_data = a};
    return protobuf_c_message_unpack(type, &in_arena, n, bytes);
}

static void *unpack_buffer(struct arena *a, const ProtobufCMessageDescriptor *type,
                           grpc_byte_buffer *buffer)
{
    grpc_byte_buffer_reader reader;
    void *m = NULL;
    if (!grpc_byte_buffer_reader_init(&reader, buffer))
        return NULL;
    grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
    m = client_unpack(a, type, GRPC_SLICE_START_PTR(all), GRPC_SLICE_LENGTH(all));
    grpc_slice_unref(all);
    grpc_byte_buffer_reader_destroy(&reader);
    return m;
}

static grpc_byte_buffer *pack_buffer(const ProtobufCMessage *m)
{
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(m));
    protobuf_c_message_pack(m, GRPC_SLICE_START_PTR(slice));
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return buffer;
}

/* --- a call --- */

static void call_start_batch(struct call *c, const grpc_op *ops, size_t n, void *tag)
{
    grpc_call_error rc = grpc_call_start_batch(c->call, ops, n, tag, NULL);
    assert(rc == GRPC_CALL_OK);
}

static void call_cancel(struct call *c)
{
    c->cancelled = true;
    grpc_call_cancel(c->call, NULL);
}

/* Waits until the batch has come back; false when it failed. Cancels on Ctrl-C and on silence. */
static bool call_wait(struct call *c, void *tag)
{
    gpr_timespec began = gpr_now(GPR_CLOCK_MONOTONIC);
    for (;;) {
        gpr_timespec now = gpr_now(GPR_CLOCK_MONOTONIC);
        gpr_timespec tick = gpr_time_add(now, gpr_time_from_millis(TICK_MS, GPR_TIMESPAN));
        grpc_event ev = grpc_completion_queue_pluck(c->client->queue, tag, tick, NULL);
        if (ev.type == GRPC_OP_COMPLETE)
            return ev.success != 0;
        assert(ev.type == GRPC_QUEUE_TIMEOUT);
        if (c->cancelled)
            continue;
        c->interrupted = interrupt_wait(0);
        c->silent =
            c->idle_us > 0 && gpr_timespec_to_micros(gpr_time_sub(now, began)) > (double)c->idle_us;
        if (c->interrupted || c->silent)
            call_cancel(c);
    }
}

/* Creates the call, starts the batch that will bring the status, and sends the request. */
static void call_begin(struct call *c, struct client *client, const struct client_call *what)
{
    const ProtobufCMethodDescriptor *method =
        protobuf_c_service_descriptor_get_method_by_name(what->service, what->method);
    assert(method != NULL && method->input == what->request->descriptor);
    *c = (struct call){.client = client, .answer = method->output, .idle_us = what->idle_us};

    char path[128];
    int n = snprintf(path, sizeof(path), "/%s/%s", what->service->name, what->method);
    assert(n > 0 && (size_t)n < sizeof(path));
    gpr_timespec deadline = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    if (what->timeout_us > 0)
        deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                gpr_time_from_micros(what->timeout_us, GPR_TIMESPAN));
    grpc_slice path_slice = grpc_slice_from_copied_string(path);
    c->call = grpc_channel_create_call(client->channel, NULL, 0, client->queue, path_slice, NULL,
                                       deadline, NULL);
    grpc_slice_unref(path_slice);
    grpc_metadata_array_init(&c->initial);
    grpc_metadata_array_init(&c->trailing);

    grpc_op status = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
    status.data.recv_status_on_client.trailing_metadata = &c->trailing;
    status.data.recv_status_on_client.status = &c->status;
    status.data.recv_status_on_client.status_details = &c->message;
    call_start_batch(c, &status, 1, c);

    grpc_byte_buffer *request = pack_buffer(what->request);
    grpc_op ops[4] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                      {.op = GRPC_OP_SEND_MESSAGE},
                      {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
                      {.op = GRPC_OP_RECV_INITIAL_METADATA}};
    grpc_metadata header = {.key = grpc_slice_from_static_string("authorization")};
    if (client->authorization != NULL) {
        header.value = grpc_slice_from_static_string(client->authorization);
        ops[0].data.send_initial_metadata.metadata = &header;
        ops[0].data.send_initial_metadata.count = 1;
    }
    ops[1].data.send_message.send_message = request;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &c->initial;
    call_start_batch(c, ops, ARRAY_SIZE(ops), &c->messages_tag);
    call_wait(c, &c->messages_tag); /* a failure shows in the status */
    grpc_byte_buffer_destroy(request);
}

/* The next message of the call; NULL when there is none any more. */
static grpc_byte_buffer *call_receive(struct call *c)
{
    grpc_byte_buffer *buffer = NULL;
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &buffer;
    call_start_batch(c, &op, 1, &c->messages_tag);
    call_wait(c, &c->messages_tag);
    return buffer;
}

static const char details_key[] = "grpc-status-details-bin";

void failure_read_details(struct failure *f, struct arena *a, const uint8_t *bytes, size_t n)
{
    const Google__Rpc__Status *status =
        client_unpack(a, &google__rpc__status__descriptor, bytes, n);
    const struct {
        const ProtobufCMessageDescriptor *type;
        void **field;
    } kinds[] = {
        {&google__rpc__error_info__descriptor, (void **)&f->info},
        {&google__rpc__bad_request__descriptor, (void **)&f->bad_request},
        {&google__rpc__precondition_failure__descriptor, (void **)&f->precondition},
        {&google__rpc__retry_info__descriptor, (void **)&f->retry},
    };
    for (size_t i = 0; status != NULL && i < status->n_details; i++) {
        const char *slash = strrchr(status->details[i]->type_url, '/');
        for (size_t k = 0; slash != NULL && k < ARRAY_SIZE(kinds); k++)
            if (strcmp(slash + 1, kinds[k].type->name) == 0)
                *kinds[k].field = client_unpack(a, kinds[k].type, status->details[i]->value.data,
                                                status->details[i]->value.len);
    }
}

/* Waits for the status, fills f unless it is OK, and frees the call. */
static int call_end(struct call *c, struct arena *a, struct failure *f)
{
    call_wait(c, c);
    *f = (struct failure){.code = (int)c->status, .interrupted = c->interrupted};
    f->message = arena_strndup(a, (const char *)GRPC_SLICE_START_PTR(c->message),
                               GRPC_SLICE_LENGTH(c->message));
    if (c->silent) {
        f->code = GRPC_STATUS_UNAVAILABLE;
        f->silent = true;
        f->message =
            arena_printf(a, "the server sent nothing for %d s", (int)(c->idle_us / 1000000));
    }
    for (size_t i = 0; i < c->trailing.count; i++) {
        const grpc_metadata *m = &c->trailing.metadata[i];
        if (grpc_slice_str_cmp(m->key, details_key) == 0)
            failure_read_details(f, a, GRPC_SLICE_START_PTR(m->value), GRPC_SLICE_LENGTH(m->value));
    }
    grpc_slice_unref(c->message);
    grpc_metadata_array_destroy(&c->initial);
    grpc_metadata_array_destroy(&c->trailing);
    grpc_call_unref(c->call);
    return f->code == GRPC_STATUS_OK ? 0 : -1;
}

static int failure_malformed(struct failure *f)
{
    *f = (struct failure){.code = GRPC_STATUS_INTERNAL,
                          .message = "the server's answer cannot be read; is it a berthd?"};
    return -1;
}

int client_unary(struct client *client, const struct client_call *call, struct arena *a,
                 const void **ret, struct failure *f)
{
    struct call c;
    void *answer = NULL;

    call_begin(&c, client, call);
    grpc_byte_buffer *buffer = call_receive(&c);
    if (buffer != NULL)
        answer = unpack_buffer(a, c.answer, buffer);
    grpc_byte_buffer_destroy(buffer);
    if (call_end(&c, a, f) < 0)
        return -1;
    if (answer == NULL)
        return failure_malformed(f);
    *ret = answer;
    return 0;
}

int client_stream(struct client *client, const struct client_call *call, client_take_f *take,
                  void *data, struct arena *a, struct failure *f)
{
    CLEANUP(arena_destroyp) struct arena *messages = arena_create();
    struct call c;
    bool malformed = false;
    bool stopped = false;
    grpc_byte_buffer *buffer = NULL;

    call_begin(&c, client, call);
    while (!malformed && !stopped && (buffer = call_receive(&c)) != NULL) {
        const void *message = unpack_buffer(messages, c.answer, buffer);
        grpc_byte_buffer_destroy(buffer);
        malformed = message == NULL;
        stopped = !malformed && !take(data, message);
        arena_reset(messages);
    }
    if (malformed || stopped)
        call_cancel(&c);
    int rc = call_end(&c, a, f);
    return malformed ? failure_malformed(f) : stopped ? 0 : rc;
}
