/* policy_internal.h - what policy_resolve() makes for the engine. Not for other layers. */
#ifndef BERTH_SCHEDULER_POLICY_INTERNAL_H
#define BERTH_SCHEDULER_POLICY_INTERNAL_H

#include "scheduler/plugin.h"
#include "scheduler/policy.h"

enum { MAX_PLUGINS_OF_KIND = 64 }; /* decision.passed has a bit for each validator */

struct chosen { /* a plugin with its options as this group has them */
    const struct plugin *plugin;
    const struct option_value *options;
};

struct chosen_list {
    struct chosen *items;
    uint32_t n;
};

struct policy {
    struct chosen sequencer, selector;
    struct chosen_list validators, filters, orders; /* built-ins in their order, then by name */
    bool only_builtin_validators; /* they keep nothing between two checks that another could see */
    bool only_builtin_filters;    /* their rules are known: what does not fit never fits later */
    bool only_builtin_orders;
    enum queue_policy queue_policy;
    int64_t max_containers;           /* <= 0: no limit */
    const char *const *slot_priority; /* names or device classes, most important first */
    uint32_t n_slot_priority;
    const char *const *validator_names;
    const char **unknown_options; /* NULL-ended */
};

const char *plugin_kind_name(enum plugin_kind kind); /* of a registered plugin */
uint32_t plugin_n_options(const struct plugin *p);

#endif
