/* round_service.c - one round from the lease to the last mirror. */
#include "server/round_service.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "repo/counter.h"
#include "repo/fault.h"
#include "repo/group_watch.h"
#include "repo/scaling_group.h"
#include "server/answer.h"
#include "server/bridge.h"
#include "server/clock.h"
#include "server/hub.h"
#include "server/lease_keeper.h"
#include "server/log.h"
#include "server/manager_gate.h"
#include "server/metrics.h"
#include "server/opaque.h"
#include "server/policy_settings.h"
#include "server/random_uuid.h"
#include "server/recorder.h"
#include "server/round_load.h"
#include "server/round_report.h"
#include "server/snapshot_share.h"
#include "server/warm_keeper.h"

enum { OPTIONS_SAID = 256, FENCED_RETRY_MS = 100 };

struct round_service {
    const struct config *config;
    const struct registry *registry;
    struct hub *hub;
    struct snapshot_share *snapshots;
    struct bridge *bridge;     /* NULL: none */
    struct manager_gate *gate; /* NULL: no manager schedules */
    struct lease_keeper *keeper;
    struct warm_keeper *warm;
    struct recorder *recorder;   /* NULL: rounds are not kept */
    pthread_mutex_t lock;        /* said */
    uint64_t said[OPTIONS_SAID]; /* fingerprints of the unknown options logged already */
    unsigned n_said;
};

/* One round in progress; on the stack of its thread. */
struct round {
    struct round_service *service;
    const struct worker *worker;
    const struct round_input *in;
    struct round_report report;
    struct round_load loaded;
    struct policy_config settings; /* as of when it decides */
    struct policy *policy;
    struct plan *plan;
    const struct plan *planned; /* *plan before the commit; NULL: not to be kept */
    struct kept_lease lease;
    bool has_lease;
    struct manager_lock *manager; /* NULL: none is needed */
    int64_t mark_ns;              /* where the phase that runs began */
    int64_t decided_ns;           /* deciding ends here, so that the commit has its time */
    uint8_t *answer;              /* as built last */
    size_t answer_len;
};

int round_service_create(const struct config *c, const struct registry *registry, struct hub *hub,
                         struct snapshot_share *snapshots, struct bridge *bridge,
                         struct round_service **ret, struct err *e)
{
    struct round_service *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    s->config = c;
    s->registry = registry;
    s->hub = hub;
    s->snapshots = snapshots;
    s->bridge = bridge;
    s->gate = manager_gate_create(c);
    pthread_mutex_init(&s->lock, NULL);
    if (lease_keeper_create(c->redis, (int)c->redis_timeout, (int)c->lease_ttl, &s->keeper, e) <
            0 ||
        warm_keeper_create(&s->warm, e) < 0) {
        round_service_destroy(s);
        return -1;
    }
    s->recorder = recorder_create(c->record, c->record_max_files, c->record_max_bytes);
    *ret = s;
    return 0;
}

void round_service_destroy(struct round_service *s)
{
    if (s == NULL)
        return;
    recorder_destroy(s->recorder);
    lease_keeper_destroy(s->keeper);
    warm_keeper_destroy(s->warm);
    manager_gate_destroy(s->gate);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* Ends the running phase and begins the next. */
static void lap(struct round *r, enum report_phase phase)
{
    int64_t now = clock_ns();
    r->report.phase_ns[phase] += now - r->mark_ns;
    r->mark_ns = now;
}

static bool is_stopped(const struct round_input *in)
{
    return in->stopped != NULL && in->stopped(in->stopped_ctx);
}

static int check_stopped(const struct round_input *in, struct err *e)
{
    if (clock_ns() >= in->deadline_ns)
        return err_set(e, ERR_TIMEOUT, "DEADLINE_EXCEEDED",
                       "the deadline passed before the round could be committed; nothing was "
                       "written");
    if (is_stopped(in))
        return err_set(e, ERR_CANCELLED, "CALL_CANCELLED",
                       "the caller left before the round was committed; nothing was written");
    return 0;
}

/* --- 1 lock ----------------------------------------------------------------------------------- */

static int take_lease(struct round *r, struct err *e)
{
    struct round_service *s = r->service;
    struct err why = {.code = ERR_NONE};
    if (lease_acquire(r->worker->redis, r->in->scaling_group, s->config->replica,
                      lease_keeper_ttl_ms(s->keeper), &r->lease.lease, &why) == 0) {
        lease_keeper_keep(s->keeper, &r->lease);
        r->has_lease = true;
        metric_add(METRIC_lease_total, METRIC_LEASE_ACQUIRED, 1);
        FAULT_POINT(lease_taken);
        return 0;
    }
    if (why.code != ERR_UNAVAILABLE || !CONFIG_NOW(s->config, schedule_without_redis)) {
        if (why.code == ERR_CONFLICT)
            metric_add(METRIC_lease_total, METRIC_LEASE_CONTENDED, 1);
        *e = why;
        return -1;
    }
    metric_add(METRIC_lease_total, METRIC_LEASE_WITHOUT_REDIS, 1);
    log_err(LOG_WARN, "no lease without Redis; the round runs under its epoch alone", &why,
            LOG_FIELDS(LOG_STR("group", r->in->scaling_group)));
    return 0;
}

static void release_lease(struct round *r)
{
    struct err e = {.code = ERR_NONE};
    if (!r->has_lease)
        return;
    lease_keeper_drop(r->service->keeper, &r->lease);
    r->has_lease = false;
    if (lease_release(r->worker->redis, &r->lease.lease, &e) < 0)
        log_err(LOG_WARN, "a lease was not released; it ends by itself", &e,
                LOG_FIELDS(LOG_STR("group", r->in->scaling_group)));
}

static int lock_group(struct round *r, struct err *e)
{
    if (take_lease(r, e) < 0 ||
        manager_gate_enter(r->service->gate, r->in->deadline_ns, &r->manager, e) < 0 ||
        scaling_group_take_epoch(r->worker->pg, r->in->scaling_group, &r->report.round_id,
                                 &r->report.epoch, e) < 0)
        return -1;
    metric_add(METRIC_epochs_taken_total, 0, 1);
    FAULT_POINT(epoch_taken);
    lap(r, REPORT_LOCK);
    return 0;
}

/* --- 2 load ----------------------------------------------------------------------------------- */

static int load(struct round *r, struct err *e)
{
    if (round_load(&r->loaded, r->worker->pg, r->worker->arena, e) < 0)
        return -1;
    r->report.snapshot = r->loaded.snapshot;
    FAULT_POINT(loaded);
    lap(r, REPORT_LOAD);
    return 0;
}

static int settings_now(const struct round_service *s, struct arena *a, struct policy_config *ret,
                        struct err *e)
{
    CLEANUP(config_releasep) const struct config *now = config_take(s->config);
    return policy_settings(now, a, ret, e);
}

int round_service_policy(const struct round_service *s, const struct snapshot *snapshot,
                         struct arena *a, struct policy **ret, struct err *e)
{
    struct policy_config *settings = arena_new(a, struct policy_config, 1);
    if (settings_now(s, a, settings, e) < 0)
        return -1;
    return policy_resolve(s->registry, settings, snapshot, a, ret, e);
}

/* Whether this is the first time. Beyond the bound the oldest are forgotten. */
static bool first_time(struct round_service *s, uint64_t fingerprint)
{
    bool first = true;
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < s->n_said && i < OPTIONS_SAID && first; i++)
        first = s->said[i] != fingerprint;
    if (first)
        s->said[s->n_said++ % OPTIONS_SAID] = fingerprint;
    pthread_mutex_unlock(&s->lock);
    return first;
}

static void log_unknown_options(struct round *r)
{
    const char *group = r->in->scaling_group;
    for (const char *const *key = policy_unknown_options(r->policy); *key != NULL; key++) {
        if (group_option_is_loop(*key))
            continue;
        uint64_t fingerprint =
            opaque_hash(group, strlen(group)) * 31 + opaque_hash(*key, strlen(*key));
        if (first_time(r->service, fingerprint))
            log_warn("a scaling group sets an option that nobody reads; it is kept",
                     LOG_STR("group", group), LOG_STR("option", *key));
    }
}

/* --- 3 to 8: decide --------------------------------------------------------------------------- */

static bool stop_deciding(void *ctx)
{
    const struct round *r = ctx;
    return clock_ns() >= r->decided_ns || is_stopped(r->in);
}

static int64_t decide_clock(void *ctx)
{
    (void)ctx;
    return clock_ns();
}

static int decide(struct round *r, struct err *e)
{
    struct arena *a = r->worker->arena;
    int64_t phase_ns[N_ROUND_PHASES] = {0};
    const struct round_limits limits = {.max_sessions = r->in->max_sessions};
    const struct round_hooks hooks = {.ctx = r, .stop = stop_deciding, .clock = decide_clock};
    if (settings_now(r->service, a, &r->settings, e) < 0 ||
        policy_resolve(r->service->registry, &r->settings, r->report.snapshot, a, &r->policy, e) <
            0)
        return -1;
    log_unknown_options(r);
    r->decided_ns = r->mark_ns + (r->in->deadline_ns - r->mark_ns) / 2;
    if (round_run(r->report.snapshot, r->policy, &limits, &hooks, a, &r->plan, phase_ns, e) < 0)
        return -1;
    r->report.plan = r->plan;
    r->report.phase_ns[REPORT_EXPIRE] = phase_ns[PHASE_EXPIRE];
    r->report.phase_ns[REPORT_ORDER] = phase_ns[PHASE_ORDER];
    r->report.phase_ns[REPORT_VALIDATE] = phase_ns[PHASE_VALIDATE];
    r->report.phase_ns[REPORT_PLACE] = phase_ns[PHASE_PLACE];
    r->mark_ns = clock_ns();
    FAULT_POINT(decided);
    return check_stopped(r->in, e);
}

/* --- 9 commit, 10 publish --------------------------------------------------------------------- */

static int build_answer(struct round *r, struct err *e)
{
    return r->in->answer(r->in->answer_ctx, &r->report, r->worker->arena, &r->answer,
                         &r->answer_len, e);
}

/* commit_input.answer: inside the last transaction. */
static int fix_answer(void *ctx, const struct plan *plan, struct arena *a, uint8_t **ret,
                      size_t *ret_len, struct err *e)
{
    struct round *r = ctx;
    (void)plan; /* report.plan is the same */
    (void)a;    /* the answer is the caller's too: it must outlive the commit */
    r->report.phase_ns[REPORT_COMMIT] = clock_ns() - r->mark_ns;
    if (build_answer(r, e) < 0)
        return -1;
    *ret = r->answer;
    *ret_len = r->answer_len;
    return 0;
}

void round_service_mirror(struct redis *r, const struct owner_count *owners, uint32_t n)
{
    struct err e = {.code = ERR_NONE};
    if (n > 0 && counter_mirror(r, owners, n, &e) < 0)
        log_err(LOG_WARN, "counters were not mirrored to Redis", &e,
                LOG_FIELDS(LOG_NUM("access_keys", n)));
}

static int commit(struct round *r, struct err *e)
{
    struct commit_result done = {.events = NULL};
    const struct commit_input in = {
        .snapshot = r->report.snapshot,
        .plan = r->plan,
        .epoch = r->report.epoch,
        .round_id = r->report.round_id,
        .replica = r->service->config->replica,
        .phases = report_phases_json(&r->report, r->worker->arena),
        .request = r->in->request,
        .answer = r->in->request.id != NULL ? fix_answer : NULL,
        .answer_ctx = r,
        .chunk = (uint32_t)CONFIG_NOW(r->service->config, commit_chunk),
        .guard = manager_gate_guard,
        .guard_ctx = r->manager,
    };
    r->planned = recorder_keep(r->service->recorder, r->plan, r->worker->arena);
    int rc = plan_commit(r->worker->pg, &in, r->worker->arena, &done, e);
    snapshot_share_stale(r->service->snapshots, r->in->scaling_group);
    r->report.phase_ns[REPORT_COMMIT] = 0; /* measured anew: fix_answer() saw a part of it */
    lap(r, REPORT_COMMIT);
    FAULT_POINT(committed);
    hub_publish(r->service->hub, done.events, done.n_events);
    bridge_round(r->service->bridge, r->report.snapshot, r->plan, r->report.epoch, rc == 0);
    round_service_mirror(r->worker->redis, done.owners, done.n_owners);
    FAULT_POINT(published);
    lap(r, REPORT_PUBLISH);
    if (rc < 0 && e->code == ERR_CONFLICT && e->retry_after_ms == 0)
        err_retry(e, FENCED_RETRY_MS);
    return rc;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* With the group locked; an answer stored meanwhile is *r's. */
static int run_locked(struct round *r, struct err *e)
{
    if (lock_group(r, e) < 0 || answer_find(r->worker->pg, &r->in->request, r->worker->arena,
                                            &r->answer, &r->answer_len, e) < 0)
        return -1;
    if (r->answer != NULL)
        return 0; /* the same call was answered between our look and our epoch */
    r->mark_ns = clock_ns();
    if (load(r, e) < 0 || decide(r, e) < 0 || commit(r, e) < 0)
        return -1;
    report_log(&r->report);
    return r->answer != NULL ? 0 : build_answer(r, e);
}

static int run_dry(struct round *r, struct err *e)
{
    if (load(r, e) < 0 || decide(r, e) < 0)
        return -1;
    return build_answer(r, e);
}

int round_service_run(struct round_service *s, const struct worker *w, const struct round_input *in,
                      uint8_t **ret, size_t *ret_len, struct err *e)
{
    struct round r = {
        .service = s,
        .worker = w,
        .in = in,
        .report = {.round_id = random_uuid(), .scaling_group = in->scaling_group},
        .loaded = {.scaling_group = in->scaling_group,
                   .config = s->config,
                   .keeper = in->validate_only ? NULL : s->warm},
        .mark_ns = clock_ns(),
    };
    char round_id[UUID_TEXT];
    LOG_SCOPE(scope, LOG_STR("group", in->scaling_group),
              LOG_STR("round_id", uuid_format(&r.report.round_id, round_id)),
              LOG_STR("request_id", in->request.id));
    int rc = in->validate_only
                 ? run_dry(&r, e)
                 : answer_find(w->pg, &in->request, w->arena, &r.answer, &r.answer_len, e);
    if (rc == 0 && !in->validate_only && r.answer == NULL) {
        rc = run_locked(&r, e);
        manager_gate_leave(s->gate, r.manager);
        release_lease(&r);
        recorder_limit(s->recorder, CONFIG_NOW(s->config, record_max_files),
                       CONFIG_NOW(s->config, record_max_bytes));
        recorder_write(s->recorder, &r.report, r.planned, &r.settings);
    }
    report_count(&r.report, in, w->arena, rc, e);
    if (rc < 0 && !in->validate_only &&
        answer_after_race(w->pg, &in->request, w->arena, &r.answer, &r.answer_len, e))
        rc = 0;
    round_load_release(&r.loaded);
    if (rc < 0)
        return -1;
    *ret = r.answer;
    *ret_len = r.answer_len;
    return 0;
}
