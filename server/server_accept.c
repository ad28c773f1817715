/* server_accept.c - the reserve is /dev/null, opened; whoever swaps it out may use its number. */
#include "server/server_accept.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/log.h"

enum { MOST_AT_ONCE = 4096 }; /* connections refused or passed over in one accept4() */

static atomic_int reserve = -1;
static atomic_int end = INT_MAX; /* of the numbers connections may have */

void accept_prepare(void)
{
    int none = -1;
    if (atomic_load(&reserve) >= 0)
        return;
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && !atomic_compare_exchange_strong(&reserve, &none, fd))
        close(fd);
}

void accept_most(int connections, int others)
{
    atomic_store(&end, connections < INT_MAX - others ? connections + others : INT_MAX);
}

static int accept_plain(int listener, struct sockaddr *a, socklen_t *n, int flags)
{
    return (int)syscall(SYS_accept4, listener, a, n, flags);
}

/* True when a connection was taken and closed; false when none waits, or it cannot be done. */
static bool refuse_one(int listener)
{
    struct pollfd waits = {.fd = listener, .events = POLLIN};
    if (poll(&waits, 1, 0) != 1)
        return false;
    const int own = atomic_exchange(&reserve, -1);
    if (own >= 0)
        close(own);
    const int fd = accept_plain(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    accept_prepare();
    if (fd >= 0)
        log_rarely(1, LOG_WARN, "connections are refused: no descriptor is left", NULL, 0);
    return fd >= 0;
}

/* Errors of a connection that is gone already, as of accept(2). */
static bool is_of_connection(int error)
{
    switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case ENONET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EPERM: /* a firewall's word */
        return true;
    default:
        return false;
    }
}

int accept4(int listener, struct sockaddr *a, socklen_t *restrict n, int flags)
{
    for (unsigned i = 0; i < MOST_AT_ONCE; i++) {
        const int fd = accept_plain(listener, a, n, flags);
        if (fd >= atomic_load(&end)) { /* so many are open: the kernel gives the smallest number */
            close(fd);
            log_rarely(1, LOG_WARN, "connections are refused: max_connections are open", NULL, 0);
            continue;
        }
        if (fd >= 0)
            return fd;
        if (is_of_connection(errno))
            continue;
        if (errno != EMFILE && errno != ENFILE) {
            if (errno == ENOBUFS || errno == ENOMEM)
                break;
            return -1;
        }
        if (!refuse_one(listener))
            break;
    }
    errno = EAGAIN;
    return -1;
}
