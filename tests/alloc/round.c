/* round.c - every allocation of a round, a preview with remedies and the files of both fails once,
 * each in a process of its own: it ends by abort(), as scheduler/arena.h says, or nothing shows.
 *
 *   alloc_round [--clusters N] [--plant N]
 *
 * The last line is the figure. The first line of a failure tells the cluster and the allocation.
 * --plant lets the N-th failure end in a crash: that must be noticed. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scheduler/remedy.h"
#include "scheduler/snapshot_file.h"
#include "tests/alloc/failing.h"
#include "tests/reference/cluster.h"

enum { CLUSTERS = 20, MOST_SHOWN = 10, MOST_PREVIEWS = 3, MOST_TRIES = 20 };
enum { CHILD_SAME = 0, CHILD_OTHER = 3, CHILD_ERROR = 4 };

static void preview(const struct snapshot *s, const struct policy *p, struct arena *a)
{
    const struct remedy_limits limits = {.max_tries = MOST_TRIES};
    for (uint32_t i = 0; i < s->n_sessions && i < MOST_PREVIEWS; i++) {
        const struct explain_request q = {.session = i, .agents = true};
        struct explanation *x = NULL;
        struct remedies *found = NULL;
        struct err e = {.code = ERR_NONE};
        if (round_explain(s, p, &q, a, &x, &e) < 0 ||
            remedy_find(s, p, &q, &limits, a, &found, &e) < 0)
            _exit(CHILD_ERROR);
    }
}

/* All of it; the plan's hash. */
static uint64_t work(uint64_t seed)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    CLEANUP(registry_destroyp) struct registry *r = registry_create();
    struct cluster c;
    struct policy *policy = NULL;
    struct plan *plan = NULL, *again = NULL;
    const struct snapshot *s = NULL;
    struct policy_config config;
    struct err e = {.code = ERR_NONE};
    uint8_t *bytes = NULL, *plan_bytes = NULL;
    size_t n = 0, n_plan = 0;
    cluster_create(seed, 1, a, &c);
    snapshot_write(c.snapshot, &c.config, a, &bytes, &n);
    const struct round_limits limits = {.max_sessions = 0};
    if (snapshot_read(bytes, n, a, &s, &config, &e) < 0 ||
        policy_resolve(r, &config, s, a, &policy, &e) < 0 ||
        round_run(s, policy, &limits, NULL, a, &plan, NULL, &e) < 0)
        _exit(CHILD_ERROR);
    plan_write(plan, a, &plan_bytes, &n_plan);
    if (plan_read(plan_bytes, n_plan, s, a, &again, &e) < 0)
        _exit(CHILD_ERROR);
    preview(s, policy, a);
    return again->hash;
}

/* NULL: allocation n failed and all is well; *ret_aborted says how. Else what went wrong. */
static const char *fail_one(uint64_t seed, int64_t n, uint64_t hash, bool planted,
                            bool *ret_aborted)
{
    const pid_t pid = fork();
    int status = 0;
    if (pid < 0)
        return "fork";
    if (pid == 0) {
        if (planted)
            (void)raise(SIGSEGV);
        atomic_store(&failing_block->left, n);
        _exit(work(seed) == hash ? CHILD_SAME : CHILD_OTHER);
    }
    if (waitpid(pid, &status, 0) != pid)
        return "waitpid";
    *ret_aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    if (*ret_aborted || (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SAME))
        return NULL;
    if (WIFSIGNALED(status))
        return strsignal(WTERMSIG(status));
    return WEXITSTATUS(status) == CHILD_OTHER ? "another plan" : "an error that is none";
}

int main(int argc, char **argv)
{
    uint64_t clusters = CLUSTERS, plant = 0, failures = 0, aborts = 0, wrong = 0;
    for (int i = 1; i < argc; i += 2) {
        uint64_t *to = strcmp(argv[i], "--clusters") == 0 ? &clusters
                       : strcmp(argv[i], "--plant") == 0  ? &plant
                                                          : NULL;
        if (to == NULL || i + 1 == argc) {
            fprintf(stderr, "usage: alloc_round [--clusters N] [--plant N]\n");
            return 2;
        }
        *to = strtoull(argv[i + 1], NULL, 10);
    }
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    for (uint64_t seed = 0; seed < clusters; seed++) {
        const int64_t before = atomic_load(&failing_block->made);
        const uint64_t hash = work(seed);
        const int64_t n_made = atomic_load(&failing_block->made) - before;
        for (int64_t n = 1; n <= n_made; n++) {
            bool aborted = false;
            const char *what = fail_one(seed, n, hash, ++failures == plant, &aborted);
            aborts += aborted;
            if (what != NULL && wrong++ < MOST_SHOWN)
                printf("ERROR: cluster %" PRIu64 ", allocation %" PRId64 ": %s\n", seed, n, what);
        }
    }
    printf("alloc_round: %" PRIu64 " allocations failed, %" PRIu64 " aborts, %" PRIu64 " wrong\n",
           failures, aborts, wrong);
    return wrong == 0 && failures > 0 && aborts > 0 ? 0 : 1;
}
