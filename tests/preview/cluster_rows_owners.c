/* cluster_rows_owners.c - keypairs, users, projects and domains: limits, usage, live sessions. */
#include <inttypes.h>

#include "tests/preview/cluster_rows_internal.h"

static void write_slots(struct rows *w, const int64_t *row)
{
    bool any = false;
    text_add(&w->sql, "'{");
    for (uint32_t i = 0; i < w->s->n_slots; i++)
        if (row[i] != AMOUNT_INF) {
            text_addf(&w->sql, "%s\"%s\": \"%s\"", any ? ", " : "", w->s->slots[i].name,
                      cluster_amount(w, i, row[i]));
            any = true;
        }
    text_add(&w->sql, "}'");
}

/* What limits an owner: a policy for keypairs and users, its own column for the others. */
static void write_total(struct rows *w, uint32_t owner)
{
    if (w->loose && rng_chance(w->rng, 90))
        text_add(&w->sql, "'{}'");
    else if (w->s->owners[owner].bad_data != NULL)
        text_add(&w->sql, rng_chance(w->rng, 50) ? "'[1]'" : "'{\"cpu\": \"-1\"}'");
    else
        write_slots(w, snapshot_row(w->s, w->s->owner_limit, owner));
}

static void write_policy(struct rows *w, uint32_t owner)
{
    const struct owner *o = &w->s->owners[owner];
    bool pending_limit = o->has_pending_limit && !(w->loose && rng_chance(w->rng, 90));
    text_addf(&w->sql,
              "INSERT INTO keypair_resource_policies (name, default_for_unspecified, "
              "max_concurrent_sessions, max_concurrent_sftp_sessions, max_pending_session_count, "
              "max_containers_per_session, idle_timeout, allowed_vfolder_hosts, "
              "total_resource_slots, max_pending_session_resource_slots) VALUES ('%s', "
              "'UNLIMITED', %" PRId64 ", %" PRId64 ", %s, 100, 0, '{}', ",
              cluster_owner_key(w, owner), o->max_sessions, o->max_sftp_sessions,
              o->max_pending == INT64_MAX ? "NULL"
                                          : arena_printf(w->sql.arena, "%" PRId64, o->max_pending));
    write_total(w, owner);
    text_add(&w->sql, ", ");
    if (pending_limit)
        write_slots(w, snapshot_row(w->s, w->s->owner_pending_limit, owner));
    else
        text_add(&w->sql, "NULL");
    text_add(&w->sql, ");\n");
}

static void write_keypair(struct rows *w, const char *key, const char *policy)
{
    text_addf(&w->sql,
              "INSERT INTO keypairs (access_key, \"user\", resource_policy, dotfiles, "
              "bootstrap_script) VALUES ('%s', '%s', '%s', '\\x90', '');\n",
              key, cluster_nobody, policy);
}

static void write_owner(struct rows *w, uint32_t owner)
{
    const struct owner *o = &w->s->owners[owner];
    const char *key = cluster_owner_key(w, owner);
    switch (o->kind) {
    case OWNER_KEYPAIR:
        write_policy(w, owner);
        write_keypair(w, key, key);
        break;
    case OWNER_USER:
        write_policy(w, owner);
        write_keypair(w, arena_printf(w->sql.arena, "main-%s", o->key), key);
        text_addf(&w->sql,
                  "INSERT INTO users (uuid, email, status, resource_policy, sudo_session_enabled, "
                  "domain_name, main_access_key) VALUES ('%s', '%s', 'active', 'up', false, "
                  "'default', %s);\n",
                  key, o->key,
                  rng_chance(w->rng, 90) ? arena_printf(w->sql.arena, "'main-%s'", o->key)
                                         : "NULL");
        break;
    case OWNER_PROJECT:
        text_addf(&w->sql,
                  "INSERT INTO groups (id, name, domain_name, allowed_vfolder_hosts, dotfiles, "
                  "resource_policy, type, total_resource_slots) VALUES ('%s', 'name of %s', "
                  "'default', '{}', '\\x90', 'pp', 'general', ",
                  key, o->key);
        write_total(w, owner);
        text_add(&w->sql, ");\n");
        break;
    default:
        text_addf(&w->sql,
                  "INSERT INTO domains (name, is_active, allowed_vfolder_hosts, "
                  "allowed_docker_registries, dotfiles, total_resource_slots) VALUES ('%s', true, "
                  "'{}', '{}', '\\x90', ",
                  key);
        write_total(w, owner);
        text_add(&w->sql, ");\n");
    }
}

/* A running kernel that holds what the owner uses, and nobody else. */
static void write_usage(struct rows *w, uint32_t owner, const char *group, const int64_t *row)
{
    const char *key = cluster_owner_key(w, owner);
    enum owner_kind kind = w->s->owners[owner].kind;
    const struct kernel_columns c = {
        .id = cluster_new_id(w),
        .session = cluster_new_id(w),
        .group = group,
        .key = kind == OWNER_KEYPAIR ? key : NULL,
        .user = kind == OWNER_USER ? key : NULL,
        .project = kind == OWNER_PROJECT ? key : NULL,
        .domain = kind == OWNER_DOMAIN ? key : NULL,
    };
    cluster_add_kernel(w, &c);
    cluster_add_amounts(w, c.id, row, rng_chance(w->rng, 50));
}

static void write_live(struct rows *w, uint32_t owner)
{
    const struct owner *o = &w->s->owners[owner];
    for (int64_t i = 0; i < o->live_sessions + o->live_sftp_sessions; i++) {
        const struct session_columns c = {.id = cluster_new_id(w),
                                          .key = o->key,
                                          .group = "g2",
                                          .type = i < o->live_sessions ? "BATCH" : "SYSTEM"};
        cluster_add_session(w, &c);
    }
}

void cluster_write_owners(struct rows *w)
{
    const struct snapshot *s = w->s;
    for (uint32_t i = 0; i < s->n_owners; i++) {
        if (s->owners[i].missing == NULL)
            write_owner(w, i);
        write_usage(w, i, "g2", snapshot_row(s, s->owner_usage, i));
        if (s->owners[i].kind != OWNER_KEYPAIR)
            continue;
        write_usage(w, i, "g1", snapshot_row(s, s->owner_group_usage, i));
        write_live(w, i);
    }
}
