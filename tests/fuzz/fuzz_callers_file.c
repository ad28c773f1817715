/* fuzz_callers_file.c - the callers file: who has which token or certificate. */
#include "server/auth_table.h"
#include "tests/fuzz/fuzz.h"

static void check_caller(const struct caller *c)
{
    FUZZ_REQUIRE(auth_name_good(c->name), "a caller called \"%s\"", c->name);
    FUZZ_REQUIRE(c->role > ROLE_NOBODY && c->role < N_ROLES, "role %d", (int)c->role);
    FUZZ_REQUIRE(c->role != ROLE_ADMIN || c->groups == NULL, "an admin with groups");
    for (uint32_t i = 0; c->groups != NULL && i < c->n_groups; i++) {
        FUZZ_REQUIRE(i == 0 || strcmp(c->groups[i - 1], c->groups[i]) < 0, "groups out of order");
        FUZZ_REQUIRE(caller_has_group(c, c->groups[i]), "it has not its group %s", c->groups[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(auth_table_destroyp) struct auth_table *t = NULL, *again = NULL;
    struct err e = {.code = ERR_NONE};
    const char *text = n > 0 ? arena_memdup(a, bytes, n) : ""; /* with its end guarded */
    if (auth_table_create("callers", text, n, &t, &e) < 0) {
        FUZZ_REQUIRE(e.code == ERR_INVALID && strcmp(e.reason, "BAD_CALLERS_FILE") == 0 &&
                         strncmp(e.message, "callers", strlen("callers")) == 0,
                     "refused with %s: %s", err_code_name(e.code), e.message);
        return 0;
    }
    FUZZ_REQUIRE(auth_table_create("callers", text, n, &again, &e) == 0 &&
                     auth_table_count(again) == auth_table_count(t),
                 "the same file reads otherwise");
    for (size_t i = 0; i < auth_table_count(t); i++) {
        check_caller(auth_table_at(t, i));
        FUZZ_REQUIRE(auth_table_inherit(again, t, i), "line %zu is not in the same file", i);
    }
    (void)auth_table_token(t, text, n);
    const struct auth_subject name = {.kind = AUTH_CN, .text = text, .n = n};
    (void)auth_table_subject(t, &name, 1);
    return 0;
}
