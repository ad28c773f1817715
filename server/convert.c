/* convert.c - core and repository structs -> messages of the contract. */
#include "server/convert.h"

_Static_assert((int)OUTCOME_SKIPPED == (int)BERTH__V1__SESSION_OUTCOME__SESSION_OUTCOME_SKIPPED,
               "outcomes have the numbers of the contract");
_Static_assert((int)CAUSE_AGENT_UNAVAILABLE ==
                   (int)BERTH__V1__CAUSE_KIND__CAUSE_KIND_AGENT_UNAVAILABLE,
               "cause kinds have the numbers of the contract");
_Static_assert((int)GROUP_FAILING == (int)BERTH__V1__GROUP_HEALTH__GROUP_HEALTH_FAILING,
               "repo/event.h and the contract number the healths of a group alike");
_Static_assert((int)EVENT_GROUP_HEALTH_CHANGED ==
                   (int)BERTH__V1__EVENT_TYPE__EVENT_TYPE_GROUP_HEALTH_CHANGED,
               "event types have the numbers of the contract");

char *convert_text(const char *s)
{
    return (char *)(s != NULL ? s : protobuf_c_empty_string);
}

char *convert_uuid(const struct uuid *u, struct arena *a)
{
    return uuid_format(u, arena_alloc(a, UUID_TEXT, 1));
}

/* Seconds and nanoseconds from a number of `unit`s a second; the remainder is never negative. */
static int64_t split(int64_t value, int64_t unit, int32_t *ret_nanos)
{
    int64_t seconds = value / unit, rest = value % unit;
    if (rest < 0) {
        rest += unit;
        seconds--;
    }
    *ret_nanos = (int32_t)(rest * (1000000000 / unit));
    return seconds;
}

Google__Protobuf__Timestamp *convert_time(int64_t us, struct arena *a)
{
    Google__Protobuf__Timestamp *t =
        message_new(a, Google__Protobuf__Timestamp, google__protobuf__timestamp);
    t->seconds = split(us, 1000000, &t->nanos);
    return t;
}

Google__Protobuf__Duration *convert_duration(int64_t ns, struct arena *a)
{
    Google__Protobuf__Duration *d =
        message_new(a, Google__Protobuf__Duration, google__protobuf__duration);
    d->seconds = split(ns > 0 ? ns : 0, 1000000000, &d->nanos);
    return d;
}

static char *amount_text(int64_t amount, enum slot_type type, struct arena *a)
{
    char text[AMOUNT_TEXT];
    if (amount == AMOUNT_UNKNOWN)
        return convert_text("");
    return arena_strdup(a, amount_format(amount, type, text));
}

static Berth__V1__SlotAmount *slot_amount(const char *slot, char *amount, struct arena *a)
{
    Berth__V1__SlotAmount *m = message_new(a, Berth__V1__SlotAmount, berth__v1__slot_amount);
    m->slot = convert_text(slot);
    m->amount = amount;
    return m;
}

Berth__V1__SlotAmount **convert_slots(const struct snapshot *s, const int64_t *row,
                                      const int64_t *with, struct arena *a, size_t *ret_n)
{
    Berth__V1__SlotAmount **list = arena_new(a, Berth__V1__SlotAmount *, s->n_slots + 1);
    size_t n = 0;
    for (uint32_t i = 0; i < s->n_slots; i++)
        if (row[i] > 0 || (with != NULL && with[i] > 0))
            list[n++] = slot_amount(s->slots[i].name, amount_text(row[i], s->slots[i].type, a), a);
    *ret_n = n;
    return n > 0 ? list : NULL;
}

Berth__V1__SlotAmount **convert_event_slots(const struct event_slot *slots, uint32_t n,
                                            struct arena *a, size_t *ret_n)
{
    Berth__V1__SlotAmount **list = arena_new(a, Berth__V1__SlotAmount *, n + 1);
    for (uint32_t i = 0; i < n; i++)
        list[i] = slot_amount(slots[i].slot, convert_text(slots[i].amount), a);
    *ret_n = n;
    return n > 0 ? list : NULL;
}

static Berth__V1__Cause *cause_head(enum cause_kind kind, const char *plugin, const char *subject,
                                    const char *message, bool retryable, struct arena *a)
{
    Berth__V1__Cause *m = message_new(a, Berth__V1__Cause, berth__v1__cause);
    m->kind = (Berth__V1__CauseKind)kind;
    m->plugin = convert_text(plugin);
    m->subject = convert_text(subject);
    m->message = convert_text(message);
    m->retryable = retryable;
    return m;
}

static Berth__V1__SlotShortage *cause_slot(Berth__V1__Cause *cause, uint32_t n, const char *slot,
                                           struct arena *a)
{
    if (cause->slots == NULL)
        cause->slots = arena_new(a, Berth__V1__SlotShortage *, n);
    Berth__V1__SlotShortage *m = message_new(a, Berth__V1__SlotShortage, berth__v1__slot_shortage);
    m->slot = convert_text(slot);
    cause->slots[cause->n_slots++] = m;
    return m;
}

static Berth__V1__Cause *cause_message(const struct snapshot *s, const struct cause *c,
                                       struct arena *a)
{
    Berth__V1__Cause *m = cause_head(c->kind, c->plugin, c->subject, c->message, c->retryable, a);
    for (uint32_t i = 0; i < c->n_slots; i++) {
        const struct shortage *from = &c->slots[i];
        const struct slot *slot = &s->slots[from->slot];
        Berth__V1__SlotShortage *to = cause_slot(m, c->n_slots, slot->name, a);
        to->requested = amount_text(from->requested, slot->type, a);
        to->available = amount_text(from->available, slot->type, a);
        to->limit = amount_text(from->limit, slot->type, a);
    }
    return m;
}

Berth__V1__Cause **convert_causes(const struct snapshot *s, const struct cause *causes, uint32_t n,
                                  struct arena *a, size_t *ret_n)
{
    *ret_n = n;
    if (n == 0)
        return NULL;
    Berth__V1__Cause **list = arena_new(a, Berth__V1__Cause *, n);
    for (uint32_t i = 0; i < n; i++)
        list[i] = cause_message(s, &causes[i], a);
    return list;
}

static Berth__V1__Cause *event_cause_message(const struct event_cause *c, struct arena *a)
{
    Berth__V1__Cause *m = cause_head(c->kind, c->plugin, c->subject, c->message, c->retryable, a);
    for (uint32_t i = 0; i < c->n_slots; i++) {
        Berth__V1__SlotShortage *to = cause_slot(m, c->n_slots, c->slots[i].slot, a);
        to->requested = convert_text(c->slots[i].requested);
        to->available = convert_text(c->slots[i].available);
        to->limit = convert_text(c->slots[i].limit);
    }
    return m;
}

Berth__V1__Cause **convert_event_causes(const struct event_cause *causes, uint32_t n,
                                        struct arena *a, size_t *ret_n)
{
    *ret_n = n;
    if (n == 0)
        return NULL;
    Berth__V1__Cause **list = arena_new(a, Berth__V1__Cause *, n);
    for (uint32_t i = 0; i < n; i++)
        list[i] = event_cause_message(&causes[i], a);
    return list;
}

static Berth__V1__KernelAllocation *allocation_head(const char *agent_id, const char *agent_addr,
                                                    struct arena *a)
{
    Berth__V1__KernelAllocation *m =
        message_new(a, Berth__V1__KernelAllocation, berth__v1__kernel_allocation);
    m->agent_id = convert_text(agent_id);
    m->agent_addr = convert_text(agent_addr);
    return m;
}

Berth__V1__KernelAllocation **convert_placements(const struct snapshot *s,
                                                 const struct placement *placements, uint32_t n,
                                                 bool stored, struct arena *a, size_t *ret_n)
{
    *ret_n = n;
    if (n == 0)
        return NULL;
    Berth__V1__KernelAllocation **list = arena_new(a, Berth__V1__KernelAllocation *, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct placement *p = &placements[i];
        const struct agent *agent = &s->agents[p->agent];
        list[i] = allocation_head(agent->id, agent->addr, a);
        if (stored)
            list[i]->kernel_id = convert_uuid(&s->kernels[p->kernel].id, a);
        list[i]->slots =
            convert_slots(s, snapshot_request(s, p->kernel), NULL, a, &list[i]->n_slots);
    }
    return list;
}

Berth__V1__OutcomeCounts *convert_counts(const uint32_t counts[N_OUTCOMES], struct arena *a)
{
    Berth__V1__OutcomeCounts *m =
        message_new(a, Berth__V1__OutcomeCounts, berth__v1__outcome_counts);
    for (unsigned i = OUTCOME_SCHEDULED; i < N_OUTCOMES; i++)
        m->pending += counts[i];
    m->scheduled = counts[OUTCOME_SCHEDULED];
    m->waiting = counts[OUTCOME_WAITING];
    m->blocked = counts[OUTCOME_BLOCKED];
    m->infeasible = counts[OUTCOME_INFEASIBLE];
    m->invalid = counts[OUTCOME_INVALID];
    m->expired = counts[OUTCOME_EXPIRED];
    m->cancelled = counts[OUTCOME_CANCELLED];
    m->conflict = counts[OUTCOME_CONFLICT];
    m->skipped = counts[OUTCOME_SKIPPED];
    return m;
}

Berth__V1__SessionDecision **convert_decisions(const struct snapshot *s, const struct plan *p,
                                               uint32_t n, struct arena *a, size_t *ret_n)
{
    n = n < p->n_decisions ? n : p->n_decisions;
    *ret_n = n;
    Berth__V1__SessionDecision **list = arena_new(a, Berth__V1__SessionDecision *, n + 1);
    const struct decision *before = NULL;
    for (uint32_t i = 0; i < n; i++) {
        const struct decision *d = &p->decisions[i];
        Berth__V1__SessionDecision *m =
            message_new(a, Berth__V1__SessionDecision, berth__v1__session_decision);
        m->session_id = convert_uuid(&s->sessions[d->session].id, a);
        m->outcome = (Berth__V1__SessionOutcome)d->outcome;
        if (d->outcome == OUTCOME_SCHEDULED)
            m->allocations = convert_placements(s, p->placements + d->first_placement,
                                                d->n_placements, true, a, &m->n_allocations);
        /* Sessions of one shape share their causes; so do their messages. */
        if (before != NULL && before->causes == d->causes && before->n_causes == d->n_causes) {
            m->causes = list[i - 1]->causes;
            m->n_causes = list[i - 1]->n_causes;
        } else {
            m->causes = convert_causes(s, d->causes, d->n_causes, a, &m->n_causes);
        }
        before = d;
        list[i] = m;
    }
    return n > 0 ? list : NULL;
}

static Berth__V1__KernelAllocation **event_allocations(const struct event *ev, struct arena *a,
                                                       size_t *ret_n)
{
    *ret_n = ev->n_allocations;
    if (ev->n_allocations == 0)
        return NULL;
    Berth__V1__KernelAllocation **list =
        arena_new(a, Berth__V1__KernelAllocation *, ev->n_allocations);
    for (uint32_t i = 0; i < ev->n_allocations; i++) {
        const struct event_allocation *from = &ev->allocations[i];
        list[i] = allocation_head(from->agent_id, from->agent_addr, a);
        list[i]->kernel_id = convert_uuid(&from->kernel_id, a);
        list[i]->slots = convert_event_slots(from->slots, from->n_slots, a, &list[i]->n_slots);
    }
    return list;
}

Berth__V1__Event *convert_event(const struct event *ev, struct arena *a)
{
    Berth__V1__Event *m = message_new(a, Berth__V1__Event, berth__v1__event);
    m->scaling_group = convert_text(ev->scaling_group);
    m->sequence = ev->sequence;
    m->type = (Berth__V1__EventType)ev->type;
    if (ev->has_session)
        m->session_id = convert_uuid(&ev->session_id, a);
    m->creation_id = convert_text(ev->creation_id);
    m->from_status = convert_text(ev->from_status);
    m->to_status = convert_text(ev->to_status);
    m->allocations = event_allocations(ev, a, &m->n_allocations);
    m->causes = convert_event_causes(ev->causes, ev->n_causes, a, &m->n_causes);
    m->reason = convert_text(ev->reason);
    if (ev->has_round)
        m->round_id = convert_uuid(&ev->round_id, a);
    m->epoch = ev->epoch;
    m->time = convert_time(ev->time, a);
    return m;
}

Berth__V1__SessionType convert_session_type(enum session_type type)
{
    static const Berth__V1__SessionType types[] = {
        [SESSION_INTERACTIVE] = BERTH__V1__SESSION_TYPE__SESSION_TYPE_INTERACTIVE,
        [SESSION_BATCH] = BERTH__V1__SESSION_TYPE__SESSION_TYPE_BATCH,
        [SESSION_INFERENCE] = BERTH__V1__SESSION_TYPE__SESSION_TYPE_INFERENCE,
        [SESSION_SYSTEM] = BERTH__V1__SESSION_TYPE__SESSION_TYPE_SYSTEM,
    };
    return types[type];
}
