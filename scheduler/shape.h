/* shape.h - sessions that ask for the same thing under the same constraints share a shape.
 *
 * Three layers, each interned: a slot set is which slots are asked for; a demand is what one agent
 * must give (architecture, containers, amounts); a shape is the demands of a session in order plus
 * its constraints (designated agents, session group). Made when first asked for, in the arena. */
#ifndef BERTH_SCHEDULER_SHAPE_H
#define BERTH_SCHEDULER_SHAPE_H

#include "scheduler/plugin.h"
#include "scheduler/policy_internal.h"

struct slot_set {
    const uint32_t *asked;    /* in slot order */
    const uint32_t *priority; /* in the order selectors look at them */
    uint32_t n;
};

struct demand {
    uint32_t arch;
    int32_t containers;
    const int64_t *request; /* by slot */
    const struct slot_set *slots;
    uint32_t track;      /* number of (arch, slots): demands of one track share a candidate index */
    struct shape *plain; /* of a session with this single demand and no constraints; or NULL */
    uint64_t hash;
};

enum shape_fault { SHAPE_FINE, SHAPE_NO_KERNELS, SHAPE_MIXED_ARCHITECTURE };

struct shape {
    enum shape_fault fault;
    bool multi_node;
    const int64_t *request; /* by slot: the sum over the session's kernels */
    const struct slot_set *slots;
    const struct demand *const *demands; /* one a requirement */
    uint32_t n_demands;
    /* Constraints. */
    const char *const *designated_stored; /* agent ids */
    const uint32_t *designated;           /* agents of the snapshot among them */
    uint32_t n_designated, n_designated_stored;
    bool designated_strict;
    uint32_t group; /* NONE: none, or without direction */
    /* What place.c remembers about it. */
    struct shape_memory {
        enum { NEVER_UNTESTED, NEVER_NO, NEVER_YES } never; /* could not fit an empty group */
        const struct cause *causes;                         /* of the last failure */
        uint32_t n_causes;
        uint64_t failed_at; /* commit number of that failure, 0: none */
        uint32_t anchor;    /* agent that failure is about, or NONE */
        bool dead;          /* what failed once fails for the rest of the round */
    } memory;
};

struct shapes;

struct shapes *shapes_create(const struct snapshot *s, const struct policy *p, struct arena *a);
struct shape *shapes_of(struct shapes *t, uint32_t session);
uint32_t shapes_tracks(const struct shapes *t); /* numbers given out so far */
/* What the snapshot says of its sessions will change: nothing of it is pointed at from now on. */
void shapes_keep_copies(struct shapes *t);
void shapes_forget(struct shapes *t, uint32_t session); /* it is another one from now on */

#endif
