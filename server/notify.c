/* notify.c - datagrams to the service manager. */
#include "server/notify.h"

#include <inttypes.h>
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

void notify_say(struct notify *n, const char *lines)
{
    if (n->fd >= 0)
        (void)sendto(n->fd, lines, strlen(lines), MSG_DONTWAIT | MSG_NOSIGNAL,
                     (const struct sockaddr *)&n->to, n->to_len);
}

void notify_number(struct notify *n, const char *before, int64_t value)
{
    char lines[MESSAGE_BYTES];
    (void)snprintf(lines, sizeof(lines), "%s%" PRId64, before, value);
    notify_say(n, lines);
}

void notify_status(struct notify *n, const char *status)
{
    char text[MESSAGE_BYTES];
    if (strncmp(n->status, status, sizeof(n->status) - 1) == 0)
        return;
    (void)snprintf(n->status, sizeof(n->status), "%s", status);
    (void)snprintf(text, sizeof(text), "STATUS=%s", n->status);
    notify_say(n, text);
}
