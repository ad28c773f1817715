/* test_plan_count.c - what a commit in several chunks says about the live sessions of access keys,
 * and when it counts them: at a key's first chunk, after somebody else's change, and at the end. */
#include <stdio.h>
#include <string.h>

#include "tests/repo/world.h"

enum { CHUNKS = 4, KEYS = 2 };

/* The plan: sftp (AK1, private) and x (AK2), s1 and y, s2 and z, s3; two a chunk, and with each
 * pair one of AK1 that fails. Before the second chunk something happens in the other group. After
 * each chunk: its keys, in order. */
static const struct {
    const char *what, *meanwhile;
    struct owner_count after[CHUNKS][KEYS];
} counts[] = {
    {"nobody else schedules",
     "",
     {{{"AK1", 0, 1, 1}, {"AK2", 1, 0, 1}},
      {{"AK1", 1, 1, 2}, {"AK2", 2, 0, 2}},
      {{"AK1", 2, 1, 3}, {"AK2", 3, 0, 3}},
      {{"AK1", 3, 1, 4}}}},
    {"somebody schedules and says so",
     "SELECT t.place('other', 'b1', 'RUNNING'); "
     "UPDATE berth.owner_versions SET version = version + 1 WHERE owner_kind = 0 AND owner_id = "
     "'AK1'",
     {{{"AK1", 0, 1, 1}, {"AK2", 1, 0, 1}},
      {{"AK1", 2, 1, 3}, {"AK2", 2, 0, 2}},
      {{"AK1", 3, 1, 4}, {"AK2", 3, 0, 3}},
      {{"AK1", 4, 1, 5}}}},
    {"somebody schedules and does not say so, which the last chunk finds",
     "SELECT t.place('other', 'b1', 'RUNNING')",
     {{{"AK1", 0, 1, 1}, {"AK2", 1, 0, 1}},
      {{"AK1", 1, 1, 2}, {"AK2", 2, 0, 2}},
      {{"AK1", 2, 1, 3}, {"AK2", 3, 0, 3}},
      {{"AK1", 4, 1, 4}}}},
};

struct between { /* chunks */
    const struct db *d;
    const char *meanwhile;
    unsigned chunk;
};

static int before_chunk(void *ctx, struct err *e)
{
    struct between *b = ctx;
    (void)e;
    if (++b->chunk == 2)
        world_do(b->d, b->meanwhile);
    return 0;
}

static void expect_count(const char *what, uint32_t chunk, const struct owner_count *is,
                         const struct owner_count *wanted)
{
    ck_assert_msg(strcmp(is->access_key, wanted->access_key) == 0 &&
                      is->sessions == wanted->sessions &&
                      is->sftp_sessions == wanted->sftp_sessions && is->version == wanted->version,
                  "%s: chunk %u: %s runs %lld and %lld sessions at version %lld", what, chunk + 1,
                  is->access_key, (long long)is->sessions, (long long)is->sftp_sessions,
                  (long long)is->version);
}

START_TEST(commit_counts_each_key_when_it_has_to)
{
    const char *what = counts[_i].what;
    CLEANUP(world_close)
    struct world w = world_open(
        "SELECT t.session('sftp', 1, 0, 1, 'g1', 'AK1', 'SYSTEM'), t.session('s1', 1, 0), "
        "t.session('s2', 1, 0), t.session('s3', 1, 0), t.session('other', 1, 0, 1, 'g2'), "
        "t.session('x', 1, 0, 1, 'g1', 'AK2'), t.session('y', 1, 0, 1, 'g1', 'AK2'), "
        "t.session('z', 1, 0, 1, 'g1', 'AK2'), t.session('f1', 1, 0), t.session('f3', 1, 0), "
        "t.session('f5', 1, 0)");
    static const char *const names[] = {"sftp", "x", "s1", "y", "s2", "z", "s3"};
    struct plan *p = world_plan(w.s, w.a);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char fails[8];
        (void)snprintf(fails, sizeof(fails), "f%zu", i);
        plan_place(p, w.s, names[i], "a1");
        if (i % KEYS != 0)
            plan_say(p, w.s, w.a, fails, OUTCOME_WAITING, CAUSE_CAPACITY, "no room");
    }
    struct between between = {.d = &w.d, .meanwhile = counts[_i].meanwhile};
    struct commit_input in = world_commit(w.c, w.s, p);
    in.chunk = KEYS + 1;
    in.guard = before_chunk;
    in.guard_ctx = &between;
    struct err e = {.code = ERR_NONE};
    struct commit_result r;
    assert_done(plan_commit(w.c, &in, w.a, &r, &e), &e, what);
    ck_assert_msg(r.n_owners == ARRAY_SIZE(names), "%s: %u counts", what, r.n_owners);
    for (uint32_t i = 0; i < r.n_owners; i++)
        expect_count(what, i / KEYS, &r.owners[i], &counts[_i].after[i / KEYS][i % KEYS]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan_count");
    TCase *tc = tcase_create("plan_count");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, commit_counts_each_key_when_it_has_to, 0, ARRAY_SIZE(counts));
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
