/* failure.c - how a failed call is told, see failure.h. */
#include "server/berthctl/failure.h"

#include <grpc/status.h>
#include <string.h>

#include "server/berthctl/human.h"
#include "server/berthctl/json.h"
#include "server/berthctl/text.h"

static const struct {
    const char *name;
    int exit;
} codes[] = {
    [GRPC_STATUS_OK] = {"OK", EXIT_OK},
    [GRPC_STATUS_CANCELLED] = {"CANCELLED", EXIT_OTHER},
    [GRPC_STATUS_UNKNOWN] = {"UNKNOWN", EXIT_OTHER},
    [GRPC_STATUS_INVALID_ARGUMENT] = {"INVALID_ARGUMENT", EXIT_USAGE},
    [GRPC_STATUS_DEADLINE_EXCEEDED] = {"DEADLINE_EXCEEDED", EXIT_UNAVAILABLE},
    [GRPC_STATUS_NOT_FOUND] = {"NOT_FOUND", EXIT_NOT_FOUND},
    [GRPC_STATUS_ALREADY_EXISTS] = {"ALREADY_EXISTS", EXIT_BUSY},
    [GRPC_STATUS_PERMISSION_DENIED] = {"PERMISSION_DENIED", EXIT_OTHER},
    [GRPC_STATUS_RESOURCE_EXHAUSTED] = {"RESOURCE_EXHAUSTED", EXIT_BUSY},
    [GRPC_STATUS_FAILED_PRECONDITION] = {"FAILED_PRECONDITION", EXIT_OTHER},
    [GRPC_STATUS_ABORTED] = {"ABORTED", EXIT_BUSY},
    [GRPC_STATUS_OUT_OF_RANGE] = {"OUT_OF_RANGE", EXIT_OTHER},
    [GRPC_STATUS_UNIMPLEMENTED] = {"UNIMPLEMENTED", EXIT_OTHER},
    [GRPC_STATUS_INTERNAL] = {"INTERNAL", EXIT_OTHER},
    [GRPC_STATUS_UNAVAILABLE] = {"UNAVAILABLE", EXIT_UNAVAILABLE},
    [GRPC_STATUS_DATA_LOSS] = {"DATA_LOSS", EXIT_OTHER},
    [GRPC_STATUS_UNAUTHENTICATED] = {"UNAUTHENTICATED", EXIT_OTHER},
};

static size_t code_index(int code)
{
    return code >= 0 && (size_t)code < ARRAY_SIZE(codes) ? (size_t)code : GRPC_STATUS_UNKNOWN;
}

const char *failure_code_name(int code)
{
    return codes[code_index(code)].name;
}

int failure_exit(const struct failure *f)
{
    return f->interrupted ? EXIT_INTERRUPTED : codes[code_index(f->code)].exit;
}

/* ` group=gpu`, ` known="drf, fifo, lifo"` */
static void add_pair(struct text *t, const char *key, const char *value)
{
    enum { SHOWN = 80 }; /* bytes of a value; cursors are long, --json has them whole */
    const char *quote = value[strcspn(value, " \t\n")] == '\0' ? "" : "\"";
    text_addf(t, " ");
    text_add_clean(t, key);
    text_addf(t, "=%s", quote);
    text_add_clean(t, arena_strndup(t->arena, value, SHOWN));
    text_addf(t, "%s%s", strlen(value) > SHOWN ? "..." : "", quote);
}

/* " [LEASE_BUSY group=gpu holder=berth-1]", or the bare code when there is no ErrorInfo. */
static void add_reason(struct text *t, const struct failure *f)
{
    text_addf(t, " [");
    text_add_clean(t, f->info != NULL ? f->info->reason : failure_code_name(f->code));
    for (size_t i = 0; f->info != NULL && i < f->info->n_metadata; i++)
        add_pair(t, f->info->metadata[i]->key, f->info->metadata[i]->value);
    text_addf(t, "]");
}

const char *failure_words(const struct failure *f)
{
    static const char always[] = "failed to connect to all addresses; last error: UNKNOWN: ";
    bool usual = strncmp(f->message, always, sizeof(always) - 1) == 0;
    return usual ? f->message + sizeof(always) - 1 : f->message;
}

static void add_headline(struct text *t, const struct failure *f, const char *server,
                         int64_t timeout_us)
{
    bool ours = f->info == NULL; /* gRPC's own words, not berthd's */
    if (f->interrupted) {
        text_addf(t, "interrupted");
    } else if (ours && f->code == GRPC_STATUS_DEADLINE_EXCEEDED) {
        text_addf(t, "no answer from %s within %s", server, human_duration(t->arena, timeout_us));
    } else if (ours && f->code == GRPC_STATUS_UNAVAILABLE) {
        text_addf(t, "no answer from %s: ", server);
        text_add_clean(t, failure_words(f));
    } else {
        text_add_clean(t, f->message[0] == '\0' ? failure_code_name(f->code) : f->message);
        add_reason(t, f);
    }
}

/* "subject: words", unless the words are the headline already. */
static void add_detail(struct text *t, const struct failure *f, const char *subject,
                       const char *words)
{
    if (strcmp(words, f->message) == 0)
        return;
    text_addf(t, "\n  ");
    text_add_clean(t, subject);
    text_addf(t, ": ");
    text_add_clean(t, words);
}

static void add_details(struct text *t, const struct failure *f)
{
    for (size_t i = 0; f->bad_request != NULL && i < f->bad_request->n_field_violations; i++)
        add_detail(t, f, f->bad_request->field_violations[i]->field,
                   f->bad_request->field_violations[i]->description);
    for (size_t i = 0; f->precondition != NULL && i < f->precondition->n_violations; i++)
        add_detail(t, f, f->precondition->violations[i]->subject,
                   f->precondition->violations[i]->description);
    if (f->retry != NULL && f->retry->retry_delay != NULL)
        text_addf(t, "\n  Try again in %s.",
                  human_duration(t->arena, duration_us(f->retry->retry_delay)));
}

static const char *failure_hint(const struct failure *f)
{
    if (f->info != NULL || f->interrupted || f->silent)
        return NULL;
    if (f->code == GRPC_STATUS_UNAVAILABLE)
        return "Is berthd running there? --server or BERTH_SERVER names another.";
    if (f->code == GRPC_STATUS_DEADLINE_EXCEEDED)
        return "--timeout allows more. Nothing is half done.";
    return NULL;
}

void failure_print(FILE *out, const struct failure *f, const char *server, int64_t timeout_us,
                   struct arena *a)
{
    struct text t = {.arena = a};
    text_addf(&t, "berthctl: ");
    add_headline(&t, f, server, timeout_us);
    add_details(&t, f);
    const char *hint = failure_hint(f);
    if (hint != NULL)
        text_addf(&t, "\n  %s", hint);
    fprintf(out, "%s\n", text_chars(&t));
}

static void write_detail(FILE *out, const char *name, const ProtobufCMessage *m)
{
    if (m == NULL)
        return;
    fprintf(out, ",\"%s\":", name);
    json_write_message(out, m);
}

void failure_print_json(FILE *out, const struct failure *f)
{
    fprintf(out, "{\"error\":{\"code\":\"%s\",\"message\":",
            f->interrupted ? "CANCELLED" : failure_code_name(f->code));
    json_write_string(out, f->interrupted ? "interrupted" : f->message);
    write_detail(out, "errorInfo", f->info == NULL ? NULL : &f->info->base);
    write_detail(out, "badRequest", f->bad_request == NULL ? NULL : &f->bad_request->base);
    write_detail(out, "preconditionFailure",
                 f->precondition == NULL ? NULL : &f->precondition->base);
    write_detail(out, "retryInfo", f->retry == NULL ? NULL : &f->retry->base);
    fputs("}}\n", out);
}
