/* test_command_line.c - whole command lines, as far as they need no server. */
#include <string.h>

#include "server/berthctl/berthctl.h"
#include "server/berthctl/command.h"
#include "tests/unit/unit.h"

#include "tests/berthctl/capture.h"

enum { MAX_ARGS = 8 };

/* Runs one line; out and err are to be finished by the caller. */
static int run(const char *const *args, struct capture *out, struct capture *err)
{
    char *argv[MAX_ARGS + 2] = {"berthctl"};
    int argc = 1;
    for (; argc <= MAX_ARGS && args[argc - 1] != NULL; argc++)
        argv[argc] = (char *)args[argc - 1];
    capture_begin(out);
    capture_begin(err);
    int rc = berthctl_run(argc, argv, out->out, err->out);
    capture_end(out);
    capture_end(err);
    return rc;
}

static const struct {
    const char *what;
    const char *args[MAX_ARGS];
    const char *complaint; /* the first line */
} bad[] = {
    {"nothing", {NULL}, "berthctl: which command?\n"},
    {"no such command", {"frob"}, "berthctl: there is no command \"frob\"\n"},
    {"a short option", {"groups", "-x"}, "berthctl: unknown option -x\n"},
    {"an option of another command",
     {"groups", "--reason", "x"},
     "berthctl: unknown option --reason\n"},
    {"a command's option before the command",
     {"--limit", "1", "groups"},
     "berthctl: unknown option --limit\n"},
    {"an argument is missing", {"schedule"}, "berthctl: schedule needs GROUP\n"},
    {"an argument too many",
     {"schedule", "a", "b"},
     "berthctl: \"b\" is too much: schedule takes GROUP\n"},
    {"an argument for a command without",
     {"version", "now"},
     "berthctl: \"now\" is too much: version takes no argument\n"},
    {"an option after -- is an argument",
     {"schedule", "a", "--", "--dry-run"},
     "berthctl: \"--dry-run\" is too much: schedule takes GROUP\n"},
    {"preview of nothing",
     {"preview"},
     "berthctl: give a session, or --group and what is asked for\n"},
    {"preview of two things",
     {"preview", "s1", "--cpu", "4"},
     "berthctl: give a session or describe one, not both (s1 is a session)\n"},
    {"preview without an owner",
     {"preview", "--group", "g", "--cpu", "4"},
     "berthctl: whose is it? Give --access-key and --project\n"},
    {"preview with a wrong agent",
     {"preview", "s1", "--extra-agent", "n1"},
     "berthctl: \"n1\" is no agent: write ID,cpu=8,mem=64g\n"},
    {"watch of no such type",
     {"watch", "--type", "birth"},
     "berthctl: there is no event type \"birth\"\n"},
    {"a certificate without its key",
     {"groups", "--cert", "c"},
     "berthctl: --cert and --key go together\n"},
    {"a CA that is not there",
     {"groups", "--ca", "/nowhere"},
     "berthctl: --ca /nowhere: No such file or directory\n"},
    {"a token that is not there",
     {"groups", "--token-file", "/nowhere"},
     "berthctl: --token-file /nowhere: No such file or directory\n"},
    {"a token file with lines",
     {"groups", "--token-file", "/etc/passwd"},
     "berthctl: --token-file /etc/passwd: it must hold one line, the token\n"},
    {"an empty token file",
     {"groups", "--token-file", "/dev/null"},
     "berthctl: --token-file /dev/null: the file is empty\n"},
    {"a server's name without TLS",
     {"groups", "--tls-server-name", "x"},
     "berthctl: --tls-server-name goes with --tls or --ca\n"},
    {"a token in plaintext to another machine",
     {"groups", "--server", "berth.example:1", "--token-file", "/proc/sys/kernel/ostype"},
     "berthctl: the token would cross the network in plaintext: give --ca or --tls\n"},
    {"a token in plaintext to a name that begins like a loopback",
     {"groups", "--server", "127.example:1", "--token-file", "/proc/sys/kernel/ostype"},
     "berthctl: the token would cross the network in plaintext: give --ca or --tls\n"},
    {"watch with a folder for a cursor",
     {"watch", "--cursor-file", "/"},
     "berthctl: / holds no cursor\n"},
};

START_TEST(command_line_is_refused_as_tabled)
{
    CLEANUP(capture_finish) struct capture out = {0};
    CLEANUP(capture_finish) struct capture err = {0};
    int rc = run(bad[_i].args, &out, &err);
    ck_assert_msg(rc == EXIT_USAGE, "%s: exit %d", bad[_i].what, rc);
    ck_assert_msg(strncmp(err.text, bad[_i].complaint, strlen(bad[_i].complaint)) == 0, "%s: %s",
                  bad[_i].what, err.text);
    ck_assert_msg(strstr(err.text, "--help") != NULL, "%s: no word of --help", bad[_i].what);
    ck_assert_msg(out.text[0] == '\0', "%s: printed %s", bad[_i].what, out.text);
}
END_TEST

static const struct command *const commands[] = {
#define COMMAND(name) &command_##name,
#include "server/berthctl/commands.def"
#undef COMMAND
};

START_TEST(command_help_has_every_option_and_an_example)
{
    CLEANUP(capture_finish) struct capture out = {0};
    CLEANUP(capture_finish) struct capture err = {0};
    const struct command *d = commands[_i];
    const char *args[] = {d->name, "--help", NULL};
    char want[64];

    int rc = run(args, &out, &err);
    ck_assert_msg(rc == EXIT_OK && err.text[0] == '\0', "%s --help: exit %d, %s", d->name, rc,
                  err.text);
    for (unsigned i = 0; i < d->n_flags; i++) {
        snprintf(want, sizeof(want), "\n  --%s", d->flags[i].name);
        ck_assert_msg(strstr(out.text, want) != NULL, "%s --help lacks --%s", d->name,
                      d->flags[i].name);
    }
    snprintf(want, sizeof(want), "\nExamples:\n  berthctl %s", d->name);
    ck_assert_msg(strstr(out.text, want) != NULL, "%s --help has no example", d->name);
}
END_TEST

START_TEST(command_line_help_lists_commands_and_exit_codes)
{
    CLEANUP(capture_finish) struct capture out = {0};
    CLEANUP(capture_finish) struct capture err = {0};
    const char *args[] = {"-h", NULL};
    char want[64];

    ck_assert_msg(run(args, &out, &err) == EXIT_OK, "-h failed: %s", err.text);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        snprintf(want, sizeof(want), "\n  %s ", commands[i]->name);
        ck_assert_msg(strstr(out.text, want) != NULL, "no word of %s", commands[i]->name);
    }
    ck_assert_msg(strstr(out.text, "\n  130  ") != NULL, "no word of exit code 130");
}
END_TEST

START_TEST(command_line_takes_global_options_on_either_side)
{
    const char *const lines[][4] = {{"--json", "version", NULL}, {"version", "--json", NULL}};
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        CLEANUP(capture_finish) struct capture out = {0};
        CLEANUP(capture_finish) struct capture err = {0};
        ck_assert_msg(run(lines[i], &out, &err) == EXIT_OK, "line %zu: %s", i, err.text);
        ck_assert_msg(strncmp(out.text, "{\"version\":\"", 12) == 0, "line %zu: %s", i, out.text);
    }
}
END_TEST

START_TEST(command_line_says_when_nobody_listens)
{
    CLEANUP(capture_finish) struct capture out = {0};
    CLEANUP(capture_finish) struct capture err = {0};
    const char *args[] = {"groups", "--server", "unix:/nonexistent/berthd", NULL};
    const char *const json[] = {"groups", "--json", "--server", "unix:/nonexistent/berthd", NULL};

    int rc = run(args, &out, &err);
    ck_assert_msg(rc == EXIT_UNAVAILABLE, "exit %d: %s", rc, err.text);
    ck_assert_msg(strstr(err.text, "no answer from unix:/nonexistent/berthd: ") != NULL, "%s",
                  err.text);
    capture_finish(&out);
    capture_finish(&err);
    rc = run(json, &out, &err);
    ck_assert_msg(rc == EXIT_UNAVAILABLE, "exit %d: %s", rc, err.text);
    ck_assert_msg(strncmp(err.text, "{\"error\":{\"code\":\"UNAVAILABLE\",", 31) == 0, "%s",
                  err.text);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, command_line_is_refused_as_tabled, 0, ARRAY_SIZE(bad));
    tcase_add_loop_test(tc, command_help_has_every_option_and_an_example, 0, ARRAY_SIZE(commands));
    tcase_add_test(tc, command_line_help_lists_commands_and_exit_codes);
    tcase_add_test(tc, command_line_takes_global_options_on_either_side);
    tcase_add_test(tc, command_line_says_when_nobody_listens);
}

int main(void)
{
    return unit_run("berthctl_command_line", add_tests);
}
