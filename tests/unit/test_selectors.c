/* test_selectors.c - concentrated, dispersed, legacy and roundrobin: their keys, slot priority,
 * extras, ties and cursors. Each is asked through the index and by scan. */
#include <string.h>

#include "tests/unit/scene.h"
#include "tests/unit/unit.h"

#define CONCENTRATED "group strategy=concentrated;"
#define DISPERSED    "group strategy=dispersed;"
#define LEGACY       "group strategy=legacy;"
#define ROUNDROBIN   "group strategy=roundrobin;"

static const struct scene_case cases[] = {
    {"concentrated: the least remaining",
     CONCENTRATED "agent a cpu=9; agent b cpu=5; agent c cpu=7; session 1 cpu=1", "1 SCHEDULED b"},
    {"concentrated: the least remaining that fits",
     CONCENTRATED "agent a cpu=9; agent b cpu=5; agent c cpu=7; session 1 cpu=6", "1 SCHEDULED c"},
    {"concentrated: ties go to the smallest id",
     CONCENTRATED "agent c cpu=5; agent b cpu=5; agent d cpu=5; session 1 cpu=1", "1 SCHEDULED b"},
    {"ids compare as bytes",
     CONCENTRATED "agent b cpu=5; agent B cpu=5; agent b1 cpu=5; session 1 cpu=1", "1 SCHEDULED B"},
    {"concentrated: remaining, not capacity",
     CONCENTRATED "agent a cpu=5; agent b cpu=9 held.cpu=6; session 1 cpu=1", "1 SCHEDULED b"},
    {"concentrated: fewest extras first, then remaining",
     CONCENTRATED "agent a cpu=2 cuda.shares=1; agent b cpu=9; session 1 cpu=1", "1 SCHEDULED b"},
    {"extras count slots with some remaining only",
     CONCENTRATED "agent a cpu=2 cuda.shares=1 held.cuda.shares=1; agent b cpu=9; session 1 cpu=1",
     "1 SCHEDULED a"},
    {"extras count every slot that is not asked for",
     CONCENTRATED "agent a cpu=2 mem=1g cuda.shares=1; agent b cpu=9 mem=9g; session 1 cpu=1",
     "1 SCHEDULED b"},
    {"a zero amount is not asked for",
     CONCENTRATED "agent a cpu=2 cuda.shares=1; agent b cpu=9; session 1 cpu=1 cuda.shares=0",
     "1 SCHEDULED b"},
    {"extras follow what the round placed",
     CONCENTRATED
     "agent a cpu=4 cuda.shares=1; agent b cpu=9; session 1 cpu=1 cuda.shares=1; session 2 cpu=1",
     "1 SCHEDULED a\n2 SCHEDULED a"},

    {"dispersed: the most remaining",
     DISPERSED "agent a cpu=5; agent b cpu=9; agent c cpu=7; session 1 cpu=1", "1 SCHEDULED b"},
    {"dispersed: ties go to the smallest id",
     DISPERSED "agent c cpu=5; agent b cpu=5; session 1 cpu=1", "1 SCHEDULED b"},
    {"dispersed: takes turns as remaining falls",
     DISPERSED "agent a cpu=5; agent b cpu=4; session 1 cpu=2; session 2 cpu=2; session 3 cpu=1; "
               "session 4 cpu=1",
     "1 SCHEDULED a\n2 SCHEDULED b\n3 SCHEDULED a\n4 SCHEDULED a"},
    {"dispersed: fewest extras first",
     DISPERSED "agent a cpu=99 cuda.shares=1; agent b cpu=2; session 1 cpu=1", "1 SCHEDULED b"},
    {"dispersed: the most that fits in every slot",
     DISPERSED "agent a cpu=9 mem=1g; agent b cpu=5 mem=5g; session 1 cpu=1 mem=2g",
     "1 SCHEDULED b"},

    {"legacy: the largest capacity, used or not",
     LEGACY "agent a cpu=9 held.cpu=8; agent b cpu=8; session 1 cpu=1; session 2 cpu=1",
     "1 SCHEDULED a\n2 SCHEDULED b"},
    {"legacy: fewest extras first",
     LEGACY "agent a cpu=99 cuda.shares=1; agent b cpu=2; session 1 cpu=1", "1 SCHEDULED b"},
    {"legacy: ties go to the smallest id", LEGACY "agent c cpu=5; agent b cpu=5; session 1 cpu=1",
     "1 SCHEDULED b"},

    /* slot priority: cuda, rocm, tpu, cpu, mem, then by text */
    {"an accelerator is looked at before cpu",
     CONCENTRATED
     "agent a cpu=2 cuda.shares=9; agent b cpu=9 cuda.shares=2; session 1 cpu=1 cuda.shares=1",
     "1 SCHEDULED b"},
    {"cpu is looked at before mem",
     CONCENTRATED "agent a cpu=9 mem=1g; agent b cpu=5 mem=9g; session 1 cpu=1 mem=1g",
     "1 SCHEDULED b"},
    {"the next slot decides between equals",
     CONCENTRATED "agent a cpu=5 mem=9g; agent b cpu=5 mem=2g; session 1 cpu=1 mem=1g",
     "1 SCHEDULED b"},
    {"only slots asked for are looked at",
     CONCENTRATED "agent a cpu=5 mem=1g; agent b cpu=4 mem=9g; session 1 cpu=1", "1 SCHEDULED b"},
    {"of three slots the second decides when the first is equal",
     CONCENTRATED "agent a cuda.shares=3 cpu=9 mem=1; agent b cuda.shares=3 cpu=5 mem=9; session 1 "
                  "mem=1 cpu=1 cuda.shares=1",
     "1 SCHEDULED b"},
    {"several slots of one device class go by text",
     CONCENTRATED "slot cuda.device; agent a cuda.device=5 cuda.shares=1 cpu=9; agent b "
                  "cuda.device=4 cuda.shares=9 cpu=9; "
                  "session 1 cuda.shares=1 cuda.device=1",
     "1 SCHEDULED b"},
    {"rocm goes before tpu",
     CONCENTRATED "slot tpu.device; slot rocm.device; agent a rocm.device=9 tpu.device=2; agent b "
                  "rocm.device=2 tpu.device=9; "
                  "session 1 rocm.device=1 tpu.device=1",
     "1 SCHEDULED b"},
    {"names outside the list come last, by text",
     CONCENTRATED "slot zz rank=0; slot aa rank=5; agent a aa=9 zz=2 mem=5; agent b aa=2 zz=9 "
                  "mem=5; session 1 aa=1 zz=1 mem=1",
     "1 SCHEDULED b"},
    {"a listed name goes before an unlisted one",
     CONCENTRATED "slot aa; agent a aa=1 mem=9; agent b aa=9 mem=1; session 1 aa=1 mem=1",
     "1 SCHEDULED b"},
    {"a class is matched whole",
     CONCENTRATED "slot cudax.shares; agent a cudax.shares=1 cpu=9; agent b cudax.shares=9 cpu=1; "
                  "session 1 cudax.shares=1 cpu=1",
     "1 SCHEDULED b"},

    /* roundrobin */
    {"roundrobin: by id, one after the other",
     ROUNDROBIN "agent a cpu=9; agent b cpu=9; agent c cpu=9; session 1 cpu=1; session 2 cpu=1; "
                "session 3 cpu=1; session 4 cpu=1",
     "1 SCHEDULED a\n2 SCHEDULED b\n3 SCHEDULED c\n4 SCHEDULED a"},
    {"roundrobin: goes on after the stored id",
     ROUNDROBIN "agent a cpu=9; agent b cpu=9; agent c cpu=9; cursor x86_64 a; session 1 cpu=1",
     "1 SCHEDULED b"},
    {"roundrobin: from the last it wraps",
     ROUNDROBIN "agent a cpu=9; agent b cpu=9; cursor x86_64 b; session 1 cpu=1", "1 SCHEDULED a"},
    {"roundrobin: the stored agent may be gone",
     ROUNDROBIN "agent a cpu=9; agent b cpu=9; agent d cpu=9; cursor x86_64 c; session 1 cpu=1; "
                "session 2 cpu=1",
     "1 SCHEDULED d\n2 SCHEDULED a"},
    {"roundrobin: an id after all wraps",
     ROUNDROBIN "agent a cpu=9; agent b cpu=9; cursor x86_64 z; session 1 cpu=1", "1 SCHEDULED a"},
    {"roundrobin: passes over who does not fit",
     ROUNDROBIN "agent a cpu=9; agent b cpu=1; agent c cpu=9; cursor x86_64 a; session 1 cpu=2",
     "1 SCHEDULED c"},
    {"roundrobin: a failed try does not move it",
     ROUNDROBIN
     "agent a cpu=3; agent b cpu=3; session 1 multi cpu=3; kernel 1 sub cpu=9; session 2 cpu=1",
     "1 INFEASIBLE INFEASIBLE@resources(b cpu 9/3/3)!\n2 SCHEDULED a"},
    {"roundrobin: each architecture has its own turn",
     ROUNDROBIN
     "agent a cpu=9; agent b arch=arm cpu=9; agent c cpu=9; agent d arch=arm cpu=9; session 1 "
     "cpu=1; session 2 "
     "arch=arm cpu=1; session 3 cpu=1; session 4 arch=arm cpu=1; session 5 arch=arm cpu=1",
     "1 SCHEDULED a\n2 SCHEDULED b\n3 SCHEDULED c\n4 SCHEDULED d\n5 SCHEDULED b"},
    {"roundrobin: kernels of one session take turns",
     ROUNDROBIN "agent a cpu=9; agent b cpu=9; agent c cpu=9; session 1 multi cpu=1; kernel 1 sub "
                "cpu=1; session 2 cpu=1",
     "1 SCHEDULED a,b\n2 SCHEDULED c"},
    {"roundrobin: within the tier of the orders",
     ROUNDROBIN "agent a cpu=9; agent b cpu=9; agent c cpu=9; agent d cpu=9; cursor x86_64 a; "
                "session 1 designated=a,c cpu=1; "
                "session 2 cpu=1",
     "1 SCHEDULED c\n2 SCHEDULED d"},
    {"roundrobin: with one agent", ROUNDROBIN "agent a cpu=9; session 1 cpu=1; session 2 cpu=1",
     "1 SCHEDULED a\n2 SCHEDULED a"},
};

START_TEST(selectors_choose_as_tabled)
{
    scene_expect(&cases[_i], NULL);
}
END_TEST

START_TEST(slot_priority_is_what_the_configuration_says)
{
    static const char *const by_mem[] = {"mem", "cuda.shares", "cuda"};
    struct policy_config c = {.slot_priority = by_mem, .n_slot_priority = 3};
    static const struct scene_case t[] = {
        {"mem first", "agent a cpu=1 mem=9g; agent b cpu=9 mem=1g; session 1 cpu=1 mem=1g",
         "1 SCHEDULED b"},
        {"a full name stands where it is listed, not with its class",
         "slot cuda.device; agent a cuda.device=1 cuda.shares=9; agent b cuda.device=9 "
         "cuda.shares=1; session 1 "
         "cuda.device=1 cuda.shares=1",
         "1 SCHEDULED b"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(t); i++)
        scene_expect(&t[i], &c);
    static const char *const none[] = {NULL};
    c = (struct policy_config){.slot_priority = none, .n_slot_priority = 0};
    scene_expect(&(struct scene_case){"an empty list: all by text",
                                      "agent a cpu=1 cuda.shares=9; agent b cpu=9 cuda.shares=1; "
                                      "session 1 cpu=1 cuda.shares=1",
                                      "1 SCHEDULED a"},
                 &c);
}
END_TEST

static char *cursors_text(const char *scene, struct arena *a)
{
    const struct snapshot *s = NULL;
    struct plan *p = scene_run(scene, NULL, a, &s);
    char *text = arena_strdup(a, "");
    for (uint32_t i = 0; i < p->n_rr_cursors; i++)
        text = arena_printf(a, "%s%s=%s ", text, s->archs[p->rr_cursors[i].arch],
                            p->rr_cursors[i].agent_id);
    return text;
}

static const struct {
    const char *what, *scene, *cursors;
} cursor_cases[] = {
    {"none", ROUNDROBIN "agent a cpu=1", ""},
    {"moved by a placement",
     ROUNDROBIN "agent a cpu=9; agent b cpu=9; session 1 cpu=1; session 2 cpu=1", "x86_64=b "},
    {"kept after a failure", ROUNDROBIN "agent a cpu=9; cursor x86_64 q; session 1 cpu=99",
     "x86_64=q "},
    {"kept after a gang that failed half way",
     ROUNDROBIN
     "agent a cpu=9; agent b cpu=9; cursor x86_64 a; session 1 multi cpu=1; kernel 1 sub cpu=99",
     "x86_64=a "},
    {"handed through by other strategies",
     CONCENTRATED "agent a cpu=9; cursor x86_64 q; session 1 cpu=1", "x86_64=q "},
    {"by architecture name, whatever the order of rows",
     ROUNDROBIN "agent z arch=zz cpu=9; agent a arch=aa cpu=9; session 1 arch=zz cpu=1; session 2 "
                "arch=aa cpu=1; cursor mm q",
     "aa=a mm=q zz=z "},
};

START_TEST(cursors_are_handed_out_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const char *got = cursors_text(cursor_cases[_i].scene, a);
    ck_assert_msg(strcmp(got, cursor_cases[_i].cursors) == 0, "%s: want \"%s\", got \"%s\"",
                  cursor_cases[_i].what, cursor_cases[_i].cursors, got);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, selectors_choose_as_tabled, 0, ARRAY_SIZE(cases));
    tcase_add_test(tc, slot_priority_is_what_the_configuration_says);
    tcase_add_loop_test(tc, cursors_are_handed_out_as_tabled, 0, ARRAY_SIZE(cursor_cases));
}

int main(void)
{
    return unit_run("selectors", add);
}
