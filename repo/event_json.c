/* event_json.c - causes and allocations: from a plan to names, to JSON text and back.
 *
 *   causes       [{"kind": "CAPACITY", "plugin": "", "subject": "", "message": "",
 *                  "slots": [{"slot": "", "requested": "", "available": "", "limit": ""}],
 *                  "retryable": true}]
 *   allocations  [{"kernel": "", "agent": "", "addr": "", "slots": [{"slot": "", "amount": ""}]}]
 *
 * A reader takes a member that is missing or of another type as empty: a newer release may write
 * more, an older one less. Only text that is no JSON array is an error. */
#include <jansson.h>
#include <string.h>

#include "repo/event_append.h"
#include "repo/json_text.h"

/* --- from a plan --- */

static const char *amount_or_empty(int64_t v, enum slot_type type, struct arena *a)
{
    char text[AMOUNT_TEXT];
    return v == AMOUNT_UNKNOWN ? "" : arena_strdup(a, amount_format(v, type, text));
}

struct event_cause *event_causes_from_plan(const struct snapshot *s, const struct cause *c,
                                           uint32_t n, struct arena *a)
{
    struct event_cause *ret = arena_new(a, struct event_cause, n);
    for (uint32_t i = 0; i < n; i++) {
        struct event_shortage *slots = arena_new(a, struct event_shortage, c[i].n_slots);
        for (uint32_t k = 0; k < c[i].n_slots; k++) {
            const struct shortage *from = &c[i].slots[k];
            const struct slot *slot = &s->slots[from->slot];
            slots[k] = (struct event_shortage){
                .slot = slot->name,
                .requested = amount_or_empty(from->requested, slot->type, a),
                .available = amount_or_empty(from->available, slot->type, a),
                .limit = amount_or_empty(from->limit, slot->type, a),
            };
        }
        ret[i] = (struct event_cause){
            .kind = c[i].kind,
            .plugin = c[i].plugin != NULL ? c[i].plugin : "",
            .subject = c[i].subject != NULL ? c[i].subject : "",
            .message = c[i].message != NULL ? c[i].message : "",
            .slots = slots,
            .n_slots = c[i].n_slots,
            .retryable = c[i].retryable,
        };
    }
    return ret;
}

struct event_allocation *event_allocations_from_plan(const struct snapshot *s,
                                                     const struct placement *p, uint32_t n,
                                                     const char *const *addrs, struct arena *a)
{
    struct event_allocation *ret = arena_new(a, struct event_allocation, n);
    for (uint32_t i = 0; i < n; i++) {
        const int64_t *request = snapshot_request(s, p[i].kernel);
        struct event_slot *slots = arena_new(a, struct event_slot, s->n_slots);
        uint32_t n_slots = 0;
        for (uint32_t k = 0; k < s->n_slots; k++)
            if (request[k] > 0)
                slots[n_slots++] = (struct event_slot){
                    .slot = s->slots[k].name,
                    .amount = amount_or_empty(request[k], s->slots[k].type, a),
                };
        const struct agent *agent = &s->agents[p[i].agent];
        const char *addr = addrs != NULL ? addrs[p[i].agent] : NULL;
        ret[i] = (struct event_allocation){
            .kernel_id = s->kernels[p[i].kernel].id,
            .agent_id = agent->id,
            .agent_addr = addr != NULL ? addr : agent->addr,
            .slots = slots,
            .n_slots = n_slots,
        };
    }
    return ret;
}

/* --- to JSON --- */

char *event_causes_json(const struct event_cause *c, uint32_t n, struct arena *a)
{
    struct json_text j = {.arena = a};
    json_text_raw(&j, "[");
    for (uint32_t i = 0; i < n; i++) {
        json_text_field(&j, i > 0 ? ",{\"kind\":" : "{\"kind\":", cause_kind_name(c[i].kind));
        json_text_field(&j, ",\"plugin\":", c[i].plugin);
        json_text_field(&j, ",\"subject\":", c[i].subject);
        json_text_field(&j, ",\"message\":", c[i].message);
        json_text_raw(&j, ",\"slots\":[");
        for (uint32_t k = 0; k < c[i].n_slots; k++) {
            const struct event_shortage *slot = &c[i].slots[k];
            json_text_field(&j, k > 0 ? ",{\"slot\":" : "{\"slot\":", slot->slot);
            json_text_field(&j, ",\"requested\":", slot->requested);
            json_text_field(&j, ",\"available\":", slot->available);
            json_text_field(&j, ",\"limit\":", slot->limit);
            json_text_raw(&j, "}");
        }
        json_text_raw(&j, c[i].retryable ? "],\"retryable\":true}" : "],\"retryable\":false}");
    }
    json_text_raw(&j, "]");
    return j.text;
}

char *event_allocations_json(const struct event_allocation *v, uint32_t n, struct arena *a)
{
    struct json_text j = {.arena = a};
    json_text_raw(&j, "[");
    for (uint32_t i = 0; i < n; i++) {
        char id[UUID_TEXT];
        json_text_field(&j,
                        i > 0 ? ",{\"kernel\":" : "{\"kernel\":", uuid_format(&v[i].kernel_id, id));
        json_text_field(&j, ",\"agent\":", v[i].agent_id);
        json_text_field(&j, ",\"addr\":", v[i].agent_addr);
        json_text_raw(&j, ",\"slots\":[");
        for (uint32_t k = 0; k < v[i].n_slots; k++) {
            json_text_field(&j, k > 0 ? ",{\"slot\":" : "{\"slot\":", v[i].slots[k].slot);
            json_text_field(&j, ",\"amount\":", v[i].slots[k].amount);
            json_text_raw(&j, "}");
        }
        json_text_raw(&j, "]}");
    }
    json_text_raw(&j, "]");
    return j.text;
}

/* --- from JSON --- */

static void json_release(json_t *j)
{
    json_decref(j);
}
DEFINE_CLEANUP(json_t, json_release)

static const char *text_member(const json_t *object, const char *key, struct arena *a)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? arena_strdup(a, text) : "";
}

static enum cause_kind kind_member(const json_t *object)
{
    const char *text = json_string_value(json_object_get(object, "kind"));
    for (int k = CAUSE_NONE + 1; text != NULL && k < N_CAUSE_KINDS; k++)
        if (strcmp(cause_kind_name((enum cause_kind)k), text) == 0)
            return (enum cause_kind)k;
    return CAUSE_NONE;
}

/* The root array of *json, to be released by the caller; NULL and *e filled when it is none. */
static json_t *parse_array(const char *json, const char *what, struct err *e)
{
    json_error_t why;
    json_t *root = json_loads(json, JSON_DECODE_ANY, &why);
    if (json_is_array(root))
        return root;
    err_set(e, ERR_INTERNAL, "BAD_STORED_JSON", "The stored %s cannot be read.", what);
    err_detail(e, "%s: %s", what, root == NULL ? why.text : "not an array");
    json_decref(root);
    return NULL;
}

static void cause_from(const json_t *item, struct arena *a, struct event_cause *ret)
{
    const json_t *list = json_object_get(item, "slots");
    uint32_t n = (uint32_t)json_array_size(list);
    struct event_shortage *slots = arena_new(a, struct event_shortage, n);
    for (uint32_t i = 0; i < n; i++) {
        const json_t *slot = json_array_get(list, i);
        slots[i] = (struct event_shortage){
            .slot = text_member(slot, "slot", a),
            .requested = text_member(slot, "requested", a),
            .available = text_member(slot, "available", a),
            .limit = text_member(slot, "limit", a),
        };
    }
    *ret = (struct event_cause){
        .kind = kind_member(item),
        .plugin = text_member(item, "plugin", a),
        .subject = text_member(item, "subject", a),
        .message = text_member(item, "message", a),
        .slots = slots,
        .n_slots = n,
        .retryable = json_is_true(json_object_get(item, "retryable")),
    };
}

int event_causes_parse(const char *json, struct arena *a, struct event_cause **ret, uint32_t *ret_n,
                       struct err *e)
{
    CLEANUP(json_releasep) json_t *root = parse_array(json, "causes", e);
    if (root == NULL)
        return -1;
    uint32_t n = (uint32_t)json_array_size(root);
    struct event_cause *causes = arena_new(a, struct event_cause, n);
    for (uint32_t i = 0; i < n; i++)
        cause_from(json_array_get(root, i), a, &causes[i]);
    *ret = causes;
    *ret_n = n;
    return 0;
}

static void allocation_from(const json_t *item, struct arena *a, struct event_allocation *ret)
{
    const json_t *list = json_object_get(item, "slots");
    uint32_t n = (uint32_t)json_array_size(list);
    struct event_slot *slots = arena_new(a, struct event_slot, n);
    for (uint32_t i = 0; i < n; i++)
        slots[i] = (struct event_slot){
            .slot = text_member(json_array_get(list, i), "slot", a),
            .amount = text_member(json_array_get(list, i), "amount", a),
        };
    *ret = (struct event_allocation){
        .agent_id = text_member(item, "agent", a),
        .agent_addr = text_member(item, "addr", a),
        .slots = slots,
        .n_slots = n,
    };
    (void)uuid_parse(text_member(item, "kernel", a), &ret->kernel_id);
}

int event_allocations_parse(const char *json, struct arena *a, struct event_allocation **ret,
                            uint32_t *ret_n, struct err *e)
{
    CLEANUP(json_releasep) json_t *root = parse_array(json, "allocations", e);
    if (root == NULL)
        return -1;
    uint32_t n = (uint32_t)json_array_size(root);
    struct event_allocation *v = arena_new(a, struct event_allocation, n);
    for (uint32_t i = 0; i < n; i++)
        allocation_from(json_array_get(root, i), a, &v[i]);
    *ret = v;
    *ret_n = n;
    return 0;
}
