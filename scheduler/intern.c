/* intern.c - an open hash table of pointers, linear probing, at most half full. */
#include "scheduler/intern.h"

void *intern_find(const struct intern *t, uint64_t hash,
                  bool (*equal)(const void *item, const void *probe), const void *probe)
{
    if (t->cap == 0)
        return NULL;
    for (size_t i = hash & (t->cap - 1); t->cells[i].item != NULL; i = (i + 1) & (t->cap - 1))
        if (t->cells[i].hash == hash && equal(t->cells[i].item, probe))
            return t->cells[i].item;
    return NULL;
}

static void put(struct intern *t, uint64_t hash, void *item)
{
    size_t i = hash & (t->cap - 1);
    while (t->cells[i].item != NULL)
        i = (i + 1) & (t->cap - 1);
    t->cells[i] = (struct intern_cell){.hash = hash, .item = item};
}

void intern_add(struct intern *t, uint64_t hash, void *item)
{
    if (2 * (t->n + 1) > t->cap) {
        struct intern old = *t;
        t->cap = old.cap == 0 ? 64 : 4 * old.cap;
        t->cells = arena_new(t->arena, struct intern_cell, t->cap);
        for (size_t i = 0; i < old.cap; i++)
            if (old.cells[i].item != NULL)
                put(t, old.cells[i].hash, old.cells[i].item);
        arena_release(t->arena, old.cells, old.cap * sizeof(*old.cells));
    }
    put(t, hash, item);
    t->n++;
}

uint64_t hash_row(uint64_t h, const int64_t *row, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        h = hash_mix(h, (uint64_t)row[i]);
    return h;
}

uint64_t hash_text(uint64_t h, const char *text)
{
    for (; *text != '\0'; text++)
        h = hash_mix(h, (unsigned char)*text);
    return h;
}
