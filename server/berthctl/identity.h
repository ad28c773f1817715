/* identity.h - how berthctl reaches the server, and who it says it is.
 *
 * TLS is used when --tls or --ca is given, or a client certificate. A token is never sent in
 * plaintext to another machine. */
#ifndef BERTH_BERTHCTL_IDENTITY_H
#define BERTH_BERTHCTL_IDENTITY_H

#include <stdbool.h>

#include "scheduler/arena.h"
#include "scheduler/err.h"

/* As given: files' names; NULL: not given. */
struct identity_flags {
    char *ca, *cert, *key, *token_file, *server_name;
    bool tls;
};

/* What they hold. */
struct identity {
    bool tls;
    const char *roots; /* PEM; NULL: those of the system */
    const char *certificate, *key;
    const char *authorization; /* "Bearer ..."; NULL: none */
    const char *server_name;   /* whom the certificate must name; NULL: the address */
};

/* From BERTH_CA, BERTH_CERT, BERTH_KEY, BERTH_TOKEN_FILE and BERTH_TLS_SERVER_NAME, where a flag is
 * not given. */
void identity_environment(struct identity_flags *f, struct arena *a);

/* Reads the files into the arena. ERR_INVALID, reason USAGE, naming the flag. */
int identity_read(const struct identity_flags *f, const char *server, struct arena *a,
                  struct identity *ret, struct err *e) MUST_CHECK;

#endif
