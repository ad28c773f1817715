/* previewing.h - requests for previews and lists, and their answers, for tests. Messages live until
 * service_down(). */
#ifndef BERTH_TESTS_RPC_PREVIEWING_H
#define BERTH_TESTS_RPC_PREVIEWING_H

#include "tests/rpc/service.h"

typedef Berth__V1__PreviewAllocationRequest preview_request;
typedef Berth__V1__PreviewAllocationResponse preview_answer;

Berth__V1__SlotAmount *slot_amount(const char *slot, const char *value);
preview_request preview_of(const struct db *d, const char *session);
/* A session of AK1 in p1, with n kernels of so much cpu and 1 GiB. */
Berth__V1__SessionSpec *spec_of(const struct db *d, size_t n, const char *cpu);
preview_request preview_of_spec(Berth__V1__SessionSpec *spec); /* in g1 */

preview_answer *preview(const preview_request *q, const char *what); /* must be OK */
void assert_verdict(const preview_answer *a, int verdict, const char *what);

Google__Protobuf__Duration *duration_ms(int64_t ms);
int64_t ms_of(const Google__Protobuf__Duration *d); /* rounded up; fails the test when unset */

Berth__V1__ListPendingSessionsResponse *
list_pending(const char *group, Google__Protobuf__Duration *max_age, const char *what);

#define FITS       BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_FITS
#define WAITS      BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_WAITS
#define BLOCKED    BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_BLOCKED
#define INFEASIBLE BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_INFEASIBLE
#define INVALID    BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_INVALID
#define EXPIRED    BERTH__V1__PREVIEW_VERDICT__PREVIEW_VERDICT_EXPIRED

#endif
