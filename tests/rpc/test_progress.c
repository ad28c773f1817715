/* test_progress.c - the line that tells how far long work is, seen through a terminal of its own.
 */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "server/clock.h"
#include "server/progress.h"
#include "tests/repo/world.h"

enum { SOON_MS = 20000, TEXT_MAX = 65536 };

static char text[TEXT_MAX];
static size_t n_text;

/* Reads what comes until the text is among it; false: the other end was closed, or it is late. */
static bool reads(int fd, const char *wanted)
{
    int64_t until = clock_ns() + SOON_MS * NS_PER_MS;
    while (strstr(text, wanted) == NULL) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int left = (int)((until - clock_ns()) / NS_PER_MS);
        if (left <= 0 || poll(&p, 1, left) <= 0)
            return false;
        ssize_t n = read(fd, text + n_text, TEXT_MAX - 1 - n_text);
        if (n <= 0)
            return false;
        n_text += (size_t)n;
        text[n_text] = '\0';
    }
    return true;
}

static void forget(void)
{
    n_text = 0;
    text[0] = '\0';
}

/* Standard error becomes a terminal of so many columns; the other end of it. */
static int open_terminal(unsigned short columns)
{
    int ours = -1;
    int theirs = -1;
    const struct winsize size = {.ws_row = 24, .ws_col = columns};
    ck_assert_int_eq(openpty(&ours, &theirs, NULL, NULL, &size), 0);
    ck_assert_int_ge(dup2(theirs, STDERR_FILENO), 0);
    ck_assert_int_eq(fcntl(ours, F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(setenv("TERM", "xterm", 1), 0);
    return ours;
}

/* --- nothing --- */

START_TEST(nothing_is_drawn_where_no_terminal_is)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
    struct progress *p = progress_begin("work", 3);
    ck_assert_msg(p == NULL, "there is a line on a pipe");
    progress_step(p, 1, "a");
    progress_pause(p);
    progress_resume(p);
    progress_end(p);
}
END_TEST

START_TEST(nothing_is_drawn_on_a_dumb_terminal)
{
    (void)open_terminal(80);
    ck_assert_int_eq(setenv("TERM", "dumb", 1), 0);
    ck_assert_msg(progress_begin("work", 3) == NULL, "there is a line on a dumb terminal");
    ck_assert_int_eq(unsetenv("TERM"), 0);
    ck_assert_msg(progress_begin("work", 3) == NULL, "there is a line on an unknown terminal");
}
END_TEST

START_TEST(nothing_is_drawn_of_short_work)
{
    int fd = open_terminal(80);
    struct progress *p = progress_begin("work", 3);
    progress_step(p, 1, "a");
    progress_end(p);
    ck_assert_int_eq(write(STDERR_FILENO, ".", 1), 1);
    ck_assert_msg(reads(fd, ".") && strcmp(text, ".") == 0, "drawn: %s", text);
}
END_TEST

/* --- the line --- */

START_TEST(the_line_tells_the_step_and_goes_at_the_end)
{
    int fd = open_terminal(80);
    struct progress *p = progress_begin("work", 3);
    progress_step(p, 2, "gpu\x1b[2J\xc2\x9b\x7f");
    ck_assert_msg(reads(fd, "work: 2 of 3, gpu?[2J\xc2??, 0 s"), "drawn: %s", text);
    progress_pause(p);
    ck_assert_int_eq(write(STDERR_FILENO, "a finding\n", 10), 10);
    progress_resume(p);
    ck_assert_msg(reads(fd, "\r\x1b[Ka finding"), "the line was not taken away: %s", text);
    forget();
    progress_step(p, 3, NULL);
    ck_assert_msg(reads(fd, "work: 3 of 3, "), "drawn: %s", text);
    progress_end(p);
    ck_assert_int_eq(write(STDERR_FILENO, "the end\n", 8), 8);
    ck_assert_msg(reads(fd, "\r\x1b[Kthe end"), "the line stays: %s", text);
}
END_TEST

START_TEST(the_line_is_cut_for_a_narrow_terminal)
{
    int fd = open_terminal(20);
    struct progress *p = progress_begin("work", 0);
    progress_step(p, 1, "\xc3\xa9\xc3\xa9\xc3\xa9 and many more words");
    ck_assert_msg(reads(fd, "work: \xc3\xa9\xc3\xa9\xc3\xa9 and many "), "drawn: %s", text);
    progress_end(p);
    ck_assert_int_eq(write(STDERR_FILENO, ".", 1), 1);
    ck_assert_msg(reads(fd, "\r\x1b[K.") && strstr(text, "many m") == NULL, "drawn: %s", text);
}
END_TEST

/* --- the program --- */

static pid_t child;

static void cleanup(void)
{
    if (child > 0) {
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
    }
}

/* Held until the connection ends. */
static PGconn *lock_rows(const struct db *d, const char *statement)
{
    PGconn *c = PQconnectdb(d->conninfo);
    PGresult *r = PQexec(c, statement);
    ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK, "%s: %s", statement, PQerrorMessage(c));
    PQclear(r);
    return c;
}

START_TEST(repair_tells_how_far_it_is)
{
    int fd = -1;
    int status = 0;
    char database[256];
    struct db d = world_create();
    (void)snprintf(database, sizeof(database), "--database=%s", d.conninfo);
    PGconn *lock = lock_rows(&d, "BEGIN; LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE");
    child = forkpty(&fd, NULL, NULL, NULL);
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)setenv("TERM", "xterm", 1);
        execl(BERTHD, BERTHD, "repair", database, (char *)NULL);
        _exit(127);
    }
    ck_assert_msg(reads(fd, "repair: 1 of 2, g1, "), "it says: %s", text);
    PQfinish(lock);
    ck_assert_msg(reads(fd, "\r\x1b[Kg1: 0 found, 0 mended"), "it says: %s", text);
    ck_assert_msg(reads(fd, "g2: 0 found, 0 mended"), "it says: %s", text);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    child = 0;
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d: %s", status, text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("progress");
    TCase *tc = tcase_create("progress");
    tcase_add_checked_fixture(tc, NULL, cleanup);
    tcase_add_test(tc, nothing_is_drawn_where_no_terminal_is);
    tcase_add_test(tc, nothing_is_drawn_on_a_dumb_terminal);
    tcase_add_test(tc, nothing_is_drawn_of_short_work);
    tcase_add_test(tc, the_line_tells_the_step_and_goes_at_the_end);
    tcase_add_test(tc, the_line_is_cut_for_a_narrow_terminal);
    tcase_add_test(tc, repair_tells_how_far_it_is);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return support_run(s, SUPPORT_PG);
}
