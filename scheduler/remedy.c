/* remedy.c - the search: stages, trying, and making amounts the least. */
#include "scheduler/remedy_internal.h"

#include "scheduler/limits.h"

enum {
    MAX_AGENTS = 3,
    MAX_STAGES = 8,
    MAX_PASSES = 6,          /* over all amounts of a remedy, until none gets less */
    WORK = 24 * 1000 * 1000, /* rows and cells that the previews of a search look at */
    LEAST_TRIES = 48,
    MOST_TRIES = 4000
};

/* --- when a cause is gone --- */

/* What a round looks at first hides what it looks at later. */
static int place_of(const struct cause *c)
{
    switch (c->kind) {
    case CAUSE_PENDING_TIMEOUT:
        return 0;
    case CAUSE_BAD_DATA:
        return strcmp(c->plugin, "snapshot") == 0 ? 1 : 3;
    case CAUSE_QUEUE_POLICY:
        return 2;
    case CAUSE_NO_KERNELS:
    case CAUSE_MIXED_ARCHITECTURE:
        return 4;
    case CAUSE_NO_AGENTS:
    case CAUSE_ARCHITECTURE:
    case CAUSE_DESIGNATED:
    case CAUSE_SESSION_GROUP:
    case CAUSE_CAPACITY:
    case CAUSE_INFEASIBLE:
    case CAUSE_CONTAINER_LIMIT:
        return 5;
    default:
        return 3;
    }
}

bool remedy_cause_is_gone(const struct cause *c, const struct decision *then)
{
    if (then->outcome == OUTCOME_SCHEDULED)
        return true;
    if (place_of(c) == 5 || place_of(&then->causes[0]) < place_of(c))
        return false;
    for (uint32_t i = 0; i < then->n_causes; i++)
        if (then->causes[i].kind == c->kind && strcmp(then->causes[i].plugin, c->plugin) == 0)
            return false;
    return true;
}

/* --- trying --- */

static uint32_t tries_for(const struct snapshot *s, const struct explain_request *q)
{
    uint64_t cost = (uint64_t)s->n_agents * (s->n_slots + 4) + s->n_sessions + 1000;
    if (q->after_queue)
        cost += (uint64_t)s->n_sessions * 30;
    uint64_t tries = WORK / cost;
    return tries < LEAST_TRIES ? LEAST_TRIES : tries > MOST_TRIES ? MOST_TRIES : (uint32_t)tries;
}

bool finder_look(struct finder *f, struct look *ret)
{
    struct explain_request q = *f->request;
    if (f->tries > 0 && f->limits.stop != NULL && f->limits.stop(f->limits.ctx))
        f->tries = 0;
    if (f->broken || f->tries == 0)
        return false;
    f->tries--;
    arena_reset(f->scratch);
    q.session = remedy_world_session(f->world);
    q.agents = false;
    *ret = (struct look){.engine = arena_new(f->scratch, struct engine, 1),
                         .x = arena_new(f->scratch, struct explanation, 1)};
    engine_init(ret->engine, remedy_world_snapshot(f->world), remedy_world_policy(f->world), false,
                f->scratch);
    f->broken = explain_decide(ret->engine, &q, ret->x, f->e) < 0;
    return !f->broken;
}

static bool cures(struct finder *f, const struct remedy *r)
{
    struct look look;
    size_t mark = remedy_world_mark(f->world);
    bool cured = remedy_apply(f->world, r) && finder_look(f, &look);
    if (f->placing)
        cured = cured && look.x->decision.outcome == OUTCOME_SCHEDULED;
    for (uint32_t i = 0; i < r->n_causes && cured; i++)
        cured = remedy_cause_is_gone(&f->causes[r->causes[i]], &look.x->decision);
    remedy_world_undo(f->world, mark);
    return cured;
}

/* Leaves out changes that are not needed. */
static void drop_changes(struct finder *f, struct remedy *r)
{
    for (uint32_t i = r->n_changes; i-- > 0 && r->n_changes > 1;) {
        struct remedy without = *r;
        struct remedy_change *changes =
            arena_memdup(f->arena, r->changes, r->n_changes * sizeof(*changes));
        memmove(&changes[i], &changes[i + 1], (r->n_changes - i - 1) * sizeof(*changes));
        without.changes = changes;
        without.n_changes--;
        if (cures(f, &without))
            *r = without;
    }
}

static bool lesser_cures(struct finder *f, const struct remedy *r, uint32_t i, int64_t units,
                         struct remedy *ret)
{
    struct remedy less = remedy_lessen(r, i, units, f->arena);
    if (!cures(f, &less))
        return false;
    *ret = less;
    return true;
}

/* Makes the i-th amount the least that cures; false: it is. Halves between what cures and what does
 * not, so the result cures and one unit less does not, whatever lies between. */
static bool lessen_amount(struct finder *f, struct remedy *r, uint32_t i)
{
    int64_t good = 1, bad = remedy_amount(r, i);
    struct remedy less;
    if (!lesser_cures(f, r, i, 1, &less))
        return false;
    if (bad > 1 && lesser_cures(f, r, i, bad, &less))
        bad = good;
    while (bad - good > 1) {
        int64_t middle = good + (bad - good) / 2;
        if (lesser_cures(f, r, i, middle, &less))
            good = middle;
        else
            bad = middle;
    }
    *r = less;
    return true;
}

/* false: there were too few tries to be sure. */
static bool make_least(struct finder *f, struct remedy *r)
{
    bool less = true;
    for (unsigned pass = 0; less && pass < MAX_PASSES; pass++) {
        less = false;
        drop_changes(f, r);
        for (uint32_t i = remedy_n_amounts(r); i-- > 0;)
            less |= lessen_amount(f, r, i);
    }
    return !less && f->tries > 0;
}

/* --- offering --- */

struct remedy_change *change_new(struct finder *f, enum remedy_kind kind)
{
    struct remedy_change *c = arena_new(f->arena, struct remedy_change, 1);
    *c = (struct remedy_change){.kind = kind, .subject = "", .owner = NONE, .time = TIME_NONE};
    return c;
}

static const uint32_t *numbers(struct finder *f, uint32_t from, uint32_t n)
{
    uint32_t *list = arena_new(f->arena, uint32_t, n);
    for (uint32_t i = 0; i < n; i++)
        list[i] = from + i;
    return list;
}

static void item_add(struct finder *f, const struct remedy *r)
{
    f->items = arena_grow(f->arena, f->items, &f->items_cap, f->n_items + 1, sizeof(*f->items));
    f->items[f->n_items++] = *r;
}

/* One of this stage with the same changes cures these causes, too. */
static bool merge(struct finder *f, const struct remedy *r)
{
    for (size_t i = 0; i < f->n_items; i++) {
        struct remedy *old = &f->items[i];
        if (old->causes[0] < f->stage || !remedy_same(old, r))
            continue;
        if (old->causes[old->n_causes - 1] < r->causes[0]) {
            uint32_t *all = arena_new(f->arena, uint32_t, old->n_causes + r->n_causes);
            memcpy(all, old->causes, old->n_causes * sizeof(*all));
            memcpy(all + old->n_causes, r->causes, r->n_causes * sizeof(*all));
            old->causes = all;
            old->n_causes += r->n_causes;
        }
        return true;
    }
    return false;
}

bool finder_tries(struct finder *f, uint32_t from, uint32_t n, const struct remedy_change *changes,
                  uint32_t n_changes)
{
    struct remedy r = {
        .causes = numbers(f, from, n), .n_causes = n, .changes = changes, .n_changes = n_changes};
    return cures(f, &r);
}

bool finder_offer(struct finder *f, uint32_t from, uint32_t n, const struct remedy_change *changes,
                  uint32_t n_changes)
{
    struct remedy r = {
        .causes = numbers(f, from, n), .n_causes = n, .changes = changes, .n_changes = n_changes};
    if (!cures(f, &r) || !make_least(f, &r))
        return false;
    if (merge(f, &r))
        return true;
    r.message = remedy_message(f, &r);
    item_add(f, &r);
    return true;
}

/* --- stages --- */

static const char *kept(struct finder *f, const char *text)
{
    return arena_strdup(f->arena, text);
}

static void take_causes(struct finder *f, const struct decision *d)
{
    f->stage = (uint32_t)f->n_causes;
    f->causes = arena_grow(f->arena, f->causes, &f->causes_cap, f->n_causes + d->n_causes,
                           sizeof(*f->causes));
    f->stages = arena_grow(f->arena, f->stages, &f->stages_cap, f->n_causes + d->n_causes,
                           sizeof(*f->stages));
    for (uint32_t i = 0; i < d->n_causes; i++) {
        struct cause c = d->causes[i];
        f->stages[f->n_causes] = f->n_stages;
        c.plugin = kept(f, c.plugin);
        c.subject = kept(f, c.subject);
        c.message = kept(f, c.message);
        c.slots = arena_memdup(f->arena, c.slots, c.n_slots * sizeof(*c.slots));
        f->causes[f->n_causes++] = c;
    }
    f->n_stages++;
}

static void take_facts(struct finder *f, const struct look *l)
{
    const struct snapshot *s = remedy_world_snapshot(f->world);
    const struct session *x = &s->sessions[remedy_world_session(f->world)];
    const struct round_view *view = &l->engine->ledger.view;
    uint32_t key = x->owner[OWNER_KEYPAIR];
    const struct shape *h = shapes_of(l->engine->placer.shapes, remedy_world_session(f->world));
    f->facts = (struct facts){
        .request = arena_memdup(f->arena, h->request, s->n_slots * sizeof(*h->request))};
    for (int kind = 0; kind < N_OWNER_KINDS; kind++) {
        int64_t *usage = arena_new(f->arena, int64_t, s->n_slots);
        for (uint32_t i = 0; i < s->n_slots; i++)
            usage[i] = round_owner_usage(view, x->owner[kind], i);
        f->facts.usage[kind] = usage;
    }
    f->facts.live =
        session_is_private(x)
            ? amount_add(s->owners[key].live_sftp_sessions, view->owner_placed_sftp[key])
            : amount_add(s->owners[key].live_sessions, view->owner_placed_sessions[key]);
    for (uint32_t i = 0; i < l->x->decision.n_causes; i++)
        if (l->x->decision.causes[i].kind == CAUSE_PENDING_COUNT)
            f->facts.rank = pending_count(view, f->scratch)->rank[remedy_world_session(f->world)];
}

/* The first remedy of a cause; NULL: none. */
static const struct remedy *first_of(const struct finder *f, uint32_t cause)
{
    for (size_t i = 0; i < f->n_items; i++)
        for (uint32_t k = 0; k < f->items[i].n_causes; k++)
            if (f->items[i].causes[k] == cause)
                return &f->items[i];
    return NULL;
}

/* Does the first remedy of every cause of the stage, each once; false: one has none, or they do not
 * go together. */
static bool do_firsts(struct finder *f)
{
    bool all = true;
    bool *done = arena_new(f->arena, bool, f->n_items);
    for (uint32_t i = f->stage; i < f->n_causes && !f->broken; i++) {
        const struct remedy *r = first_of(f, i);
        if (r == NULL) {
            struct remedy none = {.causes = numbers(f, i, 1),
                                  .n_causes = 1,
                                  .message = remedy_none(f, &f->causes[i])};
            item_add(f, &none);
            all = false;
        } else if (!done[r - f->items]) {
            done[r - f->items] = true;
            all = all && remedy_apply(f->world, r);
        }
    }
    return all;
}

static bool seen_before(const struct finder *f, const struct decision *d)
{
    for (size_t i = 0; i < f->n_causes; i++)
        if (!remedy_cause_is_gone(&f->causes[i], d))
            return true;
    return false;
}

/* true: on with the next. *ret_suffice: it fits now. */
static bool run_stage(struct finder *f, bool *ret_suffice)
{
    struct look look;
    if (!finder_look(f, &look))
        return false;
    const struct decision *d = &look.x->decision;
    *ret_suffice = d->outcome == OUTCOME_SCHEDULED;
    if (*ret_suffice || seen_before(f, d))
        return false;
    f->placing = d->outcome == OUTCOME_WAITING || d->outcome == OUTCOME_INFEASIBLE;
    take_causes(f, d);
    take_facts(f, &look);
    if (f->placing)
        remedies_for_place(f);
    for (uint32_t i = f->stage; i < f->n_causes && !f->placing; i++)
        remedies_for_rule(f, i);
    return do_firsts(f);
}

int remedy_find(const struct snapshot *s, const struct policy *p, const struct explain_request *q,
                const struct remedy_limits *limits, struct arena *a, struct remedies **ret,
                struct err *e)
{
    CLEANUP(arena_destroyp) struct arena *scratch = arena_create();
    CLEANUP(arena_destroyp) struct arena *worlds = arena_create();
    struct remedies *all = arena_new(a, struct remedies, 1);
    struct finder f = {.request = q,
                       .arena = a,
                       .scratch = scratch,
                       .world = remedy_world_create(s, p, q->session, worlds),
                       .e = e};
    uint32_t n_now = 0;
    if (limits != NULL)
        f.limits = *limits;
    f.limits.max_agents = f.limits.max_agents > 0 ? f.limits.max_agents : MAX_AGENTS;
    f.tries = f.limits.max_tries > 0 ? f.limits.max_tries : tries_for(s, q);
    while (run_stage(&f, &all->suffice) && f.n_stages < MAX_STAGES)
        ;
    if (f.broken)
        return -1;
    while (n_now < f.n_causes && f.stages[n_now] == 0)
        n_now++;
    all->later = n_now < f.n_causes ? f.causes + n_now : NULL;
    all->n_later = (uint32_t)f.n_causes - n_now;
    all->stages = f.stages;
    all->items = f.items;
    all->n = (uint32_t)f.n_items;
    *ret = all;
    return 0;
}
