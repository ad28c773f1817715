/* test_tls.c - handshakes that must fail, and certificates that change while the server runs. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/app.h"
#include "server/guard.h"
#include "server/metrics.h"
#include "server/server.h"
#include "tests/rpc/certificates.h"
#include "tests/rpc/handlers.h"
#include "tests/rpc/machine.h"

enum { FLAGS = 16 };

static struct app *app;

/* The server with this certificate; auth: of tls_client_auth, NULL: none. more: NULL-ended. */
static void start(const char *certificate, const char *auth, const char *const *more)
{
    const char *flags[FLAGS + 1] = {"--credentials-interval=20ms", "--request-timeout=400ms"};
    char name[64];
    char mode[64];
    size_t n = 2;
    (void)snprintf(name, sizeof(name), "%s.pem", certificate);
    flags[n++] = certificate_path("--tls-certificate", name);
    (void)snprintf(name, sizeof(name), "%s.key", certificate);
    flags[n++] = certificate_path("--tls-key", name);
    if (auth != NULL) {
        (void)snprintf(mode, sizeof(mode), "--tls-client-auth=%s", auth);
        flags[n++] = mode;
        flags[n++] = certificate_path("--tls-client-ca", "ca.pem");
    }
    for (; more != NULL && *more != NULL && n < FLAGS; more++)
        flags[n++] = *more;
    app = machine_start(flags);
}

static void teardown(void)
{
    machine_stop();
    certificates_end();
}

/* A client that trusts these roots and has this certificate (NULL: none). */
static struct client *open_client(const char *roots, const char *own)
{
    char name[64];
    char *trusted = certificate_text(roots);
    char *certificate = NULL;
    char *key = NULL;
    if (own != NULL) {
        (void)snprintf(name, sizeof(name), "%s.pem", own);
        certificate = certificate_text(name);
        (void)snprintf(name, sizeof(name), "%s.key", own);
        key = certificate_text(name);
    }
    struct client *c = client_open_tls(server_address(app->server), trusted, certificate, key);
    free(trusted);
    free(certificate);
    free(key);
    return c;
}

static grpc_status_code code_of(struct client *c)
{
    struct reply r = {.body = NULL};
    client_schedule(c, "echo", &r);
    grpc_status_code code = r.code;
    reply_free(&r);
    return code;
}

/* --- handshakes --- */

static const struct {
    const char *what, *server, *auth, *roots, *own;
    grpc_status_code code;
} handshakes[] = {
    {"the client trusts another CA", "server", NULL, "other-ca.pem", NULL, GRPC_STATUS_UNAVAILABLE},
    {"the server has another name", "server-other-host", NULL, "ca.pem", NULL,
     GRPC_STATUS_UNAVAILABLE},
    {"no client certificate", "server", "require", "ca.pem", NULL, GRPC_STATUS_UNAVAILABLE},
    {"a client of another CA", "server", "require", "ca.pem", "foreign", GRPC_STATUS_UNAVAILABLE},
    {"a client of another CA, who need not have any", "server", "request", "ca.pem", "foreign",
     GRPC_STATUS_UNAVAILABLE},
    {"an expired client certificate", "server", "require", "ca.pem", "expired",
     GRPC_STATUS_UNAVAILABLE},
    {"an expired one, when none is needed", "server", "request", "ca.pem", "expired",
     GRPC_STATUS_UNAVAILABLE},
    {"a good client certificate", "server", "require", "ca.pem", "ann", GRPC_STATUS_OK},
    {"none, when none is needed", "server", "request", "ca.pem", NULL, GRPC_STATUS_OK},
    {"none, when none is asked for", "server", NULL, "ca.pem", NULL, GRPC_STATUS_OK},
};

START_TEST(tls_handshake_ends_as_tabled)
{
    start(handshakes[_i].server, handshakes[_i].auth, NULL);
    struct client *c = open_client(handshakes[_i].roots, handshakes[_i].own);
    grpc_status_code code = code_of(c);
    ck_assert_msg(code == handshakes[_i].code, "%s: status %d, not %d", handshakes[_i].what, code,
                  handshakes[_i].code);
    client_close(c);
}
END_TEST

START_TEST(tls_and_plaintext_do_not_meet)
{
    start("server", NULL, NULL);
    struct client *plain = client_open_later(server_address(app->server));
    ck_assert_msg(code_of(plain) == GRPC_STATUS_UNAVAILABLE, "a plaintext client is served");
    client_close(plain);
    machine_stop();
    app = machine_start(NULL);
    struct client *tls = open_client("ca.pem", NULL);
    ck_assert_msg(code_of(tls) == GRPC_STATUS_UNAVAILABLE, "a plaintext server passes for TLS");
    client_close(tls);
}
END_TEST

/* --- settings that cannot be --- */

static const struct {
    const char *what, *certificate, *key, *ca, *auth, *why;
} bad_settings[] = {
    {"an expired certificate", "server-expired.pem", "server-expired.key", NULL, "none",
     "has expired"},
    {"the key of another", "server.pem", "server-new.key", NULL, "none", "not the key of"},
    {"a key with a passphrase", "server.pem", "locked.key", NULL, "none", "without passphrase"},
    {"a key as certificate", "server.key", "server.key", NULL, "none", "no PEM certificate"},
    {"a certificate as key", "server.pem", "server.pem", NULL, "none", "no PEM key"},
    {"a key as client CA", "server.pem", "server.key", "ca.key", "require", "no PEM certificate"},
    {"client certificates without a CA", "server.pem", "server.key", NULL, "request",
     "needs the CA"},
    {"a CA without client certificates", "server.pem", "server.key", "ca.pem", "none",
     "only with tls_client_auth"},
    {"a file that is not there", "nothing.pem", "server.key", NULL, "none", "No such file"},
};

START_TEST(tls_settings_are_refused_as_tabled)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(config_destroyp) struct config *g = NULL;
    struct guard *d = NULL;
    char mode[64];
    char *argv[4] = {certificate_path("--tls-certificate", bad_settings[_i].certificate),
                     certificate_path("--tls-key", bad_settings[_i].key), mode};
    int argc = 3;
    (void)snprintf(mode, sizeof(mode), "--tls-client-auth=%s", bad_settings[_i].auth);
    if (bad_settings[_i].ca != NULL)
        argv[argc++] = certificate_path("--tls-client-ca", bad_settings[_i].ca);
    ck_assert_msg(config_create(NULL, argc, argv, &g, &e) == 0, "settings: %s", e.message);
    ck_assert_msg(guard_create(g, &d, &e) < 0, "%s: is taken", bad_settings[_i].what);
    ck_assert_msg(strstr(e.message, bad_settings[_i].why) != NULL, "%s: says \"%s\"",
                  bad_settings[_i].what, e.message);
    ck_assert_msg(strstr(e.message, "PRIVATE") == NULL && strstr(e.detail, "PRIVATE") == NULL,
                  "%s: tells the key", bad_settings[_i].what);
}
END_TEST

/* --- replacing --- */

/* One connection after the other, until one is served. */
static bool is_served(void *ctx)
{
    struct client *c = open_client(ctx, NULL);
    bool served = code_of(c) == GRPC_STATUS_OK;
    client_close(c);
    return served;
}

static bool metric_shows(void *ctx)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    metrics_print(f);
    (void)fclose(f);
    bool shows = strstr(text, ctx) != NULL;
    free(text);
    return shows;
}

static void copy(const char *from, const char *to)
{
    char *text = certificate_text(from);
    certificate_write(to, text);
    free(text);
}

START_TEST(tls_serves_a_new_pair_to_new_connections)
{
    start("server", NULL, NULL);
    struct client *old = open_client("ca.pem", NULL);
    ck_assert_msg(code_of(old) == GRPC_STATUS_OK, "the first pair does not serve");
    copy("server-new.pem", "server.pem");
    copy("server-new.key", "server.key");
    await_true(is_served, (void *)"other-ca.pem", "the new pair to serve");
    ck_assert_msg(!is_served((void *)"ca.pem"), "the old pair still serves new connections");
    ck_assert_msg(code_of(old) == GRPC_STATUS_OK, "the open connection was lost");
    client_close(old);
}
END_TEST

START_TEST(tls_keeps_the_old_pair_when_the_new_one_is_wrong)
{
    start("server", NULL, NULL);
    copy("server-new.key", "server.key"); /* its certificate is the old one */
    await_true(metric_shows, (void *)"berth_credentials_refused_total 1\n",
               "the wrong pair to be refused");
    ck_assert_msg(is_served((void *)"ca.pem"), "the old pair does not serve any more");
    copy("server-new.pem", "server.pem");
    await_true(is_served, (void *)"other-ca.pem", "the pair to serve when it is whole");
}
END_TEST

START_TEST(tls_reads_the_files_when_asked)
{
    start("server", NULL, (const char *const[]){"--credentials-interval=1h", NULL});
    copy("server-new.pem", "server.pem");
    copy("server-new.key", "server.key");
    ck_assert_msg(!is_served((void *)"other-ca.pem"), "it looked before its time");
    guard_reload(app->guard);
    await_true(is_served, (void *)"other-ca.pem", "the new pair to serve");
}
END_TEST

struct load {
    atomic_bool ends;
    atomic_uint calls, failed;
};

static void *call_on_and_on(void *arg)
{
    struct load *l = arg;
    struct client *held = open_client("both-ca.pem", NULL);
    while (!atomic_load(&l->ends)) {
        struct client *fresh = open_client("both-ca.pem", NULL);
        unsigned bad = (code_of(held) != GRPC_STATUS_OK) + (code_of(fresh) != GRPC_STATUS_OK);
        atomic_fetch_add(&l->failed, bad);
        atomic_fetch_add(&l->calls, 2);
        client_close(fresh);
    }
    client_close(held);
    return NULL;
}

START_TEST(tls_loses_no_call_while_certificates_change)
{
    enum { THREADS = 2, TURNS = 10 };
    struct load l = {.calls = 0};
    pthread_t t[THREADS];
    copy("server.pem", "server-old.pem");
    copy("server.key", "server-old.key");
    start("server", NULL, NULL);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, call_on_and_on, &l), 0);
    for (int i = 0; i < TURNS; i++) {
        bool to_new = i % 2 == 0;
        copy(to_new ? "server-new.pem" : "server-old.pem", "server.pem");
        copy(to_new ? "server-new.key" : "server-old.key", "server.key");
        await_true(is_served, (void *)(to_new ? "other-ca.pem" : "ca.pem"), "the pair to change");
    }
    atomic_store(&l.ends, true);
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(t[i], NULL);
    ck_assert_msg(atomic_load(&l.calls) >= TURNS, "only %u calls were made", l.calls);
    ck_assert_msg(atomic_load(&l.failed) == 0, "%u of %u calls failed", l.failed, l.calls);
}
END_TEST

START_TEST(tls_tells_when_the_certificate_expires)
{
    start("server", NULL, NULL);
    guard_collect(app->guard);
    ck_assert_msg(metric_shows((void *)"berth_tls_certificate_expires_seconds 17") ||
                      metric_shows((void *)"berth_tls_certificate_expires_seconds 1.7"),
                  "the gauge is not that of two days");
}
END_TEST

/* --- the address for health --- */

START_TEST(tls_server_serves_health_alone_in_plaintext)
{
    char flag[96];
    char text[8192];
    struct reply r = {.body = NULL};
    (void)snprintf(flag, sizeof(flag), "--health-listen=unix:%s",
                   certificate_path(NULL, "health.sock"));
    start("server", "require", (const char *const[]){flag, NULL});
    struct client *c = client_open(flag + strlen("--health-listen="));
    client_call(c, CHECK_PATH, "", 0, 0, &r);
    ck_assert_code(&r, GRPC_STATUS_OK, "health in plaintext");
    reply_free(&r);
    client_schedule(c, "echo", &r);
    ck_assert_code(&r, GRPC_STATUS_PERMISSION_DENIED, "a round in plaintext");
    ck_assert_str_eq(reply_info(&r, NULL, text), "HEALTH_ONLY");
    reply_free(&r);
    client_close(c);
}
END_TEST

START_TEST(tls_health_address_has_the_limits_of_one_caller)
{
    char flag[96];
    char text[8192];
    struct reply r = {.body = NULL};
    uint8_t *first = NULL;
    size_t n = 0;
    (void)snprintf(flag, sizeof(flag), "--health-listen=unix:%s",
                   certificate_path(NULL, "health.sock"));
    start("server", NULL, (const char *const[]){flag, "--caller-streams=1", NULL});
    struct client *c = client_open(flag + strlen("--health-listen="));
    struct call_handle *kept = call_begin(c, HEALTH_PATH, -1);
    call_send(kept, "", 0);
    call_close_send(kept);
    ck_assert_msg(call_receive(kept, &first, &n), "the first watch does not begin");
    free(first);
    struct call_handle *more = call_begin(c, HEALTH_PATH, 2000);
    call_send(more, "", 0);
    call_close_send(more);
    call_end(more, &r);
    ck_assert_code(&r, GRPC_STATUS_RESOURCE_EXHAUSTED, "one watch more than a caller may have");
    ck_assert_str_eq(reply_info(&r, NULL, text), "CALLER_LIMIT");
    reply_free(&r);
    call_cancel_now(kept);
    call_end(kept, &r);
    reply_free(&r);
    client_close(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tls");
    TCase *tc = tcase_create("tls");
    tcase_set_timeout(tc, 60);
    tcase_add_unchecked_fixture(tc, certificates_make, certificates_remove);
    tcase_add_checked_fixture(tc, certificates_begin, teardown);
    tcase_add_loop_test(tc, tls_settings_are_refused_as_tabled, 0, ARRAY_SIZE(bad_settings));
    tcase_add_loop_test(tc, tls_handshake_ends_as_tabled, 0, ARRAY_SIZE(handshakes));
    tcase_add_test(tc, tls_and_plaintext_do_not_meet);
    tcase_add_test(tc, tls_serves_a_new_pair_to_new_connections);
    tcase_add_test(tc, tls_keeps_the_old_pair_when_the_new_one_is_wrong);
    tcase_add_test(tc, tls_reads_the_files_when_asked);
    tcase_add_test(tc, tls_loses_no_call_while_certificates_change);
    tcase_add_test(tc, tls_tells_when_the_certificate_expires);
    tcase_add_test(tc, tls_server_serves_health_alone_in_plaintext);
    tcase_add_test(tc, tls_health_address_has_the_limits_of_one_caller);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
