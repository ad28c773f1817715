/* sealed_file.h - the input as a snapshot or plan file whose checksum is right. */
#ifndef BERTH_TESTS_FUZZ_SEALED_FILE_H
#define BERTH_TESTS_FUZZ_SEALED_FILE_H

#include "scheduler/snapshot_bytes.h"
#include "tests/fuzz/fuzz.h"

/* The bytes with magic, version and checksum around them. */
static inline struct byte_writer sealed_file(const uint8_t *bytes, size_t n, const char *magic,
                                             uint32_t version, struct arena *a)
{
    struct byte_writer w = file_begin(a, magic, version);
    put_bytes(&w, bytes, n);
    file_end(&w);
    return w;
}

#endif
