/* fuzz_described.c - previews of what a request only describes: PreviewAllocationRequest, let in at
 * the door, becomes rows of a snapshot of a small cluster (the first byte is its seed), and is
 * explained with remedies. */
#include "scheduler/explainer.h"
#include "scheduler/guest.h"
#include "scheduler/remedy.h"
#include "server/described.h"
#include "server/inbound.h"
#include "tests/fuzz/fuzz.h"
#include "tests/reference/cluster.h"

enum { CAP = 1 << 20, SEEDS = 8, MOST_TRIES = 30 };

static Berth__V1__PreviewAllocationRequest *unpack(const uint8_t *bytes, size_t n, struct arena *a)
{
    static struct inbound *in;
    static const void *rules;
    static const ProtobufCMessageDescriptor *const d =
        &berth__v1__preview_allocation_request__descriptor;
    struct inbound_memory memory = {.arena = a, .cap = CAP};
    ProtobufCMessage *message = NULL;
    struct err e = {.code = ERR_NONE};
    if (in == NULL) {
        in = inbound_create();
        FUZZ_REQUIRE(inbound_add(in, d, &rules, &e) == 0, "inbound_add: %s", e.message);
    }
    return inbound_unpack(d, rules, bytes, n, &memory, &message, &e) == 0
               ? (Berth__V1__PreviewAllocationRequest *)message
               : NULL;
}

/* A copy of the snapshot with what is described; NULL: refused, naming the field. */
static const struct snapshot *describe(const Berth__V1__PreviewAllocationRequest *q,
                                       const struct snapshot *s, struct guest *ret, struct arena *a)
{
    struct snapshot_spec_owners owners = {.session_group = NONE};
    struct err e = {.code = ERR_NONE};
    struct snapshot_builder *b = builder_create(a);
    for (uint32_t i = 0; i < s->n_owners; i++)
        owners.owner[s->owners[i].kind] = i;
    (void)described_owners(q->spec, a);
    builder_copy(b, s);
    if (described_session(s, q->spec, &owners, ret, a, &e) == 0 &&
        described_without_agents(b, q->without_agents, q->n_without_agents, a, &e) == 0 &&
        described_extra_agents(b, s, q->extra_agents, q->n_extra_agents, a, &e) == 0) {
        builder_guest(b, ret);
        return builder_finish(b);
    }
    FUZZ_REQUIRE(e.code == ERR_INVALID && e.n_meta > 0 && strcmp(e.meta[0].key, "field") == 0,
                 "refused with %s and no field: %s", err_code_name(e.code), e.message);
    return NULL;
}

static void explain(const Berth__V1__PreviewAllocationRequest *q, const struct snapshot *s,
                    const struct policy *p, uint32_t session, struct arena *a)
{
    struct explain_request request = {
        .session = session,
        .is_spec = true,
        .after_queue = q->after_queue,
        .agents = true,
        .ignore_validators = (const char *const *)q->ignore_validators,
        .n_ignore_validators = (uint32_t)q->n_ignore_validators,
    };
    const struct remedy_limits limits = {.max_tries = MOST_TRIES};
    struct explanation *x = NULL;
    struct remedies *found = NULL;
    struct err e = {.code = ERR_NONE};
    if (round_explain(s, p, &request, a, &x, &e) < 0) {
        FUZZ_REQUIRE(e.code == ERR_INVALID, "round_explain: %s", e.message);
        return;
    }
    FUZZ_REQUIRE((x->verdict == VERDICT_FITS) == (x->decision.n_causes == 0),
                 "verdict %d with %u causes", (int)x->verdict, x->decision.n_causes);
    FUZZ_REQUIRE(remedy_find(s, p, &request, &limits, a, &found, &e) == 0, "remedy_find: %s",
                 e.message);
    FUZZ_REQUIRE(x->verdict != VERDICT_FITS || found->n == 0, "remedies for what fits");
}

/* The same from outside the snapshot: what may be asked that way is answered alike. */
static void explain_outside(const Berth__V1__PreviewAllocationRequest *q, const struct snapshot *s,
                            const struct snapshot *copy, const struct policy *p,
                            const struct guest *g, struct arena *a)
{
    struct explain_request request = {
        .session = snapshot_find_session(copy, &g->session.id),
        .is_spec = true,
        .ignore_validators = (const char *const *)q->ignore_validators,
        .n_ignore_validators = (uint32_t)q->n_ignore_validators,
    };
    const struct snapshot *view;
    struct explanation *inside = NULL, *outside = NULL;
    struct err e = {.code = ERR_NONE};
    if (q->n_without_agents > 0 || q->n_extra_agents > 0 || !guest_stays_outside(s, g) ||
        !explainer_suits(p, &request))
        return;
    const int rc = round_explain(copy, p, &request, a, &inside, &e);
    FUZZ_REQUIRE(
        explainer_ask_guest(explainer_create(s, p, a), g, &request, a, &outside, &view, &e) == rc,
        "outside: %s", e.message);
    FUZZ_REQUIRE(rc < 0 || (inside->verdict == outside->verdict &&
                            inside->decision.n_causes == outside->decision.n_causes),
                 "verdict %d outside, %d inside", (int)outside->verdict, (int)inside->verdict);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static struct registry *registry;
    if (registry == NULL)
        registry = registry_create();
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct cluster cluster;
    struct guest guest;
    struct policy *policy = NULL;
    struct err e = {.code = ERR_NONE};
    cluster_create(take_kind(&bytes, &n, SEEDS), 1, a, &cluster);
    const Berth__V1__PreviewAllocationRequest *q = unpack(bytes, n, a);
    if (q == NULL || q->target_case != BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET_SPEC)
        return 0;
    const struct snapshot *s = describe(q, cluster.snapshot, &guest, a);
    if (s == NULL || policy_resolve(registry, &cluster.config, s, a, &policy, &e) < 0)
        return 0;
    explain(q, s, policy, snapshot_find_session(s, &guest.session.id), a);
    explain_outside(q, cluster.snapshot, s, policy, &guest, a);
    return 0;
}
