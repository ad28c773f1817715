/* replay.c - a recorded round decided once more, see replay.h. */
#include "server/berthctl/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scheduler/round.h"
#include "scheduler/snapshot_file.h"

enum { FILE_MOST = 1 << 30 };

struct bytes {
    uint8_t *at;
    size_t n;
};

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int cannot_read(const char *path, const char *why, struct err *e)
{
    return err_set(e, ERR_INVALID, "BAD_FILE", "cannot read %s: %s", path, why);
}

static int file_read(const char *path, struct arena *a, struct bytes *ret, struct err *e)
{
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return cannot_read(path, strerror(errno), e);
    if (!S_ISREG(st.st_mode))
        return cannot_read(path, "it is no file", e);
    if (st.st_size > FILE_MOST)
        return cannot_read(path, "it has more than 1 GiB", e);
    struct bytes b = {.at = arena_alloc(a, (size_t)st.st_size + 1, 1)};
    while (b.n < (size_t)st.st_size) {
        ssize_t n = read(fd, b.at + b.n, (size_t)st.st_size - b.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cannot_read(path, strerror(errno), e);
        if (n == 0)
            break; /* cut while we read: its checksum will tell */
        b.n += (size_t)n;
    }
    *ret = b;
    return 0;
}

/* What a reader of bytes says, with the file's name before it. */
static int name_file(const char *path, struct err *e)
{
    struct err why = *e;
    return err_set(e, why.code, why.reason, "%s: %s", path, why.message);
}

/* "x.plan" for "x.snapshot". */
static const char *plan_beside(const char *snapshot_path, struct arena *a)
{
    static const char ending[] = ".snapshot";
    size_t len = strlen(snapshot_path), n = sizeof(ending) - 1;
    if (len > n && strcmp(snapshot_path + len - n, ending) == 0)
        len -= n;
    return arena_printf(a, "%.*s.plan", (int)len, snapshot_path);
}

static int read_plan(const char *path, bool must, struct arena *a, struct replay *r, struct err *e)
{
    struct bytes b = {.at = NULL};
    struct plan *then = NULL;
    if (!must && access(path, F_OK) != 0 && errno == ENOENT)
        return 0;
    if (file_read(path, a, &b, e) < 0)
        return -1;
    if (plan_read(b.at, b.n, r->snapshot, a, &then, e) < 0)
        return name_file(path, e);
    r->then = then;
    r->plan_path = path;
    return 0;
}

int replay_run(const char *snapshot_path, const char *plan_path, const struct registry *registry,
               struct arena *a, struct replay *ret, struct err *e)
{
    struct bytes b = {.at = NULL};
    struct replay r = {.plan_path = NULL};
    struct policy_config config;
    struct policy *policy = NULL;
    struct plan *now = NULL;
    const char *beside = plan_path != NULL ? plan_path : plan_beside(snapshot_path, a);
    if (file_read(snapshot_path, a, &b, e) < 0)
        return -1;
    if (snapshot_read(b.at, b.n, a, &r.snapshot, &config, e) < 0)
        return name_file(snapshot_path, e);
    if (read_plan(beside, plan_path != NULL, a, &r, e) < 0 ||
        policy_resolve(registry, &config, r.snapshot, a, &policy, e) < 0 ||
        round_replay(r.snapshot, policy, r.then, a, &now, e) < 0)
        return -1;
    r.now = now;
    *ret = r;
    return 0;
}
