/* session_cancel_record.c - what a cancel leaves in history and the event log. */
#include <stdlib.h>

#include "repo/event_append.h"
#include "repo/group_state.h"
#include "repo/history.h"
#include "repo/session_cancel.h"

int cancel_record_history(struct cancel *c, struct err *e)
{
    struct history_row *rows = arena_new(c->a, struct history_row, c->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        const struct cancel_item *v = &c->items[i];
        if (v->step != STEP_NONE)
            rows[n++] = (struct history_row){
                .session_id = v->in->session_id,
                .phase = v->step == STEP_CANCELLED ? "cancel" : "mark_terminating",
                .from_status = v->status,
                .to_status = v->ret->status,
                .result = "SUCCESS",
                .message = v->reason,
                .sub_steps = "[]",
            };
    }
    return history_record(c->t, rows, n, c->a, e);
}

static struct event event_of(const struct cancel_item *v, const struct group_numbers *numbers)
{
    return (struct event){
        .scaling_group = v->group_name,
        .type = v->step == STEP_CANCELLED ? EVENT_SESSION_CANCELLED : EVENT_SESSION_TERMINATING,
        .has_session = true,
        .session_id = v->in->session_id,
        .creation_id = v->creation_id,
        .from_status = v->status,
        .to_status = v->ret->status,
        .reason = v->reason,
        .epoch = numbers->epoch,
        .time = numbers->now,
    };
}

/* Numbers and events of items that are of one group. */
static int append_events(struct cancel *c, struct cancel_item *const *v, uint32_t n, struct err *e)
{
    struct group_numbers numbers;
    struct event *events = arena_new(c->a, struct event, n);
    if (group_state_number(c->t, &v[0]->group_id, n, &numbers, e) < 0)
        return -1;
    for (uint32_t i = 0; i < n; i++) {
        events[i] = event_of(v[i], &numbers);
        v[i]->ret->events = &events[i];
        v[i]->ret->n_events = 1;
    }
    return event_append(c->t, &v[0]->group_id, numbers.first, events, n, c->a, e);
}

/* By group, so that two cancels of many lock the groups' rows in one order; then as they came. */
static int compare_groups(const void *a, const void *b)
{
    const struct cancel_item *x = *(struct cancel_item *const *)a,
                             *y = *(struct cancel_item *const *)b;
    const int by_group = uuid_compare(&x->group_id, &y->group_id);
    return by_group != 0 ? by_group : (x > y) - (x < y);
}

int cancel_record_events(struct cancel *c, struct err *e)
{
    struct cancel_item **v = arena_new(c->a, struct cancel_item *, c->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n; i++)
        if (c->items[i].step != STEP_NONE)
            v[n++] = &c->items[i];
    if (n > 0)
        qsort((void *)v, n, sizeof(struct cancel_item *), compare_groups);
    for (uint32_t from = 0, to; from < n; from = to) {
        to = from + 1;
        while (to < n && uuid_compare(&v[from]->group_id, &v[to]->group_id) == 0)
            to++;
        if (append_events(c, v + from, to - from, e) < 0)
            return -1;
    }
    return 0;
}
