/* fuzz_config_file.c - the file of settings. What is taken can be shown; what is refused is refused
 * with a sentence. */
#include <sys/mman.h>
#include <unistd.h>

#include "server/config.h"
#include "tests/fuzz/fuzz.h"

static void write_all(int fd, const uint8_t *bytes, size_t n)
{
    FUZZ_REQUIRE(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, n, 0) == (ssize_t)n,
                 "cannot write the file");
}

static void show(const struct config *g)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    FUZZ_REQUIRE(out != NULL, "open_memstream");
    config_print(g, out);
    fclose(out);
    FUZZ_REQUIRE(n > 0, "the settings print as nothing");
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static int fd = -1;
    static char path[64], flag[] = "--config";
    char *argv[] = {flag, path};
    struct err e = {.code = ERR_NONE};
    CLEANUP(config_destroyp) struct config *g = NULL;
    if (fd < 0) {
        fd = memfd_create("settings", MFD_CLOEXEC);
        FUZZ_REQUIRE(fd >= 0, "memfd_create");
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    write_all(fd, bytes, n);
    if (config_create(NULL, (int)ARRAY_SIZE(argv), argv, &g, &e) == 0)
        show(g);
    else
        FUZZ_REQUIRE(e.code == ERR_INVALID && e.message[0] != '\0', "refused with %s: %s",
                     err_code_name(e.code), e.message);
    return 0;
}
