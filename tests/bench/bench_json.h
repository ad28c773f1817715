/* bench_json.h - what a bench measured, for tests/bench/table.py: a JSON object a line.
 *
 * The tables for people stay on standard output; these lines go to the file of `--json FILE`. */
#ifndef BERTH_TESTS_BENCH_BENCH_JSON_H
#define BERTH_TESTS_BENCH_BENCH_JSON_H

#include <stdio.h>

/* Takes `--json FILE` out of the arguments and opens the file anew; exits with 2 and a sentence
 * when it cannot. NULL: not asked for. */
FILE *bench_json_open(int *argc, char **argv);
/* Writes one line, at once; f NULL is fine. */
void bench_json_line(FILE *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
