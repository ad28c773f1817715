/* time_text.c - ISO 8601 to microseconds. */
#include "repo/time_text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Exactly n digits. */
static bool digits(const char **text, int n, int *ret)
{
    int v = 0;
    for (int i = 0; i < n; i++) {
        if (!isdigit((unsigned char)(*text)[i]))
            return false;
        v = v * 10 + ((*text)[i] - '0');
    }
    *text += n;
    *ret = v;
    return true;
}

static bool literal(const char **text, char c)
{
    if (**text != c)
        return false;
    (*text)++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar, years 0 to 9999. */
static int64_t days_since_epoch(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t in_era = y - era * 400;
    int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static bool parse_fraction(const char **text, int64_t *us)
{
    if (**text != '.' && **text != ',')
        return true;
    (*text)++;
    int64_t scale = 100000;
    if (!isdigit((unsigned char)**text))
        return false;
    for (; isdigit((unsigned char)**text); (*text)++) {
        *us += (**text - '0') * scale;
        scale /= 10;
    }
    return true;
}

static bool parse_offset(const char *text, int64_t *seconds)
{
    int hours = 0, minutes = 0;
    if (*text == '\0' || strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
        return true;
    int sign = *text == '+' ? 1 : *text == '-' ? -1 : 0;
    text++;
    if (sign == 0 || !digits(&text, 2, &hours))
        return false;
    (void)literal(&text, ':');
    if (*text != '\0' && !digits(&text, 2, &minutes))
        return false;
    *seconds = (int64_t)sign * (hours * 3600 + minutes * 60);
    return *text == '\0' && hours < 24 && minutes < 60;
}

bool time_parse(const char *text, int64_t *ret_us)
{
    int year, month, day, hour, minute, second;
    int64_t us = 0, offset = 0;
    if (!digits(&text, 4, &year) || !literal(&text, '-') || !digits(&text, 2, &month) ||
        !literal(&text, '-') || !digits(&text, 2, &day))
        return false;
    if (!literal(&text, 'T') && !literal(&text, ' '))
        return false;
    if (!digits(&text, 2, &hour) || !literal(&text, ':') || !digits(&text, 2, &minute) ||
        !literal(&text, ':') || !digits(&text, 2, &second))
        return false;
    if (!parse_fraction(&text, &us) || !parse_offset(text, &offset))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
        minute > 59 || second > 60)
        return false;
    int64_t in_day = hour * 3600 + minute * 60 + second - offset;
    *ret_us = (days_since_epoch(year, month, day) * 86400 + in_day) * 1000000 + us;
    return true;
}

char *time_format(int64_t us, char text[TIME_TEXT])
{
    int64_t seconds = us / 1000000, rest = us % 1000000;
    if (rest < 0) {
        rest += 1000000;
        seconds--;
    }
    time_t at = (time_t)seconds;
    struct tm tm = {0};
    (void)gmtime_r(&at, &tm);
    (void)snprintf(text, TIME_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
                   (tm.tm_year + 1900) % 10000, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                   tm.tm_sec, (int)rest);
    return text;
}
