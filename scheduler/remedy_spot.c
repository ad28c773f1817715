/* remedy_spot.c - what it takes to bring one requirement onto one agent: a fix for each built-in
 * filter it fails. A filter of a plugin has none. */
#include "scheduler/remedy_spot.h"

#include "scheduler/scan.h"

enum { MEND_WEIGHT = 12, ENABLE_WEIGHT = 3, INFEASIBLE_WEIGHT = 6 };

/* --- changes --- */

static struct remedy_change *change_add(const struct spot_question *q, struct spot_changes *l,
                                        enum remedy_kind kind, const char *subject)
{
    l->items = arena_grow(l->arena, l->items, &l->cap, l->n + 1, sizeof(*l->items));
    l->items[l->n] = *change_new(q->finder, kind);
    l->items[l->n].subject = arena_strdup(l->arena, subject);
    return &l->items[l->n++];
}

/* The change of this kind and subject; a new one when there is none. */
static struct remedy_change *change_at(const struct spot_question *q, struct spot_changes *l,
                                       enum remedy_kind kind, const char *subject)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i].kind == kind && strcmp(l->items[i].subject, subject) == 0)
            return &l->items[i];
    return change_add(q, l, kind, subject);
}

static struct remedy_slot *slot_at(const struct spot_question *q, struct remedy_change *c,
                                   uint32_t slot)
{
    uint32_t n_slots = q->room->snapshot->n_slots, i = 0;
    struct remedy_slot *slots = arena_new(q->finder->arena, struct remedy_slot, n_slots);
    for (; i < c->n_slots; i++)
        slots[i] = c->slots[i];
    c->slots = slots;
    for (i = 0; i < c->n_slots; i++)
        if (slots[i].slot == slot)
            return &slots[i];
    slots[c->n_slots++].slot = slot;
    return &slots[i];
}

/* --- resources --- */

struct short_slot {
    uint32_t slot;
    int64_t asked, left, capacity, held;
};

static bool slot_is_short(const struct spot_question *q, uint32_t agent, uint32_t i,
                          struct short_slot *ret)
{
    const struct snapshot *s = q->room->snapshot;
    uint32_t slot = q->requirement->asked[i];
    *ret = (struct short_slot){.slot = slot,
                               .asked = q->requirement->request[slot],
                               .left = snapshot_row(s, q->room->remaining, agent)[slot],
                               .capacity = snapshot_row(s, s->agent_capacity, agent)[slot],
                               .held = snapshot_row(s, s->agent_held, agent)[slot]};
    return ret->asked > ret->left;
}

/* What the session can have of the slot there at most. */
static int64_t slot_goal(const struct spot_question *q, const struct short_slot *x)
{
    if (q->way == SPOT_ASK_LESS)
        return x->left;
    return x->asked < x->capacity ? x->asked : x->capacity;
}

/* What must be given free for that: the agent may be overfull. */
static int64_t slot_to_free(const struct short_slot *x, int64_t goal)
{
    int64_t over = amount_sub(x->held, x->capacity);
    return goal > x->left ? amount_add(goal - x->left, over > 0 ? over : 0) : 0;
}

static bool resources_can(const struct spot_question *q, uint32_t agent, unsigned *weight)
{
    struct short_slot x;
    for (uint32_t i = 0; i < q->requirement->n_asked; i++) {
        if (!slot_is_short(q, agent, i, &x))
            continue;
        int64_t goal = slot_goal(q, &x);
        if (goal <= 0 || slot_to_free(&x, goal) > x.held)
            return false;
        if (goal < x.asked && q->way != SPOT_ASK_LESS)
            *weight += INFEASIBLE_WEIGHT;
    }
    return true;
}

/* The most that one kernel of the session asked for before this remedy. */
static int64_t largest_request(const struct spot_question *q, const struct remedy_slot *so_far)
{
    const struct snapshot *s = q->room->snapshot;
    const struct session *x = &s->sessions[q->requirement->session];
    int64_t most = 0;
    if (so_far->by > 0)
        return amount_add(so_far->to, so_far->by);
    for (uint32_t k = 0; k < x->n_kernels; k++) {
        int64_t asked = snapshot_request(s, x->first_kernel + k)[so_far->slot];
        most = asked > most ? asked : most;
    }
    return most;
}

static void ask_at_most(const struct spot_question *q, const struct short_slot *x, int64_t goal,
                        struct spot_changes *l)
{
    const struct requirement *r = q->requirement;
    bool whole = r->n_kernels == q->room->snapshot->sessions[r->session].n_kernels;
    struct remedy_change *c = change_at(q, l, whole ? REMEDY_ASK_LESS : REMEDY_ASK_LESS_EACH, "");
    struct remedy_slot *slot = slot_at(q, c, x->slot);
    int64_t before = whole ? x->asked : largest_request(q, slot);
    *slot = (struct remedy_slot){.slot = x->slot, .by = before - goal, .to = goal};
}

static void resources_fix(const struct spot_question *q, uint32_t agent, struct spot_changes *l)
{
    struct short_slot x;
    for (uint32_t i = 0; i < q->requirement->n_asked; i++) {
        if (!slot_is_short(q, agent, i, &x))
            continue;
        int64_t goal = slot_goal(q, &x), more = slot_to_free(&x, goal);
        if (goal < x.asked)
            ask_at_most(q, &x, goal, l);
        if (more == 0)
            continue;
        const char *id = q->room->snapshot->agents[agent].id;
        struct remedy_slot *slot = slot_at(q, change_at(q, l, REMEDY_FREE_AGENT, id), x.slot);
        slot->by = amount_add(slot->by, more);
        slot->to = amount_sub(x.capacity, x.held - more);
    }
}

/* --- the other filters --- */

static bool always_can(const struct spot_question *q, uint32_t agent, unsigned *weight)
{
    (void)q;
    (void)agent;
    (void)weight;
    return true;
}

static void architecture_fix(const struct spot_question *q, uint32_t agent, struct spot_changes *l)
{
    const struct snapshot *s = q->room->snapshot;
    (void)change_at(q, l, REMEDY_CHANGE_ARCHITECTURE, s->archs[s->agents[agent].arch]);
}

static void designated_fix(const struct spot_question *q, uint32_t agent, struct spot_changes *l)
{
    if (q->way == SPOT_LIFT_LIMIT)
        (void)change_at(q, l, REMEDY_PREFER_DESIGNATED, "");
    else
        (void)change_at(q, l, REMEDY_DESIGNATE_AGENT, q->room->snapshot->agents[agent].id);
}

/* Strict spread: its members there can end, but neither the session's own kernels nor what the
 * round placed. Strict pack: nothing makes an agent without members one with. */
static bool group_can(const struct spot_question *q, uint32_t agent, unsigned *weight)
{
    const struct snapshot *s = q->room->snapshot;
    (void)weight;
    if (q->way == SPOT_LIFT_LIMIT)
        return true;
    if (q->requirement->group->direction != GROUP_SPREAD)
        return false;
    for (uint32_t i = 0; i < s->n_group_members; i++)
        if (s->group_members[i].agent == agent &&
            &s->session_groups[s->group_members[i].group] == q->requirement->group)
            return q->requirement->members[agent] == s->group_members[i].count;
    return false;
}

static void group_fix(const struct spot_question *q, uint32_t agent, struct spot_changes *l)
{
    if (q->way == SPOT_LIFT_LIMIT)
        (void)change_at(q, l, REMEDY_LEAVE_SESSION_GROUP, "");
    else
        change_at(q, l, REMEDY_END_GROUP_MEMBERS, q->room->snapshot->agents[agent].id)->count =
            q->requirement->members[agent];
}

static bool containers_can(const struct spot_question *q, uint32_t agent, unsigned *weight)
{
    const struct room *m = q->room;
    int64_t over = m->containers[agent] + q->requirement->containers - m->max_containers;
    (void)weight;
    return q->way == SPOT_LIFT_LIMIT || over <= m->snapshot->agents[agent].containers;
}

static void containers_fix(const struct spot_question *q, uint32_t agent, struct spot_changes *l)
{
    const struct room *m = q->room;
    int64_t needed = m->containers[agent] + q->requirement->containers;
    if (q->way == SPOT_LIFT_LIMIT)
        change_at(q, l, REMEDY_RAISE_CONTAINER_LIMIT, "")->count = needed;
    else
        change_at(q, l, REMEDY_FREE_AGENT, m->snapshot->agents[agent].id)->count +=
            needed - m->max_containers;
}

static const struct fixer {
    const char *filter;
    unsigned weight, lifted; /* lifted: where the limit is lifted */
    bool (*can)(const struct spot_question *q, uint32_t agent, unsigned *weight);
    void (*fix)(const struct spot_question *q, uint32_t agent, struct spot_changes *l);
} fixers[] = {
    {"architecture", 16, 16, always_can, architecture_fix},
    {"designated", 4, 1, always_can, designated_fix},
    {"session_group", 4, 1, group_can, group_fix},
    {"resources", 2, 2, resources_can, resources_fix},
    {"container_limit", 2, 1, containers_can, containers_fix},
};

static const struct fixer *fixer_of(const struct chosen *f)
{
    for (size_t i = 0; i < ARRAY_SIZE(fixers); i++)
        if (strcmp(fixers[i].filter, f->plugin->name) == 0)
            return &fixers[i];
    return NULL;
}

static bool fails(const struct spot_question *q, const struct chosen *f, uint32_t agent)
{
    return filter_applies(f, q->room, q->requirement) &&
           !f->plugin->filter.keep(q->room, q->requirement, f->options, agent);
}

/* --- the agent --- */

/* Keeps the larger of two shares. */
static void weigh_share(struct spot *x, int64_t missing, int64_t asked)
{
    if ((__int128)missing * x->asked > (__int128)x->missing * asked) {
        x->missing = missing;
        x->asked = asked;
    }
}

static void weigh_shortage(const struct spot_question *q, uint32_t agent, struct spot *x)
{
    const struct requirement *r = q->requirement;
    struct short_slot s;
    for (uint32_t i = 0; i < r->n_asked; i++)
        if (slot_is_short(q, agent, i, &s))
            weigh_share(x, s.asked - s.left, s.asked);
    x->is_short = x->missing > 0;
    if (q->room->max_containers > 0)
        weigh_share(x, q->room->containers[agent] + r->containers - q->room->max_containers,
                    r->containers);
    if (r->group != NULL && r->group->strict && r->group->direction == GROUP_SPREAD)
        weigh_share(x, r->members[agent], 1);
}

bool spot_weigh(const struct spot_question *q, uint32_t agent, struct spot *ret)
{
    const struct chosen_list *filters = &q->policy->filters;
    const struct agent *x = &q->room->snapshot->agents[agent];
    struct spot here = {.agent = agent, .missing = 0, .asked = 1};
    here.weight =
        (x->bad_data != NULL ? MEND_WEIGHT : 0) + (x->alive && x->schedulable ? 0 : ENABLE_WEIGHT);
    for (uint32_t i = 0; i < filters->n; i++) {
        if (!fails(q, &filters->items[i], agent))
            continue;
        const struct fixer *fixer = fixer_of(&filters->items[i]);
        if (fixer == NULL || !fixer->can(q, agent, &here.weight))
            return false;
        here.weight += q->way == SPOT_LIFT_LIMIT ? fixer->lifted : fixer->weight;
    }
    if (here.weight == 0) /* it fits there already */
        return false;
    weigh_shortage(q, agent, &here);
    *ret = here;
    return here.is_short || q->way != SPOT_ASK_LESS;
}

bool spot_is_better(const struct spot *a, const struct spot *b)
{
    if (a->weight != b->weight)
        return a->weight < b->weight;
    __int128 x = (__int128)a->missing * b->asked, y = (__int128)b->missing * a->asked;
    return x != y ? x < y : a->agent < b->agent;
}

void spot_fix(const struct spot_question *q, uint32_t agent, struct spot_changes *changes)
{
    const struct chosen_list *filters = &q->policy->filters;
    const struct agent *x = &q->room->snapshot->agents[agent];
    if (x->bad_data != NULL)
        (void)change_at(q, changes, REMEDY_MEND_ROW, x->id);
    if (!x->alive || !x->schedulable)
        (void)change_at(q, changes, REMEDY_ENABLE_AGENT, x->id);
    for (uint32_t i = 0; i < filters->n; i++)
        if (fails(q, &filters->items[i], agent))
            fixer_of(&filters->items[i])->fix(q, agent, changes);
}

static bool has_slots(const struct remedy_change *c, const struct requirement *r)
{
    if (c->n_slots != r->n_asked)
        return false;
    for (uint32_t i = 0; i < c->n_slots; i++)
        if (c->slots[i].slot != r->asked[i] || c->slots[i].by != r->request[r->asked[i]])
            return false;
    return true;
}

/* One more of those agents; a new change when there are none yet. */
static void add_agent(const struct spot_question *q, struct spot_changes *l)
{
    const struct requirement *r = q->requirement;
    const char *arch = q->room->snapshot->archs[r->arch];
    struct remedy_slot *slots = arena_new(l->arena, struct remedy_slot, r->n_asked);
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i].kind == REMEDY_ADD_AGENT && strcmp(l->items[i].subject, arch) == 0 &&
            has_slots(&l->items[i], r)) {
            l->items[i].count++;
            return;
        }
    for (uint32_t i = 0; i < r->n_asked; i++)
        slots[i] = (struct remedy_slot){
            .slot = r->asked[i], .by = r->request[r->asked[i]], .to = r->request[r->asked[i]]};
    struct remedy_change *c = change_add(q, l, REMEDY_ADD_AGENT, arch);
    c->slots = slots;
    c->n_slots = r->n_asked;
    c->count = 1;
}

/* An agent that has what is asked for and nothing else; and what keeps the session off a new agent
 * is lifted, where the search does not find it superfluous. */
void spot_new_agent(const struct spot_question *q, struct spot_changes *l)
{
    const struct requirement *r = q->requirement;
    add_agent(q, l);
    if (r->designated != NULL && r->designated_strict)
        (void)change_at(q, l, REMEDY_PREFER_DESIGNATED, "");
    if (r->group != NULL && r->group->strict)
        (void)change_at(q, l, REMEDY_LEAVE_SESSION_GROUP, "");
    if (q->room->max_containers > 0 && r->containers > q->room->max_containers)
        change_at(q, l, REMEDY_RAISE_CONTAINER_LIMIT, "")->count = r->containers;
}
