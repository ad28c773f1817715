/* test_validators.c - rules 1 to 3 of the validators, missing owners, private sessions, and that
 * all of them run. The quotas (rules 4 to 9) are in test_quotas.c. */
#include <string.h>

#include "tests/unit/scene.h"
#include "tests/unit/unit.h"

#define ROOM "agent a cpu=1000;"

static const struct scene_case cases[] = {
    /* rule 1 reserved_batch */
    {"a batch session waits for its start", ROOM "session 1 batch cpu=1 start=1001",
     "1 BLOCKED NOT_BEFORE@reserved_batch()"},
    {"a microsecond before its start it waits", ROOM "session 1 batch cpu=1 start=1000.000001",
     "1 BLOCKED NOT_BEFORE@reserved_batch()"},
    {"at its start a batch session runs", ROOM "session 1 batch cpu=1 start=1000", "1 SCHEDULED a"},
    {"after its start a batch session runs", ROOM "session 1 batch cpu=1 start=1", "1 SCHEDULED a"},
    {"a batch session without a start runs", ROOM "session 1 batch cpu=1", "1 SCHEDULED a"},
    {"other types ignore the start",
     ROOM
     "session 1 cpu=1 start=2000; session 2 inference cpu=1 start=2000; session 3 private cpu=1 "
     "start=2000",
     "1 SCHEDULED a\n2 SCHEDULED a\n3 SCHEDULED a"},

    /* rule 2 dependencies */
    {"an unfinished dependency blocks", ROOM "session 1 cpu=1; depends 1 on=7 waiting",
     "1 BLOCKED DEPENDENCY@dependencies(#7)"},
    {"a finished dependency lets it run", ROOM "session 1 cpu=1; depends 1 on=7 done",
     "1 SCHEDULED a"},
    {"one of three is enough to block",
     ROOM "session 1 cpu=1; depends 1 on=7 done; depends 1 on=8 waiting; depends 1 on=9 done",
     "1 BLOCKED DEPENDENCY@dependencies(#8)"},
    {"a failed dependency blocks for ever", ROOM "session 1 cpu=1; depends 1 on=7 failed",
     "1 BLOCKED DEPENDENCY@dependencies(#7)! DEPENDENCY_FAILED@dependencies(#7)!"},
    {"waiting and failed: the first cause can pass, the second cannot",
     ROOM "session 1 cpu=1; depends 1 on=7 waiting; depends 1 on=8 failed",
     "1 BLOCKED DEPENDENCY@dependencies(#7) DEPENDENCY_FAILED@dependencies(#8)!"},
    {"a private session depends, too", ROOM "session 1 private cpu=1; depends 1 on=7 waiting",
     "1 CANCELLED DEPENDENCY@dependencies(#7)"},

    /* rule 3 concurrency */
    {"at the limit of live sessions it waits", ROOM "key k max=2 live=2; session 1 cpu=1",
     "1 BLOCKED CONCURRENCY@concurrency(k)"},
    {"above the limit it waits", ROOM "key k max=2 live=3; session 1 cpu=1",
     "1 BLOCKED CONCURRENCY@concurrency(k)"},
    {"one below the limit it runs", ROOM "key k max=2 live=1; session 1 cpu=1", "1 SCHEDULED a"},
    {"limit 0 is none", ROOM "key k max=0 live=99; session 1 cpu=1", "1 SCHEDULED a"},
    {"a negative limit is none", ROOM "key k max=-1 live=99; session 1 cpu=1", "1 SCHEDULED a"},
    {"what the round placed counts",
     ROOM "key k max=3 live=1; session 1 cpu=1; session 2 cpu=1; session 3 cpu=1",
     "1 SCHEDULED a\n2 SCHEDULED a\n3 BLOCKED CONCURRENCY@concurrency(k)"},
    {"what the round did not place does not count",
     ROOM "key k max=1; session 1 cpu=2000; session 2 cpu=1",
     "1 INFEASIBLE INFEASIBLE@resources(a cpu 2000/1000/1000)!\n2 SCHEDULED a"},
    {"another key's sessions do not count",
     ROOM "key k max=1; session 1 key=z cpu=1; session 2 cpu=1", "1 SCHEDULED a\n2 SCHEDULED a"},
    {"private sessions have a limit of their own",
     ROOM "key k max=1 live=1 max_sftp=1; session 1 private cpu=1; session 2 private cpu=1",
     "1 SCHEDULED a\n2 CANCELLED CONCURRENCY@concurrency(k)"},
    {"private sessions count live private ones",
     ROOM "key k max_sftp=2 live_sftp=2; session 1 private cpu=1",
     "1 CANCELLED CONCURRENCY@concurrency(k)"},
    {"private sessions do not count towards the others",
     ROOM "key k max=1 max_sftp=1; session 1 private cpu=1; session 2 cpu=1",
     "1 SCHEDULED a\n2 SCHEDULED a"},
    {"the largest limit is never reached",
     ROOM "key k max=9223372036854775807 live=9223372036854775800; session 1 cpu=1",
     "1 SCHEDULED a"},

    /* missing and unreadable owners */
    {"a missing keypair fails every rule that needs it", ROOM "key k missing; session 1 cpu=1",
     "1 BLOCKED OWNER_NOT_FOUND@concurrency(k) OWNER_NOT_FOUND@pending_session_count_limit(k) "
     "OWNER_NOT_FOUND@pending_session_resource_limit(k) OWNER_NOT_FOUND@keypair_resource_limit(k)"},
    {"a missing user fails its quota", ROOM "user u missing; session 1 cpu=1",
     "1 BLOCKED OWNER_NOT_FOUND@user_resource_limit(u)"},
    {"a missing project fails its quota", ROOM "project p missing; session 1 cpu=1",
     "1 BLOCKED OWNER_NOT_FOUND@group_resource_limit(p)"},
    {"a missing domain fails its quota", ROOM "domain d missing; session 1 cpu=1",
     "1 BLOCKED OWNER_NOT_FOUND@domain_resource_limit(d)"},
    {"an unreadable keypair fails its amounts only", ROOM "key k bad; session 1 cpu=1",
     "1 BLOCKED BAD_DATA@pending_session_resource_limit(k) BAD_DATA@keypair_resource_limit(k)"},
    {"an unreadable user fails its quota", ROOM "user u bad; session 1 cpu=1",
     "1 BLOCKED BAD_DATA@user_resource_limit(u)"},
    {"an unreadable project fails its quota", ROOM "project p bad; session 1 cpu=1",
     "1 BLOCKED BAD_DATA@group_resource_limit(p)"},
    {"an unreadable domain fails its quota", ROOM "domain d bad; session 1 cpu=1",
     "1 BLOCKED BAD_DATA@domain_resource_limit(d)"},
    {"missing wins over unreadable", ROOM "domain d missing bad; session 1 cpu=1",
     "1 BLOCKED OWNER_NOT_FOUND@domain_resource_limit(d)"},
    {"a private session needs its keypair for concurrency only",
     ROOM "key k missing; user u missing; project p missing; domain d missing; session 1 private "
          "cpu=1",
     "1 CANCELLED OWNER_NOT_FOUND@concurrency(k)"},
    {"a private session does not mind unreadable quotas",
     ROOM "key k bad; user u bad; project p bad; domain d bad; session 1 private cpu=1",
     "1 SCHEDULED a"},

    /* all run, in order, and a failure wins over what placement would say */
    {"every rule that fails is reported, in the order of the rules",
     ROOM "key k max=1 live=1 max_pending=0 pending.cpu=0.5 limit.cpu=0.5; user u limit.cpu=0.5;"
          "project p name=P limit.cpu=0.5; domain d limit.cpu=0.5;"
          "session 1 batch cpu=1 start=1001; depends 1 on=7 waiting",
     "1 BLOCKED NOT_BEFORE@reserved_batch() DEPENDENCY@dependencies(#7) CONCURRENCY@concurrency(k) "
     "PENDING_COUNT@pending_session_count_limit(k) "
     "PENDING_RESOURCE@pending_session_resource_limit(k cpu 1/?/0.5) "
     "KEYPAIR_QUOTA@keypair_resource_limit(k cpu 1/0.5/0.5) "
     "USER_QUOTA@user_resource_limit(u cpu 1/0.5/0.5) "
     "GROUP_QUOTA@group_resource_limit(P cpu 1/0.5/0.5) "
     "DOMAIN_QUOTA@domain_resource_limit(d cpu 1/0.5/0.5)"},
    {"a validator wins over a session without kernels", "key k max=1 live=1; session 1 empty",
     "1 BLOCKED CONCURRENCY@concurrency(k)"},
    {"a validator wins over mixed architectures",
     ROOM "key k max=1 live=1; session 1 cpu=1; kernel 1 arch=arm cpu=1",
     "1 BLOCKED CONCURRENCY@concurrency(k)"},
    {"a blocked session leaves the room to the next",
     "agent a cpu=1; session 1 batch cpu=1 start=1001; session 2 cpu=1",
     "1 BLOCKED NOT_BEFORE@reserved_batch()\n2 SCHEDULED a"},
};

START_TEST(validators_decide_as_tabled)
{
    scene_expect(&cases[_i], NULL);
}
END_TEST

static const struct {
    const char *what, *scene, *messages;
} sentences[] = {
    {"before the start", ROOM "session 1 batch cpu=1 start=1001", "Before start time"},
    {"waiting dependency", ROOM "session 1 cpu=1; depends 1 on=7 name=train waiting",
     "Waiting dependency sessions to finish as success. (train "
     "(00000000-0000-0000-0000-000000000007))"},
    {"waiting, failed and nameless dependencies",
     ROOM
     "session 1 cpu=1; depends 1 on=7 name=x waiting; depends 1 on=8 failed; depends 1 on=9 done",
     "Waiting dependency sessions to finish as success. (x (00000000-0000-0000-0000-000000000007), "
     "- (00000000-0000-0000-0000-000000000008))\n"
     "Dependency sessions did not finish as success. (- (00000000-0000-0000-0000-000000000008))"},
    {"concurrent sessions", ROOM "key k max=2 live=2; session 1 cpu=1",
     "You cannot run more than 2 concurrent sessions"},
    {"SFTP sessions", ROOM "key k max_sftp=1 live_sftp=1; session 1 private cpu=1",
     "You cannot run more than 1 SFTP sessions"},
    {"a missing owner", ROOM "user u missing; session 1 cpu=1", "owner \"u\" was not found."},
    {"an unreadable owner", ROOM "user u bad; session 1 cpu=1", "owner u is unreadable"},
};

START_TEST(validators_speak_as_tabled)
{
    scene_expect_messages(sentences[_i].what, sentences[_i].scene, NULL, 1, sentences[_i].messages);
}
END_TEST

/* Exactly 20 are listed; of 21 one is left out and counted. */
START_TEST(dependencies_are_listed_up_to_twenty)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    for (unsigned n = 20; n <= 22; n++) {
        const struct snapshot *s = NULL;
        char *scene = arena_strdup(a, ROOM "session 1 cpu=1");
        for (unsigned i = 0; i < n; i++)
            scene = arena_printf(a, "%s; depends 1 on=%u failed", scene, 100 + i);
        struct plan *p = scene_run(scene, NULL, a, &s);
        for (unsigned c = 0; c < 2; c++) {
            const char *text = p->decisions[0].causes[c].message;
            unsigned listed = 0;
            for (const char *at = text; (at = strstr(at, "- (")) != NULL; at++)
                listed++;
            ck_assert_msg(listed == 20, "%u dependencies, sentence %u lists %u", n, c, listed);
            const char *more = arena_printf(a, ", and %u more)", n - 20);
            ck_assert_msg((strstr(text, more) != NULL) == (n > 20), "%u: %s", n, text);
        }
    }
}
END_TEST

START_TEST(passed_validators_are_recorded_for_blocked_sessions_too)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct plan *p = scene_run(ROOM "key k max=1 live=1; session 1 cpu=1; session 2 key=z cpu=1; "
                                    "session 3 bad",
                               NULL, a, NULL);
    ck_assert_msg(p->n_validators == 9, "%u validators", p->n_validators);
    ck_assert_str_eq(p->validators[0], "reserved_batch");
    ck_assert_str_eq(p->validators[2], "concurrency");
    ck_assert_str_eq(p->validators[8], "domain_resource_limit");
    ck_assert_msg(p->decisions[0].passed == 0, "a session offered to nobody passed something");
    ck_assert_msg(p->decisions[1].passed == (0x1ff & ~4u), "blocked: %lx",
                  (unsigned long)p->decisions[1].passed);
    ck_assert_msg(p->decisions[2].passed == 0x1ff, "scheduled: %lx",
                  (unsigned long)p->decisions[2].passed);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, validators_decide_as_tabled, 0, ARRAY_SIZE(cases));
    tcase_add_loop_test(tc, validators_speak_as_tabled, 0, ARRAY_SIZE(sentences));
    tcase_add_test(tc, dependencies_are_listed_up_to_twenty);
    tcase_add_test(tc, passed_validators_are_recorded_for_blocked_sessions_too);
}

int main(void)
{
    return unit_run("validators", add);
}
