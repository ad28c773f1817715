/* fuzz_event_json.c - the JSON of event rows: causes and allocations. The first byte says which.
 * What is read and written again is the same text from then on. */
#include "repo/event_append.h"
#include "tests/fuzz/fuzz.h"

static char *causes_again(const char *json, struct arena *a, struct err *e)
{
    struct event_cause *v = NULL;
    uint32_t n = 0;
    return event_causes_parse(json, a, &v, &n, e) == 0 ? event_causes_json(v, n, a) : NULL;
}

static char *allocations_again(const char *json, struct arena *a, struct err *e)
{
    struct event_allocation *v = NULL;
    uint32_t n = 0;
    return event_allocations_parse(json, a, &v, &n, e) == 0 ? event_allocations_json(v, n, a)
                                                            : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct err e = {.code = ERR_NONE};
    char *(*const again)(const char *, struct arena *, struct err *) =
        take_kind(&bytes, &n, 2) == 0 ? causes_again : allocations_again;
    const char *first = again(text_of(bytes, n, a), a, &e);
    if (first == NULL) {
        FUZZ_REQUIRE(e.code == ERR_INTERNAL && strcmp(e.reason, "BAD_STORED_JSON") == 0,
                     "refused with %s", err_code_name(e.code));
        return 0;
    }
    const char *second = again(first, a, &e);
    FUZZ_REQUIRE(second != NULL, "what was written cannot be read: %s", e.detail);
    FUZZ_REQUIRE(strcmp(first, second) == 0, "it is written otherwise:\n%s\n%s", first, second);
    return 0;
}
