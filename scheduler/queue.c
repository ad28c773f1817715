/* queue.c - bands and the sequencer. */
#include "scheduler/queue.h"

#include <inttypes.h>
#include <string.h>

#include "scheduler/cause.h"

struct queue {
    const struct round_view *view;
    const struct policy *policy;
    struct arena *arena;
    bool all_bands;
    uint32_t *sessions; /* by (priority desc, created_at, id) */
    uint32_t n;
    bool *offered;       /* by session */
    struct band *band;   /* at hand; NULL before the first and after the last */
    uint32_t begin, end; /* of the band at hand, in sessions */
    void *state;         /* the sequencer's */
    bool band_done;      /* the sequencer has offered all it would */
    enum queue_end ended;
    const struct cause *skip_sequencer, *skip_policy, *skip_limit; /* made when first needed */
};

/* One pass of a stable radix sort by eight bits of priority, highest first. */
static void radix_pass(const struct snapshot *s, const uint32_t *in, uint32_t *out, uint32_t n,
                       unsigned shift)
{
    uint32_t start[257] = {0};
    for (uint32_t i = 0; i < n; i++) {
        uint32_t key = ~((uint32_t)s->sessions[in[i]].priority ^ UINT32_C(0x80000000));
        start[((key >> shift) & 255) + 1]++;
    }
    for (unsigned b = 0; b < 256; b++)
        start[b + 1] += start[b];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t key = ~((uint32_t)s->sessions[in[i]].priority ^ UINT32_C(0x80000000));
        out[start[(key >> shift) & 255]++] = in[i];
    }
}

/* Step 4. The snapshot has them by (created_at, id) and the sort is stable. */
static void sort_bands(struct queue *q)
{
    const struct snapshot *s = q->view->snapshot;
    uint32_t *other = NULL;
    q->sessions = arena_new(q->arena, uint32_t, s->n_sessions);
    uint32_t differ = 0;
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        if (q->view->expired[i] || s->sessions[i].bad_data != NULL)
            continue;
        q->sessions[q->n++] = i;
        differ |=
            (uint32_t)s->sessions[i].priority ^ (uint32_t)s->sessions[q->sessions[0]].priority;
    }
    for (unsigned shift = 0; shift < 32; shift += 8) {
        if (((differ >> shift) & 255) == 0)
            continue;
        if (other == NULL)
            other = arena_new(q->arena, uint32_t, q->n);
        radix_pass(s, q->sessions, other, q->n, shift);
        uint32_t *sorted = other;
        other = q->sessions;
        q->sessions = sorted;
    }
}

struct queue *queue_create(const struct round_view *v, const struct policy *p, bool all_bands,
                           struct arena *a)
{
    struct queue *q = arena_new(a, struct queue, 1);
    *q = (struct queue){.view = v, .policy = p, .arena = a, .all_bands = all_bands};
    q->offered = arena_new(a, bool, v->snapshot->n_sessions);
    sort_bands(q);
    return q;
}

/* Moves to the next band; false: there is none that may be tried. */
static bool next_band(struct queue *q)
{
    const struct session *all = q->view->snapshot->sessions;
    bool only_top = q->policy->queue_policy == QUEUE_TOP_PRIORITY && !q->all_bands;
    if (q->end == q->n || (only_top && q->end > 0))
        return false;
    q->begin = q->end;
    while (q->end < q->n &&
           all[q->sessions[q->end]].priority == all[q->sessions[q->begin]].priority)
        q->end++;
    const struct chosen *c = &q->policy->sequencer;
    q->band = arena_new(q->arena, struct band, 1);
    *q->band = (struct band){.round = q->view,
                             .sessions = q->sessions + q->begin,
                             .n_sessions = q->end - q->begin,
                             .options = c->options,
                             .arena = q->arena};
    q->state = c->plugin->sequencer.begin(q->band);
    q->band_done = false;
    return true;
}

static bool is_of_band(const struct queue *q, uint32_t session)
{
    const struct snapshot *s = q->view->snapshot;
    return session < s->n_sessions && !q->view->expired[session] &&
           s->sessions[session].bad_data == NULL &&
           s->sessions[session].priority == s->sessions[q->band->sessions[0]].priority;
}

static int misbehaves(const struct queue *q, struct err *e, uint32_t session, const char *what)
{
    const char *name = q->policy->sequencer.plugin->name;
    (void)err_set(e, ERR_INTERNAL, "SEQUENCER_BUG",
                  "The scheduler plugin \"%s\" misbehaves: it offered a session %s.", name, what);
    (void)err_meta(e, "plugin", "%s", name);
    return err_detail(e, "session index %" PRIu32, session);
}

int queue_next(struct queue *q, uint32_t *ret, struct err *e)
{
    if (q->ended != QUEUE_END_NONE) {
        *ret = NONE;
        return 0;
    }
    for (;;) {
        uint32_t session = NONE;
        if (q->band != NULL && !q->band_done)
            session = q->policy->sequencer.plugin->sequencer.pick_session(q->state);
        if (session != NONE) {
            if (!is_of_band(q, session))
                return misbehaves(q, e, session, "that is not of the band it was given");
            if (q->offered[session])
                return misbehaves(q, e, session, "twice");
            q->offered[session] = true;
            *ret = session;
            return 0;
        }
        q->band_done = true;
        if (!next_band(q)) {
            *ret = NONE;
            return 0;
        }
    }
}

void queue_placed(struct queue *q, uint32_t session)
{
    const struct sequencer_ops *ops = &q->policy->sequencer.plugin->sequencer;
    if (ops->update_allocation != NULL)
        ops->update_allocation(q->state, session);
}

void queue_end(struct queue *q, enum queue_end why)
{
    if (q->ended == QUEUE_END_NONE)
        q->ended = why;
}

const uint32_t *queue_sessions(const struct queue *q, uint32_t *ret_n)
{
    *ret_n = q->n;
    return q->sessions;
}

bool queue_was_offered(const struct queue *q, uint32_t session)
{
    return q->offered[session];
}

/* --- why not --- */

static const struct cause *policy_cause(struct queue *q)
{
    if (q->policy->queue_policy == QUEUE_TOP_PRIORITY)
        return cause_single(q->arena, CAUSE_QUEUE_POLICY, "queue_policy", true,
                            arena_printf(q->arena,
                                         "Only the highest priority in the queue, %" PRId32
                                         ", is tried: queue_policy is top-priority.",
                                         q->view->snapshot->sessions[q->sessions[0]].priority));
    return cause_single(q->arena, CAUSE_QUEUE_POLICY, "queue_policy", true,
                        "The round stopped at the first session that has to wait: queue_policy is "
                        "stop-at-first.");
}

const struct cause *queue_skip_cause(struct queue *q, uint32_t session)
{
    const struct session *all = q->view->snapshot->sessions;
    /* A band that ended was the sequencer's to offer, whatever stopped the pass later. */
    bool tried = q->band != NULL &&
                 (all[session].priority > all[q->band->sessions[0]].priority ||
                  (all[session].priority == all[q->band->sessions[0]].priority && q->band_done));
    if (tried) {
        if (q->skip_sequencer == NULL)
            q->skip_sequencer =
                cause_single(q->arena, CAUSE_PLUGIN, q->policy->sequencer.plugin->name, true,
                             arena_printf(q->arena, "The scheduler plugin \"%s\" did not offer it.",
                                          q->policy->sequencer.plugin->name));
        return q->skip_sequencer;
    }
    bool below_top = q->policy->queue_policy == QUEUE_TOP_PRIORITY &&
                     all[session].priority < all[q->sessions[0]].priority;
    if (below_top || q->ended != QUEUE_END_LIMIT) {
        if (q->skip_policy == NULL)
            q->skip_policy = policy_cause(q);
        return q->skip_policy;
    }
    if (q->skip_limit == NULL)
        q->skip_limit = cause_single(q->arena, CAUSE_ROUND_LIMIT, "round_limit", true,
                                     "The round ended before this session was tried.");
    return q->skip_limit;
}
