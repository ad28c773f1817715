/* json.h - any protobuf-c message as JSON, by its descriptor.
 *
 * The proto3 JSON mapping: names in lowerCamelCase, enums by name (a number when unknown), 64-bit
 * integers as text, Timestamp in RFC 3339 UTC, Duration as "1.5s", bytes in base64, maps as
 * objects. One deviation, for scripts: fields at their default are written too (0, "", false, [],
 * the zero enum), so an object of a type always has the same members; only an unset message and the
 * unset members of a oneof are left out. A message is one line. */
#ifndef BERTH_BERTHCTL_JSON_H
#define BERTH_BERTHCTL_JSON_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdio.h>

void json_write_message(FILE *out, const ProtobufCMessage *m);
/* The members alone, to be put between braces with others; true when there was at least one. */
bool json_write_members(FILE *out, const ProtobufCMessage *m);
/* A string with its quotes; malformed UTF-8 becomes U+FFFD. NULL is "". */
void json_write_string(FILE *out, const char *s);

#endif
