/* metrics_process.c - the process_* metrics. */
#include "server/metrics_process.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "scheduler/base.h"

/* The numbers of /proc/self/stat from the third field on ("state" is 0), as proc(5) counts them. */
enum {
    STAT_UTIME = 11,
    STAT_STIME = 12,
    STAT_THREADS = 17,
    STAT_START = 19,
    STAT_VSIZE = 20,
    STAT_RSS = 21,
    N_STATS
};

struct readings {
    uint64_t stat[N_STATS];
    double boot; /* seconds since the Unix epoch */
};

static bool read_file(const char *path, char *text, size_t size)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    size_t n = fread(text, 1, size - 1, f);
    text[n] = '\0';
    (void)fclose(f);
    return n > 0;
}

/* The program's name may hold anything; what follows its last ')' are numbers. */
static bool read_stat(uint64_t *ret)
{
    char text[1024];
    char *rest = NULL;
    if (!read_file("/proc/self/stat", text, sizeof(text)))
        return false;
    char *at = strrchr(text, ')');
    if (at == NULL)
        return false;
    unsigned n = 0;
    for (char *word = strtok_r(at + 1, " ", &rest); word != NULL && n < N_STATS;
         word = strtok_r(NULL, " ", &rest))
        ret[n++] = strtoull(word, NULL, 10);
    return n == N_STATS;
}

static bool read_boot(double *ret)
{
    FILE *f = fopen("/proc/stat", "re");
    char line[256];
    bool found = false;
    while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL) {
        found = strncmp(line, "btime ", 6) == 0;
        if (found)
            *ret = strtod(line + 6, NULL);
    }
    if (f != NULL)
        (void)fclose(f);
    return found;
}

static bool get_cpu(const struct readings *r, double *ret)
{
    *ret = (double)(r->stat[STAT_UTIME] + r->stat[STAT_STIME]) / (double)sysconf(_SC_CLK_TCK);
    return true;
}

static bool get_resident(const struct readings *r, double *ret)
{
    *ret = (double)r->stat[STAT_RSS] * (double)sysconf(_SC_PAGESIZE);
    return true;
}

static bool get_virtual(const struct readings *r, double *ret)
{
    *ret = (double)r->stat[STAT_VSIZE];
    return true;
}

static bool get_threads(const struct readings *r, double *ret)
{
    *ret = (double)r->stat[STAT_THREADS];
    return true;
}

static bool get_start(const struct readings *r, double *ret)
{
    *ret = r->boot + (double)r->stat[STAT_START] / (double)sysconf(_SC_CLK_TCK);
    return true;
}

static bool get_open_fds(const struct readings *r, double *ret)
{
    (void)r;
    DIR *d = opendir("/proc/self/fd");
    if (d == NULL)
        return false;
    *ret = -1; /* the folder's own descriptor */
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        *ret += e->d_name[0] != '.';
    (void)closedir(d);
    return true;
}

static bool get_max_fds(const struct readings *r, double *ret)
{
    struct rlimit limit;
    (void)r;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return false;
    *ret = (double)limit.rlim_cur;
    return true;
}

static const struct {
    const char *name, *type, *help;
    bool (*get)(const struct readings *r, double *ret);
} rows[] = {
    {"process_cpu_seconds_total", "counter", "Processor time taken, user and system.", get_cpu},
    {"process_resident_memory_bytes", "gauge", "Memory in use.", get_resident},
    {"process_virtual_memory_bytes", "gauge", "Address space in use.", get_virtual},
    {"process_open_fds", "gauge", "Open file descriptors.", get_open_fds},
    {"process_max_fds", "gauge", "File descriptors it may open.", get_max_fds},
    {"process_threads", "gauge", "Threads.", get_threads},
    {"process_start_time_seconds", "gauge", "When it started, since the Unix epoch.", get_start},
};

void metrics_process_print(FILE *out)
{
    struct readings r = {.boot = 0};
    double value = 0;
    if (!read_stat(r.stat) || !read_boot(&r.boot))
        return; /* no /proc */
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].get(&r, &value))
            fprintf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.2f\n", rows[i].name, rows[i].help,
                    rows[i].name, rows[i].type, rows[i].name, value);
}

void metrics_process_list(FILE *out)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        metrics_list_line(out, rows[i].name, rows[i].type, "", rows[i].help);
}
