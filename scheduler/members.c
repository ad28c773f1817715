/* members.c - members of session groups by agent. */
#include "scheduler/members.h"

static void entry_add(struct members *m, uint32_t group, uint32_t agent, int32_t count)
{
    m->entries = arena_grow(m->arena, m->entries, &m->cap, m->n + 1, sizeof(*m->entries));
    m->entries[m->n++] =
        (struct member_entry){.agent = agent, .count = count, .next = m->first[group]};
    m->first[group] = (uint32_t)m->n;
}

void members_init(struct members *m, const struct snapshot *s, bool with_counts, struct arena *a)
{
    *m = (struct members){.snapshot = s, .arena = a, .current = NONE};
    if (s->n_session_groups == 0)
        return;
    m->first = arena_new(a, uint32_t, s->n_session_groups);
    m->count = arena_new(a, int32_t, s->n_agents);
    m->entry = arena_new(a, uint32_t, s->n_agents);
    for (uint32_t i = 0; with_counts && i < s->n_group_members; i++) {
        int32_t count = s->group_members[i].count; /* leaves room for what the round adds */
        count = count < 0 ? 0 : count > INT32_MAX / 2 ? INT32_MAX / 2 : count;
        entry_add(m, s->group_members[i].group, s->group_members[i].agent, count);
    }
}

uint32_t members_n(const struct members *m)
{
    uint32_t n = 0;
    for (uint32_t i = m->first[m->current]; i != 0; i = m->entries[i - 1].next)
        n++;
    return n;
}

uint32_t members_list(const struct members *m, uint32_t *ret_agents)
{
    uint32_t n = 0;
    for (uint32_t i = m->first[m->current]; i != 0; i = m->entries[i - 1].next)
        if (m->entries[i - 1].count > 0)
            ret_agents[n++] = m->entries[i - 1].agent;
    return n;
}

static void leave(struct members *m)
{
    if (m->current == NONE)
        return;
    for (uint32_t i = m->first[m->current]; i != 0; i = m->entries[i - 1].next) {
        m->count[m->entries[i - 1].agent] = 0;
        m->entry[m->entries[i - 1].agent] = 0;
    }
    m->n_holders = 0;
    m->current = NONE;
}

static void holder_count(struct members *m, uint32_t agent, int32_t before, int32_t after)
{
    if (agent_is_candidate(&m->snapshot->agents[agent]))
        m->n_holders += (uint32_t)(after > 0) - (uint32_t)(before > 0);
}

void members_enter(struct members *m, uint32_t group)
{
    if (m->current == group)
        return;
    leave(m);
    m->current = group;
    for (uint32_t i = m->first[group]; i != 0; i = m->entries[i - 1].next) {
        const struct member_entry *e = &m->entries[i - 1];
        m->count[e->agent] = e->count;
        m->entry[e->agent] = i;
        holder_count(m, e->agent, 0, e->count);
    }
}

void members_add(struct members *m, uint32_t agent, int32_t delta)
{
    if (m->entry[agent] == 0) {
        entry_add(m, m->current, agent, 0);
        m->entry[agent] = (uint32_t)m->n;
    }
    struct member_entry *e = &m->entries[m->entry[agent] - 1];
    holder_count(m, agent, e->count, e->count + delta);
    e->count += delta;
    m->count[agent] = e->count;
}
