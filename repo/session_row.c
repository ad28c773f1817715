/* session_row.c - guarded writes to sessions. */
#include "repo/session_row.h"

#include "repo/json_text.h"
#include "repo/pg_query.h"
#include "repo/shared_text.h"
#include "repo/sql.h"

static int expect_rows(const char *what, int64_t changed, uint32_t n, struct err *e)
{
    if (changed == n)
        return 0;
    err_set(e, ERR_INTERNAL, "GUARD_FAILED", "A locked row was not as it was read.");
    return err_detail(e, "%s: %lld of %u sessions changed", what, (long long)changed, n);
}

static const char sql_lock[] =
    "SELECT u.ord, s.status FROM sessions s "
    "JOIN unnest($1::uuid[]) WITH ORDINALITY AS u(id, ord) ON u.id = s.id "
    "ORDER BY s.id FOR UPDATE OF s";

int session_lock(struct txn *t, const struct uuid *ids, uint32_t n, struct arena *a,
                 const char **statuses, struct err *e)
{
    const struct pg_param p[] = {param_array_uuid(a, ids, n)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_lock, "it", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    for (uint32_t i = 0; i < n; i++)
        statuses[i] = NULL;
    for (uint32_t i = 0; i < rows_count(r); i++)
        statuses[rows_int(r, i, 0) - 1] = arena_strdup(a, rows_text(r, i, 1));
    return 0;
}

char *text_array(const char *const *v, uint32_t n, struct arena *a)
{
    struct json_text j = {.arena = a};
    json_text_raw(&j, "{");
    for (uint32_t i = 0; i < n; i++) {
        json_text_raw(&j, i > 0 ? ",\"" : "\"");
        for (const char *s = v[i]; *s != '\0'; s++) {
            const char one[] = {*s, '\0'};
            if (*s == '"' || *s == '\\')
                json_text_raw(&j, "\\");
            json_text_raw(&j, one);
        }
        json_text_raw(&j, "\"");
    }
    json_text_raw(&j, "}");
    return j.text;
}

static const char sql_schedule[] =
    "UPDATE sessions s SET status = 'SCHEDULED', status_info = 'scheduled', "
    "agent_ids = u.agents::varchar[], "
    "status_data = " SQL_MERGED(
        "s.status_data",
        "'{\"scheduler\": {}}'::jsonb") ", "
                                        "status_history = " SQL_MERGED(
                                            "s.status_history",
                                            SQL_STAMP("SCHEDULED")) " "
                                                                    "FROM unnest($1::uuid[], "
                                                                    "$2::text[]) AS u(id, agents) "
                                                                    "WHERE s.id = u.id AND "
                                                                    "s.status = 'PENDING'";

int session_schedule(struct txn *t, const struct uuid *ids, const char *const *agents, uint32_t n,
                     struct arena *a, struct err *e)
{
    const struct pg_param p[] = {param_array_uuid(a, ids, n), param_array_text(a, agents, n)};
    int64_t changed;
    if (pg_exec(t, sql_schedule, p, ARRAY_SIZE(p), &changed, e) < 0)
        return -1;
    return expect_rows("PENDING to SCHEDULED", changed, n, e);
}

static const char sql_fail[] =
    "UPDATE sessions s SET status_info = u.info, "
    "status_data = " SQL_MERGED(
        "s.status_data",
        SQL_FAILURE_DATA) " "
                          "FROM unnest($1::uuid[], $2::text[], $3::int4[], $4::int4[]) AS u(id, "
                          "info, retries, text) "
                          "JOIN unnest($5::jsonb[]) WITH ORDINALITY AS d(data, i) ON d.i = u.text "
                          "WHERE s.id = u.id AND s.status = 'PENDING'";

int session_fail(struct txn *t, const struct session_failure *v, uint32_t n, struct arena *a,
                 struct err *e)
{
    struct uuid *ids = arena_new(a, struct uuid, n);
    const char **infos = arena_new(a, const char *, n), **data = arena_new(a, const char *, n);
    int32_t *retries = arena_new(a, int32_t, n);
    for (uint32_t i = 0; i < n; i++) {
        ids[i] = v[i].id;
        infos[i] = v[i].info;
        data[i] = v[i].data;
        retries[i] = v[i].retries;
    }
    const struct shared_texts texts = shared_texts_of(data, n, a);
    const struct pg_param p[] = {
        param_array_uuid(a, ids, n),
        param_array_text(a, infos, n),
        param_array_int4(a, retries, n),
        param_array_int4(a, texts.ord, n),
        param_array_jsonb(a, texts.text, texts.n),
    };
    int64_t changed;
    if (pg_exec(t, sql_fail, p, ARRAY_SIZE(p), &changed, e) < 0)
        return -1;
    return expect_rows("failure", changed, n, e);
}

static const char sql_cancel[] =
    "UPDATE sessions SET status = 'CANCELLED', status_info = $3, terminated_at = now(), "
    "status_history = " SQL_MERGED(
        "status_history", SQL_STAMP("CANCELLED")) " "
                                                  "WHERE id = ANY($1::uuid[]) AND status = $2";

int session_mark_cancelled(struct txn *t, const struct uuid *ids, uint32_t n, const char *from,
                           const char *reason, struct arena *a, struct err *e)
{
    const struct pg_param p[] = {param_array_uuid(a, ids, n), param_text(from), param_text(reason)};
    int64_t changed;
    if (pg_exec(t, sql_cancel, p, ARRAY_SIZE(p), &changed, e) < 0)
        return -1;
    return expect_rows("to CANCELLED", changed, n, e);
}

static const char sql_terminate[] =
    "UPDATE sessions SET status = 'TERMINATING', status_info = $3, "
    "status_history = " SQL_MERGED(
        "status_history", SQL_STAMP("TERMINATING")) " "
                                                    "WHERE id = ANY($1::uuid[]) AND status = $2";

int session_mark_terminating(struct txn *t, const struct uuid *ids, uint32_t n, const char *from,
                             const char *reason, struct arena *a, struct err *e)
{
    const struct pg_param p[] = {param_array_uuid(a, ids, n), param_text(from), param_text(reason)};
    int64_t changed;
    if (pg_exec(t, sql_terminate, p, ARRAY_SIZE(p), &changed, e) < 0)
        return -1;
    return expect_rows("to TERMINATING", changed, n, e);
}
