/* described.h - sessions and agents that a preview only describes -> rows of a snapshot builder.
 *
 * Lengths, lists, ids and enums were checked at the door (inbound.h). What is left is checked here,
 * each with its field path: amounts, slots the group does not know, agents that exist or do not.
 * Failures are ERR_INVALID. */
#ifndef BERTH_SERVER_DESCRIBED_H
#define BERTH_SERVER_DESCRIBED_H

#include <berth/v1/scheduler.pb-c.h>

#include "repo/snapshot_load.h"

/* What snapshot_load() has to find for the session. Texts are lent or in the arena. */
struct snapshot_spec described_owners(const Berth__V1__SessionSpec *spec, struct arena *a);

/* Adds the session, created at the moment of the snapshot; *ret_id is its id. */
int described_session(struct snapshot_builder *b, const Berth__V1__SessionSpec *spec,
                      const struct snapshot_spec_owners *owners, struct uuid *ret_id,
                      struct arena *a, struct err *e) MUST_CHECK;

int described_extra_agents(struct snapshot_builder *b, Berth__V1__AgentSpec *const *specs, size_t n,
                           struct arena *a, struct err *e) MUST_CHECK;
int described_without_agents(struct snapshot_builder *b, char *const *ids, size_t n,
                             struct arena *a, struct err *e) MUST_CHECK;

#endif
