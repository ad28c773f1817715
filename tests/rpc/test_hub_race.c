/* test_hub_race.c - watchers and publishers all at once: nothing is lost or repeated. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "tests/rpc/hub_world.h"

enum { WATCHERS = 6, PUBLISHERS = 3, EACH = 400 };

struct watcher {
    pthread_t thread;
    int index;
    unsigned n;
    const char *complaint;
    int64_t at[GROUPS];
};

/* Watches from the beginning through small queues, leaves and resumes now and then. */
static void *watch_all(void *arg)
{
    struct watcher *w = arg;
    struct stream *s = fake_stream_create(3);
    struct arena *a = arena_create();
    struct event_bounds none[] = {{"g1", 1, 0}, {"g2", 1, 0}};
    struct hub_subscription q = {
        .heartbeat_ns = 3600 * NS_PER_S, .bounds = none, .n_bounds = ARRAY_SIZE(none)};
    hub_subscribe(hub, &q, s);
    for (unsigned messages = 1; w->n < PUBLISHERS * EACH && w->complaint == NULL; messages++) {
        Berth__V1__WatchEventsResponse *m = fake_stream_take(s, SOON_MS);
        if (m == NULL) {
            w->complaint = "events stopped coming";
            break;
        }
        for (size_t i = 0; i < m->n_events; i++, w->n++) {
            int64_t *at = &w->at[strcmp(m->events[i]->scaling_group, "g2") == 0];
            if (m->events[i]->sequence != *at + 1)
                w->complaint = "an event is missing or came twice";
            *at = m->events[i]->sequence;
        }
        if (messages % (unsigned)(5 + w->index) == 0) { /* what waits in the queue is lost */
            struct err e;
            struct cursor_entry *start;
            arena_reset(a);
            fake_stream_close(s);
            s = fake_stream_create(3);
            if (cursor_decode("cursor", m->cursor, a, &start, &q.n_start, &e) < 0)
                w->complaint = "a cursor cannot be read";
            q.start = start;
            hub_subscribe(hub, &q, s);
        }
        berth__v1__watch_events_response__free_unpacked(m, NULL);
    }
    fake_stream_close(s);
    arena_destroy(a);
    return NULL;
}

struct publisher {
    pthread_t thread;
    const int64_t *mine; /* sequences, > 0 of g1, < 0 of g2; 0: left to the reader */
};

static void *publish_all(void *arg)
{
    const struct publisher *p = arg;
    for (int i = 0; i < EACH; i++)
        if (p->mine[i] != 0)
            publish(p->mine[i] > 0 ? "g1" : "g2", llabs(p->mine[i]));
    return NULL;
}

START_TEST(hub_loses_and_repeats_nothing_when_all_happens_at_once)
{
    static int64_t sequences[PUBLISHERS * EACH];
    struct watcher watchers[WATCHERS] = {{0}};
    struct publisher publishers[PUBLISHERS];
    hub_open((struct hub_options){.poll_ms = 10, .reorder_ms = 2, .ring_events = 128});
    log_append("g1", PUBLISHERS * EACH / 2);
    log_append("g2", PUBLISHERS * EACH / 2);
    srand(_i + 1);
    for (int i = 0; i < PUBLISHERS * EACH; i++) { /* shuffled a little, some never published */
        int64_t sequence = i / 2 + 1;
        sequences[i] = rand() % 10 == 0 ? 0 : i % 2 == 0 ? sequence : -sequence;
        int other = i - rand() % (i < 20 ? i + 1 : 20);
        int64_t moved = sequences[other];
        sequences[other] = sequences[i];
        sequences[i] = moved;
    }
    for (int i = 0; i < WATCHERS; i++) {
        watchers[i].index = i;
        pthread_create(&watchers[i].thread, NULL, watch_all, &watchers[i]);
    }
    for (int i = 0; i < PUBLISHERS; i++) {
        publishers[i].mine = sequences + i * EACH;
        pthread_create(&publishers[i].thread, NULL, publish_all, &publishers[i]);
    }
    for (int i = 0; i < PUBLISHERS; i++)
        pthread_join(publishers[i].thread, NULL);
    for (int i = 0; i < WATCHERS; i++) {
        pthread_join(watchers[i].thread, NULL);
        ck_assert_msg(watchers[i].complaint == NULL, "watcher %d of seed %d, after %u events: %s",
                      i, _i + 1, watchers[i].n, watchers[i].complaint);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub_race");
    TCase *tc = tcase_create("hub_race");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, hub_setup, hub_teardown);
    tcase_add_loop_test(tc, hub_loses_and_repeats_nothing_when_all_happens_at_once, 0, 5);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG);
}
