/* loop_round.c - one round of the loop, on a worker's thread. */
#include <string.h>

#include "repo/scaling_group.h"
#include "server/clock.h"
#include "server/config.h"
#include "server/log.h"
#include "server/loop_internal.h"
#include "server/metrics.h"
#include "server/round_service.h"

struct attempt { /* what the round is told and tells */
    struct loop_run *run;
    int64_t epoch;
};

/* round_input.answer: nobody waits for one. */
static int note_round(void *ctx, const struct round_report *r, struct arena *a, uint8_t **ret,
                      size_t *ret_len, struct err *e)
{
    struct attempt *t = ctx;
    (void)e;
    t->epoch = r->epoch;
    *ret = arena_alloc(a, 1, 1);
    *ret_len = 0;
    return 0;
}

static bool stopped(void *ctx)
{
    const struct attempt *t = ctx;
    return atomic_load(&t->run->job.cancelled) || clock_ns() >= atomic_load(&t->run->loop->until);
}

/* A regular round that another replica had meanwhile: the watch may not have seen it yet. Replicas
 * are due within the jitter of each other, so anything below four fifths of the interval is theirs.
 */
static bool had_elsewhere(const struct attempt *t, struct executor *x)
{
    struct loop *l = t->run->loop;
    struct err e = {.code = ERR_NONE};
    int64_t age_us = 0;
    pthread_mutex_lock(&l->lock);
    const struct loop_wish *wish = &t->run->group->answered;
    const struct loop_group *g = t->run->group; /* its first round here is had in any case */
    const bool is_regular = !wish->hinted && !wish->changed && g->failures == 0 && g->own_epoch > 0;
    const int64_t interval_ns = g->times.interval_ns;
    pthread_mutex_unlock(&l->lock);
    if (!is_regular || scaling_group_round_age(x->pg, t->run->group->name, &age_us, &e) < 0)
        return false; /* an error: the round will say it */
    return age_us < interval_ns / (NS_PER_MS / 1000) / 5 * 4;
}

static int run_round(struct attempt *t, struct executor *x, struct err *e)
{
    struct loop *l = t->run->loop;
    const int64_t deadline = clock_ns() + CONFIG_NOW(l->config, loop_round_timeout) * NS_PER_MS;
    const struct worker w = {.pg = x->pg, .redis = x->redis, .arena = x->arena};
    const struct round_input in = {
        .scaling_group = t->run->group->name,
        .deadline_ns = deadline,
        .stopped = stopped,
        .stopped_ctx = t,
        .answer = note_round,
        .answer_ctx = t,
    };
    uint8_t *answer;
    size_t n;
    pg_deadline(x->pg, deadline); /* a cancel from now on is not lost */
    if (stopped(t))
        return err_set(e, ERR_CANCELLED, "DRAINING", "the server is shutting down");
    if (had_elsewhere(t, x))
        return err_set(e, ERR_CONFLICT, "ROUND_ELSEWHERE", "another replica had this round");
    return round_service_run(l->rounds, &w, &in, &answer, &n, e);
}

static bool is_reason(const struct err *e, const char *reason)
{
    return e->reason != NULL && strcmp(e->reason, reason) == 0;
}

static enum loop_end end_of(const struct attempt *t, int rc, const struct err *e)
{
    if (rc == 0)
        return LOOP_END_DONE;
    if (is_reason(e, "LEASE_BUSY") || is_reason(e, "FENCED") || is_reason(e, "ROUND_ELSEWHERE"))
        return LOOP_END_BUSY;
    /* a drain, or the group was deleted: the watch takes it out of the table */
    if (atomic_load(&t->run->loop->drains) || is_reason(e, "UNKNOWN_SCALING_GROUP"))
        return LOOP_END_STOPPED;
    return LOOP_END_FAILED;
}

/* One line when it begins to fail or fails otherwise, and one when that is over. */
static void note(const struct attempt *t, enum loop_end end, const struct err *e)
{
    struct loop *l = t->run->loop;
    struct loop_group *g = t->run->group;
    pthread_mutex_lock(&l->lock);
    const unsigned before = g->failures;
    const bool is_news = before == 0 || strcmp(g->why, e->message) != 0;
    if (end == LOOP_END_FAILED)
        loop_group_note_failure(g, e, l->look_us);
    else if (end == LOOP_END_DONE)
        loop_group_note_success(g, t->epoch);
    t->run->is_known = loop_group_is_failing(g) || e->code == ERR_PRECONDITION;
    pthread_mutex_unlock(&l->lock);
    if (end == LOOP_END_FAILED)
        log_err(is_news ? LOG_WARN : LOG_DEBUG, "a round of the loop failed; it is tried again", e,
                LOG_FIELDS(LOG_STR("group", g->name), LOG_NUM("failures", before + 1)));
    else if (end == LOOP_END_DONE && before > 0)
        log_info("rounds of the group go well again", LOG_STR("group", g->name),
                 LOG_NUM("failures", before));
    if (end == LOOP_END_FAILED || end == LOOP_END_DONE)
        metrics_group_failures(g->name, end == LOOP_END_FAILED ? before + 1 : 0);
}

void loop_round_run(struct job *j, struct executor *x)
{
    struct loop_run *run = (struct loop_run *)((char *)j - offsetof(struct loop_run, job));
    struct err e = {.code = ERR_NONE};
    struct attempt t = {.run = run};
    const enum loop_end end = end_of(&t, run_round(&t, x, &e), &e);
    note(&t, end, &e);
    loop_tell_health(run, end, x);
    loop_run_ended(run, end);
}
