/* reference_select.c - step 7: orders and selectors, agent against agent. */
#include "tests/reference/reference_internal.h"

static size_t class_length(const char *slot)
{
    return strcspn(slot, ".");
}

/* Place of a requested slot in the order P: smaller goes first. */
static bool slot_before(const struct policy_config *c, const char *x, const char *y)
{
    static const char *const defaults[] = {"cuda", "rocm", "tpu", "cpu", "mem"};
    const char *const *list = c->slot_priority != NULL ? c->slot_priority : defaults;
    size_t n = c->slot_priority != NULL ? c->n_slot_priority : ARRAY_SIZE(defaults);
    size_t at[2];
    const char *const names[2] = {x, y};
    for (int i = 0; i < 2; i++) {
        at[i] = 2 * n;
        for (size_t j = 0; j < n && at[i] == 2 * n; j++)
            if (strcmp(list[j], names[i]) == 0)
                at[i] = 2 * j;
        for (size_t j = 0; j < n && at[i] == 2 * n; j++)
            if (strlen(list[j]) == class_length(names[i]) &&
                strncmp(list[j], names[i], class_length(names[i])) == 0)
                at[i] = 2 * j + 1;
    }
    if (at[0] != at[1])
        return at[0] < at[1];
    return strcmp(x, y) < 0;
}

static void slot_order(const struct state *st, const struct requirement *r, uint32_t order[],
                       uint32_t *ret_n)
{
    uint32_t n = 0;
    for (uint32_t slot = 0; slot < st->s->n_slots; slot++)
        if (r->want[slot] > 0)
            order[n++] = slot;
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t j = i; j > 0 && slot_before(st->c, st->s->slots[order[j]].name,
                                                  st->s->slots[order[j - 1]].name);
             j--) {
            uint32_t t = order[j];
            order[j] = order[j - 1];
            order[j - 1] = t;
        }
    *ret_n = n;
}

static int64_t extras(const struct state *st, const struct requirement *r, uint32_t agent)
{
    int64_t n = 0;
    for (uint32_t slot = 0; slot < st->s->n_slots; slot++)
        if (r->want[slot] == 0 && remaining(st, agent, slot) > 0)
            n++;
    return n;
}

/* Does the selector prefer agent x over agent y? Equal keys: the smaller id, that is index. */
static bool prefers(const struct state *st, const struct requirement *r, uint32_t x, uint32_t y)
{
    const char *strategy = st->s->strategy;
    uint32_t order[REF_MAX_SLOTS], n;
    slot_order(st, r, order, &n);
    if (strcmp(strategy, "roundrobin") == 0) {
        const char *last = st->cursor[r->arch];
        bool x_after = last == NULL || strcmp(st->s->agents[x].id, last) > 0;
        bool y_after = last == NULL || strcmp(st->s->agents[y].id, last) > 0;
        if (x_after != y_after)
            return x_after;
        return x < y;
    }
    int64_t ex = extras(st, r, x), ey = extras(st, r, y);
    if (ex != ey)
        return ex < ey;
    for (uint32_t i = 0; i < n; i++) {
        int64_t vx = remaining(st, x, order[i]), vy = remaining(st, y, order[i]);
        if (strcmp(strategy, "legacy") == 0) {
            vx = snapshot_row(st->s, st->s->agent_capacity, x)[order[i]];
            vy = snapshot_row(st->s, st->s->agent_capacity, y)[order[i]];
        }
        if (vx != vy)
            return strcmp(strategy, "concentrated") == 0 ? vx < vy : vx > vy;
    }
    return x < y;
}

/* Ranks of the orders: designated preferred, then the session group. Smaller is better. */
static bool tier_before(const struct state *st, const struct session *w, const bool *mine,
                        uint32_t x, uint32_t y, bool *ret_equal)
{
    const struct snapshot *s = st->s;
    *ret_equal = false;
    if (!w->designated_strict && w->rare->n_designated > 0) {
        bool dx = is_designated(s, w, x), dy = is_designated(s, w, y);
        if (dx != dy)
            return dx;
    }
    if (w->group != NONE && s->session_groups[w->group].direction != GROUP_NO_DIRECTION) {
        int32_t mx = members_on(st, w, mine, x), my = members_on(st, w, mine, y);
        if (mx != my)
            return s->session_groups[w->group].direction == GROUP_SPREAD ? mx < my : mx > my;
    }
    *ret_equal = true;
    return false;
}

uint32_t choose(const struct state *st, const struct session *w, const struct requirement *r,
                const bool *mine, const bool *fits)
{
    uint32_t best = NONE;
    for (uint32_t i = 0; i < st->s->n_agents; i++) {
        bool equal = false;
        if (!fits[i])
            continue;
        if (best == NONE || tier_before(st, w, mine, i, best, &equal) ||
            (equal && prefers(st, r, i, best)))
            best = i;
    }
    return best;
}
