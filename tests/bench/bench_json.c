/* bench_json.c - see bench_json.h. */
#include "tests/bench/bench_json.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void refuse(const char *what, const char *about)
{
    (void)fprintf(stderr, "--json %s: %s\n", about, what);
    exit(2);
}

FILE *bench_json_open(int *argc, char **argv)
{
    FILE *f = NULL;
    int to = 1;
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--json") != 0) {
            argv[to++] = argv[i];
            continue;
        }
        if (++i == *argc)
            refuse("a file is missing", "FILE");
        f = fopen(argv[i], "we");
        if (f == NULL)
            refuse("cannot be written", argv[i]);
    }
    *argc = to;
    argv[to] = NULL;
    return f;
}

void bench_json_line(FILE *f, const char *fmt, ...)
{
    va_list ap;
    if (f == NULL)
        return;
    va_start(ap, fmt);
    (void)vfprintf(f, fmt, ap);
    va_end(ap);
    (void)fputc('\n', f);
    (void)fflush(f);
}
