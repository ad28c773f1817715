/* fuzz_fanout_text.c - hints from other replicas. What is read writes to the same hint. */
#include "repo/fanout_text.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char sender[] = "0123456789abcdef";
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *text = n > 0 ? arena_memdup(a, bytes, n) : ""; /* with its end guarded */
    struct fanout_hint hint, again;
    bool own = false, own_again = false;
    char written[FANOUT_TEXT];
    if (!fanout_text_read(text, n, sender, &hint, &own))
        return 0;
    FUZZ_REQUIRE(hint.sequence > 0 && hint.group[0] != '\0' &&
                     strlen(hint.group) <= FANOUT_GROUP_MAX,
                 "a hint about sequence %lld of \"%s\"", (long long)hint.sequence, hint.group);
    const size_t len = fanout_text_write(sender, &hint, written);
    FUZZ_REQUIRE(len > 0 && fanout_text_read(written, len, sender, &again, &own_again),
                 "what was read cannot be told");
    FUZZ_REQUIRE(own_again && again.sequence == hint.sequence &&
                     strcmp(again.group, hint.group) == 0,
                 "it is told otherwise");
    return 0;
}
