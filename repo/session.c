/* session.c - CancelSession, and single sessions as the server asks for them.
 *
 * Lock order of a cancel: the session, its kernels, agent_resources, owners, the group's row. */
#include "repo/session.h"

#include <string.h>

#include "repo/allocation.h"
#include "repo/event_append.h"
#include "repo/fault.h"
#include "repo/group_state.h"
#include "repo/history.h"
#include "repo/json_text.h"
#include "repo/kernel.h"
#include "repo/owner_usage.h"
#include "repo/pg_query.h"
#include "repo/request.h"
#include "repo/session_row.h"
#include "repo/status.h"

#define DEFAULT_REASON "user-requested"

static int session_unknown(struct err *e, const struct uuid *id)
{
    char text[UUID_TEXT];
    err_set(e, ERR_NOT_FOUND, "UNKNOWN_SESSION", "There is no session %s.", uuid_format(id, text));
    return err_meta(e, "session_id", "%s", text);
}

/* --- cancel --- */

struct cancel {
    const struct cancel_input *in;
    struct arena *a;
    struct cancel_result *ret;
    struct txn *t;
    const char *reason;
    /* The session as it is locked: */
    const char *status, *creation_id, *group_name;
    struct uuid group_id;
    struct owner_key owners[N_OWNER_KINDS];
};

enum cancel_column {
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
    "SELECT s.status, s.creation_id, s.resource_group_id, "
    "(SELECT g.name FROM scaling_groups g WHERE g.id = s.resource_group_id), "
    "s.access_key, s.user_uuid, s.group_id, s.domain_name FROM sessions s WHERE s.id = $1 "
    "FOR UPDATE OF s";

static const char *uuid_text(const struct pg_rows *r, int col, struct arena *a)
{
    char text[UUID_TEXT];
    struct uuid id = rows_uuid(r, 0, col);
    return rows_is_null(r, 0, col) ? NULL : arena_strdup(a, uuid_format(&id, text));
}

static int cancel_lock(struct cancel *c, struct err *e)
{
    const struct pg_param p[] = {param_uuid(&c->in->session_id)};
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    if (pg_query(c->t, sql_lock, "ttuttuut", p, ARRAY_SIZE(p), &r, e) < 0)
        return -1;
    if (rows_count(r) != 1)
        return session_unknown(e, &c->in->session_id);
    const char *status = rows_text(r, 0, COL_STATUS), *name = rows_text(r, 0, COL_GROUP_NAME);
    const char *creation = rows_text(r, 0, COL_CREATION);
    c->status = arena_strdup(c->a, status != NULL ? status : "");
    c->creation_id = arena_strdup(c->a, creation != NULL ? creation : "");
    c->group_id = rows_uuid(r, 0, COL_GROUP);
    c->group_name = arena_strdup(c->a, name != NULL ? name : "");
    c->owners[OWNER_KEYPAIR].key = arena_strdup(c->a, rows_text(r, 0, COL_ACCESS_KEY));
    c->owners[OWNER_USER].key = uuid_text(r, COL_USER, c->a);
    c->owners[OWNER_PROJECT].key = uuid_text(r, COL_PROJECT, c->a);
    c->owners[OWNER_DOMAIN].key = arena_strdup(c->a, rows_text(r, 0, COL_DOMAIN));
    return 0;
}

static void take_released(struct cancel *c, const struct allocation_release *v, uint32_t n)
{
    c->ret->released = arena_new(c->a, struct event_slot, n);
    c->ret->n_released = n;
    for (uint32_t i = 0; i < n; i++)
        c->ret->released[i] = (struct event_slot){.slot = v[i].slot, .amount = v[i].amount};
}

/* Versions of all its owners, and the key's count after the change. */
static int cancel_bump(struct cancel *c, struct err *e)
{
    struct owner_key keys[N_OWNER_KINDS];
    int64_t versions[N_OWNER_KINDS];
    uint32_t n = 0;
    for (int k = 0; k < N_OWNER_KINDS; k++) /* the keypair, if there is one, is keys[0] */
        if (c->owners[k].key != NULL)
            keys[n++] = (struct owner_key){.kind = (enum owner_kind)k, .key = c->owners[k].key};
    if (owner_bump(c->t, keys, n, c->a, versions, e) < 0)
        return -1;
    if (c->owners[OWNER_KEYPAIR].key == NULL)
        return 0;
    c->ret->owners = arena_new(c->a, struct owner_count, 1);
    c->ret->n_owners = 1;
    c->ret->owners[0] = (struct owner_count){.access_key = keys[0].key, .version = versions[0]};
    return 0;
}

static int cancel_to_cancelled(struct cancel *c, bool occupies, struct err *e)
{
    const struct uuid *id = &c->in->session_id;
    struct allocation_release *released = NULL;
    uint32_t n_released = 0;
    if (allocation_free(c->t, id, 1, c->a, &released, &n_released, e) < 0)
        return -1;
    take_released(c, released, n_released);
    if ((occupies || n_released > 0) && cancel_bump(c, e) < 0)
        return -1;
    if (kernel_cancel(c->t, id, 1, c->reason, c->a, e) < 0)
        return -1;
    return session_mark_cancelled(c->t, id, 1, c->status, c->reason, c->a, e);
}

static int cancel_to_terminating(struct cancel *c, struct err *e)
{
    if (cancel_bump(c, e) < 0 || kernel_terminate(c->t, &c->in->session_id, c->reason, e) < 0)
        return -1;
    return session_mark_terminating(c->t, &c->in->session_id, c->status, c->reason, e);
}

/* History row, event number, event. */
static int cancel_record(struct cancel *c, bool cancelled, struct err *e)
{
    const struct history_row row = {
        .session_id = c->in->session_id,
        .phase = cancelled ? "cancel" : "mark_terminating",
        .from_status = c->status,
        .to_status = c->ret->status,
        .result = "SUCCESS",
        .message = c->reason,
        .sub_steps = "[]",
    };
    if (history_record(c->t, &row, 1, c->a, e) < 0 ||
        owner_count_live(c->t, c->ret->owners, c->ret->n_owners, c->a, e) < 0)
        return -1;
    struct group_numbers numbers;
    if (group_state_number(c->t, &c->group_id, 1, &numbers, e) < 0)
        return -1;
    struct event *v = arena_new(c->a, struct event, 1);
    *v = (struct event){
        .scaling_group = c->group_name,
        .type = cancelled ? EVENT_SESSION_CANCELLED : EVENT_SESSION_TERMINATING,
        .has_session = true,
        .session_id = c->in->session_id,
        .creation_id = c->creation_id,
        .from_status = c->status,
        .to_status = c->ret->status,
        .reason = c->reason,
        .epoch = numbers.epoch,
        .time = numbers.now,
    };
    c->ret->events = v;
    c->ret->n_events = 1;
    return event_append(c->t, &c->group_id, numbers.first, v, 1, c->a, e);
}

static int cancel_apply(struct cancel *c, struct err *e)
{
    enum cancel_effect effect = session_status_on_cancel(c->status);
    c->ret->previous_status = c->ret->status = c->status;
    c->ret->already_terminal = effect == CANCEL_OVER;
    if (effect == CANCEL_OVER || effect == CANCEL_UNDER_WAY)
        return 0;
    bool started = false;
    if (kernel_lock(c->t, &c->in->session_id, &started, e) < 0)
        return -1;
    bool cancelled = effect == CANCEL_AT_ONCE || (effect == CANCEL_RELEASE && !started);
    c->ret->status = cancelled ? "CANCELLED" : "TERMINATING";
    if (cancelled && cancel_to_cancelled(c, effect == CANCEL_RELEASE, e) < 0)
        return -1;
    if (!cancelled && cancel_to_terminating(c, e) < 0)
        return -1;
    return cancel_record(c, cancelled, e);
}

static int cancel_answer(struct cancel *c, struct err *e)
{
    uint8_t *answer = NULL;
    size_t len = 0;
    if (c->in->request.id == NULL || c->in->answer == NULL)
        return 0;
    if (c->in->answer(c->in->answer_ctx, c->ret, c->a, &answer, &len, e) < 0)
        return -1;
    return request_store(c->t, &c->in->request, answer, len, e);
}

static int cancel_body(struct txn *t, void *ctx, struct err *e)
{
    struct cancel *c = ctx;
    c->t = t;
    *c->ret = (struct cancel_result){.status = ""};
    if (request_check(t, &c->in->request, e) < 0 || cancel_lock(c, e) < 0)
        return -1;
    FAULT_POINT(cancel_locked);
    if (cancel_apply(c, e) < 0)
        return -1;
    FAULT_POINT(cancel_applied);
    if (cancel_answer(c, e) < 0)
        return -1;
    FAULT_POINT(cancel_answered);
    return 0;
}

int session_cancel(struct pg *pg, const struct cancel_input *in, struct arena *a,
                   struct cancel_result *ret, struct err *e)
{
    bool has_reason = in->reason != NULL && in->reason[0] != '\0';
    struct cancel_result result;
    struct cancel c = {
        .in = in,
        .a = a,
        .ret = &result,
        .reason = has_reason ? text_utf8(a, in->reason) : DEFAULT_REASON,
    };
    if (txn_run(pg, TXN_WRITE, cancel_body, &c, e) < 0)
        return -1;
    *ret = result;
    return 0;
}

/* --- reads --- */

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
