/* time_text.h - ISO 8601 texts of the Manager's status_history. Private to repo/. */
#ifndef BERTH_REPO_TIME_TEXT_H
#define BERTH_REPO_TIME_TEXT_H

#include <stdbool.h>
#include <stdint.h>

/* "2026-08-23T13:05:06.123456+09:00": 'T' or a space, a fraction of any length or none, an offset
 * "Z", "+09", "+0900", "+09:00" or none (UTC). Microseconds since the Unix epoch; false: not one.
 */
bool time_parse(const char *text, int64_t *ret_us);

enum { TIME_TEXT = 80 };
/* "2026-08-23T04:05:06.123456Z"; years 0 to 9999. Returns text. */
char *time_format(int64_t us, char text[TIME_TEXT]);

#endif
