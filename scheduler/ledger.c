/* ledger.c - usage folded in as the round places sessions. */
#include "scheduler/ledger.h"

#include <string.h>

bool session_is_expired(const struct snapshot *s, const struct session *x)
{
    return s->pending_timeout > 0 &&
           (__int128)s->observed_at - x->pending_since >= s->pending_timeout;
}

static const int64_t *total_capacity(const struct snapshot *s, struct arena *a)
{
    int64_t *total = arena_new(a, int64_t, s->n_slots);
    for (uint32_t i = 0; i < s->n_agents; i++) {
        const int64_t *capacity = snapshot_row(s, s->agent_capacity, i);
        if (!agent_is_candidate(&s->agents[i]))
            continue;
        for (uint32_t k = 0; k < s->n_slots; k++) {
            int64_t more = capacity[k] > 0 ? capacity[k] : 0;
            total[k] = more < AMOUNT_MAX - total[k] ? total[k] + more : AMOUNT_MAX;
        }
    }
    return total;
}

void ledger_init(struct ledger *l, const struct snapshot *s, struct arena *a)
{
    *l = (struct ledger){
        .expired = arena_new(a, bool, s->n_sessions),
        .owner_placed = arena_new(a, int64_t, (size_t)s->n_owners * s->n_slots),
        .owner_placed_sessions = arena_new(a, int64_t, s->n_owners),
        .owner_placed_sftp = arena_new(a, int64_t, s->n_owners),
    };
    for (uint32_t i = 0; i < s->n_sessions; i++)
        l->expired[i] = session_is_expired(s, &s->sessions[i]);
    l->view = (struct round_view){.snapshot = s,
                                  .expired = l->expired,
                                  .total_capacity = total_capacity(s, a),
                                  .owner_placed = l->owner_placed,
                                  .owner_placed_sessions = l->owner_placed_sessions,
                                  .owner_placed_sftp = l->owner_placed_sftp};
}

void ledger_look(struct ledger *l, uint32_t session)
{
    const struct snapshot *s = l->view.snapshot;
    l->expired[session] = session_is_expired(s, &s->sessions[session]);
}

void ledger_fold(struct ledger *l, uint32_t session, const struct shape *h)
{
    const struct snapshot *s = l->view.snapshot;
    const struct session *x = &s->sessions[session];
    if (session_is_private(x)) {
        l->owner_placed_sftp[x->owner[OWNER_KEYPAIR]]++;
        return;
    }
    l->owner_placed_sessions[x->owner[OWNER_KEYPAIR]]++;
    for (int kind = 0; kind < N_OWNER_KINDS; kind++) {
        int64_t *placed = l->owner_placed + (size_t)x->owner[kind] * s->n_slots;
        for (uint32_t i = 0; i < h->slots->n; i++) {
            uint32_t slot = h->slots->asked[i];
            placed[slot] = amount_add(placed[slot], h->request[slot]);
        }
    }
}

void ledger_clear(struct ledger *l, uint32_t session)
{
    const struct snapshot *s = l->view.snapshot;
    const struct session *x = &s->sessions[session];
    l->owner_placed_sftp[x->owner[OWNER_KEYPAIR]] = 0;
    l->owner_placed_sessions[x->owner[OWNER_KEYPAIR]] = 0;
    for (int kind = 0; kind < N_OWNER_KINDS; kind++)
        memset(l->owner_placed + (size_t)x->owner[kind] * s->n_slots, 0,
               s->n_slots * sizeof(*l->owner_placed));
}
