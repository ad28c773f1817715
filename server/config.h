/* config.h - the settings of config.def: read, checked, and reloaded while the program runs.
 *
 * Sources, later ones win: the defaults, the file (config_file.h), the environment, the command
 * line. A wrong value, an unknown name in the file or an unknown flag is ERR_INVALID with a
 * sentence that names the setting, where the value came from and what is allowed.
 *
 * Generations. config_create() makes the first; it lives until config_destroy(). Each successful
 * config_reload() makes the next one and puts it in force at once, whole; none changes once made. A
 * generation lives while somebody holds it, so memory does not grow with the number of reloads.
 *
 * How to read a setting:
 *   RESTART settings are the same in every generation: read them from the pointer you were given,
 *   g->listen.
 *   RELOAD settings are read anew at each use, from any generation you have:
 *       int64_t chunk = CONFIG_NOW(g, commit_chunk);           one number, boolean or choice
 *       CLEANUP(config_releasep) const struct config *now = config_take(g);   texts, lists, or
 *       use(now->slot_priority, now->plugin_options);          several that belong together
 *   What was taken is valid until it is released, however many reloads happen meanwhile. Hold it
 *   for one piece of work (a round, a call), never across a wait for more work. Any thread.
 *
 * How to have a say in a reload: config_listen(). A part that makes something of its settings, or
 * of files they name (certificates, tokens), checks and makes it in check(), and puts it to use in
 * apply(); if any check refuses, the whole reload is refused and everything stays as it was. */
#ifndef BERTH_SERVER_CONFIG_H
#define BERTH_SERVER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "scheduler/arena.h"
#include "scheduler/err.h"

struct config_list {
    const char *const *items;
    uint32_t n;
};

#define CONFIG_TYPE_TEXT           const char *
#define CONFIG_TYPE_CONNINFO       const char *
#define CONFIG_TYPE_LIST           struct config_list
#define CONFIG_TYPE_OPTIONS        struct config_list
#define CONFIG_TYPE_LEVELS         struct config_list
#define CONFIG_TYPE_INT            int64_t
#define CONFIG_TYPE_BYTES          int64_t
#define CONFIG_TYPE_MS             int64_t
#define CONFIG_TYPE_BOOL           bool
#define CONFIG_TYPE_CHOICE_LEVEL   int /* enum log_level */
#define CONFIG_TYPE_CHOICE_FORMAT  int /* enum log_format */
#define CONFIG_TYPE_CHOICE_CLIENT  int /* enum tls_client_auth */
#define CONFIG_TYPE_CHOICE_BRIDGE  int /* 0: off */
#define CONFIG_TYPE_CHOICE_COEXIST int /* 0: off */

enum tls_client_auth {                     /* of TLS clients, a certificate is */
                       TLS_CLIENT_NONE,    /* not asked for */
                       TLS_CLIENT_REQUEST, /* asked for; who has none may still come in */
                       TLS_CLIENT_REQUIRE  /* required */
};

struct config { // NOLINT(clang-analyzer-optin.performance.Padding): in the order people read them
#define SETTING(name, type, dflt, least, greatest, reload, prose) CONFIG_TYPE_##type name;
#include "server/config.def"
#undef SETTING
};

/* env: "NAME=value" strings, NULL-ended (environ); BERTH_* that name no setting are left alone (a
 * container platform makes some of its own). argv: the flags alone, without program name and
 * command. NULL for either: none. Both are copied. */
int config_create(char *const *env, int argc, char *const *argv, struct config **ret,
                  struct err *e) MUST_CHECK;
/* Of what config_create() made; everything taken was released, every listener is gone. NULL is
 * fine. */
void config_destroy(struct config *c);
DEFINE_CLEANUP(struct config, config_destroy)

/* --- the generation in force --- */

/* c: any generation one has. */
const struct config *config_take(const struct config *c);
void config_release(const struct config *taken); /* NULL is fine */
DEFINE_CLEANUP(const struct config, config_release)

#define CONFIG_NOW(c, name)                                                                        \
    ({                                                                                             \
        const struct config *const taken_ = config_take(c);                                        \
        const __typeof__(taken_->name) now_ = taken_->name;                                        \
        _Static_assert(_Generic(now_, int64_t : 1, int : 1, bool : 1, default : 0),                \
                       "a text or a list lives as long as it is taken: use config_take()");        \
        config_release(taken_);                                                                    \
        now_;                                                                                      \
    })

/* 0 for the first; each reload that changed something has the next. */
uint64_t config_generation(const struct config *c);
/* Generations that are in memory. */
unsigned config_generations_held(const struct config *c);

/* --- reload --- */

/* Embed it. check and drop may be NULL. All three run on the thread that reloads, one listener
 * after the other, and must not call config_listen(), config_unlisten() or config_reload(). They
 * run at every reload, even if no setting changed: files that settings name may have. */
struct config_listener {
    const char *name; /* the part, for the log; static storage */
    /* Can the part live with `next`? 0, and what it made ready in *ret_made (NULL: nothing); or -1
     * with a sentence, best from config_refuse(). Changes nothing. */
    int (*check)(void *ctx, const struct config *next, void **ret_made, struct err *e);
    /* `now` is in force. Cannot fail, must not wait long. Owns what check() made. */
    void (*apply)(void *ctx, const struct config *now, void *made);
    /* Another part refused: forget what check() made. */
    void (*drop)(void *ctx, void *made);
    void *ctx;
    /* config.c's */
    struct config_listener *next;
    void *made;
};
/* c: any generation. The listener is lent until config_unlisten(), which waits for a reload in
 * progress. Reloads ask in the order of registration. */
void config_listen(const struct config *c, struct config_listener *l);
void config_unlisten(const struct config *c, struct config_listener *l); /* not listening: fine */

/* For check(): ERR_INVALID, "berthd.yaml:7: setting slot_priority: <sentence>". */
int config_refuse(const struct config *c, const char *setting, struct err *e, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Where the value of a setting came from: "default", "berthd.yaml:7", "environment", "command
 * line". Lives as long as c. */
const char *config_origin(const struct config *c, const char *setting);

/* Reads all sources again. 0: the new generation is in force, with the RESTART settings as they
 * were. -1: nothing changed. The log says which, so there may be nothing left for the caller to do.
 * Any thread; one at a time, others wait. */
int config_reload(const struct config *c, struct err *e);

/* --- showing them --- */

/* One line a setting: name, value, where it came from; secrets left out. */
void config_print(const struct config *c, FILE *out);

/* What is known of a setting, for help and documents. */
struct config_about {
    const char *section; /* the one it belongs to */
    const char *name;
    const char *value; /* what the help calls its value: "N" */
    const char *allowed;
    const char *dflt; /* "" is the empty text */
    const char *prose;
    const char *const *words; /* those it may be, NULL-ended; NULL: no such list */
    bool is_list, reloads;
};
size_t config_count(void);
/* i: 0 to config_count() - 1, in the order of config.def; texts are static or in the arena. */
void config_about(size_t i, struct arena *a, struct config_about *ret);
size_t config_index(const char *name); /* as spelt in a flag or in the file; config_count(): none */

/* A libpq connection string, either form, with the value of each password replaced by "***". */
char *config_redact(const char *conninfo, struct arena *a);

#endif
