/* test_fit_order.c - the order against a plain list: leaves move at random and each question gets
 * the leaf that sorting all of them would give; in between the tree is what its header says. */
#include "scheduler/fit_order.h"
#include "tests/unit/unit.h"

enum { MOST_NUMBERS = 10, MOST_KEY = 6, SEEDS = 3 };

static uint64_t state;

static uint64_t below(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return n > 0 ? (state >> 11) % n : 0;
}

static const struct size {
    const char *what;
    uint32_t leaves, numbers, key_len, moves;
    int64_t most; /* numbers and keys are 0..most */
    bool wild;    /* some are negative, infinite or beyond what was there at first */
} sizes[] = {
    {"no leaves", 0, 2, 2, 0, 5, false},
    {"one leaf", 1, 2, 2, 60, 3, false},
    {"no numbers and no keys: ties everywhere", 40, 0, 0, 100, 1, false},
    {"as many as stand outside", FIT_OUTSIDE, 2, 2, 300, 4, false},
    {"one more than stand outside", FIT_OUTSIDE + 1, 2, 2, 300, 4, false},
    {"one full block", FIT_FAN, 1, 1, 400, 6, false},
    {"one more than a block", FIT_FAN + 1, 1, 1, 400, 6, false},
    {"few amounts, many equal keys", 300, 2, 2, 1500, 2, false},
    {"two levels", 900, 3, 4, 3000, 100000, false},
    {"three levels", 6000, 2, 2, 1500, 1000, false},
    {"most are of no use", 500, 4, 2, 3000, 1, false},
    {"large amounts", 400, 3, 3, 2000, INT64_C(1) << 55, false},
    {"keys too long for a rank", 400, 2, MOST_KEY, 2000, INT64_C(1) << 40, false},
    {"long keys that tie in their rank", 200, 2, MOST_KEY, 2000, 1, false},
    {"more numbers than lanes", 300, MOST_NUMBERS, 1, 2000, 6, false},
    {"wild numbers", 200, 2, 2, 2000, 8, true},
    {"wild numbers, long keys", 200, 5, MOST_KEY, 2000, 8, true},
};

static int64_t amount(const struct size *z)
{
    static const int64_t wild[] = {INT64_MIN,        INT64_MIN + 1,   -1, INT64_MAX, INT64_MAX - 1,
                                   INT64_C(1) << 61, INT64_C(1) << 20};
    if (z->wild && below(8) == 0)
        return wild[below(ARRAY_SIZE(wild))];
    return (int64_t)below((uint64_t)z->most + 1);
}

struct plain { /* what the order is compared with */
    const struct size *size;
    int64_t *rows, *keys;
    int64_t need[MOST_NUMBERS];
    uint32_t refused; /* a leaf that is not taken whatever it holds */
};

static bool holds(const void *ctx, uint32_t leaf)
{
    const struct plain *p = ctx;
    for (uint32_t i = 0; i < p->size->numbers; i++)
        if (p->rows[leaf * p->size->numbers + i] < p->need[i])
            return false;
    return leaf != p->refused;
}

static bool goes_before(const struct plain *p, uint32_t a, uint32_t b)
{
    const uint32_t n = p->size->key_len;
    for (uint32_t i = 0; i < n; i++)
        if (p->keys[a * n + i] != p->keys[b * n + i])
            return p->keys[a * n + i] < p->keys[b * n + i];
    return a < b;
}

static uint32_t first_of_all(const struct plain *p)
{
    uint32_t first = NONE;
    for (uint32_t leaf = 0; leaf < p->size->leaves; leaf++)
        if (holds(p, leaf) && (first == NONE || goes_before(p, leaf, first)))
            first = leaf;
    return first;
}

static void ask(struct fit_order *o, struct plain *p)
{
    const struct fit_taker taker = {.takes = holds, .ctx = p};
    for (uint32_t i = 0; i < p->size->numbers; i++)
        p->need[i] = 1 + (int64_t)below((uint64_t)p->size->most);
    p->refused = below(3) == 0 && p->size->leaves > 0 ? first_of_all(p) : NONE;
    const uint32_t want = first_of_all(p), got = fit_order_first(o, p->need, &taker);
    ck_assert_msg(got == want, "%s: the first is %u, not %u", p->size->what, want, got);
}

struct walk {
    const struct fit_order *order;
    const struct plain *plain;
    uint32_t last, n; /* leaf seen last; leaves seen */
};

/* Gives the largest numbers below the block. */
static uint64_t walk_block(struct walk *w, const struct fit_block *b, uint32_t height)
{
    const char *what = w->plain->size->what;
    uint64_t most = 0;
    ck_assert_msg(b->n > 0 || b == w->order->root, "%s: an empty block", what);
    for (uint32_t i = 0; i < b->n; i++) {
        uint64_t mine = b->most[i];
        if (height > 0) {
            mine = walk_block(w, b->items[i].block, height - 1);
            ck_assert_msg(fit_lanes_most(&w->order->lanes, mine, b->most[i]) == b->most[i],
                          "%s: an entry knows less than there is", what);
        } else {
            const uint32_t leaf = b->items[i].leaf;
            ck_assert_msg(w->last == NONE || goes_before(w->plain, w->last, leaf),
                          "%s: leaf %u stands behind %u", what, leaf, w->last);
            ck_assert_msg(mine == w->order->packed[leaf], "%s: old numbers", what);
            w->last = leaf;
            w->n++;
        }
        most = fit_lanes_most(&w->order->lanes, most, mine);
    }
    return most;
}

/* Everybody who is of use is in the tree or outside, once. */
static void check(const struct fit_order *o, const struct plain *p)
{
    struct walk w = {.order = o, .plain = p, .last = NONE};
    uint32_t of_use = 0;
    (void)walk_block(&w, o->root, o->height);
    for (uint32_t leaf = 0; leaf < p->size->leaves; leaf++) {
        bool use = true;
        for (uint32_t i = 0; i < o->lanes.n; i++)
            use &= p->rows[leaf * p->size->numbers + i] > 0;
        of_use += use;
    }
    for (uint32_t i = 0; i < o->outside.n; i++)
        w.n += o->outside.moved[i] > 0;
    ck_assert_msg(w.n == of_use, "%s: %u leaves instead of %u", p->size->what, w.n, of_use);
}

START_TEST(the_first_is_that_of_a_plain_list)
{
    const struct size *z = &sizes[_i];
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        CLEANUP(arena_destroyp) struct arena *a = arena_create();
        struct plain p = {.size = z, .refused = NONE};
        struct fit_order o;
        state = UINT64_C(0x9e3779b97f4a7c15) * seed;
        p.rows = arena_new(a, int64_t, (size_t)z->leaves * z->numbers);
        p.keys = arena_new(a, int64_t, (size_t)z->leaves * z->key_len);
        for (uint32_t i = 0; i < z->leaves * z->numbers; i++)
            p.rows[i] = amount(z);
        for (uint32_t i = 0; i < z->leaves * z->key_len; i++)
            p.keys[i] = amount(z);
        int64_t *own = arena_memdup(a, p.keys, (size_t)z->leaves * z->key_len * sizeof(*own));
        fit_order_init(&o, z->leaves, z->numbers, own, z->key_len, a);
        for (uint32_t leaf = 0; leaf < z->leaves; leaf++)
            fit_order_add(&o, leaf, p.rows + (size_t)leaf * z->numbers);
        check(&o, &p);
        const uint32_t few =
            1 + (uint32_t)below(UINT64_C(3) * FIT_OUTSIDE); /* who moves again and again */
        for (uint32_t i = 0; i < z->moves; i++) {
            const uint32_t leaf =
                (uint32_t)below(below(2) == 0 && few < z->leaves ? few : z->leaves);
            for (uint32_t k = 0; k < z->numbers; k++)
                if (below(3) > 0)
                    p.rows[leaf * z->numbers + k] = amount(z);
            for (uint32_t k = 0; k < z->key_len; k++)
                if (below(3) == 0)
                    p.keys[leaf * z->key_len + k] = amount(z);
            fit_order_move(&o, leaf, p.rows + (size_t)leaf * z->numbers,
                           p.keys + (size_t)leaf * z->key_len);
            ask(&o, &p);
            if (i % 100 == 0)
                check(&o, &p);
        }
        ask(&o, &p);
        check(&o, &p);
    }
}
END_TEST

/* A tree that all but one leave and that fills again. */
START_TEST(a_tree_that_empties_fills_again)
{
    enum { LEAVES = 5 * FIT_FAN };
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    static const struct size z = {"emptied", LEAVES, 1, 1, 0, 9, false};
    struct plain p = {.size = &z, .refused = NONE};
    struct fit_order o;
    state = 1;
    p.rows = arena_new(a, int64_t, LEAVES);
    p.keys = arena_new(a, int64_t, LEAVES);
    int64_t *own = arena_new(a, int64_t, LEAVES);
    for (uint32_t leaf = 0; leaf < LEAVES; leaf++)
        own[leaf] = p.keys[leaf] = (int64_t)below(50);
    fit_order_init(&o, LEAVES, 1, own, 1, a);
    for (uint32_t leaf = 0; leaf < LEAVES; leaf++)
        fit_order_add(&o, leaf, &p.rows[leaf]);
    for (int round = 0; round < 6; round++)
        for (uint32_t leaf = 0; leaf < LEAVES; leaf++) {
            p.rows[leaf] = round % 2 == 0 ? 9 : 0;
            fit_order_move(&o, leaf, &p.rows[leaf], &p.keys[leaf]);
            if (leaf % 16 == 0 || leaf + 1 == LEAVES) {
                ask(&o, &p);
                check(&o, &p);
            }
        }
    ck_assert_msg(o.height == 0 && o.root->n == 0, "an empty tree of height %u", o.height);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, the_first_is_that_of_a_plain_list, 0, ARRAY_SIZE(sizes));
    tcase_add_test(tc, a_tree_that_empties_fills_again);
}

int main(void)
{
    return unit_run("fit_order", add);
}
