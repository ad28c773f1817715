/* interrupt.h - Ctrl-C and SIGTERM as something to ask for.
 *
 * The two signals are blocked in every thread, gRPC's too, and taken with sigtimedwait(): no
 * handler runs, no call is cut in the middle. */
#ifndef BERTH_BERTHCTL_INTERRUPT_H
#define BERTH_BERTHCTL_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

void interrupt_block(void); /* before the first thread */
/* Waits up to so many milliseconds (0: looks only) for an interrupt; once one came, stays true. */
bool interrupt_wait(int64_t ms);

#endif
