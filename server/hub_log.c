/* hub_log.c - the newest part of every group's log, in memory: numbers, ring and stash. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/convert.h"
#include "server/hub_internal.h"

static void *must(void *p)
{
    if (p == NULL)
        abort(); /* out of memory */
    return p;
}

void hub_log_init(struct hub *h)
{
    h->ring = (struct hub_ring){
        .entries = must(calloc(h->options.ring_events, sizeof(struct hub_entry))),
        .cap = h->options.ring_events,
        .cap_bytes = h->options.ring_bytes,
    };
}

static void ring_drop_oldest(struct hub_ring *r)
{
    struct hub_entry *e = &r->entries[r->tail++ % r->cap];
    r->bytes -= e->n_frame;
    free(e->frame);
    e->frame = NULL;
}

static void ring_append(struct hub_ring *r, const struct hub_entry *entry)
{
    while (r->head - r->tail == r->cap ||
           (r->head > r->tail && r->bytes + entry->n_frame > r->cap_bytes))
        ring_drop_oldest(r);
    r->entries[r->head++ % r->cap] = *entry;
    r->bytes += entry->n_frame;
}

static void stash_clear(struct hub_group *g)
{
    for (uint32_t i = 0; i < g->n_stash; i++)
        free(g->stash[i].frame);
    g->n_stash = 0;
}

void hub_log_finish(struct hub *h)
{
    while (h->ring.entries != NULL && h->ring.tail < h->ring.head)
        ring_drop_oldest(&h->ring);
    free(h->ring.entries);
    for (uint32_t i = 0; i < h->n_groups; i++) {
        stash_clear(&h->groups[i]);
        free(h->groups[i].stash);
        free(h->groups[i].name);
    }
    free(h->groups);
    free(h->by_name);
}

/* Position in by_name where the name stands or belongs. */
static uint32_t name_position(const struct hub *h, const char *name, bool *ret_found)
{
    uint32_t low = 0, high = h->n_groups;
    *ret_found = false;
    while (low < high && !*ret_found) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(h->groups[h->by_name[middle]].name, name);
        *ret_found = order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return high;
}

uint32_t hub_group_find(const struct hub *h, const char *name)
{
    bool found;
    uint32_t at = name_position(h, name, &found);
    return found ? h->by_name[at] : NONE;
}

uint32_t hub_group_index(struct hub *h, const char *name, int64_t head)
{
    bool found;
    uint32_t at = name_position(h, name, &found);
    if (found)
        return h->by_name[at];
    if (h->n_groups == h->cap_groups) {
        h->cap_groups = h->cap_groups > 0 ? 2 * h->cap_groups : 16;
        h->groups = must(realloc(h->groups, h->cap_groups * sizeof(*h->groups)));
        h->by_name = must(realloc(h->by_name, h->cap_groups * sizeof(*h->by_name)));
    }
    memmove(&h->by_name[at + 1], &h->by_name[at], (h->n_groups - at) * sizeof(*h->by_name));
    h->by_name[at] = h->n_groups;
    h->groups[h->n_groups] =
        (struct hub_group){.name = must(strdup(name)), .head = head, .last = head};
    return h->n_groups++;
}

static void group_append(struct hub *h, struct hub_group *g, const struct hub_entry *entry)
{
    ring_append(&h->ring, entry);
    g->head = entry->sequence;
    if (g->last < g->head)
        g->last = g->head;
}

/* Moves what has become next from the stash into the ring, and drops what is known by now. */
static void stash_drain(struct hub *h, struct hub_group *g)
{
    uint32_t n = 0;
    for (; n < g->n_stash && g->stash[n].sequence <= g->head + 1; n++) {
        if (g->stash[n].sequence == g->head + 1)
            group_append(h, g, &g->stash[n]);
        else
            free(g->stash[n].frame);
    }
    if (n == 0)
        return;
    g->n_stash -= n;
    memmove(g->stash, g->stash + n, g->n_stash * sizeof(*g->stash));
    g->gap_ns = clock_ns(); /* another gap, if any is left */
}

static void stash_insert(struct hub_group *g, const struct hub_entry *entry)
{
    uint32_t at = g->n_stash;
    while (at > 0 && g->stash[at - 1].sequence > entry->sequence)
        at--;
    bool known = at > 0 && g->stash[at - 1].sequence == entry->sequence;
    if (g->last < entry->sequence)
        g->last = entry->sequence;
    if (known || g->n_stash == STASH_EVENTS) {
        free(entry->frame); /* the database has it */
        return;
    }
    if (g->stash == NULL)
        g->stash = must(calloc(STASH_EVENTS, sizeof(*g->stash)));
    if (g->n_stash == 0)
        g->gap_ns = clock_ns();
    memmove(&g->stash[at + 1], &g->stash[at], (g->n_stash - at) * sizeof(*g->stash));
    g->stash[at] = *entry;
    g->n_stash++;
}

void hub_accept(struct hub *h, struct hub_entry entry)
{
    struct hub_group *g = &h->groups[entry.group];
    if (entry.sequence <= g->head) {
        free(entry.frame);
    } else if (entry.sequence == g->head + 1 || h->n_subscribers == 0) {
        group_append(h, g, &entry); /* with nobody there a hole hurts nobody */
        stash_drain(h, g);
    } else {
        stash_insert(g, &entry);
        pthread_cond_signal(&h->reader_cond);
    }
}

void hub_group_skip(struct hub *h, uint32_t group, int64_t to)
{
    struct hub_group *g = &h->groups[group];
    if (to <= g->head)
        return;
    g->head = to;
    if (g->last < to)
        g->last = to;
    stash_drain(h, g);
    for (struct subscriber *s = h->subscribers; s != NULL; s = s->next) {
        s->verify = true;
        subscriber_queue_work(s);
    }
}

/* The group was deleted and made anew, or the database is another one: sequences begin again. */
static void group_restart(struct hub *h, uint32_t group, int64_t last)
{
    struct hub_group *g = &h->groups[group];
    struct err e = {.code = ERR_NONE};
    stash_clear(g);
    g->head = g->last = last;
    h->restarts++;
    err_set(&e, ERR_OUT_OF_RANGE, "LOG_RESTARTED",
            "the event log of a scaling group has begun anew; watch from the beginning");
    err_meta(&e, "scaling_group", "%s", g->name);
    for (struct subscriber *s = h->subscribers; s != NULL; s = s->next)
        if (s->state != SUBSCRIBER_ENDED && *subscriber_at(s, group) > last)
            subscriber_end(s, &e, NULL);
}

void hub_learn(struct hub *h, const struct event_bounds *bounds, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t n_before = h->n_groups;
        uint32_t index = hub_group_index(h, bounds[i].scaling_group, 0);
        struct hub_group *g = &h->groups[index];
        if (g->last < bounds[i].last)
            g->last = bounds[i].last;
        if (h->n_groups > n_before || h->n_subscribers == 0)
            hub_group_skip(h, index, g->last); /* nobody is live in it */
    }
}

void hub_find_restarts(struct hub *h, const struct event_bounds *bounds, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t group = hub_group_find(h, bounds[i].scaling_group);
        if (group != NONE && bounds[i].last < h->groups[group].asked)
            group_restart(h, group, bounds[i].last);
    }
}

bool hub_group_due(const struct hub *h, const struct hub_group *g, int64_t now_ns, int64_t *ret_ns)
{
    int64_t patience_ns = h->options.reorder_ms * NS_PER_MS;
    if (g->hint > g->head && now_ns >= g->rest_ns)
        return true;
    if (g->hint > g->head && *ret_ns > g->rest_ns)
        *ret_ns = g->rest_ns;
    if (g->last <= g->head)
        return false;
    /* What the stash holds was published; what is missing before it comes any moment. */
    if (g->n_stash == 0 || g->stash[g->n_stash - 1].sequence < g->last ||
        now_ns - g->gap_ns >= patience_ns)
        return true;
    if (*ret_ns > g->gap_ns + patience_ns)
        *ret_ns = g->gap_ns + patience_ns;
    return false;
}

uint8_t *hub_put_field(uint8_t *to, unsigned field, const void *bytes, size_t n)
{
    size_t rest = n;
    *to++ = (uint8_t)(field << 3 | 2);
    for (; rest >= 0x80; rest >>= 7)
        *to++ = (uint8_t)(rest | 0x80);
    *to++ = (uint8_t)rest;
    memcpy(to, bytes, n);
    return to + n;
}

uint8_t *hub_frame(const struct event *ev, struct arena *a, size_t *ret_n)
{
    const Berth__V1__Event *m = convert_event(ev, a);
    size_t n = berth__v1__event__get_packed_size(m);
    uint8_t *bytes = arena_alloc(a, n + 1, 1);
    uint8_t *frame = arena_alloc(a, n + 11, 1);
    berth__v1__event__pack(m, bytes);
    *ret_n = (size_t)(hub_put_field(frame, 1, bytes, n) - frame);
    return frame;
}
