/* settings.h - a file of settings for tests, and the settings read from it. */
#ifndef BERTH_TESTS_RPC_SETTINGS_H
#define BERTH_TESTS_RPC_SETTINGS_H

#include <check.h>

#include "server/config.h"

/* A path in a temporary folder that goes when the program ends. */
const char *settings_path(void);
/* Replaces the file, as one rename. */
void settings_write(const char *text);
/* The settings of that file and these flags (NULL-ended; NULL: none). -1: *e tells. */
int settings_read(const char *const *flags, struct config **ret, struct err *e) MUST_CHECK;
/* The message with the path of the file replaced by "FILE". */
const char *settings_said(const struct err *e);

#endif
