/* status.c - one array of codes, one packer of details. */
#include "server/status.h"

#include <assert.h>
#include <string.h>

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

#define DOMAIN "berth.v1"

static const struct {
    grpc_status_code code;
    const char *name; /* also the reason of an error that names none */
} codes[N_ERR_CODES] = {
    [ERR_NONE] = {GRPC_STATUS_OK, "OK"},
    [ERR_INVALID] = {GRPC_STATUS_INVALID_ARGUMENT, "INVALID_ARGUMENT"},
    [ERR_NOT_FOUND] = {GRPC_STATUS_NOT_FOUND, "NOT_FOUND"},
    [ERR_EXISTS] = {GRPC_STATUS_ALREADY_EXISTS, "ALREADY_EXISTS"},
    [ERR_CONFLICT] = {GRPC_STATUS_ABORTED, "ABORTED"},
    [ERR_PRECONDITION] = {GRPC_STATUS_FAILED_PRECONDITION, "FAILED_PRECONDITION"},
    [ERR_EXHAUSTED] = {GRPC_STATUS_RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED"},
    [ERR_UNAVAILABLE] = {GRPC_STATUS_UNAVAILABLE, "UNAVAILABLE"},
    [ERR_TIMEOUT] = {GRPC_STATUS_DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"},
    [ERR_OUT_OF_RANGE] = {GRPC_STATUS_OUT_OF_RANGE, "OUT_OF_RANGE"},
    [ERR_CANCELLED] = {GRPC_STATUS_CANCELLED, "CANCELLED"},
    [ERR_UNKNOWN_CALLER] = {GRPC_STATUS_UNAUTHENTICATED, "UNAUTHENTICATED"},
    [ERR_DENIED] = {GRPC_STATUS_PERMISSION_DENIED, "PERMISSION_DENIED"},
    [ERR_UNIMPLEMENTED] = {GRPC_STATUS_UNIMPLEMENTED, "UNIMPLEMENTED"},
    [ERR_INTERNAL] = {GRPC_STATUS_INTERNAL, "INTERNAL"},
};

enum { MAX_DETAILS = 4, MAX_METADATA = ERR_META_MAX + 1, DETAIL_BYTES = 8192, CURSOR_BYTES = 4096 };

grpc_status_code status_code(enum err_code code)
{
    assert(code < N_ERR_CODES);
    return codes[code].code;
}

const char *status_code_name(grpc_status_code code)
{
    for (size_t i = 0; i < N_ERR_CODES; i++) {
        if (codes[i].code == code)
            return codes[i].name;
    }
    return "UNKNOWN";
}

/* google.rpc.Status under construction: the details are packed one after the other into bytes. */
struct builder {
    Google__Protobuf__Any any[MAX_DETAILS];
    Google__Protobuf__Any *list[MAX_DETAILS];
    size_t n;
    uint8_t bytes[DETAIL_BYTES];
    size_t used;
};

/* A detail that would not fit is left out; the bounds of struct err make that impossible but for
 * the cursor, which has a bound of its own. */
static void add_detail(struct builder *b, const char *type_url, const ProtobufCMessage *m)
{
    size_t size = protobuf_c_message_get_packed_size(m);
    if (b->n == MAX_DETAILS || size > sizeof(b->bytes) - b->used)
        return;
    uint8_t *at = b->bytes + b->used;
    protobuf_c_message_pack(m, at);
    b->used += size;
    Google__Protobuf__Any *any = &b->any[b->n];
    google__protobuf__any__init(any);
    any->type_url = (char *)type_url; /* protobuf-c has no const for strings */
    any->value = (ProtobufCBinaryData){.len = size, .data = at};
    b->list[b->n++] = any;
}

static const char *reason_of(const struct err *e)
{
    return e->reason != NULL ? e->reason : codes[e->code].name;
}

static void add_error_info(struct builder *b, const struct err *e, const char *cursor)
{
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    Google__Rpc__ErrorInfo__MetadataEntry entries[MAX_METADATA];
    Google__Rpc__ErrorInfo__MetadataEntry *list[MAX_METADATA];
    size_t n = 0;
    for (; n < e->n_meta; n++) {
        google__rpc__error_info__metadata_entry__init(&entries[n]);
        entries[n].key = (char *)e->meta[n].key;
        entries[n].value = (char *)e->meta[n].value;
        list[n] = &entries[n];
    }
    if (cursor != NULL && strlen(cursor) <= CURSOR_BYTES) {
        google__rpc__error_info__metadata_entry__init(&entries[n]);
        entries[n].key = (char *)"cursor";
        entries[n].value = (char *)cursor;
        list[n] = &entries[n];
        n++;
    }
    info.reason = (char *)reason_of(e);
    info.domain = (char *)DOMAIN;
    info.metadata = list;
    info.n_metadata = n;
    add_detail(b, "type.googleapis.com/google.rpc.ErrorInfo", &info.base);
}

static void add_bad_request(struct builder *b, const struct err *e)
{
    for (unsigned i = 0; i < e->n_meta; i++) {
        if (strcmp(e->meta[i].key, "field") != 0)
            continue;
        Google__Rpc__BadRequest__FieldViolation v = GOOGLE__RPC__BAD_REQUEST__FIELD_VIOLATION__INIT;
        Google__Rpc__BadRequest__FieldViolation *list[] = {&v};
        Google__Rpc__BadRequest bad = GOOGLE__RPC__BAD_REQUEST__INIT;
        v.field = (char *)e->meta[i].value;
        v.description = (char *)e->message;
        bad.n_field_violations = 1;
        bad.field_violations = list;
        add_detail(b, "type.googleapis.com/google.rpc.BadRequest", &bad.base);
        return;
    }
}

static void add_retry_info(struct builder *b, const struct err *e)
{
    if (e->retry_after_ms == 0)
        return;
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    Google__Rpc__RetryInfo retry = GOOGLE__RPC__RETRY_INFO__INIT;
    delay.seconds = e->retry_after_ms / 1000;
    delay.nanos = (int32_t)(e->retry_after_ms % 1000) * 1000000;
    retry.retry_delay = &delay;
    add_detail(b, "type.googleapis.com/google.rpc.RetryInfo", &retry.base);
}

static void add_precondition(struct builder *b, const struct err *e)
{
    if (e->code != ERR_PRECONDITION)
        return;
    Google__Rpc__PreconditionFailure__Violation v =
        GOOGLE__RPC__PRECONDITION_FAILURE__VIOLATION__INIT;
    Google__Rpc__PreconditionFailure__Violation *list[] = {&v};
    Google__Rpc__PreconditionFailure failure = GOOGLE__RPC__PRECONDITION_FAILURE__INIT;
    v.type = (char *)reason_of(e);
    v.subject = (char *)(e->n_meta > 0 ? e->meta[0].value : "");
    v.description = (char *)e->message;
    failure.n_violations = 1;
    failure.violations = list;
    add_detail(b, "type.googleapis.com/google.rpc.PreconditionFailure", &failure.base);
}

void status_init(struct status *s, const struct err *e, const char *cursor)
{
    if (e == NULL || e->code == ERR_NONE) {
        *s = (struct status){
            .code = GRPC_STATUS_OK, .message = grpc_empty_slice(), .details = grpc_empty_slice()};
        return;
    }
    struct builder b = {.n = 0};
    Google__Rpc__Status message = GOOGLE__RPC__STATUS__INIT;
    add_error_info(&b, e, cursor);
    add_bad_request(&b, e);
    add_retry_info(&b, e);
    add_precondition(&b, e);
    message.code = (int32_t)status_code(e->code);
    message.message = (char *)e->message;
    message.details = b.list;
    message.n_details = b.n;
    s->code = status_code(e->code);
    s->message = grpc_slice_from_copied_string(e->message);
    s->details = grpc_slice_malloc(google__rpc__status__get_packed_size(&message));
    google__rpc__status__pack(&message, GRPC_SLICE_START_PTR(s->details));
}

void status_finish(struct status *s)
{
    grpc_slice_unref(s->message);
    grpc_slice_unref(s->details);
}
