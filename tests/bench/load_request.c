/* load_request.c - the RPCs the generator knows, and their requests. */
#include <stdlib.h>
#include <string.h>

#include <berth/v1/scheduler.pb-c.h>

#include "tests/bench/load.h"

#define SERVICE     "/berth.v1.SchedulerService/"
#define HEALTH_PATH "/grpc.health.v1.Health/Check"

static const struct {
    const char *name, *path;
    const char *health; /* the service asked for */
} rpcs[N_LOAD_RPCS] = {
    [LOAD_SCHEDULE] = {.name = "schedule", .path = SERVICE "ScheduleScalingGroup"},
    [LOAD_CANCEL] = {.name = "cancel", .path = SERVICE "CancelSession"},
    [LOAD_PREVIEW] = {.name = "preview", .path = SERVICE "PreviewAllocation"},
    [LOAD_PENDING] = {.name = "pending", .path = SERVICE "ListPendingSessions"},
    [LOAD_GROUPS] = {.name = "groups", .path = SERVICE "ListScalingGroups"},
    [LOAD_HEALTH] = {.name = "health", .path = HEALTH_PATH, .health = ""},
    [LOAD_HEALTH_SERVICE] = {.name = "health-service",
                             .path = HEALTH_PATH,
                             .health = "berth.v1.SchedulerService"},
    [LOAD_LIVE] = {.name = "live", .path = HEALTH_PATH, .health = "live"},
};

const char *load_rpc_name(enum load_rpc rpc)
{
    return rpcs[rpc].name;
}

const char *load_rpc_path(enum load_rpc rpc)
{
    return rpcs[rpc].path;
}

static grpc_slice pack(const ProtobufCMessage *m)
{
    grpc_slice s = grpc_slice_malloc(protobuf_c_message_get_packed_size(m));
    protobuf_c_message_pack(m, GRPC_SLICE_START_PTR(s));
    return s;
}

/* HealthCheckRequest: field 1 is the service. */
static grpc_slice pack_health(const char *service)
{
    const size_t n = strlen(service);
    grpc_slice s = grpc_slice_malloc(n > 0 ? n + 2 : 0);
    if (n > 0) {
        GRPC_SLICE_START_PTR(s)[0] = 1 << 3 | 2;
        GRPC_SLICE_START_PTR(s)[1] = (uint8_t)n;
        memcpy(GRPC_SLICE_START_PTR(s) + 2, service, n);
    }
    return s;
}

static grpc_slice pack_request(enum load_rpc rpc, const struct load_options *o, const char *session)
{
    Berth__V1__ScheduleScalingGroupRequest schedule =
        BERTH__V1__SCHEDULE_SCALING_GROUP_REQUEST__INIT;
    Berth__V1__CancelSessionRequest cancel = BERTH__V1__CANCEL_SESSION_REQUEST__INIT;
    Berth__V1__PreviewAllocationRequest preview = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__INIT;
    Berth__V1__ListPendingSessionsRequest pending = BERTH__V1__LIST_PENDING_SESSIONS_REQUEST__INIT;
    Berth__V1__ListScalingGroupsRequest groups = BERTH__V1__LIST_SCALING_GROUPS_REQUEST__INIT;
    switch (rpc) {
    case LOAD_SCHEDULE:
        schedule.scaling_group = (char *)o->group; /* protobuf-c has no const for strings */
        schedule.view = BERTH__V1__ROUND_VIEW__ROUND_VIEW_COUNTS;
        return pack(&schedule.base);
    case LOAD_CANCEL:
        cancel.session_id = (char *)session;
        return pack(&cancel.base);
    case LOAD_PREVIEW:
        preview.target_case = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET_SESSION_ID;
        preview.session_id = (char *)session;
        preview.view = BERTH__V1__PREVIEW_VIEW__PREVIEW_VIEW_VERDICT;
        return pack(&preview.base);
    case LOAD_PENDING:
        pending.scaling_group = (char *)o->group;
        pending.page_size = 20;
        return pack(&pending.base);
    case LOAD_GROUPS:
        return pack(&groups.base);
    default:
        return pack_health(rpcs[rpc].health);
    }
}

grpc_byte_buffer *load_request(enum load_rpc rpc, const struct load_options *o, const char *session,
                               grpc_slice padding)
{
    grpc_slice parts[] = {pack_request(rpc, o, session), padding};
    grpc_byte_buffer *b =
        grpc_raw_byte_buffer_create(parts, GRPC_SLICE_LENGTH(padding) > 0 ? 2 : 1);
    grpc_slice_unref(parts[0]);
    return b;
}

const char *load_watch_path(void)
{
    return SERVICE "WatchEvents";
}

grpc_byte_buffer *load_watch_request(const struct load_options *o)
{
    Berth__V1__WatchEventsRequest m = BERTH__V1__WATCH_EVENTS_REQUEST__INIT;
    /* Who does not read is to have something to read. */
    m.start = o->slow ? BERTH__V1__WATCH_START__WATCH_START_BEGINNING
                      : BERTH__V1__WATCH_START__WATCH_START_NOW;
    grpc_slice s = pack(&m.base);
    grpc_byte_buffer *b = grpc_raw_byte_buffer_create(&s, 1);
    grpc_slice_unref(s);
    return b;
}

grpc_slice load_padding(unsigned bytes)
{
    static const uint8_t key[] = {0xc2, 0x3e}; /* field 1000, bytes */
    uint8_t head[sizeof(key) + 5];
    size_t n = sizeof(key);
    if (bytes == 0)
        return grpc_empty_slice();
    memcpy(head, key, sizeof(key));
    for (unsigned v = bytes; v > 0 || n == sizeof(key); v >>= 7)
        head[n++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
    grpc_slice s = grpc_slice_malloc(n + bytes);
    memcpy(GRPC_SLICE_START_PTR(s), head, n);
    memset(GRPC_SLICE_START_PTR(s) + n, 'x', bytes);
    return s;
}
