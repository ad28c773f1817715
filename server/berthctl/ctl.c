/* ctl.c - what commands share, see command.h. */
#include "server/berthctl/command.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "berth/v1/scheduler.pb-c.h"
#include "server/berthctl/json.h"

enum { DEFAULT_TIMEOUT_US = 30 * 1000000 };

int64_t ctl_timeout_us(const struct ctl *c)
{
    return c->globals.timeout_us > 0 ? c->globals.timeout_us : DEFAULT_TIMEOUT_US;
}

struct client *ctl_client(struct ctl *c)
{
    if (c->client == NULL)
        c->client = client_create(c->globals.server, &c->identity);
    return c->client;
}

int ctl_fail(struct ctl *c, const struct failure *f)
{
    if (c->globals.json)
        failure_print_json(c->err, f);
    else
        failure_print(c->err, f, c->globals.server, ctl_timeout_us(c), c->arena);
    return failure_exit(f);
}

int ctl_try(struct ctl *c, const char *method, const ProtobufCMessage *request, const void **ret,
            struct failure *f)
{
    struct client_call call = {.service = &berth__v1__scheduler_service__descriptor,
                               .method = method,
                               .request = request,
                               .timeout_us = ctl_timeout_us(c)};
    return client_unary(ctl_client(c), &call, c->arena, ret, f);
}

int ctl_call(struct ctl *c, const char *method, const ProtobufCMessage *request, const void **ret)
{
    struct failure f = {0};
    return ctl_try(c, method, request, ret, &f) < 0 ? ctl_fail(c, &f) : 0;
}

int ctl_usage(struct ctl *c, const struct command *command, const char *fmt, ...)
{
    va_list args;
    fputs("berthctl: ", c->err);
    va_start(args, fmt);
    vfprintf(c->err, fmt, args);
    va_end(args);
    fprintf(c->err, "\n  See berthctl %s%s--help.\n", command == NULL ? "" : command->name,
            command == NULL ? "" : " ");
    return EXIT_USAGE;
}

int ctl_json(struct ctl *c, const ProtobufCMessage *answer)
{
    json_write_message(c->out, answer);
    fputc('\n', c->out);
    return EXIT_OK;
}

uint32_t page_size(uint32_t limit, size_t have)
{
    if (limit == 0)
        return PAGE_MAX;
    if (have >= limit)
        return 0;
    return limit - have < PAGE_MAX ? (uint32_t)(limit - have) : PAGE_MAX;
}

void *page_append(struct arena *a, void *all, size_t *n_all, size_t *cap, const void *page,
                  size_t n)
{
    if (n == 0)
        return all;
    all = arena_grow(a, all, cap, *n_all + n, sizeof(void *));
    memcpy((void **)all + *n_all, page, n * sizeof(void *));
    *n_all += n;
    return all;
}
