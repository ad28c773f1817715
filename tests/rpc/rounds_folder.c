/* rounds_folder.c - a folder of recorded rounds; see rounds_folder.h. */
#include "tests/rpc/rounds_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scheduler/snapshot_file.h"
#include "server/log.h"

struct arena *arena;
char folder[64];
const struct snapshot *snapshot;
struct plan *plan;

void folder_setup(void)
{
    arena = arena_create();
    strncpy(folder, "/tmp/berth-record-XXXXXX", sizeof(folder) - 1);
    ck_assert_msg(mkdtemp(folder) != NULL, "mkdtemp");
    snapshot = sample_snapshot(arena, 0);
    plan = sample_plan(snapshot, arena);
    log_setup(LOG_WARN, LOG_TEXT);
}

void empty_folder(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *f; d != NULL && (f = readdir(d)) != NULL;)
        if (unlinkat(dirfd(d), f->d_name, 0) != 0)
            (void)unlinkat(dirfd(d), f->d_name, AT_REMOVEDIR);
    if (d != NULL)
        closedir(d);
}

void folder_teardown(void)
{
    (void)chmod(folder, 0700);
    empty_folder(folder);
    (void)rmdir(folder);
    arena_destroy(arena);
}

struct recorder *recorder_of(const char *path, int64_t max_files, int64_t max_bytes)
{
    return recorder_create(path, max_files, max_bytes);
}

void write_round(struct recorder *r, const char *group, int64_t epoch)
{
    const struct round_report report = {.round_id = sample_id((unsigned)epoch),
                                        .scaling_group = group,
                                        .epoch = epoch,
                                        .snapshot = snapshot,
                                        .plan = plan};
    recorder_write(r, &report, recorder_keep(r, plan, arena), &sample_config);
}

/* Names in the folder, sorted, a line each. */
char *list_folder(const char *path)
{
    struct dirent **names = NULL;
    int n = scandir(path, &names, NULL, alphasort);
    char *list = arena_strdup(arena, "");
    ck_assert_msg(n >= 0, "scandir %s", path);
    for (int i = 0; i < n; i++) {
        if (strcmp(names[i]->d_name, ".") != 0 && strcmp(names[i]->d_name, "..") != 0)
            list = arena_printf(arena, "%s%s\n", list, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    return list;
}

unsigned count_files(void)
{
    unsigned n = 0;
    for (const char *c = list_folder(folder); *c != '\0'; c++)
        n += *c == '\n';
    return n;
}

char *path_of(const char *name)
{
    return arena_printf(arena, "%s/%s", folder, name);
}

bool is_there(const char *name)
{
    return access(path_of(name), F_OK) == 0;
}

/* Of the round with that epoch, in group "g". */
const char *name_of(int64_t epoch, const char *ending)
{
    char id[UUID_TEXT];
    struct uuid u = sample_id((unsigned)epoch);
    return arena_printf(arena, "g-%lld-%s%s", (long long)epoch, uuid_format(&u, id), ending);
}

void put_file(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "we");
    ck_assert_msg(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0, "%s", name);
}

struct file read_file(const char *name)
{
    struct stat st;
    struct file f = {.bytes = NULL};
    FILE *in = fopen(path_of(name), "re");
    ck_assert_msg(in != NULL && fstat(fileno(in), &st) == 0, "there is no %s among\n%s", name,
                  list_folder(folder));
    f.len = (size_t)st.st_size;
    f.bytes = arena_alloc(arena, f.len + 1, 1);
    ck_assert_msg(fread(f.bytes, 1, f.len, in) == f.len, "%s", name);
    fclose(in);
    return f;
}

/* Both files must be there and be those of the sample. */
struct plan *read_pair(const char *stem)
{
    struct file s = read_file(arena_printf(arena, "%s.snapshot", stem));
    struct file p = read_file(arena_printf(arena, "%s.plan", stem));
    const struct snapshot *back = NULL;
    struct policy_config config;
    struct plan *then = NULL;
    struct err e = {.code = ERR_NONE};
    ck_assert_msg(snapshot_read(s.bytes, s.len, arena, &back, &config, &e) == 0 &&
                      plan_read(p.bytes, p.len, back, arena, &then, &e) == 0,
                  "%s: %s", stem, e.message);
    ck_assert_str_eq(snapshot_print(back, arena), snapshot_print(snapshot, arena));
    ck_assert_int_eq(config.max_containers_per_agent, sample_config.max_containers_per_agent);
    return then;
}

int64_t pair_bytes(int64_t epoch)
{
    return (int64_t)(read_file(name_of(epoch, ".snapshot")).len +
                     read_file(name_of(epoch, ".plan")).len);
}

/* --- what is logged ----------------------------------------------------------------------------
 */

static char *log_path;

void log_begin(void)
{
    log_path = arena_printf(arena, "%s.log", folder);
    int fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_msg(fd >= 0 && dup2(fd, STDERR_FILENO) >= 0, "log");
    close(fd);
}

char *log_end(void)
{
    char *text = arena_alloc(arena, 65536, 1);
    FILE *in = fopen(log_path, "re");
    ck_assert_msg(in != NULL, "log");
    (void)fread(text, 1, 65535, in);
    fclose(in);
    (void)unlink(log_path);
    return text;
}

unsigned count_lines(const char *text, const char *part)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        n++;
    return n;
}
