/* warm.c - decides how a kept snapshot is brought up to date, and checks that it was right. */
#include "repo/warm.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "repo/failure_record.h"
#include "repo/warm_internal.h"
#include "scheduler/snapshot_compare.h"

/* The tables a snapshot is made of. Other tables under these names are another database. */
#define TABLES                                                                                     \
    "scaling_groups,resource_slot_types,agents,agent_resources,sessions,kernels,"                  \
    "resource_allocations,session_dependencies,session_groups,keypairs,users,"                     \
    "keypair_resource_policies,groups,domains,berth.group_state,berth.owner_versions"

/* Ids are compared modulo 2^32 where they are those of rows. */
#define XIDS_MAX UINT64_C(100000000)

size_t warm_bytes(const struct warm *w)
{
    return sizeof(*w) + arena_used(w->arena);
}

const struct snapshot *warm_snapshot(const struct warm *w)
{
    return w->s;
}

/* --- where we are --- */

/* A view, a partition, a child table or a policy can change what is seen without a change of a row
 * that has an id. */
static const char sql_tables[] =
    "SELECT t.oids::int8[], (SELECT count(*) = cardinality(t.oids) AND bool_and(c.relkind = 'r' "
    "AND NOT c.relrowsecurity AND NOT c.relhassubclass AND NOT c.relhasrules) "
    "FROM pg_class c WHERE c.oid = ANY(t.oids)) "
    "FROM (SELECT array_agg(to_regclass(n)::oid ORDER BY i) AS oids "
    "FROM unnest(string_to_array('" TABLES "', ',')) WITH ORDINALITY AS u(n, i)) t";

static int look_around(struct txn *t, struct arena *a, struct warm_here *ret, struct err *e)
{
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    uint32_t n = 0;
    if (db_moment_read(t, a, &ret->moment, e) < 0 ||
        pg_query(t, sql_tables, "Ib", NULL, 0, &r, e) < 0)
        return -1;
    const int64_t *oids = rows_int_array(r, 0, 0, a, &n);
    ret->is_plain = n == WARM_TABLES && rows_bool(r, 0, 1);
    if (n == WARM_TABLES)
        memcpy(ret->tables, oids, sizeof(ret->tables));
    return 0;
}

/* Whether *w says anything about the database as it is here. */
static bool is_of_here(const struct warm *w, const struct warm_here *h)
{
    return h->is_plain && db_mark_equal(&w->moment.mark, &h->moment.mark) &&
           memcmp(w->tables, h->tables, sizeof(h->tables)) == 0 &&
           h->moment.xmin >= w->moment.xmin && h->moment.xmax - w->moment.xmin <= XIDS_MAX;
}

/* --- all of it --- */

/* Takes *w's place. */
static int load_whole(struct txn *t, const char *group, const struct warm_here *h, struct warm **w,
                      struct err *e)
{
    warm_destroy(TAKE(*w));
    const struct snapshot_query q = {.scaling_group = group};
    CLEANUP(arena_destroyp) struct arena *scratch = arena_create();
    CLEANUP(warm_destroyp) struct warm *fresh = warm_create(h);
    struct load *l = arena_new(scratch, struct load, 1);
    *l = (struct load){.t = t, .b = fresh->b, .a = scratch};
    if (load_all(l, &q, NULL, e) < 0)
        return -1;
    warm_finish(fresh, l);
    *w = TAKE(fresh);
    return 0;
}

/* --- nothing but what every load reads anew --- */

static bool text_equal(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static bool head_equal(const struct snapshot *x, const struct snapshot *y)
{
    bool same =
        uuid_compare(&x->group_id, &y->group_id) == 0 && text_equal(x->group_name, y->group_name) &&
        text_equal(x->scheduler, y->scheduler) && text_equal(x->strategy, y->strategy) &&
        text_equal(x->bad_options, y->bad_options) && x->pending_timeout == y->pending_timeout &&
        x->n_options == y->n_options && x->n_rr_cursors == y->n_rr_cursors;
    for (uint32_t i = 0; same && i < x->n_options; i++)
        same = text_equal(x->options[i].key, y->options[i].key) &&
               text_equal(x->options[i].value, y->options[i].value);
    for (uint32_t i = 0; same && i < x->n_rr_cursors; i++)
        same = text_equal(x->rr_cursors[i].agent_id, y->rr_cursors[i].agent_id) &&
               text_equal(x->archs[x->rr_cursors[i].arch], y->archs[y->rr_cursors[i].arch]);
    return same;
}

/* The group's row and cursors, as a snapshot without tables. */
static int load_head(struct txn *t, const char *group, struct arena *a, const struct snapshot **ret,
                     struct err *e)
{
    struct load *l = arena_new(a, struct load, 1);
    *l = (struct load){.t = t, .b = builder_create(a), .a = a};
    if (group_load(l, group, e) < 0 || cursors_load(l, e) < 0)
        return -1;
    *ret = builder_finish(l->b);
    return 0;
}

/* Every session that fails as it did is counted by the group's row alone. */
static bool recount(struct warm *w, const struct snapshot *head)
{
    const int64_t more = head->failure_rounds - w->s->failure_rounds;
    if (more < 0 || (more > 0 && w->extra.n_odd > 0))
        return false;
    for (uint32_t i = 0; more > 0 && i < w->s->n_sessions; i++) {
        struct session *s = builder_session_at(w->b, i);
        if (s->rare != &session_rare_none &&
            !failure_recount(s, builder_session_rare(w->b, i), more))
            return false; /* half done: the caller drops it */
    }
    builder_renew(w->b, head->observed_at, head->failure_rounds);
    return true;
}

/* *ret: whether *w is the group's snapshot now. If not it may be half changed. */
static int look_again(struct txn *t, const char *group, const struct warm_here *h, struct warm *w,
                      bool *ret, struct err *e)
{
    CLEANUP(arena_destroyp) struct arena *scratch = arena_create();
    const struct snapshot *head = NULL;
    if (load_head(t, group, scratch, &head, e) < 0)
        return -1;
    *ret = head_equal(w->s, head) && recount(w, head);
    w->moment.xmin = h->moment.xmin;
    w->moment.xmax = h->moment.xmax;
    return 0;
}

static int bring_up_to_date(struct txn *t, const char *group, const struct warm_here *h,
                            struct warm **w, enum load_kind *ret, struct err *e)
{
    bool same = false;
    if (quiet_since((*w)->moment.xmin, &h->moment)) {
        if (look_again(t, group, h, *w, &same, e) < 0)
            return -1;
        *ret = same ? LOAD_UNCHANGED : LOAD_FULL;
        return 0;
    }
    struct warm *newer = NULL;
    if (warm_delta(t, group, h, *w, &newer, e) < 0)
        return -1;
    if (newer == NULL)
        return 0;
    warm_destroy(*w);
    *w = newer;
    *ret = LOAD_DELTA;
    return 0;
}

/* --- the whole --- */

static int check(struct txn *t, const char *group, const struct warm_here *h, struct arena *scratch,
                 struct warm **w, struct warm_report *ret, struct err *e)
{
    CLEANUP(arena_destroyp) struct arena *texts = arena_create();
    CLEANUP(warm_destroyp) struct warm *whole = NULL;
    if (load_whole(t, group, h, &whole, e) < 0)
        return -1;
    ret->checked = true;
    ret->difference = arena_strdup(scratch, snapshot_difference((*w)->s, whole->s, texts));
    (*w)->checked_at = whole->checked_at;
    if (ret->difference == NULL)
        return 0;
    warm_destroy(*w);
    *w = TAKE(whole);
    return 0;
}

static int load_here(struct txn *t, const char *group, const struct warm_options *o,
                     struct arena *scratch, struct warm **w, struct warm_report *ret, struct err *e)
{
    struct warm_here h = {.is_plain = false};
    if (look_around(t, scratch, &h, e) < 0 ||
        (*w != NULL && is_of_here(*w, &h) && bring_up_to_date(t, group, &h, w, &ret->kind, e) < 0))
        return -1;
    if (ret->kind == LOAD_FULL)
        return load_whole(t, group, &h, w, e);
    assert(*w != NULL); /* it was brought up to date */
    if ((*w)->s->observed_at - (*w)->checked_at < o->check_us)
        return 0;
    return check(t, group, &h, scratch, w, ret, e);
}

int warm_load(struct txn *t, const char *scaling_group, const struct warm_options *o,
              struct arena *scratch, struct warm **w, struct warm_report *ret, struct err *e)
{
    *ret = (struct warm_report){.kind = LOAD_FULL};
    if (load_here(t, scaling_group, o, scratch, w, ret, e) == 0)
        return 0;
    warm_destroy(TAKE(*w));
    return -1;
}
