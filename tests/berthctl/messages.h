/* messages.h - messages for tests, in an arena. Strings are borrowed. */
#ifndef BERTH_TESTS_BERTHCTL_MESSAGES_H
#define BERTH_TESTS_BERTHCTL_MESSAGES_H

#include "berth/v1/scheduler.pb-c.h"
#include "scheduler/arena.h"

static inline Berth__V1__KernelAllocation *kernel_on(struct arena *a, char *kernel, char *agent)
{
    Berth__V1__KernelAllocation *k = arena_new(a, Berth__V1__KernelAllocation, 1);
    berth__v1__kernel_allocation__init(k);
    k->kernel_id = kernel;
    k->agent_id = agent;
    return k;
}

static inline Berth__V1__SlotAmount *slot_of(struct arena *a, char *slot, char *amount)
{
    Berth__V1__SlotAmount *s = arena_new(a, Berth__V1__SlotAmount, 1);
    berth__v1__slot_amount__init(s);
    s->slot = slot;
    s->amount = amount;
    return s;
}

/* A cause with one slot; slot NULL: none. */
static inline Berth__V1__Cause *cause_of(struct arena *a, Berth__V1__CauseKind kind, char *subject,
                                         char *message, char *slot, char *requested,
                                         char *available)
{
    Berth__V1__Cause *c = arena_new(a, Berth__V1__Cause, 1);
    berth__v1__cause__init(c);
    c->kind = kind;
    c->subject = subject;
    c->message = message;
    c->retryable = 1;
    if (slot != NULL) {
        Berth__V1__SlotShortage *s = arena_new(a, Berth__V1__SlotShortage, 1);
        berth__v1__slot_shortage__init(s);
        s->slot = slot;
        s->requested = requested;
        s->available = available;
        c->slots = arena_new(a, Berth__V1__SlotShortage *, 1);
        c->slots[0] = s;
        c->n_slots = 1;
    }
    return c;
}

#endif
