/* test_counter_all.c - all mirrors of session counts, whatever was done to Redis. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "repo/counter.h"
#include "repo/pg_query.h"
#include "repo/redis_command.h"
#include "repo/session.h"
#include "tests/repo/world.h"

static struct err e;

static void command(struct redis *r, const char *words)
{
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    char copy[200], *rest = NULL;
    struct redis_arg args[8];
    uint32_t n = 0;
    (void)snprintf(copy, sizeof(copy), "%s", words);
    for (char *w = strtok_r(copy, " ", &rest); w != NULL; w = strtok_r(NULL, " ", &rest))
        args[n++] = redis_arg_text(w);
    assert_done(redis_command(r, args, n, &reply, &e), &e, words);
}

static void assert_value(struct redis *r, const char *key, const char *value, const char *what)
{
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    const struct redis_arg args[] = {redis_arg_text("GET"), redis_arg_text(key)};
    assert_done(redis_command(r, args, 2, &reply, &e), &e, what);
    ck_assert_msg(strcmp(redis_reply_text(reply, NULL), value) == 0, "%s: %s is \"%s\"", what, key,
                  redis_reply_text(reply, NULL));
}

static void assert_whole(struct redis *r, bool wanted, const char *what)
{
    bool whole = !wanted;
    assert_done(counter_is_whole(r, &whole, &e), &e, what);
    ck_assert_msg(whole == wanted, "%s: the mirrors are %s", what, whole ? "whole" : "not whole");
}

/* AK1 runs three sessions and one for files, AK2 has had one. */
static const char plant[] =
    "SELECT t.session(s, 1, 1), t.place(s, 'a1', 'RUNNING') FROM unnest(ARRAY['a', 'b', 'c']) s;"
    "SELECT t.session('f', 1, 1, type => 'SYSTEM'), t.place('f', 'a1', 'RUNNING');"
    "SELECT t.session('waits', 1, 1), t.session('over', 1, 1, key => 'AK2');"
    "SELECT t.place('over', 'a1', 'SCHEDULED')";

static struct world world_counted(struct redis *r)
{
    struct world w = world_open(plant);
    struct cancel_result done;
    const struct cancel_input in = {.session_id = world_id(&w.d, "over"), .reason = "test"};
    assert_done(session_cancel(w.c, &in, w.a, &done, &e), &e, "cancel");
    command(r, "FLUSHALL");
    return w;
}

static void assert_mirrors(struct redis *r, const char *what)
{
    assert_value(r, "keypair.concurrency_used.AK1", "3", what);
    assert_value(r, "keypair.sftp_concurrency_used.AK1", "1", what);
    assert_value(r, "keypair.concurrency_used.AK2", "0", what);
    assert_value(r, "keypair.sftp_concurrency_used.AK2", "0", what);
    assert_whole(r, true, what);
}

static void mirror_all(const struct world *w, struct redis *r, const char *what)
{
    uint32_t n = 0;
    assert_done(counter_mirror_all(w->c, r, &n, &e), &e, what);
    ck_assert_msg(n == 2, "%s: %u access keys", what, n);
}

static const struct {
    const char *what, *harm[4];
    bool seen; /* the mark tells */
} harms[] = {
    {"nothing", {NULL}, false},
    {"all is erased", {"FLUSHALL"}, true},
    {"a count is erased", {"DEL keypair.concurrency_used.AK1"}, false},
    {"a count and its version are erased",
     {"DEL keypair.concurrency_used.AK1 keypair.concurrency_used.AK1.berth-version"},
     false},
    {"a count is another", {"SET keypair.concurrency_used.AK2 7"}, false},
    {"a count is a list",
     {"DEL keypair.concurrency_used.AK1", "RPUSH keypair.concurrency_used.AK1 x"},
     false},
    {"a version is a hash",
     {"DEL keypair.concurrency_used.AK1.berth-version",
      "HSET keypair.concurrency_used.AK1.berth-version f 1", "SET keypair.concurrency_used.AK1 9"},
     false},
    {"the mark is erased", {"DEL berth.counters"}, true},
    {"the mark is a set", {"DEL berth.counters", "SADD berth.counters whole"}, true},
    {"the mark is another server's", {"SET berth.counters whole0123"}, true},
    {"the mark is one of a filling that died", {"SET berth.counters filling"}, true},
};

START_TEST(counter_all_mends_what_was_done_as_tabled)
{
    const char *what = harms[_i].what;
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    CLEANUP(world_close) struct world w = world_counted(r);
    assert_whole(r, false, "before the first time");
    mirror_all(&w, r, "the first time");
    assert_mirrors(r, "the first time");
    for (int i = 0; i < 4 && harms[_i].harm[i] != NULL; i++)
        command(r, harms[_i].harm[i]);
    assert_whole(r, !harms[_i].seen, what);
    mirror_all(&w, r, what);
    assert_mirrors(r, what);
}
END_TEST

START_TEST(counter_all_is_not_whole_after_a_restart)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    CLEANUP(world_close) struct world w = world_counted(r);
    bool whole = true;
    uint32_t n = 0;
    mirror_all(&w, r, "before");
    redis_server_stop();
    assert_failed(counter_is_whole(r, &whole, &e), &e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE",
                  "away");
    assert_failed(counter_mirror_all(w.c, r, &n, &e), &e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE",
                  "away");
    redis_server_start();
    assert_whole(r, false, "empty");
    mirror_all(&w, r, "after");
    assert_mirrors(r, "after");
}
END_TEST

START_TEST(counter_all_leaves_newer_counts_alone)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    CLEANUP(world_close) struct world w = world_counted(r);
    const struct owner_count newer = {.access_key = "AK1", .sessions = 4, .version = 100};
    assert_done(counter_mirror(r, &newer, 1, &e), &e, "a commit of just now");
    mirror_all(&w, r, "counted a moment before");
    assert_value(r, "keypair.concurrency_used.AK1", "4", "the newer count stays");
}
END_TEST

START_TEST(counter_all_does_not_call_whole_what_it_could_not_count)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    CLEANUP(world_close) struct world w = world_counted(r);
    uint32_t n = 0;
    mirror_all(&w, r, "before");
    db_sql(&w.d, "ALTER TABLE berth.owner_versions RENAME TO elsewhere");
    ck_assert_msg(counter_mirror_all(w.c, r, &n, &e) < 0, "counted without its table");
    assert_whole(r, false, "a count that failed");
}
END_TEST

static void *mirror_in_thread(void *arg)
{
    const struct world *w = arg;
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    CLEANUP(pg_closep) struct pg *c = db_open(&w->d);
    uint32_t n = 0;
    assert_done(counter_mirror_all(c, r, &n, &e), &e, "mirror while Redis is erased");
    return NULL;
}

START_TEST(counter_all_is_not_whole_when_erased_meanwhile)
{
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    CLEANUP(world_close) struct world w = world_counted(r);
    struct txn *t = NULL;
    pthread_t thread;
    assert_done(txn_begin(w.c, TXN_WRITE, &t, &e), &e, "begin");
    assert_done(pg_exec(t, "LOCK TABLE berth.owner_versions", NULL, 0, NULL, &e), &e, "lock");
    ck_assert_int_eq(pthread_create(&thread, NULL, mirror_in_thread, &w), 0);
    db_await(&w.d,
             "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname "
             "= current_database()",
             "the count waits");
    command(r, "FLUSHALL");
    assert_done(txn_commit(&t, &e), &e, "commit");
    pthread_join(thread, NULL);
    assert_whole(r, false, "something may be missing");
    mirror_all(&w, r, "again");
    assert_mirrors(r, "again");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("counter_all");
    TCase *tc = tcase_create("counter_all");
    tcase_add_loop_test(tc, counter_all_mends_what_was_done_as_tabled, 0, ARRAY_SIZE(harms));
    tcase_add_test(tc, counter_all_is_not_whole_after_a_restart);
    tcase_add_test(tc, counter_all_leaves_newer_counts_alone);
    tcase_add_test(tc, counter_all_does_not_call_whole_what_it_could_not_count);
    tcase_add_test(tc, counter_all_is_not_whole_when_erased_meanwhile);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
