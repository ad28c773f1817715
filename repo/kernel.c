/* kernel.c - kernels: loaded with their sessions, moved by a commit or a cancel. */
#include "repo/kernel.h"

#include <string.h>

#include "repo/shared_text.h"
#include "repo/snapshot_loader.h"
#include "repo/sql.h"
#include "repo/status.h"

/* --- loading --- */

/* Whatever their status: a session whose kernels are not all PENDING must not be placed. */
#define SQL_KERNELS(more)                                                                          \
    "SELECT k.id, k.session_id, k.status, k.architecture, k.cluster_role, k.cluster_idx, "         \
    "k.resource_group_id = $1 "                                                                    \
    "FROM kernels k JOIN sessions s ON s.id = k.session_id "                                       \
    "WHERE s.resource_group_id = $1 AND s.status = 'PENDING'" more " LIMIT $2"
static const char *const sql_kernels[] = {SQL_KERNELS(""), SQL_KERNELS(" AND s.id = ANY($3)")};

static void report_kernel(struct load *l, uint32_t session, const struct pg_rows *r)
{
    char id[UUID_TEXT];
    struct uuid kernel = rows_uuid(r, 0, 0);
    uuid_format(&kernel, id);
    const char *status = rows_text(r, 0, 2);
    static const char *const columns[] = {"id",           "session_id",   "status",
                                          "architecture", "cluster_role", "cluster_idx"};
    for (int c = 2; c < (int)ARRAY_SIZE(columns); c++) {
        if (rows_is_null(r, 0, c)) {
            builder_bad_session(l->b, session, "kernels %s: %s is NULL.", id, columns[c]);
            return;
        }
    }
    if (strcmp(status, "PENDING") != 0)
        builder_bad_session(l->b, session, "kernels %s: status is %s while its session is PENDING.",
                            id, status);
    else if (!rows_bool(r, 0, 6))
        builder_bad_session(l->b, session,
                            "kernels %s: resource_group_id is not that of its session.", id);
}

static int kernel_row(void *ctx, const struct pg_rows *r, struct err *e)
{
    (void)e;
    struct load *l = ctx;
    struct uuid session_id = rows_uuid(r, 0, 1);
    uint32_t session = builder_find_session(l->b, &session_id);
    if (session == NONE)
        return 0;
    const char *arch = rows_text(r, 0, 3), *role = rows_text(r, 0, 4);
    const struct kernel k = {
        .id = rows_uuid(r, 0, 0),
        .is_main = role != NULL && strcmp(role, "main") == 0,
        .cluster_idx = (int32_t)rows_int(r, 0, 5),
    };
    int64_t *request;
    uint32_t i = builder_kernel(l->b, session, &k, arch != NULL ? arch : "", &request);
    if (i == l->n_kernels)
        l->n_kernels++;
    report_kernel(l, session, r);
    return 0;
}

int kernel_load(struct load *l, struct err *e)
{
    const struct pg_param p[] = {param_uuid(&l->group_id), load_limit(l),
                                 l->only != NULL ? l->only->sessions : param_uuid(NULL)};
    return pg_each(l->t, sql_kernels[LOAD_SOME(l)], "uutttib", p, 2 + LOAD_SOME(l), kernel_row, l,
                   e);
}

/* --- writing --- */

static const char sql_schedule[] =
    "UPDATE kernels k SET status = 'SCHEDULED', status_info = 'scheduled', status_data = '{}', "
    "status_changed = now(), "
    "status_history = " SQL_MERGED(
        "k.status_history",
        SQL_STAMP("SCHEDULED")) ", "
                                "agent = u.agent, agent_addr = u.addr "
                                "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) WITH "
                                "ORDINALITY "
                                "AS u(id, session_id, agent, addr, ord) "
                                "WHERE k.id = u.id AND k.session_id = u.session_id AND k.status = "
                                "'PENDING' RETURNING u.ord";

int kernel_schedule(struct txn *t, const struct kernel_place *v, uint32_t n, struct arena *a,
                    bool *written, struct err *e)
{
    struct uuid *ids = arena_new(a, struct uuid, n), *sessions = arena_new(a, struct uuid, n);
    const char **agents = arena_new(a, const char *, n), **addrs = arena_new(a, const char *, n);
    for (uint32_t i = 0; i < n; i++) {
        ids[i] = v[i].kernel_id;
        sessions[i] = v[i].session_id;
        agents[i] = v[i].agent_id;
        addrs[i] = v[i].agent_addr;
        written[i] = false;
    }
    const struct pg_param p[] = {
        param_array_uuid(a, ids, n),
        param_array_uuid(a, sessions, n),
        param_array_text(a, agents, n),
        param_array_text(a, addrs, n),
    };
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_schedule, "i", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    for (uint32_t i = 0; i < rows_count(r); i++)
        written[rows_int(r, i, 0) - 1] = true;
    return 0;
}

static const char sql_mirror[] =
    "UPDATE kernels k SET status_info = u.info, "
    "status_data = " SQL_MERGED(
        "k.status_data",
        SQL_FAILURE_DATA) " "
                          "FROM unnest($1::uuid[], $2::text[], $3::int4[], $4::int4[]) "
                          "AS u(session_id, info, retries, text) "
                          "JOIN unnest($5::jsonb[]) WITH ORDINALITY AS d(data, i) ON d.i = u.text "
                          "WHERE k.session_id = u.session_id AND k.status = 'PENDING'";

int kernel_mirror(struct txn *t, const struct session_failure *v, uint32_t n, struct arena *a,
                  struct err *e)
{
    struct uuid *sessions = arena_new(a, struct uuid, n);
    const char **infos = arena_new(a, const char *, n), **data = arena_new(a, const char *, n);
    int32_t *retries = arena_new(a, int32_t, n);
    for (uint32_t i = 0; i < n; i++) {
        sessions[i] = v[i].id;
        infos[i] = v[i].info;
        data[i] = v[i].kernel_data;
        retries[i] = v[i].retries;
    }
    const struct shared_texts texts = shared_texts_of(data, n, a);
    const struct pg_param p[] = {
        param_array_uuid(a, sessions, n),          param_array_text(a, infos, n),
        param_array_int4(a, retries, n),           param_array_int4(a, texts.ord, n),
        param_array_jsonb(a, texts.text, texts.n),
    };
    return pg_exec(t, sql_mirror, p, ARRAY_SIZE(p), NULL, e);
}

static const char sql_cancel[] =
    "UPDATE kernels SET status = 'CANCELLED', status_info = $2, status_changed = now(), "
    "terminated_at = now(), "
    "status_history = " SQL_MERGED(
        "status_history", SQL_STAMP("CANCELLED")) " "
                                                  "WHERE session_id = ANY($1::uuid[]) AND status "
                                                  "NOT IN (" SQL_KERNEL_TERMINAL ")";

int kernel_cancel(struct txn *t, const struct uuid *sessions, uint32_t n, const char *reason,
                  struct arena *a, struct err *e)
{
    const struct pg_param p[] = {param_array_uuid(a, sessions, n), param_text(reason)};
    return pg_exec(t, sql_cancel, p, ARRAY_SIZE(p), NULL, e);
}

static const char sql_terminate[] =
    "UPDATE kernels SET status = 'TERMINATING', status_info = $2, status_changed = now(), "
    "status_history = " SQL_MERGED(
        "status_history",
        SQL_STAMP("TERMINATING")) " "
                                  "WHERE session_id = ANY($1::uuid[]) AND status NOT IN "
                                  "('TERMINATING'," SQL_KERNEL_TERMINAL ")";

int kernel_terminate(struct txn *t, const struct uuid *sessions, uint32_t n, const char *reason,
                     struct arena *a, struct err *e)
{
    const struct pg_param p[] = {param_array_uuid(a, sessions, n), param_text(reason)};
    return pg_exec(t, sql_terminate, p, ARRAY_SIZE(p), NULL, e);
}

static const char sql_lock[] =
    "SELECT u.ord, k.status IN (" SQL_KERNEL_STARTED "), k.agent IS NOT NULL FROM kernels k "
    "JOIN unnest($1::uuid[]) WITH ORDINALITY AS u(id, ord) ON u.id = k.session_id "
    "ORDER BY k.id FOR UPDATE OF k";

int kernel_lock(struct txn *t, const struct uuid *sessions, uint32_t n, struct arena *a,
                struct kernels_locked *ret, struct err *e)
{
    const struct pg_param p[] = {param_array_uuid(a, sessions, n)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(t, sql_lock, "ibb", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    for (uint32_t i = 0; i < n; i++)
        ret[i] = (struct kernels_locked){.started = false};
    for (uint32_t i = 0; i < rows_count(r); i++) {
        struct kernels_locked *v = &ret[rows_int(r, i, 0) - 1];
        v->started |= rows_bool(r, i, 1);
        v->placed |= rows_bool(r, i, 2);
    }
    return 0;
}
