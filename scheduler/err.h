/* err.h - what went wrong, as one value with three readers.
 *
 * Code branches on `code` and `reason`, never on the text. The client sees `reason` (UPPER_SNAKE,
 * the ErrorInfo.reason of the API), `message` and the `meta` pairs. The log also sees `detail`:
 * SQLSTATE, errno, which row. Text that does not fit ends in '+' and is never cut inside a UTF-8
 * character. A function that fails returns -1, has filled its struct err (NULL is fine), and has
 * left its outputs untouched. */
#ifndef BERTH_SCHEDULER_ERR_H
#define BERTH_SCHEDULER_ERR_H

#include "scheduler/base.h"

enum err_code {
    ERR_NONE,
    ERR_INVALID,        /* the caller's input, with the field in meta: INVALID_ARGUMENT */
    ERR_NOT_FOUND,      /* NOT_FOUND */
    ERR_EXISTS,         /* a request id used with another body: ALREADY_EXISTS */
    ERR_CONFLICT,       /* lost race, lease busy, fenced out: ABORTED */
    ERR_PRECONDITION,   /* unknown scheduler, missing migration: FAILED_PRECONDITION */
    ERR_EXHAUSTED,      /* a bound reached: RESOURCE_EXHAUSTED */
    ERR_UNAVAILABLE,    /* database or Redis away, draining: UNAVAILABLE */
    ERR_TIMEOUT,        /* DEADLINE_EXCEEDED */
    ERR_OUT_OF_RANGE,   /* a cursor older than retention: OUT_OF_RANGE */
    ERR_CANCELLED,      /* the caller went away: CANCELLED */
    ERR_UNKNOWN_CALLER, /* who calls is not known: UNAUTHENTICATED */
    ERR_DENIED,         /* the caller may not do this: PERMISSION_DENIED */
    ERR_UNIMPLEMENTED,
    ERR_INTERNAL, /* a bug or a corrupted row: INTERNAL */
    N_ERR_CODES
};

enum { ERR_META_MAX = 4 };

struct err {
    enum err_code code;
    const char *reason; /* static storage */
    char message[192];
    char detail[320];
    unsigned n_meta;
    struct {
        const char *key; /* static storage; "field" holds a request's field path */
        char value[160];
    } meta[ERR_META_MAX];
    unsigned retry_after_ms; /* 0: no RetryInfo */
};

/* Each returns -1, so that "return err_set(...)" ends a function. errno is kept. err_set() starts
 * afresh: what *e held before is gone (its texts may still be arguments of the new message). */
int err_set(struct err *e, enum err_code code, const char *reason, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
int err_detail(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same key again replaces its value; a fifth key is left out. */
int err_meta(struct err *e, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
int err_retry(struct err *e, unsigned after_ms);

/* ERR_INVALID with reason BAD_FIELD and meta "field". */
int err_field(struct err *e, const char *field, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Copies a text into size (> 1) bytes; one that does not fit is cut as above. Returns ret. */
char *err_copy(char *ret, size_t size, const char *text);

const char *err_code_name(enum err_code code); /* "INVALID"; "UNKNOWN" for anything else */

#endif
