/* plan_file.c - a plan as bytes and back: hash, budget, validators, lists of causes, decisions,
 * cursors.
 *
 * Decisions often share their causes, so each list is written once and decisions name it by number,
 * 0 for none. Placements follow their decision. */
#include "scheduler/snapshot_file.h"
#include "scheduler/snapshot_format.h"
#include "scheduler/snapshot_index.h"

/* The lists met so far, found by their address. */
struct cause_lists {
    struct arena *arena;
    struct cause_list {
        const struct cause *causes;
        uint32_t n;
    } * lists;
    size_t cap;
    uint32_t n;
    struct snapshot_index by_address;
};

/* The list's number from 1; 0: no causes. */
static uint32_t list_number(struct cause_lists *l, const struct cause *causes, uint32_t n)
{
    if (n == 0)
        return 0;
    uint32_t hash = (uint32_t)(((uint64_t)(uintptr_t)causes * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
    for (uint32_t at = hash, i; (i = index_next(&l->by_address, hash, &at)) != NONE;)
        if (l->lists[i].causes == causes && l->lists[i].n == n)
            return i + 1;
    l->lists = arena_grow(l->arena, l->lists, &l->cap, (size_t)l->n + 1, sizeof(*l->lists));
    l->lists[l->n] = (struct cause_list){.causes = causes, .n = n};
    index_put(&l->by_address, l->arena, hash, l->n);
    return ++l->n;
}

static void put_cause(struct byte_writer *w, const struct cause *c)
{
    put_byte(w, (uint8_t)c->kind);
    put_byte(w, c->retryable ? CAUSE_RETRYABLE : 0);
    put_text(w, c->plugin);
    put_text(w, c->subject);
    put_text(w, c->message);
    put_number(w, c->n_slots);
    for (uint32_t i = 0; i < c->n_slots; i++) {
        put_number(w, c->slots[i].slot);
        put_amounts(w, &c->slots[i].requested, 1);
        put_amounts(w, &c->slots[i].available, 1);
        put_amounts(w, &c->slots[i].limit, 1);
    }
}

static void put_decision(struct byte_writer *w, const struct plan *p, const struct decision *d,
                         struct cause_lists *l)
{
    put_byte(w, (uint8_t)d->outcome);
    put_number(w, d->session);
    put_number(w, list_number(l, d->causes, d->n_causes));
    put_number(w, d->passed);
    put_number(w, d->n_placements);
    int64_t before = -1;
    for (uint32_t i = 0; i < d->n_placements; i++) {
        const struct placement *at = &p->placements[d->first_placement + i];
        put_difference(w, at->kernel, before + 1);
        put_number(w, at->agent);
        before = at->kernel;
    }
}

void plan_write(const struct plan *p, struct arena *a, uint8_t **ret, size_t *ret_len)
{
    struct byte_writer w = file_begin(a, PLAN_MAGIC, SNAPSHOT_FILE_VERSION);
    struct cause_lists lists = {.arena = a};
    lists.lists = arena_grow(a, NULL, &lists.cap, 1, sizeof(*lists.lists));
    put_fixed64(&w, p->hash);
    put_number(&w, p->stopped ? p->stopped_after + (uint64_t)1 : 0);
    put_number(&w, p->n_validators);
    for (uint32_t i = 0; i < p->n_validators; i++)
        put_text(&w, p->validators[i]);
    for (uint32_t i = 0; i < p->n_decisions; i++)
        list_number(&lists, p->decisions[i].causes, p->decisions[i].n_causes);
    put_number(&w, lists.n);
    for (uint32_t i = 0; i < lists.n; i++) {
        put_number(&w, lists.lists[i].n);
        for (uint32_t j = 0; j < lists.lists[i].n; j++)
            put_cause(&w, &lists.lists[i].causes[j]);
    }
    put_number(&w, p->n_decisions);
    for (uint32_t i = 0; i < p->n_decisions; i++)
        put_decision(&w, p, &p->decisions[i], &lists);
    put_number(&w, p->n_rr_cursors);
    for (uint32_t i = 0; i < p->n_rr_cursors; i++) {
        put_number(&w, p->rr_cursors[i].arch);
        put_text(&w, p->rr_cursors[i].agent_id);
    }
    file_end(&w);
    *ret = w.bytes;
    *ret_len = w.n;
}

/* --- reading --- */

struct plan_reader {
    struct byte_reader r;
    const struct snapshot *s;
    struct plan *p;
    struct cause_list *lists;
    uint32_t n_lists;
    bool *decided; /* by session */
    size_t cap_placements;
};

static void get_cause(struct plan_reader *x, struct cause *c)
{
    struct byte_reader *r = &x->r;
    c->kind = (enum cause_kind)get_below(r, N_CAUSE_KINDS);
    c->retryable = get_flags(r, CAUSE_RETRYABLE);
    c->plugin = get_text_or_null(r);
    c->subject = get_text_or_null(r);
    c->message = get_text_or_null(r);
    c->n_slots = get_count(r, LEAST_SHORTAGE);
    struct shortage *slots = arena_new(r->arena, struct shortage, c->n_slots);
    for (uint32_t i = 0; i < c->n_slots && reader_ok(r); i++) {
        slots[i].slot = get_below(r, x->s->n_slots);
        slots[i].requested = get_any_amount(r);
        slots[i].available = get_any_amount(r);
        slots[i].limit = get_any_amount(r);
    }
    c->slots = slots;
}

static void get_cause_lists(struct plan_reader *x)
{
    struct byte_reader *r = &x->r;
    reader_section(r, "causes");
    x->n_lists = get_count(r, LEAST_CAUSE_LIST);
    x->lists = arena_new(r->arena, struct cause_list, x->n_lists);
    for (uint32_t i = 0; i < x->n_lists && reader_ok(r); i++) {
        uint32_t n = get_count(r, LEAST_CAUSE);
        struct cause *causes = arena_new(r->arena, struct cause, n);
        for (uint32_t j = 0; j < n && reader_ok(r); j++)
            get_cause(x, &causes[j]);
        x->lists[i] = (struct cause_list){.causes = causes, .n = n};
    }
}

static void get_placements(struct plan_reader *x, struct decision *d)
{
    struct byte_reader *r = &x->r;
    const struct session *of = &x->s->sessions[d->session];
    d->first_placement = x->p->n_placements;
    d->n_placements = get_count(r, LEAST_PLACEMENT);
    if (d->n_placements != 0 && d->n_placements != of->n_kernels)
        reader_fail(r, "placements are not one per kernel");
    int64_t before = -1;
    for (uint32_t i = 0; i < d->n_placements && reader_ok(r); i++) {
        int64_t kernel = get_sum(r, before + 1);
        uint32_t agent = get_below(r, x->s->n_agents);
        if (kernel != (int64_t)of->first_kernel + i)
            reader_fail(r, "a placement is of another session's kernel");
        x->p->placements = arena_grow(r->arena, x->p->placements, &x->cap_placements,
                                      (size_t)x->p->n_placements + 1, sizeof(*x->p->placements));
        x->p->placements[x->p->n_placements++] =
            (struct placement){.kernel = (uint32_t)kernel, .agent = agent};
        before = kernel;
    }
}

static void get_decisions(struct plan_reader *x)
{
    struct byte_reader *r = &x->r;
    struct plan *p = x->p;
    reader_section(r, "decisions");
    p->n_decisions = get_count(r, LEAST_DECISION);
    if (p->n_decisions != x->s->n_sessions)
        reader_fail(r, "decisions are not one per session of the snapshot");
    p->decisions = arena_new(r->arena, struct decision, p->n_decisions);
    x->decided = arena_new(r->arena, bool, x->s->n_sessions);
    for (uint32_t i = 0; i < p->n_decisions && reader_ok(r); i++) {
        struct decision *d = &p->decisions[i];
        d->outcome = (enum outcome)get_below(r, N_OUTCOMES);
        d->session = get_below(r, x->s->n_sessions);
        uint32_t list = get_below(r, x->n_lists + (uint64_t)1);
        if (list > 0) {
            d->causes = x->lists[list - 1].causes;
            d->n_causes = x->lists[list - 1].n;
        }
        d->passed = get_number(r);
        get_placements(x, d);
        if (x->decided[d->session])
            reader_fail(r, "a session is decided twice");
        x->decided[d->session] = true;
        p->counts[d->outcome]++;
    }
}

static void get_plan(struct plan_reader *x)
{
    struct byte_reader *r = &x->r;
    struct plan *p = x->p;
    p->hash = get_fixed64(r);
    uint32_t stopped = get_below(r, x->s->n_sessions + (uint64_t)1);
    p->stopped = stopped > 0;
    p->stopped_after = p->stopped ? stopped - 1 : 0;
    reader_section(r, "validators");
    p->n_validators = get_count(r, LEAST_TEXT);
    const char **names = arena_new(r->arena, const char *, p->n_validators);
    for (uint32_t i = 0; i < p->n_validators && reader_ok(r); i++)
        names[i] = get_text(r);
    p->validators = names;
    get_cause_lists(x);
    get_decisions(x);
    reader_section(r, "cursors");
    p->n_rr_cursors = get_count(r, LEAST_CURSOR);
    p->rr_cursors = arena_new(r->arena, struct rr_cursor, p->n_rr_cursors);
    for (uint32_t i = 0; i < p->n_rr_cursors && reader_ok(r); i++) {
        p->rr_cursors[i].arch = get_below(r, x->s->n_archs);
        p->rr_cursors[i].agent_id = get_text(r);
    }
}

int plan_read(const uint8_t *bytes, size_t len, const struct snapshot *s, struct arena *a,
              struct plan **ret, struct err *e)
{
    struct plan_reader x = {.s = s, .p = arena_new(a, struct plan, 1)};
    if (file_open(&x.r, bytes, len, a, PLAN_MAGIC, SNAPSHOT_FILE_VERSION, e) < 0)
        return -1;
    get_plan(&x);
    if (file_close(&x.r, e) < 0)
        return -1;
    if (plan_hash(s, x.p) != x.p->hash)
        return err_set(e, ERR_INVALID, "BAD_FILE",
                       "the plan belongs to another snapshot: its hash does not match");
    *ret = x.p;
    return 0;
}
