/* test_auth.c - the callers file: what a line may be, who has a token, what a reload takes away. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "server/auth.h"
#include "server/role.h"

#define HEX64  "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define SHA    "sha256:" HEX64
#define SECRET "berth_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

/* --- lines --- */

static const struct {
    const char *what, *line, *why; /* why: a piece of the refusal */
} bad_lines[] = {
    {"an unknown kind", "user ann viewer * " SHA, "begins with token or cert"},
    {"too few words", "token ann viewer *", "a line is:"},
    {"too many words", "token ann viewer * " SHA " expires:2027-01-01 more", "too many words"},
    {"a name with a quote", "token a\"n viewer * " SHA, "the name"},
    {"an unknown role", "token ann root * " SHA, "the role"},
    {"nobody as a role", "token ann nobody * " SHA, "the role"},
    {"an empty group", "token ann viewer gpu, " SHA, "scaling group's name"},
    {"a star among groups", "token ann viewer gpu,* " SHA, "stands alone"},
    {"half a percent sign", "token ann viewer g%2 " SHA, "scaling group's name"},
    {"a NUL in a group", "token ann viewer g%00 " SHA, "scaling group's name"},
    {"an admin of one group", "token ann admin gpu " SHA, "admin"},
    {"a short hash", "token ann viewer * sha256:0011", "64 hexadecimal"},
    {"a long hash", "token ann viewer * " SHA "0", "64 hexadecimal"},
    {"no hash", "token ann viewer * md5:" HEX64, "64 hexadecimal"},
    {"a letter in the hash", "token ann viewer * sha256:g" HEX64, "64 hexadecimal"},
    {"a token as a hash", "token ann viewer * " SECRET, "no secret any more"},
    {"a token in a comment", "# " SECRET, "no secret any more"},
    {"a certificate's name of no kind", "cert ann viewer * ann", "uri:, dns: or cn:"},
    {"an empty certificate's name", "cert ann viewer * cn:", "is empty"},
    {"a day that is none", "token ann viewer * " SHA " expires:2027-02-30", "the last word"},
    {"a time without Z", "token ann viewer * " SHA " expires:2027-02-03T10:00:00", "the last word"},
    {"a word that is no time", "token ann viewer * " SHA " forever", "the last word"},
};

START_TEST(auth_line_is_refused_as_tabled)
{
    struct err e = {.code = ERR_NONE};
    struct auth_table *t = NULL;
    const char *line = bad_lines[_i].line;
    char text[512];
    (void)snprintf(text, sizeof(text), "# callers\n\n%s\n", line);
    ck_assert_msg(auth_table_create("f", text, strlen(text), &t, &e) < 0, "%s: is taken",
                  bad_lines[_i].what);
    ck_assert_msg(strstr(e.message, bad_lines[_i].why) != NULL, "%s: says \"%s\"",
                  bad_lines[_i].what, e.message);
    ck_assert_msg(strncmp(e.message, "f:3: ", 5) == 0, "%s: the line is not named: \"%s\"",
                  bad_lines[_i].what, e.message);
    ck_assert_msg(strstr(e.message, HEX64) == NULL && strstr(e.message, SECRET) == NULL &&
                      strstr(e.detail, HEX64) == NULL && strstr(e.detail, SECRET) == NULL,
                  "%s: the message tells a secret", bad_lines[_i].what);
}
END_TEST

static const struct {
    const char *what, *line;
    enum role role;
    const char *groups; /* as read, joined by '|'; "*": all */
    int64_t expires_s;
} good_lines[] = {
    {"a viewer of everything", "token ann viewer * " SHA, ROLE_VIEWER, "*", 0},
    {"groups in byte order, once", "token a manager b,a,b " SHA, ROLE_MANAGER, "a|b", 0},
    {"a group with a blank and a comma", "token a manager x%20y%2cz " SHA, ROLE_MANAGER, "x y,z",
     0},
    {"tabs, a comment behind", "\ttoken\ta\tadmin\t*\t" SHA "  # the boss", ROLE_ADMIN, "*", 0},
    {"a Windows line end", "token a admin * " SHA "\r", ROLE_ADMIN, "*", 0},
    {"a day", "token a admin * " SHA " expires:2027-01-31", ROLE_ADMIN, "*", 1801353600},
    {"a time", "cert a admin * cn:a expires:2027-01-31T00:00:01Z", ROLE_ADMIN, "*", 1801353601},
    {"a certificate's URI", "cert a/b viewer g uri:spiffe://x/y", ROLE_VIEWER, "g", 0},
};

START_TEST(auth_line_is_read_as_tabled)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(auth_table_destroyp) struct auth_table *t = NULL;
    const char *line = good_lines[_i].line;
    char groups[64] = "*";
    ck_assert_msg(auth_table_create("f", line, strlen(line), &t, &e) == 0, "%s: \"%s\"",
                  good_lines[_i].what, e.message);
    ck_assert_uint_eq(auth_table_count(t), 1);
    const struct caller *c = auth_table_at(t, 0);
    for (uint32_t i = 0; c->groups != NULL && i < c->n_groups; i++)
        (void)snprintf(groups + (i > 0 ? strlen(groups) : 0), 32, "%s%s", i > 0 ? "|" : "",
                       c->groups[i]);
    ck_assert_msg(c->role == good_lines[_i].role, "%s: the role", good_lines[_i].what);
    ck_assert_msg(strcmp(groups, good_lines[_i].groups) == 0, "%s: the groups are %s",
                  good_lines[_i].what, groups);
    ck_assert_msg(c->expires_s == good_lines[_i].expires_s, "%s: expires at %lld",
                  good_lines[_i].what, (long long)c->expires_s);
}
END_TEST

START_TEST(auth_table_refuses_one_proof_for_two)
{
    static const char tokens[] = "token ann viewer * " SHA "\ntoken bob admin * " SHA "\n";
    static const char names[] = "cert ann viewer * cn:x\ncert bob admin * cn:x\n";
    struct err e = {.code = ERR_NONE};
    struct auth_table *t = NULL;
    ck_assert_msg(auth_table_create("f", tokens, strlen(tokens), &t, &e) < 0, "tokens");
    ck_assert_msg(strcmp(e.message, "f:2: \"bob\" and \"ann\" (line 1) have the same token") == 0,
                  "says \"%s\"", e.message);
    ck_assert_msg(auth_table_create("f", names, strlen(names), &t, &e) < 0, "certificates");
    ck_assert_msg(
        strcmp(e.message, "f:2: \"bob\" and \"ann\" (line 1) have the same certificate") == 0,
        "says \"%s\"", e.message);
}
END_TEST

/* --- who calls --- */

static char path[64];
static struct auth *auth;
static struct config *config;

/* A token line for this token. */
static const char *token_line(const char *name, const char *rights, const char *token)
{
    static char line[8][512];
    static unsigned next;
    char *to = line[next++ % 8];
    unsigned char digest[32];
    SHA256((const unsigned char *)token, strlen(token), digest);
    int n = snprintf(to, 512, "token %s %s sha256:", name, rights);
    for (int i = 0; i < 32; i++)
        n += snprintf(to + n, 4, "%02x", digest[i]);
    (void)snprintf(to + n, 2, "\n");
    return to;
}

static void write_file(const char *const *lines)
{
    FILE *f = fopen(path, "we");
    ck_assert_msg(f != NULL, "cannot write %s", path);
    for (; *lines != NULL; lines++)
        ck_assert_int_ge(fputs(*lines, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

static void setup(void)
{
    struct err e = {.code = ERR_NONE};
    char flag[96];
    char *argv[] = {flag};
    (void)snprintf(path, sizeof(path), "/tmp/berth-callers-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    (void)snprintf(flag, sizeof(flag), "--callers-file=%s", path);
    write_file((const char *const[]){
        token_line("ann", "manager a,b", "secret of ann"), "cert bob viewer * uri:spiffe://x/bob\n",
        "cert cy viewer * cn:cy\n", token_line("old", "admin *", "secret of old"), NULL});
    ck_assert_msg(config_create(NULL, 1, argv, &config, &e) == 0, "settings: %s", e.message);
    ck_assert_msg(auth_create(config, &auth, &e) == 0, "auth: %s", e.message);
}

static void teardown(void)
{
    auth_destroy(auth);
    config_destroy(config);
    (void)unlink(path);
}

static struct auth_claim claim(const char *authorization)
{
    return (struct auth_claim){.authorization = authorization,
                               .n_authorization = strlen(authorization)};
}

/* The name of who it is, or the reason of the refusal. */
static const char *who(const struct auth_claim *c)
{
    static char name[80];
    struct err e = {.code = ERR_NONE};
    struct caller *found = NULL;
    if (auth_identify(auth, c, &found, &e) < 0)
        return e.code == ERR_UNKNOWN_CALLER ? e.reason : "another code";
    (void)snprintf(name, sizeof(name), "%s", found->name);
    caller_unref(found);
    return name;
}

static const struct {
    const char *what, *header, *who;
} headers[] = {
    {"nothing behind the scheme", "Bearer ", "CREDENTIALS_MALFORMED"},
    {"an empty header", "", "CREDENTIALS_MALFORMED"},
    {"another scheme", "Basic secret of ann", "CREDENTIALS_MALFORMED"},
    {"no scheme", "secret of ann", "CREDENTIALS_MALFORMED"},
    {"an unknown token", "Bearer secret of anN", "CREDENTIALS_UNKNOWN"},
    {"the beginning of a token", "Bearer secret of an", "CREDENTIALS_UNKNOWN"},
    {"a token and a blank", "Bearer secret of ann ", "CREDENTIALS_UNKNOWN"},
    {"a hash instead of its token", "Bearer sha256:" HEX64, "CREDENTIALS_UNKNOWN"},
    {"a known token", "Bearer secret of ann", "ann"},
    {"the scheme in small letters", "bearer secret of ann", "ann"},
};

START_TEST(auth_knows_tokens_as_tabled)
{
    struct auth_claim c = claim(headers[_i].header);
    ck_assert_msg(strcmp(who(&c), headers[_i].who) == 0, "%s: %s", headers[_i].what, who(&c));
    c.several = true;
    ck_assert_msg(strcmp(who(&c), "CREDENTIALS_MALFORMED") == 0, "%s, twice: %s", headers[_i].what,
                  who(&c));
}
END_TEST

START_TEST(auth_refuses_a_token_of_any_length)
{
    char text[4096];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    memcpy(text, "Bearer ", 7);
    struct auth_claim c = claim(text);
    ck_assert_str_eq(who(&c), "CREDENTIALS_MALFORMED");
}
END_TEST

START_TEST(auth_knows_certificates_by_kind_and_whole_name)
{
    static const struct {
        const char *what;
        struct auth_subject names[2];
        size_t n;
        const char *who;
    } rows[] = {
        {"nothing claimed", {{AUTH_CN, "", 0}}, 0, "nobody"},
        {"an unknown name", {{AUTH_CN, "dee", 3}}, 1, "CREDENTIALS_UNKNOWN"},
        {"a URI's text as common name",
         {{AUTH_CN, "spiffe://x/bob", 14}},
         1,
         "CREDENTIALS_UNKNOWN"},
        {"a name that goes on behind a NUL", {{AUTH_CN, "cy\0x", 4}}, 1, "CREDENTIALS_UNKNOWN"},
        {"the beginning of a name", {{AUTH_CN, "c", 1}}, 1, "CREDENTIALS_UNKNOWN"},
        {"a common name", {{AUTH_CN, "cy", 2}}, 1, "cy"},
        {"the file's order decides",
         {{AUTH_CN, "cy", 2}, {AUTH_URI, "spiffe://x/bob", 14}},
         2,
         "bob"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct auth_claim c = {.names = rows[i].names, .n_names = rows[i].n};
        ck_assert_msg(strcmp(who(&c), rows[i].who) == 0, "%s: %s", rows[i].what, who(&c));
    }
    struct auth_claim both = claim("Bearer wrong");
    both.names = rows[5].names;
    both.n_names = 1;
    ck_assert_msg(strcmp(who(&both), "CREDENTIALS_UNKNOWN") == 0,
                  "a wrong token is not made good by a certificate: %s", who(&both));
}
END_TEST

START_TEST(auth_reload_revokes_what_changed_and_keeps_the_rest)
{
    struct err e = {.code = ERR_NONE};
    struct caller *ann = NULL;
    struct caller *old = NULL;
    struct auth_claim of_ann = claim("Bearer secret of ann");
    struct auth_claim of_old = claim("Bearer secret of old");
    ck_assert_int_eq(auth_identify(auth, &of_ann, &ann, &e), 0);
    ck_assert_int_eq(auth_identify(auth, &of_old, &old, &e), 0);

    write_file((const char *const[]){"nonsense\n", NULL});
    ck_assert_msg(auth_reload(auth, &e) < 0, "a wrong file is taken");
    ck_assert_msg(strcmp(who(&of_old), "old") == 0, "a wrong file takes a caller away");

    write_file((const char *const[]){"# moved\n", token_line("ann", "manager b,a", "secret of ann"),
                                     NULL});
    ck_assert_msg(auth_reload(auth, &e) == 0, "%s", e.message);
    ck_assert_msg(caller_check(ann, 0, &e) == 0, "the same line again revokes: %s", e.message);
    ck_assert_msg(caller_check(old, 0, &e) < 0, "a line that is gone does not revoke");
    ck_assert_str_eq(e.reason, "CREDENTIALS_REVOKED");
    ck_assert_str_eq(who(&of_old), "CREDENTIALS_UNKNOWN");

    write_file((const char *const[]){token_line("ann", "manager a", "secret of ann"), NULL});
    ck_assert_msg(auth_reload(auth, &e) == 0, "%s", e.message);
    ck_assert_msg(caller_check(ann, 0, &e) < 0, "other groups do not revoke");
    struct caller *again = NULL;
    ck_assert_int_eq(auth_identify(auth, &of_ann, &again, &e), 0);
    ck_assert_msg(again->account == ann->account, "a reload gives a new account");
    caller_unref(again);
    caller_unref(ann);
    caller_unref(old);
}
END_TEST

START_TEST(auth_refuses_what_has_expired)
{
    struct err e = {.code = ERR_NONE};
    char line[256];
    (void)snprintf(line, sizeof(line), "%.*s expires:2001-01-01\n",
                   (int)strlen(token_line("ann", "admin *", "x")) - 1,
                   token_line("ann", "admin *", "x"));
    write_file((const char *const[]){line, NULL});
    ck_assert_msg(auth_reload(auth, &e) == 0, "%s", e.message);
    struct auth_claim c = claim("Bearer x");
    ck_assert_str_eq(who(&c), "CREDENTIALS_EXPIRED");
}
END_TEST

/* --- counts --- */

START_TEST(caller_limits_name_the_setting)
{
    struct err e = {.code = ERR_NONE};
    struct caller_account account = {.limits = {.in_flight = 2, .streams = 1}};
    struct caller c = {.name = "ann", .account = &account};
    for (int i = 0; i < 2; i++)
        ck_assert_msg(caller_enter(&c, false, UINT_MAX, &e) == 0, "call %d: %s", i, e.message);
    ck_assert_msg(caller_enter(&c, false, UINT_MAX, &e) < 0, "a third call comes in");
    ck_assert_msg(e.code == ERR_EXHAUSTED && strcmp(e.reason, "CALLER_LIMIT") == 0 &&
                      e.retry_after_ms > 0 && strcmp(e.meta[0].value, "caller_in_flight") == 0,
                  "the refusal: %s %s", e.reason, e.meta[0].value);
    ck_assert_msg(caller_enter(&c, true, UINT_MAX, &e) == 0, "streams are counted with calls");
    ck_assert_msg(caller_enter(&c, true, UINT_MAX, &e) < 0, "a second stream comes in");
    ck_assert_str_eq(e.meta[0].value, "caller_streams");
    caller_leave(&c, false);
    ck_assert_msg(caller_enter(&c, false, UINT_MAX, &e) == 0, "a call that ended still counts");
}
END_TEST

START_TEST(callers_that_flood_the_server_leave_room_for_others)
{
    enum { MOST = 12 };
    static const struct {
        unsigned flooding; /* callers that begin as many calls as they may, in turns */
        unsigned each;     /* that each of them gets */
    } rows[] = {{1, 6}, {2, 4}, {3, 3}, {5, 2}, {11, 1}};
    for (size_t r = 0; r < ARRAY_SIZE(rows); r++) {
        struct err e = {.code = ERR_NONE};
        struct caller_account accounts[MOST] = {{.limits = {.in_flight = 100, .streams = 100}}};
        unsigned in_flight = 0;
        for (unsigned i = 0; i < rows[r].flooding * MOST; i++) {
            struct caller c = {.account = &accounts[i % rows[r].flooding]};
            c.account->limits = accounts[0].limits;
            in_flight += caller_enter(&c, false, MOST - in_flight - 1, &e) == 0;
        }
        for (unsigned k = 0; k < rows[r].flooding; k++)
            ck_assert_msg(atomic_load(&accounts[k].in_flight) == rows[r].each,
                          "%u callers: number %u has %u calls, not %u", rows[r].flooding, k,
                          atomic_load(&accounts[k].in_flight), rows[r].each);
        ck_assert_str_eq(e.reason, "CALLER_LIMIT");
        ck_assert_str_eq(e.meta[0].value, "max_in_flight");
        ck_assert_uint_gt(e.retry_after_ms, 0);
        struct caller modest = {.account = &accounts[MOST - 1]};
        ck_assert_msg(caller_enter(&modest, false, MOST - in_flight - 1, &e) == 0,
                      "%u callers leave no room for another", rows[r].flooding);
    }
}
END_TEST

START_TEST(roles_have_a_line_for_each_rpc)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(methods_destroyp) struct methods *all = NULL;
    ck_assert_msg(methods_create(&all, &e) == 0, "%s", e.message);
    ck_assert_msg(role_check(all, &e) == 0, "%s", e.message);
    for (size_t i = 0; i < methods_count(all); i++)
        for (int r = ROLE_VIEWER; r < ROLE_ADMIN; r++)
            ck_assert_msg(role_access(config, (enum role)r, methods_at(all, i)) == ROLE_NO ||
                              role_access(config, (enum role)(r + 1), methods_at(all, i)) !=
                                  ROLE_NO,
                          "%s: role %s may and a stronger one may not", methods_at(all, i)->path,
                          role_name((enum role)r));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("auth");
    TCase *lines = tcase_create("lines");
    tcase_add_loop_test(lines, auth_line_is_refused_as_tabled, 0, ARRAY_SIZE(bad_lines));
    tcase_add_loop_test(lines, auth_line_is_read_as_tabled, 0, ARRAY_SIZE(good_lines));
    tcase_add_test(lines, auth_table_refuses_one_proof_for_two);
    tcase_add_test(lines, caller_limits_name_the_setting);
    tcase_add_test(lines, callers_that_flood_the_server_leave_room_for_others);
    suite_add_tcase(s, lines);
    TCase *calls = tcase_create("calls");
    tcase_add_checked_fixture(calls, setup, teardown);
    tcase_add_loop_test(calls, auth_knows_tokens_as_tabled, 0, ARRAY_SIZE(headers));
    tcase_add_test(calls, auth_refuses_a_token_of_any_length);
    tcase_add_test(calls, auth_knows_certificates_by_kind_and_whole_name);
    tcase_add_test(calls, auth_reload_revokes_what_changed_and_keeps_the_rest);
    tcase_add_test(calls, auth_refuses_what_has_expired);
    tcase_add_test(calls, roles_have_a_line_for_each_rpc);
    suite_add_tcase(s, calls);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
