/* status.h - struct err -> what a client sees: a gRPC code, a message, and google.rpc.Status in the
 * trailer "grpc-status-details-bin".
 *
 * Details, always: ErrorInfo {reason, domain "berth.v1", metadata = the meta pairs}. When meta has
 * "field": BadRequest. When retry_after_ms is set: RetryInfo. For ERR_PRECONDITION:
 * PreconditionFailure {type = reason, subject = first meta value, description = message}. The
 * detail text of the err is for the log only. Codes are mapped in one array in status.c. */
#ifndef BERTH_SERVER_STATUS_H
#define BERTH_SERVER_STATUS_H

#include <grpc/slice.h>
#include <grpc/status.h>

#include "scheduler/err.h"

struct status {
    grpc_status_code code;
    grpc_slice message; /* owned */
    grpc_slice details; /* owned: packed google.rpc.Status; empty for OK */
};

/* e NULL or ERR_NONE: OK. cursor: one more metadata pair "cursor"; NULL: none. */
void status_init(struct status *s, const struct err *e, const char *cursor);
void status_finish(struct status *s);

grpc_status_code status_code(enum err_code code);
const char *status_code_name(grpc_status_code code); /* "NOT_FOUND" */

#endif
