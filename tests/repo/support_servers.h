/* support_servers.h - the keeper of the servers; used by support.c. */
#ifndef BERTH_TESTS_REPO_SUPPORT_SERVERS_H
#define BERTH_TESTS_REPO_SUPPORT_SERVERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

enum server { SERVER_PG, SERVER_REDIS, SERVER_POOLER, N_SERVERS };
enum { POOLER_PORT = 6432 }; /* names its socket in the folder */

/* In memory shared by the program, its tests and the keeper. */
struct servers {
    pid_t keeper;
    char folder[64];
    _Atomic(pid_t) pid[N_SERVERS]; /* 0: not running */
    atomic_bool failed;            /* nothing will run */
    atomic_bool wanted[N_SERVERS]; /* the keeper starts those that are not running */
};

/* Starts the keeper, which starts what is wanted. NULL: could not; says why on stderr. */
struct servers *servers_create(const bool wanted[N_SERVERS]);
void servers_destroy(struct servers *s); /* ends the servers, removes the folder */
/* Asks the keeper to look at `wanted` again. */
void servers_poke(struct servers *s);

#endif
