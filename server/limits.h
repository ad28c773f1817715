/* limits.h - limits.def, bound to the descriptors: rules a field. Used by inbound.c. */
#ifndef BERTH_SERVER_LIMITS_H
#define BERTH_SERVER_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "scheduler/arena.h"
#include "scheduler/err.h"

enum { DEFAULT_TEXT = 1024, DEFAULT_LIST = 1024 }; /* fields without a line */

struct field_rule {
    uint32_t text_least, text_most; /* characters */
    uint32_t list_least, list_most; /* elements of a repeated field */
    bool id;                        /* a UUID, or empty if text_least is 0 */
    bool ranged;                    /* number_least .. number_most */
    int64_t number_least, number_most;
    const struct message_rule *message; /* of a field of message type */
};

struct message_rule {
    const ProtobufCMessageDescriptor *d;
    struct field_rule *fields; /* by index in the descriptor */
    struct message_rule *next;
};

struct limits;

struct limits *limits_create(void);
void limits_destroy(struct limits *l); /* NULL is fine */
/* Rules of d and of every message within it; made once, shared. */
int limits_add(struct limits *l, const ProtobufCMessageDescriptor *d,
               const struct message_rule **ret, struct err *e) MUST_CHECK;
/* Every line of limits.def has found its field? */
int limits_complete(const struct limits *l, struct err *e) MUST_CHECK;

#endif
