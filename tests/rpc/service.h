/* service.h - the whole scheduling service in this process, and calls to it.
 *
 * The server is made of the parts of berthd, with its own handlers, a real database and a real
 * Redis (tests/repo/support.h); the client is that of support.h. Whatever does not come in time
 * fails the test. */
#ifndef BERTH_TESTS_RPC_SERVICE_H
#define BERTH_TESTS_RPC_SERVICE_H

#include <berth/v1/scheduler.pb-c.h>

#include "tests/repo/world.h"
#include "tests/rpc/support.h"

#define PENDING_PATH "/berth.v1.SchedulerService/ListPendingSessions"
#define GROUPS_PATH  "/berth.v1.SchedulerService/ListScalingGroups"

/* redis NULL: the test's. settings: more flags, NULL-ended; NULL: none. At most one at a time. */
struct app *service_up(const struct db *d, const char *redis, const char *const *settings);
void service_stop_serving(void); /* drains; everything else stays until service_down() */
void service_down(void);         /* NULL-safe */
char *service_address(void);
struct client *service_client(void); /* one, closed by service_down() */

/* A message in memory that lives until service_down(); fails the test when the bytes are none. */
void *from_bytes(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t n);
/* Calls and unpacks the answer as a message of `type`, in memory that lives until service_down().
 * Fails the test unless the call ends with OK. */
void *call_ok(const char *path, const ProtobufCMessage *request,
              const ProtobufCMessageDescriptor *type, const char *what);
/* Fails the test unless the call ends with this code and reason and, when field is not NULL, with a
 * BadRequest about that field. */
void call_fails(const char *path, const ProtobufCMessage *request, grpc_status_code code,
                const char *reason, const char *field, const char *what);

Berth__V1__ScheduleScalingGroupResponse *schedule(const char *group, const char *what);

/* Everything in the database that a call may change, as a text: equal texts, equal rows. */
char *db_fingerprint(const struct db *d);
/* status of session `name`. */
void assert_status(const struct db *d, const char *name, const char *status, const char *what);
char *id_text(const struct db *d, const char *name); /* t.id(name); lives until the test ends */
struct arena *test_arena(void);                      /* lives until service_down() */

#endif
