/* remedy_apply_session.c - changes of what a session asks for and how it stands in the queue. */
#include "scheduler/remedy_world.h"

bool apply_ask_less(struct remedy_world *w, const struct remedy_change *c)
{
    const struct session *x = &w->snapshot.sessions[w->session];
    const int64_t *rows = world_requests_own(w);
    for (uint32_t i = 0; i < c->n_slots; i++) {
        const int64_t *at = rows + c->slots[i].slot;
        int64_t sum = 0;
        for (uint32_t k = 0; k < x->n_kernels; k++)
            sum = amount_add(sum, at[world_cells(w, k)]);
        int64_t excess = amount_sub(sum, c->slots[i].to);
        for (uint32_t k = x->n_kernels; k-- > 0 && excess > 0;) {
            int64_t asked = at[world_cells(w, k)], cut = asked < excess ? asked : excess;
            WORLD_PUT(w, at[world_cells(w, k)], asked - cut);
            excess -= cut;
        }
    }
    return true;
}

bool apply_ask_less_each(struct remedy_world *w, const struct remedy_change *c)
{
    const struct session *x = &w->snapshot.sessions[w->session];
    const int64_t *rows = world_requests_own(w);
    for (uint32_t i = 0; i < c->n_slots; i++)
        for (uint32_t k = 0; k < x->n_kernels; k++) {
            const int64_t *at = rows + world_cells(w, k) + c->slots[i].slot;
            if (*at > c->slots[i].to)
                WORLD_PUT(w, *at, c->slots[i].to);
        }
    return true;
}

bool apply_change_architecture(struct remedy_world *w, const struct remedy_change *c)
{
    const struct session *x = &w->snapshot.sessions[w->session];
    uint32_t arch = world_find_arch(w, c->subject);
    if (arch == NONE)
        return false;
    WORLD_OWN(w, kernels, w->snapshot.n_kernels);
    for (uint32_t k = 0; k < x->n_kernels; k++)
        WORLD_PUT(w, w->snapshot.kernels[x->first_kernel + k].arch, arch);
    return true;
}

bool apply_designate_agent(struct remedy_world *w, const struct remedy_change *c)
{
    const struct session *x = world_session_own(w);
    struct session_rare *rare = arena_memdup(w->arena, x->rare, sizeof(*rare));
    const size_t row = sizeof(const char *), old = w->snapshot.n_designated;
    const uint32_t n = rare->n_designated;
    const char *const *longer =
        world_longer(w, w->snapshot.designated, old * row, ((size_t)n + 1) * row);
    for (uint32_t i = 0; i < n; i++)
        world_put(w, &longer[old + i], &longer[rare->first_designated + i], row);
    world_put(w, &longer[old + n], &c->subject, row);
    rare->first_designated = (uint32_t)old;
    rare->n_designated = n + 1;
    WORLD_PUT(w, w->snapshot.designated, longer);
    WORLD_PUT(w, w->snapshot.n_designated, (uint32_t)old + n + 1);
    WORLD_PUT(w, x->rare, (const struct session_rare *)rare);
    return true;
}

bool apply_prefer_designated(struct remedy_world *w, const struct remedy_change *c)
{
    (void)c;
    WORLD_PUT(w, world_session_own(w)->designated_strict, false);
    return true;
}

bool apply_leave_session_group(struct remedy_world *w, const struct remedy_change *c)
{
    (void)c;
    WORLD_PUT(w, world_session_own(w)->group, NONE);
    return true;
}

bool apply_raise_priority(struct remedy_world *w, const struct remedy_change *c)
{
    const struct session *x = world_session_own(w);
    if (c->count > x->priority)
        WORLD_PUT(w, x->priority, (int32_t)c->count);
    return true;
}

bool apply_enqueue_anew(struct remedy_world *w, const struct remedy_change *c)
{
    (void)c;
    WORLD_PUT(w, world_session_own(w)->pending_since, w->snapshot.observed_at);
    return true;
}

bool apply_start_earlier(struct remedy_world *w, const struct remedy_change *c)
{
    const struct session *x = world_session_own(w);
    if (c->time < x->starts_at)
        WORLD_PUT(w, x->starts_at, c->time);
    return true;
}

/* Waiting for a session and no longer depending on it come to the same here. */
static bool dependencies_done(struct remedy_world *w, const struct remedy_change *c)
{
    const struct session *x = &w->snapshot.sessions[w->session];
    WORLD_OWN(w, dependencies, w->snapshot.n_dependencies);
    for (uint32_t i = 0; i < x->rare->n_dependencies; i++) {
        const struct dependency *d = &w->snapshot.dependencies[x->rare->first_dependency + i];
        for (uint32_t k = 0; k < c->n_sessions; k++)
            if (uuid_compare(&d->id, &c->sessions[k]) == 0)
                WORLD_PUT(w, d->state, DEPENDENCY_DONE);
    }
    return true;
}

bool apply_wait_for_sessions(struct remedy_world *w, const struct remedy_change *c)
{
    return dependencies_done(w, c);
}

bool apply_drop_dependencies(struct remedy_world *w, const struct remedy_change *c)
{
    return dependencies_done(w, c);
}
