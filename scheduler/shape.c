/* shape.c - interning of slot sets, demands and shapes. */
#include "scheduler/shape.h"

#include <string.h>

#include "scheduler/intern.h"

struct track { /* (architecture, slot set) */
    uint32_t arch, number;
    const struct slot_set *slots;
};

struct shapes {
    const struct snapshot *snapshot;
    const struct policy *policy;
    struct arena *arena;
    struct intern slot_sets, demands, tracks, shapes;
    uint32_t n_tracks;
    struct shape **of_session; /* NULL: not asked for yet */
    uint32_t *asked;           /* scratch, n_slots */
    int64_t *sum;              /* scratch, n_slots */
    struct demand **list;      /* scratch, the most kernels of a session */
    size_t list_cap;
    bool copies; /* of what the snapshot says of sessions */
};

struct shapes *shapes_create(const struct snapshot *s, const struct policy *p, struct arena *a)
{
    struct shapes *t = arena_new(a, struct shapes, 1);
    *t = (struct shapes){.snapshot = s,
                         .policy = p,
                         .arena = a,
                         .slot_sets.arena = a,
                         .demands.arena = a,
                         .tracks.arena = a,
                         .shapes.arena = a,
                         .of_session = arena_new(a, struct shape *, s->n_sessions),
                         .asked = arena_new(a, uint32_t, s->n_slots),
                         .sum = arena_new(a, int64_t, s->n_slots)};
    return t;
}

uint32_t shapes_tracks(const struct shapes *t)
{
    return t->n_tracks;
}

void shapes_keep_copies(struct shapes *t)
{
    t->copies = true;
}

void shapes_forget(struct shapes *t, uint32_t session)
{
    t->of_session[session] = NULL;
}

/* --- slot sets --- */

static bool slot_set_equal(const void *item, const void *probe)
{
    const struct slot_set *a = item, *b = probe;
    return a->n == b->n && memcmp(a->asked, b->asked, a->n * sizeof(*a->asked)) == 0;
}

/* Where a slot stands in the order of priority: 2 * place in the list by full name, + 1 by device
 * class (the text before the first dot), behind the list otherwise. */
static uint32_t slot_priority(const struct policy *p, const char *name)
{
    size_t class_len = strcspn(name, ".");
    uint32_t by_class = UINT32_MAX;
    for (uint32_t i = 0; i < p->n_slot_priority; i++) {
        const char *entry = p->slot_priority[i];
        if (strcmp(entry, name) == 0)
            return 2 * i;
        if (by_class == UINT32_MAX && strlen(entry) == class_len &&
            memcmp(entry, name, class_len) == 0)
            by_class = 2 * i + 1;
    }
    return by_class;
}

static const uint32_t *slots_by_priority(const struct shapes *t, const uint32_t *asked, uint32_t n)
{
    const struct slot *slots = t->snapshot->slots;
    uint32_t *order = arena_memdup(t->arena, asked, n * sizeof(*asked));
    for (uint32_t i = 1; i < n; i++) { /* insertion: a handful of slots */
        uint32_t slot = order[i], at = i;
        uint32_t rank = slot_priority(t->policy, slots[slot].name);
        for (; at > 0; at--) {
            uint32_t other = slot_priority(t->policy, slots[order[at - 1]].name);
            if (other < rank ||
                (other == rank && strcmp(slots[order[at - 1]].name, slots[slot].name) < 0))
                break;
            order[at] = order[at - 1];
        }
        order[at] = slot;
    }
    return order;
}

static const struct slot_set *slot_set_of(struct shapes *t, const int64_t *request)
{
    uint32_t n = 0;
    uint64_t hash = 0;
    for (uint32_t i = 0; i < t->snapshot->n_slots; i++)
        if (request[i] > 0) {
            t->asked[n++] = i;
            hash = hash_mix(hash, i + 1);
        }
    struct slot_set probe = {.asked = t->asked, .n = n};
    struct slot_set *found = intern_find(&t->slot_sets, hash, slot_set_equal, &probe);
    if (found != NULL)
        return found;
    found = arena_new(t->arena, struct slot_set, 1);
    found->asked = arena_memdup(t->arena, t->asked, n * sizeof(*t->asked));
    found->priority = slots_by_priority(t, found->asked, n);
    found->n = n;
    intern_add(&t->slot_sets, hash, found);
    return found;
}

/* --- demands --- */

static bool track_equal(const void *item, const void *probe)
{
    const struct track *a = item, *b = probe;
    return a->arch == b->arch && a->slots == b->slots;
}

static uint32_t track_of(struct shapes *t, uint32_t arch, const struct slot_set *slots)
{
    struct track probe = {.arch = arch, .slots = slots};
    uint64_t hash = hash_mix(arch, slots->n);
    for (uint32_t i = 0; i < slots->n; i++)
        hash = hash_mix(hash, slots->asked[i]);
    struct track *found = intern_find(&t->tracks, hash, track_equal, &probe);
    if (found == NULL) {
        found = arena_new(t->arena, struct track, 1);
        *found = (struct track){.arch = arch, .slots = slots, .number = t->n_tracks++};
        intern_add(&t->tracks, hash, found);
    }
    return found->number;
}

struct demand_probe {
    const struct demand *demand;
    uint32_t n_slots;
};

static bool demand_equal(const void *item, const void *probe)
{
    const struct demand *a = item;
    const struct demand_probe *p = probe;
    const struct demand *b = p->demand;
    return a->arch == b->arch && a->containers == b->containers &&
           memcmp(a->request, b->request, p->n_slots * sizeof(*a->request)) == 0;
}

/* `request` is of the snapshot (kept as it is, unless copies are wanted) or the scratch sum. */
static struct demand *demand_of(struct shapes *t, uint32_t arch, int32_t containers,
                                const int64_t *request)
{
    uint32_t n_slots = t->snapshot->n_slots;
    uint64_t hash = hash_row(hash_mix(arch, (uint64_t)containers), request, n_slots);
    struct demand probe = {.arch = arch, .containers = containers, .request = request};
    struct demand_probe with_size = {.demand = &probe, .n_slots = n_slots};
    struct demand *found = intern_find(&t->demands, hash, demand_equal, &with_size);
    if (found != NULL)
        return found;
    found = arena_new(t->arena, struct demand, 1);
    *found = probe;
    found->hash = hash;
    if (request == t->sum || t->copies)
        found->request = arena_memdup(t->arena, request, n_slots * sizeof(*request));
    found->slots = slot_set_of(t, request);
    found->track = track_of(t, arch, found->slots);
    intern_add(&t->demands, hash, found);
    return found;
}

/* --- shapes --- */

static void sum_kernels(struct shapes *t, const struct session *x)
{
    const struct snapshot *s = t->snapshot;
    memset(t->sum, 0, s->n_slots * sizeof(*t->sum));
    for (uint32_t k = 0; k < x->n_kernels; k++) {
        const int64_t *row = snapshot_request(s, x->first_kernel + k);
        for (uint32_t i = 0; i < s->n_slots; i++)
            t->sum[i] = amount_add(t->sum[i], row[i]);
    }
}

static bool is_mixed(const struct snapshot *s, const struct session *x)
{
    for (uint32_t k = 1; k < x->n_kernels; k++)
        if (s->kernels[x->first_kernel + k].arch != s->kernels[x->first_kernel].arch)
            return true;
    return false;
}

/* The demands of a session, into t->list; gives their number. */
static uint32_t list_demands(struct shapes *t, const struct session *x)
{
    const struct snapshot *s = t->snapshot;
    const struct kernel *kernels = &s->kernels[x->first_kernel];
    if (x->mode == CLUSTER_SINGLE_NODE) {
        const int64_t *row = snapshot_request(s, x->first_kernel);
        if (x->n_kernels > 1)
            sum_kernels(t, x);
        t->list[0] =
            demand_of(t, kernels[0].arch, (int32_t)x->n_kernels, x->n_kernels > 1 ? t->sum : row);
        return 1;
    }
    for (uint32_t k = 0; k < x->n_kernels; k++)
        t->list[k] = demand_of(t, kernels[k].arch, 1, snapshot_request(s, x->first_kernel + k));
    return x->n_kernels;
}

static bool same_designated(const struct shape *a, const struct shape *b)
{
    for (uint32_t i = 0; i < a->n_designated_stored; i++)
        if (strcmp(a->designated_stored[i], b->designated_stored[i]) != 0)
            return false;
    return true;
}

static bool shape_equal(const void *item, const void *probe)
{
    const struct shape *a = item;
    const struct shape *b = probe;
    return a->multi_node == b->multi_node && a->group == b->group && a->n_demands == b->n_demands &&
           a->designated_strict == b->designated_strict &&
           a->n_designated_stored == b->n_designated_stored &&
           memcmp(a->demands, b->demands, a->n_demands * sizeof(const struct demand *)) == 0 &&
           same_designated(a, b);
}

static uint64_t shape_hash(const struct shape *h)
{
    uint64_t hash = hash_mix(h->group, (uint64_t)h->multi_node << 1 | h->designated_strict);
    for (uint32_t i = 0; i < h->n_demands; i++)
        hash = hash_mix(hash, h->demands[i]->hash);
    for (uint32_t i = 0; i < h->n_designated_stored; i++)
        hash = hash_text(hash, h->designated_stored[i]);
    return hash;
}

static void find_designated(struct shapes *t, struct shape *h)
{
    uint32_t *agents = arena_new(t->arena, uint32_t, h->n_designated_stored);
    for (uint32_t i = 0; i < h->n_designated_stored; i++) {
        uint32_t agent = snapshot_find_agent(t->snapshot, h->designated_stored[i]);
        if (agent != NONE)
            agents[h->n_designated++] = agent;
    }
    h->designated = agents;
}

static const char *const *copy_texts(const char *const *texts, uint32_t n, struct arena *a)
{
    const char **copies = arena_new(a, const char *, n);
    for (uint32_t i = 0; i < n; i++)
        copies[i] = arena_strdup(a, texts[i]);
    return copies;
}

static void total_request(struct shapes *t, struct shape *h, const struct session *x)
{
    if (h->fault == SHAPE_FINE && h->n_demands == 1) {
        h->request = h->demands[0]->request;
        h->slots = h->demands[0]->slots;
        return;
    }
    sum_kernels(t, x);
    h->request = arena_memdup(t->arena, t->sum, t->snapshot->n_slots * sizeof(*t->sum));
    h->slots = slot_set_of(t, h->request);
}

static struct shape *shape_make(struct shapes *t, uint32_t session)
{
    const struct snapshot *s = t->snapshot;
    const struct session *x = &s->sessions[session];
    struct shape probe = {.multi_node = x->mode == CLUSTER_MULTI_NODE,
                          .designated_strict = x->designated_strict && x->rare->n_designated > 0,
                          .n_designated_stored = x->rare->n_designated,
                          .group = x->group,
                          .memory.anchor = NONE};
    if (x->rare->n_designated > 0)
        probe.designated_stored = s->designated + x->rare->first_designated;
    if (x->group != NONE && s->session_groups[x->group].direction == GROUP_NO_DIRECTION)
        probe.group = NONE;
    if (x->n_kernels == 0)
        probe.fault = SHAPE_NO_KERNELS;
    else if (!probe.multi_node && is_mixed(s, x))
        probe.fault = SHAPE_MIXED_ARCHITECTURE;
    if (probe.fault == SHAPE_FINE) {
        t->list =
            arena_grow(t->arena, t->list, &t->list_cap, x->n_kernels, sizeof(struct demand *));
        probe.n_demands = list_demands(t, x);
        probe.demands = (const struct demand *const *)t->list;
    }
    bool plain = probe.fault == SHAPE_FINE && !probe.multi_node && x->rare->n_designated == 0 &&
                 probe.group == NONE;
    if (plain && probe.demands[0]->plain != NULL)
        return probe.demands[0]->plain;
    uint64_t hash = 0;
    if (!plain && probe.fault == SHAPE_FINE) {
        hash = shape_hash(&probe);
        struct shape *found = intern_find(&t->shapes, hash, shape_equal, &probe);
        if (found != NULL)
            return found;
    }
    struct shape *h = arena_new(t->arena, struct shape, 1);
    *h = probe;
    h->demands = arena_memdup(t->arena, t->list, h->n_demands * sizeof(const struct demand *));
    if (t->copies)
        h->designated_stored = copy_texts(h->designated_stored, h->n_designated_stored, t->arena);
    find_designated(t, h);
    total_request(t, h, x);
    if (plain)
        t->list[0]->plain = h;
    else if (h->fault == SHAPE_FINE)
        intern_add(&t->shapes, hash, h);
    return h;
}

struct shape *shapes_of(struct shapes *t, uint32_t session)
{
    if (t->of_session[session] == NULL)
        t->of_session[session] = shape_make(t, session);
    return t->of_session[session];
}
