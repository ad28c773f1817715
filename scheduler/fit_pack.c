/* fit_pack.c - numbers in lanes, keys in ranks. */
#include "scheduler/fit_pack.h"

enum {
    WORD_BITS = 64,
    MOST_LANES = 8,
    MOST_LANE_BITS = 21,
    EXPONENT_BITS = 6, /* of a number; what is left of a lane are digits behind the highest */
};

static uint32_t bits_of(uint64_t v)
{
    return v > 0 ? WORD_BITS - (uint32_t)__builtin_clzll(v) : 0;
}

void fit_lanes_init(struct fit_lanes *l, uint32_t n_numbers)
{
    l->n = n_numbers < MOST_LANES ? n_numbers : MOST_LANES;
    l->bits = l->n * MOST_LANE_BITS > WORD_BITS ? WORD_BITS / l->n : MOST_LANE_BITS;
    l->guards = 0;
    for (uint32_t i = 0; i < l->n; i++)
        l->guards = l->guards << l->bits | UINT64_C(1) << (l->bits - 1);
}

uint64_t fit_lanes_pack(const struct fit_lanes *l, const int64_t *numbers)
{
    const uint32_t digits = l->bits - 1 - EXPONENT_BITS;
    uint64_t packed = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        if (numbers[i] <= 0)
            continue; /* less than the least there is */
        const uint64_t lead = (uint64_t)__builtin_clzll((uint64_t)numbers[i]);
        const uint64_t behind = (uint64_t)numbers[i] << lead >> (WORD_BITS - 1 - digits);
        const uint64_t exponent = WORD_BITS - 2 - lead; /* the highest digit adds one */
        packed |= ((exponent << digits) + behind + 1) << (i * l->bits);
    }
    return packed;
}

/* --- ranks --- */

/* Numbers of this size have digits; larger ones are as good as infinite. */
static const int64_t most_ranked = INT64_C(1) << 61;

static void range_learn(struct fit_field *f, const int64_t *keys, uint32_t n, uint32_t len)
{
    int64_t most = 0;
    for (uint32_t k = 0; k < n; k++) {
        const int64_t v = keys[(size_t)k * len];
        if (v > -most_ranked && v < f->least)
            f->least = v;
        if (v < most_ranked && v > most)
            most = v;
    }
    f->span = (uint64_t)(most - f->least);
}

void fit_ranks_init(struct fit_ranks *r, const int64_t *keys, uint32_t n, uint32_t len,
                    struct arena *a)
{
    uint32_t word = 0, left = WORD_BITS;
    *r = (struct fit_ranks){.fields = arena_new(a, struct fit_field, len), .total = true};
    for (; r->n < len && r->total; r->n++) {
        struct fit_field *f = &r->fields[r->n];
        range_learn(f, keys + r->n, n, len);
        const uint32_t bits = bits_of(f->span + 2);
        if (bits > left && word == 0) {
            word = 1;
            left = WORD_BITS;
        }
        f->word = word;
        f->rest = left < WORD_BITS ? (UINT64_C(1) << left) - 1 : ~UINT64_C(0);
        f->cut = bits > left ? bits - left : 0;
        f->shift = f->cut > 0 ? 0 : left - bits;
        left = f->shift;
        r->total = f->cut == 0 && (left > 0 || word == 0);
    }
    r->total = r->total && (word == 0 || left >= bits_of(n));
}

fit_rank fit_ranks_of(const struct fit_ranks *r, const int64_t *key, uint32_t leaf, bool *total)
{
    uint64_t words[2] = {0, 0};
    bool beyond = false;
    for (uint32_t i = 0; i < r->n && !beyond; i++) {
        const struct fit_field *f = &r->fields[i];
        const uint64_t above = (uint64_t)key[i] - (uint64_t)f->least;
        beyond = above > f->span;
        if (!beyond)
            words[f->word] |= (above + 1) >> f->cut << f->shift;
        else if (key[i] > f->least) { /* nothing behind it counts */
            words[f->word] |= f->rest;
            words[1] = f->word == 0 ? ~UINT64_C(0) : words[1];
        }
    }
    if (r->total && !beyond)
        words[1] |= leaf;
    else
        *total = false;
    return (fit_rank)words[0] << WORD_BITS | words[1];
}
