/* spec.c - a session, and agents that do not exist, as written on a command line, see spec.h. */
#include "server/berthctl/spec.h"

#include <string.h>

#include "scheduler/amount.h"
#include "server/berthctl/human.h"

enum { MAX_NODES = 1024 };

char *spec_amount(struct arena *a, const char *slot, const char *text, struct err *e)
{
    size_t n = strlen(text);
    bool bytes = slot_type_guess(slot) == SLOT_BYTES;
    char plain[AMOUNT_TEXT];
    int64_t amount = 0;
    enum amount_error why = bytes ? amount_parse_limit(text, n, SLOT_BYTES, &amount)
                                  : amount_parse(text, n, SLOT_COUNT, &amount);

    if (why == AMOUNT_OK && amount == AMOUNT_INF)
        why = AMOUNT_INFINITE;
    if (why != AMOUNT_OK) {
        err_set(e, ERR_INVALID, "USAGE", "%s: \"%s\" %s; write it like %s", slot, text,
                amount_problem(why), bytes ? "8g or 1073741824" : "4 or 0.5");
        return NULL;
    }
    return arena_strdup(a, amount_format(amount, bytes ? SLOT_BYTES : SLOT_COUNT, plain));
}

/* A growing repeated field of SlotAmount. */
struct amounts {
    Berth__V1__SlotAmount **items;
    size_t n, cap;
};

static int amounts_add(struct amounts *all, struct arena *a, const char *slot, const char *text,
                       struct err *e)
{
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->items[i]->slot, slot) == 0)
            return err_set(e, ERR_INVALID, "USAGE", "slot %s is given twice", slot);
    char *amount = spec_amount(a, slot, text, e);
    if (amount == NULL)
        return -1;
    Berth__V1__SlotAmount *s = arena_new(a, Berth__V1__SlotAmount, 1);
    berth__v1__slot_amount__init(s);
    s->slot = arena_strdup(a, slot);
    s->amount = amount;
    all->items = arena_grow(a, all->items, &all->cap, all->n + 1, sizeof(void *));
    all->items[all->n++] = s;
    return 0;
}

/* "name=amount" */
static int amounts_add_pair(struct amounts *all, struct arena *a, const char *pair, struct err *e)
{
    const char *equals = strchr(pair, '=');
    if (equals == NULL || equals == pair || equals[1] == '\0')
        return err_set(e, ERR_INVALID, "USAGE", "\"%s\" is no slot: write name=amount", pair);
    char *slot = arena_strndup(a, pair, (size_t)(equals - pair));
    return amounts_add(all, a, slot, equals + 1, e);
}

static int request_build(struct arena *a, const struct spec_options *o, struct amounts *ret,
                         struct err *e)
{
    const bool part = o->gpu != NULL && strchr(o->gpu, '.') != NULL;
    const struct {
        const char *slot, *text;
    } shorthands[] = {
        {"cpu", o->cpu}, {"mem", o->mem}, {part ? "cuda.shares" : "cuda.device", o->gpu}};

    for (size_t i = 0; i < ARRAY_SIZE(shorthands); i++)
        if (shorthands[i].text != NULL &&
            amounts_add(ret, a, shorthands[i].slot, shorthands[i].text, e) < 0)
            return -1;
    for (size_t i = 0; i < o->slots.n; i++)
        if (amounts_add_pair(ret, a, o->slots.items[i], e) < 0)
            return -1;
    if (ret->n == 0)
        return err_set(e, ERR_INVALID, "USAGE",
                       "what does it ask for? Give --cpu, --mem, --gpu or --slot");
    return 0;
}

static int type_parse(const char *text, Berth__V1__SessionType *ret, struct err *e)
{
    static const struct {
        const char *word;
        Berth__V1__SessionType type;
    } types[] = {
        {"interactive", BERTH__V1__SESSION_TYPE__SESSION_TYPE_INTERACTIVE},
        {"batch", BERTH__V1__SESSION_TYPE__SESSION_TYPE_BATCH},
        {"inference", BERTH__V1__SESSION_TYPE__SESSION_TYPE_INFERENCE},
        {"system", BERTH__V1__SESSION_TYPE__SESSION_TYPE_SYSTEM},
    };
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (strcmp(types[i].word, text) == 0) {
            *ret = types[i].type;
            return 0;
        }
    return err_set(e, ERR_INVALID, "USAGE",
                   "--type is interactive, batch, inference or system, not \"%s\"", text);
}

bool spec_is_given(const struct spec_options *o)
{
    const char *const texts[] = {o->cpu,  o->mem,     o->gpu,    o->arch, o->access_key,
                                 o->user, o->project, o->domain, o->type, o->session_group};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (texts[i] != NULL)
            return true;
    return o->slots.n > 0 || o->nodes > 0 || o->priority != 0 || o->on_agents.n > 0 || o->strict;
}

/* protobuf-c's strings are never NULL. */
static char *or_empty(char *text)
{
    return text == NULL ? (char *)protobuf_c_empty_string : text;
}

static Berth__V1__KernelSpec **kernels_build(struct arena *a, const struct amounts *request,
                                             char *arch, size_t n)
{
    Berth__V1__KernelSpec *kernel = arena_new(a, Berth__V1__KernelSpec, 1);
    Berth__V1__KernelSpec **kernels = arena_new(a, Berth__V1__KernelSpec *, n);

    berth__v1__kernel_spec__init(kernel);
    kernel->slots = request->items;
    kernel->n_slots = request->n;
    kernel->architecture = or_empty(arch);
    for (size_t i = 0; i < n; i++)
        kernels[i] = kernel; /* all alike */
    return kernels;
}

Berth__V1__SessionSpec *spec_build(struct arena *a, const struct spec_options *o, struct err *e)
{
    Berth__V1__SessionSpec *s = arena_new(a, Berth__V1__SessionSpec, 1);
    struct amounts request = {0};

    berth__v1__session_spec__init(s);
    if (o->access_key == NULL || o->project == NULL) {
        err_set(e, ERR_INVALID, "USAGE", "whose is it? Give --access-key and --project");
        return NULL;
    }
    if (o->nodes > MAX_NODES) {
        err_set(e, ERR_INVALID, "USAGE", "--nodes is at most %d", MAX_NODES);
        return NULL;
    }
    if (o->strict && o->on_agents.n == 0) {
        err_set(e, ERR_INVALID, "USAGE", "--strict needs --agent: the agents that are allowed");
        return NULL;
    }
    if ((o->type != NULL && type_parse(o->type, &s->type, e) < 0) ||
        request_build(a, o, &request, e) < 0)
        return NULL;
    s->access_key = o->access_key;
    s->project_id = o->project;
    s->user_id = or_empty(o->user);
    s->domain = or_empty(o->domain);
    s->session_group_id = or_empty(o->session_group);
    s->cluster_mode = o->nodes > 1 ? BERTH__V1__CLUSTER_MODE__CLUSTER_MODE_MULTI_NODE
                                   : BERTH__V1__CLUSTER_MODE__CLUSTER_MODE_SINGLE_NODE;
    s->n_kernels = o->nodes > 1 ? o->nodes : 1;
    s->kernels = kernels_build(a, &request, o->arch, s->n_kernels);
    s->priority = o->priority;
    s->designated_agent_ids = o->on_agents.items;
    s->n_designated_agent_ids = o->on_agents.n;
    s->designated_strict = o->strict;
    return s;
}

Berth__V1__AgentSpec *spec_agent(struct arena *a, const char *text, struct err *e)
{
    Berth__V1__AgentSpec *s = arena_new(a, Berth__V1__AgentSpec, 1);
    struct amounts capacity = {0};
    const char *rest = text + strcspn(text, ",");

    berth__v1__agent_spec__init(s);
    s->agent_id = arena_strndup(a, text, (size_t)(rest - text));
    while (*rest == ',') {
        const char *start = rest + 1;
        rest = start + strcspn(start, ",");
        char *pair = arena_strndup(a, start, (size_t)(rest - start));
        if (strncmp(pair, "arch=", 5) == 0)
            s->architecture = pair + 5;
        else if (amounts_add_pair(&capacity, a, pair, e) < 0)
            return NULL;
    }
    if (s->agent_id[0] == '\0' || strchr(s->agent_id, '=') != NULL || capacity.n == 0) {
        err_set(e, ERR_INVALID, "USAGE", "\"%s\" is no agent: write ID,cpu=8,mem=64g", text);
        return NULL;
    }
    s->capacity = capacity.items;
    s->n_capacity = capacity.n;
    return s;
}
