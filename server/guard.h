/* guard.h - the door: TLS (tls.h), who calls (auth.h), what they may call (role.h).
 *
 * A thread looks at the files of both every credentials_interval, and when guard_reload() asks for
 * it; what it finds is logged and counted. Without the settings for them there is no TLS and
 * everybody may do everything; that is for loopback (server_listen.h). */
#ifndef BERTH_SERVER_GUARD_H
#define BERTH_SERVER_GUARD_H

#include <grpc/grpc_security.h>

#include "scheduler/err.h"
#include "server/caller.h"
#include "server/config.h"

struct guard;

/* Errors as in tls.h and auth.h. *g must outlive the guard. */
int guard_create(const struct config *g, struct guard **ret, struct err *e) MUST_CHECK;
/* After the server and the executors. NULL is fine. */
void guard_destroy(struct guard *d);
DEFINE_CLEANUP(struct guard, guard_destroy)

/* Looks at the files now, changed or not. Any thread; does not wait for it. NULL is fine. */
void guard_reload(struct guard *d);
/* Sets the gauges of this part. NULL is fine. */
void guard_collect(struct guard *d);

/* For the address of the setting listen; the caller releases them. d NULL: plaintext. */
grpc_server_credentials *guard_credentials(struct guard *d);

/* Who makes this call, and may they call this method? m NULL: an unknown one. d NULL: anyone may.
 * *ret_caller: a reference. ERR_UNKNOWN_CALLER or ERR_DENIED; *ret_caller is then who was refused,
 * a reference, or NULL when that is not known. Never waits. */
int guard_admit(struct guard *d, grpc_call *call, const grpc_metadata_array *metadata,
                const struct method *m, struct caller **ret_caller, struct err *e) MUST_CHECK;

#endif
