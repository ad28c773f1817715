/* test_failure.c - how failed calls are told, and their exit codes. */
#include <grpc/status.h>
#include <string.h>

#include "google/rpc/status.pb-c.h"
#include "server/berthctl/failure.h"
#include "tests/unit/unit.h"

#include "tests/berthctl/capture.h"

static const struct {
    const char *what;
    int code, exit;
    const char *name;
} codes[] = {
    {"a code that does not exist", 99, EXIT_OTHER, "UNKNOWN"},
    {"a negative code", -1, EXIT_OTHER, "UNKNOWN"},
    {"a bad field is a usage error", GRPC_STATUS_INVALID_ARGUMENT, EXIT_USAGE, "INVALID_ARGUMENT"},
    {"not found", GRPC_STATUS_NOT_FOUND, EXIT_NOT_FOUND, "NOT_FOUND"},
    {"lease busy", GRPC_STATUS_ABORTED, EXIT_BUSY, "ABORTED"},
    {"request id reused", GRPC_STATUS_ALREADY_EXISTS, EXIT_BUSY, "ALREADY_EXISTS"},
    {"overload", GRPC_STATUS_RESOURCE_EXHAUSTED, EXIT_BUSY, "RESOURCE_EXHAUSTED"},
    {"away", GRPC_STATUS_UNAVAILABLE, EXIT_UNAVAILABLE, "UNAVAILABLE"},
    {"too late", GRPC_STATUS_DEADLINE_EXCEEDED, EXIT_UNAVAILABLE, "DEADLINE_EXCEEDED"},
    {"unknown scheduler", GRPC_STATUS_FAILED_PRECONDITION, EXIT_OTHER, "FAILED_PRECONDITION"},
    {"an old cursor", GRPC_STATUS_OUT_OF_RANGE, EXIT_OTHER, "OUT_OF_RANGE"},
};

START_TEST(failure_has_exit_code_and_name_as_tabled)
{
    struct failure f = {.code = codes[_i].code, .message = ""};
    ck_assert_msg(failure_exit(&f) == codes[_i].exit, "%s: exit %d", codes[_i].what,
                  failure_exit(&f));
    ck_assert_msg(strcmp(failure_code_name(f.code), codes[_i].name) == 0, "%s: %s", codes[_i].what,
                  failure_code_name(f.code));
}
END_TEST

START_TEST(failure_exit_tells_an_interrupt_from_a_cancel)
{
    struct failure f = {.code = GRPC_STATUS_CANCELLED, .message = "", .interrupted = true};
    ck_assert_msg(failure_exit(&f) == 130, "Ctrl-C: exit %d", failure_exit(&f));
    f.interrupted = false;
    ck_assert_msg(failure_exit(&f) == EXIT_OTHER, "cancelled by the server: exit %d",
                  failure_exit(&f));
}
END_TEST

/* A failure with every detail there is. */
static struct failure rich(void)
{
    static Google__Rpc__ErrorInfo__MetadataEntry pair =
        GOOGLE__RPC__ERROR_INFO__METADATA_ENTRY__INIT;
    static Google__Rpc__ErrorInfo__MetadataEntry *pairs[] = {&pair};
    static Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    static Google__Rpc__BadRequest__FieldViolation field =
        GOOGLE__RPC__BAD_REQUEST__FIELD_VIOLATION__INIT;
    static Google__Rpc__BadRequest__FieldViolation *fields[] = {&field, &field};
    static Google__Rpc__BadRequest bad = GOOGLE__RPC__BAD_REQUEST__INIT;
    static Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    static Google__Rpc__RetryInfo retry = GOOGLE__RPC__RETRY_INFO__INIT;

    pair.key = "group";
    pair.value = "a gpu\x1b[0m";
    info.reason = "LEASE_BUSY";
    info.domain = "berth.v1";
    info.metadata = pairs;
    info.n_metadata = 1;
    field.field = "spec.kernels[0].slots[1].amount";
    field.description = "\"x\" is not a number";
    bad.field_violations = fields;
    bad.n_field_violations = 2;
    delay.nanos = 200000000;
    retry.retry_delay = &delay;
    return (struct failure){.code = GRPC_STATUS_ABORTED,
                            .message = "another replica is scheduling gpu",
                            .info = &info,
                            .bad_request = &bad,
                            .retry = &retry};
}

static const struct {
    const char *what;
    bool rich;
    struct failure f;
    const char *want;
} told[] = {
    {"nobody listens",
     false,
     {.code = GRPC_STATUS_UNAVAILABLE,
      .message = "failed to connect to all addresses; last error: UNKNOWN: Connection refused"},
     "berthctl: no answer from 127.0.0.1:1: Connection refused\n"
     "  Is berthd running there? --server or BERTH_SERVER names another.\n"},
    {"too late",
     false,
     {.code = GRPC_STATUS_DEADLINE_EXCEEDED, .message = "Deadline Exceeded"},
     "berthctl: no answer from 127.0.0.1:1 within 2.5 s\n"
     "  --timeout allows more. Nothing is half done.\n"},
    {"Ctrl-C",
     false,
     {.code = GRPC_STATUS_CANCELLED, .message = "CANCELLED", .interrupted = true},
     "berthctl: interrupted\n"},
    {"no words at all",
     false,
     {.code = GRPC_STATUS_INTERNAL, .message = ""},
     "berthctl: INTERNAL [INTERNAL]\n"},
    {"everything the server can say",
     true,
     {0},
     "berthctl: another replica is scheduling gpu [LEASE_BUSY group=\"a gpu\uFFFD[0m\"]\n"
     "  spec.kernels[0].slots[1].amount: \"x\" is not a number\n"
     "  spec.kernels[0].slots[1].amount: \"x\" is not a number\n"
     "  Try again in 200 ms.\n"},
};

START_TEST(failure_is_told_to_a_person_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(capture_finish) struct capture c = {0};
    struct failure f = told[_i].rich ? rich() : told[_i].f;
    capture_begin(&c);
    failure_print(c.out, &f, "127.0.0.1:1", 2500000, a);
    capture_end(&c);
    ck_assert_msg(strcmp(c.text, told[_i].want) == 0, "%s:\n%s", told[_i].what, c.text);
}
END_TEST

START_TEST(failure_is_told_once_when_a_detail_repeats_it)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(capture_finish) struct capture c = {0};
    struct failure f = rich();
    f.retry = NULL;
    f.message = f.bad_request->field_violations[0]->description;
    capture_begin(&c);
    failure_print(c.out, &f, "127.0.0.1:1", 2500000, a);
    capture_end(&c);
    ck_assert_msg(strcmp(c.text, "berthctl: \"x\" is not a number [LEASE_BUSY "
                                 "group=\"a gpu\uFFFD[0m\"]\n") == 0,
                  "%s", c.text);
}
END_TEST

START_TEST(failure_is_told_to_a_program_on_one_line)
{
    CLEANUP(capture_finish) struct capture c = {0};
    struct failure f = rich();
    f.bad_request = NULL;
    capture_begin(&c);
    failure_print_json(c.out, &f);
    capture_end(&c);
    ck_assert_msg(
        strcmp(c.text,
               "{\"error\":{\"code\":\"ABORTED\",\"message\":\"another replica is scheduling gpu\","
               "\"errorInfo\":{\"reason\":\"LEASE_BUSY\",\"domain\":\"berth.v1\",\"metadata\":"
               "{\"group\":\"a gpu\\u001b[0m\"}},\"retryInfo\":{\"retryDelay\":\"0.200s\"}}}\n") ==
            0,
        "%s", c.text);
}
END_TEST

/* Packs m as an Any of the given type. */
static void any_set(Google__Protobuf__Any *any, char *type_url, const ProtobufCMessage *m,
                    uint8_t *buffer)
{
    any->type_url = type_url;
    any->value.len = protobuf_c_message_pack(m, buffer);
    any->value.data = buffer;
}

START_TEST(failure_reads_the_details_it_knows)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    Google__Protobuf__Any anys[] = {GOOGLE__PROTOBUF__ANY__INIT, GOOGLE__PROTOBUF__ANY__INIT,
                                    GOOGLE__PROTOBUF__ANY__INIT, GOOGLE__PROTOBUF__ANY__INIT};
    Google__Protobuf__Any *list[] = {&anys[0], &anys[1], &anys[2], &anys[3]};
    Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
    uint8_t buffers[4][512];
    uint8_t bytes[2048];
    struct failure sent = rich();
    struct failure got = {0};

    any_set(&anys[0], "type.googleapis.com/google.rpc.Help", &sent.info->base, buffers[0]);
    any_set(&anys[1], "type.googleapis.com/google.rpc.ErrorInfo", &sent.info->base, buffers[1]);
    any_set(&anys[2], "type.googleapis.com/google.rpc.RetryInfo", &sent.retry->base, buffers[2]);
    any_set(&anys[3], "google.rpc.BadRequest", &sent.bad_request->base, buffers[3]); /* no slash */
    status.details = list;
    status.n_details = ARRAY_SIZE(list);
    size_t n = google__rpc__status__pack(&status, bytes);
    failure_read_details(&got, a, bytes, n);
    ck_assert_msg(got.info != NULL && strcmp(got.info->reason, "LEASE_BUSY") == 0, "ErrorInfo");
    ck_assert_msg(got.retry != NULL && got.retry->retry_delay->nanos == 200000000, "RetryInfo");
    ck_assert_msg(got.bad_request == NULL, "a type URL without a slash was read");

    struct failure garbled = {0};
    failure_read_details(&garbled, a, bytes, n - 1);
    ck_assert_msg(garbled.info == NULL, "a cut message was read");
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, failure_has_exit_code_and_name_as_tabled, 0, ARRAY_SIZE(codes));
    tcase_add_test(tc, failure_exit_tells_an_interrupt_from_a_cancel);
    tcase_add_loop_test(tc, failure_is_told_to_a_person_as_tabled, 0, ARRAY_SIZE(told));
    tcase_add_test(tc, failure_is_told_once_when_a_detail_repeats_it);
    tcase_add_test(tc, failure_is_told_to_a_program_on_one_line);
    tcase_add_test(tc, failure_reads_the_details_it_knows);
}

int main(void)
{
    return unit_run("berthctl_failure", add_tests);
}
