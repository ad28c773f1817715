/* policy.c - which plugins decide a round, and their options as this group has them.
 *
 * An option's value is, in this order: the group's "<plugin>.<key>", the group's "<key>", the
 * server's "<plugin>.<key>", the default. queue_policy is the engine's own option. */
#include "scheduler/policy.h"

#include <stdlib.h>
#include <string.h>

#include "scheduler/cause.h"
#include "scheduler/option.h"
#include "scheduler/policy_internal.h"

static const char *const standard_slot_priority[] = {"cuda", "rocm", "tpu", "cpu", "mem"};
static const char *const queue_policies[] = {[QUEUE_TRY_ALL] = "try-all",
                                             [QUEUE_TOP_PRIORITY] = "top-priority",
                                             [QUEUE_STOP_AT_FIRST] = "stop-at-first",
                                             NULL};
static const struct option_spec queue_policy_spec = {.key = "queue_policy",
                                                     .doc = "which sessions a round tries",
                                                     .type = OPTION_CHOICE,
                                                     .choices = queue_policies,
                                                     .standard = QUEUE_TRY_ALL};

struct resolving {
    const struct registry *registry;
    const struct policy_config *config;
    const struct snapshot *snapshot;
    struct arena *arena;
    struct err *e;
};

/* --- options --- */

/* The value of "<prefix>.<key>" (prefix NULL: of "<key>"); of several, the last. */
static const struct option *option_find(const struct option *options, uint32_t n,
                                        const char *prefix, const char *key)
{
    size_t len = prefix != NULL ? strlen(prefix) : 0;
    const struct option *found = NULL;
    for (uint32_t i = 0; i < n; i++) {
        const char *name = options[i].key;
        if (prefix != NULL) {
            if (strncmp(name, prefix, len) != 0 || name[len] != '.')
                continue;
            name += len + 1;
        }
        if (strcmp(name, key) == 0)
            found = &options[i];
    }
    return found;
}

static const struct option *option_lookup(const struct resolving *r, const char *plugin,
                                          const char *key)
{
    const struct snapshot *s = r->snapshot;
    const struct option *o = NULL;
    if (plugin != NULL)
        o = option_find(s->options, s->n_options, plugin, key);
    if (o == NULL)
        o = option_find(s->options, s->n_options, NULL, key);
    if (o == NULL)
        o = option_find(r->config->options, r->config->n_options, plugin, key);
    return o;
}

static int option_resolve(const struct resolving *r, const char *plugin, const char *owner,
                          const struct option_spec *spec, struct option_value *ret)
{
    const struct option *o = option_lookup(r, plugin, spec->key);
    if (o == NULL) {
        *ret = option_standard(spec);
        return 0;
    }
    return option_read(spec, owner, o->key, o->value != NULL ? o->value : "null", r->arena, ret,
                       r->e);
}

static int chosen_resolve(const struct resolving *r, const struct plugin *p, struct chosen *ret)
{
    uint32_t n = plugin_n_options(p);
    struct option_value *values = arena_new(r->arena, struct option_value, n);
    const char *owner = arena_printf(r->arena, "%s %s", plugin_kind_name(p->kind), p->name);
    for (uint32_t i = 0; i < n; i++)
        if (option_resolve(r, p->name, owner, &p->options[i], &values[i]) < 0)
            return -1;
    *ret = (struct chosen){.plugin = p, .options = values};
    return 0;
}

/* Does any plugin, chosen or not, declare "<plugin>.<key>" or "<key>"? */
static bool option_is_known(const struct registry *r, const char *name)
{
    if (strcmp(name, queue_policy_spec.key) == 0)
        return true;
    for (uint32_t i = 0; i < registry_count(r); i++) {
        const struct plugin *p = registry_at(r, i, NULL);
        size_t len = strlen(p->name);
        const char *key =
            strncmp(name, p->name, len) == 0 && name[len] == '.' ? name + len + 1 : name;
        for (uint32_t k = 0; k < plugin_n_options(p); k++)
            if (strcmp(p->options[k].key, key) == 0)
                return true;
    }
    return false;
}

static const char **unknown_options(const struct resolving *r)
{
    const struct snapshot *s = r->snapshot;
    const struct policy_config *c = r->config;
    const char **unknown = arena_new(r->arena, const char *, s->n_options + c->n_options + 1);
    size_t n = 0;
    for (uint32_t i = 0; i < s->n_options; i++)
        if (!option_is_known(r->registry, s->options[i].key))
            unknown[n++] = s->options[i].key;
    for (uint32_t i = 0; i < c->n_options; i++)
        if (!option_is_known(r->registry, c->options[i].key))
            unknown[n++] = c->options[i].key;
    return unknown;
}

/* --- plugins --- */

static int by_name(const void *a, const void *b)
{
    const struct plugin *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* All plugins of a kind: the built-ins in their order, then the others by name. */
static const struct plugin **plugins_of(const struct registry *r, enum plugin_kind kind,
                                        struct arena *a, uint32_t *ret_n, uint32_t *ret_builtin)
{
    const struct plugin **found = arena_new(a, const struct plugin *, registry_count(r) + 1);
    uint32_t n = 0, builtin = 0;
    for (uint32_t i = 0; i < registry_count(r); i++) {
        const char *origin = NULL;
        const struct plugin *p = registry_at(r, i, &origin);
        if (p->kind != kind)
            continue;
        found[n++] = p;
        builtin += origin == NULL; /* they come first */
    }
    qsort(found + builtin, n - builtin, sizeof(const struct plugin *), by_name);
    *ret_n = n;
    if (ret_builtin != NULL)
        *ret_builtin = builtin;
    return found;
}

static int list_resolve(const struct resolving *r, enum plugin_kind kind, struct chosen_list *ret,
                        uint32_t *ret_builtin)
{
    uint32_t n = 0;
    const struct plugin **plugins = plugins_of(r->registry, kind, r->arena, &n, ret_builtin);
    ret->items = arena_new(r->arena, struct chosen, n);
    ret->n = n;
    for (uint32_t i = 0; i < n; i++)
        if (chosen_resolve(r, plugins[i], &ret->items[i]) < 0)
            return -1;
    return 0;
}

static int named_resolve(const struct resolving *r, enum plugin_kind kind, const char *name,
                         const char *word, const char *reason, struct chosen *ret)
{
    uint32_t n = 0;
    const struct plugin **plugins = plugins_of(r->registry, kind, r->arena, &n, NULL);
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(plugins[i]->name, name) == 0)
            return chosen_resolve(r, plugins[i], ret);
    qsort(plugins, n, sizeof(const struct plugin *), by_name);
    struct text known = {.arena = r->arena};
    for (uint32_t i = 0; i < n; i++)
        text_addf(&known, "%s%s", i > 0 ? ", " : "", plugins[i]->name);
    (void)err_set(r->e, ERR_PRECONDITION, reason, "There is no %s \"%.40s\"; known are: %s.", word,
                  name, text_end(&known));
    (void)err_meta(r->e, word, "%s", name);
    return err_meta(r->e, "known", "%s", text_end(&known));
}

int policy_resolve(const struct registry *r, const struct policy_config *c,
                   const struct snapshot *s, struct arena *a, struct policy **ret, struct err *e)
{
    static const struct policy_config defaults = {0};
    if (c == NULL)
        c = &defaults;
    if (s->bad_options != NULL)
        return err_set(e, ERR_PRECONDITION, "BAD_SCHEDULER_OPTIONS", "%s", s->bad_options);
    struct resolving v = {.registry = r, .config = c, .snapshot = s, .arena = a, .e = e};
    struct policy *p = arena_new(a, struct policy, 1);
    struct option_value queue = {0};
    uint32_t builtin_filters = 0, builtin_validators = 0, builtin_orders = 0;
    if (named_resolve(&v, PLUGIN_SEQUENCER, s->scheduler != NULL ? s->scheduler : "", "scheduler",
                      "UNKNOWN_SCHEDULER", &p->sequencer) < 0 ||
        named_resolve(&v, PLUGIN_SELECTOR, s->strategy != NULL ? s->strategy : "dispersed",
                      "strategy", "UNKNOWN_STRATEGY", &p->selector) < 0 ||
        list_resolve(&v, PLUGIN_VALIDATOR, &p->validators, &builtin_validators) < 0 ||
        list_resolve(&v, PLUGIN_FILTER, &p->filters, &builtin_filters) < 0 ||
        list_resolve(&v, PLUGIN_ORDER, &p->orders, &builtin_orders) < 0 ||
        option_resolve(&v, NULL, "the group", &queue_policy_spec, &queue) < 0)
        return -1;
    p->only_builtin_validators = builtin_validators == p->validators.n;
    p->only_builtin_filters = builtin_filters == p->filters.n;
    p->only_builtin_orders = builtin_orders == p->orders.n;
    p->queue_policy = (enum queue_policy)queue.number;
    p->max_containers = c->max_containers_per_agent;
    p->slot_priority = c->slot_priority != NULL ? c->slot_priority : standard_slot_priority;
    p->n_slot_priority =
        c->slot_priority != NULL ? c->n_slot_priority : ARRAY_SIZE(standard_slot_priority);
    const char **names = arena_new(a, const char *, p->validators.n + 1);
    for (uint32_t i = 0; i < p->validators.n; i++)
        names[i] = p->validators.items[i].plugin->name;
    p->validator_names = names;
    p->unknown_options = unknown_options(&v);
    *ret = p;
    return 0;
}

const char *const *policy_unknown_options(const struct policy *p)
{
    return (const char *const *)p->unknown_options;
}
