/* recorder.c - names, writes and forgets the files of rounds. */
#include "server/recorder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scheduler/snapshot_file.h"
#include "server/clock.h"
#include "server/log.h"
#include "server/round_service.h"

enum {
    GROUP_MAX = 96, /* bytes of a group's name in a file's */
    STEM_MAX = 192, /* group, epoch, round id */
    ID_LEN = UUID_TEXT - 1,
    FILE_MODE = 0640,
    FOLDER_MODE = 0750,
};
static const int64_t quiet_ns = 300 * NS_PER_S;

/* What can go wrong; each is told for itself. */
enum trouble { NO_FOLDER, NOT_WRITTEN, NOT_REMOVED, TOO_LARGE, N_TROUBLES };
static const char *const sentences[N_TROUBLES] = {
    [NO_FOLDER] = "the folder of setting record cannot be used; rounds are not kept",
    [NOT_WRITTEN] = "a round was not kept",
    [NOT_REMOVED] = "an old round was not removed; new ones are not kept",
    [TOO_LARGE] = "a round is larger than record_max_bytes and was not kept",
};

struct recorder {
    struct arena *arena; /* this struct */
    const char *folder;
    pthread_mutex_t lock; /* the folder, and all below */
    int64_t max_files, max_bytes;
    bool counted;
    int64_t files, bytes; /* of ours in the folder, when counted last and written since */
    int64_t told_ns[N_TROUBLES];
    int64_t left_out[N_TROUBLES];
};

static void tell(struct recorder *r, enum trouble t, const char *name, int error)
{
    int64_t now = clock_ns();
    if (r->told_ns[t] != 0 && now - r->told_ns[t] < quiet_ns) {
        r->left_out[t]++;
        return;
    }
    log_warn(sentences[t], LOG_STR("folder", r->folder), LOG_STR("file", name),
             LOG_STR("error", error != 0 ? strerror(error) : ""),
             LOG_NUM("left_out", r->left_out[t]));
    r->told_ns[t] = now;
    r->left_out[t] = 0;
}

/* --- names ------------------------------------------------------------------------------------ */

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

static void make_stem(const struct round_report *report, char stem[STEM_MAX])
{
    char id[UUID_TEXT];
    char group[GROUP_MAX + 1];
    size_t n = 0;
    const char *from = report->scaling_group;
    for (; *from != '\0' && n + 4 <= GROUP_MAX; from++) {
        if (is_plain(*from) && (n > 0 || (*from != '.' && *from != '-')))
            group[n++] = *from;
        else
            n += (size_t)snprintf(group + n, sizeof(group) - n, "%%%02X", (unsigned char)*from);
    }
    if (*from != '\0' || n == 0)
        group[n++] = '+';
    group[n] = '\0';
    snprintf(stem, STEM_MAX, "%s-%" PRId64 "-%s", group, report->epoch,
             uuid_format(&report->round_id, id));
}

/* Kinds of files of ours; the last two are left behind by a crash. */
static const char *const endings[] = {".snapshot", ".plan", ".snapshot.new", ".plan.new"};

/* <group>-<epoch>-<round id>: read from the end, a group may look like anything. */
static bool is_stem(const char *stem, size_t len, int64_t *ret_epoch)
{
    struct uuid id;
    if (len >= STEM_MAX || len < ID_LEN + 4 || !uuid_parse(stem + len - ID_LEN, &id))
        return false;
    const char *dash = stem + len - ID_LEN - 1, *digits = dash;
    while (digits > stem && digits[-1] >= '0' && digits[-1] <= '9')
        digits--;
    *ret_epoch = strtoll(digits, NULL, 10);
    return *dash == '-' && digits < dash && digits - stem > 1 && digits[-1] == '-';
}

/* The stem of a file of ours, NULL when it is none. */
static const char *stem_of(const char *name, struct arena *a, int64_t *ret_epoch)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        size_t n = strlen(endings[i]);
        if (len <= n || strcmp(name + len - n, endings[i]) != 0)
            continue;
        const char *stem = arena_strndup(a, name, len - n);
        return is_stem(stem, len - n, ret_epoch) ? stem : NULL;
    }
    return NULL;
}

/* --- the bound -------------------------------------------------------------------------------- */

struct kept { /* a round in the folder */
    const char *stem;
    int64_t epoch, files, bytes;
    int64_t written_ns; /* its newest file */
};

static int by_stem(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;
    return strcmp(x->stem, y->stem);
}

static int by_age(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;
    if (x->written_ns != y->written_ns)
        return x->written_ns < y->written_ns ? -1 : 1;
    if (x->epoch != y->epoch) /* the clock of files is coarse */
        return x->epoch < y->epoch ? -1 : 1;
    return strcmp(x->stem, y->stem);
}

/* One element a stem. */
static size_t merge_files(struct kept *k, size_t n)
{
    size_t to = 0;
    if (n > 0)
        qsort(k, n, sizeof(*k), by_stem);
    for (size_t i = 0; i < n; i++) {
        if (to == 0 || strcmp(k[to - 1].stem, k[i].stem) != 0) {
            k[to++] = k[i];
            continue;
        }
        k[to - 1].files += k[i].files;
        k[to - 1].bytes += k[i].bytes;
        if (k[to - 1].written_ns < k[i].written_ns)
            k[to - 1].written_ns = k[i].written_ns;
    }
    return to;
}

/* The rounds in the folder, oldest first; counts them. */
static struct kept *list_rounds(struct recorder *r, int folder, struct arena *a, size_t *ret_n)
{
    struct kept *k = NULL;
    size_t cap = 0, n = 0;
    int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = again >= 0 ? fdopendir(again) : NULL;
    if (d == NULL) {
        tell(r, NO_FOLDER, "", errno);
        if (again >= 0)
            close(again);
        return NULL;
    }
    r->files = r->bytes = 0;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        struct stat st;
        int64_t epoch = 0;
        const char *stem = stem_of(entry->d_name, a, &epoch);
        if (stem == NULL || fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(st.st_mode))
            continue;
        k = arena_grow(a, k, &cap, n + 1, sizeof(*k));
        k[n++] = (struct kept){.stem = stem,
                               .epoch = epoch,
                               .files = 1,
                               .bytes = st.st_size,
                               .written_ns = st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec};
        r->files++;
        r->bytes += st.st_size;
    }
    closedir(d);
    r->counted = true;
    n = merge_files(k, n);
    if (n > 0)
        qsort(k, n, sizeof(*k), by_age);
    *ret_n = n;
    return k != NULL ? k : arena_alloc(a, 1, sizeof(*k));
}

static int remove_round(struct recorder *r, int folder, const struct kept *k)
{
    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        char name[NAME_MAX + 1];
        snprintf(name, sizeof(name), "%s%s", k->stem, endings[i]);
        if (unlinkat(folder, name, 0) != 0 && errno != ENOENT && errno != EISDIR) {
            tell(r, NOT_REMOVED, name, errno);
            return -1;
        }
    }
    r->files -= k->files;
    r->bytes -= k->bytes;
    return 0;
}

/* For one more round of so many bytes; with `spare`, for an eighth of the bounds besides, so that
 * the folder is not listed again with every round. */
static bool has_room(const struct recorder *r, int64_t bytes, bool spare)
{
    return r->files + 2 <= r->max_files - (spare ? r->max_files / 8 : 0) &&
           r->bytes + bytes <= r->max_bytes - (spare ? r->max_bytes / 8 : 0);
}

static int make_room(struct recorder *r, int folder, int64_t bytes, const char *stem)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    size_t n = 0;
    if (bytes > r->max_bytes) {
        tell(r, TOO_LARGE, stem, 0);
        return -1;
    }
    if (r->counted && has_room(r, bytes, false))
        return 0;
    const struct kept *rounds = list_rounds(r, folder, a, &n);
    if (rounds == NULL)
        return -1;
    if (has_room(r, bytes, false))
        return 0;
    for (size_t i = 0; i < n && !has_room(r, bytes, true); i++)
        if (remove_round(r, folder, &rounds[i]) < 0)
            return -1;
    return 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

static int open_folder(struct recorder *r)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    int folder = open(r->folder, flags);
    if (folder < 0 && errno == ENOENT && mkdir(r->folder, FOLDER_MODE) == 0)
        folder = open(r->folder, flags);
    if (folder < 0)
        tell(r, NO_FOLDER, "", errno);
    return folder;
}

static int write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_file(struct recorder *r, int folder, const char *name, const uint8_t *bytes,
                      size_t len)
{
    char aside[NAME_MAX + 1];
    snprintf(aside, sizeof(aside), "%s.new", name);
    int fd = openat(folder, aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (fd < 0) {
        tell(r, NOT_WRITTEN, name, errno);
        return -1;
    }
    int rc = write_all(fd, bytes, len);
    int error = errno;
    if (close(fd) != 0 && rc == 0) {
        rc = -1;
        error = errno;
    }
    if (rc == 0 && renameat(folder, aside, folder, name) != 0) {
        rc = -1;
        error = errno;
    }
    if (rc < 0) {
        tell(r, NOT_WRITTEN, name, error);
        (void)unlinkat(folder, aside, 0);
    }
    return rc;
}

struct pair { /* a round as bytes */
    uint8_t *snapshot, *plan;
    size_t snapshot_len, plan_len;
};

static void write_pair(struct recorder *r, const char *stem, const struct pair *p)
{
    char snapshot[NAME_MAX + 1], plan[NAME_MAX + 1];
    int64_t bytes = (int64_t)(p->snapshot_len + p->plan_len);
    int folder = open_folder(r);
    if (folder < 0)
        return;
    snprintf(snapshot, sizeof(snapshot), "%s.snapshot", stem);
    snprintf(plan, sizeof(plan), "%s.plan", stem);
    if (make_room(r, folder, bytes, stem) == 0 &&
        write_file(r, folder, plan, p->plan, p->plan_len) == 0) {
        if (write_file(r, folder, snapshot, p->snapshot, p->snapshot_len) == 0) {
            r->files += 2;
            r->bytes += bytes;
        } else {
            (void)unlinkat(folder, plan, 0); /* nobody could read it */
        }
    }
    close(folder);
}

/* --- the recorder ----------------------------------------------------------------------------- */

struct recorder *recorder_create(const char *folder, int64_t max_files, int64_t max_bytes)
{
    if (*folder == '\0')
        return NULL;
    struct arena *a = arena_create();
    struct recorder *r = arena_new(a, struct recorder, 1);
    *r = (struct recorder){
        .arena = a, .folder = folder, .max_files = max_files, .max_bytes = max_bytes};
    pthread_mutex_init(&r->lock, NULL);
    int fd = open_folder(r); /* a folder that is no good is told at start */
    if (fd >= 0)
        close(fd);
    return r;
}

void recorder_destroy(struct recorder *r)
{
    if (r == NULL)
        return;
    pthread_mutex_destroy(&r->lock);
    arena_destroy(r->arena);
}

void recorder_limit(struct recorder *r, int64_t max_files, int64_t max_bytes)
{
    if (r == NULL)
        return;
    pthread_mutex_lock(&r->lock);
    r->max_files = max_files;
    r->max_bytes = max_bytes;
    pthread_mutex_unlock(&r->lock);
}

const struct plan *recorder_keep(const struct recorder *r, const struct plan *p, struct arena *a)
{
    if (r == NULL)
        return NULL;
    struct plan *kept = arena_memdup(a, p, sizeof(*p));
    kept->decisions = arena_memdup(a, p->decisions, p->n_decisions * sizeof(*p->decisions));
    return kept;
}

void recorder_write(struct recorder *r, const struct round_report *report,
                    const struct plan *planned, const struct policy_config *policy)
{
    if (planned == NULL)
        return;
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    char stem[STEM_MAX];
    struct pair p;
    snapshot_write(report->snapshot, policy, a, &p.snapshot, &p.snapshot_len);
    plan_write(planned, a, &p.plan, &p.plan_len);
    make_stem(report, stem);
    pthread_mutex_lock(&r->lock);
    write_pair(r, stem, &p);
    pthread_mutex_unlock(&r->lock);
}
