/* cursor_file.c - where a watch left off, see cursor_file.h. */
#include "server/berthctl/cursor_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CURSOR_MAX = 1 << 20, PATH_TEXT = 4096 };

int cursor_file_read(const char *path, struct arena *a, char **ret, struct err *e)
{
    char *text = arena_new(a, char, CURSOR_MAX + 1);
    FILE *in = fopen(path, "re");
    if (in == NULL && errno == ENOENT) {
        *ret = NULL;
        return 0;
    }
    if (in == NULL)
        return err_set(e, ERR_INVALID, "CURSOR_FILE", "cannot read %s: %s", path, strerror(errno));
    size_t n = fread(text, 1, CURSOR_MAX, in);
    bool failed = ferror(in) != 0;
    fclose(in);
    if (failed || n == CURSOR_MAX)
        return err_set(e, ERR_INVALID, "CURSOR_FILE", "%s holds no cursor", path);
    text[strcspn(text, "\r\n")] = '\0';
    *ret = text[0] == '\0' ? NULL : text;
    return 0;
}

int cursor_file_write(const char *path, const char *cursor, struct err *e)
{
    char fresh[PATH_TEXT];
    int n = snprintf(fresh, sizeof(fresh), "%s.new", path);
    if (n < 0 || (size_t)n >= sizeof(fresh))
        return err_set(e, ERR_INVALID, "CURSOR_FILE", "the name %.40s... is too long", path);
    FILE *out = fopen(fresh, "we");
    bool written = out != NULL && fprintf(out, "%s\n", cursor) > 0;
    if (out != NULL && fclose(out) != 0)
        written = false;
    if (written && rename(fresh, path) == 0)
        return 0;
    err_set(e, ERR_INVALID, "CURSOR_FILE", "cannot write %s: %s", path, strerror(errno));
    if (out != NULL)
        unlink(fresh);
    return -1;
}
