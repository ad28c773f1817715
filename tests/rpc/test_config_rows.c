/* test_config_rows.c - every row of config.def: from each source, and with values that are wrong.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/rpc/settings.h"

static const struct {
    const char *name;
    const char *type;
    const char *dflt;
    int64_t least, greatest;
    const char *reload, *prose;
    size_t offset;
} rows[] = {
#define SETTING(name, type, dflt, least, greatest, reload, prose)                                  \
    {#name, #type, dflt, least, greatest, #reload, prose, offsetof(struct config, name)},
#include "server/config.def"
#undef SETTING
};

/* Of each type: a value that every row of it takes, elsewhere and in the file, and one that none
 * does. good NULL: the greatest of the row. */
static const struct sample {
    const char *type;
    const char *good, *in_file, *bad, *bad_in_file;
} samples[] = {
    {"TEXT", "unix:/x", "\"unix:/x\"", NULL, "[x]"},
    {"CONNINFO", "host=h", "host=h", NULL, "{host: h}"},
    {"LIST", "a,b", "[a, b]", "a,,b", "a"},
    {"OPTIONS", "p.k=v,q.k=w", "[p.k=v, q.k=w]", "p.k=v,k=v", "p.k=v"},
    {"LEVELS", "hub=debug,loop=warn", "[hub=debug, loop=warn]", "hub=debug,nobody=debug",
     "hub=debug"},
    {"INT", NULL, NULL, "1e1", "\"1\""},
    {"BYTES", NULL, NULL, "1q", "[1k]"},
    {"MS", NULL, NULL, "17", "17"},
    {"BOOL", "true", "true", "1", "'true'"},
};

/* Of a choice, the last of its words. */
static struct sample sample_of(int row, struct arena *a)
{
    struct config_about about;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        if (strcmp(samples[i].type, rows[row].type) == 0)
            return samples[i];
    }
    config_about((size_t)row, a, &about);
    ck_assert_msg(strncmp(rows[row].type, "CHOICE_", 7) == 0 && about.words != NULL,
                  "%s: no sample of type %s", rows[row].name, rows[row].type);
    const char *word = about.words[0];
    for (size_t i = 0; about.words[i] != NULL; i++)
        word = about.words[i];
    return (struct sample){rows[row].type, word, word, "no such word", "[x]"};
}

static bool is_type(int row, const char *type)
{
    return strcmp(rows[row].type, type) == 0;
}

static const char *number_text(char text[32], int row, int64_t value)
{
    (void)snprintf(text, 32, "%lld%s", (long long)value, is_type(row, "MS") ? "ms" : "");
    return text;
}

static void flag_of(char flag[300], int row, const char *value)
{
    (void)snprintf(flag, 300, "--%s=%s", rows[row].name, value);
    for (char *p = flag; *p != '='; p++)
        *p = (char)(*p == '_' ? '-' : *p);
}

static void variable_of(char variable[300], int row, const char *value)
{
    (void)snprintf(variable, 300, "BERTH_%s=%s", rows[row].name, value);
    for (char *p = variable; *p != '='; p++)
        *p = (char)toupper((unsigned char)*p);
}

static int make(const char *variable, const char *flag, struct config **ret, struct err *e)
{
    const char *env[] = {variable, NULL};
    const char *argv[] = {flag};
    *e = (struct err){.code = ERR_NONE};
    return config_create((char *const *)(void *)env, flag != NULL, (char *const *)(void *)argv, ret,
                         e);
}

/* The value as --print-config shows it. */
static const char *shown(const struct config *g, const char *name)
{
    static char value[5000];
    char *text = NULL;
    size_t n = 0;
    char want[80];
    FILE *out = open_memstream(&text, &n);
    config_print(g, out);
    ck_assert_int_eq(fclose(out), 0);
    (void)snprintf(want, sizeof(want), "%-24s = ", name);
    const char *at = strstr(text, want);
    ck_assert_msg(at != NULL && (at == text || at[-1] == '\n'), "%s is not printed", name);
    at += strlen(want);
    const char *end = strstr(at, " # ");
    ck_assert_msg(end != NULL && (size_t)(end - at) < sizeof(value), "%s has no origin", name);
    while (end > at && end[-1] == ' ')
        end--;
    memcpy(value, at, (size_t)(end - at));
    value[end - at] = '\0';
    free(text);
    return value;
}

static void refused(const char *variable, const char *flag, int row, const char *how)
{
    struct err e;
    struct config *g = NULL;
    char about[80];
    ck_assert_msg(make(variable, flag, &g, &e) == -1, "%s %s was taken", how, rows[row].name);
    (void)snprintf(about, sizeof(about), "setting %s (", rows[row].name);
    ck_assert_msg(e.code == ERR_INVALID && strncmp(e.message, about, strlen(about)) == 0, "%s: %s",
                  how, e.message);
}

START_TEST(a_wrong_value_is_refused_from_each_source)
{
    struct err e;
    struct config *g = NULL;
    char bad[4200];
    char text[4300];
    char about[80];
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct sample sample = sample_of(_i, a);
    const char *value = sample.bad;
    if (value == NULL) { /* a text that is too long */
        memset(bad, 'x', sizeof(bad) - 1);
        bad[sizeof(bad) - 1] = '\0';
        value = bad;
    }
    (void)snprintf(text, sizeof(text), "BERTH_%s=%s", rows[_i].name, value);
    refused(text, NULL, _i, "environment");
    (void)snprintf(text, sizeof(text), "--%s=%s", rows[_i].name, value);
    refused(NULL, text, _i, "command line");
    (void)snprintf(text, sizeof(text), "# one line\n%s: %s\n", rows[_i].name, sample.bad_in_file);
    settings_write(text);
    ck_assert_msg(settings_read(NULL, &g, &e) == -1, "%s was taken", text);
    (void)snprintf(about, sizeof(about), "FILE:2: setting %s: ", rows[_i].name);
    ck_assert_msg(strncmp(settings_said(&e), about, strlen(about)) == 0, "%s", settings_said(&e));
}
END_TEST

START_TEST(a_number_out_of_range_is_refused)
{
    char text[32];
    char flag[300];
    bool is_number = is_type(_i, "INT") || is_type(_i, "BYTES") || is_type(_i, "MS");
    if (!is_number)
        return;
    flag_of(flag, _i, number_text(text, _i, rows[_i].least - 1));
    refused(NULL, flag, _i, "below the least");
    flag_of(flag, _i, number_text(text, _i, rows[_i].greatest + 1));
    refused(NULL, flag, _i, "above the greatest");
}
END_TEST

START_TEST(each_source_sets_it_and_the_later_is_stronger)
{
    struct err e;
    char text[32];
    char flag[300];
    char variable[300];
    char file[400];
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct sample sample = sample_of(_i, a);
    const char *good = sample.good;
    const char *in_file = sample.in_file;
    if (good == NULL)
        good = in_file = number_text(text, _i, rows[_i].greatest);
    flag_of(flag, _i, good);
    variable_of(variable, _i, good);
    CLEANUP(config_destroyp) struct config *by_flag = NULL;
    CLEANUP(config_destroyp) struct config *by_variable = NULL;
    CLEANUP(config_destroyp) struct config *by_file = NULL;
    ck_assert_msg(make(NULL, flag, &by_flag, &e) == 0, "%s: %s", flag, e.message);
    ck_assert_msg(make(variable, NULL, &by_variable, &e) == 0, "%s: %s", variable, e.message);
    (void)snprintf(file, sizeof(file), "%s: %s\n", rows[_i].name, in_file);
    settings_write(file);
    ck_assert_msg(settings_read(NULL, &by_file, &e) == 0, "%s: %s", file, e.message);
    char first[5000];
    (void)snprintf(first, sizeof(first), "%s", shown(by_flag, rows[_i].name));
    ck_assert_str_eq(shown(by_variable, rows[_i].name), first);
    ck_assert_str_eq(shown(by_file, rows[_i].name), first);
    ck_assert_str_eq(config_origin(by_flag, rows[_i].name), "command line");
    ck_assert_str_eq(config_origin(by_variable, rows[_i].name), "environment");
    ck_assert_msg(strstr(config_origin(by_file, rows[_i].name), "berthd.yaml:1") != NULL, "%s",
                  config_origin(by_file, rows[_i].name));
}
END_TEST

START_TEST(the_row_itself_is_in_order)
{
    struct config_about about;
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *prose = rows[_i].prose;
    size_t n = strlen(prose);
    ck_assert_msg(n > 10 && prose[n - 1] == '.', "%s: the prose ends in no period", rows[_i].name);
    ck_assert_msg(strstr(prose, "  ") == NULL, "%s: two blanks", rows[_i].name);
    ck_assert_msg(isupper((unsigned char)prose[0]) || strncmp(prose, "auto ", 5) == 0 ||
                      strncmp(prose, "gRPC ", 5) == 0,
                  "%s: the prose begins small", rows[_i].name);
    ck_assert_msg(rows[_i].least <= rows[_i].greatest, "%s: no range", rows[_i].name);
    ck_assert_msg(strcmp(rows[_i].reload, "RELOAD") == 0 || strcmp(rows[_i].reload, "RESTART") == 0,
                  "%s: %s", rows[_i].name, rows[_i].reload);
    ck_assert_msg(config_index(rows[_i].name) == (size_t)_i, "%s is not found", rows[_i].name);
    config_about((size_t)_i, a, &about);
    ck_assert_msg(*about.section != '\0', "%s is in no section", rows[_i].name);
    ck_assert_msg(about.value != NULL && about.reloads == (rows[_i].reload[2] == 'L'),
                  "%s is described wrongly", rows[_i].name);
}
END_TEST

START_TEST(the_default_is_taken_by_its_own_rule)
{
    struct err e;
    char flag[300];
    CLEANUP(config_destroyp) struct config *g = NULL;
    flag_of(flag, _i, rows[_i].dflt);
    ck_assert_msg(make(NULL, flag, &g, &e) == 0, "%s: %s", flag, e.message);
    if (is_type(_i, "INT"))
        ck_assert_int_eq(*(const int64_t *)(const void *)((const char *)g + rows[_i].offset),
                         strtoll(rows[_i].dflt, NULL, 10));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config_rows");
    TCase *tc = tcase_create("config_rows");
    const int n = (int)ARRAY_SIZE(rows);
    tcase_add_loop_test(tc, a_wrong_value_is_refused_from_each_source, 0, n);
    tcase_add_loop_test(tc, a_number_out_of_range_is_refused, 0, n);
    tcase_add_loop_test(tc, each_source_sets_it_and_the_later_is_stronger, 0, n);
    tcase_add_loop_test(tc, the_row_itself_is_in_order, 0, n);
    tcase_add_loop_test(tc, the_default_is_taken_by_its_own_rule, 0, n);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
