/* snapshot_read.c - reads what snapshot_file.c wrote, believing nothing.
 *
 * Rows go through a builder, so that whatever the bytes say the snapshot has the order and the
 * references every snapshot has. An id that comes twice is refused. */
#include "scheduler/snapshot_build.h"
#include "scheduler/snapshot_file.h"
#include "scheduler/snapshot_format.h"

struct snapshot_reader {
    struct byte_reader r;
    struct snapshot_builder *b;
    uint32_t n_slots, n_archs, n_agents, n_owners, n_groups;
    const char **archs;
};

static const char twice[] = "an id comes twice";

/* What is wrong with a row, or NULL. */
static const char *get_sentence(struct byte_reader *r)
{
    const char *text = get_text_or_null(r);
    if (text != NULL && text[0] == '\0')
        reader_fail(r, "a sentence is empty");
    return text;
}

static struct option *get_options(struct byte_reader *r, uint32_t *ret_n)
{
    uint32_t n = get_count(r, LEAST_OPTION);
    struct option *options = arena_new(r->arena, struct option, n);
    for (uint32_t i = 0; i < n && reader_ok(r); i++) {
        options[i].key = get_text(r);
        options[i].value = get_text(r);
    }
    *ret_n = n;
    return options;
}

static void get_head(struct snapshot_reader *x)
{
    struct byte_reader *r = &x->r;
    struct snapshot head = {0};
    reader_section(r, "group");
    head.observed_at = get_signed(r);
    head.group_id = get_uuid(r);
    head.group_name = get_text(r);
    head.scheduler = get_text(r);
    head.strategy = get_text(r);
    head.pending_timeout = get_signed(r);
    head.bad_options = get_sentence(r);
    builder_group(x->b, &head);
    reader_section(r, "options");
    uint32_t n = 0;
    const struct option *options = get_options(r, &n);
    for (uint32_t i = 0; i < n && reader_ok(r); i++) {
        if (i > 0 && strcmp(options[i - 1].key, options[i].key) >= 0)
            reader_fail(r, "keys are not in order");
        builder_option(x->b, options[i].key, options[i].value);
    }
}

static void get_config(struct byte_reader *r, struct policy_config *c)
{
    reader_section(r, "configuration");
    c->max_containers_per_agent = get_signed(r);
    uint32_t n = get_count(r, LEAST_TEXT);
    if (n > 0) {
        const char **names = arena_new(r->arena, const char *, n);
        c->n_slot_priority = n - 1;
        for (uint32_t i = 0; i < n - 1 && reader_ok(r); i++)
            names[i] = get_text(r);
        c->slot_priority = names;
    }
    c->options = get_options(r, &c->n_options);
}

static void get_slots_and_archs(struct snapshot_reader *x)
{
    struct byte_reader *r = &x->r;
    reader_section(r, "slots");
    x->n_slots = get_count(r, LEAST_SLOT);
    for (uint32_t i = 0; i < x->n_slots && reader_ok(r); i++) {
        const char *name = get_text(r);
        enum slot_type type = (enum slot_type)get_below(r, SLOT_BYTES + 1);
        int32_t rank = get_signed32(r);
        if (builder_slot(x->b, name, type, rank) != i)
            reader_fail(r, twice);
    }
    reader_section(r, "architectures");
    x->n_archs = get_count(r, LEAST_TEXT);
    x->archs = arena_new(r->arena, const char *, x->n_archs);
    for (uint32_t i = 0; i < x->n_archs && reader_ok(r); i++) {
        x->archs[i] = get_text(r);
        if (builder_arch(x->b, x->archs[i]) != i)
            reader_fail(r, twice);
    }
}

/* The name of an architecture; "" after a problem. */
static const char *get_arch(struct snapshot_reader *x)
{
    uint32_t i = get_below(&x->r, x->n_archs);
    return reader_ok(&x->r) ? x->archs[i] : "";
}

static void get_agents(struct snapshot_reader *x)
{
    struct byte_reader *r = &x->r;
    reader_section(r, "agents");
    x->n_agents = get_count(r, LEAST_AGENT + (size_t)2 * x->n_slots);
    for (uint32_t i = 0; i < x->n_agents && reader_ok(r); i++) {
        uint8_t flags = get_flags(r, AGENT_ALIVE | AGENT_SCHEDULABLE);
        struct agent a = {
            .alive = flags & AGENT_ALIVE,
            .schedulable = flags & AGENT_SCHEDULABLE,
        };
        a.id = get_text(r);
        a.addr = get_text(r);
        a.bad_data = get_sentence(r);
        const char *arch = get_arch(x);
        a.containers = get_signed32(r);
        int64_t *capacity = NULL;
        int64_t *held = NULL;
        if (builder_agent(x->b, &a, arch, &capacity, &held) != i)
            reader_fail(r, twice);
        get_amounts(r, capacity, x->n_slots, AMOUNT_MAX);
        get_amounts(r, held, x->n_slots, AMOUNT_MAX);
    }
}

static void get_owner(struct snapshot_reader *x, uint32_t expected)
{
    struct byte_reader *r = &x->r;
    enum owner_kind kind = (enum owner_kind)get_below(r, N_OWNER_KINDS);
    uint8_t flags = get_flags(r, OWNER_PENDING_LIMIT);
    uint32_t i = builder_owner(x->b, kind, get_text(r));
    if (i != expected)
        reader_fail(r, twice);
    struct owner *o = builder_owner_at(x->b, i);
    o->has_pending_limit = flags & OWNER_PENDING_LIMIT;
    const char *name = get_text_or_null(r);
    if (name != NULL)
        o->name = name;
    o->missing = get_sentence(r);
    o->bad_data = get_sentence(r);
    o->version = get_number(r);
    o->max_sessions = get_signed(r);
    o->max_sftp_sessions = get_signed(r);
    o->max_pending = get_sum(r, INT64_MAX);
    o->live_sessions = get_signed(r);
    o->live_sftp_sessions = get_signed(r);
    struct owner_rows rows = builder_owner_rows(x->b, i);
    get_amounts(r, rows.limit, x->n_slots, AMOUNT_INF);
    get_amounts(r, rows.usage, x->n_slots, AMOUNT_MAX);
    get_amounts(r, rows.group_usage, x->n_slots, AMOUNT_MAX);
    get_amounts(r, rows.pending_limit, x->n_slots, AMOUNT_INF);
}

static void get_owners(struct snapshot_reader *x)
{
    reader_section(&x->r, "owners");
    x->n_owners = get_count(&x->r, LEAST_OWNER + (size_t)4 * x->n_slots);
    for (uint32_t i = 0; i < x->n_owners && reader_ok(&x->r); i++)
        get_owner(x, i);
}

static void get_groups(struct snapshot_reader *x)
{
    struct byte_reader *r = &x->r;
    reader_section(r, "session groups");
    x->n_groups = get_count(r, LEAST_GROUP);
    for (uint32_t i = 0; i < x->n_groups && reader_ok(r); i++) {
        struct session_group g = {.id = get_uuid(r)};
        g.direction = (enum group_direction)get_below(r, GROUP_PACK + 1);
        g.strict = get_flags(r, GROUP_STRICT);
        if (builder_session_group(x->b, &g) != i)
            reader_fail(r, twice);
    }
    reader_section(r, "group members");
    uint32_t n = get_count(r, LEAST_MEMBERS);
    uint64_t before = 0; /* (group, agent) + 1 of the row before */
    for (uint32_t i = 0; i < n && reader_ok(r); i++) {
        uint32_t group = get_below(r, x->n_groups);
        uint32_t agent = get_below(r, x->n_agents);
        uint64_t pair = ((uint64_t)group << 32 | agent) + 1;
        uint32_t count = get_below(r, (uint64_t)INT32_MAX + 1);
        if (pair <= before || count == 0)
            reader_fail(r, "pairs are not in order, or without a member");
        if (reader_ok(r))
            builder_group_member(x->b, group, agent, (int32_t)count);
        before = pair;
    }
}

static void get_kernels(struct snapshot_reader *x, uint32_t session, uint32_t *n_kernels)
{
    struct byte_reader *r = &x->r;
    reader_section(r, "kernels");
    uint32_t n = get_count(r, LEAST_KERNEL + x->n_slots);
    for (uint32_t i = 0; i < n && reader_ok(r); i++) {
        struct kernel k = {.is_main = get_flags(r, KERNEL_MAIN)};
        k.id = get_uuid(r);
        const char *arch = get_arch(x);
        k.cluster_idx = get_signed32(r);
        int64_t *request = NULL;
        if (builder_kernel(x->b, session, &k, arch, &request) != (*n_kernels)++)
            reader_fail(r, twice);
        get_amounts(r, request, x->n_slots, AMOUNT_MAX);
    }
}

static void get_children(struct snapshot_reader *x, uint32_t session, uint32_t *n_kernels)
{
    struct byte_reader *r = &x->r;
    get_kernels(x, session, n_kernels);
    reader_section(r, "dependencies");
    uint32_t n = get_count(r, LEAST_DEPENDENCY);
    for (uint32_t i = 0; i < n && reader_ok(r); i++) {
        struct dependency d = {0};
        d.state = (enum dependency_state)get_below(r, DEPENDENCY_FAILED + 1);
        d.id = get_uuid(r);
        d.name = get_text_or_null(r);
        builder_dependency(x->b, session, &d);
    }
    reader_section(r, "designated agents");
    n = get_count(r, LEAST_TEXT);
    for (uint32_t i = 0; i < n && reader_ok(r); i++)
        builder_designated(x->b, session, get_text(r));
}

/* An owner of that kind; 0 after a problem. */
static uint32_t get_owner_index(struct snapshot_reader *x, enum owner_kind kind)
{
    uint32_t i = get_below(&x->r, x->n_owners);
    if (reader_ok(&x->r) && builder_owner_at(x->b, i)->kind != kind)
        reader_fail(&x->r, "an owner is of another kind");
    return i;
}

static struct session get_session(struct snapshot_reader *x, int64_t before,
                                  struct session_rare *rare)
{
    struct byte_reader *r = &x->r;
    uint8_t flags = get_flags(r, SESSION_MULTI_NODE | SESSION_STRICT | SESSION_STARTS |
                                     SESSION_GROUPED | SESSION_DIGEST);
    struct session s = {
        .mode = flags & SESSION_MULTI_NODE ? CLUSTER_MULTI_NODE : CLUSTER_SINGLE_NODE,
        .designated_strict = flags & SESSION_STRICT,
        .starts_at = TIME_NONE,
        .group = NONE,
        .rare = rare,
    };
    s.type = (enum session_type)get_below(r, SESSION_SYSTEM + 1);
    s.id = get_uuid(r);
    s.name = get_text_or_null(r);
    s.creation_id = get_text_or_null(r);
    s.bad_data = get_sentence(r);
    s.created_at = get_sum(r, before);
    s.pending_since = get_sum(r, s.created_at);
    if (flags & SESSION_STARTS)
        s.starts_at = get_sum(r, s.created_at);
    s.priority = get_signed32(r);
    s.retries = get_signed32(r);
    if (s.retries < 0)
        reader_fail(r, "retries are negative");
    for (int kind = 0; kind < N_OWNER_KINDS; kind++)
        s.owner[kind] = get_owner_index(x, (enum owner_kind)kind);
    if (flags & SESSION_GROUPED)
        s.group = get_below(r, x->n_groups);
    if (flags & SESSION_DIGEST)
        rare->cause_digest = get_fixed64(r);
    return s;
}

static void get_sessions(struct snapshot_reader *x)
{
    struct byte_reader *r = &x->r;
    reader_section(r, "sessions");
    int64_t before = builder_observed_at(x->b);
    uint32_t n = get_count(r, LEAST_SESSION);
    uint32_t n_kernels = 0;
    for (uint32_t i = 0; i < n; i++) {
        reader_section(r, "sessions");
        struct session_rare rare = session_rare_none;
        struct session s = get_session(x, before, &rare);
        if (!reader_ok(r))
            return;
        before = s.created_at;
        if (builder_session(x->b, &s) != i)
            reader_fail(r, twice);
        get_children(x, i, &n_kernels);
    }
}

static void get_rest(struct snapshot_reader *x)
{
    struct byte_reader *r = &x->r;
    reader_section(r, "other groups' sessions");
    uint32_t n = get_count(r, LEAST_OTHER + x->n_slots);
    for (uint32_t i = 0; i < n; i++) {
        struct other_pending p = {.id = get_uuid(r)};
        p.keypair = get_owner_index(x, OWNER_KEYPAIR);
        p.created_at = get_sum(r, builder_observed_at(x->b));
        if (!reader_ok(r))
            return;
        get_amounts(r, builder_other_pending(x->b, &p), x->n_slots, AMOUNT_MAX);
    }
    reader_section(r, "cursors");
    n = get_count(r, LEAST_CURSOR);
    uint32_t least = 0;
    for (uint32_t i = 0; i < n && reader_ok(r); i++) {
        uint32_t arch = get_below(r, x->n_archs);
        const char *agent_id = get_text(r);
        if (arch < least)
            reader_fail(r, "architectures are not in order");
        if (reader_ok(r))
            builder_rr_cursor(x->b, x->archs[arch], agent_id);
        least = arch + 1;
    }
}

int snapshot_read(const uint8_t *bytes, size_t len, struct arena *a, const struct snapshot **ret,
                  struct policy_config *ret_config, struct err *e)
{
    struct snapshot_reader x = {.b = builder_create(a)};
    struct policy_config config = {0};
    if (file_open(&x.r, bytes, len, a, SNAPSHOT_MAGIC, SNAPSHOT_FILE_VERSION, e) < 0)
        return -1;
    get_head(&x);
    get_config(&x.r, &config);
    get_slots_and_archs(&x);
    get_agents(&x);
    get_owners(&x);
    get_groups(&x);
    get_sessions(&x);
    get_rest(&x);
    if (file_close(&x.r, e) < 0)
        return -1;
    *ret = builder_finish(x.b);
    *ret_config = config;
    return 0;
}
