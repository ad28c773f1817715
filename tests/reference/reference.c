/* reference.c - see reference.h. One function a rule; the state is a handful of plain matrices. */
#include "tests/reference/reference_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* --- step 8: update --- */

static void update(struct state *st, const struct session *w)
{
    const struct snapshot *s = st->s;
    uint32_t k = w->owner[OWNER_KEYPAIR];
    if (session_is_private(w)) {
        st->owner_live_sftp[k]++;
        return;
    }
    st->owner_live[k]++;
    for (int kind = 0; kind < N_OWNER_KINDS; kind++)
        for (uint32_t slot = 0; slot < s->n_slots; slot++) {
            int64_t *used = &st->owner_used[w->owner[kind] * s->n_slots + slot];
            *used = amount_add(*used, request_of(s, w, slot));
        }
}

/* --- steps 3 to 5 --- */

static const char *option_of(const struct snapshot *s, const struct policy_config *c,
                             const char *plugin, const char *key)
{
    char full[128];
    snprintf(full, sizeof(full), "%s.%s", plugin, key);
    for (uint32_t i = 0; i < s->n_options; i++)
        if (strcmp(s->options[i].key, full) == 0)
            return s->options[i].value;
    for (uint32_t i = 0; i < s->n_options; i++)
        if (strcmp(s->options[i].key, key) == 0)
            return s->options[i].value;
    for (uint32_t i = 0; i < c->n_options; i++)
        if (strcmp(c->options[i].key, full) == 0)
            return c->options[i].value;
    return NULL;
}

/* Dominant share of a key as the largest fraction: *ret_num / *ret_den. */
static void share_of(const struct state *st, uint32_t key, int64_t *ret_num, int64_t *ret_den)
{
    const struct snapshot *s = st->s;
    *ret_num = 0;
    *ret_den = 1;
    for (uint32_t slot = 0; slot < s->n_slots; slot++) {
        int64_t total = 0;
        for (uint32_t i = 0; i < s->n_agents; i++)
            if (agent_is_candidate(&s->agents[i]))
                total = amount_add(total, snapshot_row(s, s->agent_capacity, i)[slot]);
        int64_t used = amount_add(snapshot_row(s, s->owner_group_usage, key)[slot],
                                  st->owner_used[key * s->n_slots + slot]);
        if (total > 0 && fraction_less(*ret_num, *ret_den, used, total)) {
            *ret_num = used;
            *ret_den = total;
        }
    }
}

/* Next session of the band: open[i] says which are still to be offered. Sessions are indexed in
 * (created_at, id) order. */
static uint32_t pick(const struct state *st, const bool *open)
{
    const struct snapshot *s = st->s;
    uint32_t best = NONE;
    if (strcmp(s->scheduler, "drf") == 0) {
        int64_t best_num = 0, best_den = 1;
        for (uint32_t i = 0; i < s->n_sessions; i++) {
            int64_t num, den;
            if (!open[i])
                continue;
            share_of(st, s->sessions[i].owner[OWNER_KEYPAIR], &num, &den);
            if (best == NONE || fraction_less(num, den, best_num, best_den)) {
                best = i;
                best_num = num;
                best_den = den;
            }
        }
        return best;
    }
    if (strcmp(s->scheduler, "lifo") == 0) {
        for (uint32_t i = 0; i < s->n_sessions; i++)
            if (open[i])
                best = i;
        return best;
    }
    const char *text = option_of(s, st->c, "fifo", "num_retries_to_skip");
    long skip = text == NULL ? 0 : strtol(text + (text[0] == '"'), NULL, 10);
    for (int late = 0; late < 2; late++)
        for (uint32_t i = 0; i < s->n_sessions; i++)
            if (open[i] && (skip > 0 && s->sessions[i].retries >= skip) == (late == 1))
                return i;
    return NONE;
}

static struct ref_decision *decide(struct ref_plan *p, struct arena *a, uint32_t session,
                                   enum outcome o)
{
    struct ref_decision *d = &p->decisions[p->n_decisions++];
    *d = (struct ref_decision){
        .session = session, .outcome = o, .causes = arena_new(a, struct ref_cause, MAX_CAUSES)};
    return d;
}

static void offer(struct state *st, struct ref_plan *p, uint32_t i)
{
    const struct session *w = &st->s->sessions[i];
    struct ref_decision *d = decide(p, st->a, i, OUTCOME_BLOCKED);
    validate(st, w, d);
    if (d->n_causes > 0) {
        if (session_is_private(w))
            d->outcome = OUTCOME_CANCELLED;
        return;
    }
    place(st, w, d);
    if (d->outcome == OUTCOME_SCHEDULED)
        update(st, w);
}

static struct state state_create(const struct snapshot *s, const struct policy_config *c,
                                 struct arena *a)
{
    struct state st = {.s = s, .c = c, .a = a};
    assert(s->n_slots <= REF_MAX_SLOTS);
    st.placed = arena_new(a, int64_t, (size_t)s->n_agents * s->n_slots + 1);
    st.containers = arena_new(a, int32_t, s->n_agents + 1);
    st.members = arena_new(a, int32_t, (size_t)s->n_session_groups * s->n_agents + 1);
    st.owner_used = arena_new(a, int64_t, (size_t)s->n_owners * s->n_slots + 1);
    st.owner_live = arena_new(a, int64_t, s->n_owners + 1);
    st.owner_live_sftp = arena_new(a, int64_t, s->n_owners + 1);
    st.cursor = arena_new(a, const char *, s->n_archs + 1);
    for (uint32_t i = 0; i < s->n_rr_cursors; i++)
        st.cursor[s->rr_cursors[i].arch] = s->rr_cursors[i].agent_id;
    return st;
}

static bool highest_band(const struct snapshot *s, const bool *todo, int32_t *ret)
{
    bool any = false;
    for (uint32_t i = 0; i < s->n_sessions; i++)
        if (todo[i] && (!any || s->sessions[i].priority > *ret)) {
            *ret = s->sessions[i].priority;
            any = true;
        }
    return any;
}

/* Everything not offered, band by band, in queue order. */
static void skip_rest(struct ref_plan *p, struct arena *a, const struct snapshot *s, bool *todo,
                      enum cause_kind why, const char *plugin)
{
    int32_t band = 0;
    while (highest_band(s, todo, &band))
        for (uint32_t i = 0; i < s->n_sessions; i++)
            if (todo[i] && s->sessions[i].priority == band) {
                todo[i] = false;
                add_cause(decide(p, a, i, OUTCOME_SKIPPED), why, plugin, "", true);
            }
}

struct ref_plan *reference_run(const struct snapshot *s, const struct policy_config *c,
                               uint32_t max_sessions, struct arena *a)
{
    struct state st = state_create(s, c, a);
    struct ref_plan *p = arena_new(a, struct ref_plan, 1);
    bool *todo = arena_new(a, bool, s->n_sessions + 1);
    const char *policy = option_of(s, c, "queue_policy", "queue_policy");
    bool top_only = policy != NULL && strcmp(policy, "\"top-priority\"") == 0, limited = false;
    uint32_t offered = 0;
    int32_t band = 0;
    p->decisions = arena_new(a, struct ref_decision, s->n_sessions + 1);
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        todo[i] = !expired(s, &s->sessions[i]);
        if (!todo[i])
            add_cause(decide(p, a, i, OUTCOME_EXPIRED), CAUSE_PENDING_TIMEOUT, "pending_timeout",
                      "", false);
    }
    for (uint32_t i = 0; i < s->n_sessions; i++)
        if (todo[i] && s->sessions[i].bad_data != NULL) {
            todo[i] = false;
            add_cause(decide(p, a, i, OUTCOME_INVALID), CAUSE_BAD_DATA, "snapshot", "", false);
        }
    while (highest_band(s, todo, &band)) {
        bool *open = arena_new(a, bool, s->n_sessions + 1);
        for (uint32_t i = 0; i < s->n_sessions; i++)
            open[i] = todo[i] && s->sessions[i].priority == band;
        for (uint32_t i; (i = pick(&st, open)) != NONE;) {
            if (max_sessions > 0 && offered == max_sessions) {
                skip_rest(p, a, s, top_only ? open : todo, CAUSE_ROUND_LIMIT, "round_limit");
                limited = true;
                break;
            }
            open[i] = todo[i] = false;
            offered++;
            offer(&st, p, i);
            if (policy != NULL && strcmp(policy, "\"stop-at-first\"") == 0 &&
                p->decisions[p->n_decisions - 1].outcome == OUTCOME_WAITING) {
                skip_rest(p, a, s, todo, CAUSE_QUEUE_POLICY, "queue_policy");
                break;
            }
        }
        for (uint32_t i = 0; i < s->n_sessions && limited && top_only; i++)
            todo[i] = todo[i] && s->sessions[i].priority != band;
        if (top_only)
            skip_rest(p, a, s, todo, CAUSE_QUEUE_POLICY, "queue_policy");
    }
    p->cursors = st.cursor;
    return p;
}
