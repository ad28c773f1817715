/* plugin.h - how an algorithm enters Berth: pure callbacks behind one ABI number.
 *
 * Built in: one file in sequencers/, validators/, filters/, orders/ or selectors/ that ends in one
 * of the macros below, and one line in plugins.def. Out of the tree: the same file compiled with cc
 * -shared -fPIC -DBERTH_PLUGIN_SHARED=1 -I<root of the headers> -o x.so x.c which exports one data
 * symbol, `berth_plugin`. The headers a plugin needs are this one and those it includes; besides
 * the inline functions it may call what arena.h, amount.h, uuid.h and this file declare: the host
 * exports them.
 *
 * Callbacks are pure: no I/O, clock, randomness, threads or memory of their own. What they keep
 * lives in the round's arena; what they are given is read only and outlives the round. The same
 * input must give the same answer on any machine. Time is snapshot.observed_at.
 *
 * ABI. The host refuses every number but its own. It is raised by any change to a struct, an enum
 * or a contract in this file or in a header it includes. 1  sequencer, validator, filter, order,
 * selector; options of type integer, boolean, choice, text. 2  what a kernel asks for by
 * snapshot_request(), what few sessions have in session.rare */
#ifndef BERTH_SCHEDULER_PLUGIN_H
#define BERTH_SCHEDULER_PLUGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "scheduler/amount.h"
#include "scheduler/arena.h"
#include "scheduler/base.h"
#include "scheduler/plan.h"
#include "scheduler/snapshot.h"

#define BERTH_PLUGIN_ABI 2u

enum plugin_kind {
    PLUGIN_SEQUENCER,
    PLUGIN_VALIDATOR,
    PLUGIN_FILTER,
    PLUGIN_ORDER,
    PLUGIN_SELECTOR,
    N_PLUGIN_KINDS
};

/* --- options ------------------------------------------------------------------------------------
 * A plugin declares its options; the host reads and checks them before the round, so that a
 * callback sees good values only. A group sets them in scheduler_opts.config as "<key>" or
 * "<plugin>.<key>" (which wins), the server's configuration as "<plugin>.<key>". Numbers may come
 * as text ("3"). */
enum option_type { OPTION_INTEGER, OPTION_BOOLEAN, OPTION_CHOICE, OPTION_TEXT };

struct option_spec {
    const char *key; /* [a-z][a-z0-9_]* */
    const char *doc;
    enum option_type type;
    int64_t min, max;           /* INTEGER: both inclusive */
    const char *const *choices; /* CHOICE: NULL-ended; the number is an index into it */
    int64_t standard;           /* the default of INTEGER, BOOLEAN (0, 1) and CHOICE */
    const char *standard_text;  /* the default of TEXT */
};

struct option_value { /* callbacks get an array of them, in the order of the specs */
    int64_t number;
    const char *text; /* TEXT: the text; CHOICE: the word */
};

/* --- what a round looks like from inside --------------------------------------------------------
 */

/* The round so far. The numbers move at step 8 only. Rows by owner are n_slots amounts. */
struct round_view {
    const struct snapshot *snapshot;
    const bool *expired;                  /* by session: cancelled in step 3, counts nowhere */
    const int64_t *total_capacity;        /* by slot: sum over the candidate agents */
    const int64_t *owner_placed;          /* rows by owner: non-private requests placed so far */
    const int64_t *owner_placed_sessions; /* by owner: non-private sessions placed so far */
    const int64_t *owner_placed_sftp;     /* by owner: private sessions placed so far */
};

/* Usage of an owner over all groups, this round included. */
static inline int64_t round_owner_usage(const struct round_view *v, uint32_t owner, uint32_t slot)
{
    size_t at = (size_t)owner * v->snapshot->n_slots + slot;
    return amount_add(v->snapshot->owner_usage[at], v->owner_placed[at]);
}

/* The agents at this moment of the round. Agents that are no candidates have rows, too. */
struct room {
    const struct snapshot *snapshot;
    const int64_t *remaining;  /* rows by agent: capacity - held - placed so far, never below 0 */
    const int64_t *containers; /* by agent, those placed so far included */
    int64_t max_containers;    /* an agent; <= 0: no limit */
    bool
        empty; /* true: the question is "could it ever be placed?": every agent empty, no members */
};

/* One thing to place: all kernels of a single-node session, or one kernel of a multi-node one. */
struct requirement {
    uint32_t session;
    uint32_t first_kernel, n_kernels; /* of the snapshot */
    uint32_t arch;
    int32_t containers;
    const int64_t *request;   /* by slot */
    const uint32_t *asked;    /* the slots with request > 0, in slot order */
    const uint32_t *priority; /* the same slots in the order selectors look at them */
    uint32_t n_asked;
    const bool *designated; /* by agent; NULL: no agent was designated */
    bool designated_strict;
    const struct session_group *group; /* NULL: none, or one without direction */
    const int32_t
        *members;       /* by agent: sessions of the group, this session's earlier kernels too */
    uint32_t n_holders; /* candidate agents with members > 0 */
    uint32_t
        turn; /* round-robin: index of the first agent after the one chosen last; may be n_agents */
};

/* --- causes -------------------------------------------------------------------------------------
 */

/* Where a validator puts its causes. The fields are the host's. */
struct cause_list {
    struct arena *arena; /* texts and shortages go here */
    const char *plugin;
    struct cause *items;
    size_t n, cap;
};

/* Adds a cause (plugin: the caller's name, retryable: true, no slots) with one sentence for a
 * person. The result may be completed; it stays good until the next cause_add. Texts must outlive
 * the round: of the snapshot, static, or in causes->arena. subject NULL is "". */
struct cause *cause_add(struct cause_list *causes, enum cause_kind kind, const char *subject,
                        const char *message);
#define cause_addf(causes, kind, subject, ...)                                                     \
    cause_add((causes), (kind), (subject), arena_printf((causes)->arena, __VA_ARGS__))

/* --- sequencer: which session of a priority band is next ----------------------------------------
 */

struct band {
    const struct round_view *round;
    const uint32_t *sessions; /* by (created_at, id) */
    uint32_t n_sessions;
    const struct option_value *options;
    struct arena *arena;
};

struct sequencer_ops {
    /* Required. Once for each band; gives the state for the two below. The band outlives it. */
    void *(*begin)(const struct band *b);
    /* Required. The next session, NONE at the end. Each session of the band at most once: the
     * engine ends the round with an error that names the plugin otherwise. Sessions never offered
     * are reported as skipped by this sequencer. */
    uint32_t (*pick_session)(void *state);
    /* Optional. The session offered last was placed; round already says so. */
    void (*update_allocation)(void *state, uint32_t session);
};

/* --- validator: may this session run now? -------------------------------------------------------
 */

enum check_result {
    CHECK_PASSED,
    CHECK_REJECTED, /* the causes added say why; without one the engine writes a sentence */
    CHECK_ERROR     /* the check itself failed; counts as rejected */
};

struct check {
    const struct round_view *round;
    uint32_t session;
    const int64_t *request; /* by slot: the sum over its kernels */
    const uint32_t *asked;  /* the slots with request > 0, in slot order */
    uint32_t n_asked;
    const struct option_value *options;
    void *state; /* what begin() gave */
};

struct validator_ops {
    /* Optional. Once a round, after step 3. */
    void *(*begin)(const struct round_view *v, const struct option_value *options, struct arena *a);
    /* Required. Every validator runs for every session offered, also after another one failed.
     * Causes added by a check that passes are dropped. */
    enum check_result (*check)(const struct check *c, struct cause_list *causes);
};

/* --- filter: which agents can take a requirement at all -----------------------------------------
 */

/* Whom explain() speaks about: the agents that entered the filter when it left none of them
 * (whole), or one agent of a preview. At least one. */
struct entrants {
    const uint32_t *agents;
    uint32_t n;
    bool whole;
};

struct filter_ops {
    /* Optional: absent means always. false: keeps every agent for this requirement. */
    bool (*applies)(const struct room *m, const struct requirement *r,
                    const struct option_value *options);
    /* Required. Depends on the one agent only. */
    bool (*keep)(const struct room *m, const struct requirement *r,
                 const struct option_value *options, uint32_t agent);
    /* Optional. Completes *ret (kind PLUGIN, a plain sentence, no subject) and returns the agent
     * the cause is about, or NONE. */
    uint32_t (*explain)(const struct room *m, const struct requirement *r,
                        const struct option_value *options, const struct entrants *who,
                        struct arena *a, struct cause *ret);
    /* A marked agent is one that is designated or has members of the session's group. true: the
     * answer is the same for all agents that are not marked. It lets the engine look at the marked
     * ones only; it never changes a choice. */
    bool by_marks;
};

/* --- order: tiers among the agents that passed the filters --------------------------------------
 */

struct order_ops {
    /* Optional: absent means always. false: all agents have the same rank for this requirement. */
    bool (*applies)(const struct room *m, const struct requirement *r,
                    const struct option_value *options);
    /* Required. Only the agents with the smallest rank go on to the next order. */
    int64_t (*rank)(const struct room *m, const struct requirement *r,
                    const struct option_value *options, uint32_t agent);
    bool by_marks; /* as in struct filter_ops */
};

/* --- selector: one agent of the tier that the orders left ---------------------------------------
 */

/* What a key may look at. The engine keeps an index where it can; SELECT_BY_ANYTHING has none. */
enum selector_scope {
    SELECT_BY_ANYTHING,
    SELECT_BY_SLOTS, /* only the agent's own rows and *which* slots are asked for, not how much */
    SELECT_IN_TURN   /* round-robin: key is {agent < turn}; choosing an agent moves the cursor */
};

struct selector_ops {
    /* Required. Writes up to n_slots + 2 numbers and returns how many (the same for every agent of
     * a requirement); compared from the left, smaller is better, ties go to the smallest agent id.
     * It is asked only about agents that fit. */
    uint32_t (*key)(const struct room *m, const struct requirement *r,
                    const struct option_value *options, uint32_t agent, int64_t *key);
    enum selector_scope scope;
};

/* --- the plugin ---------------------------------------------------------------------------------
 */

struct plugin {
    uint32_t abi; /* first, forever: BERTH_PLUGIN_ABI */
    enum plugin_kind kind;
    const char *name; /* [a-z][a-z0-9_-]*, up to 63; what configuration and records say */
    const char *doc;  /* one line, for `berthd --list-plugins` */
    const struct option_spec *options; /* the last has no key; NULL: none */
    union {
        struct sequencer_ops sequencer;
        struct validator_ops validator;
        struct filter_ops filter;
        struct order_ops order;
        struct selector_ops selector;
    };
};

#ifdef BERTH_PLUGIN_SHARED
#define PLUGIN_ENTRY(sym)                                                                          \
    extern const struct plugin *const berth_plugin;                                                \
    __attribute__((visibility("default"))) const struct plugin *const berth_plugin = &(sym);
#else
#define PLUGIN_ENTRY(sym)
#endif

/* `options` is an array of struct option_spec or NULL; what follows are the callbacks, designated.
 */
#define PLUGIN_DEFINE(kind_, field, ident, name_, doc_, options_, ...)                             \
    extern const struct plugin field##_##ident;                                                    \
    const struct plugin field##_##ident = {.abi = BERTH_PLUGIN_ABI,                                \
                                           .kind = (kind_),                                        \
                                           .name = (name_),                                        \
                                           .doc = (doc_),                                          \
                                           .options = (options_),                                  \
                                           .field = {__VA_ARGS__}};                                \
    PLUGIN_ENTRY(field##_##ident)                                                                  \
    _Static_assert(1, "")

#define SEQUENCER(ident, name, doc, options, ...)                                                  \
    PLUGIN_DEFINE(PLUGIN_SEQUENCER, sequencer, ident, name, doc, options, __VA_ARGS__)
#define VALIDATOR(ident, name, doc, options, ...)                                                  \
    PLUGIN_DEFINE(PLUGIN_VALIDATOR, validator, ident, name, doc, options, __VA_ARGS__)
#define FILTER(ident, name, doc, options, ...)                                                     \
    PLUGIN_DEFINE(PLUGIN_FILTER, filter, ident, name, doc, options, __VA_ARGS__)
#define ORDER(ident, name, doc, options, ...)                                                      \
    PLUGIN_DEFINE(PLUGIN_ORDER, order, ident, name, doc, options, __VA_ARGS__)
#define SELECTOR(ident, name, doc, options, ...)                                                   \
    PLUGIN_DEFINE(PLUGIN_SELECTOR, selector, ident, name, doc, options, __VA_ARGS__)

#endif
