/* recorder.h - keeps each round as two files, for `berthctl replay`.
 *
 * In the folder of setting `record`: <group>-<epoch>-<round id>.snapshot and .plan, as of
 * scheduler/snapshot_file.h; the plan is the one that was decided, before the commit found
 * conflicts. A file is written aside and renamed, the plan first: who sees a snapshot sees its
 * plan, and sees all of both. What is not a letter, a digit or one of "_.-" in a group's name is
 * %XX in the file's, and so is a leading "." or "-"; a long name is cut and ends in '+'.
 *
 * The folder holds at most max_files files and max_bytes bytes of ours: when a round would exceed
 * that, the oldest go first, about an eighth of the folder at a time. Other files in it are not
 * touched. A folder may be shared by replicas; each bounds what it finds there.
 *
 * Recording never fails a round: what goes wrong is logged, each kind of trouble at most every five
 * minutes, and the round is not kept. Any thread; writes wait for each other. */
#ifndef BERTH_SERVER_RECORDER_H
#define BERTH_SERVER_RECORDER_H

#include "scheduler/plan.h"
#include "scheduler/policy.h"

struct recorder;
struct round_report; /* round_service.h */

/* folder is lent and must outlive it. The last folder of the path is made when it is
 * not there. NULL for an empty path: nothing is to be kept. */
struct recorder *recorder_create(const char *folder, int64_t max_files, int64_t max_bytes);
void recorder_destroy(struct recorder *r); /* NULL is fine */
/* Other bounds, which the next write keeps. NULL is fine. */
void recorder_limit(struct recorder *r, int64_t max_files, int64_t max_bytes);
DEFINE_CLEANUP(struct recorder, recorder_destroy)

/* The plan as it is now, for recorder_write() when a commit has changed it; causes and placements
 * stay shared. NULL for no recorder. */
const struct plan *recorder_keep(const struct recorder *r, const struct plan *p, struct arena *a);

/* The round of the report, whatever became of its commit. planned: what recorder_keep() gave; NULL:
 * nothing happens. policy: what the round was decided with. */
void recorder_write(struct recorder *r, const struct round_report *report,
                    const struct plan *planned, const struct policy_config *policy);

#endif
