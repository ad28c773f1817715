/* redis_address.h - where a Redis is: "unix:/path/to/socket" or "host:port". Private to repo/. */
#ifndef BERTH_REPO_REDIS_ADDRESS_H
#define BERTH_REPO_REDIS_ADDRESS_H

#include "scheduler/err.h"

struct redis_address {
    char *host; /* or the socket's path; heap */
    int port;   /* 0: a unix socket */
};
/* ERR_INVALID, reason BAD_REDIS_ADDRESS. */
int redis_address_init(struct redis_address *r, const char *text, struct err *e) MUST_CHECK;
void redis_address_finish(struct redis_address *r); /* zeroed memory is fine */

#endif
