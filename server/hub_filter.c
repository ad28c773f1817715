/* hub_filter.c - what a subscriber wants to see; equal filters are one object. */
#include <stdlib.h>
#include <string.h>

#include "server/hub_internal.h"
#include "server/opaque.h"

static uint64_t fingerprint(const struct hub_subscription *q)
{
    uint64_t h = opaque_hash(q->sessions, q->n_sessions * sizeof(*q->sessions)) + q->types;
    for (uint32_t i = 0; i < q->n_groups; i++)
        h = h * 31 + opaque_hash(q->groups[i], strlen(q->groups[i]) + 1);
    return h;
}

static bool says(const struct hub_filter *f, const struct hub_subscription *q)
{
    if (f->n_groups != q->n_groups || f->n_sessions != q->n_sessions || f->types != q->types)
        return false;
    for (uint32_t i = 0; i < q->n_groups; i++)
        if (strcmp(f->groups[i], q->groups[i]) != 0)
            return false;
    return q->n_sessions == 0 ||
           memcmp(f->sessions, q->sessions, q->n_sessions * sizeof(*q->sessions)) == 0;
}

static struct hub_filter *filter_create(const struct hub_subscription *q)
{
    struct hub_filter *f = calloc(1, sizeof(*f));
    char **groups = calloc(q->n_groups + 1, sizeof(*groups));
    struct uuid *sessions = calloc(q->n_sessions + 1, sizeof(*sessions));
    if (f == NULL || groups == NULL || sessions == NULL)
        abort(); /* out of memory */
    for (uint32_t i = 0; i < q->n_groups; i++)
        if ((groups[i] = strdup(q->groups[i])) == NULL)
            abort();
    if (q->n_sessions > 0)
        memcpy(sessions, q->sessions, q->n_sessions * sizeof(*sessions));
    *f = (struct hub_filter){
        .groups = groups,
        .n_groups = q->n_groups,
        .sessions = sessions,
        .n_sessions = q->n_sessions,
        .types = q->types,
    };
    return f;
}

struct hub_filter *hub_filter_get(struct hub *h, const struct hub_subscription *q)
{
    uint64_t hash = fingerprint(q);
    struct hub_filter *f = h->filters;
    while (f != NULL && (f->hash != hash || !says(f, q)))
        f = f->next;
    if (f == NULL) {
        f = filter_create(q);
        f->hash = hash;
        f->next = h->filters;
        h->filters = f;
    }
    f->refs++;
    return f;
}

void hub_filter_put(struct hub *h, struct hub_filter *f)
{
    if (--f->refs > 0)
        return;
    struct hub_filter **at = &h->filters;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    for (uint32_t i = 0; i < f->n_groups; i++)
        free(f->groups[i]);
    free(f->groups);
    free(f->sessions);
    packet_unref(f->body);
    free(f);
}

static int compare_names(const void *key, const void *element)
{
    return strcmp(key, *(char *const *)element);
}

bool hub_filter_has_group(const struct hub_filter *f, const char *name)
{
    return f->n_groups == 0 ||
           bsearch(name, f->groups, f->n_groups, sizeof(*f->groups), compare_names) != NULL;
}

static int compare_ids(const void *key, const void *element)
{
    return uuid_compare(key, element);
}

bool hub_filter_passes(const struct hub_filter *f, enum event_type type, const struct uuid *session)
{
    if (f->types != 0 && (f->types >> type & 1) == 0)
        return false;
    return f->n_sessions == 0 ||
           (session != NULL && bsearch(session, f->sessions, f->n_sessions, sizeof(*f->sessions),
                                       compare_ids) != NULL);
}
