/* base.h - the few macros every layer shares. */
#ifndef BERTH_SCHEDULER_BASE_H
#define BERTH_SCHEDULER_BASE_H

#include <stddef.h>

#define ARRAY_SIZE(a)          (sizeof(a) / sizeof((a)[0]))
#define MUST_CHECK             __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Functions that borrow clean up at the end of the scope; functions that construct use "goto fail"
 * and their own destructor. DEFINE_CLEANUP(struct x, x_destroy) makes x_destroyp for CLEANUP(). */
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define DEFINE_CLEANUP(type, destroy)                                                              \
    static inline void destroy##p(type **p)                                                        \
    {                                                                                              \
        destroy(*p);                                                                               \
        *p = NULL;                                                                                 \
    }
#define TAKE(ptr)                                                                                  \
    ({                                                                                             \
        __typeof__(ptr) took_ = (ptr);                                                             \
        (ptr) = NULL;                                                                              \
        took_;                                                                                     \
    })

/* "No such row": every index into a table of the snapshot or the plan is a uint32_t. */
#define NONE UINT32_MAX

#endif
