/* policy_settings.c - settings -> policy_config. */
#include "server/policy_settings.h"

#include <string.h>

/* A text as JSON; the scheduler reads numbers and booleans from text too. */
static char *json_text(const char *s, struct arena *a)
{
    char *json = arena_alloc(a, 2 * strlen(s) + 3, 1), *to = json;
    *to++ = '"';
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\')
            *to++ = '\\';
        *to++ = *s;
    }
    *to++ = '"';
    return json;
}

static bool is_printable(const char *s)
{
    for (; *s != '\0'; s++)
        if ((unsigned char)*s < 0x20)
            return false;
    return true;
}

/* "plugin.key=value" */
static int read_option(const char *item, struct arena *a, struct option *ret, struct err *e)
{
    const char *equals = strchr(item, '=');
    const char *dot = strchr(item, '.');
    if (equals == NULL || dot == NULL || dot == item || dot + 1 >= equals || !is_printable(item))
        return err_set(e, ERR_INVALID, "BAD_SETTING",
                       "plugin_options: \"%s\" is not of the form plugin.key=value", item);
    ret->key = arena_strndup(a, item, (size_t)(equals - item));
    ret->value = json_text(equals + 1, a);
    return 0;
}

int policy_settings(const struct config *c, struct arena *a, struct policy_config *ret,
                    struct err *e)
{
    struct option *options = arena_new(a, struct option, c->plugin_options.n + 1);
    for (uint32_t i = 0; i < c->plugin_options.n; i++)
        if (read_option(c->plugin_options.items[i], a, &options[i], e) < 0)
            return -1;
    const char **slots = arena_new(a, const char *, c->slot_priority.n + 1);
    for (uint32_t i = 0; i < c->slot_priority.n; i++)
        slots[i] = arena_strdup(a, c->slot_priority.items[i]);
    *ret = (struct policy_config){
        .max_containers_per_agent = c->max_containers_per_agent,
        .slot_priority = slots,
        .n_slot_priority = c->slot_priority.n,
        .options = options,
        .n_options = c->plugin_options.n,
    };
    return 0;
}
