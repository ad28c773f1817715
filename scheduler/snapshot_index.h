/* snapshot_index.h - finds a row by its key in O(1): open addressing over (hash, row) pairs.
 *
 * The table knows no keys: a lookup walks the rows that share a hash, and the caller compares.
 *
 *     for (uint32_t at = hash, row; (row = index_next(x, hash, &at)) != NONE;)
 *         if (<row has the key>) ...
 *
 * Nothing ever depends on the order of the walk: keys are unique. Memory is the arena's. */
#ifndef BERTH_SCHEDULER_SNAPSHOT_INDEX_H
#define BERTH_SCHEDULER_SNAPSHOT_INDEX_H

#include "scheduler/arena.h"
#include "scheduler/uuid.h"

struct index_entry {
    uint32_t hash;
    uint32_t row; /* NONE: free */
};

struct snapshot_index { /* all zero: empty */
    struct index_entry *entries;
    uint32_t mask; /* number of entries - 1 */
    uint32_t n;    /* of them taken */
};

uint32_t index_hash_text(const char *text);
uint32_t index_hash_uuid(const struct uuid *id);

/* The key must not be there yet. */
void index_put(struct snapshot_index *x, struct arena *a, uint32_t hash, uint32_t row);
/* The next row with that hash, NONE: no more. *at starts as the hash. */
uint32_t index_next(const struct snapshot_index *x, uint32_t hash, uint32_t *at);
/* The entry of `row` leads to `to` from now on. */
void index_move(struct snapshot_index *x, uint32_t hash, uint32_t row, uint32_t to);
/* Every row r becomes to[r]. */
void index_remap(struct snapshot_index *x, const uint32_t *to);
void index_release(struct snapshot_index *x, struct arena *a);

#endif
