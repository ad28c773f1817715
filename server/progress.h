/* progress.h - a line on the terminal that tells how far a long piece of work is.
 *
 * "repair: 3 of 12, gpu, 14 s", on standard error and only when that is a terminal; redrawn in
 * place by a thread of its own, not before the work has lasted half a second, and gone when it
 * ends. One at a time. Begin it once signals are blocked as the program wants them. */
#ifndef BERTH_SERVER_PROGRESS_H
#define BERTH_SERVER_PROGRESS_H

#include <stdint.h>

#include "scheduler/base.h"

struct progress;

/* what: static. total: steps of the work; 0: nobody knows. NULL when there is nothing to draw on;
 * every function below takes that and does nothing. */
struct progress *progress_begin(const char *what, uint32_t total);
/* Step `step`, from 1, begins. at: what it is about; copied; NULL: nothing to say. */
void progress_step(struct progress *p, uint32_t step, const char *at);
/* Around what else is written to the terminal: takes the line away, and keeps it away. */
void progress_pause(struct progress *p);
void progress_resume(struct progress *p);
void progress_end(struct progress *p);
DEFINE_CLEANUP(struct progress, progress_end)

#endif
