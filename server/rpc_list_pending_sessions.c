/* rpc_list_pending_sessions.c - ListPendingSessions: the queue as the next round will try it. */
#include <berth/v1/scheduler.pb-c.h>

#include "repo/session.h"
#include "scheduler/round.h"
#include "server/answer.h"
#include "server/convert.h"
#include "server/page_token.h"
#include "server/queue_cut.h"
#include "server/reading.h"

struct queue {
    struct reading reading;
    struct shared_snapshot *shared;
    const struct snapshot *snapshot;
    const uint32_t *order;       /* sessions, in the order they will be tried */
    uint32_t from, n;            /* the page */
    struct event_cause **causes; /* of the page */
    uint32_t *n_causes;
};

/* Why each was not scheduled when last tried. */
static int read_causes(struct queue *q, struct txn *t, struct arena *a, struct err *e)
{
    struct uuid *ids = arena_new(a, struct uuid, q->n + 1);
    q->causes = arena_new(a, struct event_cause *, q->n + 1);
    q->n_causes = arena_new(a, uint32_t, q->n + 1);
    for (uint32_t i = 0; i < q->n; i++)
        ids[i] = q->snapshot->sessions[q->order[q->from + i]].id;
    return session_last_causes(t, ids, q->n, a, q->causes, q->n_causes, e);
}

static int load(struct queue *q, const Berth__V1__ListPendingSessionsRequest *request,
                const struct page_token *token, struct err *e)
{
    struct rpc_context *c = q->reading.c;
    uint32_t size = request->page_size > 0 ? request->page_size : PAGE_SIZE_DEFAULT;
    const struct policy *policy;
    struct known known = {.plan = NULL};
    const struct snapshot_want w = reading_want(&q->reading);
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    if (reading_take(&q->reading, request->scaling_group, NULL, false, &q->shared, e) < 0)
        return -1;
    q->snapshot = shared_snapshot(q->shared);
    if (shared_policy(q->shared, &policy, e) < 0 ||
        shared_order(q->shared, &w, &known, &q->order, e) < 0 ||
        queue_cut_find(q->snapshot, policy, known.places, token, c->arena, &q->from, e) < 0)
        return -1;
    q->n = q->snapshot->n_sessions - q->from;
    if (q->n > size)
        q->n = size;
    if (txn_begin(c->reader, TXN_READ_SNAPSHOT, &t, e) < 0 || read_causes(q, t, c->arena, e) < 0)
        return -1;
    return txn_commit(&t, e);
}

static int64_t *sum_of_kernels(const struct snapshot *s, const struct session *session,
                               struct arena *a)
{
    int64_t *sum = arena_new(a, int64_t, s->n_slots + 1);
    for (uint32_t k = 0; k < session->n_kernels; k++) {
        const int64_t *row = snapshot_request(s, session->first_kernel + k);
        for (uint32_t i = 0; i < s->n_slots; i++)
            sum[i] = amount_add(sum[i], row[i]);
    }
    return sum;
}

static Berth__V1__PendingSession *session_message(const struct queue *q, uint32_t i,
                                                  struct arena *a)
{
    const struct snapshot *s = q->snapshot;
    const struct session *session = &s->sessions[q->order[q->from + i]];
    Berth__V1__PendingSession *m =
        message_new(a, Berth__V1__PendingSession, berth__v1__pending_session);
    m->session_id = convert_uuid(&session->id, a);
    m->name = convert_text(session->name);
    m->access_key = convert_text(s->owners[session->owner[OWNER_KEYPAIR]].key);
    m->priority = session->priority;
    m->type = convert_session_type(session->type);
    m->position = q->from + i + 1;
    m->pending_since = convert_time(session->pending_since, a);
    m->retries = (uint32_t)session->retries;
    m->requested = convert_slots(s, sum_of_kernels(s, session, a), NULL, a, &m->n_requested);
    m->last_causes = convert_event_causes(q->causes[i], q->n_causes[i], a, &m->n_last_causes);
    return m;
}

static char *next_token(const struct queue *q, uint64_t scope, struct arena *a)
{
    const char *before[PAGE_TOKEN_KEYS];
    uint32_t cut = q->from + q->n;
    struct page_token next = {.position = cut, .before = before};
    for (; next.n_before < PAGE_TOKEN_KEYS && next.n_before < cut; next.n_before++)
        before[next.n_before] = queue_cut_key(q->snapshot, q->order[cut - 1 - next.n_before], a);
    return page_token_encode(scope, &next, a);
}

static int list(struct queue *q, const Berth__V1__ListPendingSessionsRequest *r, struct err *e)
{
    struct rpc_context *c = q->reading.c;
    struct arena *a = c->arena;
    struct page_token token;
    Berth__V1__ListPendingSessionsRequest scoped = *r;
    scoped.page_size = 0;
    scoped.page_token = convert_text("");
    uint64_t scope = page_scope(&scoped.base, a);
    if (rpc_require_group(c, r->scaling_group, e) < 0 ||
        page_token_decode(r->page_token, scope, a, &token, e) < 0 || load(q, r, &token, e) < 0)
        return -1;
    Berth__V1__ListPendingSessionsResponse *m = message_new(
        a, Berth__V1__ListPendingSessionsResponse, berth__v1__list_pending_sessions_response);
    m->total = q->snapshot->n_sessions;
    m->snapshot_time = convert_time(q->snapshot->observed_at, a);
    m->snapshot_age = reading_age(&q->reading, q->shared);
    m->sessions = arena_new(a, Berth__V1__PendingSession *, q->n + 1);
    m->n_sessions = q->n;
    for (uint32_t i = 0; i < q->n; i++)
        m->sessions[i] = session_message(q, i, a);
    if (q->from + q->n < q->snapshot->n_sessions)
        m->next_page_token = next_token(q, scope, a);
    /* Packed here: the answer's texts are the shared snapshot's. */
    uint8_t *packed = NULL;
    answer_pack(&m->base, a, &packed, &c->n_packed);
    c->packed = packed;
    return 0;
}

int rpc_list_pending_sessions(struct rpc_context *c, const void *request, void **response,
                              struct err *e)
{
    const Berth__V1__ListPendingSessionsRequest *r = request;
    struct queue q = {.from = 0};
    (void)response; /* it is packed already */
    if (reading_begin(c, r->max_snapshot_age, &q.reading, e) < 0)
        return -1;
    int rc = list(&q, r, e);
    shared_release(q.shared);
    return rc;
}
