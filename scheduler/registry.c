/* registry.c - the plugins this program has: the built-ins of plugins.def, then those added. */
#include "scheduler/policy.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/policy_internal.h"

#define BUILTIN(kind, name) extern const struct plugin kind##_##name;
#include "scheduler/plugins.def"
#undef BUILTIN

static const struct plugin *const builtins[] = {
#define BUILTIN(kind, name) &kind##_##name,
#include "scheduler/plugins.def"
#undef BUILTIN
};

struct registry {
    struct arena *arena;
    struct registered {
        const struct plugin *plugin;
        const char *origin; /* NULL: built in */
    } * items;
    size_t n, cap;
    uint32_t n_of_kind[N_PLUGIN_KINDS];
};

static const char *const kind_names[N_PLUGIN_KINDS] = {
    [PLUGIN_SEQUENCER] = "sequencer", [PLUGIN_VALIDATOR] = "validator", [PLUGIN_FILTER] = "filter",
    [PLUGIN_ORDER] = "order",         [PLUGIN_SELECTOR] = "selector",
};

const char *plugin_kind_name(enum plugin_kind kind)
{
    return kind_names[kind];
}

uint32_t plugin_n_options(const struct plugin *p)
{
    uint32_t n = 0;
    while (p->options != NULL && p->options[n].key != NULL)
        n++;
    return n;
}

/* [a-z][a-z0-9_-]*, at most 63 */
static bool name_is_good(const char *name)
{
    size_t len = name != NULL ? strlen(name) : 0;
    return len > 0 && len <= 63 && name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

static const char *missing_callback(const struct plugin *p)
{
    switch (p->kind) {
    case PLUGIN_SEQUENCER:
        return p->sequencer.begin == NULL          ? "begin"
               : p->sequencer.pick_session == NULL ? "pick_session"
                                                   : NULL;
    case PLUGIN_VALIDATOR:
        return p->validator.check == NULL ? "check" : NULL;
    case PLUGIN_FILTER:
        return p->filter.keep == NULL ? "keep" : NULL;
    case PLUGIN_ORDER:
        return p->order.rank == NULL ? "rank" : NULL;
    case PLUGIN_SELECTOR:
        return p->selector.key == NULL ? "key" : NULL;
    case N_PLUGIN_KINDS:
        break;
    }
    return NULL;
}

static bool spec_is_good(const struct option_spec *o)
{
    if (!name_is_good(o->key))
        return false;
    switch (o->type) {
    case OPTION_INTEGER:
        return o->min <= o->standard && o->standard <= o->max;
    case OPTION_BOOLEAN:
        return o->standard == 0 || o->standard == 1;
    case OPTION_CHOICE:
        if (o->choices == NULL || o->standard < 0)
            return false;
        for (int64_t i = 0; i <= o->standard; i++)
            if (o->choices[i] == NULL)
                return false;
        return true;
    case OPTION_TEXT:
        return true;
    }
    return false;
}

static int refuse(struct err *e, const char *origin, const char *reason, const char *sentence)
{
    (void)err_set(e, ERR_INVALID, reason, "%s", sentence);
    return err_meta(e, "plugin", "%s", origin);
}

/* What is wrong with the plugin on its own; NULL: nothing. */
static const char *plugin_flaw(const struct plugin *p, const char *origin, struct arena *a,
                               const char **ret_reason)
{
    *ret_reason = "BAD_PLUGIN_NAME";
    if (!name_is_good(p->name))
        return arena_printf(a,
                            "Plugin %s has a bad name: use lower-case letters, digits, - and _, "
                            "a letter first, at most 63 characters.",
                            origin);
    *ret_reason = "BAD_PLUGIN";
    if ((unsigned)p->kind >= N_PLUGIN_KINDS)
        return arena_printf(a, "Plugin %s (%s) is of an unknown kind, %d.", p->name, origin,
                            (int)p->kind);
    const char *missing = missing_callback(p);
    if (missing != NULL)
        return arena_printf(a, "Plugin %s (%s) lacks the callback %s that every %s needs.", p->name,
                            origin, missing, kind_names[p->kind]);
    for (uint32_t i = 0; i < plugin_n_options(p); i++)
        if (!spec_is_good(&p->options[i]))
            return arena_printf(a, "Plugin %s (%s) declares a malformed option, number %u.",
                                p->name, origin, i + 1);
    return NULL;
}

int registry_add(struct registry *r, const struct plugin *p, const char *origin, struct err *e)
{
    const char *from = origin != NULL ? origin : "built in", *reason = "";
    if (p->abi != BERTH_PLUGIN_ABI)
        return refuse(e, from, "PLUGIN_ABI",
                      arena_printf(r->arena,
                                   "Plugin %s was built for ABI %u and this program speaks %u: "
                                   "rebuild it with the headers of this version.",
                                   from, p->abi, BERTH_PLUGIN_ABI));
    const char *flaw = plugin_flaw(p, from, r->arena, &reason);
    if (flaw != NULL)
        return refuse(e, from, reason, flaw);
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->items[i].plugin->name, p->name) == 0)
            return refuse(
                e, from, "PLUGIN_NAME_TAKEN",
                arena_printf(r->arena,
                             "Plugin %s (%s) cannot be added: a %s of that name exists "
                             "(%s).",
                             p->name, from, kind_names[r->items[i].plugin->kind],
                             r->items[i].origin != NULL ? r->items[i].origin : "built in"));
    if (r->n_of_kind[p->kind] == MAX_PLUGINS_OF_KIND)
        return refuse(e, from, "TOO_MANY_PLUGINS",
                      arena_printf(r->arena, "Plugin %s (%s) is one %s too many: %d is the limit.",
                                   p->name, from, kind_names[p->kind], MAX_PLUGINS_OF_KIND));
    r->items = arena_grow(r->arena, r->items, &r->cap, r->n + 1, sizeof(*r->items));
    r->items[r->n++] = (struct registered){.plugin = p, .origin = arena_strdup(r->arena, origin)};
    r->n_of_kind[p->kind]++;
    return 0;
}

struct registry *registry_create(void)
{
    struct arena *a = arena_create();
    struct registry *r = arena_new(a, struct registry, 1);
    r->arena = a;
    for (size_t i = 0; i < ARRAY_SIZE(builtins); i++)
        if (registry_add(r, builtins[i], NULL, NULL) < 0)
            abort(); /* a bug in the file that defines it; every test of the registry meets it */
    return r;
}

void registry_destroy(struct registry *r)
{
    if (r != NULL)
        arena_destroy(r->arena);
}

uint32_t registry_count(const struct registry *r)
{
    return (uint32_t)r->n;
}

const struct plugin *registry_at(const struct registry *r, uint32_t i, const char **ret_origin)
{
    assert(i < r->n);
    if (ret_origin != NULL)
        *ret_origin = r->items[i].origin;
    return r->items[i].plugin;
}
