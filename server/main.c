/* main.c - berthd: finds the command. */
#include <string.h>

#include "server/command.h"
#include "server/last_words.h"
#include "server/manual.h"

/* "berthd migrate --help" */
static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    const struct manual_command *c = argc > 1 ? manual_find(argv[1]) : NULL;
    const int n = c != NULL ? 2 : 1;
    last_words_install();
    if (asks_for_help(argc - n, argv + n))
        return command_help(c != NULL, argv + 1);
    return c != NULL ? c->run(argc - n, argv + n) : command_serve(argc - n, argv + n);
}
