/* unit.h - what every unit test program shares: one suite, one case, Check's fork a test. */
#ifndef BERTH_TESTS_UNIT_H
#define BERTH_TESTS_UNIT_H

#include <check.h>
#include <stdlib.h>

/* Runs the tests that add() registers; returns main()'s status. */
static inline int unit_run(const char *noun, void (*add)(TCase *tc))
{
    Suite *suite = suite_create(noun);
    TCase *tc = tcase_create(noun);
    tcase_set_timeout(tc, 60);
    add(tc);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
