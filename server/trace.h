/* trace.h - the trace a call belongs to, as its client says (W3C Trace Context). */
#ifndef BERTH_SERVER_TRACE_H
#define BERTH_SERVER_TRACE_H

#include <stdbool.h>

/* Is the text a traceparent: "00-<32 hex>-<16 hex>-<2 hex>", lower case, ids not zero? Of a later
 * version more may follow after another '-'. */
bool trace_is_parent(const char *text);

#endif
