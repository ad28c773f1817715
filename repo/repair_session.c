/* repair_session.c - looks for PENDING sessions whose kernels or ledger rows say otherwise.
 *
 * Lock order: the sessions, their kernels; then, in repair_session_mend.c, agent_resources, owners.
 */
#include "repo/repair_session.h"

#include <string.h>

#include "repo/pg_query.h"
#include "repo/session_row.h"
#include "repo/status.h"

#define SQL_TOO_SOON "interval '10 seconds'"

/* --- finding and locking --- */

#define SQL_STAMPED                                                                                \
    "(r.reserved_at IS NOT NULL OR r.prereserved_at IS NOT NULL OR r.used_at IS NOT NULL "         \
    "OR r.reserved <> 0 OR r.prereserved <> 0 OR coalesce(r.used, 0) <> 0)"

static const char sql_find[] =
    "SELECT s.id, s.name, s.creation_id, s.access_key, s.user_uuid::text, s.group_id::text, "
    "s.domain_name FROM sessions s "
    "WHERE s.resource_group_id = $1 AND s.status = 'PENDING' AND s.id > $2 AND EXISTS ("
    "SELECT 1 FROM kernels k WHERE k.session_id = s.id AND (k.status IS DISTINCT FROM 'PENDING' "
    "OR EXISTS (SELECT 1 FROM resource_allocations r WHERE r.kernel_id = k.id "
    "AND r.free_at IS NULL AND " SQL_STAMPED "))) ORDER BY s.id LIMIT $3";

static int find(struct halves *h, struct err *e)
{
    struct repair_pass *p = h->p;
    const struct pg_param param[] = {param_uuid(&p->group_id), param_uuid(&p->after.id),
                                     param_int8(REPAIR_BATCH)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(p->t, sql_find, "utttttt", param, ARRAY_SIZE(param), &r, e) < 0)
        return -1;
    h->n = rows_count(r);
    h->v = arena_new(p->run, struct half_session, h->n);
    for (uint32_t i = 0; i < h->n; i++) {
        struct half_session *s = &h->v[i];
        s->id = rows_uuid(r, i, 0);
        s->name = arena_strdup(p->run, rows_text(r, i, 1));
        s->creation_id = arena_strdup(p->result, rows_text(r, i, 2));
        for (int k = 0; k < N_OWNER_KINDS; k++)
            s->owners[k] = arena_strdup(p->result, rows_text(r, i, 3 + k));
        p->end.id = s->id;
    }
    p->more = h->n == REPAIR_BATCH;
    return 0;
}

static struct uuid *ids_of(const struct halves *h, struct arena *a)
{
    struct uuid *ids = arena_new(a, struct uuid, h->n);
    for (uint32_t i = 0; i < h->n; i++)
        ids[i] = h->v[i].id;
    return ids;
}

static const char sql_lock_kernels[] =
    "SELECT 1 FROM kernels WHERE session_id = ANY($1::uuid[]) ORDER BY id FOR UPDATE";

/* Leaves out the sessions that are not PENDING any more. */
static int lock(struct halves *h, struct err *e)
{
    struct arena *a = h->p->run;
    const char **statuses = arena_new(a, const char *, h->n);
    struct uuid *ids = ids_of(h, a);
    if (session_lock(h->p->t, ids, h->n, a, statuses, e) < 0)
        return -1;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < h->n; i++)
        if (statuses[i] != NULL && strcmp(statuses[i], "PENDING") == 0)
            h->v[kept++] = h->v[i];
    h->n = kept;
    const struct pg_param param[] = {param_array_uuid(a, ids_of(h, a), h->n)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    return pg_query(h->p->t, sql_lock_kernels, "i", param, ARRAY_SIZE(param), &r, e);
}

/* --- examining --- */

/* stands: each ledger row is live and reserves what was requested; a kernel without any asks for
 * nothing. */
static const char sql_kernels[] =
    "SELECT u.ord, k.id, coalesce(k.status, 'NULL'), k.agent, k.agent_addr, "
    "k.status IN (" SQL_KERNEL_TERMINAL "), "
    "k.status NOT IN ('PENDING', 'RESERVED', 'SCHEDULED'," SQL_KERNEL_TERMINAL "), "
    "k.status_changed > now() - " SQL_TOO_SOON ", "
    "coalesce(l.stands, NOT EXISTS (SELECT 1 FROM jsonb_each_text(CASE "
    "WHEN jsonb_typeof(k.requested_slots) = 'object' THEN k.requested_slots ELSE '{}' END) q "
    "WHERE q.value ~* '[1-9]|inf|nan')), "
    "l.stamped FROM unnest($1::uuid[]) WITH ORDINALITY AS u(id, ord) "
    "JOIN kernels k ON k.session_id = u.id LEFT JOIN LATERAL (SELECT "
    "bool_and(r.free_at IS NULL AND r.used_at IS NULL AND r.reserved_at IS NOT NULL "
    "AND r.reserved = r.requested AND r.prereserved = 0) AS stands, "
    "bool_or(r.free_at IS NULL AND " SQL_STAMPED ") AS stamped "
    "FROM resource_allocations r WHERE r.kernel_id = k.id) l ON true ORDER BY u.ord, k.id";

enum {
    COL_ORD,
    COL_ID,
    COL_STATUS,
    COL_AGENT,
    COL_ADDR,
    COL_OVER,
    COL_STARTED,
    COL_YOUNG,
    COL_STANDS,
    COL_STAMPED
};

static int load_kernels(struct halves *h, struct err *e)
{
    struct arena *a = h->p->run;
    const struct pg_param param[] = {param_array_uuid(a, ids_of(h, a), h->n)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(h->p->t, sql_kernels, "iutttbbbbb", param, ARRAY_SIZE(param), &r, e) < 0)
        return -1;
    for (uint32_t i = 0; i < rows_count(r); i++) {
        struct half_session *s = &h->v[rows_int(r, i, COL_ORD) - 1];
        s->kernels = arena_grow(a, s->kernels, &s->cap_kernels, (size_t)s->n_kernels + 1,
                                sizeof(*s->kernels));
        s->kernels[s->n_kernels++] = (struct half_kernel){
            .id = rows_uuid(r, i, COL_ID),
            .status = arena_strdup(a, rows_text(r, i, COL_STATUS)),
            .agent = arena_strdup(h->p->result, rows_text(r, i, COL_AGENT)),
            .addr = arena_strdup(h->p->result, rows_text(r, i, COL_ADDR)),
            .is_over = rows_bool(r, i, COL_OVER),
            .has_started = rows_bool(r, i, COL_STARTED),
            .is_young = rows_bool(r, i, COL_YOUNG),
            .stands = rows_bool(r, i, COL_STANDS),
            .stamped = rows_bool(r, i, COL_STAMPED),
        };
    }
    return 0;
}

static enum half_verdict judge(const struct half_session *s)
{
    bool healthy = true, complete = true, started = false, over = false, young = false;
    for (uint32_t i = 0; i < s->n_kernels; i++) {
        const struct half_kernel *k = &s->kernels[i];
        healthy = healthy && strcmp(k->status, "PENDING") == 0 && !k->stamped;
        complete = complete && strcmp(k->status, "SCHEDULED") == 0 && k->agent != NULL && k->stands;
        started = started || k->has_started;
        over = over || k->is_over;
        young = young || k->is_young;
    }
    if (healthy)
        return HALF_HEALTHY;
    if (started)
        return HALF_STARTED;
    if (over)
        return HALF_OVER;
    if (young)
        return HALF_YOUNG;
    return complete ? HALF_COMPLETE : HALF_UNDO;
}

/* "2 SCHEDULED, 1 PENDING", in the order in which they come. */
static const char *count_statuses(const struct half_session *s, struct arena *a)
{
    const char *text = "";
    for (uint32_t i = 0; i < s->n_kernels; i++) {
        uint32_t before = 0, n = 0;
        for (uint32_t k = 0; k < s->n_kernels; k++) {
            const bool same = strcmp(s->kernels[k].status, s->kernels[i].status) == 0;
            n += same;
            before += same && k < i;
        }
        if (before == 0)
            text = arena_printf(a, "%s%s%u %s", text, text[0] != '\0' ? ", " : "", n,
                                s->kernels[i].status);
    }
    return text;
}

static const char *const deeds[] = {
    [HALF_STARTED] = "look at its kernels: a container may be there",
    [HALF_OVER] = "look at it: kernels that are over do not start again; cancel the session",
    [HALF_YOUNG] = "look again in 10 s: its writer may still be at work",
    [HALF_COMPLETE] = "make it SCHEDULED",
    [HALF_UNDO] = "put its kernels back to PENDING and give back what they reserved",
};

static void report(struct repair_pass *p, const struct half_session *s)
{
    char id[UUID_TEXT];
    uint32_t stamped = 0;
    for (uint32_t i = 0; i < s->n_kernels; i++)
        stamped += s->kernels[i].stamped;
    const char *fact = arena_printf(
        p->result,
        "session %s (%s) is PENDING, its kernels are %s; the ledger holds resources for %u of them",
        uuid_format(&s->id, id), s->name != NULL ? s->name : "-", count_statuses(s, p->run),
        stamped);
    if (half_is_mended(s->verdict))
        repair_mends(p, REPAIR_HALF_SCHEDULED, fact, deeds[s->verdict]);
    else
        repair_leaves(p, REPAIR_HALF_SCHEDULED, fact, deeds[s->verdict]);
    p->n_young += s->verdict == HALF_YOUNG;
}

int repair_sessions(struct repair_pass *p, struct err *e)
{
    struct halves h = {.p = p};
    if (find(&h, e) < 0)
        return -1;
    if (h.n == 0)
        return 0;
    if ((!p->in->dry_run && lock(&h, e) < 0) || load_kernels(&h, e) < 0)
        return -1;
    for (uint32_t i = 0; i < h.n; i++) {
        h.v[i].verdict = judge(&h.v[i]);
        if (h.v[i].verdict != HALF_HEALTHY)
            report(p, &h.v[i]);
    }
    return p->n_mended > 0 ? half_mend(&h, e) : 0;
}
