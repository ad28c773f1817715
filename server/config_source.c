/* config_source.c - the sources of settings in the order of their strength. */
#include <string.h>

#include "server/config_internal.h"

static int read_defaults(struct generation *g, struct err *e)
{
    for (size_t i = 0; i < N_CONFIG_ROWS; i++) {
        if (config_set(g, i, config_rows[i].dflt, "default", e) < 0)
            return -1;
    }
    return 0;
}

static int read_env(struct generation *g, char *const *env, struct err *e)
{
    for (; env != NULL && *env != NULL; env++) {
        const char *equals = strchr(*env, '=');
        if (equals == NULL || strncmp(*env, "BERTH_", 6) != 0)
            continue;
        size_t i = config_find(*env + 6, (size_t)(equals - *env) - 6);
        if (i < N_CONFIG_ROWS && config_set(g, i, equals + 1, "environment", e) < 0)
            return -1;
    }
    return 0;
}

/* One flag with its value, which may be the next argument. */
struct flag {
    const char *text; /* "--log-level=debug" */
    size_t n;         /* length of its name, without "--" */
    const char *value;
};

/* What stands behind an = is not repeated: it may be a password. */
static int shown(const char *argument)
{
    size_t n = strcspn(argument, "=");
    return n < 60 ? (int)n : 60;
}

static int unknown_flag(const char *flag, size_t n, struct err *e)
{
    size_t near = config_nearest(flag + 2, n);
    if (near == N_CONFIG_ROWS)
        return err_set(e, ERR_INVALID, "BAD_FLAG", "unknown flag \"%.*s\": try --help", shown(flag),
                       flag);
    return err_set(e, ERR_INVALID, "BAD_FLAG",
                   "unknown flag \"%.*s\": is the setting %s meant? Try --help", shown(flag), flag,
                   config_rows[near].name);
}

static int next_flag(const struct config_sources *s, int *k, struct flag *ret, struct err *e)
{
    const char *flag = s->argv[(*k)++];
    if (strncmp(flag, "--", 2) != 0)
        return err_set(e, ERR_INVALID, "BAD_FLAG", "unexpected argument \"%.*s\": try --help",
                       shown(flag), flag);
    size_t n = strcspn(flag + 2, "=");
    bool is_config = n == strlen("config") && strncmp(flag + 2, "config", n) == 0;
    if (!is_config && config_find(flag + 2, n) == N_CONFIG_ROWS)
        return unknown_flag(flag, n, e);
    const char *value = flag[2 + n] == '=' ? flag + 3 + n : NULL;
    if (value == NULL && *k == s->argc)
        return err_set(e, ERR_INVALID, "BAD_FLAG", "flag \"%.60s\" needs a value", flag);
    if (value == NULL)
        value = s->argv[(*k)++];
    *ret = (struct flag){.text = flag, .n = n, .value = value};
    return 0;
}

static int read_flags(struct generation *g, const struct config_sources *s, struct err *e)
{
    for (int k = 0; k < s->argc;) {
        struct flag f = {.text = ""};
        if (next_flag(s, &k, &f, e) < 0)
            return -1;
        size_t row = config_find(f.text + 2, f.n);
        if (row < N_CONFIG_ROWS && config_set(g, row, f.value, "command line", e) < 0)
            return -1;
    }
    return 0;
}

int config_find_file(const struct config_sources *s, const char **ret, struct err *e)
{
    const char *file = NULL;
    for (char *const *env = s->env; env != NULL && *env != NULL; env++) {
        if (strncmp(*env, "BERTH_CONFIG=", strlen("BERTH_CONFIG=")) == 0)
            file = *env + strlen("BERTH_CONFIG=");
    }
    for (int k = 0; k < s->argc;) {
        struct flag f = {.text = ""};
        if (next_flag(s, &k, &f, e) < 0)
            return -1;
        if (config_find(f.text + 2, f.n) == N_CONFIG_ROWS)
            file = f.value;
    }
    *ret = file != NULL && *file != '\0' ? file : NULL;
    return 0;
}

int config_read(struct generation *g, struct err *e)
{
    const struct config_store *s = g->store;
    if (read_defaults(g, e) < 0 || (s->file != NULL && config_read_file(g, s->file, e) < 0) ||
        read_env(g, s->sources.env, e) < 0 || read_flags(g, &s->sources, e) < 0)
        return -1;
    if (*g->config.replica == '\0')
        g->config.replica = s->replica;
    return 0;
}
