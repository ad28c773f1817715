/* snapshot_copy.c - a finished snapshot into a builder, to be changed there. */
#include <string.h>

#include "scheduler/snapshot_builder.h"

static void copy_row(int64_t *to, const struct snapshot *s, const int64_t *matrix, uint32_t i)
{
    memcpy(to, snapshot_row(s, matrix, i), s->n_slots * sizeof(*to));
}

static void copy_agents(struct snapshot_builder *b, const struct snapshot *s)
{
    for (uint32_t i = 0; i < s->n_agents; i++) {
        int64_t *capacity, *held;
        builder_agent(b, &s->agents[i], s->archs[s->agents[i].arch], &capacity, &held);
        copy_row(capacity, s, s->agent_capacity, i);
        copy_row(held, s, s->agent_held, i);
    }
}

static void copy_owners(struct snapshot_builder *b, const struct snapshot *s)
{
    for (uint32_t i = 0; i < s->n_owners; i++) {
        uint32_t owner = builder_owner(b, s->owners[i].kind, s->owners[i].key);
        struct owner_rows rows = builder_owner_rows(b, owner);
        *builder_owner_at(b, owner) = s->owners[i];
        copy_row(rows.limit, s, s->owner_limit, i);
        copy_row(rows.usage, s, s->owner_usage, i);
        copy_row(rows.group_usage, s, s->owner_group_usage, i);
        copy_row(rows.pending_limit, s, s->owner_pending_limit, i);
    }
}

static void copy_session(struct snapshot_builder *b, const struct snapshot *s, uint32_t i)
{
    const struct session *x = &s->sessions[i];
    uint32_t session = builder_session(b, x);
    for (uint32_t k = x->first_kernel; k < x->first_kernel + x->n_kernels; k++) {
        int64_t *request;
        builder_kernel(b, session, &s->kernels[k], s->archs[s->kernels[k].arch], &request);
        copy_row(request, s, s->requests, s->kernels[k].request);
    }
    for (uint32_t k = 0; k < x->rare->n_dependencies; k++)
        builder_dependency(b, session, &s->dependencies[x->rare->first_dependency + k]);
    for (uint32_t k = 0; k < x->rare->n_designated; k++)
        builder_designated(b, session, s->designated[x->rare->first_designated + k]);
}

void builder_copy(struct snapshot_builder *b, const struct snapshot *s)
{
    builder_group(b, s);
    for (uint32_t i = 0; i < s->n_options; i++)
        builder_option(b, s->options[i].key, s->options[i].value);
    for (uint32_t i = 0; i < s->n_slots; i++)
        builder_slot(b, s->slots[i].name, s->slots[i].type, s->slots[i].rank);
    copy_agents(b, s);
    copy_owners(b, s);
    for (uint32_t i = 0; i < s->n_session_groups; i++)
        builder_session_group(b, &s->session_groups[i]);
    for (uint32_t i = 0; i < s->n_group_members; i++)
        builder_group_member(b, s->group_members[i].group, s->group_members[i].agent,
                             s->group_members[i].count);
    for (uint32_t i = 0; i < s->n_sessions; i++)
        copy_session(b, s, i);
    for (uint32_t i = 0; i < s->n_other_pending; i++)
        copy_row(builder_other_pending(b, &s->other_pending[i]), s, s->other_request, i);
    for (uint32_t i = 0; i < s->n_rr_cursors; i++)
        builder_rr_cursor(b, s->archs[s->rr_cursors[i].arch], s->rr_cursors[i].agent_id);
}
