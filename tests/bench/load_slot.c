/* load_slot.c - unary calls: one a slot, and when the next begins. */
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer_reader.h>

#include "server/clock.h"
#include "tests/bench/load.h"

enum { NO_SESSION = -1, PREVIEWED = 16 };

struct slot {
    struct load_tag tag; /* first */
    struct load *l;
    struct slot *next; /* of the idle, or of those that wait to ask again */
    enum load_rpc rpc;
    int session;         /* of a cancel or preview; NO_SESSION: none */
    int64_t intended_ns; /* when it was to begin */
    int64_t retry_ns;
    bool warming;
    grpc_channel *own; /* --reconnect */
    grpc_call *call;
    grpc_byte_buffer *answer;
    grpc_metadata_array headers, trailers;
    grpc_status_code code;
    grpc_slice words;
};

/* --- the end of a call --- */

static bool is_health(enum load_rpc rpc)
{
    return rpc == LOAD_HEALTH || rpc == LOAD_HEALTH_SERVICE || rpc == LOAD_LIVE;
}

/* HealthCheckResponse: field 1, 1 is SERVING. */
static bool is_serving(grpc_byte_buffer *answer)
{
    static const uint8_t serving[] = {1 << 3, 1};
    grpc_byte_buffer_reader r;
    if (answer == NULL || grpc_byte_buffer_reader_init(&r, answer) == 0)
        return false;
    grpc_slice s = grpc_byte_buffer_reader_readall(&r);
    const bool same = GRPC_SLICE_LENGTH(s) == sizeof(serving) &&
                      memcmp(GRPC_SLICE_START_PTR(s), serving, sizeof(serving)) == 0;
    grpc_slice_unref(s);
    grpc_byte_buffer_reader_destroy(&r);
    return same;
}

static void let_go(struct slot *s)
{
    if (s->answer != NULL)
        grpc_byte_buffer_destroy(s->answer);
    s->answer = NULL;
    grpc_metadata_array_destroy(&s->headers);
    grpc_metadata_array_destroy(&s->trailers);
    grpc_slice_unref(s->words);
    grpc_call_unref(s->call);
    s->call = NULL;
    if (s->own != NULL)
        grpc_channel_destroy(s->own);
    s->own = NULL;
}

static void rest(struct slot *s)
{
    s->next = s->l->idle;
    s->l->idle = s;
}

/* Waits for half of the delay to one and a half, so that those refused together do not come back
 * together. */
static void wait_to_retry(struct slot *s, int64_t now, int64_t delay_ms)
{
    struct load *l = s->l;
    s->retry_ns = now + delay_ms * NS_PER_MS / 2 + (int64_t)(drand48() * (double)delay_ms * 1e6);
    if (l->n_waiting++ == 0 || s->retry_ns < l->first_retry_ns)
        l->first_retry_ns = s->retry_ns;
    s->next = l->waiting;
    l->waiting = s;
    l->n_retries++;
}

static void note_cancel(const struct slot *s)
{
    const struct load *l = s->l;
    if (s->rpc == LOAD_CANCEL && l->log != NULL)
        (void)fprintf(l->log, "%s %s\n", l->sessions[s->session], load_code_name(s->code));
}

static void fired(struct load_tag *t)
{
    struct slot *s = (struct slot *)t;
    struct load *l = s->l;
    const int64_t now = clock_ns();
    struct load_tally *tally = s->warming ? &l->warming : &l->tallies[s->rpc];
    l->n_busy--;
    if (l->over && s->code == GRPC_STATUS_CANCELLED && s->trailers.count == 0)
        l->n_cut++; /* by us */
    const int64_t delay = load_tally_add(tally, s->code, &s->trailers, now - s->intended_ns);
    if (s->code == GRPC_STATUS_OK && is_health(s->rpc) && !is_serving(s->answer))
        tally->not_serving++;
    if (s->warming && s->code == GRPC_STATUS_OK)
        l->open_connections++;
    const bool again = l->o.retry && delay > 0 && !l->over;
    if (!again)
        note_cancel(s);
    let_go(s);
    if (again)
        wait_to_retry(s, now, delay);
    else
        rest(s);
}

/* --- the beginning --- */

static size_t fill_ops(struct slot *s, grpc_byte_buffer *request, grpc_op ops[6])
{
    struct load *l = s->l;
    size_t n = 0;
    ops[n] = (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
    ops[n].data.send_initial_metadata.metadata = &l->authorization;
    ops[n++].data.send_initial_metadata.count = l->n_metadata;
    if (request != NULL) {
        ops[n] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE};
        ops[n++].data.send_message.send_message = request;
        ops[n++] = (grpc_op){.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    }
    ops[n] = (grpc_op){.op = GRPC_OP_RECV_INITIAL_METADATA};
    ops[n++].data.recv_initial_metadata.recv_initial_metadata = &s->headers;
    ops[n] = (grpc_op){.op = GRPC_OP_RECV_MESSAGE};
    ops[n++].data.recv_message.recv_message = &s->answer;
    ops[n] = (grpc_op){.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
    ops[n].data.recv_status_on_client.trailing_metadata = &s->trailers;
    ops[n].data.recv_status_on_client.status = &s->code;
    ops[n++].data.recv_status_on_client.status_details = &s->words;
    return n;
}

static void begin(struct slot *s)
{
    struct load *l = s->l;
    grpc_op ops[6];
    grpc_byte_buffer *request = NULL;
    if (l->o.reconnect && !s->warming)
        s->own = load_channel(l);
    grpc_channel *channel = s->own != NULL ? s->own : load_next_channel(l);
    s->call = load_call(l, channel, load_rpc_path(s->rpc), l->o.deadline_ms);
    grpc_metadata_array_init(&s->headers);
    grpc_metadata_array_init(&s->trailers);
    if (!l->o.headers_only || s->warming)
        request = load_request(s->rpc, &l->o, s->session >= 0 ? l->sessions[s->session] : NULL,
                               s->warming ? grpc_empty_slice() : l->padding);
    load_batch(s->call, ops, fill_ops(s, request, ops), &s->tag);
    if (request != NULL)
        grpc_byte_buffer_destroy(request);
    l->n_busy++;
}

/* Previews go round the last few ids, which no cancel takes then. */
static unsigned previewed(const struct load *l)
{
    return l->n_sessions < PREVIEWED ? l->n_sessions : PREVIEWED;
}

static bool has_cancels(const struct load *l)
{
    const unsigned kept = l->o.weights[LOAD_PREVIEW] > 0 ? previewed(l) : 0;
    return l->next_cancel < l->n_sessions - kept;
}

/* Which RPC is next, by the weights; false: none is left. Turns, not chance: runs are alike. */
static bool choose(struct load *l, struct slot *s)
{
    unsigned all = 0;
    for (unsigned i = 0; i < N_LOAD_RPCS; i++) {
        if (i != LOAD_CANCEL || has_cancels(l))
            all += l->o.weights[i];
    }
    if (all == 0)
        return false;
    unsigned at = l->mix_at++ % all, rpc = 0;
    for (; rpc + 1 < N_LOAD_RPCS; rpc++) {
        const bool there = rpc != LOAD_CANCEL || has_cancels(l);
        const unsigned weight = there ? l->o.weights[rpc] : 0;
        if (at < weight)
            break;
        at -= weight;
    }
    s->rpc = (enum load_rpc)rpc;
    s->session = NO_SESSION;
    if (rpc == LOAD_CANCEL)
        s->session = (int)l->next_cancel++;
    else if (rpc == LOAD_PREVIEW)
        s->session = (int)(l->n_sessions - 1 - l->next_preview++ % previewed(l));
    return true;
}

static bool may_begin(const struct load *l)
{
    return !l->over && l->idle != NULL && (l->o.calls == 0 || l->n_begun < l->o.calls);
}

static bool begin_next(struct load *l, int64_t intended_ns)
{
    struct slot *s = l->idle;
    if (!choose(l, s))
        return false;
    l->idle = s->next;
    s->intended_ns = intended_ns;
    l->n_begun++;
    begin(s);
    return true;
}

static void retry_due(struct load *l, int64_t now)
{
    if (l->n_waiting == 0 || now < l->first_retry_ns)
        return;
    l->first_retry_ns = INT64_MAX;
    for (struct slot **at = &l->waiting; *at != NULL;) {
        struct slot *s = *at;
        if (s->retry_ns > now) {
            if (s->retry_ns < l->first_retry_ns)
                l->first_retry_ns = s->retry_ns;
            at = &s->next;
            continue;
        }
        *at = s->next;
        l->n_waiting--;
        begin(s);
    }
}

int64_t slots_begin_due(struct load *l, int64_t now)
{
    int64_t next = l->end_ns;
    retry_due(l, now);
    if (l->o.rate > 0) {
        while (may_begin(l)) {
            const int64_t due = l->start_ns + (int64_t)((double)l->n_begun * 1e9 / l->o.rate);
            if (due > now) {
                next = due;
                break;
            }
            if (!begin_next(l, due))
                break;
        }
    } else {
        while (may_begin(l) && begin_next(l, now))
            continue;
    }
    if (l->n_waiting > 0 && l->first_retry_ns < next)
        next = l->first_retry_ns;
    return next;
}

bool slots_done(const struct load *l)
{
    unsigned all = 0;
    for (unsigned i = 0; i < N_LOAD_RPCS; i++)
        all += i == LOAD_CANCEL ? 0 : l->o.weights[i];
    const bool all_begun = (l->o.calls > 0 && l->n_begun >= l->o.calls) ||
                           (all == 0 && l->next_cancel >= l->n_sessions && l->o.streams == 0 &&
                            l->o.weights[LOAD_CANCEL] > 0);
    return l->n_busy == 0 && l->n_waiting == 0 && (l->over || all_begun);
}

void slots_warm(struct load *l)
{
    for (unsigned left = l->o.connections; left > 0 || l->n_busy > 0;) {
        for (; left > 0 && l->idle != NULL; left--) {
            struct slot *s = l->idle;
            l->idle = s->next;
            s->rpc = LOAD_LIVE;
            s->session = NO_SESSION;
            s->warming = true;
            s->intended_ns = clock_ns();
            begin(s);
        }
        load_turn(l, clock_ns() + 100 * NS_PER_MS);
    }
    for (unsigned i = 0; i < l->o.in_flight; i++)
        l->slots[i].warming = false;
}

void slots_give_up(struct load *l)
{
    for (const struct slot *s = l->waiting; s != NULL; s = s->next)
        note_cancel(s);
    l->waiting = NULL;
    l->n_waiting = 0;
}

void slots_cancel(struct load *l)
{
    for (unsigned i = 0; i < l->o.in_flight; i++) {
        if (l->slots[i].call != NULL)
            grpc_call_cancel(l->slots[i].call, NULL);
    }
}

void slots_create(struct load *l)
{
    l->slots = calloc(l->o.in_flight, sizeof(*l->slots));
    if (l->slots == NULL)
        abort();
    for (unsigned i = 0; i < l->o.in_flight; i++) {
        l->slots[i].l = l;
        l->slots[i].tag.fired = fired;
        rest(&l->slots[i]);
    }
}

void slots_destroy(struct load *l)
{
    free(l->slots);
}
