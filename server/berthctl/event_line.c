/* event_line.c - one event of the log as one line, see event_line.h. */
#include "server/berthctl/event_line.h"

#include <inttypes.h>
#include <string.h>

#include "server/berthctl/human.h"
#include "server/berthctl/json.h"
#include "server/berthctl/report.h"
#include "server/berthctl/text.h"

enum {
    SEQUENCE_WIDTH = 6,
    TYPE_WIDTH = 20, /* of the longest, group-health-changed */
};

static enum style event_style(Berth__V1__EventType type)
{
    switch (type) {
    case BERTH__V1__EVENT_TYPE__EVENT_TYPE_SESSION_SCHEDULED:
        return STYLE_GOOD;
    case BERTH__V1__EVENT_TYPE__EVENT_TYPE_SESSION_WAITING:
    case BERTH__V1__EVENT_TYPE__EVENT_TYPE_GROUP_HEALTH_CHANGED:
        return STYLE_WARN;
    case BERTH__V1__EVENT_TYPE__EVENT_TYPE_SESSION_CANCELLED:
    case BERTH__V1__EVENT_TYPE__EVENT_TYPE_SESSION_TERMINATING:
        return STYLE_BAD;
    default:
        return STYLE_PLAIN;
    }
}

static void add_part(struct text *t, const char *separator, const char *part)
{
    if (part[0] == '\0')
        return;
    text_addf(t, "%s", t->n == 0 ? "" : separator);
    text_add_clean(t, part);
}

/* Where it went, or why: the sentence of the causes says more than the word of the reason. */
static void add_outcome(struct text *t, struct arena *a, const Berth__V1__Event *e)
{
    const Berth__V1__KernelAllocation *first = e->n_allocations > 0 ? e->allocations[0] : NULL;
    add_part(t, "  ", report_where(a, e->allocations, e->n_allocations));
    if (e->n_allocations == 1 && first->n_slots > 0)
        add_part(t, " ", arena_printf(a, "(%s)", human_slots(a, first->slots, first->n_slots)));
    if (e->n_causes > 0)
        add_part(t, "  ", report_why(a, e->causes, e->n_causes));
    else if (first == NULL)
        add_part(t, "  ", e->reason);
}

/* Everything after the type: the session, from where to where and how, or the round. */
static const char *story(struct arena *a, const Berth__V1__Event *e)
{
    struct text t = {.arena = a};
    add_part(&t, "", e->session_id);
    if (strcmp(e->from_status, e->to_status) != 0)
        add_part(&t, "  ",
                 arena_printf(a, "%s -> %s", human_or_dash(e->from_status),
                              human_or_dash(e->to_status)));
    add_outcome(&t, a, e);
    if (e->session_id[0] == '\0' && e->round_id[0] != '\0')
        add_part(&t, "  ", arena_printf(a, "epoch %" PRId64 ", round %s", e->epoch, e->round_id));
    return text_chars(&t);
}

void event_line_print(FILE *out, struct arena *a, const Berth__V1__Event *e, bool color)
{
    enum style style = event_style(e->type);
    const char *rest = story(a, e);
    bool bare = rest[0] == '\0';
    fprintf(out, "%s  %s #%-*" PRId64 "  %s%-*s%s%s%s\n", human_time(a, e->time),
            text_clean(a, e->scaling_group), SEQUENCE_WIDTH, e->sequence, style_begin(style, color),
            bare ? 0 : TYPE_WIDTH, human_enum(a, &berth__v1__event_type__descriptor, (int)e->type),
            style_end(color), bare ? "" : "  ", rest);
}

void event_line_print_json(FILE *out, const Berth__V1__Event *e, const char *cursor)
{
    fputc('{', out);
    json_write_members(out, &e->base);
    if (cursor != NULL) {
        fputs(",\"cursor\":", out);
        json_write_string(out, cursor);
    }
    fputs("}\n", out);
}
