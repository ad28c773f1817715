/* test_watch_many.c - a thousand subscribers at a time, with different filters: each sees what it
 * asked for, once and in order, also those that leave and come back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/app.h"
#include "server/hub.h"
#include "tests/rpc/service.h"

typedef Berth__V1__WatchEventsRequest request;
typedef Berth__V1__WatchEventsResponse message;

enum { SUBSCRIBERS = 1000, FILTERS = 5, LEAVES_EVERY = 10, ROUNDS = 3, SESSIONS = 12 };

static struct db db;

struct subscriber {
    struct call_handle *call;
    char *cursor;
    int64_t at[2]; /* last sequence seen of g1 and g2 */
    unsigned n;    /* events seen */
};
static struct subscriber subscribers[SUBSCRIBERS];

/* --- filters: written here once as a request and once as a rule ---------------------------------
 */

static Berth__V1__EventType scheduled[] = {BERTH__V1__EVENT_TYPE__EVENT_TYPE_SESSION_SCHEDULED};
static char *g1[] = {(char *)"g1"}, *g2[] = {(char *)"g2"};
static char *one[1]; /* the id of session s1/0 */

static request ask(unsigned filter, const char *cursor)
{
    request q = BERTH__V1__WATCH_EVENTS_REQUEST__INIT;
    q.start = cursor != NULL ? BERTH__V1__WATCH_START__WATCH_START_CURSOR
                             : BERTH__V1__WATCH_START__WATCH_START_BEGINNING;
    q.resume_cursor = (char *)(cursor != NULL ? cursor : "");
    q.scaling_groups = filter == 1 ? g1 : g2;
    q.n_scaling_groups = filter == 1 || filter == 2 ? 1 : 0;
    q.types = scheduled;
    q.n_types = filter == 3 ? 1 : 0;
    q.session_ids = one;
    q.n_session_ids = filter == 4 ? 1 : 0;
    return q;
}

static const char *const rules[FILTERS] = {
    "true", "g.name = 'g1'", "g.name = 'g2'", "e.type = 1", "e.session_id = t.id('s1/0')",
};

static unsigned expected(unsigned filter)
{
    char sql[300];
    (void)snprintf(sql, sizeof(sql),
                   "SELECT count(*) FROM berth.events e JOIN scaling_groups g ON g.id = "
                   "e.scaling_group_id WHERE %s",
                   rules[filter]);
    return (unsigned)db_int(&db, sql);
}

/* --- subscribers -------------------------------------------------------------------------------
 */

static void subscribe(unsigned i)
{
    struct subscriber *s = &subscribers[i];
    request q = ask(i % FILTERS, s->cursor);
    s->call = call_begin(service_client(), WATCH_PATH, -1);
    call_send_message(s->call, &q.base);
    call_close_send(s->call);
}

static void leave(unsigned i)
{
    struct reply r = {.body = NULL};
    call_cancel_now(subscribers[i].call);
    call_end(subscribers[i].call, &r);
    reply_free(&r);
}

static void take(unsigned i, const message *m)
{
    struct subscriber *s = &subscribers[i];
    for (size_t k = 0; k < m->n_events; k++) {
        const Berth__V1__Event *ev = m->events[k];
        int64_t *at = &s->at[strcmp(ev->scaling_group, "g2") == 0];
        ck_assert_msg(ev->sequence > *at, "subscriber %u: %s %lld came after %lld", i,
                      ev->scaling_group, (long long)ev->sequence, (long long)*at);
        *at = ev->sequence;
        s->n++;
    }
    free(s->cursor);
    s->cursor = strdup(m->cursor);
}

/* Reads until each has as many as its filter lets through; more would be noticed by their order. */
static void read_all(const char *when)
{
    unsigned want[FILTERS];
    for (unsigned f = 0; f < FILTERS; f++)
        want[f] = expected(f);
    for (unsigned i = 0; i < SUBSCRIBERS; i++) {
        while (subscribers[i].n < want[i % FILTERS] || subscribers[i].cursor == NULL) {
            uint8_t *bytes;
            size_t n;
            ck_assert_msg(call_receive(subscribers[i].call, &bytes, &n),
                          "%s: subscriber %u ended after %u of %u events", when, i,
                          subscribers[i].n, want[i % FILTERS]);
            message *m = berth__v1__watch_events_response__unpack(NULL, n, bytes);
            ck_assert_msg(m != NULL, "%s: subscriber %u got no message", when, i);
            take(i, m);
            berth__v1__watch_events_response__free_unpacked(m, NULL);
            free(bytes);
        }
        ck_assert_msg(subscribers[i].n == want[i % FILTERS],
                      "%s: subscriber %u saw %u events, not %u", when, i, subscribers[i].n,
                      want[i % FILTERS]);
    }
}

static void make_sessions(int round)
{
    char sql[200];
    for (int i = 0; i < SESSIONS; i++) {
        (void)snprintf(sql, sizeof(sql), "SELECT t.session('s%d/%d', 1, 1, 1, grp => '%s')", round,
                       i, i % 3 == 0 ? "g2" : "g1");
        world_do(&db, sql);
    }
}

static bool all_watch(void *app)
{
    struct hub_stats stats;
    hub_stats(((struct app *)app)->hub, &stats);
    return stats.subscribers == SUBSCRIBERS;
}

START_TEST(watch_serves_a_thousand_at_once)
{
    static const char *const settings[] = {"--executor-queue=2000", NULL};
    db = world_create();
    struct app *app = service_up(&db, NULL, settings);
    one[0] = id_text(&db, "s1/0");
    make_sessions(0);
    schedule("g1", "before anybody watches");
    for (unsigned i = 0; i < SUBSCRIBERS; i++)
        subscribe(i);
    await_true(all_watch, app, "a thousand subscribers");
    for (int round = 1; round <= ROUNDS; round++) {
        read_all("a round");
        for (unsigned i = (unsigned)round; i < SUBSCRIBERS; i += LEAVES_EVERY)
            leave(i);
        make_sessions(round);
        schedule("g1", "while they watch");
        schedule("g2", "while they watch");
        for (unsigned i = (unsigned)round; i < SUBSCRIBERS; i += LEAVES_EVERY)
            subscribe(i);
    }
    read_all("the end");
    ck_assert_msg(subscribers[0].n > 2 * SESSIONS && subscribers[4].n > 0,
                  "hardly anything was told");
    struct hub_stats stats;
    hub_stats(app->hub, &stats);
    ck_assert_msg(stats.slow == 0, "%llu were ended as slow", (unsigned long long)stats.slow);
    for (unsigned i = 0; i < SUBSCRIBERS; i++) {
        leave(i);
        free(subscribers[i].cursor);
    }
    service_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("watch_many");
    TCase *tc = tcase_create("watch_many");
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, watch_serves_a_thousand_at_once);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_ROUNDS);
}
