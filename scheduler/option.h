/* option.h - reads the options that a plugin (or the engine) declares, from JSON values. */
#ifndef BERTH_SCHEDULER_OPTION_H
#define BERTH_SCHEDULER_OPTION_H

#include "scheduler/err.h"
#include "scheduler/plugin.h"

/* `json` is the text of one JSON value. -1: it is not what the spec asks for; ERR_PRECONDITION with
 * a sentence that names the key (`shown`), the owner and what was expected; meta "option". */
int option_read(const struct option_spec *spec, const char *owner, const char *shown,
                const char *json, struct arena *a, struct option_value *ret,
                struct err *e) MUST_CHECK;

struct option_value option_standard(const struct option_spec *spec);

/* "an integer of at least 0", "one of a, b": for sentences and listings. */
char *option_expectation(const struct option_spec *spec, struct arena *a);

#endif
