/* manual.c - the table of commands, and the paragraphs that no table has. */
#include "server/manual.h"

#include <stddef.h>
#include <string.h>

#include "scheduler/base.h"
#include "server/command.h"

const char manual_about[] =
    "berthd decides which waiting session of a cluster gets which agents. It reads the cluster "
    "from "
    "PostgreSQL, decides a scaling group at a time, and commits each decision in one guarded "
    "transaction. It answers RPCs of gRPC and streams events. Any number may run against one "
    "database; any may die at any instant.";

const char manual_sources[] =
    "A setting has its value from, the later the stronger: its default; the file that --config or "
    "BERTH_CONFIG names; the environment, as BERTH_ and its name in capitals; the command line, as "
    "-- and its name with dashes. The file is one YAML mapping, name: value; a list is a sequence, "
    "elsewhere its items are separated by commas. An unknown name, a name twice, and a value that "
    "is "
    "not allowed are refused with file and line. berthd --print-config shows each value and where "
    "it "
    "is from; berthd --check-config only says whether all is well.";

const char manual_secrets[] =
    "Secrets stand in files that settings name: database_password_file, redis_password_file, "
    "tls_key, callers_file. libpq's own ways work too (PGPASSFILE, passfile=). No secret is shown "
    "by "
    "--print-config, in the log or in an error.";

const char manual_signals[] =
    "SIGHUP: the settings are read again. Those marked \"at once\" take effect as one; the log "
    "names "
    "the others that changed, which wait for a restart. One wrong value, and everything stays as "
    "it "
    "was. SIGTERM and SIGINT: berthd drains for at most grace_period, and ends.";

const char manual_file[] = "listen: 0.0.0.0:50061\n"
                           "database: host=db.example dbname=cluster user=berth\n"
                           "database_password_file: /run/secrets/database\n"
                           "redis: redis.example:6379\n"
                           "executors: 8\n"
                           "slot_priority: [cuda, cpu, mem]\n"
                           "log_levels:\n"
                           "  - hub=debug\n";

const char manual_examples[] = "berthd migrate --database 'host=db.example dbname=cluster'\n"
                               "berthd --config /etc/berth/berthd.yaml\n"
                               "berthd --check-config --config /etc/berth/berthd.yaml\n"
                               "BERTH_LOG_LEVEL=debug berthd --listen unix:/run/berth.sock\n"
                               "berthd repair --dry-run --group gpu\n";

const struct manual_exit manual_exits[] = {
#define EXIT(name, code, words) {(code), words},
#include "server/exits.def"
#undef EXIT
};
const unsigned n_manual_exits = ARRAY_SIZE(manual_exits);

static const struct manual_option migrate_options[] = {
    {"--adopt", NULL,
     "The tables of the cluster manager exist: check them, and create only what Berth adds."},
    {"--with-indexes", NULL, "With --adopt: also create indexes that speed up rounds."},
};

static const struct manual_option repair_options[] = {
    {"--group", "NAME", "This scaling group only."},
    {"--dry-run", NULL, "Change nothing."},
};

static const struct manual_option token_options[] = {
    {"--role", "ROLE", "viewer, manager or admin."},
    {"--groups", "A,B,...", "The scaling groups it is for. Default: all."},
    {"--expires", "WHEN",
     "A day (2027-01-31), a time (2027-01-31T12:00:00Z) or a number of days (90d)."},
    {"--append", "FILE", "Put the line at the end of this file instead of showing it."},
};

#define OPTIONS(table) .options = (table), .n_options = ARRAY_SIZE(table)

const struct manual_command manual_commands[] = {
    {.name = "serve",
     .args = "",
     .run = command_serve,
     .summary = "Answer RPCs until SIGTERM; then drain and end.",
     .details = "This is what berthd does without a command.",
     .examples = "berthd serve --config /etc/berth/berthd.yaml\n",
     .takes_settings = true},
    {.name = "migrate",
     .args = "",
     .run = command_migrate,
     .summary = "Bring the database to the schema this program needs.",
     .details = "What is there already is left alone, so it can be run at any time, also while "
                "replicas serve.",
     .examples = "berthd migrate --database 'host=db.example dbname=cluster'\n"
                 "berthd migrate --adopt --with-indexes --config /etc/berth/berthd.yaml\n",
     OPTIONS(migrate_options),
     .takes_settings = true},
    {.name = "repair",
     .args = "",
     .run = command_repair,
     .summary = "Find and mend what a writer that died half way has left.",
     .details = "The exit code is 0 when nothing is left to mend, else 1.",
     .examples = "berthd repair --dry-run --group gpu\n",
     OPTIONS(repair_options),
     .takes_settings = true},
    {.name = "token",
     .args = "new NAME | check FILE",
     .run = command_token,
     .summary = "Make a caller's token (shown once) and its line for the callers file, or check "
                "such a file.",
     .examples = "berthd token new alice --role manager --groups gpu --expires 90d\n"
                 "berthd token check /etc/berth/callers\n",
     OPTIONS(token_options)},
    {.name = "help",
     .args = "[COMMAND | SETTING]",
     .run = command_help,
     .summary = "Say how to use berthd, a command or a setting.",
     .examples = "berthd help migrate\nberthd help slot_priority\n"},
    {.name = "--print-config",
     .args = "",
     .run = command_print_config,
     .summary = "Show the value of each setting and where it is from; secrets are left out.",
     .takes_settings = true},
    {.name = "--check-config",
     .args = "",
     .run = command_check_config,
     .summary = "Say whether the settings and the files they name are good, and end.",
     .takes_settings = true},
    {.name = "--list-plugins",
     .args = "",
     .run = command_list_plugins,
     .summary = "List sequencers, validators, filters, orders and selectors.",
     .takes_settings = true},
    {.name = "--list-metrics", .args = "", .run = command_list_metrics, .summary = "List metrics."},
    {.name = "--list-areas",
     .args = "",
     .run = command_list_areas,
     .summary = "List the areas of the log, for the setting log_levels."},
    {.name = "--manual",
     .args = "settings | page | completion",
     .run = command_manual,
     .summary = "Write the list of settings as Markdown, the manual page, or the completion for "
                "bash.",
     .examples = "berthd --manual completion > /etc/bash_completion.d/berthd\n"},
    {.name = "--help", .args = "", .run = command_help, .summary = "Say how to use berthd."},
    {.name = "--version",
     .args = "",
     .run = command_version,
     .summary = "Say which berthd this is."},
};
const unsigned n_manual_commands = ARRAY_SIZE(manual_commands);

const struct manual_command *manual_find(const char *name)
{
    if (strcmp(name, "-h") == 0)
        name = "--help";
    for (unsigned i = 0; i < n_manual_commands; i++) {
        if (strcmp(manual_commands[i].name, name) == 0)
            return &manual_commands[i];
    }
    return NULL;
}
