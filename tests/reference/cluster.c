/* cluster.c - see cluster.h. First everything is drawn into plain tables, then the tables are
 * handed to the builder in a shuffled order. */
#include "tests/reference/cluster.h"

#include <stdio.h>
#include <string.h>

#include "scheduler/snapshot_build.h"

enum {
    MAX_SLOTS = 5,
    MAX_AGENTS = 10,
    MAX_OWNERS = 3, /* of each kind */
    MAX_SESSIONS = 24,
    MAX_KERNELS = 4,
    MAX_GROUPS = 2,
    MAX_OTHERS = 4
};

#define NOW    INT64_C(1700000000000000)
#define SECOND INT64_C(1000000)

uint32_t rng_below(struct rng *r, uint32_t n)
{
    r->state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    uint64_t z = r->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return (uint32_t)(((z >> 32) * n) >> 32);
}

bool rng_chance(struct rng *r, uint32_t percent)
{
    return rng_below(r, 100) < percent;
}

static const char *const slot_names[MAX_SLOTS] = {"cpu", "mem", "cuda.device", "cuda.shares",
                                                  "npu"};
static const char *const arch_names[] = {"x86_64", "aarch64"};
static const char *const schedulers[] = {"fifo", "lifo", "drf"};
static const char *const strategies[] = {"concentrated", "dispersed", "legacy", "roundrobin"};
static const char *const priorities[] = {"npu", "mem", "cuda", "cuda.shares"};

struct draw {
    struct rng r;
    struct arena *a;
    struct snapshot_builder *b;
    uint32_t n_slots, n_agents, n_archs, n_sessions, n_groups, n_others;
    uint32_t n_owners[N_OWNER_KINDS];
    uint32_t slot[MAX_SLOTS];                      /* builder indexes */
    uint32_t owner[N_OWNER_KINDS][MAX_OWNERS];     /* builder indexes */
    uint32_t group[MAX_GROUPS], agent[MAX_AGENTS]; /* builder indexes */
    int64_t scale; /* of amounts: small numbers make ties, huge ones saturate */
};

static int64_t draw_amount(struct draw *d, uint32_t most)
{
    if (rng_chance(&d->r, 1))
        return AMOUNT_MAX - rng_below(&d->r, 3);
    return (int64_t)rng_below(&d->r, most + 1) * d->scale;
}

static struct uuid draw_uuid(struct draw *d, uint8_t kind, uint32_t i)
{
    struct uuid u = {.b = {kind}};
    u.b[1] = (uint8_t)rng_below(&d->r, 4); /* so that ids do not follow the order of creation */
    u.b[14] = (uint8_t)(i >> 8);
    u.b[15] = (uint8_t)i;
    return u;
}

static void add_slots(struct draw *d)
{
    for (uint32_t i = 0; i < d->n_slots; i++)
        d->slot[i] = builder_slot(d->b, slot_names[i], i == 1 ? SLOT_BYTES : SLOT_COUNT,
                                  (int32_t)rng_below(&d->r, 3) * 100);
}

/* --- agents: drawn in one order, added in a shuffled one --- */

struct agent_draw {
    char id[16];
    struct agent agent;
    const char *arch;
    int64_t capacity[MAX_SLOTS], held[MAX_SLOTS];
};

static void draw_agent(struct draw *d, uint32_t i, struct agent_draw *x)
{
    snprintf(x->id, sizeof(x->id), "a%u", i);
    x->arch = arch_names[rng_below(&d->r, d->n_archs)];
    x->agent = (struct agent){
        .id = x->id,
        .addr = "addr",
        .containers = (int32_t)rng_below(&d->r, 4),
        .alive = !rng_chance(&d->r, 5),
        .schedulable = !rng_chance(&d->r, 5),
        .bad_data = rng_chance(&d->r, 2) ? "agent_resources.capacity is negative" : NULL,
    };
    for (uint32_t s = 0; s < d->n_slots; s++) {
        x->capacity[s] = draw_amount(d, s < 2 ? 8 : 4);
        x->held[s] = rng_chance(&d->r, 50) ? 0 : draw_amount(d, 4);
    }
}

static void permutation(struct rng *r, uint32_t *p, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        p[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = rng_below(r, i), t = p[i - 1];
        p[i - 1] = p[j];
        p[j] = t;
    }
}

static void add_agents(struct draw *d, struct rng *shuffle)
{
    struct agent_draw x[MAX_AGENTS];
    uint32_t order[MAX_AGENTS];
    for (uint32_t i = 0; i < d->n_agents; i++)
        draw_agent(d, i, &x[i]);
    permutation(shuffle, order, d->n_agents);
    for (uint32_t k = 0; k < d->n_agents; k++) {
        uint32_t i = order[k];
        int64_t *capacity, *held;
        d->agent[i] = builder_agent(d->b, &x[i].agent, x[i].arch, &capacity, &held);
        for (uint32_t s = 0; s < d->n_slots; s++) {
            capacity[d->slot[s]] = x[i].capacity[s];
            held[d->slot[s]] = x[i].held[s];
        }
    }
}

/* --- owners --- */

static void fill_limits(struct draw *d, uint32_t owner, enum owner_kind kind)
{
    struct owner *o = builder_owner_at(d->b, owner);
    struct owner_rows rows = builder_owner_rows(d->b, owner);
    for (uint32_t s = 0; s < d->n_slots; s++) {
        rows.limit[d->slot[s]] = rng_chance(&d->r, 70) ? AMOUNT_INF : draw_amount(d, 16);
        rows.usage[d->slot[s]] = draw_amount(d, 3);
        rows.group_usage[d->slot[s]] = draw_amount(d, 3);
    }
    if (kind != OWNER_KEYPAIR)
        return;
    o->max_sessions = rng_chance(&d->r, 70) ? 0 : rng_below(&d->r, 6);
    o->max_sftp_sessions = rng_below(&d->r, 3);
    o->max_pending = rng_chance(&d->r, 80) ? INT64_MAX : rng_below(&d->r, 6);
    o->live_sessions = rng_below(&d->r, 3);
    o->live_sftp_sessions = rng_below(&d->r, 2);
    o->has_pending_limit = rng_chance(&d->r, 20);
    for (uint32_t s = 0; s < d->n_slots && o->has_pending_limit; s++)
        rows.pending_limit[d->slot[s]] = rng_chance(&d->r, 50) ? AMOUNT_INF : draw_amount(d, 20);
}

static void add_owners(struct draw *d)
{
    for (int kind = 0; kind < N_OWNER_KINDS; kind++)
        for (uint32_t i = 0; i < d->n_owners[kind]; i++) {
            char key[32];
            snprintf(key, sizeof(key), "%c%u", "kupd"[kind], i);
            d->owner[kind][i] = builder_owner(d->b, (enum owner_kind)kind, key);
            fill_limits(d, d->owner[kind][i], (enum owner_kind)kind);
            struct owner *o = builder_owner_at(d->b, d->owner[kind][i]);
            if (rng_chance(&d->r, 3))
                o->missing = "owner \"x\"";
            if (rng_chance(&d->r, 3))
                o->bad_data = "total_resource_slots cannot be read";
        }
}

static void add_groups(struct draw *d)
{
    for (uint32_t i = 0; i < d->n_groups; i++) {
        struct session_group g = {
            .id = draw_uuid(d, 'g', i),
            .direction = (enum group_direction)rng_below(&d->r, 3),
            .strict = rng_chance(&d->r, 50),
        };
        d->group[i] = builder_session_group(d->b, &g);
        for (uint32_t k = 0; k < 3 && d->n_agents > 0; k++)
            builder_group_member(d->b, d->group[i], d->agent[rng_below(&d->r, d->n_agents)],
                                 (int32_t)rng_below(&d->r, 2) + 1);
    }
}

/* --- sessions --- */

struct session_draw {
    struct session session;
    struct kernel kernels[MAX_KERNELS];
    const char *arch[MAX_KERNELS];
    int64_t request[MAX_KERNELS][MAX_SLOTS];
    struct dependency dependencies[2];
    const char *designated[2];
    uint32_t n_kernels, n_dependencies, n_designated;
};

static void draw_kernels(struct draw *d, struct session_draw *x, uint32_t session)
{
    const char *arch = arch_names[rng_below(&d->r, d->n_archs)];
    x->n_kernels = rng_chance(&d->r, 3) ? 0 : 1 + rng_below(&d->r, rng_chance(&d->r, 40) ? 4 : 1);
    for (uint32_t k = 0; k < x->n_kernels; k++) {
        x->kernels[k] = (struct kernel){.id = draw_uuid(d, 'k', session * MAX_KERNELS + k),
                                        .is_main = k == 0,
                                        .cluster_idx = (int32_t)k};
        x->arch[k] = rng_chance(&d->r, 4) ? arch_names[rng_below(&d->r, d->n_archs)] : arch;
        for (uint32_t s = 0; s < d->n_slots; s++)
            x->request[k][s] = rng_chance(&d->r, s < 2 ? 10 : 60) ? 0
                               : rng_chance(&d->r, 3)             ? draw_amount(d, 40)
                                                                  : draw_amount(d, 3);
    }
}

static void draw_session(struct draw *d, uint32_t i, struct session_draw *x)
{
    struct session *w = &x->session;
    memset(x, 0, sizeof(*x));
    w->id = draw_uuid(d, 's', i);
    w->name = "s";
    w->creation_id = "c";
    w->created_at = NOW - SECOND * rng_below(&d->r, 12);
    w->pending_since = rng_chance(&d->r, 80) ? w->created_at : NOW - SECOND * rng_below(&d->r, 12);
    w->starts_at =
        rng_chance(&d->r, 70) ? TIME_NONE : NOW + SECOND * ((int)rng_below(&d->r, 3) - 1);
    w->priority = rng_chance(&d->r, 60) ? 10 : (int32_t)rng_below(&d->r, 3) * 10;
    w->retries = (int32_t)rng_below(&d->r, 4);
    w->type = (enum session_type)(rng_chance(&d->r, 10) ? SESSION_SYSTEM : rng_below(&d->r, 3));
    w->mode = rng_chance(&d->r, 40) ? CLUSTER_MULTI_NODE : CLUSTER_SINGLE_NODE;
    for (int kind = 0; kind < N_OWNER_KINDS; kind++)
        w->owner[kind] = d->owner[kind][rng_below(&d->r, d->n_owners[kind])];
    w->group =
        d->n_groups > 0 && rng_chance(&d->r, 30) ? d->group[rng_below(&d->r, d->n_groups)] : NONE;
    w->bad_data = rng_chance(&d->r, 3) ? "resource_allocations.requested is negative" : NULL;
    draw_kernels(d, x, i);
    x->n_dependencies = rng_chance(&d->r, 90) ? 0 : 1 + rng_below(&d->r, 2);
    for (uint32_t k = 0; k < x->n_dependencies; k++)
        x->dependencies[k] =
            (struct dependency){.id = draw_uuid(d, 'd', i * 2 + k),
                                .name = "dep",
                                .state = (enum dependency_state)rng_below(&d->r, 3)};
    x->n_designated = rng_chance(&d->r, 85) ? 0 : 1 + rng_below(&d->r, 2);
    for (uint32_t k = 0; k < x->n_designated; k++)
        x->designated[k] = arena_printf(d->a, "a%u", rng_below(&d->r, MAX_AGENTS + 2));
    w->designated_strict = rng_chance(&d->r, 50);
}

static void add_session(struct draw *d, struct rng *shuffle, const struct session_draw *x)
{
    uint32_t order[MAX_KERNELS], session = builder_session(d->b, &x->session);
    permutation(shuffle, order, x->n_kernels);
    for (uint32_t j = 0; j < x->n_kernels; j++) {
        uint32_t k = order[j];
        int64_t *request;
        builder_kernel(d->b, session, &x->kernels[k], x->arch[k], &request);
        for (uint32_t s = 0; s < d->n_slots; s++)
            request[d->slot[s]] = x->request[k][s];
    }
    for (uint32_t k = 0; k < x->n_dependencies; k++)
        builder_dependency(d->b, session, &x->dependencies[k]);
    for (uint32_t k = 0; k < x->n_designated; k++)
        builder_designated(d->b, session, x->designated[k]);
}

static void add_sessions(struct draw *d, struct rng *shuffle)
{
    struct session_draw x[MAX_SESSIONS];
    uint32_t order[MAX_SESSIONS];
    for (uint32_t i = 0; i < d->n_sessions; i++)
        draw_session(d, i, &x[i]);
    permutation(shuffle, order, d->n_sessions);
    for (uint32_t i = 0; i < d->n_sessions; i++)
        add_session(d, shuffle, &x[order[i]]);
    for (uint32_t i = 0; i < d->n_others; i++) {
        struct other_pending p = {
            .keypair = d->owner[OWNER_KEYPAIR][rng_below(&d->r, d->n_owners[OWNER_KEYPAIR])],
            .created_at = NOW - SECOND * rng_below(&d->r, 12),
            .id = draw_uuid(d, 'o', i)};
        int64_t *request = builder_other_pending(d->b, &p);
        for (uint32_t s = 0; s < d->n_slots; s++)
            request[d->slot[s]] = draw_amount(d, 3);
    }
}

static void add_head(struct draw *d)
{
    struct snapshot head = {
        .observed_at = NOW,
        .group_id = draw_uuid(d, 'G', 0),
        .group_name = "default",
        .scheduler = schedulers[rng_below(&d->r, ARRAY_SIZE(schedulers))],
        .strategy = strategies[rng_below(&d->r, ARRAY_SIZE(strategies))],
        .pending_timeout = rng_chance(&d->r, 70) ? 0 : 9 * SECOND,
    };
    builder_group(d->b, &head);
    if (rng_chance(&d->r, 40))
        builder_option(d->b, "num_retries_to_skip", rng_chance(&d->r, 50) ? "2" : "\"1\"");
    if (rng_chance(&d->r, 30))
        builder_option(d->b, "queue_policy",
                       rng_chance(&d->r, 50) ? "\"top-priority\"" : "\"stop-at-first\"");
}

static void draw_config(struct draw *d, struct cluster *ret)
{
    ret->config = (struct policy_config){0};
    if (rng_chance(&d->r, 40))
        ret->config.max_containers_per_agent = 1 + rng_below(&d->r, 8);
    if (rng_chance(&d->r, 30)) {
        ret->config.slot_priority = priorities + rng_below(&d->r, 2);
        ret->config.n_slot_priority = 1 + rng_below(&d->r, 3);
    }
    ret->max_sessions = rng_chance(&d->r, 10) ? 1 + rng_below(&d->r, 5) : 0;
}

void cluster_create(uint64_t seed, uint64_t shuffle, struct arena *a, struct cluster *ret)
{
    struct draw d = {.r = {.state = seed}, .a = a, .b = builder_create(a)};
    struct rng order = {.state = shuffle};
    d.n_slots = 1 + rng_below(&d.r, MAX_SLOTS);
    d.n_agents = rng_chance(&d.r, 3) ? 0 : 1 + rng_below(&d.r, MAX_AGENTS);
    d.n_archs = rng_chance(&d.r, 70) ? 1 : 2;
    d.n_groups = rng_below(&d.r, MAX_GROUPS + 1);
    d.n_sessions = rng_below(&d.r, MAX_SESSIONS + 1);
    d.n_others = rng_below(&d.r, MAX_OTHERS + 1);
    d.scale = rng_chance(&d.r, 50) ? AMOUNT_ONE : 1 + (int64_t)rng_below(&d.r, 1000000);
    for (int kind = 0; kind < N_OWNER_KINDS; kind++)
        d.n_owners[kind] = 1 + rng_below(&d.r, MAX_OWNERS);
    add_slots(&d);
    add_head(&d);
    draw_config(&d, ret);
    add_agents(&d, &order);
    add_owners(&d);
    add_groups(&d);
    for (uint32_t i = 0; i < d.n_archs && rng_chance(&d.r, 60); i++)
        builder_rr_cursor(d.b, arch_names[i],
                          arena_printf(a, "a%u", rng_below(&d.r, MAX_AGENTS + 2)));
    add_sessions(&d, &order);
    ret->snapshot = builder_finish(d.b);
}
