/* spec.h - a session, and agents that do not exist, as written on a command line. */
#ifndef BERTH_BERTHCTL_SPEC_H
#define BERTH_BERTHCTL_SPEC_H

#include <stdbool.h>

#include "berth/v1/scheduler.pb-c.h"
#include "scheduler/arena.h"
#include "scheduler/err.h"
#include "server/berthctl/flags.h"

/* The options that describe a session; NULL, 0 and empty where not given. */
struct spec_options {
    char *cpu, *mem, *gpu;
    struct list slots; /* "name=amount" */
    char *arch, *access_key, *user, *project, *domain, *type, *session_group;
    uint32_t nodes; /* more than 1: multi-node, a kernel a node */
    int32_t priority;
    struct list on_agents; /* designated */
    bool strict;           /* on_agents only */
};

/* An amount as a person writes it, as the contract's plain decimal text: "8g" and "8 GiB" for
 * slots of bytes (slot_type_guess), "0.5" for others. NULL: not an amount; e names slot and text.
 */
char *spec_amount(struct arena *a, const char *slot, const char *text, struct err *e);

bool spec_is_given(const struct spec_options *o); /* any of them */
/* The message, in the arena; NULL when something is wrong or missing. --gpu counts "cuda.shares".
 */
Berth__V1__SessionSpec *spec_build(struct arena *a, const struct spec_options *o, struct err *e);
/* "ID,cpu=8,mem=64g,arch=aarch64"; NULL when it is wrong. */
Berth__V1__AgentSpec *spec_agent(struct arena *a, const char *text, struct err *e);

#endif
