/* plan_write.c - the rows of a chunk: one statement a table and kind, never one a session. */
#include <assert.h>
#include <string.h>

#include "repo/allocation.h"
#include "repo/fault.h"
#include "repo/kernel.h"
#include "repo/plan_chunk.h"
#include "repo/session_row.h"

#define REASON_EXPIRED "pending-timeout"

/* --- placements --- */

struct places { /* kernels to be placed, and the item of each */
    struct kernel_place *place;
    uint32_t *kernel; /* index in the snapshot */
    uint32_t *item;
    uint32_t n;
};

static const char *current_addr(const struct plan_chunk *c, uint32_t agent)
{
    const char *addr = c->agents[c->touched_at[agent]].addr;
    return addr != NULL ? addr : c->s->agents[agent].addr;
}

static struct places collect_places(struct plan_chunk *c)
{
    const struct placement *p;
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n; i++)
        n += item_places(&c->items[i]) ? c->items[i].planned.n_placements : 0;
    struct places v = {
        .place = arena_new(c->run, struct kernel_place, n),
        .kernel = arena_new(c->run, uint32_t, n),
        .item = arena_new(c->run, uint32_t, n),
    };
    for (uint32_t i = 0; i < c->n; i++) {
        uint32_t n_item = item_places(&c->items[i]) ? chunk_placements(c, &c->items[i], &p) : 0;
        for (uint32_t k = 0; k < n_item; k++, v.n++) {
            v.item[v.n] = i;
            v.kernel[v.n] = p[k].kernel;
            v.place[v.n] = (struct kernel_place){
                .kernel_id = c->s->kernels[p[k].kernel].id,
                .session_id = item_session(c, &c->items[i])->id,
                .agent_id = c->s->agents[p[k].agent].id,
                .agent_addr = current_addr(c, p[k].agent),
            };
        }
    }
    assert(v.n == n);
    return v;
}

static void lose(struct plan_chunk *c, const struct places *v, uint32_t i, const char *what)
{
    struct chunk_item *item = &c->items[v->item[i]];
    char id[UUID_TEXT];
    if (item->lost == NULL)
        item->lost = arena_printf(c->result, "%s of kernel %s changed meanwhile.", what,
                                  uuid_format(&v->place[i].kernel_id, id));
    item->lost_in_write = true;
    c->again = true;
}

/* Kernels and their ledger rows: what says another thing than the snapshot loses its session. */
static int write_kernels(struct plan_chunk *c, const struct places *v, struct err *e)
{
    bool *written = arena_new(c->run, bool, v->n), *matched = arena_new(c->run, bool, v->n);
    if (v->n == 0)
        return 0;
    if (kernel_schedule(c->t, v->place, v->n, c->run, written, e) < 0 ||
        allocation_reserve(c->t, c->s, v->kernel, v->n, c->run, matched, e) < 0)
        return -1;
    for (uint32_t i = 0; i < v->n; i++) {
        if (!written[i])
            lose(c, v, i, "The status");
        else if (!matched[i])
            lose(c, v, i, "The resource_allocations");
    }
    return c->again
               ? err_set(e, ERR_CONFLICT, "ROWS_CHANGED", "Rows have changed since they were read.")
               : 0;
}

static int write_agents(struct plan_chunk *c, struct err *e)
{
    uint32_t n_slots = c->s->n_slots, n = 0;
    int64_t *sum = arena_new(c->run, int64_t, (size_t)c->n_touched * n_slots);
    for (uint32_t i = 0; i < c->n; i++) {
        const struct placement *p;
        uint32_t n_item = item_places(&c->items[i]) ? chunk_placements(c, &c->items[i], &p) : 0;
        for (uint32_t k = 0; k < n_item; k++) {
            const int64_t *request = snapshot_request(c->s, p[k].kernel);
            int64_t *row = sum + (size_t)c->touched_at[p[k].agent] * n_slots;
            for (uint32_t s = 0; s < n_slots; s++)
                row[s] += request[s];
        }
    }
    struct agent_charge *charges =
        arena_new(c->run, struct agent_charge, (size_t)c->n_touched * n_slots);
    for (uint32_t a = 0; a < c->n_touched; a++)
        for (uint32_t s = 0; s < n_slots; s++)
            if (sum[(size_t)a * n_slots + s] > 0)
                charges[n++] = (struct agent_charge){
                    .agent = c->touched[a], .slot = s, .amount = sum[(size_t)a * n_slots + s]};
    return agent_reserve(c->t, c->s, charges, n, c->run, e);
}

/* The agents of a session, each once, in the order of their ids. */
static const char *agents_of(struct plan_chunk *c, const struct chunk_item *item)
{
    const struct placement *p;
    uint32_t n = chunk_placements(c, item, &p), kept = 0;
    uint32_t *agents = arena_new(c->run, uint32_t, n);
    for (uint32_t i = 0; i < n; i++) { /* insertion into a sorted list: few kernels a session */
        uint32_t at = kept;
        while (at > 0 && agents[at - 1] > p[i].agent)
            at--;
        if (at > 0 && agents[at - 1] == p[i].agent)
            continue;
        memmove(&agents[at + 1], &agents[at], (kept - at) * sizeof(*agents));
        agents[at] = p[i].agent;
        kept++;
    }
    const char **ids = arena_new(c->run, const char *, n);
    for (uint32_t i = 0; i < kept; i++)
        ids[i] = c->s->agents[agents[i]].id;
    return text_array(ids, kept, c->run);
}

static int write_scheduled(struct plan_chunk *c, struct err *e)
{
    struct uuid *ids = arena_new(c->run, struct uuid, c->n);
    const char **agents = arena_new(c->run, const char *, c->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        if (!item_places(&c->items[i]))
            continue;
        ids[n] = item_session(c, &c->items[i])->id;
        agents[n++] = agents_of(c, &c->items[i]);
    }
    return n > 0 ? session_schedule(c->t, ids, agents, n, c->run, e) : 0;
}

/* --- failures and ends --- */

static int write_failures(struct plan_chunk *c, struct err *e)
{
    struct session_failure *v = arena_new(c->run, struct session_failure, c->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        if (!item_fails(&c->items[i]))
            continue;
        const struct session *s = item_session(c, &c->items[i]);
        v[n++] = (struct session_failure){
            .id = s->id,
            .info = failure_info(c->items[i].planned.outcome),
            .data = c->texts[i]->session_data,
            .kernel_data = c->texts[i]->kernel_data,
            .retries = s->retries + 1,
        };
    }
    if (n == 0)
        return 0;
    if (session_fail(c->t, v, n, c->run, e) < 0)
        return -1;
    return kernel_mirror(c->t, v, n, c->run, e);
}

static int write_ends(struct plan_chunk *c, struct err *e)
{
    struct uuid *ids = arena_new(c->run, struct uuid, c->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n; i++)
        if (item_ends(&c->items[i]))
            ids[n++] = item_session(c, &c->items[i])->id;
    if (n == 0)
        return 0;
    if (allocation_free(c->t, ids, n, c->run, NULL, NULL, e) < 0 ||
        kernel_cancel(c->t, ids, n, REASON_EXPIRED, c->run, e) < 0)
        return -1;
    return session_mark_cancelled(c->t, ids, n, "PENDING", REASON_EXPIRED, c->run, e);
}

int chunk_write(struct plan_chunk *c, struct err *e)
{
    const struct places v = collect_places(c);
    if (write_kernels(c, &v, e) < 0)
        return -1;
    FAULT_POINT(kernels_written);
    if (write_agents(c, e) < 0)
        return -1;
    FAULT_POINT(agents_written);
    if (write_scheduled(c, e) < 0 || write_failures(c, e) < 0 || write_ends(c, e) < 0)
        return -1;
    FAULT_POINT(sessions_written);
    return 0;
}
