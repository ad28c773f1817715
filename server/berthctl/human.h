/* human.h - numbers, times and words for a person.
 *
 * Results live in the arena. Amounts come as the contract's decimal text; the answers do not say
 * which slots count bytes, so a slot is one of bytes when its name is "mem" or "shmem" or ends in
 * ".mem". */
#ifndef BERTH_BERTHCTL_HUMAN_H
#define BERTH_BERTHCTL_HUMAN_H

#include "berth/v1/scheduler.pb-c.h"
#include "scheduler/amount.h"
#include "scheduler/arena.h"

enum slot_type slot_type_guess(const char *slot);

/* "8 GiB", "512 B", "0.5", "no limit"; "-" for an empty amount; as it came when it is no amount. */
const char *human_amount(struct arena *a, const char *slot, const char *amount);
/* "cpu 4, mem 8 GiB"; "-" for none. */
const char *human_slots(struct arena *a, Berth__V1__SlotAmount *const *slots, size_t n);

/* How long something took, in microseconds: "0.35 ms", "12.3 ms", "350 ms", "4.2 s", then as spans.
 */
const char *human_duration(struct arena *a, int64_t us);
/* How long someone waits, cut to whole seconds: "0 s", "59 s", "3m 20s", "2h 5m", "3d 4h". */
const char *human_span(struct arena *a, int64_t us);
/* "3m 20s ago"; "just now" below a second or when it is ahead of now; "never" for NULL. */
const char *human_ago(struct arena *a, const Google__Protobuf__Timestamp *then, int64_t now_us);
/* "2026-01-31 14:05:09" in the local time zone; "-" for NULL. */
const char *human_time(struct arena *a, const Google__Protobuf__Timestamp *t);
int64_t timestamp_us(const Google__Protobuf__Timestamp *t);
int64_t duration_us(const Google__Protobuf__Duration *d); /* NULL: 0 */

/* The value's name without what all names of the enum begin with, in lower case and with dashes:
 * CAUSE_KIND_KEYPAIR_QUOTA is "keypair-quota". A number when the value is unknown. */
const char *human_enum(struct arena *a, const ProtobufCEnumDescriptor *type, int value);
/* "1 session", "2 sessions". */
const char *human_count(struct arena *a, uint64_t n, const char *noun);
/* "1st", "2nd", "3rd", "11th". */
const char *human_ordinal(struct arena *a, uint64_t n);
const char *human_or_dash(const char *text); /* "-" for NULL and "" */

#endif
