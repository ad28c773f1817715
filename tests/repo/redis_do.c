/* redis_do.c - commands typed by a person, answers as a person reads them. */
#include "tests/repo/redis_do.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { WORDS_MOST = 16, TEXT_MOST = 1 << 16 };

struct redis *redis_open_in(unsigned database)
{
    struct err e = {.code = ERR_NONE};
    struct redis *r = NULL;
    assert_done(redis_create(redis_address(), 2000, &r, &e), &e, "redis_create");
    redis_use(r, database);
    return r;
}

static struct redis_reply *ask(struct redis *r, const char *words)
{
    struct err e = {.code = ERR_NONE};
    struct redis_arg args[WORDS_MOST];
    struct redis_reply *reply = NULL;
    uint32_t n = 0;
    for (const char *p = words; p != NULL && *p != '\0' && n < WORDS_MOST; n++) {
        const char *end = strchrnul(p, ' ');
        args[n] = (struct redis_arg){.data = p, .len = (size_t)(end - p)};
        p = *end != '\0' ? end + 1 : NULL;
    }
    assert_done(redis_command(r, args, n, &reply, &e), &e, words);
    return reply;
}

void redis_do(struct redis *r, const char *words)
{
    redis_reply_free(ask(r, words));
}

static void print(FILE *out, const struct redis_reply *reply)
{
    size_t len;
    const char *text;
    switch (redis_reply_type(reply)) {
    case REDIS_TEXT:
        text = redis_reply_text(reply, &len);
        fwrite(text, 1, len, out);
        break;
    case REDIS_INT:
        fprintf(out, "%" PRId64, redis_reply_int(reply));
        break;
    case REDIS_LIST:
        fputc('[', out);
        for (size_t i = 0; i < redis_reply_count(reply); i++) {
            fputs(i > 0 ? " " : "", out);
            print(out, redis_reply_at(reply, i));
        }
        fputc(']', out);
        break;
    default:
        fputc('-', out);
    }
}

const char *redis_says(struct redis *r, const char *words)
{
    static char text[TEXT_MOST];
    CLEANUP(redis_reply_freep) struct redis_reply *reply = ask(r, words);
    FILE *out = fmemopen(text, sizeof(text), "w");
    ck_assert_ptr_nonnull(out);
    print(out, reply);
    ck_assert_msg(fclose(out) == 0, "%s: the answer is too long", words);
    return text;
}

void redis_expect(struct redis *r, const char *words, const char *answer, const char *what)
{
    const char *got = redis_says(r, words);
    ck_assert_msg(strcmp(got, answer) == 0, "%s: %s answers \"%s\", not \"%s\"", what, words, got,
                  answer);
}
