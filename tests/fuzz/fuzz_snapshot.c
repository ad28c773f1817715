/* fuzz_snapshot.c - snapshot files, whole and as the pieces between head and checksum; then a round
 * on what was read. What is read writes to a file that reads and writes the same. */
#include "scheduler/snapshot_file.h"
#include "scheduler/snapshot_format.h"
#include "tests/fuzz/round_check.h"
#include "tests/fuzz/sealed_file.h"

enum { MOST_SESSIONS = 40, MOST_AGENTS = 40 }; /* the rounds of larger ones take too long */

static void check(const uint8_t *bytes, size_t n, struct arena *a)
{
    static struct registry *registry;
    const struct snapshot *s = NULL, *again = NULL;
    struct policy_config config;
    struct policy *policy = NULL;
    struct err e = {.code = ERR_NONE};
    uint8_t *first = NULL, *second = NULL;
    size_t n_first = 0, n_second = 0;
    if (registry == NULL)
        registry = registry_create();
    if (snapshot_read(bytes, n, a, &s, &config, &e) < 0) {
        FUZZ_REQUIRE(e.code == ERR_INVALID && strcmp(e.reason, "BAD_FILE") == 0, "refused with %s",
                     err_code_name(e.code));
        return;
    }
    snapshot_write(s, &config, a, &first, &n_first);
    FUZZ_REQUIRE(snapshot_read(first, n_first, a, &again, &config, &e) == 0,
                 "what was read cannot be read again: %s", e.message);
    snapshot_write(again, &config, a, &second, &n_second);
    FUZZ_REQUIRE(n_first == n_second && memcmp(first, second, n_first) == 0,
                 "it writes to other bytes the second time");
    FUZZ_REQUIRE(snapshot_print(s, a)[0] != '\0', "it prints as nothing");
    if (s->n_sessions <= MOST_SESSIONS && s->n_agents <= MOST_AGENTS)
        (void)round_check(registry, &config, s, a, &policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    if (n > 0 && bytes[0] == SNAPSHOT_MAGIC[0] && n > FILE_HEAD + FILE_CHECKSUM)
        check(bytes, n, a); /* as it stands */
    const struct byte_writer w = sealed_file(bytes, n, SNAPSHOT_MAGIC, SNAPSHOT_FILE_VERSION, a);
    check(w.bytes, w.n, a);
    return 0;
}
