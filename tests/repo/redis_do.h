/* redis_do.h - words to a Redis by hand, outside the code under test. */
#ifndef BERTH_TESTS_REPO_REDIS_DO_H
#define BERTH_TESTS_REPO_REDIS_DO_H

#include "repo/redis_command.h"
#include "tests/repo/support.h"

/* A connection to that database; redis_destroy() it. */
struct redis *redis_open_in(unsigned database);
/* Words separated by single spaces; fails the test when Redis refuses them. */
void redis_do(struct redis *r, const char *words);
/* The answer as a text: numbers in decimal, lists in brackets, nil as "-". Lives until the next
 * call. */
const char *redis_says(struct redis *r, const char *words);
void redis_expect(struct redis *r, const char *words, const char *answer, const char *what);

#endif
