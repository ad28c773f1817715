/* owner_usage.c - what owners use over all scaling groups, for loading and for the commit's guard.
 *
 * A live ledger row of a kernel in a holding status counts with `used`, else `requested`; private
 * sessions count nowhere. */
#include "repo/owner_usage.h"

#include <string.h>

#include "repo/snapshot_loader.h"
#include "repo/status.h"

/* A row that cannot be counted: no amount, or less than nothing. */
#define SQL_AMOUNT "coalesce(r.used, r.requested)"
#define SQL_BAD    "(" SQL_AMOUNT " IS NULL OR " SQL_AMOUNT " < 0 OR " SQL_AMOUNT " = 'NaN')"
#define SQL_HELD                                                                                   \
    "FROM kernels k JOIN resource_allocations r ON r.kernel_id = k.id "                            \
    "WHERE k.status IN (" SQL_KERNEL_HOLDING ") AND k.session_type IS DISTINCT FROM 'SYSTEM' "     \
    "AND r.free_at IS NULL "

/* --- loading --- */

/* One pass for all kinds of owners: few different combinations of them use many kernels. */
static const char sql_usage[] =
    "SELECT k.access_key, k.user_uuid, k.group_id, k.domain_name, k.resource_group_id = $1, "
    "r.slot_name, sum(" SQL_AMOUNT ") FILTER (WHERE NOT " SQL_BAD "), "
    "bool_or(" SQL_BAD ") " SQL_HELD "GROUP BY 1, 2, 3, 4, 5, 6";

struct usage_ctx {
    struct load *l;
    bool any_bad;
};

static void find_owners(struct load *l, const struct pg_rows *r, uint32_t owners[N_OWNER_KINDS])
{
    char text[UUID_TEXT];
    struct uuid user = rows_uuid(r, 0, 1), project = rows_uuid(r, 0, 2);
    const char *key = rows_text(r, 0, 0), *domain = rows_text(r, 0, 3);
    owners[OWNER_KEYPAIR] = key != NULL ? builder_find_owner(l->b, OWNER_KEYPAIR, key) : NONE;
    owners[OWNER_USER] = builder_find_owner(l->b, OWNER_USER, uuid_format(&user, text));
    owners[OWNER_PROJECT] = builder_find_owner(l->b, OWNER_PROJECT, uuid_format(&project, text));
    owners[OWNER_DOMAIN] = domain != NULL ? builder_find_owner(l->b, OWNER_DOMAIN, domain) : NONE;
}

static void add_usage(struct snapshot_builder *b, uint32_t owner, uint32_t slot, int64_t v,
                      bool of_group)
{
    struct owner_rows rows = builder_owner_rows(b, owner);
    rows.usage[slot] = amount_add(rows.usage[slot], v);
    if (of_group)
        rows.group_usage[slot] = amount_add(rows.group_usage[slot], v);
}

static int usage_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct usage_ctx *k = ctx;
    k->any_bad = k->any_bad || rows_bool(r, 0, 7);
    const char *name = rows_text(r, 0, 5);
    uint32_t slot = name != NULL ? builder_find_slot(k->l->b, name) : NONE;
    if (slot == NONE || rows_is_null(r, 0, 6))
        return 0;
    int64_t v;
    enum amount_error why = rows_amount(r, 0, 6, builder_slot_type(k->l->b, slot), &v);
    uint32_t owners[N_OWNER_KINDS];
    find_owners(k->l, r, owners);
    for (int i = 0; i < N_OWNER_KINDS; i++) {
        if (owners[i] == NONE)
            continue;
        if (why != AMOUNT_OK)
            builder_bad_owner(k->l->b, owners[i],
                              "resource_allocations: the sum of used or requested of slot %s %s.",
                              name, amount_problem(why));
        else
            add_usage(k->l->b, owners[i], slot, v, i == OWNER_KEYPAIR && rows_bool(r, 0, 4));
    }
    return 0;
}

/* The rows that could not be counted, by owner: the sums are without them, so they must not pass.
 */
static const char sql_bad[] =
    "SELECT k.access_key, k.user_uuid, k.group_id, k.domain_name, k.id, r.slot_name, "
    "CASE WHEN r.used IS NULL THEN 'requested' ELSE 'used' END, "
    "CASE WHEN " SQL_AMOUNT " IS NULL THEN 'is NULL' "
    "WHEN " SQL_AMOUNT " = 'NaN' THEN 'is not a number' ELSE 'is negative' END " SQL_HELD
    "AND " SQL_BAD " ORDER BY k.id, r.slot_name COLLATE \"C\"";

static int bad_usage_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct load *l = ctx;
    uint32_t owners[N_OWNER_KINDS];
    char id[UUID_TEXT];
    struct uuid kernel = rows_uuid(r, 0, 4);
    find_owners(l, r, owners);
    for (int i = 0; i < N_OWNER_KINDS; i++)
        if (owners[i] != NONE)
            builder_bad_owner(l->b, owners[i], "resource_allocations (%s, %s): %s %s.",
                              uuid_format(&kernel, id), rows_text(r, 0, 5), rows_text(r, 0, 6),
                              rows_text(r, 0, 7));
    return 0;
}

int owner_usage_load(struct load *l, struct err *e)
{
    struct usage_ctx k = {.l = l};
    const struct pg_param p[] = {param_uuid(&l->group_id)};
    if (l->n_owners == 0)
        return 0;
    if (pg_each(l->t, sql_usage, "tuutbtnb", p, ARRAY_SIZE(p), usage_row, &k, e) < 0)
        return -1;
    if (!k.any_bad)
        return 0;
    return pg_each(l->t, sql_bad, "tuututtt", NULL, 0, bad_usage_row, l, e);
}
