/* berthd.h - the program itself as a child process. It ends with the test, however that ends. */
#ifndef BERTH_TESTS_RPC_BERTHD_H
#define BERTH_TESTS_RPC_BERTHD_H

#include <sys/types.h>

#include "tests/rpc/support.h"

enum { BERTHD_ARGS = 24 };

/* Runs it to its end and returns the exit code. args: NULL-ended. What it wrote is in
 * berthd_stdout() and berthd_stderr(). */
int berthd_run(const char *const *args);
/* The same while a server of berthd_serve() goes on. */
int berthd_beside(const char *const *args);
/* Starts it as a server on a port of its own, without the loop (--loop=true turns it on), and waits
 * until it listens. Returns its address. */
const char *berthd_serve(const char *const *args);
/* Of a server whose flags have --metrics-listen=127.0.0.1:0. */
int berthd_metrics_port(void);
/* SIGTERM, then waits; returns the exit code. */
int berthd_end(void);
int berthd_wait(void); /* without a signal */
void berthd_signal(int sig);
pid_t berthd_pid(void);

const char *berthd_stdout(void); /* the whole text so far */
const char *berthd_stderr(void);
const char *berthd_folder(void); /* a temporary folder of this test */
void berthd_cleanup(void);       /* teardown: ends what runs */

#endif
