/* fuzz_calls.c - a scheduler's life as its callers see it: the bytes are RPCs (rounds that are made
 * or only planned, previews, cancels), damaged now and then, and what changes between them. Each
 * goes through the door, is answered from the file of a snapshot, and comes back packed. What the
 * answers say must agree with each other: what a preview behind the queue promised, the next round
 * does, unless something changed. */
#include "scheduler/snapshot_file.h"
#include "server/described.h"
#include "server/inbound.h"
#include "server/method.h"
#include "server/page_token.h"
#include "server/preview_answer.h"
#include "server/schedule_answer.h"
#include "tests/fuzz/call_check.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/world.h"

enum { MOST_STEPS = 80, CAP = 1 << 20, CALL_EVERY = 3, DAMAGE_EVERY = 8 };

static char group_name[] = "group", no_text[] = "";

struct service {
    struct world world;
    struct choices choices;
    int64_t epoch;
    /* By the world's number of a session: what a preview said of the next round; OUTCOME_NONE:
     * nothing, or something changed since. */
    enum outcome promised[WORLD_SESSIONS];
    struct arena *arena; /* of the call that runs */
    const struct snapshot *snapshot;
    struct policy_config config;
    struct policy *policy;
};

static void forget_promises(struct service *v)
{
    memset(v->promised, 0, sizeof(v->promised));
}

/* The world now, as read from a file. */
static void load(struct service *v)
{
    static struct registry *registry;
    const struct policy_config config = {.max_containers_per_agent = v->world.max_containers};
    uint8_t *bytes = NULL;
    size_t n = 0;
    struct err e = {.code = ERR_NONE};
    if (registry == NULL)
        registry = registry_create();
    snapshot_write(world_snapshot(&v->world, false, v->arena), &config, v->arena, &bytes, &n);
    FUZZ_REQUIRE(snapshot_read(bytes, n, v->arena, &v->snapshot, &v->config, &e) == 0,
                 "snapshot_read: %s", e.message);
    FUZZ_REQUIRE(policy_resolve(registry, &v->config, v->snapshot, v->arena, &v->policy, &e) == 0,
                 "policy_resolve: %s", e.message);
}

/* --- the door --- */

/* The request as the handler gets it; NULL: refused, naming a field unless it is no message. */
static const void *admit(struct service *v, const char *path, const ProtobufCMessage *request)
{
    static struct methods *methods;
    struct err e = {.code = ERR_NONE};
    if (methods == NULL)
        FUZZ_REQUIRE(methods_create(&methods, &e) == 0, "methods_create: %s", e.message);
    const struct method *m = methods_find(methods, path, strlen(path));
    struct inbound_memory memory = {.arena = v->arena, .cap = CAP};
    ProtobufCMessage *ret = NULL;
    FUZZ_REQUIRE(m != NULL, "there is no %s", path);
    const size_t n = protobuf_c_message_get_packed_size(request);
    uint8_t *bytes = arena_alloc(v->arena, n + 1, 1);
    protobuf_c_message_pack(request, bytes);
    const bool damaged = n > 0 && choose(&v->choices, DAMAGE_EVERY) == DAMAGE_EVERY - 1;
    if (damaged)
        bytes[choose_byte(&v->choices) % n] ^= (uint8_t)(1 + choose(&v->choices, 255));
    if (inbound_unpack(m->input, m->rules, bytes, n, &memory, &ret, &e) == 0)
        return ret;
    FUZZ_REQUIRE(damaged, "%s is refused as it is: %s", m->name, e.message);
    FUZZ_REQUIRE(e.code == ERR_INVALID && e.message[0] != '\0', "%s is refused with %s", m->name,
                 err_code_name(e.code));
    return NULL;
}

/* What the client reads. */
static void *receive(struct service *v, const ProtobufCMessageDescriptor *d, const uint8_t *bytes,
                     size_t n)
{
    struct inbound_memory memory = {.arena = v->arena, .cap = SIZE_MAX};
    ProtobufCAllocator allocator = inbound_allocator(&memory);
    void *m = protobuf_c_message_unpack(d, &allocator, n, bytes);
    FUZZ_REQUIRE(m != NULL, "an answer is no %s", d->name);
    return m;
}

/* --- ScheduleScalingGroup --- */

static void check_promises(const struct service *v, const struct plan *p)
{
    for (uint32_t i = 0; i < p->n_decisions; i++) {
        const struct decision *d = &p->decisions[i];
        const enum outcome was = v->promised[world_number(&v->snapshot->sessions[d->session])];
        FUZZ_REQUIRE(was == OUTCOME_NONE || was == d->outcome,
                     "session %u was previewed as %s, and is %s", d->session, outcome_name(was),
                     outcome_name(d->outcome));
    }
}

static Berth__V1__ScheduleScalingGroupRequest ask_round(struct choices *c)
{
    static const uint32_t budgets[] = {0, 0, 0, 1, 3, 8};
    Berth__V1__ScheduleScalingGroupRequest q = BERTH__V1__SCHEDULE_SCALING_GROUP_REQUEST__INIT;
    q.scaling_group = group_name;
    q.max_sessions = budgets[choose(c, ARRAY_SIZE(budgets))];
    q.max_decisions = budgets[choose(c, ARRAY_SIZE(budgets))];
    q.validate_only = choose(c, 2) == 1;
    q.view = (Berth__V1__RoundView)choose(c, 3);
    return q;
}

static void schedule(struct service *v)
{
    const Berth__V1__ScheduleScalingGroupRequest asked = ask_round(&v->choices), *admitted;
    struct plan *plan = NULL;
    struct err e = {.code = ERR_NONE};
    uint8_t *bytes = NULL;
    size_t n = 0;
    admitted = admit(v, "/berth.v1.SchedulerService/ScheduleScalingGroup", &asked.base);
    if (admitted == NULL || strcmp(admitted->scaling_group, group_name) != 0)
        return;
    Berth__V1__ScheduleScalingGroupRequest q = schedule_canonical(admitted);
    const struct round_limits limits = {.max_sessions = q.max_sessions};
    load(v);
    FUZZ_REQUIRE(round_run(v->snapshot, v->policy, &limits, NULL, v->arena, &plan, NULL, &e) == 0,
                 "round_run: %s", e.message);
    const struct round_report report = {
        .scaling_group = q.scaling_group,
        .epoch = q.validate_only ? 0 : ++v->epoch,
        .snapshot = v->snapshot,
        .plan = plan,
    };
    FUZZ_REQUIRE(schedule_answer(&q, &report, v->arena, &bytes, &n, &e) == 0, "schedule_answer: %s",
                 e.message);
    call_check_round(v->snapshot, &q, plan,
                     receive(v, &berth__v1__schedule_scaling_group_response__descriptor, bytes, n));
    if (q.max_sessions == 0)
        check_promises(v, plan);
    if (q.validate_only)
        return;
    world_apply(&v->world, v->snapshot, plan);
    forget_promises(v);
}

/* --- PreviewAllocation --- */

struct preview {
    const Berth__V1__PreviewAllocationRequest *q;
    const struct snapshot *snapshot;
    struct explain_request request;
};

/* A page of the answer, as the client reads it. */
static const Berth__V1__PreviewAllocationResponse *
ask_page(struct service *v, const struct preview *p, uint32_t from, struct explanation **x)
{
    struct explain_request request = p->request;
    struct err e = {.code = ERR_NONE};
    request.first_row = from;
    if (round_explain(p->snapshot, v->policy, &request, v->arena, x, &e) < 0) {
        FUZZ_REQUIRE(e.code == ERR_INVALID && e.n_meta > 0, "round_explain: %s", e.message);
        return NULL;
    }
    const struct preview_found found = {
        .snapshot = p->snapshot,
        .x = *x,
        .stored = !request.is_spec,
        .agents = request.agents,
        .from = from,
        .scope = 1,
    };
    Berth__V1__PreviewAllocationResponse *m = preview_answer(&found, v->arena);
    const size_t n = protobuf_c_message_get_packed_size(&m->base);
    uint8_t *bytes = arena_alloc(v->arena, n + 1, 1);
    protobuf_c_message_pack(&m->base, bytes);
    return receive(v, &berth__v1__preview_allocation_response__descriptor, bytes, n);
}

/* All pages: each agent once, in order, and as many that fail as are counted. */
static void check_pages(struct service *v, const struct preview *p,
                        const Berth__V1__PreviewAllocationResponse *m)
{
    const bool any = p->snapshot->sessions[p->request.session].n_kernels > 0;
    uint32_t seen = 0;
    while (m != NULL) {
        struct explanation *unused;
        struct page_token token = {.position = 0};
        struct err e = {.code = ERR_NONE};
        for (size_t i = 0; i < m->n_agents; i++, seen++) {
            FUZZ_REQUIRE(seen < p->snapshot->n_agents &&
                             strcmp(m->agents[i]->agent_id, p->snapshot->agents[seen].id) == 0,
                         "row %u is agent \"%s\"", seen, m->agents[i]->agent_id);
            FUZZ_REQUIRE(!!m->agents[i]->fits == (any && m->agents[i]->n_causes == 0),
                         "agent \"%s\" fits: %d, with %zu causes", m->agents[i]->agent_id,
                         m->agents[i]->fits, m->agents[i]->n_causes);
        }
        if (m->next_page_token[0] == '\0')
            break;
        FUZZ_REQUIRE(page_token_decode(m->next_page_token, 1, v->arena, &token, &e) == 0 &&
                         token.position == seen,
                     "after %u rows the next page begins at %lu", seen,
                     (unsigned long)token.position);
        m = ask_page(v, p, seen, &unused);
    }
    FUZZ_REQUIRE(seen == p->snapshot->n_agents, "%u rows for %u agents", seen,
                 p->snapshot->n_agents);
}

static void answer_preview(struct service *v, const struct preview *p)
{
    struct explanation *x = NULL;
    const Berth__V1__PreviewAllocationResponse *m = ask_page(v, p, 0, &x);
    if (m == NULL)
        return;
    call_check_preview(p->snapshot, &p->snapshot->sessions[p->request.session], m);
    if (p->request.agents)
        check_pages(v, p, m);
    if (!p->request.is_spec && p->request.after_queue && p->request.n_ignore_validators == 0)
        v->promised[world_number(&p->snapshot->sessions[p->request.session])] = x->decision.outcome;
}

/* The described session in a copy of the snapshot; false: refused, naming the field. */
static bool describe(struct service *v, struct preview *p)
{
    struct snapshot_spec_owners owners = {.session_group = NONE};
    struct guest guest;
    struct err e = {.code = ERR_NONE};
    const struct snapshot *s = v->snapshot;
    for (uint32_t i = 0; i < s->n_owners; i++)
        owners.owner[s->owners[i].kind] = i;
    const uint32_t key = snapshot_find_owner(s, OWNER_KEYPAIR, p->q->spec->access_key);
    if (key == NONE) /* the repository would have read it */
        return false;
    owners.owner[OWNER_KEYPAIR] = key;
    if (described_session(s, p->q->spec, &owners, &guest, v->arena, &e) < 0) {
        FUZZ_REQUIRE(e.code == ERR_INVALID && e.n_meta > 0, "refused without a field: %s",
                     e.message);
        return false;
    }
    struct snapshot_builder *b = builder_create(v->arena);
    builder_copy(b, s);
    builder_guest(b, &guest);
    p->snapshot = builder_finish(b);
    p->request.session = snapshot_find_session(p->snapshot, &guest.session.id);
    return true;
}

/* false: it is not PENDING, or not of this group. */
static bool find_target(struct service *v, struct preview *p)
{
    struct uuid id;
    p->snapshot = v->snapshot;
    if (p->request.is_spec)
        return describe(v, p);
    if (!uuid_parse(p->q->session_id, &id))
        return false;
    p->request.session = snapshot_find_session(v->snapshot, &id);
    return p->request.session != NONE;
}

static char *session_id(struct service *v)
{
    struct uuid id = {.b = {[15] = (uint8_t)choose(&v->choices, WORLD_SESSIONS)}};
    char *text = arena_alloc(v->arena, UUID_TEXT, 1);
    return uuid_format(&id, text);
}

static void ask_spec(struct service *v, Berth__V1__PreviewAllocationRequest *q)
{
    struct choices *c = &v->choices;
    struct arena *a = v->arena;
    static char cpu[] = "cpu", project[] = "00000000-0000-0000-0000-000000000001";
    Berth__V1__SlotAmount *slot = arena_new(a, Berth__V1__SlotAmount, 1);
    Berth__V1__KernelSpec *kernel = arena_new(a, Berth__V1__KernelSpec, 1);
    Berth__V1__SessionSpec *spec = arena_new(a, Berth__V1__SessionSpec, 1);
    berth__v1__slot_amount__init(slot);
    berth__v1__kernel_spec__init(kernel);
    berth__v1__session_spec__init(spec);
    slot->slot = cpu;
    slot->amount = arena_printf(a, "%u.5", choose(c, 12));
    kernel->n_slots = 1;
    kernel->slots = arena_new(a, Berth__V1__SlotAmount *, 1);
    kernel->slots[0] = slot;
    spec->access_key = arena_printf(a, "key%u", choose(c, WORLD_KEYS));
    spec->project_id = project;
    spec->n_kernels = 1 + choose(c, WORLD_KERNELS);
    spec->kernels = arena_new(a, Berth__V1__KernelSpec *, WORLD_KERNELS);
    for (size_t i = 0; i < spec->n_kernels; i++)
        spec->kernels[i] = kernel;
    spec->cluster_mode = (Berth__V1__ClusterMode)choose(c, 3);
    q->scaling_group = group_name;
    q->target_case = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET_SPEC;
    q->spec = spec;
}

static void preview(struct service *v)
{
    static char validator[] = "concurrency", *validators[] = {validator};
    struct choices *c = &v->choices;
    Berth__V1__PreviewAllocationRequest q = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__INIT;
    q.scaling_group = no_text;
    q.target_case = BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET_SESSION_ID;
    if (choose(c, 4) == 0)
        ask_spec(v, &q);
    else
        q.session_id = session_id(v);
    q.after_queue = choose(c, 2) == 0;
    q.view = (Berth__V1__PreviewView)choose(c, 3);
    q.page_size = 1 + choose(c, WORLD_AGENTS);
    q.ignore_validators = validators;
    q.n_ignore_validators = choose(c, 8) == 0;
    struct preview p = {
        .q = admit(v, "/berth.v1.SchedulerService/PreviewAllocation", &q.base),
    };
    if (p.q == NULL || p.q->target_case == BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET__NOT_SET)
        return;
    p.request = (struct explain_request){
        .is_spec = p.q->target_case == BERTH__V1__PREVIEW_ALLOCATION_REQUEST__TARGET_SPEC,
        .after_queue = p.q->after_queue,
        .agents = p.q->view == BERTH__V1__PREVIEW_VIEW__PREVIEW_VIEW_AGENTS,
        .ignore_validators = (const char *const *)p.q->ignore_validators,
        .n_ignore_validators = (uint32_t)p.q->n_ignore_validators,
        .n_rows = p.q->page_size > 0 ? p.q->page_size : PAGE_SIZE_DEFAULT,
    };
    load(v);
    if (find_target(v, &p))
        answer_preview(v, &p);
}

/* --- CancelSession --- */

static void cancel(struct service *v)
{
    Berth__V1__CancelSessionRequest asked = BERTH__V1__CANCEL_SESSION_REQUEST__INIT;
    struct uuid id;
    asked.session_id = session_id(v);
    const Berth__V1__CancelSessionRequest *q =
        admit(v, "/berth.v1.SchedulerService/CancelSession", &asked.base);
    if (q == NULL)
        return;
    FUZZ_REQUIRE(uuid_parse(q->session_id, &id), "let in with session \"%s\"", q->session_id);
    if (id.b[15] >= WORLD_SESSIONS)
        return;
    v->world.sessions[id.b[15]].state = SESSION_ABSENT;
    forget_promises(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static void (*const calls[])(struct service *) = {schedule, preview, preview, cancel};
    struct service v = {.choices = {bytes, bytes + n}};
    world_init(&v.world);
    for (unsigned i = 0; i < MOST_STEPS && v.choices.at < v.choices.end; i++) {
        if (choose(&v.choices, CALL_EVERY) != 0) {
            world_change(&v.world, &v.choices);
            forget_promises(&v);
            continue;
        }
        CLEANUP(arena_destroyp) struct arena *a = arena_create();
        v.arena = a;
        calls[choose(&v.choices, ARRAY_SIZE(calls))](&v);
    }
    return 0;
}
