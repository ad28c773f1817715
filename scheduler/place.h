/* place.h - step 7: finds agents for all kernels of a session, or says why not.
 *
 * A session has one requirement (single-node: the sum of its kernels) or one a kernel (multi-node),
 * placed in order; what an earlier one holds, a later one sees. All or none: after a failure every
 * hold is given back. Failures are remembered by shape, so that sessions of one shape do not look
 * at the same agents again while nothing changed. */
#ifndef BERTH_SCHEDULER_PLACE_H
#define BERTH_SCHEDULER_PLACE_H

#include "scheduler/choose.h"

struct cursor {           /* round-robin, by architecture */
    const char *agent_id; /* chosen last, NULL: none yet */
    uint32_t turn;        /* index of the first agent with a greater id */
};

struct placer {
    const struct snapshot *snapshot;
    const struct policy *policy;
    struct arena *arena;
    struct shapes *shapes;
    struct chooser chooser;
    struct book *real;
    struct book *empty; /* made when first needed */
    struct cursor *cursors;
    bool *designated;   /* by agent: of the session at hand */
    uint64_t commits;   /* sessions placed so far */
    uint64_t *touched;  /* by agent: commits after the last one that touched it */
    uint32_t serial;    /* of the attempt at hand */
    uint32_t *own;      /* by agent: serial of the attempt that last put a kernel there */
    struct step {       /* by requirement of the attempt at hand */
        uint32_t agent; /* NONE: it found none */
        bool counted;   /* this step made the agent a holder of the session's group */
        struct cursor cursor_before;
    } * steps;
    size_t steps_cap;
};

/* plain_scan: use no index and remember no failure. */
void placer_init(struct placer *p, const struct snapshot *s, const struct policy *policy,
                 bool plain_scan, struct arena *a);

/* SCHEDULED: the holds stay and ret_agents has one agent a kernel, in kernel order. INVALID,
 * WAITING, INFEASIBLE: nothing is held and the causes say why. */
enum outcome placer_place(struct placer *p, uint32_t session, struct placement *ret_placements,
                          const struct cause **ret_causes, uint32_t *ret_n_causes);

/* Holds a session where a plan put it. */
void placer_put(struct placer *p, uint32_t session, const struct placement *placements);
/* Gives back what the last placer_place() holds, the only one that came out SCHEDULED so far. */
void placer_take_back(struct placer *p, uint32_t session);

/* For previews: the number of the first requirement that would not be placed (0 when all would),
 * and a requirement against the real book, good until placer_requirement_done(). */
uint32_t placer_first_failure(struct placer *p, uint32_t session);
void placer_requirement(struct placer *p, uint32_t session, uint32_t i, struct requirement *ret);
void placer_requirement_done(struct placer *p, uint32_t session);

/* --- between place.c and place_why.c --- */

/* Tries all requirements of a shape and holds what fits. Gives the number that failed; without
 * `report` it stops at the first. attempt_undo() gives back what the first n steps hold. */
struct report {
    struct cause_list causes;
    const struct demand *last; /* failed last, nothing held since: it would say the same again */
    uint32_t anchor;           /* the agent the last cause is about, or NONE */
};
uint32_t placer_attempt(struct placer *p, struct book *b, uint32_t session, const struct shape *h,
                        struct report *report);
void placer_undo(struct placer *p, struct book *b, const struct shape *h);
/* Adds the cause why nobody takes the requirement, unless it is listed. */
void placer_cause(struct placer *p, struct book *b, const struct requirement *r,
                  struct report *report);
/* The cause a filter gives; *ret_about is the agent it is about, or NONE. */
struct cause filter_cause(const struct chosen *f, const struct room *m, const struct requirement *r,
                          const struct entrants *who, struct arena *a, uint32_t *ret_about);

/* All causes why the shape finds no place in the book. *ret_anchor: the agent the one cause is
 * about, or NONE. */
void placer_why(struct placer *p, struct book *b, uint32_t session, const struct shape *h,
                const struct cause **ret_causes, uint32_t *ret_n, uint32_t *ret_anchor);
const struct cause *placer_fault(const struct snapshot *s, uint32_t session, enum shape_fault fault,
                                 struct arena *a);

#endif
