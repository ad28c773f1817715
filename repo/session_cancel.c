/* session_cancel.c - CancelSession, of one session or of many in one transaction.
 *
 * Lock order of a cancel: the sessions by id, their kernels by id, agent_resources, owners, the
 * rows of their groups by id. */
#include <stdlib.h>
#include <string.h>

#include "repo/allocation.h"
#include "repo/fault.h"
#include "repo/json_text.h"
#include "repo/kernel.h"
#include "repo/pg_query.h"
#include "repo/request.h"
#include "repo/session_cancel.h"
#include "repo/session_row.h"
#include "repo/status.h"

#define DEFAULT_REASON "user-requested"

/* --- locking --- */

enum cancel_column {
    COL_ORD,
    COL_STATUS,
    COL_CREATION,
    COL_GROUP,
    COL_GROUP_NAME,
    COL_ACCESS_KEY,
    COL_USER,
    COL_PROJECT,
    COL_DOMAIN
};

static const char sql_lock[] =
    "SELECT u.ord, s.status, s.creation_id, s.resource_group_id, "
    "(SELECT g.name FROM scaling_groups g WHERE g.id = s.resource_group_id), "
    "s.access_key, s.user_uuid, s.group_id, s.domain_name FROM sessions s "
    "JOIN unnest($1::uuid[]) WITH ORDINALITY AS u(id, ord) ON u.id = s.id "
    "ORDER BY s.id FOR UPDATE OF s";

static const char *uuid_text(const struct pg_rows *r, uint32_t row, int col, struct arena *a)
{
    char text[UUID_TEXT];
    struct uuid id = rows_uuid(r, row, col);
    return rows_is_null(r, row, col) ? NULL : arena_strdup(a, uuid_format(&id, text));
}

static const char *text_or_empty(const struct pg_rows *r, uint32_t row, int col, struct arena *a)
{
    const char *text = rows_text(r, row, col);
    return arena_strdup(a, text != NULL ? text : "");
}

static void read_item(struct cancel_item *v, const struct pg_rows *r, uint32_t row, struct arena *a)
{
    v->status = text_or_empty(r, row, COL_STATUS, a);
    v->creation_id = text_or_empty(r, row, COL_CREATION, a);
    v->group_id = rows_uuid(r, row, COL_GROUP);
    v->group_name = text_or_empty(r, row, COL_GROUP_NAME, a);
    v->owners[OWNER_KEYPAIR].key = arena_strdup(a, rows_text(r, row, COL_ACCESS_KEY));
    v->owners[OWNER_USER].key = uuid_text(r, row, COL_USER, a);
    v->owners[OWNER_PROJECT].key = uuid_text(r, row, COL_PROJECT, a);
    v->owners[OWNER_DOMAIN].key = arena_strdup(a, rows_text(r, row, COL_DOMAIN));
}

static int lock_sessions(struct cancel *c, struct err *e)
{
    struct uuid *ids = arena_new(c->a, struct uuid, c->n);
    for (uint32_t i = 0; i < c->n; i++)
        ids[i] = c->items[i].in->session_id;
    const struct pg_param p[] = {param_array_uuid(c->a, ids, c->n)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(c->t, sql_lock, "ittuttuut", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    for (uint32_t i = 0; i < rows_count(r); i++)
        read_item(&c->items[rows_int(r, i, COL_ORD) - 1], r, i, c->a);
    for (uint32_t i = 0; i < c->n; i++)
        c->items[i].ret->unknown = c->items[i].status == NULL;
    return 0;
}

/* What is to become of each: after this, items with a step are to be changed. */
static int choose_steps(struct cancel *c, struct err *e)
{
    struct uuid *ids = arena_new(c->a, struct uuid, c->n);
    uint32_t *of = arena_new(c->a, uint32_t, c->n), n = 0;
    struct kernels_locked *kernels = arena_new(c->a, struct kernels_locked, c->n);
    for (uint32_t i = 0; i < c->n; i++) {
        struct cancel_item *v = &c->items[i];
        if (v->status == NULL)
            continue;
        const enum cancel_effect effect = session_status_on_cancel(v->status);
        v->ret->previous_status = v->ret->status = v->status;
        v->ret->already_terminal = effect == CANCEL_OVER;
        v->ret->forbidden =
            v->in->permit != NULL && !v->in->permit(v->in->permit_ctx, v->group_name);
        if (effect == CANCEL_OVER || effect == CANCEL_UNDER_WAY || v->ret->forbidden)
            continue;
        of[n] = i;
        ids[n++] = v->in->session_id;
    }
    if (n > 0 && kernel_lock(c->t, ids, n, c->a, kernels, e) < 0)
        return -1;
    for (uint32_t k = 0; k < n; k++) {
        struct cancel_item *v = &c->items[of[k]];
        const enum cancel_effect effect = session_status_on_cancel(v->status);
        const bool at_once =
            effect == CANCEL_AT_ONCE || (effect == CANCEL_RELEASE && !kernels[k].started);
        v->placed = kernels[k].placed;
        v->step = at_once ? STEP_CANCELLED : STEP_TERMINATING;
        v->counts = !at_once || effect == CANCEL_RELEASE;
        v->ret->status = at_once ? "CANCELLED" : "TERMINATING";
    }
    return 0;
}

/* --- changing --- */

/* The ids of the items that are cancelled and have, or have not, an agent; and which they are. */
static uint32_t cancelled_ids(const struct cancel *c, bool placed, struct uuid *ids, uint32_t *of)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        if (c->items[i].step != STEP_CANCELLED || c->items[i].placed != placed)
            continue;
        of[n] = i;
        ids[n++] = c->items[i].in->session_id;
    }
    return n;
}

static int give_back(struct cancel *c, struct err *e)
{
    struct uuid *ids = arena_new(c->a, struct uuid, c->n);
    uint32_t *of = arena_new(c->a, uint32_t, c->n), n_freed = 0;
    const uint32_t n = cancelled_ids(c, true, ids, of);
    struct allocation_release *freed = NULL;
    if (n == 0)
        return 0;
    if (allocation_free(c->t, ids, n, c->a, &freed, &n_freed, e) < 0)
        return -1;
    struct event_slot *slots = arena_new(c->a, struct event_slot, n_freed);
    for (uint32_t i = 0; i < n_freed; i++) { /* those of a session stand together */
        struct cancel_item *v = &c->items[of[freed[i].session]];
        slots[i] = (struct event_slot){.slot = freed[i].slot, .amount = freed[i].amount};
        if (v->ret->n_released++ == 0)
            v->ret->released = &slots[i];
        v->counts = true;
    }
    return 0;
}

/* Of those without an agent, which have nothing to give back. */
static int end_requests(struct cancel *c, struct err *e)
{
    struct uuid *ids = arena_new(c->a, struct uuid, c->n);
    uint32_t *of = arena_new(c->a, uint32_t, c->n);
    const uint32_t n = cancelled_ids(c, false, ids, of);
    return n > 0 ? allocation_end(c->t, ids, n, c->a, e) : 0;
}

static int compare_owners(const void *a, const void *b)
{
    const struct owner_key *x = a, *y = b;
    return x->kind != y->kind ? (x->kind > y->kind) - (x->kind < y->kind) : strcmp(x->key, y->key);
}

/* Versions of all their owners, and which keys' counts are to be taken. */
static int bump_owners(struct cancel *c, struct err *e)
{
    struct owner_key *keys = arena_new(c->a, struct owner_key, (size_t)c->n * N_OWNER_KINDS);
    uint32_t n = 0, n_keys = 0;
    for (uint32_t i = 0; i < c->n; i++)
        for (int k = 0; c->items[i].counts && k < N_OWNER_KINDS; k++)
            if (c->items[i].owners[k].key != NULL)
                keys[n++] = (struct owner_key){.kind = (enum owner_kind)k,
                                               .key = c->items[i].owners[k].key};
    if (n > 0)
        qsort(keys, n, sizeof(*keys), compare_owners);
    for (uint32_t i = 0; i < n; i++)
        if (n_keys == 0 || compare_owners(&keys[n_keys - 1], &keys[i]) != 0)
            keys[n_keys++] = keys[i];
    int64_t *versions = arena_new(c->a, int64_t, n_keys);
    if (owner_bump(c->t, keys, n_keys, c->a, versions, e) < 0)
        return -1;
    c->owners = arena_new(c->a, struct owner_count, n_keys);
    c->n_owners = 0;
    for (uint32_t i = 0; i < n_keys; i++)
        if (keys[i].kind == OWNER_KEYPAIR)
            c->owners[c->n_owners++] =
                (struct owner_count){.access_key = keys[i].key, .version = versions[i]};
    return 0;
}

static bool are_alike(const struct cancel_item *a, const struct cancel_item *b)
{
    return a->step == b->step && strcmp(a->status, b->status) == 0 &&
           strcmp(a->reason, b->reason) == 0;
}

static int mark(struct cancel *c, const struct cancel_item *like, const struct uuid *ids,
                uint32_t n, struct err *e)
{
    if (like->step == STEP_CANCELLED)
        return kernel_cancel(c->t, ids, n, like->reason, c->a, e) < 0
                   ? -1
                   : session_mark_cancelled(c->t, ids, n, like->status, like->reason, c->a, e);
    return kernel_terminate(c->t, ids, n, like->reason, c->a, e) < 0
               ? -1
               : session_mark_terminating(c->t, ids, n, like->status, like->reason, c->a, e);
}

/* One statement for all that go from the same status to the same, for the same reason. */
static int mark_all(struct cancel *c, struct err *e)
{
    bool *done = arena_new(c->a, bool, c->n);
    struct uuid *ids = arena_new(c->a, struct uuid, c->n);
    for (uint32_t i = 0; i < c->n; i++) {
        uint32_t n = 0;
        if (done[i] || c->items[i].step == STEP_NONE)
            continue;
        for (uint32_t k = i; k < c->n; k++) {
            if (done[k] || c->items[k].step == STEP_NONE || !are_alike(&c->items[i], &c->items[k]))
                continue;
            done[k] = true;
            ids[n++] = c->items[k].in->session_id;
        }
        if (mark(c, &c->items[i], ids, n, e) < 0)
            return -1;
    }
    return 0;
}

/* --- the transaction --- */

static int apply(struct cancel *c, struct err *e)
{
    bool any = false;
    if (choose_steps(c, e) < 0)
        return -1;
    for (uint32_t i = 0; i < c->n; i++)
        any = any || c->items[i].step != STEP_NONE;
    if (!any)
        return 0;
    if (give_back(c, e) < 0 || end_requests(c, e) < 0 || bump_owners(c, e) < 0 ||
        mark_all(c, e) < 0 || cancel_record_history(c, e) < 0 ||
        owner_count_live(c->t, c->owners, c->n_owners, c->a, e) < 0 ||
        cancel_record_events(c, e) < 0)
        return -1;
    c->items[0].ret->owners = c->owners;
    c->items[0].ret->n_owners = c->n_owners;
    return 0;
}

static int store_answers(struct cancel *c, struct err *e)
{
    for (uint32_t i = 0; i < c->n; i++) {
        const struct cancel_input *in = c->items[i].in;
        const struct cancel_result *ret = c->items[i].ret;
        uint8_t *answer = NULL;
        size_t len = 0;
        if (in->request.id == NULL || in->answer == NULL || ret->unknown || ret->forbidden)
            continue;
        if (in->answer(in->answer_ctx, ret, c->a, &answer, &len, e) < 0 ||
            request_store(c->t, &in->request, answer, len, e) < 0)
            return -1;
    }
    return 0;
}

/* The body can run again: what the run before found is forgotten. */
static void begin_anew(struct cancel *c, struct txn *t)
{
    c->t = t;
    c->n_owners = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        struct cancel_item *v = &c->items[i];
        *v = (struct cancel_item){.in = v->in, .ret = v->ret, .reason = v->reason};
        *v->ret = (struct cancel_result){.status = "", .previous_status = ""};
    }
}

static int cancel_body(struct txn *t, void *ctx, struct err *e)
{
    struct cancel *c = ctx;
    begin_anew(c, t);
    for (uint32_t i = 0; i < c->n; i++)
        if (request_check(t, &c->items[i].in->request, e) < 0)
            return -1;
    if (lock_sessions(c, e) < 0)
        return -1;
    if (c->n == 1 && c->items[0].ret->unknown)
        return session_unknown(e, &c->items[0].in->session_id);
    FAULT_POINT(cancel_locked);
    if (apply(c, e) < 0)
        return -1;
    FAULT_POINT(cancel_applied);
    if (store_answers(c, e) < 0)
        return -1;
    FAULT_POINT(cancel_answered);
    return 0;
}

int session_cancel_many(struct pg *pg, const struct cancel_input *const *in, uint32_t n,
                        struct arena *a, struct cancel_result *ret, struct err *e)
{
    struct cancel_result *results = arena_new(a, struct cancel_result, n);
    struct cancel c = {.items = arena_new(a, struct cancel_item, n), .n = n, .a = a};
    for (uint32_t i = 0; i < n; i++) {
        const char *reason = in[i]->reason;
        const bool has_reason = reason != NULL && reason[0] != '\0';
        c.items[i].in = in[i];
        c.items[i].ret = &results[i];
        c.items[i].reason = has_reason ? text_utf8(a, reason) : DEFAULT_REASON;
    }
    if (txn_run(pg, TXN_WRITE, cancel_body, &c, e) < 0)
        return -1;
    memcpy(ret, results, n * sizeof(*ret));
    return 0;
}

int session_cancel(struct pg *pg, const struct cancel_input *in, struct arena *a,
                   struct cancel_result *ret, struct err *e)
{
    return session_cancel_many(pg, &in, 1, a, ret, e);
}
