/* reference_validate.c - step 6, rule by rule. */
#include "tests/reference/reference_internal.h"

static const char *const validator_names[] = {
    "reserved_batch",
    "dependencies",
    "concurrency",
    "pending_session_count_limit",
    "pending_session_resource_limit",
    "keypair_resource_limit",
    "user_resource_limit",
    "group_resource_limit",
    "domain_resource_limit",
};

static bool owner_usable(const struct owner *o, const char *plugin, bool needs_limits,
                         struct ref_decision *d)
{
    if (o->missing != NULL)
        add_cause(d, CAUSE_OWNER_NOT_FOUND, plugin, o->key, true);
    else if (needs_limits && o->bad_data != NULL)
        add_cause(d, CAUSE_BAD_DATA, plugin, o->key, true); /* the row can be mended */
    else
        return true;
    return false;
}

static void check_reserved(struct state *st, const struct session *w, struct ref_decision *d)
{
    if (w->type == SESSION_BATCH && w->starts_at != TIME_NONE && st->s->observed_at < w->starts_at)
        add_cause(d, CAUSE_NOT_BEFORE, "reserved_batch", "", true);
}

static void check_dependencies(struct state *st, const struct session *w, struct ref_decision *d)
{
    const struct dependency *first_unmet = NULL, *first_failed = NULL;
    bool some_waiting = false;
    for (uint32_t i = 0; i < w->rare->n_dependencies; i++) {
        const struct dependency *x = &st->s->dependencies[w->rare->first_dependency + i];
        if (x->state == DEPENDENCY_DONE)
            continue;
        if (first_unmet == NULL)
            first_unmet = x;
        if (x->state == DEPENDENCY_WAITING)
            some_waiting = true;
        else if (first_failed == NULL)
            first_failed = x;
    }
    if (first_unmet != NULL)
        add_cause(d, CAUSE_DEPENDENCY, "dependencies", uuid_text(st->a, &first_unmet->id),
                  some_waiting);
    if (first_failed != NULL)
        add_cause(d, CAUSE_DEPENDENCY_FAILED, "dependencies", uuid_text(st->a, &first_failed->id),
                  false);
}

static void check_concurrency(struct state *st, const struct session *w, struct ref_decision *d)
{
    uint32_t k = w->owner[OWNER_KEYPAIR];
    const struct owner *o = &st->s->owners[k];
    if (!owner_usable(o, "concurrency", false, d))
        return;
    bool private = session_is_private(w);
    int64_t limit = private ? o->max_sftp_sessions : o->max_sessions;
    int64_t live = private ? o->live_sftp_sessions + st->owner_live_sftp[k]
                           : o->live_sessions + st->owner_live[k];
    if (limit > 0 && live >= limit)
        add_cause(d, CAUSE_CONCURRENCY, "concurrency", o->key, true);
}

/* Is pending session (created_at, id) ahead of or equal to w in its key's order? */
static bool not_after(int64_t created_at, const struct uuid *id, const struct session *w)
{
    if (created_at != w->created_at)
        return created_at < w->created_at;
    return uuid_compare(id, &w->id) <= 0;
}

bool expired(const struct snapshot *s, const struct session *w)
{
    return s->pending_timeout > 0 && s->observed_at - w->pending_since >= s->pending_timeout;
}

/* Number of the key's pending sessions up to and including w, and the sum of their requests. */
static int64_t pending_up_to(struct state *st, const struct session *w, int64_t sum[])
{
    const struct snapshot *s = st->s;
    int64_t n = 0;
    for (uint32_t slot = 0; slot < s->n_slots; slot++)
        sum[slot] = 0;
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        const struct session *x = &s->sessions[i];
        if (x->owner[OWNER_KEYPAIR] != w->owner[OWNER_KEYPAIR] || session_is_private(x) ||
            expired(s, x) || !not_after(x->created_at, &x->id, w))
            continue;
        n++;
        for (uint32_t slot = 0; slot < s->n_slots; slot++)
            sum[slot] = amount_add(sum[slot], request_of(s, x, slot));
    }
    for (uint32_t i = 0; i < s->n_other_pending; i++) {
        const struct other_pending *x = &s->other_pending[i];
        if (x->keypair != w->owner[OWNER_KEYPAIR] || !not_after(x->created_at, &x->id, w))
            continue;
        n++;
        for (uint32_t slot = 0; slot < s->n_slots; slot++)
            sum[slot] = amount_add(sum[slot], snapshot_row(s, s->other_request, i)[slot]);
    }
    return n;
}

static void check_pending_count(struct state *st, const struct session *w, struct ref_decision *d)
{
    const struct owner *o = &st->s->owners[w->owner[OWNER_KEYPAIR]];
    if (session_is_private(w) || !owner_usable(o, "pending_session_count_limit", false, d))
        return;
    int64_t sum[REF_MAX_SLOTS];
    int64_t rank = pending_up_to(st, w, sum) - 1;
    if (o->max_pending != INT64_MAX && rank >= o->max_pending)
        add_cause(d, CAUSE_PENDING_COUNT, "pending_session_count_limit", o->key, true);
}

static void check_pending_resource(struct state *st, const struct session *w,
                                   struct ref_decision *d)
{
    uint32_t k = w->owner[OWNER_KEYPAIR];
    const struct owner *o = &st->s->owners[k];
    if (session_is_private(w) || !owner_usable(o, "pending_session_resource_limit", true, d) ||
        !o->has_pending_limit)
        return;
    int64_t sum[REF_MAX_SLOTS];
    pending_up_to(st, w, sum);
    const int64_t *limit = snapshot_row(st->s, st->s->owner_pending_limit, k);
    struct ref_cause *c = NULL;
    for (uint32_t slot = 0; slot < st->s->n_slots; slot++) {
        if (limit[slot] == AMOUNT_INF || sum[slot] <= limit[slot])
            continue;
        if (c == NULL)
            c = add_cause(d, CAUSE_PENDING_RESOURCE, "pending_session_resource_limit", o->key,
                          true);
        add_shortage(c, slot, sum[slot], AMOUNT_UNKNOWN, limit[slot]);
    }
}

static void check_quota(struct state *st, const struct session *w, enum owner_kind kind,
                        struct ref_decision *d)
{
    static const enum cause_kind kinds[N_OWNER_KINDS] = {
        [OWNER_KEYPAIR] = CAUSE_KEYPAIR_QUOTA,
        [OWNER_USER] = CAUSE_USER_QUOTA,
        [OWNER_PROJECT] = CAUSE_GROUP_QUOTA,
        [OWNER_DOMAIN] = CAUSE_DOMAIN_QUOTA,
    };
    const struct snapshot *s = st->s;
    const char *plugin = validator_names[5 + kind];
    uint32_t i = w->owner[kind];
    const struct owner *o = &s->owners[i];
    if (session_is_private(w) || !owner_usable(o, plugin, true, d))
        return;
    struct ref_cause *c = NULL;
    for (uint32_t slot = 0; slot < s->n_slots; slot++) {
        int64_t want = request_of(s, w, slot);
        int64_t limit = snapshot_row(s, s->owner_limit, i)[slot];
        int64_t used = amount_add(snapshot_row(s, s->owner_usage, i)[slot],
                                  st->owner_used[i * s->n_slots + slot]);
        if (want <= 0 || limit == AMOUNT_INF || amount_add(used, want) <= limit)
            continue;
        if (c == NULL)
            c = add_cause(d, kinds[kind], plugin, kind == OWNER_PROJECT ? o->name : o->key, true);
        int64_t left = amount_sub(limit, used);
        add_shortage(c, slot, want, left > 0 ? left : 0, limit);
    }
}

void validate(struct state *st, const struct session *w, struct ref_decision *d)
{
    for (unsigned v = 0; v < ARRAY_SIZE(validator_names); v++) {
        uint32_t before = d->n_causes;
        switch (v) {
        case 0:
            check_reserved(st, w, d);
            break;
        case 1:
            check_dependencies(st, w, d);
            break;
        case 2:
            check_concurrency(st, w, d);
            break;
        case 3:
            check_pending_count(st, w, d);
            break;
        case 4:
            check_pending_resource(st, w, d);
            break;
        default:
            check_quota(st, w, (enum owner_kind)(v - 5), d);
        }
        if (d->n_causes == before)
            d->passed |= UINT64_C(1) << v;
    }
}
