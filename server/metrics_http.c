/* metrics_http.c - the listener of /metrics. */
#include "server/metrics_http.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <microhttpd.h>

#include "server/metrics.h"

enum { CONNECTIONS = 32, TIMEOUT_S = 5, CONNECTION_BYTES = 16 * 1024, BACKLOG = 64 };

struct metrics_http {
    void (*collect)(void *ctx);
    void *ctx;
    int fd; /* the daemon's once that runs */
    int port;
    char address[256];
    struct sockaddr_un path; /* sun_family AF_UNIX: the file is ours */
    struct MHD_Daemon *daemon;
};

/* --- listening -------------------------------------------------------------------------------- */

static int cannot_listen(const char *address, const char *why, struct err *e)
{
    err_set(e, ERR_INVALID, "CANNOT_LISTEN",
            "cannot listen on \"%.100s\" (setting metrics_listen): %s", address, why);
    return err_meta(e, "setting", "metrics_listen");
}

/* Binds and listens; -1 with errno. */
static int listen_on(struct metrics_http *m, const struct sockaddr *to, socklen_t n)
{
    const int yes = 1;
    m->fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (m->fd < 0)
        return -1;
    if (setsockopt(m->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
        bind(m->fd, to, n) == 0 && listen(m->fd, BACKLOG) == 0)
        return 0;
    int error = errno;
    close(m->fd);
    m->fd = -1;
    errno = error;
    return -1;
}

static bool is_served(const struct sockaddr_un *path)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true; /* nothing is removed on a guess */
    bool served =
        connect(fd, (const struct sockaddr *)path, sizeof(*path)) == 0 || errno != ECONNREFUSED;
    close(fd);
    return served;
}

/* A socket file that nobody listens on is one left behind by a server that was killed. */
static int listen_on_path(struct metrics_http *m, const char *address, struct err *e)
{
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    const char *name = address + strlen("unix:");
    if (*name != '/' || strlen(name) >= sizeof(path.sun_path))
        return cannot_listen(address, "use an absolute path of less than 108 bytes", e);
    memcpy(path.sun_path, name, strlen(name) + 1);
    int rc = listen_on(m, (const struct sockaddr *)&path, sizeof(path));
    if (rc < 0 && errno == EADDRINUSE && !is_served(&path)) {
        (void)unlink(name);
        rc = listen_on(m, (const struct sockaddr *)&path, sizeof(path));
    }
    if (rc < 0)
        return cannot_listen(address, strerrordesc_np(errno), e);
    m->path = path;
    snprintf(m->address, sizeof(m->address), "%s", address);
    return 0;
}

static int bound_port(int fd)
{
    union {
        struct sockaddr_in6 v6;
        struct sockaddr_in v4;
    } a = {.v6 = {.sin6_family = AF_UNSPEC}};
    socklen_t n = sizeof(a);
    if (getsockname(fd, (struct sockaddr *)&a, &n) < 0)
        return 0;
    return ntohs(a.v4.sin_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

static int listen_on_port(struct metrics_http *m, const char *address, struct err *e)
{
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(address, ':');
    struct addrinfo *found = NULL;
    char host[200];
    if (colon == NULL || colon == address || colon[1] == '\0')
        return cannot_listen(address, "use host:port, [address]:port or unix:/path", e);
    bool bracketed = address[0] == '[' && colon[-1] == ']';
    snprintf(host, sizeof(host), "%.*s", (int)(colon - address - (bracketed ? 2 : 0)),
             address + (bracketed ? 1 : 0));
    int error = getaddrinfo(host, colon + 1, &hints, &found);
    if (error != 0)
        return cannot_listen(address, gai_strerror(error), e);
    int rc = -1;
    for (const struct addrinfo *a = found; a != NULL && rc < 0; a = a->ai_next)
        rc = listen_on(m, a->ai_addr, a->ai_addrlen);
    if (rc < 0)
        cannot_listen(address, strerrordesc_np(errno), e);
    freeaddrinfo(found);
    if (rc < 0)
        return -1;
    m->port = bound_port(m->fd);
    snprintf(m->address, sizeof(m->address), "%.*s:%d", (int)(colon - address), address, m->port);
    return 0;
}

/* --- answering -------------------------------------------------------------------------------- */

static enum MHD_Result answer_with(struct MHD_Connection *c, unsigned code, void *text, size_t n,
                                   enum MHD_ResponseMemoryMode mode)
{
    static const char format[] = "text/plain; version=0.0.4; charset=utf-8";
    struct MHD_Response *r = MHD_create_response_from_buffer(n, text, mode);
    if (r == NULL)
        return MHD_NO; /* closes the connection */
    (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, format);
    enum MHD_Result rc = MHD_queue_response(c, code, r);
    MHD_destroy_response(r);
    return rc;
}

static enum MHD_Result answer_metrics(const struct metrics_http *m, struct MHD_Connection *c)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    if (out == NULL)
        return MHD_NO;
    if (m->collect != NULL)
        m->collect(m->ctx);
    metrics_print(out);
    if (fclose(out) != 0) {
        free(text);
        return MHD_NO;
    }
    return answer_with(c, MHD_HTTP_OK, text, n, MHD_RESPMEM_MUST_FREE);
}

/* libmicrohttpd's callback. It answers at the first call, before any body, and so the connection
 * ends with the answer: none is held between two scrapes. */
static enum MHD_Result answer(void *ctx, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *n_upload, void **state)
{
    static char none[] = "There is only GET /metrics here.\n";
    (void)version;
    (void)upload;
    (void)n_upload;
    (void)state;
    bool reads =
        strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (reads && strcmp(url, "/metrics") == 0)
        return answer_metrics(ctx, c);
    return answer_with(c, MHD_HTTP_NOT_FOUND, none, sizeof(none) - 1, MHD_RESPMEM_PERSISTENT);
}

/* --- making and ending ------------------------------------------------------------------------ */

static int start_daemon(struct metrics_http *m, struct err *e)
{
    m->daemon = MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD, 0, NULL, NULL, answer, m,
                                 MHD_OPTION_LISTEN_SOCKET, m->fd, MHD_OPTION_CONNECTION_LIMIT,
                                 (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
                                 (unsigned)TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                 (size_t)CONNECTION_BYTES, MHD_OPTION_END);
    if (m->daemon != NULL)
        return 0;
    return err_set(e, ERR_EXHAUSTED, "NO_THREAD", "cannot start the thread that serves metrics");
}

int metrics_http_create(const char *address, void (*collect)(void *ctx), void *ctx,
                        struct metrics_http **ret, struct err *e)
{
    struct metrics_http *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    m->collect = collect;
    m->ctx = ctx;
    m->fd = -1;
    metric_set(METRIC_build_info, 0, 1);
    bool is_path = strncmp(address, "unix:", 5) == 0;
    if ((is_path ? listen_on_path(m, address, e) : listen_on_port(m, address, e)) < 0 ||
        start_daemon(m, e) < 0) {
        metrics_http_destroy(m);
        return -1;
    }
    *ret = m;
    return 0;
}

void metrics_http_destroy(struct metrics_http *m)
{
    if (m == NULL)
        return;
    if (m->daemon != NULL)
        MHD_stop_daemon(m->daemon);
    else if (m->fd >= 0)
        close(m->fd);
    if (m->path.sun_family == AF_UNIX)
        (void)unlink(m->path.sun_path);
    free(m);
}

const char *metrics_http_address(const struct metrics_http *m)
{
    return m->address;
}

int metrics_http_port(const struct metrics_http *m)
{
    return m->port;
}
