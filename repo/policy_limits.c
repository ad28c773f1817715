/* policy_limits.c - keypair_resource_policies: limits of keypairs and, by their main key, of users.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/limits.h"

struct policy {
    const char *name;
    int64_t max_sessions, max_sftp_sessions, max_pending;
    bool has_pending_limit;
    int64_t *total, *pending; /* n_slots amounts each */
    const char *bad_total, *bad_pending;
};

struct policies {
    struct load *l;
    struct policy *v; /* by name */
    uint32_t n;
};

static int compare_policies(const void *a, const void *b)
{
    return strcmp(((const struct policy *)a)->name, ((const struct policy *)b)->name);
}

static struct policy *policy_find(const struct policies *p, const char *name)
{
    const struct policy wanted = {.name = name};
    return bsearch(&wanted, p->v, p->n, sizeof(*p->v), compare_policies);
}

const char *limit_put(struct load *l, int64_t *row, const char *slot, const char *text)
{
    uint32_t i = builder_find_slot(l->b, slot);
    if (i == NONE)
        return NULL;
    enum amount_error why =
        amount_parse_limit(text, strlen(text), builder_slot_type(l->b, i), &row[i]);
    if (why == AMOUNT_OK)
        return NULL;
    return arena_printf(l->a, "%s \"%.64s\" %s", slot, text, amount_problem(why));
}

static int64_t *row_of(struct load *l, int64_t fill)
{
    uint32_t n = builder_n_slots(l->b);
    int64_t *row = arena_new(l->a, int64_t, (size_t)n + 1);
    for (uint32_t i = 0; i < n; i++)
        row[i] = fill;
    return row;
}

static const char *policy_sentence(struct load *l, const char *name, const char *column,
                                   const char *what)
{
    return arena_printf(l->a, "keypair_resource_policies \"%s\": %s%s.", name, column, what);
}

/* --- the rows --- */

enum policy_column {
    COL_NAME,
    COL_DEFAULT,
    COL_MAX_SESSIONS,
    COL_MAX_SFTP,
    COL_MAX_PENDING,
    COL_TOTAL_TYPE,
    COL_PENDING_TYPE
};

static const char sql_policies[] =
    "SELECT name, default_for_unspecified, max_concurrent_sessions, max_concurrent_sftp_sessions, "
    "max_pending_session_count, jsonb_typeof(total_resource_slots), "
    "jsonb_typeof(max_pending_session_resource_slots) "
    "FROM keypair_resource_policies WHERE name = ANY($1::text[]) ORDER BY name COLLATE \"C\"";

/* JSON null and SQL NULL mean unset. */
static bool is_unset(const char *type)
{
    return type == NULL || strcmp(type, "null") == 0;
}

static bool is_object(const char *type)
{
    return type != NULL && strcmp(type, "object") == 0;
}

static void policy_from_row(struct load *l, const struct pg_rows *r, uint32_t i, struct policy *ret)
{
    const char *name = arena_strdup(l->a, rows_text(r, i, COL_NAME));
    const char *unnamed = rows_text(r, i, COL_DEFAULT);
    const char *total = rows_text(r, i, COL_TOTAL_TYPE),
               *pending = rows_text(r, i, COL_PENDING_TYPE);
    bool limited = unnamed != NULL && strcmp(unnamed, "LIMITED") == 0;
    *ret = (struct policy){
        .name = name,
        .max_sessions = rows_int(r, i, COL_MAX_SESSIONS),
        .max_sftp_sessions = rows_int(r, i, COL_MAX_SFTP),
        .max_pending =
            rows_is_null(r, i, COL_MAX_PENDING) ? INT64_MAX : rows_int(r, i, COL_MAX_PENDING),
        .has_pending_limit = is_object(pending),
        .total = row_of(l, limited && is_object(total) ? 0 : AMOUNT_INF),
        .pending = row_of(l, AMOUNT_INF),
    };
    if (!limited && (unnamed == NULL || strcmp(unnamed, "UNLIMITED") != 0))
        ret->bad_total = policy_sentence(l, name, "default_for_unspecified", " cannot be read");
    if (!is_object(total) && !is_unset(total))
        ret->bad_total = policy_sentence(l, name, "total_resource_slots", " is not an object");
    if (!is_object(pending) && !is_unset(pending))
        ret->bad_pending =
            policy_sentence(l, name, "max_pending_session_resource_slots", " is not an object");
}

static const char sql_entries[] =
    "SELECT p.name, false, s.key, s.value FROM keypair_resource_policies p, " SQL_ENTRIES(
        "p.total_resource_slots") " s "
                                  "WHERE p.name = ANY($1::text[]) AND s.value IS NOT NULL "
                                  "UNION ALL SELECT p.name, true, s.key, s.value FROM "
                                  "keypair_resource_policies p, " SQL_ENTRIES(
                                      "p.max_pending_session_resource_slots") " s "
                                                                              "WHERE p.name = "
                                                                              "ANY($1::text[]) AND "
                                                                              "s.value IS NOT NULL";

static int entry_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct policies *ps = ctx;
    struct policy *p = policy_find(ps, rows_text(r, 0, 0));
    if (p == NULL)
        return 0;
    bool pending = rows_bool(r, 0, 1);
    const char *problem =
        limit_put(ps->l, pending ? p->pending : p->total, rows_text(r, 0, 2), rows_text(r, 0, 3));
    if (problem == NULL)
        return 0;
    const char **bad = pending ? &p->bad_pending : &p->bad_total;
    if (*bad == NULL)
        *bad = policy_sentence(
            ps->l, p->name,
            pending ? "max_pending_session_resource_slots." : "total_resource_slots.", problem);
    return 0;
}

/* --- onto the owners --- */

static void apply(struct load *l, const struct limit_use *use, const struct policy *p)
{
    struct owner *owner = builder_owner_at(l->b, use->owner);
    if (p == NULL) {
        owner->missing =
            arena_printf(builder_arena(l->b), "keypair resource policy \"%s\"", use->policy);
        return;
    }
    struct owner_rows rows = builder_owner_rows(l->b, use->owner);
    uint32_t n = builder_n_slots(l->b);
    for (uint32_t i = 0; i < n; i++)
        rows.limit[i] = p->total[i];
    if (p->bad_total != NULL)
        builder_bad_owner(l->b, use->owner, "%s", p->bad_total);
    if (owner->kind != OWNER_KEYPAIR)
        return;
    owner->max_sessions = p->max_sessions;
    owner->max_sftp_sessions = p->max_sftp_sessions;
    owner->max_pending = p->max_pending;
    owner->has_pending_limit = p->has_pending_limit;
    for (uint32_t i = 0; i < n; i++)
        rows.pending_limit[i] = p->pending[i];
    if (p->bad_pending != NULL)
        builder_bad_owner(l->b, use->owner, "%s", p->bad_pending);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **distinct_names(struct load *l, const struct limit_use *uses, uint32_t n,
                                   uint32_t *ret_n)
{
    const char **names = arena_new(l->a, const char *, (size_t)n + 1);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        names[i] = uses[i].policy;
    qsort(names, n, sizeof(*names), compare_texts);
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || strcmp(names[i], names[kept - 1]) != 0)
            names[kept++] = names[i];
    *ret_n = kept;
    return names;
}

int policy_limits_load(struct load *l, const struct limit_use *uses, uint32_t n, struct err *e)
{
    uint32_t n_names = 0;
    const char **names = distinct_names(l, uses, n, &n_names);
    if (n_names == 0)
        return 0;
    const struct pg_param p[] = {param_array_text(l->a, names, n_names)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(l->t, sql_policies, "ttiiitt", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    struct policies ps = {.l = l, .n = rows_count(r)};
    ps.v = arena_new(l->a, struct policy, (size_t)ps.n + 1);
    for (uint32_t i = 0; i < ps.n; i++)
        policy_from_row(l, r, i, &ps.v[i]);
    if (pg_each(l->t, sql_entries, "tbtt", p, ARRAY_SIZE(p), entry_row, &ps, e) < 0)
        return -1;
    for (uint32_t i = 0; i < n; i++)
        apply(l, &uses[i], policy_find(&ps, uses[i].policy));
    return 0;
}
