/* snapshot_index.c - linear probing, at most two thirds full. */
#include "scheduler/snapshot_index.h"

#include <assert.h>

uint32_t index_hash_text(const char *text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return (uint32_t)(h >> 32) ^ (uint32_t)h;
}

uint32_t index_hash_uuid(const struct uuid *id)
{
    uint64_t a;
    uint64_t b;
    memcpy(&a, id->b, sizeof(a));
    memcpy(&b, id->b + sizeof(a), sizeof(b));
    uint64_t h = (a ^ (b >> 29) ^ (b << 35)) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ (h >> 32) ^ b) * UINT64_C(0xd6e8feb86659fd93);
    return (uint32_t)(h >> 32);
}

static void place(struct snapshot_index *x, struct index_entry entry)
{
    uint32_t i = entry.hash & x->mask;
    while (x->entries[i].row != NONE)
        i = (i + 1) & x->mask;
    x->entries[i] = entry;
}

static void grow(struct snapshot_index *x, struct arena *a)
{
    enum { FIRST_ENTRIES = 16 };
    struct snapshot_index old = *x;
    uint32_t n = old.entries != NULL ? (old.mask + 1) * 2 : FIRST_ENTRIES;
    assert(n != 0);
    x->entries = arena_new(a, struct index_entry, n);
    x->mask = n - 1;
    for (uint32_t i = 0; i < n; i++)
        x->entries[i].row = NONE;
    if (old.entries == NULL)
        return;
    for (uint32_t i = 0; i <= old.mask; i++)
        if (old.entries[i].row != NONE)
            place(x, old.entries[i]);
    index_release(&old, a);
}

void index_put(struct snapshot_index *x, struct arena *a, uint32_t hash, uint32_t row)
{
    if (x->entries == NULL || x->n >= (x->mask + 1) / 3 * 2)
        grow(x, a);
    place(x, (struct index_entry){.hash = hash, .row = row});
    x->n++;
}

uint32_t index_next(const struct snapshot_index *x, uint32_t hash, uint32_t *at)
{
    if (x->entries == NULL)
        return NONE;
    for (;;) {
        struct index_entry entry = x->entries[*at & x->mask];
        (*at)++;
        if (entry.row == NONE || entry.hash == hash)
            return entry.row;
    }
}

void index_move(struct snapshot_index *x, uint32_t hash, uint32_t row, uint32_t to)
{
    uint32_t i = hash & x->mask;
    while (x->entries[i].row != row) {
        assert(x->entries[i].row != NONE);
        i = (i + 1) & x->mask;
    }
    x->entries[i].row = to;
}

void index_remap(struct snapshot_index *x, const uint32_t *to)
{
    if (x->entries == NULL)
        return;
    for (uint32_t i = 0; i <= x->mask; i++)
        if (x->entries[i].row != NONE)
            x->entries[i].row = to[x->entries[i].row];
}

void index_release(struct snapshot_index *x, struct arena *a)
{
    if (x->entries != NULL)
        arena_release(a, x->entries, ((size_t)x->mask + 1) * sizeof(*x->entries));
    *x = (struct snapshot_index){0};
}
