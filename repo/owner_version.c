/* owner_version.c - berth.owner_versions, and what is read under its lock. */
#include "repo/owner_usage.h"
#include "repo/pg_query.h"
#include "repo/status.h"

static const char sql_bump[] =
    "WITH u AS (SELECT * FROM unnest($1::int4[], $2::text[]) WITH ORDINALITY AS u(kind, id, ord)), "
    "bumped AS (INSERT INTO berth.owner_versions AS v (owner_kind, owner_id, version) "
    "SELECT kind, id, 1 FROM u ORDER BY kind, id COLLATE \"C\" "
    "ON CONFLICT (owner_kind, owner_id) DO UPDATE SET version = v.version + 1 "
    "RETURNING owner_kind, owner_id, version) "
    "SELECT u.ord, b.version FROM bumped b JOIN u ON u.kind = b.owner_kind AND u.id = b.owner_id";

int owner_bump(struct txn *t, const struct owner_key *v, uint32_t n, struct arena *a, int64_t *ret,
               struct err *e)
{
    int32_t *kinds = arena_new(a, int32_t, n);
    const char **ids = arena_new(a, const char *, n);
    for (uint32_t i = 0; i < n; i++) {
        kinds[i] = (int32_t)v[i].kind;
        ids[i] = v[i].key;
    }
    const struct pg_param p[] = {param_array_int4(a, kinds, n), param_array_text(a, ids, n)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (n == 0)
        return 0;
    if (pg_query(t, sql_bump, "ii", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    for (uint32_t i = 0; i < rows_count(r); i++)
        ret[rows_int(r, i, 0) - 1] = rows_int(r, i, 1);
    return 0;
}

#define SQL_AMOUNT "coalesce(r.used, r.requested)"
#define SQL_USAGE_NOW(column, type)                                                                \
    "SELECT u.ord, r.slot_name, sum(" SQL_AMOUNT "), bool_and(" SQL_AMOUNT " >= 0) "               \
    "FROM unnest($1::" type "[]) WITH ORDINALITY AS u(key, ord) "                                  \
    "JOIN kernels k ON " column " = u.key JOIN resource_allocations r ON r.kernel_id = k.id "      \
    "WHERE k.status IN (" SQL_KERNEL_HOLDING ") "                                                  \
    "AND k.session_type IS DISTINCT FROM 'SYSTEM' AND r.free_at IS NULL GROUP BY 1, 2"

static const char *const sql_usage_now[N_OWNER_KINDS] = {
    [OWNER_KEYPAIR] = SQL_USAGE_NOW("k.access_key", "text"),
    [OWNER_USER] = SQL_USAGE_NOW("k.user_uuid", "uuid"),
    [OWNER_PROJECT] = SQL_USAGE_NOW("k.group_id", "uuid"),
    [OWNER_DOMAIN] = SQL_USAGE_NOW("k.domain_name", "text"),
};

/* The keys of the owners of one kind; *of_key: which of v each is. Keys of users and projects that
 * are no UUID have no rows. */
static struct pg_param keys_of_kind(const struct snapshot *s, enum owner_kind kind,
                                    const struct owner_now *v, uint32_t n, struct arena *a,
                                    uint32_t *of_key, uint32_t *ret_n)
{
    const char **texts = arena_new(a, const char *, n);
    struct uuid *ids = arena_new(a, struct uuid, n);
    bool is_uuid = kind == OWNER_USER || kind == OWNER_PROJECT;
    uint32_t n_keys = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct owner *o = &s->owners[v[i].owner];
        if (o->kind != kind || (is_uuid && !uuid_parse(o->key, &ids[n_keys])))
            continue;
        texts[n_keys] = o->key;
        of_key[n_keys++] = i;
    }
    *ret_n = n_keys;
    return is_uuid ? param_array_uuid(a, ids, n_keys) : param_array_text(a, texts, n_keys);
}

static int usage_of_kind(struct txn *t, const struct snapshot *s, enum owner_kind kind,
                         struct owner_now *v, uint32_t n, struct arena *a, struct err *e)
{
    uint32_t *of_key = arena_new(a, uint32_t, n);
    uint32_t n_keys;
    const struct pg_param p[] = {keys_of_kind(s, kind, v, n, a, of_key, &n_keys)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (n_keys == 0)
        return 0;
    if (pg_query(t, sql_usage_now[kind], "itnb", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    for (uint32_t i = 0; i < rows_count(r); i++) {
        struct owner_now *o = &v[of_key[rows_int(r, i, 0) - 1]];
        uint32_t slot = snapshot_find_slot(s, rows_text(r, i, 1));
        if (slot == NONE)
            continue;
        enum amount_error why = rows_amount(r, i, 2, s->slots[slot].type, &o->usage[slot]);
        if (why != AMOUNT_OK || !rows_bool(r, i, 3))
            o->slot_unreadable = s->slots[slot].name;
    }
    return 0;
}

int owner_usage_now(struct txn *t, const struct snapshot *s, struct owner_now *v, uint32_t n,
                    struct arena *a, struct err *e)
{
    for (int kind = 0; kind < N_OWNER_KINDS; kind++)
        if (usage_of_kind(t, s, (enum owner_kind)kind, v, n, a, e) < 0)
            return -1;
    return 0;
}

static const char sql_live[] = "SELECT u.ord, s.session_type = 'SYSTEM', count(*) "
                               "FROM unnest($1::text[]) WITH ORDINALITY AS u(key, ord) JOIN "
                               "sessions s ON s.access_key = u.key "
                               "WHERE s.status IN (" SQL_SESSION_OCCUPYING ") GROUP BY 1, 2";

int owner_count_live(struct txn *t, struct owner_count *v, uint32_t n, struct arena *a,
                     struct err *e)
{
    const char **keys = arena_new(a, const char *, n);
    for (uint32_t i = 0; i < n; i++) {
        keys[i] = v[i].access_key;
        v[i].sessions = v[i].sftp_sessions = 0;
    }
    const struct pg_param p[] = {param_array_text(a, keys, n)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (n == 0)
        return 0;
    if (pg_query(t, sql_live, "ibi", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    for (uint32_t i = 0; i < rows_count(r); i++) {
        struct owner_count *c = &v[rows_int(r, i, 0) - 1];
        if (rows_bool(r, i, 1))
            c->sftp_sessions += rows_int(r, i, 2);
        else
            c->sessions += rows_int(r, i, 2);
    }
    return 0;
}
