/* test_metrics_http.c - the listener of /metrics: what it serves, what it refuses, its bounds. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scheduler/base.h"
#include "tests/repo/support.h"
#include "tests/rpc/berthd.h"
#include "tests/rpc/scrape.h"

static void setup(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
}

#define NO_DATABASE "--database=host=/nowhere"
#define NO_REDIS    "--redis=unix:/nowhere"

static const char *const bad_addresses[] = {"nowhere",
                                            "127.0.0.1:",
                                            ":9464",
                                            "192.0.2.1:1",
                                            "127.0.0.1:http",
                                            "unix:relative",
                                            "unix:/no/such/folder/socket"};

START_TEST(metrics_refuse_addresses_as_tabled)
{
    char flag[128];
    (void)snprintf(flag, sizeof(flag), "--metrics-listen=%s", bad_addresses[_i]);
    int code = berthd_run(
        (const char *const[]){"--listen=127.0.0.1:0", flag, NO_DATABASE, NO_REDIS, NULL});
    ck_assert_msg(code == 1, "%s: exit code %d: %s", bad_addresses[_i], code, berthd_stderr());
    ck_assert_msg(strstr(berthd_stderr(), "setting metrics_listen") != NULL, "%s: %s",
                  bad_addresses[_i], berthd_stderr());
}
END_TEST

static int start_alone(const char *listen)
{
    berthd_serve((const char *const[]){NO_DATABASE, NO_REDIS, listen, NULL});
    return strstr(listen, "unix:") != NULL ? 0 : berthd_metrics_port();
}

START_TEST(metrics_show_every_line_of_the_list)
{
    static const char *const names[] = {
#define METRIC(name, type, first, second, help) "berth_" #name,
#include "server/metrics.def"
#undef METRIC
    };
    char *text = scrape(start_alone("--metrics-listen=127.0.0.1:0"));
    ck_assert_int_eq(berthd_end(), 0);
    ck_assert_int_eq(berthd_run((const char *const[]){"--list-metrics", NULL}), 0);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char line[128];
        (void)snprintf(line, sizeof(line), "# HELP %s ", names[i]);
        ck_assert_msg(strstr(text, line) != NULL, "/metrics lacks \"%s\"", line);
        (void)snprintf(line, sizeof(line), "# TYPE %s ", names[i]);
        ck_assert_msg(strstr(text, line) != NULL, "/metrics lacks \"%s\"", line);
        (void)snprintf(line, sizeof(line), "%s ", names[i]);
        ck_assert_msg(strstr(berthd_stdout(), line) != NULL, "--list-metrics lacks %s", line);
    }
    ck_assert_msg(strstr(text, "berth_build_info{version=\"" BERTH_VERSION "\",grpc=\"") != NULL,
                  "no version");
    free(text);
}
END_TEST

static const struct {
    const char *what, *request, *answer; /* how the answer begins */
} requests[] = {
    {"the root", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 "},
    {"a path below", "GET /metrics/x HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 "},
    {"POST", "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na=b", "HTTP/1.1 404 "},
    {"DELETE", "DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 "},
    {"HEAD", "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 "},
    {"a query", "GET /metrics?name[]=up HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 "},
    {"HTTP/1.0", "GET /metrics HTTP/1.0\r\n\r\n", "HTTP/1.1 200 "},
};

START_TEST(metrics_answer_requests_as_tabled)
{
    int port = start_alone("--metrics-listen=127.0.0.1:0");
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        int fd = http_connect(port, NULL);
        http_send(fd, requests[i].request);
        char *answer = http_receive(fd);
        ck_assert_msg(strncmp(answer, requests[i].answer, strlen(requests[i].answer)) == 0,
                      "%s: %.200s", requests[i].what, answer);
        free(answer);
    }
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

/* 32 are served at a time. Whoever says nothing for 5 s makes room. */
START_TEST(metrics_bound_their_connections)
{
    enum { BOUND = 32, ALL = 40, LAST = ALL - 1 };
    int fds[ALL];
    int port = start_alone("--metrics-listen=127.0.0.1:0");
    for (int i = 0; i < ALL; i++)
        fds[i] = http_connect(port, NULL);
    http_send(fds[LAST], "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert_msg(!http_answers(fds[LAST], 500), "number %d was served before any of %d left", ALL,
                  BOUND);
    ck_assert_msg(http_answers(fds[0], SOON_MS), "a silent connection is never closed");
    char *answer = http_receive(fds[LAST]);
    ck_assert_msg(strncmp(answer, "HTTP/1.1 200 ", 13) == 0, "%.200s", answer);
    free(answer);
    for (int i = 0; i < LAST; i++)
        close(fds[i]);
    ck_assert_int_eq(berthd_end(), 0);
}
END_TEST

START_TEST(metrics_are_served_on_a_socket_file)
{
    char path[200], flag[256], other[256];
    (void)snprintf(path, sizeof(path), "%s/metrics.sock", berthd_folder());
    (void)snprintf(flag, sizeof(flag), "--metrics-listen=unix:%s", path);
    for (int i = 0; i < 2; i++) { /* the second one finds the file of the first */
        start_alone(flag);
        int fd = http_connect(0, path);
        http_send(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        char *answer = http_receive(fd);
        ck_assert_msg(strncmp(answer, "HTTP/1.1 200 ", 13) == 0, "%.200s", answer);
        free(answer);
        if (i == 0)
            berthd_cleanup(); /* kill -9 */
    }
    (void)snprintf(other, sizeof(other), "--listen=unix:%s/other.sock", berthd_folder());
    int code = berthd_beside((const char *const[]){other, flag, NO_DATABASE, NO_REDIS, NULL});
    ck_assert_msg(code == 1, "a second server took the file of the first: exit code %d", code);
    ck_assert_int_eq(berthd_end(), 0);
    ck_assert_msg(access(path, F_OK) != 0, "the file is left behind");
}
END_TEST

static void add_case(Suite *s, const char *name, const TTest *t, int end)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, berthd_cleanup);
    tcase_add_loop_test(tc, t, 0, end);
    suite_add_tcase(s, tc);
}

int main(void)
{
    Suite *s = suite_create("metrics_http");
    add_case(s, "addresses", metrics_refuse_addresses_as_tabled, ARRAY_SIZE(bad_addresses));
    add_case(s, "requests", metrics_answer_requests_as_tabled, 1);
    add_case(s, "list", metrics_show_every_line_of_the_list, 1);
    add_case(s, "connections", metrics_bound_their_connections, 1);
    add_case(s, "socket", metrics_are_served_on_a_socket_file, 1);
    return support_run(s, SUPPORT_REDIS); /* for its folder only */
}
