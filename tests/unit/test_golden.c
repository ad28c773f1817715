/* test_golden.c - whole rounds written down: golden/<name>.scene goes in, golden/<name>.plan comes
 * out, with every sentence. After a change that is meant, run with GOLDEN_WRITE=1 and read the
 * difference. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/cause.h"
#include "tests/unit/scene.h"
#include "tests/unit/unit.h"

static const struct {
    const char *name;
    int64_t max_containers;
} rounds[] = {{"campus", 10}, {"replicas", 4}, {"turns", 0}};

static char *path_of(const char *name, const char *ending, struct arena *a)
{
    return arena_printf(a, "%s/%s.%s", GOLDEN_DIR, name, ending);
}

static char *read_file(const char *path, struct arena *a)
{
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "cannot open %s", path);
    char *text = arena_new(a, char, 65536);
    size_t n = fread(text, 1, 65535, f);
    ck_assert_msg(n < 65535, "%s is too long", path);
    ck_assert_int_eq(fclose(f), 0);
    return text;
}

/* The plan, every sentence, the cursors and the fingerprint. */
static char *golden_text(const struct snapshot *s, const struct plan *p, struct arena *a)
{
    struct text t = {.arena = a};
    text_add(&t, scene_plan_text(s, p, a));
    text_add(&t, "\n");
    for (uint32_t i = 0; i < p->n_decisions; i++)
        for (uint32_t k = 0; k < p->decisions[i].n_causes; k++)
            text_addf(&t, "%u: %s\n", scene_number(&s->sessions[p->decisions[i].session].id),
                      p->decisions[i].causes[k].message);
    for (uint32_t i = 0; i < p->n_rr_cursors; i++)
        text_addf(&t, "cursor %s %s\n", s->archs[p->rr_cursors[i].arch], p->rr_cursors[i].agent_id);
    text_addf(&t, "hash %016lx\n", (unsigned long)p->hash);
    return text_end(&t);
}

START_TEST(golden_rounds_stay_as_they_are)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *name = rounds[_i].name, *plan_path = path_of(name, "plan", a);
    struct policy_config c = {.max_containers_per_agent = rounds[_i].max_containers};
    const struct snapshot *s = NULL;
    struct plan *p = scene_run(read_file(path_of(name, "scene", a), a), &c, a, &s);
    const char *got = golden_text(s, p, a);
    if (getenv("GOLDEN_WRITE") != NULL) {
        FILE *f = fopen(plan_path, "w");
        ck_assert_msg(f != NULL && fputs(got, f) >= 0 && fclose(f) == 0, "cannot write %s",
                      plan_path);
        return;
    }
    const char *want = read_file(plan_path, a);
    ck_assert_msg(strcmp(got, want) == 0, "%s changed:\n--- want\n%s--- got\n%s", name, want, got);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, golden_rounds_stay_as_they_are, 0, ARRAY_SIZE(rounds));
}

int main(void)
{
    return unit_run("golden", add);
}
