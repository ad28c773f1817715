/* capture.h - what a function printed, as text. */
#ifndef BERTH_TESTS_BERTHCTL_CAPTURE_H
#define BERTH_TESTS_BERTHCTL_CAPTURE_H

#include <stdio.h>
#include <stdlib.h>

struct capture {
    FILE *out;
    char *text; /* valid after capture_end() */
    size_t n;
};

static inline void capture_begin(struct capture *c)
{
    c->out = open_memstream(&c->text, &c->n);
    ck_assert_msg(c->out != NULL, "open_memstream");
}

static inline const char *capture_end(struct capture *c)
{
    fclose(c->out);
    c->out = NULL;
    return c->text;
}

static inline void capture_finish(struct capture *c)
{
    if (c->out != NULL)
        fclose(c->out);
    free(c->text);
    c->text = NULL;
}

#endif
