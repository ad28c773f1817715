/* test_convert.c - what goes over the wire: messages made of core structs, sessions and agents that
 * a preview describes, settings handed over. No server, no database. */
#include <check.h>
#include <string.h>

#include "server/convert.h"
#include "server/described.h"
#include "server/hub_internal.h"
#include "server/policy_settings.h"
#include "tests/rpc/values.h"

/* --- messages ----------------------------------------------------------------------------------
 */

static const struct {
    int64_t us, seconds;
    int32_t nanos;
} times[] = {
    {0, 0, 0},           {1, 0, 1000},      {1234567, 1, 234567000},
    {-1, -1, 999999000}, {-1000000, -1, 0}, {1700000000123456, 1700000000, 123456000},
};

START_TEST(convert_time_splits_microseconds)
{
    Google__Protobuf__Timestamp *t = convert_time(times[_i].us, arena);
    ck_assert_int_eq(t->seconds, times[_i].seconds);
    ck_assert_int_eq(t->nanos, times[_i].nanos);
}
END_TEST

START_TEST(convert_duration_never_goes_back)
{
    ck_assert_int_eq(convert_duration(-5, arena)->nanos, 0);
    ck_assert_int_eq(convert_duration(2500000001, arena)->seconds, 2);
    ck_assert_int_eq(convert_duration(2500000001, arena)->nanos, 500000001);
}
END_TEST

/* One group: slots cpu, mem, cuda.shares; agent a1; one stored session with one kernel. */
static struct snapshot_builder *small_builder(void)
{
    struct snapshot_builder *b = builder_create(arena);
    const struct snapshot head = {
        .observed_at = 1000000, .group_name = "g", .scheduler = "fifo", .strategy = "dispersed"};
    const struct agent agent = {
        .id = "a1", .addr = "10.0.0.1:6001", .alive = true, .schedulable = true};
    struct session session = {
        .created_at = 5, .pending_since = 5, .starts_at = TIME_NONE, .group = NONE};
    const struct kernel kernel = {.id = {{7}}, .is_main = true, .cluster_idx = 1};
    int64_t *capacity, *held, *request;
    builder_group(b, &head);
    builder_slot(b, "cpu", SLOT_COUNT, 100);
    builder_slot(b, "mem", SLOT_BYTES, 200);
    builder_slot(b, "cuda.shares", SLOT_COUNT, 300);
    builder_agent(b, &agent, "x86_64", &capacity, &held);
    capacity[0] = 8 * AMOUNT_ONE;
    capacity[1] = INT64_C(1) << 34;
    for (unsigned i = 0; i < N_OWNER_KINDS; i++)
        session.owner[i] = builder_owner(b, i, i == OWNER_KEYPAIR ? "AK" : "x");
    session.id.b[15] = 1;
    builder_kernel(b, builder_session(b, &session), &kernel, "x86_64", &request);
    request[0] = AMOUNT_ONE / 2;
    request[1] = INT64_C(1) << 30;
    return b;
}

START_TEST(convert_causes_leaves_out_numbers_that_do_not_apply)
{
    const struct snapshot *s = builder_finish(small_builder());
    const struct shortage slots[] = {
        {.slot = 1, .requested = 5, .available = AMOUNT_UNKNOWN, .limit = AMOUNT_INF},
        {.slot = 0, .requested = 1500000, .available = 0, .limit = AMOUNT_UNKNOWN}};
    const struct cause causes[] = {{.kind = CAUSE_CAPACITY,
                                    .plugin = "resources",
                                    .message = "no room",
                                    .slots = slots,
                                    .n_slots = 2,
                                    .retryable = true}};
    size_t n;
    ck_assert_msg(convert_causes(s, NULL, 0, arena, &n) == NULL && n == 0, "none are some");
    Berth__V1__Cause *m = convert_causes(s, causes, 1, arena, &n)[0];
    ck_assert_uint_eq(n, 1);
    ck_assert_int_eq(m->kind, BERTH__V1__CAUSE_KIND__CAUSE_KIND_CAPACITY);
    ck_assert_str_eq(m->subject, "");
    ck_assert_uint_eq(m->n_slots, 2);
    ck_assert_str_eq(m->slots[0]->slot, "mem");
    ck_assert_str_eq(m->slots[0]->requested, "5");
    ck_assert_str_eq(m->slots[0]->available, "");
    ck_assert_str_eq(m->slots[0]->limit, "Infinity");
    ck_assert_str_eq(m->slots[1]->requested, "1.5");
    ck_assert_str_eq(m->slots[1]->available, "0");
    ck_assert_msg(m->retryable, "not retryable");
}
END_TEST

START_TEST(convert_decisions_stops_at_the_bound_and_names_places)
{
    const struct snapshot *s = builder_finish(small_builder());
    struct decision decisions[] = {
        {.session = 0, .outcome = OUTCOME_SCHEDULED, .n_placements = 1},
        {.session = 0, .outcome = OUTCOME_WAITING},
    };
    struct placement places[] = {{.kernel = 0, .agent = 0}};
    const struct plan plan = {
        .decisions = decisions, .n_decisions = 2, .placements = places, .n_placements = 1};
    size_t n;
    convert_decisions(s, &plan, 5, arena, &n);
    ck_assert_uint_eq(n, 2);
    Berth__V1__SessionDecision **list = convert_decisions(s, &plan, 1, arena, &n);
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(list[0]->session_id, "00000000-0000-0000-0000-000000000001");
    ck_assert_int_eq(list[0]->outcome, BERTH__V1__SESSION_OUTCOME__SESSION_OUTCOME_SCHEDULED);
    ck_assert_uint_eq(list[0]->n_allocations, 1);
    Berth__V1__KernelAllocation *a = list[0]->allocations[0];
    ck_assert_str_eq(a->kernel_id, "07000000-0000-0000-0000-000000000000");
    ck_assert_str_eq(a->agent_id, "a1");
    ck_assert_str_eq(a->agent_addr, "10.0.0.1:6001");
    ck_assert_uint_eq(a->n_slots, 2); /* no zero amounts */
    ck_assert_str_eq(a->slots[0]->amount, "0.5");
    ck_assert_str_eq(a->slots[1]->amount, "1073741824");
    list[0]->allocations = convert_placements(s, places, 1, false, arena, &n);
    ck_assert_str_eq(list[0]->allocations[0]->kernel_id, "");
}
END_TEST

START_TEST(convert_counts_sums_what_was_pending)
{
    uint32_t counts[N_OUTCOMES];
    for (unsigned i = 0; i < N_OUTCOMES; i++)
        counts[i] = 1U << i;
    Berth__V1__OutcomeCounts *m = convert_counts(counts, arena);
    ck_assert_uint_eq(m->pending, (1U << N_OUTCOMES) - 2);
    ck_assert_uint_eq(m->scheduled, 1U << OUTCOME_SCHEDULED);
    ck_assert_uint_eq(m->waiting, 1U << OUTCOME_WAITING);
    ck_assert_uint_eq(m->blocked, 1U << OUTCOME_BLOCKED);
    ck_assert_uint_eq(m->infeasible, 1U << OUTCOME_INFEASIBLE);
    ck_assert_uint_eq(m->invalid, 1U << OUTCOME_INVALID);
    ck_assert_uint_eq(m->expired, 1U << OUTCOME_EXPIRED);
    ck_assert_uint_eq(m->cancelled, 1U << OUTCOME_CANCELLED);
    ck_assert_uint_eq(m->conflict, 1U << OUTCOME_CONFLICT);
    ck_assert_uint_eq(m->skipped, 1U << OUTCOME_SKIPPED);
}
END_TEST

START_TEST(hub_frame_is_a_field_of_a_response)
{
    static const size_t lengths[] = {0, 1, 100, 127, 128, 200, 16383, 16384, 70000};
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        char *reason = arena_alloc(arena, lengths[i] + 1, 1);
        memset(reason, 'r', lengths[i]);
        const struct event ev = {.scaling_group = "g",
                                 .sequence = 9,
                                 .type = EVENT_SESSION_WAITING,
                                 .has_session = true,
                                 .reason = reason,
                                 .time = 1500000};
        size_t n;
        const uint8_t *frame = hub_frame(&ev, arena, &n);
        Berth__V1__WatchEventsResponse *m =
            berth__v1__watch_events_response__unpack(NULL, n, frame);
        ck_assert_msg(m != NULL && m->n_events == 1, "reason of %zu: no message", lengths[i]);
        ck_assert_msg(strlen(m->events[0]->reason) == lengths[i], "reason of %zu is cut",
                      lengths[i]);
        ck_assert_int_eq(m->events[0]->sequence, 9);
        ck_assert_str_eq(m->events[0]->session_id, "00000000-0000-0000-0000-000000000000");
        ck_assert_str_eq(m->events[0]->round_id, "");
        ck_assert_int_eq(m->events[0]->time->nanos, 500000000);
        berth__v1__watch_events_response__free_unpacked(m, NULL);
    }
}
END_TEST

/* --- described sessions and agents -------------------------------------------------------------
 */

static const struct {
    const char *what, *slot, *amount, *field, *words;
} bad_amounts[] = {
    {"an unknown slot", "gpu", "1", "spec.kernels[0].slots[1].slot", "\"gpu\""},
    {"a slot twice", "cpu", "1", "spec.kernels[0].slots[1].slot", "twice"},
    {"no amount", "mem", "", "spec.kernels[0].slots[1].amount", "\"\""},
    {"a word", "mem", "lots", "spec.kernels[0].slots[1].amount", "lots"},
    {"a negative amount", "cuda.shares", "-0.5", "spec.kernels[0].slots[1].amount", "-0.5"},
    {"NaN", "cuda.shares", "NaN", "spec.kernels[0].slots[1].amount", "NaN"},
    {"half a byte", "mem", "1.5", "spec.kernels[0].slots[1].amount", "1.5"},
    {"an infinite request", "mem", "Infinity", "spec.kernels[0].slots[1].amount", "Infinity"},
    {"a size for people", "mem", "4g", "spec.kernels[0].slots[1].amount", "4g"},
};

static Berth__V1__SlotAmount *amount_of(const char *slot, const char *amount)
{
    Berth__V1__SlotAmount *m = message_new(arena, Berth__V1__SlotAmount, berth__v1__slot_amount);
    m->slot = convert_text(slot);
    m->amount = convert_text(amount);
    return m;
}

/* A spec of n kernels, each of cpu 1 and, when slot is not NULL, of that amount. */
static Berth__V1__SessionSpec *spec_of(size_t n, const char *slot, const char *amount)
{
    Berth__V1__SessionSpec *spec =
        message_new(arena, Berth__V1__SessionSpec, berth__v1__session_spec);
    spec->kernels = arena_new(arena, Berth__V1__KernelSpec *, n);
    spec->n_kernels = n;
    for (size_t i = 0; i < n; i++) {
        Berth__V1__KernelSpec *k =
            message_new(arena, Berth__V1__KernelSpec, berth__v1__kernel_spec);
        k->slots = arena_new(arena, Berth__V1__SlotAmount *, 2);
        k->slots[k->n_slots++] = amount_of("cpu", "1");
        if (slot != NULL)
            k->slots[k->n_slots++] = amount_of(slot, amount);
        spec->kernels[i] = k;
    }
    return spec;
}

START_TEST(described_session_names_the_field_that_is_wrong)
{
    const struct snapshot *s = builder_finish(small_builder());
    struct snapshot_spec_owners owners = {.session_group = NONE};
    struct guest guest;
    struct err e = {.code = ERR_NONE};
    const Berth__V1__SessionSpec *spec = spec_of(1, bad_amounts[_i].slot, bad_amounts[_i].amount);
    assert_refused(described_session(s, spec, &owners, &guest, arena, &e), &e, "BAD_FIELD",
                   bad_amounts[_i].field, bad_amounts[_i].what);
    ck_assert_msg(strstr(e.message, bad_amounts[_i].words) != NULL, "%s: %s", bad_amounts[_i].what,
                  e.message);
}
END_TEST

START_TEST(described_session_refuses_an_unknown_session_group)
{
    const struct snapshot *s = builder_finish(small_builder());
    struct snapshot_spec_owners owners = {.session_group = NONE};
    struct guest guest;
    struct err e = {.code = ERR_NONE};
    Berth__V1__SessionSpec *spec = spec_of(1, NULL, NULL);
    spec->session_group_id = convert_text("00000000-0000-0000-0000-0000000000aa");
    assert_refused(described_session(s, spec, &owners, &guest, arena, &e), &e, "BAD_FIELD",
                   "spec.session_group_id", "an unknown session group");
}
END_TEST

START_TEST(described_session_is_last_in_the_queue_with_its_defaults)
{
    struct snapshot_builder *first = small_builder(), *b = builder_create(arena);
    struct snapshot_spec_owners owners = {.session_group = NONE};
    struct guest guest;
    struct err e = {.code = ERR_NONE};
    Berth__V1__SessionSpec *spec = spec_of(300, "mem", "0");
    for (unsigned i = 0; i < N_OWNER_KINDS; i++)
        (void)builder_owner(first, i, "me");
    const struct snapshot *of = builder_finish(first);
    for (unsigned i = 0; i < N_OWNER_KINDS; i++)
        owners.owner[i] = snapshot_find_owner(of, i, "me");
    Google__Protobuf__Timestamp start = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    start.seconds = 12;
    start.nanos = 345678999;
    spec->requested_start = &start;
    ck_assert_msg(described_session(of, spec, &owners, &guest, arena, &e) == 0, "%s", e.message);
    builder_copy(b, of);
    builder_guest(b, &guest);
    const struct snapshot *s = builder_finish(b);
    ck_assert_uint_eq(snapshot_find_session(s, &guest.session.id), 1);
    const struct session *session = &s->sessions[1];
    ck_assert_int_eq(session->created_at, 1000000);
    ck_assert_int_eq(session->pending_since, 1000000);
    ck_assert_int_eq(session->priority, 10);
    ck_assert_int_eq(session->type, SESSION_INTERACTIVE);
    ck_assert_int_eq(session->mode, CLUSTER_SINGLE_NODE);
    ck_assert_int_eq(session->starts_at, 12345678);
    ck_assert_uint_eq(session->n_kernels, 300);
    for (uint32_t i = 0; i < 300; i++) {
        const struct kernel *k = &s->kernels[session->first_kernel + i];
        ck_assert_msg(k->is_main == (i == 0), "kernel %u: main", i);
        ck_assert_msg(k->id.b[14] * 256 + k->id.b[15] == (int)i, "kernel %u is out of order", i);
        ck_assert_str_eq(s->archs[k->arch], "x86_64");
    }
}
END_TEST

START_TEST(described_agents_must_be_new_and_those_left_out_must_exist)
{
    const struct snapshot *of = builder_finish(small_builder());
    struct snapshot_builder *b = builder_create(arena);
    builder_copy(b, of);
    struct err e = {.code = ERR_NONE};
    char *ids[] = {convert_text("a1"), convert_text("a9")};
    Berth__V1__AgentSpec *spec = message_new(arena, Berth__V1__AgentSpec, berth__v1__agent_spec);
    Berth__V1__SlotAmount *capacity[] = {amount_of("cpu", "64"), amount_of("gpu", "1")};
    spec->agent_id = convert_text("a1");
    assert_refused(described_extra_agents(b, of, &spec, 1, arena, &e), &e, "BAD_FIELD",
                   "extra_agents[0].agent_id", "an agent that is there");
    assert_refused(described_without_agents(b, ids, 2, arena, &e), &e, "BAD_FIELD",
                   "without_agents[1]", "an agent that is not there");
    spec->agent_id = convert_text("a2");
    spec->capacity = capacity;
    spec->n_capacity = 2;
    assert_refused(described_extra_agents(b, of, &spec, 1, arena, &e), &e, "BAD_FIELD",
                   "extra_agents[0].capacity[1].slot", "an unknown slot of an agent");
}
END_TEST

START_TEST(described_agents_come_and_go)
{
    const struct snapshot *of = builder_finish(small_builder());
    struct snapshot_builder *b = builder_create(arena);
    builder_copy(b, of);
    struct err e = {.code = ERR_NONE};
    char *ids[] = {convert_text("a1")};
    Berth__V1__AgentSpec *spec = message_new(arena, Berth__V1__AgentSpec, berth__v1__agent_spec);
    Berth__V1__SlotAmount *capacity[] = {amount_of("cpu", "64")};
    spec->agent_id = convert_text("a2");
    spec->architecture = convert_text("aarch64");
    spec->capacity = capacity;
    spec->n_capacity = 1;
    ck_assert_msg(described_without_agents(b, ids, 1, arena, &e) == 0, "%s", e.message);
    ck_assert_msg(described_extra_agents(b, of, &spec, 1, arena, &e) == 0, "%s", e.message);
    const struct snapshot *s = builder_finish(b);
    ck_assert_uint_eq(s->n_agents, 1);
    ck_assert_str_eq(s->agents[0].id, "a2");
    ck_assert_msg(agent_is_candidate(&s->agents[0]), "the new agent is no candidate");
    ck_assert_str_eq(s->archs[s->agents[0].arch], "aarch64");
    ck_assert_int_eq(snapshot_row(s, s->agent_capacity, 0)[snapshot_find_slot(s, "cpu")],
                     64 * AMOUNT_ONE);
}
END_TEST

/* --- settings ----------------------------------------------------------------------------------
 */

START_TEST(policy_settings_refuse_an_option_without_plugin_key_or_value)
{
    static const char *const bad[] = {"retries=3", "fifo.=3", ".x=3", "fifo.x", "x=fifo.y", ""};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        const struct config c = {.plugin_options = {.items = &bad[i], .n = 1}};
        struct policy_config p;
        struct err e = {.code = ERR_NONE};
        ck_assert_msg(policy_settings(&c, arena, &p, &e) < 0, "\"%s\" was accepted", bad[i]);
        ck_assert_msg(strstr(e.message, bad[i]) != NULL, "\"%s\": %s", bad[i], e.message);
    }
}
END_TEST

START_TEST(policy_settings_hand_options_over_as_json_text)
{
    static const char *const items[] = {"fifo.num_retries_to_skip=3", "x.y=a=\"b\\\""};
    const struct config c = {.plugin_options = {.items = items, .n = 2},
                             .max_containers_per_agent = 7};
    struct policy_config p;
    struct err e = {.code = ERR_NONE};
    ck_assert_msg(policy_settings(&c, arena, &p, &e) == 0, "%s", e.message);
    ck_assert_int_eq(p.max_containers_per_agent, 7);
    ck_assert_uint_eq(p.n_options, 2);
    ck_assert_str_eq(p.options[0].key, "fifo.num_retries_to_skip");
    ck_assert_str_eq(p.options[0].value, "\"3\"");
    ck_assert_str_eq(p.options[1].key, "x.y");
    ck_assert_str_eq(p.options[1].value, "\"a=\\\"b\\\\\\\"\"");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("convert");
    TCase *tc = tcase_create("convert");
    values_fixture(tc);
    tcase_add_loop_test(tc, convert_time_splits_microseconds, 0, ARRAY_SIZE(times));
    tcase_add_test(tc, convert_duration_never_goes_back);
    tcase_add_test(tc, convert_causes_leaves_out_numbers_that_do_not_apply);
    tcase_add_test(tc, convert_decisions_stops_at_the_bound_and_names_places);
    tcase_add_test(tc, convert_counts_sums_what_was_pending);
    tcase_add_test(tc, hub_frame_is_a_field_of_a_response);
    tcase_add_loop_test(tc, described_session_names_the_field_that_is_wrong, 0,
                        ARRAY_SIZE(bad_amounts));
    tcase_add_test(tc, described_session_refuses_an_unknown_session_group);
    tcase_add_test(tc, described_session_is_last_in_the_queue_with_its_defaults);
    tcase_add_test(tc, described_agents_must_be_new_and_those_left_out_must_exist);
    tcase_add_test(tc, described_agents_come_and_go);
    tcase_add_test(tc, policy_settings_refuse_an_option_without_plugin_key_or_value);
    tcase_add_test(tc, policy_settings_hand_options_over_as_json_text);
    return values_run(suite, tc);
}
