/* reflection.h - grpc.reflection v1 and v1alpha: what tools like grpcurl ask before they call.
 *
 * reflection.c answers the RPC; the index below is made once from the embedded descriptor set
 * (proto/descriptor_set.h) and read-only afterwards. Names are full names without a leading dot. */
#ifndef BERTH_SERVER_REFLECTION_H
#define BERTH_SERVER_REFLECTION_H

#include <stddef.h>
#include <stdint.h>

#include "scheduler/err.h"

struct reflection;

int reflection_create(struct reflection **ret, struct err *e) MUST_CHECK;
void reflection_destroy(struct reflection *r); /* NULL is fine */
DEFINE_CLEANUP(struct reflection, reflection_destroy)

struct reflection_file {
    const char *name;
    const uint8_t *bytes; /* the serialized FileDescriptorProto */
    size_t n;
    const struct reflection_file *const *imports; /* direct ones */
    size_t n_imports;
    unsigned index; /* 0 .. reflection_file_count() - 1 */
};

size_t reflection_file_count(const struct reflection *r);
/* By file name, or by the symbol it defines: a message, field, enum, value, service or method.
 * NULL: not there. */
const struct reflection_file *reflection_find_file(const struct reflection *r, const char *name);
const struct reflection_file *reflection_find_symbol(const struct reflection *r, const char *name);
/* Full names of all services, in text order. */
const char *const *reflection_services(const struct reflection *r, size_t *ret_n);

#endif
