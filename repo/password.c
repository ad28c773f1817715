/* password.c - see password.h. */
#include "repo/password.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo/redis_address.h"

static char *pg_file; /* NULL: none */
static struct {
    struct redis_address address;
    char *user, *file;
} logins[REDIS_LOGINS_MAX];
static unsigned n_logins;

/* --- the file --- */

/* While it serves, the message goes to clients, whom our paths do not concern. */
static int bad_file(const char *file, enum err_code code, const char *why, struct err *e)
{
    if (code == ERR_INVALID)
        return err_set(e, code, "BAD_PASSWORD_FILE", "password file \"%.100s\": %s", file, why);
    err_set(e, code, "BAD_PASSWORD_FILE", "A password file of this server cannot be used.");
    return err_detail(e, "password file \"%.100s\": %s", file, why);
}

static ssize_t read_text(const char *file, char *text, size_t most)
{
    struct stat s;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -1;
    ssize_t n = -1;
    if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode))
        n = read(fd, text, most); /* of a regular file this short: all of it */
    else
        errno = EINVAL;
    int error = errno;
    close(fd);
    errno = error;
    return n;
}

static int read_password(const char *file, enum err_code code, char ret[PASSWORD_MAX + 1],
                         struct err *e)
{
    char text[PASSWORD_MAX + 3]; /* "\r\n" behind it, and one byte more would be too long */
    ssize_t n = read_text(file, text, sizeof(text));
    if (n < 0)
        return bad_file(file, code, errno == EINVAL ? "not a file" : strerror(errno), e);
    size_t len = (size_t)n;
    if (len > 0 && text[len - 1] == '\n')
        len--;
    if (len > 0 && text[len - 1] == '\r')
        len--;
    const char *wrong = len == 0                          ? "it is empty"
                        : len > PASSWORD_MAX              ? "it is longer than 1024 bytes"
                        : memchr(text, '\n', len) != NULL ? "it has more than one line"
                        : memchr(text, '\0', len) != NULL ? "it has a NUL in it"
                                                          : NULL;
    if (wrong == NULL) {
        memcpy(ret, text, len);
        ret[len] = '\0';
    }
    explicit_bzero(text, sizeof(text));
    return wrong == NULL ? 0 : bad_file(file, code, wrong, e);
}

void password_wipe(char password[PASSWORD_MAX + 1])
{
    explicit_bzero(password, PASSWORD_MAX + 1);
}

/* Can it be read? What it holds is not wanted yet. */
static int check_file(const char *file, struct err *e)
{
    char password[PASSWORD_MAX + 1];
    if (read_password(file, ERR_INVALID, password, e) < 0)
        return -1;
    password_wipe(password);
    return 0;
}

static char *must_copy(const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL)
        abort(); /* out of memory */
    return copy;
}

/* --- PostgreSQL --- */

int password_for_pg(const char *file, struct err *e)
{
    const bool wanted = file != NULL && *file != '\0';
    if (wanted && check_file(file, e) < 0)
        return -1;
    free(pg_file);
    pg_file = wanted ? must_copy(file) : NULL;
    return 0;
}

int password_of_pg(char ret[PASSWORD_MAX + 1], struct err *e)
{
    *ret = '\0';
    return pg_file == NULL ? 0 : read_password(pg_file, ERR_UNAVAILABLE, ret, e);
}

/* --- Redis --- */

static bool same_address(const struct redis_address *a, const struct redis_address *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

int password_for_redis(const char *address, const char *user, const char *file, struct err *e)
{
    struct redis_address a = {.host = NULL};
    if (*file == '\0')
        return 0;
    if (redis_address_init(&a, address, e) < 0)
        return -1;
    if (check_file(file, e) < 0) {
        redis_address_finish(&a);
        return -1;
    }
    unsigned i = 0;
    while (i < n_logins && !same_address(&logins[i].address, &a))
        i++;
    if (i == REDIS_LOGINS_MAX) {
        redis_address_finish(&a);
        return err_set(e, ERR_EXHAUSTED, "TOO_MANY_LOGINS", "more than %d servers of Redis",
                       REDIS_LOGINS_MAX);
    }
    redis_address_finish(&logins[i].address);
    free(logins[i].user);
    free(logins[i].file);
    logins[i].address = a;
    logins[i].user = must_copy(user);
    logins[i].file = must_copy(file);
    n_logins += i == n_logins;
    return 0;
}

int password_of_redis(const struct redis_address *a, struct redis_login *ret, struct err *e)
{
    ret->n = 0;
    for (unsigned i = 0; i < n_logins; i++) {
        if (!same_address(&logins[i].address, a))
            continue;
        if (read_password(logins[i].file, ERR_UNAVAILABLE, ret->password, e) < 0)
            return -1;
        ret->words[ret->n++] = "AUTH";
        if (*logins[i].user != '\0')
            ret->words[ret->n++] = logins[i].user;
        ret->words[ret->n++] = ret->password;
        return 0;
    }
    return 0;
}
