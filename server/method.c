/* method.c - methods.def against the service descriptors, and a small hash table of paths. */
#include "server/method.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "berth/v1/scheduler.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "grpc/reflection/v1alpha/reflection.pb-c.h"
#include "server/inbound.h"
#include "server/metrics.h"

/* The list as written: a service, then its methods. */
static const struct line {
    const ProtobufCServiceDescriptor *service; /* NULL: a method of the service above */
    struct method method;
} lines[] = {
#define RUN_UNARY(f)                                                                               \
    {                                                                                              \
        .unary = (f)                                                                               \
    }
#define RUN_CHAT(f)                                                                                \
    {                                                                                              \
        .unary = (f)                                                                               \
    }
#define RUN_STREAM(f)                                                                              \
    {                                                                                              \
        .stream = (f)                                                                              \
    }
#define SERVICE(d) {.service = &(d)},
#define RPC(m, function, k, p)                                                                     \
    {.method = {.name = #m, .kind = RPC_##k, .place = RPC_##p, .run = RUN_##k(function)}},
#define MANY(m, function) {.method = {.name = #m, .many = (function)}},
#include "server/methods.def"
#undef RPC
#undef SERVICE
};

enum { TABLE = 64 }; /* a power of two, at least twice the number of methods */
_Static_assert(ARRAY_SIZE(lines) * 2 <= TABLE, "make TABLE larger");

struct methods {
    struct arena *arena;
    struct inbound *inbound;
    struct method all[ARRAY_SIZE(lines)];
    size_t n;
    const struct method *table[TABLE]; /* open addressing */
};

static unsigned hash_path(const char *p, size_t n)
{
    uint32_t h = 2166136261U; /* FNV-1a */
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * 16777619U;
    return (h ^ (h >> 15)) & (TABLE - 1);
}

static int add_method(struct methods *m, const ProtobufCServiceDescriptor *service,
                      const struct method *line, struct err *e)
{
    const ProtobufCMethodDescriptor *d =
        protobuf_c_service_descriptor_get_method_by_name(service, line->name);
    if (d == NULL)
        return err_set(e, ERR_INTERNAL, "METHOD_LIST",
                       "methods.def: service %s of the contract has no method %s", service->name,
                       line->name);
    struct method *x = &m->all[m->n++];
    *x = *line;
    x->path = arena_printf(m->arena, "/%s/%s", service->name, line->name);
    x->input = d->input;
    x->output = d->output;
    x->metric = metrics_method(x->name);
    if (inbound_add(m->inbound, x->input, &x->rules, e) < 0)
        return -1;
    unsigned i = hash_path(x->path, strlen(x->path));
    while (m->table[i] != NULL) {
        if (strcmp(m->table[i]->path, x->path) == 0)
            return err_set(e, ERR_INTERNAL, "METHOD_LIST", "methods.def: %s is there twice",
                           x->path);
        i = (i + 1) & (TABLE - 1);
    }
    m->table[i] = x;
    return 0;
}

/* A line MANY adds to the method before it. */
static int add_many(struct methods *m, const struct method *line, struct err *e)
{
    struct method *x = m->n > 0 ? &m->all[m->n - 1] : NULL;
    if (x == NULL || strcmp(x->name, line->name) != 0 || x->kind != RPC_UNARY ||
        x->place != RPC_EXECUTOR)
        return err_set(e, ERR_INTERNAL, "METHOD_LIST",
                       "methods.def: MANY(%s) does not stand behind that method, or it is not for "
                       "executors",
                       line->name);
    x->many = line->many;
    return 0;
}

static int require_all(const struct methods *m, const ProtobufCServiceDescriptor *service,
                       struct err *e)
{
    char path[256];
    for (unsigned i = 0; i < service->n_methods; i++) {
        int n = snprintf(path, sizeof(path), "/%s/%s", service->name, service->methods[i].name);
        if (methods_find(m, path, (size_t)n) == NULL)
            return err_set(e, ERR_INTERNAL, "METHOD_LIST",
                           "methods.def: %s of the contract has no handler", path);
    }
    return 0;
}

static int fill(struct methods *m, struct err *e)
{
    const ProtobufCServiceDescriptor *service = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        if (lines[i].service != NULL)
            service = lines[i].service;
        else if (service == NULL)
            return err_set(e, ERR_INTERNAL, "METHOD_LIST",
                           "methods.def: a method before a service");
        else if ((lines[i].method.many != NULL ? add_many(m, &lines[i].method, e)
                                               : add_method(m, service, &lines[i].method, e)) < 0)
            return -1;
    }
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        if (lines[i].service != NULL && require_all(m, lines[i].service, e) < 0)
            return -1;
    }
    return inbound_complete(m->inbound, e);
}

int methods_create(struct methods **ret, struct err *e)
{
    struct methods *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return err_set(e, ERR_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
    m->arena = arena_create();
    m->inbound = inbound_create();
    if (fill(m, e) < 0) {
        methods_destroy(m);
        return -1;
    }
    *ret = m;
    return 0;
}

void methods_destroy(struct methods *m)
{
    if (m == NULL)
        return;
    inbound_destroy(m->inbound);
    arena_destroy(m->arena);
    free(m);
}

const struct method *methods_find(const struct methods *m, const char *path, size_t n)
{
    for (unsigned i = hash_path(path, n); m->table[i] != NULL; i = (i + 1) & (TABLE - 1)) {
        const char *p = m->table[i]->path;
        if (strlen(p) == n && memcmp(p, path, n) == 0)
            return m->table[i];
    }
    return NULL;
}

size_t methods_count(const struct methods *m)
{
    return m->n;
}

const struct method *methods_at(const struct methods *m, size_t i)
{
    return &m->all[i];
}
