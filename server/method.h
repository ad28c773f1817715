/* method.h - the RPCs of methods.def, found by path. */
#ifndef BERTH_SERVER_METHOD_H
#define BERTH_SERVER_METHOD_H

#include <stddef.h>

#include "server/rpc.h"

struct method {
    const char *path; /* "/berth.v1.SchedulerService/CancelSession" */
    const char *name; /* "CancelSession" */
    enum rpc_kind kind;
    enum rpc_place place;
    union {
        rpc_unary_f *unary; /* RPC_UNARY and RPC_CHAT */
        rpc_stream_f *stream;
    } run;
    rpc_many_f *many; /* for calls that waited together; NULL: each alone */
    const ProtobufCMessageDescriptor *input, *output;
    const void *rules; /* inbound.h: what its request is checked against */
    unsigned metric;   /* metrics.h: its label */
};

struct methods; /* all of them; read-only once made */

/* ERR_INTERNAL naming the method: the list and the contract differ. */
int methods_create(struct methods **ret, struct err *e) MUST_CHECK;
void methods_destroy(struct methods *m); /* NULL is fine */
DEFINE_CLEANUP(struct methods, methods_destroy)

const struct method *methods_find(const struct methods *m, const char *path,
                                  size_t n); /* or NULL */
size_t methods_count(const struct methods *m);
const struct method *methods_at(const struct methods *m, size_t i);

#endif
