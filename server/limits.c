/* limits.c - finds the field of each line of limits.def. */
#include "server/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_TEXT, KIND_ID, KIND_LIST, KIND_NUMBER };

static const struct line {
    const char *message, *field;
    enum kind kind;
    int64_t least, most;
} lines[] = {
#define LIMIT_TEXT(m, f, least, most)   {#m, #f, KIND_TEXT, least, most},
#define LIMIT_ID(m, f, least)           {#m, #f, KIND_ID, least, 36},
#define LIMIT_LIST(m, f, least, most)   {#m, #f, KIND_LIST, least, most},
#define LIMIT_NUMBER(m, f, least, most) {#m, #f, KIND_NUMBER, least, most},
#include "server/limits.def"
#undef LIMIT_TEXT
#undef LIMIT_ID
#undef LIMIT_LIST
#undef LIMIT_NUMBER
};

struct limits {
    struct arena *arena;
    struct message_rule *messages;
    bool used[ARRAY_SIZE(lines)];
};

struct limits *limits_create(void)
{
    struct limits *l = calloc(1, sizeof(*l));
    if (l == NULL)
        abort();
    l->arena = arena_create();
    return l;
}

void limits_destroy(struct limits *l)
{
    if (l == NULL)
        return;
    arena_destroy(l->arena);
    free(l);
}

static bool line_fits(const struct line *line, const ProtobufCFieldDescriptor *f)
{
    switch (line->kind) {
    case KIND_TEXT:
    case KIND_ID:
        return f->type == PROTOBUF_C_TYPE_STRING;
    case KIND_LIST:
        return f->label == PROTOBUF_C_LABEL_REPEATED;
    case KIND_NUMBER:
        break;
    }
    return f->type == PROTOBUF_C_TYPE_INT32 || f->type == PROTOBUF_C_TYPE_INT64 ||
           f->type == PROTOBUF_C_TYPE_UINT32 || f->type == PROTOBUF_C_TYPE_UINT64;
}

static void apply_line(const struct line *line, struct field_rule *r)
{
    switch (line->kind) {
    case KIND_ID:
        r->id = true;
        /* fall through */
    case KIND_TEXT:
        r->text_least = (uint32_t)line->least;
        r->text_most = (uint32_t)line->most;
        return;
    case KIND_LIST:
        r->list_least = (uint32_t)line->least;
        r->list_most = (uint32_t)line->most;
        return;
    case KIND_NUMBER:
        r->ranged = true;
        r->number_least = line->least;
        r->number_most = line->most;
        return;
    }
}

static int read_lines(struct limits *l, struct message_rule *m, struct err *e)
{
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        if (strcmp(lines[i].message, m->d->short_name) != 0)
            continue;
        const ProtobufCFieldDescriptor *f =
            protobuf_c_message_descriptor_get_field_by_name(m->d, lines[i].field);
        if (f == NULL || !line_fits(&lines[i], f))
            return err_set(e, ERR_INTERNAL, "LIMIT_LIST",
                           "limits.def: %s has no field %s of the right type", lines[i].message,
                           lines[i].field);
        apply_line(&lines[i], &m->fields[f - m->d->fields]);
        l->used[i] = true;
    }
    return 0;
}

int limits_add(struct limits *l, const ProtobufCMessageDescriptor *d,
               const struct message_rule **ret, struct err *e)
{
    for (struct message_rule *m = l->messages; m != NULL; m = m->next) {
        if (m->d == d) {
            *ret = m;
            return 0;
        }
    }
    struct message_rule *m = arena_new(l->arena, struct message_rule, 1);
    *m = (struct message_rule){.d = d,
                               .fields = arena_new(l->arena, struct field_rule, d->n_fields + 1),
                               .next = l->messages};
    l->messages = m;
    for (unsigned i = 0; i < d->n_fields; i++) {
        struct field_rule *r = &m->fields[i];
        r->text_most = DEFAULT_TEXT;
        r->list_most = DEFAULT_LIST;
        if (d->fields[i].type == PROTOBUF_C_TYPE_MESSAGE &&
            limits_add(l, d->fields[i].descriptor, &r->message, e) < 0)
            return -1;
    }
    if (read_lines(l, m, e) < 0)
        return -1;
    *ret = m;
    return 0;
}

int limits_complete(const struct limits *l, struct err *e)
{
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        if (!l->used[i])
            return err_set(e, ERR_INTERNAL, "LIMIT_LIST",
                           "limits.def: no request has a message %s with field %s",
                           lines[i].message, lines[i].field);
    }
    return 0;
}
