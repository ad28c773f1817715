/* remedy_apply_cluster.c - changes of agents, owners, the group and its queue. */
#include <string.h>

#include "scheduler/remedy_world.h"

static const struct owner *owner_own(struct remedy_world *w, uint32_t owner)
{
    WORLD_OWN(w, owners, w->snapshot.n_owners);
    return &w->snapshot.owners[owner];
}

/* The agent the change names, its table the world's own; NULL: it is gone. */
static const struct agent *agent_own(struct remedy_world *w, const char *id)
{
    uint32_t agent = snapshot_find_agent(&w->snapshot, id);
    if (agent == NONE)
        return NULL;
    WORLD_OWN(w, agents, w->snapshot.n_agents);
    return &w->snapshot.agents[agent];
}

/* --- agents --- */

bool apply_free_agent(struct remedy_world *w, const struct remedy_change *c)
{
    const struct agent *agent = agent_own(w, c->subject);
    if (agent == NULL || c->count > (agent->containers > 0 ? agent->containers : 0))
        return false;
    WORLD_OWN(w, agent_held, world_cells(w, w->snapshot.n_agents));
    const int64_t *held =
        snapshot_row(&w->snapshot, w->snapshot.agent_held, (uint32_t)(agent - w->snapshot.agents));
    for (uint32_t i = 0; i < c->n_slots; i++) {
        if (c->slots[i].by > held[c->slots[i].slot])
            return false;
        WORLD_PUT(w, held[c->slots[i].slot], held[c->slots[i].slot] - c->slots[i].by);
    }
    if (c->count > 0)
        WORLD_PUT(w, agent->containers, agent->containers - (int32_t)c->count);
    return true;
}

bool apply_enable_agent(struct remedy_world *w, const struct remedy_change *c)
{
    const struct agent *agent = agent_own(w, c->subject);
    if (agent == NULL)
        return false;
    WORLD_PUT(w, agent->alive, true);
    WORLD_PUT(w, agent->schedulable, true);
    return true;
}

/* Behind the last one, so that nobody's index moves: its id is the last id and a "+". */
static void add_agent(struct remedy_world *w, const struct remedy_change *c, uint32_t arch)
{
    const struct snapshot *s = &w->snapshot;
    uint32_t n = s->n_agents;
    struct agent added = {
        .id = arena_printf(w->arena, "%s+", n > 0 ? s->agents[n - 1].id : ""),
        .addr = "",
        .arch = arch,
        .alive = true,
        .schedulable = true,
    };
    size_t rows = world_cells(w, n) * sizeof(int64_t), row = world_cells(w, 1) * sizeof(int64_t);
    const struct agent *agents =
        world_longer(w, s->agents, n * sizeof(*s->agents), sizeof(*s->agents));
    const int64_t *capacity = world_longer(w, s->agent_capacity, rows, row);
    const int64_t *held = world_longer(w, s->agent_held, rows, row);
    world_put(w, &agents[n], &added, sizeof(added));
    for (uint32_t i = 0; i < c->n_slots; i++)
        world_put(w, &capacity[world_cells(w, n) + c->slots[i].slot], &c->slots[i].by,
                  sizeof(int64_t));
    WORLD_PUT(w, s->agents, agents);
    WORLD_PUT(w, s->agent_capacity, capacity);
    WORLD_PUT(w, s->agent_held, held);
    WORLD_PUT(w, s->n_agents, n + 1);
}

bool apply_add_agent(struct remedy_world *w, const struct remedy_change *c)
{
    uint32_t arch = world_find_arch(w, c->subject);
    for (int64_t i = 0; i < c->count && arch != NONE; i++)
        add_agent(w, c, arch);
    return arch != NONE;
}

bool apply_end_group_members(struct remedy_world *w, const struct remedy_change *c)
{
    const struct snapshot *s = &w->snapshot;
    uint32_t agent = snapshot_find_agent(s, c->subject);
    WORLD_OWN(w, group_members, s->n_group_members);
    for (uint32_t i = 0; i < s->n_group_members; i++) {
        const struct group_members *m = &s->group_members[i];
        if (m->group != s->sessions[w->session].group || m->agent != agent)
            continue;
        if (c->count > m->count)
            return false;
        WORLD_PUT(w, m->count, m->count - (int32_t)c->count);
        return true;
    }
    return false;
}

bool apply_raise_container_limit(struct remedy_world *w, const struct remedy_change *c)
{
    if (w->policy.max_containers > 0 && c->count > w->policy.max_containers)
        WORLD_PUT(w, w->policy.max_containers, c->count);
    return true;
}

/* --- owners --- */

static bool raise(struct remedy_world *w, const struct remedy_change *c, const int64_t *row)
{
    for (uint32_t i = 0; i < c->n_slots; i++)
        if (row[c->slots[i].slot] < c->slots[i].to)
            WORLD_PUT(w, row[c->slots[i].slot], c->slots[i].to);
    return true;
}

bool apply_raise_quota(struct remedy_world *w, const struct remedy_change *c)
{
    WORLD_OWN(w, owner_limit, world_cells(w, w->snapshot.n_owners));
    return raise(w, c, snapshot_row(&w->snapshot, w->snapshot.owner_limit, c->owner));
}

bool apply_raise_pending_quota(struct remedy_world *w, const struct remedy_change *c)
{
    WORLD_OWN(w, owner_pending_limit, world_cells(w, w->snapshot.n_owners));
    return raise(w, c, snapshot_row(&w->snapshot, w->snapshot.owner_pending_limit, c->owner));
}

bool apply_free_quota(struct remedy_world *w, const struct remedy_change *c)
{
    WORLD_OWN(w, owner_usage, world_cells(w, w->snapshot.n_owners));
    const int64_t *usage = snapshot_row(&w->snapshot, w->snapshot.owner_usage, c->owner);
    for (uint32_t i = 0; i < c->n_slots; i++) {
        if (c->slots[i].by > usage[c->slots[i].slot])
            return false;
        WORLD_PUT(w, usage[c->slots[i].slot], usage[c->slots[i].slot] - c->slots[i].by);
    }
    return true;
}

bool apply_raise_pending_limit(struct remedy_world *w, const struct remedy_change *c)
{
    const struct owner *o = owner_own(w, c->owner);
    if (c->count > o->max_pending)
        WORLD_PUT(w, o->max_pending, c->count);
    return true;
}

/* Private sessions have a limit and a count of their own. */
static const int64_t *of_its_kind(const struct remedy_world *w, const int64_t *sessions,
                                  const int64_t *sftp)
{
    return session_is_private(&w->snapshot.sessions[w->session]) ? sftp : sessions;
}

bool apply_raise_session_limit(struct remedy_world *w, const struct remedy_change *c)
{
    const struct owner *o = owner_own(w, c->owner);
    const int64_t *limit = of_its_kind(w, &o->max_sessions, &o->max_sftp_sessions);
    if (*limit > 0 && c->count > *limit)
        WORLD_PUT(w, *limit, c->count);
    return true;
}

bool apply_finish_sessions(struct remedy_world *w, const struct remedy_change *c)
{
    const struct owner *o = owner_own(w, c->owner);
    const int64_t *live = of_its_kind(w, &o->live_sessions, &o->live_sftp_sessions);
    if (c->count > *live)
        return false;
    WORLD_PUT(w, *live, *live - c->count);
    return true;
}

bool apply_create_owner(struct remedy_world *w, const struct remedy_change *c)
{
    WORLD_PUT(w, owner_own(w, c->owner)->missing, NULL);
    return true;
}

/* --- the group and its queue --- */

static void session_leaves(struct remedy_world *w, uint32_t i)
{
    WORLD_OWN(w, sessions, w->snapshot.n_sessions);
    const struct session *all = w->snapshot.sessions;
    uint32_t behind = w->snapshot.n_sessions - i - 1;
    if (behind > 0)
        world_put(w, &all[i], &all[i + 1], behind * sizeof(*all));
    WORLD_PUT(w, w->snapshot.n_sessions, w->snapshot.n_sessions - 1);
    if (i < w->session)
        WORLD_PUT(w, w->session, w->session - 1);
}

static void other_leaves(struct remedy_world *w, uint32_t i)
{
    WORLD_OWN(w, other_pending, w->snapshot.n_other_pending);
    WORLD_OWN(w, other_request, world_cells(w, w->snapshot.n_other_pending));
    const struct other_pending *all = w->snapshot.other_pending;
    const int64_t *rows = w->snapshot.other_request;
    uint32_t behind = w->snapshot.n_other_pending - i - 1;
    if (behind > 0) {
        world_put(w, &all[i], &all[i + 1], behind * sizeof(*all));
        world_put(w, &rows[world_cells(w, i)], &rows[world_cells(w, i + 1)],
                  world_cells(w, behind) * sizeof(*rows));
    }
    WORLD_PUT(w, w->snapshot.n_other_pending, w->snapshot.n_other_pending - 1);
}

bool apply_leave_queue(struct remedy_world *w, const struct remedy_change *c)
{
    const struct snapshot *s = &w->snapshot;
    for (uint32_t k = 0; k < c->n_sessions; k++) {
        for (uint32_t i = s->n_sessions; i-- > 0;)
            if (i != w->session && uuid_compare(&s->sessions[i].id, &c->sessions[k]) == 0)
                session_leaves(w, i);
        for (uint32_t i = s->n_other_pending; i-- > 0;)
            if (uuid_compare(&s->other_pending[i].id, &c->sessions[k]) == 0)
                other_leaves(w, i);
    }
    return true;
}

bool apply_wait_until(struct remedy_world *w, const struct remedy_change *c)
{
    if (c->time > w->snapshot.observed_at)
        WORLD_PUT(w, w->snapshot.observed_at, c->time);
    return true;
}

bool apply_raise_pending_timeout(struct remedy_world *w, const struct remedy_change *c)
{
    if (w->snapshot.pending_timeout > 0 && c->duration > w->snapshot.pending_timeout)
        WORLD_PUT(w, w->snapshot.pending_timeout, c->duration);
    return true;
}

bool apply_change_queue_policy(struct remedy_world *w, const struct remedy_change *c)
{
    (void)c;
    WORLD_PUT(w, w->policy.queue_policy, QUEUE_TRY_ALL);
    return true;
}

bool apply_mend_row(struct remedy_world *w, const struct remedy_change *c)
{
    if (c->owner != NONE) {
        WORLD_PUT(w, owner_own(w, c->owner)->bad_data, NULL);
    } else if (c->subject[0] == '\0') {
        WORLD_PUT(w, world_session_own(w)->bad_data, NULL);
    } else {
        const struct agent *agent = agent_own(w, c->subject);
        if (agent == NULL)
            return false;
        WORLD_PUT(w, agent->bad_data, NULL);
    }
    return true;
}
