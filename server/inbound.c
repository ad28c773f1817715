/* inbound.c - walks the bytes of a request along its descriptor. */
#include "server/inbound.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/uuid.h"
#include "server/limits.h"

enum { MAX_DEPTH = 16, MAX_FIELDS = 64, PATH_BYTES = 160 };

/* Wire types of protobuf. */
enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct inbound {
    struct limits *limits;
};

/* Where we are, innermost first: one link a level of nesting. */
struct place {
    const struct place *up;
    const char *field;
    int64_t index; /* of an element; -1: not repeated */
    unsigned depth;
};

struct bytes {
    const uint8_t *p, *end;
};

/* --- making --- */

struct inbound *inbound_create(void)
{
    struct inbound *in = calloc(1, sizeof(*in));
    if (in == NULL)
        abort();
    in->limits = limits_create();
    return in;
}

void inbound_destroy(struct inbound *in)
{
    if (in == NULL)
        return;
    limits_destroy(in->limits);
    free(in);
}

int inbound_add(struct inbound *in, const ProtobufCMessageDescriptor *d, const void **ret_rules,
                struct err *e)
{
    const struct message_rule *rule = NULL;
    if (limits_add(in->limits, d, &rule, e) < 0)
        return -1;
    for (const struct message_rule *m = rule; m != NULL; m = m->next) {
        if (m->d->n_fields > MAX_FIELDS)
            return err_set(e, ERR_INTERNAL, "LIMIT_LIST", "%s has more than %d fields", m->d->name,
                           MAX_FIELDS);
    }
    *ret_rules = rule;
    return 0;
}

int inbound_complete(struct inbound *in, struct err *e)
{
    return limits_complete(in->limits, e);
}

/* --- saying what is wrong --- */

/* Writes the path from the outermost field; returns its length, at most PATH_BYTES - 1. */
static size_t path_write(char path[PATH_BYTES], const struct place *at)
{
    size_t n = 0;
    if (at->up != NULL) {
        n = path_write(path, at->up);
        n += (size_t)snprintf(path + n, PATH_BYTES - n, ".");
    }
    n = n < PATH_BYTES ? n : PATH_BYTES - 1;
    n += (size_t)snprintf(path + n, PATH_BYTES - n, "%s", at->field);
    n = n < PATH_BYTES ? n : PATH_BYTES - 1;
    if (at->index >= 0)
        n += (size_t)snprintf(path + n, PATH_BYTES - n, "[%" PRId64 "]", at->index);
    return n < PATH_BYTES ? n : PATH_BYTES - 1;
}

static int violation(const struct place *at, struct err *e, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int violation(const struct place *at, struct err *e, const char *fmt, ...)
{
    char path[PATH_BYTES] = "";
    char text[PATH_BYTES];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)path_write(path, at);
    return err_field(e, path, "%s %s", path, text);
}

static int malformed(struct err *e)
{
    return err_set(e, ERR_INVALID, "MALFORMED_MESSAGE",
                   "the request is not a valid message of its type");
}

/* --- reading bytes --- */

static bool read_varint(struct bytes *b, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70 && b->p < b->end; shift += 7) {
        uint8_t byte = *b->p++;
        if (shift < 64)
            v |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static bool read_piece(struct bytes *b, uint64_t n, struct bytes *ret)
{
    if (n > (uint64_t)(b->end - b->p))
        return false;
    *ret = (struct bytes){.p = b->p, .end = b->p + n};
    b->p += n;
    return true;
}

/* The value that follows a tag. A varint is put into *ret_number, anything else is a piece. */
static bool read_value(struct bytes *b, unsigned wire, uint64_t *ret_number, struct bytes *ret)
{
    uint64_t n = 0;
    switch (wire) {
    case WIRE_VARINT:
        return read_varint(b, ret_number);
    case WIRE_64:
        return read_piece(b, 8, ret);
    case WIRE_32:
        return read_piece(b, 4, ret);
    case WIRE_BYTES:
        return read_varint(b, &n) && read_piece(b, n, ret);
    default:
        return false; /* groups are not proto3 */
    }
}

/* Length of the UTF-8 character at p, 0 when there is none (RFC 3629). */
static size_t utf8_length(const uint8_t *p, const uint8_t *end)
{
    size_t left = (size_t)(end - p);
    uint8_t c = p[0];
    if (c < 0x80)
        return 1;
    size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || left < n)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
        (c == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

/* --- one value --- */

static int check_text(const struct field_rule *r, struct bytes text, const struct place *at,
                      struct err *e)
{
    uint32_t characters = 0;
    size_t len = (size_t)(text.end - text.p);
    if (len > (size_t)r->text_most * 4)
        return violation(at, e, "is longer than %u characters", r->text_most);
    for (const uint8_t *p = text.p; p < text.end; characters++) {
        size_t n = utf8_length(p, text.end);
        if (n == 0)
            return violation(at, e, "is not valid UTF-8");
        if (*p == '\0')
            return violation(at, e, "has a NUL character");
        p += n;
    }
    if (characters < r->text_least)
        return violation(at, e, "is required");
    if (r->id && len > 0) {
        char id[UUID_TEXT] = "";
        struct uuid u;
        memcpy(id, text.p, len < UUID_TEXT - 1 ? len : UUID_TEXT - 1);
        if (len != UUID_TEXT - 1 || !uuid_parse(id, &u))
            return violation(at, e, "is not a UUID");
    }
    if (characters > r->text_most)
        return violation(at, e, "is longer than %u characters", r->text_most);
    return 0;
}

static int check_number(const ProtobufCFieldDescriptor *f, const struct field_rule *r, uint64_t v,
                        const struct place *at, struct err *e)
{
    int64_t n = (int64_t)v;
    if (f->type == PROTOBUF_C_TYPE_ENUM) {
        if (protobuf_c_enum_descriptor_get_value(f->descriptor, (int32_t)v) == NULL)
            return violation(at, e, "has the unknown value %" PRId32, (int32_t)v);
        return 0;
    }
    if (f->type == PROTOBUF_C_TYPE_UINT32)
        n = (uint32_t)v;
    else if (f->type == PROTOBUF_C_TYPE_INT32)
        n = (int32_t)v;
    else if (f->type == PROTOBUF_C_TYPE_UINT64 && n < 0)
        n = INT64_MAX;
    if (r->ranged && (n < r->number_least || n > r->number_most))
        return violation(at, e, "is %" PRId64 ", not between %" PRId64 " and %" PRId64, n,
                         r->number_least, r->number_most);
    return 0;
}

static unsigned wire_of(ProtobufCType t)
{
    switch (t) {
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_32;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_BYTES;
    default:
        return WIRE_VARINT;
    }
}

/* --- one message --- */

struct walk { /* of one message */
    const struct message_rule *rule;
    const struct place *up; /* NULL: the request itself */
    unsigned depth;
    uint32_t counts[MAX_FIELDS]; /* occurrences by field; elements of repeated ones */
};

static int walk_message(const struct message_rule *rule, struct bytes b, const struct place *up,
                        struct err *e);

static int check_element(struct walk *w, unsigned i, uint64_t number, struct bytes piece,
                         struct err *e)
{
    const ProtobufCFieldDescriptor *f = &w->rule->d->fields[i];
    const struct field_rule *r = &w->rule->fields[i];
    bool repeated = f->label == PROTOBUF_C_LABEL_REPEATED;
    struct place at = {.up = w->up,
                       .field = f->name,
                       .index = repeated ? (int64_t)w->counts[i] : -1,
                       .depth = w->depth};
    if (repeated && w->counts[i] == r->list_most) {
        at.index = -1;
        return violation(&at, e, "has more than %u elements", r->list_most);
    }
    w->counts[i]++;
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        return walk_message(r->message, piece, &at, e);
    if (f->type == PROTOBUF_C_TYPE_STRING)
        return check_text(r, piece, &at, e);
    return wire_of(f->type) == WIRE_VARINT ? check_number(f, r, number, &at, e) : 0;
}

/* A repeated number packed into one piece. */
static int check_packed(struct walk *w, unsigned i, struct bytes piece, struct err *e)
{
    unsigned wire = wire_of(w->rule->d->fields[i].type);
    while (piece.p < piece.end) {
        uint64_t number = 0;
        struct bytes element = {.p = NULL};
        if (!read_value(&piece, wire, &number, &element))
            return malformed(e);
        if (check_element(w, i, number, element, e) < 0)
            return -1;
    }
    return 0;
}

static int check_field(struct walk *w, struct bytes *b, struct err *e)
{
    const ProtobufCMessageDescriptor *d = w->rule->d;
    uint64_t tag = 0;
    uint64_t number = 0;
    struct bytes piece = {.p = NULL};
    if (!read_varint(b, &tag) || tag >> 3 == 0 || tag >> 3 > 536870911)
        return malformed(e);
    unsigned wire = (unsigned)(tag & 7);
    if (!read_value(b, wire, &number, &piece))
        return malformed(e);
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field(d, (unsigned)(tag >> 3));
    if (f == NULL)
        return 0; /* a newer client's field */
    unsigned i = (unsigned)(f - d->fields);
    if (wire == wire_of(f->type))
        return check_element(w, i, number, piece, e);
    if (wire == WIRE_BYTES && f->label == PROTOBUF_C_LABEL_REPEATED)
        return check_packed(w, i, piece, e);
    return malformed(e);
}

/* Fields that had to be there. A member of a oneof is checked when it is set. */
static int check_required(const struct walk *w, struct err *e)
{
    const ProtobufCMessageDescriptor *d = w->rule->d;
    for (unsigned i = 0; i < d->n_fields; i++) {
        const struct field_rule *r = &w->rule->fields[i];
        struct place at = {.up = w->up, .field = d->fields[i].name, .index = -1, .depth = w->depth};
        if (d->fields[i].label == PROTOBUF_C_LABEL_REPEATED) {
            if (w->counts[i] < r->list_least)
                return violation(&at, e, "needs at least %u elements", r->list_least);
        } else if (r->text_least > 0 && w->counts[i] == 0 &&
                   (d->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0) {
            return violation(&at, e, "is required");
        }
    }
    return 0;
}

static int walk_message(const struct message_rule *rule, struct bytes b, const struct place *up,
                        struct err *e)
{
    struct walk w = {.rule = rule, .up = up, .depth = up != NULL ? up->depth + 1 : 0};
    if (w.depth > MAX_DEPTH)
        return violation(up, e, "is nested too deeply");
    while (b.p < b.end) {
        if (check_field(&w, &b, e) < 0)
            return -1;
    }
    return check_required(&w, e);
}

int inbound_check(const void *rules, const uint8_t *bytes, size_t n, struct err *e)
{
    struct bytes b = {.p = bytes, .end = bytes + n};
    return walk_message(rules, b, NULL, e);
}

/* --- unpacking --- */

static void *alloc_capped(void *data, size_t size)
{
    struct inbound_memory *m = data;
    if (size > m->cap || arena_used(m->arena) > m->cap - size) {
        m->full = true;
        return NULL;
    }
    return arena_alloc(m->arena, 1, size);
}

static void free_nothing(void *data, void *p)
{
    (void)data; /* the arena lets everything go at once */
    (void)p;
}

ProtobufCAllocator inbound_allocator(struct inbound_memory *m)
{
    return (ProtobufCAllocator){.alloc = alloc_capped, .free = free_nothing, .allocator_data = m};
}

int inbound_unpack(const ProtobufCMessageDescriptor *d, const void *rules, const uint8_t *bytes,
                   size_t n, struct inbound_memory *m, ProtobufCMessage **ret, struct err *e)
{
    ProtobufCAllocator pbc = inbound_allocator(m);
    if (inbound_check(rules, bytes, n, e) < 0)
        return -1;
    ProtobufCMessage *message = protobuf_c_message_unpack(d, &pbc, n, bytes);
    if (message == NULL && m->full)
        return err_set(e, ERR_EXHAUSTED, "REQUEST_TOO_LARGE",
                       "the request needs more memory than one request may take");
    if (message == NULL)
        return malformed(e);
    *ret = message;
    return 0;
}
