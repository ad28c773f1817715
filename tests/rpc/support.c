/* support.c - the details of a status, and small helpers. */
#include "tests/rpc/support.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "server/clock.h"

/* --- details of a status --- */

void reply_free(struct reply *r)
{
    free(r->body);
    free(r->details);
    *r = (struct reply){.body = NULL};
}

static Google__Rpc__Status *open_details(const struct reply *r)
{
    Google__Rpc__Status *s = google__rpc__status__unpack(NULL, r->n_details, r->details);
    ck_assert_msg(s != NULL, "the status details cannot be read");
    ck_assert_int_eq(s->code, (int)r->code);
    ck_assert_str_eq(s->message, r->message);
    return s;
}

static const Google__Protobuf__Any *find_detail(const Google__Rpc__Status *s, const char *type)
{
    char url[128];
    (void)snprintf(url, sizeof(url), "type.googleapis.com/google.rpc.%s", type);
    for (size_t i = 0; i < s->n_details; i++) {
        if (strcmp(s->details[i]->type_url, url) == 0)
            return s->details[i];
    }
    return NULL;
}

const char *reply_info(const struct reply *r, const char *key, char text[8192])
{
    text[0] = '\0';
    if (r->details == NULL)
        return text;
    Google__Rpc__Status *s = open_details(r);
    const Google__Protobuf__Any *any = find_detail(s, "ErrorInfo");
    ck_assert_msg(any != NULL, "no ErrorInfo in the details");
    Google__Rpc__ErrorInfo *info =
        google__rpc__error_info__unpack(NULL, any->value.len, any->value.data);
    ck_assert_str_eq(info->domain, "berth.v1");
    if (key == NULL)
        (void)snprintf(text, 8192, "%s", info->reason);
    for (size_t i = 0; key != NULL && i < info->n_metadata; i++) {
        if (strcmp(info->metadata[i]->key, key) == 0)
            (void)snprintf(text, 8192, "%s", info->metadata[i]->value);
    }
    google__rpc__error_info__free_unpacked(info, NULL);
    google__rpc__status__free_unpacked(s, NULL);
    return text;
}

bool reply_detail(const struct reply *r, const char *type, char field[256])
{
    field[0] = '\0';
    if (r->details == NULL)
        return false;
    Google__Rpc__Status *s = open_details(r);
    const Google__Protobuf__Any *any = find_detail(s, type);
    bool there = any != NULL;
    if (there && strcmp(type, "BadRequest") == 0) {
        Google__Rpc__BadRequest *b =
            google__rpc__bad_request__unpack(NULL, any->value.len, any->value.data);
        ck_assert_uint_eq(b->n_field_violations, 1);
        (void)snprintf(field, 256, "%s", b->field_violations[0]->field);
        google__rpc__bad_request__free_unpacked(b, NULL);
    }
    google__rpc__status__free_unpacked(s, NULL);
    return there;
}

/* --- waiting --- */

void await_true(bool (*condition)(void *ctx), void *ctx, const char *what)
{
    int64_t until = clock_ns() + AWAIT_MS * NS_PER_MS;
    while (!condition(ctx)) {
        ck_assert_msg(clock_ns() < until, "waited in vain: %s", what);
        (void)poll(NULL, 0, 1);
    }
}

int run_suite(Suite *s)
{
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
