/* rpc_preview_allocation.c - PreviewAllocation: what the next round would do. Writes nothing. */
#include <string.h>

#include "repo/session.h"
#include "scheduler/round.h"
#include "server/answer.h"
#include "server/app.h"
#include "server/caller.h"
#include "server/convert.h"
#include "server/described.h"
#include "server/page_token.h"
#include "server/preview_answer.h"
#include "server/reading.h"
#include "server/remedies.h"

struct preview {
    struct rpc_context *c;
    const Berth__V1__PreviewAllocationRequest *q;
    bool stored; /* by id, not by spec */
    struct reading reading;
    struct shared_snapshot *shared;
    struct uuid id;                  /* of the session in the snapshot */
    const struct snapshot *snapshot; /* the shared one, or one made of it */
    struct guest guest;              /* the session, where it is not stored */
    bool outside;                    /* the guest needs no snapshot that is made for it */
    uint32_t session;
    struct shared_seat *seat; /* whose explainer answers; NULL: none did */
    struct explanation *x;
    uint32_t from;             /* the first agent of the page */
    struct remedies *remedies; /* NULL: not asked for */
};

static bool wants_agents(const Berth__V1__PreviewAllocationRequest *q)
{
    return q->view == BERTH__V1__PREVIEW_VIEW__PREVIEW_VIEW_AGENTS;
}

static uint32_t page_size(const Berth__V1__PreviewAllocationRequest *q)
{
    return q->page_size > 0 ? q->page_size : PAGE_SIZE_DEFAULT;
}

/* The first agent after the one that ended the page before; they are by id. */
static uint32_t first_row(const struct snapshot *s, const struct page_token *token)
{
    uint32_t low = 0, high = token->n_before > 0 ? s->n_agents : 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(s->agents[middle].id, token->before[0]) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* --- the snapshot: shared, with the session in it --- */

/* Whether the session may be looked at there. */
static int check_group(const struct preview *p, const char *group, struct err *e)
{
    uint32_t unused;
    (void)rpc_groups(p->c, &unused); /* asked here */
    if (!caller_has_group(p->c->caller, group))
        return err_set(e, ERR_DENIED, "GROUP_FORBIDDEN",
                       "the session is in a scaling group that is not one of yours");
    if (p->q->scaling_group[0] != '\0' && strcmp(p->q->scaling_group, group) != 0)
        return err_field(e, "scaling_group", "the session is in scaling group \"%s\"", group);
    return 0;
}

/* The group of a stored session, which must be PENDING. */
static int find_group(struct preview *p, const char **ret, struct err *e)
{
    struct session_place place;
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    if (txn_begin(p->c->reader, TXN_READ_SNAPSHOT, &t, e) < 0 ||
        session_find(t, &p->id, p->c->arena, &place, e) < 0 || txn_commit(&t, e) < 0 ||
        check_group(p, place.scaling_group, e) < 0)
        return -1;
    if (strcmp(place.status, "PENDING") != 0) {
        err_set(e, ERR_PRECONDITION, "SESSION_NOT_PENDING",
                "the session is %s: only a PENDING one can be previewed", place.status);
        err_meta(e, "status", "%s", place.status);
        return err_meta(e, "session_id", "%s", p->q->session_id);
    }
    *ret = place.scaling_group;
    return 0;
}

/* One that has the session. One that was read before the session was queued is read anew. */
static int take_with_session(struct preview *p, struct err *e)
{
    enum { TRIES = 3 }; /* it can leave between the look at it and the snapshot: then look again */
    bool anew = p->shared != NULL;
    for (int i = 0; i < TRIES; i++, anew = true) {
        const char *group = NULL;
        if (find_group(p, &group, e) < 0)
            return -1;
        shared_release(TAKE(p->shared));
        if (reading_take(&p->reading, group, NULL, anew, &p->shared, e) < 0)
            return -1;
        if (snapshot_find_session(shared_snapshot(p->shared), &p->id) != NONE)
            return 0;
    }
    err_set(e, ERR_CONFLICT, "SESSION_MOVED",
            "the session is PENDING, but not in the queue of its scaling group");
    return err_retry(e, 1000);
}

static int take_for_id(struct preview *p, struct err *e)
{
    if (!uuid_parse(p->q->session_id, &p->id))
        return err_field(e, "session_id", "session_id is not a UUID");
    p->shared = snapshot_share_find(p->c->app->snapshots, &p->id, p->reading.oldest_ns);
    if (p->shared == NULL && p->q->scaling_group[0] != '\0' &&
        reading_take(&p->reading, p->q->scaling_group, NULL, false, &p->shared, e) < 0)
        return -1;
    if (p->shared == NULL || snapshot_find_session(shared_snapshot(p->shared), &p->id) == NONE)
        return take_with_session(p, e);
    return check_group(p, shared_snapshot(p->shared)->group_name, e);
}

static int take_for_spec(struct preview *p, struct snapshot_spec_owners *ret, struct err *e)
{
    const struct snapshot_spec spec = described_owners(p->q->spec, p->c->arena);
    if (reading_take(&p->reading, p->q->scaling_group, &spec, false, &p->shared, e) < 0)
        return -1;
    *ret = *shared_spec(p->shared, &spec);
    return 0;
}

/* Remedies and the queue ahead want a snapshot that has the session. */
static bool stays_outside(const struct preview *p)
{
    const struct policy *policy;
    const struct explain_request asked = {.after_queue = p->q->after_queue};
    struct err unused; /* who asks will hear of it */
    return !p->q->with_remedies && shared_policy(p->shared, &policy, &unused) == 0 &&
           explainer_suits(policy, &asked) && guest_stays_outside(p->snapshot, &p->guest);
}

/* The shared snapshot as it is, or with what the request adds and leaves out. */
static int make_snapshot(struct preview *p, const struct snapshot_spec_owners *owners,
                         struct err *e)
{
    struct arena *a = p->c->arena;
    const Berth__V1__PreviewAllocationRequest *q = p->q;
    const struct snapshot *s = shared_snapshot(p->shared);
    const bool other_agents = q->n_without_agents > 0 || q->n_extra_agents > 0;
    p->snapshot = s;
    if (!p->stored && described_session(s, q->spec, owners, &p->guest, a, e) < 0)
        return -1;
    if (!p->stored)
        p->id = p->guest.session.id;
    p->outside = !p->stored && !other_agents && stays_outside(p);
    if (p->outside)
        return 0;
    if (!p->stored || other_agents) {
        struct snapshot_builder *b = builder_create(a);
        builder_copy(b, s);
        if (!p->stored)
            builder_guest(b, &p->guest);
        if (described_without_agents(b, q->without_agents, q->n_without_agents, a, e) < 0 ||
            described_extra_agents(b, s, q->extra_agents, q->n_extra_agents, a, e) < 0)
            return -1;
        p->snapshot = builder_finish(b);
    }
    p->session = snapshot_find_session(p->snapshot, &p->id);
    return 0;
}

static int load(struct preview *p, struct err *e)
{
    struct snapshot_spec_owners owners = {.session_group = NONE};
    if (reading_begin(p->c, p->q->max_snapshot_age, &p->reading, e) < 0 ||
        (p->stored ? take_for_id(p, e) : take_for_spec(p, &owners, e)) < 0)
        return -1;
    return make_snapshot(p, &owners, e);
}

/* What is known of the shared snapshot, where the question is about just that. */
static int recall(struct preview *p, struct known *ret, struct err *e)
{
    const struct snapshot_want w = reading_want(&p->reading);
    if (p->outside || p->snapshot != shared_snapshot(p->shared))
        return 0;
    if (p->q->after_queue)
        return shared_plan(p->shared, &w, ret, e);
    return shared_order(p->shared, &w, ret, NULL, e);
}

/* By an explainer that others asked before, where one can answer. */
static int ask(struct preview *p, const struct policy *policy, const struct explain_request *q,
               struct err *e)
{
    struct explainer *explainer;
    if (p->snapshot != shared_snapshot(p->shared) || !explainer_suits(policy, q))
        return round_explain(p->snapshot, policy, q, p->c->arena, &p->x, e);
    p->seat = shared_sit(p->shared, &explainer);
    if (p->outside)
        return explainer_ask_guest(explainer, &p->guest, q, p->c->arena, &p->x, &p->snapshot, e);
    return explainer_ask(explainer, q, p->c->arena, &p->x, e);
}

static int explain(struct preview *p, const struct page_token *token, struct err *e)
{
    const struct policy *policy;
    struct explain_request q = {
        .session = p->session,
        .is_spec = !p->stored,
        .after_queue = p->q->after_queue,
        .agents = wants_agents(p->q),
        .ignore_validators = (const char *const *)p->q->ignore_validators,
        .n_ignore_validators = (uint32_t)p->q->n_ignore_validators,
        .first_row = first_row(p->snapshot, token),
        .n_rows = page_size(p->q),
    };
    if (shared_policy(p->shared, &policy, e) < 0 || recall(p, &q.known, e) < 0 ||
        ask(p, policy, &q, e) < 0)
        return -1;
    p->from = q.first_row;
    if (!p->q->with_remedies || p->q->page_token[0] != '\0')
        return 0;
    q.known = (struct known){.plan = NULL}; /* it is not that of the changed snapshots */
    return remedies_search(p->c, p->snapshot, policy, &q, &p->remedies, e);
}

/* --- the answer --- */

/* Packed here: the answer's texts are the shared snapshot's and the explainer's. */
static void answer(const struct preview *p, uint64_t scope)
{
    struct rpc_context *c = p->c;
    const struct preview_found found = {
        .snapshot = p->snapshot,
        .x = p->x,
        .remedies = p->remedies,
        .stored = p->stored,
        .agents = wants_agents(p->q),
        .from = p->from,
        .scope = scope,
    };
    Berth__V1__PreviewAllocationResponse *m = preview_answer(&found, c->arena);
    uint8_t *packed = NULL;
    m->snapshot_age = reading_age(&p->reading, p->shared);
    answer_pack(&m->base, c->arena, &packed, &c->n_packed);
    c->packed = packed;
}

static int check(const Berth__V1__PreviewAllocationRequest *q, struct err *e)
{
    if (q->target_case == BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET__NOT_SET)
        return err_field(e, "session_id", "say what to preview: session_id or spec");
    if (q->target_case == BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET_SPEC &&
        q->scaling_group[0] == '\0')
        return err_field(e, "scaling_group", "scaling_group is required with spec");
    if (q->page_token[0] != '\0' && !wants_agents(q))
        return err_field(e, "page_token", "only the AGENTS view has pages");
    return 0;
}

static int preview(struct preview *p, struct err *e)
{
    struct arena *a = p->c->arena;
    struct page_token token;
    Berth__V1__PreviewAllocationRequest scoped = *p->q;
    scoped.page_size = 0;
    scoped.page_token = convert_text("");
    uint64_t scope = page_scope(&scoped.base, a);
    if (check(p->q, e) < 0 ||
        (p->q->scaling_group[0] != '\0' && rpc_require_group(p->c, p->q->scaling_group, e) < 0) ||
        page_token_decode(p->q->page_token, scope, a, &token, e) < 0 || load(p, e) < 0 ||
        explain(p, &token, e) < 0)
        return -1;
    answer(p, scope);
    return 0;
}

int rpc_preview_allocation(struct rpc_context *c, const void *request, void **response,
                           struct err *e)
{
    struct preview p = {.c = c, .q = request};
    (void)response; /* it is packed already */
    p.stored = p.q->target_case == BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET_SESSION_ID;
    int rc = preview(&p, e);
    shared_leave(p.shared, p.seat);
    shared_release(p.shared);
    return rc;
}
