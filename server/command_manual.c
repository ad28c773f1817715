/* command_manual.c - berthd help, --help, --version, --manual. */
#include <stdio.h>
#include <string.h>

#include "server/command.h"
#include "server/manual.h"

int command_help(int argc, char **argv)
{
    if (argc == 0) {
        manual_help(stdout);
        return EXIT_OK;
    }
    const struct manual_command *c = manual_find(argv[0]);
    if (c != NULL) {
        manual_help_command(stdout, c);
        return EXIT_OK;
    }
    if (manual_help_setting(stdout, argv[0]))
        return EXIT_OK;
    fprintf(stderr, "berthd: there is no command and no setting \"%s\": try berthd --help\n",
            argv[0]);
    return EXIT_USAGE;
}

int command_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("berthd " BERTH_VERSION);
    return EXIT_OK;
}

static const struct {
    const char *name;
    void (*write)(FILE *out);
} documents[] = {
    {"settings", manual_settings},
    {"page", manual_page},
    {"completion", manual_completion},
};

int command_manual(int argc, char **argv)
{
    for (size_t i = 0; argc == 1 && i < sizeof(documents) / sizeof(documents[0]); i++) {
        if (strcmp(argv[0], documents[i].name) != 0)
            continue;
        documents[i].write(stdout);
        return EXIT_OK;
    }
    fputs("berthd: --manual needs one of settings, page, completion\n", stderr);
    return EXIT_USAGE;
}
