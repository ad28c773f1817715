/* reference.c - see reference.h. One function a rule; the state is a handful of plain matrices. */
#include "tests/reference/reference.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CAUSES = 64, MAX_PLACE_CAUSES = 16 };

struct state { /* what the round has placed so far, on top of the snapshot */
    const struct snapshot *s;
    const struct policy_config *c;
    struct arena *a;
    bool empty;          /* the INFEASIBLE question: as if nothing ran anywhere */
    int64_t *placed;     /* agents x slots */
    int32_t *containers; /* agents */
    int32_t *members;    /* session groups x agents */
    int64_t *owner_used; /* owners x slots, not private */
    int64_t *owner_live, *owner_live_sftp;
    const char **cursor; /* per architecture */
};

struct requirement {
    int64_t want[REF_MAX_SLOTS];
    uint32_t arch;
    int32_t containers;
    uint32_t first, n; /* kernels it covers */
};

static int64_t request_of(const struct snapshot *s, const struct session *w, uint32_t slot)
{
    int64_t sum = 0;
    for (uint32_t k = 0; k < w->n_kernels; k++)
        sum = amount_add(sum, snapshot_row(s, s->kernel_request, w->first_kernel + k)[slot]);
    return sum;
}

/* --- causes --- */

static struct ref_cause *add_cause(struct ref_decision *d, enum cause_kind kind, const char *plugin,
                                   const char *subject, bool retryable)
{
    assert(d->n_causes < MAX_CAUSES);
    struct ref_cause *c = &d->causes[d->n_causes++];
    *c = (struct ref_cause){
        .kind = kind, .plugin = plugin, .subject = subject, .retryable = retryable};
    return c;
}

static void add_shortage(struct ref_cause *c, uint32_t slot, int64_t requested, int64_t available,
                         int64_t limit)
{
    c->slots[c->n_slots++] = (struct shortage){
        .slot = slot, .requested = requested, .available = available, .limit = limit};
}

/* --- step 6: validators --- */

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

static const char *uuid_text(struct arena *a, const struct uuid *u)
{
    char text[UUID_TEXT];
    return arena_strdup(a, uuid_format(u, text));
}

static void check_dependencies(struct state *st, const struct session *w, struct ref_decision *d)
{
    const struct dependency *first_unmet = NULL, *first_failed = NULL;
    bool some_waiting = false;
    for (uint32_t i = 0; i < w->n_dependencies; i++) {
        const struct dependency *x = &st->s->dependencies[w->first_dependency + i];
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

static bool expired(const struct snapshot *s, const struct session *w)
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

static void validate(struct state *st, const struct session *w, struct ref_decision *d)
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

/* --- step 7: place --- */

static int64_t remaining(const struct state *st, uint32_t agent, uint32_t slot)
{
    const struct snapshot *s = st->s;
    int64_t held = st->empty ? 0 : snapshot_row(s, s->agent_held, agent)[slot];
    int64_t left = amount_sub(amount_sub(snapshot_row(s, s->agent_capacity, agent)[slot], held),
                              st->placed[agent * s->n_slots + slot]);
    return left > 0 ? left : 0;
}

static int32_t containers_on(const struct state *st, uint32_t agent)
{
    return (st->empty ? 0 : st->s->agents[agent].containers) + st->containers[agent];
}

/* Members of w's group on the agent; `mine[agent]`: an earlier kernel of w is there already. */
static int32_t members_on(const struct state *st, const struct session *w, const bool *mine,
                          uint32_t agent)
{
    const struct snapshot *s = st->s;
    if (w->group == NONE)
        return 0;
    int32_t n = st->members[w->group * s->n_agents + agent] + (mine[agent] ? 1 : 0);
    for (uint32_t i = 0; i < s->n_group_members && !st->empty; i++)
        if (s->group_members[i].group == w->group && s->group_members[i].agent == agent)
            n += s->group_members[i].count;
    return n;
}

static bool is_designated(const struct snapshot *s, const struct session *w, uint32_t agent)
{
    for (uint32_t i = 0; i < w->n_designated; i++)
        if (strcmp(s->designated[w->first_designated + i], s->agents[agent].id) == 0)
            return true;
    return false;
}

enum filter { F_ARCH, F_DESIGNATED, F_GROUP, F_RESOURCES, F_CONTAINERS, N_FILTERS };

static bool filter_keeps(const struct state *st, const struct session *w,
                         const struct requirement *r, const bool *mine, enum filter f,
                         uint32_t agent)
{
    const struct snapshot *s = st->s;
    switch (f) {
    case F_ARCH:
        return s->agents[agent].arch == r->arch;
    case F_DESIGNATED:
        return !w->designated_strict || w->n_designated == 0 || is_designated(s, w, agent);
    case F_GROUP: {
        if (w->group == NONE || !s->session_groups[w->group].strict)
            return true;
        int32_t here = members_on(st, w, mine, agent);
        if (s->session_groups[w->group].direction == GROUP_SPREAD)
            return here == 0;
        if (s->session_groups[w->group].direction != GROUP_PACK)
            return true;
        bool any = false;
        for (uint32_t i = 0; i < s->n_agents; i++)
            if (agent_is_candidate(&s->agents[i]) && members_on(st, w, mine, i) > 0)
                any = true;
        return !any || here > 0;
    }
    case F_RESOURCES:
        for (uint32_t slot = 0; slot < s->n_slots; slot++)
            if (r->want[slot] > 0 && r->want[slot] > remaining(st, agent, slot))
                return false;
        return true;
    default:
        return st->c->max_containers_per_agent <= 0 ||
               (int64_t)containers_on(st, agent) + r->containers <= st->c->max_containers_per_agent;
    }
}

/* Is the fraction a/b smaller than c/d? All positive. */
static bool fraction_less(int64_t a, int64_t b, int64_t c, int64_t d)
{
    return (__int128)a * d < (__int128)c * b;
}

/* Largest of (want - left) / want over the slots: *ret_num / *ret_den. */
static void largest_shortage(const struct state *st, const struct requirement *r, uint32_t agent,
                             int64_t *ret_num, int64_t *ret_den)
{
    *ret_num = 0;
    *ret_den = 1;
    for (uint32_t slot = 0; slot < st->s->n_slots; slot++) {
        int64_t left = remaining(st, agent, slot);
        if (r->want[slot] > left &&
            fraction_less(*ret_num, *ret_den, r->want[slot] - left, r->want[slot])) {
            *ret_num = r->want[slot] - left;
            *ret_den = r->want[slot];
        }
    }
}

static void explain_resources(struct state *st, const struct requirement *r, const bool *entered,
                              struct ref_decision *d)
{
    uint32_t best = NONE;
    int64_t best_num = 0, best_den = 1;
    for (uint32_t i = 0; i < st->s->n_agents; i++) {
        int64_t num, den;
        if (!entered[i])
            continue;
        largest_shortage(st, r, i, &num, &den);
        if (best == NONE || fraction_less(num, den, best_num, best_den)) {
            best = i;
            best_num = num;
            best_den = den;
        }
    }
    struct ref_cause *c = add_cause(d, st->empty ? CAUSE_INFEASIBLE : CAUSE_CAPACITY, "resources",
                                    st->s->agents[best].id, !st->empty);
    for (uint32_t slot = 0; slot < st->s->n_slots; slot++)
        if (r->want[slot] > remaining(st, best, slot))
            add_shortage(c, slot, r->want[slot], remaining(st, best, slot),
                         snapshot_row(st->s, st->s->agent_capacity, best)[slot]);
}

static void explain_filter(struct state *st, const struct session *w, const struct requirement *r,
                           enum filter f, const bool *entered, struct ref_decision *d)
{
    const struct snapshot *s = st->s;
    switch (f) {
    case F_ARCH:
        add_cause(d, CAUSE_ARCHITECTURE, "architecture", s->archs[r->arch], !st->empty);
        break;
    case F_DESIGNATED:
        add_cause(d, CAUSE_DESIGNATED, "designated", s->designated[w->first_designated],
                  !st->empty);
        break;
    case F_GROUP:
        add_cause(d, CAUSE_SESSION_GROUP, "session_group",
                  uuid_text(st->a, &s->session_groups[w->group].id), !st->empty);
        break;
    case F_RESOURCES:
        explain_resources(st, r, entered, d);
        break;
    default: {
        uint32_t best = NONE;
        for (uint32_t i = 0; i < s->n_agents; i++)
            if (entered[i] && (best == NONE || containers_on(st, i) < containers_on(st, best)))
                best = i;
        add_cause(d, CAUSE_CONTAINER_LIMIT, "container_limit", s->agents[best].id, !st->empty);
    }
    }
}

/* --- selectors --- */

static size_t class_length(const char *slot)
{
    return strcspn(slot, ".");
}

/* Place of a requested slot in the order P: smaller goes first. */
static bool slot_before(const struct policy_config *c, const char *x, const char *y)
{
    static const char *const defaults[] = {"cuda", "rocm", "tpu", "cpu", "mem"};
    const char *const *list = c->slot_priority != NULL ? c->slot_priority : defaults;
    size_t n = c->slot_priority != NULL ? c->n_slot_priority : ARRAY_SIZE(defaults);
    size_t at[2];
    const char *const names[2] = {x, y};
    for (int i = 0; i < 2; i++) {
        at[i] = 2 * n;
        for (size_t j = 0; j < n && at[i] == 2 * n; j++)
            if (strcmp(list[j], names[i]) == 0)
                at[i] = 2 * j;
        for (size_t j = 0; j < n && at[i] == 2 * n; j++)
            if (strlen(list[j]) == class_length(names[i]) &&
                strncmp(list[j], names[i], class_length(names[i])) == 0)
                at[i] = 2 * j + 1;
    }
    if (at[0] != at[1])
        return at[0] < at[1];
    return strcmp(x, y) < 0;
}

static void slot_order(const struct state *st, const struct requirement *r, uint32_t order[],
                       uint32_t *ret_n)
{
    uint32_t n = 0;
    for (uint32_t slot = 0; slot < st->s->n_slots; slot++)
        if (r->want[slot] > 0)
            order[n++] = slot;
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t j = i; j > 0 && slot_before(st->c, st->s->slots[order[j]].name,
                                                  st->s->slots[order[j - 1]].name);
             j--) {
            uint32_t t = order[j];
            order[j] = order[j - 1];
            order[j - 1] = t;
        }
    *ret_n = n;
}

static int64_t extras(const struct state *st, const struct requirement *r, uint32_t agent)
{
    int64_t n = 0;
    for (uint32_t slot = 0; slot < st->s->n_slots; slot++)
        if (r->want[slot] == 0 && remaining(st, agent, slot) > 0)
            n++;
    return n;
}

/* Does the selector prefer agent x over agent y? Equal keys: the smaller id, that is index. */
static bool prefers(const struct state *st, const struct requirement *r, uint32_t x, uint32_t y)
{
    const char *strategy = st->s->strategy;
    uint32_t order[REF_MAX_SLOTS], n;
    slot_order(st, r, order, &n);
    if (strcmp(strategy, "roundrobin") == 0) {
        const char *last = st->cursor[r->arch];
        bool x_after = last == NULL || strcmp(st->s->agents[x].id, last) > 0;
        bool y_after = last == NULL || strcmp(st->s->agents[y].id, last) > 0;
        if (x_after != y_after)
            return x_after;
        return x < y;
    }
    int64_t ex = extras(st, r, x), ey = extras(st, r, y);
    if (ex != ey)
        return ex < ey;
    for (uint32_t i = 0; i < n; i++) {
        int64_t vx = remaining(st, x, order[i]), vy = remaining(st, y, order[i]);
        if (strcmp(strategy, "legacy") == 0) {
            vx = snapshot_row(st->s, st->s->agent_capacity, x)[order[i]];
            vy = snapshot_row(st->s, st->s->agent_capacity, y)[order[i]];
        }
        if (vx != vy)
            return strcmp(strategy, "concentrated") == 0 ? vx < vy : vx > vy;
    }
    return x < y;
}

/* Ranks of the orders: designated preferred, then the session group. Smaller is better. */
static bool tier_before(const struct state *st, const struct session *w, const bool *mine,
                        uint32_t x, uint32_t y, bool *ret_equal)
{
    const struct snapshot *s = st->s;
    *ret_equal = false;
    if (!w->designated_strict && w->n_designated > 0) {
        bool dx = is_designated(s, w, x), dy = is_designated(s, w, y);
        if (dx != dy)
            return dx;
    }
    if (w->group != NONE && s->session_groups[w->group].direction != GROUP_NO_DIRECTION) {
        int32_t mx = members_on(st, w, mine, x), my = members_on(st, w, mine, y);
        if (mx != my)
            return s->session_groups[w->group].direction == GROUP_SPREAD ? mx < my : mx > my;
    }
    *ret_equal = true;
    return false;
}

static uint32_t choose(const struct state *st, const struct session *w, const struct requirement *r,
                       const bool *mine, const bool *fits)
{
    uint32_t best = NONE;
    for (uint32_t i = 0; i < st->s->n_agents; i++) {
        bool equal = false;
        if (!fits[i])
            continue;
        if (best == NONE || tier_before(st, w, mine, i, best, &equal) ||
            (equal && prefers(st, r, i, best)))
            best = i;
    }
    return best;
}

/* --- one session onto the agents: all requirements are tried, in order --- */

static uint32_t plan_requirements(const struct snapshot *s, const struct session *w,
                                  struct requirement *r)
{
    if (w->mode == CLUSTER_SINGLE_NODE) {
        r[0] = (struct requirement){.arch = s->kernels[w->first_kernel].arch,
                                    .containers = (int32_t)w->n_kernels,
                                    .first = w->first_kernel,
                                    .n = w->n_kernels};
        for (uint32_t slot = 0; slot < s->n_slots; slot++)
            r[0].want[slot] = request_of(s, w, slot);
        return 1;
    }
    for (uint32_t k = 0; k < w->n_kernels; k++) {
        r[k] = (struct requirement){.arch = s->kernels[w->first_kernel + k].arch,
                                    .containers = 1,
                                    .first = w->first_kernel + k,
                                    .n = 1};
        memcpy(r[k].want, snapshot_row(s, s->kernel_request, w->first_kernel + k),
               s->n_slots * sizeof(int64_t));
    }
    return w->n_kernels;
}

static bool same_cause(const struct ref_cause *x, const struct ref_cause *y)
{
    if (x->kind != y->kind || strcmp(x->subject, y->subject) != 0 || x->n_slots != y->n_slots)
        return false;
    for (uint32_t i = 0; i < x->n_slots; i++)
        if (memcmp(&x->slots[i].requested, &y->slots[i].requested, 3 * sizeof(int64_t)) != 0 ||
            x->slots[i].slot != y->slots[i].slot)
            return false;
    return true;
}

static void drop_if_known(struct ref_decision *d, uint32_t first)
{
    uint32_t last = d->n_causes - 1;
    for (uint32_t i = first; i < last; i++)
        if (same_cause(&d->causes[i], &d->causes[last])) {
            d->n_causes--;
            return;
        }
    if (d->n_causes - first > MAX_PLACE_CAUSES)
        d->n_causes--;
}

static bool place_requirement(struct state *st, const struct session *w,
                              const struct requirement *r, bool *mine, uint32_t *agents,
                              struct ref_decision *d, uint32_t first_cause)
{
    const struct snapshot *s = st->s;
    bool *fits = arena_new(st->a, bool, s->n_agents + 1);
    for (uint32_t i = 0; i < s->n_agents; i++)
        fits[i] = agent_is_candidate(&s->agents[i]);
    for (enum filter f = F_ARCH; f < N_FILTERS; f++) {
        bool *kept = arena_new(st->a, bool, s->n_agents + 1);
        bool any = false;
        for (uint32_t i = 0; i < s->n_agents; i++) {
            kept[i] = fits[i] && filter_keeps(st, w, r, mine, f, i);
            any = any || kept[i];
        }
        if (!any) {
            explain_filter(st, w, r, f, fits, d);
            drop_if_known(d, first_cause);
            return false;
        }
        fits = kept;
    }
    uint32_t agent = choose(st, w, r, mine, fits);
    for (uint32_t k = 0; k < r->n; k++)
        agents[r->first - w->first_kernel + k] = agent;
    for (uint32_t slot = 0; slot < s->n_slots; slot++) {
        int64_t *p = &st->placed[agent * s->n_slots + slot];
        *p = amount_add(*p, r->want[slot]);
    }
    st->containers[agent] += r->containers;
    mine[agent] = true;
    if (strcmp(s->strategy, "roundrobin") == 0)
        st->cursor[r->arch] = s->agents[agent].id;
    return true;
}

static bool place_session(struct state *st, const struct session *w, uint32_t *agents,
                          struct ref_decision *d)
{
    struct requirement *r = arena_new(st->a, struct requirement, w->n_kernels);
    bool *mine = arena_new(st->a, bool, st->s->n_agents + 1);
    uint32_t n = plan_requirements(st->s, w, r);
    uint32_t first_cause = d->n_causes;
    bool all = true;
    for (uint32_t i = 0; i < n; i++)
        if (!place_requirement(st, w, &r[i], mine, agents, d, first_cause))
            all = false;
    if (all && w->group != NONE)
        for (uint32_t i = 0; i < st->s->n_agents; i++)
            st->members[w->group * st->s->n_agents + i] += mine[i] ? 1 : 0;
    return all;
}

/* A copy of the state to try on. */
static struct state state_copy(const struct state *st, bool empty)
{
    const struct snapshot *s = st->s;
    struct state t = *st;
    size_t cells = (size_t)s->n_agents * s->n_slots;
    size_t group_cells = (size_t)s->n_session_groups * s->n_agents;
    t.empty = empty;
    t.placed = arena_new(st->a, int64_t, cells + 1);
    t.containers = arena_new(st->a, int32_t, s->n_agents + 1);
    t.members = arena_new(st->a, int32_t, group_cells + 1);
    t.cursor = arena_new(st->a, const char *, s->n_archs + 1);
    memcpy(t.cursor, st->cursor, s->n_archs * sizeof(char *));
    if (!empty) {
        memcpy(t.placed, st->placed, cells * sizeof(int64_t));
        memcpy(t.containers, st->containers, s->n_agents * sizeof(int32_t));
        memcpy(t.members, st->members, group_cells * sizeof(int32_t));
    }
    return t;
}

static void place(struct state *st, const struct session *w, struct ref_decision *d)
{
    const struct snapshot *s = st->s;
    uint32_t candidates = 0;
    if (w->n_kernels == 0) {
        d->outcome = OUTCOME_INVALID;
        add_cause(d, CAUSE_NO_KERNELS, "plan", "", false);
        return;
    }
    for (uint32_t k = 1; k < w->n_kernels && w->mode == CLUSTER_SINGLE_NODE; k++)
        if (s->kernels[w->first_kernel + k].arch != s->kernels[w->first_kernel].arch) {
            d->outcome = OUTCOME_INVALID;
            add_cause(d, CAUSE_MIXED_ARCHITECTURE, "plan", "", false);
            return;
        }
    for (uint32_t i = 0; i < s->n_agents; i++)
        candidates += agent_is_candidate(&s->agents[i]);
    if (candidates == 0) {
        d->outcome = OUTCOME_WAITING;
        add_cause(d, CAUSE_NO_AGENTS, "agents", "", true);
        return;
    }
    uint32_t *agents = arena_new(st->a, uint32_t, w->n_kernels);
    struct state real = state_copy(st, false);
    uint32_t before = d->n_causes;
    if (place_session(&real, w, agents, d)) {
        d->outcome = OUTCOME_SCHEDULED;
        d->agents = agents;
        *st = real;
        return;
    }
    struct state empty = state_copy(st, true);
    struct ref_decision probe = {.causes = arena_new(st->a, struct ref_cause, MAX_CAUSES)};
    if (place_session(&empty, w, agents, &probe)) {
        d->outcome = OUTCOME_WAITING;
        return;
    }
    d->outcome = OUTCOME_INFEASIBLE;
    d->n_causes = before;
    for (uint32_t i = 0; i < probe.n_causes; i++)
        d->causes[d->n_causes++] = probe.causes[i];
}

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
