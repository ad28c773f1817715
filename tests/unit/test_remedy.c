/* test_remedy.c - what is said to help, kind by kind. */
#include <string.h>

#include "scheduler/cause.h"
#include "scheduler/remedy.h"
#include "tests/unit/scene.h"
#include "tests/unit/unit.h"

/* "CAUSE CAUSE: Sentence", one line a remedy; "+" before a cause that shows later; "..." behind the
 * last when they do not suffice. */
static const char *remedies_text(const struct explanation *x, const struct remedies *r,
                                 struct arena *a)
{
    struct text t = {.arena = a};
    for (uint32_t i = 0; i < r->n; i++) {
        text_add(&t, i > 0 ? "\n" : "");
        for (uint32_t k = 0; k < r->items[i].n_causes; k++) {
            uint32_t cause = r->items[i].causes[k];
            bool later = cause >= x->decision.n_causes;
            const struct cause *c =
                later ? &r->later[cause - x->decision.n_causes] : &x->decision.causes[cause];
            text_addf(&t, "%s%s%s", k > 0 ? " " : "", later ? "+" : "", cause_kind_name(c->kind));
        }
        text_addf(&t, "%s %s", r->items[i].n_changes > 0 ? ":" : " none:", r->items[i].message);
    }
    if (!r->suffice)
        text_add(&t, "\n...");
    return text_end(&t);
}

static const struct policy_config config = {.max_containers_per_agent = 3};

static const struct {
    const char *what, *scene;
    bool after;
    const char *want;
} cases[] = {
    {"it fits", "agent a cpu=1; session 9 cpu=1", false, ""},
    {"nothing helps against having no kernels", "agent a; session 9 empty", false,
     "NO_KERNELS none: Nothing in the cluster helps: create it anew, with kernels.\n"
     "..."},
    {"expired", "group timeout=60; agent a cpu=1; session 9 at=1 cpu=1", false,
     "PENDING_TIMEOUT: Put it into the queue anew.\n"
     "PENDING_TIMEOUT: Raise the pending timeout to more than 17 min."},
    {"unreadable", "agent a cpu=1; session 9 bad cpu=1", false,
     "BAD_DATA: Mend the row: session 9 is unreadable."},
    {"before its start", "agent a cpu=1; session 9 batch start=4600 cpu=1", false,
     "NOT_BEFORE: Wait 60 min until its start.\n"
     "NOT_BEFORE: Ask for a start now."},
    {"waiting until then would let it expire",
     "group timeout=1000; agent a; session 9 batch start=4600", false,
     "NOT_BEFORE: Ask for a start now."},
    {"a dependency", "agent a; session 9; depends 9 on=3 name=import waiting", false,
     "DEPENDENCY: Wait for the success of import (00000000-0000-0000-0000-000000000003).\n"
     "DEPENDENCY: Drop its dependency on import (00000000-0000-0000-0000-000000000003)."},
    {"dependencies, one of which failed",
     "agent a; session 9; depends 9 on=3 name=import waiting; depends 9 on=4 failed; depends 9 "
     "on=5 done",
     false,
     "DEPENDENCY: Wait for the success of import (00000000-0000-0000-0000-000000000003) and drop "
     "its dependency on 00000000-0000-0000-0000-000000000004.\n"
     "DEPENDENCY: Drop its dependency on import (00000000-0000-0000-0000-000000000003), "
     "00000000-0000-0000-0000-000000000004.\n"
     "DEPENDENCY_FAILED: Drop its dependency on 00000000-0000-0000-0000-000000000004."},
    {"all dependencies failed", "agent a; session 9; depends 9 on=4 failed", false,
     "DEPENDENCY DEPENDENCY_FAILED: Drop its dependency on 00000000-0000-0000-0000-000000000004."},
    {"too many live sessions", "agent a; key k max=2 live=4; session 9", false,
     "CONCURRENCY: End 3 running sessions of access key k.\n"
     "CONCURRENCY: Let access key k run 5 sessions."},
    {"too many live file transfers",
     "agent a; key k max=1 live=9 max_sftp=1 live_sftp=1; session 9 private", false,
     "CONCURRENCY: End 1 running SFTP session of access key k.\n"
     "CONCURRENCY: Let access key k run 2 SFTP sessions."},
    {"too many pending sessions",
     "agent a; key k max_pending=2; session 1; session 2; session 3; other 4 at=4; session 9",
     false,
     "PENDING_COUNT: Take 3 older sessions of its access key out of the queue: "
     "00000000-0000-0000-0000-000000000001, 00000000-0000-0000-0000-000000000002, "
     "00000000-0000-0000-0000-000000000003.\n"
     "PENDING_COUNT: Let access key k have 5 pending sessions."},
    {"none may pend", "agent a; key k max_pending=0; session 9", false,
     "PENDING_COUNT: Let access key k have 1 pending session."},
    {"pending sessions ask for too much: it can ask for less",
     "agent a cpu=9; key k pending.cpu=6; session 1 cpu=3; other 2 at=2 cpu=2; session 9 cpu=4",
     false,
     "PENDING_RESOURCE: Ask for less: cpu 1 instead of 4.\n"
     "PENDING_RESOURCE: Take 1 older session of its access key out of the queue: "
     "00000000-0000-0000-0000-000000000001.\n"
     "PENDING_RESOURCE: Let pending sessions of access key k ask for cpu=9."},
    {"pending sessions ask for too much without it",
     "agent a cpu=9; key k pending.cpu=4; session 1 cpu=6; session 2; session 9 cpu=1", false,
     "PENDING_RESOURCE: Take 1 older session of its access key out of the queue: "
     "00000000-0000-0000-0000-000000000001.\n"
     "PENDING_RESOURCE: Let pending sessions of access key k ask for cpu=7."},
    {"quota of the access key", "agent a cpu=9; key k limit.cpu=4 usage.cpu=2; session 9 cpu=3",
     false,
     "KEYPAIR_QUOTA: Ask for less: cpu 2 instead of 3.\n"
     "KEYPAIR_QUOTA: End sessions of access key k that hold cpu=1.\n"
     "KEYPAIR_QUOTA: Raise the quota of access key k to cpu=5."},
    {"quota of the user, used up",
     "agent a cpu=9; user u limit.cpu=4 usage.cpu=4; session 9 cpu=3 mem=0", false,
     "USER_QUOTA: End sessions of user u that hold cpu=3.\n"
     "USER_QUOTA: Raise the quota of user u to cpu=7.\n"
     "USER_QUOTA: Ask for less: cpu 0 instead of 3."},
    {"quota of the project, for more than there is in all",
     "agent a cpu=9; project p name=vision limit.cpu=2; session 9 cpu=3", false,
     "GROUP_QUOTA: Ask for less: cpu 2 instead of 3.\n"
     "GROUP_QUOTA: Raise the quota of project vision to cpu=3."},
    {"quota of the domain, over it already",
     "agent a mem=9g; domain d limit.mem=4g usage.mem=6g; session 9 mem=1g", false,
     "DOMAIN_QUOTA: End sessions of domain d that hold mem=3g.\n"
     "DOMAIN_QUOTA: Raise the quota of domain d to mem=7g.\n"
     "DOMAIN_QUOTA: Ask for less: mem 0 instead of 1g."},
    {"several quotas, and no room behind them",
     "agent a cpu=4; key k limit.cpu=6; user u limit.cpu=5; session 9 cpu=8", false,
     "KEYPAIR_QUOTA: Ask for less: cpu 6 instead of 8.\n"
     "KEYPAIR_QUOTA: Raise the quota of access key k to cpu=8.\n"
     "USER_QUOTA: Ask for less: cpu 5 instead of 8.\n"
     "USER_QUOTA: Raise the quota of user u to cpu=8.\n"
     "+INFEASIBLE: Ask for less: cpu 4 instead of 5.\n"
     "+INFEASIBLE: Add an agent of architecture x86_64 with cpu=5."},
    {"a missing access key fails four rules at once", "agent a; key k missing; session 9", false,
     "OWNER_NOT_FOUND OWNER_NOT_FOUND OWNER_NOT_FOUND OWNER_NOT_FOUND: Create owner \"k\"."},
    {"a missing project", "agent a; project p missing; session 9", false,
     "OWNER_NOT_FOUND: Create owner \"p\"."},
    {"an unreadable quota", "agent a; user u bad; session 9", false,
     "BAD_DATA: Mend the row: owner u is unreadable."},
    {"mixed architectures",
     "agent a cpu=1; agent b arch=arm cpu=9; session 9 cpu=1; kernel 9 sub arch=arm cpu=1", false,
     "MIXED_ARCHITECTURE: Run all of it on architecture x86_64.\n"
     "MIXED_ARCHITECTURE: Run all of it on architecture arm.\n"
     "+INFEASIBLE: Ask for less: cpu 1 instead of 2.\n"
     "+INFEASIBLE: Run all of it on architecture arm.\n"
     "+INFEASIBLE: Add an agent of architecture x86_64 with cpu=2."},
    {"no agents at all", "session 9 cpu=1 mem=2g", false,
     "NO_AGENTS: Add an agent of architecture x86_64 with cpu=1 mem=2g."},
    {"no agent that can be used",
     "agent a cpu=4 dead; agent b cpu=2 closed; agent c cpu=1 bad; session 9 cpu=2", false,
     "NO_AGENTS: Bring a back, which is not alive.\n"
     "NO_AGENTS: Bring b back, which is not schedulable.\n"
     "NO_AGENTS: Mend the row: agent c is unreadable and ask for less: cpu 1 instead of 2.\n"
     "NO_AGENTS: Add an agent of architecture x86_64 with cpu=2."},
    {"no agent of the architecture",
     "agent a cpu=4; agent b cpu=1 held.cpu=1; session 9 arch=arm cpu=1", false,
     "ARCHITECTURE: Run all of it on architecture x86_64.\n"
     "ARCHITECTURE: Add an agent of architecture arm with cpu=1."},
    {"designated agents that are gone",
     "agent a cpu=2; agent b cpu=2 dead; session 9 designated=b,z strict cpu=1", false,
     "DESIGNATED: Bring b back, which is not alive.\n"
     "DESIGNATED: Designate a, too.\n"
     "DESIGNATED: Make the designated agents a preference."},
    {"designated agents that are full",
     "agent a cpu=2 held.cpu=2; agent b cpu=2; session 9 designated=a strict cpu=1", false,
     "CAPACITY: Free cpu=1 on a.\n"
     "CAPACITY: Designate b, too.\n"
     "CAPACITY: Make the designated agents a preference."},
    {"strict spread",
     "agent a; agent b; sgroup 7 spread strict; member 7 a 2; member 7 b 1; session 9 in=7", false,
     "SESSION_GROUP: End 1 session of its session group on b.\n"
     "SESSION_GROUP: End 2 sessions of its session group on a.\n"
     "SESSION_GROUP: Take it out of its session group.\n"
     "SESSION_GROUP: Add an agent of architecture x86_64."},
    {"strict pack onto a full agent",
     "agent a cpu=1 held.cpu=1; agent b cpu=1; sgroup 7 pack strict; member 7 a 1; session 9 in=7 "
     "cpu=1",
     false,
     "CAPACITY: Free cpu=1 on a.\n"
     "CAPACITY: Take it out of its session group."},
    {"no room now",
     "agent a cpu=8 held.cpu=6; agent b cpu=8 held.cpu=5 mem=4g; agent c cpu=8 held.cpu=7 mem=4g; "
     "agent d cpu=8 held.cpu=8 mem=4g; session 9 cpu=4 mem=1g",
     false,
     "CAPACITY: Ask for less: cpu 3 instead of 4.\n"
     "CAPACITY: Free cpu=1 on b.\n"
     "CAPACITY: Free cpu=3 on c.\n"
     "CAPACITY: Free cpu=4 on d.\n"
     "CAPACITY: Add an agent of architecture x86_64 with cpu=4 mem=1g."},
    {"an overfull agent", "agent a cpu=4 held.cpu=7; session 9 cpu=2", false,
     "CAPACITY: Free cpu=5 on a.\n"
     "CAPACITY: Add an agent of architecture x86_64 with cpu=2."},
    {"never: more than any agent has", "agent a cpu=8 held.cpu=6; agent b cpu=4; session 9 cpu=16",
     false,
     "INFEASIBLE: Ask for less: cpu 4 instead of 16.\n"
     "INFEASIBLE: Ask for less: cpu 8 instead of 16 and free cpu=6 on a.\n"
     "INFEASIBLE: Add an agent of architecture x86_64 with cpu=16."},
    {"never: a slot that no agent has", "agent a cpu=8; session 9 cpu=1 cuda.shares=2", false,
     "INFEASIBLE: Add an agent of architecture x86_64 with cpu=1 cuda.shares=2."},
    {"containers", "agent a containers=3; agent b containers=2; session 9; kernel 9 sub", false,
     "CONTAINER_LIMIT: Free 1 container on b.\n"
     "CONTAINER_LIMIT: Free 2 containers on a.\n"
     "CONTAINER_LIMIT: Let an agent run 4 containers.\n"
     "CONTAINER_LIMIT: Add an agent of architecture x86_64."},
    {"more containers than an agent may ever run",
     "agent a; session 9; kernel 9 sub; kernel 9 sub idx=2; kernel 9 sub idx=3", false,
     "CONTAINER_LIMIT: Let an agent run 4 containers."},
    {"containers and room at once", "agent a containers=3 cpu=2 held.cpu=2; session 9 cpu=1", false,
     "CAPACITY: Free cpu=1 and 1 container on a.\n"
     "CAPACITY: Free cpu=1 on a and let an agent run 4 containers.\n"
     "CAPACITY: Add an agent of architecture x86_64 with cpu=1."},
    {"a gang of which one finds room",
     "agent a cpu=4 held.cpu=2; agent b cpu=4 held.cpu=3; session 9 multi cpu=2; kernel 9 sub "
     "cpu=2",
     false,
     "CAPACITY: Ask for at most cpu=1 with each kernel.\n"
     "CAPACITY: Free cpu=1 on b.\n"
     "CAPACITY: Add an agent of architecture x86_64 with cpu=2."},
    {"a gang of unlike kernels",
     "agent a cpu=1; agent b mem=1g; session 9 multi cpu=4; kernel 9 sub mem=2g; kernel 9 sub "
     "idx=2 arch=arm",
     false,
     "INFEASIBLE INFEASIBLE ARCHITECTURE: Ask for at most cpu=1 mem=1g with each kernel and run "
     "all of it on architecture x86_64.\n"
     "INFEASIBLE INFEASIBLE ARCHITECTURE: Add an agent of architecture x86_64 with cpu=4, add an "
     "agent of architecture x86_64 with mem=2g and add an agent of architecture arm."},
    {"top-priority",
     "option queue_policy \"top-priority\"; agent a cpu=2; session 1 prio=30 cpu=1; session 9 "
     "cpu=1",
     true,
     "QUEUE_POLICY: Set the group's queue_policy to try-all.\n"
     "QUEUE_POLICY: Give it the priority 30."},
    {"stop-at-first",
     "option queue_policy \"stop-at-first\"; agent a cpu=4 held.cpu=2; session 1 cpu=4 prio=-7; "
     "session 9 prio=-9 cpu=1",
     true,
     "QUEUE_POLICY: Set the group's queue_policy to try-all.\n"
     "QUEUE_POLICY: Give it the priority -6."},
    {"a quota used up by the queue ahead",
     "agent a cpu=9; key k limit.cpu=3; session 1 cpu=2; session 2 cpu=1 prio=30; session 9 cpu=1",
     true,
     "KEYPAIR_QUOTA: Raise the quota of access key k to cpu=4.\n"
     "KEYPAIR_QUOTA: Ask for less: cpu 0 instead of 1.\n"
     "KEYPAIR_QUOTA: Give it the priority 11."},
    {"no room after the queue", "agent a cpu=3; session 1 cpu=2; session 9 cpu=2", true,
     "CAPACITY: Ask for less: cpu 1 instead of 2.\n"
     "CAPACITY: Add an agent of architecture x86_64 with cpu=2.\n"
     "CAPACITY: Give it the priority 11."},
    {"the highest priority there is",
     "option queue_policy \"top-priority\"; agent a; session 1 prio=2147483647; session 9", true,
     "QUEUE_POLICY: Set the group's queue_policy to try-all.\n"
     "QUEUE_POLICY: Give it the priority 2147483647."},
    {"a start in a minute", "agent a; session 9 batch start=1060", false,
     "NOT_BEFORE: Wait 60 s until its start.\n"
     "NOT_BEFORE: Ask for a start now."},
    {"a start tomorrow", "agent a; session 9 batch start=90000", false,
     "NOT_BEFORE: Wait 25 h until its start.\n"
     "NOT_BEFORE: Ask for a start now."},
    {"ten dependencies",
     "agent a; session 9; depends 9 on=20 failed; depends 9 on=21 failed; depends 9 on=22 failed; "
     "depends 9 on=23 failed; depends 9 on=24 failed; depends 9 on=25 failed; depends 9 on=26 "
     "failed; depends 9 on=27 failed; depends 9 on=28 failed; depends 9 on=29 failed",
     false,
     "DEPENDENCY DEPENDENCY_FAILED: Drop its dependency on 00000000-0000-0000-0000-000000000014, "
     "00000000-0000-0000-0000-000000000015, 00000000-0000-0000-0000-000000000016, "
     "00000000-0000-0000-0000-000000000017, 00000000-0000-0000-0000-000000000018, "
     "00000000-0000-0000-0000-000000000019, 00000000-0000-0000-0000-00000000001a, "
     "00000000-0000-0000-0000-00000000001b, and 2 more."},
    {"a gang that needs a little on each of ten agents",
     "agent a cpu=2 held.cpu=1; agent b cpu=2 held.cpu=1; agent c cpu=2 held.cpu=1; agent d cpu=2 "
     "held.cpu=1; agent e cpu=2 held.cpu=1; agent f cpu=2 held.cpu=1; agent g cpu=2 held.cpu=1; "
     "agent h cpu=2 held.cpu=1; agent i cpu=2 held.cpu=1; agent j cpu=2 held.cpu=1; session 9 "
     "multi cpu=2; kernel 9 sub idx=1 cpu=2; kernel 9 sub idx=2 cpu=2; kernel 9 sub idx=3 cpu=2; "
     "kernel 9 sub idx=4 cpu=2; kernel 9 sub idx=5 cpu=2; kernel 9 sub idx=6 cpu=2; kernel 9 sub "
     "idx=7 cpu=2; kernel 9 sub idx=8 cpu=2; kernel 9 sub idx=9 cpu=2",
     false,
     "CAPACITY: Ask for at most cpu=1 with each kernel.\n"
     "CAPACITY: Free cpu=1 on a, free cpu=1 on b, free cpu=1 on c, free cpu=1 on d, free cpu=1 on "
     "e, free cpu=1 on f, free cpu=1 on g, free cpu=1 on h, and 2 more changes like that.\n"
     "CAPACITY: Add 10 agents of architecture x86_64 with cpu=2 each."},
    {"a gang whose strict spread leaves no agent",
     "agent a; sgroup 7 spread strict; session 9 in=7 multi; kernel 9 sub", false,
     "SESSION_GROUP: Take it out of its session group.\n"
     "SESSION_GROUP: Add an agent of architecture x86_64."},
    {"nobody is ahead of it", "agent a cpu=1; session 9 prio=2147483647 cpu=2", true,
     "INFEASIBLE: Ask for less: cpu 1 instead of 2.\n"
     "INFEASIBLE: Add an agent of architecture x86_64 with cpu=2."},
};

START_TEST(remedies_are_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = scene_snapshot(cases[_i].scene, a);
    const struct policy *p = scene_policy(s, &config, a);
    struct uuid id = scene_uuid(9);
    struct explain_request q = {.session = snapshot_find_session(s, &id),
                                .after_queue = cases[_i].after};
    struct explanation *x;
    struct remedies *r;
    ck_assert_int_eq(round_explain(s, p, &q, a, &x, NULL), 0);
    ck_assert_int_eq(remedy_find(s, p, &q, NULL, a, &r, NULL), 0);
    const char *got = remedies_text(x, r, a);
    ck_assert_msg(strcmp(got, cases[_i].want) == 0, "%s:\n--- want\n%s\n--- got\n%s",
                  cases[_i].what, cases[_i].want, got);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, remedies_are_as_tabled, 0, ARRAY_SIZE(cases));
}

int main(void)
{
    return unit_run("remedy", add);
}
