/* test_quotas.c - rules 4 to 9 of the validators: pending queues and resource quotas, at the limit
 * and one above, ties, empty inputs and the largest amounts. */
#include "tests/unit/scene.h"
#include "tests/unit/unit.h"

#define ROOM "agent a cpu=1000 mem=1000g cuda.shares=1000;"

static const struct scene_case pending_cases[] = {
    /* rule 4 pending_session_count_limit */
    {"rank equal to the limit is too many",
     ROOM "key k max_pending=1; session 1 cpu=1; session 2 cpu=1",
     "1 SCHEDULED a\n2 BLOCKED PENDING_COUNT@pending_session_count_limit(k)"},
    {"limit 1 lets the first one run", ROOM "key k max_pending=1; session 1 cpu=1",
     "1 SCHEDULED a"},
    {"limit 0 lets none run", ROOM "key k max_pending=0; session 1 cpu=1",
     "1 BLOCKED PENDING_COUNT@pending_session_count_limit(k)"},
    {"a negative limit lets none run", ROOM "key k max_pending=-5; session 1 cpu=1",
     "1 BLOCKED PENDING_COUNT@pending_session_count_limit(k)"},
    {"without a limit all run", ROOM "session 1 cpu=1; session 2 cpu=1",
     "1 SCHEDULED a\n2 SCHEDULED a"},
    {"the rank is by age, not by the order of trying",
     ROOM "group scheduler=lifo; key k max_pending=1; session 1 cpu=1; session 2 cpu=1",
     "2 BLOCKED PENDING_COUNT@pending_session_count_limit(k)\n1 SCHEDULED a"},
    {"of equal age the smaller id ranks first",
     ROOM "key k max_pending=1; session 2 at=5 cpu=1; session 1 at=5 cpu=1",
     "1 SCHEDULED a\n2 BLOCKED PENDING_COUNT@pending_session_count_limit(k)"},
    {"placing the first does not move the second up",
     ROOM "key k max_pending=2; session 1 cpu=1; session 2 cpu=1; session 3 cpu=1",
     "1 SCHEDULED a\n2 SCHEDULED a\n3 BLOCKED PENDING_COUNT@pending_session_count_limit(k)"},
    {"sessions of other keys do not rank",
     ROOM "key k max_pending=1; session 1 key=z cpu=1; session 2 cpu=1",
     "1 SCHEDULED a\n2 SCHEDULED a"},
    {"private sessions are neither checked nor ranked",
     ROOM "key k max_pending=1; session 1 private cpu=1; session 2 cpu=1; session 3 private cpu=1",
     "1 SCHEDULED a\n2 SCHEDULED a\n3 SCHEDULED a"},
    {"expired sessions do not rank",
     ROOM "group timeout=100; key k max_pending=1; session 1 at=1 cpu=1; session 2 at=950 cpu=1",
     "1 EXPIRED PENDING_TIMEOUT@pending_timeout()!\n2 SCHEDULED a"},
    {"unreadable sessions rank", ROOM "key k max_pending=1; session 1 bad; session 2 cpu=1",
     "1 INVALID BAD_DATA@snapshot()!\n2 BLOCKED PENDING_COUNT@pending_session_count_limit(k)"},
    {"older sessions of other groups rank",
     ROOM "key k max_pending=1; other 9 key=k at=0.5 cpu=1; session 1 cpu=1",
     "1 BLOCKED PENDING_COUNT@pending_session_count_limit(k)"},
    {"younger sessions of other groups do not",
     ROOM "key k max_pending=1; other 9 key=k at=1.5; session 1 cpu=1", "1 SCHEDULED a"},
    {"of equal age in another group the smaller id ranks first",
     ROOM "key k max_pending=1; other 4 key=k at=5; session 5 at=5 cpu=1",
     "5 BLOCKED PENDING_COUNT@pending_session_count_limit(k)"},
    {"of equal age in another group the greater id does not",
     ROOM "key k max_pending=1; other 6 key=k at=5; session 5 at=5 cpu=1", "5 SCHEDULED a"},
    {"sessions of other groups rank among each other in any order of rows",
     ROOM "key k max_pending=2; other 7 key=k at=3; other 8 key=k at=1; other 9 key=k at=1; "
          "session 2 at=2 cpu=1; session 4 at=4 cpu=1",
     "2 BLOCKED PENDING_COUNT@pending_session_count_limit(k)\n"
     "4 BLOCKED PENDING_COUNT@pending_session_count_limit(k)"},

    /* rule 5 pending_session_resource_limit */
    {"a sum equal to the limit passes",
     ROOM "key k pending.cpu=3; session 1 cpu=1; session 2 cpu=2", "1 SCHEDULED a\n2 SCHEDULED a"},
    {"a sum above the limit fails",
     ROOM "key k pending.cpu=3; session 1 cpu=1; session 2 cpu=2.000001",
     "1 SCHEDULED a\n"
     "2 BLOCKED PENDING_RESOURCE@pending_session_resource_limit(k cpu 3.000001/?/3)"},
    {"the session itself counts", ROOM "key k pending.cpu=3; session 1 cpu=4",
     "1 BLOCKED PENDING_RESOURCE@pending_session_resource_limit(k cpu 4/?/3)"},
    {"one slot of several is enough, and only it is named",
     ROOM "key k pending.cpu=9 pending.mem=1g; session 1 cpu=1 mem=2g",
     "1 BLOCKED PENDING_RESOURCE@pending_session_resource_limit(k mem 2g/?/1g)"},
    {"every slot above is named", ROOM "key k pending.cpu=1 pending.mem=1g; session 1 cpu=2 mem=2g",
     "1 BLOCKED PENDING_RESOURCE@pending_session_resource_limit(k cpu 2/?/1 mem 2g/?/1g)"},
    {"slots the limit does not name are free", ROOM "key k pending.cpu=1; session 1 cpu=1 mem=900g",
     "1 SCHEDULED a"},
    {"a slot named with infinity is free", ROOM "key k pending.cpu=infinity; session 1 cpu=900",
     "1 SCHEDULED a"},
    {"a slot others asked for fails even who does not ask for it",
     ROOM "key k pending.cpu=1; session 1 cpu=2; session 2 mem=1g",
     "1 BLOCKED PENDING_RESOURCE@pending_session_resource_limit(k cpu 2/?/1)\n"
     "2 BLOCKED PENDING_RESOURCE@pending_session_resource_limit(k cpu 2/?/1)"},
    {"all kernels of a session count",
     ROOM "key k pending.cpu=3; session 1 multi cpu=2; kernel 1 sub cpu=2",
     "1 BLOCKED PENDING_RESOURCE@pending_session_resource_limit(k cpu 4/?/3)"},
    {"private sessions are neither checked nor summed",
     ROOM "key k pending.cpu=1; session 1 private cpu=5; session 2 cpu=1",
     "1 SCHEDULED a\n2 SCHEDULED a"},
    {"older sessions of other groups are summed",
     ROOM "key k pending.cpu=3; other 9 key=k at=0.5 cpu=3; session 1 cpu=1",
     "1 BLOCKED PENDING_RESOURCE@pending_session_resource_limit(k cpu 4/?/3)"},
    {"sessions of other keys in other groups are not",
     ROOM "key k pending.cpu=3; other 9 key=z at=0.5 cpu=3; session 1 cpu=1", "1 SCHEDULED a"},
    {"sums saturate instead of turning negative",
     ROOM "key k pending.cpu=3; other 8 key=k at=0.1 cpu=max; other 9 key=k at=0.2 cpu=max; "
          "session 1 cpu=1",
     "1 BLOCKED PENDING_RESOURCE@pending_session_resource_limit(k cpu max/?/3)"},
};

START_TEST(pending_limits_decide_as_tabled)
{
    scene_expect(&pending_cases[_i], NULL);
}
END_TEST

/* Rules 6 to 9 are one rule about four owners: O stands for "key k", R for the rule's name and so
 * on. */
static const struct {
    const char *what, *owner, *session, *slots; /* slots NULL: it runs */
} quota_cases[] = {
    {"usage and request at the limit", "limit.cpu=3 usage.cpu=2", "cpu=1", NULL},
    {"one above the limit", "limit.cpu=3 usage.cpu=2", "cpu=1.000001", " cpu 1.000001/1/3"},
    {"usage already above the limit leaves nothing", "limit.cpu=3 usage.cpu=5", "cpu=1",
     " cpu 1/0/3"},
    {"usage above the limit of a slot it does not ask for", "limit.cpu=3 usage.cpu=5", "mem=1g",
     NULL},
    {"a zero request of a slot above the limit", "limit.cpu=3 usage.cpu=5", "cpu=0 mem=1g", NULL},
    {"an infinite limit", "usage.cpu=99", "cpu=900", NULL},
    {"an infinite limit and the largest usage", "usage.cpu=max", "cpu=1", NULL},
    {"limit zero", "limit.cpu=0", "cpu=0.000001", " cpu 0.000001/0/0"},
    {"the largest limit and usage", "limit.cpu=max usage.cpu=max", "cpu=1", NULL},
    {"the largest usage does not wrap round", "limit.cpu=5 usage.cpu=max", "cpu=1", " cpu 1/0/5"},
    {"two of three slots", "limit.cpu=1 limit.mem=1g limit.cuda.shares=5",
     "cpu=2 mem=2g cuda.shares=5", " cpu 2/1/1 mem 2g/1g/1g"},
};

static const struct {
    const char *owner, *kind, *rule;
} quotas[] = {
    {"key k", "KEYPAIR_QUOTA", "keypair_resource_limit(k"},
    {"user u", "USER_QUOTA", "user_resource_limit(u"},
    {"project p name=Proj", "GROUP_QUOTA", "group_resource_limit(Proj"},
    {"domain d", "DOMAIN_QUOTA", "domain_resource_limit(d"},
};

START_TEST(quotas_decide_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    for (size_t i = 0; i < ARRAY_SIZE(quotas); i++) {
        const char *slots = quota_cases[_i].slots;
        struct scene_case t = {
            .what = arena_printf(a, "%s: %s", quotas[i].owner, quota_cases[_i].what),
            .scene = arena_printf(a, ROOM "%s %s; session 1 %s", quotas[i].owner,
                                  quota_cases[_i].owner, quota_cases[_i].session),
            .plan = slots == NULL ? "1 SCHEDULED a"
                                  : arena_printf(a, "1 BLOCKED %s@%s%s)", quotas[i].kind,
                                                 quotas[i].rule, slots)};
        scene_expect(&t, NULL);
    }
}
END_TEST

static const struct scene_case round_cases[] = {
    {"what the round placed counts against the keypair",
     ROOM "key k limit.cpu=3; session 1 cpu=2; session 2 user=v project=q domain=e cpu=2",
     "1 SCHEDULED a\n2 BLOCKED KEYPAIR_QUOTA@keypair_resource_limit(k cpu 2/1/3)"},
    {"what the round placed counts against the user",
     ROOM "user u limit.cpu=3; session 1 cpu=2; session 2 key=z project=q domain=e cpu=2",
     "1 SCHEDULED a\n2 BLOCKED USER_QUOTA@user_resource_limit(u cpu 2/1/3)"},
    {"what the round placed counts against the project",
     ROOM "project p limit.cpu=3; session 1 cpu=2; session 2 key=z user=v domain=e cpu=2",
     "1 SCHEDULED a\n2 BLOCKED GROUP_QUOTA@group_resource_limit(p cpu 2/1/3)"},
    {"what the round placed counts against the domain",
     ROOM "domain d limit.cpu=3; session 1 cpu=2; session 2 key=z user=v project=q cpu=2",
     "1 SCHEDULED a\n2 BLOCKED DOMAIN_QUOTA@domain_resource_limit(d cpu 2/1/3)"},
    {"what waits does not count",
     "agent a cpu=3; key k limit.cpu=3; session 1 cpu=3; session 2 key=z cpu=3; session 3 cpu=3",
     "1 SCHEDULED a\n2 WAITING CAPACITY@resources(a cpu 3/0/3)\n"
     "3 BLOCKED KEYPAIR_QUOTA@keypair_resource_limit(k cpu 3/0/3)"},
    {"private sessions are exempt and count nowhere",
     ROOM "key k limit.cpu=1; user u limit.cpu=1; project p limit.cpu=1; domain d limit.cpu=1;"
          "session 1 private cpu=5; session 2 cpu=1",
     "1 SCHEDULED a\n2 SCHEDULED a"},
    {"a multi-node session asks for the sum of its kernels",
     ROOM "key k limit.cpu=3; session 1 multi cpu=2; kernel 1 sub cpu=2",
     "1 BLOCKED KEYPAIR_QUOTA@keypair_resource_limit(k cpu 4/3/3)"},
    {"a session without slots exceeds nothing", ROOM "key k limit.cpu=0 usage.cpu=5; session 1",
     "1 SCHEDULED a"},
};

START_TEST(quotas_count_what_the_round_placed)
{
    scene_expect(&round_cases[_i], NULL);
}
END_TEST

static const struct {
    const char *what, *scene, *messages;
} sentences[] = {
    {"pending count", ROOM "key k max_pending=0; session 1 cpu=1",
     "You cannot create more than 0 pending session(s)."},
    {"pending sum: the slots it asks for, humanized",
     ROOM "key k pending.cpu=1; other 9 key=k at=0.5 cpu=1 cuda.shares=4; session 1 cpu=1.5 mem=2g",
     "Your pending session quota is exceeded. (cpu=2.5 mem=2g)"},
    {"keypair: the limits of the slots it asks for",
     ROOM "key k limit.cpu=1 limit.mem=1536m limit.cuda.shares=7; session 1 cpu=4 mem=2g",
     "Your keypair resource quota is exceeded. (cpu=1 mem=1.5g)"},
    {"infinite limits are left out", ROOM "key k limit.mem=1g; session 1 cpu=4 mem=2g",
     "Your keypair resource quota is exceeded. (mem=1g)"},
    {"user", ROOM "user u limit.cpu=1.5; session 1 cpu=4",
     "Your main-keypair resource quota is exceeded. (cpu=1.5)"},
    {"project with its name", ROOM "project p name=Vision limit.cpu=1; session 1 cpu=4",
     "Your group resource quota is exceeded. (Vision: cpu=1)"},
    {"domain", ROOM "domain d limit.cpu=1; session 1 cpu=4",
     "Your domain resource quota is exceeded. (cpu=1)"},
};

START_TEST(quotas_speak_as_tabled)
{
    scene_expect_messages(sentences[_i].what, sentences[_i].scene, NULL, 1, sentences[_i].messages);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, pending_limits_decide_as_tabled, 0, ARRAY_SIZE(pending_cases));
    tcase_add_loop_test(tc, quotas_decide_as_tabled, 0, ARRAY_SIZE(quota_cases));
    tcase_add_loop_test(tc, quotas_count_what_the_round_placed, 0, ARRAY_SIZE(round_cases));
    tcase_add_loop_test(tc, quotas_speak_as_tabled, 0, ARRAY_SIZE(sentences));
}

int main(void)
{
    return unit_run("quotas", add);
}
