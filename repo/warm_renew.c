/* warm_renew.c - what is kept of a group in which nobody has written, as of now: nothing but what
 * every load reads anew. */
#include <assert.h>
#include <string.h>

#include "repo/failure_record.h"
#include "repo/warm_internal.h"

/* --- the group's row --- */

static bool text_equal(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

bool warm_head_equal(const struct warm *w, const struct snapshot *y)
{
    const struct snapshot *x = w->s;
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

int warm_head(struct txn *t, const char *group, struct arena *a, const struct snapshot **ret,
              struct err *e)
{
    struct load *l = arena_new(a, struct load, 1);
    *l = (struct load){.t = t, .b = builder_create(a), .a = a};
    if (group_load(l, group, e) < 0 || cursors_load(l, e) < 0)
        return -1;
    *ret = builder_finish(l->b);
    return 0;
}

/* --- as of now --- */

/* Every session that fails as it did is counted by the group's row alone. */
static bool can_recount(const struct warm *w, int64_t more)
{
    return more >= 0 && (more == 0 || w->extra.n_odd == 0);
}

bool warm_renew(struct warm *w, const struct snapshot *head, const struct warm_here *h)
{
    const int64_t more = head->failure_rounds - w->s->failure_rounds;
    assert(w->root == NULL && atomic_load(&w->refs) == 1);
    if (!can_recount(w, more))
        return false;
    for (uint32_t i = 0; more > 0 && i < w->s->n_sessions; i++) {
        struct session *s = builder_session_at(w->b, i);
        if (s->rare != &session_rare_none &&
            !failure_recount(s, builder_session_rare(w->b, i), more))
            return false;
    }
    builder_renew(w->b, head->observed_at, head->failure_rounds);
    w->moment.xmin = h->moment.xmin;
    return true;
}

static bool recount(struct session *s, int64_t more, struct arena *a)
{
    if (s->rare == &session_rare_none)
        return true;
    struct session_rare *own = arena_memdup(a, s->rare, sizeof(*own));
    s->rare = own;
    return failure_recount(s, own, more);
}

/* The sessions of one that was renewed itself, and counted then, die with it: only tables of the
 * root are shared. */
static bool needs_sessions(const struct warm *w, int64_t more)
{
    return more > 0 || (w->root != NULL && w->s->sessions != w->root->s->sessions);
}

struct warm *warm_renewed(struct warm *w, const struct snapshot *head, const struct warm_here *h)
{
    const int64_t more = head->failure_rounds - w->s->failure_rounds;
    struct session *sessions = NULL;
    if (!can_recount(w, more))
        return NULL;
    CLEANUP(warm_destroyp) struct warm *n = warm_of_tables(w);
    n->s = snapshot_renew(w->s, head->observed_at, head->failure_rounds, n->arena,
                          needs_sessions(w, more) ? &sessions : NULL);
    for (uint32_t i = 0; sessions != NULL && i < n->s->n_sessions; i++)
        if (!recount(&sessions[i], more, n->arena))
            return NULL;
    n->moment.xmin = h->moment.xmin;
    return TAKE(n);
}
