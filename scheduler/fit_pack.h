/* fit_pack.h - an agent's numbers in one word and its key in one rank, so that many of them lie
 * side by side and are compared without a loop.
 *
 * Packed numbers: each in a lane of its own, rounded down to a few digits of base 2. What holds a
 * need packs to what holds the packed need; the other way round only nearly so: who passes here is
 * still to be asked. Numbers behind the eighth are left out.
 *
 * Ranks: of two keys with different ranks the one with the lower rank is the less. Equal ranks of
 * two leaves say nothing: the keys have to be compared. The ranges of the key's numbers are learnt
 * from the keys there are at first; a rank that is total tells all and is that of no other leaf. */
#ifndef BERTH_SCHEDULER_FIT_PACK_H
#define BERTH_SCHEDULER_FIT_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "scheduler/arena.h"

struct fit_lanes {
    uint32_t n, bits; /* of a lane, with its highest, the guard */
    uint64_t guards;  /* that bit of each lane; 0 in packed numbers */
};

void fit_lanes_init(struct fit_lanes *l, uint32_t n_numbers);
uint64_t fit_lanes_pack(const struct fit_lanes *l, const int64_t *numbers);

/* false: one of the numbers is less than that of the need, whose gap this is: guards - need. */
static inline bool fit_lanes_hold(uint64_t guards, uint64_t have, uint64_t gap)
{
    return ((have + gap) & guards) == guards;
}

/* The larger one in each lane. */
static inline uint64_t fit_lanes_most(const struct fit_lanes *l, uint64_t a, uint64_t b)
{
    const uint64_t a_wins = ((a | l->guards) - b) & l->guards;
    const uint64_t mask = a_wins - (a_wins >> (l->bits - 1));
    return (a & mask) | (b & ~mask);
}

__extension__ typedef unsigned __int128 fit_rank;

struct fit_field {
    int64_t least; /* what is beyond these two has no digits */
    uint64_t span; /* from it to the most */
    uint32_t word; /* of the rank: 0 is the upper one */
    uint32_t shift;
    uint32_t cut;  /* lowest bits that found no room */
    uint64_t rest; /* all bits of the word from here on */
};

struct fit_ranks {
    struct fit_field *fields; /* of the key's numbers, as far as they find room */
    uint32_t n;
    bool total; /* all did, the leaf's number, too */
};

/* keys: n rows of len numbers. */
void fit_ranks_init(struct fit_ranks *r, const int64_t *keys, uint32_t n, uint32_t len,
                    struct arena *a);
/* *total (if it is not) becomes false. */
fit_rank fit_ranks_of(const struct fit_ranks *r, const int64_t *key, uint32_t leaf, bool *total);

#endif
