/* remedies.c - what would help, for PreviewAllocation. */
#include "server/remedies.h"

#include "server/clock.h"

_Static_assert((int)REMEDY_CHANGE_QUEUE_POLICY ==
                   (int)BERTH__V1__REMEDY_KIND__REMEDY_KIND_CHANGE_QUEUE_POLICY,
               "kinds of remedies have the numbers of the contract");
_Static_assert((int)OWNER_DOMAIN + 1 == (int)BERTH__V1__REMEDY_OWNER__REMEDY_OWNER_DOMAIN,
               "owners have the numbers of the contract, less one");

struct time_left {
    struct rpc_context *call;
    int64_t late_ns;
};

static bool is_late(void *ctx)
{
    const struct time_left *t = ctx;
    return clock_ns() > t->late_ns || rpc_stopped(t->call);
}

int remedies_search(struct rpc_context *c, const struct snapshot *s, const struct policy *p,
                    const struct explain_request *q, struct remedies **ret, struct err *e)
{
    int64_t now = clock_ns();
    struct time_left t = {.call = c, .late_ns = now + (c->deadline_ns - now) / 2};
    const struct remedy_limits limits = {.stop = is_late, .ctx = &t};
    return remedy_find(s, p, q, &limits, c->arena, ret, e);
}

static char *amount_text(int64_t amount, const struct slot *slot, struct arena *a)
{
    char text[AMOUNT_TEXT];
    return arena_strdup(a, amount_format(amount, slot->type, text));
}

static void fill_slots(const struct snapshot *s, const struct remedy_change *c, struct arena *a,
                       Berth__V1__RemedyChange *m)
{
    if (c->n_slots == 0)
        return;
    m->slots = arena_new(a, Berth__V1__RemedySlot *, c->n_slots);
    m->n_slots = c->n_slots;
    for (uint32_t i = 0; i < c->n_slots; i++) {
        const struct slot *slot = &s->slots[c->slots[i].slot];
        m->slots[i] = message_new(a, Berth__V1__RemedySlot, berth__v1__remedy_slot);
        m->slots[i]->slot = convert_text(slot->name);
        m->slots[i]->by = amount_text(c->slots[i].by, slot, a);
        m->slots[i]->to = amount_text(c->slots[i].to, slot, a);
    }
}

static Berth__V1__RemedyChange *change_message(const struct snapshot *s,
                                               const struct remedy_change *c, struct arena *a)
{
    Berth__V1__RemedyChange *m = message_new(a, Berth__V1__RemedyChange, berth__v1__remedy_change);
    m->kind = (Berth__V1__RemedyKind)c->kind;
    m->subject = convert_text(c->subject);
    if (c->owner != NONE)
        m->owner = (Berth__V1__RemedyOwner)(s->owners[c->owner].kind + 1);
    fill_slots(s, c, a, m);
    m->count = c->count;
    if (c->n_sessions > 0)
        m->session_ids = arena_new(a, char *, c->n_sessions);
    for (uint32_t i = 0; i < c->n_sessions; i++)
        m->session_ids[m->n_session_ids++] = convert_uuid(&c->sessions[i], a);
    if (c->time != TIME_NONE)
        m->time = convert_time(c->time, a);
    if (c->duration > 0)
        m->duration =
            convert_duration(c->duration < INT64_MAX / 1000 ? c->duration * 1000 : INT64_MAX, a);
    return m;
}

static Berth__V1__Remedy *remedy_as_message(const struct snapshot *s, const struct remedy *r,
                                            struct arena *a)
{
    Berth__V1__Remedy *m = message_new(a, Berth__V1__Remedy, berth__v1__remedy);
    m->causes = arena_memdup(a, r->causes, r->n_causes * sizeof(*r->causes));
    m->n_causes = r->n_causes;
    m->message = convert_text(r->message);
    if (r->n_changes > 0)
        m->changes = arena_new(a, Berth__V1__RemedyChange *, r->n_changes);
    for (uint32_t i = 0; i < r->n_changes; i++)
        m->changes[m->n_changes++] = change_message(s, &r->changes[i], a);
    return m;
}

void remedies_convert(const struct snapshot *s, const struct remedies *r, struct arena *a,
                      Berth__V1__PreviewAllocationResponse *ret)
{
    if (r->n > 0)
        ret->remedies = arena_new(a, Berth__V1__Remedy *, r->n);
    for (uint32_t i = 0; i < r->n; i++)
        ret->remedies[ret->n_remedies++] = remedy_as_message(s, &r->items[i], a);
    ret->later_causes = convert_causes(s, r->later, r->n_later, a, &ret->n_later_causes);
    ret->remedies_suffice = r->suffice;
}
