/* settings.c - see settings.h. */
#include "tests/rpc/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLAGS_MAX = 30 };

static char folder[64], path[96], aside[96];
static pid_t owner; /* a forked test must not take the folder from the others */

static void remove_folder(void)
{
    if (getpid() != owner)
        return;
    (void)unlink(aside);
    (void)unlink(path);
    (void)rmdir(folder);
}

const char *settings_path(void)
{
    if (owner == getpid())
        return path;
    (void)snprintf(folder, sizeof(folder), "/tmp/berth-settings-XXXXXX");
    ck_assert_msg(mkdtemp(folder) != NULL, "no temporary folder");
    (void)snprintf(path, sizeof(path), "%s/berthd.yaml", folder);
    (void)snprintf(aside, sizeof(aside), "%s/berthd.yaml.new", folder);
    owner = getpid();
    (void)atexit(remove_folder);
    return path;
}

void settings_write(const char *text)
{
    settings_path();
    FILE *f = fopen(aside, "we");
    ck_assert_msg(f != NULL, "cannot write %s", aside);
    size_t n = fwrite(text, 1, strlen(text), f);
    ck_assert_msg(fclose(f) == 0 && n == strlen(text), "cannot write %s", aside);
    ck_assert_msg(rename(aside, path) == 0, "cannot rename %s", aside);
}

int settings_read(const char *const *flags, struct config **ret, struct err *e)
{
    const char *argv[FLAGS_MAX] = {"--config", settings_path()};
    int argc = 2;
    for (; flags != NULL && *flags != NULL && argc < FLAGS_MAX; flags++)
        argv[argc++] = *flags;
    *e = (struct err){.code = ERR_NONE};
    return config_create(NULL, argc, (char *const *)(void *)argv, ret, e);
}

const char *settings_said(const struct err *e)
{
    static char said[sizeof(e->message)];
    const char *at = strstr(e->message, path);
    if (at == NULL)
        return e->message;
    (void)snprintf(said, sizeof(said), "%.*sFILE%s", (int)(at - e->message), e->message,
                   at + strlen(path));
    return said;
}
