/* remedies.c - what would help, as text for a person. */
#include "server/berthctl/remedies.h"

#include <string.h>

#include "server/berthctl/human.h"
#include "server/berthctl/text.h"

/* Causes are numbered through: those of the answer, then those that show later. NULL: no such. */
static const Berth__V1__Cause *cause_at(const Berth__V1__PreviewAllocationResponse *r, size_t i)
{
    if (i < r->n_causes)
        return r->causes[i];
    return i - r->n_causes < r->n_later_causes ? r->later_causes[i - r->n_causes] : NULL;
}

/* Remedies that cure the same causes are alternatives. */
static bool same_list(const Berth__V1__Remedy *a, const Berth__V1__Remedy *b)
{
    return a->n_causes == b->n_causes &&
           memcmp(a->causes, b->causes, a->n_causes * sizeof(*a->causes)) == 0;
}

static size_t count_lists(const Berth__V1__PreviewAllocationResponse *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_remedies; i++)
        n += i == 0 || !same_list(r->remedies[i - 1], r->remedies[i]);
    return n;
}

static bool is_named(const Berth__V1__PreviewAllocationResponse *r, const Berth__V1__Remedy *first,
                     size_t before, int kind)
{
    for (size_t k = 0; k < before; k++) {
        const Berth__V1__Cause *c = cause_at(r, first->causes[k]);
        if (c != NULL && (int)c->kind == kind)
            return true;
    }
    return false;
}

/* "keypair-quota, user-quota": the kinds of the causes it cures, each once. */
static const char *kinds(struct arena *a, const Berth__V1__PreviewAllocationResponse *r,
                         const Berth__V1__Remedy *first)
{
    struct text t = {.arena = a};
    for (size_t k = 0; k < first->n_causes; k++) {
        const Berth__V1__Cause *c = cause_at(r, first->causes[k]);
        if (c == NULL || is_named(r, first, k, (int)c->kind))
            continue;
        text_addf(&t, "%s%s", t.n == 0 ? "" : ", ",
                  human_enum(a, &berth__v1__cause_kind__descriptor, (int)c->kind));
    }
    return text_chars(&t);
}

/* "Against keypair-quota:", and for a cause that shows only later what it says. */
static void print_head(FILE *out, struct arena *a, const Berth__V1__PreviewAllocationResponse *r,
                       const Berth__V1__Remedy *first)
{
    size_t number = first->n_causes > 0 ? first->causes[0] : 0;
    const Berth__V1__Cause *c = cause_at(r, number);
    if (number < r->n_causes || c == NULL)
        fprintf(out, "  Against %s:\n", kinds(a, r, first));
    else
        fprintf(out, "  Then against %s (%s):\n", kinds(a, r, first), text_clean(a, c->message));
}

void remedies_print(FILE *out, struct arena *a, const Berth__V1__PreviewAllocationResponse *r)
{
    size_t lists = count_lists(r);
    if (lists == 0)
        return;
    fprintf(out, "\nWhat would help%s:\n",
            lists > 1           ? "; each reason needs one"
            : r->n_remedies > 1 ? ", any of these"
                                : "");
    for (size_t i = 0; i < r->n_remedies; i++) {
        const Berth__V1__Remedy *m = r->remedies[i];
        if (lists > 1 && (i == 0 || !same_list(r->remedies[i - 1], m)))
            print_head(out, a, r, m);
        fprintf(out, "%s  - %s\n", lists > 1 ? "  " : "", text_clean(a, m->message));
    }
    if (!r->remedies_suffice)
        fprintf(out, "  More than that may be needed.\n");
}
