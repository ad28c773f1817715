/* notify.h - tells the service manager how the daemon does: the protocol of sd_notify, as one
 * datagram a message to the socket named by NOTIFY_SOCKET. Without that variable nothing happens.
 * Nothing waits, and a manager that does not listen is no error. One thread. */
#ifndef BERTH_SERVER_NOTIFY_H
#define BERTH_SERVER_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
    int fd; /* -1: nobody is told */
    struct sockaddr_un to;
    socklen_t to_len;
    int64_t watchdog_ns; /* the manager wants a sign of life this often; 0: it does not */
    bool is_ready;       /* the caller's: READY=1 was said */
    char status[256];    /* as told last */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. */
void notify_open(struct notify *n);
void notify_close(struct notify *n);

/* Lines as sd_notify(3) has them: "READY=1". */
void notify_say(struct notify *n, const char *lines);
void notify_number(struct notify *n, const char *before, int64_t value); /* "...USEC=" */
/* STATUS=, when it is another than before. */
void notify_status(struct notify *n, const char *status);

#endif
