/* event_line.h - one event of the log as one line. */
#ifndef BERTH_BERTHCTL_EVENT_LINE_H
#define BERTH_BERTHCTL_EVENT_LINE_H

#include <stdbool.h>
#include <stdio.h>

#include "berth/v1/scheduler.pb-c.h"
#include "scheduler/arena.h"

/* "2026-01-31 14:05:09  gpu #42  session-scheduled  <session>  PENDING -> SCHEDULED, on a1" */
void event_line_print(FILE *out, struct arena *a, const Berth__V1__Event *e, bool color);
/* The event's members, and "cursor" unless that is NULL. */
void event_line_print_json(FILE *out, const Berth__V1__Event *e, const char *cursor);

#endif
