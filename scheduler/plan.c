/* plan.c - names and fingerprints of what a round decided. */
#include "scheduler/plan.h"

#include "scheduler/fnv.h"

static const char *const outcome_names[N_OUTCOMES] = {
    [OUTCOME_NONE] = "NONE",
    [OUTCOME_SCHEDULED] = "SCHEDULED",
    [OUTCOME_WAITING] = "WAITING",
    [OUTCOME_BLOCKED] = "BLOCKED",
    [OUTCOME_INFEASIBLE] = "INFEASIBLE",
    [OUTCOME_INVALID] = "INVALID",
    [OUTCOME_EXPIRED] = "EXPIRED",
    [OUTCOME_CANCELLED] = "CANCELLED",
    [OUTCOME_CONFLICT] = "CONFLICT",
    [OUTCOME_SKIPPED] = "SKIPPED",
};

static const struct {
    const char *name;
    bool nearest_agent; /* the subject is the agent that came nearest: it changes with the load */
} kinds[N_CAUSE_KINDS] = {
    [CAUSE_NONE] = {"NONE", false},
    [CAUSE_NOT_BEFORE] = {"NOT_BEFORE", false},
    [CAUSE_DEPENDENCY] = {"DEPENDENCY", false},
    [CAUSE_DEPENDENCY_FAILED] = {"DEPENDENCY_FAILED", false},
    [CAUSE_CONCURRENCY] = {"CONCURRENCY", false},
    [CAUSE_PENDING_COUNT] = {"PENDING_COUNT", false},
    [CAUSE_PENDING_RESOURCE] = {"PENDING_RESOURCE", false},
    [CAUSE_KEYPAIR_QUOTA] = {"KEYPAIR_QUOTA", false},
    [CAUSE_USER_QUOTA] = {"USER_QUOTA", false},
    [CAUSE_GROUP_QUOTA] = {"GROUP_QUOTA", false},
    [CAUSE_DOMAIN_QUOTA] = {"DOMAIN_QUOTA", false},
    [CAUSE_OWNER_NOT_FOUND] = {"OWNER_NOT_FOUND", false},
    [CAUSE_PLUGIN] = {"PLUGIN", false},
    [CAUSE_NO_AGENTS] = {"NO_AGENTS", false},
    [CAUSE_ARCHITECTURE] = {"ARCHITECTURE", false},
    [CAUSE_DESIGNATED] = {"DESIGNATED", false},
    [CAUSE_SESSION_GROUP] = {"SESSION_GROUP", false},
    [CAUSE_CAPACITY] = {"CAPACITY", true},
    [CAUSE_INFEASIBLE] = {"INFEASIBLE", true},
    [CAUSE_CONTAINER_LIMIT] = {"CONTAINER_LIMIT", true},
    [CAUSE_MIXED_ARCHITECTURE] = {"MIXED_ARCHITECTURE", false},
    [CAUSE_NO_KERNELS] = {"NO_KERNELS", false},
    [CAUSE_BAD_DATA] = {"BAD_DATA", false},
    [CAUSE_CONFLICT] = {"CONFLICT", false},
    [CAUSE_PENDING_TIMEOUT] = {"PENDING_TIMEOUT", false},
    [CAUSE_QUEUE_POLICY] = {"QUEUE_POLICY", false},
    [CAUSE_ROUND_LIMIT] = {"ROUND_LIMIT", false},
    [CAUSE_AGENT_UNAVAILABLE] = {"AGENT_UNAVAILABLE", false},
};

const char *outcome_name(enum outcome o)
{
    return (unsigned)o < N_OUTCOMES ? outcome_names[o] : "UNKNOWN";
}

const char *cause_kind_name(enum cause_kind k)
{
    return (unsigned)k < N_CAUSE_KINDS ? kinds[k].name : "UNKNOWN";
}

uint64_t causes_digest(const struct cause *causes, uint32_t n)
{
    if (n == 0)
        return 0;
    uint64_t h = FNV_START;
    for (uint32_t i = 0; i < n; i++) {
        const struct cause *c = &causes[i];
        h = fnv_byte(h, (uint8_t)c->kind);
        h = fnv_text(h, c->plugin);
        h = fnv_text(h, kinds[c->kind].nearest_agent ? NULL : c->subject);
    }
    return h != 0 ? h : 1;
}

static uint64_t hash_decision(uint64_t h, const struct snapshot *s, const struct plan *p,
                              const struct decision *d)
{
    const struct session *session = &s->sessions[d->session];
    h = fnv_bytes(h, session->id.b, sizeof(session->id.b));
    h = fnv_byte(h, (uint8_t)d->outcome);
    h = fnv_u32(h, d->n_causes);
    for (uint32_t i = 0; i < d->n_causes; i++)
        h = fnv_byte(h, (uint8_t)d->causes[i].kind);
    h = fnv_u32(h, d->n_placements);
    for (uint32_t i = 0; i < d->n_placements; i++) {
        const struct placement *at = &p->placements[d->first_placement + i];
        h = fnv_u32(h, at->kernel - session->first_kernel);
        h = fnv_text(h, s->agents[at->agent].id);
    }
    return h;
}

uint64_t plan_hash(const struct snapshot *s, const struct plan *p)
{
    uint64_t h = FNV_START;
    for (uint32_t i = 0; i < p->n_decisions; i++)
        h = hash_decision(h, s, p, &p->decisions[i]);
    for (uint32_t i = 0; i < p->n_rr_cursors; i++) {
        h = fnv_text(h, s->archs[p->rr_cursors[i].arch]);
        h = fnv_text(h, p->rr_cursors[i].agent_id);
    }
    return h;
}
