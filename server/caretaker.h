/* caretaker.h - puts right what others have left, in the background.
 *
 * One thread with connections of its own. Once after start, when the database can be used, it
 * repairs each scaling group (repo/repair.h; setting repair_at_start): findings are logged, events
 * go to the hub, counts to the mirrors. Damage too young to be touched is looked at again.
 *
 * At each look it asks whether Redis still has the mirrors of session counts (repo/counter.h), and
 * makes them anew when it was erased or restarted, and every mirror_interval in any case: for a
 * single key that was evicted or overwritten.
 *
 * Every retention_interval it removes events, rounds and stored answers that are too old or too
 * many (repo/retention.h): batch by batch with pauses, for a second a kind and look. */
#ifndef BERTH_SERVER_CARETAKER_H
#define BERTH_SERVER_CARETAKER_H

#include "scheduler/err.h"

struct caretaker;
struct config;
struct hub;

/* Both are lent and must outlive it. Starts the thread; neither database nor Redis must be there.
 */
int caretaker_create(const struct config *g, struct hub *hub, struct caretaker **ret,
                     struct err *e) MUST_CHECK;
void caretaker_destroy(struct caretaker *c); /* gives up what it is at; NULL is fine */
DEFINE_CLEANUP(struct caretaker, caretaker_destroy)

#endif
