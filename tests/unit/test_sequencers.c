/* test_sequencers.c - fifo, lifo and drf: their orders, their options, and what holds for every
 * sequencer there is. */
#include <string.h>

#include "tests/unit/scene.h"
#include "tests/unit/unit.h"

#define ROOM "agent a cpu=1000 mem=1000g;"
#define FIFO "group scheduler=fifo;"
#define LIFO "group scheduler=lifo;"
#define DRF  "group scheduler=drf;"

/* Every session fits, so that the order of decisions is the order of trying. */
static const struct {
    const char *what, *scene, *order;
} cases[] = {
    {"fifo of nothing", FIFO ROOM, ""},
    {"fifo of one", FIFO ROOM "session 1", "1"},
    {"fifo goes by age", FIFO ROOM "session 1 at=3; session 2 at=1; session 3 at=2", "2 3 1"},
    {"fifo of equal age goes by id", FIFO ROOM "session 3 at=1; session 1 at=1; session 2 at=1",
     "1 2 3"},
    {"higher bands go first",
     FIFO ROOM "session 1 prio=1; session 2 prio=2; session 3 prio=1; session 4 prio=2", "2 4 1 3"},
    {"priorities may be negative and extreme",
     FIFO ROOM "session 1 prio=-2147483648; session 2 prio=2147483647; session 3 prio=0; session 4 "
               "prio=-1; session 5 prio=256; session 6 prio=255",
     "2 5 6 3 4 1"},
    {"without the option retries do not matter", FIFO ROOM "session 1 retries=9; session 2", "1 2"},
    {"option 0 is off", FIFO ROOM "option num_retries_to_skip 0; session 1 retries=9; session 2",
     "1 2"},
    {"who was tried as often as the option says goes last",
     FIFO ROOM "option num_retries_to_skip 3; session 1 retries=3; session 2 retries=2; session 3",
     "2 3 1"},
    {"those that go last keep their order",
     FIFO ROOM
     "option num_retries_to_skip 1; session 1 retries=5; session 2; session 3 retries=1; session 4",
     "2 4 1 3"},
    {"the last of a band go before the next band",
     FIFO ROOM
     "option num_retries_to_skip 1; session 1 retries=5 prio=2; session 2 prio=2; session 3 prio=1",
     "2 1 3"},
    {"all of them tried often",
     FIFO ROOM "option num_retries_to_skip 1; session 1 retries=1; session 2 retries=2", "1 2"},
    {"the largest option",
     FIFO ROOM "option num_retries_to_skip 9223372036854775807; session 1 "
               "retries=2147483647; session 2",
     "1 2"},

    {"lifo of nothing", LIFO ROOM, ""},
    {"lifo is the reverse", LIFO ROOM "session 1 at=3; session 2 at=1; session 3 at=2", "1 3 2"},
    {"lifo of equal age goes by id, backwards", LIFO ROOM "session 1 at=1; session 2 at=1", "2 1"},
    {"lifo keeps to the bands", LIFO ROOM "session 1 prio=9; session 2; session 3 prio=9", "2 3 1"},
    {"lifo ignores the option of fifo",
     LIFO ROOM "option num_retries_to_skip 1; session 1; session 2 retries=5", "2 1"},

    {"drf of nothing", DRF ROOM, ""},
    {"drf without usage goes by age, taking turns",
     DRF ROOM
     "session 1 key=A cpu=1; session 2 key=A cpu=1; session 3 key=B cpu=1; session 4 key=B cpu=1",
     "1 3 2 4"},
    {"drf prefers who uses less",
     DRF ROOM "key A here.cpu=10; key B here.cpu=9; session 1 key=A cpu=1; session 2 key=B cpu=1",
     "2 1"},
    {"the dominant slot counts, not the sum",
     DRF ROOM
     "key A here.cpu=300 here.mem=300g; key B here.cpu=0 here.mem=400g; session 1 key=B cpu=1; "
     "session 2 key=A cpu=1",
     "2 1"},
    {"what the round placed counts",
     DRF ROOM "session 1 key=A cpu=100; session 2 key=A cpu=1; session 3 key=B cpu=30; session 4 "
              "key=B cpu=30; "
              "session 5 key=B cpu=60",
     "1 3 4 5 2"},
    {"what did not fit does not count",
     DRF "agent a cpu=10; session 1 key=A cpu=99; session 2 key=A cpu=2; session 3 key=B cpu=1; "
         "session 4 "
         "key=B cpu=1",
     "1 2 3 4"},
    {"usage elsewhere does not count",
     DRF ROOM "key A usage.cpu=900; session 1 key=A cpu=1; session 2 key=B cpu=1", "1 2"},
    {"private sessions wait their key's turn and add nothing",
     DRF ROOM "session 1 key=A private cpu=100; session 2 key=A cpu=1; session 3 key=B cpu=1",
     "1 2 3"},
    {"a slot nobody has counts nothing",
     DRF ROOM "key A here.cuda.shares=5; session 1 key=A cpu=1; session 2 key=B cpu=1", "1 2"},
    {"without any capacity all shares are equal",
     DRF "key A here.cpu=5; session 1 key=A cpu=1; session 2 key=B cpu=1", "1 2"},
    {"agents that are no candidates are no capacity",
     DRF "agent a cpu=10; agent b dead mem=1000g; key A here.cpu=1; key B here.mem=900g; session 1 "
         "key=A "
         "cpu=1; session 2 key=B cpu=1",
     "2 1"},
    {"shares are exact where doubles are not",
     DRF "agent a cpu=9007199254.740993; key A here.cpu=9007199254.740992; key B "
         "here.cpu=9007199254.740991; "
         "session 1 key=A; session 2 key=B",
     "2 1"},
    {"equal shares of different slots tie and go by age",
     DRF
     "agent a cpu=30 mem=10; key A here.cpu=9; key B here.mem=3; session 1 key=B; session 2 key=A",
     "1 2"},
    {"the largest amounts compare",
     DRF "agent a cpu=max mem=max; agent b cpu=max; key A here.cpu=max; key B here.cpu=max "
         "here.mem=max; session 1 "
         "key=B; session 2 key=A",
     "1 2"},
    {"a lower band starts from what higher bands placed",
     DRF ROOM "session 1 key=A prio=20 cpu=5; session 2 key=A; session 3 key=B", "1 3 2"},
    {"keys in no order",
     DRF ROOM "key A here.cpu=5; key B here.cpu=1; key C here.cpu=4; key D here.cpu=2; key E "
              "here.cpu=6; key F here.cpu=3; key G "
              "here.cpu=7; key H here.cpu=8; key I here.cpu=0; session 1 key=A; session 2 key=B; "
              "session 3 key=C; session 4 key=D; "
              "session 5 key=E; session 6 key=F; session 7 key=G; session 8 key=H; session 9 key=I",
     "9 2 4 6 3 1 5 7 8"},
    {"a long line of many keys",
     DRF ROOM "key A here.cpu=7; key B here.cpu=6; key C here.cpu=5; key D here.cpu=4; key E "
              "here.cpu=3; key F "
              "here.cpu=2; session 1 key=A cpu=9; session 2 key=B cpu=9; session 3 key=C cpu=9; "
              "session 4 key=D "
              "cpu=9; session 5 key=E cpu=9; session 6 key=F cpu=9; session 7 key=F cpu=9; session "
              "8 key=A cpu=1",
     "6 5 4 3 2 1 7 8"},
};

static char *decided_order(const struct snapshot *s, const struct plan *p, struct arena *a)
{
    char *text = arena_strdup(a, "");
    for (uint32_t i = 0; i < p->n_decisions; i++)
        text = arena_printf(a, "%s%s%u", text, i > 0 ? " " : "",
                            s->sessions[p->decisions[i].session].id.b[15]);
    return text;
}

START_TEST(sequencers_order_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = NULL;
    struct plan *p = scene_run(cases[_i].scene, NULL, a, &s);
    const char *got = decided_order(s, p, a);
    ck_assert_msg(strcmp(got, cases[_i].order) == 0, "%s: want %s, got %s", cases[_i].what,
                  cases[_i].order, got);
}
END_TEST

/* Six sessions in every order of their rows: the order of trying is the same. */
static const char *const rows[] = {
    "session 1 at=2 key=A cpu=1;", "session 2 at=1 key=A cpu=2;", "session 3 at=2 key=B cpu=1;",
    "session 4 at=2 key=B prio=11 cpu=3;", "session 5 at=9 key=C retries=4 cpu=1;"};
static const char *const schedulers[] = {"fifo", "lifo", "drf"};

static void permute(unsigned *order, unsigned n, unsigned at, struct arena *a,
                    const char *scheduler, const char **first)
{
    if (at < n) {
        for (unsigned i = at; i < n; i++) {
            unsigned t = order[at];
            order[at] = order[i];
            order[i] = t;
            permute(order, n, at + 1, a, scheduler, first);
            order[i] = order[at];
            order[at] = t;
        }
        return;
    }
    const struct snapshot *s = NULL;
    char *scene =
        arena_printf(a, "group scheduler=%s; option num_retries_to_skip 2;" ROOM, scheduler);
    for (unsigned i = 0; i < n; i++)
        scene = arena_printf(a, "%s%s", scene, rows[order[i]]);
    struct plan *p = scene_run(scene, NULL, a, &s);
    const char *got = decided_order(s, p, a);
    *first = *first != NULL ? *first : got;
    ck_assert_msg(strcmp(got, *first) == 0, "%s: %s, and with other rows first: %s", scheduler,
                  *first, got);
}

START_TEST(sequencers_do_not_depend_on_the_order_of_rows)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    unsigned order[ARRAY_SIZE(rows)];
    const char *first = NULL;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        order[i] = i;
    permute(order, ARRAY_SIZE(rows), 0, a, schedulers[_i], &first);
    ck_assert_ptr_nonnull(first);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, sequencers_order_as_tabled, 0, ARRAY_SIZE(cases));
    tcase_add_loop_test(tc, sequencers_do_not_depend_on_the_order_of_rows, 0,
                        ARRAY_SIZE(schedulers));
}

int main(void)
{
    return unit_run("sequencers", add);
}
