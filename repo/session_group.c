/* session_group.c - session_groups: placement rules, and their members on the agents at hand. */
#include <stdlib.h>
#include <string.h>

#include "repo/snapshot_loader.h"
#include "repo/status.h"

static int compare_uuids(const void *a, const void *b)
{
    return uuid_compare(a, b);
}

/* The different groups that pending sessions name, and the extra ones. */
static struct uuid *distinct_groups(struct load *l, const struct uuid *extra, uint32_t n_extra,
                                    uint32_t *ret_n)
{
    struct uuid *ids = arena_new(l->a, struct uuid, (size_t)l->n_groupings + n_extra);
    uint32_t n = 0, kept = 0;
    for (uint32_t i = 0; i < l->n_groupings; i++)
        ids[n++] = l->groupings[i].group;
    for (uint32_t i = 0; i < n_extra; i++)
        ids[n++] = extra[i];
    qsort(ids, n, sizeof(*ids), compare_uuids);
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || uuid_compare(&ids[i], &ids[kept - 1]) != 0)
            ids[kept++] = ids[i];
    *ret_n = kept;
    return ids;
}

/* --- the rules --- */

struct rules { /* of one session_groups row */
    struct uuid id;
    char *problem; /* part of a sentence, or NULL */
};

struct rules_ctx {
    struct load *l;
    struct rules *bad;
    uint32_t n_bad;
};

/* A deleted group and one without direction put no condition on anybody. */
static const char sql_rules[] =
    "SELECT id, placement_direction, placement_enforcement FROM session_groups "
    "WHERE id = ANY($1::uuid[]) AND deleted_at IS NULL "
    "AND placement_direction IS DISTINCT FROM 'none'";

static bool one_of(const char *text, const char *yes, const char *no, bool *ret)
{
    if (text == NULL)
        return false;
    *ret = strcmp(text, yes) == 0;
    return *ret || strcmp(text, no) == 0;
}

static int rules_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct rules_ctx *k = ctx;
    const char *direction = rows_text(r, 0, 1), *enforcement = rows_text(r, 0, 2);
    bool spread = false, strict = false;
    const char *column = NULL, *value = NULL;
    if (!one_of(direction, "spread", "pack", &spread)) {
        column = "placement_direction";
        value = direction;
    } else if (!one_of(enforcement, "strict", "preferred", &strict)) {
        column = "placement_enforcement";
        value = enforcement;
    }
    struct uuid id = rows_uuid(r, 0, 0);
    if (column != NULL) {
        k->bad[k->n_bad++] = (struct rules){
            .id = id,
            .problem = value == NULL
                           ? arena_printf(k->l->a, "%s is NULL", column)
                           : arena_printf(k->l->a, "%s \"%s\" cannot be read", column, value),
        };
        return 0;
    }
    const struct session_group g = {
        .id = id, .direction = spread ? GROUP_SPREAD : GROUP_PACK, .strict = strict};
    (void)builder_session_group(k->l->b, &g);
    return 0;
}

static int compare_rules(const void *a, const void *b)
{
    return uuid_compare(&((const struct rules *)a)->id, &((const struct rules *)b)->id);
}

/* Points each session to its group, or says what is wrong with that. */
static void link_sessions(struct load *l, struct rules_ctx *k)
{
    qsort(k->bad, k->n_bad, sizeof(*k->bad), compare_rules);
    for (uint32_t i = 0; i < l->n_groupings; i++) {
        const struct session_grouping *g = &l->groupings[i];
        const struct rules wanted = {.id = g->group};
        char id[UUID_TEXT];
        builder_session_at(l->b, g->session)->group = builder_find_session_group(l->b, &g->group);
        const struct rules *bad =
            bsearch(&wanted, k->bad, k->n_bad, sizeof(*k->bad), compare_rules);
        if (bad != NULL)
            builder_bad_session(l->b, g->session, "session_groups %s: %s.",
                                uuid_format(&g->group, id), bad->problem);
    }
}

/* --- the members --- */

/* A session counts once on each agent it is on, whatever its scaling group. */
static const char sql_members[] =
    "SELECT s.session_group_id, k.agent, count(DISTINCT s.id) "
    "FROM sessions s JOIN kernels k ON k.session_id = s.id "
    "WHERE s.session_group_id = ANY($1::uuid[]) AND k.agent IS NOT NULL "
    "AND k.status IN (" SQL_KERNEL_HOLDING ") GROUP BY s.session_group_id, k.agent";

static int member_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct load *l = ctx;
    struct uuid id = rows_uuid(r, 0, 0);
    uint32_t group = builder_find_session_group(l->b, &id);
    uint32_t agent = builder_find_agent(l->b, rows_text(r, 0, 1));
    if (group != NONE && agent != NONE)
        builder_group_member(l->b, group, agent, (int32_t)rows_int(r, 0, 2));
    return 0;
}

int session_group_load(struct load *l, const struct uuid *extra, uint32_t n_extra, struct err *e)
{
    uint32_t n = 0;
    struct uuid *ids = distinct_groups(l, extra, n_extra, &n);
    if (n == 0)
        return 0;
    struct rules_ctx k = {.l = l, .bad = arena_new(l->a, struct rules, n)};
    const struct pg_param p[] = {param_array_uuid(l->a, ids, n)};
    if (pg_each(l->t, sql_rules, "utt", p, ARRAY_SIZE(p), rules_row, &k, e) < 0)
        return -1;
    link_sessions(l, &k);
    return pg_each(l->t, sql_members, "uti", p, ARRAY_SIZE(p), member_row, l, e);
}
