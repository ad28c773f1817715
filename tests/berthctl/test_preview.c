/* test_preview.c - paging, and which agents come nearest. */
#include <string.h>

#include "server/berthctl/preview.h"
#include "tests/unit/unit.h"

#include "tests/berthctl/messages.h"

static const struct {
    const char *what;
    size_t have;
    uint32_t limit;
    uint32_t want;
} pages[] = {
    {"enough", 10, 10, 0},         {"more than enough", 11, 10, 0},
    {"the rest", 4, 10, 6},        {"no page is larger than the largest", 0, 5000, 1000},
    {"no limit", 123456, 0, 1000},
};

START_TEST(page_size_asks_as_tabled)
{
    uint32_t got = page_size(pages[_i].limit, pages[_i].have);
    ck_assert_msg(got == pages[_i].want, "%s: %u", pages[_i].what, got);
}
END_TEST

START_TEST(page_append_keeps_every_row_in_order)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    size_t numbers[1000];
    void *page[7];
    void **all = NULL;
    size_t n = 0;
    size_t cap = 0;

    ck_assert_msg(page_append(a, NULL, &n, &cap, NULL, 0) == NULL, "an empty page");
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i += ARRAY_SIZE(page)) {
        size_t k = 0;
        for (; k < ARRAY_SIZE(page) && i + k < ARRAY_SIZE(numbers); k++)
            page[k] = &numbers[i + k];
        all = page_append(a, all, &n, &cap, page, k);
    }
    ck_assert_msg(n == ARRAY_SIZE(numbers), "rows: %zu", n);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(all[i] == &numbers[i], "row %zu is another", i);
}
END_TEST

static Berth__V1__AgentVerdict *agent_of(struct arena *a, char *id, bool fits)
{
    Berth__V1__AgentVerdict *v = arena_new(a, Berth__V1__AgentVerdict, 1);
    berth__v1__agent_verdict__init(v);
    v->agent_id = id;
    v->fits = fits;
    v->causes = arena_new(a, Berth__V1__Cause *, 2);
    return v;
}

static void fail_by(struct arena *a, Berth__V1__AgentVerdict *v, char *slot, char *requested,
                    char *available)
{
    v->causes[v->n_causes++] = cause_of(a, BERTH__V1__CAUSE_KIND__CAUSE_KIND_CAPACITY, v->agent_id,
                                        "", slot, requested, available);
}

START_TEST(preview_rank_puts_the_nearest_first)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    Berth__V1__PreviewAllocationResponse r = BERTH__V1__PREVIEW_ALLOCATION_RESPONSE__INIT;
    Berth__V1__AgentVerdict *agents[10];
    static const char *const want[] = {"fits-1",       "fits-2",       "short-quarter",
                                       "short-half-1", "short-half-2", "short-half-and-more",
                                       "short-all",    "grouped",      "two-causes",
                                       "other-arch"};

    agents[0] = agent_of(a, "two-causes", false);
    fail_by(a, agents[0], "cpu", "8", "7");
    fail_by(a, agents[0], "cpu", "8", "7");
    agents[1] = agent_of(a, "short-all", false); /* 16 TiB: past 64 bits if taken as a count */
    fail_by(a, agents[1], "mem", "17592186044416", "0");
    agents[2] = agent_of(a, "short-half-2", false);
    fail_by(a, agents[2], "cuda.shares", "1", "0.5");
    agents[3] = agent_of(a, "short-half-1", false);
    fail_by(a, agents[3], "cpu", "8", "4");
    agents[4] = agent_of(a, "short-quarter", false);
    fail_by(a, agents[4], "mem", "17592186044416", "13194139533312");
    agents[5] = agent_of(a, "fits-2", true);
    agents[6] = agent_of(a, "fits-1", true);
    agents[7] = agent_of(a, "short-half-and-more", false);
    fail_by(a, agents[7], "cpu", "8", "4");
    Berth__V1__SlotShortage *both[] = {agents[3]->causes[0]->slots[0],
                                       agents[4]->causes[0]->slots[0]};
    agents[7]->causes[0]->slots = both;
    agents[7]->causes[0]->n_slots = ARRAY_SIZE(both);
    agents[8] = agent_of(a, "other-arch", false);
    agents[8]->causes[agents[8]->n_causes++] =
        cause_of(a, BERTH__V1__CAUSE_KIND__CAUSE_KIND_ARCHITECTURE, "", "", NULL, NULL, NULL);
    agents[9] = agent_of(a, "grouped", false);
    agents[9]->causes[agents[9]->n_causes++] =
        cause_of(a, BERTH__V1__CAUSE_KIND__CAUSE_KIND_SESSION_GROUP, "", "", NULL, NULL, NULL);
    r.agents = agents;
    r.n_agents = ARRAY_SIZE(agents);
    preview_rank(&r);
    for (size_t i = 0; i < ARRAY_SIZE(want); i++)
        ck_assert_msg(strcmp(r.agents[i]->agent_id, want[i]) == 0, "place %zu is %s, not %s", i,
                      r.agents[i]->agent_id, want[i]);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, page_size_asks_as_tabled, 0, ARRAY_SIZE(pages));
    tcase_add_test(tc, page_append_keeps_every_row_in_order);
    tcase_add_test(tc, preview_rank_puts_the_nearest_first);
}

int main(void)
{
    return unit_run("berthctl_preview", add_tests);
}
