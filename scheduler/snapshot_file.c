/* snapshot_file.c - writes a snapshot: head, options, configuration, then table by table.
 *
 * What belongs to a session follows it; times are differences to the time before. Each put_x() here
 * has its get_x() in snapshot_read.c, in the same order. */
#include "scheduler/snapshot_file.h"

#include "scheduler/snapshot_format.h"

static void put_options(struct byte_writer *w, const struct option *options, uint32_t n)
{
    put_number(w, n);
    for (uint32_t i = 0; i < n; i++) {
        put_text(w, options[i].key);
        put_text(w, options[i].value);
    }
}

static void put_head(struct byte_writer *w, const struct snapshot *s)
{
    put_signed(w, s->observed_at);
    put_uuid(w, &s->group_id);
    put_text(w, s->group_name);
    put_text(w, s->scheduler);
    put_text(w, s->strategy);
    put_signed(w, s->pending_timeout);
    put_text(w, s->bad_options);
    put_options(w, s->options, s->n_options);
}

static void put_config(struct byte_writer *w, const struct policy_config *c)
{
    put_signed(w, c->max_containers_per_agent);
    put_number(w, c->slot_priority != NULL ? c->n_slot_priority + (uint64_t)1 : 0);
    for (uint32_t i = 0; c->slot_priority != NULL && i < c->n_slot_priority; i++)
        put_text(w, c->slot_priority[i]);
    put_options(w, c->options, c->n_options);
}

static void put_row(struct byte_writer *w, const struct snapshot *s, const int64_t *matrix,
                    uint32_t i)
{
    put_amounts(w, snapshot_row(s, matrix, i), s->n_slots);
}

static void put_slots_and_archs(struct byte_writer *w, const struct snapshot *s)
{
    put_number(w, s->n_slots);
    for (uint32_t i = 0; i < s->n_slots; i++) {
        put_text(w, s->slots[i].name);
        put_byte(w, (uint8_t)s->slots[i].type);
        put_signed(w, s->slots[i].rank);
    }
    put_number(w, s->n_archs);
    for (uint32_t i = 0; i < s->n_archs; i++)
        put_text(w, s->archs[i]);
}

static void put_agents(struct byte_writer *w, const struct snapshot *s)
{
    put_number(w, s->n_agents);
    for (uint32_t i = 0; i < s->n_agents; i++) {
        const struct agent *a = &s->agents[i];
        put_byte(
            w, (uint8_t)((a->alive ? AGENT_ALIVE : 0) | (a->schedulable ? AGENT_SCHEDULABLE : 0)));
        put_text(w, a->id);
        put_text(w, a->addr);
        put_text(w, a->bad_data);
        put_number(w, a->arch);
        put_signed(w, a->containers);
        put_row(w, s, s->agent_capacity, i);
        put_row(w, s, s->agent_held, i);
    }
}

static void put_owners(struct byte_writer *w, const struct snapshot *s)
{
    put_number(w, s->n_owners);
    for (uint32_t i = 0; i < s->n_owners; i++) {
        const struct owner *o = &s->owners[i];
        put_byte(w, (uint8_t)o->kind);
        put_byte(w, o->has_pending_limit ? OWNER_PENDING_LIMIT : 0);
        put_text(w, o->key);
        put_text(w, strcmp(o->key, o->name) != 0 ? o->name : NULL);
        put_text(w, o->missing);
        put_text(w, o->bad_data);
        put_number(w, o->version);
        put_signed(w, o->max_sessions);
        put_signed(w, o->max_sftp_sessions);
        put_difference(w, o->max_pending, INT64_MAX);
        put_signed(w, o->live_sessions);
        put_signed(w, o->live_sftp_sessions);
        put_row(w, s, s->owner_limit, i);
        put_row(w, s, s->owner_usage, i);
        put_row(w, s, s->owner_group_usage, i);
        put_row(w, s, s->owner_pending_limit, i);
    }
}

static void put_groups(struct byte_writer *w, const struct snapshot *s)
{
    put_number(w, s->n_session_groups);
    for (uint32_t i = 0; i < s->n_session_groups; i++) {
        put_uuid(w, &s->session_groups[i].id);
        put_byte(w, (uint8_t)s->session_groups[i].direction);
        put_byte(w, s->session_groups[i].strict ? GROUP_STRICT : 0);
    }
    put_number(w, s->n_group_members);
    for (uint32_t i = 0; i < s->n_group_members; i++) {
        put_number(w, s->group_members[i].group);
        put_number(w, s->group_members[i].agent);
        put_number(w, (uint64_t)s->group_members[i].count);
    }
}

static void put_children(struct byte_writer *w, const struct snapshot *s, const struct session *of)
{
    put_number(w, of->n_kernels);
    for (uint32_t i = 0; i < of->n_kernels; i++) {
        const struct kernel *k = &s->kernels[of->first_kernel + i];
        put_byte(w, k->is_main ? KERNEL_MAIN : 0);
        put_uuid(w, &k->id);
        put_number(w, k->arch);
        put_signed(w, k->cluster_idx);
        put_row(w, s, s->requests, k->request);
    }
    put_number(w, of->rare->n_dependencies);
    for (uint32_t i = 0; i < of->rare->n_dependencies; i++) {
        const struct dependency *d = &s->dependencies[of->rare->first_dependency + i];
        put_byte(w, (uint8_t)d->state);
        put_uuid(w, &d->id);
        put_text(w, d->name);
    }
    put_number(w, of->rare->n_designated);
    for (uint32_t i = 0; i < of->rare->n_designated; i++)
        put_text(w, s->designated[of->rare->first_designated + i]);
}

static void put_sessions(struct byte_writer *w, const struct snapshot *s)
{
    int64_t before = s->observed_at;
    put_number(w, s->n_sessions);
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        const struct session *x = &s->sessions[i];
        put_byte(w, (uint8_t)((x->mode == CLUSTER_MULTI_NODE ? SESSION_MULTI_NODE : 0) |
                              (x->designated_strict ? SESSION_STRICT : 0) |
                              (x->starts_at != TIME_NONE ? SESSION_STARTS : 0) |
                              (x->group != NONE ? SESSION_GROUPED : 0) |
                              (x->rare->cause_digest != 0 ? SESSION_DIGEST : 0)));
        put_byte(w, (uint8_t)x->type);
        put_uuid(w, &x->id);
        put_text(w, x->name);
        put_text(w, x->creation_id);
        put_text(w, x->bad_data);
        put_difference(w, x->created_at, before);
        put_difference(w, x->pending_since, x->created_at);
        if (x->starts_at != TIME_NONE)
            put_difference(w, x->starts_at, x->created_at);
        put_signed(w, x->priority);
        put_signed(w, x->retries);
        for (int kind = 0; kind < N_OWNER_KINDS; kind++)
            put_number(w, x->owner[kind]);
        if (x->group != NONE)
            put_number(w, x->group);
        if (x->rare->cause_digest != 0)
            put_fixed64(w, x->rare->cause_digest);
        put_children(w, s, x);
        before = x->created_at;
    }
}

static void put_rest(struct byte_writer *w, const struct snapshot *s)
{
    put_number(w, s->n_other_pending);
    for (uint32_t i = 0; i < s->n_other_pending; i++) {
        put_uuid(w, &s->other_pending[i].id);
        put_number(w, s->other_pending[i].keypair);
        put_difference(w, s->other_pending[i].created_at, s->observed_at);
        put_row(w, s, s->other_request, i);
    }
    put_number(w, s->n_rr_cursors);
    for (uint32_t i = 0; i < s->n_rr_cursors; i++) {
        put_number(w, s->rr_cursors[i].arch);
        put_text(w, s->rr_cursors[i].agent_id);
    }
}

void snapshot_write(const struct snapshot *s, const struct policy_config *c, struct arena *a,
                    uint8_t **ret, size_t *ret_len)
{
    struct byte_writer w = file_begin(a, SNAPSHOT_MAGIC, SNAPSHOT_FILE_VERSION);
    put_head(&w, s);
    put_config(&w, c);
    put_slots_and_archs(&w, s);
    put_agents(&w, s);
    put_owners(&w, s);
    put_groups(&w, s);
    put_sessions(&w, s);
    put_rest(&w, s);
    file_end(&w);
    *ret = w.bytes;
    *ret_len = w.n;
}
