/* remedy_spot.h - what it takes to bring one requirement onto one agent. */
#ifndef BERTH_SCHEDULER_REMEDY_SPOT_H
#define BERTH_SCHEDULER_REMEDY_SPOT_H

#include "scheduler/remedy_internal.h"

enum spot_way {
    SPOT_ASK_LESS,   /* the session asks for what the agent has left */
    SPOT_MAKE_ROOM,  /* the agent gives free what is short */
    SPOT_LIFT_LIMIT, /* as before, but limits are lifted rather than kept */
    SPOT_NEW_AGENT   /* a new agent takes it */
};

struct spot_question {
    struct finder *finder;
    const struct room *room; /* with what earlier requirements hold */
    const struct requirement *requirement;
    const struct policy *policy;
    enum spot_way way;
};

struct spot {
    uint32_t agent;
    unsigned weight;        /* how much must change, by kind */
    int64_t missing, asked; /* largest relative shortage, as a fraction */
    bool is_short;          /* of slots */
};

struct spot_changes {
    struct arena *arena;
    struct remedy_change *items;
    size_t n, cap;
};

/* false: nothing brings it onto this agent in this way. */
bool spot_weigh(const struct spot_question *q, uint32_t agent, struct spot *ret);
bool spot_is_better(const struct spot *a, const struct spot *b); /* agents in order of ids */

/* Adds what it takes; what changes the same thing becomes one change. */
void spot_fix(const struct spot_question *q, uint32_t agent, struct spot_changes *changes);
void spot_new_agent(const struct spot_question *q, struct spot_changes *changes);

#endif
