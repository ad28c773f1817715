/* floor.h - what the parts of floor share. */
#ifndef BERTH_TESTS_BENCH_FLOOR_H
#define BERTH_TESTS_BENCH_FLOOR_H

enum { FLOOR_CONNECTIONS = 64 };

/* Cancels every pending session, one a transaction; the seconds it took. */
double floor_cancel(const char *conninfo, unsigned connections);

#endif
