/* metrics.c - the cells of all metrics, and how they are printed. */
#include "server/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>

#include "scheduler/base.h"
#include "server/clock.h"
#include "server/metrics_process.h"
#include "server/status.h"

static const struct bucket {
    int64_t ns;
    const char *seconds;
} times[] = {
    {100000, "0.0001"},    {250000, "0.00025"},   {500000, "0.0005"},  {1000000, "0.001"},
    {2500000, "0.0025"},   {5000000, "0.005"},    {10000000, "0.01"},  {25000000, "0.025"},
    {50000000, "0.05"},    {100000000, "0.1"},    {250000000, "0.25"}, {500000000, "0.5"},
    {NS_PER_S, "1"},       {2500000000, "2.5"},   {5 * NS_PER_S, "5"}, {10 * NS_PER_S, "10"},
    {30 * NS_PER_S, "30"}, {60 * NS_PER_S, "60"},
};

/* As many: a minute, an hour, a day and a week among them. */
static const struct bucket waits[ARRAY_SIZE(times)] = {
    {NS_PER_S / 10, "0.1"},      {NS_PER_S / 2, "0.5"},         {NS_PER_S, "1"},
    {2 * NS_PER_S, "2"},         {5 * NS_PER_S, "5"},           {10 * NS_PER_S, "10"},
    {30 * NS_PER_S, "30"},       {60 * NS_PER_S, "60"},         {120 * NS_PER_S, "120"},
    {300 * NS_PER_S, "300"},     {900 * NS_PER_S, "900"},       {1800 * NS_PER_S, "1800"},
    {3600 * NS_PER_S, "3600"},   {14400 * NS_PER_S, "14400"},   {43200 * NS_PER_S, "43200"},
    {86400 * NS_PER_S, "86400"}, {259200 * NS_PER_S, "259200"}, {604800 * NS_PER_S, "604800"},
};

enum metric_type { COUNTER, GAUGE, SECONDS, AMOUNT, SPARSE, HISTOGRAM, WAITS };

enum {
    CELLS_COUNTER = 1,
    CELLS_GAUGE = 1,
    CELLS_SECONDS = 1,
    CELLS_AMOUNT = 1,
    CELLS_SPARSE = 1,
    CELL_ABOVE = ARRAY_SIZE(times), /* of a histogram: above the last bucket */
    CELL_SUM,                       /* nanoseconds */
    CELLS_HISTOGRAM,
    CELLS_WAITS = CELLS_HISTOGRAM
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
    [COUNTER] = "counter", [GAUGE] = "gauge",         [SECONDS] = "gauge",  [AMOUNT] = "gauge",
    [SPARSE] = "counter",  [HISTOGRAM] = "histogram", [WAITS] = "histogram"};

static bool is_counter(const struct description *d)
{
    return d->type == COUNTER || d->type == SPARSE;
}

static bool is_histogram(const struct description *d)
{
    return d->type == HISTOGRAM || d->type == WAITS;
}

static const struct bucket *buckets_of(const struct description *d)
{
    return d->type == WAITS ? waits : times;
}

/* --- counting --------------------------------------------------------------------------------- */

static atomic_llong *cell(enum metric m, unsigned first, unsigned second)
{
    const struct description *d = &metrics[m];
    assert(!is_histogram(d) && first < d->labels[0].size && second < d->labels[1].size);
    return &d->cells[(size_t)first * d->labels[1].size + second];
}

static void add(atomic_llong *c, int64_t n)
{
    atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

void metric_add2(enum metric m, unsigned first, unsigned second, int64_t n)
{
    assert(n >= 0 || !is_counter(&metrics[m]));
    add(cell(m, first, second), n);
}

void metric_add(enum metric m, unsigned first, int64_t n)
{
    metric_add2(m, first, 0, n);
}

static void store(atomic_llong *c, int64_t value)
{
    atomic_store_explicit(c, value, memory_order_relaxed);
}

void metric_set2(enum metric m, unsigned first, unsigned second, int64_t value)
{
    assert(!is_counter(&metrics[m]));
    store(cell(m, first, second), value);
}

void metric_set(enum metric m, unsigned first, int64_t value)
{
    metric_set2(m, first, 0, value);
}

void metric_counted(enum metric m, unsigned first, int64_t value)
{
    assert(is_counter(&metrics[m]));
    store(cell(m, first, 0), value);
}

static void observe(enum metric m, unsigned first, unsigned second, int64_t ns)
{
    const struct description *d = &metrics[m];
    const struct bucket *buckets = buckets_of(d);
    assert(is_histogram(d) && first < d->labels[0].size && second < d->labels[1].size);
    size_t series = (size_t)first * d->labels[1].size + second;
    atomic_llong *cells = &d->cells[series * CELLS_HISTOGRAM];
    unsigned i = 0;
    while (i < CELL_ABOVE && ns > buckets[i].ns)
        i++;
    add(&cells[i], 1);
    add(&cells[CELL_SUM], ns);
}

void metric_observe(enum metric m, unsigned first, int64_t ns)
{
    observe(m, first, 0, ns);
}

void metrics_rpc(unsigned method, grpc_status_code code, int64_t ns)
{
    unsigned i = 0;
    while (i < ERR_INTERNAL && status_code((enum err_code)i) != code)
        i++;
    add(cell(METRIC_rpc_total, method, i), 1);
    observe(METRIC_rpc_seconds, method, i, ns);
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
    unsigned second;               /* index of the second label's value */
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
    const struct bucket *buckets = buckets_of(s->of);
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
    char amount[AMOUNT_TEXT];
    if (is_histogram(s->of)) {
        print_histogram(out, s);
        return;
    }
    print_name(out, s, "", NULL);
    if (s->of->type == SECONDS)
        print_seconds(out, load(&s->cells[0]));
    else if (s->of->type == AMOUNT)
        fprintf(out, "%s\n",
                amount_format(load(&s->cells[0]), metrics_slot_type(s->second), amount));
    else
        fprintf(out, "%" PRId64 "\n", load(&s->cells[0]));
}

/* Of the sparse ones: whether it has counted anything yet. */
static bool has_counted(const struct series *s)
{
    unsigned n = is_histogram(s->of) ? CELL_SUM : 1;
    bool sparse = s->of->type == SPARSE || (is_histogram(s->of) && s->key[1] != NULL);
    for (unsigned i = 0; sparse && i < n; i++)
        if (load(&s->cells[i]) != 0)
            return true;
    return !sparse;
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
    unsigned size = is_histogram(d) ? CELLS_HISTOGRAM : 1;
    struct series s = {.of = d, .cells = d->cells};
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", d->name, d->help, d->name, type_names[d->type]);
    for (unsigned i = 0; i < d->labels[0].size; i++) {
        for (s.second = 0; s.second < d->labels[1].size; s.second++, s.cells += size)
            if (find_label(&s, 0, i) && find_label(&s, 1, s.second) && has_counted(&s))
                print_series(out, &s);
    }
}

void metrics_print(FILE *out)
{
    metrics_groups_lock();
    for (unsigned m = 0; m < N_METRICS; m++)
        print_metric(out, &metrics[m]);
    metrics_groups_unlock();
    metrics_process_print(out);
}

void metrics_list_line(FILE *out, const char *name, const char *type, const char *labels,
                       const char *help)
{
    fprintf(out, "%-36s %-10s %-16s %s\n", name, type, labels, help);
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
        metrics_list_line(out, d->name, type_names[d->type], labels, d->help);
    }
    metrics_process_list(out);
}
