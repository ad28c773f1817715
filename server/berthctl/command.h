/* command.h - what a command is, and what it is given.
 *
 * A command is one file command_<name>.c that ends in its struct command, and one line in
 * commands.def. run() prints the answer to out (errors to err) and returns an exit code
 * (exits.def). */
#ifndef BERTH_BERTHCTL_COMMAND_H
#define BERTH_BERTHCTL_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "server/berthctl/client.h"
#include "server/berthctl/failure.h"
#include "server/berthctl/flags.h"
#include "server/berthctl/identity.h"

enum { PAGE_MAX = 1000, DEFAULT_LIMIT = 100 };

/* The options that every command takes. */
struct globals {
    char *server;
    int64_t timeout_us; /* 0: not given */
    bool json, help;
    struct identity_flags identity;
};

struct ctl {
    struct globals globals;
    struct identity identity; /* read from them */
    struct arena *arena;      /* lives as long as the command */
    struct client *client;
    FILE *out, *err;
    bool color;     /* out is a terminal that shows colours */
    int64_t now_us; /* this machine's clock when the command began */
};

struct command {
    const char *name;
    const char *args;     /* "GROUP" */
    const char *summary;  /* one line, no full stop */
    const char *details;  /* NULL: none; whole lines */
    const char *examples; /* whole lines, indented by two */
    const struct flag *flags;
    unsigned n_flags;
    size_t options_size; /* of the struct the flags' offsets are in */
    unsigned min_args, max_args;
    int (*run)(struct ctl *c, void *options, char **args, unsigned n_args);
};

#define COMMAND(name) extern const struct command command_##name;
#include "server/berthctl/commands.def"
#undef COMMAND

/* One call of berth.v1.SchedulerService; -1 when it failed. */
int ctl_try(struct ctl *c, const char *method, const ProtobufCMessage *request, const void **ret,
            struct failure *f) MUST_CHECK;
/* The same; what failed is printed, and the result is 0 or the exit code. */
int ctl_call(struct ctl *c, const char *method, const ProtobufCMessage *request,
             const void **ret) MUST_CHECK;
/* What a call may take: --timeout, else 30 s. */
int64_t ctl_timeout_us(const struct ctl *c);
struct client *ctl_client(struct ctl *c);             /* made when first asked for */
int ctl_fail(struct ctl *c, const struct failure *f); /* prints; returns the exit code */
/* Prints "berthctl: <sentence>" and what to read; returns EXIT_USAGE. */
int ctl_usage(struct ctl *c, const struct command *command, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The whole answer on one line of JSON; returns EXIT_OK. */
int ctl_json(struct ctl *c, const ProtobufCMessage *answer);

/* How many rows to ask for next, when so many are there; limit 0 is no limit. 0: enough. */
uint32_t page_size(uint32_t limit, size_t have);
/* Appends the n pointers of a page to an array in the arena; both are protobuf-c's repeated fields.
 * Result and *n_all are the whole. */
void *page_append(struct arena *a, void *all, size_t *n_all, size_t *cap, const void *page,
                  size_t n);

#endif
