/* snapshot_source.c - the newest snapshot of a scaling group, from the database. */
#include "server/snapshot_source.h"

#include <string.h>

#include "server/round_service.h"

static bool text_equal(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

bool spec_equal(const struct snapshot_spec *a, const struct snapshot_spec *b)
{
    const struct uuid *x = a->session_group, *y = b->session_group;
    return text_equal(a->access_key, b->access_key) && text_equal(a->user, b->user) &&
           text_equal(a->project, b->project) && text_equal(a->domain, b->domain) &&
           (x == NULL) == (y == NULL) && (x == NULL || uuid_compare(x, y) == 0);
}

struct snapshot_spec spec_copy(const struct snapshot_spec *q, struct arena *a)
{
    return (struct snapshot_spec){
        .access_key = arena_strdup(a, q->access_key),
        .user = arena_strdup(a, q->user),
        .project = arena_strdup(a, q->project),
        .domain = arena_strdup(a, q->domain),
        .session_group = q->session_group != NULL
                             ? arena_memdup(a, q->session_group, sizeof(struct uuid))
                             : NULL,
    };
}

/* Finishing sorts the tables: what was found is found again, by its key. */
struct keys_found {
    const char *owner[N_OWNER_KINDS];
};

static struct keys_found keys_of(struct snapshot_builder *b, const struct snapshot_spec_owners *o)
{
    struct keys_found k;
    for (int kind = 0; kind < N_OWNER_KINDS; kind++)
        k.owner[kind] = builder_owner_at(b, o->owner[kind])->key;
    return k;
}

static struct loaded_spec find_again(const struct snapshot *s, const struct snapshot_spec *spec,
                                     const struct keys_found *k, struct arena *a)
{
    struct loaded_spec l = {.spec = spec_copy(spec, a), .found.session_group = NONE};
    for (int kind = 0; kind < N_OWNER_KINDS; kind++)
        l.found.owner[kind] = snapshot_find_owner(s, (enum owner_kind)kind, k->owner[kind]);
    if (spec->session_group != NULL)
        l.found.session_group = snapshot_find_session_group(s, spec->session_group);
    return l;
}

int snapshot_newest(const struct round_service *rounds, struct pg *pg,
                    const struct snapshot_query *q, struct arena *a, struct newest_snapshot *ret,
                    struct err *e)
{
    struct snapshot_builder *b = builder_create(a);
    struct snapshot_spec_owners *found = arena_new(a, struct snapshot_spec_owners, q->n_specs);
    struct keys_found *keys = arena_new(a, struct keys_found, q->n_specs);
    struct newest_snapshot n = {.n_specs = q->n_specs};
    struct policy *policy = NULL;
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    if (txn_begin(pg, TXN_READ_SNAPSHOT, &t, e) < 0 || snapshot_load(t, q, b, found, e) < 0 ||
        txn_commit(&t, e) < 0)
        return -1;
    for (uint32_t i = 0; i < q->n_specs; i++)
        keys[i] = keys_of(b, &found[i]);
    n.snapshot = builder_finish(b);
    n.specs = arena_new(a, struct loaded_spec, q->n_specs);
    for (uint32_t i = 0; i < q->n_specs; i++)
        n.specs[i] = find_again(n.snapshot, &q->specs[i], &keys[i], a);
    if (round_service_policy(rounds, n.snapshot, a, &policy, &n.policy_err) == 0)
        n.policy = policy;
    *ret = n;
    return 0;
}
