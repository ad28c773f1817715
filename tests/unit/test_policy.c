/* test_policy.c - names and options: what a group may ask for, where a value comes from, and the
 * sentences for what cannot be accepted. */
#include <string.h>

#include "scheduler/plugin.h"
#include "tests/unit/scene.h"
#include "tests/unit/unit.h"

/* A validator with an option of each type; it writes what it sees into a cause. */
static enum check_result show(const struct check *c, struct cause_list *causes)
{
    (void)cause_addf(causes, CAUSE_PLUGIN, NULL, "%ld %ld %ld=%s %s", (long)c->options[0].number,
                     (long)c->options[1].number, (long)c->options[2].number, c->options[2].text,
                     c->options[3].text);
    return CHECK_REJECTED;
}

static const char *const modes[] = {"slow", "fast", NULL};
static const struct option_spec specs[] = {
    {.key = "level",
     .doc = "a number",
     .type = OPTION_INTEGER,
     .min = -5,
     .max = 100,
     .standard = 7},
    {.key = "strict", .doc = "a switch", .type = OPTION_BOOLEAN, .standard = 1},
    {.key = "mode", .doc = "a choice", .type = OPTION_CHOICE, .choices = modes, .standard = 1},
    {.key = "label", .doc = "a text", .type = OPTION_TEXT, .standard_text = "none"},
    {.key = NULL},
};
static const struct plugin probe = {.abi = BERTH_PLUGIN_ABI,
                                    .kind = PLUGIN_VALIDATOR,
                                    .name = "probe",
                                    .options = specs,
                                    .validator = {.check = show}};

/* What the probe sees, or the error's sentence. */
static const char *probe_text(const char *scene, const struct policy_config *c, struct arena *a)
{
    CLEANUP(registry_destroyp) struct registry *r = registry_create();
    const struct snapshot *s = scene_snapshot(arena_printf(a, "%s; agent a; session 1", scene), a);
    struct policy *p = NULL;
    struct plan *plan = NULL;
    struct err e = {0};
    ck_assert_int_eq(registry_add(r, &probe, "probe.so", &e), 0);
    if (policy_resolve(r, c, s, a, &p, &e) < 0) {
        ck_assert_msg(e.code == ERR_PRECONDITION, "%s: %s", e.message, err_code_name(e.code));
        return arena_strdup(a, e.message);
    }
    ck_assert_int_eq(round_run(s, p, NULL, NULL, a, &plan, NULL, &e), 0);
    return plan->decisions[0].causes[0].message;
}

static const struct {
    const char *what, *scene, *seen;
} cases[] = {
    {"defaults", "", "7 1 1=fast none"},
    {"plain keys", "option level 3; option strict false; option mode \"slow\"; option label \"x\"",
     "3 0 0=slow x"},
    {"prefixed keys", "option probe.level 3; option probe.label \"y\"", "3 1 1=fast y"},
    {"prefixed wins, whatever comes last", "option probe.level 3; option level 4",
     "3 1 1=fast none"},
    {"another plugin's prefix is not ours", "option fifo.level 3", "7 1 1=fast none"},
    {"a prefix must end in a dot", "option probe_level 3", "7 1 1=fast none"},
    {"a prefix of the same length is not ours", "option prose.level 3", "7 1 1=fast none"},
    {"numbers may come as text", "option level \"3\"", "3 1 1=fast none"},
    {"numbers may have a zero fraction", "option level 2.0", "2 1 1=fast none"},
    {"text with a zero fraction", "option level \"2.000\"", "2 1 1=fast none"},
    {"an exponent", "option level 1e1", "10 1 1=fast none"},
    {"an exponent with sign", "option level 1E+1", "10 1 1=fast none"},
    {"a fraction that the exponent makes whole", "option level 1.5e1", "15 1 1=fast none"},
    {"zeros that a negative exponent takes", "option level 300e-2", "3 1 1=fast none"},
    {"zero", "option level 0", "0 1 1=fast none"},
    {"zero with any exponent", "option level 0e-99999", "0 1 1=fast none"},
    {"minus zero", "option level -0.0", "0 1 1=fast none"},
    {"the smallest", "option level -5", "-5 1 1=fast none"},
    {"the largest", "option level 100", "100 1 1=fast none"},
    {"a boolean as text", "option strict \"false\"", "7 0 1=fast none"},
    {"an empty text", "option label \"\"", "7 1 1=fast "},
    {"escapes in a text", "option label \"a\\\"\\\\\\/\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"",
     "7 1 1=fast a\"\\/A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"the ends of the ranges of UTF-8",
     "option label "
     "\"\\u00ff\\u0080\\u07ff\\u0800\\uFFFF\\ud800\\udc00\\uDBFF\\uDFFF\\ud7ff\\ue000\"",
     "7 1 1=fast "
     "\xc3\xbf\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\xed\x9f\xbf"
     "\xee\x80\x80"},
    {"control escapes in a text", "option label \"\\b\\f\\n\\r\\t\"", "7 1 1=fast \b\f\n\r\t"},

#define LEVEL "Option \"level\" of validator probe must be an integer from -5 to 100, not "
    {"below", "option level -6", LEVEL "-6."},
    {"above", "option level 101", LEVEL "101."},
    {"a fraction", "option level 2.5", LEVEL "2.5."},
    {"a tiny fraction", "option level 2.0000000001", LEVEL "2.0000000001."},
    {"a fraction by exponent", "option level 5e-1", LEVEL "5e-1."},
    {"null", "option level null", LEVEL "null."},
    {"a boolean for a number", "option level true", LEVEL "true."},
    {"a list", "option level [3]", LEVEL "[3]."},
    {"an empty text for a number", "option level \"\"", LEVEL "\"\"."},
    {"a word", "option level \"many\"", LEVEL "\"many\"."},
    {"a point without digits", "option level 3.", LEVEL "3.."},
    {"an exponent without digits", "option level 3e", LEVEL "3e."},
    {"an exponent with a sign only", "option level 3e-", LEVEL "3e-."},
    {"a sign only", "option level -", LEVEL "-."},
    {"hexadecimal", "option level 0x10", LEVEL "0x10."},
    {"not a number", "option level NaN", LEVEL "NaN."},
    {"too large for 64 bits", "option level 9223372036854775808", LEVEL "9223372036854775808."},
    {"too large by exponent", "option level 1e19", LEVEL "1e19."},
    {"an exponent beyond all", "option level 1e999999999999", LEVEL "1e999999999999."},
    {"twenty digits", "option level 99999999999999999999", LEVEL "99999999999999999999."},
    {"a long value is cut", "option level \"0123456789012345678901234567890123456789012345\"",
     LEVEL "\"012345678901234567890123456789012345678."},
    {"a prefixed key is named as it was written", "option probe.level -6",
     "Option \"probe.level\" of validator probe must be an integer from -5 to 100, not -6."},
    {"a number for a boolean", "option strict 1",
     "Option \"strict\" of validator probe must be true or false, not 1."},
    {"an unknown choice", "option mode \"medium\"",
     "Option \"mode\" of validator probe must be one of slow, fast, not \"medium\"."},
    {"a choice must be a text", "option mode slow",
     "Option \"mode\" of validator probe must be one of slow, fast, not slow."},
#define LABEL "Option \"label\" of validator probe must be a text, not "
    {"a number for a text", "option label 3", LABEL "3."},
    {"an unfinished text", "option label \"x", LABEL "\"x."},
    {"a single quote mark", "option label \"", LABEL "\"."},
    {"a quote mark inside", "option label \"x\"y\"", LABEL "\"x\"y\"."},
    {"a backslash at the end", "option label \"x\\\"", LABEL "\"x\\\"."},
    {"an unknown escape", "option label \"\\x\"", LABEL "\"\\x\"."},
    {"a short unicode escape", "option label \"\\u12\"", LABEL "\"\\u12\"."},
    {"no hexadecimal digit", "option label \"\\u12g4\"", LABEL "\"\\u12g4\"."},
    {"NUL", "option label \"\\u0000\"", LABEL "\"\\u0000\"."},
    {"half a surrogate pair", "option label \"\\ud83d\"", LABEL "\"\\ud83d\"."},
    {"a high surrogate before something else", "option label \"\\ud83dxyzabc\"",
     LABEL "\"\\ud83dxyzabc\"."},
    {"a high surrogate before another escape", "option label \"\\ud83d\\u0041\"",
     LABEL "\"\\ud83d\\u0041\"."},
    {"a high surrogate before what is beyond", "option label \"\\ud83d\\ue000\"",
     LABEL "\"\\ud83d\\ue000\"."},
    {"a low surrogate first", "option label \"\\ude00\"", LABEL "\"\\ude00\"."},

#define RETRIES                                                                                    \
    "Option \"num_retries_to_skip\" of sequencer fifo must be an integer of at least 0, not "
    {"fifo: -1", "option num_retries_to_skip -1", RETRIES "-1."},
    {"fifo: 2.5", "option num_retries_to_skip 2.5", RETRIES "2.5."},
    {"fifo: null", "option num_retries_to_skip null", RETRIES "null."},
    {"fifo: three as text is fine", "option num_retries_to_skip \"3\"", "7 1 1=fast none"},
    {"lifo does not look at fifo's option", "group scheduler=lifo; option num_retries_to_skip -1",
     "7 1 1=fast none"},
    {"an unknown queue policy", "option queue_policy \"all\"",
     "Option \"queue_policy\" of the group must be one of try-all, top-priority, stop-at-first, "
     "not \"all\"."},
    {"an unknown scheduler", "group scheduler=best",
     "There is no scheduler \"best\"; known are: drf, fifo, lifo."},
    {"a strategy is no scheduler", "group scheduler=dispersed",
     "There is no scheduler \"dispersed\"; known are: drf, fifo, lifo."},
    {"an unknown strategy", "group strategy=best",
     "There is no strategy \"best\"; known are: concentrated, dispersed, legacy, roundrobin."},
    {"options that cannot be read", "group bad", "scheduler_opts of group g is unreadable"},
};

START_TEST(options_are_read_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *got = probe_text(cases[_i].scene, NULL, a);
    ck_assert_msg(strcmp(got, cases[_i].seen) == 0, "%s:\nwant %s\ngot  %s", cases[_i].what,
                  cases[_i].seen, got);
}
END_TEST

START_TEST(the_server_gives_defaults_and_the_group_overlays_them)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    static const struct option server[] = {{"probe.level", "11"},
                                           {"probe.mode", "\"slow\""},
                                           {"level", "12"},
                                           {"queue_policy", "\"top-priority\""}};
    struct policy_config c = {.options = server, .n_options = ARRAY_SIZE(server)};
    ck_assert_str_eq(probe_text("", &c, a), "11 1 0=slow none");
    ck_assert_str_eq(probe_text("option level 5", &c, a), "5 1 0=slow none");
    ck_assert_str_eq(probe_text("option probe.level 6; option level 5", &c, a), "6 1 0=slow none");
    static const struct option bad[] = {{"probe.level", NULL}};
    c = (struct policy_config){.options = bad, .n_options = 1};
    ck_assert_str_eq(
        probe_text("", &c, a),
        "Option \"probe.level\" of validator probe must be an integer from -5 to 100, not null.");
    const struct snapshot *s = scene_snapshot("session 1; session 2 prio=99", a);
    c = (struct policy_config){.options = server, .n_options = ARRAY_SIZE(server)};
    struct plan *p = NULL;
    ck_assert_int_eq(round_run(s, scene_policy(s, &c, a), NULL, NULL, a, &p, NULL, NULL), 0);
    ck_assert_msg(p->counts[OUTCOME_SKIPPED] == 1, "the server's queue_policy was not followed");
}
END_TEST

START_TEST(space_around_a_value_does_not_matter)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    static const struct option server[] = {{"probe.level", " \t\n\r3 \t\n\r"},
                                           {"probe.strict", " false "},
                                           {"probe.mode", "\n\" slow\t\""},
                                           {"probe.label", " \"\\u00E9 \" "}};
    struct policy_config c = {.options = server, .n_options = ARRAY_SIZE(server)};
    ck_assert_str_eq(probe_text("", &c, a), "3 0 0=slow \xc3\xa9 ");
    static const struct option blank[] = {{"probe.level", " "}};
    c = (struct policy_config){.options = blank, .n_options = 1};
    ck_assert_str_eq(
        probe_text("", &c, a),
        "Option \"probe.level\" of validator probe must be an integer from -5 to 100, not .");
}
END_TEST

static bool keep(const struct room *m, const struct requirement *r,
                 const struct option_value *options, uint32_t agent)
{
    (void)m;
    (void)r;
    return options[0].number == (int64_t)agent;
}

static int64_t rank(const struct room *m, const struct requirement *r,
                    const struct option_value *options, uint32_t agent)
{
    (void)m;
    (void)r;
    return options[0].number == (int64_t)agent ? 0 : 1;
}

static uint32_t key(const struct room *m, const struct requirement *r,
                    const struct option_value *options, uint32_t agent, int64_t *ret)
{
    ret[0] = rank(m, r, options, agent);
    return 1;
}

/* Filters, orders and selectors have options, too: each of these wants the agent its option names.
 */
START_TEST(every_kind_of_plugin_has_options)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    static const struct plugin kinds[] = {
        {.abi = BERTH_PLUGIN_ABI,
         .kind = PLUGIN_FILTER,
         .name = "wish",
         .options = specs,
         .filter = {.keep = keep}},
        {.abi = BERTH_PLUGIN_ABI,
         .kind = PLUGIN_ORDER,
         .name = "wish",
         .options = specs,
         .order = {.rank = rank}},
        {.abi = BERTH_PLUGIN_ABI,
         .kind = PLUGIN_SELECTOR,
         .name = "wish",
         .options = specs,
         .selector = {.key = key}},
    };
    static const char *const words[] = {"filter", "order", "selector"};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        const struct plugin *const one[] = {&kinds[i]};
        const char *group = kinds[i].kind == PLUGIN_SELECTOR ? "group strategy=wish;" : "";
        const char *scene =
            arena_printf(a, "%s agent a; agent b; agent c; session 1; option wish.level", group);
        ck_assert_str_eq(scene_run_with(one, 1, arena_printf(a, "%s 1", scene), a),
                         "1 SCHEDULED b");
        ck_assert_str_eq(scene_run_with(one, 1, arena_printf(a, "%s 2", scene), a),
                         "1 SCHEDULED c");
        ck_assert_str_eq(
            scene_run_with(one, 1, arena_printf(a, "%s 101", scene), a),
            arena_printf(
                a, "Option \"wish.level\" of %s wish must be an integer from -5 to 100, not 101.",
                words[i]));
    }
}
END_TEST

START_TEST(unknown_options_are_kept_and_named)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    static const struct option server[] = {{"fifo.num_retries_to_skip", "1"}, {"ghost.key", "1"}};
    struct policy_config c = {.options = server, .n_options = ARRAY_SIZE(server)};
    const struct snapshot *s =
        scene_snapshot("group scheduler=lifo; option num_retries_to_skip 1; option queue_policy "
                       "\"try-all\"; option colour 1; "
                       "option fifo.colour 2; option lifo.num_retries_to_skip 3",
                       a);
    const char *const *unknown = policy_unknown_options(scene_policy(s, &c, a));
    char *got = arena_strdup(a, "");
    for (; *unknown != NULL; unknown++)
        got = arena_printf(a, "%s%s ", got, *unknown);
    ck_assert_str_eq(got, "colour fifo.colour lifo.num_retries_to_skip ghost.key ");
    s = scene_snapshot("agent a", a);
    ck_assert_ptr_null(policy_unknown_options(scene_policy(s, NULL, a))[0]);
}
END_TEST

START_TEST(errors_carry_what_a_program_needs)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(registry_destroyp) struct registry *r = registry_create();
    static const struct {
        const char *scene, *reason, *key, *value;
    } t[] = {
        {"group scheduler=best", "UNKNOWN_SCHEDULER", "scheduler", "best"},
        {"group strategy=best", "UNKNOWN_STRATEGY", "strategy", "best"},
        {"option num_retries_to_skip -1", "BAD_OPTION", "option", "num_retries_to_skip"},
        {"group bad", "BAD_SCHEDULER_OPTIONS", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        struct policy *untouched = (struct policy *)a, *p = untouched;
        struct err e = {0};
        ck_assert_int_eq(policy_resolve(r, NULL, scene_snapshot(t[i].scene, a), a, &p, &e), -1);
        ck_assert_msg(strcmp(e.reason, t[i].reason) == 0, "%s: %s", t[i].scene, e.reason);
        ck_assert_msg(p == untouched, "%s: the output was touched", t[i].scene);
        if (t[i].key != NULL)
            ck_assert_msg(strcmp(e.meta[0].key, t[i].key) == 0 &&
                              strcmp(e.meta[0].value, t[i].value) == 0,
                          "%s: %s=%s", t[i].scene, e.meta[0].key, e.meta[0].value);
    }
}
END_TEST

/* Rows without a scheduler or a strategy: no scheduler is an unknown one, the strategy has a
 * default. */
START_TEST(a_group_without_a_strategy_is_dispersed)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(registry_destroyp) struct registry *r = registry_create();
    const struct snapshot *full =
        scene_snapshot("agent a cpu=1; agent b cpu=2; session 1 cpu=1", a);
    struct snapshot bare = *full;
    struct policy *p = NULL;
    struct plan *plan = NULL;
    struct err e = {0};
    bare.strategy = NULL;
    ck_assert_int_eq(policy_resolve(r, NULL, &bare, a, &p, &e), 0);
    ck_assert_int_eq(round_run(&bare, p, NULL, NULL, a, &plan, NULL, &e), 0);
    ck_assert_str_eq(scene_plan_text(&bare, plan, a), "1 SCHEDULED b");
    bare.scheduler = NULL;
    ck_assert_int_eq(policy_resolve(r, NULL, &bare, a, &p, &e), -1);
    ck_assert_str_eq(e.message, "There is no scheduler \"\"; known are: drf, fifo, lifo.");
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, options_are_read_as_tabled, 0, ARRAY_SIZE(cases));
    tcase_add_test(tc, the_server_gives_defaults_and_the_group_overlays_them);
    tcase_add_test(tc, space_around_a_value_does_not_matter);
    tcase_add_test(tc, every_kind_of_plugin_has_options);
    tcase_add_test(tc, unknown_options_are_kept_and_named);
    tcase_add_test(tc, errors_carry_what_a_program_needs);
    tcase_add_test(tc, a_group_without_a_strategy_is_dispersed);
}

int main(void)
{
    return unit_run("policy", add);
}
