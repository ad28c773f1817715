/* command.c - the commands that print or change something and end. */
#include "server/command.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "repo/migrate.h"
#include "repo/password.h"
#include "scheduler/plugin.h"
#include "server/config.h"
#include "server/dso.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/progress.h"

int command_fail(const struct err *e, int code)
{
    fprintf(stderr, "berthd: %s%s%s\n", e->message, e->detail[0] != '\0' ? ": " : "", e->detail);
    return code;
}

int command_passwords(const struct config *g, struct err *e)
{
    struct err why = {.code = ERR_NONE};
    const char *setting = "database_password_file";
    if (password_for_pg(g->database_password_file, &why) == 0) {
        setting = "redis_password_file";
        if (password_for_redis(g->redis, g->redis_user, g->redis_password_file, &why) == 0)
            return 0;
    }
    return config_refuse(g, setting, e, "%s", why.message);
}

static void print_line(void *ctx, const char *line)
{
    progress_pause(ctx);
    puts(line);
    fflush(stdout);
    progress_resume(ctx);
}

static void drop(int *argc, char **argv, int at, int n)
{
    memmove(&argv[at], &argv[at + n], (size_t)(*argc - at - n) * sizeof(argv[0]));
    *argc -= n;
}

bool command_take_flag(int *argc, char **argv, const char *flag)
{
    for (int i = 0; i < *argc; i++) {
        if (strcmp(argv[i], flag) != 0)
            continue;
        drop(argc, argv, i, 1);
        return true;
    }
    return false;
}

int command_take_value(int *argc, char **argv, const char *flag, const char **ret, struct err *e)
{
    const size_t n = strlen(flag);
    for (int i = 0; i < *argc; i++) {
        if (strncmp(argv[i], flag, n) != 0 || (argv[i][n] != '=' && argv[i][n] != '\0'))
            continue;
        const bool apart = argv[i][n] == '\0';
        if (apart && i + 1 >= *argc)
            return err_set(e, ERR_INVALID, "BAD_FLAG", "%s needs a value", flag);
        *ret = apart ? argv[i + 1] : argv[i] + n + 1;
        drop(argc, argv, i, apart ? 2 : 1);
        return 0;
    }
    return 0;
}

int command_migrate(int argc, char **argv)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(config_destroyp) struct config *g = NULL;
    CLEANUP(pg_closep) struct pg *pg = NULL;
    struct migrate_options o = {.report = print_line};
    o.adopt = command_take_flag(&argc, argv, "--adopt");
    o.with_indexes = command_take_flag(&argc, argv, "--with-indexes");
    if (o.with_indexes && !o.adopt) {
        err_set(&e, ERR_INVALID, "BAD_FLAG", "--with-indexes goes with --adopt");
        return command_fail(&e, EXIT_USAGE);
    }
    if (config_create(environ, argc, argv, &g, &e) < 0)
        return command_fail(&e, EXIT_USAGE);
    if (command_passwords(g, &e) < 0)
        return command_fail(&e, EXIT_USAGE);
    struct progress *p = progress_begin("migrate", 0);
    o.ctx = p;
    const int rc = pg_open(g->database, &pg, &e) < 0 ? -1 : migrate_run(pg, &o, &e);
    progress_end(p);
    return rc < 0 ? command_fail(&e, EXIT_FAILED) : EXIT_OK;
}

static const char *const kind_names[N_PLUGIN_KINDS] = {
    [PLUGIN_SEQUENCER] = "sequencer", [PLUGIN_VALIDATOR] = "validator", [PLUGIN_FILTER] = "filter",
    [PLUGIN_ORDER] = "order",         [PLUGIN_SELECTOR] = "selector",
};

int command_list_plugins(int argc, char **argv)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(config_destroyp) struct config *g = NULL;
    CLEANUP(registry_destroyp) struct registry *r = registry_create();
    if (config_create(environ, argc, argv, &g, &e) < 0)
        return command_fail(&e, EXIT_USAGE);
    for (uint32_t i = 0; i < g->plugins.n; i++) {
        if (dso_load(r, g->plugins.items[i], &e) < 0)
            return command_fail(&e, EXIT_FAILED);
    }
    for (uint32_t i = 0; i < registry_count(r); i++) {
        const char *origin = NULL;
        const struct plugin *p = registry_at(r, i, &origin);
        printf("%-10s %-32s %s (%s)\n", kind_names[p->kind], p->name, p->doc,
               origin != NULL ? origin : "built in");
    }
    return EXIT_OK;
}

int command_list_metrics(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    metrics_list(stdout);
    return EXIT_OK;
}

int command_list_areas(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    log_list_areas(stdout);
    return EXIT_OK;
}

int command_print_config(int argc, char **argv)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(config_destroyp) struct config *g = NULL;
    if (config_create(environ, argc, argv, &g, &e) < 0)
        return command_fail(&e, EXIT_USAGE);
    config_print(g, stdout);
    return EXIT_OK;
}

int command_check_config(int argc, char **argv)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(config_destroyp) struct config *g = NULL;
    if (config_create(environ, argc, argv, &g, &e) < 0 || command_passwords(g, &e) < 0)
        return command_fail(&e, EXIT_USAGE);
    puts("settings: all good");
    return EXIT_OK;
}
