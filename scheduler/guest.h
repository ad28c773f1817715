/* guest.h - a session that is not in a snapshot and is asked about as if it were: a preview of what
 * somebody only describes.
 *
 * Two ways give the same answers. It can be added to a copy of the snapshot (builder_guest()), for
 * any question. Or it stays outside (explainer.h): an engine sees the snapshot's agents and owners,
 * the guest as the only session, and those of its access key that wait as if they waited elsewhere;
 * that costs what the guest costs, not what the snapshot does. */
#ifndef BERTH_SCHEDULER_GUEST_H
#define BERTH_SCHEDULER_GUEST_H

#include "scheduler/engine.h"
#include "scheduler/snapshot_build.h"

struct guest {
    struct session session; /* owners and group are the snapshot's; ranges are not looked at */
    const struct kernel *kernels; /* main first, then by cluster index; arch is not looked at */
    const char *const *archs;     /* by kernel */
    const int64_t *request;       /* rows by kernel, the snapshot's slots */
    uint32_t n_kernels;
    const char *const *designated; /* agent ids */
    uint32_t n_designated;
};

/* Adds it to a builder that began with builder_copy(). */
void builder_guest(struct snapshot_builder *b, const struct guest *g);

/* --- outside; for explainer.c --- */

struct guests; /* an engine for one guest after the other */

/* Whether it can stay outside: every architecture it names is one of the snapshot's. */
bool guest_stays_outside(const struct snapshot *s, const struct guest *g);
struct guests *guests_create(const struct snapshot *s, const struct policy *p, struct arena *a);
/* The guest is session 0 of *ret_view, which is good until the next one enters. It and what it
 * points to must live as long; `a` is where what is made for it goes. */
struct engine *guests_enter(struct guests *x, const struct guest *g, struct arena *a,
                            const struct snapshot **ret_view);

#endif
