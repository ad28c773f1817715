/* metrics.c - the cells of all metrics, and how they are printed. */
#include "server/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>

#include "scheduler/base.h"
#include "server/clock.h"
#include "server/status.h"

static const struct {
    int64_t ns;
    const char *seconds;
} buckets[] = {
    {100000, "0.0001"},    {250000, "0.00025"},   {500000, "0.0005"},  {1000000, "0.001"},
    {2500000, "0.0025"},   {5000000, "0.005"},    {10000000, "0.01"},  {25000000, "0.025"},
    {50000000, "0.05"},    {100000000, "0.1"},    {250000000, "0.25"}, {500000000, "0.5"},
    {NS_PER_S, "1"},       {2500000000, "2.5"},   {5 * NS_PER_S, "5"}, {10 * NS_PER_S, "10"},
    {30 * NS_PER_S, "30"}, {60 * NS_PER_S, "60"},
};

enum metric_type { COUNTER, GAUGE, SECONDS, HISTOGRAM };

enum {
    CELLS_COUNTER = 1,
    CELLS_GAUGE = 1,
    CELLS_SECONDS = 1,
    CELL_ABOVE = ARRAY_SIZE(buckets), /* of a histogram: above the last bucket */
    CELL_SUM,                         /* nanoseconds */
    CELLS_HISTOGRAM
};

/* A metric's series, the second label running faster. */
#define METRIC(name, type, first, second, help)                                                    \
    static atomic_llong cells_##name[METRIC_SIZE_##first * METRIC_SIZE_##second * CELLS_##type];
#include "server/metrics.def"
#undef METRIC

static const struct description {
    const char *name, *help;
    enum metric_type type;
    struct {
        enum metric_label_id id;
        unsigned size;
    } labels[2];
    atomic_llong *cells;
} metrics[N_METRICS] = {
#define METRIC(name_, type_, first, second, help_)                                                 \
    [METRIC_##name_] = {.name = "berth_" #name_,                                                   \
                        .help = (help_),                                                           \
                        .type = (type_),                                                           \
                        .labels = {{METRIC_LABEL_##first, METRIC_SIZE_##first},                    \
                                   {METRIC_LABEL_##second, METRIC_SIZE_##second}},                 \
                        .cells = cells_##name_},
#include "server/metrics.def"
#undef METRIC
};

static const char *const type_names[] = {
    [COUNTER] = "counter", [GAUGE] = "gauge", [SECONDS] = "gauge", [HISTOGRAM] = "histogram"};

/* --- counting --------------------------------------------------------------------------------- */

static atomic_llong *cell(enum metric m, unsigned first, unsigned second)
{
    const struct description *d = &metrics[m];
    assert(d->type != HISTOGRAM && first < d->labels[0].size && second < d->labels[1].size);
    return &d->cells[(size_t)first * d->labels[1].size + second];
}

static void add(atomic_llong *c, int64_t n)
{
    atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

void metric_add(enum metric m, unsigned first, int64_t n)
{
    assert(n >= 0 || metrics[m].type != COUNTER);
    add(cell(m, first, 0), n);
}

void metric_set(enum metric m, unsigned first, int64_t value)
{
    assert(metrics[m].type != COUNTER);
    atomic_store_explicit(cell(m, first, 0), value, memory_order_relaxed);
}

void metric_observe(enum metric m, unsigned first, int64_t ns)
{
    const struct description *d = &metrics[m];
    assert(d->type == HISTOGRAM && first < d->labels[0].size);
    atomic_llong *cells = &d->cells[(size_t)first * CELLS_HISTOGRAM];
    unsigned i = 0;
    while (i < ARRAY_SIZE(buckets) && ns > buckets[i].ns)
        i++;
    add(&cells[i], 1);
    add(&cells[CELL_SUM], ns);
}

void metrics_rpc(unsigned method, grpc_status_code code, int64_t ns)
{
    unsigned i = 0;
    while (i < ERR_INTERNAL && status_code((enum err_code)i) != code)
        i++;
    add(cell(METRIC_rpc_total, method, i), 1);
    metric_observe(METRIC_rpc_seconds, method, ns);
}

/* --- printing --------------------------------------------------------------------------------- */

static void print_seconds(FILE *out, int64_t ns)
{
    fprintf(out, "%" PRId64 ".%09" PRId64 "\n", ns / NS_PER_S, ns % NS_PER_S);
}

/* One name="value" pair, or nothing where there is no label. */
static void print_label(FILE *out, const char *before, const char *key, const char *value)
{
    if (key == NULL)
        return;
    fprintf(out, "%s%s=\"", before, key);
    for (; *value != '\0'; value++) {
        if (*value == '\n')
            fputs("\\n", out);
        else
            fprintf(out, "%s%c", *value == '"' || *value == '\\' ? "\\" : "", *value);
    }
    fputc('"', out);
}

struct series { /* one of a metric */
    const struct description *of;
    const char *key[2], *value[2]; /* key NULL: no label */
    atomic_llong *cells;
};

/* A line up to its value. le NULL: no such label. */
static void print_name(FILE *out, const struct series *s, const char *suffix, const char *le)
{
    fprintf(out, "%s%s", s->of->name, suffix);
    print_label(out, "{", s->key[0], s->value[0]);
    print_label(out, ",", s->key[1], s->value[1]);
    print_label(out, s->key[0] != NULL ? "," : "{", le != NULL ? "le" : NULL, le);
    fputs(s->key[0] != NULL || le != NULL ? "} " : " ", out);
}

static int64_t load(const atomic_llong *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

/* The count is the sum of the buckets as read, so that they always agree. */
static void print_histogram(FILE *out, const struct series *s)
{
    int64_t n = 0;
    for (unsigned i = 0; i <= CELL_ABOVE; i++) {
        n += load(&s->cells[i]);
        print_name(out, s, "_bucket", i < CELL_ABOVE ? buckets[i].seconds : "+Inf");
        fprintf(out, "%" PRId64 "\n", n);
    }
    print_name(out, s, "_sum", NULL);
    print_seconds(out, load(&s->cells[CELL_SUM]));
    print_name(out, s, "_count", NULL);
    fprintf(out, "%" PRId64 "\n", n);
}

static void print_series(FILE *out, const struct series *s)
{
    if (s->of->type == HISTOGRAM) {
        print_histogram(out, s);
        return;
    }
    print_name(out, s, "", NULL);
    if (s->of->type == SECONDS)
        print_seconds(out, load(&s->cells[0]));
    else
        fprintf(out, "%" PRId64 "\n", load(&s->cells[0]));
}

/* False: there is no such series. */
static bool find_label(struct series *s, unsigned n, unsigned i)
{
    const struct metric_label *l = &metric_labels[s->of->labels[n].id];
    s->key[n] = l->key;
    s->value[n] = l->key != NULL ? l->value(i) : "";
    return s->value[n] != NULL;
}

static void print_metric(FILE *out, const struct description *d)
{
    unsigned size = d->type == HISTOGRAM ? CELLS_HISTOGRAM : 1;
    struct series s = {.of = d, .cells = d->cells};
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", d->name, d->help, d->name, type_names[d->type]);
    for (unsigned i = 0; i < d->labels[0].size; i++) {
        for (unsigned k = 0; k < d->labels[1].size; k++, s.cells += size)
            if (find_label(&s, 0, i) && find_label(&s, 1, k))
                print_series(out, &s);
    }
}

void metrics_print(FILE *out)
{
    metrics_groups_lock();
    for (unsigned m = 0; m < N_METRICS; m++)
        print_metric(out, &metrics[m]);
    metrics_groups_unlock();
}

void metrics_list(FILE *out)
{
    for (unsigned m = 0; m < N_METRICS; m++) {
        const struct description *d = &metrics[m];
        const char *first = metric_labels[d->labels[0].id].key;
        const char *second = metric_labels[d->labels[1].id].key;
        char labels[32];
        snprintf(labels, sizeof(labels), "%s%s%s%s%s", first != NULL ? "{" : "",
                 first != NULL ? first : "", second != NULL ? "," : "",
                 second != NULL ? second : "", first != NULL ? "}" : "");
        fprintf(out, "%-36s %-10s %-14s %s\n", d->name, type_names[d->type], labels, d->help);
    }
}
