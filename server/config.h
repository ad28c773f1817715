/* config.h - the settings of config.def, parsed and checked.
 *
 * Owner: who called config_create(); everything lives in its arena. Read-only once made. A wrong
 * value or an unknown flag is ERR_INVALID with a sentence that names the setting, where the value
 * came from and what is allowed. */
#ifndef BERTH_SERVER_CONFIG_H
#define BERTH_SERVER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "scheduler/arena.h"
#include "scheduler/err.h"

struct config_list {
    const char *const *items;
    uint32_t n;
};

#define CONFIG_TYPE_TEXT          const char *
#define CONFIG_TYPE_CONNINFO      const char *
#define CONFIG_TYPE_LIST          struct config_list
#define CONFIG_TYPE_INT           int64_t
#define CONFIG_TYPE_BYTES         int64_t
#define CONFIG_TYPE_MS            int64_t
#define CONFIG_TYPE_BOOL          bool
#define CONFIG_TYPE_CHOICE_LEVEL  int /* enum log_level */
#define CONFIG_TYPE_CHOICE_FORMAT int /* enum log_format */

struct config {
#define SETTING(name, type, dflt, least, greatest, reload, prose) CONFIG_TYPE_##type name;
#include "server/config.def"
#undef SETTING
};

/* env: "NAME=value" strings, NULL-ended (environ); BERTH_* that name no setting are left alone (a
 * container platform makes some of its own). argv: the flags alone, without program name and
 * command. NULL for either: none. */
int config_create(char *const *env, int argc, char *const *argv, struct config **ret,
                  struct err *e) MUST_CHECK;
void config_destroy(struct config *c); /* NULL is fine */
DEFINE_CLEANUP(struct config, config_destroy)

/* One line a setting: name, value, where it came from; secrets left out. */
void config_print(const struct config *c, FILE *out);
/* Name, type, default and prose of every setting, for --help. */
void config_help(FILE *out);

/* A libpq connection string, either form, with the value of each password replaced by "***". */
char *config_redact(const char *conninfo, struct arena *a);

#endif
