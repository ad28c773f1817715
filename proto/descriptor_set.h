/* descriptor_set.h - what protoc knows of every message and service Berth speaks: a serialized
 * google.protobuf.FileDescriptorSet with all imports, for reflection. Static storage. */
#ifndef BERTH_PROTO_DESCRIPTOR_SET_H
#define BERTH_PROTO_DESCRIPTOR_SET_H

#include <stddef.h>
#include <stdint.h>

const uint8_t *descriptor_set(size_t *ret_len);

#endif
