/* redis_address.c - reading the address of a Redis. */
#include "repo/redis_address.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Port of ":port", -1 when there is none. */
static int port_of(const char *colon)
{
    char *end = NULL;
    const long port = colon != NULL ? strtol(colon + 1, &end, 10) : 0;
    return port > 0 && port < 65536 && *end == '\0' && end != colon + 1 ? (int)port : -1;
}

int redis_address_init(struct redis_address *r, const char *text, struct err *e)
{
    static const char unix_prefix[] = "unix:";
    const bool is_unix = strncmp(text, unix_prefix, strlen(unix_prefix)) == 0;
    const char *colon = strrchr(text, ':');
    const char *host = is_unix ? text + strlen(unix_prefix) : text;
    const int port = is_unix ? 0 : port_of(colon);
    if (port < 0 || *host == '\0' || host == colon)
        return err_set(e, ERR_INVALID, "BAD_REDIS_ADDRESS",
                       "Redis address \"%.100s\" is neither unix:/path nor host:port.", text);
    r->host = is_unix ? strdup(host) : strndup(host, (size_t)(colon - host));
    if (r->host == NULL)
        abort(); /* out of memory */
    r->port = port;
    return 0;
}

void redis_address_finish(struct redis_address *r)
{
    free(r->host);
    r->host = NULL;
}
