/* certificates.c - see certificates.h. CERTIFICATES is the path of the script, from the build. */
#include "tests/rpc/certificates.h"

#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/sha.h>

enum { PATHS = 256 };

static char all[32], folder[32];
static char *paths[PATHS]; /* given away; freed at the end */
static unsigned n_paths;
static pthread_mutex_t paths_lock = PTHREAD_MUTEX_INITIALIZER; /* a test's threads ask, too */

static void run(const char *const *argv)
{
    int status = 0;
    pid_t child = fork();
    ck_assert_msg(child >= 0, "cannot fork");
    if (child == 0) {
        (void)execvp(argv[0], (char *const *)(void *)argv);
        _exit(127);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s failed", argv[0]);
}

static void make_folder(char path[32])
{
    (void)snprintf(path, 32, "/tmp/berth-tls-XXXXXX");
    ck_assert_msg(mkdtemp(path) != NULL, "no temporary folder");
}

void certificates_make(void)
{
    make_folder(all);
    run((const char *const[]){CERTIFICATES, all, NULL});
}

void certificates_remove(void)
{
    run((const char *const[]){"rm", "-rf", all, NULL});
}

void certificates_begin(void)
{
    char from[40];
    make_folder(folder);
    (void)snprintf(from, sizeof(from), "%s/.", all);
    run((const char *const[]){"cp", "-a", from, folder, NULL});
}

void certificates_end(void)
{
    run((const char *const[]){"rm", "-rf", folder, NULL});
    for (unsigned i = 0; i < n_paths; i++)
        free(paths[i]);
    n_paths = 0;
}

char *certificate_path(const char *flag, const char *name)
{
    char *path = NULL;
    ck_assert_int_ge(asprintf(&path, "%s%s%s/%s", flag != NULL ? flag : "", flag != NULL ? "=" : "",
                              folder, name),
                     0);
    pthread_mutex_lock(&paths_lock);
    const bool has_room = n_paths < PATHS;
    if (has_room)
        paths[n_paths++] = path;
    pthread_mutex_unlock(&paths_lock);
    ck_assert_msg(has_room, "more than %d paths", PATHS);
    return path;
}

char *certificate_text(const char *name)
{
    char *text = calloc(1, 1 << 16);
    FILE *f = fopen(certificate_path(NULL, name), "re");
    ck_assert_msg(f != NULL, "there is no %s", name);
    ck_assert_uint_gt(fread(text, 1, (1 << 16) - 1, f), 0);
    (void)fclose(f);
    return text;
}

void certificate_write(const char *name, const char *text)
{
    const char *aside = certificate_path(NULL, "aside");
    FILE *f = fopen(aside, "we");
    ck_assert_msg(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0, "cannot write %s", aside);
    ck_assert_int_eq(rename(aside, certificate_path(NULL, name)), 0);
}

char *token_line(const char *name, const char *rights, const char *token)
{
    char *line = NULL;
    char hex[65];
    unsigned char digest[32];
    SHA256((const unsigned char *)token, strlen(token), digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    ck_assert_int_ge(asprintf(&line, "token %s %s sha256:%s\n", name, rights, hex), 0);
    return line;
}
