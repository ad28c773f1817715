/* preview.h - the call behind preview and explain: one answer from all its pages, and the agents in
 * the order in which a person wants to read them. */
#ifndef BERTH_BERTHCTL_PREVIEW_H
#define BERTH_BERTHCTL_PREVIEW_H

#include "berth/v1/scheduler.pb-c.h"
#include "server/berthctl/command.h"

/* Agents looked at to find the nearest ones; the counts by cause are of the whole group anyway. */
enum { PREVIEW_AGENTS_READ = 10000 };

/* Follows the pages of agents up to limit (0: all) and puts them into *ret, which is otherwise the
 * first page's. -1 when a call failed. */
int preview_fetch(struct ctl *c, Berth__V1__PreviewAllocationRequest *request, uint32_t limit,
                  Berth__V1__PreviewAllocationResponse *ret, struct failure *f) MUST_CHECK;

/* Sorts the agents, nearest to fitting first: those that fit, then by how much would
 * have to change (another architecture weighs most), then by the
 * largest shortage in relation to what was asked, then by the sum of them, then by id. */
void preview_rank(Berth__V1__PreviewAllocationResponse *r);

/* The first n agents as a table: what keeps each from taking it, and what it has left. */
void preview_print_agents(struct ctl *c, const Berth__V1__PreviewAllocationResponse *r, size_t n);

#endif
