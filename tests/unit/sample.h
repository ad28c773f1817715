/* sample.h - a small group with one of everything, added in an order of your choice, and a plan. */
#ifndef BERTH_TESTS_UNIT_SAMPLE_H
#define BERTH_TESTS_UNIT_SAMPLE_H

#include "scheduler/plan.h"
#include "scheduler/policy.h"
#include "scheduler/snapshot_build.h"

/* A generator of numbers that is the same everywhere; seed 0 gives 0 for ever. */
uint32_t sample_random(uint64_t *seed);

/* Seed 0: rows are added in the order of sample.c's tables; else shuffled. */
struct snapshot_builder *sample_builder(struct arena *a, uint64_t seed);
const struct snapshot *sample_snapshot(struct arena *a, uint64_t seed);

/* A plan for it with outcomes, causes, placements and cursors of several kinds, and its hash. */
struct plan *sample_plan(const struct snapshot *s, struct arena *a);

extern const struct policy_config sample_config;

/* The first line where two prints part, in words. */
const char *sample_difference(const char *got, const char *want);

struct uuid sample_id(unsigned n); /* 00000000-0000-0000-0000-<n> */

#endif
