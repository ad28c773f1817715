/* inbound.h - the door: what a request must look like before its handler sees it.
 *
 * Works on the bytes, before anything is unpacked, by walking the message's descriptor: protobuf-c
 * checks neither UTF-8 nor depth, and cuts text at a NUL. The rules are those of limits.def, and
 * for every message: valid UTF-8 without NUL, known enum values, bounded text and lists, depth at
 * most 16. The first violation is answered: ERR_INVALID with its field path in meta "field"
 * ("spec.kernels[0].slots[1].amount"), or without a path for bytes that are no message at all. */
#ifndef BERTH_SERVER_INBOUND_H
#define BERTH_SERVER_INBOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "scheduler/arena.h"
#include "scheduler/err.h"

struct inbound; /* the rules of every message that can come in */

struct inbound *inbound_create(void);
void inbound_destroy(struct inbound *in); /* NULL is fine */
/* Adds the rules of a request message and of what is in it. *ret_rules lives as long as *in. */
int inbound_add(struct inbound *in, const ProtobufCMessageDescriptor *d, const void **ret_rules,
                struct err *e) MUST_CHECK;
/* ERR_INTERNAL when a line of limits.def found no field. After the last inbound_add(). */
int inbound_complete(struct inbound *in, struct err *e) MUST_CHECK;

int inbound_check(const void *rules, const uint8_t *bytes, size_t n, struct err *e) MUST_CHECK;

/* Memory of an arena for protobuf-c, up to a cap. */
struct inbound_memory {
    struct arena *arena;
    size_t cap; /* bytes; beyond it protobuf-c gets NULL */
    bool full;  /* it did */
};
ProtobufCAllocator inbound_allocator(struct inbound_memory *m);

/* inbound_check(), then unpacks into m. ERR_EXHAUSTED, reason REQUEST_TOO_LARGE: beyond the cap. */
int inbound_unpack(const ProtobufCMessageDescriptor *d, const void *rules, const uint8_t *bytes,
                   size_t n, struct inbound_memory *m, ProtobufCMessage **ret,
                   struct err *e) MUST_CHECK;

#endif
