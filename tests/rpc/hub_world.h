/* hub_world.h - a hub on a real event log, and streams whose client is the test (fake_stream.h).
 *
 * One hub, database and arena a test; hub_setup() and hub_teardown() are its fixture. Whatever does
 * not come in time fails the test. */
#ifndef BERTH_TESTS_RPC_HUB_WORLD_H
#define BERTH_TESTS_RPC_HUB_WORLD_H

#include "server/clock.h"
#include "server/hub.h"
#include "tests/repo/world.h"
#include "tests/rpc/fake_stream.h"

enum { SOON_MS = 10000, NOTHING_MS = 150, GROUPS = 2, SESSIONS = 3 };

extern struct arena *arena;
extern struct db db;
extern struct hub *hub;
extern struct uuid sessions[SESSIONS]; /* s0, s1, s2 */

void hub_setup(void);
void hub_open(struct hub_options o); /* o.database is filled in */
void hub_teardown(void);

/* n more events in the log of a group, as a commit makes them: session s<sequence % 3>, types in
 * turn. Returns the first sequence. */
int64_t log_append(const char *group, int n);
struct uuid session_of(int64_t sequence);
void publish(const char *group, int64_t sequence); /* as if it had been appended */
void commit(const char *group, int n); /* appended and published, as a commit of this replica */

/* cursor NULL: from the beginning; "now": from now on. Takes the first heartbeat. */
struct stream *watch(struct hub_subscription q, const char *cursor, unsigned capacity);
/* Takes messages until n events came; each must be the next of its group in *at, whose sequences
 * are those of "g1" and "g2". Returns the last cursor, in the arena. */
char *expect(struct stream *s, unsigned n, int64_t at[GROUPS], const char *what);
void expect_nothing(struct stream *s, const char *what);
void expect_end(struct stream *s, enum err_code code, const char *reason, const char **ret_cursor);

#endif
