/* snapshot_file.h - a snapshot or a plan as bytes: versioned, little-endian, compact, checksummed.
 *
 * For golden tests, benches and replay. No I/O here: callers read and write the bytes. A reader
 * believes nothing: every length, index and amount is checked, memory stays in proportion to the
 * bytes given, and what it refuses is ERR_INVALID, reason BAD_FILE, with a message that names the
 * offset: "byte 230 (agents): an id comes twice". The same snapshot gives the same bytes. */
#ifndef BERTH_SCHEDULER_SNAPSHOT_FILE_H
#define BERTH_SCHEDULER_SNAPSHOT_FILE_H

#include "scheduler/plan.h"
#include "scheduler/policy.h"

#define SNAPSHOT_FILE_VERSION 1u

/* *ret is in the arena. The policy_config that the round ran with is part of the file. */
void snapshot_write(const struct snapshot *s, const struct policy_config *c, struct arena *a,
                    uint8_t **ret, size_t *ret_len);
int snapshot_read(const uint8_t *bytes, size_t len, struct arena *a, const struct snapshot **ret,
                  struct policy_config *ret_config, struct err *e) MUST_CHECK;
/* p->hash must be plan_hash(): plan_read() refuses a plan that does not belong to *s, or that does
 * not decide each of its sessions once. */
void plan_write(const struct plan *p, struct arena *a, uint8_t **ret, size_t *ret_len);
int plan_read(const uint8_t *bytes, size_t len, const struct snapshot *s, struct arena *a,
              struct plan **ret, struct err *e) MUST_CHECK;

/* Readable text, for golden files and diffs: a line a row, what has its usual value left out. */
char *snapshot_print(const struct snapshot *s, struct arena *a);
char *plan_print(const struct snapshot *s, const struct plan *p, struct arena *a);

#endif
