/* metrics_process.h - what the process takes of the machine, under the names that every exporter
 * uses: memory, processor time, descriptors, threads, when it started. Linux: read from /proc. */
#ifndef BERTH_SERVER_METRICS_PROCESS_H
#define BERTH_SERVER_METRICS_PROCESS_H

#include <stdio.h>

/* As metrics_print() and metrics_list(), for these. What cannot be read is left out. */
void metrics_process_print(FILE *out);
void metrics_process_list(FILE *out);

/* A line of metrics_list(). */
void metrics_list_line(FILE *out, const char *name, const char *type, const char *labels,
                       const char *help);

#endif
