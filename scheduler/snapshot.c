/* snapshot.c - finding rows of a finished snapshot. */
#include "scheduler/snapshot.h"

#include "scheduler/snapshot_index.h"

const struct session_rare session_rare_none = {.n_dependencies = 0};

uint32_t snapshot_find_slot(const struct snapshot *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_slots; i++)
        if (strcmp(s->slots[i].name, name) == 0)
            return i;
    return NONE;
}

uint32_t snapshot_find_agent(const struct snapshot *s, const char *id)
{
    uint32_t low = 0;
    uint32_t high = s->n_agents;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(s->agents[middle].id, id);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NONE;
}

uint32_t snapshot_find_session(const struct snapshot *s, const struct uuid *id)
{
    uint32_t hash = index_hash_uuid(id);
    for (uint32_t at = hash, i; (i = index_next(s->session_index, hash, &at)) != NONE;)
        if (uuid_compare(&s->sessions[i].id, id) == 0)
            return i;
    return NONE;
}

uint32_t snapshot_find_owner(const struct snapshot *s, enum owner_kind kind, const char *key)
{
    uint32_t low = 0, high = s->n_owners;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct owner *o = &s->owners[middle];
        int order = o->kind != kind ? (o->kind < kind ? -1 : 1) : strcmp(o->key, key);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NONE;
}

uint32_t snapshot_find_session_group(const struct snapshot *s, const struct uuid *id)
{
    uint32_t low = 0, high = s->n_session_groups;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = uuid_compare(&s->session_groups[middle].id, id);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NONE;
}
