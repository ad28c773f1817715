/* metrics_world.h - a world, a berthd over it that serves metrics, and a client: for one test at a
 * time. */
#ifndef BERTH_TESTS_RPC_METRICS_WORLD_H
#define BERTH_TESTS_RPC_METRICS_WORLD_H

#include "tests/repo/world.h"
#include "tests/rpc/berthd.h"

extern struct db db;
extern struct client *client;

void metrics_setup(void);    /* fixture */
void metrics_teardown(void); /* fixture */

/* Makes all three and waits until it serves; the port of the metrics. Flags may be NULL. */
int metrics_start(const char *flag, const char *another, const char *third);

#endif
