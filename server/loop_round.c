/* loop_round.c - one round of the loop, on a worker's thread. */
#include <string.h>

#include "server/clock.h"
#include "server/config.h"
#include "server/log.h"
#include "server/loop_internal.h"
#include "server/round_service.h"

struct attempt { /* what the round is told and tells */
    struct loop_run *run;
    int64_t deadline_ns;
};

/* round_input.answer: nobody waits for one. */
static int no_answer(void *ctx, const struct round_report *r, struct arena *a, uint8_t **ret,
                     size_t *ret_len, struct err *e)
{
    (void)ctx;
    (void)r;
    (void)e;
    *ret = arena_alloc(a, 1, 1);
    *ret_len = 0;
    return 0;
}

static bool stopped(void *ctx)
{
    const struct attempt *t = ctx;
    return atomic_load(&t->run->job.cancelled) || clock_ns() >= atomic_load(&t->run->loop->until);
}

static bool is_reason(const struct err *e, const char *reason)
{
    return e->reason != NULL && strcmp(e->reason, reason) == 0;
}

static enum loop_end end_of(const struct attempt *t, int rc, const struct err *e)
{
    if (rc == 0)
        return LOOP_END_DONE;
    if (is_reason(e, "LEASE_BUSY") || is_reason(e, "FENCED"))
        return LOOP_END_BUSY;
    if (atomic_load(&t->run->loop->drains))
        return LOOP_END_STOPPED;
    return LOOP_END_FAILED;
}

void loop_round_run(struct job *j, struct executor *x)
{
    struct loop_run *run = (struct loop_run *)((char *)j - offsetof(struct loop_run, job));
    struct loop *l = run->loop;
    struct err e = {.code = ERR_NONE};
    struct attempt t = {
        .run = run,
        .deadline_ns = clock_ns() + l->config->loop_round_timeout * NS_PER_MS,
    };
    const struct worker w = {.pg = x->pg, .redis = x->redis, .arena = x->arena};
    const struct round_input in = {
        .scaling_group = run->group->name,
        .deadline_ns = t.deadline_ns,
        .stopped = stopped,
        .stopped_ctx = &t,
        .answer = no_answer,
    };
    uint8_t *answer;
    size_t n;
    pg_deadline(x->pg, t.deadline_ns); /* a cancel from now on is not lost */
    int rc = stopped(&t) ? err_set(&e, ERR_CANCELLED, "DRAINING", "the server is shutting down")
                         : round_service_run(l->rounds, &w, &in, &answer, &n, &e);
    const enum loop_end end = end_of(&t, rc, &e);
    if (end == LOOP_END_FAILED)
        log_err(LOG_WARN, "a round of the loop failed; it is tried again", &e,
                LOG_FIELDS(LOG_STR("group", run->group->name)));
    loop_run_ended(run, end);
}
