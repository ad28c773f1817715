/* server_listen.c - channel arguments and addresses. */
#include "server/server_listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <grpc/grpc_security.h>

#include "server/guard.h"
#include "server/server_accept.h"

/* What the process has open beside connections: files, gRPC's own, and a worker's (PostgreSQL, a
 * replica of it, Redis, and what wakes it). */
enum { OWN_DESCRIPTORS = 64, WORKER_DESCRIPTORS = 5 };

static grpc_arg int_arg(const char *key, int64_t value)
{
    return (grpc_arg){.type = GRPC_ARG_INTEGER, .key = (char *)key, .value.integer = (int)value};
}

grpc_server *listen_create(const struct config *g)
{
    /* A request a little too large is read and answered with details; core's own bound, behind
     * which there are none, is twice as large. */
    grpc_arg args[] = {
        int_arg(GRPC_ARG_ALLOW_REUSEPORT, 0), /* two servers on one port would both "work" */
        int_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, 2 * g->max_message),
        int_arg(GRPC_ARG_MAX_METADATA_SIZE, g->max_metadata),
        int_arg(GRPC_ARG_MAX_CONCURRENT_STREAMS, g->max_connection_streams),
        int_arg(GRPC_ARG_KEEPALIVE_TIME_MS, g->keepalive_time),
        int_arg(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, g->keepalive_timeout),
        int_arg(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
        int_arg(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, g->min_ping_interval),
        /* Compressed requests are refused: core inflates them without a bound. */
        int_arg(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE),
        int_arg(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, g->request_timeout),
        int_arg(GRPC_ARG_MAX_CONNECTION_AGE_MS, g->max_connection_age),
    };
    /* The age comes last, because only its absence says "never". */
    grpc_channel_args list = {.num_args = ARRAY_SIZE(args) - (g->max_connection_age == 0),
                              .args = args};
    accept_prepare();
    accept_most((int)g->max_connections,
                (int)(OWN_DESCRIPTORS + WORKER_DESCRIPTORS * (g->executors + g->loop_rounds)));
    return grpc_server_create(&list, NULL);
}

/* gRPC removes a socket file before it binds, even one that another server listens on. */
static bool is_served(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(a.sun_path))
        return false; /* gRPC refuses it with its own words */
    memcpy(a.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool served = connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0;
    close(fd);
    return served;
}

bool listen_is_local(const char *address)
{
    struct in_addr v4;
    char host[64];
    const char *colon = strrchr(address, ':');
    if (strncmp(address, "unix:", 5) == 0)
        return true;
    if (colon == NULL || (size_t)(colon - address) >= sizeof(host))
        return false;
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = '\0';
    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == IN_LOOPBACKNET;
}

static int refuse(const char *setting, struct err *e, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int refuse(const char *setting, struct err *e, const char *fmt, ...)
{
    char text[160];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    err_set(e, ERR_INVALID, "INSECURE_LISTEN", "%s", text);
    return err_meta(e, "setting", "%s", setting);
}

int listen_check(const struct config *g, struct err *e)
{
    bool tls = *g->tls_certificate != '\0';
    if (*g->health_listen != '\0' && !tls)
        return refuse("health_listen", e,
                      "health_listen is for a server with TLS (setting tls_certificate)");
    if (listen_is_local(g->listen) || g->insecure_listen || strchr(g->listen, ':') == NULL)
        return 0; /* what is no address at all is refused when it is bound */
    if (!tls)
        return refuse("insecure_listen", e,
                      "other machines reach %.60s, in plaintext: set tls_certificate and tls_key, "
                      "or insecure_listen to true",
                      g->listen);
    if (*g->callers_file == '\0')
        return refuse("insecure_listen", e,
                      "other machines reach %.60s, and nobody is asked who they are: set "
                      "callers_file, or insecure_listen to true",
                      g->listen);
    return 0;
}

static int cannot_listen(const char *setting, const char *address, const char *why, struct err *e)
{
    err_set(e, ERR_INVALID, "CANNOT_LISTEN", "cannot listen on \"%.100s\" (setting %s): %s",
            address, setting, why);
    return err_meta(e, "setting", "%s", setting);
}

/* *ret_port 0 for unix:. The credentials are released. */
static int bind_address(grpc_server *s, const char *setting, const char *a,
                        grpc_server_credentials *credentials, int *ret_port, struct err *e)
{
    bool is_unix = strncmp(a, "unix:", 5) == 0;
    const char *colon = strrchr(a, ':');
    const char *why = NULL;
    int port = 0;
    if (is_unix && is_served(a + 5))
        why = "another server listens there";
    else if (!is_unix && (colon == NULL || colon == a || colon[1] == '\0'))
        why = "use host:port, [address]:port or unix:/path";
    else if ((port = grpc_server_add_http2_port(s, a, credentials)) <= 0)
        why = "the address is taken or is not one of this machine";
    grpc_server_credentials_release(credentials);
    if (why != NULL)
        return cannot_listen(setting, a, why, e);
    *ret_port = is_unix ? 0 : port;
    return 0;
}

int listen_bind(grpc_server *s, const struct app *app, char *ret_address, size_t n, int *ret_port,
                struct err *e)
{
    const struct config *g = app->config;
    int unused = 0;
    if (bind_address(s, "listen", g->listen, guard_credentials(app->guard), ret_port, e) < 0)
        return -1;
    if (*ret_port == 0)
        snprintf(ret_address, n, "%s", g->listen);
    else
        snprintf(ret_address, n, "%.*s:%d", (int)(strrchr(g->listen, ':') - g->listen), g->listen,
                 *ret_port);
    return *g->health_listen == '\0'
               ? 0
               : bind_address(s, "health_listen", g->health_listen,
                              grpc_insecure_server_credentials_create(), &unused, e);
}
