/* fanout_text.c - writing and reading hints. Nothing is believed of what is read: anybody who
 * reaches the Redis can send it. */
#include "repo/fanout_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char mark[] = "berth1 ";
enum { MARK = sizeof(mark) - 1, DIGITS_MAX = 19 };

size_t fanout_text_write(const char *sender, const struct fanout_hint *hint, char ret[FANOUT_TEXT])
{
    int n = snprintf(ret, FANOUT_TEXT, "%s%s %" PRId64 " %s", mark, sender, hint->sequence,
                     hint->group);
    return n > 0 && n < FANOUT_TEXT ? (size_t)n : 0;
}

/* Digits up to a space, which is skipped; NULL: it is no sequence. */
static const char *read_sequence(const char *at, const char *end, int64_t *ret)
{
    uint64_t v = 0;
    const char *from = at;
    for (; at < end && *at >= '0' && *at <= '9' && at - from < DIGITS_MAX; at++)
        v = v * 10 + (uint64_t)(*at - '0');
    if (at == from || at == end || *at != ' ' || v == 0 || v > INT64_MAX)
        return NULL;
    *ret = (int64_t)v;
    return at + 1;
}

bool fanout_text_read(const char *text, size_t len, const char *sender, struct fanout_hint *ret,
                      bool *ret_own)
{
    const char *end = text + len;
    if (len <= MARK + FANOUT_SENDER + 1 || memcmp(text, mark, MARK) != 0 ||
        text[MARK + FANOUT_SENDER] != ' ')
        return false;
    const char *group = read_sequence(text + MARK + FANOUT_SENDER + 1, end, &ret->sequence);
    size_t n = group != NULL ? (size_t)(end - group) : 0;
    if (n == 0 || n > FANOUT_GROUP_MAX || memchr(group, '\0', n) != NULL)
        return false;
    memcpy(ret->group, group, n);
    ret->group[n] = '\0';
    *ret_own = memcmp(text + MARK, sender, FANOUT_SENDER) == 0;
    return true;
}
