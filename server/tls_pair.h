/* tls_pair.h - a certificate chain, its key and the client CA, read from files and tried. */
#ifndef BERTH_SERVER_TLS_PAIR_H
#define BERTH_SERVER_TLS_PAIR_H

#include <stdint.h>

#include <grpc/grpc_security.h>

#include "scheduler/err.h"
#include "server/config.h"

struct tls_pair {
    grpc_ssl_server_certificate_config *config; /* what gRPC wants; destroyed by who takes it */
    int64_t expires_s;                          /* of the first certificate; Unix time */
};

/* Errors as in tls.h. Nothing of the key is left in memory but what is in ret->config. */
int tls_pair_load(const struct config *g, struct tls_pair *ret, struct err *e) MUST_CHECK;

#endif
