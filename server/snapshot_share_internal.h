/* snapshot_share_internal.h - the inside of the share: for snapshot_share*.c only.
 *
 * share.lock guards the entries and all in them; it is never held while something is loaded, made
 * or freed. shared_snapshot is read only, but for what says otherwise. */
#ifndef BERTH_SERVER_SNAPSHOT_SHARE_INTERNAL_H
#define BERTH_SERVER_SNAPSHOT_SHARE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/snapshot_share.h"

enum { LOOK_MS = 50 };   /* how soon a call that waits notices that its client has left */
enum { SPECS_MAX = 32 }; /* of a load: those asked for, then those used of the snapshot before */

struct made { /* once, by who asks first */
    enum { NOT_MADE, IN_THE_MAKING, MADE } state;
    struct arena *arena;
};

struct shared_seat { /* an explainer that somebody or nobody uses */
    struct shared_seat *next;
    struct arena *arena;
    struct explainer *explainer;
};

struct shared_snapshot {
    atomic_uint refs;
    struct arena *arena;
    struct newest_snapshot is;
    int64_t read_ns;
    atomic_size_t bytes;    /* of everything below, too; idle seats only */
    atomic_bool *spec_used; /* by spec: somebody asked for it */

    pthread_mutex_t lock; /* of all that follows; never held while something is made */
    pthread_cond_t made;  /* broadcast when a making ends */
    struct made order_made, plan_made;
    const uint32_t *order;
    struct known known;
    struct shared_seat *idle;
    unsigned n_idle;
};

/* Who waits may go on waiting. */
int share_check_wait(const struct snapshot_want *w, struct err *e);
void derived_init(struct shared_snapshot *s);
void derived_finish(struct shared_snapshot *s);

struct waiter { /* a call under way, on its stack */
    const struct snapshot_spec *spec;
    struct waiter *next;
};

struct entry { /* a scaling group */
    struct entry *next;
    char *group;
    struct shared_snapshot *current; /* NULL: none */
    struct waiter *waiters;          /* calls inside snapshot_share_take() */
    bool loading;
    uint64_t begun;     /* loads */
    struct err failure; /* of the last load; code ERR_NONE: it was well */
    int64_t stale_ns;   /* what was read before does not have the last commit */
    int64_t last_use_ns;
};

struct snapshot_share {
    struct snapshot_share_options options;
    pthread_mutex_t lock;
    pthread_cond_t loaded;    /* broadcast when a load ends */
    pthread_cond_t attention; /* the keeper's: entries changed, or the end */
    struct entry *entries;
    uint64_t loads, hits;
    bool ends;
    pthread_t keeper;
    bool started;
};

/* Under the lock. Frees what need not be kept; snapshots nobody holds are put on *dead, linked by
 * their arenas' owner: to be released without the lock. */
struct dead {
    struct shared_snapshot *items[64];
    unsigned n;
};
void share_tidy(struct snapshot_share *x, int64_t now_ns, struct dead *dead);
void share_bury(struct dead *dead); /* without the lock */
void *share_keep(void *share);      /* the keeper's thread */

#endif
