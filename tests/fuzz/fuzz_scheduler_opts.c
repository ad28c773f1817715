/* fuzz_scheduler_opts.c - scaling_groups.scheduler_opts, and the durations in it. */
#include "repo/scheduler_opts.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *text = text_of(bytes, n, a);
    int64_t us = -7;
    FUZZ_REQUIRE(duration_parse(text, &us) || us == -7, "a refused duration became %lld",
                 (long long)us);
    const struct scheduler_opts o = scheduler_opts_parse(text, "the-group", a);
    FUZZ_REQUIRE(o.strategy != NULL, "there is no strategy");
    FUZZ_REQUIRE(o.bad == NULL || strstr(o.bad, "the-group") != NULL,
                 "what is wrong does not name the group: %s", o.bad);
    for (uint32_t i = 0; i < o.n_options; i++)
        FUZZ_REQUIRE(o.options[i].key != NULL && o.options[i].value != NULL, "option %u is empty",
                     i);
    return 0;
}
