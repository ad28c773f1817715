/* test_warm_specs.c - what a kept snapshot knows of sessions that are only described: their owners
 * and groups, found in it again, and gone when nobody describes them any more. */
#include <string.h>

#include "repo/pg_query.h"
#include "tests/repo/warm_world.h"

static const char sql_world[] =
    "INSERT INTO session_groups (id, placement_direction, placement_enforcement, domain_id, "
    "project_id, owner_user_id) SELECT t.id(g), 'spread', 'strict', t.id('default'), t.id('p1'), "
    "t.id('u1') FROM unnest(ARRAY['team', 'crew']) g;"
    "SELECT t.session('s1', 1, 1024), t.session('s2', 1, 1024);"
    "UPDATE sessions SET session_group_id = t.id('crew')";

struct described { /* NULL: not said; a project is always p1 */
    const char *key, *user, *group;
};

static struct db d;
static struct pg *c;
static struct arena *a;

static void up(void)
{
    d = world_create();
    world_do(&d, sql_world);
    c = db_open(&d);
    a = arena_create();
}

static void down(void)
{
    pg_close(c);
    arena_destroy(a);
}

static const char *id_text(const char *name)
{
    const struct uuid id = world_id(&d, name);
    return uuid_format(&id, arena_new(a, char, UUID_TEXT));
}

static struct snapshot_spec spec_of(const struct described *x)
{
    struct snapshot_spec spec = {.access_key = x->key, .project = id_text("p1")};
    if (x->user != NULL)
        spec.user = id_text(x->user);
    if (x->group != NULL) {
        const struct uuid id = world_id(&d, x->group);
        spec.session_group = arena_memdup(a, &id, sizeof(id));
    }
    return spec;
}

/* Up to the first without a key; compared with a full load of the same. */
static struct warm *load(struct warm *base, const struct described *x, struct warm_report *ret,
                         const char *what)
{
    struct snapshot_spec specs[4];
    struct snapshot_query q = {.scaling_group = "g1", .specs = specs};
    for (; x[q.n_specs].key != NULL; q.n_specs++)
        specs[q.n_specs] = spec_of(&x[q.n_specs]);
    struct warm *w = warm_world_load_beside(c, base, &q, 0, a, ret, what);
    ck_assert_msg(ret->difference == NULL, "%s: kept and read: %s", what, ret->difference);
    return w;
}

/* Both sessions are AK1's and u1's, in the group "crew". */
static const struct {
    const char *what;
    struct described before[2], after[2];
    enum load_kind kind;
} gone[] = {
    {"nobody but the sessions themselves",
     {{"AK1", NULL, "crew"}},
     {{.key = NULL}},
     LOAD_UNCHANGED},
    {"a key that nobody else has", {{"AK2", "u1", NULL}}, {{.key = NULL}}, LOAD_DELTA},
    {"a user that nobody else has", {{"AK1", "u2", NULL}}, {{.key = NULL}}, LOAD_DELTA},
    {"a group that nobody else is in", {{"AK1", NULL, "team"}}, {{.key = NULL}}, LOAD_DELTA},
    {"the same key and group", {{"AK2", NULL, "team"}}, {{"AK2", NULL, "team"}}, LOAD_UNCHANGED},
    {"another group", {{"AK1", NULL, "team"}}, {{"AK1", NULL, "crew"}}, LOAD_DELTA},
};

START_TEST(who_is_there_for_a_description_alone_goes_with_it)
{
    struct warm_report report;
    up();
    CLEANUP(warm_destroyp) struct warm *base = load(NULL, gone[_i].before, &report, gone[_i].what);
    CLEANUP(warm_destroyp) struct warm *same = load(base, gone[_i].before, &report, gone[_i].what);
    ck_assert_msg(report.kind == LOAD_UNCHANGED, "%s: the same again was read", gone[_i].what);
    CLEANUP(warm_destroyp) struct warm *w = load(same, gone[_i].after, &report, gone[_i].what);
    ck_assert_msg(report.kind == gone[_i].kind, "%s: the load was of kind %d, not %d",
                  gone[_i].what, (int)report.kind, (int)gone[_i].kind);
    ck_assert_uint_eq(warm_snapshot(w)->n_sessions, 2);
    down();
}
END_TEST

static void assert_found(const struct warm *w, const struct described *x, const char *when)
{
    const struct snapshot *s = warm_snapshot(w);
    const struct snapshot_spec spec = spec_of(x);
    uint32_t n = 0, i = 0;
    const struct loaded_spec *specs = warm_specs(w, &n);
    while (i < n && !spec_equal(&specs[i].spec, &spec))
        i++;
    ck_assert_msg(i < n, "%s: %s is not among %u descriptions", when, x->key, n);
    const struct {
        enum owner_kind kind;
        const char *key;
    } owners[] = {{OWNER_KEYPAIR, x->key},
                  {OWNER_USER, id_text(x->user)},
                  {OWNER_PROJECT, id_text("p1")},
                  {OWNER_DOMAIN, "default"}};
    for (size_t k = 0; k < ARRAY_SIZE(owners); k++) {
        const uint32_t at = specs[i].found.owner[owners[k].kind];
        ck_assert_msg(at < s->n_owners && s->owners[at].kind == owners[k].kind &&
                          strcmp(s->owners[at].key, owners[k].key) == 0,
                      "%s: %s: owner %zu is not %s", when, x->key, k, owners[k].key);
    }
    const uint32_t group = specs[i].found.session_group;
    ck_assert_msg(x->group == NULL
                      ? group == NONE
                      : group < s->n_session_groups &&
                            uuid_compare(&s->session_groups[group].id, spec.session_group) == 0,
                  "%s: %s: the group is not %s", when, x->key, x->group);
}

START_TEST(descriptions_have_their_owners_and_group)
{
    static const struct described first[] = {{"AK2", "u2", "team"},
                                             {"AK1", "u1", NULL},
                                             {.key = NULL}},
                                  more[] = {{"AK1", "u1", NULL},
                                            {"AK2", "u2", "team"},
                                            {"AK1", "u2", "crew"},
                                            {.key = NULL}};
    struct warm_report report;
    uint32_t n = 0;
    up();
    CLEANUP(warm_destroyp) struct warm *base = load(NULL, first, &report, "the first");
    CLEANUP(warm_destroyp) struct warm *w = load(base, more, &report, "one more");
    CLEANUP(warm_destroyp) struct warm *same = load(w, more, &report, "the same again");
    ck_assert_int_eq(report.kind, LOAD_UNCHANGED);
    for (size_t i = 0; first[i].key != NULL; i++)
        assert_found(base, &first[i], "the first");
    for (size_t i = 0; more[i].key != NULL; i++) {
        assert_found(w, &more[i], "one more");
        assert_found(same, &more[i], "the same again");
    }
    (void)warm_specs(w, &n);
    ck_assert_uint_eq(n, 3);
    down();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("warm_specs");
    TCase *tc = tcase_create("specs");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, who_is_there_for_a_description_alone_goes_with_it, 0, ARRAY_SIZE(gone));
    tcase_add_test(tc, descriptions_have_their_owners_and_group);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_ALONE);
}
