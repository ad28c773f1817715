/* command.h - what berthd can be told to do, one function a command. Each returns the exit code, of
 * exits.def. argv: the arguments after the command's name. */
#ifndef BERTH_SERVER_COMMAND_H
#define BERTH_SERVER_COMMAND_H

#include <stdbool.h>

#include "scheduler/err.h"

struct config;

enum {
#define EXIT(name, code, words) EXIT_##name = (code),
#include "server/exits.def"
#undef EXIT
};

int command_serve(int argc, char **argv);
int command_migrate(int argc, char **argv);
int command_repair(int argc, char **argv);
int command_token(int argc, char **argv);
int command_list_plugins(int argc, char **argv);
int command_list_metrics(int argc, char **argv);
int command_list_areas(int argc, char **argv);
int command_print_config(int argc, char **argv);
int command_check_config(int argc, char **argv);
int command_help(int argc, char **argv);
int command_version(int argc, char **argv);
int command_manual(int argc, char **argv);

/* Makes the passwords that settings name files of known to the connections. */
int command_passwords(const struct config *g, struct err *e) MUST_CHECK;
/* Says what went wrong on stderr; returns the code. */
int command_fail(const struct err *e, int code);
/* Takes a flag without value out of argv; true: it was there. */
bool command_take_flag(int *argc, char **argv, const char *flag);
/* Takes "--flag value" or "--flag=value" out of argv; *ret stays as it is when it is not there. */
int command_take_value(int *argc, char **argv, const char *flag, const char **ret,
                       struct err *e) MUST_CHECK;

#endif
