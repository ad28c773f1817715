/* plan_chunk.h - one transaction of a commit. Private to plan_commit.c and its helpers.
 *
 * A chunk runs through steps that share this struct: guard (locks, re-checks), write, record. An
 * item that cannot be written is `lost`, with a sentence; the others go on. The transaction may run
 * more than once: chunk_reset() puts everything back that a run has changed, except
 * `lost_in_write`, which a write has found out and which the guards of the next run cannot see. */
#ifndef BERTH_REPO_PLAN_CHUNK_H
#define BERTH_REPO_PLAN_CHUNK_H

#include "repo/agent.h"
#include "repo/plan_commit.h"

struct chunk_item { /* a decision that writes */
    struct decision *d;
    struct decision planned; /* *d before the commit */
    const char *lost;        /* why it is not written after all, or NULL */
    bool lost_in_write;
};

struct chunk_text { /* JSON that an item records; shared by those that say the same */
    const char *session_data,
        *kernel_data;  /* {"scheduler": {...}} without retries; failures only */
    const char *steps; /* sub_steps of its history row */
};

struct owner_live {
    int64_t sessions, sftp_sessions;
};

struct owner_watch {  /* by owner of the snapshot; lives through all chunks */
    uint64_t version; /* the last one we know of */
    bool moved;       /* somebody else changed the owner since the snapshot: re-check from now on */
    bool used;        /* of an item of this run */
    bool counted;     /* live is what an access key ran when `version` was committed */
    struct owner_live live;
};

struct plan_chunk {
    const struct commit_input *in;
    const struct snapshot *s;
    struct chunk_item *items;
    uint32_t n;
    bool first, last;
    int64_t failure_rounds; /* of the group, after this round */
    bool again; /* a write found lost items: run the transaction once more without them */
    struct owner_watch *watch;

    struct arena *run;    /* dies with the run */
    struct arena *result; /* the caller's */
    struct txn *t;

    /* Made by the guards: */
    uint32_t *touched; /* agents, ascending */
    uint32_t n_touched;
    uint32_t *touched_at;      /* by agent: index into touched */
    struct agent_lock *agents; /* by touched */
    uint32_t *bumped;          /* owners */
    int64_t *bumped_version;
    uint32_t n_bumped;

    const struct chunk_text **texts; /* by item; NULL: lost. Made by chunk_describe() */

    /* What the run comes to: */
    struct event *events;
    uint32_t n_events;
    struct owner_count *owners;
    uint32_t n_owners;
};

static inline const struct session *item_session(const struct plan_chunk *c,
                                                 const struct chunk_item *i)
{
    return &c->s->sessions[i->d->session];
}

/* It is placed by this run. */
static inline bool item_places(const struct chunk_item *i)
{
    return i->lost == NULL && i->planned.outcome == OUTCOME_SCHEDULED;
}

/* It stays PENDING with a record of why. */
static inline bool item_fails(const struct chunk_item *i)
{
    return i->lost == NULL &&
           (i->planned.outcome == OUTCOME_WAITING || i->planned.outcome == OUTCOME_BLOCKED ||
            i->planned.outcome == OUTCOME_INFEASIBLE || i->planned.outcome == OUTCOME_INVALID);
}

/* It is cancelled by the round. */
static inline bool item_ends(const struct chunk_item *i)
{
    return i->lost == NULL &&
           (i->planned.outcome == OUTCOME_EXPIRED || i->planned.outcome == OUTCOME_CANCELLED);
}

static inline uint32_t chunk_placements(const struct plan_chunk *c, const struct chunk_item *i,
                                        const struct placement **ret)
{
    *ret = c->in->plan->placements + i->planned.first_placement;
    return i->planned.n_placements;
}

/* plan_guard.c: locks sessions, agents and owners in that order and marks the items lost that they
 * do not admit any more. */
int chunk_guard(struct plan_chunk *c, struct err *e) MUST_CHECK;
/* plan_write.c: kernels, ledger, agents, sessions. Sets `again` when rows were not as planned. */
int chunk_write(struct plan_chunk *c, struct err *e) MUST_CHECK;
/* plan_record.c: history, numbers, events, the round and the answer, from settled decisions. */
int chunk_record(struct plan_chunk *c, struct err *e) MUST_CHECK;
/* plan_failure.c */
void chunk_describe(struct plan_chunk *c);
const char *failure_info(enum outcome o); /* status_info of a failure */
const char *failure_message(const struct decision *d);

#endif
