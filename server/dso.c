/* dso.c - a trial run in a child, then dlopen(), one symbol, registry_add(). */
#include "server/dso.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRIAL_SECONDS = 10 };

static void close_object(void **so)
{
    if (*so != NULL)
        dlclose(*so);
}

/* A constructor that crashes, hangs or exits must not take berthd along: a child loads it first. */
static int survives_loading(const char *path, struct err *e)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        alarm(TRIAL_SECONDS);
        (void)dlopen(path, RTLD_NOW | RTLD_LOCAL); /* its errors are told by the real one */
        _exit(0);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (pid < 0) {
        err_set(e, ERR_INTERNAL, "NO_PROCESS", "cannot try out the plugin %.100s", path);
        return err_detail(e, "fork: %s", strerror(errno));
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    err_set(e, ERR_INVALID, "BAD_PLUGIN", "the plugin %.100s crashes while it is loaded", path);
    return err_detail(e, "%s", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it exits");
}

int dso_load(struct registry *r, const char *path, struct err *e)
{
    if (survives_loading(path, e) < 0)
        return -1;
    CLEANUP(close_object) void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (so == NULL) {
        err_set(e, ERR_INVALID, "BAD_PLUGIN", "cannot load the plugin %.100s", path);
        return err_detail(e, "%s", dlerror());
    }
    const struct plugin *const *entry = dlsym(so, "berth_plugin");
    if (entry == NULL || *entry == NULL)
        return err_set(e, ERR_INVALID, "BAD_PLUGIN",
                       "%.100s is not a plugin of Berth: it has no symbol berth_plugin", path);
    if (registry_add(r, *entry, path, e) < 0)
        return -1;
    so = NULL;
    return 0;
}
