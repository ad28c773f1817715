/* berthd.c - see berthd.h. BERTHD is the path of the program, from the build. */
#include "tests/rpc/berthd.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/clock.h"
#include "tests/repo/support.h"

static pid_t child;
static char folder[64], address[128];
static char texts[2][1 << 16];

/* Within the folder of the test's servers, which goes when the program ends, even if a test fails.
 */
const char *berthd_folder(void)
{
    if (*folder == '\0') {
        const char *beside = redis_address() + strlen("unix:");
        (void)snprintf(folder, sizeof(folder), "%.*s/berthd-XXXXXX",
                       (int)(strrchr(beside, '/') - beside), beside);
        ck_assert_msg(mkdtemp(folder) != NULL, "no temporary folder");
    }
    return folder;
}

static void path_of(char path[128], const char *name)
{
    (void)snprintf(path, 128, "%s/%s", berthd_folder(), name);
}

static const char *read_file(const char *name, char *text, size_t size)
{
    char path[128];
    path_of(path, name);
    text[0] = '\0';
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return text;
    text[fread(text, 1, size - 1, f)] = '\0';
    (void)fclose(f);
    return text;
}

const char *berthd_stdout(void)
{
    return read_file("stdout", texts[0], sizeof(texts[0]));
}

const char *berthd_stderr(void)
{
    return read_file("stderr", texts[1], sizeof(texts[1]));
}

static void redirect(int fd, const char *path)
{
    int to = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (to < 0 || dup2(to, fd) < 0)
        _exit(126);
}

static void spawn(const char *const *args, const char *const *more)
{
    const char *argv[BERTHD_ARGS + 1] = {BERTHD};
    char out[128];
    char err[128];
    size_t n = 1;
    for (; *args != NULL; args++)
        argv[n++] = *args;
    for (; *more != NULL && n < BERTHD_ARGS; more++)
        argv[n++] = *more;
    path_of(out, "stdout");
    path_of(err, "stderr");
    child = fork();
    ck_assert_msg(child >= 0, "cannot fork");
    if (child > 0)
        return;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    redirect(STDOUT_FILENO, out);
    redirect(STDERR_FILENO, err);
    execv(BERTHD, (char *const *)(void *)argv);
    _exit(127);
}

/* The exit code; 128 + n for signal n. Waits, and kills it when that lasts too long. */
static int reap(void)
{
    int status = 0;
    pid_t done = 0;
    int64_t until = clock_ns() + AWAIT_MS * NS_PER_MS;
    while ((done = waitpid(child, &status, WNOHANG)) == 0 && clock_ns() < until)
        (void)poll(NULL, 0, 5);
    if (done == 0) {
        (void)kill(child, SIGKILL);
        (void)waitpid(child, &status, 0);
        ck_abort_msg("berthd did not end: %s", berthd_stderr());
    }
    child = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int berthd_run(const char *const *args)
{
    spawn(args, (const char *const[]){NULL});
    return reap();
}

int berthd_beside(const char *const *args)
{
    pid_t server = child;
    int code = berthd_run(args);
    child = server;
    return code;
}

static bool listens(void *ctx)
{
    char port[32];
    (void)ctx;
    if (waitpid(child, NULL, WNOHANG) != 0) {
        child = 0;
        ck_abort_msg("berthd ended instead of serving: %s", berthd_stderr());
    }
    if (*read_file("port", port, sizeof(port)) == '\0')
        return false;
    (void)snprintf(address, sizeof(address), "127.0.0.1:%d", (int)strtol(port, NULL, 10));
    return true;
}

const char *berthd_serve(const char *const *args)
{
    char port_file[160];
    char path[128];
    path_of(path, "port");
    (void)unlink(path);
    (void)snprintf(port_file, sizeof(port_file), "--port-file=%s", path);
    spawn((const char *const[]){"--listen=127.0.0.1:0", "--loop=false", port_file, NULL}, args);
    const int64_t until = clock_ns() + AWAIT_MS * NS_PER_MS;
    while (!listens(NULL)) {
        ck_assert_msg(clock_ns() < until, "berthd does not listen; it said: %s", berthd_stderr());
        (void)poll(NULL, 0, 5);
    }
    return address;
}

int berthd_metrics_port(void)
{
    char ports[32];
    const char *second = strchr(read_file("port", ports, sizeof(ports)), '\n');
    ck_assert_msg(second != NULL && second[1] != '\0', "no second line of the port file");
    return (int)strtol(second + 1, NULL, 10);
}

pid_t berthd_pid(void)
{
    return child;
}

void berthd_signal(int sig)
{
    ck_assert_int_eq(kill(child, sig), 0);
}

int berthd_wait(void)
{
    return reap();
}

int berthd_end(void)
{
    berthd_signal(SIGTERM);
    return reap();
}

void berthd_cleanup(void)
{
    if (child <= 0)
        return;
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    child = 0;
}
