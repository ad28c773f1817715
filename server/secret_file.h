/* secret_file.h - small files with something secret in them: keys, tokens' hashes. */
#ifndef BERTH_SERVER_SECRET_FILE_H
#define BERTH_SERVER_SECRET_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scheduler/err.h"

/* Which version of a file is there; equal stamps, same file. A file that is not there has zeros. */
struct file_stamp {
    uint64_t device, inode, size;
    int64_t changed_ns;
};
struct file_stamp file_stamp_of(const char *path);
bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b);

/* The whole content and a NUL behind it; secret_free() it. setting: what names the file, for the
 * messages. ERR_INVALID, reason BAD_FILE: not readable, larger than `most` bytes, or empty. */
int secret_read(const char *setting, const char *path, size_t most, char **ret, size_t *ret_n,
                struct err *e) MUST_CHECK;
void secret_free(char *text, size_t n); /* overwrites it first; NULL is fine */

/* May users other than its owner and its group read the file? */
bool secret_is_public(const char *path);

#endif
