/* world.c - the cluster of the stateful target, as plain tables. */
#include "tests/fuzz/world.h"

#include "scheduler/snapshot_build.h"
#include "tests/fuzz/fuzz.h"

#define NOW INT64_C(1700000000000000)

static const char *const slots[WORLD_SLOTS] = {"cpu", "mem", "cuda.shares"};
static const char *const schedulers[] = {"fifo", "lifo", "drf"};
static const char *const strategies[] = {"concentrated", "dispersed", "legacy", "roundrobin"};
static const char *const queue_policies[] = {"\"try-all\"", "\"top-priority\"",
                                             "\"stop-at-first\""};

void world_init(struct world *w)
{
    *w = (struct world){.now = NOW};
    for (uint32_t k = 0; k < WORLD_KEYS; k++)
        for (uint32_t i = 0; i < WORLD_SLOTS; i++)
            w->limit[k][i] = AMOUNT_INF;
}

uint32_t world_number(const struct session *s)
{
    return s->id.b[15];
}

static void name_agent(uint32_t i, char ret[8])
{
    (void)snprintf(ret, 8, "a%u", i);
}

static void add_agent(const struct world *w, struct snapshot_builder *b, uint32_t i)
{
    const struct world_agent *x = &w->agents[i];
    char id[8];
    int64_t *capacity, *held;
    struct agent agent = {
        .id = id, .addr = "addr", .alive = x->alive, .schedulable = x->schedulable};
    name_agent(i, id);
    for (uint32_t k = 0; k < WORLD_SESSIONS; k++)
        for (uint32_t n = 0; n < w->sessions[k].n_kernels; n++)
            agent.containers +=
                w->sessions[k].state == SESSION_RUNNING && w->sessions[k].agent[n] == i;
    builder_agent(b, &agent, x->arm ? "aarch64" : "x86_64", &capacity, &held);
    for (uint32_t slot = 0; slot < WORLD_SLOTS; slot++) {
        const uint32_t column = builder_find_slot(b, slots[slot]);
        capacity[column] = x->capacity[slot];
        for (uint32_t k = 0; k < WORLD_SESSIONS; k++)
            for (uint32_t n = 0; n < w->sessions[k].n_kernels; n++)
                if (w->sessions[k].state == SESSION_RUNNING && w->sessions[k].agent[n] == i)
                    held[column] += w->sessions[k].request[slot];
    }
}

static int64_t usage_of(const struct world *w, uint32_t key, uint32_t slot)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < WORLD_SESSIONS; i++) {
        const struct world_session *x = &w->sessions[i];
        if (x->state == SESSION_RUNNING && x->key == key && !x->private)
            sum += x->request[slot] * x->n_kernels;
    }
    return sum;
}

static uint32_t add_key(const struct world *w, struct snapshot_builder *b, uint32_t key)
{
    char name[8];
    (void)snprintf(name, sizeof(name), "key%u", key);
    const uint32_t owner = builder_owner(b, OWNER_KEYPAIR, name);
    const struct owner_rows rows = builder_owner_rows(b, owner);
    for (uint32_t slot = 0; slot < WORLD_SLOTS; slot++) {
        const uint32_t column = builder_find_slot(b, slots[slot]);
        rows.limit[column] = w->limit[key][slot];
        rows.usage[column] = rows.group_usage[column] = usage_of(w, key, slot);
    }
    return owner;
}

static void add_session(const struct world *w, struct snapshot_builder *b, uint32_t i)
{
    const struct world_session *x = &w->sessions[i];
    struct session s = {
        .id = {.b = {[15] = (uint8_t)i}},
        .creation_id = "c",
        .created_at = x->created_at,
        .pending_since = x->created_at,
        .starts_at = TIME_NONE,
        .priority = x->priority,
        .retries = x->retries,
        .type = x->private ? SESSION_SYSTEM : SESSION_INTERACTIVE,
        .mode = x->multi_node ? CLUSTER_MULTI_NODE : CLUSTER_SINGLE_NODE,
        .group = NONE,
    };
    static const char *const others[N_OWNER_KINDS] = {NULL, "user", "project", "domain"};
    s.owner[OWNER_KEYPAIR] = add_key(w, b, x->key);
    for (int kind = OWNER_USER; kind < N_OWNER_KINDS; kind++)
        s.owner[kind] = builder_owner(b, (enum owner_kind)kind, others[kind]);
    if (x->group != NONE)
        s.group = builder_session_group(
            b, &(struct session_group){.id = {.b = {0xee, (uint8_t)x->group}},
                                       .direction = (enum group_direction)(x->group % 3),
                                       .strict = true});
    const uint32_t session = builder_session(b, &s);
    for (uint32_t n = 0; n < x->n_kernels; n++) {
        const struct kernel k = {.id = {.b = {0x4b, [14] = (uint8_t)i, [15] = (uint8_t)n}},
                                 .is_main = n == 0,
                                 .cluster_idx = (int32_t)n};
        int64_t *request;
        builder_kernel(b, session, &k, x->arm ? "aarch64" : "x86_64", &request);
        for (uint32_t slot = 0; slot < WORLD_SLOTS; slot++)
            request[builder_find_slot(b, slots[slot])] = x->request[slot];
    }
}

const struct snapshot *world_snapshot(const struct world *w, bool backwards, struct arena *a)
{
    struct snapshot_builder *b = builder_create(a);
    const struct snapshot head = {
        .observed_at = w->now,
        .group_id = {.b = {0x6b}},
        .group_name = "group",
        .scheduler = schedulers[w->scheduler],
        .strategy = strategies[w->strategy],
        .pending_timeout = w->pending_timeout,
    };
    builder_group(b, &head);
    builder_option(b, "queue_policy", queue_policies[w->queue_policy]);
    for (uint32_t i = 0; i < WORLD_SLOTS; i++) {
        const uint32_t k = backwards ? WORLD_SLOTS - 1 - i : i;
        builder_slot(b, slots[k], k == 1 ? SLOT_BYTES : SLOT_COUNT, 100);
    }
    for (uint32_t i = 0; i < WORLD_AGENTS; i++) {
        const uint32_t k = backwards ? WORLD_AGENTS - 1 - i : i;
        if (w->agents[k].there)
            add_agent(w, b, k);
    }
    for (uint32_t i = 0; i < WORLD_SESSIONS; i++) {
        const uint32_t k = backwards ? WORLD_SESSIONS - 1 - i : i;
        if (w->sessions[k].state == SESSION_PENDING)
            add_session(w, b, k);
    }
    return builder_finish(b);
}

static void place(struct world *w, const struct snapshot *s, const struct plan *p,
                  const struct decision *d)
{
    struct world_session *x = &w->sessions[world_number(&s->sessions[d->session])];
    for (uint32_t n = 0; n < d->n_placements; n++) {
        const struct placement *at = &p->placements[d->first_placement + n];
        x->agent[n] = (uint32_t)strtoul(s->agents[at->agent].id + 1, NULL, 10);
        FUZZ_REQUIRE(x->multi_node || x->agent[n] == x->agent[0],
                     "a session of one node is on two agents");
        FUZZ_REQUIRE(w->agents[x->agent[n]].arm == x->arm, "a kernel is on another architecture");
    }
    x->state = SESSION_RUNNING;
}

static void check_limits(const struct world *w, const struct world_session *x)
{
    for (uint32_t slot = 0; slot < WORLD_SLOTS && !x->private; slot++)
        FUZZ_REQUIRE(x->request[slot] == 0 || usage_of(w, x->key, slot) <= w->limit[x->key][slot],
                     "key%u is above its limit of %s", x->key, slots[slot]);
}

void world_apply(struct world *w, const struct snapshot *s, const struct plan *p)
{
    for (uint32_t i = 0; i < p->n_decisions; i++) {
        const struct decision *d = &p->decisions[i];
        struct world_session *x = &w->sessions[world_number(&s->sessions[d->session])];
        if (d->outcome == OUTCOME_SCHEDULED) {
            place(w, s, p, d);
            check_limits(w, x);
        } else if (d->outcome == OUTCOME_EXPIRED || d->outcome == OUTCOME_CANCELLED) {
            x->state = SESSION_ABSENT;
        } else if (d->outcome != OUTCOME_SKIPPED) {
            x->retries++;
        }
    }
}
