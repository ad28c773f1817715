/* test_registry.c - which plugins may enter, with the sentence for those that may not, and what
 * holds for every built-in. */
#include <stdio.h>
#include <string.h>

#include "scheduler/plugin.h"
#include "scheduler/policy.h"
#include "tests/unit/unit.h"

static void *begin(const struct band *b)
{
    (void)b;
    return NULL;
}

static uint32_t pick_session(void *state)
{
    (void)state;
    return NONE;
}

static enum check_result check(const struct check *c, struct cause_list *causes)
{
    (void)c;
    (void)causes;
    return CHECK_PASSED;
}

static bool keep(const struct room *m, const struct requirement *r,
                 const struct option_value *options, uint32_t agent)
{
    (void)m;
    (void)r;
    (void)options;
    (void)agent;
    return true;
}

static int64_t rank(const struct room *m, const struct requirement *r,
                    const struct option_value *options, uint32_t agent)
{
    (void)m;
    (void)r;
    (void)options;
    (void)agent;
    return 0;
}

static uint32_t key(const struct room *m, const struct requirement *r,
                    const struct option_value *options, uint32_t agent, int64_t *ret)
{
    (void)m;
    (void)r;
    (void)options;
    ret[0] = agent;
    return 1;
}

static const char *const words[] = {"one", "two", NULL};

#define ABI          .abi = BERTH_PLUGIN_ABI
#define OK_VALIDATOR ABI, .kind = PLUGIN_VALIDATOR, .validator = {.check = check}
#define SPECS(...)                                                                                 \
    .options = (const struct option_spec[])                                                        \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            .key = NULL                                                                            \
        }                                                                                          \
    }
#define NAME63 "a23456789012345678901234567890123456789012345678901234567890123"

static const struct {
    const char *what;
    struct plugin plugin;
    const char *reason, *message; /* NULL: accepted */
} cases[] = {
    {"ABI 0",
     {.kind = PLUGIN_VALIDATOR, .name = "x", .validator = {.check = check}},
     "PLUGIN_ABI",
     "Plugin x.so was built for ABI 0 and this program speaks 2: rebuild it with the headers of "
     "this version."},
    {"a later ABI",
     {.abi = BERTH_PLUGIN_ABI + 1,
      .kind = PLUGIN_VALIDATOR,
      .name = "x",
      .validator = {.check = check}},
     "PLUGIN_ABI",
     "Plugin x.so was built for ABI 3 and this program speaks 2: rebuild it with the headers of "
     "this version."},
    {"no name",
     {OK_VALIDATOR},
     "BAD_PLUGIN_NAME",
     "Plugin x.so has a bad name: use lower-case letters, digits, - and _, a letter first, at most "
     "63 characters."},
    {"an empty name", {OK_VALIDATOR, .name = ""}, "BAD_PLUGIN_NAME", NULL},
    {"a name with a capital", {OK_VALIDATOR, .name = "Quota"}, "BAD_PLUGIN_NAME", NULL},
    {"a name with a digit first", {OK_VALIDATOR, .name = "1st"}, "BAD_PLUGIN_NAME", NULL},
    {"a name just below the letters", {OK_VALIDATOR, .name = "`x"}, "BAD_PLUGIN_NAME", NULL},
    {"a name just above the letters", {OK_VALIDATOR, .name = "{x"}, "BAD_PLUGIN_NAME", NULL},
    {"a name with a dot", {OK_VALIDATOR, .name = "a.b"}, "BAD_PLUGIN_NAME", NULL},
    {"a name of 64 characters", {OK_VALIDATOR, .name = NAME63 "4"}, "BAD_PLUGIN_NAME", NULL},
    {"an unknown kind",
     {ABI, .kind = N_PLUGIN_KINDS, .name = "x"},
     "BAD_PLUGIN",
     "Plugin x (x.so) is of an unknown kind, 5."},
    {"a kind far away", {ABI, .kind = (enum plugin_kind)77, .name = "x"}, "BAD_PLUGIN", NULL},
    {"a sequencer without begin",
     {ABI, .kind = PLUGIN_SEQUENCER, .name = "x", .sequencer = {.pick_session = pick_session}},
     "BAD_PLUGIN",
     "Plugin x (x.so) lacks the callback begin that every sequencer needs."},
    {"a sequencer without pick_session",
     {ABI, .kind = PLUGIN_SEQUENCER, .name = "x", .sequencer = {.begin = begin}},
     "BAD_PLUGIN",
     "Plugin x (x.so) lacks the callback pick_session that every sequencer needs."},
    {"a validator without check",
     {ABI, .kind = PLUGIN_VALIDATOR, .name = "x"},
     "BAD_PLUGIN",
     "Plugin x (x.so) lacks the callback check that every validator needs."},
    {"a filter without keep",
     {ABI, .kind = PLUGIN_FILTER, .name = "x"},
     "BAD_PLUGIN",
     "Plugin x (x.so) lacks the callback keep that every filter needs."},
    {"an order without rank",
     {ABI, .kind = PLUGIN_ORDER, .name = "x"},
     "BAD_PLUGIN",
     "Plugin x (x.so) lacks the callback rank that every order needs."},
    {"a selector without key",
     {ABI, .kind = PLUGIN_SELECTOR, .name = "x"},
     "BAD_PLUGIN",
     "Plugin x (x.so) lacks the callback key that every selector needs."},
    {"a name that is taken",
     {OK_VALIDATOR, .name = "concurrency"},
     "PLUGIN_NAME_TAKEN",
     "Plugin concurrency (x.so) cannot be added: a validator of that name exists (built in)."},
    {"a name that another kind took",
     {OK_VALIDATOR, .name = "fifo"},
     "PLUGIN_NAME_TAKEN",
     "Plugin fifo (x.so) cannot be added: a sequencer of that name exists (built in)."},
    {"an option with a bad key",
     {OK_VALIDATOR, .name = "x", SPECS({.key = "A"})},
     "BAD_PLUGIN",
     "Plugin x (x.so) declares a malformed option, number 1."},
    {"an integer below its range",
     {OK_VALIDATOR, .name = "x", SPECS({.key = "a", .min = 1, .max = 2})},
     "BAD_PLUGIN",
     NULL},
    {"an integer above its range",
     {OK_VALIDATOR, .name = "x", SPECS({.key = "a", .min = 1, .max = 2, .standard = 3})},
     "BAD_PLUGIN",
     NULL},
    {"a boolean that is neither",
     {OK_VALIDATOR, .name = "x", SPECS({.key = "a", .type = OPTION_BOOLEAN, .standard = 2})},
     "BAD_PLUGIN",
     NULL},
    {"a choice without choices",
     {OK_VALIDATOR, .name = "x", SPECS({.key = "a", .type = OPTION_CHOICE})},
     "BAD_PLUGIN",
     NULL},
    {"a choice before the first",
     {OK_VALIDATOR, .name = "x",
      SPECS({.key = "a", .type = OPTION_CHOICE, .choices = words, .standard = -1})},
     "BAD_PLUGIN",
     NULL},
    {"a choice behind the last",
     {OK_VALIDATOR, .name = "x",
      SPECS({.key = "a", .type = OPTION_CHOICE, .choices = words, .standard = 2})},
     "BAD_PLUGIN",
     NULL},
    {"an option of no type",
     {OK_VALIDATOR, .name = "x", SPECS({.key = "a", .type = (enum option_type)9})},
     "BAD_PLUGIN",
     NULL},
    {"the second option is malformed",
     {OK_VALIDATOR, .name = "x", SPECS({.key = "a", .type = OPTION_TEXT}, {.key = ""})},
     "BAD_PLUGIN",
     "Plugin x (x.so) declares a malformed option, number 2."},

    {"a sequencer",
     {ABI, .kind = PLUGIN_SEQUENCER, .name = "x", .sequencer = {begin, pick_session, NULL}},
     NULL,
     NULL},
    {"a validator", {OK_VALIDATOR, .name = "x"}, NULL, NULL},
    {"a filter", {ABI, .kind = PLUGIN_FILTER, .name = "x", .filter = {.keep = keep}}, NULL, NULL},
    {"an order", {ABI, .kind = PLUGIN_ORDER, .name = "x", .order = {.rank = rank}}, NULL, NULL},
    {"a selector",
     {ABI, .kind = PLUGIN_SELECTOR, .name = "x", .selector = {.key = key}},
     NULL,
     NULL},
    {"a name of 63 characters", {OK_VALIDATOR, .name = NAME63}, NULL, NULL},
    {"a name with all there may be", {OK_VALIDATOR, .name = "a0-_z9"}, NULL, NULL},
    {"options of every type",
     {OK_VALIDATOR, .name = "x",
      SPECS({.key = "a", .min = 1, .max = 1, .standard = 1},
            {.key = "b", .type = OPTION_BOOLEAN, .standard = 1},
            {.key = "c", .type = OPTION_CHOICE, .choices = words, .standard = 1},
            {.key = "d", .type = OPTION_TEXT})},
     NULL,
     NULL},
};

START_TEST(registry_admits_as_tabled)
{
    CLEANUP(registry_destroyp) struct registry *r = registry_create();
    uint32_t before = registry_count(r);
    struct err e = {0};
    bool refused = registry_add(r, &cases[_i].plugin, "x.so", &e) < 0;
    ck_assert_msg(refused == (cases[_i].reason != NULL), "%s: %s", cases[_i].what,
                  refused ? e.message : "accepted");
    ck_assert_msg(registry_count(r) == before + !refused, "%s: %u plugins", cases[_i].what,
                  registry_count(r));
    if (!refused) {
        const char *origin = NULL;
        ck_assert_msg(registry_at(r, before, &origin) == &cases[_i].plugin, "%s: another plugin",
                      cases[_i].what);
        ck_assert_msg(strcmp(origin, "x.so") == 0, "%s: origin %s", cases[_i].what, origin);
        return;
    }
    ck_assert_msg(e.code == ERR_INVALID, "%s: code %s", cases[_i].what, err_code_name(e.code));
    ck_assert_msg(strcmp(e.reason, cases[_i].reason) == 0, "%s: reason %s", cases[_i].what,
                  e.reason);
    ck_assert_msg(cases[_i].message == NULL || strcmp(e.message, cases[_i].message) == 0, "%s: %s",
                  cases[_i].what, e.message);
    ck_assert_msg(e.n_meta == 1 && strcmp(e.meta[0].value, "x.so") == 0,
                  "%s: the file is not named", cases[_i].what);
}
END_TEST

START_TEST(the_same_name_enters_once)
{
    CLEANUP(registry_destroyp) struct registry *r = registry_create();
    struct plugin p = {OK_VALIDATOR, .name = "x"};
    struct err e = {0};
    ck_assert_int_eq(registry_add(r, &p, "one.so", &e), 0);
    ck_assert_int_eq(registry_add(r, &p, "two.so", &e), -1);
    ck_assert_str_eq(
        e.message, "Plugin x (two.so) cannot be added: a validator of that name exists (one.so).");
    ck_assert_int_eq(registry_add(r, &p, NULL, NULL), -1);
}
END_TEST

/* A decision has 64 bits for the validators that passed. */
START_TEST(sixty_four_of_a_kind_are_enough)
{
    CLEANUP(registry_destroyp) struct registry *r = registry_create();
    static struct plugin many[64];
    static char names[64][16];
    struct err e = {0};
    for (int i = 0; i < 64; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "v%d", i);
        many[i] = (struct plugin){OK_VALIDATOR, .name = names[i]};
        bool refused = registry_add(r, &many[i], "many.so", &e) < 0;
        ck_assert_msg(refused == (i >= 55), "validator %d: %s", i + 9,
                      refused ? e.message : "accepted");
    }
    ck_assert_str_eq(e.reason, "TOO_MANY_PLUGINS");
    ck_assert_str_eq(e.message, "Plugin v63 (many.so) is one validator too many: 64 is the limit.");
}
END_TEST

START_TEST(builtins_are_complete_and_documented)
{
    CLEANUP(registry_destroyp) struct registry *r = registry_create();
    unsigned n[N_PLUGIN_KINDS] = {0};
    for (uint32_t i = 0; i < registry_count(r); i++) {
        const char *origin = "";
        const struct plugin *p = registry_at(r, i, &origin);
        n[p->kind]++;
        ck_assert_msg(origin == NULL, "%s is not built in", p->name);
        ck_assert_msg(p->doc != NULL && strlen(p->doc) > 10, "%s says nothing about itself",
                      p->name);
        for (const struct option_spec *o = p->options; o != NULL && o->key != NULL; o++)
            ck_assert_msg(o->doc != NULL && strlen(o->doc) > 10, "option %s of %s says nothing",
                          o->key, p->name);
    }
    ck_assert_msg(n[PLUGIN_SEQUENCER] >= 3 && n[PLUGIN_VALIDATOR] >= 9 && n[PLUGIN_FILTER] >= 5 &&
                      n[PLUGIN_ORDER] >= 2 && n[PLUGIN_SELECTOR] >= 4,
                  "%u %u %u %u %u", n[0], n[1], n[2], n[3], n[4]);
    registry_destroy(NULL);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, registry_admits_as_tabled, 0, ARRAY_SIZE(cases));
    tcase_add_test(tc, the_same_name_enters_once);
    tcase_add_test(tc, sixty_four_of_a_kind_are_enough);
    tcase_add_test(tc, builtins_are_complete_and_documented);
}

int main(void)
{
    return unit_run("registry", add);
}
