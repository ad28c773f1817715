/* support.h - real servers for tests: a private PostgreSQL and a private Redis, and databases that
 * are fresh in each test.
 *
 * main() of a test program is `return support_run(suite, flags)`. The servers live in a temporary
 * folder, speak over unix sockets only, and end with the program, however it ends: a keeper process
 * owns them, ends them by process id and removes the folder. Servers that run already are used when
 * BERTH_TEST_PGHOST (a socket folder) and BERTH_TEST_REDIS (unix:/path) are set, except by programs
 * that need servers of their own; BERTH_TEST_TEMPLATE names the migrated database that programs on
 * such a server then share, made by the first. Check forks a process a test: everything below but
 * support_run() is for use inside a test, and fails the test with a sentence when it cannot do its
 * work. */
#ifndef BERTH_TESTS_REPO_SUPPORT_H
#define BERTH_TESTS_REPO_SUPPORT_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

#include "repo/pg.h"
#include "repo/redis.h"

enum support_flags {
    SUPPORT_PG = 1,
    SUPPORT_REDIS = 2,
    SUPPORT_PRIVATE = 4, /* never shared ones: the tests stop and start them */
    SUPPORT_POOLER = 8,  /* PgBouncer in front of a private PostgreSQL */
    SUPPORT_ALONE = 32,  /* nobody else writes: private, unless BERTH_TEST_ALONE promises it */
    SUPPORT_ROUNDS = 16  /* rounds run: a Redis of our own, leases go by the names of groups */
};
int support_run(Suite *suite, unsigned flags); /* the exit status for main() */

/* Someone in this database waits for a lock: pg_locks shows those of other tests' databases, too.
 */
#define SQL_LOCK_WAITS                                                                             \
    "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM "             \
    "pg_stat_activity WHERE datname = current_database())"

enum { DB_NAME = 40, DB_CONNINFO = 200 };
struct db {
    char name[DB_NAME];
    char conninfo[DB_CONNINFO];
};
enum db_kind {
    DB_EMPTY,   /* nothing in it */
    DB_MANAGER, /* the shared tables only, as where a Manager is: Berth has not been there */
    DB_MIGRATED /* as `berthd migrate` leaves it: the standalone tables and schema berth */
};
/* Dropped when the test process ends. At most 8 a test. */
struct db db_create(enum db_kind kind);
struct pg *db_open(const struct db *d);  /* the caller's: pg_close() */
struct db db_pooled(const struct db *d); /* the same database, through PgBouncer */

/* Statements outside the code under test, each on a connection of its own. */
void db_sql(const struct db *d, const char *sql); /* one or more statements */
/* The first column of the first row; "" for NULL or no row. */
void db_text(const struct db *d, const char *sql, char *ret, size_t size);
int64_t db_int(const struct db *d, const char *sql);
/* Waits until the query answers true; fails the test after 30 s, saying `what` did not happen. */
void db_await(const struct db *d, const char *sql, const char *what);

const char *redis_address(void);
struct redis *redis_open(void); /* the caller's: redis_destroy(); 2 s of timeout */

/* Of private servers only. stop: true at once as a crash would, false after a clean shutdown. The
 * start functions return when the server answers. */
void pg_server_stop(bool crash);
void pg_server_start(void);
void redis_server_stop(void);
void redis_server_start(void);
pid_t redis_server_pid(void);
const char *pg_server_data(void); /* the data folder */

/* CLOCK_MONOTONIC nanoseconds `ms` from now, for pg_deadline(). */
int64_t in_ms(int64_t ms);

/* Asserts on struct err that show all of it. */
#define assert_done(call, e, what)                                                                 \
    ck_assert_msg((call) == 0, "%s: %s: %s (%s)", (what), (e)->reason, (e)->message, (e)->detail)
#define assert_failed(call, e, code_, reason_, what)                                               \
    do {                                                                                           \
        ck_assert_msg((call) < 0, "%s: did not fail", (what));                                     \
        ck_assert_msg((e)->code == (code_) && strcmp((e)->reason, (reason_)) == 0,                 \
                      "%s: expected %s %s, got %s %s: %s (%s)", (what), err_code_name(code_),      \
                      (reason_), err_code_name((e)->code), (e)->reason, (e)->message,              \
                      (e)->detail);                                                                \
    } while (0)

#endif
