/* load_tally.c - how calls ended, counted, and told. */
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

#include <google/rpc/error_details.pb-c.h>
#include <google/rpc/status.pb-c.h>

#include "tests/bench/load.h"

const char *load_code_name(grpc_status_code code)
{
    static const char *const names[] = {
        [GRPC_STATUS_OK] = "OK",
        [GRPC_STATUS_CANCELLED] = "CANCELLED",
        [GRPC_STATUS_UNKNOWN] = "UNKNOWN",
        [GRPC_STATUS_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
        [GRPC_STATUS_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
        [GRPC_STATUS_NOT_FOUND] = "NOT_FOUND",
        [GRPC_STATUS_ALREADY_EXISTS] = "ALREADY_EXISTS",
        [GRPC_STATUS_PERMISSION_DENIED] = "PERMISSION_DENIED",
        [GRPC_STATUS_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
        [GRPC_STATUS_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
        [GRPC_STATUS_ABORTED] = "ABORTED",
        [GRPC_STATUS_OUT_OF_RANGE] = "OUT_OF_RANGE",
        [GRPC_STATUS_UNIMPLEMENTED] = "UNIMPLEMENTED",
        [GRPC_STATUS_INTERNAL] = "INTERNAL",
        [GRPC_STATUS_UNAVAILABLE] = "UNAVAILABLE",
        [GRPC_STATUS_DATA_LOSS] = "DATA_LOSS",
        [GRPC_STATUS_UNAUTHENTICATED] = "UNAUTHENTICATED",
    };
    const size_t n = sizeof(names) / sizeof(names[0]);
    return (size_t)code < n && names[code] != NULL ? names[code] : "UNKNOWN";
}

/* --- the details of a status --- */

struct details {
    char reason[LOAD_REASON];
    bool has_retry;
    int64_t retry_ms;
};

static bool is_type(const Google__Protobuf__Any *any, const char *name)
{
    const char *slash = strrchr(any->type_url, '/');
    return slash != NULL && strcmp(slash + 1, name) == 0;
}

static void read_detail(const Google__Protobuf__Any *any, struct details *d)
{
    if (is_type(any, "google.rpc.ErrorInfo")) {
        Google__Rpc__ErrorInfo *m =
            google__rpc__error_info__unpack(NULL, any->value.len, any->value.data);
        if (m != NULL)
            (void)snprintf(d->reason, sizeof(d->reason), "%s", m->reason);
        google__rpc__error_info__free_unpacked(m, NULL);
    }
    if (is_type(any, "google.rpc.RetryInfo")) {
        Google__Rpc__RetryInfo *m =
            google__rpc__retry_info__unpack(NULL, any->value.len, any->value.data);
        if (m != NULL && m->retry_delay != NULL) {
            d->has_retry = true;
            d->retry_ms = m->retry_delay->seconds * 1000 + m->retry_delay->nanos / 1000000;
        }
        google__rpc__retry_info__free_unpacked(m, NULL);
    }
}

static void read_details(const grpc_metadata_array *trailers, struct details *d)
{
    for (size_t i = 0; i < trailers->count; i++) {
        const grpc_slice value = trailers->metadata[i].value;
        if (grpc_slice_str_cmp(trailers->metadata[i].key, "grpc-status-details-bin") != 0)
            continue;
        Google__Rpc__Status *s = google__rpc__status__unpack(NULL, GRPC_SLICE_LENGTH(value),
                                                             GRPC_SLICE_START_PTR(value));
        for (size_t k = 0; s != NULL && k < s->n_details; k++)
            read_detail(s->details[k], d);
        google__rpc__status__free_unpacked(s, NULL);
    }
}

/* --- counting --- */

static struct load_end *end_of(struct load_tally *t, grpc_status_code code, const char *reason)
{
    for (unsigned i = 0; i < t->n_ends; i++) {
        if (t->ends[i].code == code && strcmp(t->ends[i].reason, reason) == 0)
            return &t->ends[i];
    }
    if (t->n_ends == LOAD_ENDS) /* more kinds than anybody looks at: they share the last line */
        return &t->ends[LOAD_ENDS - 1];
    struct load_end *e = &t->ends[t->n_ends++];
    *e = (struct load_end){.code = code, .least_retry_ms = INT64_MAX};
    (void)snprintf(e->reason, sizeof(e->reason), "%s", reason);
    return e;
}

int64_t load_tally_add(struct load_tally *t, grpc_status_code code,
                       const grpc_metadata_array *trailers, int64_t took_ns)
{
    struct details d = {.retry_ms = 0};
    if (code != GRPC_STATUS_OK)
        read_details(trailers, &d);
    struct load_end *e = end_of(t, code, d.reason);
    e->n++;
    e->with_retry += d.has_retry;
    if (d.has_retry && d.retry_ms < e->least_retry_ms)
        e->least_retry_ms = d.retry_ms;
    if (code == GRPC_STATUS_OK)
        histogram_add(&t->ok, took_ns);
    if (code == GRPC_STATUS_RESOURCE_EXHAUSTED)
        histogram_add(&t->refused, took_ns);
    return d.has_retry ? d.retry_ms : 0;
}

/* --- telling --- */

static uint64_t total_of(const struct load_tally *t)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < t->n_ends; i++)
        n += t->ends[i].n;
    return n;
}

static void tell(const char *name, const struct load_tally *t, double seconds, FILE *out)
{
    if (t->n_ends == 0)
        return;
    (void)fprintf(out, "%-15s %9" PRIu64 " ended, %9.0f/s;", name, total_of(t),
                  (double)total_of(t) / seconds);
    if (t->ok.n > 0)
        (void)fprintf(out, " OK ms: p50 %.2f, p99 %.2f, most %.2f;", histogram_ms(&t->ok, 0.5),
                      histogram_ms(&t->ok, 0.99), (double)t->ok.most_us / 1000);
    if (t->refused.n > 0)
        (void)fprintf(out, " refused ms: p50 %.2f, p99 %.2f", histogram_ms(&t->refused, 0.5),
                      histogram_ms(&t->refused, 0.99));
    (void)fputc('\n', out);
    for (unsigned i = 0; i < t->n_ends; i++) {
        const struct load_end *e = &t->ends[i];
        (void)fprintf(out, "    %-20s %-24s %9" PRIu64, load_code_name(e->code), e->reason, e->n);
        if (e->with_retry > 0)
            (void)fprintf(out, "   %" PRIu64 " with RetryInfo, at least %" PRId64 " ms",
                          e->with_retry, e->least_retry_ms);
        (void)fputc('\n', out);
    }
    if (t->not_serving > 0)
        (void)fprintf(out, "    %" PRIu64 " not SERVING\n", t->not_serving);
}

static long own_kib(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) == 0 ? u.ru_maxrss : 0;
}

void load_report(const struct load *l, FILE *out)
{
    const double seconds = (double)l->took_ns / 1e9;
    (void)fprintf(out,
                  "%.1f s; %u of %u connections open; %" PRIu64 " calls begun, %" PRIu64
                  " asked again, %" PRIu64 " cut off, %" PRIu64
                  " not begun in time; %ld KiB taken here\n",
                  seconds, l->open_connections, l->o.connections, l->n_begun, l->n_retries,
                  l->n_cut, l->n_unsent, own_kib());
    for (unsigned i = 0; i < N_LOAD_RPCS; i++)
        tell(load_rpc_name((enum load_rpc)i), &l->tallies[i], seconds, out);
    if (l->o.streams > 0)
        (void)fprintf(out, "%u of %u streams open; %" PRIu64 " opened, %" PRIu64 " messages\n",
                      l->watches_open, l->o.streams, l->watches_opened, l->watch_messages);
    tell("watch", &l->watching, seconds, out);
}

static void tell_times(const char *name, const struct histogram *h, FILE *out)
{
    (void)fprintf(out,
                  ", \"%s\": {\"n\": %" PRIu64
                  ", \"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"most\": %.3f}",
                  name, h->n, histogram_ms(h, 0.5), histogram_ms(h, 0.9), histogram_ms(h, 0.99),
                  (double)h->most_us / 1000);
}

static void tell_json(const char *name, const struct load_tally *t, FILE *out)
{
    (void)fprintf(out, "\"%s\": {\"ended\": %" PRIu64 ", \"not_serving\": %" PRIu64 ", \"ends\": [",
                  name, total_of(t), t->not_serving);
    for (unsigned i = 0; i < t->n_ends; i++) {
        const struct load_end *e = &t->ends[i];
        (void)fprintf(out,
                      "%s{\"code\": \"%s\", \"reason\": \"%s\", \"n\": %" PRIu64
                      ", \"with_retry\": %" PRIu64 ", \"least_retry_ms\": %" PRId64 "}",
                      i > 0 ? ", " : "", load_code_name(e->code), e->reason, e->n, e->with_retry,
                      e->with_retry > 0 ? e->least_retry_ms : 0);
    }
    (void)fputc(']', out);
    tell_times("ok_ms", &t->ok, out);
    tell_times("refused_ms", &t->refused, out);
    (void)fputc('}', out);
}

void load_report_json(const struct load *l, FILE *out)
{
    (void)fprintf(out,
                  "{\"seconds\": %.3f, \"connections\": %u, \"begun\": %" PRIu64
                  ", \"retries\": %" PRIu64 ", \"cut\": %" PRIu64 ", \"unsent\": %" PRIu64
                  ", \"kib\": %ld, \"streams\": %u, \"streams_opened\": %" PRIu64
                  ", \"messages\": %" PRIu64 ", \"rpcs\": {",
                  (double)l->took_ns / 1e9, l->open_connections, l->n_begun, l->n_retries, l->n_cut,
                  l->n_unsent, own_kib(), l->watches_open, l->watches_opened, l->watch_messages);
    for (unsigned i = 0; i < N_LOAD_RPCS; i++) {
        tell_json(load_rpc_name((enum load_rpc)i), &l->tallies[i], out);
        (void)fputs(", ", out);
    }
    tell_json("watch", &l->watching, out);
    (void)fputs("}}\n", out);
}
