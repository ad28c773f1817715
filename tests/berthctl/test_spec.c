/* test_spec.c - a session as written on a command line. */
#include <string.h>

#include "server/berthctl/spec.h"
#include "tests/unit/unit.h"

static const struct {
    const char *what, *slot, *text, *want /* NULL: refused */, *message;
} amounts[] = {
    {"empty", "cpu", "", NULL, NULL},
    {"a word", "cpu", "many", NULL, NULL},
    {"negative", "cpu", "-1", NULL, NULL},
    {"not a number", "cpu", "nan", NULL, NULL},
    {"a size where cores are counted", "cpu", "4g", NULL,
     "cpu: \"4g\" is not a number; write it like 4 or 0.5"},
    {"infinitely much memory", "mem", "inf", NULL, NULL},
    {"half a byte", "mem", "0.5", NULL, NULL},
    {"cores", "cpu", "4", "4", NULL},
    {"a share", "cuda.shares", "0.50", "0.5", NULL},
    {"memory in GiB", "mem", "8g", "8589934592", NULL},
    {"memory in GiB, spelt out", "mem", "1.5 GiB", "1610612736", NULL},
    {"memory in bytes", "mem", "1024", "1024", NULL},
    {"memory of a device", "cuda.mem", "1k", "1024", NULL},
};

START_TEST(spec_amount_reads_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct err e = {0};
    const char *got = spec_amount(a, amounts[_i].slot, amounts[_i].text, &e);
    if (amounts[_i].want == NULL) {
        ck_assert_msg(got == NULL, "%s: was taken as %s", amounts[_i].what, got);
        ck_assert_msg(strstr(e.message, amounts[_i].slot) != NULL, "%s: %s", amounts[_i].what,
                      e.message);
    } else {
        ck_assert_msg(got != NULL && strcmp(got, amounts[_i].want) == 0, "%s: %s (%s)",
                      amounts[_i].what, got == NULL ? "refused" : got, e.message);
    }
}
END_TEST

static char *one_slot[] = {"cpu=2"};
static char *bad_slot[] = {"cpu"};
static char *no_amount[] = {"cpu="};
static char *no_name[] = {"=2"};

static const struct {
    const char *what;
    struct spec_options o;
    const char *message;
} bad[] = {
    {"nobody's", {.cpu = "1", .project = "p"}, "whose is it? Give --access-key and --project"},
    {"no project", {.cpu = "1", .access_key = "k"}, "whose is it? Give --access-key and --project"},
    {"asks for nothing",
     {.access_key = "k", .project = "p"},
     "what does it ask for? Give --cpu, --mem, --gpu or --slot"},
    {"a slot twice",
     {.access_key = "k", .project = "p", .cpu = "1", .slots = {.items = one_slot, .n = 1}},
     "slot cpu is given twice"},
    {"a slot without amount",
     {.access_key = "k", .project = "p", .slots = {.items = bad_slot, .n = 1}},
     "\"cpu\" is no slot: write name=amount"},
    {"a slot with an empty amount",
     {.access_key = "k", .project = "p", .slots = {.items = no_amount, .n = 1}},
     "\"cpu=\" is no slot: write name=amount"},
    {"a slot without name",
     {.access_key = "k", .project = "p", .slots = {.items = no_name, .n = 1}},
     "\"=2\" is no slot: write name=amount"},
    {"too many nodes",
     {.access_key = "k", .project = "p", .cpu = "1", .nodes = 1025},
     "--nodes is at most 1024"},
    {"strict about nothing",
     {.access_key = "k", .project = "p", .cpu = "1", .strict = true},
     "--strict needs --agent: the agents that are allowed"},
    {"an unknown type",
     {.access_key = "k", .project = "p", .cpu = "1", .type = "job"},
     "--type is interactive, batch, inference or system, not \"job\""},
};

START_TEST(spec_build_refuses_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct err e = {0};
    ck_assert_msg(spec_build(a, &bad[_i].o, &e) == NULL, "%s: was taken", bad[_i].what);
    ck_assert_msg(strcmp(e.message, bad[_i].message) == 0, "%s: %s", bad[_i].what, e.message);
}
END_TEST

START_TEST(spec_build_makes_one_kernel)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct spec_options o = {.access_key = "k",
                             .project = "p",
                             .cpu = "4",
                             .mem = "8g",
                             .gpu = "0.5",
                             .type = "batch",
                             .priority = -3};
    struct err e = {0};
    const Berth__V1__SessionSpec *s = spec_build(a, &o, &e);

    ck_assert_msg(s != NULL, "refused: %s", e.message);
    ck_assert_msg(s->n_kernels == 1, "kernels: %zu", s->n_kernels);
    ck_assert_msg(s->cluster_mode == BERTH__V1__CLUSTER_MODE__CLUSTER_MODE_SINGLE_NODE, "mode: %d",
                  (int)s->cluster_mode);
    ck_assert_msg(s->kernels[0]->n_slots == 3, "slots: %zu", s->kernels[0]->n_slots);
    ck_assert_msg(strcmp(s->kernels[0]->slots[2]->slot, "cuda.shares") == 0 &&
                      strcmp(s->kernels[0]->slots[2]->amount, "0.5") == 0,
                  "third slot: %s", s->kernels[0]->slots[2]->slot);
    ck_assert_msg(s->type == BERTH__V1__SESSION_TYPE__SESSION_TYPE_BATCH, "type: %d", (int)s->type);
    ck_assert_msg(s->priority == -3, "priority: %d", s->priority);
    ck_assert_msg(protobuf_c_message_get_packed_size(&s->base) > 0, "it can be sent");
}
END_TEST

START_TEST(spec_build_takes_whole_gpus_as_devices)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct spec_options o = {.access_key = "k", .project = "p", .gpu = "2"};
    struct err e = {0};
    const Berth__V1__SessionSpec *s = spec_build(a, &o, &e);

    ck_assert_msg(s != NULL, "refused: %s", e.message);
    ck_assert_msg(strcmp(s->kernels[0]->slots[0]->slot, "cuda.device") == 0, "slot: %s",
                  s->kernels[0]->slots[0]->slot);
}
END_TEST

START_TEST(spec_build_makes_a_kernel_a_node)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct spec_options o = {
        .access_key = "k", .project = "p", .cpu = "4", .nodes = 3, .arch = "aarch64"};
    struct err e = {0};
    const Berth__V1__SessionSpec *s = spec_build(a, &o, &e);

    ck_assert_msg(s != NULL, "refused: %s", e.message);
    ck_assert_msg(s->n_kernels == 3, "kernels: %zu", s->n_kernels);
    ck_assert_msg(s->cluster_mode == BERTH__V1__CLUSTER_MODE__CLUSTER_MODE_MULTI_NODE, "mode: %d",
                  (int)s->cluster_mode);
    ck_assert_msg(strcmp(s->kernels[2]->architecture, "aarch64") == 0, "architecture: %s",
                  s->kernels[2]->architecture);
}
END_TEST

static const struct {
    const char *what, *text;
    size_t n; /* slots; 0: refused */
    const char *arch;
} agents[] = {
    {"nothing", "", 0, NULL},
    {"no capacity", "n1", 0, NULL},
    {"no name", ",cpu=1", 0, NULL},
    {"the name forgotten", "cpu=1,mem=1g", 0, NULL},
    {"an empty part", "n1,,cpu=1", 0, NULL},
    {"a wrong amount", "n1,cpu=x", 0, NULL},
    {"only an architecture", "n1,arch=aarch64", 0, NULL},
    {"two slots", "n1,cpu=8,mem=64g", 2, ""},
    {"an architecture among them", "n1,cpu=8,arch=aarch64,mem=64g", 2, "aarch64"},
};

START_TEST(spec_agent_reads_as_tabled)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct err e = {0};
    const Berth__V1__AgentSpec *s = spec_agent(a, agents[_i].text, &e);
    ck_assert_msg((s != NULL) == (agents[_i].n > 0), "%s: %s", agents[_i].what,
                  s == NULL ? e.message : "was taken");
    if (s == NULL)
        return;
    ck_assert_msg(strcmp(s->agent_id, "n1") == 0, "%s: id %s", agents[_i].what, s->agent_id);
    ck_assert_msg(s->n_capacity == agents[_i].n, "%s: %zu slots", agents[_i].what, s->n_capacity);
    ck_assert_msg(strcmp(s->architecture, agents[_i].arch) == 0, "%s: architecture %s",
                  agents[_i].what, s->architecture);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, spec_amount_reads_as_tabled, 0, ARRAY_SIZE(amounts));
    tcase_add_loop_test(tc, spec_build_refuses_as_tabled, 0, ARRAY_SIZE(bad));
    tcase_add_test(tc, spec_build_makes_one_kernel);
    tcase_add_test(tc, spec_build_takes_whole_gpus_as_devices);
    tcase_add_test(tc, spec_build_makes_a_kernel_a_node);
    tcase_add_loop_test(tc, spec_agent_reads_as_tabled, 0, ARRAY_SIZE(agents));
}

int main(void)
{
    return unit_run("berthctl_spec", add_tests);
}
