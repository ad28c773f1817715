/* test_placement.c - the plan of requirements, the five filters, the two orders, all or none, never
 * and not now, and the causes with their numbers. */
#include "tests/unit/scene.h"
#include "tests/unit/unit.h"

static const struct scene_case cases[] = {
    /* requirements */
    {"no kernels", "agent a cpu=1; session 1 empty", "1 INVALID NO_KERNELS@plan()!"},
    {"no kernels, multi-node", "agent a cpu=1; session 1 multi empty",
     "1 INVALID NO_KERNELS@plan()!"},
    {"single-node with two architectures",
     "agent a cpu=9; session 1 cpu=1; kernel 1 arch=arm cpu=1",
     "1 INVALID MIXED_ARCHITECTURE@plan()!"},
    {"single-node, the third kernel differs",
     "agent a cpu=9; session 1 cpu=1; kernel 1 cpu=1 idx=2; kernel 1 idx=3 arch=arm cpu=1",
     "1 INVALID MIXED_ARCHITECTURE@plan()!"},
    {"multi-node may mix architectures",
     "agent a cpu=9; agent b arch=arm cpu=9; session 1 multi cpu=1; kernel 1 sub arch=arm cpu=1",
     "1 SCHEDULED a,b"},
    {"single-node: all kernels on one agent that holds the sum",
     "agent a cpu=2; agent b cpu=3; session 1 cpu=1; kernel 1 sub cpu=2", "1 SCHEDULED b,b"},
    {"single-node: no agent holds the sum",
     "agent a cpu=2; agent b cpu=2; session 1 cpu=1; kernel 1 sub cpu=2",
     "1 INFEASIBLE INFEASIBLE@resources(a cpu 3/2/2)!"},
    {"multi-node: an agent a kernel",
     "agent a cpu=2; agent b cpu=2; session 1 multi cpu=1; kernel 1 sub cpu=2", "1 SCHEDULED a,b"},
    {"multi-node: two kernels may share an agent",
     "agent a cpu=2; session 1 multi cpu=1; kernel 1 sub cpu=1", "1 SCHEDULED a,a"},
    {"multi-node: main first, then index, whatever the order of rows",
     "agent a cpu=1; agent b cpu=1; agent c cpu=1; session 1 multi empty; kernel 1 sub idx=2 "
     "cpu=1; "
     "kernel 1 sub idx=1 cpu=1; kernel 1 idx=9 cpu=1",
     "1 SCHEDULED a,b,c"},
    {"a request of nothing fits an agent with nothing", "agent a; session 1", "1 SCHEDULED a"},

    /* candidates */
    {"no agents at all", "session 1 cpu=1", "1 WAITING NO_AGENTS@agents()"},
    {"only agents that are dead, closed or unreadable",
     "agent a dead cpu=9; agent b closed cpu=9; agent c bad cpu=9; session 1 cpu=1; session 2 "
     "arch=arm",
     "1 WAITING NO_AGENTS@agents()\n2 WAITING NO_AGENTS@agents()"},
    {"dead, closed and unreadable agents are passed over",
     "agent a dead cpu=9; agent b closed cpu=9; agent c bad cpu=9; agent d cpu=1; session 1 cpu=1",
     "1 SCHEDULED d"},

    /* filter 1 architecture */
    {"architecture: exact text", "agent a arch=x86_64 cpu=9; session 1 arch=x86 cpu=1",
     "1 INFEASIBLE ARCHITECTURE@architecture(x86)!"},
    {"architecture: the matching agent", "agent a arch=arm cpu=9; agent b cpu=1; session 1 cpu=1",
     "1 SCHEDULED b"},

    /* filter 4 resources */
    {"resources: exactly what is left", "agent a cpu=4 held.cpu=3; session 1 cpu=1",
     "1 SCHEDULED a"},
    {"resources: a millionth too much", "agent a cpu=4 held.cpu=3; session 1 cpu=1.000001",
     "1 WAITING CAPACITY@resources(a cpu 1.000001/1/4)"},
    {"resources: an empty agent could not hold it either",
     "agent a cpu=4 held.cpu=3; session 1 cpu=4.000001",
     "1 INFEASIBLE INFEASIBLE@resources(a cpu 4.000001/4/4)!"},
    {"resources: what the round placed is gone", "agent a cpu=4; session 1 cpu=3; session 2 cpu=2",
     "1 SCHEDULED a\n2 WAITING CAPACITY@resources(a cpu 2/1/4)"},
    {"resources: more held than there is counts as nothing left",
     "agent a cpu=4 held.cpu=9; session 1 cpu=1", "1 WAITING CAPACITY@resources(a cpu 1/0/4)"},
    {"resources: a zero amount of a slot nobody has",
     "agent a cpu=4; session 1 cpu=1 cuda.shares=0", "1 SCHEDULED a"},
    {"resources: a slot nobody has", "agent a cpu=4; session 1 cpu=1 cuda.shares=0.1",
     "1 INFEASIBLE INFEASIBLE@resources(a cuda.shares 0.1/0/0)!"},
    {"resources: each slot on its own, never the sum",
     "agent a cpu=9 mem=1g; agent b cpu=1 mem=9g; session 1 cpu=2 mem=2g",
     "1 INFEASIBLE INFEASIBLE@resources(a mem 2g/1g/1g)!"},
    {"resources: all short slots are named", "agent a cpu=1 mem=1g; session 1 cpu=2 mem=2g",
     "1 INFEASIBLE INFEASIBLE@resources(a cpu 2/1/1 mem 2g/1g/1g)!"},
    {"resources: the largest amounts fit exactly",
     "agent a cpu=max mem=max; session 1 cpu=max mem=max", "1 SCHEDULED a"},
    {"resources: the largest amounts, one held", "agent a cpu=max held.cpu=1; session 1 cpu=max",
     "1 WAITING CAPACITY@resources(a cpu max/9223372036853.775806/max)"},
    {"resources: an infinite capacity stays infinite",
     "agent a cpu=infinity held.cpu=5; session 1 cpu=max; session 2 cpu=max",
     "1 SCHEDULED a\n2 SCHEDULED a"},
    {"resources: the sum of kernels saturates",
     "agent a cpu=max; session 1 cpu=max; kernel 1 cpu=max", "1 SCHEDULED a,a"},

    /* the best agent: the smallest largest relative shortage */
    {"best agent: relative, not absolute",
     "agent a cpu=90 mem=0; agent b cpu=50 mem=6; session 1 cpu=100 mem=10",
     "1 INFEASIBLE INFEASIBLE@resources(b cpu 100/50/50 mem 10/6/6)!"},
    {"best agent: the largest shortage counts, not their sum",
     "agent a cpu=40 mem=10; agent b cpu=45 mem=5; session 1 cpu=100 mem=10",
     "1 INFEASIBLE INFEASIBLE@resources(b cpu 100/45/45 mem 10/5/5)!"},
    {"best agent: ties go to the smallest id",
     "agent b cpu=1; agent c cpu=1; agent a2 cpu=1; session 1 cpu=2",
     "1 INFEASIBLE INFEASIBLE@resources(a2 cpu 2/1/1)!"},
    {"best agent: shares of different slots tie",
     "agent a cpu=2 mem=1; agent b cpu=1 mem=2; session 1 cpu=2 mem=2",
     "1 INFEASIBLE INFEASIBLE@resources(a mem 2/1/1)!"},
    {"best agent: exact where doubles are not",
     "agent a cpu=9007199254.740991; agent b cpu=9007199254.740992; session 1 "
     "cpu=9007199254.740993",
     "1 INFEASIBLE INFEASIBLE@resources(b cpu "
     "9007199254.740993/9007199254.740992/9007199254.740992)!"},
    {"best agent: only among those of the architecture",
     "agent a arch=arm cpu=9; agent b cpu=1; session 1 cpu=10",
     "1 INFEASIBLE INFEASIBLE@resources(b cpu 10/1/1)!"},
    {"best agent now and best agent ever may differ",
     "agent a cpu=8 held.cpu=8; agent b cpu=4 held.cpu=1; session 1 cpu=4",
     "1 WAITING CAPACITY@resources(b cpu 4/3/4)"},

    /* causes stay true while sessions of one shape keep failing */
    {"the best agent changes when it was taken from",
     "agent a cpu=5 held.cpu=1; agent b cpu=5 held.cpu=2; session 1 cpu=5; session 2 cpu=4; "
     "session 3 cpu=5",
     "1 WAITING CAPACITY@resources(a cpu 5/4/5)\n2 SCHEDULED a\n3 WAITING CAPACITY@resources(b cpu "
     "5/3/5)"},
    {"the best agent stays when another was taken from",
     "group strategy=concentrated; agent a cpu=5 held.cpu=1; agent b cpu=5 held.cpu=2; session 1 "
     "cpu=5; "
     "session 2 cpu=3; session 3 cpu=5",
     "1 WAITING CAPACITY@resources(a cpu 5/4/5)\n2 SCHEDULED b\n3 WAITING CAPACITY@resources(a cpu "
     "5/4/5)"},

    /* filter 2 designated, STRICT */
    {"designated: unknown agents", "agent a cpu=9; session 1 designated=x,y strict cpu=1",
     "1 INFEASIBLE DESIGNATED@designated(x)!"},
    {"designated: an agent that is no candidate",
     "agent a cpu=9; agent b dead cpu=9; session 1 designated=b strict cpu=1",
     "1 INFEASIBLE DESIGNATED@designated(b)!"},
    {"designated: of the wrong architecture",
     "agent a cpu=9; agent b arch=arm cpu=9; session 1 designated=b strict cpu=1",
     "1 INFEASIBLE DESIGNATED@designated(b)!"},
    {"designated: full now",
     "agent a cpu=9; agent b cpu=9 held.cpu=9; session 1 designated=b strict cpu=1",
     "1 WAITING CAPACITY@resources(b cpu 1/0/9)"},
    {"designated: never large enough",
     "agent a cpu=9; agent b cpu=1; session 1 designated=b strict cpu=2",
     "1 INFEASIBLE INFEASIBLE@resources(b cpu 2/1/1)!"},
    {"designated: the selector chooses among them",
     "agent a cpu=9; agent b cpu=9; agent c cpu=8; session 1 designated=c,b strict cpu=1",
     "1 SCHEDULED c"},
    {"designated: the next session is free again",
     "agent a cpu=9; agent b cpu=9; session 1 designated=b strict cpu=1; session 2 cpu=1 key=z; "
     "session 3 "
     "designated=a strict cpu=1",
     "1 SCHEDULED b\n2 SCHEDULED b\n3 SCHEDULED a"},
    {"designated: STRICT without ids is nothing", "agent a cpu=9; session 1 strict cpu=1",
     "1 SCHEDULED a"},
    {"designated: each session names its own missing agent",
     "agent a cpu=9; session 1 designated=x strict cpu=1; session 2 designated=y strict cpu=1",
     "1 INFEASIBLE DESIGNATED@designated(x)!\n2 INFEASIBLE DESIGNATED@designated(y)!"},

    /* sessions that ask for the same under other constraints */
    {"the same request under other constraints has an answer of its own",
     "agent a cpu=2; agent b cpu=1; session 1 designated=b strict cpu=2; session 2 designated=b "
     "cpu=2; session 3 "
     "designated=b,a strict cpu=2; session 4 designated=a,b strict cpu=2; session 5 multi cpu=2; "
     "session 6 cpu=2",
     "1 INFEASIBLE INFEASIBLE@resources(b cpu 2/1/1)!\n2 SCHEDULED a\n"
     "3 WAITING CAPACITY@resources(b cpu 2/1/1)\n4 WAITING CAPACITY@resources(b cpu 2/1/1)\n"
     "5 WAITING CAPACITY@resources(b cpu 2/1/1)\n6 WAITING CAPACITY@resources(b cpu 2/1/1)"},

    /* order 1 designated, PREFERRED */
    {"preferred: chosen though the strategy likes another",
     "agent a cpu=9; agent b cpu=5; agent c cpu=7; session 1 designated=c cpu=1", "1 SCHEDULED c"},
    {"preferred: falls back when full",
     "agent a cpu=9; agent b cpu=5 held.cpu=5; session 1 designated=b cpu=1", "1 SCHEDULED a"},
    {"preferred: unknown agents do not matter",
     "agent a cpu=9; agent b cpu=5; session 1 designated=x cpu=1", "1 SCHEDULED b"},
    {"preferred: the strategy chooses among several",
     "agent a cpu=9; agent b cpu=5; agent c cpu=7; session 1 designated=a,c cpu=1",
     "1 SCHEDULED c"},
};

START_TEST(placement_decides_as_tabled)
{
    scene_expect(&cases[_i], NULL);
}
END_TEST

/* filter 5: at most 3 containers an agent */
static const struct scene_case container_cases[] = {
    {"containers: exactly the maximum", "agent a cpu=9 containers=2; session 1 cpu=1",
     "1 SCHEDULED a"},
    {"containers: one too many", "agent a cpu=9 containers=3; session 1 cpu=1",
     "1 WAITING CONTAINER_LIMIT@container_limit(a)"},
    {"containers: all kernels of a single-node session count",
     "agent a cpu=9 containers=1; session 1 cpu=1; kernel 1 cpu=1; kernel 1 cpu=1",
     "1 WAITING CONTAINER_LIMIT@container_limit(a)"},
    {"containers: they just fit", "agent a cpu=9; session 1 cpu=1; kernel 1 cpu=1; kernel 1 cpu=1",
     "1 SCHEDULED a,a,a"},
    {"containers: more than any agent may run",
     "agent a cpu=9; session 1 cpu=1; kernel 1 cpu=1; kernel 1 cpu=1; kernel 1 cpu=1",
     "1 INFEASIBLE CONTAINER_LIMIT@container_limit(a)!"},
    {"containers: what the round placed counts",
     "agent a cpu=9 containers=2; session 1 cpu=1; session 2 cpu=1",
     "1 SCHEDULED a\n2 WAITING CONTAINER_LIMIT@container_limit(a)"},
    {"containers: the subject has the fewest",
     "agent a cpu=9 containers=9; agent b cpu=9 containers=3; agent c "
     "cpu=9 containers=3; session 1 cpu=1",
     "1 WAITING CONTAINER_LIMIT@container_limit(b)"},
    {"containers: only agents with room are asked",
     "agent a cpu=9 containers=3; agent b cpu=1 containers=0; session 1 cpu=2",
     "1 WAITING CONTAINER_LIMIT@container_limit(a)"},
    {"containers: an agent with fewer is taken",
     "agent a cpu=1 containers=3; agent b cpu=9; session 1 cpu=1", "1 SCHEDULED b"},
    {"containers: the kind changes when the room is gone",
     "agent a cpu=2 containers=3; agent b cpu=3 containers=2; session 1 cpu=2; kernel 1; session 2 "
     "cpu=3; "
     "session 3 cpu=2; kernel 3",
     "1 WAITING CONTAINER_LIMIT@container_limit(b)\n2 SCHEDULED b\n"
     "3 WAITING CONTAINER_LIMIT@container_limit(a)"},
};

START_TEST(containers_are_limited_as_tabled)
{
    scene_expect(&container_cases[_i], &(struct policy_config){.max_containers_per_agent = 3});
}
END_TEST

static const struct scene_case gang_cases[] = {
    {"all or none: the first kernel gives its place back",
     "agent a cpu=4 held.cpu=1; session 1 multi cpu=2; kernel 1 sub cpu=2; session 2 cpu=3",
     "1 WAITING CAPACITY@resources(a cpu 2/1/4)\n2 SCHEDULED a"},
    {"never: the empty group is too small for the gang",
     "agent a cpu=3; session 1 multi cpu=2; kernel 1 sub cpu=2",
     "1 INFEASIBLE INFEASIBLE@resources(a cpu 2/1/3)!"},
    {"every failed requirement gives its cause",
     "agent a cpu=4; session 1 multi cpu=9; kernel 1 sub idx=1 cpu=2; kernel 1 sub idx=2 arch=arm "
     "cpu=1; kernel 1 "
     "sub idx=3 mem=1g",
     "1 INFEASIBLE INFEASIBLE@resources(a cpu 9/4/4)! ARCHITECTURE@architecture(arm)! "
     "INFEASIBLE@resources(a mem 1g/0/0)!"},
    {"equal causes are given once",
     "agent a cpu=4; session 1 multi cpu=9; kernel 1 sub idx=1 cpu=9; kernel 1 sub idx=2 cpu=1; "
     "kernel 1 sub "
     "idx=3 arch=arm; kernel 1 sub idx=4 arch=arm; kernel 1 sub idx=5 arch=arm cpu=1",
     "1 INFEASIBLE INFEASIBLE@resources(a cpu 9/4/4)! ARCHITECTURE@architecture(arm)!"},
    {"a later failure sees what earlier kernels hold",
     "agent a cpu=5 held.cpu=1; session 1 multi cpu=2; kernel 1 sub idx=1 cpu=2; kernel 1 sub "
     "idx=2 cpu=1",
     "1 WAITING CAPACITY@resources(a cpu 1/0/5)"},
    {"the same failure after another kernel was held has other numbers",
     "agent a cpu=8 held.cpu=4; session 1 multi cpu=5; kernel 1 sub idx=1 cpu=1; kernel 1 sub "
     "idx=2 cpu=5",
     "1 INFEASIBLE INFEASIBLE@resources(a cpu 5/2/8)!"},
    {"the same shortage of another slot is another cause",
     "agent a cpu=4 mem=4; session 1 multi cpu=9; kernel 1 sub mem=9",
     "1 INFEASIBLE INFEASIBLE@resources(a cpu 9/4/4)! INFEASIBLE@resources(a mem 9/4/4)!"},
    {"the same shortage with less left is another cause",
     "agent a cpu=16 held.cpu=12; session 1 multi cpu=5; kernel 1 sub idx=2 cpu=2; kernel 1 sub "
     "idx=3 cpu=5",
     "1 WAITING CAPACITY@resources(a cpu 5/4/16) CAPACITY@resources(a cpu 5/2/16)"},
    {"one slot short and two slots short are two causes",
     "agent a cpu=4 mem=4; session 1 multi cpu=9; kernel 1 sub cpu=9 mem=9",
     "1 INFEASIBLE INFEASIBLE@resources(a cpu 9/4/4)! INFEASIBLE@resources(a cpu 9/4/4 mem "
     "9/4/4)!"},
    {"a gang of one is a gang", "agent a cpu=1; session 1 multi cpu=2",
     "1 INFEASIBLE INFEASIBLE@resources(a cpu 2/1/1)!"},
    {"a gang that failed may fit later, with less room: its first kernel goes elsewhere",
     "agent a cpu=9; agent b cpu=10 held.cpu=2 mem=1; session 1 multi cpu=1; kernel 1 sub cpu=9; "
     "session 2 mem=1; "
     "session 3 multi cpu=1; kernel 3 sub cpu=9",
     "1 WAITING CAPACITY@resources(a cpu 9/8/9)\n2 SCHEDULED b\n3 SCHEDULED b,a"},
    {"equal gangs fail alike until something changes",
     "agent a cpu=4 held.cpu=1; agent b cpu=1; session 1 multi cpu=2; kernel 1 sub cpu=2; session "
     "2 multi cpu=2; "
     "kernel 2 sub cpu=2; session 3 cpu=2; session 4 multi cpu=2; kernel 4 sub cpu=2",
     "1 WAITING CAPACITY@resources(a cpu 2/1/4)\n2 WAITING CAPACITY@resources(a cpu 2/1/4)\n3 "
     "SCHEDULED a\n"
     "4 WAITING CAPACITY@resources(a cpu 2/1/4)"},
};

START_TEST(gangs_are_placed_whole_or_not_at_all)
{
    scene_expect(&gang_cases[_i], NULL);
}
END_TEST

/* Seventeen kernels fail in seventeen ways; sixteen are told. */
START_TEST(causes_end_at_sixteen)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    char *scene = arena_strdup(a, "agent a cpu=1; session 1 multi empty");
    for (unsigned i = 1; i <= 17; i++)
        scene = arena_printf(a, "%s; kernel 1 sub idx=%u cpu=%u", scene, i, 1 + i);
    struct plan *p = scene_run(scene, NULL, a, NULL);
    ck_assert_msg(p->decisions[0].outcome == OUTCOME_INFEASIBLE, "it fits");
    ck_assert_msg(p->decisions[0].n_causes == 16, "%u causes", p->decisions[0].n_causes);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, placement_decides_as_tabled, 0, ARRAY_SIZE(cases));
    tcase_add_loop_test(tc, containers_are_limited_as_tabled, 0, ARRAY_SIZE(container_cases));
    tcase_add_loop_test(tc, gangs_are_placed_whole_or_not_at_all, 0, ARRAY_SIZE(gang_cases));
    tcase_add_test(tc, causes_end_at_sixteen);
}

int main(void)
{
    return unit_run("placement", add);
}
