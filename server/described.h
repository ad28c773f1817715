/* described.h - sessions and agents that a preview only describes: a guest of a snapshot, and rows
 * of a builder.
 *
 * Lengths, lists, ids and enums were checked at the door (inbound.h). What is left is checked here,
 * each with its field path: amounts, slots the group does not know, agents that exist or do not.
 * Failures are ERR_INVALID. */
#ifndef BERTH_SERVER_DESCRIBED_H
#define BERTH_SERVER_DESCRIBED_H

#include <berth/v1/scheduler.pb-c.h>

#include "repo/snapshot_load.h"
#include "scheduler/guest.h"

/* What snapshot_load() has to find for the session. Texts are lent or in the arena. */
struct snapshot_spec described_owners(const Berth__V1__SessionSpec *spec, struct arena *a);

/* The session, created at the moment of the snapshot. Texts are lent or in the arena. */
int described_session(const struct snapshot *s, const Berth__V1__SessionSpec *spec,
                      const struct snapshot_spec_owners *owners, struct guest *ret, struct arena *a,
                      struct err *e) MUST_CHECK;

/* b: begun as a copy of s, whose slots the agents' are. */
int described_extra_agents(struct snapshot_builder *b, const struct snapshot *s,
                           Berth__V1__AgentSpec *const *specs, size_t n, struct arena *a,
                           struct err *e) MUST_CHECK;
int described_without_agents(struct snapshot_builder *b, char *const *ids, size_t n,
                             struct arena *a, struct err *e) MUST_CHECK;

#endif
