/* fuzz_failure_counted.c - the "counted" text of a session's last failure. */
#include "repo/failure_record.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const int64_t rounds[] = {0, 1, 12345, INT32_MAX, INT64_MAX};
    static const int32_t retries[] = {0, 5, INT32_MAX - 2, INT32_MAX - 1};
    const uint32_t kind =
        take_kind(&bytes, &n, (uint32_t)(ARRAY_SIZE(rounds) * ARRAY_SIZE(retries)));
    const int64_t now = rounds[kind % ARRAY_SIZE(rounds)];
    const struct session before = {.retries = retries[kind / ARRAY_SIZE(rounds)]};
    const struct uuid group = {.b = {0x01, 0x23, 0x45, 0x67}};
    struct session s = before;
    struct session_rare rare = session_rare_none, again_rare = session_rare_none;
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *text = text_of(bytes, n, a);
    failure_counted_read(text, &group, now, &s, &rare);
    FUZZ_REQUIRE(rare.carried >= 0 && s.retries >= before.retries && s.retries < INT32_MAX,
                 "\"%s\" carries %d, %d retries became %d", text, rare.carried, before.retries,
                 s.retries);
    FUZZ_REQUIRE(s.retries == before.retries + rare.carried, "carried is not what was added");
    if (rare.carried > 0 && s.retries < INT32_MAX - 1) {
        const char *written = failure_counted(&group, now - rare.carried, rare.record_digest, a);
        struct session again = before;
        failure_counted_read(written, &group, now, &again, &again_rare);
        FUZZ_REQUIRE(again_rare.carried == rare.carried &&
                         again_rare.record_digest == rare.record_digest,
                     "\"%s\" is written as \"%s\"", text, written);
    }
    return 0;
}
