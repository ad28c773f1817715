/* auth.h - the callers file as it is now, and who a call comes from.
 *
 * The table is replaced as a whole by auth_reload(); a file that is wrong changes nothing. Callers
 * whose line is gone or says something else are revoked: their open streams end (call_life.c), and
 * new calls with their credentials are refused. */
#ifndef BERTH_SERVER_AUTH_H
#define BERTH_SERVER_AUTH_H

#include "server/auth_table.h"
#include "server/config.h"

struct auth;

/* Reads the setting callers_file. ERR_INVALID, reason BAD_FILE or BAD_CALLERS_FILE. */
int auth_create(const struct config *g, struct auth **ret, struct err *e) MUST_CHECK;
/* After the executors, which know the callers' lanes. NULL is fine. */
void auth_destroy(struct auth *a);
DEFINE_CLEANUP(struct auth, auth_destroy)

/* Reads the file again. Any thread, one at a time. */
int auth_reload(struct auth *a, struct err *e) MUST_CHECK;
size_t auth_count(struct auth *a); /* lines in use */

/* What a call shows of who makes it. */
struct auth_claim {
    const char *authorization; /* the value of that header; NULL: none */
    size_t n_authorization;
    bool several;                     /* there is more than one */
    const struct auth_subject *names; /* of a verified client certificate */
    size_t n_names;
};

/* A reference; role NOBODY when nothing is claimed. A token counts more than a certificate, and a
 * wrong one is refused even when the certificate is known. ERR_UNKNOWN_CALLER with reason
 * CREDENTIALS_MALFORMED, CREDENTIALS_UNKNOWN or CREDENTIALS_EXPIRED. */
int auth_identify(struct auth *a, const struct auth_claim *c, struct caller **ret,
                  struct err *e) MUST_CHECK;

/* Who claims nothing: a reference. */
struct caller *auth_nobody(struct auth *a);

#endif
