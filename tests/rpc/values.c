/* values.c - an arena a test, and errors that must name a field. */
#include "tests/rpc/values.h"

#include <string.h>

struct arena *arena;

static void setup(void)
{
    arena = arena_create();
}

static void teardown(void)
{
    arena_destroy(arena);
}

void values_fixture(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
}

int values_run(Suite *suite, TCase *tc)
{
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

void assert_refused(int rc, const struct err *e, const char *reason, const char *field,
                    const char *what)
{
    ck_assert_msg(rc < 0, "%s: accepted", what);
    ck_assert_msg(e->code == ERR_INVALID, "%s: %s", what, err_code_name(e->code));
    ck_assert_msg(strcmp(e->reason, reason) == 0, "%s: reason %s", what, e->reason);
    ck_assert_msg(e->n_meta > 0 && strcmp(e->meta[0].key, "field") == 0 &&
                      strcmp(e->meta[0].value, field) == 0,
                  "%s: field %s", what, e->n_meta > 0 ? e->meta[0].value : "(none)");
}
