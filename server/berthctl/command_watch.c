/* command_watch.c - the event log as it grows.
 *
 * The stream is opened again from the last cursor whenever it breaks (UNAVAILABLE, silence, or we
 * read too slowly), so that no event is missed and none is seen twice. The very first attempt must
 * succeed: a wrong address is a mistake, not an outage. */
#include <grpc/status.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "berth/v1/scheduler.pb-c.h"
#include "server/berthctl/command.h"
#include "server/berthctl/cursor_file.h"
#include "server/berthctl/event_line.h"
#include "server/berthctl/human.h"
#include "server/berthctl/interrupt.h"
#include "server/berthctl/json.h"

struct options {
    struct list groups, sessions, types;
    char *from, *cursor_file;
    uint32_t limit;
    int64_t heartbeat_us;
};

enum {
    FIRST_DELAY_MS = 250,
    LAST_DELAY_MS = 8000,
    DEFAULT_HEARTBEAT_S = 15, /* the contract's */
    HEARTBEATS_MISSED = 3,    /* before the connection counts as lost */
};

static const struct flag flags[] = {
    FLAG(struct options, groups, LIST, "group", "GROUP", "only this group; may be repeated (all)"),
    FLAG(struct options, sessions, LIST, "session", "ID",
         "only this session; may be repeated (all)"),
    FLAG(struct options, types, LIST, "type", "TYPE",
         "only this type, like session-scheduled; may be repeated (all)"),
    FLAG(struct options, from, TEXT, "from", "WHERE", "now, beginning, or a cursor (now)"),
    FLAG(struct options, cursor_file, TEXT, "cursor-file", "FILE",
         "begin after the cursor in FILE if there is one, and keep it up to date"),
    FLAG(struct options, limit, UINT32, "limit", "N", "end after N events (0: never)"),
    FLAG(struct options, heartbeat_us, SECONDS, "heartbeat", "SECONDS",
         "how often the server shows it is alive (15); three misses are a break"),
};

struct watch {
    struct ctl *c;
    const struct options *o;
    struct arena *lines; /* reset after each message */
    char *cursor;        /* heap; NULL before the first message */
    uint64_t n_events;
    unsigned attempts; /* in a row without a message */
    struct err err;    /* why our side gave up; its code is ERR_NONE if it did not */
};

static void print_event(struct watch *w, const Berth__V1__Event *e, const char *cursor)
{
    if (w->c->globals.json)
        event_line_print_json(w->c->out, e, cursor);
    else
        event_line_print(w->c->out, w->lines, e, w->c->color);
}

static void print_gap(struct watch *w, const char *cursor)
{
    if (!w->c->globals.json) {
        fprintf(w->c->out, "--- some events before this point are missing ---\n");
        return;
    }
    fputs("{\"gap\":true,\"cursor\":", w->c->out);
    json_write_string(w->c->out, cursor);
    fputs("}\n", w->c->out);
}

static bool limit_is_reached(const struct watch *w)
{
    return w->o->limit > 0 && w->n_events >= w->o->limit;
}

/* Takes one message: prints it, then moves the cursor. A message may be printed twice (when we die
 * in between), never be lost. A limit may fall inside a message; the cursor then stays before it.
 */
static bool take(void *data, const void *message)
{
    struct watch *w = data;
    const Berth__V1__WatchEventsResponse *m = message;

    w->attempts = 0;
    if (m->gap)
        print_gap(w, m->cursor);
    for (size_t i = 0; i < m->n_events && !limit_is_reached(w); i++) {
        bool last = i + 1 == m->n_events;
        print_event(w, m->events[i], last ? m->cursor : NULL);
        w->n_events++;
        if (limit_is_reached(w) && !last)
            return false;
    }
    arena_reset(w->lines);
    if (fflush(w->c->out) != 0)
        return false;
    free(w->cursor);
    w->cursor = strdup(m->cursor);
    if (w->cursor == NULL)
        abort();
    if (w->o->cursor_file != NULL && cursor_file_write(w->o->cursor_file, w->cursor, &w->err) < 0)
        return false;
    return !limit_is_reached(w);
}

static const ProtobufCEnumValue *type_find(struct arena *a, const char *word)
{
    const ProtobufCEnumDescriptor *d = &berth__v1__event_type__descriptor;
    for (unsigned i = 1; i < d->n_values; i++) /* 0 is UNSPECIFIED */
        if (strcmp(human_enum(a, d, d->values[i].value), word) == 0)
            return &d->values[i];
    return NULL;
}

/* The request of the first attempt; 0 or an exit code. */
static int request_build(struct watch *w, Berth__V1__WatchEventsRequest *request)
{
    struct ctl *c = w->c;
    const struct options *o = w->o;
    char *saved = NULL;
    struct err e = {0};

    request->scaling_groups = o->groups.items;
    request->n_scaling_groups = o->groups.n;
    request->session_ids = o->sessions.items;
    request->n_session_ids = o->sessions.n;
    request->types = arena_new(c->arena, Berth__V1__EventType, o->types.n + 1);
    for (size_t i = 0; i < o->types.n; i++) {
        const ProtobufCEnumValue *type = type_find(c->arena, o->types.items[i]);
        if (type == NULL)
            return ctl_usage(c, &command_watch, "there is no event type \"%s\"", o->types.items[i]);
        request->types[request->n_types++] = (Berth__V1__EventType)type->value;
    }
    if (o->cursor_file != NULL && cursor_file_read(o->cursor_file, c->arena, &saved, &e) < 0)
        return ctl_usage(c, &command_watch, "%s", e.message);
    if (saved == NULL && (o->from == NULL || strcmp(o->from, "now") == 0)) {
        request->start = BERTH__V1__WATCH_START__WATCH_START_NOW;
    } else if (saved == NULL && strcmp(o->from, "beginning") == 0) {
        request->start = BERTH__V1__WATCH_START__WATCH_START_BEGINNING;
    } else {
        request->start = BERTH__V1__WATCH_START__WATCH_START_CURSOR;
        request->resume_cursor = saved != NULL ? saved : o->from;
    }
    return 0;
}

/* Doubles from FIRST_DELAY_MS to LAST_DELAY_MS, less a random part of up to a half so that many
 * watchers do not come back at once; at least what the server asked for. */
static int64_t delay_ms(unsigned attempt, const struct failure *f)
{
    uint16_t dice = 0;
    int64_t delay = LAST_DELAY_MS;
    if (attempt < 6 && (FIRST_DELAY_MS << attempt) < LAST_DELAY_MS)
        delay = FIRST_DELAY_MS << attempt;
    if (getrandom(&dice, sizeof(dice), GRND_NONBLOCK) != sizeof(dice))
        dice = 0;
    delay -= delay * dice / UINT16_MAX / 2;
    int64_t wanted = f->retry == NULL ? 0 : duration_us(f->retry->retry_delay) / 1000;
    if (wanted > delay)
        delay = wanted < LAST_DELAY_MS ? wanted : LAST_DELAY_MS;
    return delay;
}

static bool can_resume(const struct watch *w, const struct failure *f)
{
    switch (f->code) {
    case GRPC_STATUS_OK:
    case GRPC_STATUS_UNAVAILABLE:
    case GRPC_STATUS_RESOURCE_EXHAUSTED:
    case GRPC_STATUS_CANCELLED: /* not by us: a call that met a server on its way down */
        return w->cursor != NULL;
    default:
        return false;
    }
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Follows the log over breaks; an exit code. */
static int follow(struct watch *w, Berth__V1__WatchEventsRequest *request)
{
    struct ctl *c = w->c;
    int64_t end = c->globals.timeout_us > 0 ? now_us() + c->globals.timeout_us : 0;

    for (;;) {
        CLEANUP(arena_destroyp) struct arena *attempt = arena_create();
        struct failure f = {0};
        struct client_call call = {.service = &berth__v1__scheduler_service__descriptor,
                                   .method = "WatchEvents",
                                   .request = &request->base,
                                   .timeout_us = end == 0 ? 0 : end - now_us(),
                                   .idle_us = duration_us(request->heartbeat_interval) *
                                              HEARTBEATS_MISSED};
        if (end != 0 && call.timeout_us <= 0) /* it ran out between two attempts */
            return EXIT_OK;
        int rc = client_stream(ctl_client(c), &call, take, w, attempt, &f);
        if (w->err.code != ERR_NONE) {
            fprintf(c->err, "berthctl: %s\n", w->err.message);
            return EXIT_OTHER;
        }
        bool done = limit_is_reached(w) || f.interrupted || ferror(c->out) ||
                    (end != 0 && w->cursor != NULL && f.code == GRPC_STATUS_DEADLINE_EXCEEDED);
        if (done)
            return EXIT_OK;
        if (!can_resume(w, &f))
            return rc < 0 ? ctl_fail(c, &f) : EXIT_OTHER;
        int64_t delay = delay_ms(w->attempts++, &f);
        fprintf(c->err, "berthctl: the stream broke (%s); resuming in %s\n",
                rc < 0 ? failure_words(&f) : "closed by the server",
                human_duration(attempt, delay * 1000));
        if (interrupt_wait(delay))
            return EXIT_OK;
        request->start = BERTH__V1__WATCH_START__WATCH_START_CURSOR;
        request->resume_cursor = w->cursor;
    }
}

static int run(struct ctl *c, void *options, char **args, unsigned n_args)
{
    CLEANUP(arena_destroyp) struct arena *lines = arena_create();
    Berth__V1__WatchEventsRequest request = BERTH__V1__WATCH_EVENTS_REQUEST__INIT;
    Google__Protobuf__Duration heartbeat = GOOGLE__PROTOBUF__DURATION__INIT;
    struct watch w = {.c = c, .o = options, .lines = lines};

    (void)args;
    (void)n_args;
    int64_t us = w.o->heartbeat_us > 0 ? w.o->heartbeat_us : DEFAULT_HEARTBEAT_S * INT64_C(1000000);
    heartbeat.seconds = us / 1000000;
    heartbeat.nanos = (int32_t)(us % 1000000 * 1000);
    request.heartbeat_interval = &heartbeat;
    int rc = request_build(&w, &request);
    if (rc == 0)
        rc = follow(&w, &request);
    free(w.cursor);
    return rc;
}

const struct command command_watch = {
    .name = "watch",
    .args = "",
    .summary = "Follow the event log, one line an event",
    .details =
        "Ctrl-C ends it, with exit code 0. A broken stream is resumed where it broke. With --json\n"
        "the last event of each message carries \"cursor\", to resume from with --from.\n"
        "A limit that falls inside a message leaves the cursor before that message.\n",
    .examples = "  berthctl watch --group gpu\n"
                "  berthctl watch --session 3fa85f64-5717-4562-b3fc-2c963f66afa6 --from beginning\n"
                "  berthctl watch --json --cursor-file /var/lib/me/berth.cursor | my-consumer\n"
                "  berthctl watch --type session-scheduled --limit 1 --timeout 60\n",
    .flags = flags,
    .n_flags = ARRAY_SIZE(flags),
    .options_size = sizeof(struct options),
    .min_args = 0,
    .max_args = 0,
    .run = run,
};
