/* test_json.c - protobuf-c messages as proto3 JSON. */
#include <string.h>

#include "berth/v1/scheduler.pb-c.h"
#include "google/protobuf/any.pb-c.h"
#include "google/rpc/error_details.pb-c.h"
#include "scheduler/base.h"
#include "server/berthctl/json.h"
#include "tests/unit/unit.h"

#include "tests/berthctl/capture.h"

static void expect(const char *what, const ProtobufCMessage *m, const char *want)
{
    CLEANUP(capture_finish) struct capture c = {0};
    capture_begin(&c);
    json_write_message(c.out, m);
    capture_end(&c);
    ck_assert_msg(strcmp(c.text, want) == 0, "%s:\n got %s\nwant %s", what, c.text, want);
}

static const struct {
    const char *what, *text, *want;
} strings[] = {
    {"NULL is empty", NULL, "\"\""},
    {"quotes and backslashes are escaped", "a\"\\b", "\"a\\\"\\\\b\""},
    {"controls are escaped", "\n\t\x01\x7F", "\"\\n\\t\\u0001\\u007f\""},
    {"text stays text", "M\u00FCller \U0001F680", "\"M\u00FCller \U0001F680\""},
    {"bad bytes are replaced", "a\xFFz", "\"a\uFFFDz\""},
};

START_TEST(json_string_is_valid_as_tabled)
{
    CLEANUP(capture_finish) struct capture c = {0};
    capture_begin(&c);
    json_write_string(c.out, strings[_i].text);
    capture_end(&c);
    ck_assert_msg(strcmp(c.text, strings[_i].want) == 0, "%s: %s", strings[_i].what, c.text);
}
END_TEST

START_TEST(json_writes_defaults_but_no_unset_message)
{
    Berth__V1__Round m = BERTH__V1__ROUND__INIT;
    expect(
        "an empty round", &m.base,
        "{\"roundId\":\"\",\"scalingGroup\":\"\",\"epoch\":\"0\",\"phases\":[],\"planHash\":\"\"}");
}
END_TEST

START_TEST(json_writes_every_kind_of_field)
{
    Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Google__Protobuf__Duration took = GOOGLE__PROTOBUF__DURATION__INIT;
    Berth__V1__LastRound last = BERTH__V1__LAST_ROUND__INIT;
    Berth__V1__ScalingGroup m = BERTH__V1__SCALING_GROUP__INIT;
    char *reasons[] = {"one", "two"};

    at.seconds = 1769868309;
    took.seconds = 1;
    took.nanos = 500000000;
    last.start_time = &at;
    last.duration = &took;
    m.name = "gpu";
    m.is_active = 1;
    m.agents_total = UINT32_MAX;
    m.epoch = INT64_MAX;
    m.last_round = &last;
    m.health = BERTH__V1__GROUP_HEALTH__GROUP_HEALTH_DEGRADED;
    m.health_reasons = reasons;
    m.n_health_reasons = ARRAY_SIZE(reasons);
    expect("a group", &m.base,
           "{\"name\":\"gpu\",\"isActive\":true,\"scheduler\":\"\",\"strategy\":\"\","
           "\"agentsSchedulable\":0,\"agentsTotal\":4294967295,\"pendingSessions\":0,"
           "\"liveSessions\":0,\"epoch\":\"9223372036854775807\",\"leaseHolder\":\"\","
           "\"lastRound\":{\"roundId\":\"\",\"startTime\":\"2026-01-31T14:05:09Z\","
           "\"duration\":\"1.500s\"},\"health\":\"GROUP_HEALTH_DEGRADED\","
           "\"healthReasons\":[\"one\",\"two\"]}");
}
END_TEST

START_TEST(json_writes_the_member_of_a_oneof_that_is_set)
{
    Berth__V1__PreviewAllocationRequest m = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__INIT;
    m.target_case = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET_SESSION_ID;
    m.session_id = "s1";
    expect("a request by id", &m.base,
           "{\"sessionId\":\"s1\",\"scalingGroup\":\"\",\"view\":\"PREVIEW_VIEW_UNSPECIFIED\","
           "\"extraAgents\":[],\"withoutAgents\":[],\"ignoreValidators\":[],\"afterQueue\":false,"
           "\"pageSize\":0,\"pageToken\":\"\",\"withRemedies\":false}");
}
END_TEST

START_TEST(json_writes_an_unknown_enum_as_its_number)
{
    Berth__V1__CauseCount m = BERTH__V1__CAUSE_COUNT__INIT;
    m.kind = (Berth__V1__CauseKind)999;
    expect("a kind of a newer server", &m.base, "{\"kind\":999,\"count\":0}");
}
END_TEST

START_TEST(json_writes_a_map_as_an_object)
{
    Google__Rpc__ErrorInfo__MetadataEntry pairs[] = {GOOGLE__RPC__ERROR_INFO__METADATA_ENTRY__INIT,
                                                     GOOGLE__RPC__ERROR_INFO__METADATA_ENTRY__INIT};
    Google__Rpc__ErrorInfo__MetadataEntry *list[] = {&pairs[0], &pairs[1]};
    Google__Rpc__ErrorInfo m = GOOGLE__RPC__ERROR_INFO__INIT;

    expect("no metadata", &m.base, "{\"reason\":\"\",\"domain\":\"\",\"metadata\":{}}");
    pairs[0].key = "group";
    pairs[0].value = "gpu";
    pairs[1].key = "a\"b";
    m.reason = "LEASE_BUSY";
    m.metadata = list;
    m.n_metadata = ARRAY_SIZE(list);
    expect("two pairs", &m.base,
           "{\"reason\":\"LEASE_BUSY\",\"domain\":\"\",\"metadata\":{\"group\":\"gpu\","
           "\"a\\\"b\":\"\"}}");
}
END_TEST

static const struct {
    const char *what, *bytes, *want;
} base64s[] = {
    {"nothing", "", "\"\""},
    {"one byte", "a", "\"YQ==\""},
    {"two bytes", "ab", "\"YWI=\""},
    {"three bytes", "abc", "\"YWJj\""},
    {"high bits", "\xFF\xFE", "\"//4=\""},
};

START_TEST(json_writes_bytes_in_base64)
{
    CLEANUP(capture_finish) struct capture want = {0};
    Google__Protobuf__Any m = GOOGLE__PROTOBUF__ANY__INIT;
    m.value.data = (uint8_t *)base64s[_i].bytes;
    m.value.len = strlen(base64s[_i].bytes);
    capture_begin(&want);
    fprintf(want.out, "{\"typeUrl\":\"\",\"value\":%s}", base64s[_i].want);
    expect(base64s[_i].what, &m.base, capture_end(&want));
}
END_TEST

static const struct {
    const char *what;
    int64_t seconds;
    int32_t nanos;
    const char *timestamp; /* NULL: no such time */
    const char *duration;
} times[] = {
    {"zero", 0, 0, "\"1970-01-01T00:00:00Z\"", "\"0s\""},
    {"milliseconds", 1, 2000000, "\"1970-01-01T00:00:01.002Z\"", "\"1.002s\""},
    {"microseconds", 1, 2000, "\"1970-01-01T00:00:01.000002Z\"", "\"1.000002s\""},
    {"nanoseconds", 1, 2, "\"1970-01-01T00:00:01.000000002Z\"", "\"1.000000002s\""},
    {"a negative duration", -1, -500000000, NULL, "\"-1.500s\""},
    {"less than a second back", 0, -500000000, NULL, "\"-0.500s\""},
    {"the least number there is", INT64_MIN, INT32_MIN, NULL,
     "\"-9223372036854775808.2147483648s\""},
};

START_TEST(json_writes_times_as_text)
{
    Google__Protobuf__Timestamp t = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Google__Protobuf__Duration d = GOOGLE__PROTOBUF__DURATION__INIT;
    t.seconds = d.seconds = times[_i].seconds;
    t.nanos = d.nanos = times[_i].nanos;
    expect(times[_i].what, &d.base, times[_i].duration);
    if (times[_i].timestamp != NULL)
        expect(times[_i].what, &t.base, times[_i].timestamp);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, json_string_is_valid_as_tabled, 0, ARRAY_SIZE(strings));
    tcase_add_test(tc, json_writes_defaults_but_no_unset_message);
    tcase_add_test(tc, json_writes_every_kind_of_field);
    tcase_add_test(tc, json_writes_the_member_of_a_oneof_that_is_set);
    tcase_add_test(tc, json_writes_an_unknown_enum_as_its_number);
    tcase_add_test(tc, json_writes_a_map_as_an_object);
    tcase_add_loop_test(tc, json_writes_bytes_in_base64, 0, ARRAY_SIZE(base64s));
    tcase_add_loop_test(tc, json_writes_times_as_text, 0, ARRAY_SIZE(times));
}

int main(void)
{
    return unit_run("berthctl_json", add_tests);
}
