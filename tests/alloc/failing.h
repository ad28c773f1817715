/* failing.h - an allocator that fails once, when it is told to.
 *
 * It stands before the C library's: linked into a program, or loaded into one (LD_PRELOAD), which
 * then finds the block to obey in the file that BERTH_FAILING names. */
#ifndef BERTH_TESTS_ALLOC_FAILING_H
#define BERTH_TESTS_ALLOC_FAILING_H

#include <stdatomic.h>
#include <stdint.h>

/* Little-endian numbers of 8 bytes, in this order, where it is a file. */
struct failing {
    atomic_int_fast64_t left; /* > 0: so many allocations until the one that fails; 0: none does */
    atomic_int_fast64_t failed; /* how many failed */
    atomic_int_fast64_t made;   /* how many were asked for */
};

extern struct failing *failing_block; /* the program's own until a file is found */

#endif
