/* remedy_internal.h - the search for remedies, for the files remedy*.c.
 *
 * It goes in stages. A stage asks for a preview of the world, takes its causes, and offers remedies
 * for them; then the first remedy of each is done to the world, and the next stage asks again. */
#ifndef BERTH_SCHEDULER_REMEDY_INTERNAL_H
#define BERTH_SCHEDULER_REMEDY_INTERNAL_H

#include <string.h>

#include "scheduler/explain.h"
#include "scheduler/remedy_world.h"

struct look { /* one preview of the world; good until the next */
    struct engine *engine;
    struct explanation *x;
};

/* What the stage's preview knows and its causes do not say. Placements ahead of the session are in
 * it. */
struct facts {
    const int64_t *request; /* by slot: of the session */
    const int64_t *usage[N_OWNER_KINDS];
    int64_t live;  /* sessions of the access key, of the session's kind */
    uint32_t rank; /* in the access key's queue, if the pending limit is a cause */
};

struct finder {
    const struct explain_request *request;
    struct remedy_limits limits;
    uint32_t tries;
    struct arena *arena;   /* of the answer */
    struct arena *scratch; /* of one look */
    struct remedy_world *world;
    struct err *e;
    bool broken; /* a preview failed; *e says why */
    struct cause *causes;
    size_t n_causes, causes_cap;
    uint32_t *stages; /* by cause */
    size_t stages_cap;
    uint32_t n_stages;
    uint32_t stage; /* number of the first cause of the stage at hand */
    bool placing;   /* its causes are of placement: cured is who is placed */
    struct facts facts;
    struct remedy *items;
    size_t n_items, items_cap;
};

/* Previews the world. false: the search is over (no more tries, or broken). */
bool finder_look(struct finder *f, struct look *ret);

/* Offers changes as a remedy for causes from..from+n-1, all of them: tries it, makes every amount
 * the least, adds it. The same remedy for another cause becomes one. false: it does not work. */
bool finder_offer(struct finder *f, uint32_t from, uint32_t n, const struct remedy_change *changes,
                  uint32_t n_changes);

/* Zeroed but for what "does not apply" looks like. */
struct remedy_change *change_new(struct finder *f, enum remedy_kind kind);

void remedies_for_rule(struct finder *f, uint32_t cause); /* any cause but those of placement */
void remedies_for_place(struct finder *f);                /* all causes of the stage */
/* An earlier turn in the queue, for causes from..from+n-1. */
void remedies_for_turn(struct finder *f, uint32_t from, uint32_t n);
/* Whether the changes would cure these causes. */
bool finder_tries(struct finder *f, uint32_t from, uint32_t n, const struct remedy_change *changes,
                  uint32_t n_changes);

/* The sentence of a remedy, as the world is before it. */
const char *remedy_message(const struct finder *f, const struct remedy *r);
/* Why there is no remedy for a cause. */
const char *remedy_none(const struct finder *f, const struct cause *c);

bool remedy_same(const struct remedy *a, const struct remedy *b);
int64_t remedy_amount(const struct remedy *r, uint32_t i); /* the most it can be lessened by */

#endif
