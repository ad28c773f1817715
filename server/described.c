/* described.c - sessions and agents that a preview only describes. */
#include "server/described.h"

#include <string.h>

static const char default_architecture[] = "x86_64";
enum { DEFAULT_PRIORITY = 10 };

static const char *or_null(const char *s)
{
    return s[0] != '\0' ? s : NULL;
}

/* A UUID as the tables print it, whatever the client's capitals; NULL: there is none. */
static const char *plain_id(const char *text, struct arena *a)
{
    struct uuid id;
    return uuid_parse(text, &id) ? uuid_format(&id, arena_alloc(a, UUID_TEXT, 1)) : or_null(text);
}

struct snapshot_spec described_owners(const Berth__V1__SessionSpec *spec, struct arena *a)
{
    struct uuid *group = arena_new(a, struct uuid, 1);
    return (struct snapshot_spec){
        .access_key = spec->access_key,
        .user = plain_id(spec->user_id, a),
        .project = plain_id(spec->project_id, a),
        .domain = or_null(spec->domain),
        .session_group = uuid_parse(spec->session_group_id, group) ? group : NULL,
    };
}

/* row: n_slots amounts. path: of the list, "spec.kernels[0].slots". */
static int read_amounts(const struct snapshot *of, const char *path,
                        Berth__V1__SlotAmount *const *slots, size_t n, int64_t *row,
                        struct arena *a, struct err *e)
{
    bool *seen = arena_new(a, bool, of->n_slots + 1);
    for (size_t i = 0; i < n; i++) {
        const Berth__V1__SlotAmount *s = slots[i];
        uint32_t slot = snapshot_find_slot(of, s->slot);
        if (slot == NONE || seen[slot])
            return err_field(e, arena_printf(a, "%s[%zu].slot", path, i),
                             slot == NONE ? "there is no slot \"%s\"" : "slot \"%s\" stands twice",
                             s->slot);
        seen[slot] = true;
        enum amount_error why =
            amount_parse(s->amount, strlen(s->amount), of->slots[slot].type, &row[slot]);
        if (why != AMOUNT_OK)
            return err_field(e, arena_printf(a, "%s[%zu].amount", path, i), "amount \"%s\" %s",
                             s->amount, amount_problem(why));
    }
    return 0;
}

static const char *architecture_of(const char *asked)
{
    return asked[0] != '\0' ? asked : default_architecture;
}

static int read_kernels(const struct snapshot *s, const Berth__V1__SessionSpec *spec,
                        struct guest *ret, struct arena *a, struct err *e)
{
    struct kernel *kernels = arena_new(a, struct kernel, spec->n_kernels);
    const char **archs = arena_new(a, const char *, spec->n_kernels);
    int64_t *rows = arena_new(a, int64_t, spec->n_kernels * s->n_slots);
    for (size_t i = 0; i < spec->n_kernels; i++) {
        const Berth__V1__KernelSpec *from = spec->kernels[i];
        struct kernel *k = &kernels[i];
        *k = (struct kernel){.is_main = i == 0, .cluster_idx = i == 0 ? 1 : (int32_t)i};
        memset(k->id.b, 0xff, sizeof(k->id.b)); /* after every stored one, in order */
        k->id.b[14] = (uint8_t)(i >> 8);
        k->id.b[15] = (uint8_t)i;
        archs[i] = architecture_of(from->architecture);
        if (read_amounts(s, arena_printf(a, "spec.kernels[%zu].slots", i), from->slots,
                         from->n_slots, rows + i * s->n_slots, a, e) < 0)
            return -1;
    }
    ret->kernels = kernels;
    ret->archs = archs;
    ret->request = rows;
    ret->n_kernels = (uint32_t)spec->n_kernels;
    return 0;
}

static enum session_type type_of(Berth__V1__SessionType type)
{
    switch (type) {
    case BERTH__V1__SESSION_TYPE__SESSION_TYPE_BATCH:
        return SESSION_BATCH;
    case BERTH__V1__SESSION_TYPE__SESSION_TYPE_INFERENCE:
        return SESSION_INFERENCE;
    case BERTH__V1__SESSION_TYPE__SESSION_TYPE_SYSTEM:
        return SESSION_SYSTEM;
    default:
        return SESSION_INTERACTIVE;
    }
}

int described_session(const struct snapshot *s, const Berth__V1__SessionSpec *spec,
                      const struct snapshot_spec_owners *owners, struct guest *ret, struct arena *a,
                      struct err *e)
{
    struct session x = {
        .created_at = s->observed_at,
        .pending_since = s->observed_at,
        .starts_at = TIME_NONE,
        .priority = spec->priority != 0 ? spec->priority : DEFAULT_PRIORITY,
        .type = type_of(spec->type),
        .mode = spec->cluster_mode == BERTH__V1__CLUSTER_MODE__CLUSTER_MODE_MULTI_NODE
                    ? CLUSTER_MULTI_NODE
                    : CLUSTER_SINGLE_NODE,
        .designated_strict = spec->designated_strict,
        .group = owners->session_group,
        .rare = &session_rare_none,
    };
    memset(x.id.b, 0xff, sizeof(x.id.b)); /* after every stored one of the same moment */
    memcpy(x.owner, owners->owner, sizeof(x.owner));
    if (spec->session_group_id[0] != '\0' && owners->session_group == NONE)
        return err_field(e, "spec.session_group_id", "there is no session group \"%s\"",
                         spec->session_group_id);
    if (spec->requested_start != NULL)
        x.starts_at =
            spec->requested_start->seconds * 1000000 + spec->requested_start->nanos / 1000;
    *ret = (struct guest){.session = x,
                          .designated = (const char *const *)spec->designated_agent_ids,
                          .n_designated = (uint32_t)spec->n_designated_agent_ids};
    return read_kernels(s, spec, ret, a, e);
}

int described_extra_agents(struct snapshot_builder *b, const struct snapshot *s,
                           Berth__V1__AgentSpec *const *specs, size_t n, struct arena *a,
                           struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        const Berth__V1__AgentSpec *spec = specs[i];
        const struct agent agent = {
            .id = spec->agent_id, .addr = "", .alive = true, .schedulable = true};
        int64_t *capacity, *held;
        if (builder_find_agent(b, spec->agent_id) != NONE)
            return err_field(e, arena_printf(a, "extra_agents[%zu].agent_id", i),
                             "there is an agent \"%s\" already", spec->agent_id);
        builder_agent(b, &agent, architecture_of(spec->architecture), &capacity, &held);
        if (read_amounts(s, arena_printf(a, "extra_agents[%zu].capacity", i), spec->capacity,
                         spec->n_capacity, capacity, a, e) < 0)
            return -1;
    }
    return 0;
}

int described_without_agents(struct snapshot_builder *b, char *const *ids, size_t n,
                             struct arena *a, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t agent = builder_find_agent(b, ids[i]);
        if (agent == NONE)
            return err_field(e, arena_printf(a, "without_agents[%zu]", i),
                             "the group has no agent \"%s\"", ids[i]);
        builder_drop_agent(b, agent);
    }
    return 0;
}
