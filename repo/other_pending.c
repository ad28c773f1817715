/* other_pending.c - pending sessions of our keypairs in other scaling groups: they count in the
 * ranks and sums of the pending limits. Only keypairs that have such a limit are looked up. */
#include <string.h>

#include "repo/snapshot_loader.h"

static const char sql_other[] =
    "SELECT s.access_key, s.created_at, s.id, r.slot_name, sum(r.requested) "
    "FILTER (WHERE r.requested > 0 AND r.requested <> 'NaN') "
    "FROM sessions s LEFT JOIN (kernels k JOIN resource_allocations r ON r.kernel_id = k.id "
    "AND r.free_at IS NULL) ON k.session_id = s.id AND k.status = 'PENDING' "
    "WHERE s.status = 'PENDING' AND s.access_key = ANY($1::text[]) AND s.resource_group_id <> $2 "
    "AND s.session_type IS DISTINCT FROM 'SYSTEM' GROUP BY 1, 2, 3, 4 ORDER BY 3";

struct other_ctx {
    struct load *l;
    struct uuid id;
    int64_t *request; /* of the session of the last row */
    bool started;
};

/* One row a session and slot, sessions together. A created_at that is no time sorts first. */
static int other_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct other_ctx *k = ctx;
    struct uuid id = rows_uuid(r, 0, 2);
    if (!k->started || uuid_compare(&id, &k->id) != 0) {
        int64_t created_at = rows_time(r, 0, 1);
        const struct other_pending p = {
            .keypair = builder_find_owner(k->l->b, OWNER_KEYPAIR, rows_text(r, 0, 0)),
            .created_at = time_is_finite(created_at) ? created_at : 0,
            .id = id,
        };
        k->request = builder_other_pending(k->l->b, &p);
        k->id = id;
        k->started = true;
    }
    const char *name = rows_text(r, 0, 3);
    uint32_t slot = name != NULL ? builder_find_slot(k->l->b, name) : NONE;
    int64_t v = 0;
    if (slot != NONE && rows_amount(r, 0, 4, builder_slot_type(k->l->b, slot), &v) == AMOUNT_OK)
        k->request[slot] = v;
    return 0;
}

int other_pending_load(struct load *l, struct err *e)
{
    const struct owner_keys *keys = &l->owners[OWNER_KEYPAIR];
    const char **limited = arena_new(l->a, const char *, (size_t)keys->n + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < keys->n; i++) {
        const struct owner *o = builder_owner_at(l->b, keys->owner[i]);
        if (o->max_pending != INT64_MAX || o->has_pending_limit)
            limited[n++] = keys->key[i];
    }
    if (n == 0)
        return 0;
    struct other_ctx k = {.l = l};
    const struct pg_param p[] = {param_array_text(l->a, limited, n), param_uuid(&l->group_id)};
    return pg_each(l->t, sql_other, "tsutn", p, ARRAY_SIZE(p), other_row, &k, e);
}
