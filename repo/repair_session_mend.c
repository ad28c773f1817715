/* repair_session_mend.c - completes half scheduled sessions, or takes their reservations back. */
#include <string.h>

#include "repo/allocation.h"
#include "repo/history.h"
#include "repo/owner_usage.h"
#include "repo/pg_query.h"
#include "repo/repair_session.h"
#include "repo/session_row.h"
#include "repo/sql.h"

#define REASON "repaired"

/* --- mending --- */

static uint32_t select_ids(const struct halves *h, enum half_verdict verdict, struct uuid *ids)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < h->n; i++)
        if (h->v[i].verdict == verdict)
            ids[n++] = h->v[i].id;
    return n;
}

/* Each owner once; the access keys come first. */
static int bump(struct halves *h, struct err *e)
{
    struct repair_pass *p = h->p;
    const size_t most = (size_t)h->n * N_OWNER_KINDS + 1;
    struct owner_key *keys = arena_new(p->run, struct owner_key, most);
    int64_t *versions = arena_new(p->run, int64_t, most);
    uint32_t n = 0;
    for (int kind = 0; kind < N_OWNER_KINDS; kind++) {
        for (uint32_t i = 0; i < h->n; i++) {
            const char *key = half_is_mended(h->v[i].verdict) ? h->v[i].owners[kind] : NULL;
            bool known = key == NULL;
            for (uint32_t k = 0; k < n && !known; k++)
                known = (int)keys[k].kind == kind && strcmp(keys[k].key, key) == 0;
            if (!known)
                keys[n++] = (struct owner_key){.kind = (enum owner_kind)kind, .key = key};
        }
    }
    if (owner_bump(p->t, keys, n, p->run, versions, e) < 0)
        return -1;
    p->owners = arena_new(p->result, struct owner_count, (size_t)n + 1);
    for (uint32_t i = 0; i < n && keys[i].kind == OWNER_KEYPAIR; i++)
        p->owners[p->n_owners++] =
            (struct owner_count){.access_key = keys[i].key, .version = versions[i]};
    return 0;
}

/* clang-format off */
static const char sql_reset_kernels[] =
    "UPDATE kernels SET status = 'PENDING', status_info = '" REASON "', agent = NULL, "
    "agent_addr = NULL, container_id = NULL, status_changed = now(), "
    "status_data = " SQL_MERGED("status_data", "'{\"scheduler\": {\"retries\": 0}}'::jsonb") ", "
    "status_history = " SQL_MERGED("status_history", SQL_STAMP("PENDING")) " "
    "WHERE session_id = ANY($1::uuid[]) AND status IN ('PENDING', 'RESERVED', 'SCHEDULED')";
/* clang-format on */

/* Rows that were freed become live again: their kernels ask for the same as before. */
static const char sql_reset_ledger[] =
    "UPDATE resource_allocations r SET prereserved = 0, reserved = 0, used = NULL, "
    "prereserved_at = NULL, reserved_at = NULL, used_at = NULL, free_at = NULL "
    "FROM kernels k WHERE k.id = r.kernel_id AND k.session_id = ANY($1::uuid[])";

static const char sql_reset_sessions[] =
    "UPDATE sessions SET agent_ids = NULL WHERE id = ANY($1::uuid[]) AND status = 'PENDING'";

static int reset(struct repair_pass *p, const struct uuid *ids, uint32_t n, struct err *e)
{
    static const char *const sqls[] = {sql_reset_kernels, sql_reset_ledger, sql_reset_sessions};
    const struct pg_param param[] = {param_array_uuid(p->run, ids, n)};
    for (size_t i = 0; i < ARRAY_SIZE(sqls) && n > 0; i++)
        if (pg_exec(p->t, sqls[i], param, ARRAY_SIZE(param), NULL, e) < 0)
            return -1;
    return 0;
}

/* Each agent of the session once, in the order of their ids. */
static const char *agents_of(const struct half_session *s, struct arena *a)
{
    const char **ids = arena_new(a, const char *, s->n_kernels);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_kernels; i++) { /* insertion: few kernels a session */
        const char *agent = s->kernels[i].agent;
        uint32_t at = n;
        while (at > 0 && strcmp(ids[at - 1], agent) > 0)
            at--;
        if (at > 0 && strcmp(ids[at - 1], agent) == 0)
            continue;
        memmove(&ids[at + 1], &ids[at], (n - at) * sizeof(*ids));
        ids[at] = agent;
        n++;
    }
    return text_array(ids, n, a);
}

static int complete(struct halves *h, const struct uuid *ids, uint32_t n, struct err *e)
{
    struct arena *a = h->p->run;
    const char **agents = arena_new(a, const char *, n);
    uint32_t at = 0;
    for (uint32_t i = 0; i < h->n; i++)
        if (h->v[i].verdict == HALF_COMPLETE)
            agents[at++] = agents_of(&h->v[i], a);
    return n > 0 ? session_schedule(h->p->t, ids, agents, n, a, e) : 0;
}

/* --- recording --- */

static int record_history(struct halves *h, struct err *e)
{
    struct history_row *rows = arena_new(h->p->run, struct history_row, h->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < h->n; i++) {
        const bool completed = h->v[i].verdict == HALF_COMPLETE;
        if (!half_is_mended(h->v[i].verdict))
            continue;
        rows[n++] = (struct history_row){
            .session_id = h->v[i].id,
            .phase = "repair",
            .from_status = "PENDING",
            .to_status = completed ? "SCHEDULED" : "PENDING",
            .result = "SUCCESS",
            .message = completed ? "It was half scheduled: completed."
                                 : "It was half scheduled: its kernels wait again.",
            .sub_steps = "[]",
        };
    }
    return history_record(h->p->t, rows, n, h->p->run, e);
}

static const char sql_slots[] =
    "SELECT u.ord, r.slot_name, trim_scale(r.reserved)::text "
    "FROM unnest($1::uuid[]) WITH ORDINALITY AS u(id, ord) "
    "JOIN resource_allocations r ON r.kernel_id = u.id "
    "WHERE r.free_at IS NULL AND r.reserved > 0 ORDER BY u.ord, r.slot_name COLLATE \"C\"";

/* What the ledger reserves for n kernels, given by id; v[i].slots is filled. */
static int read_slots(struct repair_pass *p, const struct uuid *kernels, uint32_t n,
                      struct event_allocation *v, struct err *e)
{
    const struct pg_param param[] = {param_array_uuid(p->run, kernels, n)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(p->t, sql_slots, "itt", param, ARRAY_SIZE(param), &r, e) < 0)
        return -1;
    struct event_slot *slots = arena_new(p->result, struct event_slot, rows_count(r));
    for (uint32_t i = 0; i < rows_count(r); i++) {
        struct event_allocation *to = &v[rows_int(r, i, 0) - 1];
        slots[i] = (struct event_slot){.slot = arena_strdup(p->result, rows_text(r, i, 1)),
                                       .amount = arena_strdup(p->result, rows_text(r, i, 2))};
        if (to->n_slots++ == 0)
            to->slots = &slots[i];
    }
    return 0;
}

/* Only of those that become SCHEDULED: the others are PENDING before and after. */
static int make_events(struct halves *h, uint32_t n_complete, struct err *e)
{
    struct repair_pass *p = h->p;
    uint32_t n_kernels = 0, at = 0;
    for (uint32_t i = 0; i < h->n; i++)
        n_kernels += h->v[i].verdict == HALF_COMPLETE ? h->v[i].n_kernels : 0;
    struct uuid *ids = arena_new(p->run, struct uuid, n_kernels);
    struct event_allocation *v = arena_new(p->result, struct event_allocation, n_kernels);
    p->events = arena_new(p->result, struct event, (size_t)n_complete + 1);
    for (uint32_t i = 0; i < h->n; i++) {
        const struct half_session *s = &h->v[i];
        if (s->verdict != HALF_COMPLETE)
            continue;
        p->events[p->n_events++] = (struct event){
            .scaling_group = p->in->scaling_group,
            .type = EVENT_SESSION_SCHEDULED,
            .has_session = true,
            .session_id = s->id,
            .creation_id = s->creation_id != NULL ? s->creation_id : "",
            .from_status = "PENDING",
            .to_status = "SCHEDULED",
            .reason = REASON,
            .allocations = &v[at],
            .n_allocations = s->n_kernels,
        };
        for (uint32_t k = 0; k < s->n_kernels; k++, at++) {
            const struct half_kernel *kernel = &s->kernels[k];
            ids[at] = kernel->id;
            v[at] = (struct event_allocation){
                .kernel_id = kernel->id,
                .agent_id = kernel->agent,
                .agent_addr = kernel->addr != NULL ? kernel->addr : "",
            };
        }
    }
    return read_slots(p, ids, n_kernels, v, e);
}

int half_mend(struct halves *h, struct err *e)
{
    struct repair_pass *p = h->p;
    struct uuid *completed = arena_new(p->run, struct uuid, h->n);
    struct uuid *undone = arena_new(p->run, struct uuid, h->n);
    const uint32_t n_completed = select_ids(h, HALF_COMPLETE, completed);
    const uint32_t n_undone = select_ids(h, HALF_UNDO, undone);
    if (n_undone > 0 && allocation_free(p->t, undone, n_undone, p->run, NULL, NULL, e) < 0)
        return -1;
    if (bump(h, e) < 0 || reset(p, undone, n_undone, e) < 0 ||
        complete(h, completed, n_completed, e) < 0 || record_history(h, e) < 0)
        return -1;
    return make_events(h, n_completed, e);
}
