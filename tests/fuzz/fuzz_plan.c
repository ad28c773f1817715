/* fuzz_plan.c - plan files of a small cluster (the first byte is its seed). */
#include "scheduler/snapshot_file.h"
#include "scheduler/snapshot_format.h"
#include "tests/fuzz/sealed_file.h"
#include "tests/reference/cluster.h"

enum { SEEDS = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    struct cluster cluster;
    struct plan *p = NULL, *again = NULL;
    struct err e = {.code = ERR_NONE};
    uint8_t *written = NULL;
    size_t n_written = 0;
    cluster_create(take_kind(&bytes, &n, SEEDS), 1, a, &cluster);
    const struct byte_writer w = sealed_file(bytes, n, PLAN_MAGIC, SNAPSHOT_FILE_VERSION, a);
    if (plan_read(w.bytes, w.n, cluster.snapshot, a, &p, &e) < 0) {
        FUZZ_REQUIRE(e.code == ERR_INVALID && strcmp(e.reason, "BAD_FILE") == 0, "refused with %s",
                     err_code_name(e.code));
        return 0;
    }
    FUZZ_REQUIRE(p->hash == plan_hash(cluster.snapshot, p), "its hash is not its hash");
    plan_write(p, a, &written, &n_written);
    FUZZ_REQUIRE(plan_read(written, n_written, cluster.snapshot, a, &again, &e) == 0,
                 "what was read cannot be read again: %s", e.message);
    FUZZ_REQUIRE(again->hash == p->hash, "it reads as another plan");
    FUZZ_REQUIRE(plan_print(cluster.snapshot, p, a) != NULL, "it prints as nothing");
    return 0;
}
