/* scene.h - a cluster and its queue written as a few lines of text, and a plan written back as
 * text.
 *
 * A scene is lines, separated by newlines or ";", of words; words are separated by spaces.
 * "key=value" words name the rest. Slots: cpu, mem (bytes) and cuda.shares are there; more come
 * with slot lines. group scheduler=fifo strategy=dispersed now=1000 timeout=60      times in
 * seconds, 0.5 is fine option KEY JSON slot NAME [bytes] [rank=N] agent ID [arch=x86_64]
 * [SLOT=AMOUNT] [held.SLOT=AMOUNT] [containers=N] [dead] [closed] [bad] key|user|project|domain
 * NAME [limit.SLOT=] [usage.SLOT=] [here.SLOT=] [pending.SLOT=] [name=] [max=N] [max_sftp=N]
 * [max_pending=N] [live=N] [live_sftp=N] [missing] [bad] here: usage in this group; pending: names
 * the slot in the limit of pending sessions session N [key=] [user=] [project=] [domain=] [at=]
 * [since=] [start=] [prio=] [retries=] [batch|inference|private] [multi] [designated=A,B] [strict]
 * [in=GROUP] [name=] [bad] [arch=] [SLOT=AMOUNT] [empty]     a first kernel with that request,
 * unless "empty" kernel N [idx=] [sub] [arch=] [SLOT=AMOUNT]                      one more kernel
 * of session N depends N on=M [name=] waiting|failed|done sgroup NAME spread|pack|none [strict]
 * NAME is a number; member NAME AGENT COUNT other N key= at= [SLOT=AMOUNT] cursor ARCH AGENT
 * Defaults: owners "k", "u", "p", "d"; at= is the number of the session; now=1000. */
#ifndef BERTH_TESTS_SCENE_H
#define BERTH_TESTS_SCENE_H

#include "scheduler/round.h"
#include "scheduler/snapshot_build.h"

/* Exits with a sentence when the text is not a scene. */
const struct snapshot *scene_snapshot(const char *text, struct arena *a);
struct uuid scene_uuid(uint32_t n);          /* of session N */
uint32_t scene_number(const struct uuid *u); /* N again */

/* policy_resolve() with the built-ins; the test fails when it does. */
struct policy *scene_policy(const struct snapshot *s, const struct policy_config *c,
                            struct arena *a);
struct plan *scene_run(const char *text, const struct policy_config *c, struct arena *a,
                       const struct snapshot **ret_snapshot);

/* The plan's text with these plugins added to the built-ins, or the error's sentence. */
const char *scene_run_with(const struct plugin *const *plugins, size_t n, const char *scene,
                           struct arena *a);

/* "1 SCHEDULED a1,a2" or "2 WAITING CAPACITY@resources(a1 cpu 4/1.5/8)", one line a decision in
 * plan order: session number, outcome, agents by kernel, then causes: kind, plugin, subject, and
 * slots as requested/available/limit with "?" for what does not apply. */
char *scene_plan_text(const struct snapshot *s, const struct plan *p, struct arena *a);
char *scene_causes_text(const struct snapshot *s, const struct cause *causes, uint32_t n,
                        struct arena *a);
/* Runs the scene with the candidate index and with plain scans, and expects this plan text of both.
 */
struct scene_case {
    const char *what, *scene, *plan;
};
void scene_expect(const struct scene_case *t, const struct policy_config *c);
/* One sentence, or several with newlines between. */
void scene_expect_messages(const char *what, const char *scene, const struct policy_config *c,
                           uint32_t session, const char *messages);

/* The messages of the causes of session N, one a line. */
char *scene_messages(const struct snapshot *s, const struct plan *p, uint32_t n, struct arena *a);

#endif
