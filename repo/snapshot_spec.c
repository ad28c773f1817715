/* snapshot_spec.c - owners and groups of sessions that are not stored, but could be. */
#include <string.h>

#include "repo/snapshot_loader.h"

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

/* --- what the database knows of one --- */

static int one_text(struct load *l, const char *sql, const struct pg_param *p, const char *columns,
                    const char **ret, struct err *e)
{
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(l->t, sql, columns, p, 1, &r, e) < 0)
        return -1;
    *ret = "";
    if (rows_count(r) == 0 || rows_is_null(r, 0, 0))
        return 0;
    if (columns[0] == 'u') {
        char text[UUID_TEXT];
        struct uuid id = rows_uuid(r, 0, 0);
        *ret = arena_strdup(l->a, uuid_format(&id, text));
    } else {
        *ret = arena_strdup(l->a, rows_text(r, 0, 0));
    }
    return 0;
}

static int spec_load(struct load *l, const struct snapshot_spec *q,
                     struct snapshot_spec_owners *ret, struct err *e)
{
    const char *user = q->user, *domain = q->domain;
    const struct pg_param key = param_text(q->access_key);
    if (user == NULL &&
        one_text(l, "SELECT \"user\" FROM keypairs WHERE access_key = $1", &key, "u", &user, e) < 0)
        return -1;
    struct uuid id;
    const char *project = q->project != NULL ? q->project : "";
    bool is_uuid = uuid_parse(project, &id);
    const struct pg_param project_id = param_uuid(is_uuid ? &id : NULL);
    if (domain == NULL && one_text(l, "SELECT domain_name FROM groups WHERE id = $1", &project_id,
                                   "t", &domain, e) < 0)
        return -1;
    char lower[UUID_TEXT];
    ret->owner[OWNER_KEYPAIR] = owner_intern(l, OWNER_KEYPAIR, q->access_key);
    ret->owner[OWNER_USER] = owner_intern(l, OWNER_USER, user);
    ret->owner[OWNER_PROJECT] =
        owner_intern(l, OWNER_PROJECT, is_uuid ? uuid_format(&id, lower) : project);
    ret->owner[OWNER_DOMAIN] = owner_intern(l, OWNER_DOMAIN, domain);
    return 0;
}

/* Groups of sessions: those that pending sessions name, and those of the specs. */
static int groups_load(struct load *l, const struct snapshot_query *q,
                       struct snapshot_spec_owners *ret, struct err *e)
{
    struct uuid *extra = arena_new(l->a, struct uuid, q->n_specs);
    uint32_t n = 0;
    for (uint32_t i = 0; i < q->n_specs; i++)
        if (q->specs[i].session_group != NULL)
            extra[n++] = *q->specs[i].session_group;
    if (session_group_load(l, extra, n, e) < 0)
        return -1;
    for (uint32_t i = 0; i < q->n_specs; i++)
        ret[i].session_group = q->specs[i].session_group != NULL
                                   ? builder_find_session_group(l->b, q->specs[i].session_group)
                                   : NONE;
    return 0;
}

int specs_load(struct load *l, const struct snapshot_query *q, struct snapshot_spec_owners *ret,
               struct err *e)
{
    for (uint32_t i = 0; i < q->n_specs; i++)
        if (spec_load(l, &q->specs[i], &ret[i], e) < 0)
            return -1;
    return groups_load(l, q, ret, e);
}
