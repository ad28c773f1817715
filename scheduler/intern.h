/* intern.h - "have we seen this before?": an open hash table of pointers, in an arena.
 *
 * The hash decides only where to look: nothing is ever iterated in its order. */
#ifndef BERTH_SCHEDULER_INTERN_H
#define BERTH_SCHEDULER_INTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "scheduler/arena.h"

struct intern { /* zero-initialised but for the arena */
    struct arena *arena;
    struct intern_cell {
        uint64_t hash;
        void *item; /* NULL: free */
    } * cells;
    size_t n, cap; /* cap is a power of two, or 0 */
};

/* The item with this hash for which equal(item, probe) holds, or NULL. */
void *intern_find(const struct intern *t, uint64_t hash,
                  bool (*equal)(const void *item, const void *probe), const void *probe);
void intern_add(struct intern *t, uint64_t hash, void *item);

static inline uint64_t hash_mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ (h >> 29);
}
uint64_t hash_row(uint64_t h, const int64_t *row, uint32_t n);
uint64_t hash_text(uint64_t h, const char *text);

#endif
