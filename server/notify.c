/* notify.c - datagrams to the service manager. */
#include "server/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NS_PER_US = 1000, MESSAGE_BYTES = 512 };

/* A path, or "@name" in the abstract namespace. */
static bool read_address(struct notify *n, const char *socket_name)
{
    const size_t len = strlen(socket_name);
    if ((socket_name[0] != '/' && socket_name[0] != '@') || len < 2 ||
        len >= sizeof(n->to.sun_path))
        return false;
    n->to = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(n->to.sun_path, socket_name, len);
    if (socket_name[0] == '@')
        n->to.sun_path[0] = '\0';
    n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return true;
}

static int64_t read_watchdog(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (usec == NULL || (pid != NULL && strtoll(pid, NULL, 10) != getpid()))
        return 0;
    const long long us = strtoll(usec, NULL, 10);
    return us > 0 && us < INT64_MAX / NS_PER_US ? us * NS_PER_US : 0;
}

void notify_open(struct notify *n)
{
    const char *name = getenv("NOTIFY_SOCKET");
    *n = (struct notify){.fd = -1};
    if (name == NULL || !read_address(n, name))
        return;
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (n->fd >= 0)
        n->watchdog_ns = read_watchdog();
}

void notify_close(struct notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
}

/* len: as vsnprintf() has it. */
static void say(const struct notify *n, const char *text, int len)
{
    if (n->fd < 0 || len <= 0)
        return;
    const size_t bytes = len < MESSAGE_BYTES ? (size_t)len : MESSAGE_BYTES - 1;
    (void)sendto(n->fd, text, bytes, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&n->to,
                 n->to_len);
}

void notify_say(struct notify *n, const char *fmt, ...)
{
    char text[MESSAGE_BYTES] = "";
    va_list args;
    va_start(args, fmt);
    const int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    say(n, text, len);
}

void notify_status(struct notify *n, const char *status)
{
    char text[MESSAGE_BYTES];
    if (strncmp(n->status, status, sizeof(n->status) - 1) == 0)
        return;
    (void)snprintf(n->status, sizeof(n->status), "%s", status);
    say(n, text, snprintf(text, sizeof(text), "STATUS=%s", n->status));
}
