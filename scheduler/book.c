/* book.c - what is left on every agent. */
#include "scheduler/book.h"

#include "scheduler/closest.h"
#include "scheduler/fit_index.h"

/* Users choose which slots they ask for, and each choice has an index: what all of them may take is
 * bounded. */
enum { INDEX_BYTES = 1024 * 1024, INDEX_BYTES_AN_AGENT = 2048 };

/* capacity - held, never below 0; plain where nothing can overflow. */
static int64_t what_is_left(int64_t capacity, int64_t held)
{
    int64_t left = 0;
    if (capacity == AMOUNT_INF || held < 0)
        left = amount_sub(capacity, held);
    else
        left = capacity > held ? capacity - held : 0;
    return left > 0 ? left : 0;
}

static bool has_negative(const int64_t *amounts, size_t n)
{
    int64_t signs = 0;
    for (size_t i = 0; i < n; i++)
        signs |= amounts[i];
    return signs < 0;
}

/* Rows of its own, to be written to. */
static void rows_create(struct book *b, struct arena *a)
{
    const struct snapshot *s = b->room.snapshot;
    size_t n = (size_t)s->n_agents * s->n_slots;
    b->remaining = arena_new(a, int64_t, n);
    for (size_t i = 0; i < n; i++)
        b->remaining[i] = what_is_left(s->agent_capacity[i], b->room.empty ? 0 : s->agent_held[i]);
    b->room.remaining = b->remaining;
}

struct book *book_create(const struct snapshot *s, const struct policy *p, bool empty,
                         struct arena *a)
{
    struct book *b = arena_new(a, struct book, 1);
    b->arena = a;
    b->containers = arena_new(a, int64_t, s->n_agents);
    b->room = (struct room){.snapshot = s,
                            .remaining = s->agent_capacity,
                            .containers = b->containers,
                            .max_containers = p->max_containers,
                            .empty = empty};
    if (!empty || has_negative(s->agent_capacity, (size_t)s->n_agents * s->n_slots))
        rows_create(b, a);
    for (uint32_t i = 0; i < s->n_agents && !empty; i++)
        b->containers[i] = s->agents[i].containers > 0 ? s->agents[i].containers : 0;
    members_init(&b->members, s, !empty, a);
    b->index_bytes = INDEX_BYTES + (size_t)s->n_agents * INDEX_BYTES_AN_AGENT;
    return b;
}

uint32_t book_closest(struct book *b, const struct requirement *r)
{
    if (b->closest == NULL)
        b->closest = closest_create(&b->room, b->arena);
    return closest_find(b->closest, &b->room, r);
}

bool book_spend(struct book *b, size_t bytes)
{
    if (bytes > b->index_bytes)
        return false;
    b->index_bytes -= bytes;
    return true;
}

/* Full: let every index catch up, then begin anew. */
static void log_clear(struct book *b)
{
    for (uint32_t i = 0; i < BOOK_MAX_INDEXES; i++)
        if (b->indexes[i] != NULL)
            fit_index_restart(b->indexes[i], b);
    b->n_log = 0;
}

void book_hold(struct book *b, uint32_t agent, const struct demand *d, int delta)
{
    if (b->remaining == NULL)
        rows_create(b, b->arena);
    int64_t *row = b->remaining + (size_t)agent * b->room.snapshot->n_slots;
    for (uint32_t i = 0; i < d->slots->n; i++) {
        uint32_t slot = d->slots->asked[i];
        row[slot] = delta > 0 ? amount_sub(row[slot], d->request[slot])
                              : amount_add(row[slot], d->request[slot]);
    }
    if (delta < 0 && b->closest != NULL)
        closest_raise(b->closest, &b->room, agent);
    b->containers[agent] += (int64_t)delta * d->containers;
    if (b->n_log == BOOK_LOG)
        log_clear(b);
    b->log[b->n_log++] = agent;
}
