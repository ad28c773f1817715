/* status.c - the tables of status.h, looked up by text. */
#include "repo/status.h"

#include <string.h>

#include "scheduler/base.h"

enum { no = false, yes = true };

struct session_status {
    const char *name;
    bool occupying, terminal;
    enum cancel_effect on_cancel;
};

struct kernel_status {
    const char *name;
    bool holding, started, terminal;
};

#define SESSION_ROW(name_, occupying_, terminal_, cancel_)                                         \
    {.name = #name_,                                                                               \
     .occupying = (occupying_),                                                                    \
     .terminal = (terminal_),                                                                      \
     .on_cancel = CANCEL_##cancel_},
#define KERNEL_ROW(name_, holding_, started_, terminal_)                                           \
    {.name = #name_, .holding = (holding_), .started = (started_), .terminal = (terminal_)},

static const struct session_status session_statuses[] = {SESSION_STATUSES(SESSION_ROW)};
static const struct kernel_status kernel_statuses[] = {KERNEL_STATUSES(KERNEL_ROW)};

static const struct session_status unknown_session = {.on_cancel = CANCEL_TERMINATE};
static const struct kernel_status unknown_kernel = {.name = ""};

static const struct session_status *session_status(const char *status)
{
    for (size_t i = 0; status != NULL && i < ARRAY_SIZE(session_statuses); i++)
        if (strcmp(session_statuses[i].name, status) == 0)
            return &session_statuses[i];
    return &unknown_session;
}

static const struct kernel_status *kernel_status(const char *status)
{
    for (size_t i = 0; status != NULL && i < ARRAY_SIZE(kernel_statuses); i++)
        if (strcmp(kernel_statuses[i].name, status) == 0)
            return &kernel_statuses[i];
    return &unknown_kernel;
}

bool session_status_is_occupying(const char *status)
{
    return session_status(status)->occupying;
}

bool session_status_is_terminal(const char *status)
{
    return session_status(status)->terminal;
}

enum cancel_effect session_status_on_cancel(const char *status)
{
    return session_status(status)->on_cancel;
}

bool kernel_status_is_holding(const char *status)
{
    return kernel_status(status)->holding;
}

bool kernel_status_is_started(const char *status)
{
    return kernel_status(status)->started;
}

bool kernel_status_is_terminal(const char *status)
{
    return kernel_status(status)->terminal;
}
