/* owner_usage.h - what owners use and run right now, and their versions. Private to repo/.
 *
 * A version grows with every change that Berth makes to an owner's usage or counts. Bumping it
 * locks the owner until COMMIT: whoever bumps reads the usage afterwards and sees all that was
 * committed before. Loading is owner_usage_load() of snapshot_loader.h. */
#ifndef BERTH_REPO_OWNER_USAGE_H
#define BERTH_REPO_OWNER_USAGE_H

#include "repo/plan_commit.h"
#include "scheduler/arena.h"
#include "scheduler/snapshot.h"

struct owner_key {
    enum owner_kind kind;
    const char *key;
};

/* Adds one to each version (different owners), locking in (kind, key) order; ret[i] is the version
 * after. A row that was not there had version 0. */
int owner_bump(struct txn *t, const struct owner_key *v, uint32_t n, struct arena *a, int64_t *ret,
               struct err *e) MUST_CHECK;

struct owner_now { /* of an owner of the snapshot */
    uint32_t owner;
    int64_t *usage;              /* n_slots amounts, all groups */
    const char *slot_unreadable; /* a row of that slot cannot be counted, or NULL */
};

/* Fills usage (zeroed by the caller) and slot_unreadable: one statement a kind of owner. */
int owner_usage_now(struct txn *t, const struct snapshot *s, struct owner_now *v, uint32_t n,
                    struct arena *a, struct err *e) MUST_CHECK;

/* Sessions of each access key in occupying statuses; fills sessions and sftp_sessions of v. */
int owner_count_live(struct txn *t, struct owner_count *v, uint32_t n, struct arena *a,
                     struct err *e) MUST_CHECK;

#endif
