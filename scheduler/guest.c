/* guest.c - sessions that are only described. */
#include "scheduler/guest.h"

#include <assert.h>
#include <string.h>

void builder_guest(struct snapshot_builder *b, const struct guest *g)
{
    const uint32_t n_slots = builder_n_slots(b);
    const uint32_t session = builder_session(b, &g->session);
    for (uint32_t i = 0; i < g->n_designated; i++)
        builder_designated(b, session, g->designated[i]);
    for (uint32_t k = 0; k < g->n_kernels; k++) {
        int64_t *row;
        builder_kernel(b, session, &g->kernels[k], g->archs[k], &row);
        memcpy(row, g->request + (size_t)k * n_slots, n_slots * sizeof(*row));
    }
}

struct waiters { /* what waits of one access key, as if elsewhere */
    struct other_pending *who;
    int64_t *request;
    uint32_t n;
};

struct guests {
    const struct snapshot *of;
    struct snapshot view; /* the same, but with the guest as its only session */
    struct session session;
    struct session_rare rare; /* of it */
    struct engine engine;
    struct arena *arena;
    struct waiters **of_key; /* by owner; NULL: not asked for yet */
};

static uint32_t find_arch(const struct snapshot *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_archs; i++)
        if (strcmp(s->archs[i], name) == 0)
            return i;
    return NONE;
}

bool guest_stays_outside(const struct snapshot *s, const struct guest *g)
{
    for (uint32_t k = 0; k < g->n_kernels; k++)
        if (find_arch(s, g->archs[k]) == NONE)
            return false;
    return true;
}

struct guests *guests_create(const struct snapshot *s, const struct policy *p, struct arena *a)
{
    struct guests *x = arena_new(a, struct guests, 1);
    x->of = s;
    x->arena = a;
    x->of_key = arena_new(a, struct waiters *, s->n_owners);
    x->view = *s;
    x->session.rare = &x->rare;
    x->view.sessions = &x->session;
    x->view.n_sessions = 1;
    x->view.n_kernels = x->view.n_dependencies = x->view.n_designated = 0;
    x->view.n_other_pending = 0;
    x->view.session_index = NULL;
    engine_init(&x->engine, &x->view, p, false, a);
    shapes_keep_copies(x->engine.placer.shapes);
    return x;
}

/* --- who waits beside it --- */

static bool counts(const struct snapshot *s, const struct session *x, uint32_t key)
{
    return x->owner[OWNER_KEYPAIR] == key && !session_is_private(x) && !session_is_expired(s, x);
}

static void add_session(struct waiters *w, const struct snapshot *s, const struct session *x)
{
    int64_t *sum = w->request + (size_t)w->n * s->n_slots;
    w->who[w->n++] = (struct other_pending){
        .keypair = x->owner[OWNER_KEYPAIR], .created_at = x->created_at, .id = x->id};
    for (uint32_t k = 0; k < x->n_kernels; k++) {
        const int64_t *row = snapshot_request(s, x->first_kernel + k);
        for (uint32_t i = 0; i < s->n_slots; i++)
            sum[i] = amount_add(sum[i], row[i]);
    }
}

static struct waiters *list_waiters(const struct snapshot *s, uint32_t key, struct arena *a)
{
    struct waiters *w = arena_new(a, struct waiters, 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_sessions; i++)
        n += counts(s, &s->sessions[i], key);
    for (uint32_t i = 0; i < s->n_other_pending; i++)
        n += s->other_pending[i].keypair == key;
    w->who = arena_new(a, struct other_pending, n);
    w->request = arena_new(a, int64_t, (size_t)n * s->n_slots);
    for (uint32_t i = 0; i < s->n_sessions; i++)
        if (counts(s, &s->sessions[i], key))
            add_session(w, s, &s->sessions[i]);
    for (uint32_t i = 0; i < s->n_other_pending; i++) {
        if (s->other_pending[i].keypair != key)
            continue;
        memcpy(w->request + (size_t)w->n * s->n_slots, snapshot_row(s, s->other_request, i),
               s->n_slots * sizeof(*w->request));
        w->who[w->n++] = s->other_pending[i];
    }
    return w;
}

/* Only the limits of pending sessions look at them. */
static void set_waiters(struct guests *x)
{
    const uint32_t key = x->session.owner[OWNER_KEYPAIR];
    const struct owner *o = &x->of->owners[key];
    x->view.n_other_pending = 0;
    if (o->max_pending == INT64_MAX && !o->has_pending_limit)
        return;
    if (x->of_key[key] == NULL)
        x->of_key[key] = list_waiters(x->of, key, x->arena);
    x->view.other_pending = x->of_key[key]->who;
    x->view.other_request = x->of_key[key]->request;
    x->view.n_other_pending = x->of_key[key]->n;
}

/* --- the guest --- */

struct engine *guests_enter(struct guests *x, const struct guest *g, struct arena *a,
                            const struct snapshot **ret_view)
{
    struct kernel *kernels = arena_memdup(a, g->kernels, g->n_kernels * sizeof(*kernels));
    for (uint32_t k = 0; k < g->n_kernels; k++) {
        kernels[k].arch = find_arch(x->of, g->archs[k]);
        assert(kernels[k].arch != NONE); /* guest_stays_outside() */
        kernels[k].request = k;
    }
    x->session = g->session;
    x->session.first_kernel = 0;
    x->session.n_kernels = g->n_kernels;
    x->session.rare = &x->rare;
    x->rare = (struct session_rare){.n_designated = g->n_designated};
    x->view.kernels = kernels;
    x->view.requests = g->request;
    x->view.n_requests = g->n_kernels;
    x->view.n_kernels = g->n_kernels;
    x->view.designated = g->designated;
    x->view.n_designated = g->n_designated;
    set_waiters(x);
    shapes_forget(x->engine.placer.shapes, 0);
    ledger_look(&x->engine.ledger, 0);
    engine_begin(&x->engine, a);
    *ret_view = &x->view;
    return &x->engine;
}
