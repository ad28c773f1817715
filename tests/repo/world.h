/* world.h - a small cluster in a fresh database, and a few words of SQL to change it.
 *
 * Two scaling groups g1 and g2; agents a1, a2 (g1) and b1 (g2), each 8 cpu, 16 GiB; domain
 * "default", project p1, user u1 with keypair AK1, user u2 with keypair AK2, policy "policy"
 * without limits. Functions in schema t, for SQL in tables of cases (ids are made of names:
 * t.id('s1')):
 *
 *   t.id(name)                                    the uuid of everything called that
 *   t.agent(id, group, cpu, mem)                  an ALIVE agent
 *   t.session(name, cpu, mem, kernels, ...)       a PENDING session; kernels are called name/1, ...
 *       further arguments, by name: grp, key, type, mode, prio
 *   t.place(name, agent, status)                  as if scheduled there and in that status;
 * kernels, ledger and agent_resources agree t.hostile()                                   takes
 * away every NOT NULL, CHECK and foreign key */
#ifndef BERTH_TESTS_REPO_WORLD_H
#define BERTH_TESTS_REPO_WORLD_H

#include "repo/plan_commit.h"
#include "repo/snapshot_load.h"
#include "tests/repo/support.h"

struct db world_create(void);
/* Runs SQL on the world: "SELECT t.session(...)" and the like. */
void world_do(const struct db *d, const char *sql);

/* The first column of the first row must be this text. */
void world_expect(const struct db *d, const char *sql, const char *wanted, const char *what);

/* uuid of that name, as t.id() makes it. */
struct uuid world_id(const struct db *d, const char *name);

/* Loads group `name`; fails the test with a sentence when that fails. */
const struct snapshot *world_load(struct pg *c, const char *name, struct arena *a);

struct world { /* a database with a connection to it, and a snapshot of g1 */
    struct db d;
    struct pg *c;
    struct arena *a;
    const struct snapshot *s;
};
struct world world_open(const char *sql); /* runs the SQL first */
void world_close(struct world *w);        /* for CLEANUP() */

int64_t world_amount(const struct snapshot *s, const int64_t *matrix, uint32_t row,
                     const char *slot);
/* Index of a session by name; fails the test when it is not there. */
uint32_t world_session(const struct snapshot *s, const char *name);

const struct owner *world_owner(const struct snapshot *s, const char *session,
                                enum owner_kind kind);
const struct agent *world_agent(const struct snapshot *s, const char *id);

/* A plan made by hand: decisions to be added in order. Room for every session and kernel of s. */
struct plan *world_plan(const struct snapshot *s, struct arena *a);
/* Session `name` goes to these agents, one a kernel ("a1,a2"; one for all kernels: "a1"). */
void plan_place(struct plan *p, const struct snapshot *s, const char *name, const char *agents);
/* Any other outcome, with one cause. */
void plan_say(struct plan *p, const struct snapshot *s, struct arena *a, const char *name,
              enum outcome outcome, enum cause_kind kind, const char *message);

/* Epoch taken, input filled; round ids are different each time. */
struct commit_input world_commit(struct pg *c, const struct snapshot *s, struct plan *p);

/* Fails the test, naming the invariant, when the database contradicts itself: counters of agents
 * are the sums of live ledger rows and not above capacity; kernels move with their session; events
 * are numbered without gaps. */
void world_check(const struct db *d, const char *what);

/* A transaction that is declared to change nothing that a round reads. */
void world_write_quietly(struct pg *c, const char *sql);

/* The outcome of session `name` in a plan. */
const struct decision *plan_decision(const struct plan *p, const struct snapshot *s,
                                     const char *name);

#endif
