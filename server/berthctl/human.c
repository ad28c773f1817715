/* human.c - numbers, times and words for a person, see human.h. */
#include "server/berthctl/human.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "server/berthctl/text.h"

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s);
    size_t m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

enum slot_type slot_type_guess(const char *slot)
{
    bool bytes = strcmp(slot, "mem") == 0 || strcmp(slot, "shmem") == 0 || ends_with(slot, ".mem");
    return bytes ? SLOT_BYTES : SLOT_COUNT;
}

const char *human_amount(struct arena *a, const char *slot, const char *amount)
{
    static const struct {
        char letter;
        const char *unit;
    } units[] = {
        {'k', "KiB"}, {'m', "MiB"}, {'g', "GiB"}, {'t', "TiB"},
        {'p', "PiB"}, {'e', "EiB"}, {'z', "ZiB"}, {'y', "YiB"},
    };
    enum slot_type type = slot_type_guess(slot);
    char text[AMOUNT_TEXT];
    int64_t n = 0;

    if (amount == NULL || amount[0] == '\0')
        return "-";
    if (amount_parse_limit(amount, strlen(amount), type, &n) != AMOUNT_OK)
        return text_clean(a, amount);
    if (n == AMOUNT_INF)
        return "no limit";
    amount_humanize(n, type, text);
    if (type != SLOT_BYTES)
        return arena_strdup(a, text);
    size_t len = strlen(text);
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (text[len - 1] == units[i].letter)
            return arena_printf(a, "%.*s %s", (int)(len - 1), text, units[i].unit);
    return arena_printf(a, n == 0 ? "%s" : "%s B", text);
}

const char *human_slots(struct arena *a, Berth__V1__SlotAmount *const *slots, size_t n)
{
    struct text t = {.arena = a};
    for (size_t i = 0; i < n; i++) {
        text_addf(&t, "%s", i == 0 ? "" : ", ");
        text_add_clean(&t, slots[i]->slot);
        text_addf(&t, " %s", human_amount(a, slots[i]->slot, slots[i]->amount));
    }
    return n == 0 ? "-" : text_chars(&t);
}

const char *human_span(struct arena *a, int64_t us)
{
    int64_t s = us < 0 ? 0 : us / 1000000;
    if (s < 60)
        return arena_printf(a, "%" PRId64 " s", s);
    if (s < 3600)
        return arena_printf(a, "%" PRId64 "m %" PRId64 "s", s / 60, s % 60);
    if (s < 86400)
        return arena_printf(a, "%" PRId64 "h %" PRId64 "m", s / 3600, s / 60 % 60);
    return arena_printf(a, "%" PRId64 "d %" PRId64 "h", s / 86400, s / 3600 % 24);
}

const char *human_duration(struct arena *a, int64_t us)
{
    if (us < 1000)
        return arena_printf(a, "%.2f ms", (double)us / 1e3);
    if (us < 100000)
        return arena_printf(a, "%.1f ms", (double)us / 1e3);
    if (us < 1000000)
        return arena_printf(a, "%" PRId64 " ms", us / 1000);
    if (us < 10000000)
        return arena_printf(a, "%.1f s", (double)us / 1e6);
    return human_span(a, us);
}

/* Seconds far outside the calendar come from a broken peer only: they saturate. */
static int64_t to_us(int64_t seconds, int32_t nanos)
{
    const int64_t limit = INT64_MAX / 1000000 - 1;
    if (seconds > limit)
        return INT64_MAX;
    if (seconds < -limit)
        return INT64_MIN;
    return seconds * 1000000 + nanos / 1000;
}

int64_t timestamp_us(const Google__Protobuf__Timestamp *t)
{
    return to_us(t->seconds, t->nanos);
}

int64_t duration_us(const Google__Protobuf__Duration *d)
{
    return d == NULL ? 0 : to_us(d->seconds, d->nanos);
}

const char *human_ago(struct arena *a, const Google__Protobuf__Timestamp *then, int64_t now_us)
{
    int64_t passed = 0;
    if (then == NULL)
        return "never";
    if (__builtin_sub_overflow(now_us, timestamp_us(then), &passed) || passed < 1000000)
        return "just now";
    return arena_printf(a, "%s ago", human_span(a, passed));
}

const char *human_time(struct arena *a, const Google__Protobuf__Timestamp *t)
{
    char text[32];
    struct tm tm;
    if (t == NULL)
        return "-";
    time_t seconds = (time_t)t->seconds;
    if (localtime_r(&seconds, &tm) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0)
        return "-";
    return arena_strdup(a, text);
}

/* How many characters the names of all values share, cut back to the end of a word. */
static size_t common_prefix(const ProtobufCEnumDescriptor *type)
{
    const char *first = type->values[0].name;
    size_t n = strlen(first);
    for (unsigned i = 1; i < type->n_values; i++) {
        size_t k = 0;
        while (k < n && type->values[i].name[k] == first[k])
            k++;
        n = k;
    }
    while (n > 0 && first[n - 1] != '_')
        n--;
    return n;
}

const char *human_enum(struct arena *a, const ProtobufCEnumDescriptor *type, int value)
{
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(type, value);
    if (v == NULL)
        return arena_printf(a, "%d", value);
    char *word = arena_strdup(a, v->name + (type->n_values > 1 ? common_prefix(type) : 0));
    for (char *p = word; *p != '\0'; p++) {
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
        else if (*p == '_')
            *p = '-';
    }
    return word;
}

const char *human_count(struct arena *a, uint64_t n, const char *noun)
{
    return arena_printf(a, "%" PRIu64 " %s%s", n, noun, n == 1 ? "" : "s");
}

const char *human_ordinal(struct arena *a, uint64_t n)
{
    static const char *const ends[] = {"th", "st", "nd", "rd"};
    uint64_t tens = n % 100;
    uint64_t ones = n % 10;
    bool teen = tens >= 11 && tens <= 13;
    return arena_printf(a, "%" PRIu64 "%s", n, teen || ones > 3 ? "th" : ends[ones]);
}

const char *human_or_dash(const char *text)
{
    return text == NULL || text[0] == '\0' ? "-" : text;
}
