/* test_password.c - passwords from files, to servers that ask for one. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "repo/fanout.h"
#include "repo/password.h"
#include "repo/redis_command.h"
#include "tests/repo/support.h"

static struct err e;
static char path[128];

static void write_file(const char *bytes, size_t n)
{
    (void)snprintf(path, sizeof(path), "%s/../password-%d", pg_server_data(), (int)getpid());
    FILE *f = fopen(path, "we");
    ck_assert_msg(f != NULL && fwrite(bytes, 1, n, f) == n && fclose(f) == 0, "cannot write %s",
                  path);
}

static void write_password(const char *text)
{
    write_file(text, strlen(text));
}

static void cleanup(void)
{
    if (*path != '\0')
        (void)unlink(path);
}

/* --- files --- */

static const struct {
    const char *what, *text;
    size_t n; /* 0: strlen */
    const char *said;
} bad[] = {
    {"an empty file", "", 0, "it is empty"},
    {"a newline alone", "\n", 0, "it is empty"},
    {"two lines", "secret\nsecret2\n", 0, "it has more than one line"},
    {"a NUL", "sec\0ret", 7, "it has a NUL in it"},
};

START_TEST(bad_files_are_refused_without_their_text)
{
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        write_file(bad[i].text, bad[i].n != 0 ? bad[i].n : strlen(bad[i].text));
        assert_failed(password_for_pg(path, &e), &e, ERR_INVALID, "BAD_PASSWORD_FILE", bad[i].what);
        ck_assert_msg(strstr(e.message, bad[i].said) != NULL && strstr(e.message, "sec") == NULL,
                      "%s: %s", bad[i].what, e.message);
    }
    char large[PASSWORD_MAX + 2];
    memset(large, 'p', sizeof(large));
    write_file(large, sizeof(large) - 1);
    assert_failed(password_for_pg(path, &e), &e, ERR_INVALID, "BAD_PASSWORD_FILE", "1025 bytes");
    ck_assert_msg(strstr(e.message, "longer than 1024 bytes") != NULL, "%s", e.message);
    assert_failed(password_for_pg("/nowhere/at/all", &e), &e, ERR_INVALID, "BAD_PASSWORD_FILE",
                  "no file");
    assert_failed(password_for_pg("/", &e), &e, ERR_INVALID, "BAD_PASSWORD_FILE", "a folder");
    write_file(large, PASSWORD_MAX);
    assert_done(password_for_pg(path, &e), &e, "1024 bytes");
}
END_TEST

START_TEST(redis_has_its_password_by_address)
{
    write_password("secret\r\n");
    assert_failed(password_for_redis("nowhere", "", path, &e), &e, ERR_INVALID, "BAD_REDIS_ADDRESS",
                  "no address");
    assert_done(password_for_redis("nowhere", "", "", &e), &e, "no file: nothing to do");
    for (int i = 0; i < REDIS_LOGINS_MAX; i++) {
        char address[32];
        (void)snprintf(address, sizeof(address), "host:%d", 1 + i);
        assert_done(password_for_redis(address, "u", path, &e), &e, address);
        assert_done(password_for_redis(address, "u", path, &e), &e, "the same again");
    }
    assert_failed(password_for_redis("host:99", "", path, &e), &e, ERR_EXHAUSTED, "TOO_MANY_LOGINS",
                  "a fifth");
}
END_TEST

/* --- PostgreSQL --- */

static void set_hba(const char *rules)
{
    char hba[128];
    (void)snprintf(hba, sizeof(hba), "%s/pg_hba.conf", pg_server_data());
    FILE *f = fopen(hba, "we");
    ck_assert_msg(f != NULL && fputs(rules, f) >= 0 && fclose(f) == 0, "cannot write %s", hba);
}

START_TEST(pg_asks_and_the_file_answers)
{
    struct db d = db_create(DB_EMPTY);
    struct pg *c = NULL;
    char conninfo[2 * DB_CONNINFO];
    db_sql(&d, "CREATE ROLE careful LOGIN PASSWORD 'right one'");
    set_hba("local all careful scram-sha-256\nlocal all all trust\n");
    db_sql(&d, "SELECT pg_reload_conf()");
    (void)snprintf(conninfo, sizeof(conninfo), "%s user=careful", d.conninfo);
    db_await(&d, "SELECT count(*) = 2 FROM pg_hba_file_rules", "the new rules");
    ck_assert_msg(pg_open(conninfo, &c, &e) < 0, "nobody asked for the password");
    write_password("wrong one\n");
    assert_done(password_for_pg(path, &e), &e, "the file");
    ck_assert_msg(pg_open(conninfo, &c, &e) < 0, "a wrong password was taken");
    ck_assert_msg(strstr(e.message, "wrong one") == NULL && strstr(e.detail, "wrong one") == NULL,
                  "the password is repeated: %s (%s)", e.message, e.detail);
    write_password("right one\n"); /* read anew: a changed password needs no restart */
    assert_done(pg_open(conninfo, &c, &e), &e, "the right one");
    pg_close(c);
    write_password("wrong one\n");
    (void)snprintf(conninfo, sizeof(conninfo), "%s user=careful password='right one'", d.conninfo);
    assert_done(pg_open(conninfo, &c, &e), &e, "that of the connection string is stronger");
    pg_close(c);
    cleanup();
    assert_failed(pg_open(conninfo, &c, &e), &e, ERR_UNAVAILABLE, "BAD_PASSWORD_FILE",
                  "the file is gone");
    assert_done(password_for_pg("", &e), &e, "no file any more");
    db_sql(&d, "DROP ROLE careful");
}
END_TEST

static const struct {
    const char *what, *conninfo;
} misspelt[] = {
    {"a % in a URI", "postgres://u:planted%ZZ@127.0.0.1:1/x"},
    {"a blank without quotes", "host=127.0.0.1 port=1 password=one planted"},
    {"quotes without end", "host=127.0.0.1 port=1 password='planted"},
    {"a key that is none", "host=127.0.0.1 port=1 planted=1"},
};

START_TEST(misspelt_connection_string_is_not_repeated)
{
    struct pg *c = NULL;
    assert_failed(pg_open(misspelt[_i].conninfo, &c, &e), &e, ERR_UNAVAILABLE,
                  "DATABASE_UNAVAILABLE", misspelt[_i].what);
    ck_assert_msg(strstr(e.message, "planted") == NULL && strstr(e.detail, "planted") == NULL,
                  "%s: it is repeated: %s (%s)", misspelt[_i].what, e.message, e.detail);
    ck_assert_msg(strstr(e.detail, "cannot be read") != NULL, "%s: %s", misspelt[_i].what,
                  e.detail);
}
END_TEST

/* --- Redis --- */

static void command(struct redis *r, unsigned n, const char *const *words)
{
    CLEANUP(redis_reply_freep) struct redis_reply *reply = NULL;
    struct redis_arg args[8];
    for (unsigned i = 0; i < n; i++)
        args[i] = redis_arg_text(words[i]);
    assert_done(redis_command(r, args, n, &reply, &e), &e, words[0]);
}

static void subscribed(struct fanout *f)
{
    struct fanout_hint hint;
    struct err why = {.code = ERR_NONE};
    enum fanout_news news = fanout_wait(f, &hint, &why);
    ck_assert_msg(news == FANOUT_UP, "the fan-out is not up: %s (%s)", why.message, why.detail);
}

START_TEST(redis_asks_and_the_file_answers)
{
    const char *const users[] = {"", "berth"};
    const char *const rules[][6] = {{"CONFIG", "SET", "requirepass", "secret"},
                                    {"ACL", "SETUSER", "berth", "on", ">secret", "~*"},
                                    {"ACL", "SETUSER", "berth", "+@all", "allchannels"}};
    CLEANUP(redis_destroyp) struct redis *open = redis_open();
    command(open, 6, rules[1]);
    command(open, 5, rules[2]);
    command(open, 4, rules[0]);
    CLEANUP(redis_destroyp) struct redis *r = redis_open();
    assert_failed(redis_ping(r, &e), &e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE", "without one");
    for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
        struct fanout *f = NULL;
        write_password("wrong");
        assert_done(password_for_redis(redis_address(), users[i], path, &e), &e, "the file");
        assert_failed(redis_ping(r, &e), &e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE", "a wrong one");
        ck_assert_msg(strcmp(e.message, "Redis refused the user or the password.") == 0 &&
                          strstr(e.detail, "wrong") == NULL,
                      "%s (%s)", e.message, e.detail);
        write_password("secret\n");
        assert_done(redis_ping(r, &e), &e, "the right one");
        assert_done(fanout_create(redis_address(), "t.password", 1000, &f, &e), &e, "a fan-out");
        subscribed(f);
        fanout_destroy(f);
        redis_destroy(r);
        r = redis_open();
    }
    cleanup();
    assert_failed(redis_ping(r, &e), &e, ERR_UNAVAILABLE, "BAD_PASSWORD_FILE", "the file is gone");
    ck_assert_msg(strstr(e.message, path) == NULL && strstr(e.detail, path) != NULL,
                  "where the file is belongs into the log: %s (%s)", e.message, e.detail);
}
END_TEST

/* A server that knows no AUTH, as some proxies do not: it repeats what it was sent. */
static void *refuse_auth(void *listener)
{
    static const char reply[] =
        "-ERR unknown command 'AUTH', with args beginning with: 'planted'\r\n";
    char ignored[256];
    int fd = accept(*(int *)listener, NULL, NULL);
    if (fd >= 0 && read(fd, ignored, sizeof(ignored)) > 0)
        (void)!write(fd, reply, sizeof(reply) - 1);
    close(fd);
    return NULL;
}

START_TEST(redis_that_repeats_the_password_is_not_quoted)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char address[sizeof(a.sun_path) + 8];
    pthread_t server;
    struct redis *r = NULL;
    write_password("planted");
    (void)snprintf(a.sun_path, sizeof(a.sun_path), "%.90s.sock", path);
    (void)snprintf(address, sizeof(address), "unix:%s", a.sun_path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_msg(bind(listener, (struct sockaddr *)&a, sizeof(a)) == 0 &&
                      listen(listener, 1) == 0 &&
                      pthread_create(&server, NULL, refuse_auth, &listener) == 0,
                  "no server at %s", a.sun_path);
    assert_done(password_for_redis(address, "", path, &e), &e, "the file");
    assert_done(redis_create(address, 5000, &r, &e), &e, address);
    assert_failed(redis_ping(r, &e), &e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE", "no AUTH there");
    ck_assert_msg(strstr(e.detail, "planted") == NULL && strstr(e.detail, ": ERR") != NULL,
                  "the detail: %s", e.detail);
    redis_destroy(r);
    (void)pthread_join(server, NULL);
    close(listener);
    (void)unlink(a.sun_path);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("password");
    TCase *tc = tcase_create("password");
    tcase_add_checked_fixture(tc, NULL, cleanup);
    tcase_add_test(tc, bad_files_are_refused_without_their_text);
    tcase_add_test(tc, redis_has_its_password_by_address);
    tcase_add_test(tc, pg_asks_and_the_file_answers);
    tcase_add_loop_test(tc, misspelt_connection_string_is_not_repeated, 0, ARRAY_SIZE(misspelt));
    tcase_add_test(tc, redis_asks_and_the_file_answers);
    tcase_add_test(tc, redis_that_repeats_the_password_is_not_quoted);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
