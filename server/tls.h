/* tls.h - the server's certificate, and how it is replaced while the server runs.
 *
 * gRPC asks for the certificate at each handshake (the config fetcher of its SSL credentials), so a
 * new pair serves the next connection and disturbs none that is open. The other way the C surface
 * offers, the grpc_tls_* credentials with a provider that watches files, is marked as subject to
 * change, looks at the files on its own clock only, and takes a pair before anybody has checked it.
 * Here a pair is loaded into OpenSSL first, in the way gRPC will; one that does not fit is refused
 * and the old one stays. */
#ifndef BERTH_SERVER_TLS_H
#define BERTH_SERVER_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include <grpc/grpc_security.h>

#include "scheduler/err.h"
#include "server/config.h"

struct tls;

/* Reads tls_certificate, tls_key and tls_client_ca. ERR_INVALID, reason BAD_FILE or
 * BAD_CERTIFICATE, with meta "setting"; BAD_SETTING when settings do not go together. */
int tls_create(const struct config *g, struct tls **ret, struct err *e) MUST_CHECK;
/* After the server is gone. NULL is fine. */
void tls_destroy(struct tls *t);
DEFINE_CLEANUP(struct tls, tls_destroy)

/* For one listening address; the caller releases them. */
grpc_server_credentials *tls_credentials(struct tls *t);

/* Are there other files than those in use, or than those refused last? */
bool tls_changed(struct tls *t);
/* Reads the files again; on failure the old ones stay in use. One thread at a time. */
int tls_reload(struct tls *t, struct err *e) MUST_CHECK;

/* When the certificate in use expires, as Unix time. Any thread. */
int64_t tls_expires_s(const struct tls *t);

#endif
