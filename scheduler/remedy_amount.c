/* remedy_amount.c - the amounts of a remedy, and the same remedy with less of one.
 *
 * They are numbered through: for each change its slots, its count, its sessions, its time, its
 * duration. */
#include "scheduler/remedy_internal.h"

/* Which way `to` goes when `by` gets less. */
static bool to_rises(enum remedy_kind kind)
{
    return kind == REMEDY_ASK_LESS || kind == REMEDY_ASK_LESS_EACH || kind == REMEDY_FREE_QUOTA;
}

static bool has_count(const struct remedy_change *c)
{
    return c->count > 0 || c->kind == REMEDY_RAISE_PRIORITY;
}

static uint32_t n_amounts(const struct remedy_change *c)
{
    return c->n_slots + has_count(c) + c->n_sessions + (c->time != TIME_NONE) + (c->duration > 0);
}

uint32_t remedy_n_amounts(const struct remedy *r)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->n_changes; i++)
        n += n_amounts(&r->changes[i]);
    return n;
}

/* A slot of which nothing is left is left out. */
static void lessen_slot(struct remedy_change *c, uint32_t i, int64_t units, struct arena *a)
{
    struct remedy_slot *slots = arena_memdup(a, c->slots, c->n_slots * sizeof(*slots));
    slots[i].by = amount_sub(slots[i].by, units);
    slots[i].to =
        to_rises(c->kind) ? amount_add(slots[i].to, units) : amount_sub(slots[i].to, units);
    if (slots[i].by <= 0)
        for (c->n_slots--; i < c->n_slots; i++)
            slots[i] = slots[i + 1];
    c->slots = slots;
}

static void drop_session(struct remedy_change *c, uint32_t i, struct arena *a)
{
    struct uuid *ids = arena_memdup(a, c->sessions, c->n_sessions * sizeof(*ids));
    for (c->n_sessions--; i < c->n_sessions; i++)
        ids[i] = ids[i + 1];
    c->sessions = ids;
}

static void lessen(struct remedy_change *c, uint32_t i, int64_t units, struct arena *a)
{
    if (i < c->n_slots) {
        lessen_slot(c, i, units, a);
        return;
    }
    i -= c->n_slots;
    if (has_count(c) && i-- == 0)
        c->count -= units;
    else if (i < c->n_sessions)
        drop_session(c, i, a);
    else if (c->time != TIME_NONE && i == c->n_sessions)
        c->time += c->kind == REMEDY_WAIT_UNTIL ? -units : units;
    else
        c->duration -= units;
}

struct remedy remedy_lessen(const struct remedy *r, uint32_t i, int64_t units, struct arena *a)
{
    struct remedy less = *r;
    struct remedy_change *changes = arena_memdup(a, r->changes, r->n_changes * sizeof(*changes));
    uint32_t k = 0;
    for (; i >= n_amounts(&changes[k]); k++)
        i -= n_amounts(&changes[k]);
    lessen(&changes[k], i, units, a);
    less.changes = changes;
    return less;
}

int64_t remedy_amount(const struct remedy *r, uint32_t i)
{
    const struct remedy_change *c = r->changes;
    for (; i >= n_amounts(c); c++)
        i -= n_amounts(c);
    if (i < c->n_slots)
        return c->slots[i].by;
    if (c->kind == REMEDY_RAISE_PRIORITY)
        return c->count - INT32_MIN;
    return has_count(c) && i == c->n_slots ? c->count : 1;
}

static bool same_change(const struct remedy_change *a, const struct remedy_change *b)
{
    if (a->kind != b->kind || a->owner != b->owner || a->count != b->count || a->time != b->time ||
        a->duration != b->duration || a->n_slots != b->n_slots || a->n_sessions != b->n_sessions ||
        strcmp(a->subject, b->subject) != 0)
        return false;
    for (uint32_t i = 0; i < a->n_slots; i++)
        if (a->slots[i].slot != b->slots[i].slot || a->slots[i].by != b->slots[i].by)
            return false;
    for (uint32_t i = 0; i < a->n_sessions; i++)
        if (uuid_compare(&a->sessions[i], &b->sessions[i]) != 0)
            return false;
    return true;
}

bool remedy_same(const struct remedy *a, const struct remedy *b)
{
    if (a->n_changes != b->n_changes)
        return false;
    for (uint32_t i = 0; i < a->n_changes; i++)
        if (!same_change(&a->changes[i], &b->changes[i]))
            return false;
    return true;
}
