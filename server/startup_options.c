/* startup_options.c - options of plugins that the configuration sets for all groups. */
#include "scheduler/plugin.h"
#include "scheduler/policy.h"
#include "scheduler/snapshot_build.h"
#include "server/config.h"
#include "server/policy_settings.h"
#include "server/startup.h"

/* The policy of a group without options, with this scheduler and strategy. */
static int resolve(const struct registry *r, const struct policy_config *c, const char *scheduler,
                   const char *strategy, struct arena *a, struct policy **ret, struct err *e)
{
    struct snapshot_builder *b = builder_create(a);
    const struct snapshot head = {.group_name = "", .scheduler = scheduler, .strategy = strategy};
    builder_group(b, &head);
    return policy_resolve(r, c, builder_finish(b), a, ret, e);
}

static int refuse(const struct config *g, const char *what, struct err *e)
{
    config_refuse(g, "plugin_options", e, "%s", what);
    e->reason = "BAD_PLUGIN_OPTION";
    return -1;
}

static const char *any_of(const struct registry *r, enum plugin_kind kind)
{
    for (uint32_t i = 0; i < registry_count(r); i++)
        if (registry_at(r, i, NULL)->kind == kind)
            return registry_at(r, i, NULL)->name;
    return "";
}

int startup_check_options(const struct app *app, const struct config *next, struct err *e)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct registry *r = app->registry;
    const char *scheduler = any_of(r, PLUGIN_SEQUENCER), *strategy = any_of(r, PLUGIN_SELECTOR);
    struct policy_config c;
    struct policy *policy = NULL;
    if (policy_settings(next, a, &c, e) < 0)
        return -1;
    for (uint32_t i = 0; i < registry_count(r); i++) {
        const struct plugin *p = registry_at(r, i, NULL);
        struct err why = {.code = ERR_NONE};
        if (resolve(r, &c, p->kind == PLUGIN_SEQUENCER ? p->name : scheduler,
                    p->kind == PLUGIN_SELECTOR ? p->name : strategy, a, &policy, &why) < 0)
            return refuse(next, why.message, e);
    }
    const char *unknown = policy_unknown_options(policy)[0];
    if (unknown != NULL)
        return refuse(next, arena_printf(a, "no plugin has the option \"%.60s\"", unknown), e);
    return 0;
}
