/* history.c - what was tried with a session, attempt by attempt. */
#include "repo/history.h"

#include "repo/json_text.h"
#include "repo/pg_query.h"
#include "repo/shared_text.h"
#include "repo/sql.h"

/* The steps are joined where they are needed: a row of u stays small. What a merge keeps unchanged
 * is not written again. */
static const char sql_record[] =
    "WITH u AS (SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], "
    "$6::text[], $7::text[], $8::int4[], $10::int4[]) WITH ORDINALITY AS "
    "u(session_id, phase, from_status, to_status, result, error_code, message, steps, carried, "
    "ord)), "
    "d AS (SELECT * FROM unnest($9::jsonb[]) WITH ORDINALITY AS d(sub_steps, i)), "
    "merged AS (UPDATE session_scheduling_history h SET "
    "attempts = h.attempts + last.same::int4 + CASE WHEN last.failed THEN u.carried ELSE 0 END, "
    "updated_at = CASE WHEN last.same THEN now() ELSE h.updated_at END, "
    "message = CASE WHEN last.same THEN u.message ELSE h.message END, "
    "sub_steps = CASE WHEN NOT last.same OR h.message = u.message THEN h.sub_steps "
    "ELSE d.sub_steps END "
    "FROM u JOIN d ON d.i = u.steps CROSS JOIN LATERAL ("
    "SELECT l.id, l.result = 'NEED_RETRY' AS failed, l.phase = u.phase "
    "AND l.error_code IS NOT DISTINCT FROM u.error_code "
    "AND l.to_status IS NOT DISTINCT FROM u.to_status AS same "
    "FROM session_scheduling_history l WHERE l.session_id = u.session_id "
    "ORDER BY l.created_at DESC, l.id DESC LIMIT 1) last "
    "WHERE h.id = last.id AND (last.same OR last.failed AND u.carried > 0) "
    "RETURNING u.ord, last.same) "
    "INSERT INTO session_scheduling_history (id, session_id, phase, from_status, to_status, "
    "result, "
    "error_code, message, sub_steps, attempts, created_at, updated_at) "
    "SELECT " SQL_NEW_ID ", session_id, phase, from_status, to_status, result, error_code, "
    "message, d.sub_steps, 1, now(), now() FROM u JOIN d ON d.i = u.steps "
    "WHERE ord NOT IN (SELECT ord FROM merged WHERE same)";

int history_record(struct txn *t, const struct history_row *v, uint32_t n, struct arena *a,
                   struct err *e)
{
    enum { PHASE, FROM, TO, RESULT, CODE, MESSAGE, STEPS, N_TEXTS };
    struct uuid *sessions = arena_new(a, struct uuid, n);
    const char **texts[N_TEXTS];
    int32_t *carried = arena_new(a, int32_t, n);
    for (int c = 0; c < N_TEXTS; c++)
        texts[c] = arena_new(a, const char *, n);
    for (uint32_t i = 0; i < n; i++) {
        sessions[i] = v[i].session_id;
        carried[i] = v[i].carried;
        texts[PHASE][i] = v[i].phase;
        texts[FROM][i] = v[i].from_status;
        texts[TO][i] = v[i].to_status;
        texts[RESULT][i] = v[i].result;
        texts[CODE][i] = v[i].error_code;
        texts[MESSAGE][i] = text_utf8(a, v[i].message);
        texts[STEPS][i] = v[i].sub_steps;
    }
    const struct shared_texts steps = shared_texts_of(texts[STEPS], n, a);
    const struct pg_param p[] = {
        param_array_uuid(a, sessions, n),          param_array_text(a, texts[PHASE], n),
        param_array_text(a, texts[FROM], n),       param_array_text(a, texts[TO], n),
        param_array_text(a, texts[RESULT], n),     param_array_text(a, texts[CODE], n),
        param_array_text(a, texts[MESSAGE], n),    param_array_int4(a, steps.ord, n),
        param_array_jsonb(a, steps.text, steps.n), param_array_int4(a, carried, n),
    };
    return n > 0 ? pg_exec(t, sql_record, p, ARRAY_SIZE(p), NULL, e) : 0;
}
