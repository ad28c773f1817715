/* convert.h - core and repository structs -> messages of the contract.
 *
 * Everything made here lives in the arena given; texts of the source are lent, not copied, so the
 * source must live as long as the message. Amounts become exact decimal text. Arrays come with
 * their length in *ret_n; an empty one is NULL. The reverse direction is request.h. */
#ifndef BERTH_SERVER_CONVERT_H
#define BERTH_SERVER_CONVERT_H

#include <berth/v1/scheduler.pb-c.h>

#include "repo/event.h"
#include "scheduler/arena.h"
#include "scheduler/plan.h"

/* A message of the arena, initialised: message_new(a, Berth__V1__Round, berth__v1__round). */
#define message_new(a, type, prefix)                                                               \
    ({                                                                                             \
        type *m_ = arena_new((a), type, 1);                                                        \
        prefix##__init(m_);                                                                        \
        m_;                                                                                        \
    })

/* protobuf-c has no const strings; nothing writes through them. NULL becomes "". */
char *convert_text(const char *s);
char *convert_uuid(const struct uuid *u, struct arena *a);
Google__Protobuf__Timestamp *convert_time(int64_t us, struct arena *a); /* since the epoch */
Google__Protobuf__Duration *convert_duration(int64_t ns, struct arena *a);

/* Slots of a row with an amount > 0, in slot order. with (NULL: none): a row whose slots > 0 are
 * listed too, even where the amount is 0. */
Berth__V1__SlotAmount **convert_slots(const struct snapshot *s, const int64_t *row,
                                      const int64_t *with, struct arena *a, size_t *ret_n);
Berth__V1__SlotAmount **convert_event_slots(const struct event_slot *slots, uint32_t n,
                                            struct arena *a, size_t *ret_n);

Berth__V1__Cause **convert_causes(const struct snapshot *s, const struct cause *causes, uint32_t n,
                                  struct arena *a, size_t *ret_n);
Berth__V1__Cause **convert_event_causes(const struct event_cause *causes, uint32_t n,
                                        struct arena *a, size_t *ret_n);

/* stored: the kernels have ids; a described session's have none. */
Berth__V1__KernelAllocation **convert_placements(const struct snapshot *s,
                                                 const struct placement *placements, uint32_t n,
                                                 bool stored, struct arena *a, size_t *ret_n);

Berth__V1__OutcomeCounts *convert_counts(const uint32_t counts[N_OUTCOMES], struct arena *a);
/* The first n decisions of the plan (all of them when it has fewer). */
Berth__V1__SessionDecision **convert_decisions(const struct snapshot *s, const struct plan *p,
                                               uint32_t n, struct arena *a, size_t *ret_n);
Berth__V1__Event *convert_event(const struct event *ev, struct arena *a);
Berth__V1__SessionType convert_session_type(enum session_type type);

#endif
