/* test_db_moment.c - which database it is, which moments follow each other, and what is known of
 * the transactions between. */
#include <stdlib.h>

#include "repo/db_moment.h"
#include "repo/pg_conn.h"
#include "tests/repo/support.h"

#define MARK                                                                                       \
    {                                                                                              \
        .started = 1, .recovered = 2, .database = 3                                                \
    }

/* --- one after the other --- */

static const struct {
    const char *what;
    struct db_moment then, now;
    bool follows;
} moments[] = {
    {"a server that was restarted",
     {.mark = MARK, .xmin = 5},
     {.mark = {.started = 9, .recovered = 2, .database = 3}, .xmin = 6, .xmax = 7},
     false},
    {"a server that recovered",
     {.mark = MARK, .xmin = 5},
     {.mark = {.started = 1, .recovered = 9, .database = 3}, .xmin = 6, .xmax = 7},
     false},
    {"another database",
     {.mark = MARK, .xmin = 5},
     {.mark = {.started = 1, .recovered = 2, .database = 9}, .xmin = 6, .xmax = 7},
     false},
    {"ids that went back", {.mark = MARK, .xmin = 5}, {.mark = MARK, .xmin = 4, .xmax = 7}, false},
    {"one id too far",
     {.mark = MARK, .xmin = 5},
     {.mark = MARK, .xmin = 5, .xmax = 6 + XIDS_MAX},
     false},
    {"as far as it goes",
     {.mark = MARK, .xmin = 5},
     {.mark = MARK, .xmin = 5, .xmax = 5 + XIDS_MAX},
     true},
    {"the same moment",
     {.mark = MARK, .xmin = 5, .xmax = 5},
     {.mark = MARK, .xmin = 5, .xmax = 5},
     true},
    {"a later one", {.mark = MARK, .xmin = 5}, {.mark = MARK, .xmin = 6, .xmax = 7}, true},
};

START_TEST(moments_follow_each_other_as_tabled)
{
    ck_assert_msg(db_moment_follows(&moments[_i].then, &moments[_i].now) == moments[_i].follows,
                  "%s: it does%s follow", moments[_i].what, moments[_i].follows ? " not" : "");
}
END_TEST

/* --- what is known of ids --- */

/* Under way are n from `first` on. */
static const struct {
    const char *what;
    uint64_t xmin, xmax, first, n;
    bool quiet;
} spans[] = {
    {"an id that nobody knows", 10, 12, 11, 1, false},
    {"the last id is not known", 10, 13, 9, 3, false},
    {"ids that went back", 13, 12, 12, 1, false},
    {"more ids than are remembered", 10, 11 + QUIET_KEPT, 10, 1 + QUIET_KEPT, false},
    {"no id at all", 10, 10, 10, 0, true},
    {"two under way", 10, 12, 10, 2, true},
    {"as many ids as are remembered", 10, 10 + QUIET_KEPT, 10, QUIET_KEPT, true},
};

START_TEST(ids_are_quiet_as_tabled)
{
    const uint64_t first = spans[_i].first;
    const uint32_t n = (uint32_t)spans[_i].n;
    int64_t *open = calloc(n + 1, sizeof(*open));
    for (uint32_t i = 0; i < n; i++)
        open[i] = (int64_t)(first + i);
    const struct db_moment now = {
        .mark = MARK, .xmin = first, .xmax = spans[_i].xmax, .open = open, .n_open = n};
    const bool quiet = quiet_since(spans[_i].xmin, &now);
    free(open);
    ck_assert_msg(quiet == spans[_i].quiet, "%s: it is%s quiet", spans[_i].what,
                  quiet ? "" : " not");
}
END_TEST

static struct db_moment moment_of(struct pg *c, struct arena *a)
{
    struct err e = {.code = ERR_NONE};
    struct db_moment m;
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_done(db_moment_read(t, a, &m, &e), &e, "read the moment");
    return m;
}

/* An id of a transaction, which is declared quiet or not. */
static uint64_t write_something(struct pg *c, bool declare)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    const uint64_t xid = strtoull(t->xid, NULL, 10);
    if (declare)
        assert_done(quiet_declare(t, &e), &e, "declare");
    assert_done(txn_commit(&t, &e), &e, "commit");
    return xid;
}

START_TEST(what_was_declared_is_quiet_at_that_server)
{
    const struct db d = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct db_moment before = moment_of(c, a);
    const uint64_t xid = write_something(c, true);
    struct db_moment now = moment_of(c, a);
    ck_assert_msg(before.xmin == xid && now.xmin == xid + 1 && now.xmax == xid + 1,
                  "the moments are not those around %llu", (unsigned long long)xid);
    ck_assert_msg(db_moment_follows(&before, &now), "the second does not follow the first");
    ck_assert_msg(quiet_since(before.xmin, &now), "what was declared is not known");
    now.mark.started++;
    ck_assert_msg(!quiet_since(before.xmin, &now), "it is known of another server");
    write_something(c, false);
    now = moment_of(c, a);
    ck_assert_msg(!quiet_since(before.xmin, &now), "what was not declared is quiet");
    ck_assert_msg(!quiet_since(before.xmin + 1, &now), "what was not declared is quiet");
    ck_assert_msg(quiet_since(before.xmin + 2, &now), "what was before still counts");
}
END_TEST

START_TEST(a_moment_names_those_that_are_under_way)
{
    const struct db d = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&d), *other = db_open(&d);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct err e = {.code = ERR_NONE};
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    assert_done(txn_begin(other, TXN_WRITE, &t, &e), &e, "begin");
    const uint64_t xid = strtoull(t->xid, NULL, 10);
    write_something(c, true);
    const struct db_moment now = moment_of(c, a);
    ck_assert_msg(now.xmin == xid && now.xmax == xid + 2 && now.n_open == 1 &&
                      (uint64_t)now.open[0] == xid,
                  "%u are under way", now.n_open);
    ck_assert_msg(quiet_since(xid, &now), "what is under way cannot be seen, and is not quiet");
}
END_TEST

START_TEST(databases_of_one_server_have_different_marks)
{
    const struct db one = db_create(DB_EMPTY), two = db_create(DB_EMPTY);
    CLEANUP(pg_closep) struct pg *c = db_open(&one), *other = db_open(&two);
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct db_moment x = moment_of(c, a), y = moment_of(other, a), again = moment_of(c, a);
    ck_assert_msg(!db_mark_equal(&x.mark, &y.mark), "two databases are one");
    ck_assert_msg(db_mark_equal(&x.mark, &again.mark), "one database is two");
    ck_assert_msg(x.mark.started == y.mark.started && x.mark.started != 0, "the server's start");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("db_moment");
    TCase *tc = tcase_create("db_moment");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, moments_follow_each_other_as_tabled, 0, ARRAY_SIZE(moments));
    tcase_add_loop_test(tc, ids_are_quiet_as_tabled, 0, ARRAY_SIZE(spans));
    tcase_add_test(tc, what_was_declared_is_quiet_at_that_server);
    tcase_add_test(tc, a_moment_names_those_that_are_under_way);
    tcase_add_test(tc, databases_of_one_server_have_different_marks);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_ALONE);
}
