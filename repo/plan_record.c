/* plan_record.c - what a chunk leaves behind for people, subscribers and the next round. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "repo/event_append.h"
#include "repo/fault.h"
#include "repo/group_state.h"
#include "repo/history.h"
#include "repo/json_text.h"
#include "repo/owner_usage.h"
#include "repo/pg_query.h"
#include "repo/plan_chunk.h"
#include "repo/request.h"

#define PHASE_SCHEDULE "schedule-sessions"
#define REASON_EXPIRED "pending-timeout"

/* --- history --- */

static int record_history(struct plan_chunk *c, struct err *e)
{
    struct history_row *rows = arena_new(c->run, struct history_row, c->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        const struct chunk_item *item = &c->items[i];
        const struct decision *d = &item->planned;
        struct history_row row = {
            .session_id = item_session(c, item)->id,
            .phase = PHASE_SCHEDULE,
            .from_status = "PENDING",
            .result = "SUCCESS",
            .carried = item_session(c, item)->rare->carried,
            .sub_steps = item->lost == NULL ? c->texts[i]->steps : NULL,
        };
        if (item_places(item)) {
            row.to_status = "SCHEDULED";
            row.message = PHASE_SCHEDULE " success";
        } else if (item_fails(item)) {
            row.to_status = "PENDING";
            row.result = "NEED_RETRY";
            row.error_code = d->n_causes > 0 ? cause_kind_name(d->causes[0].kind) : NULL;
            row.message = failure_message(d);
        } else if (item_ends(item)) {
            row.phase = "cancel";
            row.to_status = "CANCELLED";
            row.message = REASON_EXPIRED;
        } else {
            continue;
        }
        rows[n++] = row;
    }
    return history_record(c->t, rows, n, c->run, e);
}

/* --- events --- */

/* An item's event, or false: nothing that subscribers did not know. */
static bool item_event(struct plan_chunk *c, const struct chunk_item *item, const char **addrs,
                       struct event *v)
{
    const struct decision *d = &item->planned;
    const struct session *s = item_session(c, item);
    v->has_session = true;
    v->session_id = s->id;
    v->creation_id = s->creation_id;
    v->from_status = "PENDING";
    if (item_places(item)) {
        const struct placement *p;
        v->type = EVENT_SESSION_SCHEDULED;
        v->to_status = "SCHEDULED";
        v->reason = "scheduled";
        v->n_allocations = chunk_placements(c, item, &p);
        v->allocations = event_allocations_from_plan(c->s, p, v->n_allocations, addrs, c->result);
        return true;
    }
    if (item_fails(item)) {
        if (causes_digest(d->causes, d->n_causes) == s->rare->cause_digest)
            return false;
        v->type = EVENT_SESSION_WAITING;
        v->to_status = "PENDING";
        v->reason = failure_info(d->outcome);
    } else if (item_ends(item)) {
        v->type = EVENT_SESSION_CANCELLED;
        v->to_status = "CANCELLED";
        v->reason = REASON_EXPIRED;
    } else {
        return false;
    }
    v->n_causes = d->n_causes;
    v->causes = event_causes_from_plan(c->s, d->causes, d->n_causes, c->result);
    return true;
}

static void make_events(struct plan_chunk *c)
{
    const struct event blank = {
        .scaling_group = c->s->group_name,
        .type = EVENT_ROUND_FINISHED,
        .creation_id = "",
        .from_status = "",
        .to_status = "",
        .reason = "",
        .has_round = true,
        .round_id = c->in->round_id,
        .epoch = c->in->epoch,
    };
    const char **addrs = arena_new(c->run, const char *, c->s->n_agents);
    for (uint32_t i = 0; i < c->n_touched; i++)
        addrs[c->touched[i]] = arena_strdup(c->result, c->agents[i].addr);
    c->events = arena_new(c->result, struct event, (size_t)c->n + 1);
    c->n_events = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        c->events[c->n_events] = blank;
        if (item_event(c, &c->items[i], addrs, &c->events[c->n_events]))
            c->n_events++;
    }
    if (c->last)
        c->events[c->n_events++] = blank;
}

/* --- the group, the round, the answer --- */

static const char *cursors_json(const struct plan_chunk *c)
{
    const struct plan *p = c->in->plan;
    struct json_text j = {.arena = c->run};
    json_text_raw(&j, "{");
    for (uint32_t i = 0; i < p->n_rr_cursors; i++) {
        json_text_field(&j, i > 0 ? "," : "", c->s->archs[p->rr_cursors[i].arch]);
        json_text_field(&j, ":", p->rr_cursors[i].agent_id);
    }
    json_text_raw(&j, "}");
    return j.text;
}

static int record_numbers(struct plan_chunk *c, struct err *e)
{
    const struct group_advance g = {
        .group_id = &c->s->group_id,
        .epoch = c->in->epoch,
        .n_events = c->n_events,
        .rr_cursors = cursors_json(c),
        .failure_round = c->first && c->failure_rounds > c->s->failure_rounds,
        .round_ends = c->last,
        .round_started_at = c->s->observed_at,
        .counts = c->in->plan->counts,
    };
    struct group_numbers numbers;
    if (group_state_advance(c->t, &g, c->run, &numbers, e) < 0)
        return -1;
    for (uint32_t i = 0; i < c->n_events; i++)
        c->events[i].time = numbers.now;
    return event_append(c->t, &c->s->group_id, numbers.first, c->events, c->n_events, c->run, e);
}

static const char sql_round[] =
    "INSERT INTO berth.rounds (round_id, scaling_group_id, epoch, replica, snapshot_at, "
    "started_at, "
    "finished_at, counts, phases, plan_hash) "
    "VALUES ($1, $2, $3, $4, $5, $5, clock_timestamp(), $6, coalesce($7, '{}'::jsonb), $8)";

static int record_round(struct plan_chunk *c, struct err *e)
{
    int32_t counts[N_OUTCOMES];
    for (int i = 0; i < N_OUTCOMES; i++)
        counts[i] = (int32_t)c->in->plan->counts[i];
    const struct pg_param p[] = {
        param_uuid(&c->in->round_id),  param_uuid(&c->s->group_id),
        param_int8(c->in->epoch),      param_text(c->in->replica != NULL ? c->in->replica : ""),
        param_time(c->s->observed_at), param_array_int4(c->run, counts, N_OUTCOMES),
        param_jsonb(c->in->phases),    param_int8((int64_t)c->in->plan->hash),
    };
    return pg_exec(c->t, sql_round, p, ARRAY_SIZE(p), NULL, e);
}

static int record_answer(struct plan_chunk *c, struct err *e)
{
    uint8_t *answer = NULL;
    size_t len;
    if (c->in->request.id == NULL || c->in->answer == NULL)
        return 0;
    if (c->in->answer(c->in->answer_ctx, c->in->plan, c->run, &answer, &len, e) < 0)
        return -1;
    return request_store(c->t, &c->in->request, answer, len, e);
}

/* What this chunk adds to the live sessions of each owner, by owner. */
static struct owner_live *count_placed(struct plan_chunk *c)
{
    struct owner_live *placed = arena_new(c->run, struct owner_live, c->s->n_owners);
    for (uint32_t i = 0; i < c->n; i++) {
        if (!item_places(&c->items[i]))
            continue;
        const struct session *s = item_session(c, &c->items[i]);
        struct owner_live *of = &placed[s->owner[OWNER_KEYPAIR]];
        if (session_is_private(s))
            of->sftp_sessions++;
        else
            of->sessions++;
    }
    return placed;
}

/* Live sessions of the access keys that this chunk has placed sessions of. A key that was counted
 * by an earlier chunk and that nobody else has changed since is added up here: counting it again
 * in every chunk would cost the square of the sessions. The last chunk counts all of its keys. */
static int count_owners(struct plan_chunk *c, struct err *e)
{
    const struct owner_live *placed = count_placed(c);
    struct owner_count *asked = arena_new(c->run, struct owner_count, c->n_bumped);
    uint32_t *of_asked = arena_new(c->run, uint32_t, c->n_bumped), n_asked = 0;
    c->owners = arena_new(c->result, struct owner_count, c->n_bumped);
    c->n_owners = 0;
    for (uint32_t i = 0; i < c->n_bumped; i++) {
        const struct owner *o = &c->s->owners[c->bumped[i]];
        const struct owner_watch *w = &c->watch[c->bumped[i]];
        if (o->kind != OWNER_KEYPAIR)
            continue;
        const struct owner_live *add = &placed[c->bumped[i]];
        struct owner_count *v = &c->owners[c->n_owners];
        *v = (struct owner_count){.access_key = o->key,
                                  .version = c->bumped_version[i],
                                  .sessions = w->live.sessions + add->sessions,
                                  .sftp_sessions = w->live.sftp_sessions + add->sftp_sessions};
        if (c->last || !w->counted || (uint64_t)c->bumped_version[i] != w->version + 1) {
            of_asked[n_asked] = c->n_owners;
            asked[n_asked++] = *v;
        }
        c->n_owners++;
    }
    if (owner_count_live(c->t, asked, n_asked, c->run, e) < 0)
        return -1;
    for (uint32_t i = 0; i < n_asked; i++)
        c->owners[of_asked[i]] = asked[i];
    return 0;
}

int chunk_record(struct plan_chunk *c, struct err *e)
{
    make_events(c);
    if (record_history(c, e) < 0 || count_owners(c, e) < 0)
        return -1;
    FAULT_POINT(history_written);
    if (record_numbers(c, e) < 0)
        return -1;
    FAULT_POINT(numbered);
    if (c->last && (record_round(c, e) < 0 || record_answer(c, e) < 0))
        return -1;
    FAULT_POINT(recorded);
    return 0;
}
