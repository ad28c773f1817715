/* allocation.c - resource_allocations, the ledger. */
#include "repo/allocation.h"

#include <string.h>

#include "repo/snapshot_loader.h"
#include "repo/sql.h"

/* --- loading --- */

/* taken: the row holds something already, although its kernel is PENDING. Kernels of another status
 * or group than their session's are refused by kernel_load(), so sessions need not be joined. */
#define SQL_ALLOCATIONS(more)                                                                      \
    "SELECT r.kernel_id, r.slot_name, r.requested, "                                               \
    "r.reserved_at IS NOT NULL OR r.used_at IS NOT NULL AS taken "                                 \
    "FROM resource_allocations r JOIN kernels k ON k.id = r.kernel_id "                            \
    "WHERE k.resource_group_id = $1 AND k.status = 'PENDING' AND r.free_at IS NULL" more           \
    " LIMIT $2"
static const char *const sql_allocations[] = {SQL_ALLOCATIONS(""),
                                              SQL_ALLOCATIONS(" AND k.session_id = ANY($3)")};

struct allocation_ctx {
    struct load *l;
    uint32_t kernel; /* of the last row: rows of a kernel mostly come together */
    struct uuid id;
};

static void bad_row(struct load *l, uint32_t kernel, const struct uuid *id, const char *slot,
                    const char *what)
{
    char text[UUID_TEXT];
    builder_bad_session(l->b, builder_kernel_session(l->b, kernel),
                        "resource_allocations (%s, %s): %s.", uuid_format(id, text), slot, what);
}

static void read_requested(struct load *l, uint32_t kernel, const struct uuid *id,
                           const struct pg_rows *r)
{
    const char *name = rows_text(r, 0, 1);
    if (name == NULL || rows_is_null(r, 0, 2)) {
        bad_row(l, kernel, id, name != NULL ? name : "NULL", "requested is NULL");
        return;
    }
    if (rows_bool(r, 0, 3))
        bad_row(l, kernel, id, name, "reserved_at or used_at is set while the kernel is PENDING");
    uint32_t slot = builder_find_slot(l->b, name);
    int64_t v = 0;
    enum amount_error why =
        rows_amount(r, 0, 2, slot != NONE ? builder_slot_type(l->b, slot) : SLOT_COUNT, &v);
    if (why != AMOUNT_OK)
        bad_row(l, kernel, id, name, arena_printf(l->a, "requested %s", amount_problem(why)));
    else if (slot != NONE)
        builder_kernel_request(l->b, kernel)[slot] = v;
    else if (v > 0)
        bad_row(l, kernel, id, name, "the slot is unknown or disabled in resource_slot_types");
}

static int allocation_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct allocation_ctx *k = ctx;
    struct uuid id = rows_uuid(r, 0, 0);
    if (k->kernel == NONE || uuid_compare(&id, &k->id) != 0) {
        k->id = id;
        k->kernel = builder_find_kernel(k->l->b, &id);
    }
    if (k->kernel == NONE)
        return 0;
    k->l->ledger_rows[k->kernel]++;
    read_requested(k->l, k->kernel, &id, r);
    return 0;
}

/* Kernels without a live row that do ask for something: the ledger decides, so the row is missing.
 */
static const char sql_unledgered[] =
    "SELECT k.id, r.key FROM kernels k, jsonb_each_text("
    "CASE WHEN jsonb_typeof(k.requested_slots) = 'object' THEN k.requested_slots ELSE '{}' END) r "
    "WHERE k.id = ANY($1::uuid[]) AND r.value ~* '[1-9]|inf|nan' ORDER BY k.id, r.key COLLATE "
    "\"C\"";

static int unledgered_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct load *l = ctx;
    struct uuid id = rows_uuid(r, 0, 0);
    uint32_t kernel = builder_find_kernel(l->b, &id);
    if (kernel != NONE)
        bad_row(l, kernel, &id, rows_text(r, 0, 1),
                "there is no live row, but kernels.requested_slots asks for it");
    return 0;
}

static int load_unledgered(struct load *l, struct err *e)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->n_kernels; i++)
        n += l->ledger_rows[i] == 0;
    if (n == 0)
        return 0;
    struct uuid *ids = arena_new(l->a, struct uuid, n);
    n = 0;
    for (uint32_t i = 0; i < l->n_kernels; i++)
        if (l->ledger_rows[i] == 0)
            ids[n++] = builder_kernel_at(l->b, i)->id;
    const struct pg_param p[] = {param_array_uuid(l->a, ids, n)};
    return pg_each(l->t, sql_unledgered, "ut", p, ARRAY_SIZE(p), unledgered_row, l, e);
}

int allocation_load(struct load *l, struct err *e)
{
    struct allocation_ctx k = {.l = l, .kernel = NONE};
    const struct pg_param p[] = {param_uuid(&l->group_id), load_limit(l),
                                 l->only != NULL ? l->only->sessions : param_uuid(NULL)};
    l->ledger_rows = arena_new(l->a, uint32_t, (size_t)l->n_kernels + 1);
    if (pg_each(l->t, sql_allocations[LOAD_SOME(l)], "utnb", p, 2 + LOAD_SOME(l), allocation_row,
                &k, e) < 0)
        return -1;
    return load_unledgered(l, e);
}

/* --- reserving --- */

static const char sql_reserve[] =
    "UPDATE resource_allocations r SET reserved = r.requested, reserved_at = now() "
    "FROM unnest($1::uuid[]) WITH ORDINALITY AS u(kernel_id, ord) "
    "WHERE r.kernel_id = u.kernel_id AND r.free_at IS NULL AND r.used_at IS NULL "
    "AND r.reserved_at IS NULL RETURNING u.ord, r.slot_name, r.reserved";

int allocation_reserve(struct txn *t, const struct snapshot *s, const uint32_t *kernels, uint32_t n,
                       struct arena *a, bool *matched, struct err *e)
{
    struct uuid *ids = arena_new(a, struct uuid, n);
    uint32_t *left = arena_new(a, uint32_t, n); /* slots asked for and not seen yet */
    for (uint32_t i = 0; i < n; i++) {
        const int64_t *request = snapshot_request(s, kernels[i]);
        ids[i] = s->kernels[kernels[i]].id;
        for (uint32_t k = 0; k < s->n_slots; k++)
            left[i] += request[k] > 0;
        matched[i] = true;
    }
    const struct pg_param p[] = {param_array_uuid(a, ids, n)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_reserve, "itn", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    for (uint32_t i = 0; i < rows_count(r); i++) {
        uint32_t at = (uint32_t)rows_int(r, i, 0) - 1;
        uint32_t slot = snapshot_find_slot(s, rows_text(r, i, 1));
        int64_t asked = slot != NONE ? snapshot_request(s, kernels[at])[slot] : 0;
        int64_t v = 0;
        enum amount_error why =
            rows_amount(r, i, 2, slot != NONE ? s->slots[slot].type : SLOT_COUNT, &v);
        if (why != AMOUNT_OK || v != asked)
            matched[at] = false;
        else if (asked > 0)
            left[at]--;
    }
    for (uint32_t i = 0; i < n; i++)
        matched[i] = matched[i] && left[i] == 0;
    return 0;
}

/* --- releasing --- */

/* Rows of one session's kernels lie on few agents: locked in (agent, slot) order before they are
 * lowered. NaN and negative buckets, which nobody writes, give nothing back. */
static const char sql_lock_agents[] =
    "SELECT 1 FROM agent_resources a WHERE (a.agent_id, a.slot_name) IN ("
    "SELECT k.agent, r.slot_name FROM kernels k JOIN resource_allocations r ON r.kernel_id = k.id "
    "WHERE k.session_id = ANY($1::uuid[]) AND r.free_at IS NULL AND k.agent IS NOT NULL) "
    "ORDER BY a.agent_id COLLATE \"C\", a.slot_name COLLATE \"C\" FOR UPDATE OF a";

static const char sql_free[] =
    "WITH freed AS (UPDATE resource_allocations r SET free_at = now() FROM kernels k, "
    "unnest($1::uuid[]) WITH ORDINALITY AS u(id, ord) "
    "WHERE k.id = r.kernel_id AND k.session_id = u.id AND r.free_at IS NULL "
    "RETURNING u.ord, k.agent, r.slot_name, " SQL_BUCKETS "), "
    "sums AS (SELECT agent, slot_name, sum(prereserved) AS prereserved, "
    "sum(reserved) AS reserved, sum(used) AS used FROM freed WHERE agent IS NOT NULL "
    "GROUP BY agent, slot_name HAVING sum(prereserved + reserved + used) > 0), "
    "lowered AS (UPDATE agent_resources a SET "
    "prereserved = greatest(a.prereserved - s.prereserved, 0), "
    "reserved = greatest(a.reserved - s.reserved, 0), used = greatest(a.used - s.used, 0), "
    "updated_at = now() FROM sums s WHERE a.agent_id = s.agent AND a.slot_name = s.slot_name) "
    "SELECT ord, slot_name, sum(prereserved + reserved + used) FROM freed "
    "WHERE agent IS NOT NULL GROUP BY ord, slot_name "
    "HAVING sum(prereserved + reserved + used) > 0 ORDER BY ord, slot_name COLLATE \"C\"";

/* Without the trailing zeros of a numeric. */
static const char *trimmed(const char *text, struct arena *a)
{
    char *copy = arena_strdup(a, text);
    if (strchr(copy, '.') != NULL && strpbrk(copy, "eE") == NULL) {
        size_t len = strlen(copy);
        while (copy[len - 1] == '0')
            copy[--len] = '\0';
        if (copy[len - 1] == '.')
            copy[len - 1] = '\0';
    }
    return copy;
}

int allocation_free(struct txn *t, const struct uuid *sessions, uint32_t n, struct arena *a,
                    struct allocation_release **ret, uint32_t *ret_n, struct err *e)
{
    const struct pg_param p[] = {param_array_uuid(a, sessions, n)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    CLEANUP(rows_freep) struct pg_rows *locked = NULL;
    if (pg_query(t, sql_lock_agents, "i", p, ARRAY_SIZE(p), &locked, e) < 0 ||
        pg_query(t, sql_free, "itn", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    if (ret == NULL)
        return 0;
    uint32_t n_rows = rows_count(r);
    struct allocation_release *list = arena_new(a, struct allocation_release, n_rows);
    for (uint32_t i = 0; i < n_rows; i++) {
        char text[PG_NUMERIC_TEXT];
        list[i] = (struct allocation_release){
            .session = (uint32_t)rows_int(r, i, 0) - 1,
            .slot = arena_strdup(a, rows_text(r, i, 1)),
            .amount = trimmed(rows_numeric(r, i, 2, text), a),
        };
    }
    *ret = list;
    *ret_n = n_rows;
    return 0;
}

static const char sql_end[] =
    "UPDATE resource_allocations r SET free_at = now() FROM kernels k "
    "WHERE k.id = r.kernel_id AND k.session_id = ANY($1::uuid[]) AND r.free_at IS NULL";

int allocation_end(struct txn *t, const struct uuid *sessions, uint32_t n, struct arena *a,
                   struct err *e)
{
    const struct pg_param p[] = {param_array_uuid(a, sessions, n)};
    return pg_exec(t, sql_end, p, ARRAY_SIZE(p), NULL, e);
}
