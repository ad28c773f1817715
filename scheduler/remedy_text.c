/* remedy_text.c - remedies as sentences. A change is a clause in the imperative. */
#include <ctype.h>
#include <inttypes.h>

#include "scheduler/cause.h"
#include "scheduler/remedy_internal.h"

enum { MAX_NAMED = 8 }; /* sessions, or changes */

struct telling {
    const struct snapshot *snapshot;
    const struct session *session;
    struct text text;
};

static const char *plural(int64_t n)
{
    return n == 1 ? "" : "s";
}

static const char *amount(const struct telling *t, const struct remedy_slot *slot, int64_t value,
                          char text[AMOUNT_TEXT])
{
    return amount_humanize(value, t->snapshot->slots[slot->slot].type, text);
}

/* "cpu=4 mem=2g": by how much, or to what it comes. */
static void add_amounts(struct telling *t, const struct remedy_change *c, bool by)
{
    char text[AMOUNT_TEXT];
    for (uint32_t i = 0; i < c->n_slots; i++)
        text_addf(&t->text, "%s%s=%s", i > 0 ? " " : "", t->snapshot->slots[c->slots[i].slot].name,
                  amount(t, &c->slots[i], by ? c->slots[i].by : c->slots[i].to, text));
}

static const char *owner_word(const struct telling *t, const struct remedy_change *c)
{
    static const char *const words[N_OWNER_KINDS] = {
        [OWNER_KEYPAIR] = "access key",
        [OWNER_USER] = "user",
        [OWNER_PROJECT] = "project",
        [OWNER_DOMAIN] = "domain",
    };
    return words[t->snapshot->owners[c->owner].kind];
}

/* "user 12": as people know it. */
static void add_owner(struct telling *t, const struct remedy_change *c)
{
    text_addf(&t->text, "%s %s", owner_word(t, c), t->snapshot->owners[c->owner].name);
}

static const char *name_of(const struct telling *t, const struct uuid *id)
{
    for (uint32_t i = 0; i < t->session->rare->n_dependencies; i++) {
        const struct dependency *d =
            &t->snapshot->dependencies[t->session->rare->first_dependency + i];
        if (uuid_compare(&d->id, id) == 0)
            return d->name;
    }
    return NULL;
}

/* "import (3fa8...), train (41bc...), ..." */
static void add_sessions(struct telling *t, const struct remedy_change *c)
{
    char id[UUID_TEXT];
    for (uint32_t i = 0; i < c->n_sessions && i < MAX_NAMED; i++) {
        const char *name = name_of(t, &c->sessions[i]);
        uuid_format(&c->sessions[i], id);
        text_add(&t->text, i > 0 ? ", " : "");
        if (name != NULL)
            text_addf(&t->text, "%s (%s)", name, id);
        else
            text_add(&t->text, id);
    }
    if (c->n_sessions > MAX_NAMED)
        text_addf(&t->text, ", and %u more", c->n_sessions - MAX_NAMED);
}

static void add_span(struct telling *t, int64_t us)
{
    int64_t s = us / 1000000 + (us % 1000000 > 0);
    if (s < 120)
        text_addf(&t->text, "%" PRId64 " s", s);
    else if (s < 7200)
        text_addf(&t->text, "%" PRId64 " min", s / 60 + (s % 60 > 0));
    else
        text_addf(&t->text, "%" PRId64 " h", s / 3600 + (s % 3600 > 0));
}

/* --- the clauses --- */

static void say_ask_less(struct telling *t, const struct remedy_change *c)
{
    char from[AMOUNT_TEXT], to[AMOUNT_TEXT];
    text_add(&t->text, "ask for less: ");
    for (uint32_t i = 0; i < c->n_slots; i++) {
        const struct remedy_slot *x = &c->slots[i];
        text_addf(&t->text, "%s%s %s instead of %s", i > 0 ? ", " : "",
                  t->snapshot->slots[x->slot].name, amount(t, x, x->to, to),
                  amount(t, x, amount_add(x->to, x->by), from));
    }
}

static void say_ask_less_each(struct telling *t, const struct remedy_change *c)
{
    text_add(&t->text, "ask for at most ");
    add_amounts(t, c, false);
    text_add(&t->text, " with each kernel");
}

static void say_free_agent(struct telling *t, const struct remedy_change *c)
{
    text_add(&t->text, "free ");
    add_amounts(t, c, true);
    if (c->count > 0)
        text_addf(&t->text, "%s%" PRId64 " container%s", c->n_slots > 0 ? " and " : "", c->count,
                  plural(c->count));
    text_addf(&t->text, " on %s", c->subject);
}

static void say_add_agent(struct telling *t, const struct remedy_change *c)
{
    if (c->count == 1)
        text_addf(&t->text, "add an agent of architecture %s", c->subject);
    else
        text_addf(&t->text, "add %" PRId64 " agents of architecture %s", c->count, c->subject);
    text_add(&t->text, c->n_slots > 0 ? " with " : "");
    add_amounts(t, c, true);
    text_add(&t->text, c->count > 1 && c->n_slots > 0 ? " each" : "");
}

static void say_enable_agent(struct telling *t, const struct remedy_change *c)
{
    const struct agent *a = &t->snapshot->agents[snapshot_find_agent(t->snapshot, c->subject)];
    text_addf(&t->text, "bring %s back, which is not %s", a->id,
              a->alive ? "schedulable" : "alive");
}

static void say_change_architecture(struct telling *t, const struct remedy_change *c)
{
    text_addf(&t->text, "run all of it on architecture %s", c->subject);
}

static void say_designate_agent(struct telling *t, const struct remedy_change *c)
{
    text_addf(&t->text, "designate %s, too", c->subject);
}

static void say_prefer_designated(struct telling *t, const struct remedy_change *c)
{
    (void)c;
    text_add(&t->text, "make the designated agents a preference");
}

static void say_end_group_members(struct telling *t, const struct remedy_change *c)
{
    text_addf(&t->text, "end %" PRId64 " session%s of its session group on %s", c->count,
              plural(c->count), c->subject);
}

static void say_leave_session_group(struct telling *t, const struct remedy_change *c)
{
    (void)c;
    text_add(&t->text, "take it out of its session group");
}

static void say_raise_container_limit(struct telling *t, const struct remedy_change *c)
{
    text_addf(&t->text, "let an agent run %" PRId64 " container%s", c->count, plural(c->count));
}

static void say_raise_quota(struct telling *t, const struct remedy_change *c)
{
    text_add(&t->text, "raise the quota of ");
    add_owner(t, c);
    text_add(&t->text, " to ");
    add_amounts(t, c, false);
}

static void say_free_quota(struct telling *t, const struct remedy_change *c)
{
    text_add(&t->text, "end sessions of ");
    add_owner(t, c);
    text_add(&t->text, " that hold ");
    add_amounts(t, c, true);
}

static void say_raise_pending_quota(struct telling *t, const struct remedy_change *c)
{
    text_addf(&t->text, "let pending sessions of access key %s ask for ", c->subject);
    add_amounts(t, c, false);
}

static void say_raise_pending_limit(struct telling *t, const struct remedy_change *c)
{
    text_addf(&t->text, "let access key %s have %" PRId64 " pending session%s", c->subject,
              c->count, plural(c->count));
}

static void say_leave_queue(struct telling *t, const struct remedy_change *c)
{
    text_addf(&t->text,
              "take %u older session%s of its access key out of the queue: ", c->n_sessions,
              plural(c->n_sessions));
    add_sessions(t, c);
}

static const char *kind_word(const struct telling *t)
{
    return session_is_private(t->session) ? "SFTP " : "";
}

static void say_raise_session_limit(struct telling *t, const struct remedy_change *c)
{
    text_addf(&t->text, "let access key %s run %" PRId64 " %ssession%s", c->subject, c->count,
              kind_word(t), plural(c->count));
}

static void say_finish_sessions(struct telling *t, const struct remedy_change *c)
{
    text_addf(&t->text, "end %" PRId64 " running %ssession%s of access key %s", c->count,
              kind_word(t), plural(c->count), c->subject);
}

static void say_wait_for_sessions(struct telling *t, const struct remedy_change *c)
{
    text_add(&t->text, "wait for the success of ");
    add_sessions(t, c);
}

static void say_drop_dependencies(struct telling *t, const struct remedy_change *c)
{
    text_add(&t->text, "drop its dependency on ");
    add_sessions(t, c);
}

static void say_wait_until(struct telling *t, const struct remedy_change *c)
{
    text_add(&t->text, "wait ");
    add_span(t, amount_sub(c->time, t->snapshot->observed_at));
    text_add(&t->text, " until its start");
}

static void say_start_earlier(struct telling *t, const struct remedy_change *c)
{
    (void)c;
    text_add(&t->text, "ask for a start now");
}

static void say_create_owner(struct telling *t, const struct remedy_change *c)
{
    text_addf(&t->text, "create %s", t->snapshot->owners[c->owner].missing);
}

static void say_mend_row(struct telling *t, const struct remedy_change *c)
{
    const struct snapshot *s = t->snapshot;
    text_addf(&t->text, "mend the row: %s",
              c->owner != NONE        ? s->owners[c->owner].bad_data
              : c->subject[0] == '\0' ? t->session->bad_data
                                      : s->agents[snapshot_find_agent(s, c->subject)].bad_data);
}

static void say_raise_pending_timeout(struct telling *t, const struct remedy_change *c)
{
    text_add(&t->text, "raise the pending timeout to more than ");
    add_span(t, c->duration - 1);
}

static void say_enqueue_anew(struct telling *t, const struct remedy_change *c)
{
    (void)c;
    text_add(&t->text, "put it into the queue anew");
}

static void say_raise_priority(struct telling *t, const struct remedy_change *c)
{
    text_addf(&t->text, "give it the priority %" PRId64, c->count);
}

static void say_change_queue_policy(struct telling *t, const struct remedy_change *c)
{
    text_addf(&t->text, "set the group's queue_policy to %s", c->subject);
}

/* --- sentences --- */

typedef void say_f(struct telling *t, const struct remedy_change *c);

static say_f *const clauses[N_REMEDY_KINDS] = {
#define REMEDY(kind, name) [REMEDY_##kind] = say_##name,
#include "scheduler/remedy_kinds.def"
#undef REMEDY
};

const char *remedy_message(const struct finder *f, const struct remedy *r)
{
    const struct snapshot *s = remedy_world_snapshot(f->world);
    struct telling t = {.snapshot = s,
                        .session = &s->sessions[remedy_world_session(f->world)],
                        .text.arena = f->arena};
    for (uint32_t i = 0; i < r->n_changes && i < MAX_NAMED; i++) {
        text_add(&t.text, i == 0 ? "" : i + 1 < r->n_changes ? ", " : " and ");
        clauses[r->changes[i].kind](&t, &r->changes[i]);
    }
    if (r->n_changes > MAX_NAMED)
        text_addf(&t.text, ", and %u more changes like that", r->n_changes - MAX_NAMED);
    char *said = text_end(&t.text);
    said[0] = (char)toupper((unsigned char)said[0]);
    return t.text.len > 0 && said[t.text.len - 1] == '.' ? said
                                                         : arena_printf(f->arena, "%s.", said);
}

const char *remedy_none(const struct finder *f, const struct cause *c)
{
    if (c->kind == CAUSE_NO_KERNELS)
        return "Nothing in the cluster helps: create it anew, with kernels.";
    if (c->kind == CAUSE_PLUGIN)
        return arena_printf(f->arena,
                            "The plugin %s decides by rules of its own: ask who installed it.",
                            c->plugin);
    return "No change was found that would help.";
}
