/* dependencies.c - rule 2: every session it depends on is TERMINATED with result SUCCESS.
 *
 * Two causes: what it still waits for, and those that ended otherwise: because of them it will
 * never run. The sentences list at most 20. */
#include "scheduler/cause.h"
#include "scheduler/limits.h"

enum { MAX_LISTED = 20 };

/* The dependencies in a state of the set, as one cause, NULL when there are none; *ret_n: their
 * number. */
static struct cause *list(const struct check *c, unsigned states, enum cause_kind kind,
                          const char *sentence, struct cause_list *causes, uint32_t *ret_n)
{
    const struct session *x = check_session(c);
    struct text t = {.arena = causes->arena};
    const struct dependency *first = NULL;
    char id[UUID_TEXT];
    uint32_t n = 0;
    for (uint32_t i = 0; i < x->rare->n_dependencies; i++) {
        const struct dependency *d =
            &c->round->snapshot->dependencies[x->rare->first_dependency + i];
        if ((states & 1u << d->state) == 0)
            continue;
        first = first != NULL ? first : d;
        if (n++ < MAX_LISTED)
            text_addf(&t, "%s%s (%s)", n > 1 ? ", " : "", d->name != NULL ? d->name : "-",
                      uuid_format(&d->id, id));
    }
    *ret_n = n;
    if (n == 0)
        return NULL;
    if (n > MAX_LISTED)
        text_addf(&t, ", and %u more", n - MAX_LISTED);
    return cause_addf(causes, kind, arena_strdup(causes->arena, uuid_format(&first->id, id)),
                      "%s (%s)", sentence, text_end(&t));
}

static enum check_result check(const struct check *c, struct cause_list *causes)
{
    const size_t before = causes->n;
    uint32_t unmet, failed;
    if (list(c, 1u << DEPENDENCY_WAITING | 1u << DEPENDENCY_FAILED, CAUSE_DEPENDENCY,
             "Waiting dependency sessions to finish as success.", causes, &unmet) == NULL)
        return CHECK_PASSED;
    struct cause *never = list(c, 1u << DEPENDENCY_FAILED, CAUSE_DEPENDENCY_FAILED,
                               "Dependency sessions did not finish as success.", causes, &failed);
    causes->items[before].retryable = failed < unmet;
    if (never != NULL)
        never->retryable = false;
    return CHECK_REJECTED;
}

VALIDATOR(dependencies, "dependencies", "the sessions it depends on have finished as success", NULL,
          .check = check);
