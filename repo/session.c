/* session.c - single sessions as the server asks for them. */
#include "repo/session.h"

#include "repo/event_append.h"
#include "repo/pg_query.h"
#include "repo/session_row.h"

int session_unknown(struct err *e, const struct uuid *id)
{
    char text[UUID_TEXT];
    err_set(e, ERR_NOT_FOUND, "UNKNOWN_SESSION", "There is no session %s.", uuid_format(id, text));
    return err_meta(e, "session_id", "%s", text);
}

static const char sql_find[] =
    "SELECT g.name, s.status FROM sessions s JOIN scaling_groups g ON g.id = s.resource_group_id "
    "WHERE s.id = $1";

int session_find(struct txn *t, const struct uuid *id, struct arena *a, struct session_place *ret,
                 struct err *e)
{
    const struct pg_param p[] = {param_uuid(id)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_find, "tt", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    if (rows_count(r) != 1)
        return session_unknown(e, id);
    const char *status = rows_text(r, 0, 1);
    *ret = (struct session_place){
        .scaling_group = arena_strdup(a, rows_text(r, 0, 0)),
        .status = arena_strdup(a, status != NULL ? status : ""),
    };
    return 0;
}

static const char sql_last_causes[] =
    "SELECT u.ord, s.status_data->'scheduler'->'causes' "
    "FROM unnest($1::uuid[]) WITH ORDINALITY AS u(id, ord) JOIN sessions s ON s.id = u.id "
    "WHERE jsonb_typeof(s.status_data->'scheduler'->'causes') = 'array'";

int session_last_causes(struct txn *t, const struct uuid *ids, uint32_t n, struct arena *a,
                        struct event_cause **ret_causes, uint32_t *ret_n_causes, struct err *e)
{
    const struct pg_param p[] = {param_array_uuid(a, ids, n)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_last_causes, "it", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    for (uint32_t i = 0; i < n; i++) {
        ret_causes[i] = NULL;
        ret_n_causes[i] = 0;
    }
    for (uint32_t i = 0; i < rows_count(r); i++) {
        uint32_t at = (uint32_t)rows_int(r, i, 0) - 1;
        if (event_causes_parse(rows_text(r, i, 1), a, &ret_causes[at], &ret_n_causes[at], e) < 0)
            return -1;
    }
    return 0;
}
