/* manager_publish.c - events as commands of Redis. */
#include "repo/manager_publish.h"

#include "repo/json_text.h"
#include "repo/manager_message.h"

#define STREAM         "events"
#define STREAM_MOST    "128" /* entries, about: a Manager's own bound */
#define CHANNEL        "events_all"
#define CACHE_PREFIX   "session_scheduler."
#define CACHE_S        "60"
#define REASON_UNKNOWN "unknown"
#define REASON_PLACED  "triggered-by-scheduler"

enum { REQUESTS_EACH = 5, ARGS_EACH = 14 };

struct batch { /* requests in the making */
    struct arena *arena;
    struct redis_request *requests;
    uint32_t n;
};

static void add(struct batch *b, const struct redis_arg *args, uint32_t n)
{
    b->requests[b->n++] = (struct redis_request){
        .args = arena_memdup(b->arena, args, n * sizeof(*args)),
        .n = n,
    };
}

static void add_entry(struct batch *b, const struct manager_message *m)
{
    const struct redis_arg args[ARGS_EACH] = {
        redis_arg_text("XADD"),      redis_arg_text(STREAM),
        redis_arg_text("MAXLEN"),    redis_arg_text("~"),
        redis_arg_text(STREAM_MOST), redis_arg_text("*"),
        redis_arg_text("name"),      redis_arg_text(m->name),
        redis_arg_text("source"),    redis_arg_text(MANAGER_SOURCE),
        redis_arg_text("args"),      {.data = m->args, .len = m->n_args},
        redis_arg_text("metadata"),  redis_arg_text(MANAGER_METADATA),
    };
    add(b, args, ARRAY_SIZE(args));
}

/* cache: key to keep the message under; NULL: none. */
static void add_broadcast(struct batch *b, const struct manager_message *m, const char *cache)
{
    const struct redis_arg text = redis_arg_text(manager_message_broadcast(m, b->arena));
    const struct redis_arg publish[] = {redis_arg_text("PUBLISH"), redis_arg_text(CHANNEL), text};
    if (cache != NULL) {
        const struct redis_arg set[] = {redis_arg_text("SET"), redis_arg_text(cache), text,
                                        redis_arg_text("EX"), redis_arg_text(CACHE_S)};
        add(b, set, ARRAY_SIZE(set));
    }
    add(b, publish, ARRAY_SIZE(publish));
}

static void add_both(struct batch *b, const char *name, const char *const *texts, uint32_t n)
{
    const struct manager_message m = manager_message_make(name, texts, n, b->arena);
    add_entry(b, &m);
    add_broadcast(b, &m, NULL);
}

/* status_transition and reason as the new scheduler of 25.13 has them. */
static void add_transition(struct batch *b, const char *id, const char *creation_id,
                           const char *transition, const char *reason)
{
    const char *const texts[] = {id, creation_id, transition, reason};
    const struct manager_message m =
        manager_message_make("scheduling", texts, ARRAY_SIZE(texts), b->arena);
    add_broadcast(b, &m, arena_printf(b->arena, CACHE_PREFIX "%s", id));
}

/* Whether it was about a session that was scheduled. */
static bool add_event(struct batch *b, const struct event *v)
{
    char id[UUID_TEXT];
    uuid_format(&v->session_id, id);
    const char *reason = text_utf8(b->arena, v->reason);
    const char *creation_id = text_utf8(b->arena, v->creation_id);
    switch (v->type) {
    case EVENT_SESSION_SCHEDULED:
        add_both(b, "session_scheduled", (const char *[]){id, creation_id, REASON_UNKNOWN}, 3);
        add_transition(b, id, creation_id, "SCHEDULED", REASON_PLACED);
        return true;
    case EVENT_SESSION_CANCELLED:
        add_both(b, "session_cancelled", (const char *[]){id, creation_id, reason}, 3);
        add_transition(b, id, "", "CANCELLED", reason); /* without creation id there */
        return false;
    case EVENT_SESSION_TERMINATING:
        add_both(b, "session_terminating", (const char *[]){id, reason}, 2);
        return false;
    default:
        return false;
    }
}

bool manager_hears_of(enum event_type type)
{
    return type == EVENT_SESSION_SCHEDULED || type == EVENT_SESSION_CANCELLED ||
           type == EVENT_SESSION_TERMINATING;
}

int manager_publish(struct redis *stream, const struct event *events, uint32_t n, struct arena *a,
                    struct redis_refusals *ret, struct err *e)
{
    struct batch b = {
        .arena = a,
        .requests = arena_new(a, struct redis_request, (size_t)n * REQUESTS_EACH + 1),
    };
    bool any_scheduled = false;
    for (uint32_t i = 0; i < n; i++)
        any_scheduled |= add_event(&b, &events[i]);
    if (any_scheduled) {
        const struct manager_message m = manager_message_make("do_check_precond", NULL, 0, a);
        add_entry(&b, &m);
    }
    return redis_pipeline(stream, b.requests, b.n, ret, e);
}
