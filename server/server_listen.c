/* server_listen.c - channel arguments and addresses. */
#include "server/server_listen.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <grpc/grpc_security.h>

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
        int_arg(GRPC_ARG_MAX_CONNECTION_AGE_MS, g->max_connection_age),
    };
    /* The age comes last, because only its absence says "never". */
    grpc_channel_args list = {.num_args = ARRAY_SIZE(args) - (g->max_connection_age == 0),
                              .args = args};
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

static int cannot_listen(const struct config *g, const char *why, struct err *e)
{
    err_set(e, ERR_INVALID, "CANNOT_LISTEN", "cannot listen on \"%.100s\" (setting listen): %s",
            g->listen, why);
    return err_meta(e, "setting", "listen");
}

int listen_bind(grpc_server *s, const struct config *g, char *ret_address, size_t n, int *ret_port,
                struct err *e)
{
    const char *a = g->listen;
    bool is_unix = strncmp(a, "unix:", 5) == 0;
    const char *colon = strrchr(a, ':');
    if (is_unix && is_served(a + 5))
        return cannot_listen(g, "another server listens there", e);
    if (!is_unix && (colon == NULL || colon == a || colon[1] == '\0'))
        return cannot_listen(g, "use host:port, [address]:port or unix:/path", e);
    grpc_server_credentials *plain = grpc_insecure_server_credentials_create();
    int port = grpc_server_add_http2_port(s, a, plain);
    grpc_server_credentials_release(plain);
    if (port <= 0)
        return cannot_listen(g, "the address is taken or is not one of this machine", e);
    if (is_unix)
        snprintf(ret_address, n, "%s", a);
    else
        snprintf(ret_address, n, "%.*s:%d", (int)(colon - a), a, port);
    *ret_port = is_unix ? 0 : port;
    return 0;
}
