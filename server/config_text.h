/* config_text.h - how the values of settings are written. */
#ifndef BERTH_SERVER_CONFIG_TEXT_H
#define BERTH_SERVER_CONFIG_TEXT_H

#include "server/config.h"

/* Each is false for text it does not understand; then *ret is untouched. */
bool config_parse_int(const char *text, int64_t *ret);
bool config_parse_bytes(const char *text, int64_t *ret); /* "4096", "4k", "4m", "4g" */
bool config_parse_ms(const char *text, int64_t *ret); /* "500ms", "10s", "5m", "1h"; unit needed */
bool config_parse_bool(const char *text, bool *ret);  /* "true" or "false" */

/* The shortest text that parses back to the value; in the arena. */
char *config_format_bytes(int64_t bytes, struct arena *a);
char *config_format_ms(int64_t ms, struct arena *a);

/* "a, b,c" -> items without the spaces around them; "" has none, an empty item is kept as "". */
struct config_list config_parse_list(const char *text, struct arena *a);
char *config_format_list(const struct config_list *l, struct arena *a);

#endif
