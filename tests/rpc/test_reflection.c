/* test_reflection.c - reflection v1 and v1alpha: everything that is there can be asked for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "google/protobuf/descriptor.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "proto/descriptor_set.h"
#include "scheduler/base.h"
#include "server/method.h"
#include "server/reflection.h"
#include "server/server.h"
#include "tests/rpc/machine.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest question;
typedef Grpc__Reflection__V1__ServerReflectionResponse answer;
#define ASKS(member)    GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##member
#define ANSWERS(member) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##member

static const char *const paths[] = {
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
};

static struct client *client;
static struct call_handle *call;

static void setup(void)
{
    struct app *app = machine_start(NULL);
    client = client_open(server_address(app->server));
}

static void teardown(void)
{
    client_close(client);
    machine_stop();
}

static answer *ask(const question *q)
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    call_send_message(call, &q->base);
    ck_assert_msg(call_receive(call, &bytes, &n), "the stream ended instead of an answer");
    answer *a = grpc__reflection__v1__server_reflection_response__unpack(NULL, n, bytes);
    free(bytes);
    ck_assert_msg(a != NULL, "an answer cannot be read");
    return a;
}

static void free_answer(answer *a)
{
    grpc__reflection__v1__server_reflection_response__free_unpacked(a, NULL);
}

static answer *ask_text(int what, const char *text)
{
    question q = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    q.host = (char *)"h";
    q.message_request_case = what;
    q.file_by_filename = (char *)text; /* all text members share their place */
    answer *a = ask(&q);
    ck_assert_str_eq(a->valid_host, "h");
    ck_assert_msg(a->original_request != NULL, "the question is not repeated");
    return a;
}

static void end_call(void)
{
    struct reply r = {.body = NULL};
    call_close_send(call);
    call_end(call, &r);
    ck_assert_code(&r, GRPC_STATUS_OK, "the end of a reflection stream");
    reply_free(&r);
}

/* The first file of an answer. */
static Google__Protobuf__FileDescriptorProto *first_file(const answer *a)
{
    ck_assert_int_eq(a->message_response_case, ANSWERS(FILE_DESCRIPTOR_RESPONSE));
    const Grpc__Reflection__V1__FileDescriptorResponse *f = a->file_descriptor_response;
    ck_assert_uint_ge(f->n_file_descriptor_proto, 1);
    Google__Protobuf__FileDescriptorProto *p = google__protobuf__file_descriptor_proto__unpack(
        NULL, f->file_descriptor_proto[0].len, f->file_descriptor_proto[0].data);
    ck_assert_msg(p != NULL, "a file descriptor cannot be read");
    return p;
}

static const struct {
    const char *what;
    int asks;
    const char *text;
    const char *file; /* first of the answer; NULL: error NOT_FOUND */
    size_t n_files;   /* with its imports */
} cases[] = {
    {"an unknown file", ASKS(FILE_BY_FILENAME), "nope.proto", NULL, 0},
    {"an unknown symbol", ASKS(FILE_CONTAINING_SYMBOL), "berth.v1.Nope", NULL, 0},
    {"a symbol with a dot before it", ASKS(FILE_CONTAINING_SYMBOL), ".berth.v1.Cause", NULL, 0},
    {"half a symbol", ASKS(FILE_CONTAINING_SYMBOL), "berth.v1", NULL, 0},
    {"extensions of an unknown message", ASKS(ALL_EXTENSION_NUMBERS_OF_TYPE), "x.Y", NULL, 0},
    {"a file", ASKS(FILE_BY_FILENAME), "google/rpc/status.proto", "google/rpc/status.proto", 2},
    {"the service", ASKS(FILE_CONTAINING_SYMBOL), "berth.v1.SchedulerService",
     "berth/v1/scheduler.proto", 3},
    {"a method", ASKS(FILE_CONTAINING_SYMBOL), "berth.v1.SchedulerService.WatchEvents",
     "berth/v1/scheduler.proto", 3},
    {"a message", ASKS(FILE_CONTAINING_SYMBOL), "berth.v1.Cause", "berth/v1/scheduler.proto", 3},
    {"a field", ASKS(FILE_CONTAINING_SYMBOL), "berth.v1.Cause.kind", "berth/v1/scheduler.proto", 3},
    {"an enum", ASKS(FILE_CONTAINING_SYMBOL), "berth.v1.CauseKind", "berth/v1/scheduler.proto", 3},
    {"an enum's value", ASKS(FILE_CONTAINING_SYMBOL), "berth.v1.CAUSE_KIND_CAPACITY",
     "berth/v1/scheduler.proto", 3},
    {"a nested message", ASKS(FILE_CONTAINING_SYMBOL), "google.rpc.BadRequest.FieldViolation",
     "google/rpc/error_details.proto", 2},
    {"an imported message", ASKS(FILE_CONTAINING_SYMBOL), "google.protobuf.Timestamp",
     "google/protobuf/timestamp.proto", 1},
    {"reflection itself", ASKS(FILE_CONTAINING_SYMBOL), "grpc.reflection.v1.ServerReflection",
     "grpc/reflection/v1/reflection.proto", 1},
};

START_TEST(reflection_answers_as_tabled)
{
    for (size_t p = 0; p < ARRAY_SIZE(paths); p++) {
        call = call_begin(client, paths[p], 0);
        answer *a = ask_text(cases[_i].asks, cases[_i].text);
        if (cases[_i].file == NULL) {
            ck_assert_msg(a->message_response_case == ANSWERS(ERROR_RESPONSE), "%s: no error",
                          cases[_i].what);
            ck_assert_int_eq(a->error_response->error_code, GRPC_STATUS_NOT_FOUND);
        } else {
            Google__Protobuf__FileDescriptorProto *f = first_file(a);
            ck_assert_msg(strcmp(f->name, cases[_i].file) == 0, "%s: %s", cases[_i].what, f->name);
            ck_assert_msg(a->file_descriptor_response->n_file_descriptor_proto == cases[_i].n_files,
                          "%s: %zu files", cases[_i].what,
                          a->file_descriptor_response->n_file_descriptor_proto);
            google__protobuf__file_descriptor_proto__free_unpacked(f, NULL);
        }
        free_answer(a);
        end_call();
    }
}
END_TEST

START_TEST(reflection_lists_the_services)
{
    static const char *const names[] = {"berth.v1.SchedulerService", "grpc.health.v1.Health",
                                        "grpc.reflection.v1.ServerReflection",
                                        "grpc.reflection.v1alpha.ServerReflection"};
    call = call_begin(client, paths[_i], 0);
    answer *a = ask_text(ASKS(LIST_SERVICES), "*");
    ck_assert_int_eq(a->message_response_case, ANSWERS(LIST_SERVICES_RESPONSE));
    ck_assert_uint_eq(a->list_services_response->n_service, ARRAY_SIZE(names));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        ck_assert_str_eq(a->list_services_response->service[i]->name, names[i]);
    free_answer(a);
    end_call();
}
END_TEST

START_TEST(reflection_answers_many_questions_on_one_stream)
{
    call = call_begin(client, paths[0], 0);
    for (int i = 0; i < 20; i++) {
        answer *a = ask_text(ASKS(FILE_CONTAINING_SYMBOL), i % 2 == 0 ? "berth.v1.Cause" : "x");
        ck_assert_int_eq(a->message_response_case,
                         i % 2 == 0 ? ANSWERS(FILE_DESCRIPTOR_RESPONSE) : ANSWERS(ERROR_RESPONSE));
        free_answer(a);
    }
    end_call();
}
END_TEST

START_TEST(reflection_answers_odd_questions)
{
    question q = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    Grpc__Reflection__V1__ExtensionRequest x = GRPC__REFLECTION__V1__EXTENSION_REQUEST__INIT;
    call = call_begin(client, paths[0], 0);
    answer *a = ask(&q);
    ck_assert_int_eq(a->message_response_case, ANSWERS(ERROR_RESPONSE));
    ck_assert_int_eq(a->error_response->error_code, GRPC_STATUS_INVALID_ARGUMENT);
    free_answer(a);
    q.message_request_case = ASKS(FILE_CONTAINING_EXTENSION);
    q.file_containing_extension = &x;
    a = ask(&q);
    ck_assert_int_eq(a->error_response->error_code, GRPC_STATUS_NOT_FOUND);
    free_answer(a);
    a = ask_text(ASKS(ALL_EXTENSION_NUMBERS_OF_TYPE), "berth.v1.Cause");
    ck_assert_int_eq(a->message_response_case, ANSWERS(ALL_EXTENSION_NUMBERS_RESPONSE));
    ck_assert_str_eq(a->all_extension_numbers_response->base_type_name, "berth.v1.Cause");
    ck_assert_uint_eq(a->all_extension_numbers_response->n_extension_number, 0);
    free_answer(a);
    end_call();
}
END_TEST

START_TEST(reflection_stream_ends_on_garbage)
{
    struct reply r = {.body = NULL};
    char text[8192];
    call = call_begin(client, paths[0], 0);
    call_send(call, "\xff\xff", 2);
    call_end(call, &r);
    ck_assert_code(&r, GRPC_STATUS_INVALID_ARGUMENT, "garbage");
    ck_assert_str_eq(reply_info(&r, NULL, text), "MALFORMED_MESSAGE");
    reply_free(&r);
}
END_TEST

/* --- the list of methods against what protoc knows --- */

static const struct method *method_of(const struct methods *all, const char *service,
                                      const char *name)
{
    char path[256];
    int n = snprintf(path, sizeof(path), "/%s/%s", service, name);
    return methods_find(all, path, (size_t)n);
}

static enum rpc_kind kind_of(const Google__Protobuf__MethodDescriptorProto *m)
{
    if (m->has_client_streaming && m->client_streaming)
        return RPC_CHAT;
    return m->has_server_streaming && m->server_streaming ? RPC_STREAM : RPC_UNARY;
}

START_TEST(methods_are_of_the_kind_the_contract_says)
{
    struct err e;
    struct methods *all = NULL;
    size_t n = 0;
    size_t seen = 0;
    const uint8_t *bytes = descriptor_set(&n);
    Google__Protobuf__FileDescriptorSet *set =
        google__protobuf__file_descriptor_set__unpack(NULL, n, bytes);
    ck_assert_msg(methods_create(&all, &e) == 0, "%s", e.message);
    for (size_t f = 0; f < set->n_file; f++) {
        for (size_t s = 0; s < set->file[f]->n_service; s++) {
            const Google__Protobuf__ServiceDescriptorProto *service = set->file[f]->service[s];
            char name[128];
            (void)snprintf(name, sizeof(name), "%s.%s", set->file[f]->package, service->name);
            for (size_t m = 0; m < service->n_method; m++, seen++) {
                const struct method *x = method_of(all, name, service->method[m]->name);
                ck_assert_msg(x != NULL, "%s.%s is not served", name, service->method[m]->name);
                ck_assert_msg(x->kind == kind_of(service->method[m]), "%s has the wrong kind",
                              x->path);
            }
        }
    }
    ck_assert_uint_eq(seen, methods_count(all));
    google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
    methods_destroy(all);
}
END_TEST

static void add_case(Suite *s, const char *name, const TTest *t, int end)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, t, 0, end);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("reflection");
    add_case(s, "tabled", reflection_answers_as_tabled, ARRAY_SIZE(cases));
    add_case(s, "services", reflection_lists_the_services, 2);
    add_case(s, "many", reflection_answers_many_questions_on_one_stream, 1);
    add_case(s, "odd", reflection_answers_odd_questions, 1);
    add_case(s, "garbage", reflection_stream_ends_on_garbage, 1);
    add_case(s, "methods", methods_are_of_the_kind_the_contract_says, 1);
    return run_suite(s);
}
