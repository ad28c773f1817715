/* remedy_rules.c - candidates for every cause but those of placement, by the numbers of the cause.
 * What comes first is what the session's owner can do alone. */
#include "scheduler/remedy_internal.h"

enum { MAX_LEAVING = 20 }; /* older sessions named in one remedy */

static const struct snapshot *snapshot_of(const struct finder *f)
{
    return remedy_world_snapshot(f->world);
}

static const struct session *session_of(const struct finder *f)
{
    return &snapshot_of(f)->sessions[remedy_world_session(f->world)];
}

static bool offer(struct finder *f, uint32_t cause, const struct remedy_change *c)
{
    return finder_offer(f, cause, 1, c, 1);
}

/* --- owners --- */

/* Whose rule it is, by the validator that speaks: the access key's but for three. */
static enum owner_kind owner_kind_of(const struct cause *c)
{
    static const struct {
        const char *plugin;
        enum owner_kind kind;
    } others[] = {{"user_resource_limit", OWNER_USER},
                  {"group_resource_limit", OWNER_PROJECT},
                  {"domain_resource_limit", OWNER_DOMAIN}};
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (strcmp(c->plugin, others[i].plugin) == 0)
            return others[i].kind;
    return OWNER_KEYPAIR;
}

static struct remedy_change *owner_change(struct finder *f, enum remedy_kind kind, uint32_t cause)
{
    struct remedy_change *c = change_new(f, kind);
    c->owner = session_of(f)->owner[owner_kind_of(&f->causes[cause])];
    c->subject = snapshot_of(f)->owners[c->owner].key;
    return c;
}

static void owner_missing(struct finder *f, uint32_t cause)
{
    (void)offer(f, cause, owner_change(f, REMEDY_CREATE_OWNER, cause));
}

static void row_unreadable(struct finder *f, uint32_t cause)
{
    bool of_session = strcmp(f->causes[cause].plugin, "snapshot") == 0;
    (void)offer(f, cause,
                of_session ? change_new(f, REMEDY_MEND_ROW)
                           : owner_change(f, REMEDY_MEND_ROW, cause));
}

/* --- amounts --- */

static struct remedy_slot *slots_new(struct finder *f, struct remedy_change *c, uint32_t n)
{
    struct remedy_slot *slots = arena_new(f->arena, struct remedy_slot, n);
    c->slots = slots;
    c->n_slots = n;
    return slots;
}

/* Asking less by what is over. false: one of the slots is not the session's to give up. */
static bool ask_less(struct finder *f, struct remedy_change *c, const struct cause *why,
                     const int64_t *over)
{
    struct remedy_slot *slots = slots_new(f, c, why->n_slots);
    for (uint32_t i = 0; i < why->n_slots; i++) {
        int64_t asked = f->facts.request[why->slots[i].slot];
        if (asked < over[i])
            return false;
        slots[i] =
            (struct remedy_slot){.slot = why->slots[i].slot, .by = over[i], .to = asked - over[i]};
    }
    return true;
}

/* One that leaves something of every slot is better than one that gives a slot up. */
static bool gives_up_a_slot(const struct remedy_change *c)
{
    for (uint32_t i = 0; i < c->n_slots; i++)
        if (c->slots[i].to == 0)
            return true;
    return false;
}

static void quota(struct finder *f, uint32_t cause)
{
    const struct cause *why = &f->causes[cause];
    const int64_t *usage = f->facts.usage[owner_kind_of(why)];
    struct remedy_change *less = change_new(f, REMEDY_ASK_LESS);
    struct remedy_change *higher = owner_change(f, REMEDY_RAISE_QUOTA, cause);
    struct remedy_change *freed = owner_change(f, REMEDY_FREE_QUOTA, cause);
    struct remedy_slot *raise = slots_new(f, higher, why->n_slots);
    struct remedy_slot *give = slots_new(f, freed, why->n_slots);
    int64_t *over = arena_new(f->arena, int64_t, why->n_slots);
    for (uint32_t i = 0; i < why->n_slots; i++) {
        const struct shortage *x = &why->slots[i];
        int64_t to = amount_add(usage[x->slot], x->requested), by = amount_sub(to, x->limit);
        raise[i] = (struct remedy_slot){.slot = x->slot, .by = by, .to = to};
        give[i] =
            (struct remedy_slot){.slot = x->slot, .by = by, .to = amount_sub(usage[x->slot], by)};
        over[i] = amount_sub(x->requested, x->available);
    }
    bool can_ask = ask_less(f, less, why, over);
    bool last = can_ask && gives_up_a_slot(less);
    if (can_ask && !last)
        (void)offer(f, cause, less);
    (void)offer(f, cause, freed);
    (void)offer(f, cause, higher);
    if (last)
        (void)offer(f, cause, less);
}

/* --- the access key's pending queue --- */

struct older {
    int64_t created_at;
    struct uuid id;
};

static bool is_before(const struct older *a, const struct older *b)
{
    return a->created_at != b->created_at ? a->created_at < b->created_at
                                          : uuid_compare(&a->id, &b->id) < 0;
}

/* Keeps the MAX_LEAVING oldest, oldest first. */
static void older_add(struct older *list, uint32_t *n, struct older o)
{
    uint32_t at = *n;
    while (at > 0 && is_before(&o, &list[at - 1]))
        at--;
    if (at == MAX_LEAVING)
        return;
    *n += *n < MAX_LEAVING;
    for (uint32_t i = *n - 1; i > at; i--)
        list[i] = list[i - 1];
    list[at] = o;
}

static uint32_t older_sessions(const struct finder *f, struct older list[MAX_LEAVING])
{
    const struct snapshot *s = snapshot_of(f);
    const struct session *x = session_of(f);
    uint32_t n = 0, key = x->owner[OWNER_KEYPAIR];
    for (const struct session *o = s->sessions; o < x; o++)
        if (o->owner[OWNER_KEYPAIR] == key && !session_is_private(o))
            older_add(list, &n, (struct older){.created_at = o->created_at, .id = o->id});
    const struct older self = {.created_at = x->created_at, .id = x->id};
    for (uint32_t i = 0; i < s->n_other_pending; i++) {
        const struct other_pending *o = &s->other_pending[i];
        struct older other = {.created_at = o->created_at, .id = o->id};
        if (o->keypair == key && is_before(&other, &self))
            older_add(list, &n, other);
    }
    return n;
}

/* The oldest leave, one more at a time, until that is enough. */
static void others_leave(struct finder *f, uint32_t cause, uint32_t at_least)
{
    struct older list[MAX_LEAVING];
    uint32_t n = older_sessions(f, list);
    struct uuid *ids = arena_new(f->arena, struct uuid, MAX_LEAVING);
    struct remedy_change *c = change_new(f, REMEDY_LEAVE_QUEUE);
    c->sessions = ids;
    for (uint32_t i = 0; i < n; i++) {
        ids[i] = list[i].id;
        c->n_sessions = i + 1;
        if (c->n_sessions >= at_least && offer(f, cause, c))
            return;
    }
}

static void pending_count(struct finder *f, uint32_t cause)
{
    struct remedy_change *higher = owner_change(f, REMEDY_RAISE_PENDING_LIMIT, cause);
    int64_t limit = snapshot_of(f)->owners[higher->owner].max_pending;
    if (limit > 0 && f->facts.rank - limit < MAX_LEAVING)
        others_leave(f, cause, (uint32_t)(f->facts.rank - limit + 1));
    higher->count = (int64_t)f->facts.rank + 1;
    (void)offer(f, cause, higher);
}

static void pending_resource(struct finder *f, uint32_t cause)
{
    const struct cause *why = &f->causes[cause];
    struct remedy_change *less = change_new(f, REMEDY_ASK_LESS);
    struct remedy_change *higher = owner_change(f, REMEDY_RAISE_PENDING_QUOTA, cause);
    struct remedy_slot *raise = slots_new(f, higher, why->n_slots);
    int64_t *over = arena_new(f->arena, int64_t, why->n_slots);
    for (uint32_t i = 0; i < why->n_slots; i++) {
        const struct shortage *x = &why->slots[i];
        over[i] = amount_sub(x->requested, x->limit);
        raise[i] = (struct remedy_slot){.slot = x->slot, .by = over[i], .to = x->requested};
    }
    if (ask_less(f, less, why, over))
        (void)offer(f, cause, less);
    others_leave(f, cause, 1);
    (void)offer(f, cause, higher);
}

/* --- live sessions --- */

static void concurrency(struct finder *f, uint32_t cause)
{
    struct remedy_change *fewer = owner_change(f, REMEDY_FINISH_SESSIONS, cause);
    struct remedy_change *higher = owner_change(f, REMEDY_RAISE_SESSION_LIMIT, cause);
    const struct owner *o = &snapshot_of(f)->owners[higher->owner];
    int64_t limit = session_is_private(session_of(f)) ? o->max_sftp_sessions : o->max_sessions;
    fewer->count = amount_sub(f->facts.live, limit - 1);
    (void)offer(f, cause, fewer);
    higher->count = amount_add(f->facts.live, 1);
    (void)offer(f, cause, higher);
}

/* --- times and dependencies --- */

static void not_before(struct finder *f, uint32_t cause)
{
    struct remedy_change *later = change_new(f, REMEDY_WAIT_UNTIL);
    struct remedy_change *earlier = change_new(f, REMEDY_START_EARLIER);
    later->time = session_of(f)->starts_at;
    (void)offer(f, cause, later);
    earlier->time = snapshot_of(f)->observed_at;
    (void)offer(f, cause, earlier);
}

/* The dependencies in one of the states. */
static struct remedy_change dependency_change(struct finder *f, enum remedy_kind kind,
                                              unsigned states)
{
    struct remedy_change *c = change_new(f, kind);
    const struct session *x = session_of(f);
    struct uuid *ids = arena_new(f->arena, struct uuid, x->rare->n_dependencies);
    for (uint32_t i = 0; i < x->rare->n_dependencies; i++) {
        const struct dependency *d = &snapshot_of(f)->dependencies[x->rare->first_dependency + i];
        if ((states & 1u << d->state) != 0)
            ids[c->n_sessions++] = d->id;
    }
    c->sessions = ids;
    return *c;
}

/* Waits for those that still run; those that failed have to be dropped. */
static void dependency(struct finder *f, uint32_t cause)
{
    const unsigned waiting = 1u << DEPENDENCY_WAITING, failed = 1u << DEPENDENCY_FAILED;
    struct remedy_change *both = arena_new(f->arena, struct remedy_change, 2);
    both[0] = dependency_change(f, REMEDY_WAIT_FOR_SESSIONS, waiting);
    both[1] = dependency_change(f, REMEDY_DROP_DEPENDENCIES, failed);
    if (both[0].n_sessions > 0)
        (void)finder_offer(f, cause, 1, both, both[1].n_sessions > 0 ? 2 : 1);
    struct remedy_change *all = change_new(f, REMEDY_DROP_DEPENDENCIES);
    *all = dependency_change(f, REMEDY_DROP_DEPENDENCIES, waiting | failed);
    (void)offer(f, cause, all);
}

static void dependency_failed(struct finder *f, uint32_t cause)
{
    struct remedy_change *c = change_new(f, REMEDY_DROP_DEPENDENCIES);
    *c = dependency_change(f, REMEDY_DROP_DEPENDENCIES, 1u << DEPENDENCY_FAILED);
    (void)offer(f, cause, c);
}

static void pending_timeout(struct finder *f, uint32_t cause)
{
    struct remedy_change *longer = change_new(f, REMEDY_RAISE_PENDING_TIMEOUT);
    (void)offer(f, cause, change_new(f, REMEDY_ENQUEUE_ANEW));
    longer->duration = amount_sub(snapshot_of(f)->observed_at, session_of(f)->pending_since);
    longer->duration = amount_add(longer->duration, 1);
    (void)offer(f, cause, longer);
}

/* --- its shape and its turn --- */

/* To each architecture that a kernel of it has, the first one's first. */
static void mixed_architecture(struct finder *f, uint32_t cause)
{
    const struct session *x = session_of(f);
    bool *seen = arena_new(f->arena, bool, snapshot_of(f)->n_archs);
    for (uint32_t k = 0; k < x->n_kernels; k++) {
        uint32_t arch = snapshot_of(f)->kernels[x->first_kernel + k].arch;
        struct remedy_change *c = change_new(f, REMEDY_CHANGE_ARCHITECTURE);
        c->subject = snapshot_of(f)->archs[arch];
        if (!seen[arch])
            (void)offer(f, cause, c);
        seen[arch] = true;
    }
}

static void queue_policy(struct finder *f, uint32_t cause)
{
    struct remedy_change *all = change_new(f, REMEDY_CHANGE_QUEUE_POLICY);
    all->subject = "try-all";
    (void)offer(f, cause, all);
}

typedef void candidates_f(struct finder *f, uint32_t cause);

static candidates_f *const candidates[N_CAUSE_KINDS] = {
    [CAUSE_NOT_BEFORE] = not_before,
    [CAUSE_DEPENDENCY] = dependency,
    [CAUSE_DEPENDENCY_FAILED] = dependency_failed,
    [CAUSE_CONCURRENCY] = concurrency,
    [CAUSE_PENDING_COUNT] = pending_count,
    [CAUSE_PENDING_RESOURCE] = pending_resource,
    [CAUSE_KEYPAIR_QUOTA] = quota,
    [CAUSE_USER_QUOTA] = quota,
    [CAUSE_GROUP_QUOTA] = quota,
    [CAUSE_DOMAIN_QUOTA] = quota,
    [CAUSE_OWNER_NOT_FOUND] = owner_missing,
    [CAUSE_MIXED_ARCHITECTURE] = mixed_architecture,
    [CAUSE_BAD_DATA] = row_unreadable,
    [CAUSE_PENDING_TIMEOUT] = pending_timeout,
    [CAUSE_QUEUE_POLICY] = queue_policy,
};

void remedies_for_rule(struct finder *f, uint32_t cause)
{
    candidates_f *suggest = candidates[f->causes[cause].kind];
    if (suggest != NULL)
        suggest(f, cause);
    if (f->request->after_queue)
        remedies_for_turn(f, cause, 1);
}
