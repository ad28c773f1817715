/* descriptor_set.c - the file protoc wrote, embedded by the assembler (the build names it). */
#include "proto/descriptor_set.h"

__asm__(".section .rodata.berth_descriptor_set,\"a\",@progbits\n"
        ".balign 16\n"
        ".local berth_descriptor_set\n"
        "berth_descriptor_set:\n"
        ".incbin \"" DESCRIPTOR_SET_FILE "\"\n"
        ".local berth_descriptor_set_end\n"
        "berth_descriptor_set_end:\n"
        ".byte 0\n"
        ".previous\n");

extern const uint8_t berth_descriptor_set[];
extern const uint8_t berth_descriptor_set_end[];

const uint8_t *descriptor_set(size_t *ret_len)
{
    *ret_len = (size_t)(berth_descriptor_set_end - berth_descriptor_set);
    return berth_descriptor_set;
}
