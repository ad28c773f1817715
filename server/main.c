/* main.c - berthd: finds the command. */
#include <malloc.h>
#include <string.h>

#include "server/command.h"
#include "server/last_words.h"
#include "server/manual.h"

/* Large tables come from the system and go back to it at once: left to itself, malloc keeps ever
 * larger ones in its heaps, where they lie in pieces between others. */
static void keep_heaps_small(void)
{
    enum { LARGE = 2 << 20 };
    (void)mallopt(M_MMAP_THRESHOLD, LARGE);
}

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
    keep_heaps_small();
    last_words_install();
    if (asks_for_help(argc - n, argv + n))
        return command_help(c != NULL, argv + 1);
    return c != NULL ? c->run(argc - n, argv + n) : command_serve(argc - n, argv + n);
}
