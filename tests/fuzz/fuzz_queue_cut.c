/* fuzz_queue_cut.c - keys of rows in a page token, which anybody can write: the first byte is the
 * seed of a small cluster, the rest is keys, one a line. Keys that are ours find their place;
 * whatever they are, the next page begins within the queue. */
#include "scheduler/round.h"
#include "server/queue_cut.h"
#include "tests/fuzz/fuzz.h"
#include "tests/reference/cluster.h"

enum { SEEDS = 8 };

struct queue {
    const struct snapshot *s;
    struct policy *p;
    uint32_t *order, *places;
};

static struct queue *queue_create(unsigned seed)
{
    static struct registry *registry;
    static struct queue queues[SEEDS];
    struct queue *q = &queues[seed];
    struct err e = {.code = ERR_NONE};
    struct cluster c;
    if (q->s != NULL)
        return q;
    if (registry == NULL)
        registry = registry_create();
    struct arena *a = arena_create(); /* of all runs */
    cluster_create(seed, 1, a, &c);
    FUZZ_REQUIRE(policy_resolve(registry, &c.config, c.snapshot, a, &q->p, &e) == 0 &&
                     round_order(c.snapshot, q->p, a, &q->order, &e) == 0,
                 "seed %u: %s", seed, e.message);
    q->s = c.snapshot;
    q->places = arena_new(a, uint32_t, (size_t)q->s->n_sessions + 1);
    for (uint32_t i = 0; i < q->s->n_sessions; i++)
        q->places[q->order[i]] = i;
    return q;
}

static uint32_t find(const struct queue *q, const char *const *keys, uint32_t n, struct arena *a)
{
    const struct page_token token = {.position = n, .before = keys, .n_before = n};
    struct err e = {.code = ERR_NONE};
    uint32_t at = NONE;
    FUZZ_REQUIRE(queue_cut_find(q->s, q->p, q->places, &token, a, &at, &e) == 0, "refused: %s",
                 e.message);
    FUZZ_REQUIRE(at <= q->s->n_sessions, "page begins at %u of %u", at, q->s->n_sessions);
    return at;
}

/* A row that is where it was: the page goes on behind it. */
static void check_own(const struct queue *q, uint32_t place, struct arena *a)
{
    const char *key = queue_cut_key(q->s, q->order[place], a);
    const uint32_t at = find(q, &key, 1, a);
    FUZZ_REQUIRE(at == place + 1, "behind row %u the page begins at %u: %s", place, at, key);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const struct queue *q = queue_create(take_kind(&bytes, &n, SEEDS));
    const char *keys[PAGE_TOKEN_KEYS];
    uint32_t n_keys = 0;
    if (q->s->n_sessions > 0)
        check_own(q, n > 0 ? bytes[0] % q->s->n_sessions : 0, a);
    for (char *line = text_of(bytes, n, a); line != NULL && n_keys < PAGE_TOKEN_KEYS;)
        keys[n_keys++] = strsep(&line, "\n");
    (void)find(q, keys, n_keys, a);
    return 0;
}
