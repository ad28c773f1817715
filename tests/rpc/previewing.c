/* previewing.c - requests for previews and lists, and their answers. */
#include "tests/rpc/previewing.h"

#include "server/convert.h"

Berth__V1__SlotAmount *slot_amount(const char *slot, const char *value)
{
    Berth__V1__SlotAmount *m =
        message_new(test_arena(), Berth__V1__SlotAmount, berth__v1__slot_amount);
    m->slot = convert_text(slot);
    m->amount = convert_text(value);
    return m;
}

preview_request preview_of(const struct db *d, const char *session)
{
    preview_request q = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__INIT;
    q.target_case = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET_SESSION_ID;
    q.session_id = id_text(d, session);
    return q;
}

Berth__V1__SessionSpec *spec_of(const struct db *d, size_t n, const char *cpu)
{
    struct arena *a = test_arena();
    Berth__V1__SessionSpec *spec = message_new(a, Berth__V1__SessionSpec, berth__v1__session_spec);
    spec->access_key = convert_text("AK1");
    spec->project_id = id_text(d, "p1");
    spec->kernels = arena_new(a, Berth__V1__KernelSpec *, n);
    spec->n_kernels = n;
    for (size_t i = 0; i < n; i++) {
        spec->kernels[i] = message_new(a, Berth__V1__KernelSpec, berth__v1__kernel_spec);
        spec->kernels[i]->slots = arena_new(a, Berth__V1__SlotAmount *, 2);
        spec->kernels[i]->slots[0] = slot_amount("cpu", cpu);
        spec->kernels[i]->slots[1] = slot_amount("mem", "1073741824");
        spec->kernels[i]->n_slots = 2;
    }
    return spec;
}

preview_request preview_of_spec(Berth__V1__SessionSpec *spec)
{
    preview_request q = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__INIT;
    q.target_case = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET_SPEC;
    q.spec = spec;
    q.scaling_group = convert_text("g1");
    return q;
}

preview_answer *preview(const preview_request *q, const char *what)
{
    return call_ok(PREVIEW_PATH, &q->base, &berth__v1__preview_allocation_response__descriptor,
                   what);
}

void assert_verdict(const preview_answer *a, int verdict, const char *what)
{
    ck_assert_msg((int)a->verdict == verdict, "%s: verdict %d, expected %d: %s", what,
                  (int)a->verdict, verdict, a->n_causes > 0 ? a->causes[0]->message : "no cause");
}

Google__Protobuf__Duration *duration_ms(int64_t ms)
{
    Google__Protobuf__Duration *d =
        message_new(test_arena(), Google__Protobuf__Duration, google__protobuf__duration);
    d->seconds = ms / 1000;
    d->nanos = (int32_t)(ms % 1000) * 1000000;
    return d;
}

int64_t ms_of(const Google__Protobuf__Duration *d)
{
    ck_assert_msg(d != NULL, "there is no duration");
    ck_assert_msg(d->seconds >= 0 && d->nanos >= 0, "it is negative");
    return d->seconds * 1000 + (d->nanos + 999999) / 1000000;
}

Berth__V1__ListPendingSessionsResponse *
list_pending(const char *group, Google__Protobuf__Duration *max_age, const char *what)
{
    Berth__V1__ListPendingSessionsRequest q = BERTH__V1__LIST_PENDING_SESSIONS_REQUEST__INIT;
    q.scaling_group = convert_text(group);
    q.max_snapshot_age = max_age;
    return call_ok(PENDING_PATH, &q.base, &berth__v1__list_pending_sessions_response__descriptor,
                   what);
}
