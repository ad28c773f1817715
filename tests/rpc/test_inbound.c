/* test_inbound.c - the door, on bytes: what is refused, with which path, and what is let in. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "berth/v1/scheduler.pb-c.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "server/inbound.h"

static struct inbound *in;
static struct arena *arena;

static void setup(void)
{
    in = inbound_create();
    arena = arena_create();
}

static void teardown(void)
{
    inbound_destroy(in);
    arena_destroy(arena);
}

static const void *rules_of(const ProtobufCMessageDescriptor *d)
{
    struct err e;
    const void *rules = NULL;
    ck_assert_msg(inbound_add(in, d, &rules, &e) == 0, "%s: %s", d->name, e.message);
    return rules;
}

/* --- bytes --- */

#define SCHEDULE &berth__v1__schedule_scaling_group_request__descriptor
#define CANCEL   &berth__v1__cancel_session_request__descriptor
#define PREVIEW  &berth__v1__preview_allocation_request__descriptor
#define WATCH    &berth__v1__watch_events_request__descriptor
#define PENDING  &berth__v1__list_pending_sessions_request__descriptor
#define UUID     "00000000-0000-0000-0000-000000000001"
#define BYTES(s) (s), sizeof(s) - 1

static const struct {
    const char *what;
    const ProtobufCMessageDescriptor *d;
    const char *bytes;
    size_t n;
    const char *reason, *field, *message; /* reason NULL: let in */
} cases[] = {
    {"a varint without end", SCHEDULE, BYTES("\x0a\x80"), "MALFORMED_MESSAGE", NULL, NULL},
    {"a varint of eleven bytes", SCHEDULE,
     BYTES("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "MALFORMED_MESSAGE", NULL, NULL},
    {"a length beyond the end", SCHEDULE, BYTES("\x0a\x7fg"), "MALFORMED_MESSAGE", NULL, NULL},
    {"a length near 2^64", SCHEDULE, BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01g"),
     "MALFORMED_MESSAGE", NULL, NULL},
    {"field number 0", SCHEDULE, BYTES("\x02\x01g"), "MALFORMED_MESSAGE", NULL, NULL},
    {"a group", SCHEDULE, BYTES("\x0a\x01g\x3b\x3c"), "MALFORMED_MESSAGE", NULL, NULL},
    {"a number where text belongs", SCHEDULE, BYTES("\x08\x01"), "MALFORMED_MESSAGE", NULL, NULL},
    {"text where a number belongs", SCHEDULE, BYTES("\x0a\x01g\x1a\x01x"), "MALFORMED_MESSAGE",
     NULL, NULL},
    {"a fixed number cut short", SCHEDULE, BYTES("\x0a\x01g\x7d\x01\x02"), "MALFORMED_MESSAGE",
     NULL, NULL},
    {"nothing", SCHEDULE, BYTES(""), "BAD_FIELD", "scaling_group", "scaling_group is required"},
    {"empty required text", SCHEDULE, BYTES("\x0a\x00"), "BAD_FIELD", "scaling_group",
     "scaling_group is required"},
    {"UTF-8: a lone continuation", SCHEDULE, BYTES("\x0a\x01\x80"), "BAD_FIELD", "scaling_group",
     "scaling_group is not valid UTF-8"},
    {"UTF-8: cut short", SCHEDULE, BYTES("\x0a\x02\xe2\x82"), "BAD_FIELD", "scaling_group",
     "scaling_group is not valid UTF-8"},
    {"UTF-8: overlong", SCHEDULE, BYTES("\x0a\x02\xc0\xaf"), "BAD_FIELD", "scaling_group",
     "scaling_group is not valid UTF-8"},
    {"UTF-8: overlong of three", SCHEDULE, BYTES("\x0a\x03\xe0\x80\xaf"), "BAD_FIELD",
     "scaling_group", "scaling_group is not valid UTF-8"},
    {"UTF-8: overlong of four", SCHEDULE, BYTES("\x0a\x04\xf0\x80\x80\xaf"), "BAD_FIELD",
     "scaling_group", "scaling_group is not valid UTF-8"},
    {"UTF-8: a surrogate", SCHEDULE, BYTES("\x0a\x03\xed\xa0\x80"), "BAD_FIELD", "scaling_group",
     "scaling_group is not valid UTF-8"},
    {"UTF-8: beyond the last", SCHEDULE, BYTES("\x0a\x04\xf4\x90\x80\x80"), "BAD_FIELD",
     "scaling_group", "scaling_group is not valid UTF-8"},
    {"a NUL", SCHEDULE, BYTES("\x0a\x02g\0"), "BAD_FIELD", "scaling_group",
     "scaling_group has a NUL character"},
    {"65 characters where 64 may be", SCHEDULE,
     BYTES("\x0a\x41"
           "0123456789012345678901234567890123456789012345678901234567890123"
           "x"),
     "BAD_FIELD", "scaling_group", "scaling_group is longer than 64 characters"},
    {"a bad text that a good one follows", SCHEDULE, BYTES("\x0a\x01\xff\x0a\x01g"), "BAD_FIELD",
     "scaling_group", "scaling_group is not valid UTF-8"},
    {"a number beyond its range", SCHEDULE, BYTES("\x0a\x01g\x18\x81\xad\xe2\x04"), "BAD_FIELD",
     "max_sessions", "max_sessions is 10000001, not between 0 and 10000000"},
    {"an unknown enum value", SCHEDULE, BYTES("\x0a\x01g\x28\x09"), "BAD_FIELD", "view",
     "view has the unknown value 9"},
    {"a negative enum value", SCHEDULE,
     BYTES("\x0a\x01g\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "BAD_FIELD", "view",
     "view has the unknown value -1"},
    {"an id that is too short", CANCEL,
     BYTES("\x0a\x03"
           "abc"),
     "BAD_FIELD", "session_id", "session_id is not a UUID"},
    {"an id with a wrong letter", CANCEL,
     BYTES("\x0a\x24"
           "0000000g-0000-0000-0000-000000000001"),
     "BAD_FIELD", "session_id", "session_id is not a UUID"},
    {"an id with a letter too many", CANCEL, BYTES("\x0a\x25" UUID "0"), "BAD_FIELD", "session_id",
     "session_id is not a UUID"},
    {"an empty member of a oneof", PREVIEW, BYTES("\x0a\x00"), "BAD_FIELD", "session_id",
     "session_id is required"},
    {"an amount in a list in a list", PREVIEW,
     BYTES("\x12\x31\x0a\x01k\x1a\x24" UUID "\x3a\x00\x3a\x04\x0a\x02\x0a\x00"), "BAD_FIELD",
     "spec.kernels[1].slots[0].slot", "spec.kernels[1].slots[0].slot is required"},
    {"no kernels", PREVIEW, BYTES("\x12\x29\x0a\x01k\x1a\x24" UUID), "BAD_FIELD", "spec.kernels",
     "spec.kernels needs at least 1 elements"},
    {"a bad element of a list of ids", WATCH, BYTES("\x12\x24" UUID "\x12\x01x"), "BAD_FIELD",
     "session_ids[1]", "session_ids[1] is not a UUID"},
    {"an unknown value in a packed list", WATCH, BYTES("\x1a\x02\x01\x63"), "BAD_FIELD", "types[1]",
     "types[1] has the unknown value 99"},
    {"a packed list cut short", WATCH, BYTES("\x1a\x02\x01\x80"), "MALFORMED_MESSAGE", NULL, NULL},
    {"nanos beyond a second", WATCH, BYTES("\x32\x06\x10\x80\x94\xeb\xdc\x03"), "BAD_FIELD",
     "heartbeat_interval.nanos",
     "heartbeat_interval.nanos is 1000000000, not between -999999999 and 999999999"},
    {"a page size beyond its range", PENDING, BYTES("\x0a\x01g\x10\xe9\x07"), "BAD_FIELD",
     "page_size", "page_size is 1001, not between 0 and 1000"},
    /* let in */
    {"the least request", SCHEDULE, BYTES("\x0a\x01g"), NULL, NULL, NULL},
    {"64 characters of four bytes", PENDING,
     BYTES("\x0a\x80\x02"
           "\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2"
           "\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2"
           "\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2"
           "\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2"
           "\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2"
           "\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2"
           "\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2"
           "\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2\U0001F6A2"),
     NULL, NULL, NULL},
    {"fields of a newer client", SCHEDULE,
     BYTES("\x0a\x01g\xf8\x07\x01\xfa\x07\x01x\xfd\x07"
           "abcd\xf9\x07"
           "abcdefgh"),
     NULL, NULL, NULL},
    {"an id in capitals", CANCEL,
     BYTES("\x0a\x24"
           "ABCDEF00-0000-0000-0000-000000000001"),
     NULL, NULL, NULL},
    {"neither member of a oneof", PREVIEW, BYTES(""), NULL, NULL, NULL},
    {"a list that is not packed", WATCH, BYTES("\x18\x01\x18\x02"), NULL, NULL, NULL},
};

static const char *field_of(const struct err *e)
{
    for (unsigned i = 0; i < e->n_meta; i++) {
        if (strcmp(e->meta[i].key, "field") == 0)
            return e->meta[i].value;
    }
    return NULL;
}

START_TEST(inbound_judges_as_tabled)
{
    struct err e = {.code = ERR_NONE};
    const char *what = cases[_i].what;
    const void *rules = rules_of(cases[_i].d);
    struct inbound_memory m = {.arena = arena, .cap = 1 << 20};
    ProtobufCMessage *message = NULL;
    /* exactly these bytes, so that a sanitizer sees a read beyond them */
    uint8_t *bytes = malloc(cases[_i].n + (cases[_i].n == 0));
    memcpy(bytes, cases[_i].bytes, cases[_i].n);
    int rc = inbound_unpack(cases[_i].d, rules, bytes, cases[_i].n, &m, &message, &e);
    free(bytes);
    if (cases[_i].reason == NULL) {
        ck_assert_msg(rc == 0 && message != NULL, "%s: %s", what, e.message);
        return;
    }
    ck_assert_msg(rc == -1, "%s: was let in", what);
    ck_assert_int_eq(e.code, ERR_INVALID);
    ck_assert_msg(strcmp(e.reason, cases[_i].reason) == 0, "%s: %s, %s", what, e.reason, e.message);
    ck_assert_pstr_eq(field_of(&e), cases[_i].field);
    if (cases[_i].message != NULL)
        ck_assert_msg(strcmp(e.message, cases[_i].message) == 0, "%s: %s", what, e.message);
}
END_TEST

/* --- lists and memory --- */

START_TEST(inbound_bounds_lists)
{
    struct err e = {.code = ERR_NONE};
    const void *rules = rules_of(WATCH);
    uint8_t bytes[101 * 3];
    for (int i = 0; i < 101; i++)
        memcpy(bytes + 3 * i, "\x0a\x01g", 3);
    ck_assert_int_eq(inbound_check(rules, bytes, sizeof(bytes) - 3, &e), 0);
    ck_assert_int_eq(inbound_check(rules, bytes, sizeof(bytes), &e), -1);
    ck_assert_str_eq(e.message, "scaling_groups has more than 100 elements");
    ck_assert_str_eq(field_of(&e), "scaling_groups");
}
END_TEST

START_TEST(inbound_bounds_depth)
{
    struct err e = {.code = ERR_NONE};
    enum { DEEP = 40 };
    /* DescriptorProto.nested_type, DEEP times: the only recursive message at hand */
    const void *rules = rules_of(&google__protobuf__descriptor_proto__descriptor);
    uint8_t bytes[2 * DEEP];
    for (int i = 0; i < DEEP; i++) {
        bytes[2 * i] = 0x1a;
        bytes[2 * i + 1] = (uint8_t)(2 * (DEEP - 1 - i));
    }
    ck_assert_int_eq(inbound_check(rules, bytes + 2 * (DEEP - 16), 32, &e), 0);
    ck_assert_int_eq(inbound_check(rules, bytes, sizeof(bytes), &e), -1);
    ck_assert_msg(strstr(e.message, "nested too deeply") != NULL, "%s", e.message);
}
END_TEST

START_TEST(inbound_bounds_memory)
{
    struct err e = {.code = ERR_NONE};
    const void *rules = rules_of(SCHEDULE);
    struct inbound_memory m = {.arena = arena, .cap = 16};
    ProtobufCMessage *message = NULL;
    ck_assert_int_eq(
        inbound_unpack(SCHEDULE, rules, (const uint8_t *)"\x0a\x01g", 3, &m, &message, &e), -1);
    ck_assert_int_eq(e.code, ERR_EXHAUSTED);
    ck_assert_str_eq(e.reason, "REQUEST_TOO_LARGE");
    ck_assert_ptr_null(message);
}
END_TEST

START_TEST(inbound_reports_limits_that_name_no_field)
{
    struct err e = {.code = ERR_NONE};
    (void)rules_of(SCHEDULE);
    ck_assert_int_eq(inbound_complete(in, &e), -1);
    ck_assert_msg(strstr(e.message, "limits.def") != NULL, "%s", e.message);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("inbound");
    TCase *tc = tcase_create("inbound");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, inbound_judges_as_tabled, 0, ARRAY_SIZE(cases));
    tcase_add_test(tc, inbound_bounds_lists);
    tcase_add_test(tc, inbound_bounds_depth);
    tcase_add_test(tc, inbound_bounds_memory);
    tcase_add_test(tc, inbound_reports_limits_that_name_no_field);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
