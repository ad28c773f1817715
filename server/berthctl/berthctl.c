/* berthctl.c - from the command line to the command: options, help, the exit code. */
#include "server/berthctl/berthctl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/berthctl/command.h"
#include "server/berthctl/manual.h"

static const struct command *const commands[] = {
#define COMMAND(name) &command_##name,
#include "server/berthctl/commands.def"
#undef COMMAND
};

static const struct flag global_flags[] = {
    FLAG(struct globals, server, TEXT, "server", "ADDR",
         "host:port or unix:/path; else BERTH_SERVER, else 127.0.0.1:50061"),
    FLAG(struct globals, json, BOOL, "json", NULL, "one line of JSON an answer (watch: an event)"),
    FLAG(struct globals, timeout_us, SECONDS, "timeout", "SECONDS",
         "give up after so long (30; watch: end after so long, else never)"),
    FLAG(struct globals, identity.tls, BOOL, "tls", NULL,
         "speak TLS; the server's certificate is checked by the system's CAs"),
    FLAG(struct globals, identity.ca, TEXT, "ca", "FILE",
         "speak TLS; it is checked by the CAs in this file (or BERTH_CA)"),
    FLAG(struct globals, identity.cert, TEXT, "cert", "FILE",
         "show this client certificate (or BERTH_CERT)"),
    FLAG(struct globals, identity.key, TEXT, "key", "FILE", "its key (or BERTH_KEY)"),
    FLAG(struct globals, identity.server_name, TEXT, "tls-server-name", "NAME",
         "the name in the server's certificate, when it is not the address"),
    FLAG(struct globals, identity.token_file, TEXT, "token-file", "FILE",
         "send the token in this file (or BERTH_TOKEN_FILE)"),
    FLAG(struct globals, help, BOOL, "help", NULL, "say how to use berthctl or the command"),
};

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static const struct manual manual = {.commands = commands,
                                     .n_commands = ARRAY_SIZE(commands),
                                     .flags = global_flags,
                                     .n_flags = ARRAY_SIZE(global_flags)};

/* "help [COMMAND]" and "--manual page|completion", which are no commands of the server's. */
static bool is_about_itself(struct ctl *c, char **argv, unsigned argc, int *ret)
{
    const struct command *d = argc > 2 ? command_find(argv[2]) : NULL;
    *ret = EXIT_OK;
    if (argc < 2 || argc > 3)
        return false;
    if (strcmp(argv[1], "--manual") == 0) {
        if (argc < 3 || !manual_write(c->out, &manual, argv[2]))
            *ret = ctl_usage(c, NULL, "--manual needs one of page, completion");
        return true;
    }
    if (strcmp(argv[1], "help") != 0)
        return false;
    if (argc == 2)
        manual_help(c->out, &manual);
    else if (d != NULL)
        manual_help_command(c->out, &manual, d);
    else
        *ret = ctl_usage(c, NULL, "there is no command \"%s\"", argv[2]);
    return true;
}

/* What was found on the command line. */
struct line {
    const struct command *command;
    void *options;
    char **args;
    unsigned n_args;
};

/* 0, or an exit code when a complaint was printed. */
static int line_parse(struct line *l, struct ctl *c, char **argv, unsigned argc)
{
    struct err e = {0};
    bool flags_end = false;
    unsigned i = 1;

    l->args = arena_new(c->arena, char *, argc + 1);
    while (i < argc) {
        struct flag_set sets[2] = {
            {.flags = global_flags, .n_flags = ARRAY_SIZE(global_flags), .values = &c->globals}};
        if (l->command != NULL)
            sets[1] = (struct flag_set){
                .flags = l->command->flags, .n_flags = l->command->n_flags, .values = l->options};
        if (!flags_end && strcmp(argv[i], "--") == 0) {
            flags_end = true;
            i++;
        } else if (!flags_end && strcmp(argv[i], "-h") == 0) {
            c->globals.help = true;
            i++;
        } else if (!flags_end && strncmp(argv[i], "--", 2) == 0) {
            if (flags_take(sets, ARRAY_SIZE(sets), c->arena, argv, argc, &i, &e) < 0)
                return ctl_usage(c, l->command, "%s", e.message);
        } else if (!flags_end && argv[i][0] == '-' && argv[i][1] != '\0') {
            return ctl_usage(c, l->command, "unknown option %s", argv[i]);
        } else if (l->command != NULL) {
            l->args[l->n_args++] = argv[i++];
        } else {
            l->command = command_find(argv[i]);
            if (l->command == NULL)
                return ctl_usage(c, NULL, "there is no command \"%s\"", argv[i]);
            l->options = arena_alloc(c->arena, 1, l->command->options_size + 1);
            flags_init(l->command->flags, l->command->n_flags, l->options);
            i++;
        }
    }
    return 0;
}

static int line_run(struct line *l, struct ctl *c)
{
    const struct command *d = l->command;
    if (c->globals.help) {
        if (d == NULL)
            manual_help(c->out, &manual);
        else
            manual_help_command(c->out, &manual, d);
        return EXIT_OK;
    }
    if (d == NULL)
        return ctl_usage(c, NULL, "which command?");
    if (l->n_args < d->min_args)
        return ctl_usage(c, d, "%s needs %s", d->name, d->args);
    if (l->n_args > d->max_args)
        return ctl_usage(c, d, "\"%s\" is too much: %s takes %s", l->args[d->max_args], d->name,
                         d->args[0] == '\0' ? "no argument" : d->args);
    return d->run(c, l->options, l->args, l->n_args);
}

/* Who to be, before anything is asked. A command that calls nobody does not mind. */
static int line_identify(struct line *l, struct ctl *c)
{
    struct err e = {0};
    if (c->globals.help)
        return 0;
    identity_environment(&c->globals.identity, c->arena);
    if (identity_read(&c->globals.identity, c->globals.server, c->arena, &c->identity, &e) < 0)
        return ctl_usage(c, l->command, "%s", e.message);
    return 0;
}

static bool shows_color(FILE *out)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return isatty(fileno(out)) == 1 && (no_color == NULL || no_color[0] == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0;
}

int berthctl_run(int argc, char **argv, FILE *out, FILE *err)
{
    CLEANUP(arena_destroyp) struct arena *arena = arena_create();
    struct timespec now = {0};
    struct line line = {0};
    const char *server = getenv("BERTH_SERVER");

    clock_gettime(CLOCK_REALTIME, &now);
    struct ctl c = {.arena = arena,
                    .out = out,
                    .err = err,
                    .color = shows_color(out),
                    .now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000};
    c.globals.server =
        arena_strdup(arena, server != NULL && server[0] != '\0' ? server : "127.0.0.1:50061");
    int rc = 0;
    if (!is_about_itself(&c, argv, (unsigned)argc, &rc)) {
        rc = line_parse(&line, &c, argv, (unsigned)argc);
        if (rc == 0)
            rc = line_identify(&line, &c);
        if (rc == 0)
            rc = line_run(&line, &c);
    }
    client_destroy(c.client);
    if (fflush(out) != 0 || ferror(out)) {
        fprintf(err, "berthctl: the output could not be written\n");
        rc = rc == EXIT_OK ? EXIT_OTHER : rc;
    }
    return rc;
}
