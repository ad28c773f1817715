/* bad_abi.c - built for an ABI that no host has. */
#include "scheduler/plugin.h"

#undef BERTH_PLUGIN_ABI
#define BERTH_PLUGIN_ABI 4711u

static uint32_t key(const struct room *m, const struct requirement *r,
                    const struct option_value *options, uint32_t agent, int64_t *ret)
{
    (void)m;
    (void)r;
    (void)options;
    (void)agent;
    (void)ret;
    return 0;
}

SELECTOR(bad_abi, "bad-abi", "never loaded", NULL, .key = key);
