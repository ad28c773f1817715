/* only.c - linked into each test program that mutants are given to: runs the tests that
 * BERTH_ONLY names, ",name:3,other:0," (the number is the turn of a loop test), or writes
 * the names of all to the file BERTH_ONLY_LIST and runs none. Takes the place of Check's
 * registration by --wrap. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 300 };

/* NOLINTBEGIN: the linker's names. */
void __real__tcase_add_test(TCase *tc, const TTest *test, int signal, int exit_value, int start,
                            int end);
void __wrap__tcase_add_test(TCase *tc, const TTest *test, int signal, int exit_value, int start,
                            int end);

void __wrap__tcase_add_test(TCase *tc, const TTest *test, int signal, int exit_value, int start,
                            int end)
{
    const char *only = getenv("BERTH_ONLY"), *list = getenv("BERTH_ONLY_LIST");
    FILE *f = list != NULL ? fopen(list, "a") : NULL;
    for (int turn = start; turn < end; turn++) {
        char name[NAME_SIZE];
        (void)snprintf(name, sizeof(name), ",%s:%d,", test->name, turn);
        if (f != NULL)
            (void)fprintf(f, "%s:%d\n", test->name, turn);
        else if (only == NULL || strstr(only, name) != NULL)
            __real__tcase_add_test(tc, test, signal, exit_value, turn, turn + 1);
    }
    if (f != NULL)
        (void)fclose(f);
}
/* NOLINTEND */
