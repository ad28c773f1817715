/* test_snapshot_read.c - what each refusal says: a file is spelt out up to a bad piece.
 *
 * The pieces are string literals: a small number is one byte, a text is its length + 1 and itself,
 * NULL is \0, an amount of 0 is \2, infinity \0, unknown \1 (scheduler/snapshot_bytes.h). */
#include <string.h>

#include "scheduler/snapshot_file.h"
#include "scheduler/snapshot_format.h"
#include "tests/unit/sample.h"
#include "tests/unit/unit.h"

#define ID(n) "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" n
#define NAMES                                                                                      \
    "\2g"                                                                                          \
    "\5fifo"                                                                                       \
    "\12dispersed"
#define HEAD "\12" ID("\1") NAMES "\0\0" /* no timeout, options that can be read */
#define TO_SLOTS                                                                                   \
    HEAD "\0"                                                                                      \
         "\0\0\0" /* no options; an empty configuration */
#define CPU                                                                                        \
    "\4cpu"                                                                                        \
    "\0\0" /* count, rank 0 */
#define TO_AGENTS                                                                                  \
    TO_SLOTS "\1" CPU "\1"                                                                         \
             "\7x86_64"
#define AGENT(id, arch, capacity)                                                                  \
    "\1"                                                                                           \
    "\3" id "\1\0" arch "\0" capacity "\2"
#define TO_OWNERS TO_AGENTS "\2" AGENT("a1", "\0", "\2") AGENT("a2", "\0", "\2")
#define OWNER(kind)                                                                                \
    kind "\0"                                                                                      \
         "\2k"                                                                                     \
         "\0\0\0\0\0\0\0\0\0"                                                                      \
         "\0\2\2\0"
#define TO_GROUPS            TO_OWNERS "\4" OWNER("\0") OWNER("\1") OWNER("\2") OWNER("\3")
#define GROUP(id, direction) ID(id) direction "\0"
#define TO_MEMBERS           TO_GROUPS "\1" GROUP("\1", "\2")
#define TO_SESSIONS          TO_MEMBERS "\0"
#define SESSION(id, retries, user)                                                                 \
    "\0\1" ID(id) "\0\0\0"                                                                         \
                  "\0\0\0" retries "\0" user "\2\3"
#define TO_KERNELS           TO_SESSIONS "\1" SESSION("\1", "\0", "\1")
#define KERNEL(id, idx, cpu) "\1" ID(id) "\0" idx cpu
#define TO_OTHERS            TO_KERNELS "\0\0\0"
#define MUCH                 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

struct refusal {
    const char *what;
    const char *bytes;
    size_t len;
    const char *want; /* part of the message; NULL: it is read */
};

#define BYTES(literal) literal, sizeof(literal) - 1

static const struct refusal snapshots[] = {
    {"nothing", BYTES(""), "byte 12 (group): the bytes end too early"},
    {"a group without a name", BYTES("\12" ID("\1") "\0"), "(group): a text is missing"},
    {"a NUL in a text", BYTES("\12" ID("\1") "\4a\0b"), "(group): a text has a NUL in it"},
    {"a text longer than the file", BYTES("\12" ID("\1") "\4ab"),
     "(group): the bytes end too early"},
    {"a text of 2^64 - 2 bytes", BYTES("\12" ID("\1") "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\1"),
     "(group): the bytes end too early"},
    {"an empty sentence about the options", BYTES("\12" ID("\1") NAMES "\0\1" MUCH),
     "(group): a sentence is empty"},
    {"a useless byte of 0", BYTES(HEAD "\x80\0"), "a number is longer than it need be"},
    {"a number of 65 bits", BYTES("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\2"),
     "byte 22 (group): a number is larger than 64 bits"},
    {"a number of 71 bits", BYTES("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\1"),
     "(group): a number is larger than 64 bits"},
    {"more options than bytes", BYTES(HEAD "\xFF\xFF\xFF\xFF\x0F"),
     "(options): there are fewer bytes than rows"},
    {"an option without a value",
     BYTES(HEAD "\1"
                "\2k"
                "\0" MUCH),
     "(options): a text is missing"},
    {"one option twice",
     BYTES(HEAD "\2"
                "\2k"
                "\2"
                "1"
                "\2k"
                "\2"
                "2" MUCH),
     "(options): keys are not in order"},
    {"2^64 - 1 slots to prefer",
     BYTES(HEAD "\0\0"
                "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\1"),
     "(configuration): there are fewer bytes than rows"},
    {"no name of a slot to prefer",
     BYTES(HEAD "\0\0"
                "\2"
                "\0" MUCH),
     "(configuration): a text is missing"},
    {"one slot twice", BYTES(TO_SLOTS "\2" CPU CPU), "(slots): an id comes twice"},
    {"an unknown type of slot",
     BYTES(TO_SLOTS "\1"
                    "\4cpu"
                    "\2\0"),
     "(slots): a number is out of its range"},
    {"a rank of 33 bits",
     BYTES(TO_SLOTS "\1"
                    "\4cpu"
                    "\0"
                    "\x80\x80\x80\x80\x10"),
     "(slots): a number is out of its range"},
    {"one architecture twice",
     BYTES(TO_SLOTS "\0"
                    "\2"
                    "\2x"
                    "\2x"),
     "(architectures): an id comes twice"},
    {"an unknown flag of an agent",
     BYTES(TO_AGENTS "\1"
                     "\4" MUCH),
     "(agents): an unknown flag is set"},
    {"an agent without id",
     BYTES(TO_AGENTS "\1"
                     "\0\0" MUCH),
     "(agents): a text is missing"},
    {"one agent twice", BYTES(TO_AGENTS "\2" AGENT("a1", "\0", "\2") AGENT("a1", "\0", "\2")),
     "(agents): an id comes twice"},
    {"an agent of no architecture", BYTES(TO_AGENTS "\1" AGENT("a1", "\1", "\2")),
     "(agents): a number is out of its range"},
    {"a negative capacity", BYTES(TO_AGENTS "\1" AGENT("a1", "\0", "\3")),
     "(agents): an amount is out of its range"},
    {"an infinite capacity", BYTES(TO_AGENTS "\1" AGENT("a1", "\0", "\0")),
     "(agents): an amount is out of its range"},
    {"an agent less than announced", BYTES(TO_AGENTS "\3" AGENT("a1", "\0", "\2")),
     "(agents): there are fewer bytes than rows"},
    {"an unknown kind of owner", BYTES(TO_OWNERS "\1" OWNER("\4")),
     "(owners): a number is out of its range"},
    {"an unknown flag of an owner",
     BYTES(TO_OWNERS "\1"
                     "\0\2" MUCH),
     "(owners): an unknown flag is set"},
    {"one owner twice", BYTES(TO_OWNERS "\2" OWNER("\1") OWNER("\1")),
     "(owners): an id comes twice"},
    {"one session group twice", BYTES(TO_GROUPS "\2" GROUP("\1", "\0") GROUP("\1", "\1")),
     "(session groups): an id comes twice"},
    {"an unknown direction", BYTES(TO_GROUPS "\1" GROUP("\1", "\3")),
     "(session groups): a number is out of its range"},
    {"a member of no group",
     BYTES(TO_MEMBERS "\1"
                      "\1\0\1"),
     "(group members): a number is out of its range"},
    {"a member on no agent",
     BYTES(TO_MEMBERS "\1"
                      "\0\2\1"),
     "(group members): a number is out of its range"},
    {"no member",
     BYTES(TO_MEMBERS "\1"
                      "\0\0\0"),
     "(group members): pairs are not in order"},
    {"one pair twice",
     BYTES(TO_MEMBERS "\2"
                      "\0\1\1"
                      "\0\1\1"),
     "(group members): pairs are not in order"},
    {"an unknown flag of a session",
     BYTES(TO_SESSIONS "\1"
                       "\x20" MUCH),
     "(sessions): an unknown flag is set"},
    {"an unknown type of session",
     BYTES(TO_SESSIONS "\1"
                       "\0\4" MUCH),
     "(sessions): a number is out of its range"},
    {"one session twice",
     BYTES(TO_SESSIONS "\2" SESSION("\1", "\0", "\1") "\0\0\0" SESSION("\1", "\0", "\1") "\0\0\0"),
     "(sessions): an id comes twice"},
    {"negative retries", BYTES(TO_SESSIONS "\1" SESSION("\1", "\1", "\1") "\0\0\0"),
     "(sessions): retries are negative"},
    {"an owner that is not there", BYTES(TO_SESSIONS "\1" SESSION("\1", "\0", "\4") "\0\0\0"),
     "(sessions): a number is out of its range"},
    {"a domain for a user", BYTES(TO_SESSIONS "\1" SESSION("\1", "\0", "\3") "\0\0\0"),
     "(sessions): an owner is of another kind"},
    {"more kernels than bytes", BYTES(TO_KERNELS "\2" KERNEL("\1", "\0", "\2")),
     "(kernels): there are fewer bytes than rows"},
    {"one kernel twice", BYTES(TO_KERNELS "\2" KERNEL("\1", "\0", "\2") KERNEL("\1", "\2", "\2")),
     "(kernels): an id comes twice"},
    {"a cluster index of 33 bits",
     BYTES(TO_KERNELS "\1" KERNEL("\1", "\x81\x80\x80\x80\x10", "\2")),
     "(kernels): a number is out of its range"},
    {"an unknown request", BYTES(TO_KERNELS "\1" KERNEL("\1", "\0", "\1")),
     "(kernels): an amount is out of its range"},
    {"an unknown state of a dependency",
     BYTES(TO_KERNELS "\0\1"
                      "\3" MUCH),
     "(dependencies): a number is out of its range"},
    {"a designated agent without id",
     BYTES(TO_KERNELS "\0\0\1"
                      "\0"),
     "(designated agents): a text is missing"},
    {"another group's session of a user",
     BYTES(TO_OTHERS "\1" ID("\1") "\1"
                                   "\0\2"),
     "(other groups' sessions): an owner is of another kind"},
    {"another group's session with an infinite request",
     BYTES(TO_OTHERS "\1" ID("\1") "\0"
                                   "\0"
                                   "\0"),
     "(other groups' sessions): an amount is out of its range"},
    {"another group's session cut short", BYTES(TO_OTHERS "\1" ID("\1") "\0"),
     "(other groups' sessions): there are fewer bytes than rows"},
    {"one cursor twice",
     BYTES(TO_OTHERS "\0"
                     "\2"
                     "\0\3"
                     "a1"
                     "\0\3"
                     "a2"),
     "(cursors): architectures are not in order"},
    {"a cursor of no architecture",
     BYTES(TO_OTHERS "\0"
                     "\1"
                     "\1\3"
                     "a1"),
     "(cursors): a number is out of its range"},
    {"bytes behind the last row", BYTES(TO_OTHERS "\0\0\0"), "(cursors): more bytes than rows"},
    {"nothing wrong", BYTES(TO_OTHERS "\0\0"), NULL},
};

/* The file on the heap, exactly as long, so that ASan sees a read too far. */
static uint8_t *file_of(const struct refusal *c, const char magic[FILE_MAGIC], struct arena *a,
                        size_t *ret_len)
{
    struct byte_writer w = file_begin(a, magic, SNAPSHOT_FILE_VERSION);
    put_bytes(&w, c->bytes, c->len);
    file_end(&w);
    uint8_t *bytes = malloc(w.n);
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, w.bytes, w.n);
    *ret_len = w.n;
    return bytes;
}

static void check(const struct refusal *c, int result, const struct err *e)
{
    ck_assert_msg((result == 0) == (c->want == NULL), "%s: result %d, %s", c->what, result,
                  e->message);
    ck_assert_msg(result == 0 || strstr(e->message, c->want) != NULL, "%s: %s", c->what,
                  e->message);
}

START_TEST(snapshot_read_says_what_is_wrong)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    size_t len = 0;
    uint8_t *bytes = file_of(&snapshots[_i], SNAPSHOT_MAGIC, a, &len);
    const struct snapshot *s = NULL;
    struct policy_config config;
    struct err e = {0};
    check(&snapshots[_i], snapshot_read(bytes, len, a, &s, &config, &e), &e);
    free(bytes);
}
END_TEST

/* --- plans, of the sample: 4 sessions, the last with kernels 2 to 5; 4 agents, slots and archs ---
 */

#define HASH          "\0\0\0\0\0\0\0\0"
#define TO_VALIDATORS HASH "\0"
#define TO_CAUSES     TO_VALIDATORS "\0"
#define CAUSE(kind)                                                                                \
    kind "\0"                                                                                      \
         "\0\0\0"                                                                                  \
         "\0"
#define TO_DECISIONS                                                                               \
    TO_CAUSES "\1"                                                                                 \
              "\1" CAUSE("\1")
#define SKIPPED(session) "\11" session "\0\0\0"
#define TO_LAST          TO_DECISIONS "\4" SKIPPED("\0") SKIPPED("\1") SKIPPED("\2")
#define PLACED(list, first, agent)                                                                 \
    "\1"                                                                                           \
    "\3" list "\0\4" first agent "\0\1"                                                            \
    "\0\2"                                                                                         \
    "\0\3"

static const struct refusal plans[] = {
    {"half a hash", BYTES("\0\0\0\0"), "(head): the bytes end too early"},
    {"a round stopped behind its last session", BYTES(HASH "\5"),
     "(head): a number is out of its range"},
    {"more validators than bytes", BYTES(TO_VALIDATORS "\x7F"),
     "(validators): there are fewer bytes"},
    {"a validator without a name",
     BYTES(TO_VALIDATORS "\1"
                         "\0" MUCH),
     "(validators): a text is missing"},
    {"more lists of causes than bytes", BYTES(TO_CAUSES "\x7F"), "(causes): there are fewer bytes"},
    {"more causes than bytes",
     BYTES(TO_CAUSES "\1"
                     "\2" CAUSE("\1")),
     "(causes): there are fewer bytes than rows"},
    {"an unknown kind of cause",
     BYTES(TO_CAUSES "\1"
                     "\1" CAUSE("\34")),
     "(causes): a number is out of its range"},
    {"an unknown flag of a cause",
     BYTES(TO_CAUSES "\1"
                     "\1"
                     "\1\2" MUCH),
     "(causes): an unknown flag is set"},
    {"more shortages than bytes",
     BYTES(TO_CAUSES "\1"
                     "\1"
                     "\1\0"
                     "\0\0\0"
                     "\2"
                     "\0\2\2\2"),
     "(causes): there are fewer bytes than rows"},
    {"a shortage of no slot",
     BYTES(TO_CAUSES "\1"
                     "\1"
                     "\1\0"
                     "\0\0\0"
                     "\1"
                     "\4\2\2\2"),
     "(causes): a number is out of its range"},
    {"a decision missing", BYTES(TO_DECISIONS "\3" SKIPPED("\0") SKIPPED("\1") SKIPPED("\2") "\0"),
     "(decisions): decisions are not one per session"},
    {"an unknown outcome",
     BYTES(TO_LAST "\12"
                   "\3\0\0\0"
                   "\0"),
     "(decisions): a number is out of its range"},
    {"a decision about no session", BYTES(TO_LAST SKIPPED("\4") "\0"),
     "(decisions): a number is out of its range"},
    {"a session decided twice", BYTES(TO_LAST SKIPPED("\0") "\0"),
     "(decisions): a session is decided twice"},
    {"causes that are not there", BYTES(TO_LAST PLACED("\2", "\4", "\0") "\0"),
     "(decisions): a number is out of its range"},
    {"a kernel not placed",
     BYTES(TO_LAST "\1"
                   "\3\0\0\3"
                   "\4\0"
                   "\0\1"
                   "\0\2"
                   "\0"),
     "(decisions): placements are not one per kernel"},
    {"another session's kernel", BYTES(TO_LAST PLACED("\0", "\2", "\0") "\0"),
     "(decisions): a placement is of another session's kernel"},
    {"a kernel on no agent", BYTES(TO_LAST PLACED("\0", "\4", "\4") "\0"),
     "(decisions): a number is out of its range"},
    {"a cursor of no architecture",
     BYTES(TO_LAST PLACED("\0", "\4", "\0") "\1"
                                            "\4\2x"),
     "(cursors): a number is out of its range"},
    {"a cursor without an agent",
     BYTES(TO_LAST PLACED("\0", "\4", "\0") "\1"
                                            "\0\0"),
     "(cursors): a text is missing"},
    {"bytes behind the last row", BYTES(TO_LAST PLACED("\1", "\4", "\0") "\0\0"),
     "(cursors): more bytes than rows"},
    {"a wrong hash and else nothing", BYTES(TO_LAST PLACED("\1", "\4", "\0") "\0"),
     "the plan belongs to another snapshot"},
};

START_TEST(plan_read_says_what_is_wrong)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct snapshot *s = sample_snapshot(a, 0);
    size_t len = 0;
    uint8_t *bytes = file_of(&plans[_i], PLAN_MAGIC, a, &len);
    struct plan *p = NULL;
    struct err e = {0};
    check(&plans[_i], plan_read(bytes, len, s, a, &p, &e), &e);
    free(bytes);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, snapshot_read_says_what_is_wrong, 0, (int)ARRAY_SIZE(snapshots));
    tcase_add_loop_test(tc, plan_read_says_what_is_wrong, 0, (int)ARRAY_SIZE(plans));
}

int main(void)
{
    return unit_run("snapshot_read", add);
}
