/* fuzz_claim.c - what a call shows of who makes it: the authorization header, or the name of a
 * certificate; the first byte is its kind. Only what the callers file says lets somebody in. */
#include <sys/mman.h>
#include <unistd.h>

#include "server/auth.h"
#include "tests/fuzz/fuzz.h"

/* The token's hash is that of "open sesame". */
static const char file[] =
    "token ann manager a,b "
    "sha256:41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb\n"
    "cert bob viewer * uri:spiffe://x/bob\ncert cy viewer * cn:cy\ncert di viewer * dns:di.x\n";

static struct auth *auth;

static void make_auth(void)
{
    static char flag[64];
    static struct config *config; /* auth looks into it */
    char *argv[] = {flag};
    struct err e = {.code = ERR_NONE};
    const int fd = memfd_create("callers", MFD_CLOEXEC);
    FUZZ_REQUIRE(fd >= 0 && write(fd, file, strlen(file)) == (ssize_t)strlen(file),
                 "cannot write the file");
    (void)snprintf(flag, sizeof(flag), "--callers-file=/proc/self/fd/%d", fd);
    FUZZ_REQUIRE(config_create(NULL, 1, argv, &config, &e) == 0, "settings: %s", e.message);
    FUZZ_REQUIRE(auth_create(config, &auth, &e) == 0, "auth: %s", e.message);
    FUZZ_REQUIRE(auth_count(auth) == 4, "%zu callers", auth_count(auth));
}

/* Who that claim is; NULL: refused with a sentence. */
static struct caller *identify(const struct auth_claim *claim)
{
    struct caller *c = NULL;
    struct err e = {.code = ERR_NONE};
    if (auth_identify(auth, claim, &c, &e) == 0)
        return c;
    FUZZ_REQUIRE(e.code == ERR_UNKNOWN_CALLER && e.message[0] != '\0' &&
                     strncmp(e.reason, "CREDENTIALS_", strlen("CREDENTIALS_")) == 0,
                 "refused with %s %s", err_code_name(e.code), e.reason);
    return NULL;
}

static bool is(const char *wanted, const char *text, size_t n)
{
    return strlen(wanted) == n && memcmp(wanted, text, n) == 0;
}

static void check_header(const char *text, size_t n)
{
    struct auth_claim claim = {.authorization = text, .n_authorization = n};
    CLEANUP(caller_unrefp) struct caller *c = identify(&claim);
    const bool known = n > 7 && is("open sesame", text + 7, n - 7);
    FUZZ_REQUIRE(c == NULL || (known && strcmp(c->name, "ann") == 0), "\"%.*s\" lets %s in", (int)n,
                 text, c->name);
    claim.several = true;
    CLEANUP(caller_unrefp) struct caller *twice = identify(&claim);
    FUZZ_REQUIRE(twice == NULL, "the header may be there twice");
}

static void check_name(enum auth_kind kind, const char *text, size_t n)
{
    static const char *const names[] = {
        [AUTH_URI] = "spiffe://x/bob", [AUTH_DNS] = "di.x", [AUTH_CN] = "cy"};
    const struct auth_subject name = {.kind = kind, .text = text, .n = n};
    const struct auth_claim claim = {.names = &name, .n_names = 1};
    CLEANUP(caller_unrefp) struct caller *c = identify(&claim);
    FUZZ_REQUIRE((c != NULL) == is(names[kind], text, n), "\"%.*s\" is %s", (int)n, text,
                 c != NULL ? c->name : "nobody");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (auth == NULL)
        make_auth();
    CLEANUP(arena_destroyp) struct arena *a = arena_create();
    const uint32_t kind = take_kind(&bytes, &n, 4);
    const char *text = n > 0 ? arena_memdup(a, bytes, n) : ""; /* with its end guarded */
    if (kind == AUTH_TOKEN)
        check_header(text, n);
    else
        check_name((enum auth_kind)kind, text, n);
    return 0;
}
