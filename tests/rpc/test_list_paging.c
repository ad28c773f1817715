/* test_list_paging.c - pages of the queue while it changes: random sessions come and go between the
 * pages; who stays is listed once, in the order of the next round. */
#include <stdio.h>
#include <string.h>

#include "tests/reference/cluster.h"
#include "tests/rpc/previewing.h"

enum { SEEDS = 6, FIRST = 30, MOST = 400 };

static struct db db;

struct listing {
    char *ids[MOST];
    size_t n;
};

static size_t find(const struct listing *l, const char *id)
{
    size_t i = 0;
    while (i < l->n && strcmp(l->ids[i], id) != 0)
        i++;
    return i;
}

static Berth__V1__ListPendingSessionsResponse *page(uint32_t size, char *token)
{
    Berth__V1__ListPendingSessionsRequest q = BERTH__V1__LIST_PENDING_SESSIONS_REQUEST__INIT;
    q.scaling_group = (char *)"g1";
    q.page_size = size;
    q.page_token = token;
    return call_ok(PENDING_PATH, &q.base, &berth__v1__list_pending_sessions_response__descriptor,
                   "a page");
}

static void list_all(struct listing *l)
{
    const Berth__V1__ListPendingSessionsResponse *m = page(1000, (char *)"");
    l->n = m->n_sessions;
    ck_assert_uint_le(l->n, MOST);
    for (size_t i = 0; i < l->n; i++)
        l->ids[i] = m->sessions[i]->session_id;
}

/* n sessions of random age, key and priority; too big for any agent, so that rounds leave them. */
static void queue_sessions(struct rng *r, unsigned n)
{
    static unsigned made;
    char sql[400];
    for (unsigned i = 0; i < n; i++) {
        made++;
        (void)snprintf(sql, sizeof(sql),
                       "SELECT t.session('q%u', 99, 1, key => 'AK%u', prio => %u);"
                       "UPDATE sessions SET created_at = now() - interval '%u seconds' WHERE name "
                       "= 'q%u'",
                       made, 1 + rng_below(r, 2), 10 * rng_below(r, 3), rng_below(r, 40), made);
        world_do(&db, sql);
    }
}

static void remove_session(const char *id)
{
    char sql[200];
    (void)snprintf(sql, sizeof(sql), "UPDATE sessions SET status = 'CANCELLED' WHERE id = '%s'",
                   id);
    db_sql(&db, sql);
}

/* Some rows anywhere; now and then all rows near the cut, on both sides. */
static void disturb(struct rng *r, const struct listing *seen, uint32_t size)
{
    struct listing now;
    list_all(&now);
    queue_sessions(r, rng_below(r, 3));
    if (rng_chance(r, 40)) {
        size_t cut = seen->n > 0 ? find(&now, seen->ids[seen->n - 1]) : 0;
        for (size_t i = cut > size + 4 ? cut - size - 4 : 0; i < now.n && i < cut + 7; i++)
            remove_session(now.ids[i]);
    } else if (now.n > 0) {
        remove_session(now.ids[rng_below(r, (uint32_t)now.n)]);
    }
}

static void check_listing(const struct listing *before, const struct listing *seen, int seed)
{
    struct listing after;
    list_all(&after);
    for (size_t i = 0; i < seen->n; i++)
        ck_assert_msg(find(seen, seen->ids[i]) == i, "seed %d: session %s is listed twice", seed,
                      seen->ids[i]);
    size_t last = 0;
    for (size_t i = 0; i < after.n; i++) {
        if (find(before, after.ids[i]) == before->n)
            continue; /* it came meanwhile: listed or not */
        size_t at = find(seen, after.ids[i]);
        ck_assert_msg(at < seen->n, "seed %d: session %s stayed and is not listed", seed,
                      after.ids[i]);
        ck_assert_msg(at >= last, "seed %d: session %s is listed out of order", seed, after.ids[i]);
        last = at;
    }
}

static const char *const schedulers[] = {"fifo", "lifo", "drf"};

START_TEST(pages_list_who_stays_once_and_in_order)
{
    struct listing before, seen = {.n = 0};
    struct rng r = {.state = (uint64_t)_i * 977 + 5};
    char sql[200], *token = (char *)"";
    db = world_create();
    (void)snprintf(sql, sizeof(sql), "UPDATE scaling_groups SET scheduler = '%s'",
                   schedulers[_i % 3]);
    db_sql(&db, sql);
    world_do(&db, "SELECT t.session('used', 3, 1, key => 'AK1'); "
                  "SELECT t.place('used', 'a1', 'RUNNING')"); /* so that keys have shares */
    service_up(&db, NULL, NULL);
    queue_sessions(&r, FIRST);
    list_all(&before);
    do {
        uint32_t size = 1 + rng_below(&r, 5);
        const Berth__V1__ListPendingSessionsResponse *m = page(size, token);
        for (size_t i = 0; i < m->n_sessions; i++)
            seen.ids[seen.n++] = m->sessions[i]->session_id;
        ck_assert_uint_le(m->n_sessions, size);
        token = m->next_page_token;
        disturb(&r, &seen, size);
    } while (*token != '\0' && seen.n < MOST - 5);
    check_listing(&before, &seen, _i);
    service_down();
}
END_TEST

START_TEST(the_list_is_in_the_order_of_the_next_round)
{
    struct listing list;
    struct rng r = {.state = (uint64_t)_i * 31 + 2};
    char sql[200];
    db = world_create();
    (void)snprintf(sql, sizeof(sql),
                   "UPDATE scaling_groups SET scheduler = '%s', scheduler_opts = "
                   "'{\"config\": {%s}}'",
                   schedulers[_i % 3], _i % 3 == 0 ? "\"num_retries_to_skip\": 1" : "");
    db_sql(&db, sql);
    service_up(&db, NULL, NULL);
    for (int round = 0; round < 3; round++) {
        queue_sessions(&r, 8); /* after a round the older ones have been tried */
        list_all(&list);
        const Berth__V1__ScheduleScalingGroupResponse *m = schedule("g1", "a round");
        ck_assert_uint_eq(m->n_decisions, list.n);
        for (size_t i = 0; i < list.n; i++)
            ck_assert_msg(strcmp(m->decisions[i]->session_id, list.ids[i]) == 0,
                          "%s: the round tried %s as number %zu, the list has %s",
                          schedulers[_i % 3], m->decisions[i]->session_id, i + 1, list.ids[i]);
    }
    service_down();
}
END_TEST

/* Groups are by name: whatever comes or goes, a page begins after the last name seen. */
START_TEST(pages_of_groups_survive_groups_that_come_and_go)
{
    static const char insert[] =
        "INSERT INTO scaling_groups (name, id, is_active, driver, driver_opts, scheduler, "
        "scheduler_opts, default_session_options, default_deployment_options) SELECT '%s', "
        "t.id('%s'), true, 'static', '{}', 'fifo', '{}', '{}', '{}'";
    struct rng r = {.state = (uint64_t)_i + 11};
    char sql[600], last[80] = "";
    Berth__V1__ListScalingGroupsRequest q = BERTH__V1__LIST_SCALING_GROUPS_REQUEST__INIT;
    unsigned stayed = 0;
    db = world_create();
    service_up(&db, NULL, NULL);
    for (int i = 0; i < 20; i++) {
        (void)snprintf(sql, sizeof(sql), insert,
                       arena_printf(test_arena(), "%c%02d", i % 2 == 0 ? 'x' : 'y', i),
                       arena_printf(test_arena(), "id%d", i));
        db_sql(&db, sql);
    }
    do {
        q.page_size = 1 + rng_below(&r, 4);
        const Berth__V1__ListScalingGroupsResponse *m = call_ok(
            GROUPS_PATH, &q.base, &berth__v1__list_scaling_groups_response__descriptor, "groups");
        for (size_t i = 0; i < m->n_scaling_groups; i++) {
            const char *name = m->scaling_groups[i]->name;
            ck_assert_msg(strcmp(name, last) > 0, "%s comes after %s", name, last);
            (void)snprintf(last, sizeof(last), "%s", name);
            stayed += name[0] == 'y';
        }
        q.page_token = m->next_page_token;
        db_sql(&db, "DELETE FROM scaling_groups WHERE name = (SELECT name FROM scaling_groups "
                    "WHERE name LIKE 'x%' ORDER BY random() LIMIT 1)");
        (void)snprintf(sql, sizeof(sql), insert,
                       arena_printf(test_arena(), "%c%u", 'a' + (char)rng_below(&r, 26),
                                    rng_below(&r, 1000000)),
                       arena_printf(test_arena(), "more%u", rng_below(&r, 1000000)));
        db_sql(&db, sql);
    } while (*q.page_token != '\0' && strcmp(last, "y19") < 0);
    ck_assert_msg(stayed >= 10, "%u of the 10 groups that stayed are listed", stayed);
    service_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("list_paging");
    TCase *tc = tcase_create("list_paging");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, pages_list_who_stays_once_and_in_order, 0, 3 * SEEDS);
    tcase_add_loop_test(tc, the_list_is_in_the_order_of_the_next_round, 0, 3);
    tcase_add_loop_test(tc, pages_of_groups_survive_groups_that_come_and_go, 0, 3);
    suite_add_tcase(suite, tc);
    return support_run(suite, SUPPORT_PG | SUPPORT_REDIS | SUPPORT_PRIVATE);
}
