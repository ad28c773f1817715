/* kernel_cap.c - an out-of-tree validator: no session may have more kernels than the option says.
 */
#include "scheduler/plugin.h"

static const struct option_spec options[] = {
    {.key = "max_kernels",
     .doc = "most kernels a session may have",
     .type = OPTION_INTEGER,
     .min = 1,
     .max = 10000,
     .standard = 2},
    {.key = NULL},
};

static enum check_result check(const struct check *c, struct cause_list *causes)
{
    const struct session *w = &c->round->snapshot->sessions[c->session];
    if (w->n_kernels <= c->options[0].number)
        return CHECK_PASSED;
    cause_addf(causes, CAUSE_PLUGIN, "",
               "A session may have at most %lld kernels here; this one has %u.",
               (long long)c->options[0].number, w->n_kernels);
    return CHECK_REJECTED;
}

VALIDATOR(kernel_cap, "kernel_cap", "at most max_kernels kernels a session", options,
          .check = check);
