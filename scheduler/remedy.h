/* remedy.h - what would help a session that a preview does not place: for each cause the smallest
 * changes that make it go away.
 *
 * Shape. Causes are numbered: first those of the decision (stage 0), then `later`, which show,
 * stage by stage, only once those before them are cured (a quota hides that no agent has room). A
 * remedy cures the causes it names; the remedies of one cause are alternatives, best first. The
 * first remedy of every cause, all together, make the session fit when `suffice` says so. The
 * changes of one remedy belong together: all of them or none.
 *
 *   now     every remedy for a cause of the decision, alone: that cause is gone
 *   later   the first remedies of all causes of earlier stages, and this one: that cause is gone
 *   place   causes of placement (no agents, architecture, capacity, ...) are cured as one: each
 *           remedy makes the whole session fit, all its kernels, and so names all of those causes
 *   least   every `by` and every count is the smallest: one unit less (a byte, a millionth) of any
 *           of them, the others as they are, and the cause stays. So is the time waited until
 *
 * A cause is gone when the session was decided at least as far as before and there is none of its
 * kind and plugin any more; those of placement when it fits. No rule is written down here a second
 * time: candidates come from the numbers of the causes and from asking the filters about single
 * agents, and each is tried by changing the snapshot (remedy_apply) and asking the round's own
 * preview again. What does not work is not offered.
 *
 * A remedy without changes says why nothing can be done to the cluster: see its message. Causes of
 * kind CONFLICT, ROUND_LIMIT and AGENT_UNAVAILABLE are never those of a preview's decision: the
 * first two are of a round that ran, the last is about an agent. */
#ifndef BERTH_SCHEDULER_REMEDY_H
#define BERTH_SCHEDULER_REMEDY_H

#include "scheduler/round.h"

/* The numbers are those of the wire (proto RemedyKind), where each is described. */
enum remedy_kind {
    REMEDY_NONE,
#define REMEDY(kind, name) REMEDY_##kind,
#include "scheduler/remedy_kinds.def"
#undef REMEDY
    N_REMEDY_KINDS
};

struct remedy_slot {
    uint32_t slot;
    int64_t by; /* how much less asked, freed, or more granted */
    int64_t to; /* what it comes to: the request, the quota, what the agent has left */
};

struct remedy_change { /* what does not apply to the kind: "", NONE, 0, TIME_NONE */
    enum remedy_kind kind;
    const char *subject; /* agent id, owner's key, architecture, value of an option */
    uint32_t owner;      /* whose quota, limit or row: index into owners */
    const struct remedy_slot *slots;
    uint32_t n_slots;
    int64_t count; /* sessions, containers, or a priority */
    const struct uuid *sessions;
    uint32_t n_sessions;
    int64_t time;
    int64_t duration; /* microseconds */
};

struct remedy {
    const uint32_t *causes; /* numbers, ascending */
    uint32_t n_causes;
    const struct remedy_change *changes;
    uint32_t n_changes;
    const char *message; /* one sentence for a person */
};

struct remedies {
    const struct cause *later;
    uint32_t n_later;
    const uint32_t *stages;     /* by cause: 0 those of the decision, 1 those that show next, ... */
    const struct remedy *items; /* by the first cause they name, best first */
    uint32_t n;
    bool suffice;
};

struct remedy_limits {   /* 0 or NULL: the standard */
    uint32_t max_agents; /* agents offered for one cause, fewest and smallest changes first; 3 */
    uint32_t max_tries;  /* previews asked before the search ends with what it has; by the size
                            of the group */
    bool (*stop)(void *ctx); /* optional: asked before each preview; true: time is up, as above */
    void *ctx;
};

/* Remedies for what round_explain(s, p, q) decides; none when it fits. Fails as round_explain()
 * does. limits NULL: the standard. All memory is the arena's. */
int remedy_find(const struct snapshot *s, const struct policy *p, const struct explain_request *q,
                const struct remedy_limits *limits, struct arena *a, struct remedies **ret,
                struct err *e) MUST_CHECK;

/* Whether what `then` decides about the session says that the cause is gone. */
bool remedy_cause_is_gone(const struct cause *c, const struct decision *then);

/* The amounts of a remedy (of slots, sessions, containers, time), and the remedy with one of them
 * less; a session of a list is left out. */
uint32_t remedy_n_amounts(const struct remedy *r);
struct remedy remedy_lessen(const struct remedy *r, uint32_t i, int64_t units, struct arena *a);

/* --- what if: a snapshot that can be changed and changed back ---
 *
 * It starts as a view of the snapshot; a table is copied when it is first changed. The snapshot
 * given is never written to. */
struct remedy_world;

struct remedy_world *remedy_world_create(const struct snapshot *s, const struct policy *p,
                                         uint32_t session, struct arena *a);
/* All changes of the remedy, on top of those before. false: it cannot be done (it would free more
 * than is held) and nothing was changed. Doing a remedy twice is doing it once, but for what says
 * how much is freed or ended. */
bool remedy_apply(struct remedy_world *w, const struct remedy *r);
/* Back to where remedy_world_mark() said. */
size_t remedy_world_mark(const struct remedy_world *w);
void remedy_world_undo(struct remedy_world *w, size_t mark);

/* The world as it is now; good until the next change. The session's index moves when older ones
 * leave the queue. */
const struct snapshot *remedy_world_snapshot(const struct remedy_world *w);
const struct policy *remedy_world_policy(const struct remedy_world *w);
uint32_t remedy_world_session(const struct remedy_world *w);

#endif
