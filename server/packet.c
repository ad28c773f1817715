/* packet.c - bytes packed once, shared by reference count. */
#include "server/packet.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/slice.h>

struct packet {
    atomic_uint refs;
    grpc_slice bytes;
};

static struct packet *packet_new(size_t n)
{
    struct packet *p = malloc(sizeof(*p));
    if (p == NULL)
        abort();
    atomic_init(&p->refs, 1);
    p->bytes = grpc_slice_malloc(n);
    return p;
}

struct packet *packet_pack(const ProtobufCMessage *m)
{
    struct packet *p = packet_new(protobuf_c_message_get_packed_size(m));
    protobuf_c_message_pack(m, GRPC_SLICE_START_PTR(p->bytes));
    return p;
}

struct packet *packet_copy(const void *bytes, size_t n)
{
    struct packet *p = packet_new(n);
    if (n > 0)
        memcpy(GRPC_SLICE_START_PTR(p->bytes), bytes, n);
    return p;
}

struct packet *packet_ref(struct packet *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void packet_unref(struct packet *p)
{
    if (p == NULL || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    grpc_slice_unref(p->bytes);
    free(p);
}

size_t packet_size(const struct packet *p)
{
    return GRPC_SLICE_LENGTH(p->bytes);
}

grpc_byte_buffer *packet_buffer(const struct packet *body, const void *tail, size_t n_tail)
{
    grpc_slice slices[2];
    size_t n = 0;
    if (body != NULL)
        slices[n++] = body->bytes;
    if (n_tail > 0 || n == 0)
        slices[n++] = grpc_slice_from_copied_buffer(tail, n_tail);
    grpc_byte_buffer *b = grpc_raw_byte_buffer_create(slices, n); /* takes references of its own */
    if (n_tail > 0 || body == NULL)
        grpc_slice_unref(slices[n - 1]);
    return b;
}
