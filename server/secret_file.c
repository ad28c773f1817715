/* secret_file.c - reading, and wiping what was read. */
#include "server/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "server/clock.h"

struct file_stamp file_stamp_of(const char *path)
{
    struct stat s;
    if (stat(path, &s) != 0)
        return (struct file_stamp){.size = 0};
    return (struct file_stamp){.device = (uint64_t)s.st_dev,
                               .inode = (uint64_t)s.st_ino,
                               .size = (uint64_t)s.st_size,
                               .changed_ns = s.st_mtim.tv_sec * NS_PER_S + s.st_mtim.tv_nsec};
}

bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed_ns == b->changed_ns;
}

static int bad_file(const char *setting, const char *path, const char *why, struct err *e)
{
    err_set(e, ERR_INVALID, "BAD_FILE", "file \"%.90s\" (setting %s): %s", path, setting, why);
    return err_meta(e, "setting", "%s", setting);
}

/* Reads until the end or until the buffer is full; -1 with errno. */
static ssize_t read_all(int fd, char *to, size_t size)
{
    size_t n = 0;
    while (n < size) {
        ssize_t got = read(fd, to + n, size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    return (ssize_t)n;
}

int secret_read(const char *setting, const char *path, size_t most, char **ret, size_t *ret_n,
                struct err *e)
{
    struct stat s;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return bad_file(setting, path, strerror(errno), e);
    if (fstat(fd, &s) != 0 || !S_ISREG(s.st_mode)) {
        close(fd);
        return bad_file(setting, path, "it is not a regular file", e);
    }
    char *text = calloc(1, most + 2);
    if (text == NULL)
        abort();
    ssize_t n = read_all(fd, text, most + 1);
    int error = errno;
    close(fd);
    if (n > 0 && (size_t)n <= most) {
        *ret = text;
        *ret_n = (size_t)n;
        return 0;
    }
    secret_free(text, most);
    return bad_file(setting, path,
                    n < 0    ? strerror(error)
                    : n == 0 ? "it is empty"
                             : "it is too large",
                    e);
}

void secret_free(char *text, size_t n)
{
    if (text != NULL)
        OPENSSL_cleanse(text, n);
    free(text);
}

bool secret_is_public(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && (s.st_mode & S_IROTH) != 0;
}
