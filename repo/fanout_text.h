/* fanout_text.h - a hint as the text of a message: "berth1 <sender> <sequence> <group>". Private to
 * repo/. */
#ifndef BERTH_REPO_FANOUT_TEXT_H
#define BERTH_REPO_FANOUT_TEXT_H

#include <stddef.h>

#include "repo/fanout.h"

enum { FANOUT_SENDER = 16, FANOUT_TEXT = FANOUT_GROUP_MAX + FANOUT_SENDER + 32 };

/* sender: FANOUT_SENDER hexadecimal digits. Returns its length; 0: the group's name is too long. */
size_t fanout_text_write(const char *sender, const struct fanout_hint *hint,
                         char ret[FANOUT_TEXT]) MUST_CHECK;

/* false: the bytes are no hint. *ret_own: it was sent by `sender`. */
bool fanout_text_read(const char *text, size_t len, const char *sender, struct fanout_hint *ret,
                      bool *ret_own) MUST_CHECK;

#endif
