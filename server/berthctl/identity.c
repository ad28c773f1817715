/* identity.c - files into memory, see identity.h. */
#include "server/berthctl/identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MOST = 1 << 20, TOKEN_MOST = 512 };

static void from_environment(char **flag, const char *name, struct arena *a)
{
    const char *value = getenv(name);
    if (*flag == NULL && value != NULL && value[0] != '\0')
        *flag = arena_strdup(a, value);
}

void identity_environment(struct identity_flags *f, struct arena *a)
{
    from_environment(&f->ca, "BERTH_CA", a);
    from_environment(&f->cert, "BERTH_CERT", a);
    from_environment(&f->key, "BERTH_KEY", a);
    from_environment(&f->token_file, "BERTH_TOKEN_FILE", a);
    from_environment(&f->server_name, "BERTH_TLS_SERVER_NAME", a);
}

static int usage(struct err *e, const char *flag, const char *path, const char *why)
{
    return err_set(e, ERR_INVALID, "USAGE", "%s %.80s: %s", flag, path, why);
}

/* *ret stays as it is when the flag is not given. */
static int read_file(const char *flag, const char *path, struct arena *a, const char **ret,
                     struct err *e)
{
    if (path == NULL)
        return 0;
    errno = 0;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return usage(e, flag, path, strerror(errno));
    char *text = arena_alloc(a, FILE_MOST + 1, 1);
    size_t n = fread(text, 1, FILE_MOST + 1, f);
    int error = ferror(f) != 0 ? errno : 0;
    fclose(f);
    if (error != 0)
        return usage(e, flag, path, strerror(error));
    if (n == 0 || n > FILE_MOST)
        return usage(e, flag, path, n == 0 ? "the file is empty" : "the file is too large");
    *ret = text;
    return 0;
}

/* "token\n" becomes "Bearer token". */
static int read_token(const char *path, struct arena *a, const char **ret, struct err *e)
{
    const char *text = "";
    if (path == NULL)
        return 0;
    if (read_file("--token-file", path, a, &text, e) < 0)
        return -1;
    size_t n = strcspn(text, "\r\n");
    for (size_t i = 0; i < n; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            n = 0;
    }
    if (n == 0 || n > TOKEN_MOST || text[n + strspn(text + n, "\r\n")] != '\0')
        return usage(e, "--token-file", path, "it must hold one line, the token");
    *ret = arena_printf(a, "Bearer %.*s", (int)n, text);
    return 0;
}

/* 127.0.0.1:50061, not 127.example:50061. */
static bool is_loopback(const char *server)
{
    return strncmp(server, "127.", 4) == 0 && server[strspn(server, "0123456789.")] == ':';
}

static bool is_this_machine(const char *server)
{
    static const char *const begins[] = {"unix:", "localhost:", "[::1]:"};
    for (size_t i = 0; i < ARRAY_SIZE(begins); i++) {
        if (strncmp(server, begins[i], strlen(begins[i])) == 0)
            return true;
    }
    return is_loopback(server);
}

int identity_read(const struct identity_flags *f, const char *server, struct arena *a,
                  struct identity *ret, struct err *e)
{
    struct identity x = {.tls = f->tls || f->ca != NULL || f->cert != NULL,
                         .server_name = f->server_name};
    if ((f->cert == NULL) != (f->key == NULL))
        return err_set(e, ERR_INVALID, "USAGE", "--cert and --key go together");
    if (!x.tls && x.server_name != NULL)
        return err_set(e, ERR_INVALID, "USAGE", "--tls-server-name goes with --tls or --ca");
    if (read_file("--ca", f->ca, a, &x.roots, e) < 0 ||
        read_file("--cert", f->cert, a, &x.certificate, e) < 0 ||
        read_file("--key", f->key, a, &x.key, e) < 0 ||
        read_token(f->token_file, a, &x.authorization, e) < 0)
        return -1;
    if (x.authorization != NULL && !x.tls && !is_this_machine(server))
        return err_set(e, ERR_INVALID, "USAGE",
                       "the token would cross the network in plaintext: give --ca or --tls");
    *ret = x;
    return 0;
}
