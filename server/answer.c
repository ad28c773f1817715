/* answer.c - stored answers. */
#include "server/answer.h"

#include <openssl/sha.h>
#include <string.h>

_Static_assert(SHA256_DIGEST_LENGTH == sizeof(((struct request_key *)0)->body_hash),
               "a body hash is a SHA-256");

struct request_key answer_key(const char *id, const char *method, const ProtobufCMessage *canonical,
                              struct arena *a)
{
    struct request_key key = {.id = NULL, .method = method};
    if (id[0] == '\0')
        return key;
    uint8_t *bytes;
    size_t len;
    answer_pack(canonical, a, &bytes, &len);
    SHA256(bytes, len, key.body_hash);
    key.id = id;
    return key;
}

int answer_find(struct pg *c, const struct request_key *k, struct arena *a, uint8_t **ret,
                size_t *ret_len, struct err *e)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    if (k->id != NULL) {
        CLEANUP(txn_rollbackp) struct txn *t = NULL;
        if (txn_begin(c, TXN_READ_SNAPSHOT, &t, e) < 0 ||
            request_find(t, k, a, &bytes, &len, e) < 0 || txn_commit(&t, e) < 0)
            return -1;
    }
    *ret = bytes;
    *ret_len = len;
    return 0;
}

bool answer_after_race(struct pg *c, const struct request_key *k, struct arena *a, uint8_t **ret,
                       size_t *ret_len, const struct err *e)
{
    uint8_t *bytes;
    size_t len;
    struct err ignored = {.code = ERR_NONE};
    if (e->code != ERR_CONFLICT || strcmp(e->reason, "REQUEST_RACE") != 0 ||
        answer_find(c, k, a, &bytes, &len, &ignored) < 0 || bytes == NULL)
        return false;
    *ret = bytes;
    *ret_len = len;
    return true;
}

void answer_pack(const ProtobufCMessage *m, struct arena *a, uint8_t **ret, size_t *ret_len)
{
    size_t len = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = arena_alloc(a, len + 1, 1);
    protobuf_c_message_pack(m, bytes);
    *ret = bytes;
    *ret_len = len;
}
