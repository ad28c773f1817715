/* failure.h - how a failed call is told: to a person, to a program, and as an exit code. */
#ifndef BERTH_BERTHCTL_FAILURE_H
#define BERTH_BERTHCTL_FAILURE_H

#include <stdio.h>

#include "server/berthctl/client.h"

enum exit_code {
#define EXIT(name, code, words) EXIT_##name = (code),
#include "server/berthctl/exits.def"
#undef EXIT
};

int failure_exit(const struct failure *f);

/* One line with what happened and in brackets the reason with its values; then a line for each
 * wrong field and each precondition, and one that says what to do when that is known. */
void failure_print(FILE *out, const struct failure *f, const char *server, int64_t timeout_us,
                   struct arena *a);
/* One line: {"error":{"code":"NOT_FOUND","message":"...","errorInfo":{...},"badRequest":{...},
 * "preconditionFailure":{...},"retryInfo":{...}}}; the details only as far as the server sent them.
 */
void failure_print_json(FILE *out, const struct failure *f);

/* The message without what gRPC puts before the problem of every failed connection. */
const char *failure_words(const struct failure *f);
/* "NOT_FOUND"; the number's name in google.rpc.Code, "UNKNOWN" for any other number. */
const char *failure_code_name(int code);

#endif
