/* test_request.c - an answer is stored with the work it is about, and found again. */
#include <stdio.h>
#include <string.h>

#include "repo/request.h"
#include "repo/session.h"
#include "tests/repo/world.h"

/* --- finding --- */

static const struct {
    const char *what, *id, *method, *reason; /* reason NULL: no error */
    char hash;
    bool found;
} finds[] = {
    {"another method", "r1", "ScheduleScalingGroup", "REQUEST_ID_REUSED", 'a', false},
    {"another body", "r1", "CancelSession", "REQUEST_ID_REUSED", 'b', false},
    {"an id that is new", "r2", "CancelSession", NULL, 'a', false},
    {"an id in other letters", "R1", "CancelSession", NULL, 'a', false},
    {"an id that is no UTF-8 trick", "r1' OR '1'='1", "CancelSession", NULL, 'a', false},
    {"the same request", "r1", "CancelSession", NULL, 'a', true},
};

static struct request_key key_of(const char *id, const char *method, char hash)
{
    struct request_key k = {.id = id, .method = method};
    memset(k.body_hash, hash, sizeof(k.body_hash));
    return k;
}

START_TEST(request_is_found_only_when_it_is_the_same)
{
    CLEANUP(world_close) struct world w = world_open("");
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    struct err e = {.code = ERR_NONE};
    const struct request_key stored = key_of("r1", "CancelSession", 'a');
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(request_store(t, &stored, (const uint8_t *)"ans\0wer", 7, &e), &e, "store");
    for (size_t i = 0; i < ARRAY_SIZE(finds); i++) {
        const struct request_key k = key_of(finds[i].id, finds[i].method, finds[i].hash);
        uint8_t *answer = NULL;
        size_t len = 0;
        if (finds[i].reason != NULL) {
            assert_failed(request_find(t, &k, w.a, &answer, &len, &e), &e, ERR_EXISTS,
                          finds[i].reason, finds[i].what);
            continue;
        }
        assert_done(request_find(t, &k, w.a, &answer, &len, &e), &e, finds[i].what);
        ck_assert_msg((answer != NULL) == finds[i].found, "%s: found or not", finds[i].what);
        if (finds[i].found)
            ck_assert_msg(len == 7 && memcmp(answer, "ans\0wer", 7) == 0, "%s: other bytes",
                          finds[i].what);
    }
}
END_TEST

START_TEST(request_with_an_empty_answer_is_found)
{
    CLEANUP(world_close) struct world w = world_open("");
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    struct err e = {.code = ERR_NONE};
    const struct request_key k = key_of("r1", "CancelSession", 'a');
    uint8_t *answer = NULL;
    size_t len = 9;
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(request_store(t, &k, NULL, 0, &e), &e, "store nothing");
    assert_done(request_find(t, &k, w.a, &answer, &len, &e), &e, "find nothing");
    ck_assert_msg(answer != NULL && len == 0, "an empty answer must not look like a new id");
    assert_failed(request_store(t, &k, NULL, 0, &e), &e, ERR_CONFLICT, "REQUEST_RACE",
                  "store it twice");
    ck_assert_uint_gt(e.retry_after_ms, 0);
}
END_TEST

START_TEST(request_without_id_stores_nothing)
{
    CLEANUP(world_close) struct world w = world_open("");
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    struct err e = {.code = ERR_NONE};
    const struct request_key k = {.method = "CancelSession"};
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(request_check(t, &k, &e), &e, "check");
    assert_done(request_store(t, &k, NULL, 0, &e), &e, "store");
    assert_done(txn_commit(&t, &e), &e, "commit");
    ck_assert_int_eq(db_int(&w.d, "SELECT count(*) FROM berth.requests"), 0);
}
END_TEST

START_TEST(request_that_is_new_has_no_answer)
{
    CLEANUP(world_close) struct world w = world_open("");
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    struct err e = {.code = ERR_NONE};
    const struct request_key k = key_of("r1", "CancelSession", 'a');
    uint8_t old[] = "old", *answer = old;
    size_t len = 3;
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(request_find(t, &k, w.a, &answer, &len, &e), &e, "find");
    ck_assert_msg(answer == NULL && len == 0, "an answer of %zu bytes is there", len);
}
END_TEST

START_TEST(request_check_tells_of_an_answer_that_is_there)
{
    CLEANUP(world_close) struct world w = world_open("");
    CLEANUP(txn_rollbackp) struct txn *t = NULL;
    struct err e = {.code = ERR_NONE};
    const struct request_key first = key_of("r1", "CancelSession", 'a'),
                             other = key_of("r2", "CancelSession", 'a'),
                             none = {.method = "CancelSession"};
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(request_check(t, &first, &e), &e, "before");
    assert_done(request_store(t, &first, (const uint8_t *)"answer", 6, &e), &e, "store");
    assert_done(request_check(t, &other, &e), &e, "another id");
    assert_done(request_check(t, &none, &e), &e, "no id");
    assert_failed(request_check(t, &first, &e), &e, ERR_CONFLICT, "REQUEST_RACE", "the same id");
    ck_assert_msg(e.n_meta == 1 && strcmp(e.meta[0].value, "r1") == 0, "the id is not told");
    ck_assert_msg(e.retry_after_ms > 0, "nothing is said of asking again");
}
END_TEST

/* --- with the work --- */

static int answer_counts(void *ctx, const struct plan *p, struct arena *a, uint8_t **ret,
                         size_t *ret_len, struct err *e)
{
    (void)e;
    int *calls = ctx;
    char *text = arena_printf(a, "%u scheduled, %u lost", p->counts[OUTCOME_SCHEDULED],
                              p->counts[OUTCOME_CONFLICT]);
    ++*calls;
    *ret = (uint8_t *)text;
    *ret_len = strlen(text);
    return 0;
}

START_TEST(commit_stores_the_answer_with_the_last_chunk)
{
    CLEANUP(world_close)
    struct world w = world_open("SELECT t.session('s1', 1, 0), t.session('s2', 1, 0)");
    struct err e = {.code = ERR_NONE};
    struct plan *p = world_plan(w.s, w.a);
    plan_place(p, w.s, "s1", "a1");
    plan_place(p, w.s, "s2", "a1");
    struct commit_input in = world_commit(w.c, w.s, p);
    int calls = 0;
    in.chunk = 1;
    in.request = (struct request_key){.id = "r1", .method = "ScheduleScalingGroup"};
    in.answer = answer_counts;
    in.answer_ctx = &calls;
    world_do(&w.d, "UPDATE sessions SET status = 'CANCELLED' WHERE name = 's1'");
    struct commit_result done;
    assert_done(plan_commit(w.c, &in, w.a, &done, &e), &e, "with a request id");
    ck_assert_int_eq(calls, 1);
    world_expect(&w.d, "SELECT convert_from(answer, 'utf8') FROM berth.requests",
                 "1 scheduled, 1 lost", "answer");
    world_do(&w.d, "SELECT t.session('s3', 1, 0)");
    w.s = world_load(w.c, "g1", w.a);
    p = world_plan(w.s, w.a);
    plan_place(p, w.s, "s3", "a1");
    struct commit_input again = world_commit(w.c, w.s, p);
    again.request = in.request;
    again.answer = answer_counts;
    again.answer_ctx = &calls;
    struct commit_result r;
    assert_failed(plan_commit(w.c, &again, w.a, &r, &e), &e, ERR_CONFLICT, "REQUEST_RACE",
                  "the same request id again");
    world_expect(&w.d, "SELECT status FROM sessions WHERE name = 's3'", "PENDING",
                 "nothing is written");
}
END_TEST

static int answer_status(void *ctx, const struct cancel_result *r, struct arena *a, uint8_t **ret,
                         size_t *ret_len, struct err *e)
{
    (void)ctx;
    (void)e;
    *ret = (uint8_t *)arena_strdup(a, r->status);
    *ret_len = strlen(r->status);
    return 0;
}

static int answer_nothing(void *ctx, const struct cancel_result *r, struct arena *a, uint8_t **ret,
                          size_t *ret_len, struct err *e)
{
    (void)ctx;
    (void)r;
    (void)a;
    (void)ret;
    (void)ret_len;
    return err_set(e, ERR_EXHAUSTED, "TOO_LARGE", "The answer is too large.");
}

START_TEST(cancel_stores_its_answer)
{
    CLEANUP(world_close)
    struct world w = world_open("SELECT t.session('s1', 1, 0), t.session('s2', 1, 0)");
    struct err e = {.code = ERR_NONE};
    struct cancel_result r;
    struct cancel_input in = {.session_id = world_id(&w.d, "s1"),
                              .request = key_of("c1", "CancelSession", 'a'),
                              .answer = answer_nothing};
    assert_failed(session_cancel(w.c, &in, w.a, &r, &e), &e, ERR_EXHAUSTED, "TOO_LARGE",
                  "an answer that cannot be made");
    world_expect(&w.d, "SELECT status FROM sessions WHERE name = 's1'", "PENDING",
                 "nothing happens without its answer");
    in.answer = answer_status;
    assert_done(session_cancel(w.c, &in, w.a, &r, &e), &e, "cancel");
    world_expect(&w.d, "SELECT convert_from(answer, 'utf8') FROM berth.requests", "CANCELLED",
                 "answer");
    in.session_id = world_id(&w.d, "s2");
    assert_failed(session_cancel(w.c, &in, w.a, &r, &e), &e, ERR_CONFLICT, "REQUEST_RACE",
                  "the same id for another session");
    world_expect(&w.d, "SELECT status FROM sessions WHERE name = 's2'", "PENDING",
                 "the second use changes nothing");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("request");
    TCase *tc = tcase_create("request");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, request_is_found_only_when_it_is_the_same);
    tcase_add_test(tc, request_with_an_empty_answer_is_found);
    tcase_add_test(tc, request_that_is_new_has_no_answer);
    tcase_add_test(tc, request_check_tells_of_an_answer_that_is_there);
    tcase_add_test(tc, request_without_id_stores_nothing);
    tcase_add_test(tc, commit_stores_the_answer_with_the_last_chunk);
    tcase_add_test(tc, cancel_stores_its_answer);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
