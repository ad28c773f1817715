/* load_watch.c - watches that are held open, read or not. */
#include <stdlib.h>

#include "server/clock.h"
#include "tests/bench/load.h"

enum { PAUSE_MS = 200, A_TURN = 64 /* opened at a time, so that calls go on between */ };

struct watch_tag {
    struct load_tag base; /* first */
    struct watch *w;
};

struct watch {
    struct load *l;
    struct watch_tag begun, message, status;
    grpc_call *call; /* NULL: closed */
    grpc_byte_buffer *received;
    grpc_metadata_array headers, trailers;
    grpc_status_code code;
    grpc_slice words;
    unsigned left;   /* batches that have not come back */
    bool open;       /* its first message came */
    int64_t at_ns;   /* when it was opened */
    int64_t next_ns; /* closed: when to open it */
};

static void start(struct watch *w, const grpc_op *ops, size_t n, struct watch_tag *tag)
{
    load_batch(w->call, ops, n, &tag->base);
    w->left++;
    w->l->watch_batches++;
}

static void receive(struct watch *w)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &w->received;
    start(w, &op, 1, &w->message);
}

static void open_watch(struct watch *w, int64_t now)
{
    struct load *l = w->l;
    grpc_byte_buffer *request = load_watch_request(&l->o);
    grpc_op ops[4] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                      {.op = GRPC_OP_SEND_MESSAGE},
                      {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
                      {.op = GRPC_OP_RECV_INITIAL_METADATA}};
    grpc_op status = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
    w->call = load_call(l, load_next_channel(l), load_watch_path(), -1);
    w->at_ns = now;
    w->open = false;
    grpc_metadata_array_init(&w->headers);
    grpc_metadata_array_init(&w->trailers);
    ops[0].data.send_initial_metadata.metadata = &l->authorization;
    ops[0].data.send_initial_metadata.count = l->n_metadata;
    ops[1].data.send_message.send_message = request;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &w->headers;
    status.data.recv_status_on_client.trailing_metadata = &w->trailers;
    status.data.recv_status_on_client.status = &w->code;
    status.data.recv_status_on_client.status_details = &w->words;
    start(w, ops, 4, &w->begun);
    start(w, &status, 1, &w->status);
    receive(w);
    grpc_byte_buffer_destroy(request);
    l->watches_opened++;
}

/* All batches are home: it is over. */
static void close_watch(struct watch *w)
{
    struct load *l = w->l;
    const int64_t now = clock_ns();
    const int64_t delay = load_tally_add(&l->watching, w->code, &w->trailers, now - w->at_ns);
    if (w->open)
        l->watches_open--;
    grpc_metadata_array_destroy(&w->headers);
    grpc_metadata_array_destroy(&w->trailers);
    grpc_slice_unref(w->words);
    grpc_call_unref(w->call);
    w->call = NULL;
    w->next_ns = now + (delay > PAUSE_MS ? delay : PAUSE_MS) * NS_PER_MS;
}

static void come_home(struct watch *w)
{
    w->l->watch_batches--;
    if (--w->left == 0)
        close_watch(w);
}

static void other_fired(struct load_tag *t)
{
    come_home(((struct watch_tag *)t)->w);
}

static void message_fired(struct load_tag *t)
{
    struct watch *w = ((struct watch_tag *)t)->w;
    if (w->received != NULL) {
        grpc_byte_buffer_destroy(w->received);
        w->received = NULL;
        w->l->watch_messages++;
        w->l->watches_open += !w->open;
        w->open = true;
        if (!w->l->o.slow)
            receive(w);
    }
    come_home(w);
}

void watches_tend(struct load *l, int64_t now)
{
    unsigned opened = 0;
    for (unsigned i = 0; i < l->o.streams && !l->over; i++) {
        struct watch *w = &l->watches[i];
        if (w->call == NULL && now >= w->next_ns && opened < A_TURN) {
            open_watch(w, now);
            opened++;
        } else if (w->call != NULL && l->o.hold_ms > 0 &&
                   now - w->at_ns > l->o.hold_ms * NS_PER_MS) {
            grpc_call_cancel(w->call, NULL);
            w->at_ns = now;
        }
    }
}

void watches_create(struct load *l)
{
    l->watches = calloc(l->o.streams + 1, sizeof(*l->watches));
    if (l->watches == NULL)
        abort();
    for (unsigned i = 0; i < l->o.streams; i++) {
        struct watch *w = &l->watches[i];
        w->l = l;
        w->begun = (struct watch_tag){{other_fired}, w};
        w->status = (struct watch_tag){{other_fired}, w};
        w->message = (struct watch_tag){{message_fired}, w};
    }
}

void watches_cancel(struct load *l)
{
    for (unsigned i = 0; i < l->o.streams; i++) {
        if (l->watches[i].call != NULL)
            grpc_call_cancel(l->watches[i].call, NULL);
    }
}

void watches_destroy(struct load *l)
{
    free(l->watches);
}
