/* manager_message.c - MessagePack arguments, and the JSON around them. */
#include "repo/manager_message.h"

#include <msgpack.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "repo/json_text.h"

struct manager_message manager_message_make(const char *name, const char *const *texts, uint32_t n,
                                            struct arena *a)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    int failed = msgpack_pack_array(&packer, n);
    for (uint32_t i = 0; i < n; i++)
        failed |= msgpack_pack_str_with_body(&packer, texts[i], strlen(texts[i]));
    if (failed != 0)
        abort(); /* out of memory */
    struct manager_message m = {
        .name = name,
        .args = arena_memdup(a, buffer.data, buffer.size),
        .n_args = buffer.size,
    };
    msgpack_sbuffer_destroy(&buffer);
    return m;
}

/* With padding, as Python writes it. */
static char *base64(const char *bytes, size_t n, struct arena *a)
{
    char *text = arena_alloc(a, (n + 2) / 3 * 4 + 1, 1);
    (void)EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)bytes, (int)n);
    return text;
}

char *manager_message_broadcast(const struct manager_message *m, struct arena *a)
{
    struct json_text j = {.arena = a};
    json_text_field(&j, "{\"name\": ", m->name);
    json_text_field(&j, ", \"source\": ", MANAGER_SOURCE);
    json_text_field(&j, ", \"args\": ", base64(m->args, m->n_args, a));
    json_text_field(&j, ", \"metadata\": ", MANAGER_METADATA);
    json_text_raw(&j, "}");
    return j.text;
}
