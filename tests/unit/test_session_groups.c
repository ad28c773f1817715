/* test_session_groups.c - spread and pack, preferred and strict, and the sentences of placement. */
#include "tests/unit/scene.h"
#include "tests/unit/unit.h"

#define ABC     "agent a cpu=9; agent b cpu=9; agent c cpu=9;"
#define SPREAD  "sgroup 7 spread;"
#define PACK    "sgroup 7 pack;"
#define SSTRICT "sgroup 7 spread strict;"
#define PSTRICT "sgroup 7 pack strict;"

static const struct scene_case cases[] = {
    {"a group without direction changes nothing",
     ABC "sgroup 7 none strict; member 7 a 1; session 1 in=7 cpu=1; session 2 in=7 cpu=1",
     "1 SCHEDULED a\n2 SCHEDULED a"},
    {"spread: fewest members first", ABC SPREAD "member 7 a 1; member 7 b 2; session 1 in=7 cpu=1",
     "1 SCHEDULED c"},
    {"spread: what the round placed counts",
     ABC SPREAD
     "session 1 in=7 cpu=1; session 2 in=7 cpu=1; session 3 in=7 cpu=1; session 4 in=7 cpu=1",
     "1 SCHEDULED a\n2 SCHEDULED b\n3 SCHEDULED c\n4 SCHEDULED a"},
    {"spread: shares an agent when it must",
     "agent a cpu=9; sgroup 7 spread; member 7 a 3; session 1 in=7 cpu=1", "1 SCHEDULED a"},
    {"spread: other groups do not count",
     ABC SPREAD "sgroup 8 spread; member 8 a 1; member 8 b 1; session 1 in=7 cpu=1; session 2 in=8 "
                "cpu=1; session 3 in=7 cpu=1",
     "1 SCHEDULED a\n2 SCHEDULED c\n3 SCHEDULED c"},
    {"spread: full agents fall out before the order",
     "agent a cpu=9; agent b cpu=1; sgroup 7 spread; member 7 a 5; session 1 in=7 cpu=2",
     "1 SCHEDULED a"},
    {"pack: most members first", ABC PACK "member 7 b 2; member 7 c 1; session 1 in=7 cpu=1",
     "1 SCHEDULED b"},
    {"pack: follows what the round placed",
     "group strategy=dispersed;" ABC PACK
     "session 1 in=7 cpu=1; session 2 in=7 cpu=1; session 3 cpu=1",
     "1 SCHEDULED a\n2 SCHEDULED a\n3 SCHEDULED b"},
    {"pack: falls back when the holders are full",
     "agent a cpu=1; agent b cpu=9; sgroup 7 pack; member 7 a 4; session 1 in=7 cpu=2",
     "1 SCHEDULED b"},
    {"designated comes before the group",
     ABC SPREAD "member 7 a 3; session 1 in=7 designated=a cpu=1", "1 SCHEDULED a"},

    {"strict spread: only agents without members",
     ABC SSTRICT "member 7 a 1; session 1 in=7 cpu=1; session 2 in=7 cpu=1; session 3 in=7 cpu=1",
     "1 SCHEDULED b\n2 SCHEDULED c\n3 WAITING SESSION_GROUP@session_group(#7)"},
    {"strict spread: a full agent is no member",
     "agent a cpu=9; agent b cpu=9 held.cpu=9; sgroup 7 spread strict; member 7 a 1; session 1 "
     "in=7 cpu=1",
     "1 WAITING CAPACITY@resources(b cpu 1/0/9)"},
    {"strict spread: kernels of one session need an agent each",
     ABC SSTRICT "session 1 in=7 multi cpu=1; kernel 1 sub cpu=1; kernel 1 sub cpu=1",
     "1 SCHEDULED a,b,c"},
    {"strict spread: more kernels than agents never fit",
     "agent a cpu=9; sgroup 7 spread strict; session 1 in=7 multi cpu=1; kernel 1 sub cpu=1",
     "1 INFEASIBLE SESSION_GROUP@session_group(#7)!"},
    {"strict spread: a failed gang leaves no members",
     "agent a cpu=9; agent b cpu=3 held.cpu=1; sgroup 7 spread strict; session 1 in=7 multi cpu=9; "
     "kernel 1 sub "
     "cpu=3; session 2 in=7 multi cpu=9; kernel 2 sub cpu=2",
     "1 WAITING CAPACITY@resources(b cpu 3/2/3)\n2 SCHEDULED a,b"},
    {"strict pack: the first member anchors the rest",
     "group strategy=dispersed;" ABC PSTRICT
     "session 1 in=7 cpu=5; session 2 in=7 cpu=4; session 3 in=7 cpu=1",
     "1 SCHEDULED a\n2 SCHEDULED a\n3 WAITING CAPACITY@resources(a cpu 1/0/9)"},
    {"strict pack: members of the snapshot anchor",
     ABC PSTRICT "member 7 c 1; session 1 in=7 cpu=1", "1 SCHEDULED c"},
    {"strict pack: a member with count 0 does not",
     ABC PSTRICT "member 7 c 0; session 1 in=7 cpu=1", "1 SCHEDULED a"},
    {"strict pack: members on agents that are no candidates do not",
     ABC "agent d dead cpu=9; sgroup 7 pack strict; member 7 d 3; session 1 in=7 cpu=1",
     "1 SCHEDULED a"},
    {"strict pack: holders of another architecture leave nobody",
     "agent a cpu=9; agent b arch=arm cpu=9; sgroup 7 pack strict; member 7 b 1; session 1 in=7 "
     "cpu=1",
     "1 WAITING SESSION_GROUP@session_group(#7)"},
    {"strict pack: the first kernel anchors the others",
     "group strategy=dispersed;" ABC PSTRICT
     "session 1 in=7 multi cpu=1; kernel 1 sub cpu=1; kernel 1 sub cpu=1",
     "1 SCHEDULED a,a,a"},
    {"strict pack: a session larger than any agent never fits",
     ABC PSTRICT "session 1 in=7 multi cpu=5; kernel 1 sub cpu=5",
     "1 INFEASIBLE INFEASIBLE@resources(a cpu 5/4/9)!"},
    {"strict pack: the cause follows the first member",
     "agent a cpu=9 held.cpu=1; agent b cpu=9 held.cpu=2; sgroup 7 pack strict; session 1 in=7 "
     "cpu=9; session 2 in=7 "
     "designated=b cpu=1; session 3 in=7 cpu=9",
     "1 WAITING CAPACITY@resources(a cpu 9/8/9)\n2 SCHEDULED b\n3 WAITING CAPACITY@resources(b cpu "
     "9/6/9)"},
    {"strict spread: the cause follows the last free agent",
     "agent a cpu=9 held.cpu=1; agent b cpu=9 held.cpu=2; sgroup 7 spread strict; session 1 in=7 "
     "cpu=9; session 2 in=7 "
     "designated=a cpu=1; session 3 in=7 cpu=9; session 4 in=7 cpu=1; session 5 in=7 cpu=9",
     "1 WAITING CAPACITY@resources(a cpu 9/8/9)\n2 SCHEDULED a\n3 WAITING CAPACITY@resources(b cpu "
     "9/7/9)\n"
     "4 SCHEDULED b\n5 WAITING SESSION_GROUP@session_group(#7)"},
    {"groups alike but for their name have answers of their own",
     "agent a cpu=1; sgroup 7 spread strict; sgroup 8 spread strict; member 7 a 1; session 1 in=7 "
     "cpu=1; session 2 in=8 cpu=1",
     "1 WAITING SESSION_GROUP@session_group(#7)\n2 SCHEDULED a"},
    {"a session counts once an agent",
     ABC SPREAD "member 7 b 1; session 1 in=7 multi cpu=1 designated=a; kernel 1 sub cpu=1; "
                "session 2 in=7 cpu=9; session 3 "
                "in=7 cpu=1; session 4 in=7 cpu=1",
     "1 SCHEDULED a,a\n2 SCHEDULED c\n3 SCHEDULED a\n4 SCHEDULED b"},
};

START_TEST(session_groups_place_as_tabled)
{
    scene_expect(&cases[_i], NULL);
}
END_TEST

#define ID7 "00000000-0000-0000-0000-000000000007"

static const struct {
    const char *what, *scene, *messages;
} sentences[] = {
    {"no agents", "session 1 cpu=1", "No agent of this group is alive and schedulable."},
    {"no kernels", "agent a; session 1 empty", "The session has no kernels."},
    {"mixed", "agent a; session 1; kernel 1 arch=arm",
     "All kernels of a single-node session must have one architecture, but it has both \"x86_64\" "
     "and \"arm\"."},
    {"capacity", "agent gpu-07 cuda.shares=8 held.cuda.shares=6.5; session 1 cuda.shares=4",
     "No agent has enough left: gpu-07 comes closest, short of cuda.shares (asked 4, left 1.5)."},
    {"infeasible", "agent gpu-07 cuda.shares=8 held.cuda.shares=6.5; session 1 cuda.shares=16",
     "No agent of this group could ever hold it: gpu-07 comes closest, short of cuda.shares (asked "
     "16, has 8)."},
    {"two slots", "agent a cpu=1 mem=1g; session 1 cpu=2 mem=1536m",
     "No agent of this group could ever hold it: a comes closest, short of cpu (asked 2, has 1), "
     "mem (asked 1.5g, "
     "has 1g)."},
    {"architecture", "agent a arch=x; agent b arch=arm; agent c arch=x; session 1 arch=ppc",
     "No agent of this group has the architecture \"ppc\" (they have arm, x)."},
    {"an architecture that only the first agent has",
     "agent a arch=y; agent b arch=x; agent c arch=x; session 1 arch=ppc",
     "No agent of this group has the architecture \"ppc\" (they have x, y)."},
    {"more than eight architectures",
     "agent a arch=1; agent b arch=2; agent c arch=3; agent d arch=4; agent e arch=5; agent f "
     "arch=6; agent g arch=7; agent h arch=8; agent i arch=9; session 1 arch=ppc",
     "No agent of this group has the architecture \"ppc\" (they have 1, 2, 3, 4, 5, 6, 7, 8, "
     "...)."},
    {"designated", "agent a; session 1 designated=q,r strict",
     "None of the designated agents (q, r) is alive and schedulable in this group with the "
     "architecture \"x86_64\"."},
    {"more than eight designated", "agent a; session 1 designated=1,2,3,4,5,6,7,8,9 strict",
     "None of the designated agents (1, 2, 3, 4, 5, 6, 7, 8, ...) is alive and schedulable in this "
     "group with the "
     "architecture \"x86_64\"."},
    {"strict spread", "agent a; sgroup 7 spread strict; member 7 a 1; session 1 in=7",
     "Session group " ID7
     " spreads strictly and every agent that could take it has a member already."},
    {"strict pack", "agent a; agent b arch=arm; sgroup 7 pack strict; member 7 b 1; session 1 in=7",
     "Session group " ID7 " packs strictly and no agent that could take it has a member."},
    {"containers", "agent a cpu=9 containers=3; session 1 cpu=1",
     "No agent with room may run more containers: a has 3 of at most 3 containers and 1 more is "
     "asked."},
    {"two containers", "agent a cpu=9 containers=2; session 1 cpu=1; kernel 1 cpu=1",
     "No agent with room may run more containers: a has 2 of at most 3 containers and 2 more are "
     "asked."},
    {"too many containers", "agent a; session 1; kernel 1; kernel 1; kernel 1",
     "It needs 4 containers on one agent and at most 3 may run on one."},
    {"a gang with nothing placed", "agent a cpu=1; session 1 multi cpu=2; kernel 1 sub cpu=3",
     "No agent of this group could ever hold it: a comes closest, short of cpu (asked 2, has 1). "
     "(0 of 2 kernels had a "
     "place)\n"
     "No agent of this group could ever hold it: a comes closest, short of cpu (asked 3, has 1). "
     "(0 of 2 kernels had a "
     "place)"},
    {"a gang with two placed",
     "agent a1 cpu=1; agent a2 cpu=1; session 1 multi cpu=1 idx=1; kernel 1 sub idx=1 cpu=1; "
     "kernel 1 sub idx=2 cpu=5",
     "No agent of this group could ever hold it: a1 comes closest, short of cpu (asked 5, has 0). "
     "(2 of 3 kernels had a "
     "place: main1 on a1, sub1 on a2)"},
    {"a gang with as many placed as are named",
     "agent a cpu=10; agent b cpu=10; agent c cpu=10; session 1 multi cpu=1 idx=1; kernel 1 sub "
     "idx=1 cpu=1; kernel 1 "
     "sub idx=2 cpu=1; kernel 1 sub idx=3 cpu=1; kernel 1 sub idx=4 mem=1k; kernel 1 sub idx=5 "
     "cpu=1; kernel 1 sub idx=6 "
     "cpu=1; kernel 1 sub idx=7 cpu=1; kernel 1 sub idx=8 cpu=1",
     "No agent of this group could ever hold it: a comes closest, short of mem (asked 1k, has 0). "
     "(8 of 9 kernels had a "
     "place: main1 on a, sub1 on a, sub2 on a, sub3 on b, sub5 on b, sub6 on b, sub7 on c, sub8 on "
     "c)"},
    {"a gang with more placed than are named",
     "agent a cpu=10; agent b cpu=10; agent c cpu=10; session 1 multi cpu=1 idx=1; kernel 1 sub "
     "idx=1 cpu=1; kernel 1 "
     "sub idx=2 cpu=1; kernel 1 sub idx=3 cpu=1; kernel 1 sub idx=4 mem=1k; kernel 1 sub idx=5 "
     "cpu=1; kernel 1 sub idx=6 "
     "cpu=1; kernel 1 sub idx=7 cpu=1; kernel 1 sub idx=8 cpu=1; kernel 1 sub idx=9 cpu=1",
     "No agent of this group could ever hold it: a comes closest, short of mem (asked 1k, has 0). "
     "(9 of 10 kernels had a "
     "place: main1 on a, sub1 on a, sub2 on a, sub3 on b, sub5 on b, sub6 on b, sub7 on c, sub8 on "
     "c, ...)"},
};

START_TEST(placement_speaks_as_tabled)
{
    scene_expect_messages(sentences[_i].what, sentences[_i].scene,
                          &(struct policy_config){.max_containers_per_agent = 3}, 1,
                          sentences[_i].messages);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, session_groups_place_as_tabled, 0, ARRAY_SIZE(cases));
    tcase_add_loop_test(tc, placement_speaks_as_tabled, 0, ARRAY_SIZE(sentences));
}

int main(void)
{
    return unit_run("session_groups", add);
}
