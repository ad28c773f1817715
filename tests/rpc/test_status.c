/* test_status.c - every error code has a status, and the details say what the err says. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "server/status.h"

static const struct {
    enum err_code code;
    grpc_status_code status;
    const char *name;
} codes[] = {
    {ERR_INVALID, GRPC_STATUS_INVALID_ARGUMENT, "INVALID_ARGUMENT"},
    {ERR_NOT_FOUND, GRPC_STATUS_NOT_FOUND, "NOT_FOUND"},
    {ERR_EXISTS, GRPC_STATUS_ALREADY_EXISTS, "ALREADY_EXISTS"},
    {ERR_CONFLICT, GRPC_STATUS_ABORTED, "ABORTED"},
    {ERR_PRECONDITION, GRPC_STATUS_FAILED_PRECONDITION, "FAILED_PRECONDITION"},
    {ERR_EXHAUSTED, GRPC_STATUS_RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED"},
    {ERR_UNAVAILABLE, GRPC_STATUS_UNAVAILABLE, "UNAVAILABLE"},
    {ERR_TIMEOUT, GRPC_STATUS_DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"},
    {ERR_OUT_OF_RANGE, GRPC_STATUS_OUT_OF_RANGE, "OUT_OF_RANGE"},
    {ERR_CANCELLED, GRPC_STATUS_CANCELLED, "CANCELLED"},
    {ERR_UNKNOWN_CALLER, GRPC_STATUS_UNAUTHENTICATED, "UNAUTHENTICATED"},
    {ERR_DENIED, GRPC_STATUS_PERMISSION_DENIED, "PERMISSION_DENIED"},
    {ERR_UNIMPLEMENTED, GRPC_STATUS_UNIMPLEMENTED, "UNIMPLEMENTED"},
    {ERR_INTERNAL, GRPC_STATUS_INTERNAL, "INTERNAL"},
};

/* Unpacks what status_init() made of *e; the caller frees. */
static Google__Rpc__Status *status_of(const struct err *e, const char *cursor)
{
    struct status s;
    status_init(&s, e, cursor);
    Google__Rpc__Status *m = google__rpc__status__unpack(NULL, GRPC_SLICE_LENGTH(s.details),
                                                         GRPC_SLICE_START_PTR(s.details));
    ck_assert_msg(m != NULL, "the details cannot be read");
    ck_assert_int_eq(m->code, (int)s.code);
    status_finish(&s);
    return m;
}

static const Google__Protobuf__Any *detail(const Google__Rpc__Status *m, const char *type)
{
    for (size_t i = 0; i < m->n_details; i++) {
        if (strstr(m->details[i]->type_url, type) != NULL)
            return m->details[i];
    }
    return NULL;
}

static Google__Rpc__ErrorInfo *info_of(const Google__Rpc__Status *m)
{
    const Google__Protobuf__Any *any = detail(m, "google.rpc.ErrorInfo");
    ck_assert_msg(any != NULL, "no ErrorInfo");
    return google__rpc__error_info__unpack(NULL, any->value.len, any->value.data);
}

START_TEST(status_covers_every_code)
{
    ck_assert_uint_eq(ARRAY_SIZE(codes) + 1, N_ERR_CODES);
    ck_assert_int_eq(status_code(codes[_i].code), codes[_i].status);
    ck_assert_str_eq(status_code_name(codes[_i].status), codes[_i].name);
    struct err e = {.code = codes[_i].code, .message = "what"};
    Google__Rpc__Status *m = status_of(&e, NULL);
    Google__Rpc__ErrorInfo *info = info_of(m);
    ck_assert_int_eq(m->code, codes[_i].status);
    ck_assert_str_eq(info->reason, codes[_i].name); /* an err without a reason */
    ck_assert_str_eq(info->domain, "berth.v1");
    google__rpc__error_info__free_unpacked(info, NULL);
    google__rpc__status__free_unpacked(m, NULL);
}
END_TEST

START_TEST(status_of_no_error_is_ok_without_details)
{
    struct status s;
    status_init(&s, NULL, "cursor");
    ck_assert_int_eq(s.code, GRPC_STATUS_OK);
    ck_assert_uint_eq(GRPC_SLICE_LENGTH(s.details), 0);
    status_finish(&s);
}
END_TEST

START_TEST(status_has_the_metadata_and_the_cursor)
{
    struct err e;
    err_set(&e, ERR_CONFLICT, "LEASE_BUSY", "busy");
    err_meta(&e, "holder", "b1");
    Google__Rpc__Status *m = status_of(&e, "here");
    Google__Rpc__ErrorInfo *info = info_of(m);
    ck_assert_str_eq(info->reason, "LEASE_BUSY");
    ck_assert_uint_eq(info->n_metadata, 2);
    ck_assert_str_eq(info->metadata[0]->key, "holder");
    ck_assert_str_eq(info->metadata[0]->value, "b1");
    ck_assert_str_eq(info->metadata[1]->key, "cursor");
    ck_assert_str_eq(info->metadata[1]->value, "here");
    ck_assert_msg(detail(m, "RetryInfo") == NULL, "RetryInfo that nobody asked for");
    google__rpc__error_info__free_unpacked(info, NULL);
    google__rpc__status__free_unpacked(m, NULL);
}
END_TEST

START_TEST(status_leaves_out_a_cursor_that_is_too_long)
{
    struct err e;
    char cursor[4098];
    memset(cursor, 'c', sizeof(cursor) - 1);
    cursor[sizeof(cursor) - 1] = '\0';
    err_set(&e, ERR_EXHAUSTED, "SLOW_READER", "slow");
    Google__Rpc__Status *m = status_of(&e, cursor);
    Google__Rpc__ErrorInfo *info = info_of(m);
    ck_assert_uint_eq(info->n_metadata, 0);
    google__rpc__error_info__free_unpacked(info, NULL);
    google__rpc__status__free_unpacked(m, NULL);
}
END_TEST

START_TEST(status_fits_the_largest_error)
{
    struct err e;
    char text[400];
    static const char *const keys[] = {"field", "b", "c", "d"};
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    char cursor[4097];
    memset(cursor, 'c', sizeof(cursor) - 1);
    cursor[sizeof(cursor) - 1] = '\0';
    err_set(&e, ERR_PRECONDITION, "LARGE", "%s", text);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        err_meta(&e, keys[i], "%s", text);
    err_retry(&e, 1);
    Google__Rpc__Status *m = status_of(&e, cursor);
    ck_assert_uint_eq(m->n_details, 4);
    google__rpc__status__free_unpacked(m, NULL);
}
END_TEST

START_TEST(status_names_the_field_of_a_bad_request)
{
    struct err e;
    err_field(&e, "spec.kernels[0]", "is bad");
    Google__Rpc__Status *m = status_of(&e, NULL);
    const Google__Protobuf__Any *any = detail(m, "google.rpc.BadRequest");
    ck_assert_msg(any != NULL, "no BadRequest");
    Google__Rpc__BadRequest *b =
        google__rpc__bad_request__unpack(NULL, any->value.len, any->value.data);
    ck_assert_uint_eq(b->n_field_violations, 1);
    ck_assert_str_eq(b->field_violations[0]->field, "spec.kernels[0]");
    ck_assert_str_eq(b->field_violations[0]->description, "is bad");
    google__rpc__bad_request__free_unpacked(b, NULL);
    google__rpc__status__free_unpacked(m, NULL);
}
END_TEST

START_TEST(status_says_when_to_try_again)
{
    struct err e;
    err_set(&e, ERR_EXHAUSTED, "QUEUE_FULL", "full");
    err_retry(&e, 1250);
    Google__Rpc__Status *m = status_of(&e, NULL);
    const Google__Protobuf__Any *any = detail(m, "google.rpc.RetryInfo");
    ck_assert_msg(any != NULL, "no RetryInfo");
    Google__Rpc__RetryInfo *r =
        google__rpc__retry_info__unpack(NULL, any->value.len, any->value.data);
    ck_assert_int_eq(r->retry_delay->seconds, 1);
    ck_assert_int_eq(r->retry_delay->nanos, 250000000);
    google__rpc__retry_info__free_unpacked(r, NULL);
    google__rpc__status__free_unpacked(m, NULL);
}
END_TEST

START_TEST(status_names_the_precondition)
{
    struct err e;
    err_set(&e, ERR_PRECONDITION, "UNKNOWN_SCHEDULER", "no scheduler x");
    err_meta(&e, "scheduler", "x");
    Google__Rpc__Status *m = status_of(&e, NULL);
    const Google__Protobuf__Any *any = detail(m, "google.rpc.PreconditionFailure");
    ck_assert_msg(any != NULL, "no PreconditionFailure");
    Google__Rpc__PreconditionFailure *p =
        google__rpc__precondition_failure__unpack(NULL, any->value.len, any->value.data);
    ck_assert_str_eq(p->violations[0]->type, "UNKNOWN_SCHEDULER");
    ck_assert_str_eq(p->violations[0]->subject, "x");
    ck_assert_str_eq(p->violations[0]->description, "no scheduler x");
    google__rpc__precondition_failure__free_unpacked(p, NULL);
    google__rpc__status__free_unpacked(m, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("status");
    TCase *tc = tcase_create("status");
    tcase_add_loop_test(tc, status_covers_every_code, 0, ARRAY_SIZE(codes));
    tcase_add_test(tc, status_of_no_error_is_ok_without_details);
    tcase_add_test(tc, status_has_the_metadata_and_the_cursor);
    tcase_add_test(tc, status_leaves_out_a_cursor_that_is_too_long);
    tcase_add_test(tc, status_fits_the_largest_error);
    tcase_add_test(tc, status_names_the_field_of_a_bad_request);
    tcase_add_test(tc, status_says_when_to_try_again);
    tcase_add_test(tc, status_names_the_precondition);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
