/* test_snapshot_build.c - whatever the order of adding, one snapshot comes out. */
#include <stdio.h>
#include <time.h>

#include "scheduler/snapshot_file.h"
#include "scheduler/snapshot_index.h"
#include "tests/unit/sample.h"
#include "tests/unit/unit.h"

START_TEST(builder_gives_one_snapshot_for_any_order_of_adding)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(arena_destroyp) struct arena *turn = arena_create();
    const char *want = snapshot_print(sample_snapshot(a, 0), a);
    for (uint64_t seed = 1; seed <= 500; seed++) {
        arena_reset(turn);
        const char *got = snapshot_print(sample_snapshot(turn, seed), turn);
        ck_assert_msg(strcmp(got, want) == 0, "seed %u: %s", (unsigned)seed,
                      sample_difference(got, want));
    }
}
END_TEST

START_TEST(builder_with_nothing_added_gives_the_defaults)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct snapshot_builder *b = builder_create(a);
    builder_group(b, &(struct snapshot){.observed_at = 7, .bad_options = "not an object"});
    ck_assert_int_eq(builder_observed_at(b), 7);
    ck_assert_ptr_eq(builder_arena(b), a);
    const struct snapshot *s = builder_finish(b);
    struct uuid nobody = sample_id(9);
    ck_assert_str_eq(s->group_name, "");
    ck_assert_str_eq(s->scheduler, "fifo");
    ck_assert_str_eq(s->strategy, "dispersed");
    ck_assert_str_eq(s->bad_options, "not an object");
    ck_assert_uint_eq(s->n_sessions + s->n_agents + s->n_slots + s->n_options, 0);
    ck_assert_uint_eq(snapshot_find_slot(s, "cpu"), NONE);
    ck_assert_uint_eq(snapshot_find_agent(s, "a1"), NONE);
    ck_assert_uint_eq(snapshot_find_session(s, &nobody), NONE);
}
END_TEST

START_TEST(snapshot_finds_every_row_and_no_other)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = sample_snapshot(a, 3);
    for (uint32_t i = 0; i < s->n_slots; i++)
        ck_assert_msg(snapshot_find_slot(s, s->slots[i].name) == i, "slot %u", i);
    for (uint32_t i = 0; i < s->n_agents; i++)
        ck_assert_msg(snapshot_find_agent(s, s->agents[i].id) == i, "agent %u", i);
    for (uint32_t i = 0; i < s->n_sessions; i++)
        ck_assert_msg(snapshot_find_session(s, &s->sessions[i].id) == i, "session %u", i);
    struct uuid nobody = sample_id(99);
    ck_assert_uint_eq(snapshot_find_slot(s, "tpu"), NONE);
    ck_assert_uint_eq(snapshot_find_session(s, &nobody), NONE);
    static const char *const absent[] = {"", "a", "a11", "gone", "z"};
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
        ck_assert_msg(snapshot_find_agent(s, absent[i]) == NONE, "agent \"%s\"", absent[i]);
}
END_TEST

START_TEST(builder_finds_rows_while_building)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct snapshot_builder *b = sample_builder(a, 0);
    struct uuid session = sample_id(13);
    struct uuid kernel = sample_id(26);
    struct uuid group = sample_id(60);
    struct uuid nobody = sample_id(99);
    ck_assert_uint_eq(builder_n_slots(b), 4);
    ck_assert_int_eq(builder_slot_type(b, builder_find_slot(b, "mem")), SLOT_BYTES);
    ck_assert_uint_eq(builder_find_slot(b, "tpu"), NONE);
    ck_assert_uint_eq(builder_find_agent(b, "gone"), NONE);
    ck_assert_uint_eq(builder_find_agent(b, "never"), NONE);
    ck_assert_str_eq(builder_agent_at(b, builder_find_agent(b, "a2"))->addr, "tcp://a2:6001");
    ck_assert_uint_eq(builder_find_owner(b, OWNER_PROJECT, "AK1"), NONE);
    ck_assert_int_eq(builder_session_at(b, builder_find_session(b, &session))->retries, 7);
    ck_assert_uint_eq(builder_find_session(b, &nobody), NONE);
    uint32_t k = builder_find_kernel(b, &kernel);
    ck_assert_int_eq(builder_kernel_request(b, k)[builder_find_slot(b, "cpu")], AMOUNT_MAX);
    ck_assert_uint_eq(builder_kernel_session(b, k), builder_find_session(b, &session));
    ck_assert_uint_eq(builder_find_kernel(b, &nobody), NONE);
    ck_assert_uint_eq(builder_find_session_group(b, &group), 1);
    ck_assert_uint_eq(builder_find_session_group(b, &nobody), NONE);
}
END_TEST

START_TEST(builder_changes_nothing_when_an_id_comes_again)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct snapshot_builder *b = sample_builder(a, 0);
    int64_t *capacity = NULL;
    int64_t *held = NULL;
    int64_t *request = NULL;
    struct uuid id = sample_id(11);
    uint32_t late = builder_find_session(b, &id);
    ck_assert_uint_eq(builder_agent(b, &(struct agent){.id = "a2"}, "x86_64", &capacity, &held),
                      builder_find_agent(b, "a2"));
    ck_assert_int_eq(capacity[builder_find_slot(b, "cpu")], 8 * AMOUNT_ONE);
    ck_assert_int_eq(held[builder_find_slot(b, "cpu")], AMOUNT_ONE / 2);
    ck_assert_uint_eq(builder_owner(b, OWNER_USER, "u1"), builder_find_owner(b, OWNER_USER, "u1"));
    ck_assert_uint_eq(builder_session(b, &(struct session){.id = id, .name = "other"}), late);
    struct kernel k = {.id = sample_id(24), .cluster_idx = 77};
    ck_assert_uint_eq(builder_kernel(b, 0, &k, "x86_64", &request), 0);
    ck_assert_int_eq(request[builder_find_slot(b, "mem")], 1);
    ck_assert_uint_eq(builder_session_group(b, &(struct session_group){.id = sample_id(61)}), 0);
    const char *want = snapshot_print(sample_snapshot(a, 0), a);
    const char *got = snapshot_print(builder_finish(b), a);
    ck_assert_msg(strcmp(got, want) == 0, "%s", sample_difference(got, want));
}
END_TEST

START_TEST(builder_keeps_each_request_once_however_it_is_written)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct snapshot_builder *b = builder_create(a);
    struct session x = {.id = sample_id(1), .starts_at = TIME_NONE, .group = NONE};
    int64_t *row = NULL;
    builder_slot(b, "cpu", SLOT_COUNT, 0);
    builder_slot(b, "mem", SLOT_BYTES, 1);
    for (int kind = 0; kind < N_OWNER_KINDS; kind++)
        x.owner[kind] = builder_owner(b, (enum owner_kind)kind, "o");
    builder_session(b, &x);
    for (uint8_t i = 0; i < 4; i++) {
        struct kernel k = {.id = sample_id(10 + i), .cluster_idx = i};
        builder_kernel(b, 0, &k, "x86_64", &row);
        row[0] = i == 0 ? 3 : 1;
    }
    for (uint32_t i = 1; i < 4; i++) /* each of them had another row before */
        builder_kernel_request(b, 4 - i)[1] = 7;
    builder_kernel_request(b, 0)[0] = 1;
    ck_assert_int_eq(builder_kernel_request(b, 3)[1], 7);
    ck_assert_int_eq(builder_kernel_request(b, 0)[0], 1);
    ck_assert_uint_eq(builder_kernel_at(b, 2)->cluster_idx, 2);
    const struct snapshot *s = builder_finish(b);
    ck_assert_msg(s->n_requests == 2, "%u rows for two ways of asking", s->n_requests);
    for (uint32_t i = 0; i < 4; i++) {
        const int64_t *asks = snapshot_request(s, i);
        ck_assert_msg(asks[0] == 1 && asks[1] == (i == 0 ? 0 : 7), "kernel %u asks for %ld, %ld", i,
                      (long)asks[0], (long)asks[1]);
    }
}
END_TEST

START_TEST(builder_adds_a_slot_once)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct snapshot_builder *b = builder_create(a);
    ck_assert_uint_eq(builder_slot(b, "mem", SLOT_BYTES, 2), 0);
    ck_assert_uint_eq(builder_slot(b, "cpu", SLOT_COUNT, 1), 1);
    ck_assert_uint_eq(builder_slot(b, "mem", SLOT_COUNT, 9), 0);
    ck_assert_uint_eq(builder_n_slots(b), 2);
    ck_assert_int_eq(builder_slot_type(b, 0), SLOT_BYTES);
}
END_TEST

START_TEST(builder_replaces_options_and_cursors)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct snapshot_builder *b = builder_create(a);
    builder_option(b, "b", "1");
    builder_option(b, "a", "2");
    builder_option(b, "b", "3");
    builder_rr_cursor(b, "x", "a9");
    builder_rr_cursor(b, "x", "a1");
    const struct snapshot *s = builder_finish(b);
    ck_assert_uint_eq(s->n_options, 2);
    ck_assert_str_eq(s->options[0].value, "2");
    ck_assert_str_eq(s->options[1].value, "3");
    ck_assert_uint_eq(s->n_rr_cursors, 1);
    ck_assert_str_eq(s->rr_cursors[0].agent_id, "a1");
}
END_TEST

/* Like an operator who asks "what if": an agent leaves and another comes in its name. */
START_TEST(builder_takes_an_agent_again_that_was_dropped)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct snapshot_builder *b = builder_create(a);
    int64_t *capacity = NULL;
    int64_t *held = NULL;
    builder_slot(b, "cpu", SLOT_COUNT, 0);
    uint32_t group = builder_session_group(b, &(struct session_group){.id = sample_id(1)});
    for (int i = 0; i < 40; i++) { /* enough for entries that collide */
        const char *id = arena_printf(a, "a%02d", i);
        uint32_t agent = builder_agent(b, &(struct agent){.id = id}, "old", &capacity, &held);
        capacity[0] = 1;
        builder_group_member(b, group, agent, 1);
        if (i % 2 == 0)
            builder_drop_agent(b, agent);
    }
    for (int i = 0; i < 40; i += 4) {
        const char *id = arena_printf(a, "a%02d", i);
        ck_assert_uint_eq(builder_find_agent(b, id), NONE);
        uint32_t again = builder_agent(b, &(struct agent){.id = id}, "new", &capacity, &held);
        ck_assert_uint_eq(builder_find_agent(b, id), again);
        ck_assert_int_eq(capacity[0], 0);
        capacity[0] = 2;
    }
    const struct snapshot *s = builder_finish(b);
    ck_assert_uint_eq(s->n_agents, 30);
    ck_assert_uint_eq(s->n_group_members, 20);
    for (int i = 0; i < 40; i++) {
        uint32_t at = snapshot_find_agent(s, arena_printf(a, "a%02d", i));
        ck_assert_msg((at == NONE) == (i % 4 == 2), "agent %d stands at %u", i, at);
        if (at != NONE)
            ck_assert_msg(snapshot_row(s, s->agent_capacity, at)[0] == (i % 2 == 0 ? 2 : 1),
                          "agent %d has another agent's capacity", i);
    }
    for (uint32_t i = 0; i < s->n_group_members; i++)
        ck_assert_msg(s->agents[s->group_members[i].agent].id[2] % 2 == 1, "member row %u", i);
}
END_TEST

START_TEST(builder_sums_members_without_overflow)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct snapshot_builder *b = builder_create(a);
    int64_t *capacity = NULL;
    int64_t *held = NULL;
    uint32_t group = builder_session_group(b, &(struct session_group){.id = sample_id(1)});
    uint32_t a1 = builder_agent(b, &(struct agent){.id = "a1"}, "x", &capacity, &held);
    uint32_t a2 = builder_agent(b, &(struct agent){.id = "a2"}, "x", &capacity, &held);
    builder_group_member(b, group, a1, INT32_MAX);
    builder_group_member(b, group, a1, INT32_MAX);
    builder_group_member(b, group, a2, 3);
    builder_group_member(b, group, a2, -3);
    const struct snapshot *s = builder_finish(b);
    ck_assert_uint_eq(s->n_group_members, 1);
    ck_assert_int_eq(s->group_members[0].count, INT32_MAX);
}
END_TEST

START_TEST(builder_orders_dependencies_of_one_id)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct snapshot_builder *b = sample_builder(a, 0);
    struct uuid id = sample_id(10);
    uint32_t session = builder_find_session(b, &id);
    static const struct dependency rows[] = {
        {.state = DEPENDENCY_WAITING, .name = "b"},
        {.state = DEPENDENCY_FAILED, .name = "a"},
        {.state = DEPENDENCY_WAITING, .name = "a"},
        {.state = DEPENDENCY_WAITING, .name = NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        builder_dependency(b, session, &rows[i]);
    const struct snapshot *s = builder_finish(b);
    const struct dependency *d = &s->dependencies[s->sessions[0].rare->first_dependency];
    ck_assert_uint_eq(s->sessions[0].rare->n_dependencies, 4);
    ck_assert_ptr_null(d[0].name);
    ck_assert_str_eq(d[1].name, "a");
    ck_assert_str_eq(d[2].name, "b");
    ck_assert_int_eq(d[3].state, DEPENDENCY_FAILED);
}
END_TEST

START_TEST(builder_keeps_the_first_sentence_of_a_bad_row)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct snapshot_builder *b = sample_builder(a, 0);
    uint32_t agent = builder_find_agent(b, "a2");
    builder_bad_agent(b, agent, "row %d, column \"%s\"", 7, "capacity");
    builder_bad_agent(b, agent, "another");
    ck_assert_str_eq(builder_agent_at(b, agent)->bad_data, "row 7, column \"capacity\"");
    builder_bad_session(b, 0, "%0600d", 1);
    const char *cut = builder_session_at(b, 0)->bad_data;
    ck_assert_uint_eq(strlen(cut), 511);
    ck_assert_int_eq(cut[510], '+');
    static const wchar_t bad[] = {0x7FFFFFFF, 0};
    builder_bad_owner(b, 0, "cannot %ls", bad);
    ck_assert_str_eq(builder_owner_at(b, 0)->bad_data, "cannot %ls");
}
END_TEST

/* --- many rows --- */

enum { MANY_SESSIONS = 100000, MANY_AGENTS = 10000 };

static void add_many(struct snapshot_builder *b, uint64_t *seed)
{
    int64_t *row = NULL;
    int64_t *held = NULL;
    char text[32];
    struct session s = {.starts_at = TIME_NONE, .group = NONE};
    static const char *const slots[] = {"mem", "cpu", "cuda.shares"};
    for (size_t i = 0; i < ARRAY_SIZE(slots); i++)
        builder_slot(b, slots[i], SLOT_COUNT, 0);
    for (int kind = 0; kind < N_OWNER_KINDS; kind++)
        s.owner[kind] = builder_owner(b, (enum owner_kind)kind, "o");
    for (uint32_t i = 0; i < MANY_AGENTS; i++) {
        snprintf(text, sizeof(text), "i-%08x", sample_random(seed));
        builder_agent(b, &(struct agent){.id = text, .addr = text}, "x86_64", &row, &held);
        row[0] = i;
    }
    for (uint32_t i = 0; i < MANY_SESSIONS; i++) {
        for (int j = 0; j < 16; j++)
            s.id.b[j] = (uint8_t)sample_random(seed);
        s.created_at = sample_random(seed) % 1000000;
        s.name = "session";
        struct kernel k = {.id = s.id, .is_main = true};
        builder_kernel(b, builder_session(b, &s), &k, "x86_64", &row);
        row[1] = s.created_at;
    }
}

START_TEST(builder_keeps_many_rows_together)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct snapshot_builder *b = builder_create(a);
    uint64_t seed = 42;
    struct timespec from;
    struct timespec to;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    add_many(b, &seed);
    const struct snapshot *s = builder_finish(b);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    printf("100 k sessions and kernels, 10 k agents: %ld ms, %zu MB\n",
           (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000,
           arena_used(a) / 1000000);
    ck_assert_uint_eq(s->n_sessions, MANY_SESSIONS);
    ck_assert_uint_eq(s->n_kernels, MANY_SESSIONS);
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        const struct session *x = &s->sessions[i];
        ck_assert_msg(
            i == 0 || x[-1].created_at < x->created_at ||
                (x[-1].created_at == x->created_at && uuid_compare(&x[-1].id, &x->id) < 0),
            "session %u is out of order", i);
        ck_assert_msg(x->n_kernels == 1 && x->first_kernel == i, "kernel of session %u", i);
        ck_assert_msg(uuid_compare(&s->kernels[i].id, &x->id) == 0, "kernel of session %u", i);
        ck_assert_msg(snapshot_request(s, i)[snapshot_find_slot(s, "cpu")] == x->created_at,
                      "request of session %u", i);
        ck_assert_msg(snapshot_find_session(s, &x->id) == i, "session %u is not found", i);
    }
    for (uint32_t i = 1; i < s->n_agents; i++)
        ck_assert_msg(strcmp(s->agents[i - 1].id, s->agents[i].id) < 0, "agent %u", i);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, builder_gives_one_snapshot_for_any_order_of_adding);
    tcase_add_test(tc, builder_with_nothing_added_gives_the_defaults);
    tcase_add_test(tc, snapshot_finds_every_row_and_no_other);
    tcase_add_test(tc, builder_finds_rows_while_building);
    tcase_add_test(tc, builder_changes_nothing_when_an_id_comes_again);
    tcase_add_test(tc, builder_keeps_each_request_once_however_it_is_written);
    tcase_add_test(tc, builder_adds_a_slot_once);
    tcase_add_test(tc, builder_replaces_options_and_cursors);
    tcase_add_test(tc, builder_takes_an_agent_again_that_was_dropped);
    tcase_add_test(tc, builder_sums_members_without_overflow);
    tcase_add_test(tc, builder_orders_dependencies_of_one_id);
    tcase_add_test(tc, builder_keeps_the_first_sentence_of_a_bad_row);
    tcase_add_test(tc, builder_keeps_many_rows_together);
}

int main(void)
{
    return unit_run("snapshot_build", add);
}
