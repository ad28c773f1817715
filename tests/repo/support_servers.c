/* support_servers.c - a keeper process that starts, watches and ends the servers of a test program.
 *
 * The keeper is told of its parent's death by the kernel (PR_SET_PDEATHSIG), the servers of the
 * keeper's. PostgreSQL refuses to run as root, so as root it runs as user postgres; the change of
 * user is made here, before PR_SET_PDEATHSIG, because it would clear that. */
#include "tests/repo/support_servers.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_SIZE = 512 };

static int complain(const char *what)
{
    (void)fprintf(stderr, "test servers: %s: %s\n", what, strerror(errno));
    return -1;
}

/* PostgreSQL's programs are not in PATH: the highest version's, or BERTH_TEST_PGBIN. */
static int pg_program(const char *name, char ret[PATH_SIZE])
{
    const char *folder = getenv("BERTH_TEST_PGBIN");
    glob_t found = {.gl_pathc = 0};
    if (folder == NULL && glob("/usr/lib/postgresql/*/bin", 0, NULL, &found) == 0)
        folder = found.gl_pathv[found.gl_pathc - 1];
    if (folder != NULL)
        (void)snprintf(ret, PATH_SIZE, "%s/%s", folder, name);
    globfree(&found);
    errno = ENOENT;
    return folder != NULL ? 0 : complain("no /usr/lib/postgresql/*/bin and no BERTH_TEST_PGBIN");
}

static void be_postgres(void)
{
    if (geteuid() != 0)
        return;
    const struct passwd *user = getpwnam("postgres");
    if (user == NULL || initgroups("postgres", user->pw_gid) < 0 || setgid(user->pw_gid) < 0 ||
        setuid(user->pw_uid) < 0) {
        complain("cannot become user postgres");
        _exit(127);
    }
}

/* In the child: never returns. */
static void become(const char *const argv[], bool as_postgres, int end_signal, const char *log)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (as_postgres)
        be_postgres();
    prctl(PR_SET_PDEATHSIG, end_signal);
    const int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (out < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
        _exit(127);
    execvp(argv[0], (char *const *)argv);
    complain(argv[0]);
    _exit(127);
}

static pid_t spawn(const char *const argv[], bool as_postgres, int end_signal, const char *log)
{
    const pid_t pid = fork();
    if (pid == 0)
        become(argv, as_postgres, end_signal, log);
    return pid;
}

static pid_t start_pg(const struct servers *s)
{
    char program[PATH_SIZE], data[PATH_SIZE], log[PATH_SIZE];
    if (pg_program("postgres", program) < 0)
        return -1;
    (void)snprintf(data, sizeof(data), "%s/data", s->folder);
    (void)snprintf(log, sizeof(log), "%s/postgres.log", s->folder);
    const char *const argv[] = {program, "-D", data, NULL};
    return spawn(argv, true, SIGQUIT, log);
}

static pid_t start_redis(const struct servers *s)
{
    char socket[PATH_SIZE], log[PATH_SIZE];
    (void)snprintf(socket, sizeof(socket), "%s/redis.sock", s->folder);
    (void)snprintf(log, sizeof(log), "%s/redis.log", s->folder);
    const char *const argv[] = {"redis-server", "--port", "0", "--unixsocket", socket, "--save", "",
                                "--appendonly", "no",     NULL};
    return spawn(argv, false, SIGKILL, log);
}

/* PgBouncer in transaction mode with one server connection a database: whatever a transaction
 * leaves behind meets the next client. */
static pid_t start_pooler(const struct servers *s)
{
    char ini[PATH_SIZE], log[PATH_SIZE];
    (void)snprintf(ini, sizeof(ini), "%s/pooler.ini", s->folder);
    (void)snprintf(log, sizeof(log), "%s/pooler.log", s->folder);
    FILE *f = fopen(ini, "w");
    if (f == NULL)
        return complain(ini);
    (void)fprintf(f,
                  "[databases]\n* = host=%s user=berth\n[pgbouncer]\nlisten_port = %d\n"
                  "listen_addr =\nunix_socket_dir = %s\nauth_type = any\npool_mode = transaction\n"
                  "default_pool_size = 1\n",
                  s->folder, POOLER_PORT, s->folder);
    if (fclose(f) != 0)
        return complain(ini);
    const char *const argv[] = {"/usr/sbin/pgbouncer", ini, NULL};
    return spawn(argv, true, SIGKILL, log);
}

static const struct {
    pid_t (*start)(const struct servers *s);
    int end_signal;
} kinds[N_SERVERS] = {
    [SERVER_PG] = {start_pg, SIGQUIT},
    [SERVER_REDIS] = {start_redis, SIGKILL},
    [SERVER_POOLER] = {start_pooler, SIGKILL},
};

static int write_settings(const char *folder)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s/data/postgresql.auto.conf", folder);
    FILE *f = fopen(path, "a");
    if (f == NULL)
        return complain(path);
    (void)fprintf(f,
                  "listen_addresses = ''\nunix_socket_directories = '%s'\n"
                  "fsync = off\nfull_page_writes = off\nautovacuum = off\nmax_connections = 60\n"
                  "shared_buffers = 64MB\ndeadlock_timeout = 50ms\nlog_statement = none\n",
                  folder);
    return fclose(f) == 0 ? 0 : complain(path);
}

static int init_pg(const char *folder)
{
    char program[PATH_SIZE], data[PATH_SIZE], log[PATH_SIZE];
    if (pg_program("initdb", program) < 0)
        return -1;
    (void)snprintf(data, sizeof(data), "%s/data", folder);
    (void)snprintf(log, sizeof(log), "%s/postgres.log", folder);
    const char *const argv[] = {program, "-D",          data, "-U",   "berth",     "-A",
                                "trust", "--no-locale", "-E", "UTF8", "--no-sync", NULL};
    const pid_t pid = spawn(argv, true, SIGKILL, log);
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return complain("initdb");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        (void)fprintf(stderr, "test servers: initdb failed, see %s\n", log);
        return -1;
    }
    return write_settings(folder);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static void end_all(struct servers *s)
{
    for (int i = 0; i < N_SERVERS; i++) {
        const pid_t pid = s->pid[i];
        if (pid <= 0)
            continue;
        kill(pid, SIGCONT);
        kill(pid, kinds[i].end_signal);
        (void)waitpid(pid, NULL, 0);
    }
    (void)nftw(s->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void reap_and_start(struct servers *s)
{
    pid_t gone;
    while ((gone = waitpid(-1, NULL, WNOHANG)) > 0)
        for (int i = 0; i < N_SERVERS; i++)
            if (s->pid[i] == gone)
                s->pid[i] = 0;
    for (int i = 0; i < N_SERVERS; i++)
        if (s->wanted[i] && s->pid[i] == 0)
            s->pid[i] = kinds[i].start(s);
}

static void keep(struct servers *s, pid_t parent, const sigset_t *signals)
{
    (void)setpgid(0, 0); /* a ^C is for the program; the keeper goes after it */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (s->wanted[SERVER_PG] && init_pg(s->folder) < 0)
        s->failed = true;
    while (getppid() == parent && !s->failed) {
        reap_and_start(s);
        if (sigwaitinfo(signals, NULL) == SIGTERM)
            break;
    }
    end_all(s);
    _exit(0);
}

static int give_to_postgres(const char *folder)
{
    const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (user != NULL && chown(folder, user->pw_uid, user->pw_gid) < 0)
        return -1;
    return chmod(folder, 0755);
}

struct servers *servers_create(const bool wanted[N_SERVERS])
{
    struct servers *s =
        mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED) {
        complain("mmap");
        return NULL;
    }
    const char *within = getenv("BERTH_TEST_FOLDER");
    const int length = snprintf(s->folder, sizeof(s->folder), "%s/berth-test-XXXXXX",
                                within != NULL ? within : "/tmp");
    errno = ENAMETOOLONG; /* PostgreSQL's socket is in there */
    if (length >= (int)sizeof(s->folder) || mkdtemp(s->folder) == NULL ||
        give_to_postgres(s->folder) < 0) {
        complain(s->folder);
        goto fail;
    }
    for (int i = 0; i < N_SERVERS; i++)
        s->wanted[i] = wanted[i];
    /* Blocked before the fork, so that no signal to the keeper is lost. */
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, &before);
    const pid_t parent = getpid();
    const pid_t keeper = fork(); /* not into the shared memory: both would write it */
    if (keeper == 0)
        keep(s, parent, &signals);
    sigprocmask(SIG_SETMASK, &before, NULL);
    s->keeper = keeper;
    if (keeper > 0)
        return s;
    complain("fork");
fail:
    munmap(s, sizeof(*s));
    return NULL;
}

void servers_poke(struct servers *s)
{
    kill(s->keeper, SIGUSR1);
}

void servers_destroy(struct servers *s)
{
    if (s == NULL)
        return;
    kill(s->keeper, SIGTERM);
    (void)waitpid(s->keeper, NULL, 0);
    munmap(s, sizeof(*s));
}
