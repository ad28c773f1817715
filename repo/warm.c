/* warm.c - decides how a kept snapshot is brought up to date, and checks that it was right. */
#include "repo/warm.h"

#include <assert.h>
#include <string.h>

#include "repo/warm_internal.h"
#include "scheduler/snapshot_compare.h"

/* The tables a snapshot is made of. Other tables under these names are another database. */
#define TABLES                                                                                     \
    "scaling_groups,resource_slot_types,agents,agent_resources,sessions,kernels,"                  \
    "resource_allocations,session_dependencies,session_groups,keypairs,users,"                     \
    "keypair_resource_policies,groups,domains,berth.group_state,berth.owner_versions"

struct work { /* a load under way */
    struct txn *t;
    const struct snapshot_query *q;
    const struct warm_options *options;
    struct warm_here here;
    struct warm *base;   /* NULL: nothing is kept; not looked at once it was dropped */
    struct warm *mine;   /* the same, where it may be changed; NULL: it may not */
    struct warm *result; /* NULL: there is none yet */
    struct warm_report report;
};

/* --- where we are --- */

/* A view, a partition, a child table or a policy can change what is seen without a change of a row
 * that has an id. */
static const char sql_tables[] =
    "SELECT t.oids::int8[], (SELECT count(*) = cardinality(t.oids) AND bool_and(c.relkind = 'r' "
    "AND NOT c.relrowsecurity AND NOT c.relhassubclass AND NOT c.relhasrules) "
    "FROM pg_class c WHERE c.oid = ANY(t.oids)) "
    "FROM (SELECT array_agg(to_regclass(n)::oid) AS oids "
    "FROM unnest(string_to_array('" TABLES "', ',')) AS u(n)) t";

static int look_around(struct txn *t, struct arena *a, struct warm_here *ret, struct err *e)
{
    CLEANUP(rows_freep) struct pg_rows *r = NULL;
    uint32_t n;
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
    return h->is_plain && db_moment_follows(&w->moment, &h->moment) &&
           memcmp(w->tables, h->tables, sizeof(h->tables)) == 0;
}

/* --- all of it --- */

static int load_whole(const struct work *k, struct warm **ret, struct err *e)
{
    CLEANUP(arena_destroyp) struct arena *scratch = arena_create();
    CLEANUP(warm_destroyp) struct warm *fresh = warm_create(&k->here);
    struct load *l = arena_new(scratch, struct load, 1);
    struct snapshot_spec_owners *found =
        arena_new(scratch, struct snapshot_spec_owners, k->q->n_specs);
    *l = (struct load){.t = k->t, .b = fresh->b, .a = scratch};
    if (load_all(l, k->q, found, e) < 0)
        return -1;
    warm_finish(fresh, l, k->q, found);
    *ret = TAKE(fresh);
    return 0;
}

/* --- what is kept, brought up to date --- */

/* Nobody reads what may be changed once there is something newer. */
static void drop_base(struct work *k)
{
    if (k->mine != k->result)
        warm_destroy(k->mine);
    k->mine = NULL;
}

static int load_unchanged(struct work *k, struct err *e)
{
    CLEANUP(arena_destroyp) struct arena *scratch = arena_create();
    const struct snapshot *head = NULL;
    if (warm_head(k->t, k->q->scaling_group, scratch, &head, e) < 0)
        return -1;
    if (!warm_head_equal(k->base, head))
        return 0;
    if (k->mine == NULL)
        k->result = warm_renewed(k->base, head, &k->here);
    else if (warm_renew(k->mine, head, &k->here))
        k->result = k->mine;
    return 0;
}

static int bring_up_to_date(struct work *k, struct err *e)
{
    const bool quiet =
        quiet_since(k->base->moment.xmin, &k->here.moment) && warm_specs_suit(k->base, k->q);
    const int rc =
        quiet ? load_unchanged(k, e) : warm_delta(k->t, k->q, &k->here, k->base, &k->result, e);
    if (k->result != NULL)
        k->report.kind = quiet ? LOAD_UNCHANGED : LOAD_DELTA;
    return rc;
}

/* --- the whole --- */

static int check(struct work *k, struct arena *scratch, struct err *e)
{
    CLEANUP(arena_destroyp) struct arena *texts = arena_create();
    CLEANUP(warm_destroyp) struct warm *whole = NULL;
    if (load_whole(k, &whole, e) < 0)
        return -1;
    k->report.checked = true;
    k->report.difference =
        arena_strdup(scratch, snapshot_difference(k->result->s, whole->s, texts));
    k->result->checked_at = whole->checked_at;
    if (k->report.difference == NULL)
        return 0;
    warm_destroy(k->result);
    k->result = TAKE(whole);
    return 0;
}

static int load_here(struct work *k, struct arena *scratch, struct err *e)
{
    if (look_around(k->t, scratch, &k->here, e) < 0 ||
        (k->base != NULL && is_of_here(k->base, &k->here) && bring_up_to_date(k, e) < 0))
        return -1;
    drop_base(k);
    if (k->result == NULL)
        return load_whole(k, &k->result, e);
    if (k->result->s->observed_at - k->result->checked_at < k->options->check_us)
        return 0;
    return check(k, scratch, e);
}

static int load_it(struct work *k, struct arena *scratch, struct err *e)
{
    if (load_here(k, scratch, e) == 0)
        return 0;
    drop_base(k);
    warm_destroy(k->result);
    return -1;
}

int warm_load(struct txn *t, const char *scaling_group, const struct warm_options *o,
              struct arena *scratch, struct warm **w, struct warm_report *ret, struct err *e)
{
    const struct snapshot_query q = {.scaling_group = scaling_group};
    struct work k = {.t = t, .q = &q, .options = o, .base = *w, .mine = *w};
    *w = NULL;
    if (load_it(&k, scratch, e) < 0)
        return -1;
    *w = k.result;
    *ret = k.report;
    return 0;
}

int warm_load_beside(struct txn *t, const struct snapshot_query *q, const struct warm_options *o,
                     struct arena *scratch, struct warm *base, struct warm **ret,
                     struct warm_report *report, struct err *e)
{
    struct work k = {.t = t, .q = q, .options = o, .base = base};
    if (load_it(&k, scratch, e) < 0)
        return -1;
    *ret = k.result;
    *report = k.report;
    return 0;
}
