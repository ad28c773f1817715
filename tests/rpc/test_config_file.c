/* test_config_file.c - the file of settings: what is refused, with its line; then what is read. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/log.h"
#include "tests/rpc/settings.h"

static const struct {
    const char *what, *text, *said;
} bad[] = {
    {"a list at the top", "- executors\n",
     "FILE:1: a mapping is wanted: lines like \"log_level: info\""},
    {"a text at the top", "executors\n",
     "FILE:1: a mapping is wanted: lines like \"log_level: info\""},
    {"an unknown name", "executors: 4\n\nexecutor: 4\n",
     "FILE:3: unknown setting \"executor\": is executors meant?"},
    {"a name of another program", "nothing_like_it: 4\n",
     "FILE:1: unknown setting \"nothing_like_it\": try berthd --help"},
    {"a name with a dash", "log-level: info\n",
     "FILE:1: unknown setting \"log-level\": it is spelt log_level"},
    {"a name in capitals", "Executors: 4\n",
     "FILE:1: unknown setting \"Executors\": it is spelt executors"},
    {"a list for a name", "? [a]\n: 4\n", "FILE:1: the name of a setting is wanted"},
    {"an alias for a name", "*a : 4\n", "FILE:1: the name of a setting is wanted"},
    {"a name with a tag", "!!str executors: 4\n", "FILE:1: tags are not read here"},
    {"a name twice", "executors: 4\nlog_level: info\nexecutors: 4\n",
     "FILE:3: setting executors: it stands in line 1 already"},
    {"no number", "# one\nexecutors: many\n",
     "FILE:2: setting executors: \"many\" is not a number from 1 to 256"},
    {"a number too large", "executors: 257\n",
     "FILE:1: setting executors: \"257\" is not a number from 1 to 256"},
    {"a fraction", "executors: 4.0\n",
     "FILE:1: setting executors: \"4.0\" is not a number from 1 to 256"},
    {"a number in quotes", "executors: \"4\"\n",
     "FILE:1: setting executors: a number is wanted, and what stands in quotes is a text"},
    {"a number as a block", "executors: |\n  4\n",
     "FILE:1: setting executors: a number is wanted, and what stands in quotes is a text"},
    {"a boolean in quotes", "repair_at_start: 'true'\n",
     "FILE:1: setting repair_at_start: true or false is wanted, and what stands in quotes is a "
     "text"},
    {"a boolean of another time", "repair_at_start: yes\n",
     "FILE:1: setting repair_at_start: \"yes\" is not true or false"},
    {"a boolean in capitals", "repair_at_start: True\n",
     "FILE:1: setting repair_at_start: \"True\" is not true or false"},
    {"a time without a unit", "grace_period: 10\n",
     "FILE:1: setting grace_period: \"10\" is not a time from 0ms to 1h (like 500ms, 10s, 5m or "
     "1h)"},
    {"a size that is too small", "max_message: 1\n",
     "FILE:1: setting max_message: \"1\" is not a size from 1k to 64m (like 64k, 4m or 1g)"},
    {"a word that is none of the choices", "log_level: loud\n",
     "FILE:1: setting log_level: \"loud\" is not one of debug,info,warn,error"},
    {"no value", "executors:\n", "FILE:1: setting executors: there is no value"},
    {"null for a text", "record: ~\n",
     "FILE:1: setting record: there is no value; an empty text is \"\""},
    {"nothing for a text", "listen:\nexecutors: 4\n",
     "FILE:1: setting listen: there is no value; an empty text is \"\""},
    {"an empty text where none may be", "listen: \"\"\n",
     "FILE:1: setting listen: \"\" is not a text of 1 to 200 bytes"},
    {"a list for a number", "executors: [4]\n",
     "FILE:1: setting executors: one value is wanted, and here is a list"},
    {"a mapping for a number", "executors:\n  least: 4\n",
     "FILE:2: setting executors: one value is wanted, and here is a mapping"},
    {"a text for a list", "slot_priority: cpu,mem\n",
     "FILE:1: setting slot_priority: a list is wanted, like [one, two]"},
    {"a list that is too short", "log_level: info\nslot_priority: []\n",
     "FILE:2: setting slot_priority: \"\" is not 1 to 64 items, none empty"},
    {"an empty item", "slot_priority:\n  - cpu\n  - \"\"\n",
     "FILE:1: setting slot_priority: \"cpu,\" is not 1 to 64 items, none empty"},
    {"an item without a value", "slot_priority:\n  - cpu\n  -\n",
     "FILE:3: setting slot_priority: an item of the list has no value"},
    {"a list in a list", "slot_priority:\n  - cpu\n  - [mem]\n",
     "FILE:3: setting slot_priority: an item of the list is no text"},
    {"an item with a comma", "slot_priority:\n  - \"cpu,mem\"\n",
     "FILE:2: setting slot_priority: an item of the list has a comma in it"},
    {"an option without a plugin", "plugin_options: [retries=3]\n",
     "FILE:1: setting plugin_options: \"retries=3\" is not of the form plugin.key=value"},
    {"an anchor", "executors: &n 4\n", "FILE:1: setting executors: anchors are not read here"},
    {"an anchor at a list", "plugins: &l [a]\n",
     "FILE:1: setting plugins: anchors and tags are not read here"},
    {"an alias", "executors: *n\n", "FILE:1: setting executors: aliases are not read here"},
    {"a tag", "executors: !!int 4\n", "FILE:1: setting executors: tags are not read here"},
    {"a merge", "<<: {executors: 4}\n", "FILE:1: unknown setting \"<<\": try berthd --help"},
    {"a NUL", "record: \"a\\0b\"\n", "FILE:1: setting record: the value has a NUL in it"},
    {"a second document", "executors: 4\n---\nexecutors: 5\n",
     "FILE:2: a second document is not read"},
    {"a bracket that is not closed", "slot_priority: [cpu\nlog_level: info\n",
     "FILE:2: not YAML: did not find expected ',' or ']'"},
    {"a tab", "executors: 4\n\tlog_level: info\n",
     "FILE:2: not YAML: found a tab character that violates indentation"},
    {"bytes that are no UTF-8", "record: \xff\n", "FILE:1: not YAML: invalid leading UTF-8 octet"},
    {"a control character", "record: a\x01\n",
     "FILE:1: not YAML: control characters are not allowed"},
};

START_TEST(the_file_is_refused_with_its_line)
{
    struct err e;
    struct config *g = NULL;
    settings_write(bad[_i].text);
    ck_assert_msg(settings_read(NULL, &g, &e) == -1, "%s: was taken", bad[_i].what);
    ck_assert_msg(e.code == ERR_INVALID, "%s: code %d", bad[_i].what, (int)e.code);
    ck_assert_msg(strcmp(settings_said(&e), bad[_i].said) == 0, "%s: \"%s\", expected \"%s\"",
                  bad[_i].what, settings_said(&e), bad[_i].said);
    ck_assert_msg(g == NULL, "%s: there are settings", bad[_i].what);
}
END_TEST

static void refuses(const char *what, const char *path, const char *part)
{
    struct err e = {.code = ERR_NONE};
    struct config *g = NULL;
    const char *argv[] = {"--config", path};
    ck_assert_msg(config_create(NULL, 2, (char *const *)(void *)argv, &g, &e) == -1, "%s: taken",
                  what);
    ck_assert_msg(strstr(e.message, part) != NULL, "%s: \"%s\"", what, e.message);
}

START_TEST(what_is_no_file_is_refused)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s.fifo", settings_path());
    refuses("a file that is not there", settings_path(),
            "cannot read the settings: No such file or directory");
    refuses("a folder", "/", "/: cannot read the settings: not a file");
    refuses("a device that never ends", "/dev/zero", "not a file");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    refuses("a pipe nobody writes to", path, "not a file");
    ck_assert_int_eq(unlink(path), 0);
    char *large = malloc((2 << 20) + 1);
    memset(large, '#', 2 << 20);
    large[2 << 20] = '\0';
    settings_write(large);
    free(large);
    refuses("a file of 2 MiB", settings_path(), "it is larger than 1 MiB");
}
END_TEST

START_TEST(a_connection_string_is_not_repeated)
{
    struct err e;
    struct config *g = NULL;
    char text[4200];
    memset(text, 'p', sizeof(text));
    memcpy(text, "database: sekret", 16);
    memcpy(text + sizeof(text) - 2, "\n", 2);
    settings_write(text);
    ck_assert_int_eq(settings_read(NULL, &g, &e), -1);
    ck_assert_msg(strstr(e.message, "sekret") == NULL, "%s", e.message);
    settings_write("database: {password: sekret}\n");
    ck_assert_int_eq(settings_read(NULL, &g, &e), -1);
    ck_assert_msg(strstr(e.message, "sekret") == NULL, "%s", e.message);
}
END_TEST

/* --- taken --- */

static const char *const empty[] = {"",          "\n\n", "# nothing\n",
                                    "---\n{}\n", "{}\n", "%YAML 1.1\n---\n{}\n...\n"};

START_TEST(a_file_without_settings_is_fine)
{
    struct err e;
    CLEANUP(config_destroyp) struct config *g = NULL;
    settings_write(empty[_i]);
    ck_assert_msg(settings_read(NULL, &g, &e) == 0, "\"%s\": %s", empty[_i], e.message);
    ck_assert_int_eq(g->executors, 4);
}
END_TEST

START_TEST(every_type_is_read)
{
    struct err e;
    CLEANUP(config_destroyp) struct config *g = NULL;
    settings_write("listen: unix:/run/berth.sock\n"
                   "database: 'host=h password=x'\n"
                   "executors: 9\n"
                   "max_message: 8m\n"
                   "max_metadata: \"32k\"\n"
                   "grace_period: 90s\n"
                   "repair_at_start: false\n"
                   "replica: 7\n"
                   "record: \"\"\n"
                   "log_level: \"warn\"\n"
                   "slot_priority:\n"
                   "  - \"tpu v4\"\n"
                   "  - cpu\n"
                   "plugins: []\n"
                   "plugin_options: [fifo.a=b=c, x.y=]\n");
    ck_assert_msg(settings_read(NULL, &g, &e) == 0, "%s", e.message);
    ck_assert_str_eq(g->listen, "unix:/run/berth.sock");
    ck_assert_str_eq(g->database, "host=h password=x");
    ck_assert_int_eq(g->executors, 9);
    ck_assert_int_eq(g->max_message, 8 << 20);
    ck_assert_int_eq(g->max_metadata, 32 << 10);
    ck_assert_int_eq(g->grace_period, 90000);
    ck_assert_msg(!g->repair_at_start, "a boolean was not read");
    ck_assert_str_eq(g->replica, "7");
    ck_assert_str_eq(g->record, "");
    ck_assert_int_eq(g->log_level, LOG_WARN);
    ck_assert_uint_eq(g->slot_priority.n, 2);
    ck_assert_str_eq(g->slot_priority.items[0], "tpu v4");
    ck_assert_uint_eq(g->plugins.n, 0);
    ck_assert_uint_eq(g->plugin_options.n, 2);
    ck_assert_str_eq(g->plugin_options.items[0], "fifo.a=b=c");
}
END_TEST

START_TEST(the_environment_and_flags_are_stronger_and_origins_say_so)
{
    char variable[160];
    struct err e = {.code = ERR_NONE};
    CLEANUP(config_destroyp) struct config *g = NULL;
    settings_write("log_level: warn\nexecutors: 5\npollers: 2\nslot_priority:\n  - cpu\n");
    (void)snprintf(variable, sizeof(variable), "BERTH_CONFIG=%s", settings_path());
    const char *env[] = {variable, "BERTH_EXECUTORS=6", "BERTH_POLLERS=3", NULL};
    const char *argv[] = {"--pollers=4"};
    ck_assert_msg(
        config_create((char *const *)(void *)env, 1, (char *const *)(void *)argv, &g, &e) == 0,
        "%s", e.message);
    ck_assert_int_eq(g->log_level, LOG_WARN);
    ck_assert_int_eq(g->executors, 6);
    ck_assert_int_eq(g->pollers, 4);
    (void)snprintf(variable, sizeof(variable), "%s:4", settings_path());
    ck_assert_str_eq(config_origin(g, "slot_priority"), variable);
    ck_assert_str_eq(config_origin(g, "executors"), "environment");
    ck_assert_str_eq(config_origin(g, "pollers"), "command line");
    ck_assert_str_eq(config_origin(g, "listen"), "default");
}
END_TEST

START_TEST(the_flag_names_the_file_before_the_environment_does)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(config_destroyp) struct config *g = NULL;
    const char *env[] = {"BERTH_CONFIG=/nowhere", NULL};
    char flag[160];
    settings_write("executors: 5\n");
    (void)snprintf(flag, sizeof(flag), "--config=%s", settings_path());
    const char *argv[] = {flag};
    ck_assert_msg(
        config_create((char *const *)(void *)env, 1, (char *const *)(void *)argv, &g, &e) == 0,
        "%s", e.message);
    ck_assert_int_eq(g->executors, 5);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config_file");
    TCase *tc = tcase_create("config_file");
    tcase_add_loop_test(tc, the_file_is_refused_with_its_line, 0, ARRAY_SIZE(bad));
    tcase_add_test(tc, what_is_no_file_is_refused);
    tcase_add_test(tc, a_connection_string_is_not_repeated);
    tcase_add_loop_test(tc, a_file_without_settings_is_fine, 0, ARRAY_SIZE(empty));
    tcase_add_test(tc, every_type_is_read);
    tcase_add_test(tc, the_environment_and_flags_are_stronger_and_origins_say_so);
    tcase_add_test(tc, the_flag_names_the_file_before_the_environment_does);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
