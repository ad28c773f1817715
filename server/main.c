/* main.c - berthd: finds the command. */
#include <stdio.h>
#include <string.h>

#include "server/command.h"
#include "server/config.h"

static void print_help(FILE *out)
{
    fprintf(
        out,
        "Usage: berthd [serve] [--setting value ...]\n"
        "       berthd migrate [--adopt] [--with-indexes] [--setting value ...]\n"
        "       berthd repair [--group name] [--dry-run] [--setting value ...]\n"
        "       berthd token new NAME --role ROLE [--groups a,b] [--expires 90d] [--append FILE]\n"
        "       berthd token check FILE\n"
        "       berthd --list-plugins | --list-metrics | --print-config | --help | --version\n\n"
        "serve        answer RPCs until SIGTERM; then drain and end\n"
        "migrate      bring the database to the schema this program needs\n"
        "  --adopt         the tables of the cluster manager exist: check them, and create\n"
        "                  only what Berth adds\n"
        "  --with-indexes  with --adopt: also create indexes that speed up rounds\n"
        "repair       find and mend what a writer that died half way has left; exit code 0 when\n"
        "             nothing is left to mend, else 1\n"
        "  --group         this scaling group only\n"
        "  --dry-run       change nothing\n"
        "token        make a caller's token (shown once) and its line for the callers file, or\n"
        "             check such a file\n"
        "  --role          viewer, manager or admin\n"
        "  --groups        the scaling groups it is for; default: all\n"
        "  --expires       a day (2027-01-31), a time (2027-01-31T12:00:00Z) or a number of days "
        "(90d)\n"
        "  --append        put the line at the end of this file instead of showing it\n\n"
        "Settings, also from the environment as BERTH_<NAME>:\n");
    config_help(out);
}

static int command_help(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    print_help(stdout);
    return EXIT_OK;
}

static int command_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("berthd " BERTH_VERSION);
    return EXIT_OK;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"serve", command_serve},
    {"migrate", command_migrate},
    {"repair", command_repair},
    {"token", command_token},
    {"--list-plugins", command_list_plugins},
    {"--list-metrics", command_list_metrics},
    {"--list-areas", command_list_areas},
    {"--print-config", command_print_config},
    {"--help", command_help},
    {"-h", command_help},
    {"--version", command_version},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    }
    return command_serve(argc - 1, argv + 1);
}
