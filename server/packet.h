/* packet.h - inside of struct packet, for the machine only (stream.h has the rest). */
#ifndef BERTH_SERVER_PACKET_H
#define BERTH_SERVER_PACKET_H

#include <grpc/byte_buffer.h>

#include "server/stream.h"

/* A byte buffer of body (NULL: none) and a copy of tail; the caller destroys it. */
grpc_byte_buffer *packet_buffer(const struct packet *body, const void *tail, size_t n_tail);

#endif
