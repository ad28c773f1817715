/* manual.h - the help, the manual page and the shell's completion, from the tables of commands. */
#ifndef BERTH_BERTHCTL_MANUAL_H
#define BERTH_BERTHCTL_MANUAL_H

#include "server/berthctl/command.h"

/* Every command, and the options that all take. */
struct manual {
    const struct command *const *commands;
    unsigned n_commands;
    const struct flag *flags;
    unsigned n_flags;
};

void manual_help(FILE *out, const struct manual *m);
void manual_help_command(FILE *out, const struct manual *m, const struct command *d);
/* what: "page" or "completion"; false: anything else. */
bool manual_write(FILE *out, const struct manual *m, const char *what);

#endif
