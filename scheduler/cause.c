/* cause.c - the words and numbers of a cause. */
#include "scheduler/cause.h"

#include <string.h>

static struct cause *cause_next(struct cause_list *causes)
{
    causes->items = arena_grow(causes->arena, causes->items, &causes->cap, causes->n + 1,
                               sizeof(*causes->items));
    return &causes->items[causes->n++];
}

void cause_push(struct cause_list *causes, const struct cause *c)
{
    *cause_next(causes) = *c;
}

struct cause *cause_add(struct cause_list *causes, enum cause_kind kind, const char *subject,
                        const char *message)
{
    struct cause *c = cause_next(causes);
    *c = (struct cause){.kind = kind,
                        .plugin = causes->plugin,
                        .subject = subject != NULL ? subject : "",
                        .message = message,
                        .retryable = true};
    return c;
}

const struct cause *cause_single(struct arena *a, enum cause_kind kind, const char *plugin,
                                 bool retryable, const char *message)
{
    struct cause *c = arena_new(a, struct cause, 1);
    *c = (struct cause){
        .kind = kind, .plugin = plugin, .subject = "", .message = message, .retryable = retryable};
    return c;
}

static bool shortage_equal(const struct shortage *a, const struct shortage *b)
{
    return a->slot == b->slot && a->requested == b->requested && a->available == b->available &&
           a->limit == b->limit;
}

bool cause_equal(const struct cause *a, const struct cause *b)
{
    if (a->kind != b->kind || a->n_slots != b->n_slots || strcmp(a->subject, b->subject) != 0)
        return false;
    for (uint32_t i = 0; i < a->n_slots; i++)
        if (!shortage_equal(&a->slots[i], &b->slots[i]))
            return false;
    return true;
}

void text_add(struct text *t, const char *piece)
{
    size_t len = strlen(piece);
    t->chars = arena_grow(t->arena, t->chars, &t->cap, t->len + len + 1, 1);
    memcpy(t->chars + t->len, piece, len + 1);
    t->len += len;
}

char *text_end(struct text *t)
{
    return t->chars != NULL ? t->chars : arena_strdup(t->arena, "");
}

char *cause_amounts(const struct snapshot *s, const uint32_t *slots, uint32_t n, const int64_t *row,
                    struct arena *a)
{
    struct text t = {.arena = a};
    for (uint32_t i = 0; i < n; i++) {
        char amount[AMOUNT_TEXT];
        int64_t value = row[slots[i]];
        if (value != AMOUNT_INF)
            text_addf(&t, "%s%s=%s", t.len > 0 ? " " : "", s->slots[slots[i]].name,
                      amount_humanize(value, s->slots[slots[i]].type, amount));
    }
    return text_end(&t);
}

char *cause_shortages(const struct snapshot *s, const struct shortage *slots, uint32_t n,
                      const char *word, struct arena *a)
{
    struct text t = {.arena = a};
    for (uint32_t i = 0; i < n; i++) {
        char asked[AMOUNT_TEXT], there[AMOUNT_TEXT];
        const struct slot *slot = &s->slots[slots[i].slot];
        text_addf(&t, "%s%s (asked %s, %s %s)", i > 0 ? ", " : "", slot->name,
                  amount_humanize(slots[i].requested, slot->type, asked), word,
                  amount_humanize(slots[i].available, slot->type, there));
    }
    return text_end(&t);
}

char *cause_list_names(const char *const *names, uint32_t n, uint32_t max, struct arena *a)
{
    struct text t = {.arena = a};
    for (uint32_t i = 0; i < n && i < max; i++)
        text_addf(&t, "%s%s", i > 0 ? ", " : "", names[i]);
    if (n > max)
        text_add(&t, ", ...");
    return text_end(&t);
}
