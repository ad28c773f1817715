/* plan_guard.c - what must still be true when a plan is committed, checked under locks.
 *
 * Lock order: sessions by id, agents by id, agent_resources by (agent, slot), owners by (kind,
 * key). */
#include <stdlib.h>
#include <string.h>

#include "repo/fault.h"
#include "repo/owner_usage.h"
#include "repo/plan_chunk.h"
#include "repo/session_row.h"

/* --- sessions: still PENDING --- */

static int guard_sessions(struct plan_chunk *c, struct err *e)
{
    struct uuid *ids = arena_new(c->run, struct uuid, c->n);
    const char **statuses = arena_new(c->run, const char *, c->n);
    if (c->n == 0)
        return 0;
    for (uint32_t i = 0; i < c->n; i++)
        ids[i] = item_session(c, &c->items[i])->id;
    if (session_lock(c->t, ids, c->n, c->run, statuses, e) < 0)
        return -1;
    for (uint32_t i = 0; i < c->n; i++) {
        struct chunk_item *item = &c->items[i];
        if (item->lost != NULL || (statuses[i] != NULL && strcmp(statuses[i], "PENDING") == 0))
            continue;
        item->lost = statuses[i] == NULL
                         ? "The session is gone."
                         : arena_printf(c->result, "The session is %s now.", statuses[i]);
    }
    return 0;
}

/* --- agents: still there, and room --- */

static void collect_agents(struct plan_chunk *c)
{
    const struct placement *p;
    bool *seen = arena_new(c->run, bool, c->s->n_agents);
    uint32_t touched = 0, at = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        uint32_t n = item_places(&c->items[i]) ? chunk_placements(c, &c->items[i], &p) : 0;
        for (uint32_t k = 0; k < n; k++) {
            touched += !seen[p[k].agent];
            seen[p[k].agent] = true;
        }
    }
    c->n_touched = touched;
    c->touched = arena_new(c->run, uint32_t, touched);
    c->touched_at = arena_new(c->run, uint32_t, c->s->n_agents);
    for (uint32_t a = 0; a < c->s->n_agents; a++) {
        if (!seen[a])
            continue;
        c->touched_at[a] = at;
        c->touched[at++] = a;
    }
}

static const char *short_of(struct plan_chunk *c, const struct placement *p, uint32_t slot,
                            int64_t left)
{
    char asked[AMOUNT_TEXT], available[AMOUNT_TEXT];
    const struct slot *s = &c->s->slots[slot];
    return arena_printf(c->result,
                        "Agent \"%s\" has not enough %s left: %s requested, %s available.",
                        c->s->agents[p->agent].id, s->name,
                        amount_humanize(snapshot_request(c->s, p->kernel)[slot], s->type, asked),
                        amount_humanize(left, s->type, available));
}

/* Takes what a placement asks for from its agent; NULL, or why that cannot be. */
static const char *take(struct plan_chunk *c, const struct placement *p)
{
    struct agent_lock *agent = &c->agents[c->touched_at[p->agent]];
    const int64_t *request = snapshot_request(c->s, p->kernel);
    if (agent->problem != NULL)
        return arena_printf(c->result, "The placement does not hold: %s.", agent->problem);
    for (uint32_t k = 0; k < c->s->n_slots; k++)
        if (request[k] > agent->remaining[k])
            return short_of(c, p, k, agent->remaining[k]);
    for (uint32_t k = 0; k < c->s->n_slots; k++)
        agent->remaining[k] -= request[k];
    return NULL;
}

static void give_back(struct plan_chunk *c, const struct placement *p, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const int64_t *request = snapshot_request(c->s, p[i].kernel);
        int64_t *remaining = c->agents[c->touched_at[p[i].agent]].remaining;
        for (uint32_t k = 0; k < c->s->n_slots; k++)
            remaining[k] += request[k];
    }
}

static int guard_agents(struct plan_chunk *c, struct err *e)
{
    collect_agents(c);
    if (c->n_touched == 0)
        return 0;
    c->agents = arena_new(c->run, struct agent_lock, c->n_touched);
    if (agent_lock(c->t, c->s, c->touched, c->n_touched, c->run, c->agents, e) < 0)
        return -1;
    for (uint32_t i = 0; i < c->n; i++) {
        struct chunk_item *item = &c->items[i];
        const struct placement *p;
        uint32_t n = item_places(item) ? chunk_placements(c, item, &p) : 0;
        for (uint32_t k = 0; k < n && item->lost == NULL; k++) {
            item->lost = take(c, &p[k]);
            if (item->lost != NULL)
                give_back(c, p, k);
        }
    }
    return 0;
}

/* --- owners: still within limits, where somebody else changed them --- */

struct recheck {            /* of one owner that moved */
    int64_t *usage;         /* NULL: it did not move */
    const char *unreadable; /* a slot whose usage cannot be counted, or NULL */
    int64_t sessions, sftp_sessions;
};

static void collect_owners(struct plan_chunk *c)
{
    c->bumped = arena_new(c->run, uint32_t, c->s->n_owners);
    c->n_bumped = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        const struct session *s = item_session(c, &c->items[i]);
        for (int k = 0; item_places(&c->items[i]) && k < N_OWNER_KINDS; k++) {
            struct owner_watch *w = &c->watch[s->owner[k]];
            if (!w->used)
                c->bumped[c->n_bumped++] = s->owner[k];
            w->used = true;
        }
    }
    for (uint32_t i = 0; i < c->n_bumped; i++)
        c->watch[c->bumped[i]].used = false;
}

static int bump_owners(struct plan_chunk *c, struct err *e)
{
    struct owner_key *keys = arena_new(c->run, struct owner_key, c->n_bumped);
    c->bumped_version = arena_new(c->run, int64_t, c->n_bumped);
    for (uint32_t i = 0; i < c->n_bumped; i++) {
        const struct owner *o = &c->s->owners[c->bumped[i]];
        keys[i] = (struct owner_key){.kind = o->kind, .key = o->key};
    }
    if (owner_bump(c->t, keys, c->n_bumped, c->run, c->bumped_version, e) < 0)
        return -1;
    for (uint32_t i = 0; i < c->n_bumped; i++) {
        struct owner_watch *w = &c->watch[c->bumped[i]];
        if ((uint64_t)c->bumped_version[i] != w->version + 1)
            w->moved = true;
    }
    return 0;
}

static bool owner_has_limit(const struct snapshot *s, uint32_t owner)
{
    const int64_t *limit = snapshot_row(s, s->owner_limit, owner);
    for (uint32_t k = 0; k < s->n_slots; k++)
        if (limit[k] != AMOUNT_INF)
            return true;
    return false;
}

/* What the bumped owners that moved use and run now, by owner; NULL in *ret: none moved. */
static int read_moved(struct plan_chunk *c, struct recheck **ret, struct err *e)
{
    struct owner_now *usage = arena_new(c->run, struct owner_now, c->n_bumped);
    struct owner_count *live = arena_new(c->run, struct owner_count, c->n_bumped);
    uint32_t *live_of = arena_new(c->run, uint32_t, c->n_bumped), n_usage = 0, n_live = 0;
    *ret = NULL;
    for (uint32_t i = 0; i < c->n_bumped; i++) {
        uint32_t owner = c->bumped[i];
        const struct owner *o = &c->s->owners[owner];
        if (!c->watch[owner].moved)
            continue;
        if (*ret == NULL)
            *ret = arena_new(c->run, struct recheck, c->s->n_owners);
        int64_t *row = arena_new(c->run, int64_t, c->s->n_slots);
        (*ret)[owner].usage = row;
        if (owner_has_limit(c->s, owner))
            usage[n_usage++] = (struct owner_now){.owner = owner, .usage = row};
        if (o->kind == OWNER_KEYPAIR) {
            live_of[n_live] = owner;
            live[n_live++] = (struct owner_count){.access_key = o->key};
        }
    }
    if (owner_usage_now(c->t, c->s, usage, n_usage, c->run, e) < 0 ||
        owner_count_live(c->t, live, n_live, c->run, e) < 0)
        return -1;
    for (uint32_t i = 0; i < n_usage; i++)
        (*ret)[usage[i].owner].unreadable = usage[i].slot_unreadable;
    for (uint32_t i = 0; i < n_live; i++) {
        (*ret)[live_of[i]].sessions = live[i].sessions;
        (*ret)[live_of[i]].sftp_sessions = live[i].sftp_sessions;
    }
    return 0;
}

/* What the kernels of a session ask for together. */
static const int64_t *session_request(struct plan_chunk *c, const struct session *s)
{
    int64_t *sum = arena_new(c->run, int64_t, c->s->n_slots);
    for (uint32_t i = 0; i < s->n_kernels; i++) {
        const int64_t *r = snapshot_request(c->s, s->first_kernel + i);
        for (uint32_t k = 0; k < c->s->n_slots; k++)
            sum[k] = amount_add(sum[k], r[k]);
    }
    return sum;
}

static const char *const kind_names[N_OWNER_KINDS] = {
    [OWNER_KEYPAIR] = "Keypair",
    [OWNER_USER] = "User",
    [OWNER_PROJECT] = "Project",
    [OWNER_DOMAIN] = "Domain",
};

static const char *over_concurrency(struct plan_chunk *c, const struct owner *o,
                                    const struct recheck *r, bool is_private)
{
    int64_t max = is_private ? o->max_sftp_sessions : o->max_sessions;
    int64_t live = is_private ? r->sftp_sessions : r->sessions;
    if (o->kind != OWNER_KEYPAIR || max <= 0 || live < max)
        return NULL;
    return arena_printf(c->result, "Keypair \"%s\" runs %lld of %lld sessions now.", o->name,
                        (long long)live, (long long)max);
}

static const char *over_quota(struct plan_chunk *c, uint32_t owner, const struct recheck *r,
                              const int64_t *request)
{
    const struct owner *o = &c->s->owners[owner];
    const int64_t *limit = snapshot_row(c->s, c->s->owner_limit, owner);
    if (r->unreadable != NULL)
        return arena_printf(c->result, "The use of %s by %s \"%s\" cannot be read now.",
                            r->unreadable, kind_names[o->kind], o->name);
    for (uint32_t k = 0; k < c->s->n_slots; k++) {
        if (request[k] <= 0 || limit[k] == AMOUNT_INF ||
            amount_add(r->usage[k], request[k]) <= limit[k])
            continue;
        char used[AMOUNT_TEXT], max[AMOUNT_TEXT];
        const struct slot *s = &c->s->slots[k];
        return arena_printf(c->result, "%s \"%s\" uses %s of %s %s now.", kind_names[o->kind],
                            o->name, amount_humanize(r->usage[k], s->type, used),
                            amount_humanize(limit[k], s->type, max), s->name);
    }
    return NULL;
}

/* Checks an item against the owners that moved and, if it passes, adds it to what they use. */
static void recheck_item(struct plan_chunk *c, struct chunk_item *item, struct recheck *of_owner)
{
    const struct session *s = item_session(c, item);
    bool is_private = session_is_private(s);
    const int64_t *request = session_request(c, s);
    for (int k = 0; k < N_OWNER_KINDS && item->lost == NULL; k++) {
        uint32_t o = s->owner[k];
        if (of_owner[o].usage == NULL)
            continue;
        item->lost = over_concurrency(c, &c->s->owners[o], &of_owner[o], is_private);
        if (item->lost == NULL && !is_private)
            item->lost = over_quota(c, o, &of_owner[o], request);
    }
    if (item->lost != NULL)
        return;
    for (int k = 0; k < N_OWNER_KINDS; k++) {
        struct recheck *r = &of_owner[s->owner[k]];
        if (r->usage == NULL)
            continue;
        r->sessions += !is_private;
        r->sftp_sessions += is_private;
        for (uint32_t i = 0; !is_private && i < c->s->n_slots; i++)
            r->usage[i] = amount_add(r->usage[i], request[i]);
    }
}

static int guard_owners(struct plan_chunk *c, struct err *e)
{
    collect_owners(c);
    if (c->n_bumped == 0)
        return 0;
    if (bump_owners(c, e) < 0)
        return -1;
    struct recheck *of_owner;
    if (read_moved(c, &of_owner, e) < 0)
        return -1;
    for (uint32_t i = 0; of_owner != NULL && i < c->n; i++)
        if (item_places(&c->items[i]))
            recheck_item(c, &c->items[i], of_owner);
    return 0;
}

int chunk_guard(struct plan_chunk *c, struct err *e)
{
    FAULT_POINT(chunk_begun);
    if (guard_sessions(c, e) < 0)
        return -1;
    FAULT_POINT(sessions_locked);
    if (guard_agents(c, e) < 0)
        return -1;
    FAULT_POINT(agents_locked);
    if (guard_owners(c, e) < 0)
        return -1;
    FAULT_POINT(owners_guarded);
    return 0;
}
