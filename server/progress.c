/* progress.c - see progress.h. */
#include "server/progress.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "server/clock.h"

enum { FIRST_MS = 500, AGAIN_MS = 200, AT_MAX = 128, LINE_MAX_BYTES = 512, WIDTH = 80 };

struct progress {
    const char *what;
    int64_t begin_ns;
    pthread_t thread;
    pthread_mutex_t lock; /* below, and the terminal's line */
    pthread_cond_t changed;
    uint32_t step, total;
    char at[AT_MAX];
    bool drawn, ends;
};

static void put(const char *text, size_t n)
{
    if (write(STDERR_FILENO, text, n) < 0)
        return; /* the terminal went away; the work goes on */
}

static void erase(struct progress *p)
{
    static const char clear[] = "\r\x1b[K";
    if (p->drawn)
        put(clear, sizeof(clear) - 1);
    p->drawn = false;
}

/* Bytes of the text that fit into so many columns: a character is no narrower than it has. */
static size_t fit(const char *text, size_t columns)
{
    size_t n = 0;
    while (text[n] != '\0' && columns > 0) {
        n++;
        while (((unsigned char)text[n] & 0xc0) == 0x80)
            n++;
        columns--;
    }
    return n;
}

static void draw(struct progress *p)
{
    char text[LINE_MAX_BYTES];
    struct winsize size;
    size_t columns = WIDTH;
    int n = snprintf(text, sizeof(text), "%s: ", p->what);
    if (p->step > 0 && p->total > 0)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "%" PRIu32 " of %" PRIu32 ", ", p->step,
                      p->total);
    if (*p->at != '\0')
        n += snprintf(text + n, sizeof(text) - (size_t)n, "%s, ", p->at);
    (void)snprintf(text + n, sizeof(text) - (size_t)n, "%" PRId64 " s",
                   (clock_ns() - p->begin_ns) / NS_PER_S);
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
        columns = size.ws_col;
    erase(p);
    put(text, fit(text, columns - 1));
    p->drawn = true;
}

static void *redraw(void *arg)
{
    struct progress *p = arg;
    pthread_mutex_lock(&p->lock);
    int64_t next = p->begin_ns + FIRST_MS * NS_PER_MS;
    while (!p->ends) {
        if (clock_ns() < next) {
            clock_cond_wait(&p->changed, &p->lock, next);
            continue;
        }
        draw(p);
        next = clock_ns() + AGAIN_MS * NS_PER_MS;
    }
    erase(p);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static bool has_terminal(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) != 0 && term != NULL && *term != '\0' && strcmp(term, "dumb") != 0;
}

struct progress *progress_begin(const char *what, uint32_t total)
{
    if (!has_terminal())
        return NULL;
    struct progress *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    p->what = what;
    p->total = total;
    p->begin_ns = clock_ns();
    pthread_mutex_init(&p->lock, NULL);
    clock_cond_init(&p->changed);
    if (pthread_create(&p->thread, NULL, redraw, p) == 0)
        return p;
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p);
    return NULL;
}

/* Names come from users: nothing that a terminal would obey. */
static void copy_clean(char to[AT_MAX], const char *from)
{
    size_t n = strnlen(from, AT_MAX - 1);
    while (n > 0 && ((unsigned char)from[n] & 0xc0) == 0x80)
        n--; /* not inside a character */
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)from[i];
        bool is_upper_control = i > 0 && c < 0xa0 && (unsigned char)from[i - 1] == 0xc2;
        to[i] = (char)(c < 0x20 || c == 0x7f || is_upper_control ? '?' : c);
    }
    to[n] = '\0';
}

void progress_step(struct progress *p, uint32_t step, const char *at)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->step = step;
    copy_clean(p->at, at != NULL ? at : "");
    pthread_mutex_unlock(&p->lock);
}

void progress_pause(struct progress *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    erase(p);
}

void progress_resume(struct progress *p)
{
    if (p != NULL)
        pthread_mutex_unlock(&p->lock);
}

void progress_end(struct progress *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->ends = true;
    pthread_cond_signal(&p->changed);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
