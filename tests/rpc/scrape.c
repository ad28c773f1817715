/* scrape.c - see scrape.h. */
#include "tests/rpc/scrape.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "scheduler/base.h"
#include "tests/rpc/support.h"

int http_connect(int port, const char *path)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un file = {.sun_family = AF_UNIX};
    if (path != NULL)
        (void)snprintf(file.sun_path, sizeof(file.sun_path), "%s", path);
    int fd = socket(path != NULL ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = path != NULL ? connect(fd, (const struct sockaddr *)&file, sizeof(file))
                          : connect(fd, (const struct sockaddr *)&at, sizeof(at));
    ck_assert_msg(rc == 0, "cannot connect to %s:%d: %m", path != NULL ? path : "", port);
    return fd;
}

void http_send(int fd, const char *text)
{
    size_t n = strlen(text);
    ck_assert_msg(send(fd, text, n, MSG_NOSIGNAL) == (ssize_t)n, "cannot send: %m");
}

bool http_answers(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ms) == 1;
}

char *http_receive(int fd)
{
    size_t n = 0, cap = 1 << 20;
    char *text = malloc(cap);
    for (ssize_t got = 1; got > 0; n += got > 0 ? (size_t)got : 0) {
        ck_assert_msg(http_answers(fd, SOON_MS), "waited in vain for an answer of HTTP");
        ck_assert_msg(n + 1 < cap, "an answer of more than 1 MiB");
        got = recv(fd, text + n, cap - 1 - n, 0);
        ck_assert_msg(got >= 0, "cannot receive: %m");
    }
    text[n] = '\0';
    close(fd);
    return text;
}

char *scrape(int port)
{
    int fd = http_connect(port, NULL);
    http_send(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    char *answer = http_receive(fd);
    ck_assert_msg(strncmp(answer, "HTTP/1.1 200 ", 13) == 0, "%.200s", answer);
    char *body = strstr(answer, "\r\n\r\n");
    ck_assert_msg(body != NULL, "no end of the headers: %.200s", answer);
    memmove(answer, body + 4, strlen(body + 4) + 1);
    return answer;
}

/* The line of a series of this length in a text, after its name; NULL: none. */
static const char *find_series(const char *text, const char *series, size_t n)
{
    for (const char *line = text; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, series, n) == 0 && line[n] == ' ')
            return line + n + 1;
    }
    return NULL;
}

double scrape_value(const char *text, const char *series)
{
    const char *value = find_series(text, series, strlen(series));
    ck_assert_msg(value != NULL, "there is no series %s", series);
    return strtod(value, NULL);
}

static bool is_told(const char *line, size_t n)
{
    static const char *const never[] = {"_bucket{",
                                        "_sum ",
                                        "_sum{",
                                        "berth_rpc_in_flight ",
                                        "berth_executor",
                                        "berth_agents{",
                                        "berth_slot_",
                                        "berth_warm_bytes",
                                        "berth_group_",
                                        "_connect",
                                        "process_",
                                        "berth_last_round_timestamp_seconds",
                                        "berth_oldest_pending"};
    char name[512];
    (void)snprintf(name, sizeof(name), "%.*s", (int)n, line);
    for (size_t i = 0; i < ARRAY_SIZE(never); i++)
        if (strstr(name, never[i]) != NULL)
            return false;
    return *line != '#' && n > 0;
}

/* Whether the series, so long, is a counter's: one that is not there stands at 0. */
static bool is_counter(const char *series, size_t n)
{
    const char *brace = memchr(series, '{', n);
    size_t end = brace != NULL ? (size_t)(brace - series) : n;
    return end > 6 && (strncmp(series + end - 6, "_total", 6) == 0 ||
                       strncmp(series + end - 6, "_count", 6) == 0);
}

char *scrape_changes(const char *before, const char *after)
{
    char *changes = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&changes, &size);
    for (const char *line = after, *end; *line != '\0'; line = end + 1) {
        end = strchrnul(line, '\n');
        ck_assert_msg(*end == '\n', "a line without an end: %.100s", line);
        const char *space = memrchr(line, ' ', (size_t)(end - line));
        if (space == NULL || !is_told(line, (size_t)(end - line)))
            continue;
        const size_t n = (size_t)(space - line);
        const char *old = find_series(before, line, n);
        double change = strtod(space + 1, NULL) - (old != NULL ? strtod(old, NULL) : 0);
        bool grew = old != NULL || is_counter(line, n);
        if (old == NULL || change < 0 || change > 0)
            (void)fprintf(out, grew ? "%.*s %+g\n" : "%.*s =%g\n", (int)n, line, change);
    }
    (void)fclose(out);
    return changes;
}
