/* planted.c - one error of each kind that a sanitizer or valgrind looks for: tests/sanitize begins
 * by seeing that it is told of it.   sanitize_planted overflow|undefined|leak|race|conversion */
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int shared;

static void *add(void *p)
{
    for (int i = 0; i < 1000; i++)
        shared++;
    return p;
}

static int race(void)
{
    pthread_t other;
    if (pthread_create(&other, NULL, add, NULL) != 0)
        return 1;
    (void)add(NULL);
    (void)pthread_join(other, NULL);
    return 0;
}

static int overflow(void)
{
    volatile size_t n = 16;
    char *bytes = calloc(n, 1);
    if (bytes == NULL)
        return 1;
    volatile char *beyond = bytes + n;
    *beyond = 1;
    free(bytes);
    return 0;
}

static int undefined(void)
{
    volatile int most = INT_MAX;
    most = most + 1;
    return 0;
}

static int conversion(void)
{
    volatile int64_t wide = INT64_C(1) << 40;
    volatile int32_t narrow = 0;
    narrow = wide;
    return narrow != 0;
}

static int leak(void)
{
    void *volatile p = malloc(100);
    p = NULL;
    return p != NULL;
}

static const struct {
    const char *name;
    int (*plant)(void);
} kinds[] = {
    {"overflow", overflow}, {"undefined", undefined},   {"leak", leak},
    {"race", race},         {"conversion", conversion},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(argv[1], kinds[i].name) == 0)
            return kinds[i].plant();
    (void)fprintf(stderr, "usage: sanitize_planted overflow|undefined|leak|race|conversion\n");
    return 2;
}
