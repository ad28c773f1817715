/* command.h - what berthd can be told to do, one function a command. Each returns the exit code: 0,
 * 1 for a failure, 2 for a wrong call. argv: the arguments after the command's name. */
#ifndef BERTH_SERVER_COMMAND_H
#define BERTH_SERVER_COMMAND_H

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

int command_serve(int argc, char **argv);
int command_migrate(int argc, char **argv);
int command_list_plugins(int argc, char **argv);
int command_print_config(int argc, char **argv);

#endif
