/* reading.c - the snapshot of a call that only reads. */
#include "server/reading.h"

#include "server/app.h"
#include "server/clock.h"
#include "server/config.h"
#include "server/convert.h"

int reading_begin(struct rpc_context *c, const Google__Protobuf__Duration *max_age,
                  struct reading *ret, struct err *e)
{
    int64_t age_ns = CONFIG_NOW(c->app->config, snapshot_age) * NS_PER_MS;
    int64_t now = clock_ns();
    if (max_age != NULL && (max_age->seconds < 0 || max_age->nanos < 0))
        return err_field(e, "max_snapshot_age", "max_snapshot_age is negative");
    if (max_age != NULL)
        age_ns = max_age->seconds < now / NS_PER_S ? max_age->seconds * NS_PER_S + max_age->nanos
                                                   : now; /* older than the machine */
    *ret = (struct reading){.c = c, .begun_ns = now, .oldest_ns = now - age_ns};
    return 0;
}

static bool has_stopped(const void *c)
{
    return rpc_stopped(c);
}

struct snapshot_want reading_want(const struct reading *r)
{
    return (struct snapshot_want){
        .rounds = r->c->app->rounds,
        .config = r->c->app->config,
        .oldest_ns = r->oldest_ns,
        .deadline_ns = r->c->deadline_ns,
        .stopped = has_stopped,
        .stopped_ctx = r->c,
    };
}

int reading_take(const struct reading *r, const char *scaling_group,
                 const struct snapshot_spec *spec, bool anew, struct shared_snapshot **ret,
                 struct err *e)
{
    struct snapshot_want w = reading_want(r);
    w.scaling_group = scaling_group;
    w.spec = spec;
    if (anew)
        w.oldest_ns = r->begun_ns;
    return snapshot_share_take(r->c->app->snapshots, r->c->reader, &w, ret, e);
}

Google__Protobuf__Duration *reading_age(const struct reading *r, const struct shared_snapshot *s)
{
    int64_t age_ns = r->begun_ns - shared_read_ns(s);
    return convert_duration(age_ns > 0 ? age_ns : 0, r->c->arena);
}
