/* snapshot_derived.c - what is made of a shared snapshot once: the order of its queue, the plan of
 * its round, explainers. */
#include <stdlib.h>

#include "server/clock.h"
#include "server/snapshot_share_internal.h"

enum { IDLE_MAX = 64, SEAT_BYTES = 32 << 20 };

void derived_init(struct shared_snapshot *s)
{
    pthread_mutex_init(&s->lock, NULL);
    clock_cond_init(&s->made);
}

static void seat_free(struct shared_seat *seat)
{
    arena_destroy(seat->arena);
    free(seat);
}

void derived_finish(struct shared_snapshot *s)
{
    while (s->idle != NULL) {
        struct shared_seat *seat = s->idle;
        s->idle = seat->next;
        seat_free(seat);
    }
    arena_destroy(s->order_made.arena);
    arena_destroy(s->plan_made.arena);
    pthread_cond_destroy(&s->made);
    pthread_mutex_destroy(&s->lock);
}

/* --- made once --- */

typedef int make_f(struct shared_snapshot *s, const struct snapshot_want *w, struct arena *a,
                   struct err *e);

static int await(struct shared_snapshot *s, const struct made *m, const struct snapshot_want *w,
                 struct err *e)
{
    while (m->state == IN_THE_MAKING) {
        if (share_check_wait(w, e) < 0)
            return -1;
        int64_t look = clock_ns() + LOOK_MS * NS_PER_MS;
        clock_cond_wait(&s->made, &s->lock, look < w->deadline_ns ? look : w->deadline_ns);
    }
    return 0;
}

/* Who fails to make it fails alone: the next one who asks tries. */
static int make_once(struct shared_snapshot *s, struct made *m, const struct snapshot_want *w,
                     make_f *make, struct err *e)
{
    pthread_mutex_lock(&s->lock);
    int rc = await(s, m, w, e);
    bool mine = rc == 0 && m->state == NOT_MADE;
    if (mine)
        m->state = IN_THE_MAKING;
    pthread_mutex_unlock(&s->lock);
    if (!mine)
        return rc;
    struct arena *a = arena_create();
    rc = make(s, w, a, e);
    pthread_mutex_lock(&s->lock);
    m->state = rc == 0 ? MADE : NOT_MADE;
    if (rc == 0)
        m->arena = TAKE(a);
    pthread_cond_broadcast(&s->made);
    pthread_mutex_unlock(&s->lock);
    if (rc == 0)
        atomic_fetch_add(&s->bytes, arena_used(m->arena));
    arena_destroy(a);
    return rc;
}

static int make_order(struct shared_snapshot *s, const struct snapshot_want *w, struct arena *a,
                      struct err *e)
{
    const struct policy *policy;
    uint32_t *order, n = s->is.snapshot->n_sessions;
    uint32_t *places = arena_new(a, uint32_t, n);
    (void)w;
    if (shared_policy(s, &policy, e) < 0 || round_order(s->is.snapshot, policy, a, &order, e) < 0)
        return -1;
    for (uint32_t i = 0; i < n; i++)
        places[order[i]] = i;
    s->order = order;
    s->known.places = places;
    return 0;
}

static bool must_stop(void *want)
{
    return share_check_wait(want, NULL) < 0;
}

static int make_plan(struct shared_snapshot *s, const struct snapshot_want *w, struct arena *a,
                     struct err *e)
{
    const struct policy *policy;
    struct plan *plan;
    struct snapshot_want want = *w;
    const struct round_hooks hooks = {.ctx = &want, .stop = must_stop};
    uint32_t *decision_of = arena_new(a, uint32_t, s->is.snapshot->n_sessions);
    if (shared_policy(s, &policy, e) < 0 ||
        round_run(s->is.snapshot, policy, NULL, &hooks, a, &plan, NULL, e) < 0)
        return -1;
    if (plan->stopped) {
        (void)share_check_wait(w, e); /* says why */
        return -1;
    }
    for (uint32_t i = 0; i < plan->n_decisions; i++)
        decision_of[plan->decisions[i].session] = i;
    s->known.plan = plan;
    s->known.decision_of = decision_of;
    return 0;
}

int shared_order(struct shared_snapshot *s, const struct snapshot_want *w, struct known *ret,
                 const uint32_t **ret_order, struct err *e)
{
    if (make_once(s, &s->order_made, w, make_order, e) < 0)
        return -1;
    ret->places = s->known.places;
    if (ret_order != NULL)
        *ret_order = s->order;
    return 0;
}

int shared_plan(struct shared_snapshot *s, const struct snapshot_want *w, struct known *ret,
                struct err *e)
{
    if (shared_order(s, w, ret, NULL, e) < 0 || make_once(s, &s->plan_made, w, make_plan, e) < 0)
        return -1;
    ret->plan = s->known.plan;
    ret->decision_of = s->known.decision_of;
    return 0;
}

/* --- explainers --- */

struct shared_seat *shared_sit(struct shared_snapshot *s, struct explainer **ret)
{
    pthread_mutex_lock(&s->lock);
    struct shared_seat *seat = s->idle;
    if (seat != NULL) {
        s->idle = seat->next;
        s->n_idle--;
        atomic_fetch_sub(&s->bytes, arena_used(seat->arena));
    }
    pthread_mutex_unlock(&s->lock);
    if (seat == NULL) {
        seat = calloc(1, sizeof(*seat));
        if (seat == NULL)
            abort(); /* as an arena does */
        seat->arena = arena_create();
        seat->explainer = explainer_create(s->is.snapshot, s->is.policy, seat->arena);
    }
    *ret = seat->explainer;
    return seat;
}

/* One that remembers too much is made anew when it is wanted. */
void shared_leave(struct shared_snapshot *s, struct shared_seat *seat)
{
    if (seat == NULL)
        return;
    size_t bytes = arena_used(seat->arena);
    pthread_mutex_lock(&s->lock);
    bool keep = s->n_idle < IDLE_MAX && bytes <= SEAT_BYTES + 2 * warm_bytes(s->is.warm);
    if (keep) {
        seat->next = s->idle;
        s->idle = seat;
        s->n_idle++;
        atomic_fetch_add(&s->bytes, bytes);
    }
    pthread_mutex_unlock(&s->lock);
    if (!keep)
        seat_free(seat);
}
