/* taken_name.c - a selector with the name of a built-in one. */
#include "scheduler/plugin.h"

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

SELECTOR(taken_name, "dispersed", "never loaded", NULL, .key = key);
