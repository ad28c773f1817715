/* test_remedies.c - what would help, in words. */
#include <string.h>

#include "server/berthctl/remedies.h"
#include "tests/unit/unit.h"

#include "tests/berthctl/capture.h"
#include "tests/berthctl/messages.h"

enum { MOST = 4 };

static const struct {
    const char *what;
    int kinds[MOST]; /* of the causes, the later ones negative */
    struct {
        int causes[MOST]; /* numbers, the last is -1 */
        char *message;
    } remedies[MOST];
    bool suffice;
    const char *want;
} cases[] = {
    {"nothing to help", {0}, {{{-1}, NULL}}, true, ""},
    {"one",
     {BERTH__V1__CAUSE_KIND__CAUSE_KIND_NOT_BEFORE},
     {{{0, -1}, "Wait 2 h until its start."}},
     true,
     "\nWhat would help:\n"
     "  - Wait 2 h until its start.\n"},
    {"alternatives",
     {BERTH__V1__CAUSE_KIND__CAUSE_KIND_CAPACITY},
     {{{0, -1}, "Free cpu=1 on a."}, {{0, -1}, "Free cpu=2 on b."}},
     true,
     "\nWhat would help, any of these:\n"
     "  - Free cpu=1 on a.\n"
     "  - Free cpu=2 on b.\n"},
    {"one of each, and one that shows later",
     {BERTH__V1__CAUSE_KIND__CAUSE_KIND_KEYPAIR_QUOTA, BERTH__V1__CAUSE_KIND__CAUSE_KIND_USER_QUOTA,
      -BERTH__V1__CAUSE_KIND__CAUSE_KIND_CAPACITY},
     {{{0, 1, -1}, "Ask for less."},
      {{0, -1}, "Raise the quota of k."},
      {{1, -1}, "Raise the quota of u."},
      {{2, -1}, "Free cpu=1 on a."}},
     true,
     "\nWhat would help; each reason needs one:\n"
     "  Against keypair-quota, user-quota:\n"
     "    - Ask for less.\n"
     "  Against keypair-quota:\n"
     "    - Raise the quota of k.\n"
     "  Against user-quota:\n"
     "    - Raise the quota of u.\n"
     "  Then against capacity (cause 2):\n"
     "    - Free cpu=1 on a.\n"},
    {"one against several, each kind named once",
     {BERTH__V1__CAUSE_KIND__CAUSE_KIND_OWNER_NOT_FOUND,
      BERTH__V1__CAUSE_KIND__CAUSE_KIND_OWNER_NOT_FOUND, BERTH__V1__CAUSE_KIND__CAUSE_KIND_BAD_DATA,
      BERTH__V1__CAUSE_KIND__CAUSE_KIND_CONCURRENCY},
     {{{0, 1, 2, -1}, "Create keypair \"K\"."}, {{3, -1}, "End 1 session."}},
     true,
     "\nWhat would help; each reason needs one:\n"
     "  Against owner-not-found, bad-data:\n"
     "    - Create keypair \"K\".\n"
     "  Against concurrency:\n"
     "    - End 1 session.\n"},
    {"not enough",
     {BERTH__V1__CAUSE_KIND__CAUSE_KIND_PLUGIN},
     {{{0, -1}, "Ask who installed it."}},
     false,
     "\nWhat would help:\n"
     "  - Ask who installed it.\n"
     "  More than that may be needed.\n"},
    {"a hostile sentence and causes of a newer server",
     {BERTH__V1__CAUSE_KIND__CAUSE_KIND_PLUGIN},
     {{{9, -1}, "a\x1b[2J"}, {{-1}, "b"}},
     true,
     "\nWhat would help; each reason needs one:\n"
     "  Against :\n"
     "    - a\uFFFD[2J\n"
     "  Against :\n"
     "    - b\n"},
};

static void add_causes(struct arena *a, const int *list, Berth__V1__PreviewAllocationResponse *r)
{
    r->causes = arena_new(a, Berth__V1__Cause *, MOST);
    r->later_causes = arena_new(a, Berth__V1__Cause *, MOST);
    for (int i = 0; i < MOST && list[i] != 0; i++) {
        bool later = list[i] < 0;
        Berth__V1__Cause *c = cause_of(a, (Berth__V1__CauseKind)(later ? -list[i] : list[i]), "",
                                       arena_printf(a, "cause %d", i), NULL, NULL, NULL);
        if (later)
            r->later_causes[r->n_later_causes++] = c;
        else
            r->causes[r->n_causes++] = c;
    }
}

START_TEST(remedies_read_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(capture_finish) struct capture c = {0};
    Berth__V1__PreviewAllocationResponse r = BERTH__V1__PREVIEW_ALLOCATION_RESPONSE__INIT;
    add_causes(a, cases[_i].kinds, &r);
    r.remedies = arena_new(a, Berth__V1__Remedy *, MOST);
    r.remedies_suffice = cases[_i].suffice;
    for (int i = 0; i < MOST && cases[_i].remedies[i].message != NULL; i++) {
        Berth__V1__Remedy *m = arena_new(a, Berth__V1__Remedy, 1);
        berth__v1__remedy__init(m);
        m->message = cases[_i].remedies[i].message;
        m->causes = arena_new(a, uint32_t, MOST);
        for (; cases[_i].remedies[i].causes[m->n_causes] >= 0; m->n_causes++)
            m->causes[m->n_causes] = (uint32_t)cases[_i].remedies[i].causes[m->n_causes];
        r.remedies[r.n_remedies++] = m;
    }
    capture_begin(&c);
    remedies_print(c.out, a, &r);
    capture_end(&c);
    ck_assert_msg(strcmp(c.text, cases[_i].want) == 0, "%s:\n got %s\nwant %s", cases[_i].what,
                  c.text, cases[_i].want);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, remedies_read_as_tabled, 0, ARRAY_SIZE(cases));
}

int main(void)
{
    return unit_run("berthctl_remedies", add_tests);
}
