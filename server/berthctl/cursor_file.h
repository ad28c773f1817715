/* cursor_file.h - where a watch left off, kept in a file.
 *
 * The file holds the opaque cursor and a line break. It is replaced whole (a new file, renamed), so
 * a reader and a crash see the old cursor or the new one. */
#ifndef BERTH_BERTHCTL_CURSOR_FILE_H
#define BERTH_BERTHCTL_CURSOR_FILE_H

#include "scheduler/arena.h"
#include "scheduler/err.h"

/* *ret in the arena; NULL when there is no such file or it is empty. */
int cursor_file_read(const char *path, struct arena *a, char **ret, struct err *e) MUST_CHECK;
int cursor_file_write(const char *path, const char *cursor, struct err *e) MUST_CHECK;

#endif
