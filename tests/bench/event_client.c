/* event_client.c - the client of event_bench: many streams on one queue, and when each event came.
 */
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc_security.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <berth/v1/scheduler.pb-c.h>

#include "tests/bench/event_bench.h"
#include "tests/rpc/support.h"

enum { SAMPLES_MAX = 4000000, IDLE_MS = 300 };

struct watch {
    grpc_call *call;
    grpc_byte_buffer *received;
    grpc_metadata_array headers, trailers;
    grpc_status_code code;
    grpc_slice words;
    bool open;
};

struct client_bench {
    struct bench *b;
    grpc_completion_queue *queue;
    grpc_channel **channels;
    struct watch *watches;
    unsigned n_left;  /* batches that have not come back */
    int32_t *samples; /* microseconds */
    uint32_t n_samples;
};

/* --- reading a message ------------------------------------------------------------------------
 * Only the sequences are wanted, and unpacking would cost more than the rest. */

static const uint8_t *varint(const uint8_t *at, const uint8_t *end, uint64_t *ret)
{
    *ret = 0;
    for (unsigned shift = 0; at < end && shift < 64; shift += 7) {
        *ret |= (uint64_t)(*at & 0x7f) << shift;
        if ((*at++ & 0x80) == 0)
            break;
    }
    return at;
}

/* The sequence (field 2) of an event. */
static uint64_t sequence_of(const uint8_t *at, const uint8_t *end)
{
    uint64_t key, value;
    while (at < end) {
        at = varint(at, end, &key);
        at = varint(at, end, &value);
        if (key == (2 << 3 | 0))
            return value;
        if ((key & 7) == 2)
            at += value;
    }
    return 0;
}

static void take_events(struct client_bench *c, const uint8_t *at, size_t n)
{
    const uint8_t *end = at + n;
    int64_t now = bench_now();
    uint64_t key, len;
    unsigned taken = 0;
    while (at < end) {
        at = varint(at, end, &key);
        at = varint(at, end, &len);
        if (key == (1 << 3 | 2)) {
            uint64_t sequence = sequence_of(at, at + len);
            taken++;
            if (sequence > 0 && sequence < EVENTS_MAX && c->n_samples < SAMPLES_MAX)
                c->samples[c->n_samples++] =
                    (int32_t)((now - atomic_load(&c->b->at[sequence])) / 1000);
        }
        if ((key & 7) == 2)
            at += len;
    }
    atomic_fetch_add(&c->b->taken, taken);
    atomic_fetch_add(&c->b->messages, taken > 0);
}

/* --- streams ----------------------------------------------------------------------------------
 */

static void start(struct client_bench *c, struct watch *w, const grpc_op *ops, size_t n, void *tag)
{
    if (grpc_call_start_batch(w->call, ops, n, tag, NULL) != GRPC_CALL_OK)
        abort();
    c->n_left++;
}

static void receive(struct client_bench *c, struct watch *w)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &w->received;
    start(c, w, &op, 1, w);
}

static void open_watch(struct client_bench *c, struct watch *w, grpc_channel *channel)
{
    static const uint8_t request[] = {0x28, 1, 0x32, 3, 0x08, 0x90, 0x1c}; /* NOW, 3600 s */
    grpc_slice slice = grpc_slice_from_copied_buffer((const char *)request, sizeof(request));
    grpc_byte_buffer *body = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_op ops[4] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                      {.op = GRPC_OP_SEND_MESSAGE},
                      {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
                      {.op = GRPC_OP_RECV_INITIAL_METADATA}};
    grpc_op status = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
    w->call = grpc_channel_create_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS, c->queue,
                                       grpc_slice_from_static_string(WATCH_PATH), NULL,
                                       gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    grpc_metadata_array_init(&w->headers);
    grpc_metadata_array_init(&w->trailers);
    ops[1].data.send_message.send_message = body;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &w->headers;
    status.data.recv_status_on_client.trailing_metadata = &w->trailers;
    status.data.recv_status_on_client.status = &w->code;
    status.data.recv_status_on_client.status_details = &w->words;
    start(c, w, ops, 4, NULL);
    start(c, w, &status, 1, NULL);
    receive(c, w);
    grpc_byte_buffer_destroy(body);
    grpc_slice_unref(slice);
}

static void on_message(struct client_bench *c, struct watch *w)
{
    grpc_byte_buffer_reader r;
    if (w->received == NULL)
        return; /* over */
    if (!w->open)
        atomic_fetch_add(&c->b->open, 1);
    w->open = true;
    grpc_byte_buffer_reader_init(&r, w->received);
    grpc_slice s = grpc_byte_buffer_reader_readall(&r);
    take_events(c, GRPC_SLICE_START_PTR(s), GRPC_SLICE_LENGTH(s));
    grpc_slice_unref(s);
    grpc_byte_buffer_reader_destroy(&r);
    grpc_byte_buffer_destroy(w->received);
    w->received = NULL;
    receive(c, w);
}

/* One event of the queue; false: none within ms. */
static bool turn(struct client_bench *c, int ms)
{
    gpr_timespec until =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN));
    grpc_event ev = grpc_completion_queue_next(c->queue, until, NULL);
    if (ev.type != GRPC_OP_COMPLETE)
        return false;
    c->n_left--;
    if (ev.tag != NULL)
        on_message(c, ev.tag);
    return true;
}

static void open_all(struct client_bench *c)
{
    const struct bench_options *o = &c->b->o;
    char target[32];
    (void)snprintf(target, sizeof(target), "127.0.0.1:%d", atomic_load(&c->b->port));
    for (unsigned i = 0; i < o->connections; i++) {
        grpc_arg own = {.type = GRPC_ARG_INTEGER,
                        .key = (char *)GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL,
                        .value.integer = 1};
        const grpc_channel_args args = {.num_args = 1, .args = &own};
        c->channels[i] = grpc_channel_create(target, grpc_insecure_credentials_create(), &args);
    }
    for (unsigned i = 0; i < o->subscribers; i++)
        open_watch(c, &c->watches[i], c->channels[i % o->connections]);
    int64_t until = bench_now() + 60 * INT64_C(1000000000);
    while (atomic_load(&c->b->open) < o->subscribers) {
        (void)turn(c, 100);
        if (bench_now() > until) {
            (void)fprintf(stderr, "only %u streams were opened\n", atomic_load(&c->b->open));
            exit(1);
        }
    }
}

/* --- the whole --------------------------------------------------------------------------------
 */

static int compare(const void *a, const void *b)
{
    return (*(const int32_t *)a > *(const int32_t *)b) -
           (*(const int32_t *)a < *(const int32_t *)b);
}

static void close_all(struct client_bench *c)
{
    for (unsigned i = 0; i < c->b->o.subscribers; i++)
        grpc_call_cancel(c->watches[i].call, NULL);
    while (c->n_left > 0)
        (void)turn(c, 100);
    for (unsigned i = 0; i < c->b->o.subscribers; i++) {
        grpc_call_unref(c->watches[i].call);
        grpc_metadata_array_destroy(&c->watches[i].headers);
        grpc_metadata_array_destroy(&c->watches[i].trailers);
        grpc_slice_unref(c->watches[i].words);
    }
    for (unsigned i = 0; i < c->b->o.connections; i++)
        grpc_channel_destroy(c->channels[i]);
    grpc_completion_queue_shutdown(c->queue);
    while (grpc_completion_queue_next(c->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL).type !=
           GRPC_QUEUE_SHUTDOWN)
        continue;
    grpc_completion_queue_destroy(c->queue);
}

void bench_client(struct bench *b)
{
    client_setup();
    struct client_bench c = {.b = b,
                             .queue = grpc_completion_queue_create_for_next(NULL),
                             .channels = calloc(b->o.connections, sizeof(*c.channels)),
                             .watches = calloc(b->o.subscribers, sizeof(*c.watches)),
                             .samples = calloc(SAMPLES_MAX, sizeof(*c.samples))};
    open_all(&c);
    (void)turn(&c, IDLE_MS);
    while (!atomic_load(&b->go)) /* the idle streams are being measured */
        (void)turn(&c, 10);
    while (!atomic_load(&b->over))
        (void)turn(&c, 20);
    qsort(c.samples, c.n_samples, sizeof(*c.samples), compare);
    if (c.n_samples > 0) {
        b->p50_ns = c.samples[c.n_samples / 2] * INT64_C(1000);
        b->p99_ns = c.samples[(uint64_t)c.n_samples * 99 / 100] * INT64_C(1000);
        b->most_ns = c.samples[c.n_samples - 1] * INT64_C(1000);
    }
    close_all(&c);
    free(c.channels);
    free(c.watches);
    free(c.samples);
    grpc_shutdown_blocking();
}
