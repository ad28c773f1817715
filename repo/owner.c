/* owner.c - keypairs, users, projects and domains of pending sessions: who they are, their limits,
 * their live sessions and versions. Usage is owner_usage.c's. */
#include <string.h>

#include "repo/limits.h"
#include "repo/status.h"

/* --- interning --- */

uint32_t owner_intern(struct load *l, enum owner_kind kind, const char *key)
{
    uint32_t owner = builder_owner(l->b, kind, key != NULL ? key : "");
    if (owner < l->n_owners)
        return owner;
    l->n_owners = owner + 1;
    struct owner_keys *k = &l->owners[kind];
    k->key = arena_grow(l->a, k->key, &k->cap_key, (size_t)k->n + 1, sizeof(*k->key));
    k->owner = arena_grow(l->a, k->owner, &k->cap_owner, (size_t)k->n + 1, sizeof(*k->owner));
    k->key[k->n] = arena_strdup(l->a, key != NULL ? key : "");
    k->owner[k->n++] = owner;
    return owner;
}

uint32_t owner_intern_uuid(struct load *l, enum owner_kind kind, const struct uuid *id)
{
    struct owner_cached *c = &l->cached[kind][(id->b[0] ^ id->b[15]) & (OWNER_CACHE - 1)];
    if (c->set && uuid_compare(&c->id, id) == 0)
        return c->owner;
    char text[UUID_TEXT];
    *c = (struct owner_cached){
        .id = *id, .owner = owner_intern(l, kind, uuid_format(id, text)), .set = true};
    return c->owner;
}

/* A key that is empty was to come from another row: the user from the access key's, the domain from
 * the project's. */
static void set_missing(struct load *l, uint32_t owner, const char *what, const char *key)
{
    struct owner *o = builder_owner_at(l->b, owner);
    if (key[0] == '\0' && o->kind == OWNER_USER)
        o->missing = "user of the access key";
    else if (key[0] == '\0' && o->kind == OWNER_DOMAIN)
        o->missing = "domain of the project";
    else
        o->missing = arena_printf(builder_arena(l->b), "%s \"%s\"", what, key);
}

/* The keys of a kind that are UUIDs; the others are missing at once. */
static struct pg_param uuid_keys(struct load *l, enum owner_kind kind, const char *what)
{
    const struct owner_keys *k = &l->owners[kind];
    struct uuid *ids = arena_new(l->a, struct uuid, (size_t)k->n + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < k->n; i++) {
        if (uuid_parse(k->key[i], &ids[n]))
            n++;
        else
            set_missing(l, k->owner[i], what, k->key[i]);
    }
    return param_array_uuid(l->a, ids, n);
}

static uint32_t find_by_uuid(struct load *l, enum owner_kind kind, struct uuid id,
                             char text[UUID_TEXT])
{
    return builder_find_owner(l->b, kind, uuid_format(&id, text));
}

/* --- keypairs and users, whose limits are those of a policy --- */

struct uses_ctx {
    struct load *l;
    struct limit_use *uses;
    uint32_t n;
};

static void use_policy(struct uses_ctx *k, uint32_t owner, const char *policy)
{
    k->uses[k->n++] = (struct limit_use){
        .owner = owner, .policy = arena_strdup(k->l->a, policy != NULL ? policy : "")};
}

static const char sql_keypairs[] =
    "SELECT u.key, k.access_key IS NOT NULL, k.resource_policy FROM unnest($1::text[]) AS u(key) "
    "LEFT JOIN keypairs k ON k.access_key = u.key";

static int keypair_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct uses_ctx *k = ctx;
    const char *key = rows_text(r, 0, 0);
    uint32_t owner = builder_find_owner(k->l->b, OWNER_KEYPAIR, key);
    if (!rows_bool(r, 0, 1))
        set_missing(k->l, owner, "keypair", key);
    else
        use_policy(k, owner, rows_text(r, 0, 2));
    return 0;
}

/* A user without a main access key has no limit. */
static const char sql_users[] =
    "SELECT i.id, u.uuid IS NOT NULL, u.main_access_key, k.access_key IS NOT NULL, "
    "k.resource_policy FROM unnest($1::uuid[]) AS i(id) LEFT JOIN users u ON u.uuid = i.id "
    "LEFT JOIN keypairs k ON k.access_key = u.main_access_key";

static int user_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct uses_ctx *k = ctx;
    char id[UUID_TEXT];
    uint32_t owner = find_by_uuid(k->l, OWNER_USER, rows_uuid(r, 0, 0), id);
    if (owner == NONE)
        return 0;
    if (!rows_bool(r, 0, 1))
        set_missing(k->l, owner, "user", id);
    else if (rows_is_null(r, 0, 2))
        return 0;
    else if (!rows_bool(r, 0, 3))
        set_missing(k->l, owner, "keypair", rows_text(r, 0, 2));
    else
        use_policy(k, owner, rows_text(r, 0, 4));
    return 0;
}

static int keypairs_and_users_load(struct load *l, struct err *e)
{
    const struct owner_keys *keys = &l->owners[OWNER_KEYPAIR], *users = &l->owners[OWNER_USER];
    struct uses_ctx k = {.l = l,
                         .uses = arena_new(l->a, struct limit_use, (size_t)keys->n + users->n + 1)};
    const struct pg_param key[] = {param_array_text(l->a, keys->key, keys->n)};
    const struct pg_param user[] = {uuid_keys(l, OWNER_USER, "user")};
    if (pg_each(l->t, sql_keypairs, "tbt", key, ARRAY_SIZE(key), keypair_row, &k, e) < 0 ||
        pg_each(l->t, sql_users, "ubtbt", user, ARRAY_SIZE(user), user_row, &k, e) < 0)
        return -1;
    return policy_limits_load(l, k.uses, k.n, e);
}

/* --- projects and domains, which have their own --- */

static const char sql_projects[] =
    "SELECT i.id, g.name, jsonb_typeof(g.total_resource_slots), s.key, s.value "
    "FROM unnest($1::uuid[]) AS i(id) LEFT JOIN groups g ON g.id = i.id "
    "LEFT JOIN LATERAL " SQL_ENTRIES("g.total_resource_slots") " s ON s.value IS NOT NULL";

static const char sql_domains[] =
    "SELECT i.name, d.name, jsonb_typeof(d.total_resource_slots), s.key, s.value "
    "FROM unnest($1::text[]) AS i(name) LEFT JOIN domains d ON d.name = i.name "
    "LEFT JOIN LATERAL " SQL_ENTRIES("d.total_resource_slots") " s ON s.value IS NOT NULL";

/* One row an entry of the map; columns 1 to 4 of both statements. `table` and `key` for sentences.
 */
static void own_limit(struct load *l, const struct pg_rows *r, uint32_t owner, const char *what,
                      const char *table, const char *key)
{
    if (rows_is_null(r, 0, 1)) {
        set_missing(l, owner, what, key);
        return;
    }
    const char *type = rows_text(r, 0, 2);
    if (type != NULL && strcmp(type, "object") != 0 && strcmp(type, "null") != 0)
        builder_bad_owner(l->b, owner, "%s \"%s\": total_resource_slots is not an object.", table,
                          key);
    if (rows_is_null(r, 0, 3))
        return;
    const char *problem =
        limit_put(l, builder_owner_rows(l->b, owner).limit, rows_text(r, 0, 3), rows_text(r, 0, 4));
    if (problem != NULL)
        builder_bad_owner(l->b, owner, "%s \"%s\": total_resource_slots.%s.", table, key, problem);
}

static int project_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct load *l = ctx;
    char id[UUID_TEXT];
    uint32_t owner = find_by_uuid(l, OWNER_PROJECT, rows_uuid(r, 0, 0), id);
    if (owner == NONE)
        return 0;
    if (!rows_is_null(r, 0, 1))
        builder_owner_at(l->b, owner)->name = arena_strdup(builder_arena(l->b), rows_text(r, 0, 1));
    own_limit(l, r, owner, "project", "groups", id);
    return 0;
}

static int domain_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct load *l = ctx;
    const char *name = rows_text(r, 0, 0);
    own_limit(l, r, builder_find_owner(l->b, OWNER_DOMAIN, name), "domain", "domains", name);
    return 0;
}

static int projects_and_domains_load(struct load *l, struct err *e)
{
    const struct owner_keys *domains = &l->owners[OWNER_DOMAIN];
    const struct pg_param project[] = {uuid_keys(l, OWNER_PROJECT, "project")};
    const struct pg_param domain[] = {param_array_text(l->a, domains->key, domains->n)};
    if (pg_each(l->t, sql_projects, "utttt", project, ARRAY_SIZE(project), project_row, l, e) < 0)
        return -1;
    return pg_each(l->t, sql_domains, "ttttt", domain, ARRAY_SIZE(domain), domain_row, l, e);
}

/* --- live sessions and versions --- */

static const char sql_live[] =
    "SELECT access_key, session_type = 'SYSTEM', count(*) FROM sessions "
    "WHERE access_key = ANY($1::text[]) AND status IN (" SQL_SESSION_OCCUPYING ") GROUP BY 1, 2";

static int live_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct load *l = ctx;
    struct owner *owner =
        builder_owner_at(l->b, builder_find_owner(l->b, OWNER_KEYPAIR, rows_text(r, 0, 0)));
    if (rows_bool(r, 0, 1))
        owner->live_sftp_sessions += rows_int(r, 0, 2);
    else
        owner->live_sessions += rows_int(r, 0, 2);
    return 0;
}

static const char sql_versions[] =
    "SELECT v.owner_kind, v.owner_id, v.version FROM unnest($1::int4[], $2::text[]) AS u(kind, id) "
    "JOIN berth.owner_versions v ON v.owner_kind = u.kind AND v.owner_id = u.id";

static int version_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct load *l = ctx;
    uint32_t owner =
        builder_find_owner(l->b, (enum owner_kind)rows_int(r, 0, 0), rows_text(r, 0, 1));
    if (owner != NONE)
        builder_owner_at(l->b, owner)->version = (uint64_t)rows_int(r, 0, 2);
    return 0;
}

static int live_and_versions_load(struct load *l, struct err *e)
{
    const struct owner_keys *keys = &l->owners[OWNER_KEYPAIR];
    const struct pg_param live[] = {param_array_text(l->a, keys->key, keys->n)};
    if (pg_each(l->t, sql_live, "tbi", live, ARRAY_SIZE(live), live_row, l, e) < 0)
        return -1;
    int32_t *kinds = arena_new(l->a, int32_t, (size_t)l->n_owners + 1);
    const char **ids = arena_new(l->a, const char *, (size_t)l->n_owners + 1);
    uint32_t n = 0;
    for (int k = 0; k < N_OWNER_KINDS; k++) {
        for (uint32_t i = 0; i < l->owners[k].n; i++) {
            kinds[n] = k;
            ids[n++] = l->owners[k].key[i];
        }
    }
    const struct pg_param p[] = {param_array_int4(l->a, kinds, n), param_array_text(l->a, ids, n)};
    return pg_each(l->t, sql_versions, "iti", p, ARRAY_SIZE(p), version_row, l, e);
}

int owner_load(struct load *l, struct err *e)
{
    if (l->n_owners == 0)
        return 0;
    if (keypairs_and_users_load(l, e) < 0 || projects_and_domains_load(l, e) < 0)
        return -1;
    return live_and_versions_load(l, e);
}
