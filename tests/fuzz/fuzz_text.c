/* fuzz_text.c - small texts from outside: times, ids, addresses, values of settings, words; and
 * that whatever text there is becomes valid JSON. Every reader reads every input. */
#include <jansson.h>

#include "repo/json_text.h"
#include "repo/redis_address.h"
#include "repo/time_text.h"
#include "scheduler/amount.h"
#include "scheduler/uuid.h"
#include "server/auth_line.h"
#include "server/config_text.h"
#include "server/trace.h"
#include "tests/fuzz/fuzz.h"

static void check_times(const char *text)
{
    char written[TIME_TEXT];
    int64_t us = 0, again = 0, seconds = 0;
    if (time_parse(text, &us))
        FUZZ_REQUIRE(time_parse(time_format(us, written), &again) && again == us,
                     "%s is %lld, which is written %s", text, (long long)us, written);
    (void)auth_time_parse(text, &seconds);
}

static void check_ids(const char *text)
{
    struct uuid id, again;
    char written[UUID_TEXT];
    if (uuid_parse(text, &id))
        FUZZ_REQUIRE(uuid_parse(uuid_format(&id, written), &again) &&
                         uuid_compare(&id, &again) == 0,
                     "%s is written %s", text, written);
    FUZZ_REQUIRE(!trace_is_parent(text) || strlen(text) >= 55, "a trace of %zu letters",
                 strlen(text));
}

static void check_settings(const char *text, struct arena *a)
{
    int64_t v = 0, again = -1;
    bool yes;
    (void)config_parse_int(text, &v);
    (void)config_parse_bool(text, &yes);
    if (config_parse_bytes(text, &v))
        FUZZ_REQUIRE(config_parse_bytes(config_format_bytes(v, a), &again) && again == v,
                     "%s bytes are written %s", text, config_format_bytes(v, a));
    if (config_parse_ms(text, &v))
        FUZZ_REQUIRE(config_parse_ms(config_format_ms(v, a), &again) && again == v,
                     "%s is written %s", text, config_format_ms(v, a));
    const struct config_list list = config_parse_list(text, a);
    const struct config_list same = config_parse_list(config_format_list(&list, a), a);
    FUZZ_REQUIRE(list.n == same.n, "a list of %u is written as one of %u", list.n, same.n);
}

static void check_json(const char *text, struct arena *a)
{
    struct json_text j = {.arena = a};
    json_error_t why;
    json_text_string(&j, text);
    json_t *read = json_loads(j.text, JSON_DECODE_ANY, &why);
    FUZZ_REQUIRE(read != NULL, "no JSON: %s: %s", why.text, j.text);
    FUZZ_REQUIRE(strcmp(json_string_value(read), text_utf8(a, text)) == 0, "another text: %s",
                 j.text);
    json_decref(read);
}

static void check_address(const char *text)
{
    struct redis_address address = {.host = NULL};
    struct err e = {.code = ERR_NONE};
    if (redis_address_init(&address, text, &e) == 0)
        FUZZ_REQUIRE(address.host != NULL && address.port >= 0 && address.port <= 65535,
                     "%s is port %d", text, address.port);
    redis_address_finish(&address);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *text = text_of(bytes, n, a);
    enum role role;
    check_times(text);
    check_ids(text);
    check_settings(text, a);
    check_json(text, a);
    check_address(text);
    FUZZ_REQUIRE(!role_parse(text, &role) || strcmp(role_name(role), text) == 0, "role %s", text);
    (void)slot_type_parse(text, NULL);
    (void)auth_name_good(text);
    return 0;
}
