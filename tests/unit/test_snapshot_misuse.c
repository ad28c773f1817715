/* test_snapshot_misuse.c - a builder aborts when its caller breaks a rule, rather than build
 * nonsense. */
#include <signal.h>
#include <stdio.h>

#include "tests/unit/sample.h"
#include "tests/unit/unit.h"

static void bug_late_slot(struct snapshot_builder *b)
{
    builder_slot(b, "tpu", SLOT_COUNT, 1);
}

static void bug_finish_twice(struct snapshot_builder *b)
{
    builder_finish(b);
    builder_finish(b);
}

static void bug_owner_missing(struct snapshot_builder *b)
{
    struct uuid id = sample_id(11);
    builder_session_at(b, builder_find_session(b, &id))->owner[OWNER_USER] = 99;
    builder_finish(b);
}

static void bug_owner_of_another_kind(struct snapshot_builder *b)
{
    struct uuid id = sample_id(11);
    builder_session_at(b, builder_find_session(b, &id))->owner[OWNER_USER] =
        builder_find_owner(b, OWNER_DOMAIN, "default");
    builder_finish(b);
}

static void bug_group_unknown(struct snapshot_builder *b)
{
    builder_session_at(b, 0)->group = 2;
    builder_finish(b);
}

static void bug_kernel_without_session(struct snapshot_builder *b)
{
    int64_t *request = NULL;
    builder_kernel(b, 99, &(struct kernel){.id = sample_id(500)}, "x", &request);
}

static void bug_other_pending_of_a_user(struct snapshot_builder *b)
{
    builder_other_pending(
        b, &(struct other_pending){.keypair = builder_find_owner(b, OWNER_USER, "u1")});
}

static void bug_session_after_finish(struct snapshot_builder *b)
{
    builder_finish(b);
    builder_session(b, &(struct session){.id = sample_id(500)});
}

static const struct {
    const char *what;
    void (*run)(struct snapshot_builder *b);
} bugs[] = {
    {"a slot after the first row", bug_late_slot},
    {"finish twice", bug_finish_twice},
    {"a session whose owner is not there", bug_owner_missing},
    {"a session whose user is a domain", bug_owner_of_another_kind},
    {"a session whose group is not there", bug_group_unknown},
    {"a kernel of no session", bug_kernel_without_session},
    {"another group's session of a user", bug_other_pending_of_a_user},
    {"a session after finish", bug_session_after_finish},
};

START_TEST(builder_aborts_when_the_caller_is_wrong)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    bugs[_i].run(sample_builder(a, 0));
    fprintf(stderr, "no abort: %s\n", bugs[_i].what);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test_raise_signal(tc, builder_aborts_when_the_caller_is_wrong, SIGABRT, 0,
                                     (int)ARRAY_SIZE(bugs));
}

int main(void)
{
    return unit_run("snapshot_misuse", add);
}
