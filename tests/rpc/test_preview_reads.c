/* test_preview_reads.c - previews and lists only read: by a role that may do nothing else, in one
 * consistent snapshot, without a lock that anybody minds. */
#include <stdio.h>
#include <string.h>

#include "repo/pg_query.h"
#include "repo/session.h"
#include "server/convert.h"
#include "tests/rpc/previewing.h"

static struct db db;
static char *as_reader; /* --preview-database=... */

static void setup(void)
{
    db = world_create();
    world_do(&db, "SELECT t.session('first', 5, 1024), t.session('s', 5, 1024, 2, mode => "
                  "'multi-node'), t.session('big', 99, 1024)");
    /* Roles are the server's: one of its own for each test. */
    char sql[800];
    (void)snprintf(sql, sizeof(sql),
                   "CREATE ROLE %s_reader LOGIN NOSUPERUSER;"
                   "ALTER ROLE %s_reader SET default_transaction_read_only = on;"
                   "GRANT USAGE ON SCHEMA public, berth TO %s_reader;"
                   "GRANT SELECT ON ALL TABLES IN SCHEMA public, berth TO %s_reader",
                   db.name, db.name, db.name, db.name);
    db_sql(&db, sql);
}

/* The same server and database, as the role that may only SELECT. */
static const char *reader(char ret[400])
{
    char host[100];
    db_text(&db, "SELECT current_setting('unix_socket_directories')", host, sizeof(host));
    (void)snprintf(ret, 400, "host=%s user=%s_reader dbname=%s", host, db.name, db.name);
    return ret;
}

static void up(void)
{
    static char flag[450], conninfo[400];
    (void)snprintf(flag, sizeof(flag), "--preview-database=%s", reader(conninfo));
    as_reader = flag;
    service_up(&db, NULL, (const char *[]){as_reader, NULL});
}

START_TEST(preview_and_lists_need_only_select)
{
    up();
    db_sql(&db, "UPDATE keypair_resource_policies SET max_concurrent_sessions = 1");
    schedule("g1", "as the other role, so that there are causes");
    char *before = db_fingerprint(&db);
    char *without[] = {(char *)"a1"}, *ignore[] = {(char *)"concurrency"};
    for (int i = 0; i < 16; i++) {
        preview_request q =
            (i & 1) != 0 ? preview_of_spec(spec_of(&db, 2, "1")) : preview_of(&db, "big");
        q.after_queue = (i & 2) != 0;
        if ((i & 4) != 0)
            q.view = BERTH__V1__PREVIEW_VIEW__PREVIEW_VIEW_AGENTS;
        if ((i & 8) != 0) {
            q.without_agents = without;
            q.ignore_validators = ignore;
            q.n_without_agents = q.n_ignore_validators = 1;
        }
        (void)preview(&q, "a preview as a reader");
    }
    Berth__V1__ListPendingSessionsResponse *list = list_pending("g1", NULL, "the list");
    ck_assert_uint_eq(list->total, 2);
    ck_assert_uint_eq(list->sessions[1]->n_last_causes, 1);
    Berth__V1__ListScalingGroupsRequest groups = BERTH__V1__LIST_SCALING_GROUPS_REQUEST__INIT;
    Berth__V1__ListScalingGroupsResponse *all = call_ok(
        GROUPS_PATH, &groups.base, &berth__v1__list_scaling_groups_response__descriptor, "groups");
    ck_assert_uint_eq(all->n_scaling_groups, 2);
    ck_assert_str_eq(db_fingerprint(&db), before);
    service_down();
}
END_TEST

/* So that the test above means something. */
START_TEST(the_reader_cannot_write)
{
    struct err e = {.code = ERR_NONE};
    char conninfo[400];
    struct pg *c = NULL;
    struct txn *t = NULL;
    assert_done(pg_open(reader(conninfo), &c, &e), &e, "connect");
    assert_done(txn_begin(c, TXN_WRITE, &t, &e), &e, "begin");
    ck_assert_msg(pg_script(t, "UPDATE sessions SET priority = 1", &e) < 0, "the reader may write");
    ck_assert_msg(strstr(e.detail, "42501") != NULL, "refused for another reason: %s", e.detail);
    txn_rollback(t);
    pg_close(c);
}
END_TEST

START_TEST(previews_go_on_without_the_primary_only_if_told)
{
    service_up(&db, NULL, (const char *[]){"--preview-database=host=/nowhere dbname=x", NULL});
    preview_request q = preview_of(&db, "s");
    call_fails(PREVIEW_PATH, &q.base, GRPC_STATUS_UNAVAILABLE, "DATABASE_UNAVAILABLE", NULL,
               "the database of previews is away");
    schedule("g1", "a round needs the other one only");
    service_down();
}
END_TEST

/* Of the transaction a preview reads in, while it is open. */
START_TEST(a_preview_takes_no_lock_that_anybody_minds)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct pg *c = db_open(&db);
    struct txn *t = NULL;
    struct session_place place;
    struct event_cause *causes;
    uint32_t n_causes;
    char project[UUID_TEXT], sql[400], text[200];
    const struct uuid id = world_id(&db, "s"), p1 = world_id(&db, "p1"), none = {{0}};
    const struct snapshot_spec spec = {
        .access_key = "AK2", .project = uuid_format(&p1, project), .session_group = &none};
    const struct snapshot_query q = {.scaling_group = "g1", .specs = &spec, .n_specs = 1};
    struct snapshot_spec_owners owners;
    assert_done(txn_begin(c, TXN_READ_SNAPSHOT, &t, &e), &e, "begin");
    assert_done(snapshot_load(t, &q, builder_create(a), &owners, &e), &e, "load");
    assert_done(session_find(t, &id, a, &place, &e), &e, "find");
    assert_done(session_last_causes(t, &id, 1, a, &causes, &n_causes, &e), &e, "causes");
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    assert_done(pg_query(t,
                         "SELECT pg_backend_pid()::bigint, current_setting("
                         "'transaction_isolation'), current_setting('transaction_read_only')",
                         "itt", NULL, 0, &r, &e),
                &e, "ask");
    ck_assert_str_eq(rows_text(r, 0, 1), "repeatable read");
    ck_assert_str_eq(rows_text(r, 0, 2), "on");
    (void)snprintf(sql, sizeof(sql),
                   "SELECT string_agg(DISTINCT mode, ' ') FROM pg_locks WHERE pid = %d AND "
                   "locktype NOT IN ('virtualxid')",
                   (int)rows_int(r, 0, 0));
    db_text(&db, sql, text, sizeof(text));
    ck_assert_str_eq(text, "AccessShareLock");
    (void)snprintf(sql, sizeof(sql),
                   "SELECT count(*) FROM pg_stat_activity WHERE pid = %d AND backend_xid IS NOT "
                   "NULL",
                   (int)rows_int(r, 0, 0));
    ck_assert_msg(db_int(&db, sql) == 0, "it has a transaction id, as who writes has");
    txn_rollback(t);
    pg_close(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("preview_reads");
    TCase *tc = tcase_create("preview_reads");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, preview_and_lists_need_only_select);
    tcase_add_test(tc, the_reader_cannot_write);
    tcase_add_test(tc, previews_go_on_without_the_primary_only_if_told);
    tcase_add_test(tc, a_preview_takes_no_lock_that_anybody_minds);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
