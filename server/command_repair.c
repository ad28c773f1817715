/* command_repair.c - `berthd repair`: says what it finds and does, a line each. */
#include <stdio.h>
#include <unistd.h>

#include "repo/migrate.h"
#include "repo/repair.h"
#include "server/command.h"
#include "server/config.h"
#include "server/progress.h"

static void print_finding(void *ctx, const struct repair_finding *f)
{
    progress_pause(ctx);
    printf("%s: %s -> %s\n", repair_action_name(f->action), f->fact, f->deed);
    fflush(stdout);
    progress_resume(ctx);
}

/* *ret_left: findings that are still there. */
static int repair_group(struct pg *pg, const char *name, bool dry_run, struct progress *p,
                        uint32_t *ret_left, struct err *e)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct repair_input in = {
        .scaling_group = name, .dry_run = dry_run, .report = print_finding, .ctx = p};
    struct repair_result r;
    const int rc = repair_run(pg, &in, a, &r, e);
    progress_pause(p);
    printf("%s: %u found, %u mended\n", name, r.found, r.mended);
    fflush(stdout);
    progress_resume(p);
    *ret_left = r.found - r.mended;
    return rc;
}

static int repair_groups(struct pg *pg, const char *only, bool dry_run, uint32_t *ret_left,
                         struct err *e)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char **names = &only;
    uint32_t n = 1;
    if (only == NULL && repair_list_groups(pg, a, &names, &n, e) < 0)
        return -1;
    *ret_left = 0;
    CLEANUP(progress_endp) struct progress *p = progress_begin("repair", n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t left = 0;
        progress_step(p, i + 1, names[i]);
        if (repair_group(pg, names[i], dry_run, p, &left, e) < 0)
            return -1;
        *ret_left += left;
    }
    return 0;
}

int command_repair(int argc, char **argv)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(config_destroyp) struct config *g = NULL;
    CLEANUP(pg_closep) struct pg *pg = NULL;
    const char *group = NULL;
    uint32_t left = 0;
    const bool dry_run = command_take_flag(&argc, argv, "--dry-run");
    if (command_take_value(&argc, argv, "--group", &group, &e) < 0 ||
        config_create(environ, argc, argv, &g, &e) < 0 || command_passwords(g, &e) < 0)
        return command_fail(&e, EXIT_USAGE);
    if (pg_open(g->database, &pg, &e) < 0 || migrate_check(pg, &e) < 0 ||
        repair_groups(pg, group, dry_run, &left, &e) < 0)
        return command_fail(&e, EXIT_FAILED);
    return left == 0 ? EXIT_OK : EXIT_FAILED;
}
