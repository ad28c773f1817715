/* command_token.c - berthd token: makes a caller's token, and checks a callers file.
 *
 * A token is shown once and kept nowhere: the file gets its SHA-256 (auth_line.h says why that is
 * enough). */
#include "server/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "server/auth_table.h"
#include "server/secret_file.h"

enum { LINE_BYTES = 16384 };

struct request {
    const char *name, *role, *groups, *expires, *append; /* expires, append: NULL: not given */
};

static void token_text(const uint8_t bytes[AUTH_TOKEN_BYTES], char ret[64])
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t n = strlen(AUTH_TOKEN_PREFIX);
    memcpy(ret, AUTH_TOKEN_PREFIX, n + 1);
    for (unsigned bit = 0; bit < AUTH_TOKEN_BYTES * 8; bit += 6) {
        unsigned at = bit / 8;
        unsigned two = (unsigned)bytes[at] << 8;
        if (at + 1 < AUTH_TOKEN_BYTES)
            two |= bytes[at + 1];
        ret[n++] = alphabet[(two >> (10 - bit % 8)) & 63];
    }
    ret[n] = '\0';
}

static int make_token(char ret[64], struct err *e)
{
    uint8_t bytes[AUTH_TOKEN_BYTES];
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return err_set(e, ERR_UNAVAILABLE, "NO_RANDOM", "the system gives no random bytes");
    token_text(bytes, ret);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return 0;
}

/* The line of the callers file, tried before it is shown. */
static int make_line(const struct request *q, const char *token, char ret[LINE_BYTES],
                     struct err *e)
{
    uint8_t digest[AUTH_DIGEST];
    char hex[2 * AUTH_DIGEST + 1];
    struct auth_table *t = NULL;
    SHA256((const unsigned char *)token, strlen(token), digest);
    for (unsigned i = 0; i < AUTH_DIGEST; i++)
        (void)snprintf(hex + (size_t)2 * i, 3, "%02x", digest[i]);
    int n =
        snprintf(ret, LINE_BYTES, "token %s %s %s sha256:%s%s%s\n", q->name, q->role, q->groups,
                 hex, q->expires != NULL ? " expires:" : "", q->expires != NULL ? q->expires : "");
    if (n < 0 || n >= LINE_BYTES || memchr(ret, '\n', (size_t)n - 1) != NULL)
        return err_set(e, ERR_INVALID, "BAD_FLAG", "the groups are too long for one line");
    int rc = auth_table_create("the new line", ret, (size_t)n, &t, e);
    if (rc == 0 && auth_table_count(t) != 1)
        rc = err_set(e, ERR_INVALID, "BAD_FLAG", "these values make no line");
    auth_table_destroy(t);
    return rc;
}

/* Does the file end within a line? The new one would become a part of it. */
static bool lacks_newline(int fd)
{
    char last = '\n';
    off_t size = lseek(fd, 0, SEEK_END);
    return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

/* In one write, so that who reads the file meanwhile sees a whole line or none. */
static int append_line(const char *path, const char *line, struct err *e)
{
    char text[LINE_BYTES + 1];
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int n = snprintf(text, sizeof(text), "%s%s", fd >= 0 && lacks_newline(fd) ? "\n" : "", line);
    if (fd >= 0 && write(fd, text, (size_t)n) == n && close(fd) == 0)
        return 0;
    err_set(e, ERR_INVALID, "BAD_FILE", "cannot append to \"%.100s\"", path);
    return err_detail(e, "%s", strerror(errno));
}

/* "90d" becomes the day it is in 90 days; anything else stays for the line's own check. */
static void resolve_days(struct request *q, char day[16])
{
    enum { DAYS_MOST = 36500 };
    char *end = NULL;
    long days = q->expires != NULL ? strtol(q->expires, &end, 10) : 0;
    if (days <= 0 || days > DAYS_MOST || strcmp(end, "d") != 0)
        return;
    time_t at = time(NULL) + (time_t)days * 86400;
    struct tm t;
    (void)strftime(day, 16, "%Y-%m-%d", gmtime_r(&at, &t));
    q->expires = day;
}

static int read_request(int argc, char **argv, struct request *q, struct err *e)
{
    if (command_take_value(&argc, argv, "--role", &q->role, e) < 0 ||
        command_take_value(&argc, argv, "--groups", &q->groups, e) < 0 ||
        command_take_value(&argc, argv, "--expires", &q->expires, e) < 0 ||
        command_take_value(&argc, argv, "--append", &q->append, e) < 0)
        return -1;
    if (argc != 1 || argv[0][0] == '-')
        return err_set(e, ERR_INVALID, "BAD_FLAG",
                       "use: token new NAME --role ROLE [--groups a,b] [--expires 90d] "
                       "[--append FILE]");
    q->name = argv[0];
    if (!auth_name_good(q->name))
        return err_set(e, ERR_INVALID, "BAD_FLAG",
                       "a name has letters, digits and . _ @ : / + -, at most %d of them",
                       AUTH_NAME_MOST);
    if (q->role == NULL)
        return err_set(e, ERR_INVALID, "BAD_FLAG", "--role is needed: viewer, manager or admin");
    if (q->groups == NULL)
        q->groups = "*";
    return 0;
}

static int token_new(int argc, char **argv)
{
    struct err e = {.code = ERR_NONE};
    struct request q = {.name = NULL};
    char token[64];
    char line[LINE_BYTES];
    char day[16];
    if (read_request(argc, argv, &q, &e) < 0)
        return command_fail(&e, EXIT_USAGE);
    resolve_days(&q, day);
    if (make_token(token, &e) < 0)
        return command_fail(&e, EXIT_FAILED);
    if (make_line(&q, token, line, &e) < 0)
        return command_fail(&e, EXIT_USAGE);
    if (q.append != NULL && append_line(q.append, line, &e) < 0)
        return command_fail(&e, EXIT_FAILED);
    printf("%s\n%s", token, q.append == NULL ? line : "");
    if (isatty(STDOUT_FILENO) == 1)
        fprintf(stderr, "\nThe token is for %s, and is shown only now. %s\n", q.name,
                q.append == NULL ? "The line is for the callers file (setting callers_file)."
                                 : "Its line is in the callers file.");
    OPENSSL_cleanse(token, sizeof(token));
    return EXIT_OK;
}

static int token_check(int argc, char **argv)
{
    struct err e = {.code = ERR_NONE};
    CLEANUP(auth_table_destroyp) struct auth_table *t = NULL;
    char *text = NULL;
    size_t n = 0;
    if (argc != 1) {
        err_set(&e, ERR_INVALID, "BAD_FLAG", "use: token check FILE");
        return command_fail(&e, EXIT_USAGE);
    }
    if (secret_read("callers_file", argv[0], AUTH_FILE_MOST, &text, &n, &e) < 0)
        return command_fail(&e, EXIT_FAILED);
    int rc = auth_table_create(argv[0], text, n, &t, &e);
    secret_free(text, n);
    if (rc < 0)
        return command_fail(&e, EXIT_FAILED);
    printf("%zu callers\n", auth_table_count(t));
    return EXIT_OK;
}

int command_token(int argc, char **argv)
{
    struct err e = {.code = ERR_NONE};
    if (argc > 0 && strcmp(argv[0], "new") == 0)
        return token_new(argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "check") == 0)
        return token_check(argc - 1, argv + 1);
    err_set(&e, ERR_INVALID, "BAD_FLAG", "use: token new NAME ... or token check FILE");
    return command_fail(&e, EXIT_USAGE);
}
