/* server_accept.h - accept4() of this program, found by libgrpc before libc's.
 *
 * gRPC core 1.51 gives a listening socket up for good when accept4() fails with anything but EAGAIN
 * and EINTR, also with no descriptor left (which the kernel says even when nobody waits): the
 * server would go on saying SERVING to those it has, and nobody could connect to it ever again.
 * This accept4() keeps one descriptor in reserve. At the limit it takes each connection that waits
 * with it and closes it at once, so that clients learn of it and try elsewhere, and says EAGAIN.
 * Errors of the connection that was about to come (accept(2)) are passed over.
 *
 * When not even the reserve can be had, a connection may wait until the next one comes. */
#ifndef BERTH_SERVER_SERVER_ACCEPT_H
#define BERTH_SERVER_SERVER_ACCEPT_H

/* Takes the reserve; before a server listens. Any number of times. */
void accept_prepare(void);

/* At most so many connections, beside so many descriptors that the process needs for other things;
 * more are closed as they come. gRPC core counts none. Nor is anything counted here: a descriptor's
 * number says how many are open at least, so some more fit while there are fewer others. */
void accept_most(int connections, int others);

#endif
