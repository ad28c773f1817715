/* warm_spec.c - the owners of specs in what is kept of a group. */
#include <string.h>

#include "repo/warm_internal.h"

/* Finishing sorts the tables: what was found is found again, by its key. */
struct spec_keys {
    const char *owner[N_OWNER_KINDS];
};

struct spec_keys *warm_spec_keys(const struct load *l, const struct snapshot_query *q,
                                 const struct snapshot_spec_owners *found)
{
    struct spec_keys *keys = arena_new(l->a, struct spec_keys, q->n_specs);
    for (uint32_t i = 0; i < q->n_specs; i++)
        for (int kind = 0; kind < N_OWNER_KINDS; kind++)
            keys[i].owner[kind] = builder_owner_at(l->b, found[i].owner[kind])->key;
    return keys;
}

/* Whether each owner and each group of sessions is there for a session. */
static bool has_guests(const struct snapshot *s)
{
    CLEANUP(arena_destroyp) struct arena *scratch = arena_create();
    bool *owners = arena_new(scratch, bool, s->n_owners);
    bool *groups = arena_new(scratch, bool, s->n_session_groups);
    uint32_t n_owners = 0, n_groups = 0;
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        const struct session *x = &s->sessions[i];
        for (int kind = 0; kind < N_OWNER_KINDS; kind++) {
            n_owners += !owners[x->owner[kind]];
            owners[x->owner[kind]] = true;
        }
        if (x->group == NONE)
            continue;
        n_groups += !groups[x->group];
        groups[x->group] = true;
    }
    return n_owners < s->n_owners || n_groups < s->n_session_groups;
}

static struct loaded_spec find_again(const struct snapshot *s, const struct snapshot_spec *spec,
                                     const struct spec_keys *k, struct arena *a)
{
    struct loaded_spec l = {.spec = spec_copy(spec, a), .found.session_group = NONE};
    for (int kind = 0; kind < N_OWNER_KINDS; kind++)
        l.found.owner[kind] = snapshot_find_owner(s, (enum owner_kind)kind, k->owner[kind]);
    if (spec->session_group != NULL)
        l.found.session_group = snapshot_find_session_group(s, spec->session_group);
    return l;
}

void warm_take_specs(struct warm *w, const struct snapshot_query *q, const struct spec_keys *keys)
{
    if (q->n_specs == 0)
        return;
    w->n_specs = q->n_specs;
    w->specs = arena_new(w->arena, struct loaded_spec, q->n_specs);
    for (uint32_t i = 0; i < q->n_specs; i++)
        w->specs[i] = find_again(w->s, &q->specs[i], &keys[i], w->arena);
    w->has_guests = has_guests(w->s);
}

const struct loaded_spec *warm_specs(const struct warm *w, uint32_t *ret_n)
{
    *ret_n = w->n_specs;
    return w->specs;
}

static bool asks_for(const struct snapshot_query *q, const struct snapshot_spec *spec)
{
    for (uint32_t i = 0; i < q->n_specs; i++)
        if (spec_equal(&q->specs[i], spec))
            return true;
    return false;
}

static bool knows(const struct warm *w, const struct snapshot_spec *spec)
{
    for (uint32_t i = 0; i < w->n_specs; i++)
        if (spec_equal(&w->specs[i].spec, spec))
            return true;
    return false;
}

bool warm_specs_suit(const struct warm *w, const struct snapshot_query *q)
{
    bool suits = true;
    for (uint32_t i = 0; suits && i < q->n_specs; i++)
        suits = knows(w, &q->specs[i]);
    for (uint32_t i = 0; suits && w->has_guests && i < w->n_specs; i++)
        suits = asks_for(q, &w->specs[i].spec);
    return suits;
}
