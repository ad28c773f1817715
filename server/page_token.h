/* page_token.h - where the next page of a list begins.
 *
 * A token belongs to one request: its scope is a fingerprint of everything in the request but the
 * page's size and token, and with another request it is refused. What stands in it: keys of the
 * last rows of the page, nearest first, by which the next page is found however rows come and go
 * (queue_cut.h; agents and groups are by name), keys behind the cut, and how many rows came before.
 */
#ifndef BERTH_SERVER_PAGE_TOKEN_H
#define BERTH_SERVER_PAGE_TOKEN_H

#include <protobuf-c/protobuf-c.h>

#include "scheduler/arena.h"
#include "scheduler/err.h"

#include <stdint.h>

enum {
    PAGE_SIZE_DEFAULT = 100,
    PAGE_SIZE_MAX = 1000,
    PAGE_TOKEN_KEYS = 4, /* rows of each side kept in a token */
    PAGE_TOKEN_TEXT_MAX = 1024,
};

struct page_token {
    uint64_t position;         /* rows before the next page */
    const char *const *before; /* the last rows of the page, the last one first */
    const char *const *behind; /* the rows that would come next, in order */
    uint32_t n_before, n_behind;
};

/* The request with the page's own fields already emptied. */
uint64_t page_scope(const ProtobufCMessage *request, struct arena *a);

char *page_token_encode(uint64_t scope, const struct page_token *t, struct arena *a);
/* An empty text gives the first page (position 0, no keys). ERR_INVALID, reason BAD_PAGE_TOKEN,
 * field page_token: not one of ours, or of another request. */
int page_token_decode(const char *text, uint64_t scope, struct arena *a, struct page_token *ret,
                      struct err *e) MUST_CHECK;

#endif
