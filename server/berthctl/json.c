/* json.c - any protobuf-c message as JSON, see json.h. */
#include "server/berthctl/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "server/berthctl/text.h"

void json_write_string(FILE *out, const char *s)
{
    fputc('"', out);
    while (s != NULL && *s != '\0') {
        const char *start = s;
        uint32_t point = utf8_next(&s);
        if (point == '"' || point == '\\')
            fprintf(out, "\\%c", (int)point);
        else if (point == '\n')
            fputs("\\n", out);
        else if (point == '\t')
            fputs("\\t", out);
        else if (point < 0x20 || point == 0x7F)
            fprintf(out, "\\u%04" PRIx32, point);
        else if (point == 0xFFFD)
            fputs("\xEF\xBF\xBD", out);
        else
            fwrite(start, 1, (size_t)(s - start), out);
    }
    fputc('"', out);
}

/* lowerCamelCase of a field's name. */
static void write_name(FILE *out, const char *name)
{
    fputc('"', out);
    for (; *name != '\0'; name++) {
        if (*name != '_')
            fputc(*name, out);
        else if (name[1] >= 'a' && name[1] <= 'z')
            fputc(*++name - 'a' + 'A', out);
    }
    fputs("\":", out);
}

static void write_bytes(FILE *out, const ProtobufCBinaryData *b)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    fputc('"', out);
    for (size_t i = 0; i < b->len; i += 3) {
        size_t n = b->len - i < 3 ? b->len - i : 3;
        uint32_t v = (uint32_t)b->data[i] << 16;
        if (n > 1)
            v |= (uint32_t)b->data[i + 1] << 8;
        if (n > 2)
            v |= b->data[i + 2];
        fputc(digits[v >> 18], out);
        fputc(digits[v >> 12 & 63], out);
        fputc(n > 1 ? digits[v >> 6 & 63] : '=', out);
        fputc(n > 2 ? digits[v & 63] : '=', out);
    }
    fputc('"', out);
}

static void write_double(FILE *out, double v, int digits)
{
    if (isnan(v))
        fputs("\"NaN\"", out);
    else if (isinf(v))
        fputs(v > 0 ? "\"Infinity\"" : "\"-Infinity\"", out);
    else
        fprintf(out, "%.*g", digits, v);
}

/* ".5", ".001500" or "": 3, 6 or 9 digits, as the mapping wants. */
static void write_fraction(FILE *out, int64_t nanos)
{
    if (nanos == 0)
        return;
    if (nanos % 1000000 == 0)
        fprintf(out, ".%03" PRId64, nanos / 1000000);
    else if (nanos % 1000 == 0)
        fprintf(out, ".%06" PRId64, nanos / 1000);
    else
        fprintf(out, ".%09" PRId64, nanos);
}

static void write_timestamp(FILE *out, const Google__Protobuf__Timestamp *t)
{
    char text[32] = "";
    struct tm tm;
    time_t seconds = (time_t)t->seconds;
    if (gmtime_r(&seconds, &tm) != NULL)
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    fprintf(out, "\"%s", text);
    write_fraction(out, t->nanos);
    fputs("Z\"", out);
}

static void write_duration(FILE *out, const Google__Protobuf__Duration *d)
{
    bool negative = d->seconds < 0 || d->nanos < 0;
    uint64_t seconds = d->seconds < 0 ? -(uint64_t)d->seconds : (uint64_t)d->seconds;
    fprintf(out, "\"%s%" PRIu64, negative ? "-" : "", seconds);
    write_fraction(out, d->nanos < 0 ? -(int64_t)d->nanos : d->nanos);
    fputs("s\"", out);
}

static void write_enum(FILE *out, const ProtobufCEnumDescriptor *type, int value)
{
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(type, value);
    if (v == NULL)
        fprintf(out, "%d", value);
    else
        json_write_string(out, v->name);
}

static size_t element_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4;
    }
}

static void write_value(FILE *out, const ProtobufCFieldDescriptor *f, const void *value)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        fprintf(out, "%" PRId32, *(const int32_t *)value);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        fprintf(out, "%" PRIu32, *(const uint32_t *)value);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        fprintf(out, "\"%" PRId64 "\"", *(const int64_t *)value);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        fprintf(out, "\"%" PRIu64 "\"", *(const uint64_t *)value);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        write_double(out, (double)*(const float *)value, 9);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        write_double(out, *(const double *)value, 17);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        fputs(*(const protobuf_c_boolean *)value ? "true" : "false", out);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        write_enum(out, f->descriptor, *(const int *)value);
        break;
    case PROTOBUF_C_TYPE_STRING:
        json_write_string(out, *(char *const *)value);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        write_bytes(out, value);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        json_write_message(out, *(ProtobufCMessage *const *)value);
        break;
    }
}

/* protobuf-c reads map<string, string> as a list of messages named ...Entry with key and value. */
static bool is_map(const ProtobufCFieldDescriptor *f)
{
    if (f->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    const ProtobufCMessageDescriptor *d = f->descriptor;
    size_t n = strlen(d->short_name);
    return n > 5 && strcmp(d->short_name + n - 5, "Entry") == 0 && d->n_fields == 2 &&
           strcmp(d->fields[0].name, "key") == 0 && strcmp(d->fields[1].name, "value") == 0 &&
           d->fields[0].type == PROTOBUF_C_TYPE_STRING;
}

static void write_map_entry(FILE *out, const ProtobufCMessage *entry)
{
    const ProtobufCFieldDescriptor *f = entry->descriptor->fields;
    const char *base = (const char *)entry;
    json_write_string(out, *(char *const *)(base + f[0].offset));
    fputc(':', out);
    write_value(out, &f[1], base + f[1].offset);
}

static void write_repeated(FILE *out, const ProtobufCFieldDescriptor *f, const char *base)
{
    size_t n = *(const size_t *)(base + f->quantifier_offset);
    const char *items = *(char *const *)(base + f->offset);
    bool map = is_map(f);
    fputc(map ? '{' : '[', out);
    for (size_t i = 0; i < n; i++) {
        const char *item = items + i * element_size(f->type);
        if (i > 0)
            fputc(',', out);
        if (map)
            write_map_entry(out, *(ProtobufCMessage *const *)item);
        else
            write_value(out, f, item);
    }
    fputc(map ? '}' : ']', out);
}

static bool field_is_set(const ProtobufCFieldDescriptor *f, const char *base)
{
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return true;
    if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
        *(const uint32_t *)(base + f->quantifier_offset) != f->id)
        return false;
    return f->type != PROTOBUF_C_TYPE_MESSAGE ||
           *(ProtobufCMessage *const *)(base + f->offset) != NULL;
}

bool json_write_members(FILE *out, const ProtobufCMessage *m)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;
    const char *base = (const char *)m;
    bool any = false;
    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        if (!field_is_set(f, base))
            continue;
        if (any)
            fputc(',', out);
        any = true;
        write_name(out, f->name);
        if (f->label == PROTOBUF_C_LABEL_REPEATED)
            write_repeated(out, f, base);
        else
            write_value(out, f, base + f->offset);
    }
    return any;
}

void json_write_message(FILE *out, const ProtobufCMessage *m)
{
    if (m->descriptor == &google__protobuf__timestamp__descriptor) {
        write_timestamp(out, (const Google__Protobuf__Timestamp *)m);
    } else if (m->descriptor == &google__protobuf__duration__descriptor) {
        write_duration(out, (const Google__Protobuf__Duration *)m);
    } else {
        fputc('{', out);
        json_write_members(out, m);
        fputc('}', out);
    }
}
