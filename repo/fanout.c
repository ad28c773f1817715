/* fanout.c - two connections to Redis that never block: one listens, one says.
 *
 * Both go to the same server and share one fate: an error of either drops both. */
#include "repo/fanout.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "repo/fanout_text.h"
#include "repo/password.h"
#include "repo/redis_address.h"

#define NS_PER_MS INT64_C(1000000)

enum {
    FIRST_RETRY_MS = 50,
    LAST_RETRY_MS = 5000,
    SILENCE_MS = 1000,    /* of the listening connection, before it is pinged */
    UNANSWERED_MAX = 256, /* hints on their way; more are dropped */
    MESSAGE_MAX = 65536   /* bytes of a message that is not whole yet: ours are far shorter */
};

struct wire {
    redisContext *context; /* NULL: down */
    unsigned unanswered;   /* commands sent that an answer is due for */
    int64_t heard_ns;      /* last bytes from it, or the first unanswered command */
    bool unsent;           /* bytes wait to be written */
};

struct fanout {
    struct redis_address address;
    char *channel;
    char sender[FANOUT_SENDER + 1];
    int64_t timeout_ns;
    int wake; /* eventfd */
    struct wire listener, speaker;
    bool up;           /* the subscription was confirmed */
    bool said_down;    /* FANOUT_DOWN was returned */
    int64_t retry_ns;  /* when down: the next try */
    unsigned failures; /* in a row */
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 * NS_PER_MS + t.tv_nsec;
}

static uint64_t dice(void)
{
    uint64_t v = 0;
    if (getrandom(&v, sizeof(v), 0) != sizeof(v)) /* cannot fail: it is short and not interrupted */
        abort();
    return v;
}

int fanout_create(const char *address, const char *channel, int timeout_ms, struct fanout **ret,
                  struct err *e)
{
    struct fanout *f = calloc(1, sizeof(*f));
    if (f == NULL)
        abort(); /* out of memory */
    f->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (f->wake < 0) {
        err_set(e, ERR_EXHAUSTED, "NO_DESCRIPTOR", "cannot make a descriptor for the fan-out");
        err_detail(e, "eventfd: %s", strerrordesc_np(errno));
        goto fail;
    }
    if (redis_address_init(&f->address, address, e) < 0)
        goto fail;
    f->channel = strdup(channel);
    if (f->channel == NULL)
        abort();
    (void)snprintf(f->sender, sizeof(f->sender), "%016llx", (unsigned long long)dice());
    f->timeout_ns = timeout_ms * NS_PER_MS;
    *ret = f;
    return 0;
fail:
    fanout_destroy(f);
    return -1;
}

static void hang_up(struct wire *w)
{
    redisFree(w->context); /* NULL is fine */
    *w = (struct wire){.context = NULL};
}

void fanout_destroy(struct fanout *f)
{
    if (f == NULL)
        return;
    hang_up(&f->listener);
    hang_up(&f->speaker);
    if (f->wake >= 0)
        close(f->wake);
    redis_address_finish(&f->address);
    free(f->channel);
    free(f);
}

void fanout_wake(struct fanout *f)
{
    const uint64_t one = 1;
    ssize_t n = write(f->wake, &one, sizeof(one));
    (void)n; /* it can only fail when it is awake already */
}

/* --- connecting --- */

/* Both connections are dropped; false, so that it can be returned. */
static bool fall(struct fanout *f, struct err *e, const char *why)
{
    const unsigned doublings = f->failures < 7 ? f->failures : 7;
    int64_t delay_ms = (int64_t)FIRST_RETRY_MS << doublings;
    if (delay_ms > LAST_RETRY_MS)
        delay_ms = LAST_RETRY_MS;
    err_set(e, ERR_UNAVAILABLE, "REDIS_UNAVAILABLE", "Redis is not reachable.");
    err_detail(e, "%s, port %d: %s", f->address.host, f->address.port, why);
    hang_up(&f->listener);
    hang_up(&f->speaker);
    f->up = false;
    f->failures++;
    f->retry_ns = now_ns() + delay_ms * NS_PER_MS / 2 +
                  (int64_t)(dice() % (uint64_t)(delay_ms * NS_PER_MS / 2));
    return false;
}

static void ask(struct wire *w, unsigned n, const char *const *words, const size_t *lengths)
{
    const char *data[3];
    for (unsigned i = 0; i < n; i++)
        data[i] = words[i];
    if (redisAppendCommandArgv(w->context, (int)n, data, lengths) != REDIS_OK)
        abort(); /* out of memory */
    if (w->unanswered++ == 0)
        w->heard_ns = now_ns();
    w->unsent = true;
}

static bool dial(struct fanout *f, struct wire *w)
{
    w->context = f->address.port == 0 ? redisConnectUnixNonBlock(f->address.host)
                                      : redisConnectNonBlock(f->address.host, f->address.port);
    return w->context != NULL && w->context->err == 0;
}

static const char *trouble(const struct wire *w)
{
    return w->context == NULL ? "no connection" : w->context->errstr;
}

/* Says on a new connection who we are, where a password is set for this server. */
static bool log_in(struct fanout *f, struct wire *w, struct err *e)
{
    struct redis_login login;
    size_t lengths[ARRAY_SIZE(login.words)];
    if (password_of_redis(&f->address, &login, e) < 0)
        return fall(f, e, "the password file cannot be read");
    for (unsigned i = 0; i < login.n; i++)
        lengths[i] = strlen(login.words[i]);
    if (login.n > 0) {
        ask(w, login.n, login.words, lengths);
        password_wipe(login.password);
    }
    return true;
}

static bool rise(struct fanout *f, struct err *e)
{
    const char *const subscribe[] = {"SUBSCRIBE", f->channel};
    const size_t lengths[] = {strlen(subscribe[0]), strlen(subscribe[1])};
    if (!dial(f, &f->listener))
        return fall(f, e, trouble(&f->listener));
    if (!dial(f, &f->speaker))
        return fall(f, e, trouble(&f->speaker));
    if (!log_in(f, &f->listener, e) || !log_in(f, &f->speaker, e))
        return false;
    ask(&f->listener, 2, subscribe, lengths);
    return true;
}

bool fanout_say(struct fanout *f, const char *group, int64_t sequence)
{
    struct fanout_hint hint = {.sequence = sequence};
    char text[FANOUT_TEXT];
    size_t len = strlen(group);
    if (!f->up || f->speaker.unanswered >= UNANSWERED_MAX || len > FANOUT_GROUP_MAX)
        return false;
    memcpy(hint.group, group, len + 1);
    len = fanout_text_write(f->sender, &hint, text);
    if (len == 0)
        return false;
    const char *const words[] = {"PUBLISH", f->channel, text};
    const size_t lengths[] = {strlen(words[0]), strlen(words[1]), len};
    ask(&f->speaker, 3, words, lengths);
    return true;
}

/* --- what comes in --- */

static bool is_text(const redisReply *r, const char *text)
{
    return r->type == REDIS_REPLY_STRING && r->len == strlen(text) &&
           memcmp(r->str, text, r->len) == 0;
}

enum heard { HEARD_NOTHING, HEARD_NEWS, HEARD_REFUSAL };

/* One push or answer on the listening connection. */
static enum heard take_push(struct fanout *f, const redisReply *r, struct fanout_hint *hint,
                            enum fanout_news *ret)
{
    bool own = false;
    if (r->type == REDIS_REPLY_ERROR)
        return HEARD_REFUSAL;
    if (r->type != REDIS_REPLY_ARRAY || r->elements < 2)
        return HEARD_NOTHING;
    if (is_text(r->element[0], "message") && r->elements == 3) {
        const redisReply *text = r->element[2];
        bool good = text->type == REDIS_REPLY_STRING &&
                    fanout_text_read(text->str, text->len, f->sender, hint, &own);
        *ret = good ? FANOUT_HINT : FANOUT_GARBAGE;
        return own ? HEARD_NOTHING : HEARD_NEWS;
    }
    f->listener.unanswered = 0; /* the answer to SUBSCRIBE or PING */
    if (f->up || !is_text(r->element[0], "subscribe"))
        return HEARD_NOTHING;
    f->up = true;
    f->said_down = false;
    f->failures = 0;
    *ret = FANOUT_UP;
    return HEARD_NEWS;
}

/* The next news among the bytes that have been read. */
static enum heard next_push(struct fanout *f, struct fanout_hint *hint, enum fanout_news *ret)
{
    void *reply = NULL;
    enum heard heard = HEARD_NOTHING;
    while (heard == HEARD_NOTHING && f->listener.context != NULL &&
           redisGetReplyFromReader(f->listener.context, &reply) == REDIS_OK && reply != NULL) {
        heard = take_push(f, reply, hint, ret);
        freeReplyObject(reply);
        reply = NULL;
    }
    return heard;
}

/* Answers to hints: how many heard them does not matter. false: Redis refused one. */
static bool take_answers(struct wire *w)
{
    void *reply = NULL;
    bool good = true;
    while (good && redisGetReplyFromReader(w->context, &reply) == REDIS_OK && reply != NULL) {
        good = ((redisReply *)reply)->type != REDIS_REPLY_ERROR;
        if (w->unanswered > 0)
            w->unanswered--;
        freeReplyObject(reply);
        reply = NULL;
    }
    return good && w->context->err == 0;
}

/* --- moving bytes --- */

static bool serve(struct wire *w, short events)
{
    int done = 0;
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) {
        if (redisBufferRead(w->context) != REDIS_OK)
            return false;
        w->heard_ns = now_ns();
    }
    if (w->unsent && redisBufferWrite(w->context, &done) != REDIS_OK)
        return false;
    w->unsent = w->unsent && done == 0;
    return true;
}

/* Somebody sends what would fill our memory. */
static bool is_flooded(const struct wire *w)
{
    const redisReader *r = w->context != NULL ? w->context->reader : NULL;
    return r != NULL && r->len - r->pos > MESSAGE_MAX;
}

static bool is_silent(const struct fanout *f, const struct wire *w, int64_t now)
{
    return w->unanswered > 0 && now - w->heard_ns >= f->timeout_ns;
}

static void ping_when_silent(struct fanout *f, int64_t now)
{
    static const char *const ping[] = {"PING"};
    static const size_t length[] = {4};
    struct wire *w = &f->listener;
    if (f->up && w->unanswered == 0 && now - w->heard_ns >= SILENCE_MS * NS_PER_MS)
        ask(w, 1, ping, length);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When something is to be done though nothing happens. */
static int64_t next_duty(const struct fanout *f)
{
    const struct wire *l = &f->listener, *s = &f->speaker;
    if (l->context == NULL)
        return f->retry_ns;
    int64_t at = l->heard_ns + (l->unanswered > 0 ? f->timeout_ns : SILENCE_MS * NS_PER_MS);
    return s->unanswered > 0 ? least(at, s->heard_ns + f->timeout_ns) : at;
}

/* Waits, moves bytes and drops connections that broke. *ret_woken: fanout_wake() was called. */
static bool exchange(struct fanout *f, bool *ret_woken, struct err *e)
{
    struct wire *const wires[] = {&f->listener, &f->speaker};
    struct pollfd fds[3] = {{.fd = f->wake, .events = POLLIN}, {.fd = -1}, {.fd = -1}};
    for (int i = 0; i < 2 && f->listener.context != NULL; i++)
        fds[1 + i] = (struct pollfd){.fd = wires[i]->context->fd,
                                     .events = (short)(POLLIN | (wires[i]->unsent ? POLLOUT : 0))};
    int64_t wait_ns = next_duty(f) - now_ns();
    int wait_ms = wait_ns <= 0 ? 0 : (int)least(wait_ns / NS_PER_MS + 1, 60000);
    uint64_t count;
    (void)poll(fds, 3, wait_ms); /* a signal is like a timeout */
    *ret_woken = read(f->wake, &count, sizeof(count)) == (ssize_t)sizeof(count);
    for (int i = 0; i < 2 && f->listener.context != NULL; i++)
        if (fds[1 + i].revents != 0 && !serve(wires[i], fds[1 + i].revents))
            return fall(f, e, trouble(wires[i]));
    if (f->speaker.context != NULL && !take_answers(&f->speaker))
        return fall(f, e, "a hint was refused");
    const int64_t now = now_ns();
    if (is_silent(f, wires[0], now) || is_silent(f, wires[1], now))
        return fall(f, e, "no answer in time");
    ping_when_silent(f, now);
    return true;
}

enum fanout_news fanout_wait(struct fanout *f, struct fanout_hint *hint, struct err *e)
{
    enum fanout_news news = FANOUT_WOKEN;
    for (;;) {
        bool woken = false, good = true;
        enum heard heard = next_push(f, hint, &news);
        if (heard == HEARD_NEWS)
            return news;
        if (heard == HEARD_REFUSAL)
            good = fall(f, e, "the subscription was refused");
        else if (f->listener.context != NULL && f->listener.context->err != 0)
            good = fall(f, e, trouble(&f->listener));
        else if (is_flooded(&f->listener))
            good = fall(f, e, "a message is too long");
        if (good && f->listener.context == NULL && now_ns() >= f->retry_ns)
            good = rise(f, e);
        if (good)
            good = exchange(f, &woken, e);
        if (!good && !f->said_down) {
            f->said_down = true;
            if (woken)
                fanout_wake(f);
            return FANOUT_DOWN;
        }
        if (woken)
            return FANOUT_WOKEN;
    }
}
