/* snapshot_print.c - a snapshot as lines of text, table by table; rows of a session stand below it.
 *
 * What has its usual value (no amount, no limit, no name) is left out, so that a difference between
 * two prints is a difference between two snapshots. Times are microseconds. */
#include <inttypes.h>

#include "scheduler/snapshot_file.h"
#include "scheduler/snapshot_text.h"

static void print_optional(struct text_out *o, const char *key, const char *value)
{
    if (value == NULL)
        return;
    text_put(o, " %s ", key);
    text_quote(o, value);
}

static void print_group(struct text_out *o, const struct snapshot *s)
{
    text_put(o, "group ");
    text_quote(o, s->group_name);
    text_put(o, " ");
    text_uuid(o, &s->group_id);
    text_put(o, "\n  observed_at %" PRId64 "\n  scheduler ", s->observed_at);
    text_quote(o, s->scheduler);
    text_put(o, "\n  strategy ");
    text_quote(o, s->strategy);
    text_put(o, "\n  pending_timeout %" PRId64 "\n", s->pending_timeout);
    if (s->bad_options != NULL) {
        print_optional(o, " bad_options", s->bad_options);
        text_put(o, "\n");
    }
    for (uint32_t i = 0; i < s->n_options; i++) {
        text_put(o, "  option ");
        text_quote(o, s->options[i].key);
        text_put(o, " = ");
        text_quote(o, s->options[i].value);
        text_put(o, "\n");
    }
}

static void print_slots_and_archs(struct text_out *o, const struct snapshot *s)
{
    for (uint32_t i = 0; i < s->n_slots; i++) {
        text_put(o, "slot ");
        text_word(o, s->slots[i].name);
        text_put(o, " %s rank %" PRId32 "\n", s->slots[i].type == SLOT_BYTES ? "bytes" : "count",
                 s->slots[i].rank);
    }
    for (uint32_t i = 0; i < s->n_archs; i++) {
        text_put(o, "arch ");
        text_word(o, s->archs[i]);
        text_put(o, "\n");
    }
}

static void print_agents(struct text_out *o, const struct snapshot *s)
{
    for (uint32_t i = 0; i < s->n_agents; i++) {
        const struct agent *a = &s->agents[i];
        text_put(o, "agent ");
        text_quote(o, a->id);
        text_put(o, " ");
        text_word(o, s->archs[a->arch]);
        text_put(o, "%s%s containers %" PRId32, a->alive ? " alive" : "",
                 a->schedulable ? " schedulable" : "", a->containers);
        if (a->addr[0] != '\0')
            print_optional(o, "addr", a->addr);
        print_optional(o, "bad_data", a->bad_data);
        text_amounts(o, s, "capacity", snapshot_row(s, s->agent_capacity, i), 0);
        text_amounts(o, s, "held", snapshot_row(s, s->agent_held, i), 0);
        text_put(o, "\n");
    }
}

static const char *const owner_kinds[N_OWNER_KINDS] = {
    [OWNER_KEYPAIR] = "keypair",
    [OWNER_USER] = "user",
    [OWNER_PROJECT] = "project",
    [OWNER_DOMAIN] = "domain",
};

static void print_owners(struct text_out *o, const struct snapshot *s)
{
    for (uint32_t i = 0; i < s->n_owners; i++) {
        const struct owner *x = &s->owners[i];
        text_put(o, "%s ", owner_kinds[x->kind]);
        text_quote(o, x->key);
        print_optional(o, "name", strcmp(x->key, x->name) != 0 ? x->name : NULL);
        print_optional(o, "missing", x->missing);
        print_optional(o, "bad_data", x->bad_data);
        text_put(o, " version %" PRIu64, x->version);
        if (x->kind == OWNER_KEYPAIR) {
            text_put(o, " sessions %" PRId64 " of %" PRId64, x->live_sessions, x->max_sessions);
            text_put(o, " sftp %" PRId64 " of %" PRId64, x->live_sftp_sessions,
                     x->max_sftp_sessions);
        }
        if (x->max_pending != INT64_MAX)
            text_put(o, " max_pending %" PRId64, x->max_pending);
        text_amounts(o, s, "limit", snapshot_row(s, s->owner_limit, i), AMOUNT_INF);
        text_amounts(o, s, "usage", snapshot_row(s, s->owner_usage, i), 0);
        text_amounts(o, s, "group_usage", snapshot_row(s, s->owner_group_usage, i), 0);
        if (x->has_pending_limit) {
            text_put(o, " has_pending_limit");
            text_amounts(o, s, "pending_limit", snapshot_row(s, s->owner_pending_limit, i),
                         AMOUNT_INF);
        }
        text_put(o, "\n");
    }
}

static void print_groups(struct text_out *o, const struct snapshot *s)
{
    static const char *const directions[] = {
        [GROUP_NO_DIRECTION] = "none",
        [GROUP_SPREAD] = "spread",
        [GROUP_PACK] = "pack",
    };
    uint32_t member = 0;
    for (uint32_t i = 0; i < s->n_session_groups; i++) {
        const struct session_group *g = &s->session_groups[i];
        text_put(o, "session_group ");
        text_uuid(o, &g->id);
        text_put(o, " %s%s\n", directions[g->direction], g->strict ? " strict" : "");
        for (; member < s->n_group_members && s->group_members[member].group == i; member++) {
            text_put(o, "  %" PRId32 " on ", s->group_members[member].count);
            text_quote(o, s->agents[s->group_members[member].agent].id);
            text_put(o, "\n");
        }
    }
}

static void print_children(struct text_out *o, const struct snapshot *s, const struct session *of)
{
    static const char *const states[] = {
        [DEPENDENCY_DONE] = "done",
        [DEPENDENCY_WAITING] = "waiting",
        [DEPENDENCY_FAILED] = "failed",
    };
    for (uint32_t i = of->first_kernel; i < of->first_kernel + of->n_kernels; i++) {
        const struct kernel *k = &s->kernels[i];
        text_put(o, "  kernel ");
        text_uuid(o, &k->id);
        text_put(o, " %s%" PRId32 " ", k->is_main ? "main" : "sub", k->cluster_idx);
        text_word(o, s->archs[k->arch]);
        text_amounts(o, s, "request", snapshot_request(s, i), 0);
        text_put(o, "\n");
    }
    for (uint32_t i = 0; i < of->rare->n_dependencies; i++) {
        const struct dependency *d = &s->dependencies[of->rare->first_dependency + i];
        text_put(o, "  dependency ");
        text_uuid(o, &d->id);
        text_put(o, " %s ", states[d->state]);
        text_quote(o, d->name);
        text_put(o, "\n");
    }
    for (uint32_t i = 0; i < of->rare->n_designated; i++) {
        text_put(o, "  designated ");
        text_quote(o, s->designated[of->rare->first_designated + i]);
        text_put(o, "\n");
    }
}

static void print_sessions(struct text_out *o, const struct snapshot *s)
{
    static const char *const types[] = {
        [SESSION_INTERACTIVE] = "interactive",
        [SESSION_BATCH] = "batch",
        [SESSION_INFERENCE] = "inference",
        [SESSION_SYSTEM] = "system",
    };
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        const struct session *x = &s->sessions[i];
        text_put(o, "session ");
        text_uuid(o, &x->id);
        text_put(o, " %s %s priority %" PRId32 " retries %" PRId32, types[x->type],
                 x->mode == CLUSTER_MULTI_NODE ? "multi-node" : "single-node", x->priority,
                 x->retries);
        print_optional(o, "name", x->name);
        print_optional(o, "creation_id", x->creation_id);
        print_optional(o, "bad_data", x->bad_data);
        text_put(o, "\n  created_at %" PRId64 " pending_since %" PRId64, x->created_at,
                 x->pending_since);
        if (x->starts_at != TIME_NONE)
            text_put(o, " starts_at %" PRId64, x->starts_at);
        if (x->rare->cause_digest != 0)
            text_put(o, " cause_digest %016" PRIx64, x->rare->cause_digest);
        if (x->group != NONE) {
            text_put(o, "\n  session_group ");
            text_uuid(o, &s->session_groups[x->group].id);
        }
        text_put(o, "%s\n  owners", x->designated_strict ? "\n  designated_strict" : "");
        for (int kind = 0; kind < N_OWNER_KINDS; kind++) {
            text_put(o, " %s ", owner_kinds[kind]);
            text_quote(o, s->owners[x->owner[kind]].key);
        }
        text_put(o, "\n");
        print_children(o, s, x);
    }
}

static void print_rest(struct text_out *o, const struct snapshot *s)
{
    for (uint32_t i = 0; i < s->n_other_pending; i++) {
        const struct other_pending *p = &s->other_pending[i];
        text_put(o, "other_pending ");
        text_uuid(o, &p->id);
        text_put(o, " keypair ");
        text_quote(o, s->owners[p->keypair].key);
        text_put(o, " created_at %" PRId64, p->created_at);
        text_amounts(o, s, "request", snapshot_row(s, s->other_request, i), 0);
        text_put(o, "\n");
    }
    for (uint32_t i = 0; i < s->n_rr_cursors; i++) {
        text_put(o, "cursor ");
        text_word(o, s->archs[s->rr_cursors[i].arch]);
        text_put(o, " after ");
        text_quote(o, s->rr_cursors[i].agent_id);
        text_put(o, "\n");
    }
}

char *snapshot_print(const struct snapshot *s, struct arena *a)
{
    struct text_out o = {.arena = a};
    print_group(&o, s);
    print_slots_and_archs(&o, s);
    print_agents(&o, s);
    print_owners(&o, s);
    print_groups(&o, s);
    print_sessions(&o, s);
    print_rest(&o, s);
    return o.text;
}
