/* read_whole.c - see read_whole.h. */
#include "tests/rpc/read_whole.h"

#include "server/app.h"
#include "server/preview_answer.h"
#include "server/round_service.h"
#include "tests/repo/world.h"

Berth__V1__PreviewAllocationResponse *
answer_read_whole(const struct app *app, struct pg *c, const Berth__V1__PreviewAllocationRequest *q,
                  struct arena *a, const char *what)
{
    const struct snapshot *s = world_load(c, "g1", a);
    struct policy *policy = NULL;
    struct explanation *x = NULL;
    struct err e = {.code = ERR_NONE};
    struct uuid id;
    ck_assert(uuid_parse(q->session_id, &id));
    const struct explain_request request = {.session = snapshot_find_session(s, &id),
                                            .after_queue = q->after_queue,
                                            .agents = true,
                                            .n_rows = q->page_size};
    ck_assert_msg(request.session != NONE, "%s: the session is not in the queue", what);
    assert_done(round_service_policy(app->rounds, s, a, &policy, &e), &e, what);
    assert_done(round_explain(s, policy, &request, a, &x, &e), &e, what);
    const struct preview_found found = {.snapshot = s, .x = x, .stored = true, .agents = true};
    return preview_answer(&found, a);
}

struct bytes answer_bytes(Berth__V1__PreviewAllocationResponse *m, struct arena *a)
{
    m->snapshot_age = NULL;
    m->snapshot_time = NULL;
    struct bytes b = {.n = protobuf_c_message_get_packed_size(&m->base)};
    b.bytes = arena_alloc(a, b.n + 1, 1);
    protobuf_c_message_pack(&m->base, b.bytes);
    return b;
}
